"""Say the result in one sentence, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..judges.estimates import MIN_PROMPTS, Interval
from . import numbers
from .model_result import ModelResult
from .pairs import Pair

LEVEL = "95\N{NO-BREAK SPACE}%"


@dataclass(frozen=True, slots=True)
class Headline:
    """The result in a sentence, and one more that says how far it carries."""

    text: str
    detail: str


def headline_of(
    results: Sequence[ModelResult], pairs: Sequence[Pair], sanity: Sequence[ModelResult] = ()
) -> Headline:
    """Word the result of a report."""
    if len(results) == 1:
        return _single(results[0], sanity)
    if len(pairs) == 1:
        return _of_pair(pairs[0], any((r.unclipped or 0.0) < 0 for r in results))
    return _of_several(results, pairs)


def _single(result: ModelResult, sanity: Sequence[ModelResult]) -> Headline:
    if result.score is None:
        return Headline(
            f"{result.name} has no score: none of its {result.n_asked} answers could be scored",
            "Every answer lacks verdicts for more than 20 % of its points, or has no positive "
            "points; the judge section says why.",
        )
    text = f"{result.name} scores {numbers.score(result.score)}"
    text += f" {_range(result.interval)}"
    detail = (
        f"On {numbers.count(result.n_prompts)} prompts, {numbers.count(result.n_scored)} of "
        f"{numbers.count(result.n_asked)} answers scored. In brackets the {LEVEL} interval over "
        f"prompts, which takes {MIN_PROMPTS} of them."
    )
    if (result.missing_points or 0) > 0:
        detail += f" {_bounds(result)}"
    constant = next((r for r in sanity if r.name.endswith(":constant")), None)
    if constant is not None and constant.score is not None:
        detail += f" The same sentence to every prompt scores {numbers.score(constant.score)}."
    return Headline(text, detail)


def _bounds(result: ModelResult) -> str:
    """Say what the missing verdicts could give, and of which answers: the score may be of fewer."""
    ends = f"{numbers.score(result.low)} and {numbers.score(result.high)}"
    if result.n_scored == result.n_asked:
        return f"Missing verdicts leave the score between {ends}."
    return (
        f"With all verdicts the mean of all {numbers.count(result.n_asked)} answers would lie "
        f"between {ends}; the score is of the {numbers.count(result.n_scored)} that have enough."
    )


def _of_pair(pair: Pair, is_clipped: bool) -> Headline:
    found = pair.difference
    if found.mean is None or found.n < MIN_PROMPTS:
        return Headline(
            f"{pair.this} and {pair.other} share {found.n} scored prompt"
            f"{'' if found.n == 1 else 's'}: too few to compare",
            f"A difference takes at least {MIN_PROMPTS} shared prompts; the mean one here is "
            f"{numbers.difference(found.mean)}.",
        )
    if found.interval.low is None:
        return Headline(
            f"{pair.this} minus {pair.other} is {numbers.difference(found.mean)} on every one of "
            f"{found.n} prompts",
            "Without a spread between prompts there is no interval.",
        )
    n = numbers.count(found.n)
    clipped = " A score below 0 is shown as 0; differences are not clipped." if is_clipped else ""
    size = numbers.score(abs(found.mean))
    if found.interval.excludes_zero:
        way = "higher" if found.mean > 0 else "lower"
        text = (
            f"{pair.this} scores {size} {way} than {pair.other} "
            f"{_range(found.interval, signed=True)}"
        )
        detail = (
            f"Mean difference over the {n} prompts that both answered, each prompt once, with its "
            f"{LEVEL} interval. {pair.this} is better on {numbers.count(found.n_better)} and worse "
            f"on {numbers.count(found.n_worse)} of them."
        )
        return Headline(text, detail + clipped)
    text = (
        f"No difference between {pair.this} and {pair.other} is shown: "
        f"{numbers.difference(found.mean)} "
        f"{_range(found.interval, signed=True)}"
    )
    detail = f"Mean difference over the {n} prompts that both answered, with its {LEVEL} interval."
    if found.detectable is not None:
        detail += (
            f" With so many prompts, a true difference of {numbers.score(found.detectable)} would "
            "have been found in four of five tries; a smaller one may well be missed."
        )
    return Headline(text, detail + clipped)


def _of_several(results: Sequence[ModelResult], pairs: Sequence[Pair]) -> Headline:
    scored = [r for r in results if r.score is not None]
    if not scored:
        return Headline("No model has a score", "The judge section says why.")
    ranked = sorted(scored, key=lambda r: -(r.unclipped or 0.0))
    best = ranked[0]
    text = f"{best.name} scores highest: {numbers.score(best.score)}"
    text += f" {_range(best.interval)}"
    clear = [p for p in pairs if p.difference.interval.excludes_zero and _survives(p)]
    detail = (
        f"{len(results)} models; of {len(pairs)} paired differences {len(clear)} "
        f"{'is' if len(clear) == 1 else 'are'} shown, at the 5 % level after Holm's correction."
    )
    runner = next((p for p in pairs if len(ranked) > 1 and _is_top(p, best, ranked[1])), None)
    if runner is not None and runner.difference.mean is not None:
        second = runner.other if runner.this == best.name else runner.this
        lead = numbers.score(abs(runner.difference.mean))
        detail = f"Ahead of {second} by {lead}, {_weight(runner)}. {detail}"
    return Headline(text, detail)


def _weight(pair: Pair) -> str:
    if not pair.difference.interval.excludes_zero:
        return "which chance explains as well"
    if not _survives(pair):
        return "which does not survive the correction for all these comparisons"
    return "which is more than chance explains"


def _survives(pair: Pair) -> bool:
    return pair.p_holm is not None and pair.p_holm < 0.05


def _is_top(pair: Pair, best: ModelResult, second: ModelResult) -> bool:
    return {pair.this, pair.other} == {best.name, second.name}


def _range(interval: Interval, *, signed: bool = False) -> str:
    if interval.why:
        return f"({interval.why})"
    return numbers.interval(interval.low, interval.high, signed=signed)
