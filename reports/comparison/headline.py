"""Say the result in one sentence, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...judges.scoring.estimates import MIN_PROMPTS, Estimate
from .. import numbers
from .corrections import CorrectedPair
from .measures import ModelResult
from .paired import Pair

LEVEL = "95\N{NO-BREAK SPACE}%"
VISIBLE = 0.0005
"""Difference of two scores from which their first three decimals part."""


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
        return _of_pair(pairs[0], results)
    return _of_several(results, pairs)


def beside_corrected(
    headline: Headline, leading: Pair | None, corrected: Sequence[CorrectedPair]
) -> Headline:
    """Name the corrected difference of the leading pair beside the judge's own, where there is one.

    Args:
        headline: By the judge's verdicts alone.
        leading: The pair that it is about.
        corrected: Differences without the judge's error.
    """
    for one in corrected:
        if leading is None or one.refused is not None:
            continue
        if {one.this, one.other} == {leading.this, leading.other}:
            found = one.difference
            if one.this != leading.this:
                turned = found.mapped(lambda end: -end)
                found = replace(turned, low=turned.high, high=turned.low)
            words = f"{numbers.difference(found.value)} {_range(found, signed=True)}"
            return Headline(
                f"{headline.text} by the judge's verdicts; corrected by {one.source}: {words}",
                f"{headline.detail} Corrected for the judge's error, {leading.this} minus "
                f"{leading.other} is {words}; all else on this page is by the judge's verdicts.",
            )
    return headline


def leading_pair(results: Sequence[ModelResult], pairs: Sequence[Pair]) -> Pair | None:
    """Give the pair to read first: the best model and the next one, or the baseline."""
    ranked = _ranked(results)
    for other in ranked[1:]:
        for pair in pairs:
            if {pair.this, pair.other} == {ranked[0].name, other.name}:
                return pair
    return pairs[0] if pairs else None


def _single(result: ModelResult, sanity: Sequence[ModelResult]) -> Headline:
    if result.score is None:
        return Headline(
            f"{result.name} has no score: none of its {result.n_asked} answers could be scored",
            "Every answer lacks verdicts for more than 20 % of its points, or has no positive "
            "points; see the section on the judge.",
        )
    text = f"{result.name} scores {numbers.clipped_score(result.score, result.unclipped)}"
    text += f" {_range(result.interval)}"
    detail = (
        f"On {numbers.count(result.n_prompts)} prompts, {numbers.count(result.n_scored)} of "
        f"{numbers.count(result.n_asked)} answers scored. The {LEVEL} interval in brackets is over "
        f"prompts; it needs at least {MIN_PROMPTS}."
    )
    if (result.missing_points or 0) > 0:
        detail += f" {_bounds(result)}"
    constant = next((r for r in sanity if r.name.endswith(":constant")), None)
    if constant is not None and constant.score is not None:
        detail += f" A constant answer to every prompt scores {numbers.score(constant.score)}."
    return Headline(text, detail)


def _bounds(result: ModelResult) -> str:
    """Say what the missing verdicts could give, and over which answers."""
    ends = f"{numbers.score(result.low)} and {numbers.score(result.high)}"
    if result.n_scored == result.n_asked:
        return f"If the missing verdicts were known, the score would be between {ends}."
    return (
        f"If all verdicts were known, the mean of all {numbers.count(result.n_asked)} answers "
        f"would be between {ends}; the score covers the {numbers.count(result.n_scored)} answers "
        "with enough verdicts."
    )


def _of_pair(pair: Pair, results: Sequence[ModelResult]) -> Headline:
    found, n = pair.difference, numbers.count(pair.difference.n)
    minus, mean = f"{pair.this} minus {pair.other}", numbers.difference(found.mean)
    ends = _range(found.interval, signed=True)
    detail = (
        f"Mean paired difference over the {n} prompts that both answered, with its {LEVEL} "
        "interval."
    )
    if found.mean is None or found.n < MIN_PROMPTS:
        shared = numbers.counted(found.n, "scored prompt")
        text = f"{pair.this} and {pair.other} share {shared}: too few to compare"
        detail = (
            f"A comparison needs at least {MIN_PROMPTS} shared prompts; {minus} is {mean} here."
        )
    elif found.interval.low is None:
        text = f"{minus} is {mean} on every one of {n} prompts"
        detail = "All differences are equal, so there is no interval."
    elif found.interval.excludes_zero:
        way, size = "higher" if found.mean > 0 else "lower", numbers.score(abs(found.mean))
        text = f"{pair.this} scores {size} {way} than {pair.other} {ends}"
        detail += (
            f" {pair.this} is better on {numbers.count(found.n_better)} and worse "
            f"on {numbers.count(found.n_worse)} of them."
        )
    else:
        between = f"between {pair.this} and {pair.other}"
        text = f"No significant difference {between}: {minus} {mean} {ends}"
        if found.detectable is not None:
            detail += (
                f" With this many prompts, a true difference of {numbers.score(found.detectable)} "
                "is detected with 80\N{NO-BREAK SPACE}% power; smaller ones may be missed."
            )
    return Headline(text, detail + _shown_apart(pair, results))


def _shown_apart(pair: Pair, results: Sequence[ModelResult]) -> str:
    """Explain a paired difference that is not the difference of the two scores as shown."""
    by_name = {result.name: result for result in results}
    sides = [by_name[pair.this], by_name[pair.other]]
    this, other = (side.score for side in sides)
    mean, n = pair.difference.mean, pair.difference.n
    if this is None or other is None or mean is None or abs(this - other - mean) < VISIBLE:
        return ""
    whys = [
        f"{side.name} is {numbers.score(side.unclipped)} before the score is clipped to 0"
        for side in sides
        if (side.unclipped or 0.0) < 0
    ]
    if any(side.n_prompts > n for side in sides):
        whys.append(f"each score covers all its prompts, the difference only the {n} shared ones")
    if any(side.n_scored > side.n_prompts for side in sides):
        whys.append("a score averages answers, the difference averages prompts")
    return (
        f" {pair.this} minus {pair.other} is {numbers.difference(this - other)} by the scores as "
        f"shown and {numbers.difference(mean)} paired: {'; '.join(whys)}."
    )


def _of_several(results: Sequence[ModelResult], pairs: Sequence[Pair]) -> Headline:
    if not _ranked(results):
        return Headline("No model has a score", "See the section on the judge.")
    best, *others = _ranked(results)
    enough = [one for one in (best, *others) if one.n_prompts >= MIN_PROMPTS]
    if best not in enough or len(enough) < 2:
        few = f"that takes two models, it among them, with {MIN_PROMPTS} prompts or more"
        return Headline("No model is called the highest", f"{len(results)} models; {few}.")
    equal = [one.name for one in others if one.unclipped == best.unclipped]
    who = f"{best.name} scores highest"
    if equal:
        rest = equal[0] if len(equal) == 1 else f"{len(equal)} others"
        who = f"{best.name} and {rest} score highest"
    score = numbers.clipped_score(best.score, best.unclipped)
    clear = [p for p in pairs if p.difference.interval.excludes_zero and _survives(p)]
    is_sequence = any(p.p_holm is None and p.difference.interval.low is not None for p in pairs)
    detail = (
        f"{len(results)} models; {len(clear)} of {len(pairs)} paired differences "
        f"{'is' if len(clear) == 1 else 'are'} statistically significant (5\N{NO-BREAK SPACE}% "
        "level, "
        f"{'anytime-valid, Bonferroni' if is_sequence else 'Holm'}'s correction)."
    )
    found = leading_pair(results, pairs)
    if found is not None and found.difference.mean is not None:
        detail = (
            f"{found.this} minus {found.other}: {numbers.difference(found.difference.mean)} "
            f"{_range(found.difference.interval, signed=True)}, paired over "
            f"{numbers.count(found.difference.n)} prompts, {_weight(found)}. {detail}"
            f"{_shown_apart(found, results)}"
        )
    return Headline(f"{who}: {score} {_range(best.interval)}", detail)


def _ranked(results: Sequence[ModelResult]) -> list[ModelResult]:
    scored = [result for result in results if result.score is not None]
    return sorted(scored, key=lambda result: -(result.unclipped or 0.0))


def _weight(pair: Pair) -> str:
    if pair.difference.interval.low is None:
        return "not tested"
    if not pair.difference.interval.excludes_zero:
        return "not statistically significant"
    if not _survives(pair):
        return "not statistically significant after Holm's correction"
    return "statistically significant"


def _survives(pair: Pair) -> bool:
    """Say whether a difference is significant among all; confidence sequences are corrected."""
    return pair.p_holm is None or pair.p_holm < 0.05


def _range(interval: Estimate, *, signed: bool = False) -> str:
    if interval.why:
        return f"({interval.why})"
    return numbers.interval(interval.low, interval.high, signed=signed)
