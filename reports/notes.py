"""Say what a reader has to know before trusting a number.

Each note is one sentence, names what it is about, and stands at the top of the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..judges.items import item_scores
from ..judges.table import VerdictTable
from . import numbers
from .audits import JudgeAudit
from .corrected import correction_faults
from .measures import StoredCheck
from .model_result import ModelResult
from .models import Model
from .results.run import Run

MOSTLY = 0.5
"""Share of the repeated prompts from which copies are worth a note."""


def notes_of(
    models: Sequence[Model],
    results: Sequence[ModelResult],
    sanity: Sequence[ModelResult],
    audits: Sequence[JudgeAudit],
    stored: Sequence[StoredCheck],
) -> Iterator[str]:
    """Give every note, the gravest first."""
    yield from _sanity(results, sanity)
    yield from _mismatches(stored)
    yield from _unscored(results)
    yield from _other_audits(models, audits)
    yield from correction_faults(audits)
    yield from _swayed(models, audits)
    for model in models:
        for run in model.runs:
            yield from run.notes
        yield from _learned(model)
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
            if one.trait == "length" and one.shift.interval.excludes_zero:
                if audit.digest not in digests or one.shift.value is None:
                    continue
                way = "met more" if one.shift.value > 0 else "met less"
                yield (
                    f"{audit.judge} says {way} often of longer answers at the same label "
                    f"({numbers.difference(one.shift.value)} for {one.unit}): a difference between "
                    "models whose answers differ in length is partly that, and a correction by "
                    f"{audit.path} holds only for answers as long as those audited."
                )


def _learned(model: Model) -> Iterator[str]:
    """Tell of prompts that a fitted judge had learned from, and the score without them."""
    learned = frozenset[str]().union(*(run.learned_prompts for run in model.runs))
    if not learned:
        return
    known = [one for one in model.graded if one.example.prompt_id in learned]
    new = [one for one in model.graded if one.example.prompt_id not in learned]
    n_known, n_new = (len({one.example.prompt_id for one in part}) for part in (known, new))
    text = (
        f"{model.name}: the fitted judge has learned from {n_known} of the {n_known + n_new} "
        "prompts, and is better on these than on new ones"
    )
    scores = [np.nanmean(item_scores(VerdictTable.of(part))) for part in (known, new) if part]
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
