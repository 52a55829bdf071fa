"""What is sent and what comes back: bodies become answers to grade, and grades become JSON.

Whatever can be wrong with a body is found before a question is asked, and named by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import orjson

from ...judges.answer import Answer, GradedAnswer
from ...judges.data.conversations import text_of_answer
from ...judges.data.examples import example_from_row
from ...judges.errors import DataError, near_names
from ...judges.rewards import Reward
from ...judges.rubric import Example
from ...judges.scoring.missing_reasons import MissingVerdicts

FIELDS = ("items", "rewards", "verdicts")
ITEM_FIELDS = ("row", "prompt_id", "answers")
MAX_NAME_CHARS = 60
"""Of a name that is quoted in a message."""
STATUSES = {
    "wrong_token": 401,
    "wrong_host": 403,
    "no_such_path": 404,
    "wrong_method": 405,
    "slow": 408,
    "too_large": 413,
    "too_many_answers": 413,
    "not_json": 415,
    "compressed": 415,
    "missing_verdicts": 424,
    "busy": 429,
    "gone": 499,
    "fault": 500,
    "judge_stopped": 503,
    "stopping": 503,
}
"""Of HTTP, by the code of an error; 400 for all others."""


class RequestError(Exception):
    """A request that is refused, in words for whoever sent it."""

    def __init__(self, message: str, code: str = "bad_request") -> None:
        """Refuse.

        Args:
            message: What, where and how to mend.
            code: For programs; the status of HTTP follows from it.
        """
        super().__init__(message)
        self.code = code
        self.status = STATUSES.get(code, 400)
        self.retry = code in {"busy", "missing_verdicts"}
        """Whether the same request may work in a moment."""

    def to_json(self) -> dict[str, object]:
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


def parsed(body: bytes) -> object:
    """Read a body as JSON.

    Raises:
        RequestError: It is none, or nested too deeply, or no UTF-8.
    """
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise RequestError(f"the body is not JSON in UTF-8: {error}", "bad_json") from None


def score_request(plain: object, offer: Offer) -> ScoreRequest:
    """Read the request of `/v1/score`."""
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
    """Refuse more answers than one request may hold."""
    if n_answers > offer.max_answers:
        raise RequestError(
            f"more than {offer.max_answers} answers in one request (--max_answers); send several",
            "too_many_answers",
        )


def example_of(value: object, where: str, offer: Offer) -> Example:
    """Give the example that a row, a row as JSON text, or a prompt_id stands for."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = parsed(value.encode())
    if isinstance(value, Mapping):
        try:
            return example_from_row(value, where=where)
        except DataError as error:
            raise RequestError(str(error), "bad_row") from None
        except RecursionError:
            raise RequestError(f"{where}: nested too deeply", "bad_row") from None
    if not isinstance(value, str):
        raise RequestError(f"{where}: give a row, or the prompt_id of a row of --data")
    if value not in offer.examples:
        named = value[:MAX_NAME_CHARS]
        raise RequestError(f"{where}: no row of --data has prompt_id {named!r}", "no_such_row")
    return offer.examples[value]


def _text(value: object, where: str) -> str | None:
    try:
        return text_of_answer(value)
    except DataError as error:
        raise RequestError(f"{where}: {error}", "bad_answer") from None


def _rewards(named: object, offer: Offer) -> tuple[Reward, ...]:
    if named is None:
        return tuple(offer.rewards.values())
    found: dict[str, Reward] = {}
    for name in [] if named == [] else _list(named, "rewards"):
        if not isinstance(name, str) or name not in offer.rewards:
            said = str(name)[:MAX_NAME_CHARS]
            raise RequestError(
                f"rewards: {said!r} is none that this server gives (--rewards); "
                f"{near_names(said, offer.rewards)}",
                "no_such_reward",
            )
        found[name] = offer.rewards[name]
    return tuple(found.values())


def _object(value: object, where: str, known: Sequence[str]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise RequestError(f"{where}: not a JSON object with {', '.join(known)}")
    for name in value:
        if name not in known:
            said = str(name)[:MAX_NAME_CHARS]
            raise RequestError(f"{where}: unknown field {said!r}; {near_names(said, known)}")
    return value


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list) or not value:
        raise RequestError(f"{where}: give a list with at least one element")
    return value


@dataclass(frozen=True, slots=True)
class Scored:
    """Graded answers with what they are worth."""

    request: ScoreRequest
    graded: tuple[GradedAnswer, ...]
    scores: list[float | None]
    """Unclipped item score h; None where too much is missing."""
    rewards: Mapping[str, list[float | None]]
    """By name."""
    ended: str | None = None
    """Why the judge was asked no more: an outage, a spent budget, a fault of the store or of the
    judge's settings; None where it was."""

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
        told = [] if self.ended is None else [self.ended]
        if head:
            told.append(f"{head} {'; '.join(reasons)}")
        for name, values in self.rewards.items():
            if not told and (n := values.count(None)):
                whose = f"{n} of {len(values)} answers have no reward {name!r}"
                told = [f"{whose}: {self._no_reward()}"]
        return "; ".join(told)

    def _no_reward(self) -> str:
        ratings = (rating for one in self.graded for rating in one.ratings)
        lacking = next((one for one in ratings if one.value is None), None)
        if lacking is not None:
            return f"no rating, {lacking.to_verdict().explanation}"
        return "the judge gives no P(met), or the rubric has no positive points"

    def to_json(self, judge: Mapping[str, object]) -> dict[str, object]:
        """Give the reply of `/v1/score`."""
        each = [self._answer(place) for place in range(len(self.graded))]
        missing = self.missing
        return {
            "items": [
                {"prompt_id": self.graded[group.start].example.prompt_id, "answers": each[group]}
                for group in self.request.groups
            ],
            "complete": self.is_complete,
            "missing": {"verdicts": missing.n_missing, "of": missing.n_asked},
            "why": None if self.is_complete else self.why_incomplete(),
            "judge": judge,
        }

    def _answer(self, place: int) -> dict[str, object]:
        graded = self.graded[place]
        plain: dict[str, object] = {
            "score": self.scores[place],
            "rewards": {name: values[place] for name, values in self.rewards.items()},
            "missing": sum(verdict.is_missing for verdict in graded.verdicts),
        }
        if self.request.with_verdicts:
            plain["verdicts"] = [verdict.to_json() for verdict in graded.verdicts]
            if graded.replicates:
                plain["replicates"] = [[v.to_json() for v in row] for row in graded.replicates]
            if graded.ratings:
                plain["ratings"] = [rating.to_verdict().to_json() for rating in graded.ratings]
        return plain
