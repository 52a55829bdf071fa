"""Warnings: what to know before the numbers of a report are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations, product

import numpy as np

from ...judges.audit.upkeep.families import family_warning
from ...judges.scoring.rubric_arrays import Floats
from ...judges.scoring.run_scores import LENGTH_CENTRE_CHARS
from .. import numbers
from ..results.run import Run
from .corrections import correction_faults
from .headline import VISIBLE
from .judges import AuditFigures
from .measures import ModelResult, StoredCheck
from .models import Model

MOSTLY = 0.5
"""Share of the answers above which empty ones, and of repeated prompts from which copies, are
worth a warning."""


def notes_of(
    h_by_model: Mapping[str, Floats],
    models: Sequence[Model],
    results: Sequence[ModelResult],
    sanity: Sequence[ModelResult],
    audits: Sequence[AuditFigures],
    stored: Sequence[StoredCheck],
) -> Iterator[str]:
    """Give every warning, the gravest first.

    Args:
        h_by_model: Score of each answer of each model, run after run.
        models: The models.
        results: Rows of the summary.
        sanity: Those of baselines without a model.
        audits: Of the judges.
        stored: Scores that the files state.
    """
    yield from _sanity(results, sanity)
    yield from _mismatches(stored)
    yield from _unscored(results)
    yield from _other_audits(models, audits)
    yield from correction_faults(audits)
    yield from _swayed(models, audits)
    yield from _kin(models)
    for model in models:
        for run in model.runs:
            yield from run.notes
        yield from _empty(model)
        yield from _learned(model, h_by_model[model.name])
        yield from _uneven_runs(model)
        yield from _copies(model)
    if len(models) > 1:
        yield from _unknown(models)


def _empty(model: Model) -> Iterator[str]:
    """Find a model that wrote next to nothing: what is scored is then the judge on no answer."""
    n = sum(not one.answer.strip() for one in model.graded)
    if n > MOSTLY * len(model.graded):
        yield (
            f"{n:,} of {len(model.graded):,} answers of {model.name} are empty: its score does not "
            "measure the model. Check its address and token limit, and run it again."
        )


def _sanity(results: Sequence[ModelResult], sanity: Sequence[ModelResult]) -> Iterator[str]:
    """Find baselines without a model that do as well as one (method sheet, section 5)."""
    scored = [row for row in sanity if not row.name.endswith(":reference")]
    for row, result in product(scored, results):
        if row.score is not None and result.score is not None and row.score >= result.score:
            yield (
                f"{row.name} scores {numbers.clipped_score(row.score, row.unclipped)}, at "
                f"least as high as {result.name} "
                f"({numbers.clipped_score(result.score, result.unclipped)}): the judge or the "
                "rubrics reward an answer without content. Find out why before trusting any "
                "difference between models."
            )


def _mismatches(stored: Sequence[StoredCheck]) -> Iterator[str]:
    for check in stored:
        if check.is_mismatch:
            given = "no score" if check.recomputed is None else f"{check.recomputed:.4f}"
            yield (
                f"{check.model} [{check.label}]: the stored score {check.stored:.4f} does not "
                f"match the verdicts ({given}); this report uses the verdicts."
            )


def _unscored(results: Sequence[ModelResult]) -> Iterator[str]:
    for result in results:
        if result.n_scored < result.n_asked:
            yield (
                f"{result.name}: {result.n_asked - result.n_scored} of {result.n_asked} answers "
                "have no score (over 20 % of their points without a verdict, or no positive "
                "points); they are excluded, not counted as 0."
            )


def _other_audits(models: Sequence[Model], audits: Sequence[AuditFigures]) -> Iterator[str]:
    digests = {run.judge_digest for model in models for run in model.runs}
    for audit in audits:
        if audit.digest not in digests:
            yield (
                f"The audit {audit.path} is of another judge ({audit.judge}, fingerprint "
                f"{audit.digest[:12] or 'not stated'}) than these runs used: its figures may not "
                "apply here."
            )


def _kin(models: Sequence[Model]) -> Iterator[str]:
    """Warn of a judge that is of the family of models it judges."""
    by_judge: dict[str, tuple[Mapping[str, object], list[str]]] = {}
    for model in models:
        for run in model.runs:
            digest = run.judge_digest or str(run.judge.get("model"))
            by_judge.setdefault(digest, (run.judge, []))[1].append(run.model)
    for judge, names in by_judge.values():
        if warning := family_warning(judge, names):
            yield warning[0].upper() + warning[1:] + "."


def _swayed(models: Sequence[Model], audits: Sequence[AuditFigures]) -> Iterator[str]:
    """Warn of a judge whose verdicts depend on length: its errors do too."""
    digests = {run.judge_digest for model in models for run in model.runs}
    shifts = [(a, one) for a in audits if a.digest in digests for one in a.shifts]
    for audit, one in shifts:
        if one.trait == "length" and one.shift.excludes_zero:
            way = "more" if (one.shift.value or 0.0) > 0 else "less"
            yield (
                f"{audit.judge} says met {way} often for longer answers with the same label "
                f"({numbers.difference(one.shift.value)} for {one.unit}): part of a difference "
                "between models may be due to answer length, and a correction by "
                f"{audit.path} holds only for answers as long as the audited ones."
            )


def _learned(model: Model, h_N: Floats) -> Iterator[str]:
    """Name prompts that a fitted judge was trained on, and the score without them."""
    learned = frozenset[str]().union(*(run.learned_prompts for run in model.runs))
    if not learned:
        return
    prompts_N = np.array([one.example.prompt_id for one in model.graded])
    known_N = np.isin(prompts_N, list(learned))
    n_known, n_new = (len(set(prompts_N[at].tolist())) for at in (known_N, ~known_N))
    text = (
        f"{model.name}: the fitted judge was trained on {n_known} of the {n_known + n_new} "
        "prompts, and is more accurate on these than on new ones"
    )
    scores = [np.nanmean(h_N[at]) for at in (known_N, ~known_N) if at.any()]
    if len(scores) < 2:
        yield f"{text}; these results do not show its score on new prompts."
        return
    was, is_new = (numbers.score(float(score)) for score in scores)
    yield f"{text}. Mean unclipped score: {was} on these, {is_new} on the others."


def _uneven_runs(model: Model) -> Iterator[str]:
    """Find runs that are treated as repeats but have different settings."""
    setups = [_setup(run) for run in model.runs]
    names = sorted({name for setup in setups for name in setup})
    differing = [name for name in names if len({setup.get(name) for setup in setups}) > 1]
    if differing:
        yield (
            f"{model.name}: its {len(model.runs)} runs are treated as repeats, but they differ in "
            f"{', '.join(differing)}. If they are different systems, give them different names "
            "(rubricbeat run --name)."
        )


def _setup(run: Run) -> dict[str, str]:
    """Give what has to be the same in runs that are repeats; seeds may differ."""
    facts = run.facts
    prompts = {
        "system instruction": facts.system_instruction_sha,
        "chat template": facts.chat_template_sha,
    }
    setup = {
        **_without_seed(facts.generation),
        **_without_seed(facts.config.get("gen_kwargs")),
        **{name: digest for name, digest in prompts.items() if digest},
    }
    return {name: json.dumps(value, sort_keys=True, default=str) for name, value in setup.items()}


def _without_seed(value: object) -> dict[str, object]:
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
            f"{model.name}: on {n_copied} of the {len(repeated)} prompts with repeated answers all "
            "repeats are identical: they were not sampled independently and add no information."
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
                f"{unknown[0]}{more}: the file does not state which {what} was used, so it could "
                "not be checked that all runs used the same."
            )


def length_gains(results: Sequence[ModelResult]) -> Iterator[str]:
    """Name the length-adjusted scores above the plain ones: short answers gain by the formula."""
    gaining = [r.name for r in results if _length_gain(r) >= VISIBLE]
    if gaining:
        more = f" and {len(gaining) - 3} more" if len(gaining) > 3 else ""
        yield (
            f"The length-adjusted score is higher than the score of {', '.join(gaining[:3])}{more}:"
            f" answers below {numbers.count(LENGTH_CENTRE_CHARS)} characters gain by the formula. "
            "This is no sign of better content."
        )


def length_order(results: Sequence[ModelResult]) -> Iterator[str]:
    """Warn where the adjustment for length puts two models in another order."""
    for first, second in permutations([r for r in results if r.unclipped is not None], 2):
        gap = (first.unclipped or 0.0) - (second.unclipped or 0.0)
        if gap >= VISIBLE and gap + _length_gain(first) - _length_gain(second) <= -VISIBLE:
            yield (
                f"{first.name} scores higher than {second.name}, and lower after the adjustment "
                "for length, by which short answers gain: see More measures."
            )
            return


def _length_gain(result: ModelResult) -> float:
    """Give the length-adjusted score minus the score, both unclipped; 0 where one is missing."""
    if result.unclipped is None or result.length_adjusted_unclipped is None:
        return 0.0
    return result.length_adjusted_unclipped - result.unclipped
