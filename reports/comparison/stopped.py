"""Intervals that allow for repeated looks: for runs that a stopping rule (`--until`) may end early.

A run that was graded until something was decided is shorter when its differences look large: an
interval for one fixed n is too narrow for it. Scores and differences get the confidence sequence of
the rule (`judges/budget/`) in its place; what has none gets no interval.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ...judges.budget.stopping import LEVEL, Look, ScoreRange, StopRule, interval_of, look
from ...judges.rubric import Example
from ...judges.scoring.estimates import BEYOND, Estimate
from ...judges.scoring.item_scores import item_scores
from ...judges.scoring.rubric_arrays import Floats
from .. import numbers
from ..interval_words import interval_words
from ..results.run import Run
from .measures import Measured, ModelResult
from .models import stopped_beside_whole
from .paired import Pair, PassComparison

RESUME = "the same command again asks only the rest"
NO_INTERVAL = "graded until decided: no interval"


@dataclass(frozen=True, slots=True)
class PairLook:
    """What the rule says of a pair, on the prompts both have, in the order of grading."""

    this: str
    other: str
    n_shared: int
    found: Look


@dataclass(frozen=True, slots=True)
class Stopping:
    """The rule, and what it says."""

    rule: StopRule
    n_graded: int
    """Prompts that are graded."""
    n_prompts: int
    """Prompts that could have been graded."""
    goal: str
    """What the rule of the runs waited for."""
    order_note: str
    """What the order of the prompts leaves open; empty where it was drawn at random."""
    is_stopped: bool
    """Whether the rule ended the grading; else all is graded, or `compare --until` asks."""
    pairs: tuple[PairLook, ...]
    saved: str = ""
    """How many criteria were graded of how many, in words; empty where that is not known."""
    is_cut: bool = False
    """Whether something else ended it before the rule did."""

    def words(self) -> list[str]:
        """Say it in sentences."""
        n, of = numbers.count(self.n_graded), numbers.count(self.n_prompts)
        lines = []
        if self.is_stopped:
            lines.append(f"Grading stopped after {n} of {of} prompts{self.saved}: {self.goal}.")
        elif self.is_cut:
            lines.append(
                f"Grading was cut short after {n} of {of} prompts{self.saved}, before it was "
                f"{self.goal}: {RESUME}."
            )
        level = f"{100 * (1 - self.rule.alpha):g}\N{NO-BREAK SPACE}%"
        for pair in self.pairs:
            found, ends = pair.found, pair.found.interval
            where = (
                f"decided after {numbers.count(found.n_looked)} of "
                f"{numbers.count(pair.n_shared)} prompts in the recorded order"
                if found.is_decided
                else f"all {numbers.count(pair.n_shared)} prompts do not decide"
            )
            lines.append(
                f"{pair.this} minus {pair.other}: {found.decision} ({where}; there "
                f"{numbers.difference(ends.value)}, anytime-valid {level} interval "
                f"{interval_words(ends, signed=True)})."
            )
        if self.order_note:
            lines.append(self.order_note)
        lines.append(
            "Intervals of scores and differences hold after every prompt at once "
            f"({self.rule.method} confidence sequence): looking does not make them too narrow. A "
            "difference at which grading stopped tends to be too large itself. P values and "
            "intervals of pass rates are left out: they assume one look. Slices, criteria and "
            "corrected figures have intervals for a fixed number of prompts, which are too narrow."
        )
        return lines


class Looks:
    """The order of grading over the prompts of a report."""

    @classmethod
    def of(cls, measured: Sequence[Measured], until: StopRule | None) -> Looks | None:
        """Give them where a rule could stop a run or `until` asks for them; else None."""
        by_rule = any(run.until for one in measured for run in one.model.runs)
        return cls(measured, until) if by_rule or until is not None else None

    def __init__(self, measured: Sequence[Measured], until: StopRule | None) -> None:
        """Find the rule and the order; a run that was graded by one says both.

        Args:
            measured: The models.
            until: Of `compare --until`, over that of the runs; None where it is not given.
        """
        runs = [run for one in measured for run in one.model.runs]
        self._by_rule = [run.until for run in runs if run.until]
        # the longest: shorter ones are its beginnings where the seed was the same
        first: Mapping[str, object] = max(
            self._by_rule, key=lambda one: len(_order_of(one)), default={}
        )
        self._first = first
        self.rule = until or StopRule.from_json(first)
        position = measured[0].position if measured else {}
        listed = _order_of(first)
        places = dict.fromkeys(position[name] for name in listed if name in position)
        rest = [at for at in position.values() if at not in places]
        self._order_P: NDArray[np.intp] = np.array([*places, *rest], dtype=np.intp)
        self._scores_T = {one.model.name: one.scores_P()[self._order_P] for one in measured}
        self._within = _range_of(first, (one.example for run in runs for one in run.graded))

    def results(self, results: Sequence[ModelResult]) -> tuple[ModelResult, ...]:
        """Give each score the interval that holds in spite of the looks; pass rates have none."""
        return tuple(map(self._result, results))

    def _result(self, result: ModelResult) -> ModelResult:
        scores_T = self._scores_T[result.name]
        found = self._interval(scores_T, 1 - LEVEL, self._within, has_sign=False)
        return replace(
            result,
            interval=(ends := clipped(around(result.unclipped, found))),
            length_adjusted_interval=_without(result.length_adjusted_interval),
            passes=tuple(replace(p, interval=_without(p.interval)) for p in result.passes),
            metrics=anytime_metrics(result.metrics, ends),
        )

    def pairs(self, pairs: Sequence[Pair], n_family: int) -> tuple[Pair, ...]:
        """Give each difference its interval at 95 % over all pairs, and no p value."""
        alpha = (1 - LEVEL) / self._family(n_family)
        span = self._within.of_differences
        return tuple(
            replace(
                pair,
                difference=replace(
                    pair.difference,
                    interval=self._interval(self._gaps(pair), alpha, span, has_sign=True),
                    p_value=None,
                    detectable=None,
                ),
                p_holm=None,
                passes=tuple(map(_pass_without, pair.passes)),
            )
            for pair in pairs
        )

    def stopping(self, pairs: Sequence[Pair], n_family: int) -> Stopping:
        """Say what the rule decides of each pair."""
        alpha = self.rule.alpha / self._family(n_family)
        span = self._within.of_differences
        n = len(self._order_P)
        return Stopping(
            rule=self.rule,
            n_graded=n,
            n_prompts=max(n, *(_whole(one.get("prompts")) for one in self._by_rule), 0),
            goal=(StopRule.from_json(self._first) if self._first else self.rule).goal,
            order_note=self._order_note(),
            saved=saved_words(self._first),
            is_stopped=any(one.get("stopped") is True for one in self._by_rule),
            is_cut=any(map(_is_cut, self._by_rule)),
            pairs=tuple(
                PairLook(
                    pair.this,
                    pair.other,
                    pair.difference.n,
                    look(self._gaps(pair), self.rule, span, alpha=alpha),
                )
                for pair in pairs
            ),
        )

    def _order_note(self) -> str:
        if not self._by_rule:
            return "The recorded order is taken as random: rows sorted by subject are not."
        longest = _order_of(self._first)
        if all(longest[: len(own)] == own for own in map(_order_of, self._by_rule)):
            return ""
        return (
            "These runs were graded in different orders (another seed or other prompts): intervals "
            "of their differences may be too narrow. Grade them together, by one judge command."
        )

    def _family(self, n_family: int) -> int:
        """Count the pairs that share alpha: those here, or more where more were graded."""
        systems = self._first.get("systems")
        n = len(systems) if isinstance(systems, list) else 0
        return max(1, n_family, n * (n - 1) // 2)

    def _gaps(self, pair: Pair) -> Floats:
        gaps_T = self._scores_T[pair.this] - self._scores_T[pair.other]
        # a prompt that one of them does not have is no prompt of the pair
        return gaps_T[~np.isnan(gaps_T)]

    def _interval(
        self, values_T: Floats, alpha: float, within: ScoreRange, *, has_sign: bool
    ) -> Estimate:
        return interval_of(values_T, self.rule.method, within, alpha=alpha, has_sign=has_sign)


def anytime_metrics(metrics: Mapping[str, object], interval: Estimate) -> Mapping[str, object]:
    """Put an interval in the place of the fixed one of a score, and none in those of the others."""
    others = {name: None for name in metrics if name.endswith("_interval")}
    return {**metrics, **others, "interval": interval.ends}


def shown_metrics(metrics: Mapping[str, object], runs: Sequence[Run]) -> Mapping[str, object]:
    """Give the metrics of one model's runs with the interval that allows for the looks, if any."""
    interval = score_interval(runs)
    return metrics if interval is None else anytime_metrics(metrics, interval)


