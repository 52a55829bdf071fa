"""Several judges, one verdict."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from ..budget.cascade import bounds_of, is_sure
from ..errors import ConfigError, near_names
from ..judge import Ask, Judge, JudgeIdentity, Question, identity_of
from ..judge_options import make_judge
from ..registry import register_judge
from ..rubric import Criterion
from ..shares import suited
from ..verdict import TIE, Outcome, Source, Verdict

_ROUNDING = 1e-12
"""Two shares so near each other are equal."""
SHOWN_CHARS = 300
"""Most characters of one vote's explanation that are kept."""


class VoteRule(StrEnum):
    """How votes become one verdict."""

    MAJORITY = "majority"
    """One vote each."""
    MEAN = "mean"
    """The mean of P(met); a vote without a probability counts as 1 or 0."""
    WEIGHTED = "weighted"
    """Each vote times its member's weight."""


@dataclass(frozen=True, slots=True)
class Vote:
    """What one member said."""

    who: str
    verdict: Verdict
    weight: float = 1.0


def count_votes(
    votes: Sequence[Vote], rule: VoteRule, quorum: int, criterion: Criterion
) -> Verdict:
    """Make one verdict of the votes.

    Whether the criterion applies comes first: it does not where more than half of the weight of the
    votes says so. Else the other votes decide.

    Args:
        votes: One of each member, in order.
        rule: How they are counted.
        quorum: Fewest votes with a verdict that decide anything.
        criterion: What was asked.

    Returns:
        A verdict whose probability is the share of the votes for "met" (the mean of P(met) under
        `mean`), and whose explanation holds every vote, so that disagreement stays visible. Of
        levels: their weighted median, or of choices without an order the one with most weight;
        `level_probabilities` are the shares of the votes (the means of theirs under `mean`).
    """
    votes = [replace(vote, verdict=suited(vote.verdict, criterion)) for vote in votes]
    given = [vote for vote in votes if not vote.verdict.is_missing]
    minutes = _minutes(votes)
    if len(given) < quorum:
        failed = next(vote for vote in votes if vote.verdict.is_missing)
        why = f"{len(given)} of {len(votes)} votes hold a verdict, {quorum} are needed. {minutes}"
        return _summed(votes, Verdict(failed.verdict.outcome, explanation=why))
    words = f"{_counted(given, criterion)}, {len(votes) - len(given)} without verdict. {minutes}"
    return _summed(votes, _decided(given, rule, criterion, words))


def name_of(identity: JudgeIdentity) -> str:
    """Name a member for a reader: `chat gpt-4.1`."""
    return f"{identity.name} {identity.model}".strip()


def _decided(given: Sequence[Vote], rule: VoteRule, criterion: Criterion, words: str) -> Verdict:
    tie = Verdict(Outcome.UNPARSEABLE, explanation=f"{TIE} {words}")
    weights = [vote.weight if rule is VoteRule.WEIGHTED else 1.0 for vote in given]
    n_na = sum(w for w, vote in zip(weights, given, strict=True) if vote.verdict.is_na)
    na_share = n_na / sum(weights) if sum(weights) > 0 else 0.0
    if na_share > 0.5 + _ROUNDING:
        return Verdict.not_applicable(explanation=words)
    if na_share > 0.5 - _ROUNDING:
        return tie
    shares = _shares(given, weights, rule, len(criterion.levels) or 2)
    level = _middle(shares) if not criterion.is_nominal else _most(shares)
    if level is None:
        return tie
    if criterion.levels:
        return Verdict.at_level(level, level_probabilities=shares, explanation=words)
    return Verdict.of(level == 1, probability=shares[1], explanation=words)


def _shares(
    given: Sequence[Vote], weights: Sequence[float], rule: VoteRule, n_levels: int
) -> tuple[float, ...]:
    """Give the share of each level in the votes that hold one; not met is 0, and met 1."""
    weighted = [
        (weight, _chances(vote.verdict, n_levels, is_sure=rule is not VoteRule.MEAN))
        for weight, vote in zip(weights, given, strict=True)
        if not vote.verdict.is_na
    ]
    total = sum(weight for weight, _ in weighted)
    if total <= 0:
        # members of weight 0 alone: nobody whose word counts has spoken
        return (1.0 / n_levels,) * n_levels
    return tuple(
        sum(weight * chances[level] for weight, chances in weighted) / total
        for level in range(n_levels)
    )


def _chances(verdict: Verdict, n_levels: int, *, is_sure: bool) -> tuple[float, ...]:
    """Give P of each level; without one, or where it is sure, all lies on the verdict's own."""
    if not is_sure and verdict.level_probabilities is not None:
        return verdict.level_probabilities
    if not is_sure and verdict.probability is not None:
        return 1.0 - verdict.probability, verdict.probability
    own = int(verdict.met is True) if verdict.level is None else verdict.level
    return tuple(float(level == own) for level in range(n_levels))


