"""`rubricbeat export`: sets for DPO, KTO and RFT; a missing verdict makes no pair and no label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.cli import main
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.signal.levels import flip_rate
from rubricbeat.judges.signal.preferences import Wanted, Worth, worth_of
from rubricbeat.judges.verdict import Outcome, Verdict

MET, NOT, LOST = Verdict.of(True), Verdict.of(False), Verdict(Outcome.TRANSPORT, explanation="x")


def example(prompt_id: str = "p1", n: int = 2) -> Example:
    """Give an example with criteria of one point each."""
    criteria = tuple(Criterion(f"Item {i}", 1.0, Polarity.DESIRABLE) for i in range(n))
    prompt = (Message("system", "Be brief."), Message("user", "Why?"))
    return Example(prompt_id, prompt, Rubric(criteria))


def answer(text: str, *verdicts: Verdict, again: tuple[Verdict, ...] = (), of: str = "p1") -> Any:
    more = (again,) if again else ()
    return GradedAnswer(example(of, len(verdicts)), text, verdicts, 0, more)


def recorded(tmp_path: Path, rows: dict[str, dict[str, list[bool | None]]]) -> list[str]:
    """Write recorded verdicts, by prompt and answer, with their rows; give the arguments."""
    data, judged = tmp_path / "rows.jsonl", tmp_path / "judged.jsonl"
    with data.open("w", encoding="utf-8") as out:
        for prompt_id, answers in rows.items():
            n = len(next(iter(answers.values())))
            criteria = [{"criterion": f"Item {i}", "points": 1} for i in range(n)]
            row = {"prompt_id": prompt_id, "prompt": f"Why {prompt_id}?", "rubrics": criteria}
            out.write(json.dumps(row) + "\n")
    with judged.open("w", encoding="utf-8") as out:
        for prompt_id, answers in rows.items():
            for n, (text, met) in enumerate(answers.items()):
                row = {
                    "prompt_id": prompt_id,
                    "completion": text,
                    "criteria_met": met,
                    "model": "m",
                    "repeat": n,
                }
                out.write(json.dumps(row) + "\n")
    return ["export", str(judged), "--data", str(data)]


ROWS: dict[str, dict[str, list[bool | None]]] = {
    "a": {
        "best": [True, True, True, True],
        "good": [True, True, True, False],
        "poor": [False, False, True, False],
        "lost": [False, False, False, None],
    },
    "b": {"same": [True, False, True, False], "alike": [False, True, False, True]},
    "c": {"alone": [True, True, True, True]},
}
"""Rewards: a: 1, .75, .25, and one that lacks a verdict; b: .5, .5; c: 1."""


def exported(
    capsys: pytest.CaptureFixture[str], words: list[str], *more: str, code: int = 0
) -> tuple[list[dict[str, Any]], str]:
    assert main([*words, *more]) == code
    out, said = capsys.readouterr()
    return [json.loads(line) for line in out.splitlines()], said


def test_a_tools_turn_is_the_users_as_chat_templates_want_it(tmp_path, capsys):
    words = recorded(tmp_path, {"a": {"good": [True], "poor": [False]}})
    turns = [{"role": "user", "content": "How late?"}, {"role": "tool", "content": "Noon."}]
    row = {"prompt_id": "a", "prompt": turns, "rubrics": [{"criterion": "Item 0", "points": 1}]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    [one], _ = exported(capsys, words, "--format", "dpo")
    [turn] = one["prompt"]
    assert turn["role"] == "user"
    assert "How late?" in turn["content"]
    assert "Noon." in turn["content"]


def test_dpo_pairs_are_those_with_the_largest_differences(tmp_path, capsys):
    words = recorded(tmp_path, ROWS)
    [one], said = exported(capsys, words, "--format", "dpo")
    assert one["prompt_id"] == "a"
    assert one["prompt"] == [{"role": "user", "content": "Why a?"}]
    assert one["chosen"] == [{"role": "assistant", "content": "best"}]
    assert one["rejected"] == [{"role": "assistant", "content": "poor"}]
    assert (one["reward_chosen"], one["reward_rejected"]) == (1.0, 0.25)
    assert one["probability"] is None
    assert "1 of 7 answers lack a verdict" in said
    assert "error rate is not known" in said

    def names(*more: str) -> list[tuple[str, str]]:
        rows, _ = exported(capsys, words, "--format", "dpo", "--per-prompt", "9", *more)
        return [(r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in rows]

    assert names() == [("best", "poor"), ("good", "poor"), ("best", "good")]
    assert names("--margin", "0.3") == [("best", "poor"), ("good", "poor")]
    # a difference of 0 is none, whatever the margin: "same" and "alike" are no pair
    assert names("--margin", "0") == names()


def test_a_difference_as_large_as_the_margin_counts_whatever_its_last_bits(tmp_path, capsys):
    # in binary .3 less .2 is below .1, and .2 below the mean of .1, .2 and .3
    met = {name: [i < n for i in range(10)] for n, name in enumerate(("one", "two", "three"), 1)}
    words = recorded(tmp_path, {"a": met})
    pairs, _ = exported(capsys, words, "--format", "dpo", "--per-prompt", "9")
    names = [(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in pairs]
    assert names == [("three", "one"), ("two", "one"), ("three", "two")]
    labels, _ = exported(capsys, words, "--format", "kto", "--margin", "0")
    assert [row["completion"][0]["content"] for row in labels] == ["one", "three"]


def test_a_difference_must_hold_at_the_judges_error_rate(tmp_path, capsys):
    # both of two against none of two, each verdict wrong in one of five: X ~ Bin(2, .8) is above
    # Y ~ Bin(2, .2) where Y = 0 and X >= 1, or Y = 1 and X = 2: .64 x .96 + .32 x .64 = .8192
    words = recorded(tmp_path, {"p": {"all": [True] * 2, "none": [False] * 2}})
    sure = 0.8192
    more = ("--format", "dpo", "--error", "0.2", "--confidence")
    [one], said = exported(capsys, words, *more, str(round(sure - 0.05, 2)))
    assert one["probability"] == pytest.approx(sure, abs=0.04)
    assert "20.0% of the verdicts count as wrong by chance, as --error says" in said
    none, said = exported(capsys, words, *more, str(round(sure + 0.05, 2)), code=1)
    assert none == []
    assert "no difference reaches" in said


def test_kto_labels_lie_beyond_the_mean_or_a_threshold(tmp_path, capsys):
    words = [*recorded(tmp_path, ROWS), "--format", "kto"]
    # of a: mean of 1, .75 and .25 is 2/3: "good" is within .1 of it
    rows, _ = exported(capsys, words)
    assert [(r["completion"][0]["content"], r["label"]) for r in rows] == [
        ("best", True),
        ("poor", False),
    ]
    rows, _ = exported(capsys, words, "--threshold", "0.5", "--margin", "0.25")
    assert [(r["completion"][0]["content"], r["label"]) for r in rows] == [
        ("best", True),
        ("good", True),
        ("poor", False),
        ("alone", True),
    ]


def test_rft_takes_the_best_answer_and_the_shorter_of_equals(tmp_path, capsys):
    rows: dict[str, dict[str, list[bool | None]]] = {
        "a": {"a long one": [True, True], "short": [True, True], "bad": [False, False]},
        "b": {"bad": [False, False], "lost": [True, None]},
    }
    words = [*recorded(tmp_path, rows), "--format", "rft"]
    [one], _ = exported(capsys, words)
    assert one["completion"] == [{"role": "assistant", "content": "short"}]
    assert "label" not in one
    both, _ = exported(capsys, words, "--threshold", "1", "--margin", "0", "--per-prompt", "2")
    assert [r["completion"][0]["content"] for r in both] == ["short", "a long one"]


def test_a_file_is_written_whole(tmp_path, capsys):
    words = [*recorded(tmp_path, ROWS), "--format", "dpo", "-o", str(tmp_path / "pairs.jsonl")]
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "pairs.jsonl")
    assert len((tmp_path / "pairs.jsonl").read_text("utf-8").splitlines()) == 1


@pytest.mark.parametrize(
    "more",
    [
        ("--margin", "-1"),
        ("--margin", "nan"),
        ("--confidence", "0.4"),
        ("--confidence", "1.1"),
        ("--per-prompt", "0"),
        ("--error", "0.5"),
        ("--error", "-0.1"),
        ("--threshold", "inf"),
        ("--reward", "hybird"),
        ("--seed", "-1"),
    ],
)
def test_what_cannot_work_is_refused(tmp_path, capsys, more):
    words = recorded(tmp_path, ROWS)
    assert main([*words, "--format", "dpo", *more]) == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_an_answer_that_was_cut_off_in_a_character_is_written(tmp_path, capsys):
    words = recorded(tmp_path, {"a": {"yes \ud83d": [True, True], "no": [False, False]}})
    out = tmp_path / "pairs.jsonl"
    assert main([*words, "--format", "dpo", "-o", str(out)]) == 0
    [row] = map(json.loads, out.read_text(encoding="utf-8").splitlines())
    assert row["chosen"][0]["content"] == "yes ?"


def test_the_error_rate_comes_from_second_verdicts():
    # 2 of 8 differ: 2 e (1 - e) = .25, so that e = (1 - sqrt(.5)) / 2
    table = VerdictTable.of(
        [
            answer("x", MET, MET, MET, MET, again=(MET, MET, MET, NOT)),
            answer("y", NOT, NOT, NOT, NOT, again=(NOT, MET, NOT, NOT)),
        ]
    )
    assert flip_rate(table.verdicts_RNC) == pytest.approx(0.1464466)
    assert flip_rate(VerdictTable.of([answer("x", MET, MET)]).verdicts_RNC) is None
    lost = VerdictTable.of([answer("x", MET, again=(LOST,))])
    assert flip_rate(lost.verdicts_RNC) is None


def test_an_error_rate_says_nothing_of_ratings():
    table = VerdictTable.of([answer("x", MET, MET)])
    with pytest.raises(ConfigError, match="not computed from verdicts"):
        worth_of(table, get_reward("rar_implicit"), table.chars_N > 0, 0.1, 0)


def test_the_draws_keep_to_their_seed():
    table = VerdictTable.of([answer("x", MET, NOT), answer("y", NOT, MET)])
    reward = get_reward("healthbench")
    one, same, other = (worth_of(table, reward, table.chars_N > 0, 0.2, s) for s in (1, 1, 2))
    assert isinstance(one, Worth)
    assert (one.draws_BN == same.draws_BN).all()
    assert not (one.draws_BN == other.draws_BN).all()
    assert one.draws_BN.mean() == pytest.approx(0.5, abs=0.05)


def test_wanted_has_defaults():
    assert Wanted() == Wanted(margin=0.1, confidence=0.95, per_prompt=1, threshold=None)


def test_trl_takes_each_set(tmp_path, capsys):
    pytest.importorskip("trl")
    from trl.data_utils import is_conversational

    words = recorded(tmp_path, ROWS)
    for form in ("dpo", "kto", "rft"):
        rows, _ = exported(capsys, words, "--format", form)
        assert is_conversational(rows[0])
