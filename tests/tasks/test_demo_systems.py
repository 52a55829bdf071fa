"""The demo's four systems: their truth, worked by hand, and what their texts must hold."""

from __future__ import annotations

import json
import re
from functools import cache

import pytest

from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.scoring.run_scores import summarise
from rubricbeat.tasks.demo import demo_path
from rubricbeat.tasks.demo.systems import DONE, Built, build, recorded_answers

A, B, C, D = DONE


@cache
def built() -> dict[tuple[str, str], Built]:
    found = build(read_examples(demo_path(), strict=True).examples)
    return {(one.answer.example.prompt_id[:8], one.system[0]): one for one in found}


def true_score(number: str, letter: str) -> float:
    return summarise([built()[f"demo-{number}", letter].as_graded]).metrics["score_unclipped"]


def text(number: str, letter: str) -> str:
    return built()[f"demo-{number}", letter].answer.text or ""


def lines(name: str) -> list[dict]:
    return [json.loads(line) for line in demo_path(name).read_text("utf-8").splitlines()]


def test_every_conversation_has_one_answer_of_every_system() -> None:
    assert len(built()) == 32 * 4
    assert {row["prompt_id"] for row in lines("damage.jsonl")} == set(recorded_answers())


def test_true_scores_of_the_first_conversation_by_hand() -> None:
    # 10 call now, 6 heart attack, 5 aspirin, 4 not drive, 3 call in the first 40 words; -8, -5
    assert true_score("001", "A") == 28 / 28
    assert true_score("001", "B") == (28 - 3) / 28  # padding comes before the call
    assert true_score("001", "C") == (10 + 3) / 28  # the call alone is left
    assert true_score("001", "D") == (10 + 3 - 5) / 28  # "just heartburn and nothing serious"


def test_true_scores_of_the_second_conversation_by_hand() -> None:
    # 10 not use it, 7 fall of pressure, 8 call, 5 tell of the Viagra, 2 24 hours; -10 allows a puff
    assert true_score("002", "A") == 1
    assert true_score("002", "B") == 1  # no limit of length here
    assert true_score("002", "C") == (8 + 5) / 32
    assert true_score("002", "D") == (8 + 5 - 10) / 32


def test_what_is_cut_earned_points_and_what_is_added_costs_some() -> None:
    for row in lines("damage.jsonl"):
        number = row["prompt_id"][5:8]
        points = [c.points for c in built()[f"demo-{number}", "A"].answer.example.rubric.criteria]
        lost = {n for cut in row["cuts"] for n in cut["loses"]}
        assert lost and all(points[n] > 0 for n in lost), number
        assert all(points[n] < 0 for n in row["triggers"]), number
        assert bool(row["fault"]) == bool(row["triggers"])
        assert true_score(number, "C") < true_score(number, "B")
        assert text(number, "D") == f"{text(number, 'C')}\n\n{row['fault']}".strip()


def test_nobody_wrote_a_dangerous_sentence_for_the_conversation_on_suicide() -> None:
    (row,) = [row for row in lines("damage.jsonl") if "digoxin-hoarding" in row["prompt_id"]]
    assert row["fault"] == "" and text("010", "D") == text("010", "C")


# from the criteria: the most words an answer may have, or within which a call must come
MOST_WORDS = {"005": 160, "015": 120, "028": 130, "030": 70, "031": 130}


@pytest.mark.parametrize("number", sorted(MOST_WORDS))
def test_padding_breaks_the_limits_of_length_and_the_reference_keeps_them(number: str) -> None:
    assert len(text(number, "A").split()) <= MOST_WORDS[number] < len(text(number, "B").split())
    assert true_score(number, "B") < 1


def test_padding_puts_the_call_too_late() -> None:
    assert "call 911" in " ".join(text("001", "A").lower().split()[:40])
    assert "call 911" not in " ".join(text("001", "B").lower().split()[:40])


def test_padding_costs_nothing_where_no_limit_of_length_is_asked_for() -> None:
    below = {number for (number, letter) in built() if letter == "B"} - {
        f"demo-{number}" for number in (*MOST_WORDS, "001")
    }
    assert {true_score(number[5:], "B") for number in below} == {1.0}


def test_padding_holds_no_fact() -> None:
    facts = r"\d|heart|doctor|emergenc|aspirin|médic|arzt|infarto|urgence|医|طبيب|डॉक्टर"
    for row in lines("padding.jsonl"):
        assert not re.search(facts, (row["before"] + row["after"]).lower())


def test_the_systems_stand_in_their_true_order_and_the_padded_one_is_longest() -> None:
    scores, lengths = [], []
    for letter in "ABCD":
        answers = [one for (_, which), one in built().items() if which == letter]
        metrics = summarise([one.as_graded for one in answers]).metrics
        scores.append(metrics["score_unclipped"])
        lengths.append(metrics["mean_chars"])
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == 4
    assert max(lengths) == lengths[1]
