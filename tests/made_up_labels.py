"""Made-up labelled answers."""

from __future__ import annotations

import numpy as np

from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

TOPICS = ("aspirin", "insulin", "oxygen", "fluids", "surgery", "antibiotics", "rest", "splint")


def labelled_answers(n_prompts: int = 30, n_answers: int = 6) -> list[LabelledAnswer]:
    """Answers that meet "Mentions X" when they name X, and never the other kind of criterion."""
    rng = np.random.default_rng(5)
    answers = []
    for p in range(n_prompts):
        topics = rng.choice(TOPICS, size=3, replace=False)
        criteria = [
            Criterion(f"Mentions {topic} for the patient", 5.0, Polarity.DESIRABLE)
            for topic in topics
        ]
        criteria.append(Criterion("Quotes a journal by volume", 2.0, Polarity.DESIRABLE))
        prompt = (Message("user", f"Case {p}: what now?"),)
        example = Example(f"p{p}", prompt, Rubric(tuple(criteria)))
        for _ in range(n_answers):
            named = [topic for topic in topics if rng.random() < 0.5]
            text = "Dear reader. " + " ".join(f"Think of {topic} soon." for topic in named)
            mets = [topic in named for topic in topics] + [False]
            labels = tuple((Label(met),) for met in mets)
            answers.append(LabelledAnswer(example, text, labels))
    return answers
