"""A cascade set by data: replay, pick on one half of the prompts, measure on the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ...judges.budget.cascade import CHEAP_CALL, Cascade, MeasuredCascade, frontier, measure, pick
from ...judges.errors import ConfigError
from ...judges.scoring.estimates import MIN_PROMPTS, Estimate
from ...reports import numbers
from ...reports.interval_words import share_words
from .members import Replay


@dataclass(frozen=True, slots=True)
class Row:
    """A cascade of the frontier, on the half it was not picked on."""

    cascade: Cascade
    measured: MeasuredCascade


@dataclass(frozen=True, slots=True)
class Found:
    """What a replay found."""

    replay: Replay
    rows: tuple[Row, ...]
    """The frontier, the cheapest first."""
    picked: Row
    words: tuple[str, ...]
    """What to make of the pick."""
    spec: Mapping[str, object] | None
    """The judge to use; None where none is recommended, or a member is not known well enough."""

    def name_of(self, cascade: Cascade) -> str:
        """Name a cascade for a reader: `fitted mine [0.12, 0.85] > chat gpt-4.1`."""
        names = [self.replay.spoken[one].name for one in cascade.members]
        parts = [
            f"{name} [{low:g}, {high:g}]"
            for name, (low, high) in zip(names, cascade.bounds, strict=False)
        ]
        return " > ".join([*parts, names[-1]])

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        replay = self.replay
        return {
            "n_questions": len(replay.members),
            "n_answers": replay.n_answers,
            "n_prompts": replay.n_prompts,
            "n_left_out": replay.n_unshared,
            "reference": replay.reference,
            "judges": [
                {
                    "name": one.name,
                    "usd_per_verdict": one.usd,
                    "is_free": one.is_free,
                    "is_saved": number == replay.dear,
                    "options": one.spec,
                    "is_same_judge": one.is_exact,
                }
                for number, one in enumerate(replay.spoken)
            ],
            "frontier": [self._plain(row) for row in self.rows],
            "picked": self._plain(self.picked),
            "words": list(self.words),
            "judge": None if self.spec is None else dict(self.spec),
        }

    def _plain(self, row: Row) -> dict[str, object]:
        return {
            "members": [self.replay.spoken[one].name for one in row.cascade.members],
            "low": [low for low, _ in row.cascade.bounds],
            "high": [high for _, high in row.cascade.bounds],
            **row.measured.to_json(),
        }


def set_cascade(
    replay: Replay, *, agreement: float = 1.0, budget: float | None = None, seed: int
) -> Found:
    """Find the cascade that fits, and measure it.

    Args:
        replay: The verdicts of all judges, side by side.
        agreement: Share of the dear judge's own agreement with the reference that is to be kept.
        budget: Most US dollars that all questions may cost, instead.
        seed: Of the halves.

    Raises:
        ConfigError: Too few prompts; nothing fits the budget, or the prices are not known.
    """
    said, n = replay.members, replay.n_prompts
    if n < 2 * MIN_PROMPTS:
        raise ConfigError(
            f"{n} prompts: a cascade is picked on one half and measured on the other, each of "
            f"{MIN_PROMPTS} prompts or more"
        )
    if budget is not None and np.isnan(said.usd_M).any():
        unknown = next(one.name for one in replay.spoken if one.usd is None)
        raise ConfigError(f"--budget: the price of {unknown} is not known; give --usd NAME=USD")
    first_P = np.zeros(n, dtype=bool)
    first_P[np.random.default_rng(seed).permutation(n)[: n // 2]] = True
    searched, held = said.on(first_P), said.on(~first_P)
    points = frontier(searched, replay.dear)
    full = float(searched.agrees_MN[replay.dear].mean())
    each = None if budget is None else budget / len(said)
    point = pick(points, full, agreement=agreement, budget=each)
    if point is None:
        raise ConfigError("--budget: no judge here costs so little; raise it, or add a free judge")
    rows = tuple(Row(p.cascade, measure(p.cascade, held, replay.dear)) for p in points)
    picked = rows[points.index(point)]
    goal = None if budget is not None else agreement * float(held.agrees_MN[replay.dear].mean())
    words, is_recommended = _words(picked, replay, goal)
    spec = _spec(picked.cascade, replay) if is_recommended else None
    if budget is not None:
        paid = numbers.cost(1000 * budget / len(said))
        words.append(f"The budget of ${budget:g} for {len(said):,} criteria is {paid} per 1,000.")
    return Found(replay, rows, picked, (*words, *_notes(replay, picked, spec)), spec)


def _words(picked: Row, replay: Replay, goal: float | None) -> tuple[list[str], bool]:
    """Say what to make of the pick, and whether to use it."""
    measured, chain = picked.measured, picked.cascade.members
    dear = replay.spoken[replay.dear].name
    if chain == (replay.dear,):
        return [f"No cascade keeps the requested agreement: use {dear} alone."], False
    if len(chain) > 1 and not measured.is_better_than_random:
        return [
            "The selected cascade is not significantly better than random skipping "
            f"(agreement {numbers.share(measured.agreement.value)} and "
            f"{numbers.share(measured.at_random)}): none is recommended."
        ], False
    saved, by_chance = measured.usd_saved.value, measured.random_usd_saved
    if saved is not None and saved < 0:
        return [f"The selected cascade costs more than {dear} alone: none is recommended."], False
    if saved is not None and by_chance is not None and saved < by_chance:
        return [
            "The selected cascade saves less than random skipping at the same agreement "
            f"({numbers.share(saved)} and {numbers.share(by_chance)} of the cost): none is "
            "recommended."
        ], False
    words = [*_saving(measured, replay, picked.cascade), *_by_chance(measured, picked.cascade)]
    low = measured.agreement.low
    if goal is not None and (low is None or low < goal):
        words.append(
            f"The interval of the agreement includes values below the requested "
            f"{numbers.share(goal)}: raise --agreement a little to be safe."
        )
    if measured.score_shift.excludes_zero:
        words.append(
            "The score shift is significant: do not compare its scores with those of another "
            "judge, or correct them (docs/trust.md)."
        )
    return words, True


def _saving(measured: MeasuredCascade, replay: Replay, cascade: Cascade) -> Iterator[str]:
    """Say what is saved: money first where prices are known, then calls of the dear judge."""
    dear, full = replay.spoken[replay.dear].name, float(replay.members.usd_M[replay.dear])
    calls = f"Saves {_told(measured.calls_saved)} of the calls of {dear}"
    if measured.usd_saved.value is not None:
        yield (
            f"Saves {_told(measured.usd_saved)} of the cost: 1,000 verdicts for "
            f"{numbers.cost(1000 * measured.usd)} instead of {numbers.cost(1000 * full)}."
        )
    elif len(cascade.members) > 1:
        calls += f"; asks {replay.spoken[cascade.members[0]].name} for every criterion"
    yield f"{calls}. Agrees on {_told(measured.agreement)} of the criteria."


def _by_chance(measured: MeasuredCascade, cascade: Cascade) -> Iterator[str]:
    """Say what random skipping does in the same units, or why that cannot be said."""
    if measured.random_saved is not None:
        usd = measured.random_usd_saved
        cost = "" if usd is None else f" and {numbers.share(usd)} of the cost"
        share = numbers.share(measured.random_saved)
        yield f"Random skipping saves {share} of these calls{cost} at this agreement."
    elif len(cascade.members) == 2:
        yield (
            "Random skipping cannot reach this agreement: it is higher than that of the expensive "
            "judge alone."
        )


def _told(share: Estimate) -> str:
    ends = f"({share.why})" if share.why else share_words(share)
    return f"{numbers.share(share.value)} {ends}"


def _notes(replay: Replay, picked: Row, spec: Mapping[str, object] | None) -> Iterator[str]:
    """Say what the reader should know of the judges."""
    if not replay.members.is_priced:
        unknown = ", ".join(one.name for one in replay.spoken if one.usd is None)
        yield (
            f"Price not known: {unknown}. So calls of {replay.spoken[replay.dear].name} are "
            f"minimised, and a paid call of another judge counts as {CHEAP_CALL:g} of one; give "
            "--usd NAME=USD to minimise the cost."
        )
    for number, one in enumerate(replay.spoken):
        if one.is_sampled:
            yield (
                f"The verdicts of {one.name} are a sample: all figures are of the criteria that "
                "were drawn, and may differ on the others."
            )
        x_N = replay.members.sureness_MN[number]
        if number != replay.dear and not ((x_N != 1.0) & (x_N != 0.5)).any():
            yield (
                f"{one.name} gives no P(met), so a cascade cannot tell where it is unsure; chat "
                "judges give it with logprobs=true."
            )
    if spec is None:
        return
    for number in picked.cascade.members:
        one = replay.spoken[number]
        if one.spec is None:
            yield f"The verdicts do not say which judge {one.name} is: put its options in."
        elif not one.is_exact:
            yield (
                f"The verdicts name {one.name} by its model alone, or by options that do not make "
                "the same judge here: check its options in the line."
            )
        if (one.spec or {}).get("shape") == "grouped":
            yield (
                f"{one.name} is asked for several criteria in a call: fewer criteria save fewer "
                "calls than the table says."
            )


def _spec(cascade: Cascade, replay: Replay) -> dict[str, object]:
    """Give the judge as `--judge` and `--judge_args` take it."""
    specs: list[dict[str, object]] = [
        dict(one.spec) if one.spec is not None else {"name": "chat", "model": one.name}
        for one in (replay.spoken[number] for number in cascade.members)
    ]
    if len(specs) == 1:
        return specs[0]
    lows, highs = ([pair[end] for pair in cascade.bounds] for end in (0, 1))
    one = len(cascade.bounds) == 1
    return {
        "name": "cascade",
        "members": specs,
        "low": lows[0] if one else lows,
        "high": highs[0] if one else highs,
    }
