"""Each text is encoded once, also over two runs."""

from __future__ import annotations

import numpy as np
import pytest
from made_up_labels import WordEncoder

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.encoder import VectorShelf


def test_a_text_is_encoded_once_and_found_again_in_the_file(tmp_path):
    path = tmp_path / "v.npz"
    first = WordEncoder()
    shelf = VectorShelf(first, path)
    found = shelf.of(["heart beats", "lungs", "heart beats"])
    assert first.n_encoded == 2
    assert (found[0] == found[2]).all()
    second = WordEncoder()
    again = VectorShelf(second, path).of(["lungs", "heart beats"])
    assert second.n_encoded == 0
    np.testing.assert_allclose(again, found[[1, 0]], atol=1e-3)  # kept in half precision


def test_a_shelf_with_an_end_is_cleared_past_it():
    encoder = WordEncoder()
    shelf = VectorShelf(encoder, most=2)
    shelf.of(["heart", "lungs", "heart"])
    shelf.of(["heart", "aspirin"])  # two were there: nothing is cleared yet
    assert encoder.n_encoded == 3
    found = shelf.of(["heart"])  # three were: all of it is
    assert encoder.n_encoded == 4
    np.testing.assert_allclose(found, WordEncoder().encode(["heart"]))


def test_vectors_of_another_encoder_are_refused(tmp_path):
    path = tmp_path / "v.npz"
    VectorShelf(WordEncoder(), path).of(["heart"])
    other = WordEncoder()
    other.digest = "1" * 64
    with pytest.raises(ConfigError, match="another encoder"):
        VectorShelf(other, path)


@pytest.mark.parametrize("content", [b"no vectors", b"", b"PK\x03\x04 cut off"])
def test_a_file_that_holds_something_else_is_refused(tmp_path, content):
    path = tmp_path / "v.npz"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"v\.npz"):
        VectorShelf(WordEncoder(), path)
