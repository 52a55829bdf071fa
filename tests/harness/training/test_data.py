from __future__ import annotations

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from rubricbeat.harness.training.config import DataSection
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.contamination import find_overlaps
from rubricbeat.harness.training.data import (
    SYSTEM_PROMPT,
    data_line,
    load_data,
    messages_of,
)
from rubricbeat.harness.training.loop.grpo import load_prompts
from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.data.examples import example_to_row
from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Example, Message
from rubricbeat.judges.signal.groups import group_answers
from rubricbeat.judges.signal.measure import study_signal
from rubricbeat.judges.verdict import Verdict

from .examples import example


def write(path: Path, examples: list[Example]) -> Path:
    lines = "".join(json.dumps(example_to_row(one)) + "\n" for one in examples)
    path.write_text(lines, encoding="utf-8")
    return path


def many(n: int) -> list[Example]:
    return [example(f"p{i}", f"question number {i} about my heart beat today") for i in range(n)]


def test_splits_are_disjoint_and_seeded(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.jsonl", many(40))
    section = DataSection(path=str(path), held_out=0.25, sft_share=0.5, seed=1)
    first, again = load_data(section), load_data(section)
    parts = [{e.prompt_id for e in part} for part in (first.train, first.held_out, first.sft)]
    assert [len(part) for part in parts] == [15, 10, 15]
    assert not parts[0] & parts[1] and not parts[0] & parts[2] and not parts[1] & parts[2]
    assert first == again
    other = load_data(DataSection(path=str(path), held_out=0.25, sft_share=0.5, seed=2))
    assert {e.prompt_id for e in other.held_out} != parts[1]


def test_rows_with_one_text_never_stand_on_two_sides(tmp_path: Path) -> None:
    rows = [example(f"p{i}", f"Question {i // 2}?") for i in range(40)]
    data = load_data(DataSection(path=str(write(tmp_path / "r.jsonl", rows)), held_out=0.5))
    texts = [{e.prompt[0].content for e in part} for part in (data.train, data.held_out)]
    assert not texts[0] & texts[1]


def test_the_order_of_the_file_does_not_change_the_split(tmp_path: Path) -> None:
    rows = many(20)
    forth = load_data(DataSection(path=str(write(tmp_path / "a.jsonl", rows)), held_out=0.5))
    back = load_data(DataSection(path=str(write(tmp_path / "b.jsonl", rows[::-1])), held_out=0.5))
    assert forth.train == back.train


def test_filters_count_what_they_leave_out(tmp_path: Path) -> None:
    rows = [
        example("short", points=(5.0,), words=("rest",)),
        example("fine", "a question of fair length on hearts"),
        example("long", "x" * 500),
    ]
    path = write(tmp_path / "r.jsonl", rows)
    data = load_data(
        DataSection(path=str(path), held_out=0, min_criteria=2, prompt_percentile=50),
    )
    assert [e.prompt_id for e in data.train] == ["fine"]
    assert (data.facts["dropped_criteria"], data.facts["dropped_percentile"]) == (1, 1)


def test_long_prompts_are_left_out_by_tokens(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [example("a", "one two"), example("b", "one two three")])
    section = DataSection(path=str(path), held_out=0, max_prompt_tokens=2)
    data = load_data(section, count_tokens=lambda e: len(e.prompt[0].content.split()))
    assert [e.prompt_id for e in data.train] == ["a"]


def test_rubrics_with_nothing_to_gain_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "r.jsonl", [example("a", points=(-2.0,), words=("alone",))])
    with pytest.raises(ConfigError, match=r"no positive points"):
        load_data(DataSection(path=str(path)))


def test_training_reads_what_the_commands_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "rows.csv"
    cell = json.dumps([{"text": "Says why", "worth": 2}]).replace('"', '""')
    lines = "".join(f'{n},Question {n}?,"{cell}"\n' for n in range(8))
    path.write_text(f"key,ask,judged\n{lines}8,No rubric,\n", encoding="utf-8")
    columns = {
        "prompt_id": "key", "prompt": "ask", "rubric": "judged", "criterion": "text",
        "points": "worth",
    }  # fmt: skip
    data = load_data(DataSection(path=str(path), columns=columns, held_out=0.25))
    assert {e.prompt_id for e in (*data.train, *data.held_out)} == {str(n) for n in range(8)}
    assert data.facts["dropped_unreadable"] == 1
    assert "row 10: rubric is null" in caplog.text, "the row that is left out is named"


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ConfigError, match=r"data\.path: no file 'nowhere\.jsonl'.*'tiny'"):
        load_data(DataSection(path="nowhere.jsonl"))


