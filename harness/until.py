"""Grade in a seeded random order, all systems alike, until a rule says that it is enough.

What is decided depends on the order and the verdicts alone, not on which call came first: the same
command resumed stops at the same prompt. The rules are `judges/budget/stopping.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..judges.answer import Answer, GradedAnswer
from ..judges.budget.stopping import (
    LEVEL,
    Look,
    Method,
    ScoreRange,
    StopRule,
    interval_of,
    look_at_systems,
    prompts_expected,
    stops_after,
)
from ..judges.data.responses import RunKey
from ..judges.engine.ledger import Cost
from ..judges.errors import ConfigError
from ..judges.grader import Grader
from ..judges.scoring.item_scores import item_scores
from ..judges.scoring.missing_reasons import MissingVerdicts
from ..judges.verdict import Outcome, Source
from ..reports import numbers
from ..reports.comparison.models import SANITY_PREFIX
from ..reports.comparison.stopped import (
    anytime_metrics,
    around,
    clipped,
    saved_words,
    shown_metrics,
)
from ..reports.interval_words import interval_words
from ..reports.results.samples import read_samples
from .asked import AllAnswers
from .costs.early import USUAL_SPREAD
from .results.judged_runs import JudgedRun, JudgedRuns, graded_by_run

EXPECTED_DIFFERENCE = 0.05
CUT = "the question cannot be put"
"""Begins the reason of a verdict that is missing for good: it is skipped, and nothing was cut."""


def add_until_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a rule."""
    parser.add_argument(
        "--until_decided",
        nargs="?",
        const=LEVEL,
        type=float,
        metavar="LEVEL",
        help="grade prompts in random order until every difference between two models is "
        f"decided at this level ({LEVEL})",
    )
    parser.add_argument(
        "--until_width",
        type=float,
        metavar="W",
        help="stop when the interval of the difference, or of one model's score, is this wide",
    )
    add_rule_arguments(parser)


