"""Which reward to train with: recommended only where gold verdicts can decide.

What a study says is a table of findings: each row has a sentence and the condition for it.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ..scoring.estimates import Estimate
from .gold import MIN_GOLD_PROMPTS, GoldStudy
from .replay.gains import Standing
from .replay.study import SCORE
from .study import Sentence, SignalStudy, Topic

NO_GOLD = (
    "These verdicts alone cannot show which reward is better for training. Give a better judge's "
    "verdicts, or labels, of some of these answers (--gold; 200 prompts suffice for large "
    "differences)."
)
FEW_GROUPS = 50
"""Below this many groups the shares of the study are rough."""


Fields = Mapping[str, object]
"""What stands in the gaps of a sentence. Its numbers are the sentence's values, unless `values`
says others; `table` names another table than the row's."""
_When = Callable[[SignalStudy], Iterable[Fields]]


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of a table of findings: words, what they answer, where their numbers stand, and when.

    `when` gives the fields of each sentence, and none where there is nothing to say.
    """

    topic: Topic
    table: str
    words: str
    when: _When


class Findings(list[Finding]):
    """A table of findings, in the order in which they are said."""

    def says(self, topic: Topic, table: str, words: str) -> Callable[[_When], _When]:
        """Add a row whose condition is the function below; `{x:pct}` is a share in per cent."""

        def add(when: _When) -> _When:
            self.append(Finding(topic, table, words, when))
            return when

        return add

    def of(self, found: SignalStudy) -> Iterator[Sentence]:
        """Write what the rows say of a study."""
        for row in self:
            for fields in row.when(found):
                values = fields.get("values", fields)
                assert isinstance(values, Mapping)
                yield Sentence(
                    row.topic,
                    _Words().format(row.words, **fields),
                    str(fields.get("table", row.table)),
                    {k: v for k, v in values.items() if v is None or isinstance(v, int | float)},
                )


class _Words(string.Formatter):
    def format_field(self, value: object, spec: str) -> str:
        if spec == "pct" and isinstance(value, float):
            return pct(value)
        return str(super().format_field(value, spec))


def reward_to_train_with(found: SignalStudy) -> str | None:
    """Name the reward to train with; None where these data do not single one out.

    It takes gold on prompts enough, a gain of the gold score above 0 when training is replayed over
    these answers, no other reward that could gain as much, and a judge whose reliability, where it
    is known, is shown to be above 0.
    """
    gold = found.gold
    if gold is None or not gold.is_enough or not gold.is_better_than_nothing:
        return None
    best, *others = gold.contenders
    return None if others or reliability_fault(found, best) else best


def reliability_fault(found: SignalStudy, reward: str) -> str | None:
    """Say that a reward's spread may be the judge's noise alone; None where it is not so.

    None too where no answer was judged twice: nothing is known then, and that is said elsewhere.
    """
    icc = row_of(found.variance, reward).icc
    is_one = icc.value == 1 and icc.low is None
    if icc.value is None or is_one or (icc.value > 0 and (icc.low or 0.0) > 0):
        return None
    return (
        f"the reliability of one verdict for {reward} is {icc.value:.2f} "
        f"{in_words(icc, percent=False)}: its spread may be only the judge's noise"
    )


class _OfReward(Protocol):
    @property
    def reward(self) -> str: ...


Row = TypeVar("Row", bound=_OfReward)


def row_of(rows: Iterable[Row], name: str) -> Row:
    """Give a reward's row of a table."""
    return next(row for row in rows if row.reward == name)


def pct(share: float) -> str:
    """Write a share in per cent, with a decimal where it is small."""
    return f"{100 * share:.1f} %" if 0 < abs(share) < 0.1 else f"{100 * share:.0f} %"


def in_words(estimate: Estimate, *, percent: bool = True, digits: int = 2) -> str:
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
def _no_second_reward(found: SignalStudy) -> Iterator[Fields]:
    if not _dead(found):
        yield {}


@SIGNAL.says(
    Topic.SIGNAL,
    "dead",
    "There is a learning signal here: the answers to a prompt get different rewards in {live} of "
    "the groups under {names}{least}. {sure}",
)
def _signal(found: SignalStudy) -> Iterator[Fields]:
    shares = _dead(found)
    if not _has_signal(found):
        return
    least, most = min(shares.values()), max(shares.values())
    best = [name for name, share in shares.items() if share == least]
    dead, n = row_of(found.dead, best[0]).dead, found.n_groups
    ends = ""
    if dead.low is not None and dead.high is not None:
        ends = f" ({100 - 100 * dead.high:.0f} to {100 - 100 * dead.low:.0f} %)"
    few = f"With {n} group{'' if n == 1 else 's'} nothing can be said for sure."
    last = [name for name, share in shares.items() if share == most][-1]
    yield {
        "live": pct(1 - least) + ends,
        "names": "every reward studied" if len(best) == len(shares) > 1 else listed(best),
        "least": ""
        if len(best) == len(shares)
        else f", and in {pct(1 - most)} under {last}, the fewest",
        "sure": few if n < FEW_GROUPS else "The brackets are the 95 % interval.",
        "values": shares,
    }


