"""Fitting finds what can be found, on prompts it has not seen, and nothing where nothing is."""

from __future__ import annotations

import asyncio
import json
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from made_up_labels import labelled_answers

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.audit.labels import Label
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.features import FEATURES, Sight
from rubricbeat.judges.fitted.fitting import FitOptions, fit_judge
from rubricbeat.judges.fitted.model_card import card_of, write_card
from rubricbeat.judges.fitted.saved_model import load_model, save_model
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge import Question
from rubricbeat.judges.judge_options import make_judge
from rubricbeat.judges.learned import LearnedPrompts

pytestmark = pytest.mark.border

pytest.importorskip("sklearn")

OPTIONS = FitOptions(n_folds=3)


def test_a_judge_that_reads_beats_one_that_does_not(fit):
    assert fit.audit.judge.figures["pairwise"].value > 0.95
    assert fit.audit.judge.figures["balanced_f1"].value > 0.9
    blind = fit.audit.baselines["no_look"].figures
    assert blind["pairwise"].value == 0.5
    assert blind["balanced_f1"].value < 0.75
    assert {"majority", "category_rate", "length", "lexical overlap"} <= set(fit.audit.baselines)


def test_labels_at_random_are_not_learned_on_held_out_prompts():
    rng = np.random.default_rng(2)
    noise = [
        replace(item, labels=tuple((Label(bool(rng.random() < 0.5)),) for _ in item.labels))
        for item in labelled_answers()
    ]
    found = fit_judge(noise, OPTIONS).audit.judge.figures
    assert found["auroc"].value == pytest.approx(0.5, abs=0.06)
    assert found["pairwise"].low < 0.5 < found["pairwise"].high


def test_a_kept_judge_says_what_the_fitted_one_said(tmp_path):
    labelled = labelled_answers(12, 4)
    fit = fit_judge(labelled, FitOptions(n_folds=2))
    save_model(fit.model, tmp_path)
    kept = load_model(tmp_path)
    item = labelled[0]
    seen = Sight(kept.words).see(item.example, item.text)
    assert kept.head.logits(seen).tolist() == fit.model.head.logits(seen).tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["judge.json"]


def test_a_judge_of_version_0_1_is_read_with_the_same_probabilities(tmp_path):
    """One tree of one leaf, its value worked by hand: 2 (0.5 + 1) - 1, with either wording."""
    tree = {"column": [0], "threshold": [0.0], "left": [0], "right": [0], "value": [0.5]}
    plain = {
        "format": 1,
        "features": list(FEATURES),
        "encoder": None,
        "calibration": {"slope": 2.0, "shift": -1.0},
        "head": {
            "kind": "words",
            "model": {"base": 1.0, "depth": 1, "trees": [tree]},
            "columns": [0, 1],
            "wording": {"weights": {"aspirin": 3.0}, "bias": 0.1},
        },
        "words": {"n_texts": 9, "counts": {"aspirin": 4}},
    }
    (tmp_path / "judge.json").write_text(json.dumps(plain))
    model, item = load_model(tmp_path), labelled_answers(1)[0]
    seen = Sight(model.words).see(item.example, item.text)
    assert model.calibration.probability(model.head.logits(seen)) == pytest.approx(
        [1 / (1 + math.exp(-2.0))] * 4, abs=1e-12
    )


def test_too_few_labels_are_refused_before_anything_is_trained():
    with pytest.raises(ConfigError, match="3 prompts"):
        fit_judge(labelled_answers(3), OPTIONS)


@pytest.fixture(scope="module")
def fit():
    return fit_judge(labelled_answers(), OPTIONS)


@pytest.fixture
def folder(fit, tmp_path):
    save_model(fit.model, tmp_path / "mine")
    write_card(
        fit,
        card_of(fit, LearnedPrompts("", frozenset()), {"path": "x"}, "rubricbeat fit-judge", 1.0),
        tmp_path / "mine",
    )
    return tmp_path / "mine"


def test_the_judge_is_found_by_its_path_and_grades_without_a_store(folder, tmp_path):
    item = labelled_answers()[0]
    with open_grader({"name": f"fitted:{folder}"}) as grader:
        (graded,) = grader.grade([Answer(item.example, item.text)])
        facts = grader.facts()
    said = [verdict.met for verdict in graded.verdicts]
    assert said == [labels[0].met for labels in item.labels]
    assert all(0 < verdict.probability < 1 for verdict in graded.verdicts)
    assert facts["name"] == "fitted"
    assert "without looking at the answer" in json.dumps(facts)


def test_one_criterion_and_all_at_once_get_the_same_verdict_and_the_judge_pickles(folder):
    judge = pickle.loads(pickle.dumps(make_judge(f"fitted:{folder}")))
    item = labelled_answers()[1]
    questions = [Question(item.example, item.text, index) for index in range(4)]

    async def ask():
        together = await judge.judge_group(questions)
        alone = [await judge.judge(question) for question in questions]
        await judge.aclose()
        return together, alone

    together, alone = asyncio.run(ask())
    assert together == alone


def test_a_cascade_takes_a_fitted_judge_by_its_path(folder):
    cascade = make_judge({"name": "cascade", "members": [f"fitted:{folder}", "keyword"]})
    assert cascade.members[0].identity.name == "fitted"


def test_another_judge_has_another_identity(folder, tmp_path):
    first = make_judge(f"fitted:{folder}").identity
    plain = json.loads((folder / "judge.json").read_text())
    plain["calibration"]["shift"] += 0.1
    (folder / "judge.json").write_text(json.dumps(plain))
    assert make_judge(f"fitted:{folder}").identity.digest != first.digest


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "holds no fitted judge"),
        ("[]", "holds no fitted judge"),
        ('{"format": 1, "head": 3}', "holds no fitted judge"),
        ('{"format": 9}', "format 9"),
        ('{"format": 1, "encoder": null, "features": ["x"]}', "fit it again"),
    ],
)
def test_a_file_that_is_no_judge_is_one_clear_line(folder, text, words):
    (folder / "judge.json").write_text(text)
    with pytest.raises(ConfigError, match=words):
        make_judge(f"fitted:{folder}")


def test_a_folder_without_a_judge_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(ConfigError, match="rubricbeat fit-judge"):
        make_judge(f"fitted:{tmp_path}")


def test_the_card_reads_as_a_page_and_has_no_text_of_the_data(folder):
    page = (folder / "README.md").read_text()
    assert "no_look" in page and "95 % intervals" in page
    everything = page + (folder / "judge.json").read_text() + (folder / "card.json").read_text()
    assert "Think of aspirin" not in everything
    assert "Mentions aspirin" not in everything


@pytest.mark.parametrize("kind", ["stack", "linear", "trees", "network", "blend"])
def test_a_head_of_an_older_version_is_to_be_fitted_again(kind, folder):
    path = folder / "judge.json"
    plain = json.loads(path.read_text())
    plain["head"] = {"kind": kind, "parts": []}
    plain["encoder"] = "0" * 64
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=rf"another version \('{kind}'\); fit it again"):
        make_judge(f"fitted:{folder}")
