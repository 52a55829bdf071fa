"""What tokens cost, and what asking takes: the one model of every estimate.

Prices are one data file, and the user's own before it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from .errors import ConfigError
from .files import user_path

BYTES_PER_TOKEN = 4
"""Of English prose under the usual tokenizers; other scripts take more tokens."""
REPLY_TOKENS_GUESS = 150
"""Of a verdict with its words, where no reply has been seen."""
_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    input: float
    cached: float
    output: float

    def cost(self, prompt_tokens: int, cached_tokens: int, completion_tokens: int) -> float:
        """Give the price of some tokens; the cached ones are part of the prompt's."""
        fresh = max(0, prompt_tokens - cached_tokens)
        dollars = fresh * self.input + cached_tokens * self.cached + completion_tokens * self.output
        return dollars / 1e6


@dataclass(frozen=True, slots=True)
class Cost:
    """What some questions take."""

    calls: int = 0
    """Without retries."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    """None where a model's price is not known; never 0 for that."""

    @classmethod
    def of(cls, price: Price | None, calls: int, prompt: float, completion: float) -> Cost:
        """Price calls of so many tokens."""
        tokens = round(prompt), round(completion)
        return cls(calls, *tokens, price.cost(tokens[0], 0, tokens[1]) if price else None)

    @classmethod
    def sum(cls, costs: Iterable[Cost]) -> Cost:
        """Add up; what holds an unknown price is unknown."""
        each = list(costs)
        return cls(
            sum(one.calls for one in each),
            sum(one.prompt_tokens for one in each),
            sum(one.completion_tokens for one in each),
            known_sum(one.cost_usd for one in each),
        )

    def times(self, n: int, of: int) -> Cost:
        """Give the cost of `n` questions from that of `of`; a part of a call is a call."""
        return Cost(
            math.ceil(self.calls * n / of),
            math.ceil(self.prompt_tokens * n / of),
            math.ceil(self.completion_tokens * n / of),
            None if self.cost_usd is None else self.cost_usd * n / of,
        )


def known_sum(values: Iterable[float | None]) -> float | None:
    """Add up; None where one is not known."""
    each = list(values)
    known = [value for value in each if value is not None]
    return sum(known) if len(known) == len(each) else None


def expected_tokens(sizes: Sequence[int]) -> tuple[int, int]:
    """Guess the prompt and completion tokens of one call before it is made.

    Args:
        sizes: Bytes of each of its questions. A group's questions share one prompt: it is as long
            as the longest, not the sum.
    """
    return max(sizes) // BYTES_PER_TOKEN, len(sizes) * REPLY_TOKENS_GUESS


def price_of(model: str, path: str | None = None) -> Price | None:
    """Find a model's price, in the user's file first; None where none is known.

    Args:
        model: As the endpoint is asked for it; a date at its end may be left out of the files.
        path: The user's file; else the one `RUBRICBEAT_PRICES` names.

    Raises:
        ConfigError: The user's file cannot be read.
    """
    if not model:
        return None
    own = path or os.environ.get("RUBRICBEAT_PRICES")
    tables = [_read(user_path(own))] if own else []
    tables.append(_shipped())
    for table in tables:
        for name in (model, _DATED.sub("", model)):
            if name in table:
                return table[name]
    return None


def _shipped() -> dict[str, Price]:
    text = files(__package__).joinpath("prices.yaml").read_text(encoding="utf-8")
    return _parse(text, "prices.yaml")


def _read(path: Path) -> dict[str, Price]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the prices file {path}: {error}") from error
    return _parse(text, str(path))


def _parse(text: str, where: str) -> dict[str, Price]:
    from .option_files import parse_yaml  # loads PyYAML, which few judges need

    plain = parse_yaml(text, where)
    models = plain.get("models") if isinstance(plain, Mapping) else None
    if not isinstance(models, Mapping):
        raise ConfigError(f"{where}: expected `models:` with a line for each model")
    return {str(name): _price(row, f"{where}, model {name}") for name, row in models.items()}


def _price(row: Any, where: str) -> Price:
    shape = f"{where}: expected {{input: DOLLARS, cached: DOLLARS, output: DOLLARS}}"
    if not isinstance(row, Mapping) or not {"input", "output"} <= set(row):
        raise ConfigError(shape)
    try:
        prices = {
            name: float(row.get(name, row["input"])) for name in ("input", "cached", "output")
        }
    except (TypeError, ValueError):
        raise ConfigError(shape) from None
    if not all(0 <= value < float("inf") for value in prices.values()):
        raise ConfigError(f"{where}: prices must not be negative")
    return Price(**prices)
