"""What one chat completion says: its text, why it ended, what it cost; and the verdict in it.

Pure: a decoded reply in, values out. The reply is untrusted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypedDict

from ..replies.readings import MET_OR_NOT, AllowedReply, Parsed
from ..verdict import TIE, Outcome, Verdict

MAX_REPLY_CHARS = 4_000
"""Most characters of a raw reply kept where no verdict could be read in it."""
MAX_EXPLANATION_CHARS = 4_000
MIN_MASS = 0.5
"""Probability that must lie on the words true and false for P(met) to be read from them."""
MOST_NUMBERS = 10
"""Most levels whose numbers are one token each."""
MOST_TOKENS = 10**12
"""A count of tokens from here on is none; a store could not hold it."""
YES_NO_MASS = 0.8
"""Probability that must lie on Yes and No together; below it the model answered something else."""


_WORDS = ("false", "true")
_CUT = {"length", "max_tokens", "max_output_tokens", "token_limit"}
_FILTERED = re.compile(
    r"content_?filter|safety|image_safety|prohibited|recitation|blocklist|spii|refusal|sensitive|"
    r"moderation|guardrail|blocked|flagged",
    re.IGNORECASE,
)
"""Reasons to end a reply: OpenAI's and Azure's, Gemini's, Anthropic's, Zhipu's, Bedrock's."""
ENDED_BY_ITSELF = frozenset(
    {"", "stop", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn", "complete"}
    | {"tool_calls", "function_call", "tool_use"}
)
"""Reasons for the end of a reply that is whole; where none is given it is taken for whole."""
_REASONED = frozenset({"thinking", "reasoning", "reasoning_text", "redacted_thinking"})
"""Kinds of content parts that hold reasoning beside the reply."""


class Usage(TypedDict, total=False):
    """The token counts of a call, as a verdict's fields."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TokenChance:
    """One token of the reply, and the likeliest tokens in its place."""

    text: str
    alternatives: tuple[tuple[str, float], ...]
    """(token, log-probability) pairs."""


