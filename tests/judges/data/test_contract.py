"""What a criterion says beside its text: levels, conditions, references, its turn."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from rubricbeat.judges.data.examples import example_from_row, example_to_row, read_examples
from rubricbeat.judges.errors import DataError
from rubricbeat.judges.rubric import (
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

pytestmark = pytest.mark.border

SCALE = [
    {"text": "no advice", "points": 0},
    {"text": "a visit", "points": 2},
    {"text": "an ambulance", "points": 5},
]
CONTRACT = {
    "criterion": "Urgency",
    "levels": SCALE,
    "may_be_na": True,
    "reference": "Call 112.",
    "requires": "asked",
    "gate": {"cap": 0.0},
    "id": "urgency",
    "turn": -1,
}
ASKED = {"criterion": "Asks since when", "points": 3, "id": "asked"}


def row(*criteria: Any, **more: Any) -> dict[str, Any]:
    return {"prompt": "Why?", "rubric": list(criteria), **more}


def read(*criteria: Any, **more: Any) -> tuple[Criterion, ...]:
    return example_from_row(row(*criteria, **more)).rubric.criteria


def test_the_contract_is_read_as_it_is_written() -> None:
    urgency = read(CONTRACT, ASKED)[0]
    assert urgency == Criterion(
        "Urgency",
        5,
        Polarity.DESIRABLE,
        id="urgency",
        levels=(Level("no advice", 0), Level("a visit", 2), Level("an ambulance", 5)),
        na=NaRule.EXCLUDED,
        reference="Call 112.",
        requires=Requirement("asked"),
        gate=Gate(0.0),
    )


def test_shares_are_shares_of_the_points_and_faults_have_levels_too() -> None:
    shares = [
        {"text": "none", "share": 0},
        {"text": "one", "share": 0.25, "check": {"says": "one"}},
        {"text": "two", "share": 1},
    ]
    fault = {"criterion": "Wrong doses", "points": -8, "levels": shares}
    found = read(fault, ASKED)[0]
    assert [level.points for level in found.levels] == [0, -2, -8]
    assert found.polarity is Polarity.UNDESIRABLE
    assert found.levels[1].check == {"says": "one"}


@pytest.mark.parametrize(
    "texts", [("112", "911"), ("Yes", "no"), ("good", "a list"), ("low", "no")]
)
def test_choices_without_an_order_are_nominal(texts: tuple[str, str]) -> None:
    choices = [{"text": text, "points": points} for points, text in enumerate(texts)]
    assert read({"criterion": "c", "levels": choices, "scale": "Nominal"})[0].is_nominal


def test_a_level_may_cost_points_where_the_best_earns_more() -> None:
    two_sided = [{"text": "harms", "points": -3}, {"text": "helps", "points": 4}]
    assert read({"criterion": "c", "levels": two_sided})[0].points == 4


@pytest.mark.parametrize(
    ("said", "rule"),
    [
        (True, NaRule.EXCLUDED),
        ("excluded", NaRule.EXCLUDED),
        ("Missed", NaRule.MISSED),
        ("bounded", NaRule.BOUNDED),
        (False, None),
        (None, None),
    ],
)
def test_what_follows_where_it_does_not_apply(said: Any, rule: NaRule | None) -> None:
    assert read({**ASKED, "may_be_na": said})[0].na is rule


def test_gate_and_requirement_may_name_a_level() -> None:
    gated = {"criterion": "g", "levels": SCALE, "id": 7, "gate": {"cap": -0.5, "level": 1}}
    dependent = {"criterion": "d", "points": 1, "requires": {"id": 7.0, "level": 1}}
    found = read(gated, dependent)
    assert found[0].gate == Gate(-0.5, 1)
    assert found[1].requires == Requirement("7", 1)


def test_turns_count_those_of_the_assistant_and_the_answer_is_the_last() -> None:
    turns = [
        {"role": "user", "content": "Sore."},
        {"role": "assistant", "content": "Where?"},
        {"role": "user", "content": "Here."},
    ]

    def turn(said: Any) -> int | None:
        return read({**ASKED, "turn": said}, prompt=turns)[0].turn

    assert [turn(said) for said in (None, -1, 1, 0, -2, "All")] == [-1, -1, -1, 0, -2, None]
    with pytest.raises(DataError, match=r"criterion 1: turn is 2, and .* are 2 with the answer"):
        turn(2)
    with pytest.raises(DataError, match="turn is -3"):
        turn(-3)


def test_references_of_a_row_and_of_a_criterion() -> None:
    own = {**ASKED, "reference": ["Note one.", " ", "Note two."]}
    example = example_from_row(row(own, CONTRACT | {"reference": " "}, reference="For all."))
    assert [example.reference_of(c) for c in example.rubric.criteria] == [
        "Note one.\n\nNote two.",
        "For all.",
    ]
    assert example.references == ()


def test_reference_of_a_rar_row_is_an_answer_that_no_judge_sees() -> None:
    rar = {
        "question": "Which?",
        "reference": "A beta blocker.",
        "judge_reference": "Guideline.",
        "rubric": [{"description": "Essential Criteria: Names it.", "weight": 5}],
    }
    example = example_from_row(rar)
    assert (example.references, example.reference) == (("A beta blocker.",), "Guideline.")


LEVELS = {"levels": [{"text": "a", "share": 0}, {"text": "b", "share": 1}], "id": "x"}
SHAPES: list[dict[str, Any]] = [
    {"prompt_id": "p", "prompt": "?", "rubrics": [{"criterion": "c", "points": 4}]},
    {"prompt": "?", "rubric": [{"criterion": "c", "points": 4}]},
    {"question": "?", "rubric": [{"description": "c", "weight": 4}]},
    {"prompt": "?", "rubrics": [{"criterion": "c", "weight": 4, "axis": "a"}]},
    {
        "prompt": "?",
        "reward_model": {"rubrics": [{"criterion": "c", "points": 4, "tags": {"verifier": "llm"}}]},
    },
    {"id": "i", "prompt": "?", "rubric_items": [{"criterion_text": "c", "points": 4}]},
    {
        "prompt": "?",
        "rubric": [
            {
                "title": "c",
                "annotations": {"weight_class": "important", "important_weight": 4},
                "requires": "x",
            },
            {
                "title": "d",
                "annotations": {"weight_class": "important", "important_weight": 4},
                "id": "x",
            },
        ],
    },
    {
        "prompt": "?",
        "rubrics": [{"criterion_description": "c", "criterion_weight": "Critical"}],
    },
    {"prompt": "?", "rubric": [{"requirement": "c", "weight": 4}]},
    {"prompt": "?", "rubric": [{"name": "n", "text": "c", "weight": 4}]},
    {"prompt": "?", "rubric": {"text": "all", "children": [{"text": "c"}], "points": 4}},
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: next(iter(s.values()))[:8] + str(len(s)))
def test_every_shape_of_rows_takes_them(shape: dict[str, Any]) -> None:
    row = json.loads(json.dumps(shape))
    items = next(v for k, v in row.items() if k.startswith(("rub", "rew")))
    items = items.get("rubrics") or items["children"] if isinstance(items, dict) else items
    items[0] |= {
        "levels": [{"text": "a", "share": 0}, {"text": "b", "share": 1}],
        "may_be_na": "missed",
        "reference": "r",
        "gate": {"cap": 0.5},
        "turn": "all",
    }
    criterion = example_from_row(row).rubric.criteria[0]
    assert criterion.levels == (Level("a", 0), Level("b", 4))
    assert (criterion.points, criterion.na, criterion.reference) == (4, NaRule.MISSED, "r")
    assert (criterion.gate, criterion.turn) == (Gate(0.5), None)
    assert criterion.polarity is Polarity.DESIRABLE


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: next(iter(s.values()))[:8] + str(len(s)))
def test_without_them_a_row_of_any_shape_is_plain(shape: dict[str, Any]) -> None:
    rubric = example_from_row(shape).rubric
    assert all(c.requires for c in rubric.criteria[:1]) or rubric.is_plain


def test_ids_of_prbench_count_where_a_criterion_requires_one() -> None:
    items = SHAPES[6]["rubric"]
    assert read(*items)[1].id == "x"
    bare = [{k: v for k, v in item.items() if k != "requires"} for item in items]
    assert read(*bare)[1].id is None


def level(**changes: Any) -> dict[str, Any]:
    return {"criterion": "c", "levels": [{"text": "a", "points": 0} | changes, SCALE[2]]}


REFUSED: list[tuple[list[dict[str, Any]], str]] = [
    ([{"criterion": "c", "levels": {"0": "a"}}], r"rubric\[0\].levels is an object, not a list"),
    ([{"criterion": "c", "levels": "high"}], r"levels is the text 'high', not a list"),
    ([{"criterion": "c", "levels": SCALE[:1]}], "has one entry; give two"),
    ([{"criterion": "c", "levels": ["a", "b"]}], r"levels\[0\] is the text 'a', not an object"),
    ([level(text=None)], r"rubric\[0\].levels\[0\].text is missing"),
    ([level(text=" ")], r"levels\[0\].text is blank"),
    ([level(share=0)], r"levels\[0\] has 'points' and 'share'"),
    ([level(points=None)], r"levels\[0\] has neither 'points' nor 'share'"),
    ([level(points=None, share=0.5)], "'points' in one entry and 'share' in another"),
    ([level(points=float("nan"))], "points is nan, not a finite number"),
    ([level(points=True)], "points is true, not a number"),
    ([level(points=1e10)], "beyond 1e.09"),
    ([level(points=1e-12)], "closer to 0"),
    ([level(check={"says": float("inf")})], r"check holds what JSON cannot"),
    ([level(check="says")], r"levels\[0\].check is not an object"),
    ([{"criterion": "c", "points": 4, "levels": SCALE}], "points is 4, and the level farthest"),
    ([{"criterion": "c", "levels": [SCALE[0], SCALE[0]]}], "are worth 0 points, each of them"),
    ([{"criterion": "c", **LEVELS}], "points is missing; a share of a level is a share"),
    (
        [{"criterion": "c", "points": 1, "levels": [{"text": "a", "share": -1.5}, SCALE[1]]}],
        "share is -1.5, not a share between -1 and 1",
    ),
    (
        [
            {
                "criterion": "c",
                "points": 1,
                "levels": [{"text": "a", "share": 0}, {"text": "b", "share": 0.9}],
            }
        ],
        "has no share of 1",
    ),
    (
        [{"criterion": "c", "levels": SCALE, "polarity": "undesirable"}],
        "polarity is undesirable, and the sign of the levels' points says desirable",
    ),
    ([{"criterion": "c", "levels": SCALE, "scale": "likert"}],
     r"scale is unknown; it is the text 'likert'; known: nominal, ordinal"),
    ([level(poinst=1)], r"levels\[0\] has 'poinst', which is unknown; did you mean 'points'"),
    ([{"criterion": "c", "levels": SCALE, "check": {"says": "a"}}], "check: of levels each has"),
    (
        [level(check={"says": "b"}) | {"check": {"says": "a"}}],
        "check: of levels each has its own 'check'; move it into them",
    ),
    ([{**ASKED, "gate": {"cap": 0, "lvel": 0}}], "gate has 'lvel', which is unknown; did you mean"),
    ([{**ASKED, "requires": {"id": "a", "lvl": 1}}], "requires has 'lvl', which is unknown; did"),
    ([{"criterion": "c", "points": 1, "scale": "ordinal"}], "scale needs 'levels'"),
    (
        [
            {
                "criterion": "c",
                "scale": "nominal",
                "levels": [{"text": "Low", "points": 0}, {"text": "High", "points": 1}],
            }
        ],
        "is nominal, and the levels are words or numbers of an order",
    ),
    (
        [
            {
                "criterion": "c",
                "scale": "nominal",
                "levels": [{"text": "1", "points": 0}, {"text": "2", "points": 1}],
            }
        ],
        "is nominal, and the levels are words or numbers of an order",
    ),
    (
        [{**ASKED, "may_be_na": "maybe"}],
        "may_be_na is unknown; true, false or a rule .* found the text 'maybe'",
    ),
    ([{**ASKED, "may_be_na": 1}], "may_be_na is the number 1"),
    ([{**ASKED, "na_check": {"says": "a"}}], "na_check needs 'may_be_na'"),
    ([{**ASKED, "gate": {"level": 0}}], "gate.level needs a criterion with levels"),
    ([{**ASKED, "gate": {}}], "gate.cap is missing"),
    ([{**ASKED, "gate": {"cap": float("inf")}}], "gate.cap is inf, not a finite number"),
    ([{**ASKED, "gate": True}], "gate is true, not an object with 'cap'"),
    (
        [{"criterion": "c", "levels": SCALE, "gate": {"cap": 0, "level": 3}}],
        r"rubric\[0\]: gate: level 3 is none of 0 to 2",
    ),
    ([{**ASKED, "requires": "other"}], "requires 'other', the id of no criterion; ids: asked"),
    ([{**ASKED, "requires": "asked"}], "requires: asked -> asked is a circle"),
    ([{**ASKED, "requires": ["a"]}], r"requires is a list; a criterion requires one other"),
    ([{**ASKED, "requires": {"level": 1}}], "requires has no 'id' of another criterion"),
    ([ASKED, ASKED], "id 'asked' is used by two criteria"),
    (
        [ASKED, {"criterion": "c", "points": 1, "requires": {"id": "asked", "level": 0}}],
        "criterion 2: requires level 0 of 'asked', which has no levels",
    ),
    ([{**ASKED, "turn": 1}], "criterion 1: turn is 1, and .* the answer alone"),
    ([{**ASKED, "turn": "last"}], "turn is the text 'last'; a whole number or 'all'"),
    ([{**ASKED, "turn": 0.5}], "turn is 0.5, not a whole number"),
    ([{**ASKED, "reference": {"text": "r"}}], "reference is an object, not text"),
    ([{"criterion": "c", "levels": [{"text": "a", "points": 0}, {"text": "b", "points": -1}]}],
     "no positive points"),
]  # fmt: skip


@pytest.mark.parametrize(("criteria", "message"), REFUSED)
def test_what_cannot_be_meant_is_refused_by_field(
    criteria: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        example_from_row(row(*criteria), where="row 17")
    assert str(caught.value).startswith("row 17: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("criteria", "number"),
    [
        ([ASKED, {"criterion": "d", "points": 1}, ASKED], 3),  # the second that has the id
        ([{**ASKED, "requires": "b"}, {**ASKED, "id": "b", "requires": "c"}], 2),
        ([{"criterion": "d", "points": 1}, {**ASKED, "requires": "asked"}], 2),
    ],
)
def test_a_requirement_that_leads_nowhere_names_its_own_criterion(
    criteria: list[dict[str, Any]], number: int
) -> None:
    with pytest.raises(DataError, match=f"^row: criterion {number}: "):
        read(*criteria)


def test_an_id_of_one_criterion_taken_twice_is_refused_too() -> None:
    twice = Criterion("c", 1.0, Polarity.DESIRABLE, id="a")
    with pytest.raises(DataError, match="criterion 2: id 'a' is used by two criteria"):
        Rubric((twice, twice))


def test_rows_that_differ_in_their_levels_alone_are_two_prompts() -> None:
    other = [{**SCALE[0], "text": "nothing"}, *SCALE[1:]]
    ids = {
        example_from_row(row({"criterion": "c", "levels": levels})).prompt_id
        for levels in (SCALE, other)
    }
    assert len(ids) == 2


texts = st.text(min_size=1, max_size=12).filter(str.strip)
points = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda p: p == 0 or abs(p) >= 1e-9)
worth = points.filter(bool)
checks = st.sampled_from([None, {"says": "x"}])
levels = st.lists(st.builds(Level, texts, points, checks), min_size=2, max_size=4).filter(
    lambda found: any(level.points for level in found)
)


@st.composite
def criteria(draw: st.DrawFn, number: int, n_turns: int) -> Criterion:
    """Draw a criterion that requires at most one before it."""
    scale = tuple(draw(st.one_of(st.just([]), levels)))
    worth_of = max((one.points for one in scale), key=lambda p: (abs(p), p), default=0)
    own = worth_of or draw(worth)
    by_sign = Polarity.DESIRABLE if own > 0 else Polarity.UNDESIRABLE
    na = draw(st.none() | st.sampled_from(NaRule))
    cap = draw(st.none() | st.floats(-1, 1, allow_nan=False))
    place = draw(st.none() | st.integers(0, len(scale) - 1)) if scale else None
    return Criterion(
        draw(texts),
        own,
        by_sign if scale else draw(st.sampled_from(Polarity)),
        id=f"c{number}",
        levels=scale,
        is_nominal=bool(scale) and scale[0].text == "\u2665",
        na=na,
        na_check=draw(checks) if na else None,
        reference=draw(st.none() | texts),
        requires=Requirement(f"c{draw(st.integers(0, number - 1))}")
        if number and draw(st.booleans())
        else None,
        gate=None if cap is None else Gate(cap, place),
        turn=draw(st.sampled_from([-1, None, *range(-n_turns, -1), *range(n_turns - 1)])),
    )


@st.composite
def examples(draw: st.DrawFn) -> Example:
    n_turns = draw(st.integers(1, 3))
    asked = (Message("user", "?"), Message("assistant", "Since when?"))
    found = [draw(criteria(number, n_turns)) for number in range(draw(st.integers(1, 4)))]
    try:
        rubric = Rubric(tuple(found))
    except DataError:  # a requirement that would hold where what it requires does not apply
        reject()
    return Example(
        draw(texts),
        asked * (n_turns - 1) + (Message("user", "!"),),
        rubric,
        reference=draw(st.none() | texts),
    )


@settings(max_examples=150, deadline=None)
@given(examples().filter(lambda example: example.rubric.positive_points > 0))
def test_what_is_written_reads_back_equal(example: Example) -> None:
    written = json.loads(json.dumps(example_to_row(example)))
    again = example_from_row(written)
    assert again == example
    assert example_to_row(again) == example_to_row(example)
    for mine, read_back in zip(example.rubric.criteria, again.rubric.criteria, strict=True):
        assert mine.na_check == read_back.na_check
        assert [one.check for one in mine.levels] == [one.check for one in read_back.levels]


def test_parquet_and_csv_say_the_same_as_json(tmp_path: Path) -> None:
    """Arrow gives every object every field of the others, null where it has none."""
    shares = {"criterion": "s", "points": 4.0, **LEVELS, "may_be_na": "missed"}
    rows = [
        row(CONTRACT | {"may_be_na": "bounded"}, ASKED, prompt_id="a", reference="r"),
        row(shares, prompt_id="b"),
        row({"criterion": "c", "points": 2.0}, prompt_id="c"),
    ]
    (tmp_path / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, ["prompt_id", "prompt", "rubric", "reference"])
        table.writeheader()
        table.writerows({**one, "rubric": json.dumps(one["rubric"])} for one in rows)
    first, *others = (
        read_examples(tmp_path / f"rows.{end}", strict=True).examples
        for end in ("json", "parquet", "csv")
    )
    assert others == [first, first]


def test_a_plain_row_is_written_as_ever() -> None:
    plain = {"criterion": "c", "points": 2.0, "tags": ["t"], "check": {"says": "a"}}
    example = example_from_row(row(plain, prompt_id="p", gate=None, levels=None))
    assert json.dumps(example_to_row(example)) == (
        '{"prompt_id": "p", "prompt": [{"role": "user", "content": "Why?"}], "rubrics": '
        '[{"criterion": "c", "points": 2, "polarity": "desirable", "tags": ["t"], "check": '
        '{"says": "a"}}], "example_tags": []}'
    )


def test_the_row_shown_in_the_documentation_is_read(root: Path) -> None:
    text = (root / "docs" / "data.md").read_text(encoding="utf-8")
    block = text.split("```json\n")[2].split("```")[0]
    example = example_from_row(json.loads(block))
    assert [len(c.levels) for c in example.rubric.criteria] == [3, 0, 0, 3]
    assert [c.points for c in example.rubric.criteria] == [6, 3, 2, -2]
    assert (example.rubric.positive_points, example.rubric.negative_points) == (11, 2)
