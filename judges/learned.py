"""The prompts that a fitted judge has learned from, kept as hashes: a guard against flattery.

On other answers to prompts it has learned from, a fitted judge is better than on new ones (pairwise
.72 against .68 on real verdicts), and nothing in its verdicts tells. So its card names the prompts,
and whoever measures it, or measures with it, can hold them apart.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from .errors import ConfigError
from .rubric import Example, digest_of_prompt

N_HEX = 16
"""Of a hash that are kept: among a million prompts two are alike once in 30 million cards."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class LearnedPrompts:
    """Prompts by salted hashes of their ids, of their texts and of what the user's turns say.

    No text can be read back. Letters and digits alone count as what is said, without case.
    """

    salt: str
    """Of this judge alone, so that two cards cannot be matched without the prompts at hand."""
    hashes: frozenset[str]

    @classmethod
    def of(cls, examples: Iterable[Example], salt: str) -> LearnedPrompts:
        """Remember prompts."""
        names = {name for example in examples for name in _names(example)}
        return cls(salt, frozenset(_hash(salt, name) for name in names))

    def with_more(self, examples: Iterable[Example]) -> LearnedPrompts:
        """Remember further prompts too."""
        return LearnedPrompts(self.salt, self.hashes | self.of(examples, self.salt).hashes)

    def __contains__(self, example: Example) -> bool:
        """Say whether a prompt is among them, by its id or by its words."""
        return any(_hash(self.salt, name) in self.hashes for name in _names(example))

    def to_json(self) -> dict[str, object]:
        """Give the plain form."""
        return {"salt": self.salt, "sha256": sorted(self.hashes)}

    @classmethod
    def of_card(cls, card: Mapping[str, object]) -> LearnedPrompts | None:
        """Read them from a card; None where it does not say."""
        plain = card.get("prompts")
        if not isinstance(plain, Mapping) or not isinstance(plain.get("sha256"), list):
            return None
        return cls(str(plain.get("salt", "")), frozenset(map(str, plain["sha256"])))


@dataclass(frozen=True, slots=True)
class LearnedShare:
    """Which of some items are about prompts that a judge has learned from."""

    flags: tuple[bool, ...]
    """Of each item."""
    n_seen: int
    n_prompts: int
    """Prompts, learned from and in all."""
    is_unknown: bool = False
    """A fitted judge is among those asked whose card does not say what it learned from."""

    @classmethod
    def of(
        cls,
        learned: Sequence[LearnedPrompts],
        examples: Sequence[Example],
        *,
        is_unknown: bool = False,
    ) -> LearnedShare:
        """Look the prompts of some items up.

        Args:
            learned: What each judge has learned from.
            examples: Of the items, in their order.
            is_unknown: See the attribute.
        """
        by_prompt: dict[str, bool] = {}
        for example in examples:
            if example.prompt_id not in by_prompt:
                by_prompt[example.prompt_id] = any(example in one for one in learned)
        flags = tuple(by_prompt[example.prompt_id] for example in examples)
        return cls(flags, sum(by_prompt.values()), len(by_prompt), is_unknown)

    @property
    def is_all(self) -> bool:
        """Whether no prompt is new to the judge."""
        return 0 < self.n_prompts == self.n_seen

    def unseen(self, items: Sequence[Item]) -> list[Item]:
        """Keep the items on new prompts."""
        return [item for item, flag in zip(items, self.flags, strict=True) if not flag]

    def seen(self, items: Sequence[Item]) -> list[Item]:
        """Keep the items on prompts that the judge has learned from."""
        return [item for item, flag in zip(items, self.flags, strict=True) if flag]

    def warning(self) -> str | None:
        """Say what was found, in one line; None where nothing was."""
        if self.is_unknown:
            return (
                "this fitted judge's card does not say which prompts it learned from, so figures "
                "on them cannot be separated; fit it again"
            )
        if not self.n_seen:
            return None
        return (
            f"this judge has learned from {self.n_seen:,} of the {self.n_prompts:,} prompts, so "
            "its figures there are too good"
        )

    def require_new(self, go_on: str) -> None:
        """Refuse prompts none of which is new to the judge.

        Args:
            go_on: What to give to go on anyway.

        Raises:
            ConfigError: So it is.
        """
        if self.is_all:
            raise ConfigError(
                f"this judge has learned from every one of the {self.n_prompts:,} prompts, so its "
                "figures on new ones are unknown; use other prompts, a judge fitted "
                f"without these, or {go_on} to go on anyway"
            )


def seen_by(judge: object, examples: Sequence[Example]) -> LearnedShare:
    """Find the prompts that a judge, or a member of it, has learned from.

    Args:
        judge: Any judge; one that learned nothing has seen nothing.
        examples: Of the items, in their order.
    """
    learned = [one.learned for one in _fitted(judge)]
    known = [one for one in learned if one is not None]
    return LearnedShare.of(known, examples, is_unknown=len(known) < len(learned))


def learned_prompts_of(judge: object) -> tuple[LearnedPrompts, ...]:
    """Give what a judge and its members have learned from, as far as their cards say."""
    return tuple(one.learned for one in _fitted(judge) if one.learned is not None)


def _fitted(judge: object) -> list[Any]:
    own = [judge] if hasattr(judge, "learned") else []
    members = getattr(judge, "members", ())
    return own + [found for member in members for found in _fitted(member)]


def _names(example: Example) -> list[str]:
    names = [example.prompt_id, digest_of_prompt(example.prompt)]
    # copies of a data set change ids, white space, quotation marks and system turns, not the words
    asked = "".join(turn.content for turn in example.prompt if turn.role == "user")
    plain = unicodedata.normalize("NFKC", asked).casefold()
    if words := "".join(filter(str.isalnum, plain)):
        names.append(f"words:{words}")
    return names


def _hash(salt: str, name: str) -> str:
    return hashlib.sha256(f"{salt}\0{name}".encode()).hexdigest()[:N_HEX]
