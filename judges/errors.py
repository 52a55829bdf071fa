"""Errors this package raises on purpose, by the question "would a retry help?".

    RubricbeatError
    ├── ConfigError (ValueError)      the request is wrong; a retry cannot help
    │   ├── RefusedSettingsError      the endpoint refuses the key, the address or a setting
    │   ├── DataError                 a data file or one of its rows cannot be read as a rubric
    │   └── UnknownNameError          a judge, reward or task that is not registered
    ├── OutputError (RuntimeError)    the disk takes no more of what was computed
    ├── StoreError (RuntimeError)     the verdict store cannot be read or written
    │   └── StorePathError (ConfigError)  no store can be where it was asked for
    ├── EndedError                    a plug-in tried to end the program, or cancelled its call
    └── JudgeError (RuntimeError)     a judge failed; a retry may help
        ├── RateLimitError            the endpoint asked for a pause; carries its length
        ├── TransportError            no answer came: connection, time-out, 5xx
        │   └── NoApiError            what answered speaks no such API: a page, a word
        ├── RejectedError             the endpoint refused this one request for good (a filter)
        │   ├── TooLongError          the question is longer than the judge's context
        │   └── DoubtfulError         refused (4xx), and only other questions tell why
        └── OutageError               the judge is down; the run stops with everything kept

Every error survives pickling: extra fields have defaults.
"""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable


class RubricbeatError(Exception):
    """Base class of every error this package raises on purpose."""


class EndedError(RubricbeatError):
    """Code of somebody else's raised what ends a program: `SystemExit`, `KeyboardInterrupt`."""


def in_words(error: BaseException) -> str:
    """Say which error it is, and what it says; an error that cannot be worded has its kind."""
    try:
        said = str(error)
    except Exception:  # an error of somebody else's
        said = ""
    return said if isinstance(error, EndedError) else f"{type(error).__name__}: {said}"


class ConfigError(RubricbeatError, ValueError):
    """The request is wrong; a retry cannot help."""


class RefusedSettingsError(ConfigError):
    """The endpoint refuses the key, the address, the model or a setting, whatever is asked."""


class DataError(ConfigError):
    """A data file, or one row of it, cannot be read as examples with rubrics."""


class UnknownNameError(ConfigError):
    """A name that is not registered."""

    @classmethod
    def among(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Word the error with the near names, or all known ones where none is near.

        Args:
            kind: What the name should have named, such as "judge".
            name: The name asked for.
            known: The registered names.
        """
        return cls(f"unknown {kind} {name!r}; {near_names(name, known)}")


class StoreError(RubricbeatError, RuntimeError):
    """The verdict store cannot be read or written."""


class StorePathError(StoreError, ConfigError):
    """No store can be opened or made where it was asked for."""


class OutputError(RubricbeatError, RuntimeError):
    """What was computed cannot be written: the disk is full, or fails."""


_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


def unwritable(words: str, error: OSError) -> RubricbeatError:
    """Give the error for a file that cannot be written: the disk is to blame, or the name."""
    return (OutputError if error.errno in _OF_THE_DISK else ConfigError)(words)


def store_fault(error: BaseException) -> RubricbeatError:
    """Give an error of ours for whatever a store raised."""
    if isinstance(error, RubricbeatError):
        return error
    return StoreError(f"the verdict store failed: {type(error).__name__}: {error}")


class JudgeError(RubricbeatError, RuntimeError):
    """A judge failed; a retry may help."""


class RateLimitError(JudgeError):
    """The endpoint asked for a pause."""

    def __init__(self, message: str = "rate limited", retry_after_s: float | None = None) -> None:
        """Keep the pause asked for, in seconds, or None where none was named."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TransportError(JudgeError):
    """No answer came: a connection, a time-out or a server fault."""


class NoApiError(TransportError):
    """What answered speaks no such API: the page of a server that wakes up, or a wrong address.

    Where nothing else has ever come, it is the address.
    """

    def __init__(self, message: str = "no reply of the API", mend: str = "") -> None:
        """Keep the reply's words, and the option that mends a wrong address."""
        super().__init__(message)
        self.mend = mend

    def as_settings(self) -> RefusedSettingsError:
        """Give the error where the address is to blame."""
        return RefusedSettingsError(f"{self}; {self.mend}")


class RejectedError(JudgeError):
    """The endpoint refused this one request for good; another request may pass."""


class TooLongError(RejectedError):
    """The question, with room for the reply, is longer than the judge's context."""


class DoubtfulError(RejectedError):
    """Refused, and the words do not say whether for the question or for the settings.

    Where other questions are answered it was the question; where none is, the settings.
    """

    def __init__(
        self, message: str = "refused", status: int = 400, mend: str = "", is_long: bool = False
    ) -> None:
        """Keep what is known of it.

        Args:
            message: The endpoint's words.
            status: Of HTTP.
            mend: The option that mends it, where the settings are to blame.
            is_long: Whether the length of the question may be the reason.
        """
        super().__init__(message)
        self.status = status
        self.mend = mend
        self.is_long = is_long

    def as_settings(self) -> RefusedSettingsError:
        """Give the error where the settings are to blame."""
        return RefusedSettingsError(f"{str(self).rstrip('. ')}; {self.mend}".rstrip("; "))


class OutageError(JudgeError):
    """The judge is down; the run stops and keeps what it has."""


def near_names(name: str, known: Iterable[str]) -> str:
    """Say which known names are near to a wrong one, for the end of a message."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(map(repr, near))}?"
    return f"known: {', '.join(names)}" if names else "there are none"
