"""Which reward to train with: said where gold verdicts can tell, and not said where they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .gold import MIN_GOLD_PROMPTS, SCORE, GoldRow, GoldStudy, Standing

NO_GOLD = (
    "These verdicts do not say which reward teaches better: a reward cannot vouch for itself. Give "
    "a better judge's verdicts, or labels, of some of these answers (--gold; 100 prompts will do "
    "to tell large differences)."
)


class Topic(StrEnum):
    """What a sentence answers."""

    REWARD = "reward"
    SCALE = "scale"
    REPLICATES = "replicates"
    PROMPTS = "prompts"
    TERMS = "terms"
    CAUTION = "caution"


@dataclass(frozen=True, slots=True)
class Sentence:
    """One finding."""

    topic: Topic
    text: str
    table: str
    """The table that holds its numbers: a key of the study's plain form."""
    values: Mapping[str, float | None]
    """The numbers it was written from."""


def reward_to_train_with(found: Mapping[str, Any]) -> str | None:
    """Name the reward to train with; None where these data do not single one out.

    It takes gold on prompts enough, a correlation with gold above 0, no other reward that could be
    the best, and a judge whose reliability, where it is known, is shown to be above 0.
    """
    gold: GoldStudy | None = found["gold"]
    if gold is None or not gold.is_enough or not gold.is_better_than_nothing:
        return None
    if len(gold.contenders) != 1:
        return None
    best = gold.contenders[0]
    return None if reliability_fault(found, best) else best


def reliability_fault(found: Mapping[str, Any], reward: str) -> str | None:
    """Say that a reward's spread may be the judge's noise alone; None where it is not so.

    None too where no answer was judged twice: nothing is known then, and that is said elsewhere.
    """
    icc = row_of(found["variance"], reward).icc
    if icc.value is None or (icc.value >= 1 and icc.low is None):
        return None
    if icc.value > 0 and icc.low is not None and icc.low > 0:
        return None
    return (
        f"the reliability of one verdict for {reward} is {icc.value:.2f} "
        f"{in_words(icc, percent=False)}: its spread may be the judge's noise alone"
    )


def reward_advice(found: Mapping[str, Any]) -> list[Sentence]:
    """Say which reward to train with, or why that cannot be said."""
    known = [row for row in found["dead"] if row.dead.value is not None]
    if not known:
        return [
            Sentence(
                Topic.REWARD,
                "No group has two rewards, so these data cannot tell rewards apart.",
                "dead",
                {},
            )
        ]
    if all(row.dead.value >= 1 for row in known):
        return [
            Sentence(
                Topic.REWARD,
                "Every group is dead under every reward studied: no reward teaches on these "
                "prompts with this policy.",
                "dead",
                {"dead": 1.0},
            )
        ]
    return [*_by_gold(found), *_noise(found)]


def _by_gold(found: Mapping[str, Any]) -> list[Sentence]:
    gold: GoldStudy | None = found["gold"]
    if gold is None:
        return [Sentence(Topic.REWARD, NO_GOLD, "dead", {})]
    values = {row.reward: row.alignment.value for row in gold.rows}
    on = f"on {gold.n_groups:,} groups of {gold.n_prompts:,} prompts"
    if not gold.is_enough:
        text = (
            f"Gold has graded {gold.n_prompts} prompts of two answers or more; it takes "
            f"{MIN_GOLD_PROMPTS} to tell rewards apart."
        )
        return [Sentence(Topic.REWARD, text, "gold", values)]
    best = gold.rows[0]
    if not gold.is_better_than_nothing:
        text = (
            f"No reward of this judge is shown to teach what gold would: the best, {best.reward}, "
            f"has advantages that correlate {_aligned(best)} with those of the gold {SCORE} {on}."
        )
        return [Sentence(Topic.REWARD, text, "gold", values)]
    text = (
        f"its advantages correlate {_aligned(best)} with those of the gold {SCORE} {on} "
        f"(scale {gold.scale})"
    )
    tied = [row.reward for row in gold.rows if row.standing is Standing.TIED]
    chosen = reward_to_train_with(found)
    if tied:
        text = (
            f"{best.reward} agrees best with gold, {text}, but cannot be told apart from "
            f"{listed(tied)}."
        )
    elif chosen is not None:
        text = f"Train with {chosen}: {text}{_ahead(gold)}."
    else:
        text = f"{best.reward} agrees best with gold: {text}{_ahead(gold)}."
    return [Sentence(Topic.REWARD, text, "gold", values)]


def _ahead(gold: GoldStudy) -> str:
    """Say how far the best is ahead of the next."""
    if len(gold.rows) < 2:
        return ""
    second = gold.rows[1]
    return (
        f"; {second.reward}, the next, lies {second.behind.value:.3f} "
        f"{in_words(second.behind, percent=False, digits=3)} behind"
    )


def _aligned(row: GoldRow) -> str:
    if row.alignment.value is None:
        return "with nothing"
    return f"{row.alignment.value:.3f} {in_words(row.alignment, percent=False, digits=3)}"


def _noise(found: Mapping[str, Any]) -> list[Sentence]:
    """Warn of rewards whose spread may be noise, in one sentence."""
    faults = {
        row.reward: fault
        for row in found["variance"]
        if (fault := reliability_fault(found, row.reward)) is not None
    }
    if not faults:
        return []
    others = [name for name in faults if name != next(iter(faults))]
    text = f"Do not train on this judge's verdicts as they are: {next(iter(faults.values()))}"
    text += f" (likewise {listed(others)})." if others else "."
    values = {name: row_of(found["variance"], name).icc.value for name in faults}
    return [Sentence(Topic.CAUTION, text, "variance", values)]


def row_of(rows: Sequence[Any], name: str) -> Any:
    """Give a reward's row of a table."""
    return next(row for row in rows if row.reward == name)


def pct(share: float) -> str:
    """Write a share in per cent, with a decimal where it is small."""
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def in_words(estimate: Any, *, percent: bool = True, digits: int = 2) -> str:
    """Write an interval, or that there is none."""
    if estimate.low is None or estimate.high is None:
        return "[no interval]"
    if percent:
        return f"{100 * estimate.low:.0f} to {100 * estimate.high:.0f} %"
    return f"[{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def listed(words: Sequence[str]) -> str:
    """Join words with commas and "and"."""
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]
