"""Say the result in one sentence, with its interval."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...judges.scoring.estimates import MIN_PROMPTS, Estimate
from ...judges.scoring.rubric_arrays import Floats
from .. import numbers
from ..results.run import Run
from .corrections import correction_faults
from .judges import JudgeAudit
from .measures import StoredCheck
from .model_result import ModelResult
from .models import Model
from .paired import Pair

LEVEL = "95\N{NO-BREAK SPACE}%"
MOSTLY = 0.5
"""Share of the repeated prompts from which copies are worth a note."""


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


def _range(interval: Estimate, *, signed: bool = False) -> str:
    if interval.why:
        return f"({interval.why})"
    return numbers.interval(interval.low, interval.high, signed=signed)


def notes_of(
    h_by_model: Mapping[str, Floats],
    models: Sequence[Model],
    results: Sequence[ModelResult],
    sanity: Sequence[ModelResult],
    audits: Sequence[JudgeAudit],
    stored: Sequence[StoredCheck],
) -> Iterator[str]:
    """Give every note, the gravest first.

    Args:
        h_by_model: Score of each answer of each model, run after run.
        models: The models.
        results: Rows of the summary.
        sanity: Those of answers that take no model.
        audits: Of the judges.
        stored: Scores that the files state.
    """
    yield from _sanity(results, sanity)
    yield from _mismatches(stored)
    yield from _unscored(results)
    yield from _other_audits(models, audits)
    yield from correction_faults(audits)
    yield from _swayed(models, audits)
    for model in models:
        for run in model.runs:
            yield from run.notes
        yield from _learned(model, h_by_model[model.name])
        yield from _uneven_runs(model)
        yield from _copies(model)
    if len(models) > 1:
        yield from _unknown(models)


def _sanity(results: Sequence[ModelResult], sanity: Sequence[ModelResult]) -> Iterator[str]:
    """Find answers that take no model and do as well as one (method sheet, section 5)."""
    for row in sanity:
        for result in results:
            if row.name.endswith(":reference") or row.score is None or result.score is None:
                continue
            if row.score >= result.score:
                yield (
                    f"{row.name} scores {row.score:.3f}, no less than {result.name} with "
                    f"{result.score:.3f}: judge or rubrics reward an answer that says nothing of "
                    "its own. Do not trust a difference between models here before that is "
                    "understood."
                )


def _mismatches(stored: Sequence[StoredCheck]) -> Iterator[str]:
    for check in stored:
        if check.is_mismatch:
            given = "no score" if check.recomputed is None else f"{check.recomputed:.4f}"
            yield (
                f"{check.model} [{check.label}]: the stored score {check.stored:.4f} is not what "
                f"the verdicts give ({given}); this report uses the verdicts."
            )


def _unscored(results: Sequence[ModelResult]) -> Iterator[str]:
    for result in results:
        if result.n_scored < result.n_asked:
            yield (
                f"{result.name}: {result.n_asked - result.n_scored} of {result.n_asked} answers "
                "have no score (over 20 % of their points without a verdict, or no positive "
                "points); they are left out, not counted as 0."
            )


def _other_audits(models: Sequence[Model], audits: Sequence[JudgeAudit]) -> Iterator[str]:
    digests = {run.judge_digest for model in models for run in model.runs}
    for audit in audits:
        if audit.digest not in digests:
            yield (
                f"The audit {audit.path} is of another judge ({audit.judge}, digest "
                f"{audit.digest[:12] or 'not stated'}) than the one of these runs: its figures "
                "need not hold here."
            )


def _swayed(models: Sequence[Model], audits: Sequence[JudgeAudit]) -> Iterator[str]:
    """Warn of a judge that length moves: its errors on other lengths are other errors."""
    digests = {run.judge_digest for model in models for run in model.runs}
    for audit in audits:
        for one in audit.shifts:
            if one.trait == "length" and one.shift.excludes_zero:
                if audit.digest not in digests or one.shift.value is None:
                    continue
                way = "met more" if one.shift.value > 0 else "met less"
                yield (
                    f"{audit.judge} says {way} often of longer answers at the same label "
                    f"({numbers.difference(one.shift.value)} for {one.unit}): a difference between "
                    "models whose answers differ in length is partly that, and a correction by "
                    f"{audit.path} holds only for answers as long as those audited."
                )


def _learned(model: Model, h_N: Floats) -> Iterator[str]:
    """Tell of prompts that a fitted judge had learned from, and the score without them."""
    learned = frozenset[str]().union(*(run.learned_prompts for run in model.runs))
    if not learned:
        return
    prompts_N = np.array([one.example.prompt_id for one in model.graded])
    known_N = np.isin(prompts_N, list(learned))
    n_known, n_new = (len(set(prompts_N[at].tolist())) for at in (known_N, ~known_N))
    text = (
        f"{model.name}: the fitted judge has learned from {n_known} of the {n_known + n_new} "
        "prompts, and is better on these than on new ones"
    )
    scores = [np.nanmean(h_N[at]) for at in (known_N, ~known_N) if at.any()]
    if len(scores) < 2:
        yield f"{text}: nothing here can say what it gives on new prompts."
        return
    was, is_new = (numbers.score(float(score)) for score in scores)
    yield f"{text}: it gives {was} there and {is_new} on the others, on average and unclipped."


def _uneven_runs(model: Model) -> Iterator[str]:
    """Find runs that are taken for repeats, and were not made alike."""
    setups = [_setup(run) for run in model.runs]
    differing = sorted(
        {
            name
            for setup in setups
            for name in setup
            if any(other.get(name) != setup[name] for other in setups)
        }
    )
    if differing:
        yield (
            f"{model.name}: its {len(model.runs)} runs are taken for repeats of each other, but "
            f"they differ in {', '.join(differing)}. If they are different systems, give them "
            "different model names."
        )


def _setup(run: Run) -> dict[str, str]:
    """Give what has to be the same in runs that are repeats; seeds may differ."""
    config = run.facts.get("config")
    setup: dict[str, Any] = dict(_without_seed(run.facts.get("generation")))
    if isinstance(config, Mapping):
        setup.update(_without_seed(config.get("gen_kwargs")))
    for name in ("system_instruction_sha", "chat_template_sha"):
        if run.facts.get(name):
            setup[name.removesuffix("_sha").replace("_", " ")] = run.facts[name]
    return {name: json.dumps(value, sort_keys=True, default=str) for name, value in setup.items()}


def _without_seed(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): entry for name, entry in value.items() if name != "seed"}


def _copies(model: Model) -> Iterator[str]:
    """Find repeats that are copies: a server that honours a fixed seed gives the same again."""
    by_prompt: dict[str, list[str]] = {}
    for graded in model.graded:
        by_prompt.setdefault(graded.example.prompt_id, []).append(graded.answer)
    repeated = [answers for answers in by_prompt.values() if len(answers) > 1]
    n_copied = sum(len(set(answers)) == 1 for answers in repeated)
    if repeated and n_copied / len(repeated) >= MOSTLY:
        yield (
            f"{model.name}: on {n_copied} of the {len(repeated)} prompts it answered more than "
            "once all answers are the same text: these repeats were not sampled, and add nothing."
        )


def _unknown(models: Sequence[Model]) -> Iterator[str]:
    """Find runs that do not say what has to be the same to compare them."""
    runs = [run for model in models for run in model.runs]
    for what, unknown in (
        ("data file", [run.name for run in runs if not run.data_sha256]),
        ("judge", [run.name for run in runs if not run.judge_digest]),
    ):
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            yield (
                f"{unknown[0]}{more}: the file does not say which {what} was used, so that it is "
                "the same could not be checked."
            )
