"""Rubric-graded evaluation, reward signal studies and training, on lm-eval and TRL.

The names below are loaded when they are first used: `import rubricbeat` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .harness.api.grading import Grading, compare, grade, grade_async
    from .harness.api.studies import JudgeAudit, Study, audit, reward, study
    from .harness.serving.client import (
        MissingVerdictsError,
        ServingError,
        fetch_grades,
        fetch_rewards,
    )
    from .judges.answer import Answer, GradedAnswer, view_of
    from .judges.data.examples import example_from_row, example_to_row, read_examples
    from .judges.errors import JudgeError, RubricbeatError
    from .judges.grader import Grader, open_grader
    from .judges.judge import Judge, JudgeIdentity, Question
    from .judges.keyword.checks import holds
    from .judges.keyword.parser import parse_check
    from .judges.registry import register_judge
    from .judges.rewards import evaluate_table, get_reward, register_reward
    from .judges.rubric import (
        Criterion,
        Example,
        Gate,
        Level,
        Message,
        NaRule,
        Polarity,
        Requirement,
        Rubric,
    )
    from .judges.scoring.run_scores import summarise
    from .judges.scoring.verdict_table import VerdictTable
    from .judges.signal import group_answers, plan, study_signal
    from .judges.verdict import Outcome, Verdict
    from .reports.comparison.comparison import compare_runs
    from .reports.pages.comparison_page import render_page
    from .reports.results.reader import read_runs

__all__ = [
    "Answer",
    "Criterion",
    "Example",
    "Gate",
    "GradedAnswer",
    "Grader",
    "Grading",
    "Judge",
    "JudgeAudit",
    "JudgeError",
    "JudgeIdentity",
    "Level",
    "Message",
    "MissingVerdictsError",
    "NaRule",
    "Outcome",
    "Polarity",
    "Question",
    "Requirement",
    "Rubric",
    "RubricbeatError",
    "ServingError",
    "Study",
    "Verdict",
    "VerdictTable",
    "__version__",
    "audit",
    "compare",
    "compare_runs",
    "evaluate_table",
    "example_from_row",
    "example_to_row",
    "fetch_grades",
    "fetch_rewards",
    "get_reward",
    "grade",
    "grade_async",
    "group_answers",
    "holds",
    "open_grader",
    "parse_check",
    "plan",
    "read_examples",
    "read_runs",
    "register_judge",
    "register_reward",
    "render_page",
    "reward",
    "study",
    "study_signal",
    "summarise",
    "view_of",
]

__version__ = "0.2.0"

_HOME = {
    "Answer": "judges.answer",
    "Criterion": "judges.rubric",
    "Example": "judges.rubric",
    "Gate": "judges.rubric",
    "GradedAnswer": "judges.answer",
    "Grader": "judges.grader",
    "Grading": "harness.api.grading",
    "Judge": "judges.judge",
    "JudgeAudit": "harness.api.studies",
    "JudgeError": "judges.errors",
    "JudgeIdentity": "judges.judge",
    "Level": "judges.rubric",
    "Message": "judges.rubric",
    "MissingVerdictsError": "harness.serving.client",
    "NaRule": "judges.rubric",
    "Outcome": "judges.verdict",
    "Polarity": "judges.rubric",
    "Question": "judges.judge",
    "Requirement": "judges.rubric",
    "Rubric": "judges.rubric",
    "RubricbeatError": "judges.errors",
    "ServingError": "harness.serving.client",
    "Study": "harness.api.studies",
    "Verdict": "judges.verdict",
    "VerdictTable": "judges.scoring.verdict_table",
    "audit": "harness.api.studies",
    "compare": "harness.api.grading",
    "compare_runs": "reports.comparison.comparison",
    "evaluate_table": "judges.rewards",
    "example_from_row": "judges.data.examples",
    "example_to_row": "judges.data.examples",
    "fetch_grades": "harness.serving.client",
    "fetch_rewards": "harness.serving.client",
    "get_reward": "judges.rewards",
    "grade": "harness.api.grading",
    "grade_async": "harness.api.grading",
    "group_answers": "judges.signal",
    "holds": "judges.keyword.checks",
    "open_grader": "judges.grader",
    "parse_check": "judges.keyword.parser",
    "plan": "judges.signal",
    "read_examples": "judges.data.examples",
    "read_runs": "reports.results.reader",
    "register_judge": "judges.registry",
    "register_reward": "judges.rewards",
    "render_page": "reports.pages.comparison_page",
    "reward": "harness.api.studies",
    "study": "harness.api.studies",
    "study_signal": "judges.signal",
    "summarise": "judges.scoring.run_scores",
    "view_of": "judges.answer",
}
"""Module of each public name."""


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