def add_rule_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `judge` and `compare` share."""
    parser.add_argument(
        "--rope",
        type=float,
        default=0.0,
        metavar="X",
        help="with --until...: differences up to X count as practically equal",
    )
    parser.add_argument(
        "--sequence",
        choices=[str(one) for one in Method],
        default=str(Method.ASYMPTOTIC),
        help="with --until...: 'betting' holds at every n and needs more prompts "
        "(docs/least-cost.md)",
    )


def stop_rule_of(
    level: float | None, width: float | None, rope: float, sequence: str, flag: str
) -> StopRule | None:
    """Read a rule from flags; None where none is asked for.

    Raises:
        ConfigError: A number that no rule can have.
    """
    if level is not None and not 0.5 <= level < 1:
        raise ConfigError(f"{flag} {level:g}: a level from 0.5 to below 1, such as 0.95")
    if width is not None and not 0 < width < 2:
        raise ConfigError(f"--until_width {width:g}: above 0 and below 2, such as 0.02")
    if not 0 <= rope < 1:
        raise ConfigError(f"--rope {rope:g}: from 0 to below 1, such as 0.01")
    if level is None and rope:
        raise ConfigError(f"--rope belongs to a decision: add {flag}")
    if level is None and width is None and sequence != Method.ASYMPTOTIC:
        raise ConfigError(f"--sequence belongs to a rule: add {flag} or --until_width")
    if level is None and width is None:
        return None
    return StopRule(level, width, rope, Method(sequence))


class _Prompt(NamedTuple):
    prompt_id: str
    answers: tuple[tuple[RunKey, Answer], ...]


class GradingOrder(AllAnswers):
    """The answers in the order of grading, and what their verdicts have decided so far."""

    def __init__(self, rule: StopRule, answers: Sequence[tuple[RunKey, Answer]], seed: int) -> None:
        """Draw the order.

        Args:
            rule: When to stop.
            answers: All that could be graded.
            seed: Of the order.

        Raises:
            ConfigError: There is nothing for the rule to decide.
        """
        names = dict.fromkeys(model for (model, _), _ in answers)
        real = [name for name in names if not name.startswith(SANITY_PREFIX)]
        self.systems = tuple(sorted(real or names))
        self.rule, self.seed = rule, seed
        by_prompt: dict[str, list[tuple[RunKey, Answer]]] = {}
        for key, answer in answers:
            by_prompt.setdefault(answer.example.prompt_id, []).append((key, answer))
        shared = sorted(
            prompt_id
            for prompt_id, given in by_prompt.items()
            if {model for (model, _), _ in given} >= set(self.systems)
        )
        self.n_left_out = len(by_prompt) - len(shared)
        self._require(shared)
        self.prompts = [
            _Prompt(shared[at], tuple(by_prompt[shared[at]]))
            for at in np.random.default_rng(seed).permutation(len(shared)).tolist()
        ]
        self.n_criteria = _n_criteria(self.prompts)
        self.within = ScoreRange.of(one.answers[0][1].example for one in self.prompts)
        self.looks: dict[tuple[int, int], Look] = {}
        self.n_graded = 0
        self.is_over = False
        self.is_cut = False
        """Whether the judge stopped before the rule did: nothing is decided past that."""
        self._scores_MP = np.full((len(self.systems), len(self.prompts)), np.nan)
        self._open: list[tuple[RunKey, GradedAnswer]] = []

    def _require(self, shared: Sequence[str]) -> None:
        if len(self.systems) < 2 and self.rule.width is None:
            raise ConfigError(
                f"--until_decided compares models, and the answers are of {self.systems[0]} alone; "
                "--until_width W stops when its score is known so well"
            )
        if not shared:
            raise ConfigError(
                f"--until...: no prompt was answered by all of {', '.join(self.systems)}; grading "
                "stops by the prompts that all models answered"
            )

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        """Give all answers, a prompt of all systems before the next."""
        return (one for prompt in self.prompts for one in prompt.answers)

    def grade(self, grader: Grader) -> Iterator[tuple[RunKey, GradedAnswer]]:
        """Grade prompt by prompt until it is decided, and give the answers of whole prompts.

        What the store knows comes first and by itself: what is decided there is not paid for. What
        is in flight when it is decided may end, and is kept.

        Raises:
            RubricbeatError: The grading ended with it.
        """
        yield from self._stored(grader)
        rest = _Rest(self, self.n_graded)
        n_questions = self.n_criteria * grader.options.replicates
        # what is asked beyond the decision is paid for: look a little ahead
        chunk = grader.options.max_concurrency * len(rest) // (4 * max(1, self.n_criteria))
        for key, graded in graded_by_run(
            grader, rest, n_questions=n_questions, chunk=max(1, chunk)
        ):
            was_over = self.is_over
            if was_over:
                self.n_unasked += 0 if graded.is_absent else MissingVerdicts.of([graded]).n_missing
                continue
            yield from self._take(key, graded)
            if self.is_over:
                grader.stop("decided", is_hard=True)

    def _stored(self, grader: Grader) -> Iterator[tuple[RunKey, GradedAnswer]]:
        """Grade the prompts at the start of the order all of whose verdicts are in the store."""
        for prompt in self.prompts:
            answers = [answer for _, answer in prompt.answers]
            if self.is_over or grader.estimate(answers).calls:
                return
            for (key, _), graded in zip(
                prompt.answers, grader.grade(answers, progress=False), strict=True
            ):
                yield from self._take(key, graded)

    def _take(self, key: RunKey, graded: GradedAnswer) -> list[tuple[RunKey, GradedAnswer]]:
        """Take in the next answer of the order; give those of its prompt where it is the last."""
        self.is_cut = self.is_cut or _is_unasked(graded)
        if self.is_cut:
            return []
        self._open.append((key, graded))
        if len(self._open) < len(self.prompts[self.n_graded].answers):
            return []
        whole, self._open = self._open, []
        h_N = item_scores([one for _, one in whole])
        for place, name in enumerate(self.systems):
            own_N = h_N[[model == name for (model, _), _ in whole]]
            known_N = own_N[~np.isnan(own_N)]
            self._scores_MP[place, self.n_graded] = known_N.mean() if len(known_N) else np.nan
        self.n_graded += 1
        self.looks = look_at_systems(
            self._scores_MP[:, : self.n_graded], self.rule, self.within, known=self.looks
        )
        self.is_over = stops_after(list(self.looks.values())) is not None
        return whole

    def is_kept(self, judged: JudgedRuns) -> bool:
        """Say whether a whole prompt was graded."""
        return self.n_graded > 0

    def stopped(self, reason: str | None) -> str | None:
        """Say why grading ended before the rule ended it; None where it did not."""
        return (reason or "verdicts were not asked") if self.is_cut else None

    def facts(self) -> Mapping[str, Mapping[str, object]]:
        """Give what results say of the order, the rule and what was decided."""
        return {"until": self._facts()}

    def _facts(self) -> dict[str, object]:
        return {
            **self.rule.to_json(),
            "seed": self.seed,
            "systems": list(self.systems),
            "prompts": len(self.prompts),
            "graded": self.n_graded,
            "criteria": self.n_criteria,
            "criteria_graded": _n_criteria(self.prompts[: self.n_graded]),
            "stopped": self.is_over,
            "range": [self.within.low, self.within.high],
            "order": [one.prompt_id for one in self.prompts[: self.n_graded]],
            "decisions": [
                {
                    "this": self.systems[this],
                    "other": None if this == other else self.systems[other],
                    **one.to_json(),
                }
                for (this, other), one in self.looks.items()
            ],
        }

    def run_metrics(self, run: JudgedRun) -> Mapping[str, object]:
        """Put the interval that holds in spite of the looks in the place of the fixed one."""
        return shown_metrics(run.written.metrics, read_samples(run.written.samples))

    def model_metrics(self, model: str, metrics: Mapping[str, Any]) -> Mapping[str, object]:
        """Do the same for all runs of a model."""
        if model not in self.systems:
            return metrics
        scores_T = self._scores_MP[self.systems.index(model), : self.n_graded]
        found = interval_of(
            scores_T, self.rule.method, self.within, alpha=1 - LEVEL, has_sign=False
        )
        return anytime_metrics(metrics, clipped(around(metrics["score_unclipped"], found)))

    def words(self) -> list[str]:
        """Say where grading stopped, and what of each pair."""
        n, of = numbers.count(self.n_graded), numbers.count(len(self.prompts))
        goal = self.rule.goal
        if self.is_over:
            first = f"Stopped after {n} of {of} prompts{saved_words(self._facts())}: {goal}."
        elif self.is_cut:
            first = f"Not {goal}: the judge stopped after {n} of {of} prompts."
        else:
            first = f"Not {goal}: all {of} prompts are graded."
        return [first, *(self._pair(*pair, one) for pair, one in self.looks.items())]

    def _pair(self, this: int, other: int, one: Look) -> str:
        name = self.systems[this]
        what = name if this == other else f"{name} minus {self.systems[other]}"
        ends = interval_words(one.interval, signed=this != other)
        level = f"{1 - self.rule.alpha:.3g}"
        mean = numbers.score if this == other else numbers.difference
        return (
            f"{what}: {one.decision} after {numbers.count(one.n_looked)} prompts, "
            f"{mean(one.interval.value)}, anytime-valid {level} interval {ends}."
        )

    def told(self, grader: Grader) -> Iterator[str]:
        """Say what is left out, and what it will probably cost."""
        if self.n_left_out:
            yield f"{self.n_left_out} prompts that not all models answered are not graded"
        # of all prompts: the first ones may be in the store, of a run that was interrupted
        yield self.expected(grader.estimate([answer for _, answer in self]))

    def expected(self, cost: Cost) -> str:
        """Say how many prompts it will probably take, and what that costs.

        Args:
            cost: Of all prompts; some of them cost as much as others.
        """
        n = len(self.prompts)
        few = prompts_expected(
            self.rule, len(self.systems), n, difference=EXPECTED_DIFFERENCE, spread=USUAL_SPREAD
        )

        def price(n_prompts: int) -> str:
            calls = numbers.counted(round(cost.calls * n_prompts / n), "call")
            usd = None if cost.cost_usd is None else cost.cost_usd * n_prompts / n
            return f"{calls}, {'cost unknown' if usd is None else f'about ${usd:,.2f}'}"

        if self.rule.level is None or len(self.systems) < 2:
            case = f"if scores spread by {USUAL_SPREAD} over prompts"
        else:
            case = (
                f"if the difference is {EXPECTED_DIFFERENCE} (spread {USUAL_SPREAD} over prompts)"
            )
        likely = (
            f"{few:,} of {n:,} prompts {case}: {price(few)}"
            if few
            else f"all prompts without stopping early {case}"
        )
        return f"expects to grade {likely}; at worst all {n:,}: {price(n)}"


def _n_criteria(prompts: Sequence[_Prompt]) -> int:
    return sum(len(a.example.rubric) for p in prompts for _, a in p.answers if a.text is not None)


class _Rest:
    """The answers from some prompt on; none any more once it is decided."""

    def __init__(self, order: GradingOrder, start: int) -> None:
        self._order, self._prompts = order, order.prompts[start:]

    def __iter__(self) -> Iterator[tuple[RunKey, Answer]]:
        for prompt in self._prompts:
            if self._order.is_over:
                return
            yield from prompt.answers

    def __len__(self) -> int:
        return sum(len(prompt.answers) for prompt in self._prompts)


def _is_unasked(graded: GradedAnswer) -> bool:
    """Say whether a verdict is missing because the judge stopped, and not for good.

    A judge that was asked and skips (no record, no predicate, a tie) does so for good.
    """
    return not graded.is_absent and any(
        verdict.outcome is Outcome.SKIPPED
        and verdict.attempts == 0
        and verdict.source is Source.FRESH
        and not verdict.explanation.startswith(CUT)
        for row in (graded.verdicts, *graded.replicates)
        for verdict in row
    )
