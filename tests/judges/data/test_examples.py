"""Files of rubrics: the shapes that are read, and what is said of those that are not."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rubricbeat.judges.audit.label_rows import read_labels
from rubricbeat.judges.data.examples import example_from_row, example_to_row, read_examples
from rubricbeat.judges.data.responses import Responses
from rubricbeat.judges.data.row_shapes import RowKind
from rubricbeat.judges.errors import DataError, UnknownNameError
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

pytestmark = pytest.mark.border


def healthbench_row(prompt_id: str = "p1", **changes: Any) -> dict[str, Any]:
    return {
        "prompt_id": prompt_id,
        "prompt": [{"role": "user", "content": "My heart races at night."}],
        "rubrics": [
            {"criterion": "Asks about caffeine", "points": 5, "tags": ["axis:context_awareness"]},
            {"criterion": "Prescribes a drug", "points": -7, "tags": []},
        ],
        "example_tags": ["theme:context_seeking"],
        "ideal_completions_data": None,
        "canary": "made-up",
    } | changes


def rar_row(**changes: Any) -> dict[str, Any]:
    return {
        "question": "Which drug slows the ventricular rate?",
        "reference_answer": "A beta blocker.",
        "rubric": [
            {
                "title": "Class",
                "description": "Essential Criteria: Names a beta blocker.",
                "weight": 5,
            },
            {"title": "Why", "description": "Important Criteria: Explains it.", "weight": 3},
            {
                "title": "Omission",
                "description": "Pitfall Criteria: Does not mention asthma.",
                "weight": -2,
            },
            {
                "title": "Restraint",
                "description": "Pitfall Criteria: Avoids advising a dose.",
                "weight": -1,
            },
        ],
    } | changes


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


class TestHealthBench:
    def test_row_becomes_an_example(self) -> None:
        example = example_from_row(healthbench_row())
        assert example.prompt == (Message("user", "My heart races at night."),)
        assert [c.points for c in example.rubric.criteria] == [5, -7]
        assert [c.polarity.value for c in example.rubric.criteria] == ["desirable", "undesirable"]
        assert example.tags == ("theme:context_seeking",)
        assert example.canary == "made-up"

    def test_all_turns_of_a_conversation_are_kept(self) -> None:
        turns = [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Mein Herz stolpert."},
            {"role": "assistant", "content": "Seit wann?"},
            {"role": "user", "content": "Seit gestern ❤\ufe0f"},
        ]
        example = example_from_row(healthbench_row(prompt=turns))
        assert [m.content for m in example.prompt] == [t["content"] for t in turns]

    def test_missing_tags_and_null_ideal_completions_are_fine(self) -> None:
        row = healthbench_row(rubrics=[{"criterion": "Says why", "points": 1}])
        del row["example_tags"], row["ideal_completions_data"], row["canary"]
        example = example_from_row(row)
        assert (example.tags, example.references, example.canary) == ((), (), None)
        assert example.rubric.criteria[0].tags == ()

    def test_ideal_completion_is_a_reference(self) -> None:
        ideal = {
            "ideal_completion": "See a doctor.",
            "ideal_completions_group": "Group 1",
            "ideal_completions_ref_completions": None,
        }
        example = example_from_row(healthbench_row(ideal_completions_data=ideal))
        assert example.references == ("See a doctor.",)

    def test_repeated_criterion_texts_stay_two_criteria(self) -> None:
        twice = [{"criterion": "Says why", "points": 3, "tags": []}] * 2
        assert len(example_from_row(healthbench_row(rubrics=twice)).rubric) == 2

    def test_forty_eight_criteria_are_read(self) -> None:
        many = [{"criterion": f"c{i}", "points": i + 1, "tags": []} for i in range(48)]
        assert len(example_from_row(healthbench_row(rubrics=many)).rubric) == 48

    def test_unknown_extra_fields_are_ignored(self) -> None:
        example_from_row(healthbench_row(provenance={"source": "x"}, specialty="cardiology"))


class TestProfessional:
    """Field names as published with openai/healthbench-professional; the row is made up."""

    ROW: ClassVar[dict[str, Any]] = {
        "id": "f00",
        "conversation": {
            "messages": [
                {"role": "user", "content": "Patient on apixaban needs a tooth out."},
                {"role": "assistant", "content": "Which tooth?"},
                {"role": "user", "content": "A molar."},
            ]
        },
        "rubric_items": [
            {"criterion_text": "Says to keep the drug", "points": 8},
            {"criterion_text": "Advises bridging", "points": -6},
        ],
        "use_case": "consult",
        "type": "good_faith",
        "difficulty": "typical",
        "specialty": "cardiology",
        "physician_response": "Keep it.",
        "canary_string": "made-up",
    }

    def test_row_becomes_an_example_with_all_turns_and_tags(self) -> None:
        example = example_from_row(self.ROW)
        assert (example.prompt_id, len(example.prompt)) == ("f00", 3)
        assert [c.points for c in example.rubric.criteria] == [8, -6]
        assert [c.counts_when_met for c in example.rubric.criteria] == [True, True]
        assert example.tags == (
            "use_case:consult", "type:good_faith", "difficulty:typical", "specialty:cardiology",
        )  # fmt: skip
        assert (example.references, example.canary) == (("Keep it.",), "made-up")

    def test_canonical_row_of_it_reads_back(self) -> None:
        example = example_from_row(self.ROW)
        assert example_from_row(example_to_row(example)) == example

    def test_missing_extras_are_fine_and_bad_points_are_named(self) -> None:
        bare = {k: self.ROW[k] for k in ("id", "conversation", "rubric_items")}
        assert example_from_row(bare).tags == ()
        broken = bare | {"rubric_items": [{"criterion_text": "c", "points": "8"}]}
        with pytest.raises(DataError, match=r"rubric_items\[0\].points is the text '8'"):
            example_from_row(broken)


class TestRar:
    def test_categories_come_from_the_prefix_and_polarity_from_the_wording(self) -> None:
        example = example_from_row(rar_row())
        assert [c.category for c in example.rubric.criteria] == [
            "Essential", "Important", "Pitfall", "Pitfall",
        ]  # fmt: skip
        assert [c.polarity for c in example.rubric.criteria] == [
            Polarity.DESIRABLE, Polarity.DESIRABLE, Polarity.UNDESIRABLE, Polarity.DESIRABLE,
        ]  # fmt: skip
        assert example.references == ("A beta blocker.",)

    def test_own_polarity_wins_over_the_wording(self) -> None:
        row = rar_row()
        row["rubric"][3]["polarity"] = "undesirable"
        assert example_from_row(row).rubric.criteria[3].polarity is Polarity.UNDESIRABLE

    def test_rows_without_an_id_get_a_stable_one_of_their_own(self) -> None:
        one, again = example_from_row(rar_row()), example_from_row(rar_row())
        other = example_from_row(rar_row(question="Another?"))
        assert one.prompt_id == again.prompt_id != other.prompt_id


class TestPlain:
    def test_prompt_may_be_text_or_messages(self) -> None:
        rubric = [{"criterion": "Says why", "points": 2}]
        text = example_from_row({"prompt": "Why?", "rubric": rubric})
        turns = example_from_row(
            {"prompt": [{"role": "user", "content": "Why?"}], "rubric": rubric}
        )
        assert text == turns

    def test_everything_a_criterion_can_say_is_read(self) -> None:
        check = {"any": ["because"]}
        said = {
            "criterion": "Does not guess",
            "points": -2,
            "polarity": "desirable",
            "tags": ["axis:accuracy"],
            "category": "pitfall",
            "check": check,
        }
        row = {"prompt": "Why?", "rubric": [{"criterion": "Says why", "points": 2}, said]}
        criterion = example_from_row(row).rubric.criteria[1]
        assert criterion == Criterion(
            "Does not guess", -2, Polarity.DESIRABLE, ("axis:accuracy",), "Pitfall", check
        )
        assert criterion.check == check

    def test_other_public_sets_are_read(self) -> None:
        hub = {
            "prompt": [{"role": "user", "content": "Why?"}],
            "reward_model": {"rubrics": [{"criterion": "Says why", "points": 3, "tags": {}}]},
        }
        research = {
            "prompt": "Why?",
            "sample_id": "s1",
            "rubrics": [{"criterion": "Says why", "weight": 4.0, "axis": "Explicit"}],
        }
        assert example_from_row(hub).rubric.positive_points == 3
        example = example_from_row(research)
        assert (example.prompt_id, example.rubric.criteria[0].tags) == ("s1", ("axis:Explicit",))


BAD_ROWS = [
    ({"prompt_id": None}, "prompt_id is missing"),
    ({"prompt_id": "  "}, "prompt_id is blank"),
    ({"prompt": []}, "prompt is an empty list"),
    ({"prompt": [{"role": "assistant", "content": "Hi"}]}, "the last must be the user's"),
    ({"prompt": [{"role": "robot", "content": "Hi"}]}, r"prompt\[0\].role is unknown"),
    ({"prompt": [{"role": "user"}]}, r"prompt\[0\].content is missing"),
    ({"prompt": [{"role": "user", "content": "\ud83d"}]}, "half of a surrogate pair"),
    ({"rubrics": []}, "rubrics is an empty list"),
    ({"rubrics": {"a": 1}}, "rubrics is an object, not a list"),
    ({"rubrics": [5]}, r"rubrics\[0\] is not an object"),
    ({"rubrics": ["c", " "]}, r"rubrics\[1\] is blank"),
    ({"rubrics": [{"points": 1}]}, r"rubrics\[0\].criterion is missing"),
    ({"rubrics": [{"criterion": " ", "points": 1}]}, r"rubrics\[0\].criterion is blank"),
    ({"rubrics": [{"criterion": "c", "points": None}]}, r"rubrics\[0\].points is missing"),
    (
        {"rubrics": [{"criterion": "c", "points": 3}, {"criterion": "d"}]},
        r"rubrics\[1\].points is missing, but other criteria of this rubric have points",
    ),
    ({"rubrics": [{"criterion": "c", "points": "5"}]}, "is the text '5', not a number"),
    ({"rubrics": [{"criterion": "c", "points": True}]}, "is true, not a number"),
    ({"rubrics": [{"criterion": "c", "points": float("nan")}]}, "is nan, not a finite number"),
    ({"rubrics": [{"criterion": "c", "points": float("inf")}]}, "is inf, not a finite number"),
    ({"rubrics": [{"criterion": "c", "points": 10**400}]}, "too large"),
    ({"rubrics": [{"criterion": "c", "points": 1e300}]}, "sums would overflow"),
    ({"rubrics": [{"criterion": "c", "points": 1e-320}]}, "closer to 0 than 1e-09"),
    ({"rubrics": [{"criterion": "c", "points": -5e-324}]}, "closer to 0 than 1e-09"),
    ({"rubrics": [{"criterion": "c", "points": 0}]}, r"rubrics\[0\].points is 0"),
    ({"rubrics": [{"criterion": "c", "points": -3}]}, "no positive points"),
    ({"rubrics": [{"criterion": "c", "points": 1, "tags": "axis"}]}, "not a list of texts"),
    ({"rubrics": [{"criterion": "c", "points": 1, "polarity": "good"}]}, "polarity is unknown"),
    ({"rubrics": [{"criterion": "c", "points": 1, "category": 3}]}, "category is the number 3"),
    ({"rubrics": [{"criterion": "c", "points": 1, "check": "x"}]}, "check is not an object"),
]


@pytest.mark.parametrize(
    "criterion",
    [
        {"criterion_description": "c", "criterion_weight": "major"},
        {"title": "c", "annotations": {"weight_class": "important", "important_weight": 5}},
        {"criterion": "c", "points": 1},
        {"description": "c", "weight": 1},
    ],
)
def test_a_blank_category_is_none(criterion: dict[str, Any]) -> None:
    row = {"prompt": "q", "rubric": [{**criterion, "category": " "}]}
    [read] = example_from_row(row).rubric.criteria
    assert (read.category, read.tags) == (None, ())


@pytest.mark.parametrize("name", ["points", "weight"])
def test_a_category_that_is_none_of_rars_is_a_tag(name: str) -> None:
    given = [
        {"criterion": "c", name: 1, "category": " Cardiology "},
        {"criterion": "d", name: 1, "category": "pitfall"},
        {"criterion": "e", name: 1},
    ]
    example = example_from_row(healthbench_row(rubrics=given), where="x")
    read = [(c.category, c.tags) for c in example.rubric.criteria]
    assert read == [(None, ("category:Cardiology",)), ("Pitfall", ()), (None, ())]
    again = example_from_row(example_to_row(example), where="x")
    assert again.rubric == example.rubric


@pytest.mark.parametrize(("changes", "message"), BAD_ROWS)
def test_bad_row_is_named_by_place_and_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        example_from_row(healthbench_row(**changes), where="rows.jsonl line 7")
    assert str(caught.value).startswith("rows.jsonl line 7: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", [{}, {"text": "a"}, [], 3, None, "row"])
def test_unknown_shape_says_what_was_looked_for(row: Any) -> None:
    with pytest.raises(DataError, match=r"rubric|not a JSON object"):
        example_from_row(row)


def test_recorded_verdicts_given_as_rubrics_are_sent_to_import() -> None:
    with pytest.raises(DataError, match="rubricbeat import"):
        example_from_row({"prompt_id": "p", "criteria_met": [True], "completion": "x"})


def test_long_text_in_a_bad_field_is_not_quoted() -> None:
    secret = "patient " * 30
    with pytest.raises(DataError) as caught:
        example_from_row(healthbench_row(rubrics=[{"criterion": "c", "points": secret}]))
    assert "patient" not in str(caught.value)


class TestFiles:
    def test_bad_rows_are_left_out_named_and_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        lines = [
            json.dumps(healthbench_row("a")),
            "{broken",
            json.dumps(healthbench_row("b", rubrics=[{"criterion": "c", "points": "x"}])),
            "[1]",
            json.dumps(healthbench_row("a")),
            json.dumps(healthbench_row("c")),
        ]
        path.write_text("\n".join(lines), encoding="utf-8")
        file = read_examples(path)
        assert [e.prompt_id for e in file.examples] == ["a", "c"]
        assert [s.row for s in file.skipped] == [2, 3, 4, 5]
        warning = file.warning()
        assert warning is not None
        assert "4 of 6 rows excluded: row 2: not JSON" in warning
        assert "row 3: rubrics[0].points" in warning
        assert "row 5: the same prompt_id as row 1" in warning
        assert file.facts()["n_rows"] == 6

    def test_strict_stops_at_the_first_bad_row(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r.jsonl", healthbench_row("a"), healthbench_row("a"))
        with pytest.raises(DataError, match="row 2: the same prompt_id as row 1"):
            read_examples(path, strict=True)

    def test_many_bad_rows_are_counted_and_the_first_named(self, tmp_path: Path) -> None:
        rows = [healthbench_row("a"), *({"x": 1} for _ in range(30))]
        warning = read_examples(write(tmp_path / "r.jsonl", *rows)).warning()
        assert warning is not None
        assert "30 of 31 rows excluded" in warning
        assert warning.endswith("and 22 more")

    def test_file_of_bad_rows_only_is_an_error(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r.jsonl", healthbench_row(prompt=[]), healthbench_row(prompt=[]))
        with pytest.raises(DataError, match="none of its 2 rows can be used; row 1: prompt"):
            read_examples(path)

    def test_same_rows_read_the_same_from_every_container(self, tmp_path: Path) -> None:
        rows = [healthbench_row("a"), healthbench_row("b")]
        plain = write(tmp_path / "r.jsonl", *rows)
        expected = read_examples(plain).examples
        (tmp_path / "r.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
        (tmp_path / "array.json").write_text(json.dumps(rows, indent=2), encoding="utf-8")
        (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + plain.read_bytes())
        (tmp_path / "crlf.jsonl").write_bytes(plain.read_bytes().replace(b"\n", b"\r\n\r\n"))
        (tmp_path / "no-end.jsonl").write_bytes(plain.read_bytes().rstrip())
        for name in ("r.jsonl.gz", "array.json", "bom.jsonl", "crlf.jsonl", "no-end.jsonl"):
            assert read_examples(tmp_path / name).examples == expected, name

    def test_parquet_rows_are_read(self, tmp_path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = tmp_path / "rar.parquet"
        pq.write_table(pa.Table.from_pylist([rar_row()]), path)
        assert read_examples(path).examples == (example_from_row(rar_row()),)

    def test_hash_is_of_the_bytes_on_disk(self, tmp_path: Path) -> None:
        path = tmp_path / "r.jsonl"
        path.write_bytes(b'{"prompt": "a", "rubric": [{"criterion": "c", "points": 1}]}')
        # sha256sum of those bytes
        import hashlib

        assert read_examples(path).sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    def test_kind_may_be_given_and_unknown_kinds_have_near_names(self, tmp_path: Path) -> None:
        path = write(tmp_path / "r.jsonl", rar_row())
        assert read_examples(path, kind="rar").kind == read_examples(path).kind == "rar"
        with pytest.raises(UnknownNameError, match="did you mean 'healthbench'"):
            read_examples(path, kind="healtbench")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "empty"),
            (b" \n\n", "empty"),
            (b"not json at all", "not JSON"),
            (b"{'prompt': 1}\n", "not JSON"),
            (b"[]", "no rows"),
            (b"\xff\xfe{\x00", "UTF-16"),
            (b'{"prompt": "caf\xe9"}', "line 1 is not UTF-8"),
            (b"\x1f\x8b\x08broken", "data is broken or cut short"),
            (gzip.compress(b'{"a": 1}' * 99, mtime=0)[:-9], "data is broken or cut short"),
            (b"PAR1 broken", "Parquet data is broken"),
            (b"[" * 100_000, "not JSON"),
            (b'{"a": ' * 100_000, "not JSON"),
        ],
    )
    def test_broken_files_are_one_clear_line(
        self, tmp_path: Path, content: bytes, message: str
    ) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            read_examples(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_gz_name_on_plain_text_is_said(self, tmp_path: Path) -> None:
        path = write(tmp_path / "rows.jsonl.gz", healthbench_row())
        with pytest.raises(DataError, match=r"ends in \.gz and is not a gzip file"):
            read_examples(path)

    def test_missing_file_and_folder_are_said(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="no such file"):
            read_examples(tmp_path / "none.jsonl")
        with pytest.raises(DataError, match="a folder, and not one file"):
            read_examples(tmp_path)

    def test_line_separators_inside_a_string_do_not_split_the_row(self, tmp_path: Path) -> None:
        row = healthbench_row(prompt=[{"role": "user", "content": "a\u2028b\u0085c\x0bd"}])
        path = tmp_path / "r.jsonl"
        path.write_text(json.dumps(row, ensure_ascii=False), encoding="utf-8")
        assert read_examples(path).examples[0].prompt[0].content == "a\u2028b\u0085c\x0bd"


texts = st.text(min_size=1, max_size=20).filter(str.strip)
criteria = st.builds(
    Criterion,
    text=texts,
    points=st.floats(-1e6, 1e6, allow_nan=False).filter(lambda p: abs(p) >= 1e-9),
    polarity=st.sampled_from(Polarity),
    tags=st.lists(texts, max_size=3, unique=True).map(tuple),
    category=st.sampled_from([None, "Essential", "Pitfall"]),
    check=st.sampled_from([None, {"any": ["x"]}]),
)
examples = st.builds(
    Example,
    prompt_id=texts,
    prompt=texts.map(lambda text: (Message("user", text),)),
    rubric=st.lists(criteria, min_size=1, max_size=5)
    .filter(lambda cs: any(c.points > 0 for c in cs))
    .map(lambda cs: Rubric(tuple(cs))),
    tags=st.lists(texts, max_size=2, unique=True).map(tuple),
    references=st.lists(texts, max_size=2).map(tuple),
    canary=st.none() | texts,
)


@settings(max_examples=50, deadline=None)
@given(examples)
def test_canonical_row_reads_back_equal(example: Example) -> None:
    row = json.loads(json.dumps(example_to_row(example)))
    again = example_from_row(row)
    assert again == example
    assert [c.check for c in again.rubric.criteria] == [c.check for c in example.rubric.criteria]


class TestRealRows:
    def test_every_shared_row_is_read(self, shared_data: Path) -> None:
        file = read_examples(shared_data / "healthbench_rows.jsonl.gz", strict=True)
        assert len(file.examples) == 2751
        assert file.sha256.startswith("703a868fb106d1f5")
        assert max(len(e.rubric) for e in file.examples) == 40
        assert sum(bool(e.references) for e in file.examples) == 946
        assert all(e.canary for e in file.examples)

    def test_rows_of_other_sets_are_read(self, shared_data: Path) -> None:
        hub = read_examples(shared_data / "extra" / "rubrichub_medical_sample.jsonl.gz")
        research = read_examples(shared_data / "extra" / "researchrubrics_sample.jsonl.gz")
        assert (hub.kind, len(hub.examples)) == ("rubrichub", 100)
        assert (research.kind, len(research.examples)) == ("researchrubrics", 99)
        assert [s.row for s in research.skipped] == [57], "one criterion of it is worth 0"


EXAMPLES = re.compile(r"^```(jsonl|csv) (\w+)\n(.*?)^```$", re.M | re.S)


def test_every_example_in_the_documentation_is_read_as_what_it_is_called(
    root: Path, tmp_path: Path
) -> None:
    text = (root / "docs" / "data.md").read_text(encoding="utf-8")
    rows = {"a1": example_from_row(healthbench_row("a1"))}
    named = []
    for number, (form, name, content) in enumerate(EXAMPLES.findall(text)):
        path = tmp_path / f"{number}.{form}"
        path.write_text(content, encoding="utf-8")
        if name == "answers":
            assert Responses(path, rows).census().n_answers == 1, content
        elif name == "labels":
            assert len(read_labels(path, strict=True).answers) == 1, content
        else:
            assert read_examples(path, strict=True).kind == name, content
        named.append(name)
    kinds = {kind.value for kind in RowKind}
    assert kinds <= set(named), "every kind has its example"
    assert {"answers", "labels"} <= set(named)
    shown = set(re.findall(r"^\| `(\w+)` \| .* \| .* \|$", text, re.M))
    assert kinds <= shown, "and its row in the table"


def test_rows_shown_in_the_documentation_are_read(root: Path) -> None:
    text = (root / "docs" / "data.md").read_text(encoding="utf-8")
    block = text.split("```json\n")[1].split("```")[0]
    example = example_from_row(json.loads(block))
    assert [c.points for c in example.rubric.criteria] == [6, 4, -8, -2]
    assert [c.counts_when_met for c in example.rubric.criteria] == [True, True, True, False]


def test_template_words_inside_a_conversation_stay_text() -> None:
    hostile = "{{ 7*7 }} {prompt} <<rubric_item>> %s </script>"
    example = example_from_row({"prompt": hostile, "rubric": [{"criterion": hostile, "points": 1}]})
    assert example.prompt[0].content == example.rubric.criteria[0].text == hostile


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
VALID_ROWS = [
    healthbench_row(references=["r"]),
    rar_row(),
    TestProfessional.ROW,
    {"prompt": "Why?", "rubric": [{"criterion": "c", "points": 1, "tags": ["t"], "check": {}}]},
    {"prompt": "Why?", "reward_model": {"rubrics": [{"criterion": "c", "points": 1}]}},
    {"prompt": "Why?", "rubrics": [{"criterion": "c", "weight": 1, "axis": "a"}]},
    {
        "task": "t",
        "prompt_0": "Why?",
        "response_0": "So.",
        "prompt_1": "And?",
        "reference_texts_0": ["r"],
        "rubric": [
            {"title": "c", "annotations": {"weight_class": "important", "important_weight": 2}}
        ],
    },
    {
        "prompt": "Why?",
        "rubrics": [
            {"criterion_description": "c", "criterion_weight": "Major", "criterion_type": ["t"]}
        ],
    },
    {"instruction": "Why?", "rubric": "1. c [Hard Rule]"},
    {
        "prompt": [{"role": "user", "content": [{"type": "text", "text": "Why?"}]}],
        "rubric": [{"criterion": "c", "points": 1, "weight": 2, "description": "d"}],
    },
    {
        "prompt": "Why?",
        "reference": "r",
        "rubric": [
            {
                "criterion": "c",
                "levels": [
                    {"text": "a", "points": 0, "check": {}},
                    {"text": "b", "points": 2},
                    {"text": "d", "points": 5},
                ],
                "scale": "ordinal",
                "may_be_na": True,
                "na_check": {},
                "reference": ["r"],
                "requires": {"id": "x", "level": 1},
                "gate": {"cap": 0.0, "level": 0},
                "id": "y",
                "turn": -1,
            },
            {
                "criterion": "e",
                "points": -1,
                "levels": [{"text": "a", "share": 0}, {"text": "b", "share": 1}],
                "id": "x",
            },
        ],
    },
    {
        "requirements": "t",
        "sub_tasks": [
            {"requirements": "a", "weight": 2, "children": [{"text": "c", "weight": 1}]},
            {"requirements": "b", "task_category": "k", "sub_tasks": []},
        ],
    },
    {
        "prompt": "Why?",
        "rubric": {
            "sections": [
                {
                    "criteria": [
                        {
                            "requirement": "c",
                            "weight": 1.0,
                            "options": [
                                {"label": "a", "value": 0},
                                {"label": "b", "value": 1},
                                {"label": "n", "na": True},
                            ],
                        }
                    ]
                }
            ]
        },
        "items": [{"submission": "s"}],
    },
    {"prompt": "Why?", "criteria": [{"name": "n", "text": "c", "choices": ["a", "b", "d"]}]},
    {
        "prompt": [
            {"role": "user", "content": "Why?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "1", "name": "f", "content": [{"type": "text"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "name": "g", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "content": "x"}]},
        ],
        "rubric": [{"criterion": "c", "points": 1}],
    },
]


def places_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List the paths of every value inside a row."""
    paths = [path] if path else []
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
        for key, below in inner:
            paths += places_of(below, (*path, key))
    return paths


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VALID_ROWS), json_values, st.data())
def test_any_value_in_any_place_is_read_or_refused_by_name(
    valid: dict[str, Any], value: Any, data: st.DataObject
) -> None:
    row = json.loads(json.dumps(valid))
    *way, last = data.draw(st.sampled_from(places_of(row)))
    target = row
    for key in way:
        target = target[key]
    target[last] = value
    try:
        example = example_from_row(row)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert example.rubric.positive_points > 0
        json.dumps(example_to_row(example), allow_nan=False)
