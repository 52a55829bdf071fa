"""A judge whose encoder was tuned is measured on held-out prompts, and kept as it was measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_encoder import save_tiny_encoder
from made_up_labels import labelled_answers

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.encoder import MiniLM
from rubricbeat.judges.fitted.features import Seen
from rubricbeat.judges.fitted.fitting import FitOptions
from rubricbeat.judges.fitted.folder import load_model, save_model
from rubricbeat.judges.fitted.heads import HeadKind, Lesson, bind, train_head
from rubricbeat.judges.fitted.sight import Sight
from rubricbeat.judges.fitted.tuned_fitting import TuningOptions, _Parts, fit_tuned
from rubricbeat.judges.fitted.vectors import VectorShelf
from rubricbeat.judges.grading import Answer, open_grader

pytestmark = pytest.mark.border

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")
LABELLED = labelled_answers(24, 4)


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    texts = [
        text
        for item in LABELLED
        for text in (item.text, *(c.text for c in item.example.rubric.criteria))
    ]
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts)


@pytest.fixture(scope="module", params=[HeadKind.TUNED, HeadKind.CROSS_ENCODER])
def fit(request, encoder_folder):
    encoder = MiniLM(encoder_folder)
    return fit_tuned(
        LABELLED,
        FitOptions(request.param),
        TuningOptions(n_tokens=48, epochs=1.0),
        encoder=encoder,
        shelf=VectorShelf(encoder),
    )


def test_every_figure_is_of_held_out_prompts_and_stands_beside_a_no_look_judge(fit):
    # 24 prompts in 5 folds: the first holds 5, with 4 answers of 4 criteria each
    assert fit.audit.judge.n_questions == 5 * 4 * 4
    assert fit.audit.baselines["no_look"].figures["pairwise"].value == 0.5
    assert fit.audit.judge.figures["pairwise"].value > 0.9
    assert "without tuning" in fit.audit.baselines


def test_the_kept_judge_says_what_was_measured_wherever_a_judge_is_named(
    fit, encoder_folder, tmp_path
):
    folder = tmp_path / "mine"
    save_model(fit.model, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["judge.json", "network.safetensors"]
    item = LABELLED[0]
    options = {"name": f"fitted:{folder}", "encoder": str(encoder_folder)}
    with open_grader(options) as grader:
        (graded,) = grader.grade([Answer(item.example, item.text)])
    encoder = MiniLM(encoder_folder)
    kept = load_model(folder)
    seen = Sight(kept.words, encoder).see(item.example, item.text)
    expected = kept.calibration.probability(bind(fit.model.head, encoder).logits(seen))
    assert [v.probability for v in graded.verdicts] == pytest.approx(expected, abs=1e-6)
    # without the embeddings and the lower layers, which are the encoder's own
    assert not any("embeddings" in name for name in kept.head.parts[2].weights)


def test_weights_of_another_encoder_are_refused(fit, encoder_folder):
    wrong = replace(fit.model.head.parts[2], weights={"x.weight": np.zeros((2, 2), np.float16)})
    with pytest.raises(ValueError, match=r"x\.weight"):
        bind(wrong, MiniLM(encoder_folder))


def test_too_few_prompts_to_part_are_refused():
    lessons = [Lesson(Seen(np.zeros((1, 1))), np.ones(1), 0) for _ in range(3)]
    with pytest.raises(ConfigError, match="--head blend"):
        _Parts.of(lessons, FitOptions())


def test_a_tuned_head_is_not_trained_without_validation_prompts():
    with pytest.raises(ValueError, match="fit_tuned"):
        train_head(HeadKind.TUNED, [Lesson(Seen(np.zeros((1, 1))), np.ones(1), 0)])
