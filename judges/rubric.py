"""What a good answer holds: criteria, rubrics, and the examples that carry them.

Values only. Files become values in `data/`; what a judge says of them is `verdict.py`.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from .errors import DataError, near_names

CATEGORIES = ("Essential", "Important", "Optional", "Pitfall")
"""The categories a criterion may have; code of each in `RubricArrays.category`: its position."""


class Polarity(StrEnum):
    """Whether it is good or bad for a criterion's text to be true of an answer.

    Not the sign of its points: 80 % of the pitfalls of RaR-Science carry a negative weight and are
    phrased as avoidance, so that "true" is good (method sheet, section 1).
    """

    DESIRABLE = "desirable"
    UNDESIRABLE = "undesirable"


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    """`system`, `user`, `assistant` or `tool`."""
    content: str
    """Text; a call of a tool stands in it as `data/conversations.py` writes it."""

    def to_json(self) -> dict[str, str]:
        """Give the form that files, endpoints and chat templates share."""
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a criterion, and its points."""

    text: str
    """What an answer on this level does."""
    points: float
    """Signed and finite; 0 is a level that earns and costs nothing."""
    check: Mapping[str, object] | None = field(default=None, hash=False)
    """A predicate of the `keyword` judge, or None; of the levels that hold, the last counts."""


