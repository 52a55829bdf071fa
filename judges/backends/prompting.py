"""How questions become messages and replies become verdicts, whatever carries them.

Shared by the judges that ask a language model in words: `chat`, `batch`, `vllm`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

import orjson

from ..errors import ConfigError
from ..judge import Question
from ..rating import Rating
from ..replies.parsing import IN_REASONING, Parsed, parse_group, parse_rating, parse_verdict
from ..replies.reasoning import TABLE, Marks, split_reasoning
from ..rubric import Example
from ..verdict import Outcome, Verdict
from .replies import MAX_EXPLANATION_CHARS, MAX_REPLY_CHARS, YES_NO_MASS, Completion
from .wording import FENCED, PLAIN, WITHHELD, Wording, conversation_text, load_wording

MIN_REPEATED_CHARS = 40
"""An explanation this long that stands in the wording is the wording's."""
ALL_CRITERIA = 10_000
"""Group size of `group_size=all`: more criteria than any rubric has."""
_YES_NO = re.compile(r"\W*(yes|no)\W*", re.IGNORECASE)
_MEASURED = {
    "smollm2-135m": "692 criteria of real rows kappa .04 [-.01, .08], macro-F1 .39 [.34, .44]",
    "qwen2.5-coder-1.5b": "300 criteria of real rows kappa -.05, macro-F1 .46",
}
"""Agreement of Yes against No with gpt-4.1's verdicts (docs/judges.md); kappa 0 is chance."""


class Shape(StrEnum):
    """How criteria become calls."""

    HEALTHBENCH = "healthbench"
    """One criterion a call, in the order of the published protocol: conversation, item, task."""
    PREFIX = "prefix"
    """One criterion a call; instructions and conversation first, so that endpoints cache them."""
    GROUPED = "grouped"
    """Several criteria of one answer in one call."""
    YES_NO = "yes_no"
    """One criterion a call, in the order of `prefix`; the reply is one word, Yes or No."""


@dataclass(slots=True, kw_only=True)
class AskingOptions:
    """What all judges that ask a language model in words let their users choose."""

    shape: str = "healthbench"
    prompt: str | None = None
    """A shipped wording or the path of your own; default: the one of the shape."""
    group_size: int | str = 1
    """`grouped` only: criteria a call, or `all`."""
    parsing: str = "tolerant"
    """`strict` takes only the exact JSON object."""
    look: bool = True
    """False withholds the answer: the no-look baseline."""
    reply_marks: str | Sequence[str] = ""
    """Marks of the judge's own reasoning beside the known ones, each `OPEN...CLOSE`."""
    reply_opens: str = "text"
    """`prompt` where the judge's chat template opens the block, so that replies begin inside."""