def _middle(shares: Sequence[float]) -> int | None:
    """Give the median level; None where as much lies below a place between two as above it."""
    below = 0.0
    for level, share in enumerate(shares):
        below += share
        if abs(below - 0.5) < _ROUNDING:
            return None
        if below > 0.5:
            return level
    return None


def _most(shares: Sequence[float]) -> int | None:
    """Give the level with the largest share; None where two have it."""
    best = max(range(len(shares)), key=lambda level: shares[level])
    equal = [share for share in shares if abs(share - shares[best]) < _ROUNDING]
    return best if len(equal) == 1 else None


def _counted(given: Sequence[Vote], criterion: Criterion) -> str:
    """Count the votes in words: `2 met, 1 not met`, `2 at level 1`, `1 not applicable`."""
    verdicts = [vote.verdict for vote in given]
    if criterion.levels:
        counts = Counter(verdict.level for verdict in verdicts if not verdict.is_na)
        parts = [f"{n} at level {level}" for level, n in sorted(counts.items())]
    else:
        n_met = sum(verdict.met is True for verdict in verdicts)
        parts = [f"{n_met} met", f"{sum(verdict.met is False for verdict in verdicts)} not met"]
    n_na = sum(verdict.is_na for verdict in verdicts)
    return ", ".join([*parts, *([f"{n_na} not applicable"] if n_na else [])])


def _minutes(votes: Sequence[Vote]) -> str:
    lines = []
    for number, vote in enumerate(votes, start=1):
        chance, level = vote.verdict.probability, vote.verdict.level
        said = vote.verdict.outcome.value + ("" if level is None else f" {level}")
        sure = "" if chance is None else f" P={chance:.2f}"
        words = vote.verdict.explanation[:SHOWN_CHARS]
        lines.append(f"[{number}] {vote.who}: {said}{sure}. {words}".strip())
    return " ".join(lines)


def _summed(votes: Sequence[Vote], verdict: Verdict) -> Verdict:
    verdicts = [vote.verdict for vote in votes]
    sources = {one.source for one in verdicts}
    return replace(
        _with_spent(verdict, verdicts),
        source=sources.pop() if len(sources) == 1 else Source.FRESH,
        latency_s=max(one.latency_s for one in verdicts),
    )


def _with_spent(verdict: Verdict, each: Sequence[Verdict]) -> Verdict:
    """Give a verdict with the calls and tokens of those that it is made of."""
    return replace(
        verdict,
        attempts=sum(one.attempts for one in each),
        prompt_tokens=sum(one.prompt_tokens for one in each),
        cached_tokens=sum(one.cached_tokens for one in each),
        completion_tokens=sum(one.completion_tokens for one in each),
    )


class MadeOfJudges(ABC):
    """What judges that are made of others share."""

    __slots__ = ()
    members: Sequence[Judge]

    @abstractmethod
    async def judge_with(self, question: Question, ask: Ask) -> Verdict:
        """Answer one question by asking members through `ask`."""

    async def judge(self, question: Question) -> Verdict:
        """Ask the members directly, without the runtime between: no store, no limit, no retry."""
        return await self.judge_with(question, lambda member, asked: member.judge(asked))

    async def aclose(self) -> None:
        """Close every member that can be closed, each once."""
        for member in {id(member): member for member in self.members}.values():
            close = getattr(member, "aclose", None)
            if close is not None:
                await close()


@register_judge("jury")
@dataclass(slots=True)
class JuryJudge(MadeOfJudges):
    """Asks all members at once and counts their votes."""

    members: Sequence[Any] = ()
    """Judges: names, mappings with `name` and options, or judges."""
    rule: str = "majority"
    """`majority`, `mean` of the probabilities, or `weighted`."""
    weights: Sequence[float] | None = None
    """`weighted` only: one a member, none negative."""
    quorum: int | None = None
    """Fewest members that must give a verdict; default: more than half of them."""
    identity: JudgeIdentity = field(init=False)

    def __post_init__(self) -> None:
        """Build the members, so that a wrong one fails before anything is asked."""
        self.members = build_members("jury", self.members)
        try:
            self.rule = VoteRule(self.rule)
        except ValueError:
            raise ConfigError(
                f"jury: unknown rule; {near_names(str(self.rule), VoteRule)}"
            ) from None
        if (self.weights is not None) != (self.rule is VoteRule.WEIGHTED):
            raise ConfigError("jury: weights and rule=weighted belong together")
        weights = self.weights if self.weights is not None else [1.0] * len(self.members)
        if len(weights) != len(self.members) or any(w < 0 for w in weights) or not any(weights):
            raise ConfigError(
                f"jury: {len(self.members)} members need as many weights, none negative, not all 0"
            )
        self.weights = tuple(float(weight) for weight in weights)
        self.quorum = len(self.members) // 2 + 1 if self.quorum is None else self.quorum
        if not 1 <= self.quorum <= len(self.members):
            raise ConfigError(
                f"jury: quorum={self.quorum}: a whole number from 1 to "
                f"{len(self.members)}, the members"
            )
        names = " + ".join(name_of(identity_of(member)) for member in self.members)
        self.identity = _identity(
            "jury", names, self.members, rule=self.rule.value, weights=list(self.weights),
            quorum=self.quorum,
        )  # fmt: skip

    async def judge_with(self, question: Question, ask: Ask) -> Verdict:
        """Ask every member and count."""
        said = await asyncio.gather(*(ask(member, question) for member in self.members))
        assert self.weights is not None and self.quorum is not None  # set above
        votes = [
            Vote(name_of(identity_of(member)), verdict, weight)
            for member, verdict, weight in zip(self.members, said, self.weights, strict=True)
        ]
        return count_votes(votes, VoteRule(self.rule), self.quorum, question.criterion)