@dataclass(frozen=True, slots=True)
class Completion:
    """One reply of a chat endpoint."""

    text: str
    finish_reason: str = ""
    refusal: str = ""
    n_reasoning_chars: int = 0
    """Length of the reasoning some models send beside their content."""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    called: str = ""
    """Name of the tool that the model called instead of answering."""
    tokens: tuple[TokenChance, ...] = field(default=(), repr=False)
    """Log-probabilities, where they were asked for and came."""

    @classmethod
    def from_reply(cls, reply: Mapping[str, object]) -> Completion:
        """Read a decoded reply; whatever is missing is empty."""
        choices = reply.get("choices")
        choice = _mapping(choices[0]) if isinstance(choices, list) and choices else {}
        message = _mapping(choice.get("message"))
        usage = _mapping(reply.get("usage"))
        details = _mapping(usage.get("prompt_tokens_details"))
        reasoning = message.get("reasoning_content") or message.get("reasoning") or ""
        return cls(
            text=_text(message.get("content")),
            finish_reason=str(choice.get("finish_reason") or ""),
            refusal=_text(message.get("refusal")),
            n_reasoning_chars=len(_text(reasoning)),
            prompt_tokens=_count(usage.get("prompt_tokens")),
            cached_tokens=_count(details.get("cached_tokens")),
            completion_tokens=_count(usage.get("completion_tokens")),
            called=_called(message),
            tokens=_tokens(choice.get("logprobs")),
        )

    @property
    def ended(self) -> bool:
        """Whether the reply ended by itself: not by a limit, a filter or a reason nobody knows."""
        return self.finish_reason.lower() in ENDED_BY_ITSELF

    @property
    def usage(self) -> Usage:
        """The token counts, as a verdict's fields."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            completion_tokens=self.completion_tokens,
        )

    def verdict(
        self, parsed: Parsed, place: int | None = None, expected: AllowedReply = MET_OR_NOT
    ) -> Verdict:
        """Word what was read in this reply as a verdict, or why there is none.

        Args:
            parsed: What was read.
            place: From 0, in a group, whose first verdict carries what the call cost; None where it
                is the one verdict of the reply, whose own token may tell its chance.
            expected: What could be said, where it is the one verdict.
        """
        usage = Usage() if place else self.usage
        words = parsed.explanation[:MAX_EXPLANATION_CHARS]
        if parsed.is_na:
            return Verdict.not_applicable(explanation=words, **usage)
        if parsed.level is not None:
            numbers = [partial(is_word, word=str(n)) for n in range(len(expected.levels))]
            chances, note = self._chances("level", parsed.level, numbers)
            words = f"{words} [{note}]".strip() if note else words
            return Verdict.at_level(
                parsed.level, level_probabilities=chances, explanation=words, **usage
            )
        if parsed.met is not None:
            spelt = [] if place is not None else [partial(_begins, word=w) for w in _WORDS]
            chances, note = self._chances("criteria_met", int(parsed.met), spelt)
            words = f"{words} [{note}]".strip() if note else words
            chance = None if chances is None else chances[1]
            return Verdict.of(parsed.met, probability=chance, explanation=words, **usage)
        outcome, why = self.without_verdict(parsed.explanation)
        reply = "" if place else self.text[:MAX_REPLY_CHARS]
        return Verdict(outcome, explanation=why[:500], reply=reply, **usage)

    def without_verdict(self, parse_note: str) -> tuple[Outcome, str]:
        """Tell apart why a reply holds no verdict: refused, cut off, empty, or unreadable."""
        if self.refusal:
            return Outcome.REFUSED, f"the judge refused: {self.refusal}"
        if self.is_filtered:
            return Outcome.REFUSED, f"the endpoint's filter withheld it ({self.finish_reason})"
        if self.finish_reason.lower() in _CUT:
            spent = f" after {self.completion_tokens} tokens" if self.completion_tokens else ""
            how = "the reply was cut off before its verdict"
            if not self.text.strip():
                how = "the model spent all its tokens on reasoning"
            return Outcome.TRUNCATED, f"{how}{spent}: raise max_tokens"
        if self.called and not self.text.strip():
            return Outcome.UNPARSEABLE, (
                f"the model called the tool {self.called!r} instead of answering; take "
                "tools out of extra_body, or name a model that answers"
            )
        if not self.text.strip():
            reasoned = " beside its reasoning" if self.n_reasoning_chars else ""
            return Outcome.UNPARSEABLE, f"the reply is empty{reasoned}"
        return Outcome.UNPARSEABLE, parse_note

    @property
    def is_refused(self) -> bool:
        """Whether nothing in its text counts: the model declined, or a filter cut in."""
        return bool(self.refusal) or self.is_filtered

    @property
    def is_filtered(self) -> bool:
        """Whether the endpoint's filter ended the reply, in whatever words it says so."""
        return bool(_FILTERED.match(self.finish_reason))

    def weighed(self, min_mass: float, expected: AllowedReply = MET_OR_NOT) -> Verdict:
        """Weigh what may be said at the first token of the reply, whichever of it was drawn.

        Yes against No; where more may be said, the numbers of the choices: the levels (of a plain
        criterion: not true, true), and after them "not applicable" where the criterion may be that.
        It is, where that holds more than the others together; else the likeliest level counts, and
        the chances are those among the levels.

        Args:
            min_mass: Probability, 0 to 1, that must lie on all spellings together.
            expected: What may be said.

        Returns:
            SKIPPED where they hold less or tie, since the same prompt gives the same chances again.
        """
        n_levels = len(expected.levels) or 2
        names = ["no", "yes"]
        if not expected.is_plain:
            names = [str(number) for number in range(n_levels + expected.may_be_na)]
        masses = [_mass(self.tokens[0], partial(is_word, word=name)) for name in names]
        total = sum(masses)
        if total <= 0 or total < min_mass:
            held = ", ".join(names)
            why = f"{held} hold {total:.2f} of the probability, {min_mass:g} is asked for"
            return Verdict(Outcome.SKIPPED, explanation=why, **self.usage)
        words = ", ".join(f"P({n}) {mass:.3f}" for n, mass in zip(names, masses, strict=True))
        levels = masses[:n_levels]
        applies = sum(levels)
        best = max(range(n_levels), key=lambda place: levels[place])
        if total > 2 * applies:
            return Verdict.not_applicable(explanation=words, **self.usage)
        if total == 2 * applies or levels.count(levels[best]) > 1:
            return Verdict(Outcome.SKIPPED, explanation=f"{TIE} {words}", **self.usage)
        chances = tuple(mass / applies for mass in levels)
        if expected.levels:
            return Verdict.at_level(
                best, level_probabilities=chances, explanation=words, **self.usage
            )
        return Verdict.of(best == 1, probability=chances[1], explanation=words, **self.usage)

    def _chances(
        self, name: str, said: int, spellings: Sequence[Callable[[str], bool]]
    ) -> tuple[tuple[float, ...] | None, str]:
        """Give P of what a field may hold from the log-probabilities of the verdict's own token.

        Args:
            name: Of the field.
            said: Which of them the verdict is.
            spellings: Of each.

        Returns:
            Shares of what they hold together at the token that spelt the verdict, or None with a
            note where they cannot be read or contradict the verdict.
        """
        if not self.tokens or not spellings:
            return None, ""
        place = _verdict_token(self.tokens, name) if len(spellings) <= MOST_NUMBERS else None
        if place is None:
            return None, "no probability: the verdict's token was not found"
        masses = [_mass(place, one) for one in spellings]
        total = sum(masses)
        if total < MIN_MASS:
            return None, f"no probability: the words of a verdict hold {total:.2f} of it"
        if max(masses) > masses[said]:
            likelier = max(masses) / total
            return None, f"no probability: another verdict has {likelier:.2f}, against the verdict"
        return tuple(mass / total for mass in masses), ""


