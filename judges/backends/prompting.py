"""How questions become messages and replies become verdicts, whatever carries them.

Shared by the judges that ask a language model in words: `chat`, `batch`, `vllm`.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypedDict

import orjson

from ..answer import seen_of, view_of
from ..errors import ConfigError
from ..judge import Question
from ..replies.parsing import IN_REASONING, parse_group, parse_rating, parse_verdict
from ..replies.readings import AllowedReply, Parsed
from ..replies.reasoning import TABLE, Marks, split_reasoning
from ..rubric import Criterion, Example
from ..verdict import Outcome, Rating, Verdict
from .prompts.asking_options import AskingOptions, ReferenceAt, Shape, member_of
from .prompts.criteria_words import choices_of
from .prompts.reply_forms import IN_WORDS, ONE_WORD, ReplyForm, form_of
from .replies import (
    MAX_EXPLANATION_CHARS,
    MAX_REPLY_CHARS,
    MOST_NUMBERS,
    YES_NO_MASS,
    Completion,
)
from .wording import (
    FENCED,
    PLAIN,
    WITHHELD,
    WITHHELD_LEVEL,
    Shown,
    Wording,
    fill_full,
    load_wording,
)

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


class HowToRead(TypedDict):
    """What the functions of `parsing` take beside a reply."""

    strict: bool
    ended: bool
    marks: Marks


@dataclass(slots=True, kw_only=True)
class Asking(AskingOptions):
    """The wording, the shape and the reading of one judge."""

    min_mass: float = YES_NO_MASS
    """`yes_no` only: probability that Yes and No must hold together, 0 to 1."""
    weighs: bool = False
    """`yes_no` only: whether the chances of the reply's first token are asked for."""
    stated: dict[bytes, Completion] = field(default_factory=dict, init=False, repr=False)
    """Readings of the judge's own that no verdict has followed yet, by what was asked."""
    marks: Marks = field(init=False, repr=False)
    wording: Wording = field(init=False, repr=False)
    rating_wording: Wording = field(init=False, repr=False)
    n_group: int = field(init=False)
    """Most criteria of one call."""

    def __post_init__(self) -> None:
        """Check every setting, and load the wordings."""
        self.shape = member_of(Shape, "shape", self.shape)
        self.reference = member_of(ReferenceAt, "reference", self.reference)
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
    def of(
        cls, options: AskingOptions, *, min_mass: float = YES_NO_MASS, weighs: bool = False
    ) -> Asking:
        """Make one of a judge's options.

        Raises:
            ConfigError: One of them is wrong.
        """
        given = {spec.name: getattr(options, spec.name) for spec in fields(AskingOptions)}
        return cls(**given, min_mass=min_mass, weighs=weighs)

    @property
    def is_grouped(self) -> bool:
        """Whether a reply holds a list of verdicts."""
        return self.shape == Shape.GROUPED

    @property
    def is_yes_no(self) -> bool:
        """Whether a reply is one word."""
        return self.shape == Shape.YES_NO

    def form(self, questions: Sequence[Question]) -> ReplyForm:
        """Give the form of the reply to questions."""
        if self.is_yes_no:
            return ONE_WORD
        return form_of([expected_of(q.criterion) for q in questions], is_grouped=self.is_grouped)

    def messages(
        self, questions: Sequence[Question], reading: str | None = None
    ) -> list[dict[str, str]]:
        """Render the messages for questions about one answer.

        Args:
            questions: Of one view of it.
            reading: What the judge stated before it sees the reference; None to ask for that, where
                it is to be stated.

        Raises:
            ConfigError: A user's template does not show what a criterion needs.
        """
        shown = self._shown(questions)
        if not self.states_first(questions):
            return [_message(self.wording.fill(shown))]
        asked = self.wording.fill(replace(shown, reference=""))
        first = _message(f"{asked.rstrip()}\n\n{fill_full('before', replace(shown, reference=''))}")
        if reading is None:
            return [first]
        stated = _message(reading, "assistant")
        return [first, stated, _message(fill_full("after", shown))]

    def states_first(self, questions: Sequence[Question]) -> bool:
        """Say whether the judge states its own reading before it sees a reference."""
        first = questions[0]
        has_one = bool(first.example.reference_of(first.criterion))
        return self.reference == ReferenceAt.AFTER and has_one

    def unasked(self, questions: Sequence[Question]) -> Verdict | None:
        """Give the verdict on what this shape cannot ask for; None where it can."""
        n_choices = len(choices_of(questions[0].criterion))
        if not (self.is_yes_no and self.weighs) or n_choices <= MOST_NUMBERS:
            return None
        why = f"{n_choices} choices: weighing one token takes at most {MOST_NUMBERS}; another shape"
        return Verdict(Outcome.SKIPPED, explanation=f"{why} takes more", attempts=0)

    def _shown(self, questions: Sequence[Question]) -> Shown:
        first = questions[0]
        for question in questions[1:]:
            is_one = question.example is first.example and question.answer == first.answer
            if not is_one or seen_of(question) != seen_of(first):
                raise ValueError("one group holds questions about one view of one answer")
        view = view_of(first)
        criteria = tuple(question.criterion for question in questions)
        reference = first.example.reference_of(first.criterion)
        shown = Shown(view.before, view.judged, criteria, reference, view.is_whole)
        if self.look:
            return shown
        return replace(shown, judged=WITHHELD if shown.is_plain else WITHHELD_LEVEL)

    def require_askable(self, example: Example) -> None:
        """See that a user's template shows what each criterion of a rubric needs.

        Raises:
            ConfigError: It does not.
        """
        if self.wording.is_own and not (example.rubric.is_plain and not example.reference):
            for index in range(len(example.rubric)):
                self.messages([Question(example, "", index)])

    def rating_messages(self, example: Example, answer: str) -> list[dict[str, str]]:
        """Render the messages that ask for a rating of the whole answer."""
        criteria = example.rubric.criteria
        judged = answer if self.look else WITHHELD
        shown = Shown(example.prompt, judged, criteria, _references(example))
        return [_message(self.rating_wording.fill(shown))]

    def verdicts_in(self, completion: Completion, questions: Sequence[Question]) -> list[Verdict]:
        """Read one verdict for each question asked; the call's tokens are counted once."""
        expected = [expected_of(question.criterion) for question in questions]
        how = self.how_to_read(ended=completion.ended)
        if completion.is_refused:
            parsed = [Parsed(None, "the judge refused")] * len(expected)
        elif self.is_yes_no and completion.tokens:
            return [completion.weighed(self.min_mass, expected[0])]
        elif self.is_yes_no:
            parsed = [_one_word(completion.text, expected[0], self.marks)]
        elif self.is_grouped:
            parsed = parse_group(completion.text, expected, **how)
        else:
            parsed = [parse_verdict(completion.text, expected[0], **how)]
        parsed = list(map(self._unless_repeated, parsed))
        if not self.is_grouped:
            return [completion.verdict(parsed[0], expected=expected[0])]
        return [completion.verdict(one, place) for place, one in enumerate(parsed)]

    def reading_in(self, completion: Completion) -> str | Verdict:
        """Take the judge's own reading out of a reply, without its reasoning; or say why not."""
        split = split_reasoning(completion.text, self.marks)
        said = "" if split.is_cut_off else split.rest.strip()
        if completion.is_refused or not said or not completion.ended:
            why = IN_REASONING if split.is_cut_off else "the judge stated no reading of its own"
            outcome, why = completion.without_verdict(why)
            return Verdict(outcome, explanation=why[:500], **completion.usage)
        return said

    def _unless_repeated(self, parsed: Parsed) -> Parsed:
        """Take no verdict from an example of the wording that a model gives back word by word."""
        words = parsed.explanation.strip()
        if parsed.has_verdict and len(words) >= MIN_REPEATED_CHARS and words in self.wording.text:
            return Parsed(None, "the reply repeats an example of the prompt")
        return parsed

    def rating_in(self, completion: Completion) -> Rating:
        """Read a rating."""
        value, words = parse_rating(completion.text, **self.how_to_read(ended=completion.ended))
        if completion.is_refused or value is None:
            outcome, why = completion.without_verdict(words)
            reply = completion.text[:MAX_REPLY_CHARS]
            return Rating(None, outcome, why, reply, **completion.usage)
        words = words[:MAX_EXPLANATION_CHARS]
        return Rating(value, explanation=words, **completion.usage)

    def how_to_read(self, *, ended: bool = True) -> HowToRead:
        """Give how a reply is read, as the functions of `parsing` take it."""
        return HowToRead(strict=self.parsing == "strict", ended=ended, marks=self.marks)

    def settings(self, shape: str | None = None) -> dict[str, object]:
        """Name what of these could change a verdict; those left alone are omitted."""
        named: dict[str, object] = {"shape": shape or self.shape, "parsing": self.parsing}
        if self.is_grouped and shape is None:
            named["group_size"] = self.n_group
        if self.is_yes_no:
            named["min_mass"] = self.min_mass
        if not self.look:
            named["look"] = False
        if self.reference != ReferenceAt.WITH and shape is None:
            named["reference"] = self.reference
        if self.marks != TABLE:
            named["reply"] = self.marks.to_json()
        return named

    def _checked_group_size(self) -> int:
        size = ALL_CRITERIA if self.group_size == "all" else self.group_size
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
    async def _complete(
        self, messages: list[dict[str, str]], form: ReplyForm, replicate: int
    ) -> Completion | Verdict:
        """Have a reply made; a verdict without an answer where there is none to read."""

    async def judge_group(self, questions: Sequence[Question]) -> list[Verdict]:
        """Ask about several criteria of one view of an answer at once."""
        asking, replicate = self._asking, questions[0].replicate
        if (unasked := asking.unasked(questions)) is not None:
            return [unasked] * len(questions)
        first = asking.messages(questions)
        if not asking.states_first(questions):
            return await self._verdicts(questions, first)
        key = orjson.dumps([first, replicate])
        stated = asking.stated.get(key) or await self._complete(first, IN_WORDS, replicate)
        if isinstance(stated, Verdict):
            return [stated] * len(questions)
        reading = asking.reading_in(stated)
        if isinstance(reading, Verdict):
            return [reading, *[_with_usage(reading, stated, -1)] * (len(questions) - 1)]
        asking.stated[key] = stated  # where no verdict comes, asking again does not pay for it
        verdicts = await self._verdicts(questions, asking.messages(questions, reading))
        asking.stated[key] = replace(stated, prompt_tokens=0, cached_tokens=0, completion_tokens=0)
        if not any(verdict.is_missing for verdict in verdicts):
            del asking.stated[key]
        return [_with_usage(verdicts[0], stated), *verdicts[1:]]

    async def _verdicts(
        self, questions: Sequence[Question], messages: list[dict[str, str]]
    ) -> list[Verdict]:
        form = self._asking.form(questions)
        completion = await self._complete(messages, form, questions[0].replicate)
        if isinstance(completion, Verdict):
            return [completion] * len(questions)
        return self._asking.verdicts_in(completion, questions)

    async def judge(self, question: Question) -> Verdict:
        """Ask about one criterion."""
        return (await self.judge_group([question]))[0]

    def require_askable(self, example: Example) -> None:
        """See that a user's template shows what a rubric needs, before anything is paid."""
        self._asking.require_askable(example)

    def requests_of(self, question: Question) -> int:
        """Count the requests for a question: two where the judge states its own reading first."""
        return 1 + self._asking.states_first([question])

    def key_material(self, question: Question) -> bytes:
        """Give the exact words sent about this question alone; a reading of its own left empty."""
        return orjson.dumps(self._asking.messages([question], reading=""))

    def rating_material(self, example: Example, answer: str) -> bytes:
        """Give the exact words sent when this answer is rated."""
        return orjson.dumps(self._asking.rating_messages(example, answer))


