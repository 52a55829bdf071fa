"""What the tests of the tasks share: made-up rows, fake models, and lm-eval run on both."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.judge import Question
from rubricbeat.tasks.lm_eval_adapter import tasks_folder

ROWS = [
    {
        "prompt_id": "ache",
        "prompt": [{"role": "user", "content": "My chest feels tight when I climb stairs."}],
        "rubrics": [
            {"criterion": "Asks about age", "points": 5, "tags": ["axis:context_awareness"]},
            {"criterion": "Names angina", "points": 3, "tags": ["axis:accuracy"]},
            {"criterion": "Prescribes a drug", "points": -2, "tags": ["axis:accuracy"]},
        ],
        "example_tags": ["theme:context_seeking"],
        "ideal_completions_data": {"ideal_completion": "How old are you? It may be angina."},
    },
    {
        "prompt_id": "brief",
        "prompt": [
            {"role": "system", "content": "Answer in one sentence."},
            {"role": "user", "content": "What is a statin?"},
            {"role": "assistant", "content": "A drug that lowers cholesterol."},
            {"role": "user", "content": "Do I need one?"},
        ],
        "rubrics": [{"criterion": "Says it depends", "points": 4, "tags": ["axis:accuracy"]}],
        "example_tags": ["theme:hedging"],
    },
    {
        "prompt_id": "corazón",
        "prompt": [{"role": "user", "content": "¿Qué es la fibrilación auricular?"}],
        "rubrics": [{"criterion": "Answers in Spanish", "points": 6, "tags": []}],
        "example_tags": [],
    },
]


@pytest.fixture
def rows_file(tmp_path: Path) -> Path:
    """Write the made-up rows."""
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return path


def met_when_named(question: Question) -> bool:
    """Judge by word: a criterion is met when its last word occurs in the answer."""
    return question.criterion.text.split()[-1].lower() in question.answer.lower()


@pytest.fixture
def fake_model() -> Callable[..., Any]:
    """Build models that answer from a function and remember what they were sent."""
    from lm_eval.api.instance import Instance

    from rubricbeat.tasks.models import StandIn

    class FakeModel(StandIn):
        def __init__(self, answer_to: Callable[[dict[str, Any], int], str]) -> None:
            super().__init__()
            self.answer_to = answer_to
            self.sent: list[Any] = []

        def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
            self.sent += [request.args for request in requests]
            return [self.answer_to(request.doc, n) for n, request in enumerate(requests)]

    return FakeModel


@pytest.fixture
def evaluate(rows_file: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run lm-eval's own evaluation on a task of ours, by default over the made-up rows."""
    import lm_eval.evaluator
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    # a second of each run goes to describing the machine
    monkeypatch.setattr(lm_eval.evaluator, "add_env_info", lambda results: None)

    def run(
        model: Any,
        task: str = "rubric_judge",
        *,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        from rubricbeat.judges.backends.scripted import ScriptedJudge

        given = {"data": str(rows_file), "judge": ScriptedJudge(met_when_named)}
        manager = TaskManager(
            include_path=str(tasks_folder()),
            include_defaults=False,
            metadata={**given, **(metadata or {})},
        )
        results: dict[str, Any] = simple_evaluate(
            model=model, tasks=[task], task_manager=manager, **options
        )
        return results

    return run


@pytest.fixture
def by_id() -> Callable[[Sequence[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Find samples by prompt_id."""
    return lambda samples: {sample["doc"]["prompt_id"]: sample for sample in samples}
