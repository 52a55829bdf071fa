"""What a fitted judge sees of a criterion and an answer, as numbers.

Three kinds: features of the criterion alone (a head trained on these is the no-look baseline), of
the answer alone, and of how the two match.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..data.text_units import sentences_of, stems_of
from ..rubric import Criterion, Example
from ..scoring.verdict_table import Floats

CRITERION_FEATURES = (
    "points", "is_fault", "criterion_chars", "criterion_words", "numbers", "asks", "negated",
    "brevity", "advises", "emergency", "examples", "all", "commas", "ands", "hedges",
    "turns", "prompt_chars",
)  # fmt: skip
ANSWER_FEATURES = (
    "chars", "sentences", "questions", "entries", "bold", "not_ascii", "ends_asking",
)  # fmt: skip
MATCH_FEATURES = (
    "recall", "recall_beyond_prompt", "best_sentence_recall", "pair_recall", "number_recall",
)  # fmt: skip
FEATURES = CRITERION_FEATURES + ANSWER_FEATURES + MATCH_FEATURES
"""In the order of the columns; those of the criterion stand first."""
MIN_WORD_TEXTS = 3
"""Texts that a word must occur in to be kept by name; rarer ones share the weight of the rarest."""

_ENTRY = re.compile(r"^\s*(?:[-*•]|\d+\.)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WordWeights:
    """How much a word tells: the rarer, the more (inverse document frequency)."""

    n_texts: int
    counts: Mapping[str, int]
    """Texts that hold the word, for words in at least `MIN_WORD_TEXTS` texts."""

    @classmethod
    def of(cls, texts: Iterable[str]) -> WordWeights:
        """Count the words of a corpus."""
        counts: Counter[str] = Counter()
        n_texts = 0
        for text in texts:
            counts.update(set(stems_of(text)))
            n_texts += 1
        return cls(n_texts, {w: n for w, n in sorted(counts.items()) if n >= MIN_WORD_TEXTS})

    def weigh(self, words: Iterable[str]) -> float:
        """Sum the weights of words, exactly: the order of a set differs from run to run."""
        return math.fsum(
            math.log((self.n_texts + 1) / (self.counts.get(word, 0) + 1)) + 0.1 for word in words
        )

    def recall(self, wanted: set[str], found: set[str]) -> float:
        """Give the share of the wanted words' weight that was found; 0 where none is wanted."""
        total = self.weigh(wanted)
        return self.weigh(wanted & found) / total if total > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What of one answer to one example a head may look at."""

    features_CF: Floats
    criteria: tuple[str, ...]
    """Their texts."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer to learn from."""

    seen: Seen
    met_C: Floats
    """1 met, 0 not met, NaN no label."""
    prompt: int
    """Code of its prompt: answers to one prompt are never on both sides of a split."""


class Sight:
    """Sees answers as a fitted judge does."""

    def __init__(self, words: WordWeights) -> None:
        """Take the words' weights."""
        self.words = words
        self._criteria: dict[str, tuple[list[str], set[str], float]] = {}

    def see(self, example: Example, text: str) -> Seen:
        """See one answer beside every criterion of its example."""
        prompt_words = set(stems_of(example.prompt[-1].content)) if example.prompt else set()
        sentences = sentences_of(text)
        answer = _AnswerWords.of(text, sentences)
        of_answer = _answer_features(text, len(sentences))
        criteria = example.rubric.criteria
        rows = [
            [
                *_criterion_features(criterion, example),
                *of_answer,
                *self._match_features(criterion, answer, prompt_words),
            ]
            for criterion in criteria
        ]
        features_CF = np.array(rows, dtype=np.float64)
        return Seen(features_CF, tuple(criterion.text for criterion in criteria))

    def _match_features(
        self, criterion: Criterion, answer: _AnswerWords, prompt_words: set[str]
    ) -> tuple[float, ...]:
        stems, wanted, total = self._words_of(criterion.text)
        pairs = set(pairwise(stems))
        numbers = [word for word in wanted if word[0].isdigit()]
        best = max((self.words.weigh(wanted & found) for found in answer.by_sentence), default=0.0)
        return (
            self.words.recall(wanted, answer.words),
            self.words.recall(wanted - prompt_words, answer.words),
            best / total if total > 0 else 0.0,
            len(pairs & answer.pairs) / max(len(pairs), 1),
            sum(n in answer.words for n in numbers) / len(numbers) if numbers else -1.0,
        )

    def _words_of(self, text: str) -> tuple[list[str], set[str], float]:
        known = self._criteria.get(text)
        if known is None:
            stems = stems_of(text)
            known = (stems, set(stems), self.words.weigh(set(stems)))
            if len(self._criteria) > 50_000:
                self._criteria.clear()
            self._criteria[text] = known
        return known


@dataclass(frozen=True, slots=True)
class _AnswerWords:
    words: set[str]
    pairs: set[tuple[str, str]]
    by_sentence: list[set[str]]

    @classmethod
    def of(cls, text: str, sentences: list[str]) -> _AnswerWords:
        stems = stems_of(text)
        pairs = set(pairwise(stems))
        return cls(set(stems), pairs, [set(stems_of(sentence)) for sentence in sentences])


def _criterion_features(criterion: Criterion, example: Example) -> tuple[float, ...]:
    low = criterion.text.lower()
    words = low.split()
    return (
        criterion.points,
        not criterion.counts_when_met or criterion.points < 0,
        len(low),
        len(words),
        sum(any(ch.isdigit() for ch in word) for word in words),
        low.startswith(("asks", "ask ", "seek")) or " ask" in low[:80],
        " not " in low or "fail" in low,
        "concis" in low or "brief" in low or "length" in low,
        "recommend" in low or "advis" in low,
        "emergen" in low,
        "such as" in low or "e.g" in low or "include" in low,
        "all" in words,
        low.count(","),
        words.count("and"),
        "uncertain" in low or "hedg" in low,
        len(example.prompt),
        sum(len(message.content) for message in example.prompt),
    )


def _answer_features(text: str, n_sentences: int) -> tuple[float, ...]:
    n_chars = max(len(text), 1)
    return (
        len(text),
        n_sentences,
        text.count("?"),
        len(_ENTRY.findall(text)),
        text.count("**"),
        sum(ord(ch) > 127 for ch in text) / n_chars,
        "?" in text[-300:],
    )
