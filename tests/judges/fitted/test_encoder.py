"""How fast an encoder reads does not change what it says."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_encoder import save_tiny_encoder

from rubricbeat.judges.fitted.encoder import MiniLM, VectorShelf, find_encoder, load_encoder

pytestmark = pytest.mark.border

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
TEXTS = ["take aspirin now", "see a doctor", "rest", "take a rest now and see a doctor now"]
MIN_COSINE = 0.999


@pytest.fixture(scope="module", params=["tiny", "MiniLM"])
def encoder(request, tmp_path_factory):
    if request.param == "tiny":
        return MiniLM(save_tiny_encoder(tmp_path_factory.mktemp("encoder"), TEXTS))
    try:
        return MiniLM(find_encoder(None))
    except ValueError as error:
        pytest.skip(str(error))


def test_half_precision_and_plain_attention_give_the_vectors_of_the_model_as_it_is(encoder):
    whole = load_encoder(encoder.folder, dtype=torch.float32)
    with torch.inference_mode():
        for text, found in zip(TEXTS, encoder.encode(TEXTS), strict=True):
            given = encoder.tokenizer([text], return_tensors="pt")
            hidden = whole(**given).last_hidden_state.mean(1)[0].numpy()
            assert found @ (hidden / np.linalg.norm(hidden)) > MIN_COSINE


def test_a_text_says_the_same_alone_and_beside_longer_ones(encoder):
    together = encoder.encode(TEXTS)
    for row, text in enumerate(TEXTS):
        assert together[row] @ encoder.encode([text])[0] > MIN_COSINE


def test_vectors_that_are_kept_are_those_that_were_made(encoder):
    kept = VectorShelf(encoder, most=2)
    assert (kept.of(TEXTS) == kept.of(TEXTS)).all()
    assert np.allclose(kept.of(TEXTS), encoder.encode(TEXTS), atol=0.01)