def around(score: float | None, interval: Estimate) -> Estimate:
    """Move an interval to a score: a score averages answers, the sequence prompts."""
    shift = 0.0 if score is None or interval.value is None else score - interval.value
    return interval.mapped(lambda end: end + shift)


def score_interval(runs: Sequence[Run]) -> Estimate | None:
    """Give the interval of one model's score that allows for the looks; None without a rule."""
    until = next((run.until for run in runs if run.until), None)
    if until is None:
        return None
    graded = [answer for run in runs for answer in run.graded]
    by_prompt: dict[str, list[float]] = {}
    h_N = item_scores(graded)
    for answer, h in zip(graded, h_N.tolist(), strict=True):
        if h == h:
            by_prompt.setdefault(answer.example.prompt_id, []).append(h)
    ordered = [name for name in _order_of(until) if name in by_prompt]
    names = dict.fromkeys([*ordered, *by_prompt])
    means_T = np.array([np.mean(by_prompt[name]) for name in names], dtype=np.float64)
    rule = StopRule.from_json(until)
    within = _range_of(until, [answer.example for answer in graded])
    found = interval_of(means_T, rule.method, within, alpha=1 - LEVEL, has_sign=False)
    return clipped(around(float(np.nanmean(h_N)) if by_prompt else None, found))


