"""Twins that can be made of recorded answers, and verdicts that contradict their own explanation.

    python benchmarks/upkeep_recorded.py VERDICTS --data ROWS

Prints counts alone. The second part is the measurement for which no such figure is in an audit:
what the two rules flag was read, and is hardly ever a contradiction (docs/evidence/upkeep.md).
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from pathlib import Path

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.audit.upkeep.twins import twins_of
from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.data.recorded import group_runs, read_recorded
from rubricbeat.judges.rubric import Criterion
from rubricbeat.judges.verdict import Verdict

N_ANSWERS = 800
LEAD = r"(?:(?:therefore|thus|hence|so|overall|in conclusion|as a result|consequently),?\s+)?"
ADVERB = r"(?:(?:clearly|fully|therefore|thus|also|completely|directly|explicitly)\s+)?"
THING = (
    r"(?:the|this|that)\s+(?:specific\s+|given\s+|rubric\s+)?"
    r"(?:criterion|criteria|requirement|rubric item|rubric|item|condition)"
)
WHO = r"(?:(?:the|this)\s+(?:response|answer|assistant|model|completion|reply)|it)"
DOES = r"(?:meets?|satisf(?:y|ies)|fulfill?s?)"
IS_MET = re.compile(
    rf"{LEAD}(?:{THING}\s+(?:is|are|was|were|has been)\s+{ADVERB}(?:met|satisfied|fulfilled)"
    rf"|{WHO}\s+{ADVERB}(?:does\s+)?{DOES}\s+{THING})\.?",
    re.IGNORECASE,
)
IS_NOT = re.compile(
    rf"{LEAD}(?:{THING}\s+(?:is|are|was|were|has)\s+{ADVERB}not\s+(?:been\s+)?(?:\w+\s+)?"
    rf"(?:met|satisfied|fulfilled)|{WHO}\s+{ADVERB}(?:does|did)\s+not\s+(?:\w+\s+)?{DOES}\s+{THING}"
    rf"|{WHO}\s+fails\s+to\s+{DOES}\s+{THING})\.?",
    re.IGNORECASE,
)
"""What the last sentence must be, whole, to say in plain words that a criterion is met or not."""


def concludes(explanation: str) -> bool | None:
    """Read the last sentence: True for "is met", False for "is not met", None where unclear."""
    last = re.split(r"(?<=[.!?])\s+", explanation.strip())[-1]
    return True if IS_MET.fullmatch(last) else False if IS_NOT.fullmatch(last) else None


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("verdicts", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    args = parser.parse_args()
    examples = {one.prompt_id: one for one in read_examples(args.data).examples}
    graded: list[GradedAnswer] = []
    for file in read_recorded([args.verdicts], examples):
        for run in group_runs(file.rows):
            graded += run.graded
    some = graded[:N_ANSWERS]
    twins = Counter(t.edit.name for t in twins_of(labels_of_verdicts(some), some, 10**6, 0))
    print(f"twins of the first {len(some)} answers: {dict(twins)}")
    said: list[tuple[Criterion, Verdict]] = [
        pair
        for one in graded
        for pair in zip(one.example.rubric.criteria, one.verdicts, strict=True)
        if pair[1].met is not None and pair[1].explanation
    ]
    read = Counter((concludes(v.explanation), v.met) for _, v in said)
    flagged = [c for c, v in said if concludes(v.explanation) is (not v.met)]
    print(f"{len(said)} verdicts with explanations; (conclusion, verdict): {dict(read)}")
    print(f"flagged: {len(flagged)}, on faults: {sum(c.points < 0 for c in flagged)}")


if __name__ == "__main__":
    main()
