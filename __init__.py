"""Rubric-graded evaluation, reward signal studies and training, on lm-eval and TRL.

The names below are loaded when they are first used: `import rubricbeat` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .judges.answer import Answer, GradedAnswer
    from .judges.data.examples import read_examples
    from .judges.errors import JudgeError, RubricbeatError
    from .judges.grader import Grader, open_grader
    from .judges.judge import Judge, JudgeIdentity, Question
    from .judges.registry import register_judge
    from .judges.rewards import get_reward, register_reward
    from .judges.rubric import Criterion, Example, Polarity, Rubric
    from .judges.scoring.run_scores import summarise
    from .judges.signal import group_answers, study_signal
    from .judges.verdict import Outcome, Verdict

__all__ = [
    "Answer",
    "Criterion",
    "Example",
    "GradedAnswer",
    "Grader",
    "Judge",
    "JudgeError",
    "JudgeIdentity",
    "Outcome",
    "Polarity",
    "Question",
    "Rubric",
    "RubricbeatError",
    "Verdict",
    "__version__",
    "get_reward",
    "group_answers",
    "open_grader",
    "read_examples",
    "register_judge",
    "register_reward",
    "study_signal",
    "summarise",
]

__version__ = "0.1.0"

_HOME = {
    "Answer": "judges.answer",
    "Criterion": "judges.rubric",
    "Example": "judges.rubric",
    "GradedAnswer": "judges.answer",
    "Grader": "judges.grader",
    "Judge": "judges.judge",
    "JudgeError": "judges.errors",
    "JudgeIdentity": "judges.judge",
    "Outcome": "judges.verdict",
    "Polarity": "judges.rubric",
    "Question": "judges.judge",
    "Rubric": "judges.rubric",
    "RubricbeatError": "judges.errors",
    "Verdict": "judges.verdict",
    "get_reward": "judges.rewards",
    "group_answers": "judges.signal",
    "open_grader": "judges.grader",
    "read_examples": "judges.data.examples",
    "register_judge": "judges.registry",
    "register_reward": "judges.rewards",
    "study_signal": "judges.signal",
    "summarise": "judges.scoring.run_scores",
}
"""Module of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