def test_an_evaluation_prompt_in_the_data_is_refused_or_left_out(tmp_path: Path) -> None:
    rows = many(10)
    evaluation = write(tmp_path / "eval.jsonl", [example("other-id", rows[3].prompt[0].content)])
    path = write(tmp_path / "r.jsonl", rows)
    section = DataSection(path=str(path), held_out=0, evaluation=(str(evaluation),))
    # the ten questions differ in a number only: exactly one is the same, the others are near
    with pytest.raises(DataError, match=r"training prompts are also evaluation prompts \(1 exact"):
        load_data(section)


def test_allowed_contamination_leaves_the_prompts_out(tmp_path: Path) -> None:
    rows = [example("a", "why does my heart skip a beat at night"), example("b", "hello there")]
    evaluation = write(
        tmp_path / "eval.jsonl", [example("z", "WHY does my heart skip a beat, at night?")]
    )
    section = DataSection(
        path=str(write(tmp_path / "r.jsonl", rows)),
        held_out=0,
        evaluation=(str(evaluation),),
        allow_contamination=True,
    )
    data = load_data(section)
    assert [e.prompt_id for e in data.train] == ["b"]
    assert data.facts["dropped_contaminated"] == 1


def test_near_duplicates_are_found_and_strangers_are_not() -> None:
    text = "my father had a heart attack last year and now his left arm hurts when he walks"
    near = text.replace("father", "mother")
    stranger = "what is the best way to cook rice for a family of six on a gas stove at home"
    found = find_overlaps(
        [example("near", near), example("stranger", stranger)], [example("e", text)]
    )
    assert found == [("near", False)]


def test_all_user_turns_count_not_the_first_alone() -> None:
    turns = (Message("user", "hello"), Message("assistant", "yes?"), Message("user", "what now"))
    two_turns = Example("a", turns, example().rubric)
    assert not find_overlaps([two_turns], [example("b", "hello")])


def test_all_turns_reach_the_policy_and_a_system_turn_of_the_data_stays() -> None:
    turns = (
        Message("system", "be kind"),
        Message("user", "a"),
        Message("assistant", "b"),
        Message("user", "c"),
    )
    one = Example("x", turns, example().rubric)
    plain = messages_of(one, DataSection())
    assert [m["content"] for m in plain] == ["be kind", "a", "b", "c"]
    asked = messages_of(one, DataSection(reasoning=True))
    assert asked[0]["content"] == f"be kind\n\n{SYSTEM_PROMPT}"
    assert len(asked) == 4
    assert messages_of(example(), DataSection(reasoning=True))[0]["role"] == "system"


def test_the_demo_set_can_be_trained_on() -> None:
    data = load_data(DataSection(path="demo", held_out=0.3))
    assert data.train and data.held_out


def test_the_heart_filter_keeps_heart_rows(tmp_path: Path) -> None:
    rows = [example("h", "I have atrial fibrillation and chest pain"), example("r", "cook rice")]
    path = write(tmp_path / "r.jsonl", rows)
    data = load_data(DataSection(path=str(path), held_out=0, heart_only=True))
    assert [e.prompt_id for e in data.train] == ["h"]


def test_real_rows_load_and_split(shared_data: Path) -> None:
    path = shared_data / "healthbench_heart_rows.jsonl.gz"
    data = load_data(DataSection(path=str(path), held_out=0.2, min_criteria=4, heart_only=True))
    assert data.facts["n_read"] == 275
    assert len(data.train) > 150
    ids = {e.prompt_id for e in data.train}
    assert not ids & {e.prompt_id for e in data.held_out}


def test_what_was_left_out_is_said_in_words() -> None:
    facts = {"n_read": 9, "n_train": 4, "n_held_out": 2, "n_sft": 0, "dropped_criteria": 0}
    assert data_line(facts) == "9 prompts read: 4 to train on, 2 held out"
    dropped = facts | {"n_sft": 1, "dropped_no_positive_points": 2}
    assert data_line(dropped) == (
        "9 prompts read: 4 to train on, 2 held out, 1 for SFT; excluded: 2 have no positive "
        "points, so no answer could earn any"
    )


