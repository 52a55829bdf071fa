from __future__ import annotations

import json
import logging

import pytest

from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.tasks.data import load_task_data
from rubricbeat.tasks.heart.selector import heart_ids, heart_sample_ids
from rubricbeat.tasks.settings import Selector, Subset, TaskSettings

pytestmark = pytest.mark.border

LISTED = sorted(heart_ids())


def row(prompt_id, text="hello", tags=(), **extra):
    return {
        "prompt_id": prompt_id,
        "prompt": [{"role": "user", "content": text}],
        "rubrics": [
            {"criterion": "Is kind", "points": 5, "tags": ["level:example"]},
            *({"criterion": tag, "points": 3, "tags": ["level:cluster", tag]} for tag in tags),
        ],
        "example_tags": [],
        **extra,
    }


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
        return path

    return write


def load(path, subset=Subset.ALL, task="healthbench", **options):
    return load_task_data(task, TaskSettings(subset=subset, data=str(path), **options))


def test_all_rows_come_in_the_order_of_the_file(write):
    data = load(write(row("b"), row("a")))
    assert [example.prompt_id for example in data.examples] == ["b", "a"]
    assert data.facts["n"] == data.facts["n_rows"] == 2
    assert data.facts["path"] == "rows.jsonl"


def test_the_heart_list_chooses_and_names_what_the_file_lacks(write, caplog):
    caplog.set_level(logging.WARNING)
    data = load(write(row(LISTED[0]), row("other"), row(LISTED[7])), Subset.HEART)
    assert [example.prompt_id for example in data.examples] == [LISTED[0], LISTED[7]]
    assert (data.facts["n_listed"], data.facts["n_missing"], data.facts["n"]) == (503, 501, 2)
    assert f"the file lacks 501 of them: {LISTED[1]}" in caplog.text


def test_the_sample_has_its_own_list(write):
    outside = sorted(heart_ids() - heart_sample_ids())
    data = load(write(row(LISTED[0]), *(row(i) for i in outside)), Subset.HEART_SAMPLE)
    assert data.facts["n_listed"] == 500
    assert not {example.prompt_id for example in data.examples} & set(outside)


def test_the_live_selector_reads_the_rows_and_not_the_list(write):
    path = write(row("new", "my troponin is high"), row(LISTED[0], "hello"))
    data = load(path, Subset.HEART, selector=Selector.LIVE)
    assert [example.prompt_id for example in data.examples] == ["new"]
    assert data.facts["selector"] == "live"


def test_the_frozen_sample_has_no_live_form(write):
    with pytest.raises(ConfigError, match="frozen list"):
        load(write(row("a")), Subset.HEART_SAMPLE, selector=Selector.LIVE)


def test_no_row_of_the_subset_is_an_error(write):
    with pytest.raises(DataError, match="none of its 1 rows belongs to the heart subset"):
        load(write(row("a")), Subset.HEART)


def test_consensus_keeps_the_rows_and_criteria_of_that_level(write):
    data = load(write(row("a"), row("b", tags=["cluster:x", "cluster:y"])), Subset.CONSENSUS)
    (example,) = data.examples
    assert [c.text for c in example.rubric.criteria] == ["cluster:x", "cluster:y"]
    assert data.facts["n_rows_without_consensus"] == 1


def test_a_consensus_criterion_that_requires_another_one_is_named(write):
    one = row("b", tags=["cluster:x"])
    one["rubrics"][0]["id"], one["rubrics"][1]["requires"] = "kind", "kind"
    where = "prompt_id b, its consensus criteria alone: criterion 1: requires"
    with pytest.raises(ConfigError, match=where):
        load(write(one), Subset.CONSENSUS)


def test_hard_takes_a_file_of_its_size_as_it_is(write):
    assert len(load(write(row("a"), row("b")), Subset.HARD).examples) == 2


