"""A judge beside labels where criteria have levels, and where they may not apply.

Criteria of as many ordered levels are counted together; choices without an order each by
themselves, for the choices of one criterion say nothing of those of another. "Does not apply" is an
answer of its own, and has its own agreement.

A figure whose divisor is 0 is NaN, or None; it is never 0.
Axes: P prompts, K levels (the judge's, then the label's), L (judge, label) pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ..answer import GradedAnswer
from ..rubric import Criterion
from ..scoring.estimates import Estimate
from ..scoring.jackknife import IntervalScale, LeftOut, ratio_of
from ..scoring.plain_form import plain_fields
from ..scoring.points import ratio
from ..scoring.rubric_arrays import Floats
from ..verdict import Verdict
from .agreement import Calibration, Ranks, calibration, kappa, left_out, number
from .error_rates import Stratum
from .labels import Codes, LabelledAnswer, count_cells, sums_by

MAX_LEVELS = 2
"""Of a criterion that is met or not met: what has more is counted here."""


@dataclass(frozen=True, slots=True)
class CriterionRanks:
    """One criterion of ordered levels, over all of its answers."""

    prompt_id: str
    """The first prompt that it stands at."""
    criterion: int
    """Its number there, from 1."""
    n_pairs: int
    tau_b: float | None
    """Kendall's, of the judge's levels and the labels'; None where one of them never varies."""
    kappa_quadratic: float | None


@dataclass(frozen=True, slots=True)
class ScaleAudit:
    """A judge on criteria of one scale."""

    name: str
    n_levels: int
    is_nominal: bool
    n_questions: int
    n_without_verdict: int
    """Missing ones; "does not apply" is none of them."""
    n_pairs: int
    """(judge, label) pairs that name a level each."""
    confusion: tuple[tuple[int, ...], ...]
    """Pairs by the judge's level (row) and the label's (column)."""
    figures: Mapping[str, Estimate]
    """`accuracy` and `kappa`; of ordered levels `kappa_linear`, `kappa_quadratic` and `tau_b` (over
    pairs of answers to the same criterion); `judge_share` and `label_share`, the mean share of the
    criterion's points that judge and labels give."""
    calibration: tuple[Calibration, ...] = ()
    """Of the stated chance of each level against the share of labels at it; empty where the judge
    states none. Each has its expected calibration error."""
    criteria: tuple[CriterionRanks, ...] = ()
    """Of ordered levels: each criterion, told by its text, the most pairs first."""

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class NaAudit:
    """How judge and labels agree that a criterion does not apply."""

    n_pairs: int
    """Of criteria that may be called not applicable, with a verdict."""
    counts: Mapping[str, float]
    """`both`, `judge` alone, `label` alone, `neither`."""
    figures: Mapping[str, Estimate]
    """`judge_na` and `label_na` (shares), `agreement`, `kappa`; `sensitivity`, the share of labels
    "not applicable" on which the judge says it, and `specificity`."""
    share_by_rater: Mapping[str, float]
    """Share of each rater's labels that say it."""

    to_json = plain_fields


@dataclass(frozen=True, slots=True)
class LevelAudit:
    """What an audit says beside met and not met."""

    scales: tuple[ScaleAudit, ...] = ()
    not_applicable: NaAudit | None = None
    """None where no criterion may be called so."""
    cells_by_stratum: Mapping[Stratum, Floats] = field(default_factory=dict, repr=False)
    """Confusion by prompt, [P, K * K], of each kind of criterion of three levels or more."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A verdict beside one label of the same question."""

    said: Verdict
    label: Verdict
    rater: str
    question: int
    prompt: int
    prompt_id: str
    place: int
    criterion: Criterion
    stratum: Stratum

    @property
    def name(self) -> str:
        return f"criterion {self.place + 1} of prompt {self.prompt_id[:40]}"


def level_audit(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]
) -> LevelAudit | None:
    """Audit what is not met or not met; None where all of it is.

    Args:
        labelled: The labels.
        graded: The judge's verdicts on the same answers, in the same order.

    Raises:
        DataError: A label says of a criterion what its rubric does not allow.
    """
    if not any(c.levels or c.na for item in labelled for c in item.example.rubric.criteria):
        return None
    pairs, n_prompts = _pairs(labelled, graded)
    by_scale: dict[tuple[int, str], list[_Pair]] = {}
    by_stratum: dict[Stratum, list[_Pair]] = {}
    for pair in pairs:
        if len(pair.criterion.levels) > MAX_LEVELS:
            key = (pair.stratum.n_levels, pair.stratum.choices)
            by_scale.setdefault(key, []).append(pair)
            by_stratum.setdefault(pair.stratum, []).append(pair)
    return LevelAudit(
        scales=tuple(_scale(found, n_prompts) for _, found in sorted(by_scale.items())),
        not_applicable=_na_audit([p for p in pairs if p.criterion.na is not None], n_prompts),
        cells_by_stratum={
            stratum: _tables(found, [p.prompt for p in found], n_prompts).reshape(n_prompts, -1)
            for stratum, pairs in by_stratum.items()
            if (found := _at_levels(pairs))
        },
    )


