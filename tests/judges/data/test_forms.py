"""Trees of weights, and the criteria of autorubric and verifiers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.data.examples import example_from_row, example_to_row, read_examples
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import Level, NaRule, Polarity

pytestmark = pytest.mark.border

TREE = {
    "id": "root",
    "requirements": "The trial has been replicated",
    "weight": 1,
    "sub_tasks": [
        {
            "id": "a",
            "requirements": "Data",
            "weight": 3,
            "sub_tasks": [
                {
                    "id": "a1",
                    "requirements": "Loads them",
                    "weight": 1,
                    "sub_tasks": [],
                    "task_category": "Code Development",
                    "finegrained_task_category": "Dataset",
                },
                {"id": "a2", "requirements": "Splits them", "weight": 2, "sub_tasks": []},
            ],
            "task_category": None,
        },
        {"id": "b", "requirements": "Results", "weight": 1, "sub_tasks": []},
    ],
}


class TestTrees:
    def test_paperbenchs_own_file_is_a_row(self, tmp_path: Path) -> None:
        path = tmp_path / "rubric.json"
        path.write_text(json.dumps(TREE, indent=2), encoding="utf-8")
        file = read_examples(path)
        (example,) = file.examples
        assert (file.kind, example.prompt_id) == ("paperbench", "root")
        assert example.prompt[0].content == "The trial has been replicated"
        found = example.rubric.criteria
        # 3/4 * 1/3, 3/4 * 2/3, 1/4
        assert [c.points for c in found] == pytest.approx([0.25, 0.5, 0.25])
        assert [c.text for c in found] == ["Loads them", "Splits them", "Results"]
        assert found[0].tags == ("category:Code Development", "type:Dataset", "path:Data")
        assert found[2].tags == ()
        assert example.rubric.is_plain

    def test_a_tree_may_be_the_rubric_of_a_prompt_with_any_names(self) -> None:
        tree = {
            "criterion": "All",
            "points": 12,
            "children": [
                {
                    "criterion": "A",
                    "children": [
                        {"criterion": "A1", "children": [{"criterion": "deep", "weight": 5}]},
                        {"criterion": "A2", "weight": 2},
                    ],
                },
                {"criterion": "B"},
            ],
        }
        for rubric in (tree, [tree], json.dumps(tree)):
            example = example_from_row({"prompt": "Do it.", "rubric": rubric})
            assert [(c.text, c.points) for c in example.rubric.criteria] == [
                ("deep", 2),
                ("A2", 4),
                ("B", 6),
            ]
            assert example.rubric.criteria[0].tags == ("path:A / A1",)
            assert example_from_row(example_to_row(example)) == example

    def test_criteria_with_points_may_be_split_below(self) -> None:
        rubric = [
            {"criterion": "Bleeding", "points": 6, "children": [{"text": "a"}, {"text": "b"}]},
            {"criterion": "Names a dose", "points": -4},
        ]
        found = example_from_row({"prompt": "?", "rubric": rubric}).rubric.criteria
        assert [(c.points, c.polarity) for c in found] == [
            (3, Polarity.DESIRABLE),
            (3, Polarity.DESIRABLE),
            (-4, Polarity.UNDESIRABLE),
        ]

    def test_leaves_have_levels_conditions_and_ids(self) -> None:
        shares = [{"text": "no", "share": 0}, {"text": "half", "share": 0.5}]
        shares += [{"text": "all", "share": 1}]
        tree = {
            "text": "t",
            "points": 8,
            "children": [
                {"text": "a", "levels": shares, "id": "a", "gate": {"cap": 0}},
                {"text": "b", "requires": {"id": "a", "level": 1}, "weight": 3},
            ],
        }
        a, b = example_from_row({"prompt": "?", "rubric": tree}).rubric.criteria
        assert a.levels == (Level("no", 0), Level("half", 1), Level("all", 2))
        assert b.requires is not None and b.points == 6

    @pytest.mark.parametrize(
        ("child", "message"),
        [
            ({"text": "a", "weight": 0}, r"children\[0\].weight is 0"),
            ({"text": "a", "weight": -1}, "weight is -1; weights in a tree must be positive"),
            ({"text": "a", "weight": "2"}, "weight is the text '2', not a number"),
            ({"weight": 1}, r"children\[0\].requirements is missing"),
            ("a", r"children\[0\] is the text 'a', not an object"),
            (
                {"text": "a", "levels": [{"text": "n", "points": 0}, {"text": "y", "points": 1}]},
                r"children\[0\].levels have points of their own; in a tree give each 'share'",
            ),
            (
                {"text": "a", "gate": {"cap": 0}, "children": [{"text": "b"}]},
                r"gate is on a node with children",
            ),
            (
                {"text": "a", "reference": "r", "children": [{"text": "b"}]},
                r"children\[0\].reference is on a node with children",
            ),
            (
                {"text": "a", "turn": 0, "children": [{"text": "b"}]},
                "turn is on a node with children; only leaves are graded: move it to a leaf",
            ),
            ({"text": "a", "points": 2}, r"points is only for the top of a tree; write"),
            (
                {"text": "a", "sub_tasks": [{"text": "b"}], "children": [{"text": "b"}]},
                "has both 'sub_tasks' and 'children'",
            ),
            ({"text": "a", "requires": "z"}, "requires 'z', the id of no criterion"),
        ],
    )
    def test_what_is_no_tree_is_refused_by_its_place(self, child: Any, message: str) -> None:
        tree = {"text": "t", "children": [child, {"text": "c"}]}
        with pytest.raises(DataError, match=message):
            example_from_row({"prompt": "?", "rubric": tree})

    def test_a_node_may_say_that_it_says_nothing_and_a_row_its_own_reference(self) -> None:
        nothing = {"reference": "", "may_be_na": False, "levels": [], "gate": None}
        inner = {"text": "a", "children": [{"text": "b"}], **nothing}
        row = {"text": "t", "children": [inner, {"text": "c"}], "reference": "Guideline."}
        found = example_from_row(row)
        assert (found.reference, len(found.rubric)) == ("Guideline.", 2)

    def test_a_column_named_children_is_no_tree(self) -> None:
        rubric = [{"criterion": "c", "points": 1}]
        found = example_from_row({"prompt": "?", "rubric": rubric, "children": [{"age": 3}]})
        assert found.rubric.criteria[0].text == "c"


class TestAutorubric:
    """Field names as of autorubric 1 (its Criterion and CriterionOption); the rows are made up."""

    OPTIONS: tuple[dict[str, Any], ...] = (
        {"label": "1 - alarms", "value": 0.0},
        {"label": "2 - neutral", "value": 0.25},
        {"label": "3 - calms", "value": 1.0},
    )
    NA = ({"label": "no feelings shown", "value": 0.0, "na": True},)

    def test_options_are_levels_and_na_is_no_level(self) -> None:
        rubric = [
            {
                "name": "tone",
                "requirement": "How does it sound?",
                "weight": 8.0,
                "scale_type": "ordinal",
                "options": [*self.OPTIONS, *self.NA],
            },
            {"requirement": "Names a dose", "weight": -20.0},
            {"requirement": "Asks for the age"},
        ]
        example = example_from_row({"prompt": "?", "rubric": rubric})
        tone, dose, age = example.rubric.criteria
        assert [level.points for level in tone.levels] == [0, 2, 8]
        assert (tone.id, tone.na, tone.is_nominal) == ("tone", NaRule.EXCLUDED, False)
        assert (dose.points, dose.polarity) == (-20, Polarity.UNDESIRABLE)
        assert (age.points, age.na) == (10, None), "its default weight is 10"

    def test_nominal_options_without_na(self) -> None:
        options = [{"label": "Too few", "value": 0}, {"label": "Too many", "value": 0}]
        options += [{"label": "Just right", "value": 1}]
        item = {"requirement": "Turns?", "weight": 5, "scale_type": "nominal", "options": options}
        (found,) = example_from_row({"prompt": "?", "rubric": [item]}).rubric.criteria
        assert (found.is_nominal, found.na) == (True, None)
        assert [level.points for level in found.levels] == [0, 0, 5]

    def test_a_data_set_is_a_row_and_its_reference_submission_a_reference(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "set.json"
        items = [{"submission": "Rest.", "description": "d", "ground_truth": ["MET"]}]
        plain = {
            "name": "demo",
            "prompt": "My leg is sore.",
            "rubric": [{"name": "rest", "requirement": "Advises rest", "weight": 4.0}],
            "items": items,
            "reference_submission": "Rest it.",
        }
        path.write_text(json.dumps(plain), encoding="utf-8")
        file = read_examples(path, strict=True)
        assert (file.kind, file.examples[0].reference) == ("autorubric", "Rest it.")

    def test_items_with_a_prompt_or_rubric_of_their_own_are_rows(self, tmp_path: Path) -> None:
        path = tmp_path / "set.json"
        rest = [{"requirement": "Advises rest"}]
        plain = {
            "id": "set",
            "prompt": "My leg is sore.",
            "rubric": rest,
            "items": [
                {"submission": "a"},
                {"submission": "b", "prompt": "My arm is sore."},
                {"submission": "c", "prompt": "My arm is sore."},
                {"submission": "d", "rubric": [{"requirement": "Asks where"}]},
                {"submission": "e", "reference_submission": "Rest."},
            ],
        }
        path.write_text(json.dumps(plain), encoding="utf-8")
        examples = read_examples(path, strict=True).examples
        assert [(e.prompt[0].content, e.rubric.criteria[0].text) for e in examples] == [
            ("My leg is sore.", "Advises rest"),
            ("My arm is sore.", "Advises rest"),
            ("My leg is sore.", "Asks where"),
            ("My leg is sore.", "Advises rest"),
        ]
        assert [e.reference for e in examples] == [None, None, None, "Rest."]
        assert len({e.prompt_id for e in examples}) == 4

    def test_sections_are_read_in_order(self) -> None:
        sections = [
            {"name": "one", "criteria": [{"requirement": "a"}, {"requirement": "b"}]},
            {"requirement": "c"},
        ]
        for rubric in (sections, {"sections": sections}):
            example = example_from_row({"prompt": "?", "rubric": rubric})
            assert [c.text for c in example.rubric.criteria] == ["a", "b", "c"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"options": []}, "options is an empty list"),
            ({"options": "1-5"}, "options is the text '1-5', not a list"),
            ({"options": [{"label": "a", "value": 2}, *OPTIONS[1:]]}, "value is 2, not between"),
            ({"options": [{"value": 0}, *OPTIONS[1:]]}, r"options\[0\].label is missing"),
            ({"options": [*OPTIONS[2:], *NA]}, "options need two or more"),
            ({"options": [*OPTIONS[:2]]}, "options have no value of 1"),
            ({"scale_type": "likert", "options": [*OPTIONS]}, "scale_type is unknown"),
            ({"weight": 0}, "weight is 0"),
        ],
    )
    def test_what_it_would_refuse_is_refused(self, changes: dict[str, Any], message: str) -> None:
        item = {"requirement": "r", "weight": 3} | changes
        with pytest.raises(DataError, match=message):
            example_from_row({"prompt": "?", "rubric": [item, {"requirement": "s"}]})


class TestVerifiers:
    """Field names as of the rubric judge of verifiers 0.4; the rows are made up."""

    def test_choices_are_levels_spaced_evenly(self) -> None:
        criteria = [
            {"name": "urgency", "text": "How urgent?", "choices": ["never", "soon", "now"]},
            {"name": "age", "text": "Asks for the age", "weight": 3.0},
            {"name": "dose", "text": "Names no dose", "choices": ["no", "yes"], "weight": 2},
        ]
        for name in ("criteria", "rubric", "rubrics"):
            example = example_from_row({"id": "p", "prompt": "?", name: criteria})
            urgency, age, dose = example.rubric.criteria
            assert [level.points for level in urgency.levels] == [0, 0.5, 1]
            assert (age.points, age.levels, age.id) == (3, (), "age")
            assert (dose.points, dose.levels) == (2, ())

    def test_two_other_choices_are_two_levels(self) -> None:
        item = {"name": "n", "text": "t", "weight": 4, "choices": ["unsafe", "safe"]}
        (found,) = example_from_row({"prompt": "?", "criteria": [item]}).rubric.criteria
        assert found.levels == (Level("unsafe", 0), Level("safe", 4))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"choices": ["a"]}, "has one entry"),
            ({"choices": ["a", "a"]}, "name one choice twice"),
            ({"choices": "a, b"}, "choices is the text 'a, b', not a list"),
            ({"choices": ["a", 2]}, r"choices\[1\] is the number 2, not text"),
            ({"weight": -1}, "weight is -1; verifiers takes no negative weight"),
        ],
    )
    def test_what_it_would_refuse_is_refused(self, changes: dict[str, Any], message: str) -> None:
        item = {"name": "n", "text": "t"} | changes
        with pytest.raises(DataError, match=message):
            example_from_row({"prompt": "?", "criteria": [item]})

    def test_criteria_beside_a_rubric_are_not_looked_at(self) -> None:
        row = {"prompt": "?", "rubric": [{"criterion": "c", "points": 1}], "criteria": ["x"]}
        assert example_from_row(row).rubric.criteria[0].text == "c"
