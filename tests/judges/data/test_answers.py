from __future__ import annotations

import json

import pytest

from rubricbeat.judges.data.answers import ById, read_earlier_answers
from rubricbeat.judges.data.conversations import text_of_answer
from rubricbeat.judges.errors import ConfigError, DataError

STAMP = "2026-01-01T00-00-00.000000"


def sample(prompt_id, *texts, prompt="hi", doc_hash="h"):
    doc = {"prompt_id": prompt_id, "prompt": [{"role": "user", "content": prompt}]}
    return {"doc": doc, "doc_hash": doc_hash, "resps": [list(texts)]}


def write(folder, *samples, task="t", stamp=STAMP, results=None):
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"samples_{task}_{stamp}.jsonl"
    path.write_text("".join(json.dumps(s) + "\n" for s in samples), encoding="utf-8")
    if results is not None:
        (folder / f"results_{stamp}.json").write_text(json.dumps(results), encoding="utf-8")
    return path


def test_answers_are_found_by_hash_or_by_the_same_conversation(tmp_path):
    read = read_earlier_answers(str(write(tmp_path, sample("a", "x", "y"))), "t")
    same = sample("a")["doc"]
    other = sample("a", prompt="else")["doc"]
    assert read.find(same, "another rubric").texts == ("x", "y")
    assert read.find(other, "h").texts == ("x", "y")
    assert read.find(other, "another") is None
    assert read.find(sample("b")["doc"], "h") is None


def test_a_folder_gives_its_newest_file_of_the_task(tmp_path):
    write(tmp_path / "m", sample("a", "old"))
    write(tmp_path / "m", sample("a", "new"), stamp="2026-02-01T00-00-00.000000")
    write(tmp_path / "m", sample("a", "none of mine"), task="t_heart")
    read = read_earlier_answers(str(tmp_path), "t")
    assert read.find(sample("a")["doc"], "h").texts == ("new",)


def test_the_results_beside_it_say_how_the_model_was_asked(tmp_path):
    results = {
        "model_name": "org/m",
        "system_instruction": "Be kind.",
        "configs": {"t": {"generation_kwargs": {"max_gen_toks": 9}, "repeats": 2}},
    }
    read = read_earlier_answers(str(write(tmp_path, sample("a", "x"), results=results)), "t")
    assert (read.model, read.system_instruction) == ("org/m", "Be kind.")
    assert (read.generation_kwargs, read.repeats) == ({"max_gen_toks": 9}, 2)


def test_a_file_alone_is_enough(tmp_path):
    read = read_earlier_answers(str(write(tmp_path, sample("a", "x"))), "t")
    assert (read.model, read.system_instruction) == (None, None)


def test_several_models_are_not_mixed(tmp_path):
    write(tmp_path / "one", sample("a", "x"))
    write(tmp_path / "two", sample("a", "y"))
    with pytest.raises(ConfigError, match=r"holds several models \(one, two\)"):
        read_earlier_answers(str(tmp_path), "t")


def test_a_folder_of_other_tasks_says_so(tmp_path):
    write(tmp_path, sample("a", "x"), task="other")
    with pytest.raises(ConfigError, match=r"no samples_t_\*\.jsonl \(it holds samples_other"):
        read_earlier_answers(str(tmp_path), "t")


