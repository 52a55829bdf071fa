"""The words a judge is asked with: templates, their versions, and how they are filled in.

A template is plain text with `<<name>>` marks, filled in one single pass: a mark that stands inside
a conversation or a criterion is text, and is never replaced. A user's own file (`prompt: PATH`) is
either such a text (the published HealthBench grader prompt is one, and works as it stands) or a
Jinja2 template, rendered in a sandbox.

The shipped wordings are ours, written from the published description of the grader protocol
(HealthBench, arXiv 2505.08775).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from ..errors import ConfigError, near_names
from ..files import user_path
from ..replies.readings import CHOICES
from ..rubric import Criterion, Message, Polarity, numbered, points_text, rubric_item
from .prompts.criteria_words import choices_of, levels_text, na_subject, na_text
from .prompts.sandbox import fill_template, names_in

SHIPPED = ("healthbench", "prefix", "grouped", "rating", "yes_no")
"""The shipped wordings; the text is `prompts/NAME-VERSION.txt`."""
CODE_DIGITS = 12
HASH_DIGITS = 16
"""Digits of a wording's hash that stand in the judge's identity."""
WITHHELD = (
    "(This turn is withheld. Say whether the item is more likely met or not met by the answer of "
    "a typical assistant.)"
)
"""Stands for the answer under `look=false`: the no-look baseline of the method sheet, section 6."""
WITHHELD_LEVEL = (
    "(This turn is withheld. Say what is the most likely verdict on the answer of a typical "
    "assistant.)"
)
"""The same where more is asked for than met or not met."""
_MARK = re.compile(r"<<([a-z_]+)>>")
PLAIN, FENCED = "1", "2"
"""Versions of each: the published protocol, and the same with the answer behind a fence."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a judge is shown: some criteria of one view of a conversation."""

    before: tuple[Message, ...]
    """The turns before the judged one."""
    judged: str
    criteria: tuple[Criterion, ...]
    reference: str = ""
    """What the judge sees beside the conversation; empty for nothing."""
    is_whole: bool = False
    """Whether every turn of the assistant's is judged."""

    @property
    def conversation(self) -> str:
        """The turns with the judged one at the end."""
        return conversation_text(self.before, self.judged)

    @property
    def is_plain(self) -> bool:
        """Whether criteria are met or not met of one turn, with nothing beside it."""
        more = any(c.levels or c.na for c in self.criteria)
        return not (more or self.reference or self.is_whole)


@dataclass(frozen=True, slots=True)
class Wording:
    """One template, ready to be filled in."""

    name: str
    """`healthbench` or another shipped name, or the file's name."""
    version: str
    text: str = field(repr=False)
    is_jinja: bool = False

    @property
    def label(self) -> str:
        """Name, version and hash: what identifies this wording in every verdict."""
        digest = hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{self.name}-{self.version}:{digest[:HASH_DIGITS]}"

    @property
    def is_own(self) -> bool:
        """Whether it is a user's file."""
        return self.version == _OWN

    def fill(self, shown: Shown) -> str:
        """Fill the template in; a shipped one is written out in full where criteria need more.

        Raises:
            ConfigError: A user's template does not show what the criteria need.
        """
        if not shown.is_plain:
            if not self.is_own:
                return fill_full(self.name, shown, is_fenced=self.version == FENCED)
            self._require_all(shown)
        if self.is_jinja:
            return _fill_jinja(self.text, shown)
        return _compile(self.text)(_VALUES, shown)

    def _require_all(self, shown: Shown) -> None:
        """Refuse to ask for what the judge would not be told."""
        names = names_in(self.text) if self.is_jinja else frozenset(_MARK.findall(self.text))
        said = self.text.lower()
        in_words = names & {"rubric_item", "rubric_items", "criteria"} and "level" in said
        needs = {
            "levels": any(c.levels for c in shown.criteria) and not in_words,
            "may_be_na": any(c.na for c in shown.criteria)
            and not re.search(r"not.applicable", said),
            "reference": bool(shown.reference) and "fenced_reference" not in names,
            "subject": shown.is_whole,
        }
        for name, is_needed in needs.items():
            if is_needed and name not in names:
                mark = f"{{{{ {name} }}}}" if self.is_jinja else f"<<{name}>>"
                raise ConfigError(
                    f"prompt file {self.name} never shows {_NEEDED[name]}, which the rubric has; "
                    f"put {mark} where it belongs"
                )


_OWN = "own"
_NEEDED = {
    "levels": "the levels of a criterion",
    "may_be_na": "that a criterion may be called not applicable",
    "reference": "the reference",
    "subject": "that the whole conversation is judged",
}


