"""Made-up labelled answers, and an encoder that needs no weights."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from rubricbeat.judges.audit.labels import Label, LabelledAnswer
from rubricbeat.judges.data.text_units import stems_of
from rubricbeat.judges.fitted.encoder import Vectors
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

TOPICS = ("aspirin", "insulin", "oxygen", "fluids", "surgery", "antibiotics", "rest", "splint")


class WordEncoder:
    """Gives each word a direction of its own; a text is the sum of its words."""

    digest = "0" * 64
    width = 24

    def __init__(self) -> None:
        self.n_encoded = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.n_encoded += len(texts)
        out = np.zeros((len(texts), self.width), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in stems_of(text):
                seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
                out[row] += np.random.default_rng(seed).normal(size=self.width)
            out[row, 0] += 1e-3
        return out / np.linalg.norm(out, axis=1, keepdims=True)


def labelled_answers(n_prompts: int = 30, n_answers: int = 6) -> list[LabelledAnswer]:
    """Answers that meet "Mentions X" when they name X, and never the other kind of criterion."""
    rng = np.random.default_rng(5)
    answers = []
    for p in range(n_prompts):
        topics = rng.choice(TOPICS, size=3, replace=False)
        criteria = [
            Criterion(f"Mentions {topic} for the patient", 5.0, Polarity.DESIRABLE)
            for topic in topics
        ]
        criteria.append(Criterion("Quotes a journal by volume", 2.0, Polarity.DESIRABLE))
        prompt = (Message("user", f"Case {p}: what now?"),)
        example = Example(f"p{p}", prompt, Rubric(tuple(criteria)))
        for _ in range(n_answers):
            named = [topic for topic in topics if rng.random() < 0.5]
            text = "Dear reader. " + " ".join(f"Think of {topic} soon." for topic in named)
            mets = [topic in named for topic in topics] + [False]
            labels = tuple((Label(met),) for met in mets)
            answers.append(LabelledAnswer(example, text, labels))
    return answers
