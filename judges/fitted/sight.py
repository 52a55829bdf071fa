"""Looks at answers: texts in, what a head may see out, each criterion encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..data.text_units import clauses_of, sentences_of
from ..rubric import Example
from .encoder import SentenceEncoder, Vectors
from .features import FeatureMaker, Seen, TextVectors, WordWeights
from .vectors import KeptVectors, VectorShelf

MAX_PROMPT_CHARS = 1_500
"""Of the last turn, before the encoder cuts it."""


class Sight:
    """Sees answers as a fitted judge does."""

    def __init__(self, words: WordWeights, encoder: SentenceEncoder | None) -> None:
        """Take the words' weights and, where sentences are seen as vectors, the encoder."""
        self._maker = FeatureMaker(words, encoder is not None)
        self._encoder = encoder
        self._kept = KeptVectors(encoder) if encoder is not None else None

    def see(self, example: Example, text: str) -> Seen:
        """See one answer; criteria and prompt are encoded the first time they come."""
        sentences = sentences_of(text)
        if self._encoder is None or self._kept is None:
            return self._of_words(example, text, sentences)
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
        if shelf is None:
            return [
                self._of_words(example, text, sentences)
                for (example, text), sentences in zip(answers, cut, strict=True)
            ]
        texts = dict.fromkeys(text for sentences in cut for text in sentences)
        for example, _ in answers:
            texts |= dict.fromkeys(texts_of_example(example))
        shelf.of(list(texts), progress=progress)
        seen: list[Seen] = []
        for (example, text), sentences in zip(answers, cut, strict=True):
            known = shelf.of(texts_of_example(example))
            vectors = _split(example, shelf.of(sentences), known)
            seen.append(self._seen(example, text, sentences, vectors))
        return seen

    def _of_words(self, example: Example, text: str, sentences: list[str]) -> Seen:
        features = self._maker.features(example, text, sentences, None)
        return Seen(features, criteria=_criteria(example))

    def _seen(
        self, example: Example, text: str, sentences: list[str], vectors: TextVectors
    ) -> Seen:
        return Seen(
            self._maker.features(example, text, sentences, vectors),
            vectors.sentences_LD,
            vectors.criteria_CD,
            vectors.clauses,
            _criteria(example),
        )


def _criteria(example: Example) -> tuple[str, ...]:
    return tuple(criterion.text for criterion in example.rubric.criteria)


def texts_of_example(example: Example) -> list[str]:
    """List the texts of an example that are encoded: criteria, their clauses, the last turn."""
    criteria = [criterion.text for criterion in example.rubric.criteria]
    clauses = [clause for text in criteria for clause in clauses_of(text)]
    last = example.prompt[-1].content[:MAX_PROMPT_CHARS] if example.prompt else ""
    return [*criteria, *clauses, last]


def _split(example: Example, sentences: Vectors, known: Vectors) -> TextVectors:
    """Name the vectors of `texts_of_example`."""
    criteria = example.rubric.criteria
    start = len(criteria)
    clauses = []
    for criterion in criteria:
        stop = start + len(clauses_of(criterion.text))
        clauses.append(known[start:stop])
        start = stop
    return TextVectors(sentences, known[: len(criteria)], tuple(clauses), known[-1])