def _pairs(
    labelled: Sequence[LabelledAnswer], graded: Sequence[GradedAnswer]
) -> tuple[list[_Pair], int]:
    prompts: dict[str, int] = {}
    # rows of one criterion each: their number is that of their first sight
    alone: dict[int, dict[str, int]] = {}
    pairs: list[_Pair] = []
    n_questions = 0
    for item, answer in zip(labelled, graded, strict=True):
        prompt = prompts.setdefault(item.example.prompt_id, len(prompts))
        for place, criterion in enumerate(item.example.rubric.criteria):
            stratum, said = Stratum.of(criterion, item.category), answer.verdicts[place]
            labels, number = item.labels[place], place
            if len(item.example.rubric) == 1:
                known = alone.setdefault(prompt, {})
                number = known.setdefault(criterion.text, len(known))
            pairs += [
                _Pair(
                    said=said,
                    label=one.on(criterion),
                    rater=one.rater,
                    question=n_questions,
                    prompt=prompt,
                    prompt_id=item.example.prompt_id,
                    place=number,
                    criterion=criterion,
                    stratum=stratum,
                )
                for one in labels
            ]
            n_questions += bool(labels)
    return pairs, len(prompts)


def _at_levels(pairs: Sequence[_Pair]) -> list[_Pair]:
    return [p for p in pairs if p.said.level is not None and p.label.level is not None]


def _tables(pairs: Sequence[_Pair], group_L: Sequence[int] | Codes, n_groups: int) -> Floats:
    """Count pairs by the judge's level and the label's in each group, [groups, K, K]."""
    n_levels = len(pairs[0].criterion.levels) if pairs else 0
    said = np.array([p.said.level for p in pairs], dtype=np.intp)
    label = np.array([p.label.level for p in pairs], dtype=np.intp)
    place = (np.array(group_L, dtype=np.intp) * n_levels + said) * n_levels + label
    flat = np.bincount(place, minlength=n_groups * n_levels**2)
    return flat.reshape(n_groups, n_levels, n_levels).astype(np.float64)


def _scale(pairs: Sequence[_Pair], n_prompts: int) -> ScaleAudit:
    first, known = pairs[0].criterion, _at_levels(pairs)
    is_nominal, n_levels = first.is_nominal, len(first.levels)
    questions = {p.question: p.said for p in pairs}
    figures = _figures(known, n_prompts, is_nominal) if known else {}
    total = _tables(known, [0] * len(known), 1)[0] if known else np.zeros((n_levels, n_levels))
    return ScaleAudit(
        name=f"{n_levels} levels" if not is_nominal else f"{n_levels} choices ({pairs[0].name})",
        n_levels=n_levels,
        is_nominal=is_nominal,
        n_questions=len(questions),
        n_without_verdict=sum(said.is_missing for said in questions.values()),
        n_pairs=len(known),
        confusion=tuple(tuple(map(int, row)) for row in total),
        figures={name: one.estimate(_CURVES[name]) for name, one in figures.items()},
        calibration=tuple(_calibration(known, n_levels)),
        criteria=() if is_nominal else tuple(_by_criterion(known)),
    )


_CURVES = {
    "accuracy": IntervalScale.LOGIT,
    "kappa": IntervalScale.PLAIN,
    "kappa_linear": IntervalScale.FISHER,
    "kappa_quadratic": IntervalScale.FISHER,
    "tau_b": IntervalScale.FISHER,
    "judge_share": IntervalScale.PLAIN,
    "label_share": IntervalScale.PLAIN,
}


def _figures(known: Sequence[_Pair], n_prompts: int, is_nominal: bool) -> dict[str, LeftOut]:
    prompt_L = np.array([p.prompt for p in known], dtype=np.intp)
    tables_PKK = _tables(known, prompt_L, n_prompts)
    total = tables_PKK.sum(axis=0)
    n_P = tables_PKK.sum((1, 2))

    def of(figure: Callable[[Floats], Floats]) -> LeftOut:
        return LeftOut(float(figure(total)), figure(total - tables_PKK), n_P)

    found = {
        "accuracy": of(lambda t: ratio(np.trace(t, axis1=-2, axis2=-1), t.sum((-2, -1)))),
        "kappa": of(lambda t: kappa(t, 0)),
    }
    if not is_nominal:
        found["kappa_linear"] = of(lambda t: kappa(t, 1))
        found["kappa_quadratic"] = of(lambda t: kappa(t, 2))
        found["tau_b"] = _within_criteria(known, prompt_L, n_prompts)
    for name in ("judge_share", "label_share"):
        side = [p.said if name == "judge_share" else p.label for p in known]
        shares = [p.criterion.share(one.level or 0) for p, one in zip(known, side, strict=True)]
        found[name] = ratio_of(sums_by(prompt_L, np.array(shares), n_prompts), n_P)
    return found