@pytest.mark.parametrize("line", ["{", "{}", '{"doc": {"prompt_id": "a"}, "resps": [[3]]}', "[]"])
def test_a_line_that_is_no_sample_is_named_by_number(tmp_path, line):
    path = write(tmp_path, sample("a", "x"))
    path.write_text(path.read_text("utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2 is not a sample that"):
        read_earlier_answers(str(path), "t")


def test_a_null_is_no_text_and_lines_of_other_filters_are_the_same_answer(tmp_path):
    line = sample("a", None, "y") | {"doc_id": 0, "filter": "strict"}
    path = write(tmp_path, line, line | {"filter": "flexible"})
    read = read_earlier_answers(str(path), "t")
    assert read.find(sample("a")["doc"], "h").texts == (None, "y")


def test_answers_of_any_file_are_found_by_their_id(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("prompt_id,completion\n1.0,x\n2,\n", encoding="utf-8")
    read = read_earlier_answers(str(path), "t")
    assert read.find({"prompt_id": "1", "prompt": "any"}, "hash").texts == ("x",)
    assert read.find({"prompt_id": "2"}, "hash").texts == (None,)
    assert read.find({"prompt_id": "3"}, "hash") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (float("nan"), None),
        ("", ""),
        ("  ", "  "),
        ("None", "None"),
        ([], None),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        (["a", "b"], "a\nb"),
        ({"role": "assistant", "content": "a"}, "a"),
        ({"role": "assistant", "content": None}, None),
        ({"type": "output_text", "text": "a"}, "a"),
        ([{"role": "user", "content": "q"}, {"role": "assistant", "content": ["a"]}], "a"),
        ('[{"role": "assistant", "content": "a"}]', "a"),
        ('{"answer": 42}', '{"answer": 42}'),
        ("[1, 2]", "[1, 2]"),
        ({"choices": [{"text": "a"}]}, "a"),
        ([{"type": "thinking", "thinking": "t"}, {"type": "text", "text": "a"}], "a"),
        ({"role": "assistant", "content": [{"type": "redacted_thinking", "data": "t"}, "a"]}, "a"),
        ([{"type": "reasoning", "summary": []}, {"type": "message", "content": ["a"]}], "a"),
        ({"object": "response", "output": [{"type": "message", "content": ["a"]}]}, "a"),
        ([{"type": "thinking", "thinking": "t"}], ""),
        ([{"type": "refusal", "refusal": "No."}], "No."),
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
        ({"role": "assistant", "content": "a", "refusal": None}, "a"),
        (
            [
                {"type": "reasoning", "summary": []},
                {"type": "function_call", "name": "f", "arguments": "{}"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}, "a"]},
            ],
            "[tool call] f {}\na",
        ),
        (
            [
                {"type": "function_call", "name": "f"},
                {"role": "assistant", "content": None, "refusal": "No."},
            ],
            "[tool call] f {}\nNo.",
        ),
    ],
)
def test_the_text_of_an_answer(value, text):
    assert text_of_answer(value) == text


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (3, "the number 3, not text"),
        (True, "is true, not text"),
        ({"a": 1}, "neither a message nor a chat completion"),
        ([{"type": "image_url"}], "holds an image"),
        ([{"type": "tool_use"}], "name is missing"),
        ([{"a": 1}], "without text"),
        ("[{'role': 'assistant', 'content': 'a'}]", "as Python prints them"),
    ],
)
def test_what_is_no_answer_is_refused_by_name(value, why):
    with pytest.raises(DataError, match=why):
        text_of_answer(value)


def test_ids_that_could_be_two_are_neither():
    known = ById({"1": "a", "1.0": "b", "cafe\u0301": "c", "v1.0": "d"})
    assert (known.find("1"), known.find("1.0"), known.find("caf\u00e9")) == ("a", "b", "c")
    assert known.find("v1.0") == "d"
    for other in ("01", "1.00", "v1", "CAF\u00c9"):
        with pytest.raises(DataError, match="is not among the rows"):
            known.find(other)
    two = ById({"1.0": "b"})
    assert two.find("1") == "b"


def test_answers_without_ids_are_found_by_their_question(tmp_path):
    path = tmp_path / "said.csv"
    path.write_text("question,completion\nhi,x\n hi,y\nelse,z\n", encoding="utf-8")
    read = read_earlier_answers(str(path), "t")
    assert read.find(sample("a")["doc"], "h").texts == ("x", "y")
    assert read.find(sample("b", prompt="else")["doc"], "h").texts == ("z",)
    assert read.find(sample("c", prompt="more")["doc"], "h") is None


@pytest.mark.parametrize("results", [{"configs": None}, {"configs": {"t": []}}, {"config": [1]}])
def test_odd_results_beside_samples_say_nothing(tmp_path, results):
    read = read_earlier_answers(str(write(tmp_path, sample("a", "x"), results=results)), "t")
    assert (read.by_prompt_id["a"].texts, read.generation_kwargs, read.repeats) == (
        ("x",),
        {},
        None,
    )
