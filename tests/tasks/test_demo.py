from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from steps import n_calls

from rubricbeat.judges.judge import Question
from rubricbeat.judges.keyword.checks import LANGUAGE_VERSION, Predicate, holds
from rubricbeat.judges.keyword.judge import KeywordJudge
from rubricbeat.judges.keyword.parser import parse_check
from rubricbeat.judges.keyword.patterns import MAX_ANSWER_CHARS
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Verdict
from rubricbeat.tasks.demo import demo_path

FILES = ("demo_heart.jsonl", "demo_heart_extra.jsonl")
THEMES = {
    "emergency_referrals",
    "hedging",
    "communication",
    "context_seeking",
    "global_health",
    "health_data_tasks",
    "complex_responses",
}
AXES = {
    "accuracy",
    "completeness",
    "communication_quality",
    "context_awareness",
    "instruction_following",
}
CASES = Path(__file__).with_name("demo_answers.jsonl")
CONSTANT = "Please see a doctor."


@cache
def rows() -> dict[str, dict[str, Any]]:
    found = {}
    for name in FILES:
        for line in demo_path(name).read_text("utf-8").splitlines():
            row = json.loads(line)
            assert row["prompt_id"] not in found
            found[row["prompt_id"]] = row
    return found


@cache
def predicates(prompt_id: str) -> list[Predicate]:
    rubrics = rows()[prompt_id]["rubrics"]
    return [parse_check(c["check"], where=f"{prompt_id}[{n}]") for n, c in enumerate(rubrics)]


def cases() -> list[dict[str, Any]]:
    return [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]


def whole_answers(key: str) -> list[dict[str, Any]]:
    """Whole answers with a rough grade (`good`), or with a reader's verdicts (`met`)."""
    path = CASES.with_name("demo_whole_answers.jsonl")
    found = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [case for case in found if key in case]


def verdicts(prompt_id: str, answer: str) -> list[bool | None]:
    return [holds(predicate, answer).holds for predicate in predicates(prompt_id)]


def hits(prompt_id: str, answer: str) -> list[float]:
    """Points that count: a criterion whose sign and polarity disagree counts when not met."""
    counted = []
    for criterion, met in zip(
        rows()[prompt_id]["rubrics"], verdicts(prompt_id, answer), strict=True
    ):
        agrees = (criterion["points"] > 0) == (criterion["polarity"] == "desirable")
        counted.append(criterion["points"] if met == agrees else 0.0)
    return counted


def score(prompt_id: str, answer: str) -> float:
    positive = sum(c["points"] for c in rows()[prompt_id]["rubrics"] if c["points"] > 0)
    return sum(hits(prompt_id, answer)) / positive


def test_the_set_has_the_promised_size_languages_and_turns() -> None:
    tags = Counter(tag for row in rows().values() for tag in row["example_tags"])
    assert len(rows()) >= 60
    assert tags["split:demo"] == 32
    assert sum(n for tag, n in tags.items() if tag.startswith("lang:") and tag != "lang:en") >= 8
    assert sum(len(row["prompt"]) > 1 for row in rows().values()) >= 6
    assert tags["voice:clinician"] >= 8
    assert tags["refusal:yes"] >= 3
    assert all(tags[f"theme:{theme}"] >= 2 for theme in THEMES)


def test_each_file_holds_its_split() -> None:
    for name, split in zip(FILES, ("split:demo", "split:extra"), strict=True):
        for line in demo_path(name).read_text("utf-8").splitlines():
            assert split in json.loads(line)["example_tags"]


@pytest.mark.parametrize("prompt_id", sorted(rows()))
def test_every_row_is_whole(prompt_id: str) -> None:
    row = rows()[prompt_id]
    rubrics = row["rubrics"]
    assert row["prompt"][-1]["role"] == "user"
    assert "not medical advice" in row["note"]
    assert row["references"]
    assert 5 <= len(rubrics) <= 12
    assert any(c["points"] > 0 for c in rubrics)
    for criterion in rubrics:
        assert 0 < abs(criterion["points"]) <= 10
        assert criterion["check"]
        assert "level:example" in criterion["tags"]
        axes = [tag[5:] for tag in criterion["tags"] if tag.startswith("axis:")]
        assert len(axes) == 1 and axes[0] in AXES
    themes = [tag[6:] for tag in row["example_tags"] if tag.startswith("theme:")]
    assert len(themes) == 1 and themes[0] in THEMES
    assert len(predicates(prompt_id)) == len(rubrics)


def test_every_criterion_has_a_passing_and_a_failing_answer() -> None:
    seen: dict[tuple[str, int], set[bool]] = {}
    for case in cases():
        seen.setdefault((case["prompt_id"], case["criterion"]), set()).add(case["met"])
    expected = {(pid, n) for pid, row in rows().items() for n in range(len(row["rubrics"]))}
    assert set(seen) == expected
    assert [place for place, kinds in seen.items() if kinds != {True, False}] == []