def test_hard_finds_flagged_rows_in_a_larger_file_and_refuses_one_without_flags(write):
    many = [row(f"p{n}") for n in range(1001)]
    with pytest.raises(ConfigError, match="no row says that it is hard; give the published hard_"):
        load(write(*many), Subset.HARD)
    many[3]["hard"] = True
    many[5]["provenance"] = {"hard": True}
    data = load(write(*many), Subset.HARD)
    assert [example.prompt_id for example in data.examples] == ["p3", "p5"]


def test_a_folder_is_searched_for_the_file_of_the_subset(write, tmp_path):
    write(row("main"), name="2025-05-07-06-14-12_oss_eval.jsonl")
    write(row("hard"), name="hard_2025-05-08-21-00-10.jsonl")
    assert load(tmp_path).examples[0].prompt_id == "main"
    assert load(tmp_path, Subset.HARD).examples[0].prompt_id == "hard"


def test_the_only_file_of_a_folder_is_taken_whatever_its_name(write, tmp_path):
    write(row("a"), name="mine.jsonl")
    assert load(tmp_path).facts["path"] == "mine.jsonl"


def test_a_folder_without_the_file_says_what_it_holds(write, tmp_path):
    write(row("a"), name="one.jsonl")
    write(row("a"), name="two.jsonl")
    with pytest.raises(ConfigError, match=r"it holds one\.jsonl, two\.jsonl"):
        load(tmp_path)


def test_the_environment_names_the_data(write, monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_DATA", str(write(row("a"))))
    assert load_task_data("healthbench", TaskSettings()).facts["n"] == 1


def test_a_wrong_path_is_named_with_its_source(monkeypatch, tmp_path):
    monkeypatch.setenv("RUBRICBEAT_DATA", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"RUBRICBEAT_DATA: .*gone: no such file or folder"):
        load_task_data("healthbench", TaskSettings())


@pytest.mark.parametrize("subset", [Subset.HEART, Subset.HARD, Subset.PROFESSIONAL])
def test_without_any_data_one_message_says_what_to_do(subset, monkeypatch):
    monkeypatch.delenv("RUBRICBEAT_DATA", raising=False)
    with pytest.raises(ConfigError) as caught:
        load_task_data("healthbench_x", TaskSettings(subset=subset))
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in ("--metadata", "--data FILE", "RUBRICBEAT_DATA"))


def test_own_rows_never_come_from_the_environment(write, monkeypatch):
    monkeypatch.setenv("RUBRICBEAT_DATA", str(write(row("a"))))
    with pytest.raises(ConfigError, match="give your own rows with --metadata"):
        load_task_data("rubric_judge", TaskSettings(subset=Subset.OWN))


def test_a_bad_row_is_named_and_counted(write, caplog):
    caplog.set_level(logging.WARNING)
    path = write(row("a"), {"prompt_id": "b"}, row("a"))
    assert load(path).facts["n_skipped"] == 2
    assert "2 of 3 rows excluded: row 2" in caplog.text
    with pytest.raises(DataError, match="row 2"):
        load(path, strict=True)


def test_real_files_serve_every_subset_they_can(shared_data):
    counts = {
        subset: load_task_data(
            "t", TaskSettings(subset=subset, data=str(shared_data / "healthbench_rows.jsonl.gz"))
        ).facts["n"]
        for subset in (Subset.HEART, Subset.HARD, Subset.CONSENSUS)
    }
    # of the 2,751 real rows; consensus: 668 + 27 verbatim, 697 + 16 rebuilt, 14 consensus only
    assert counts == {Subset.HEART: 275, Subset.HARD: 901, Subset.CONSENSUS: 1422}


def test_the_hub_is_asked_for_the_published_file(write, monkeypatch):
    import huggingface_hub

    asked = []
    path = str(write(row("a")))
    monkeypatch.delenv("RUBRICBEAT_DATA", raising=False)
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda repo, name, repo_type: asked.append((repo, name, repo_type)) or path,
    )
    assert load_task_data("healthbench_hard", TaskSettings(subset=Subset.HARD)).facts["n"] == 1
    assert asked == [("openai/healthbench", "hard_2025-05-08-21-00-10.jsonl", "dataset")]
