from __future__ import annotations

import csv
import gzip
import json
import random

import pytest

from rubricbeat.judges.data.examples import read_examples
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.tasks.heart.selector import heart_ids, heart_sample_ids, heart_selector


def example(*turns: str, criteria=(), tags=()) -> Example:
    return Example(
        "x",
        tuple(Message("user", turn) for turn in turns),
        Rubric(tuple(Criterion(text, 1.0, Polarity.DESIRABLE, tuple(tags)) for text in criteria)),
    )


@pytest.mark.parametrize(
    ("turn", "score"),
    [
        ("cardiac", 4),  # one strong term
        ("Cardiac CARDIAC cardiac", 4),  # the same term counts once
        ("cardiac troponin palpitations angina", 12),  # at most three strong terms count
        ("lisinopril", 3),  # one moderate term in a short turn
        ("lisinopril " + "and " * 40, 2),  # and in a long one
        ("lisinopril" + "!" * 400, 2),  # few words, many characters
        ("chest", 0.5),  # one weak term
        ("MI", 4),  # an abbreviation in capitals
        ("mi", 0),
        ("cardiacs", 0),  # a letter directly after
        ("fetal heart tones", 0),
        ("心脏", 4),
        ("bp 120/80, hr 70", 0.5),  # vital signs name blood pressure whatever the complaint is
        ("bp 120/80", 3),
    ],
)
def test_turns_score_as_the_list_defines(turn, score):
    assert heart_selector().user_score([turn]) == score


def test_the_best_turn_counts_for_a_moderate_term():
    long_turn = "lisinopril " + "and " * 40
    assert heart_selector().user_score([long_turn, "lisinopril"]) == 3


def test_more_turns_only_raise_the_score():
    words = ["cardiac", "lisinopril", "chest", "troponin", "headache", "bp 120/80, hr 70", "MI"]
    shuffled = random.Random(3)
    for _ in range(50):
        turns = [shuffled.choice(words) for _ in range(3)]
        scores = [heart_selector().user_score(turns[:n]) for n in range(4)]
        assert scores == sorted(scores)


@pytest.mark.parametrize(
    ("n_strong", "n_other", "bonus"),
    [(1, 0, 0), (2, 9, 1), (3, 7, 3), (3, 8, 1)],  # three of ten is 30 %, three of eleven is not
)
def test_the_rubric_adds_a_bonus(n_strong, n_other, bonus):
    criteria = ["Mentions troponin"] * n_strong + ["Is polite"] * n_other
    found = heart_selector().score(example("hello", criteria=criteria))
    assert (found.user, found.n_strong_criteria, found.total) == (0, n_strong, bonus)


def test_consensus_criteria_do_not_count():
    found = heart_selector().score(
        example("hello", criteria=["Mentions troponin"] * 5, tags=["level:cluster"])
    )
    assert (found.n_criteria, found.total) == (0, 0)


def test_the_sample_is_drawn_as_it_says():
    assert len(heart_ids()) == 503
    assert heart_sample_ids() == set(random.Random(42).sample(sorted(heart_ids()), 500))


def test_real_rows_score_exactly_as_the_list_was_made(shared_data):
    with (shared_data / "healthbench_heart_scores.tsv").open(encoding="utf-8") as file:
        listed = {row["prompt_id"]: row for row in csv.DictReader(file, delimiter="\t")}
    differing = []
    for one in read_examples(shared_data / "healthbench_rows.jsonl.gz").examples:
        found = heart_selector().score(one)
        row = listed.get(one.prompt_id)
        if row is None:
            same = found.total == 0
        else:
            same = (found.total, found.user) == (float(row["score"]), float(row["user_score"]))
            same &= found.n_strong_criteria == int(row["rubric_items_strong"])
            same &= found.n_criteria == int(row["rubric_items"])
            same &= heart_selector().selects(one) == (one.prompt_id in heart_ids())
        if not same:
            differing.append(one.prompt_id)
    assert differing == []


def test_first_turns_of_the_other_rows_score_as_the_list_was_made(shared_data):
    with (shared_data / "healthbench_heart_scores.tsv").open(encoding="utf-8") as file:
        listed = {row["prompt_id"]: row["score"] for row in csv.DictReader(file, delimiter="\t")}
    turns_file = shared_data / "healthbench_first_turns.jsonl.gz"
    with gzip.open(turns_file, "rt", encoding="utf-8") as rows:
        turns = [json.loads(row) for row in rows]
    wrong = [
        turn["prompt_id"]
        for turn in turns
        if not turn["has_row"]
        and heart_selector().user_score([turn["first_user_turn"]])
        != float(listed.get(turn["prompt_id"], 0))
    ]
    assert wrong == []