def is_word(token: str, word: str) -> bool:
    """Say whether a token is a spelling of a word: ` Yes`, `yes`, `YES`, `\u2581Yes`."""
    return token.strip(" \n\t\u2581\u0120").lower() == word


def _begins(token: str, word: str) -> bool:
    said = token.strip().strip("\"'").lower()
    return bool(said) and word.startswith(said)


def _mass(place: TokenChance, counts: Callable[[str], bool]) -> float:
    return sum(math.exp(min(0.0, chance)) for token, chance in place.alternatives if counts(token))


def _verdict_token(tokens: Sequence[TokenChance], name: str) -> TokenChance | None:
    """Find the token that starts the value of the last field of a name."""
    text = "".join(token.text for token in tokens)
    key = text.rfind(f'"{name}"')
    if key < 0:
        return None
    colon = text.find(":", key)
    if colon < 0:
        return None
    start = colon + 1
    while start < len(text) and text[start] in " \n\t\"'":
        start += 1
    position = 0
    for token in tokens:
        position += len(token.text)
        if position > start:
            return token
    return None


def _tokens(logprobs: object) -> tuple[TokenChance, ...]:
    content = _mapping(logprobs).get("content")
    if not isinstance(content, list):
        return ()
    tokens = []
    for item in map(_mapping, content):
        listed = item.get("top_logprobs")
        places = [*(listed if isinstance(listed, list) else ()), item]
        pairs = {
            str(place.get("token")): float(chance)
            for place in map(_mapping, places)
            if isinstance(chance := place.get("logprob"), int | float)
        }
        tokens.append(TokenChance(str(item.get("token") or ""), tuple(pairs.items())))
    return tuple(tokens)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    """Join content that comes in parts; None is empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        said = [part for part in map(_mapping, value) if part.get("type") not in _REASONED]
        return "".join(_text(part.get("text")) for part in said)
    return ""


def _called(message: Mapping[str, object]) -> str:
    calls = message.get("tool_calls")
    call = _mapping(calls[0]) if isinstance(calls, list) and calls else message
    function = _mapping(call.get("function") or call.get("function_call"))
    return str(function.get("name") or "") or ("without a name" if call is not message else "")


def _count(value: object) -> int:
    return value if isinstance(value, int) and 0 < value < MOST_TOKENS else 0
