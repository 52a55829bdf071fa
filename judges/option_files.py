"""Options in a YAML or JSON file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from .errors import ConfigError
from .option_reader import read_json


class _KeyTwiceError(Exception):
    """A mapping holds a key twice; PyYAML would keep the last value in silence."""


class _NoKeyTwice(yaml.SafeLoader):
    """YAML's plain types, and no key twice in one mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen and key.value != "<<":
                line = key.start_mark.line + 1
                raise _KeyTwiceError(f"line {line}: {key.value!r} is written twice; join the two")
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; one that ends in .json as JSON, which YAML reads a little otherwise.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return read_json(text)
        return yaml.load(text, _NoKeyTwice)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text; save it as such") from error
    except _KeyTwiceError as error:
        raise ConfigError(f"{path}, {error}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is not JSON ({error})") from None
