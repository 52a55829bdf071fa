"""Files that people have, read into rubrics, answers, labels and recorded verdicts."""