class NaRule(StrEnum):
    """What happens if a judge says that a criterion does not apply to an answer."""

    EXCLUDED = "excluded"
    """Its points are in neither the sum nor the maximum of this answer."""
    MISSED = "missed"
    """It earns and costs nothing, and its points stay in the maximum."""
    BOUNDED = "bounded"
    """As a missing verdict: the score lies between its best and its worst."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """Another criterion of the rubric that must be met for this one to count."""

    id: str
    level: int | None = None
    """The least level, from 0; None for the one with the most points of its sign."""


@dataclass(frozen=True, slots=True)
class Gate:
    """A criterion that caps the whole score of an answer."""

    cap: float
    """Highest score h that is left where the gate closes."""
    level: int | None = None
    """It closes at this level and at those with fewer points; None: with the fewest alone. Without
    levels it closes where a wanted criterion is not met, or an unwanted one is."""


@dataclass(frozen=True, slots=True)
class Criterion:
    """A statement that is true or false of an answer, or has levels, with its points."""

    text: str
    points: float
    """Signed and finite, never 0; of levels, the points that lie farthest from 0."""
    polarity: Polarity
    tags: tuple[str, ...] = ()
    """Such as `axis:accuracy` or `level:example`; may be empty."""
    category: str | None = None
    """`Essential`, `Important`, `Optional` or `Pitfall` where the data set says so."""
    check: Mapping[str, object] | None = field(default=None, hash=False)
    """A predicate the `keyword` judge can evaluate (see `judges/keyword/checks.py`), or None."""
    id: str | None = None
    """A name that other criteria of the rubric refer to."""
    levels: tuple[Level, ...] = ()
    """What is distinguished, in order; empty where a criterion is met or not met."""
    is_nominal: bool = False
    """Whether the levels are choices without an order."""
    na: NaRule | None = None
    """What follows where it does not apply; None where a judge may not say so."""
    na_check: Mapping[str, object] | None = field(default=None, hash=False)
    """A predicate of the `keyword` judge that says when it does not apply, or None."""
    reference: str | None = None
    """What the judge sees beside the answer, and the model did not; untrusted text."""
    requires: Requirement | None = None
    gate: Gate | None = None
    turn: int | None = -1
    """Which of the assistant's turns it is about, counted as Python counts: -1 is the answer; None
    for the whole conversation."""

    def __post_init__(self) -> None:
        """Refuse points and levels that are none; take the words of polarity and `na` as values.

        Raises:
            DataError: Points of 0, or no number; levels that are fewer than two, or without points;
                a gate out of range; or an unknown word.
        """
        if not math.isfinite(self.points) or self.points == 0:
            raise DataError(f"points is {self.points:g}; give a number other than 0")
        _take_word(self, "polarity", Polarity)
        _take_word(self, "na", NaRule)
        if self.levels:
            _check_levels(self)
        if self.gate is not None:
            _check_place(self.gate.level, self, "gate")
            if not math.isfinite(self.gate.cap):
                raise DataError(f"gate: cap is {self.gate.cap}, not a number")

    def share(self, level: int) -> float:
        """Give the share of its points that a level counts, up to 1; below 0 of the other sign."""
        return self.levels[level].points / self.points + 0.0  # -0.0 is 0

    @property
    def least_share(self) -> float:
        """The least share that a level counts; 0 without levels."""
        return min((self.share(place) for place in range(len(self.levels))), default=0.0)

    @property
    def counts_when_met(self) -> bool:
        """Whether "met" is what makes the points count.

        True where sign and polarity agree: points earned by a desirable trait, or lost by an
        undesirable one. False where they disagree: "does not prescribe X" at -2 costs its points
        when it is NOT met.
        """
        return (self.points > 0) == (self.polarity is Polarity.DESIRABLE)


@dataclass(frozen=True, slots=True)
class Rubric:
    """The criteria one answer is graded by, in the order of the data."""

    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        """Refuse conditions that lead nowhere.

        Raises:
            DataError: An id stands twice, a requirement names none, or requirements form a circle.
        """
        if any(c.requires is not None or c.id is not None for c in self.criteria):
            _check_requirements(self.criteria)

    @property
    def is_plain(self) -> bool:
        """Whether each criterion is met or not met of the answer, with nothing beside it."""
        return not any(
            c.levels or c.na or c.reference or c.requires or c.gate or c.turn != -1
            for c in self.criteria
        )

    def place_of(self, name: str) -> int:
        """Give the position of the criterion with an id."""
        return next(i for i, c in enumerate(self.criteria) if c.id == name)

    def __len__(self) -> int:
        """Count all criteria, of either sign."""
        return len(self.criteria)

    @property
    def positive_points(self) -> float:
        """Sum of the positive points, P of the method sheet."""
        return sum(max(c.points, c.points * c.least_share, 0.0) for c in self.criteria)

    @property
    def negative_points(self) -> float:
        """Sum of the absolute negative points, N of the method sheet."""
        return sum(max(-c.points, -c.points * c.least_share, 0.0) for c in self.criteria)


@dataclass(frozen=True, slots=True)
class Example:
    """A conversation to answer, and the rubric its answer is graded by."""

    prompt_id: str
    prompt: tuple[Message, ...]
    """The turns before the answer; the last one is the user's."""
    rubric: Rubric
    tags: tuple[str, ...] = ()
    """Such as `theme:hedging`; may be empty."""
    references: tuple[str, ...] = ()
    """Answers the data set holds up as good; may be empty. No judge is shown them."""
    canary: str | None = None
    """The data set's contamination marker, carried into whatever is derived from the row."""
    reference: str | None = None
    """What the judge sees beside the answer to any criterion, and the model did not."""

    def __post_init__(self) -> None:
        """Refuse a criterion on a turn that the conversation does not have.

        Raises:
            DataError: Counted as Python counts, no turn of the assistant's has the number.
        """
        for number, criterion in enumerate(self.rubric.criteria, start=1):
            turn = criterion.turn
            if turn is None or turn == -1:
                continue
            n_turns = 1 + sum(message.role == "assistant" for message in self.prompt)
            if not -n_turns <= turn < n_turns:
                which = "the answer alone" if n_turns == 1 else f"{n_turns} with the answer"
                raise DataError(
                    f"criterion {number}: turn is {turn}, and the assistant has turns {-n_turns} "
                    f"to {n_turns - 1}, which are {which}; write one of these, or 'all'"
                )

    def reference_of(self, criterion: Criterion) -> str:
        """Give what the judge sees beside the answer; empty where there is nothing."""
        return criterion.reference or self.reference or ""


def digest_of_prompt(prompt: Sequence[Message]) -> str:
    """Name a prompt without an id by its text: rows of one prompt must share a cluster."""
    text = "\0".join(f"{m.role}\0{m.content}" for m in prompt)
    return "sha256-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def points_text(points: float) -> str:
    """Write points as the data does: `5`, `-2`, `0.5`; never `5.0`."""
    return str(int(points)) if float(points).is_integer() else repr(float(points))


def rubric_item(criterion: Criterion) -> str:
    """Show a criterion with its points: `[5] text`; its levels below, as `  0 [2] text`."""
    head = f"[{points_text(criterion.points)}] {criterion.text}"
    return "\n".join([head, *level_lines(criterion)])


