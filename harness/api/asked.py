"""The judge that `rubricbeat.grade` is given: a name, a model, options, an object or several."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from importlib.util import find_spec
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, TypeAlias

from ...judges.answer import Answer
from ...judges.errors import ConfigError
from ...judges.grader import Grader, open_grader
from ...judges.judge import Judge, require_any_askable, require_askable
from ...judges.registry import JUDGES

Asked: TypeAlias = Mapping[str, Any] | Judge


@contextlib.contextmanager
def askable(
    judge: object, options: Mapping[str, object], given: Sequence[Answer]
) -> Iterator[Grader]:
    """Open a grader that can give verdicts on these answers."""
    with grader_of(judge, options) as grader:
        examples = {one.example.prompt_id: one.example for one in given}
        require_askable(grader.judge, examples.values())
        require_any_askable(grader.judge, examples.values())
        yield grader


def grader_of(judge: object, options: Mapping[str, object]) -> Grader:
    """Open a grader for whatever names a judge; of one that is made, options of the run are set."""
    asked = judge_asked(judge)
    if isinstance(asked, Mapping):
        return open_grader({**asked, **options})
    if not options:
        return open_grader(asked)
    from ...judges.engine.options import RuntimeOptions

    mine, rest = RuntimeOptions.split(dict(options))
    with_options(asked, rest)
    return Grader(asked, RuntimeOptions.from_mapping(mine))


def with_options(asked: Asked, options: Mapping[str, object]) -> Asked:
    """Add options to a judge that is asked for by a mapping; one that is made takes none."""
    if isinstance(asked, Mapping):
        return {**asked, **options}
    if options:
        raise ConfigError(f"{', '.join(sorted(options))}: set on the judge itself, which is made")
    return asked


def judge_asked(judge: object) -> Asked:
    """Give what `open_grader` takes for whatever names a judge: a mapping, or a judge."""
    if isinstance(judge, Grader):
        raise ConfigError("judge: give the judge, not a Grader; its grade() takes answers")
    if isinstance(judge, Path):
        return {"name": "replay", "path": str(judge)}
    if isinstance(judge, str):
        return _named(judge)
    if isinstance(judge, Mapping):
        if "name" in judge or "model" in judge:
            return {"name": "chat", **judge}
        raise ConfigError(f"judge: a mapping needs 'name' (such as 'chat'); it has {list(judge)}")
    if isinstance(judge, list | tuple):
        return {"name": "jury", "members": [judge_asked(member) for member in judge]}
    method = getattr(judge, "judge", None)
    if isinstance(judge, type) and callable(method):
        raise ConfigError(f"judge: {judge.__name__} is a class; give an object: {judge.__name__}()")
    if callable(method) and not iscoroutinefunction(method):
        raise ConfigError(
            f"judge: the method 'judge' of {type(judge).__name__} is not async; write "
            "'async def judge(self, question)'"
        )
    if isinstance(judge, type) or not isinstance(judge, Judge):
        raise ConfigError(
            f"judge: {judge!r:.60} is not a judge; give a name, a mapping, a list of judges, or an "
            "object with an async method 'judge' (docs/judges.md)"
        )
    return judge


def _named(judge: str) -> dict[str, str]:
    """Tell the name of a judge from that of a model."""
    if not judge.strip():
        raise ConfigError("judge: an empty name; give a judge, or the name of a model")
    if judge.endswith((".jsonl", ".jsonl.gz", ".json", ".csv", ".parquet")):
        return {"name": "replay", "path": judge}
    first, colon, _ = judge.partition(":")
    if first in JUDGES.names() or (colon and _is_module(first)):
        return {"name": judge}
    module, dot, name = judge.rpartition(".")
    if dot and name.isidentifier() and _is_module(module):
        raise ConfigError(f"judge {judge!r}: a judge of your own is written '{module}:{name}'")
    if close := get_close_matches(first, JUDGES.names(), n=1, cutoff=0.8):
        raise ConfigError(
            f"judge {judge!r}: did you mean {close[0]!r}? A model of that name is "
            f"judge={{'name': 'chat', 'model': {judge!r}}}"
        )
    return {"name": "chat", "model": judge}


def _is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False
