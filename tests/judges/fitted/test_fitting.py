"""Fitting finds what can be found, on prompts it has not seen, and nothing where nothing is."""

from __future__ import annotations

import asyncio
import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
from made_up_labels import WordEncoder, labelled_answers

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.audit.labels import Label
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.encoder import VectorShelf
from rubricbeat.judges.fitted.features import Sight
from rubricbeat.judges.fitted.fitting import FitOptions, fit_judge
from rubricbeat.judges.fitted.heads import HeadKind
from rubricbeat.judges.fitted.model_card import card_of, write_card
from rubricbeat.judges.fitted.saved_model import load_model, save_model
from rubricbeat.judges.grader import open_grader
from rubricbeat.judges.judge import Question
from rubricbeat.judges.judge_options import make_judge
from rubricbeat.judges.learned import LearnedPrompts

pytestmark = pytest.mark.border

LINEAR = FitOptions(HeadKind.LINEAR)


def test_a_judge_that_reads_beats_one_that_does_not():
    fit = fit_judge(labelled_answers(), LINEAR, encoder=None, shelf=None)
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
    found = fit_judge(noise, LINEAR, encoder=None, shelf=None).audit.judge.figures
    assert found["auroc"].value == pytest.approx(0.5, abs=0.06)
    assert found["pairwise"].low < 0.5 < found["pairwise"].high


@pytest.mark.parametrize("kind", [HeadKind.WORDS, HeadKind.TREES, HeadKind.LINEAR, HeadKind.BLEND])
def test_a_kept_judge_says_what_the_fitted_one_said(kind, tmp_path):
    pytest.importorskip("sklearn")
    if kind.needs_vectors:
        pytest.importorskip("torch")
    encoder = WordEncoder()
    labelled = labelled_answers(12, 4)
    options = FitOptions(kind, n_folds=2)
    fit = fit_judge(labelled, options, encoder=encoder, shelf=VectorShelf(encoder))
    save_model(fit.model, tmp_path)
    kept = load_model(tmp_path)
    item = labelled[0]
    seen = Sight(kept.words, encoder).see(item.example, item.text)
    assert kept.head.logits(seen) == pytest.approx(fit.model.head.logits(seen), abs=1e-6)
    assert not list(tmp_path.glob("*.pkl"))


def test_too_few_labels_are_refused_before_anything_is_trained():
    with pytest.raises(ConfigError, match="3 prompts"):
        fit_judge(labelled_answers(3), LINEAR, encoder=None, shelf=None)


def test_a_head_on_vectors_without_an_encoder_is_refused():
    with pytest.raises(ConfigError, match="--head words"):
        fit_judge(labelled_answers(), FitOptions(HeadKind.BLEND), encoder=None, shelf=None)


@pytest.fixture
def folder(tmp_path):
    fit = fit_judge(labelled_answers(), LINEAR, encoder=None, shelf=None)
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
    assert "without seeing the answer" in json.dumps(facts)


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


def test_a_head_of_an_older_version_is_to_be_fitted_again(folder):
    path = folder / "judge.json"
    plain = json.loads(path.read_text())
    plain["head"] = {"kind": "stack", "parts": []}
    path.write_text(json.dumps(plain))
    with pytest.raises(ConfigError, match=r"another version \('stack'\); fit it again"):
        make_judge(f"fitted:{folder}")
