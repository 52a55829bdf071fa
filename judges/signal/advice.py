"""Which reward to train with: recommended only where gold verdicts can decide.

What a study says is a table of findings: each row has a sentence and the condition for it.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from .gold import MIN_GOLD_PROMPTS, GoldStudy
from .replay.gains import Standing
from .replay.study import SCORE

NO_GOLD = (
    "These verdicts alone cannot show which reward is better for training. Give a better judge's "
    "verdicts, or labels, of some of these answers (--gold; 200 prompts suffice for large "
    "differences)."
)


FEW_GROUPS = 50
"""Below this many groups the shares of the study are rough."""


class Topic(StrEnum):
    """What a sentence answers."""

    SIGNAL = "signal"
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


Facts = Mapping[str, Any]
"""The tables of a study, by name."""
Fields = Mapping[str, Any]
"""What stands in the gaps of a sentence. Its numbers are the sentence's values, unless `values`
says others; `table` names another table than the row's."""
_When = Callable[[Facts], Iterable[Fields]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of a table of findings: words, what they answer, where their numbers stand, and when.

    `when` gives the fields of each sentence, and none where there is nothing to say.
    """

    topic: Topic
    table: str
    words: str
    when: Callable[[Facts], Iterable[Fields]]


class Findings(list[Finding]):
    """A table of findings, in the order in which they are said."""

    def says(self, topic: Topic, table: str, words: str) -> Callable[[_When], _When]:
        """Add a row whose condition is the function below; `{x:pct}` is a share in per cent."""

        def add(when: _When) -> _When:
            self.append(Finding(topic, table, words, when))
            return when

        return add

    def of(self, found: Facts) -> Iterator[Sentence]:
        """Write what the rows say of a study."""
        for row in self:
            for fields in row.when(found):
                numbers = {
                    k: v for k, v in fields.items() if v is None or isinstance(v, int | float)
                }
                yield Sentence(
                    row.topic,
                    _Words().format(row.words, **fields),
                    fields.get("table", row.table),
                    fields.get("values", numbers),
                )


class _Words(string.Formatter):
    def format_field(self, value: Any, spec: str) -> str:
        return pct(value) if spec == "pct" else str(super().format_field(value, spec))


def reward_to_train_with(found: Facts) -> str | None:
    """Name the reward to train with; None where these data do not single one out.

    It takes gold on prompts enough, a gain of the gold score above 0 when training is replayed over
    these answers, no other reward that could gain as much, and a judge whose reliability, where it
    is known, is shown to be above 0.
    """
    gold: GoldStudy | None = found["gold"]
    if gold is None or not gold.is_enough or not gold.is_better_than_nothing:
        return None
    if len(gold.contenders) != 1:
        return None
    best = gold.contenders[0]
    return None if reliability_fault(found, best) else best


def reliability_fault(found: Facts, reward: str) -> str | None:
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
        f"{in_words(icc, percent=False)}: its spread may be only the judge's noise"
    )


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


SIGNAL, ADVICE = Findings(), Findings()


@SIGNAL.says(
    Topic.REWARD, "dead", "No group has two rewards, so rewards cannot be compared on these data."
)
def _no_second_reward(found: Facts) -> Iterator[Fields]:
    if not _known(found):
        yield {}


@SIGNAL.says(
    Topic.SIGNAL,
    "dead",
    "There is a learning signal here: the answers to a prompt get different rewards in {live} of "
    "the groups under {names}{least}. {sure}",
)
def _signal(found: Facts) -> Iterator[Fields]:
    known = sorted(_known(found), key=lambda row: float(row.dead.value))
    if not _has_signal(found):
        return
    best = [row.reward for row in known if row.dead.value == known[0].dead.value]
    dead, last, n = known[0].dead, known[-1], found["n_groups"]
    ends = (
        ""
        if dead.low is None
        else f" ({100 - 100 * dead.high:.0f} to {100 - 100 * dead.low:.0f} %)"
    )
    few = f"With {n} group{'' if n == 1 else 's'} nothing can be said for sure."
    yield {
        "live": pct(1 - dead.value) + ends,
        "names": "every reward studied" if len(best) == len(known) > 1 else listed(best),
        "least": ""
        if len(best) == len(known)
        else f", and in {pct(1 - last.dead.value)} under {last.reward}, the fewest",
        "sure": few if n < FEW_GROUPS else "The brackets are the 95 % interval.",
        "values": {row.reward: row.dead.value for row in known},
    }


@SIGNAL.says(
    Topic.REWARD,
    "dead",
    "Every group is dead under every reward studied: no learning signal on these prompts with "
    "this policy.",
)
def _all_dead(found: Facts) -> Iterator[Fields]:
    if _known(found) and not _has_signal(found):
        yield {"dead": 1.0}


@ADVICE.says(Topic.REWARD, "dead", NO_GOLD)
def _no_gold(found: Facts) -> Iterator[Fields]:
    if _has_signal(found) and found["gold"] is None:
        yield {}


@ADVICE.says(
    Topic.REWARD,
    "gold",
    "Gold verdicts cover {n} prompts with two answers or more; comparing rewards takes "
    f"{MIN_GOLD_PROMPTS}.",
)
def _little_gold(found: Facts) -> Iterator[Fields]:
    gold: GoldStudy | None = found["gold"]
    if _has_signal(found) and gold is not None and not gold.is_enough:
        yield {"n": gold.n_prompts, "values": _gains(gold)}


@ADVICE.says(
    Topic.REWARD,
    "gold",
    "No reward of this judge is shown to raise the gold score: the best, {best}, gains {gained} "
    "(scale {scale}).",
)
def _nothing_like_gold(found: Facts) -> Iterator[Fields]:
    gold: GoldStudy | None = found["gold"]
    if _has_signal(found) and gold and gold.is_enough and not gold.is_better_than_nothing:
        yield _best(gold)


_GAINS = "it gains {gained} (scale {scale}{noise})"


@ADVICE.says(
    Topic.REWARD,
    "gold",
    f"{{best}} gains most under gold, {_GAINS}, but cannot be distinguished from {{tied}}.",
)
def _tied_rewards(found: Facts) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and (tied := _tied(gold)):
        yield {**_best(gold), "tied": listed(tied)}


@ADVICE.says(Topic.REWARD, "gold", f"Recommended reward: {{best}}; {_GAINS}{{ahead}}.")
def _train_with(found: Facts) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and not _tied(gold) and (chosen := reward_to_train_with(found)):
        yield {**_best(gold), "best": chosen}


@ADVICE.says(Topic.REWARD, "gold", f"{{best}} gains most under gold: {_GAINS}{{ahead}}.")
def _best_but_noisy(found: Facts) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and not _tied(gold) and not reward_to_train_with(found):
        yield _best(gold)


@ADVICE.says(
    Topic.CAUTION,
    "variance",
    "Do not train on this judge's verdicts as they are: {fault}{more}.",
)
def _noise(found: Facts) -> Iterator[Fields]:
    faults = {row.reward: reliability_fault(found, row.reward) for row in found["variance"]}
    faulty = [name for name, fault in faults.items() if fault]
    if faulty and _has_signal(found):
        yield {
            "fault": faults[faulty[0]],
            "more": f" (likewise {listed(faulty[1:])})" if faulty[1:] else "",
            "values": {name: row_of(found["variance"], name).icc.value for name in faulty},
        }


def _known(found: Facts) -> list[Any]:
    return [row for row in found["dead"] if row.dead.value is not None]


def _has_signal(found: Facts) -> bool:
    return any(row.dead.value < 1 for row in _known(found))


def _telling(found: Facts) -> GoldStudy | None:
    gold: GoldStudy | None = found["gold"] if _has_signal(found) else None
    return gold if gold and gold.is_enough and gold.is_better_than_nothing else None


def _tied(gold: GoldStudy) -> list[str]:
    return [row.reward for row in gold.rows if row.standing is Standing.TIED]


def _best(gold: GoldStudy) -> dict[str, Any]:
    """Say of the best reward what training with it gains, and how far it is ahead of the next."""
    best, *others = gold.rows
    behind = [
        f"; {one.reward}, the next, lies {_measured(one.behind)} behind" for one in others[:1]
    ]
    return {
        "best": best.reward,
        "gained": f"{_measured(best.gain)} of the gold {SCORE} when training is replayed over "
        f"{gold.n_groups:,} groups of {gold.n_prompts:,} prompts",
        "noise": f"; {gold.noise}" if gold.noise else "",
        "scale": str(gold.scale),
        "ahead": "".join(behind),
        "values": _gains(gold),
    }


def _gains(gold: GoldStudy) -> dict[str, float | None]:
    return {row.reward: row.gain.value for row in gold.rows}


def _measured(found: Any) -> str:
    if found.value is None:
        return "nothing"
    return f"{found.value:.3f} {in_words(found, percent=False, digits=3)}"