def level_lines(criterion: Criterion) -> list[str]:
    """List the levels of a criterion, each as `  0 [2] text`."""
    return [
        f"  {number} [{points_text(level.points)}] {level.text}"
        for number, level in enumerate(criterion.levels)
    ]


def numbered(criteria: Sequence[Criterion]) -> str:
    """List criteria as `1. [5] text`, one a line."""
    return "\n".join(f"{n}. {rubric_item(c)}" for n, c in enumerate(criteria, start=1))


def _take_word(criterion: Criterion, name: str, kind: type[Polarity] | type[NaRule]) -> None:
    """Make a word one of a closed set: the rest of the house compares by identity."""
    word = getattr(criterion, name)
    if word is None or isinstance(word, kind):
        return
    known = [one.value for one in kind]
    if word not in known:
        raise DataError(f"{name} is {word!r:.40}; {near_names(str(word), known)}")
    object.__setattr__(criterion, name, kind(word))


def _check_levels(criterion: Criterion) -> None:
    levels = criterion.levels
    if len(levels) < 2:
        raise DataError("levels: only one; give two or more")
    if not all(math.isfinite(level.points) for level in levels):
        raise DataError("levels: points that are no number")
    farthest = max((level.points for level in levels), key=lambda p: (abs(p), p))
    if farthest == 0:
        raise DataError("levels: every one is worth 0 points")
    if (criterion.polarity is Polarity.DESIRABLE) is not bool(farthest > 0):
        raise DataError("levels: the sign of their points and the polarity disagree")
    if criterion.check is not None and (len(levels) > 2 or any(level.check for level in levels)):
        raise DataError("check: of levels each has its own 'check'; move it into them")
    if criterion.points != farthest:
        raise DataError(
            f"points is {criterion.points:g}, and the level farthest from 0 has {farthest:g}; "
            "leave points out"
        )


def _check_place(level: int | None, criterion: Criterion, name: str) -> None:
    if level is not None and not criterion.levels:
        raise DataError(f"{name}: level {level} of a criterion without levels; leave level out")
    if level is not None and not 0 <= level < len(criterion.levels):
        raise DataError(f"{name}: level {level} is none of 0 to {len(criterion.levels) - 1}")


def _check_requirements(criteria: Sequence[Criterion]) -> None:
    by_id: dict[str, Criterion] = {}
    for number, criterion in enumerate(criteria, start=1):
        if criterion.id in by_id:
            raise DataError(
                f"criterion {number}: id {criterion.id[:40]!r} is used by two criteria of one "
                "rubric"
            )
        if criterion.id is not None:
            by_id[criterion.id] = criterion
    for number, criterion in enumerate(criteria, start=1):
        if criterion.requires is not None:
            try:
                _check_required(criterion.requires, by_id)
            except DataError as error:
                raise DataError(f"criterion {number}: {error}") from None
    for number, criterion in enumerate(criteria, start=1):
        seen: list[str] = []
        needs = criterion.requires
        while needs is not None:
            if needs.id in seen:
                circle = " -> ".join([*seen, needs.id])
                raise DataError(f"criterion {number}: requires: {circle} is a circle")
            seen.append(needs.id)
            needs = by_id[needs.id].requires


def _check_required(requirement: Requirement, by_id: Mapping[str, Criterion]) -> None:
    """Refuse a requirement that names none, always holds, or holds where it does not apply."""
    name, level = requirement.id[:40], requirement.level
    if requirement.id not in by_id:
        known = ", ".join(sorted(by_id)[:8]) or "none"
        raise DataError(f"requires {name!r}, the id of no criterion; ids: {known}")
    required = by_id[requirement.id]
    if level is not None and not required.levels:
        raise DataError(
            f"requires level {level} of {name!r}, which has no levels; of a criterion without "
            "levels leave the level out"
        )
    _check_place(level, required, "requires")
    if level is not None and required.share(level) == required.least_share:
        raise DataError(f"requires: level {level} of {name!r} is always reached")
    if required.na is NaRule.MISSED and (required.least_share < 0 or not required.counts_when_met):
        raise DataError(
            f"requires {name!r}, which counts as met where it does not apply; give it "
            "'may_be_na': 'excluded'"
        )