def _within_criteria(known: Sequence[_Pair], prompt_L: Codes, n_prompts: int) -> LeftOut:
    """Give tau-b over pairs of answers to the same criterion, with all prompts and without each.

    Without a prompt only the criteria change that it holds answers to.
    """
    criterion_L = _criterion_codes(known)
    both = criterion_L * n_prompts + prompt_L
    kept_M, place_L = np.unique(both, return_inverse=True)
    tables_MKK = _tables(known, place_L.reshape(-1), len(kept_M))
    criterion_M, prompt_M = np.divmod(kept_M, n_prompts)
    tables_QKK = np.zeros((int(criterion_M.max()) + 1, *tables_MKK.shape[1:]))
    np.add.at(tables_QKK, criterion_M, tables_MKK)
    whole = Ranks.of(tables_QKK)
    rest = Ranks.of(tables_QKK[criterion_M] - tables_MKK)

    def without(name: str) -> Floats:
        one_Q, rest_M = getattr(whole, name), getattr(rest, name)
        change_P = np.bincount(prompt_M, weights=rest_M - one_Q[criterion_M], minlength=n_prompts)
        return np.asarray(one_Q.sum() + change_P)

    names = ("score", "judge", "label")
    value = Ranks(*(getattr(whole, name).sum() for name in names)).tau()
    weight_P = np.bincount(prompt_M, weights=tables_MKK.sum((1, 2)), minlength=n_prompts)
    return LeftOut(float(value), Ranks(*map(without, names)).tau(), weight_P.astype(np.float64))


def _criterion_codes(known: Sequence[_Pair]) -> Codes:
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(p.criterion.text, len(codes)) for p in known], dtype=np.intp)


def _by_criterion(known: Sequence[_Pair]) -> list[CriterionRanks]:
    if not known:
        return []
    code_L = _criterion_codes(known)
    tables_QKK = _tables(known, code_L, int(code_L.max()) + 1)
    firsts: dict[str, _Pair] = {}
    for pair in known:
        firsts.setdefault(pair.criterion.text, pair)
    tau_Q, kappa_Q = Ranks.of(tables_QKK).tau(), kappa(tables_QKK, 2)
    rows = [
        CriterionRanks(
            prompt_id=first.prompt_id,
            criterion=first.place + 1,
            n_pairs=int(tables_QKK[at].sum()),
            tau_b=number(tau_Q[at]),
            kappa_quadratic=number(kappa_Q[at]),
        )
        for at, first in enumerate(firsts.values())
    ]
    return sorted(rows, key=lambda row: -row.n_pairs)


def _calibration(known: Sequence[_Pair], n_levels: int) -> list[Calibration]:
    """Hold the stated chance of each level against the share of labels at it, by question."""
    stated = [p for p in known if p.said.level_probabilities is not None]
    if not stated:
        return []
    _, question_L = np.unique([p.question for p in stated], return_inverse=True)
    n_N = np.bincount(question_L)
    label_L = np.array([p.label.level for p in stated])
    chance_NK = np.zeros((len(n_N), n_levels))
    chance_NK[question_L] = [p.said.level_probabilities or () for p in stated]
    found = []
    for level in range(n_levels):
        share_N = np.bincount(question_L, weights=label_L == level) / n_N
        one = calibration(chance_NK[:, level], share_N)
        assert one is not None
        found.append(one)
    return found


_NA_FIGURES = {
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "agreement": "accuracy",
    "kappa": "kappa",
    "judge_na": "judge_met",
    "label_na": "label_met",
}
"""By name, what `Confusion` calls them."""


def _na_audit(pairs: Sequence[_Pair], n_prompts: int) -> NaAudit | None:
    if not pairs:
        return None
    said: dict[str, list[bool]] = {}
    for pair in pairs:
        said.setdefault(pair.rater, []).append(pair.label.is_na)
    known = [p for p in pairs if not p.said.is_missing]
    cells_PK = count_cells(
        np.array([p.said.is_na for p in known], dtype=bool),
        np.array([p.label.is_na for p in known], dtype=bool),
        np.array([p.prompt for p in known], dtype=np.intp),
        n_prompts,
    )
    figures, total = left_out(cells_PK), cells_PK.sum(axis=0)
    return NaAudit(
        n_pairs=len(known),
        counts=dict(zip(("both", "judge", "label", "neither"), map(float, total), strict=True)),
        figures={
            name: figures[of].estimate(
                IntervalScale.PLAIN if of == "kappa" else IntervalScale.LOGIT
            )
            for name, of in _NA_FIGURES.items()
        },
        share_by_rater={rater: sum(flags) / len(flags) for rater, flags in said.items()},
    )
