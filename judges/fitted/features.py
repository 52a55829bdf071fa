"""What a fitted judge sees of a criterion and an answer, as numbers.

Three kinds, each with its tuples of names: features of the criterion alone (a head trained on
these is the no-look baseline), of the answer alone, and of how the two match.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..data.text_units import clauses_of, sentences_of, stems_of
from ..rubric import Criterion, Example
from ..scoring.rubric_arrays import Floats
from .encoder import SentenceEncoder, Vectors, VectorShelf

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
VECTOR_CRITERION_FEATURES = ("prompt_likeness", "clauses")
VECTOR_ANSWER_FEATURES = ("answer_prompt_likeness",)
VECTOR_MATCH_FEATURES = (
    "best", "second", "third", "best_3", "best_5", "mean", "spread", "best_over_mean", "over_50",
    "share_over_60", "answer_likeness", "soft_best", "place",
    "clause_mean", "clause_worst", "clause_second_worst", "clause_best", "clauses_over_50",
    "clauses_over_60", "clause_worse_half", "best_two_sentences", "best_3_two_sentences",
)  # fmt: skip
MIN_WORD_TEXTS = 3
"""Texts that a word must occur in to be kept by name; rarer ones share the weight of the rarest."""

_ENTRY = re.compile(r"^\s*(?:[-*•]|\d+\.)", re.MULTILINE)
MAX_KEPT_CRITERIA = 50_000
MAX_KEPT_TEXTS = 20_000
"""Whose vectors are at hand, 1.5 KB each: criteria and prompts come again and again."""
MAX_PROMPT_CHARS = 1_500
"""Of the last turn, before the encoder cuts it."""


def names_of(*, has_vectors: bool) -> tuple[str, ...]:
    """Name the features, in the order of the columns."""
    plain = CRITERION_FEATURES + ANSWER_FEATURES + MATCH_FEATURES
    if not has_vectors:
        return plain
    return plain + VECTOR_CRITERION_FEATURES + VECTOR_ANSWER_FEATURES + VECTOR_MATCH_FEATURES


def criterion_columns(names: Iterable[str]) -> list[int]:
    """Find the columns that do not depend on the answer."""
    blind = set(CRITERION_FEATURES + VECTOR_CRITERION_FEATURES)
    return [column for column, name in enumerate(names) if name in blind]


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
class TextVectors:
    """One answer and its criteria as vectors of length 1."""

    sentences_LD: Vectors
    criteria_CD: Vectors
    clauses: tuple[Vectors, ...]
    """Of each criterion, [clauses, D]."""
    prompt_D: Vectors


@dataclass(frozen=True, slots=True)
class Seen:
    """What of one answer to one example a head may look at."""

    features_CF: Floats
    criteria: tuple[str, ...] = ()
    """Their texts."""
    sentences_LD: Vectors | None = None
    criteria_CD: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """One answer to learn from."""

    seen: Seen
    met_C: Floats
    """1 met, 0 not met, NaN no label."""
    prompt: int
    """Code of its prompt: answers to one prompt are never on both sides of a split."""


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


def _vector_features(vectors: TextVectors) -> Floats:
    sentences_LD, criteria_CD = vectors.sentences_LD, vectors.criteria_CD
    likeness_CL = criteria_CD @ sentences_LD.T
    mean_D = sentences_LD.mean(axis=0)
    ordered_CL = -np.sort(-likeness_CL, axis=1)
    n_sentences = likeness_CL.shape[1]
    # an answer of one or two sentences repeats its worst one
    best_C3 = ordered_CL[:, np.minimum([0, 1, 2], n_sentences - 1)]
    mean_C = likeness_CL.mean(axis=1)
    two_CL = -np.sort(-(criteria_CD @ _two_sentences(sentences_LD).T), axis=1)
    columns = [
        criteria_CD @ vectors.prompt_D,
        np.array([len(clauses) for clauses in vectors.clauses]),
        np.full(len(criteria_CD), float(mean_D @ vectors.prompt_D)),
        *best_C3.T,
        ordered_CL[:, :3].mean(axis=1),
        ordered_CL[:, :5].mean(axis=1),
        mean_C,
        likeness_CL.std(axis=1),
        best_C3[:, 0] - mean_C,
        (likeness_CL > 0.5).sum(axis=1),
        (likeness_CL > 0.6).mean(axis=1),
        criteria_CD @ mean_D,
        np.log(np.exp(10 * likeness_CL).mean(axis=1)) / 10,
        likeness_CL.argmax(axis=1) / n_sentences,
        *np.array([_clause_features(clauses, sentences_LD) for clauses in vectors.clauses]).T,
        two_CL[:, 0],
        two_CL[:, :3].mean(axis=1),
    ]
    return np.stack(columns, axis=1).astype(np.float64)


def _clause_features(clauses: Vectors, sentences_LD: Vectors) -> tuple[float, ...]:
    """Say how well the parts of one criterion are found, the worst found ones apart."""
    found = np.sort((clauses @ sentences_LD.T).max(axis=1))
    return (
        float(found.mean()),
        float(found[0]),
        float(found[min(1, len(found) - 1)]),
        float(found[-1]),
        float((found > 0.5).mean()),
        float((found > 0.6).mean()),
        float(found[: max(1, len(found) // 2)].mean()),
    )


def _two_sentences(sentences_LD: Vectors) -> Vectors:
    """Give the direction of each two sentences that follow each other."""
    if len(sentences_LD) < 2:
        return sentences_LD
    both = sentences_LD[:-1] + sentences_LD[1:]
    length = np.linalg.norm(both, axis=1, keepdims=True)
    return np.asarray(both / np.maximum(length, 1e-6))


class Sight:
    """Sees answers as a fitted judge does."""

    def __init__(self, words: WordWeights, encoder: SentenceEncoder | None) -> None:
        """Take the words' weights and, where sentences are seen as vectors, the encoder."""
        self._words = words
        self._criteria: dict[str, tuple[list[str], set[str], float]] = {}
        self._encoder = encoder
        self._kept = None
        if encoder is not None:
            self._kept = VectorShelf(encoder, most=MAX_KEPT_TEXTS)

    def see(self, example: Example, text: str) -> Seen:
        """See one answer; criteria and prompt are encoded the first time they come."""
        sentences, vectors = sentences_of(text), None
        if self._encoder is not None and self._kept is not None:
            known = self._kept.of(texts_of_example(example))
            vectors = _split(example, self._encoder.encode(sentences), known)
        return self._seen(example, text, sentences, vectors)

    def see_all(
        self,
        answers: Sequence[tuple[Example, str]],
        shelf: VectorShelf | None,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Seen]:
        """See many answers, their texts encoded together.

        Args:
            answers: Example and answer.
            shelf: Holds or makes the vectors; None without an encoder.
            progress: Called with texts encoded and texts to encode.
        """
        cut = [sentences_of(text) for _, text in answers]
        if shelf is not None:
            texts = [text for sentences in cut for text in sentences]
            texts += [text for example, _ in answers for text in texts_of_example(example)]
            shelf.of(list(dict.fromkeys(texts)), progress=progress)
        seen = []
        for (example, text), sentences in zip(answers, cut, strict=True):
            vectors = None
            if shelf is not None:
                known = shelf.of(texts_of_example(example))
                vectors = _split(example, shelf.of(sentences), known)
            seen.append(self._seen(example, text, sentences, vectors))
        return seen

    def _seen(
        self, example: Example, text: str, sentences: list[str], vectors: TextVectors | None
    ) -> Seen:
        prompt_words = set(stems_of(example.prompt[-1].content)) if example.prompt else set()
        answer = _AnswerWords.of(text, sentences)
        of_answer = _answer_features(text, len(sentences))
        rows = [
            [
                *_criterion_features(criterion, example),
                *of_answer,
                *self._match_features(criterion, answer, prompt_words),
            ]
            for criterion in example.rubric.criteria
        ]
        features_CF = np.array(rows, dtype=np.float64)
        criteria = tuple(criterion.text for criterion in example.rubric.criteria)
        if vectors is None:
            return Seen(features_CF, criteria)
        features_CF = np.concatenate([features_CF, _vector_features(vectors)], axis=1)
        return Seen(features_CF, criteria, vectors.sentences_LD, vectors.criteria_CD)

    def _match_features(
        self, criterion: Criterion, answer: _AnswerWords, prompt_words: set[str]
    ) -> tuple[float, ...]:
        stems, wanted, total = self._words_of(criterion.text)
        pairs = set(pairwise(stems))
        numbers = [word for word in wanted if word[0].isdigit()]
        best = max((self._words.weigh(wanted & found) for found in answer.by_sentence), default=0.0)
        return (
            self._words.recall(wanted, answer.words),
            self._words.recall(wanted - prompt_words, answer.words),
            best / total if total > 0 else 0.0,
            len(pairs & answer.pairs) / max(len(pairs), 1),
            sum(n in answer.words for n in numbers) / len(numbers) if numbers else -1.0,
        )

    def _words_of(self, text: str) -> tuple[list[str], set[str], float]:
        if text not in self._criteria:
            if len(self._criteria) > MAX_KEPT_CRITERIA:
                self._criteria.clear()
            stems = stems_of(text)
            self._criteria[text] = (stems, set(stems), self._words.weigh(set(stems)))
        return self._criteria[text]


def texts_of_example(example: Example) -> list[str]:
    """List the texts of an example that are encoded: criteria, their clauses, the last turn."""
    criteria = [criterion.text for criterion in example.rubric.criteria]
    clauses = [clause for text in criteria for clause in clauses_of(text)]
    last = example.prompt[-1].content[:MAX_PROMPT_CHARS] if example.prompt else ""
    return [*criteria, *clauses, last]


def _split(example: Example, sentences: Vectors, known: Vectors) -> TextVectors:
    """Name the vectors of `texts_of_example`."""
    criteria = example.rubric.criteria
    ends = np.cumsum([len(criteria), *(len(clauses_of(one.text)) for one in criteria)])
    clauses = tuple(known[start:stop] for start, stop in pairwise(ends))
    return TextVectors(sentences, known[: len(criteria)], clauses, known[-1])
