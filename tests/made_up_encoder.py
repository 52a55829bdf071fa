"""A tiny encoder with random weights, in the layout that transformers writes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


def save_tiny_encoder(folder: Path, texts: Iterable[str], *, seed: int = 0) -> Path:
    """Write an encoder of three layers, 32 wide, whose tokens are the words of some texts."""
    import torch
    from tokenizers.implementations import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast
    from transformers.utils import logging

    folder.mkdir(parents=True, exist_ok=True)
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", ":"]
    words = sorted({w for text in texts for w in text.lower().replace(".", " ").split()})
    tokens = [*marks, *words, *(f"##{word}" for word in words)]
    (folder / "vocab.txt").write_text("\n".join(tokens))
    # transformers 4 and 5 take a vocabulary by different names
    whole = BertWordPieceTokenizer({token: place for place, token in enumerate(tokens)})
    BertTokenizerFast(tokenizer_object=whole._tokenizer).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(marks) + 2 * len(words), hidden_size=32, num_hidden_layers=3,
        num_attention_heads=4, intermediate_size=64, max_position_embeddings=256,
    )  # fmt: skip
    was_shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            BertModel(config).save_pretrained(folder)
    finally:
        if was_shown:
            logging.enable_progress_bar()
    return folder