def _identity(name: str, model: str, members: Sequence[Judge], **settings: object) -> JudgeIdentity:
    digests = [identity_of(member).digest for member in members]
    return JudgeIdentity(name, model=model, sampling={"members": digests, **settings})


def build_members(of: str, specs: Sequence[object]) -> tuple[Judge, ...]:
    """Build the judges that a judge is made of.

    Raises:
        ConfigError: They are no list, too few, or one cannot be built.
    """
    if isinstance(specs, str) or not isinstance(specs, Sequence) or len(specs) < 2:
        raise ConfigError(
            f"{of}: members must be a list of at least 2 judges, such as "
            '[{"name": "chat", "model": "NAME"}, "keyword"]; a YAML file reads best'
        )
    return tuple(
        make_judge(spec, label=f"member {number} of {of}")
        for number, spec in enumerate(specs, start=1)
    )


@register_judge("cascade")
@dataclass(slots=True)
class CascadeJudge(MadeOfJudges):
    """Asks members in order until one is sure."""

    members: Sequence[Any] = ()
    """Judges, the cheapest first."""
    low: float | Sequence[float] = 0.2
    high: float | Sequence[float] = 0.8
    """A verdict is unsure when its probability lies strictly between the two; of more than two
    levels, when none reaches `high`. One without a probability is taken as sure. A list holds the
    bound of each member but the last."""
    identity: JudgeIdentity = field(init=False)
    _bounds: tuple[tuple[float, float], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the members, so that a wrong one fails before anything is asked."""
        self.members = build_members("cascade", self.members)
        self._bounds = bounds_of(self.low, self.high, len(self.members) - 1)
        names = " > ".join(name_of(identity_of(member)) for member in self.members)
        self.identity = _identity("cascade", names, self.members, low=self.low, high=self.high)

    async def judge_with(self, question: Question, ask: Ask) -> Verdict:
        """Ask the members in order; the last one's word stands, whatever it is."""
        asked: list[Verdict] = []
        for member, bounds in zip(self.members, (*self._bounds, None), strict=True):
            verdict = suited(await ask(member, question), question.criterion)
            asked.append(verdict)
            if bounds is not None and is_sure(verdict, *bounds):
                break
        note = f"judge {len(asked)} of {len(self.members)}, {name_of(identity_of(member))}"
        words = f"[{note}] {asked[-1].explanation}".strip()
        return _with_spent(replace(asked[-1], explanation=words), asked)


@register_judge("replicate")
@dataclass(slots=True)
class ReplicateJudge(MadeOfJudges):
    """Asks one judge k times and takes the majority.

    Beside the runtime's `replicates` option: that one keeps every verdict apart, to measure the
    judge's noise; this one votes it down. Both use the same verdicts: vote i of replicate r is
    replicate r * k + i of the inner judge.
    """

    inner: Any = None
    """The judge: a name, a mapping with `name` and options, or a judge."""
    k: int = 3
    """Votes; an odd number cannot tie."""
    rule: str = "majority"
    """`majority`, or the `mean` of the probabilities."""
    identity: JudgeIdentity = field(init=False)
    members: Sequence[Judge] = field(init=False, repr=False)
    asks_each: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Build the inner judge, so that a wrong one fails before anything is asked."""
        if self.inner is None:
            raise ConfigError('replicate needs inner: {"name": "chat", "model": "NAME"}')
        if self.k < 1 or self.rule not in {VoteRule.MAJORITY, VoteRule.MEAN}:
            raise ConfigError(f"replicate: k={self.k} from 1, rule={self.rule} majority or mean")
        self.inner = make_judge(self.inner, label="the judge of replicate")
        self.members = (self.inner,)
        self.asks_each = self.k
        name = f"{self.k} x {name_of(identity_of(self.inner))}"
        self.identity = _identity("replicate", name, self.members, k=self.k, rule=str(self.rule))

    async def judge_with(self, question: Question, ask: Ask) -> Verdict:
        """Ask k times, each under a replicate number of its own, and count."""
        first = question.replicate * self.k
        said = await asyncio.gather(
            *(ask(self.inner, replace(question, replicate=first + vote)) for vote in range(self.k))
        )
        votes = [Vote(f"vote {number}", verdict) for number, verdict in enumerate(said, start=1)]
        return count_votes(votes, VoteRule(self.rule), self.k // 2 + 1, question.criterion)
