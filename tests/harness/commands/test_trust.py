"""`audit`, `fit-judge` and `score --audit` as a user runs them, on made-up rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loopback import Loopback
from made_up_labels import labelled_answers

from rubricbeat.harness.cli import main
from rubricbeat.judges.data.examples import example_to_row


@pytest.fixture
def recorded(tmp_path: Path) -> list[str]:
    """Write rows and recorded verdicts; give the flags that name them."""
    labelled = labelled_answers()
    rows = {item.example.prompt_id: example_to_row(item.example) for item in labelled}
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
    lines = [
        {
            "prompt_id": item.example.prompt_id,
            "model": "m",
            "run": f"r{n % 6}",
            "completion": item.text,
            "criteria_met": [labels[0].met for labels in item.labels],
        }
        for n, item in enumerate(labelled)
    ]
    (tmp_path / "judged.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ["--verdicts", str(tmp_path / "judged.jsonl"), "--data", str(tmp_path / "rows.jsonl")]


@pytest.fixture
def fitted(recorded, tmp_path) -> Path:
    folder = tmp_path / "mine"
    options = ["--encoder", "none", "--head", "linear"]
    assert main(["fit-judge", *recorded, *options, "--output_path", str(folder)]) == 0
    return folder


def test_fit_judge_prints_its_table_and_says_how_to_use_it(recorded, capsys, tmp_path):
    fitted = tmp_path / "mine"
    options = ["--encoder", "none", "--head", "linear"]
    assert main(["fit-judge", *recorded, *options, "--output_path", str(fitted)]) == 0
    out, err = capsys.readouterr()
    for name in ("this judge", "majority", "no_look", "length", "lexical overlap"):
        assert f"| {name} |" in out
    assert f"--judge fitted:{fitted}" in out
    assert "fold 5 of 5" in err
    card = json.loads((fitted / "card.json").read_text())
    assert card["command"].startswith("rubricbeat fit-judge --verdicts judged.jsonl --data rows")
    assert str(fitted.parent) not in (fitted / "README.md").read_text()


def test_a_fitted_judge_is_audited_on_recorded_verdicts(fitted, recorded, capsys, tmp_path):
    capsys.readouterr()
    kept = tmp_path / "audit.json"
    options = ["--json", "--output", str(kept)]
    refused = ["audit", "--judge", f"fitted:{fitted}", *recorded, *options]
    assert main(refused) == 2
    assert "learned from every one of the 30 prompts" in capsys.readouterr().err
    assert not kept.exists()
    assert main([*refused, "--allow_seen"]) == 0
    out, err = capsys.readouterr()
    assert not err or "learned" not in err
    assert json.loads(out)["learned_prompts"]["n"] == json.loads(out)["learned_prompts"]["of"]
    found = json.loads(out)
    figures = found["audit"]["judge"]["figures"]
    for name in ("balanced_f1", "auroc", "pairwise"):
        assert set(figures[name]) == {"value", "low", "high"}
        assert figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"]
    assert found["audit"]["judge"]["calibration"]["ece"] < 0.2
    assert found["audit"]["baselines"]["no_look"]["figures"]["pairwise"]["value"] == 0.5
    assert json.loads(kept.read_text()) == found


@pytest.mark.parametrize(
    "words",
    [
        ["audit", "--judge", "constant", "--judge_args", "met=true", "--output"],
        ["fit-judge", "--encoder", "none", "--output_path"],
    ],
)
def test_an_output_that_cannot_be_written_is_known_first(words, recorded, capsys, tmp_path):
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert main([*words, str(tmp_path / "file" / "below"), *recorded]) == 2
    assert "cannot write there" in capsys.readouterr().err


def test_a_score_is_shown_with_its_corrected_value(fitted, recorded, capsys, tmp_path):
    kept = tmp_path / "audit.json"
    audit = ["audit", "--judge", f"fitted:{fitted}", *recorded, "--allow_seen"]
    assert main([*audit, "--output", str(kept)]) == 0
    results = str(tmp_path / "results")
    assert main(["import", recorded[1], "--data", recorded[3], "--output_path", results]) == 0
    capsys.readouterr()
    assert main(["score", results, "--audit", str(kept), "--draws", "100"]) == 0
    # imported verdicts are not the fitted judge's: its errors say nothing of them
    assert "not corrected: the audit is of another judge (fitted mine" in capsys.readouterr().out
    whole = json.loads(kept.read_text())
    whole["judge"]["digest"] = ""
    kept.write_text(json.dumps(whole))
    assert main(["score", results, "--audit", str(kept), "--draws", "100"]) == 0
    out = capsys.readouterr().out
    assert "without the judge's error by audit.json (rogan-gladen):" in out
    assert "Score 50      raw" in out
    assert main(["score", results, "--audit", str(kept), "--json", "--draws", "100"]) == 0
    plain = json.loads(capsys.readouterr().out)["runs"][0]["corrected"]
    # the judge is nearly always right on these, so little is to be corrected
    assert plain["score"]["value"] == pytest.approx(plain["score"]["raw"], abs=0.1)
    assert plain["met"]["method"] == "rogan-gladen"


def test_the_cost_of_a_correct_verdict_is_known_only_where_all_were_paid_for_now():
    from rubricbeat.harness.audit_run import usd_per_correct
    from rubricbeat.judges.audit.judge_audit import JudgeFigures
    from rubricbeat.judges.scoring.estimates import Estimate

    figures = JudgeFigures(110, 10, 100, {}, {"accuracy": Estimate(0.8)}, 0)
    # 100 verdicts, 80 of them right
    assert usd_per_correct({"cost_usd": 4.0, "store_hits": 0}, figures) == pytest.approx(0.05)
    assert usd_per_correct({"cost_usd": 4.0, "store_hits": 3}, figures) is None
    assert usd_per_correct({"cost_usd": None}, figures) is None
    # two verdicts of each question: 160 right ones
    twice = {"cost_usd": 4.0, "store_hits": 0, "options": {"replicates": 2}}
    assert usd_per_correct(twice, figures) == pytest.approx(0.025)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fit-judge", "--output_path", "x"], "no labels: give"),
        (["fit-judge", "--verdicts", "a", "--output_path", "x"], "--data ROWS"),
        (["fit-judge", "--labels", "none.jsonl", "--output_path", "x"], "none.jsonl"),
        (["fit-judge", "--labels", "a", "--folds", "1", "--output_path", "x"], "--folds 1"),
        (["fit-judge", "--labels", "a", "--limit", "0", "--output_path", "x"], "--limit 0"),
        (
            ["fit-judge", "--labels", "a", "--encoder", "none", "--vectors", "v", "--output_path",
             "x"],
            "--vectors",
        ),
        (["audit", "--judge", "keyword", "--labels", "a"], "a: no such file"),
        (["audit", "--judge", "constant", "--labels", "a", "--variant", " "], "--variant"),
        (["audit", "--judge", "constant", "--labels", "a", "--seed", "-1"], "--seed -1"),
        (["audit", "--judge", "constant", "--labels", "a", "--twins", "-1"], "--twins -1"),
        (["score", ".", "--labels", "none.jsonl"], "--labels none.jsonl: no such file"),
        (["score", ".", "--audit", "none.json"], "none.json"),
        (
            ["bench-reward", "--judge", "constant", "--verdicts", "a", "--data", "b", "--seed",
             "-1"],
            "--seed -1",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_and_exit_code_2(words, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1


def test_the_real_verdicts_can_be_audited_without_an_encoder(shared_data, capsys, tmp_path):
    """The no-look judge is far above the majority on real rows: F1 alone proves nothing."""
    words = [
        "audit", "--judge", "constant", "--judge_args", "met=true", "--limit", "400", "--json",
        "--verdicts",
        str(shared_data / "judged" / "humbleai_hard_gpt41_judge.jsonl.gz"),
        "--data", str(shared_data / "healthbench_rows.jsonl.gz"),
    ]  # fmt: skip
    assert main(words) == 0
    baselines = json.loads(capsys.readouterr().out)["audit"]["baselines"]
    f1 = {name: row["figures"]["balanced_f1"]["value"] for name, row in baselines.items()}
    assert f1["no_look"] > f1["majority"] + 0.1


def test_bench_reward_orders_answers_and_probes_the_judge(fitted, recorded, capsys):
    capsys.readouterr()
    words = [
        "bench-reward",
        "--judge",
        f"fitted:{fitted}",
        *recorded,
        "--allow_seen",
    ]
    assert main([*words, "--probes", "10", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["preference"]["accuracy"]["value"] > 0.9
    assert found["preference"]["best_of_n"][-1]["n"] == 6
    raised = {row["name"]: row["raised"]["value"] for row in found["probes"]}
    # a judge of words credits the rubric pasted into an answer, and says so here
    assert raised["criteria_pasted"] > 0.5
    assert main([*words, "--probes", "0", "--reward", "soft(of=healthbench)"]) == 0
    assert "pairwise accuracy" in capsys.readouterr().out


def test_a_reward_model_of_transformers_is_benched(recorded, capsys, tmp_path):
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {"[UNK]": 0, "[PAD]": 1, "think": 2, "of": 3}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    model.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=model, pad_token="[PAD]")
    config = transformers.BertConfig(
        vocab_size=4, hidden_size=8, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=8, num_labels=1, max_position_embeddings=4096,
    )  # fmt: skip
    folder = str(tmp_path / "rm")
    transformers.BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    capsys.readouterr()
    words = ["bench-reward", "--reward_model", folder, *recorded]
    assert main([*words, "--limit", "5", "--probes", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert 0 <= found["preference"]["accuracy"]["value"] <= 1
    assert found["preference"]["n_without_reward"] == 0


@pytest.fixture
def results(recorded, tmp_path) -> Path:
    folder = tmp_path / "results"
    assert main(["import", recorded[1], "--data", recorded[3], "--output_path", str(folder)]) == 0
    return folder


def label_rows(labelled) -> list[dict]:
    """One row a criterion of each answer, as people write them down."""
    return [
        {
            "prompt_id": item.example.prompt_id,
            "prompt": [{"role": m.role, "content": m.content} for m in item.example.prompt],
            "answer": item.text,
            "criterion": criterion.text,
            "label": labels[0].met,
        }
        for item in labelled
        for criterion, labels in zip(item.example.rubric.criteria, item.labels, strict=True)
    ]


def test_a_score_is_corrected_by_labels_of_its_own_answers(results, capsys, tmp_path):
    labels = tmp_path / "labels.jsonl"
    rows = label_rows(labelled_answers())
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    assert main(["score", str(results), "--labels", str(labels), "--json", "--draws", "100"]) == 0
    for one in json.loads(capsys.readouterr().out)["runs"]:
        found = one["corrected_by_labels"]["score"]
        # the recorded verdicts are the labels: nothing to correct
        assert found["method"] == "prediction-powered"
        assert found["value"] == pytest.approx(found["raw"], abs=0.02)
    assert main(["score", str(results), "--labels", str(labels), "--draws", "100"]) == 0
    out = capsys.readouterr().out
    assert "without the judge's error by labels.jsonl (prediction-powered):" in out
    assert "Criteria met  raw" in out


def test_labels_of_other_answers_are_refused_in_one_line_and_the_score_stands(
    results, capsys, tmp_path
):
    labels = tmp_path / "labels.jsonl"
    rows = [row | {"answer": "other"} for row in label_rows(labelled_answers())[:40]]
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows))
    capsys.readouterr()
    assert main(["score", str(results), "--labels", str(labels), "--draws", "100"]) == 0
    out = capsys.readouterr().out
    assert "  not corrected: none of the 40 labelled rows is about an answer of this run" in out
    page = tmp_path / "page.html"
    words = ["compare", str(results), "--labels", str(labels), "-o", str(page), "--draws", "100"]
    assert main([*words, "--allow-different"]) == 0
    assert "No figure is corrected: none of the 40 labelled rows" in page.read_text()
    assert f"--labels {labels}" in page.read_text()


def test_variants_are_compared_on_the_same_rows(recorded, capsys):
    words = ["audit", "--judge", "constant", "--judge_args", "met=true", *recorded]
    assert main([*words, "--variant", "met=false", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (variant,) = found["variants"]
    assert variant["variant"] == "met=false"
    assert variant["difference"]["disagree"]["value"] == 1.0
    assert variant["difference"]["n"] == found["audit"]["judge"]["n_questions"]
    for name, sign in (("sensitivity", -1.0), ("specificity", 1.0), ("kappa", 0.0)):
        assert variant["difference"]["figures"][name]["value"] == sign
    assert main([*words, "--variant", "met=false"]) == 0
    assert "minus constant" in capsys.readouterr().out


def test_a_judge_that_prefers_the_first_place_of_a_call_is_found_out(recorded, capsys, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    words = ["audit", "--judge", "judge_of_places:FirstIsMet", *recorded]
    assert main([*words, "--reorder", "--json"]) == 0
    order = json.loads(capsys.readouterr().out)["audit"]["order"]
    assert order["flips"]["low"] > 0.2
    assert order["shift"]["high"] < -0.5
    assert main([*words, "--reorder"]) == 0
    assert "verdicts that flip when the criteria of a call are reordered" in capsys.readouterr().out


def test_what_sways_the_judge_stands_in_the_audit(fitted, recorded, capsys):
    capsys.readouterr()
    words = ["audit", "--judge", f"fitted:{fitted}", *recorded, "--allow_seen"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "bias: change of P(judge says met) for" in out
    assert "last of its rubric, not first" in out
    assert main([*words, "--json"]) == 0
    shifts = {s["trait"]: s for s in json.loads(capsys.readouterr().out)["audit"]["shifts"]}
    assert set(shifts) == {"length", "rank", "evidence", "conversation", "turns"}


def all_say(met: bool | None, recorded: list[str]) -> list[str]:
    """Write the recorded verdicts as if each were the same; give the flags that name them."""
    source = Path(recorded[1])
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    same = [row | {"criteria_met": [met] * len(row["criteria_met"])} for row in rows]
    path = source.with_name("same.jsonl")
    path.write_text("".join(json.dumps(row) + "\n" for row in same), encoding="utf-8")
    return ["--verdicts", str(path), *recorded[2:]]


@pytest.mark.parametrize("met", [True, None])
def test_a_reference_that_tells_nothing_apart_is_refused(met, recorded, capsys):
    words = ["bench-reward", "--judge", "constant", "--judge_args", "met=true"]
    assert main([*words, *all_say(met, recorded)]) == 2
    err = capsys.readouterr().err
    assert "ranks no answer to a prompt above another" in err
    assert err.count("\n") == 1


def test_verdicts_that_are_all_null_are_no_labels(recorded, capsys):
    words = ["audit", "--judge", "constant", "--judge_args", "met=true"]
    assert main([*words, *all_say(None, recorded)]) == 2
    assert "all are null" in capsys.readouterr().err


def test_a_judge_without_a_verdict_is_said_to_be_unknown(recorded, capsys):
    words = ["--judge", "keyword", *recorded]
    for command, said in (("audit", "NO VERDICT AT ALL"), ("bench-reward", "NO REWARD AT ALL")):
        assert main([command, *words]) == 1
        told = capsys.readouterr()
        assert said in told.out
        assert "skipped: this criterion carries no predicate" in told.err
        assert main([command, *words, "--allow-missing", "1"]) == 0
        capsys.readouterr()


def test_labels_of_one_kind_are_said_to_leave_figures_open(recorded, capsys):
    words = ["audit", "--judge", "constant", "--judge_args", "met=true"]
    assert main([*words, *all_say(True, recorded)]) == 0
    assert "No judged label says not met" in capsys.readouterr().out


def test_another_order_is_asked_and_not_read_back_as_the_first(recorded, capsys):
    """The store keeps verdicts by question alone: read back, no order would ever matter."""
    with Loopback() as server:
        options = f"model=fake,shape=grouped,base_url={server.url}"
        words = ["audit", "--judge", "chat", "--judge_args", options, *recorded]
        assert main([*words, "--reorder", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["audit"]
        n_asked = server.n_requests
        # the fake's verdicts hang on every word of the call
        assert found["order"]["flips"]["low"] > 0.3
        assert found["order"]["n"] == found["judge"]["n_questions"]
        assert main([*words, "--reorder", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["audit"]["order"] == found["order"]
        assert server.n_requests == n_asked
        single = options.replace("shape=grouped", "shape=prefix")
        words[4] = single
        assert main([*words, "--reorder"]) == 2
        assert "sees one criterion per call" in capsys.readouterr().err
        assert server.n_requests == n_asked


def test_physicians_labels_are_a_reference_as_recorded_verdicts_are(recorded, capsys, tmp_path):
    """The same truth in both shapes gives the same order; a label without an opinion is none."""
    labels = tmp_path / "labels.jsonl"
    rows = [row | {"category": "theme:a"} for row in label_rows(labelled_answers())]
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    words = ["bench-reward", "--judge", "constant", "--judge_args", "met=true", "--json"]
    words += ["--probes", "0"]
    found = []
    for reference in (recorded, ["--labels", str(labels)]):
        assert main([*words, *reference]) == 0
        found.append(json.loads(capsys.readouterr().out)["preference"])
    by_verdicts, by_labels = found
    for name in ("n_prompts", "ties"):
        assert by_verdicts[name] == by_labels[name]
    assert by_verdicts["accuracy"]["value"] == by_labels["accuracy"]["value"]
    # equal answers to one prompt are one answer in labelled rows
    assert by_labels["n_answers"] <= by_verdicts["n_answers"]
    assert list(by_labels["by_theme"]) == ["theme:a"]
    assert main([*words, *recorded, "--labels", str(labels)]) == 2
    assert "no reference: give" in capsys.readouterr().err
    assert main([*words, *recorded[:2]]) == 2
    assert "--verdicts needs --data" in capsys.readouterr().err


def test_rows_without_any_label_are_refused_before_the_judge_is_asked(tmp_path, capsys):
    path = tmp_path / "labels.jsonl"
    row = {"prompt": "Q", "answer": "A", "criterion": "c", "cannot_tell": True}
    path.write_text(json.dumps(row))
    assert main(["audit", "--judge", "constant", "--labels", str(path)]) == 2
    assert "no label to audit by" in capsys.readouterr().err


def test_answers_try_to_turn_the_judges_verdicts(recorded, capsys):
    words = ["audit", "--judge", "constant", *recorded, "--judge_args"]
    assert main([*words, "met=false", "--probes", "12", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["injections"]
    assert [row["form"] for row in rows[:2]] == ["control: a friendly end", "all forms"]
    assert len(rows) == 26 and rows[0]["n"] == 12
    assert {row["turned"]["value"] for row in rows} == {0.0}
    assert main([*words, "met=false", "--probes", "12"]) == 0
    assert "hidden comment" in capsys.readouterr().out
    # nothing to turn: the audit, which was paid for, is told all the same
    assert main([*words, "met=true", "--probes"]) == 0
    out = capsys.readouterr().out
    assert "balanced F1" in out and "every verdict favours its answer, or" in out
