"""The network in numpy says what the network in torch says."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_labels import WordEncoder, labelled_answers

from rubricbeat.judges.fitted.features import Lesson, Sight, WordWeights
from rubricbeat.judges.fitted.network import Network

pytestmark = pytest.mark.border

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("looks", [True, False])
def test_numpy_and_torch_agree_on_answers_of_unequal_length(looks):
    from rubricbeat.judges.fitted.network_training import Batch, BatchAnswer, NetworkModule

    labelled = labelled_answers(4, 3)
    sight = Sight(WordWeights.of([item.text for item in labelled]), WordEncoder())
    lessons = [
        Lesson(sight.see(item.example, item.text), np.ones(len(item.labels)), 0)
        for item in labelled
    ]
    n_features = lessons[0].seen.features_CF.shape[1]
    mean_F, scale_F = np.full(n_features, 0.3), np.full(n_features, 2.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = NetworkModule(WordEncoder.width, n_features, looks).eval()
    scaled = [np.clip((lesson.seen.features_CF - mean_F) / scale_F, -4, 4) for lesson in lessons]
    answers = [BatchAnswer.of(lesson, x) for lesson, x in zip(lessons, scaled, strict=True)]
    with torch.no_grad():
        together = module(Batch(answers)).numpy()
    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    network = Network(weights, tuple(range(n_features)), mean_F, scale_F, looks)
    for row, lesson in enumerate(lessons):
        alone = network.logits(lesson.seen)
        assert alone == pytest.approx(together[row, : len(alone)], abs=1e-5)
