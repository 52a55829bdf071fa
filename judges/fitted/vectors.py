"""Vectors of texts, each text encoded once, kept in a file where the user names one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import ConfigError
from ..files import writing
from .encoder import SentenceEncoder, Vectors

CHUNK = 512
"""Texts encoded between two words of progress."""
MAX_KEPT_TEXTS = 20_000
"""Asked for between two clearings of `KeptVectors`, 1.5 KB each."""
SAVE_EVERY = 8_192
"""Texts encoded between two writes: what a killed run loses at most."""


class VectorShelf:
    """Vectors by text; those not there yet are encoded."""

    def __init__(self, encoder: SentenceEncoder, path: Path | None = None) -> None:
        """Open a shelf.

        Args:
            encoder: Encodes what is not there.
            path: .npz that vectors are read from and kept in; None keeps them in memory only.

        Raises:
            ConfigError: The file holds another encoder's vectors, or none.
        """
        self._encoder = encoder
        self._path = path
        self._rows: dict[bytes, int] = {}
        self._blocks: list[Vectors] = []
        self._n_saved = 0
        if path is not None and path.exists():
            self._read(path)

    def of(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> Vectors:
        """Give the vectors of texts, [n, D]; new ones are encoded and, with a file, kept."""
        keys = [_key(text) for text in texts]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._rows}
        # those of similar length next to each other: less padding
        waiting = sorted(new.items(), key=lambda item: len(item[1]))
        for start in range(0, len(waiting), CHUNK):
            chunk = waiting[start : start + CHUNK]
            n_before = len(self._rows)
            self._blocks.append(self._encoder.encode([text for _, text in chunk]))
            self._rows |= {key: n_before + n for n, (key, _) in enumerate(chunk)}
            if progress is not None:
                progress(start + len(chunk), len(waiting))
            if len(self._rows) - self._n_saved >= SAVE_EVERY:
                self._save()
        if len(self._rows) > self._n_saved:
            self._save()
        table = self._table()
        return table[[self._rows[key] for key in keys]]

    def _table(self) -> Vectors:
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks)]
        return self._blocks[0] if self._blocks else np.zeros((0, 0), dtype=np.float32)

    def _save(self) -> None:
        self._n_saved = len(self._rows)
        if self._path is None:
            return
        keys = np.frombuffer(b"".join(self._rows), dtype="V16")
        with writing(self._path) as file:
            np.savez(
                file, keys=keys, vectors=self._table().astype(np.float16),
                encoder=np.array(self._encoder.digest),
            )  # fmt: skip

    def _read(self, path: Path) -> None:
        try:
            with np.load(path, allow_pickle=False) as kept:
                keys, vectors, digest = kept["keys"], kept["vectors"], str(kept["encoder"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError(f"{path}: holds no vectors of ours ({error})") from error
        if digest != self._encoder.digest:
            raise ConfigError(f"{path}: holds the vectors of another encoder; name another file")
        self._rows = {bytes(key): row for row, key in enumerate(keys)}
        self._blocks = [vectors.astype(np.float32)]
        self._n_saved = len(self._rows)


class KeptVectors:
    """Vectors of texts that come again and again, at hand until there are too many."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        """Keep nothing yet."""
        self._encoder = encoder
        self._shelf = VectorShelf(encoder)
        self._n_asked = 0

    def of(self, texts: Sequence[str]) -> Vectors:
        """Give the vectors of texts, [n, D]."""
        if self._n_asked > MAX_KEPT_TEXTS:
            self._shelf, self._n_asked = VectorShelf(self._encoder), 0
        self._n_asked += len(texts)
        return self._shelf.of(texts)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
