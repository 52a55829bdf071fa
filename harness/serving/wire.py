"""What is sent and what comes back: bodies become answers to grade, and grades become JSON.

Whatever can be wrong with a body is found before a question is asked, and named by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.conversations import text_of_answer
from ...judges.data.examples import example_from_row
from ...judges.errors import DataError, RubricbeatError, near_names
from ...judges.rewards import Reward
from ...judges.rubric import Example
from ...judges.scoring.missing import MissingVerdicts

FIELDS = ("items", "rewards", "verdicts")
ITEM_FIELDS = ("row", "prompt_id", "answers")
MAX_NAME_CHARS = 60
"""Of a name that is quoted in a message."""


class RequestError(Exception):
    """A request that is refused, in words for whoever sent it."""

    def __init__(
        self, message: str, *, status: int = 400, code: str = "bad_request", retry: bool = False
    ) -> None:
        """Refuse.

        Args:
            message: What, where and how to mend.
            status: Of HTTP.
            code: For programs.
            retry: Whether the same request may work in a moment.
        """
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry = retry

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return {"error": {"code": self.code, "message": str(self)}}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a server grades by."""

    rewards: Mapping[str, Reward]
    """By the names they may be asked for; the first one is what trainers are given."""
    examples: Mapping[str, Example]
    """Those that a request may name by `prompt_id` alone."""
    max_answers: int
    """Most answers of one request."""

    @property
    def first(self) -> Reward:
        """The reward that a trainer is given which takes one number."""
        return next(iter(self.rewards.values()))


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Answers to grade, and what is asked for."""

    answers: tuple[Answer, ...]
    sizes: tuple[int, ...]
    """Answers of each item."""
    rewards: tuple[Reward, ...]
    with_verdicts: bool = True

    @property
    def groups(self) -> list[slice]:
        """The places of the answers of each item: a group, as trainers have it."""
        ends = list(accumulate(self.sizes))
        return [slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True)]


def parsed(body: bytes) -> Any:
    """Read a body as JSON.

    Raises:
        RequestError: It is none, or nested too deeply, or no UTF-8.
    """
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON in UTF-8: {error}", code="bad_json") from None


def score_request(plain: Any, offer: Offer) -> ScoreRequest:
    """Read the request of `/v1/score`.

    Raises:
        RequestError: Names the place, and how to mend it.
    """
    fields = _object(plain, "the body", FIELDS)
    items = _list(fields.get("items"), "items")
    answers: list[Answer] = []
    sizes: list[int] = []
    for number, item in enumerate(items):
        where = f"items[{number}]"
        item = _object(item, where, ITEM_FIELDS)
        if ("row" in item) == ("prompt_id" in item):
            raise RequestError(f"{where}: give `row`, or the `prompt_id` of a row of --data")
        example = example_of(item.get("row", item.get("prompt_id")), where, offer)
        texts = _list(item.get("answers"), f"{where}.answers")
        require_few(len(answers) + len(texts), offer)
        for place, text in enumerate(texts):
            answers.append(Answer(example, _text(text, f"{where}.answers[{place}]"), place))
        sizes.append(len(texts))
    with_verdicts = fields.get("verdicts", True)
    if not isinstance(with_verdicts, bool):
        raise RequestError("verdicts: give true or false")
    rewards = _rewards(fields.get("rewards"), offer)
    return ScoreRequest(tuple(answers), tuple(sizes), rewards, with_verdicts)


def require_few(n_answers: int, offer: Offer) -> None:
    """Refuse more answers than one request may hold.

    Raises:
        RequestError: There are.
    """
    if n_answers > offer.max_answers:
        raise RequestError(
            f"more than {offer.max_answers} answers in one request (--max_answers); send several",
            status=413,
            code="too_many_answers",
        )


def example_of(value: Any, where: str, offer: Offer) -> Example:
    """Give the example that a row, a row as JSON text, or a prompt_id stands for.

    Raises:
        RequestError: It is none of these.
    """
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = parsed(value.encode())
    if isinstance(value, Mapping):
        try:
            return example_from_row(value, where=where)
        except DataError as error:
            raise RequestError(str(error), code="bad_row") from None
        except RecursionError:
            raise RequestError(f"{where}: nested too deeply", code="bad_row") from None
    if not isinstance(value, str):
        raise RequestError(f"{where}: give a row, or the prompt_id of a row of --data")
    if value not in offer.examples:
        named = value[:MAX_NAME_CHARS]
        raise RequestError(f"{where}: no row of --data has prompt_id {named!r}", code="no_such_row")
    return offer.examples[value]


def _text(value: Any, where: str) -> str | None:
    try:
        return text_of_answer(value)
    except DataError as error:
        raise RequestError(f"{where}: {error}", code="bad_answer") from None


def _rewards(named: Any, offer: Offer) -> tuple[Reward, ...]:
    if named is None:
        return tuple(offer.rewards.values())
    found: dict[str, Reward] = {}
    for name in named if named == [] else _list(named, "rewards"):
        if not isinstance(name, str) or name not in offer.rewards:
            near = near_names(str(name)[:MAX_NAME_CHARS], offer.rewards)
            raise RequestError(
                f"rewards: {str(name)[:MAX_NAME_CHARS]!r} is none that this server gives "
                f"(--rewards); {near}",
                code="no_such_reward",
            )
        found[name] = offer.rewards[name]
    return tuple(found.values())


def _object(value: Any, where: str, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise RequestError(f"{where}: not a JSON object with {', '.join(known)}")
    for name in value:
        if name not in known:
            near = near_names(str(name)[:MAX_NAME_CHARS], known)
            raise RequestError(f"{where}: unknown field {str(name)[:MAX_NAME_CHARS]!r}; {near}")
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise RequestError(f"{where}: give a list with at least one element")
    return value


@dataclass(frozen=True, slots=True)
class Scored:
    """Graded answers with what they are worth."""

    graded: tuple[GradedAnswer, ...]
    scores: tuple[float | None, ...]
    """Unclipped item score h; None where too much is missing."""
    rewards: Mapping[str, tuple[float | None, ...]]
    """By name."""
    stopped: str | None = None
    """Why the judge was asked no more: an outage, a spent budget; None where it was."""
    fault: RubricbeatError | None = None
    """What ended the grading early: the store, wrong settings of the judge; None for nothing."""

    @property
    def missing(self) -> MissingVerdicts:
        """Count the verdicts that are missing, by reason."""
        return MissingVerdicts.of(self.graded)

    @property
    def is_complete(self) -> bool:
        """Whether every verdict is there, and every reward that was asked for."""
        has_all = all(not v.is_missing for one in self.graded for v in one.verdicts)
        return has_all and all(None not in values for values in self.rewards.values())

    def why_incomplete(self) -> str:
        """Say in one line what is missing, and why."""
        head, *reasons = [line.strip() for line in self.missing.lines()] or [""]
        told = [f"{head} {'; '.join(reasons)}"] if head else []
        if self.fault is not None or self.stopped is not None:
            told.insert(0, str(self.fault or self.stopped))
        for name, values in self.rewards.items():
            if not told and (n := values.count(None)):
                told = [
                    f"{n} of {len(values)} answers have no reward {name!r}: {self._no_reward()}"
                ]
        return "; ".join(told)

    def _no_reward(self) -> str:
        ratings = (rating for one in self.graded for rating in one.ratings)
        lacking = next((one for one in ratings if one.value is None), None)
        if lacking is not None:
            return f"no rating, {lacking.to_verdict().explanation}"
        return "the judge gives no P(met), or the rubric has no positive points"

    def to_json(self, request: ScoreRequest, judge: Mapping[str, Any]) -> dict[str, Any]:
        """Give the reply of `/v1/score`."""
        each = [self._answer(place, request) for place in range(len(self.graded))]
        missing = self.missing
        return {
            "items": [
                {
                    "prompt_id": self.graded[group.start].example.prompt_id,
                    "answers": each[group],
                }
                for group in request.groups
            ],
            "complete": self.is_complete,
            "missing": {"verdicts": missing.n_missing, "of": missing.n_asked},
            "why": None if self.is_complete else self.why_incomplete(),
            "judge": dict(judge),
        }

    def _answer(self, place: int, request: ScoreRequest) -> dict[str, Any]:
        graded = self.graded[place]
        plain: dict[str, Any] = {
            "score": self.scores[place],
            "rewards": {name: values[place] for name, values in self.rewards.items()},
            "missing": sum(verdict.is_missing for verdict in graded.verdicts),
        }
        if request.with_verdicts:
            plain["verdicts"] = [verdict.to_json() for verdict in graded.verdicts]
            if graded.replicates:
                plain["replicates"] = [[v.to_json() for v in row] for row in graded.replicates]
            if graded.ratings:
                plain["ratings"] = [rating.to_verdict().to_json() for rating in graded.ratings]
        return plain