def load_wording(name_or_path: str) -> Wording:
    """Load a shipped wording by name, or a user's own by path.

    Args:
        name_or_path: `prefix`, `prefix-2` for that version, or a file.

    Raises:
        ConfigError: No such name or file, or the template cannot be filled in.
    """
    name, _, version = name_or_path.partition("-")
    version = version or PLAIN
    if name in SHIPPED and version in {PLAIN, FENCED}:
        return Wording(name, version, _shipped(f"{name}-{version}"))
    path = user_path(name_or_path)
    if not path.is_file():
        raise ConfigError(
            f"prompt {name_or_path!r} is no file, and no shipped wording; "
            f"{near_names(name_or_path, [*SHIPPED, *(f'{name}-{FENCED}' for name in SHIPPED)])}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"prompt file {path}: not UTF-8 text ({error})") from None
    wording = Wording(path.name, _OWN, text, is_jinja=not _MARK.search(text))
    _try_out(wording, path)
    return wording


def fill_full(name: str, shown: Shown, *, is_fenced: bool = False) -> str:
    """Fill in the wording of a shape for criteria that are more than met or not met.

    Args:
        name: A shipped name, or `before` or `after`: what surrounds the reference where the judge
            states its own reading first.
        shown: What the judge is shown.
        is_fenced: Whether what is judged stands behind a fence.
    """
    facts = _facts(shown, is_fenced=is_fenced, is_grouped=name == "grouped")
    parts = {"shown": _fenced_parts if is_fenced else _parts, "reference_part": _reference_part}
    return _compile(_frame(name, tuple(facts.items())))({**_VALUES, **parts}, shown)


@lru_cache(maxsize=1_024)
def _frame(name: str, facts: tuple[tuple[str, object], ...]) -> str:
    """Write a full wording for one kind of criteria, with marks where texts belong."""
    values = dict(facts)
    for part in ("rules", "form"):
        values[part] = fill_template(_shipped(f"{part}-full"), values).rstrip("\n")
    return fill_template(_shipped(f"{name}-full"), values).rstrip("\n")


def conversation_text(before: Sequence[Message], judged: str) -> str:
    """Write the turns as "role: text", the candidate's system message included, the judged last."""
    turns = [f"{message.role}: {message.content}" for message in before]
    return "\n\n".join([*turns, f"assistant: {judged}"])


def fence_code(conversation: str) -> str:
    """Give the code that an answer cannot know: a hash of the conversation with the answer in it.

    The same answer has the same code, so verdicts are found again; an answer that holds its own
    code would have to hold a fixed point of SHA-256.
    """
    digest = hashlib.sha256(conversation.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:CODE_DIGITS]


def _fenced_text(shown: Shown) -> str:
    """Put what is judged between two lines that carry its code: a turn, or the conversation."""
    conversation = shown.conversation
    code = fence_code(conversation)
    if shown.is_whole:
        return f"[conversation {code} begins]\n{conversation}\n[conversation {code} ends]"
    before = conversation.removesuffix(shown.judged)
    return f"{before}\n[answer {code} begins]\n{shown.judged}\n[answer {code} ends]"


def _fenced_reference(shown: Shown) -> str:
    """Put the reference between two lines with a code that it cannot know; empty without one."""
    if not shown.reference:
        return ""
    code = _reference_code(shown)
    return f"[reference {code} begins]\n{shown.reference}\n[reference {code} ends]"


def _reference_code(shown: Shown) -> str:
    return fence_code(f"{shown.conversation}\0{shown.reference}")


def _reference_part(shown: Shown) -> str:
    """Give the reference under its heading, with the code that no answer can have forged."""
    if not shown.reference:
        return ""
    code = f"Its code: {_reference_code(shown)}"
    return f"# Reference material\n{code}\n\n{_fenced_reference(shown)}"


def _parts(shown: Shown) -> str:
    """Give the conversation and the reference under their headings."""
    return _headed(shown.conversation, shown)


def _fenced_parts(shown: Shown) -> str:
    return _headed(f"Its code: {fence_code(shown.conversation)}\n\n{_fenced_text(shown)}", shown)


def _headed(conversation: str, shown: Shown) -> str:
    parts = (f"# The conversation\n{conversation}", _reference_part(shown))
    return "\n\n".join(filter(None, parts))


def _subject(shown: Shown) -> str:
    """Say what a criterion is about, in the words of a prompt."""
    return "the whole conversation" if shown.is_whole else "the last assistant turn"


_VALUES: dict[str, Callable[[Shown], str]] = {
    "conversation": lambda shown: shown.conversation,
    "fenced": _fenced_text,
    "code": lambda shown: fence_code(shown.conversation),
    "rubric_item": lambda shown: rubric_item(shown.criteria[0]),
    "rubric_items": lambda shown: numbered(shown.criteria),
    "n_items": lambda shown: str(len(shown.criteria)),
    "criterion": lambda shown: shown.criteria[0].text,
    "points": lambda shown: points_text(shown.criteria[0].points),
    "answer": lambda shown: shown.judged,
    "levels": lambda shown: levels_text(shown.criteria),
    "may_be_na": lambda shown: na_text(shown.criteria),
    "reference": lambda shown: shown.reference,
    "fenced_reference": _fenced_reference,
    "subject": _subject,
}
"""What a template may name; Jinja2 templates also see `messages` and `criteria`."""


def _facts(shown: Shown, *, is_fenced: bool, is_grouped: bool) -> dict[str, object]:
    """Give what the full wordings decide by: no text of a row is among it."""
    criteria = shown.criteria
    return {
        "subject": _subject(shown),
        "n_items": str(len(criteria)),
        "is_fenced": is_fenced,
        "is_grouped": is_grouped,
        "is_whole": shown.is_whole,
        "has_reference": bool(shown.reference),
        "has_plain": any(not c.levels for c in criteria),
        "has_levels": any(c.levels for c in criteria),
        "has_ordinal": any(c.levels and not c.is_nominal for c in criteria),
        "has_nominal": any(c.is_nominal for c in criteria),
        "has_na": any(c.na for c in criteria),
        "has_plain_na": any(c.na and not c.levels for c in criteria),
        "has_level_na": any(c.na and c.levels for c in criteria),
        "may_be_na_of": na_subject(criteria),
        "nominal": tuple(str(n) for n, c in enumerate(criteria, start=1) if c.is_nominal),
        "n_choices": len(choices_of(criteria[0])),
        "choices": CHOICES,
    }


@lru_cache(maxsize=32)
def _shipped(name: str) -> str:
    return files(__package__).joinpath("prompts", f"{name}.txt").read_text(encoding="utf-8")


@lru_cache(maxsize=1_024)
def _compile(text: str) -> Callable[[Mapping[str, Callable[[Shown], str]], Shown], str]:
    """Cut a template at its marks, once; filling in is then one join."""
    pieces = _MARK.split(text)
    literal, names = pieces[::2], pieces[1::2]

    def fill(values: Mapping[str, Callable[[Shown], str]], shown: Shown) -> str:
        filled = [literal[0]]
        for name, after in zip(names, literal[1:], strict=True):
            filled += (values[name](shown), after)
        return "".join(filled)

    return fill


def _fill_jinja(text: str, shown: Shown) -> str:
    # plain dicts and strings only: a template must not reach our objects
    return fill_template(
        text,
        {
            **{name: value(shown) for name, value in _VALUES.items()},
            "messages": [turn.to_json() for turn in shown.before],
            "criteria": [_plain_form(c) for c in shown.criteria],
        },
    )


def _plain_form(criterion: Criterion) -> dict[str, object]:
    """Give a criterion to a template; what it does not have has no name there."""
    plain: dict[str, object] = {"text": criterion.text, "points": points_text(criterion.points)}
    if criterion.levels:
        plain["levels"] = [
            {"text": level.text, "points": points_text(level.points)} for level in criterion.levels
        ]
    return plain | ({"may_be_na": True} if criterion.na else {})


def _try_out(wording: Wording, path: Path) -> None:
    """Fill a user's template in with made-up text, so that it fails before anything is paid."""
    unknown = sorted(set(_MARK.findall(wording.text)) - set(_VALUES))
    if unknown and not wording.is_jinja:
        raise ConfigError(
            f"prompt file {path}: unknown mark <<{unknown[0]}>>; {near_names(unknown[0], _VALUES)}"
        )
    marked = Criterion("CRITERION-HERE", 5, Polarity.DESIRABLE)
    try:
        filled = wording.fill(Shown((Message("user", "QUESTION-HERE"),), "ANSWER-HERE", (marked,)))
    except Exception as error:  # Jinja2 raises many kinds; each is a fault of the user's file
        raise ConfigError(
            f"prompt file {path} cannot be filled in: {type(error).__name__}: {error}; "
            f"it may use {', '.join(_VALUES)}, messages, criteria"
        ) from error
    if "CRITERION-HERE" not in filled:
        raise ConfigError(
            f"prompt file {path} never shows the criterion; put <<rubric_item>> or "
            "{{ rubric_item }} where it belongs"
        )
