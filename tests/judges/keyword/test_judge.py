from __future__ import annotations

import asyncio
import pickle
from typing import Any

from rubricbeat.judges.judge import Judge, Question
from rubricbeat.judges.keyword.checks import LANGUAGE_VERSION
from rubricbeat.judges.registry import JUDGES
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict


def question(check: dict[str, Any] | None, answer: str) -> Question:
    criterion = Criterion("Says hello", 5, Polarity.DESIRABLE, check=check)
    return Question(Example("p-1", (Message("user", "Hi"),), Rubric((criterion,))), answer, 0)


def judged(check: dict[str, Any] | None, answer: str) -> Verdict:
    judge: Judge = JUDGES.find("keyword")()
    return asyncio.run(judge.judge(question(check, answer)))


def test_the_predicate_decides_and_explains() -> None:
    met = judged({"says": "hello"}, "Hello there.")
    missed = judged({"says": "hello"}, "Goodbye.")
    assert (met.met, missed.met) == (True, False)
    assert "hello there" in met.explanation
    assert "not found" in missed.explanation


def test_no_predicate_no_verdict() -> None:
    verdict = judged(None, "Hello there.")
    assert verdict.outcome is Outcome.SKIPPED
    assert verdict.met is None
    assert verdict.attempts == 0
    assert "never guesses" in verdict.explanation


def test_an_unusable_check_gives_no_verdict_and_names_the_row() -> None:
    verdict = judged({"says_": "hello"}, "Hello")
    assert verdict.outcome is Outcome.SKIPPED
    assert verdict.explanation.startswith("prompt_id p-1: criterion 1: check: unknown operator")


def test_a_check_that_no_file_can_hold_gives_no_verdict_and_names_the_row() -> None:
    verdict = judged({"says": {1, 2}}, "Hello")
    assert verdict.outcome is Outcome.SKIPPED
    assert verdict.explanation.startswith("prompt_id p-1: criterion 1: check: not JSON")


def test_an_answer_in_another_language_has_no_verdict_and_is_never_not_met() -> None:
    verdict = judged({"says": "aspirin"}, "Nehmen Sie kein Aspirin.")
    assert verdict.outcome is Outcome.SKIPPED
    assert verdict.met is None
    assert "not in English" in verdict.explanation
    assert judged({"says": "aspirin", "negation": "kein*"}, "Nehmen Sie kein Aspirin.").met is False


def test_the_identity_holds_the_language_and_survives_pickling() -> None:
    judge = JUDGES.find("keyword")()
    assert judge.identity.name == "keyword"
    assert judge.identity.version == LANGUAGE_VERSION
    assert judge.identity.prompt == f"predicates-{LANGUAGE_VERSION}"
    assert pickle.loads(pickle.dumps(judge)).identity == judge.identity


def test_the_store_key_holds_check_and_answer_only() -> None:
    judge = JUDGES.find("keyword")()
    one = judge.key_material(question({"says": "a"}, "x"))
    assert one == judge.key_material(question({"says": "a"}, "x"))
    assert one != judge.key_material(question({"says": "b"}, "x"))
    assert one != judge.key_material(question({"says": "a"}, "\ud800"))
