"""Find training prompts that an evaluation also asks: the same text, or nearly the same.

Compares the user's turns only, in lower case, without punctuation and in one of the encodings that
Unicode has for a letter; Chinese and Japanese by characters. Nothing of a prompt is put into a
message: ids only, because evaluation texts must not be spread.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import yaml

from ...judges.rubric import Example
from ...tasks.lm_eval_adapter import tasks_folder

_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]"
    r"|[^\W\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+"
)
"""A word; of Chinese and Japanese, which put no spaces between words, a character."""
SHINGLE_WORDS = 5
"""Words of a shingle: shorter ones are shared by strangers ("what should I do about")."""
NEAR = 0.6
"""Share of the shorter prompt's shingles that makes two prompts near duplicates; ours."""
MIN_SHINGLES = 4
"""Prompts with fewer are compared exactly only: one shared phrase would be a quarter of them."""


def find_overlaps(
    train: Sequence[Example], evaluation: Iterable[Example]
) -> list[tuple[str, bool]]:
    """Find training prompts that an evaluation also asks: their ids, and whether word for word."""
    asked = list(map(prompt_key, evaluation))
    texts, sizes = set(asked), []
    by_shingle: defaultdict[int, list[int]] = defaultdict(list)
    for place, key in enumerate(asked):
        shingles = _shingles(key)
        sizes.append(len(shingles))
        for shingle in shingles:
            by_shingle[shingle].append(place)
    keys = [(example.prompt_id, prompt_key(example)) for example in train]
    return [
        (prompt_id, key in texts)
        for prompt_id, key in keys
        if key in texts or _is_near(_shingles(key), by_shingle, sizes)
    ]


def prompt_key(example: Example) -> str:
    """Give the text two prompts share when they are the same question."""
    text = " ".join(turn.content for turn in example.prompt if turn.role == "user")
    return " ".join(_TOKEN.findall(unicodedata.normalize("NFKC", text).lower()))


def _shingles(key: str) -> set[int]:
    words = key.split()
    last = max(1, len(words) - SHINGLE_WORDS + 1)
    return {hash(tuple(words[i : i + SHINGLE_WORDS])) for i in range(last)}


def _is_near(shingles: set[int], by_shingle: Mapping[int, list[int]], sizes: Sequence[int]) -> bool:
    """Say whether some prompt shares enough shingles; neither may have too few of them."""
    shared = Counter(place for shingle in shingles for place in by_shingle.get(shingle, ()))
    return any(
        n_shared / min(len(shingles), sizes[place]) >= NEAR
        for place, n_shared in shared.items()
        if min(len(shingles), sizes[place]) >= MIN_SHINGLES
    )


def evaluation_prompts(tasks: Sequence[str]) -> list[Example]:
    """Read what some tasks ask, from where they will read it.

    Tasks in which the policy judges and does not answer are excluded.

    Raises:
        ConfigError: The rows of a task are not there: it would fail at the first checkpoint.
    """
    from ...tasks.data import load_task_data
    from ...tasks.settings import TaskSettings

    asked: list[Example] = []
    for task in tasks:
        text = (tasks_folder() / f"{task}.yaml").read_text(encoding="utf-8")
        subset = (yaml.load(text, _PlainLoader).get("metadata") or {}).get("subset")
        if subset is not None:
            settings = TaskSettings.from_metadata({"subset": subset})
            asked.extend(load_task_data(task, settings).examples)
    return asked


class _PlainLoader(yaml.SafeLoader):
    """Reads a task's YAML without looking up the Python names in it."""


_PlainLoader.add_multi_constructor("!", lambda loader, suffix, node: None)