def _with_usage(verdict: Verdict, earlier: Completion, sign: int = 1) -> Verdict:
    """Add what an earlier call about the same question cost."""
    return replace(
        verdict,
        prompt_tokens=verdict.prompt_tokens + sign * earlier.prompt_tokens,
        cached_tokens=verdict.cached_tokens + sign * earlier.cached_tokens,
        completion_tokens=verdict.completion_tokens + sign * earlier.completion_tokens,
    )


def expected_of(criterion: Criterion) -> AllowedReply:
    """Give what a reply may say of a criterion."""
    return AllowedReply(tuple(level.text for level in criterion.levels), criterion.na is not None)


def _one_word(text: str, expected: AllowedReply, marks: Marks) -> Parsed:
    """Read a reply that is Yes or No, or the number of one of the choices, and nothing else."""
    split = split_reasoning(text, marks)
    if split.is_cut_off:
        return Parsed(None, IN_REASONING)
    if not expected.is_plain:
        return expected.chosen(split.rest)
    if word := _YES_NO.fullmatch(split.rest):
        return Parsed(word[1].lower() == "yes", "")
    return Parsed(None, "the reply is not one word, Yes or No")


def _references(example: Example) -> str:
    """Give all reference material of a rubric; that of some criteria with their numbers."""
    numbers_of: dict[str, list[str]] = {}
    for number, criterion in enumerate(example.rubric.criteria, start=1):
        numbers_of.setdefault(example.reference_of(criterion), []).append(str(number))
    if len(numbers_of) == 1:
        return next(iter(numbers_of))
    each = (f"For line {', '.join(n)}:\n{text}" for text, n in numbers_of.items() if text)
    return "\n\n".join(each)


def worth_of(model: str) -> str:
    """Say what was measured of a model that weighs Yes against No, or that nothing was."""
    for part, measured in _MEASURED.items():
        if part in model.lower():
            return (
                f"{model}: against gpt-4.1 on {measured} (kappa 0 is chance): not a reliable "
                "judge; its scores mean nothing"
            )
    return (
        f"{model}: its agreement with physicians or a better judge is unknown; measure it before "
        "you trust its scores"
    )


def _message(text: str, role: str = "user") -> dict[str, str]:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        # half of a surrogate pair, as cut-off answers hold them: JSON cannot carry it
        text = text.encode("utf-8", "replace").decode("utf-8")
    return {"role": role, "content": text}