@SIGNAL.says(
    Topic.REWARD,
    "dead",
    "Every group is dead under every reward studied: no learning signal on these prompts with "
    "this policy.",
)
def _all_dead(found: SignalStudy) -> Iterator[Fields]:
    if _dead(found) and not _has_signal(found):
        yield {"dead": 1.0}


@ADVICE.says(Topic.REWARD, "dead", NO_GOLD)
def _no_gold(found: SignalStudy) -> Iterator[Fields]:
    if _has_signal(found) and found.gold is None:
        yield {}


@ADVICE.says(
    Topic.REWARD,
    "gold",
    "Gold verdicts cover {n} prompts with two answers or more; comparing rewards takes "
    f"{MIN_GOLD_PROMPTS}.",
)
def _little_gold(found: SignalStudy) -> Iterator[Fields]:
    gold = _gold(found)
    if gold and not gold.is_enough:
        yield {"n": gold.n_prompts, "values": _gains(gold)}


@ADVICE.says(
    Topic.REWARD,
    "gold",
    "No reward of this judge is shown to raise the gold score: the best, {best}, gains {gained} "
    "(scale {scale}).",
)
def _nothing_like_gold(found: SignalStudy) -> Iterator[Fields]:
    gold = _gold(found)
    if gold and gold.is_enough and not gold.is_better_than_nothing:
        yield _best(gold)


_GAINS = "it gains {gained} (scale {scale}{noise})"


@ADVICE.says(
    Topic.REWARD,
    "gold",
    f"{{best}} gains most under gold, {_GAINS}, but cannot be distinguished from {{tied}}.",
)
def _tied_rewards(found: SignalStudy) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and (tied := _tied(gold)):
        yield {**_best(gold), "tied": listed(tied)}


@ADVICE.says(Topic.REWARD, "gold", f"Recommended reward: {{best}}; {_GAINS}{{ahead}}.")
def _train_with(found: SignalStudy) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and not _tied(gold) and (chosen := reward_to_train_with(found)):
        yield {**_best(gold), "best": chosen}


@ADVICE.says(Topic.REWARD, "gold", f"{{best}} gains most under gold: {_GAINS}{{ahead}}.")
def _best_but_noisy(found: SignalStudy) -> Iterator[Fields]:
    gold = _telling(found)
    if gold and not _tied(gold) and not reward_to_train_with(found):
        yield _best(gold)


@ADVICE.says(
    Topic.CAUTION,
    "variance",
    "Do not train on this judge's verdicts as they are: {fault}{more}.",
)
def _noise(found: SignalStudy) -> Iterator[Fields]:
    faults = {row.reward: reliability_fault(found, row.reward) for row in found.variance}
    faulty = [name for name, fault in faults.items() if fault]
    if faulty and _has_signal(found):
        yield {
            "fault": faults[faulty[0]],
            "more": f" (likewise {listed(faulty[1:])})" if faulty[1:] else "",
            "values": {name: row_of(found.variance, name).icc.value for name in faulty},
        }


def _dead(found: SignalStudy) -> dict[str, float]:
    """Give the share of dead groups of each reward that some group has two of, the least first."""
    known = ((row.reward, row.dead.value) for row in found.dead)
    return dict(sorted(((k, v) for k, v in known if v is not None), key=lambda one: one[1]))


def _has_signal(found: SignalStudy) -> bool:
    return any(share < 1 for share in _dead(found).values())


def _gold(found: SignalStudy) -> GoldStudy | None:
    return found.gold if _has_signal(found) else None


def _telling(found: SignalStudy) -> GoldStudy | None:
    gold = _gold(found)
    return gold if gold and gold.is_enough and gold.is_better_than_nothing else None


def _tied(gold: GoldStudy) -> list[str]:
    return [row.reward for row in gold.rows if row.standing is Standing.TIED]


def _best(gold: GoldStudy) -> dict[str, object]:
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


def _measured(found: Estimate) -> str:
    if found.value is None:
        return "nothing"
    return f"{found.value:.3f} {in_words(found, percent=False, digits=3)}"