@pytest.mark.parametrize(
    "case", cases(), ids=lambda c: f"{c['prompt_id'][:8]}-{c['criterion']}-{c['met']}"
)
def test_the_judge_agrees_with_a_reader(case: dict[str, Any]) -> None:
    evidence = holds(predicates(case["prompt_id"])[case["criterion"]], case["answer"])
    assert evidence.holds is case["met"], evidence.reason
    assert evidence.reason


def test_verdicts_on_the_bundled_answers_are_those_of_this_language_version() -> None:
    # another verdict is another judge: where this fails on purpose, raise LANGUAGE_VERSION and
    # write the new digest down, so that runs of the two are never taken for the same judge's
    answers = [*cases(), *whole_answers("good"), *whole_answers("met")]
    said = [verdicts(case["prompt_id"], case["answer"]) for case in answers]
    n_verdicts = sum(map(len, said))
    digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]
    assert (LANGUAGE_VERSION, n_verdicts, digest) == ("3", 6955, "8bfe82630821d406")


@pytest.mark.parametrize("prompt_id", sorted(rows()))
def test_references_score_high_and_trigger_no_fault(prompt_id: str) -> None:
    for reference in rows()[prompt_id]["references"]:
        assert score(prompt_id, reference) >= 0.8
        assert min(hits(prompt_id, reference)) >= 0


@pytest.mark.parametrize(
    "case", whole_answers("good"), ids=lambda c: f"{c['prompt_id'][:9]}-{c['good']}"
)
def test_whole_answers_are_graded_as_a_reader_would(case: dict[str, Any]) -> None:
    found = score(case["prompt_id"], case["answer"])
    assert found >= 0.8 if case["good"] else found <= 0.1


@pytest.mark.parametrize("case", whole_answers("met"), ids=lambda c: c["prompt_id"][:9])
def test_whole_answers_get_the_verdicts_of_a_reader(case: dict[str, Any]) -> None:
    wanted = case["met"]  # None: readers could differ
    found = [holds(predicate, case["answer"]) for predicate in predicates(case["prompt_id"])]
    assert len(wanted) == len(found)
    wrong = [
        (n, evidence.reason)
        for n, (met, evidence) in enumerate(zip(wanted, found, strict=True))
        if met is not None and evidence.holds is not met
    ]
    assert wrong == []


def test_references_beat_sanity_answers_by_far() -> None:
    def mean(answers: dict[str, str]) -> float:
        return sum(score(pid, answer) for pid, answer in answers.items()) / len(answers)

    ids = list(rows())
    stuffed = {
        pid: " ".join(word for c in rows()[pid]["rubrics"] for word in c["criterion"].split())
        for pid in ids
    }
    pasted = {pid: "\n".join(c["criterion"] for c in rows()[pid]["rubrics"]) for pid in ids}
    assert mean({pid: rows()[pid]["references"][0] for pid in ids}) >= 0.95
    assert mean(dict.fromkeys(ids, "")) <= 0.0
    assert mean(dict.fromkeys(ids, CONSTANT)) <= 0.1
    assert mean(stuffed) <= 0.15
    assert mean(pasted) <= 0.15


def example(row: dict[str, Any]) -> Example:
    criteria = tuple(
        Criterion(c["criterion"], c["points"], Polarity(c["polarity"]), check=c["check"])
        for c in row["rubrics"]
    )
    messages = tuple(Message(m["role"], m["content"]) for m in row["prompt"])
    return Example(row["prompt_id"], messages, Rubric(criteria))


QUESTIONS = [(made, n) for made in map(example, rows().values()) for n in range(len(made.rubric))]


def graded(answer: str) -> list[Verdict]:
    async def grade() -> list[Verdict]:
        judge = KeywordJudge()
        return [await judge.judge(Question(made, answer, n)) for made, n in QUESTIONS]

    return asyncio.run(grade())


@pytest.mark.parametrize(
    "answer",
    ["", "\0\0\0", "\ud800\udfff", "a" * 2_000_000, "call 911 " * 250_000, "(((((" * 400_000],
    ids=["empty", "nul", "surrogates", "letters", "stuffed", "brackets"],
)
def test_hostile_answers_get_verdicts_and_cost_no_more_than_the_part_that_is_read(
    answer: str,
) -> None:
    verdicts = graded(answer)
    assert all(verdict.met is not None for verdict in verdicts)
    for verdict in verdicts:
        verdict.explanation.encode("utf-8")
    # beyond the part that is read the length of an answer does not matter
    read = graded(answer[: MAX_ANSWER_CHARS + 1])
    assert [v.met for v in verdicts] == [v.met for v in read]


@pytest.mark.parametrize("unit", ["call 911 ", "do not call the "])
def test_work_does_not_grow_faster_than_an_answer(unit: str) -> None:
    graded(unit)  # patterns are compiled once

    def work(n_chars: int) -> int:
        return n_calls(lambda: graded(unit * (n_chars // len(unit))))

    assert work(MAX_ANSWER_CHARS) <= 2.2 * work(MAX_ANSWER_CHARS // 2)