def stop_words(runs: Sequence[Run]) -> str:
    """Say where runs with a rule ended early; empty where whole runs stand beside them."""
    extra = stopped_beside_whole(runs)
    said = dict.fromkeys(
        words
        for run in runs
        if not any(run is its for its in extra) and (words := _end_words(run.until))
    )
    return " ".join(said)


def _end_words(until: Mapping[str, object]) -> str:
    """Say of one run whether its rule ended it, or something else did; empty for all prompts."""
    n, of = (_whole(until.get(name)) for name in ("graded", "prompts"))
    where = f"after {numbers.count(n)} of {numbers.count(of)} prompts{saved_words(until)}"
    goal = StopRule.from_json(until).goal
    if until.get("stopped") is True:
        return f"Grading stopped {where}: {goal}; the interval holds after every prompt."
    if not _is_cut(until):
        return ""
    return (
        f"Grading was cut short {where}, before it was {goal}: {RESUME}. The interval holds after "
        "every prompt."
    )


def _is_cut(until: Mapping[str, object]) -> bool:
    n, of = (_whole(until.get(name)) for name in ("graded", "prompts"))
    return 0 < n < of and until.get("stopped") is not True


def saved_words(until: Mapping[str, object]) -> str:
    """Say how many criteria were graded of how many; empty where that was not kept."""
    n, of = _whole(until.get("criteria_graded")), _whole(until.get("criteria"))
    return f" ({numbers.count(n)} of {numbers.count(of)} criteria)" if 0 < n <= of else ""


def _order_of(until: Mapping[str, object]) -> list[str]:
    order = until.get("order")
    return [str(one) for one in order] if isinstance(order, list) else []


def _range_of(until: Mapping[str, object], examples: Iterable[Example]) -> ScoreRange:
    """Give the range of all rows that could be graded, of which the examples are a part."""
    found = ScoreRange.of({example.prompt_id: example for example in examples}.values())
    match until.get("range"):
        case [float(low), float(high)]:
            return ScoreRange(min(low, found.low), max(high, found.high))
    return found


def clipped(interval: Estimate) -> Estimate:
    """Keep an interval between 0 and 1; none where it lies beyond them."""
    kept = interval.clipped(0.0, 1.0)
    is_beyond = kept.low is not None and kept.low == kept.high
    return Estimate(kept.value, why=BEYOND) if is_beyond else kept


def _without(interval: Estimate) -> Estimate:
    return Estimate(interval.value, why=interval.why or NO_INTERVAL)


def _pass_without(one: PassComparison) -> PassComparison:
    change = replace(
        one.change, interval=_without(one.change.interval), p_value=None, chi_square_p=None
    )
    return replace(one, change=change, p_holm=None, chi_square_p_bonferroni=None)


def _whole(value: object) -> int:
    return value if isinstance(value, int) else 0
