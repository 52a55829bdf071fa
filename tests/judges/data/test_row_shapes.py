"""The shape of a row is its own: published sets, mixed files, and rows with two readings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.data.examples import example_from_row, read_examples
from rubricbeat.judges.data.json_rows import Cell
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Message, Polarity


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plain(*criteria: Any, **more: Any) -> dict[str, Any]:
    return {"prompt": "Why?", "rubric": list(criteria), **more}


HB = {"criterion": "Avoids naming any drug", "points": -4, "tags": ["axis:accuracy"]}
GOOD = {"criterion": "Asks about pain", "points": 8, "tags": ["axis:context_awareness"]}


class TestOneRowAlone:
    def test_points_win_over_a_weight_and_a_description_beside_them(self) -> None:
        extra = [
            {**GOOD, "weight": 0.8, "description": "Another text"},
            {**HB, "weight": -0.4, "description": None},
        ]
        row = {"prompt_id": "w", "prompt": "Sore knee?", "rubrics": extra}
        bare = {"prompt_id": "w", "prompt": "Sore knee?", "rubrics": [GOOD, HB]}
        example = example_from_row(row)
        assert example == example_from_row(bare)
        assert [c.points for c in example.rubric.criteria] == [8, -4]
        assert example.rubric.criteria[1].polarity is Polarity.UNDESIRABLE, "by the sign"
        assert example.rubric.criteria[0].tags == ("axis:context_awareness",)

    def test_a_row_reads_the_same_after_any_other(self, tmp_path: Path) -> None:
        rar = {
            "question": "Which?",
            "rubric": [
                {"description": "Names it", "weight": 5},
                {"description": "Avoids a dose", "weight": -1},
            ],
        }
        own = plain(GOOD, HB, prompt_id="own")
        research = {"prompt": "What?", "rubrics": [{"criterion": "c", "weight": 2, "axis": "x"}]}
        alone = example_from_row(own)
        for others in ([rar, own, research], [research, own], [own, rar]):
            file = read_examples(write(tmp_path / "rows.jsonl", *others))
            assert len(file.examples) == len(others)
            assert alone in file.examples
        assert file.kind == "plain+rar"

    def test_the_first_criterion_does_not_decide(self) -> None:
        mixed = plain(GOOD, {"criterion": "c", "weight": 2})
        words = (
            r"rubric\[0\] has 'criterion' and 'points' and rubric\[1\] has 'criterion' and "
            "'weight': two forms in one rubric"
        )
        with pytest.raises(DataError, match=words):
            example_from_row(mixed)
        # the same fields in every criterion, in another order of rows, are no mixture
        both = {**GOOD, "weight": 1}
        assert len(example_from_row(plain(both, GOOD)).rubric) == 2

    @pytest.mark.parametrize(
        ("row", "message"),
        [
            (
                plain({"description": "c", "weight": 5, "points": 1}),
                r"rubric\[0\] has 'weight' and 'points', which differ; --columns points=weight",
            ),
            (
                plain({"criterion_text": "a", "criterion": "b", "points": 1}),
                "has 'criterion' and 'criterion_text', which differ; --columns criterion=",
            ),
            (
                {"prompt": "a", "rubric": [GOOD], "rubrics": [{**GOOD, "points": 1}]},
                "two rubrics, in 'rubrics' and in 'rubric', which differ; --columns rubric=",
            ),
            (
                plain({"criterion": "c", "description": "d", "weight": 1}),
                r"'criterion' \(ResearchRubrics\) and 'description' \(RaR\)",
            ),
            (
                plain(
                    {"description": "Avoids it", "points": -1}, {"description": "d", "points": 1}
                ),
                "can be read in two ways: .*add 'polarity'",
            ),
            (
                {"question": "a", "messages": [{"role": "user", "content": "b"}], "rubric": [GOOD]},
                "two fields could be the prompt, 'question' and 'messages'; --columns prompt=",
            ),
            ({"prompt": "a", "criterion": "c", "points": 2}, "one criterion per row"),
            ({"prompt": "a", "rubric": None}, "rubric is null"),
            (plain(7), r"rubric\[0\] is not an object with 'criterion' and 'points'"),
            (
                {"instruction": "a", "input": "b", "rubric": [GOOD]},
                "two fields could be the prompt, 'instruction' and 'input'",
            ),
            (plain("a", {"description": "b", "weight": 2}), "two forms in one rubric"),
            ({"prompt": "a", "rubric": "- be nice\nbe short"}, "some lines have a bullet"),
            (plain({**GOOD, "points": "5"}), "is the text '5', not a number"),
            (plain({**GOOD, "points": "50%"}), "not a number"),
            ({"prompt": "a", "rubric": "be nice"}, "is one line of text"),
            ({"prompt": "a", "rubric": "Must:\nbe nice"}, "'Must:' is a heading or has points"),
            ({"prompt": "a", "rubric": "be nice\n[-4] be rude"}, r"line 2: '\[-4\] be rude' is a"),
            (
                {"prompt": "a", "rubric": "[+4] be nice\n[-4] be rude"},
                r"line 1: '\[\+4\] be nice' is",
            ),
            (
                {"prompt": "a", "rubric": "[5] be nice"},
                r"line 1: '\[5\] be nice' is a heading or has",
            ),
            ({"prompt": "a", "rubric": "[5] 'be nice'"}, "begins as JSON and is not JSON"),
            ({"prompt": "a", "rubric": "be nice (2 points)\nbe short"}, "or has points"),
            ({"prompt": "a", "rubric": "be nice: 2 pts\nbe short"}, "or has points"),
            ({"prompt": "a", "rubric": "(2 points) be nice\nbe short"}, "or has points"),
            ({"prompt": "a", "rubric": "5: good\n1: bad"}, "or has points"),
            ({"prompt": "a", "rubric": "criterion,points\nbe nice,2"}, "or has points"),
            ({"prompt": "a", "rubric": "c [Hard Rule]\nbe nice"}, r"end in \[Hard Rule\]"),
            ({"prompt": "a", "rubric": "[{'criterion': 'c'}]"}, "write it with json.dumps"),
        ],
    )
    def test_what_has_two_readings_or_none_is_refused_by_name(
        self, row: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(DataError, match=message):
            example_from_row(row)

    @pytest.mark.parametrize("text", ["Is right\nIs short\n", "1. Is right\n2. Is short"])
    def test_a_text_of_several_lines_is_a_criterion_a_line(self, text: str) -> None:
        rubric = example_from_row({"prompt": "a", "rubric": text}).rubric
        assert [(c.text, c.points) for c in rubric.criteria] == [("Is right", 1), ("Is short", 1)]

    @pytest.mark.parametrize(
        ("rubric", "points"),
        [
            (["Says 4", "Is short"], [1, 1]),
            ([{"criterion": "Says 4"}, {"criterion": "Is short"}], [1, 1]),
            ([{"text": "Says 4"}, {"text": "Is short", "tags": ["a"]}], [1, 1]),
            ([{"description": "Says 4"}, {"description": "Is short"}], [1, 1]),
            (["Says 4", {"criterion": "Is short", "points": 3}], [1, 3]),
            (["Says 4", '{"criterion": "Is short", "points": 3}'], [1, 3]),
            ("- Says 4\n* Is short\n", [1, 1]),
            ('["Says 4", "Is short"]', [1, 1]),
        ],
    )
    def test_a_rubric_by_hand_needs_no_points(self, rubric: Any, points: list[float]) -> None:
        for name in ("rubric", "rubrics"):
            example = example_from_row({"input": "2 + 2?", name: rubric})
            assert [c.text for c in example.rubric.criteria] == ["Says 4", "Is short"]
            assert [c.points for c in example.rubric.criteria] == points
            assert all(c.polarity is Polarity.DESIRABLE for c in example.rubric.criteria)
        assert example.prompt == (Message("user", "2 + 2?"),)

    def test_a_text_that_begins_with_a_bracket_is_a_criterion(self) -> None:
        example = example_from_row(plain("[safety] Names a doctor"))
        assert example.rubric.criteria[0].text == "[safety] Names a doctor"

    def test_an_empty_input_beside_an_instruction_is_no_second_prompt(self) -> None:
        row = {"instruction": "Why?", "input": "", "rubric": ["Says why"]}
        assert example_from_row(row).prompt == (Message("user", "Why?"),)

    def test_two_fields_that_say_the_same_are_no_choice(self) -> None:
        row = {"prompt": "a", "rubric": [GOOD], "rubrics": [GOOD], "prompt_id": "x"}
        assert len(example_from_row(row).rubric) == 1
        asked = [{"role": "user", "content": "a"}]
        assert example_from_row({"question": "a", "messages": asked, "rubric": [GOOD]}).prompt == (
            Message("user", "a"),
        )

    def test_empty_columns_of_other_rows_say_nothing(self) -> None:
        """Arrow gives every row every field of every other, null where it has none."""
        null = dict.fromkeys(("rubric_items", "reward_model", "rubrics", "question", "id"))
        item = {**GOOD, "weight": None, "description": None, "annotations": None}
        assert example_from_row(plain(item, prompt_id="x", **null)) == example_from_row(
            plain(GOOD, prompt_id="x")
        )


class TestIds:
    @pytest.mark.parametrize("given", [7, 7.0, "7"])
    def test_a_whole_number_is_an_id(self, given: Any) -> None:
        assert example_from_row(plain(GOOD, id=given)).prompt_id == "7"

    @pytest.mark.parametrize(
        ("given", "message"),
        [(7.5, "not an id"), (True, "is true"), ([1], "a list"), ("  ", "blank")],
    )
    def test_anything_else_is_none(self, given: Any, message: str) -> None:
        with pytest.raises(DataError, match=message):
            example_from_row(plain(GOOD, prompt_id=given))

    def test_a_field_named_task_is_an_id_in_prbench_alone(self) -> None:
        assert example_from_row(plain(GOOD, task="summarise")).prompt_id.startswith("row-")


class TestPublishedSets:
    """Field names as published; the rows are made up."""

    def test_rules_of_rubrichub_are_no_questions(self, tmp_path: Path) -> None:
        rule = {"verifier": "rule", "function": "AllCapsChecker", "parameters": None}
        asked = {"criterion": "Names fruits", "points": 10, "tags": {"verifier": "llm"}}

        def row(*criteria: Any) -> dict[str, Any]:
            return {"prompt": "Fruits?", "reward_model": {"rubrics": list(criteria)}}

        ruled = row({"criterion": "case:all_caps", "points": 10, "tags": rule}, asked)
        file = read_examples(write(tmp_path / "hub.jsonl", ruled, row(asked)))
        assert len(file.examples) == 1
        assert file.skipped[0].reason == (
            "criterion 1 of 2 is checked by a rule and not by a judge (tags.verifier is 'rule')"
        )

    def test_prbench_takes_the_weight_that_its_class_names(self) -> None:
        def criterion(title: str, name: str, **weights: Any) -> dict[str, Any]:
            return {"id": title, "title": title, "annotations": {"weight_class": name, **weights}}

        row = {
            "task": "t-1", "turns": 2, "field": "Legal", "topic": "Wills", "prompt_0": "First?",
            "response_0": "Yes.", "prompt_1": "And then?", "reference_texts_0": [],
            "reference_texts_1": ["The act."], "prompt_2": None,
            "rubric": [
                criterion("good", "critically important", critically_important_weight=9,
                          important_weight=3),  # a stale sibling
                criterion("bad", "slightly detrimental", slightly_detrimental_weight=-2,
                          detrimental_weight=None),
            ],
        }  # fmt: skip
        example = example_from_row(row)
        assert example.prompt_id == "t-1"
        assert [(m.role, m.content) for m in example.prompt] == [
            ("user", "First?"), ("assistant", "Yes."),
            ("user", "Reference Text 0:\nThe act.\n\nAnd then?"),
        ]  # fmt: skip
        assert [c.points for c in example.rubric.criteria] == [9, -2]
        assert all(c.counts_when_met for c in example.rubric.criteria)
        assert example.tags == ("field:Legal", "topic:Wills")
        row["rubric"][1]["annotations"]["slightly_detrimental_weight"] = 2
        with pytest.raises(DataError, match="the signs disagree"):
            example_from_row(row)
        row["rubric"][1]["annotations"]["weight_class"] = "harmful"
        with pytest.raises(DataError, match="weight_class is unknown; "):
            example_from_row(row)

    def test_profbench_weighs_by_its_words(self) -> None:
        words = ["Critical", "Major", "Minor", "Additional"]
        rubrics = [
            {"criterion_description": f"c{n}", "criterion_weight": word, "criterion_type": ["a"]}
            for n, word in enumerate(words)
        ]
        row = {"task_id": "Fin-0", "domain": "Finance MBA", "prompt": "Report.", "rubrics": rubrics}
        example = example_from_row(row)
        assert [c.points for c in example.rubric.criteria] == [4, 3, 2, 1]
        assert (example.prompt_id, example.tags) == ("Fin-0", ("domain:Finance MBA",))
        rubrics[1]["criterion_weight"] = "Majr"
        with pytest.raises(DataError, match="did you mean 'major'"):
            example_from_row(row)

    def test_openrubrics_items_are_worth_one_each(self) -> None:
        rubric = "1. Has three lines [Hard Rule]\n2. Evokes rain,\n   softly [Principle]\n"
        example = example_from_row({"instruction": "A haiku.", "rubric": rubric, "winner": "a"})
        assert [(c.text, c.points, c.tags) for c in example.rubric.criteria] == [
            ("Has three lines", 1, ("type:hard rule",)),
            ("Evokes rain, softly", 1, ("type:principle",)),
        ]
        with pytest.raises(DataError, match="others that do not"):
            example_from_row({"instruction": "A haiku.", "rubric": rubric + "and a rest"})


class TestPrompts:
    def test_messages_as_json_text_are_messages(self) -> None:
        turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}]
        expected = (Message("system", "Be brief."), Message("user", "Why?"))
        for prompt in (json.dumps(turns), json.dumps({"messages": turns}), {"messages": turns}):
            assert example_from_row(plain(GOOD) | {"prompt": prompt}).prompt == expected

    @pytest.mark.parametrize("text", ["[1, 2, 3]", '{"a": 1}', "[not JSON]", "[]", "{}"])
    def test_other_text_that_looks_like_json_is_the_users(self, text: str) -> None:
        assert example_from_row(plain(GOOD) | {"prompt": text}).prompt == (Message("user", text),)

    @pytest.mark.parametrize(
        ("prompt", "message"),
        [
            ("[{'role': 'user', 'content': 'Why?'}]", "as Python prints them"),
            (
                [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
                "^row: turn 1 of the prompt holds an image, which a judge of text cannot be shown",
            ),
            ([{"role": "user", "content": [{"type": "input_audio"}]}], "holds audio"),
            ([{"role": "user", "content": [{"type": "file"}]}], "holds a file"),
            (
                [{"role": "tool", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}],
                "turn 1 of the prompt holds an image",
            ),
            (
                [{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}],
                r"prompt\[0\].tool_calls\[0\].name is missing",
            ),
            ([{"from": "human", "value": "a"}], "give 'role' and 'content'"),
        ],
    )
    def test_what_cannot_be_shown_is_one_sentence(self, prompt: Any, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            example_from_row(plain(GOOD) | {"prompt": prompt})
        assert "\n" not in str(caught.value)


def test_cells_of_csv_are_read_as_what_is_wanted() -> None:
    row = {
        "prompt_id": Cell("7"),
        "prompt": Cell("Why?"),
        "rubrics": Cell(json.dumps([GOOD])),
        "example_tags": Cell('["theme:x", "b"]'),
        "ideal_completions_data": Cell('{"ideal_completion": "Because."}'),
    }
    example = example_from_row(row)
    assert (example.tags, example.references) == (("theme:x", "b"), ("Because.",))
    assert type(example.prompt_id) is str
    assert example_from_row(row | {"example_tags": Cell("theme:x")}).tags == ("theme:x",)
    with pytest.raises(DataError, match="not a list of texts"):
        example_from_row(row | {"example_tags": Cell("theme:x, theme:y")})