def test_a_near_duplicate_without_spaces_between_words_is_found() -> None:
    chinese = (
        "\u6211\u7236\u4eb2\u53bb\u5e74\u5fc3\u810f\u75c5\u53d1\u4f5c\u4e86"
        "\u73b0\u5728\u4ed6\u8d70\u8def\u7684\u65f6\u5019\u5de6\u81c2\u75bc\u75db"
    )
    near = chinese.replace("\u7236", "\u6bcd")
    found = find_overlaps([example("near", near)], [example("e", chinese)])
    assert found == [("near", False)]
    stranger = "\u4eca\u5929\u665a\u4e0a\u5bb6\u91cc\u6709\u516d\u4e2a\u4eba\u5403\u996d"
    assert not find_overlaps([example("other", stranger)], [example("e", chinese)])


def test_one_text_in_two_encodings_is_the_same_text() -> None:
    text = "mon p\u00e8re a \u00e9t\u00e9 op\u00e9r\u00e9"
    parts = unicodedata.normalize("NFD", text)
    assert parts != text
    assert find_overlaps([example("a", parts)], [example("e", text)]) == [("a", True)]


def test_evaluations_that_number_their_prompts_alike_are_all_compared() -> None:
    evaluations = [example("1", "why does my heart skip"), example("1", "how much salt a day")]
    for one in evaluations:
        assert find_overlaps([example("a", one.prompt[0].content)], evaluations)


def test_the_prompts_of_the_evaluations_are_not_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # nobody wrote data.evaluation: the task itself says what it asks
    demo = load_config(
        preset="cpu_tiny",
        overrides={"data": {"path": "demo"}, "eval": {"tasks": ["healthbench_heart_demo"]}},
    )
    with pytest.raises(DataError, match=r"training prompts are also evaluation prompts \(\d+ exac"):
        load_prompts(demo)
    apart = replace(demo, data=replace(demo.data, path="demo_extra"))
    assert load_prompts(apart)[1].facts["n_evaluation"] > 0
    # an evaluation without its rows would fail at the first checkpoint
    monkeypatch.setenv("RUBRICBEAT_DATA", str(tmp_path / "nowhere.jsonl"))
    missing = replace(apart, eval=replace(apart.eval, tasks=("healthbench_heart",)))
    with pytest.raises(ConfigError, match=r"healthbench_heart: RUBRICBEAT_DATA: .*nowhere"):
        load_prompts(missing)
    # rows with labels, which no policy answers
    judging = replace(apart, eval=replace(apart.eval, tasks=("judge_meta",)))
    assert "n_evaluation" not in load_prompts(judging)[1].facts


def test_prompts_that_a_study_drops_are_not_trained_on(tmp_path: Path) -> None:
    # what `variance --json` prints, on answers of which one prompt's have the same verdicts
    texts = ("a", "a", "a"), ("a", "b", "a"), ("b", "a", "ab")
    answers = [
        GradedAnswer(one, text, tuple(Verdict.of(letter in text) for letter in "ab"))
        for one, group in zip(two_criteria(3), texts, strict=True)
        for text in group
    ]
    study = study_signal(group_answers(answers), [get_reward("healthbench")])
    path = tmp_path / "study.json"
    path.write_text(json.dumps(study.to_json()), encoding="utf-8")
    data = write(tmp_path / "rows.jsonl", two_criteria(3))
    section = DataSection(path=str(data), held_out=0.0, drop=str(path))
    found = load_data(section)
    assert sorted(one.prompt_id for one in found.train) == ["p1", "p2"]
    assert "1 had identical verdicts in every group of the study" in data_line(found.facts)
    # the other splits are those without it
    with_sft = replace(section, sft_share=0.34)
    assert load_data(with_sft).sft == load_data(replace(with_sft, drop=None)).sft


def test_a_file_that_is_no_study_is_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "rows.jsonl", many(4))
    for text in ('{"rewards": []}', "[]", '{"drop": ["p1"]}'):
        (tmp_path / "s.json").write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match="is no study; write one by `rubricbeat variance"):
            load_data(DataSection(path=str(data), drop=str(tmp_path / "s.json")))
    with pytest.raises(ConfigError, match="is no study"):
        load_data(DataSection(path=str(data), drop=str(tmp_path / "absent.json")))


def two_criteria(n: int) -> list[Example]:
    return [
        example(f"p{i}", f"question number {i} of some", (5.0, 3.0), ("a", "b")) for i in range(n)
    ]
