"""What all judges that ask a language model in words let their users choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import MISSING, Field, dataclass, fields
from enum import StrEnum

from ...errors import ConfigError


class ReferenceAt(StrEnum):
    """When the judge is shown the reference."""

    WITH = "with"
    """Beside the conversation."""
    AFTER = "after"
    """In a second message, once it has stated its own reading: two calls."""


class Shape(StrEnum):
    """How criteria become calls."""

    HEALTHBENCH = "healthbench"
    """One criterion per call, in the order of the published protocol: conversation, item, task."""
    PREFIX = "prefix"
    """One criterion per call; instructions and conversation first, so that endpoints cache them."""
    GROUPED = "grouped"
    """Several criteria of one answer in one call."""
    YES_NO = "yes_no"
    """One criterion per call, in the order of `prefix`; the reply is one word, Yes or No."""


@dataclass(slots=True)
class Portable:
    """Pickles without what was opened since: connections and models belong to one process."""

    def __getstate__(self) -> dict[str, object]:
        """Give all fields but those that are no option and have a default."""
        return {spec.name: getattr(self, spec.name) for spec in fields(self) if not _starts(spec)}

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take them up again; the others start anew."""
        for spec in fields(self):
            value = state[spec.name] if spec.name in state else _starts(spec)[0]
            setattr(self, spec.name, value)


def _starts(spec: Field[object]) -> tuple[object, ...]:
    """Give what a field begins with where nobody may set it; nothing for the others."""
    if spec.init or spec.default is spec.default_factory is MISSING:
        return ()
    if spec.default_factory is not MISSING:
        return (spec.default_factory(),)
    return (spec.default,)


@dataclass(slots=True, kw_only=True)
class AskingOptions(Portable):
    """What all judges that ask a language model in words let their users choose."""

    shape: str = "healthbench"
    prompt: str | None = None
    """A shipped wording or the path of your own; default: the one of the shape."""
    group_size: int | str = 1
    """`grouped` only: criteria per call, or `all`."""
    parsing: str = "tolerant"
    """`strict` takes only the exact JSON object."""
    look: bool = True
    """False withholds the answer: the no-look baseline."""
    reply_marks: str | Sequence[str] = ""
    """Marks of the judge's own reasoning beside the known ones, each `OPEN...CLOSE`."""
    reply_opens: str = "text"
    """`prompt` where the judge's chat template opens the block, so that replies begin inside."""
    reference: str = "with"
    """`after`: the judge states its own reading before it sees the reference, in a call more."""


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
