from __future__ import annotations

import json

import pytest

from rubricbeat.judges.data.answers import read_earlier_answers
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


@pytest.mark.parametrize("line", ["{", "{}", '{"doc": {"prompt_id": "a"}, "resps": []}', "[]"])
def test_a_line_that_is_no_sample_is_named_by_number(tmp_path, line):
    path = write(tmp_path, sample("a", "x"))
    path.write_text(path.read_text("utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match="line 2 is not a sample of ours"):
        read_earlier_answers(str(path), "t")
