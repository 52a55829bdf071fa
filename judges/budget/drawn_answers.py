"""What of some answers a dear judge is asked, drawn by what a free one said of all of them.

Of an answer the criteria that were drawn are asked; the others are "not drawn", and are not
missing. With what chance each was drawn is kept beside the verdicts.
Answers of the same text to the same prompt are one and share their draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..answer import Answer, GradedAnswer
from ..audit.labels import AnswerKey, keys_of
from ..rubric import Example
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Floats, pack_rubrics
from .two_judges import Unit, chances, draw, expected_error


@dataclass(frozen=True, slots=True)
class _Drawn:
    chances: tuple[float, ...]
    at: tuple[int, ...]
    """The criteria that were drawn."""


class DrawnAnswers:
    """A sample of the verdicts of some answers."""

    def __init__(
        self,
        answers: Iterable[Answer],
        guesses: Iterable[GradedAnswer],
        *,
        share: float,
        unit: Unit,
        seed: int,
    ) -> None:
        """Draw.

        Args:
            answers: All that could be asked about.
            guesses: What the free judge said of them, and of others.
            share: Of the verdicts that the dear judge is asked on average, in (0, 1).
            unit: What is drawn together.
            seed: Of the draw.
        """
        guess_of: dict[AnswerKey, GradedAnswer] = {}
        for guess in guesses:
            for key in keys_of(guess.example, guess.answer):
                guess_of.setdefault(key, guess)
        found: dict[AnswerKey, tuple[Example, Floats]] = {}
        self.n_answers = 0
        """With a text."""
        self.unknown: list[str] = []
        """Prompts of answers that the free judge did not grade."""
        for answer in answers:
            if answer.text is None:
                continue
            self.n_answers += 1
            key, by_words = keys_of(answer.example, answer.text)
            if key in found:
                continue
            known = guess_of.get(key) or guess_of.get(by_words)
            if known is None:
                self.unknown.append(answer.example.prompt_id)
                continue
            found[key] = (answer.example, _guesses(known, answer.example))
        self.n_criteria = sum(len(example.rubric) for example, _ in found.values())
        """Of all answers that differ."""
        self._frame = found.keys()
        self._drawn = {
            key: one
            for key, one in zip(found, _draw(found, share, unit, seed), strict=True)
            if one.at
        }

    def __len__(self) -> int:
        """Count the answers that are asked about."""
        return len(self._drawn)

    @property
    def n_asked(self) -> int:
        """Count the verdicts that are asked for."""
        return sum(len(one.at) for one in self._drawn.values())

    @property
    def n_prompts(self) -> int:
        """Count the prompts that are asked about."""
        return len({prompt for prompt, _ in self._drawn})

    def holds(self, graded: GradedAnswer) -> bool:
        """Say whether an answer is one of those that could be drawn."""
        keys = keys_of(graded.example, graded.answer)
        return graded.is_absent or not self._frame.isdisjoint(keys)

    def cut(self, answer: Answer) -> Answer | None:
        """Cut an answer to what is asked about it; None where that is nothing."""
        if answer.text is None:
            return None
        drawn = self._drawn.get(keys_of(answer.example, answer.text)[0])
        return None if drawn is None else replace(answer, asked=drawn.at)

    def marked(self, graded: GradedAnswer) -> GradedAnswer:
        """Put beside the verdicts on such an answer with what chance each was drawn."""
        drawn = self._drawn[keys_of(graded.example, graded.answer)[0]]
        return replace(graded, chances=drawn.chances)


def needs_whole_answers(examples: Iterable[Example]) -> bool:
    """Say whether some score is no sum over verdicts, so that whole answers must be drawn."""
    return any(
        criterion.gate is not None or criterion.requires is not None or criterion.na
        for example in examples
        for criterion in example.rubric.criteria
    )


def _draw(
    found: dict[AnswerKey, tuple[Example, Floats]], share: float, unit: Unit, seed: int
) -> Iterator[_Drawn]:
    rubrics = pack_rubrics([example.rubric for example, _ in found.values()])
    guess_NC = np.full(rubrics.points.shape, np.nan)
    for row, (_, guess_C) in enumerate(found.values()):
        guess_NC[row, : len(guess_C)] = guess_C
    present_NC = rubrics.present
    worth_NC = np.nan_to_num(ratio(rubrics.points, rubrics.gains.sum(1, keepdims=True)))
    error_NC = expected_error(worth_NC, guess_NC)
    chance_NC = np.zeros(present_NC.shape)
    if unit is Unit.ANSWERS:
        n_N = present_NC.sum(1).astype(np.float64)
        chance_N = chances(np.sqrt((error_NC**2).sum(1)), share, cost_U=np.maximum(n_N, 1.0))
        chance_NC = np.broadcast_to(chance_N[:, None], present_NC.shape)
    else:
        chance_NC[present_NC] = chances(error_NC[present_NC], share)
    for row, ((prompt_id, text), (example, _)) in enumerate(found.items()):
        # a criterion that stands there twice is one question
        by_text: dict[str, float] = {}
        own = tuple(
            by_text.setdefault(criterion.text, float(chance))
            for criterion, chance in zip(example.rubric.criteria, chance_NC[row], strict=False)
        )
        places = range(len(own))
        if unit is Unit.ANSWERS:
            is_drawn = bool(own) and draw(seed, f"{prompt_id}\0{text}") < own[0]
            yield _Drawn(own, tuple(places) if is_drawn else ())
            continue
        names = [f"{prompt_id}\0{text}\0{c.text}" for c in example.rubric.criteria]
        at = tuple(c for c in places if draw(seed, names[c]) < own[c])
        yield _Drawn(own, at)


def _guesses(guess: GradedAnswer, example: Example) -> Floats:
    """Give the free judge's P(met) of each criterion; NaN where it gives none."""
    texts = (criterion.text for criterion in guess.example.rubric.criteria)
    said = {text: verdict.probability for text, verdict in zip(texts, guess.verdicts, strict=True)}
    chances_C = [said.get(criterion.text) for criterion in example.rubric.criteria]
    return np.array([np.nan if chance is None else chance for chance in chances_C])
