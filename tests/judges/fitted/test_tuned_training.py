"""Tuning the encoder of a network head moves it, and a killed tuning goes on."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_encoder import save_tiny_encoder
from made_up_labels import labelled_answers

from rubricbeat.judges.fitted.encoder import MiniLM
from rubricbeat.judges.fitted.features import WordWeights
from rubricbeat.judges.fitted.heads import HeadKind, Lesson, bind, train_head
from rubricbeat.judges.fitted.sight import Sight
from rubricbeat.judges.fitted.tuned_training import tune_network
from rubricbeat.judges.fitted.tuning_checkpoint import Checkpoint

pytestmark = pytest.mark.border

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
LABELLED = labelled_answers(12, 4)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    texts = [
        text
        for item in LABELLED
        for text in (item.text, *(c.text for c in item.example.rubric.criteria))
    ]
    return MiniLM(save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts))


@pytest.fixture(scope="module")
def lessons(encoder):
    sight = Sight(WordWeights.of([item.text for item in LABELLED]), encoder)
    return [
        Lesson(
            sight.see(item.example, item.text),
            np.array([float(labels[0].met) for labels in item.labels]),
            int(item.example.prompt_id[1:]),
        )
        for item in LABELLED
    ]


@pytest.fixture(scope="module")
def network(lessons):
    return train_head(HeadKind.NETWORK, lessons[:32])


def tuned(lessons, network, encoder, *, epochs=2.0, say=lambda words: None, checkpoint=None):
    return tune_network(
        lessons[:32], lessons[32:], network, encoder,
        epochs=epochs, seed=1, say=say, checkpoint=checkpoint,
    )  # fmt: skip


def test_a_tuning_of_no_rate_says_what_the_network_said(lessons, network, encoder, monkeypatch):
    monkeypatch.setattr("rubricbeat.judges.fitted.tuned_training.PEAK_RATE", 0.0)
    monkeypatch.setattr("rubricbeat.judges.fitted.tuned_training.NETWORK_RATE", 0.0)
    head = bind(tuned(lessons, network, encoder), encoder)
    for lesson in lessons[:4]:
        # weights are kept in half precision
        assert head.logits(lesson.seen) == pytest.approx(network.logits(lesson.seen), abs=0.02)


def test_tuning_lowers_the_loss_on_what_it_learns_from(lessons, network, encoder, monkeypatch):
    monkeypatch.setattr("rubricbeat.judges.fitted.tuned_training.PEAK_RATE", 1e-3)
    monkeypatch.setattr("rubricbeat.judges.fitted.tuned_training.NETWORK_RATE", 3e-3)
    said = []
    head = bind(tuned(lessons, network, encoder, epochs=30.0, say=said.append), encoder)

    def loss(one):
        logits = np.concatenate([one.logits(lesson.seen) for lesson in lessons[:32]])
        met = np.concatenate([lesson.met_C for lesson in lessons[:32]])
        return float(np.logaddexp(0.0, np.where(met == 1, -logits, logits)).mean())

    assert loss(head) < 0.9 * loss(network)
    assert any("left" in line for line in said) and any("validation" in line for line in said)


def test_a_killed_tuning_goes_on_to_the_same_weights(
    lessons, network, encoder, tmp_path, monkeypatch
):
    monkeypatch.setattr("rubricbeat.judges.fitted.tuning_loop.SAVE_EVERY_S", -1.0)
    whole = tuned(lessons, network, encoder)
    kept = Checkpoint(tmp_path, "this tuning")

    def die(words):
        if "step 4 of" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(lessons, network, encoder, say=die, checkpoint=kept)
    said = []
    again = tuned(lessons, network, encoder, say=said.append, checkpoint=kept)
    assert said[0] == "going on after step 3"
    for name, value in whole.weights.items():
        assert again.weights[name] == pytest.approx(value, abs=1e-3)
    for name, value in whole.network.weights.items():
        assert again.network.weights[name] == pytest.approx(value, abs=1e-5)