@dataclass(slots=True, kw_only=True)
class Asking(AskingOptions):
    """The wording, the shape and the reading of one judge."""

    min_mass: float = YES_NO_MASS
    """`yes_no` only: probability that Yes and No must hold together, 0 to 1."""
    marks: Marks = field(init=False, repr=False)
    wording: Wording = field(init=False, repr=False)
    rating_wording: Wording = field(init=False, repr=False)
    n_group: int = field(init=False)
    """Most criteria of one call."""

    def __post_init__(self) -> None:
        """Check every setting, and load the wordings."""
        self.shape = member_of(Shape, "shape", self.shape)
        if self.parsing not in {"tolerant", "strict"}:
            raise ConfigError(f"parsing={self.parsing!r}: tolerant or strict")
        self.marks = Marks.of(self.reply_marks, self.reply_opens, option="reply")
        if not 0 <= self.min_mass <= 1:
            raise ConfigError(f"min_mass={self.min_mass}: between 0 and 1")
        self.wording = load_wording(self.prompt or self.shape)
        if self.wording.name == Shape.YES_NO:
            if self.is_grouped:
                raise ConfigError(f"prompt={self.prompt} asks for one verdict; leave shape out")
            self.shape = Shape.YES_NO.value  # the wording has no other
        self.n_group = self._checked_group_size()
        version = FENCED if self.wording.version == FENCED else PLAIN
        self.rating_wording = load_wording(f"rating-{version}")

    @classmethod
    def of(cls, options: AskingOptions, **more: Any) -> Asking:
        """Make one of a judge's options.

        Raises:
            ConfigError: One of them is wrong.
        """
        given = {spec.name: getattr(options, spec.name) for spec in fields(AskingOptions)}
        return cls(**given, **more)

    @property
    def is_grouped(self) -> bool:
        """Whether a reply holds a list of verdicts."""
        return self.shape == Shape.GROUPED

    @property
    def reply_name(self) -> str:
        """Name what is asked for as `replies.SCHEMAS` does; empty where it is no JSON."""
        if self.is_yes_no:
            return ""
        return "verdicts" if self.is_grouped else "verdict"

    @property
    def is_yes_no(self) -> bool:
        """Whether a reply is one word."""
        return self.shape == Shape.YES_NO

    def messages(self, questions: Sequence[Question]) -> list[dict[str, str]]:
        """Render the messages for questions about one answer."""
        first = questions[0]
        for question in questions[1:]:
            if question.example is not first.example or question.answer != first.answer:
                raise ValueError("one group holds questions about one answer")
        answer = first.answer if self.look else WITHHELD
        conversation = conversation_text(first.example, answer)
        indices = [question.index for question in questions]
        return _user_message(self.wording.fill(first.example, conversation, answer, indices))

    def rating_messages(self, example: Example, answer: str) -> list[dict[str, str]]:
        """Render the messages that ask for a rating of the whole answer."""
        shown = answer if self.look else WITHHELD
        conversation = conversation_text(example, shown)
        indices = range(len(example.rubric))
        return _user_message(self.rating_wording.fill(example, conversation, shown, indices))

    def verdicts_in(self, completion: Completion, n_questions: int) -> list[Verdict]:
        """Read one verdict for each question asked; the call's tokens are counted once."""
        if completion.is_refused:
            parsed = [Parsed(None, "the judge refused")] * n_questions
        elif self.is_yes_no and completion.tokens:
            return [completion.weighed(self.min_mass)]
        elif self.is_yes_no:
            parsed = [_one_word(completion.text, self.marks)]
        elif self.is_grouped:
            how = self.how_to_read(ended=completion.ended)
            parsed = parse_group(completion.text, n_questions, **how)
        else:
            parsed = [parse_verdict(completion.text, **self.how_to_read(ended=completion.ended))]
        parsed = [self._unless_repeated(one) for one in parsed]
        if not self.is_grouped:
            return [completion.verdict(parsed[0])]
        return [completion.verdict(one, place) for place, one in enumerate(parsed)]

    def _unless_repeated(self, parsed: Parsed) -> Parsed:
        """Take no verdict from an example of the wording that a model gives back word by word."""
        words = parsed.explanation.strip()
        if parsed.met is None or len(words) < MIN_REPEATED_CHARS or words not in self.wording.text:
            return parsed
        return Parsed(None, "the reply repeats an example of the prompt")

    def rating_in(self, completion: Completion) -> Rating:
        """Read a rating."""
        how = self.how_to_read(ended=completion.ended)
        value, words = parse_rating(completion.text, **how)
        if completion.is_refused or value is None:
            outcome, why = completion.without_verdict(words)
            reply = completion.text[:MAX_REPLY_CHARS]
            return Rating(None, outcome, why, reply, **completion.usage)
        return Rating(value, Outcome.MET, words[:MAX_EXPLANATION_CHARS], **completion.usage)

    def how_to_read(self, *, ended: bool = True) -> dict[str, Any]:
        """Give how a reply is read, as the functions of `parsing` take it."""
        return {"strict": self.parsing == "strict", "ended": ended, "marks": self.marks}

    def settings(self, shape: str | None = None) -> dict[str, Any]:
        """Name what of these could change a verdict; those left alone are left out."""
        named: dict[str, Any] = {"shape": shape or self.shape, "parsing": self.parsing}
        if self.is_grouped and shape is None:
            named["group_size"] = self.n_group
        if self.is_yes_no:
            named["min_mass"] = self.min_mass
        if not self.look:
            named["look"] = False
        if self.marks != TABLE:
            named["reply"] = self.marks.to_json()
        return named

    def _checked_group_size(self) -> int:
        size = self.group_size
        if size == "all":
            size = ALL_CRITERIA
        if not isinstance(size, int) or isinstance(size, bool) or size < 1:
            raise ConfigError(f"group_size={self.group_size!r}: a whole number from 1, or all")
        if self.shape == Shape.GROUPED:
            return size if size > 1 else ALL_CRITERIA
        if size > 1:
            raise ConfigError(f"group_size={self.group_size} needs shape=grouped")
        return 1


class AsksInWords(ABC):
    """What judges do alike that render a question, have a completion made and read it."""

    __slots__ = ()
    _asking: Asking

    @abstractmethod
    async def judge_group(self, questions: Sequence[Question]) -> list[Verdict]:
        """Ask about several criteria of one answer at once."""

    async def judge(self, question: Question) -> Verdict:
        """Ask about one criterion."""
        return (await self.judge_group([question]))[0]

    def key_material(self, question: Question) -> bytes:
        """Give the exact words sent about this question alone."""
        return orjson.dumps(self._asking.messages([question]))

    def rating_material(self, example: Example, answer: str) -> bytes:
        """Give the exact words sent when this answer is rated."""
        return orjson.dumps(self._asking.rating_messages(example, answer))


def member_of(kind: type[StrEnum], name: str, value: str) -> str:
    """Give an option's value as one of a closed set.

    Raises:
        ConfigError: It is none of them.
    """
    try:
        return kind(value).value
    except ValueError:
        known = ", ".join(kind)
        hint = "; ratings are asked for by the reward rar_implicit" if value == "rating" else ""
        raise ConfigError(f"{name}={value!r} is unknown; known: {known}{hint}") from None


def _one_word(text: str, marks: Marks) -> Parsed:
    """Read a reply that is Yes or No and nothing else."""
    split = split_reasoning(text, marks)
    if split.is_cut_off:
        return Parsed(None, IN_REASONING)
    word = _YES_NO.fullmatch(split.rest)
    if word is None:
        return Parsed(None, "the reply is not one word, Yes or No")
    return Parsed(word[1].lower() == "yes", "")


def worth_of(model: str) -> str:
    """Say what was measured of a model that weighs Yes against No, or that nothing was."""
    for part, measured in _MEASURED.items():
        if part in model.lower():
            return (
                f"{model}: against gpt-4.1 on {measured} (kappa 0 is chance): not an honest "
                "grader, its scores mean nothing"
            )
    return (
        f"{model}: no agreement with physicians or a better judge is known; measure it before its "
        "scores are believed"
    )


def _user_message(text: str) -> list[dict[str, str]]:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # half of a surrogate pair, as cut-off answers hold them: JSON cannot carry it
        text = text.encode("utf-8", "replace").decode("utf-8")
    return [{"role": "user", "content": text}]
