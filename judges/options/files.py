"""Options in a YAML or JSON file."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from ..errors import ConfigError
from .reader import WrittenFloat, WrittenInt, read_json, settled

MAX_VALUES = 100_000
"""Values of a file with every alias written out: ten lines of them can stand for billions."""


class _KeyTwiceError(Exception):
    """A mapping holds a key twice; PyYAML would keep the last value in silence."""


class _NoKeyTwice(yaml.SafeLoader):
    """YAML's plain types, and no key twice in one mapping."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                line = key.start_mark.line + 1
                raise _KeyTwiceError(f"line {line}: {key.value!r} is written twice; join the two")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)

    def number(self, node: yaml.ScalarNode) -> object:
        """Keep how a number is written where Python writes it otherwise."""
        if node.tag.endswith("int"):
            number: WrittenInt | WrittenFloat = WrittenInt(self.construct_yaml_int(node))
        else:
            number = WrittenFloat(self.construct_yaml_float(node))
        number.written = node.value
        return settled(number) if str(number) == node.value else number

    def date(self, node: yaml.ScalarNode) -> object:
        """Leave a date the text that it is, such as Azure's api_version: JSON has none."""
        return self.construct_scalar(node)


_NoKeyTwice.add_constructor("tag:yaml.org,2002:int", _NoKeyTwice.number)
_NoKeyTwice.add_constructor("tag:yaml.org,2002:float", _NoKeyTwice.number)
_NoKeyTwice.add_constructor("tag:yaml.org,2002:timestamp", _NoKeyTwice.date)


def read_yaml(path: Path) -> object:
    """Read a YAML file; one that ends in .json as JSON, which YAML reads a little otherwise.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text; save it as such") from error
    except ValueError as error:  # no file can have such a name
        raise ConfigError(f"cannot read the configuration {path}: {error}") from error
    if path.suffix != ".json":
        return parse_yaml(text, str(path))
    try:
        return read_json(text)
    except RecursionError:
        raise ConfigError(f"{path} is nested too deep") from None
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON ({error})") from None


def parse_yaml(text: str, where: str) -> object:
    """Parse YAML's plain types.

    Args:
        text: One document.
        where: What it is, for messages.

    Raises:
        ConfigError: It is not YAML, holds a key twice, refers to itself, or stands for more than
            `MAX_VALUES` values.
    """
    loader = None
    try:
        loader = _NoKeyTwice(text)
        node = loader.get_single_node()
        if _size(node, {}) > MAX_VALUES:
            raise ConfigError(
                f"{where} refers to itself, or its aliases stand for more than {MAX_VALUES:,} "
                "values; write them out"
            )
        return None if node is None else loader.construct_document(node)
    except _KeyTwiceError as error:
        raise ConfigError(f"{where}, {error}") from None
    except RecursionError:
        raise ConfigError(f"{where} is nested too deep") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}") from error
    except (ValueError, TypeError, AttributeError) as error:  # a 13th month, a map that is a list
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{where}: a value cannot be read ({error})") from None
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: object, known: dict[int, float]) -> float:
    """Count the values that a node stands for; one that holds itself has no end."""
    if not isinstance(node, yaml.CollectionNode):
        return 1
    if id(node) not in known:
        known[id(node)] = float("inf")  # until it is known: met again below itself
        parts = (
            node.value if isinstance(node, yaml.SequenceNode) else chain.from_iterable(node.value)
        )
        known[id(node)] = 1 + sum(_size(part, known) for part in parts)
    return known[id(node)]
