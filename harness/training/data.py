"""The prompts of a run: read, filtered, split, checked against evaluations, and put in order.

Rows become examples in `judges/data/examples.py`; this module decides which of them train, in
which order, and which never do.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...judges.data.columns import Columns
from ...judges.data.conversations import chat_turns
from ...judges.data.reader import can_name_rows
from ...judges.errors import ConfigError, DataError
from ...judges.rubric import Example, Polarity
from .config import DataSection
from .contamination import find_overlaps, prompt_key
from .run_files import read_facts
from .tiny_data import tiny_examples

START_WORKING, END_WORKING = "<start_working_out>", "<end_working_out>"
START_SOLUTION, END_SOLUTION = "<SOLUTION>", "</SOLUTION>"
SYSTEM_PROMPT = (
    f"Think about what the person needs between {START_WORKING} and {END_WORKING}. "
    f"Then give your answer between {START_SOLUTION} and {END_SOLUTION}."
)
LEFT_OUT = {
    "dropped_unreadable": "could not be read",
    "dropped_no_positive_points": "have no positive points, so no answer could earn any",
    "dropped_criteria": "have too few or too many criteria (data.min_criteria, max_criteria)",
    "dropped_not_heart": "are not about the heart (data.heart_only)",
    "dropped_percentile": "are too long (data.prompt_percentile)",
    "dropped_prompt_tokens": "are too long (data.max_prompt_tokens)",
    "dropped_contaminated": "are evaluation prompts (data.evaluation)",
    "dropped_study": "had identical verdicts in every group of the study (data.drop)",
}


log = logging.getLogger(__name__)

TokenCounter = Callable[[Example], int]
"""Tokens of an example's prompt, chat template included."""


def in_format(solution: str, example: Example) -> str:
    """Wrap a solution in the tags, after what the rubric holds to be good, the weightiest first.

    The sources publish no reasoning for the references. Listing the desirable criteria is ours: it
    teaches to plan, and it shows rubric texts of the SFT split only.
    """
    good = [c for c in example.rubric.criteria if c.polarity is Polarity.DESIRABLE and c.points > 0]
    lines = [f"- {c.text}\n" for c in sorted(good, key=lambda c: -c.points)]
    working = "".join(["\nA good answer here:\n", *lines]) if lines else ""
    return f"{START_WORKING}{working}{END_WORKING}\n{START_SOLUTION}{solution}{END_SOLUTION}"


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Disjoint sets of examples, and what was excluded on the way."""

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    sft: tuple[Example, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    """File name, sha256, seed, and how many rows each filter excluded; goes beside the run."""


def load_data(
    section: DataSection,
    *,
    count_tokens: TokenCounter | None = None,
    evaluated_by: Sequence[Example] = (),
) -> TrainingData:
    """Read the data of a run and split it.

    Args:
        section: Paths, filters and splits.
        count_tokens: Needed where `max_prompt_tokens` is set.
        evaluated_by: Prompts that must not be trained on, beside those of `evaluation`.

    Raises:
        ConfigError: Nothing is left to train on, or an evaluation's prompts are in the data.
    """
    if section.path == "tiny":
        examples, facts = list(tiny_examples()), dict[str, object](path="tiny")
    else:
        columns = Columns.read(section.columns)
        examples, facts = _read_file(section.path, "data.path", section.kind, columns)
    facts["n_read"] = len(examples)
    kept = _filter(examples, section, count_tokens, facts)
    kept = _without_contamination(kept, section, facts, evaluated_by)
    if not kept:
        raise ConfigError(
            f"data {section.path!r}: none of the {len(examples)} examples is left; "
            f"excluded: {left_out(facts) or 'nothing'}"
        )
    held_out, sft, train = _split(kept, section)
    if section.held_out_path is not None:
        held_out = _held_out_file(section, train + sft, facts)
    if section.drop is not None:
        # after the splits, which stay those of the study, of the warm start and of other runs
        dropped, n_all = _dropped_by(section.drop, facts), len(train)
        train = [example for example in train if example.prompt_id not in dropped]
        facts["dropped_study"] = n_all - len(train)
    if section.limit is not None:
        train = train[: section.limit]
    if not train:
        raise ConfigError(
            f"data {section.path!r}: the splits leave no training prompt of {len(kept)}; lower "
            "data.held_out or data.sft_share" + (", or leave out data.drop" * bool(section.drop))
        )
    facts |= {"n_train": len(train), "n_held_out": len(held_out), "n_sft": len(sft)}
    facts["seed"] = section.seed
    return TrainingData(tuple(train), tuple(held_out), tuple(sft), facts)


def left_out(facts: Mapping[str, object]) -> str:
    """Say how many rows each filter excluded; empty where none did."""
    return ", ".join(f"{facts[key]} {why}" for key, why in LEFT_OUT.items() if facts.get(key))


def data_line(facts: Mapping[str, object]) -> str:
    """Say in one line what became of the rows."""
    without = left_out(facts)
    sft = f", {facts['n_sft']} for SFT" if facts.get("n_sft") else ""
    return (
        f"{facts['n_read']} prompts read: {facts['n_train']} to train on, "
        f"{facts['n_held_out']} held out{sft}" + (f"; excluded: {without}" if without else "")
    )


def sample_examples(examples: Sequence[Example], n: int, seed: int) -> list[Example]:
    """Draw examples by seed, in the order of the data."""
    chosen = sorted(random.Random(seed).sample(range(len(examples)), min(n, len(examples))))
    return [examples[i] for i in chosen]


def instruction_of(section: DataSection) -> str | None:
    """Give what the policy is told before each conversation, or None."""
    return section.system_prompt or (SYSTEM_PROMPT if section.reasoning else None)


def messages_of(example: Example, section: DataSection) -> list[dict[str, str]]:
    """Give the conversation as TRL and chat templates take it, every turn of it."""
    turns = chat_turns(example.prompt)
    wanted = instruction_of(section)
    if wanted is not None and turns and turns[0]["role"] == "system":
        # the data's own instructions stay; ours come after them
        wanted = f"{turns.pop(0)['content']}\n\n{wanted}"
    return turns if wanted is None else [{"role": "system", "content": wanted}, *turns]


def _read_file(
    name: str, key: str, kind: str | None = None, columns: Columns | None = None
) -> tuple[list[Example], dict[str, object]]:
    from ...judges.data.examples import read_examples
    from ...tasks.demo import demo_path

    is_ours = name in {"demo", "demo_extra"}
    path = Path(demo_path(f"{name.replace('demo', 'demo_heart')}.jsonl") if is_ours else name)
    if not name or not can_name_rows(path):
        tiny = "'tiny' or " if key == "data.path" else ""
        raise ConfigError(f"{key}: no file {name!r}; a path, or {tiny}'demo' or 'demo_extra'")
    read = read_examples(path, kind=kind, columns=columns)
    if warning := read.warning():
        log.warning("%s: %s", key, warning)
    facts = {"path": path.name, "sha256": read.sha256, "kind": read.kind}
    return list(read.examples), facts | {"dropped_unreadable": len(read.skipped)}


def _dropped_by(path: str, facts: dict[str, object]) -> set[str]:
    """Read the prompts that a study found to have no learning signal."""
    found: object = read_facts(Path(path))
    listed = found.get("drop") if isinstance(found, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(one, Mapping) for one in listed):
        raise ConfigError(
            f"data.drop: {path} is no study; write one by `rubricbeat variance ... --json > {path}`"
        )
    whole = Path(path).read_bytes()
    facts |= {"drop_path": Path(path).name, "drop_sha256": hashlib.sha256(whole).hexdigest()}
    return {str(one.get("prompt_id")) for one in listed}


def _held_out_file(
    section: DataSection, trained: Sequence[Example], facts: dict[str, object]
) -> list[Example]:
    assert section.held_out_path is not None
    held_out, found = _read_file(section.held_out_path, "data.held_out_path")
    facts |= {"held_out_path": found["path"], "held_out_sha256": found["sha256"]}
    overlaps = find_overlaps(trained, held_out)
    if overlaps:
        raise DataError(
            f"{len(overlaps)} training prompts are also held-out prompts, such as prompt_id "
            f"{overlaps[0][0]}; add the file to data.evaluation and set "
            "data.allow_contamination: true to leave them out of the training"
        )
    return held_out


def _filter(
    examples: list[Example],
    section: DataSection,
    count_tokens: TokenCounter | None,
    facts: dict[str, object],
) -> list[Example]:
    def keep(name: str, rows: list[Example], test: Callable[[Example], bool]) -> list[Example]:
        kept = [example for example in rows if test(example)]
        facts[f"dropped_{name}"] = len(rows) - len(kept)
        return kept

    kept = keep("no_positive_points", examples, lambda e: e.rubric.positive_points > 0)
    most = section.max_criteria or max((len(e.rubric) for e in kept), default=0)
    kept = keep("criteria", kept, lambda e: section.min_criteria <= len(e.rubric) <= most)
    if section.heart_only:
        from ...tasks.heart.selector import heart_selector

        kept = keep("not_heart", kept, heart_selector().selects)
    if section.prompt_percentile is not None and kept:
        lengths = [_n_chars(example) for example in kept]
        edge = float(np.percentile(lengths, section.prompt_percentile))
        kept = keep("percentile", kept, lambda e: _n_chars(e) <= edge)
    if section.max_prompt_tokens is not None:
        if count_tokens is None:
            raise ConfigError("data.max_prompt_tokens needs a model whose tokenizer can be read")
        counted, edge_tokens = count_tokens, section.max_prompt_tokens
        kept = keep("prompt_tokens", kept, lambda e: counted(e) <= edge_tokens)
    return kept


def _n_chars(example: Example) -> int:
    return sum(len(turn.content) for turn in example.prompt)


def _without_contamination(
    examples: list[Example],
    section: DataSection,
    facts: dict[str, object],
    evaluated_by: Sequence[Example],
) -> list[Example]:
    if not section.evaluation and not evaluated_by:
        return examples
    files = (_read_file(path, "data.evaluation")[0] for path in section.evaluation)
    evaluation = [*evaluated_by, *(example for rows in files for example in rows)]
    overlaps = find_overlaps(examples, evaluation)
    facts |= {"n_evaluation": len(evaluation), "dropped_contaminated": len(overlaps)}
    if overlaps and not section.allow_contamination:
        exact = sum(is_exact for _, is_exact in overlaps)
        ids = ", ".join(prompt_id for prompt_id, _ in overlaps[:3])
        raise DataError(
            f"{len(overlaps)} training prompts are also evaluation prompts ({exact} exactly, "
            f"{len(overlaps) - exact} nearly), such as prompt_id {ids}; "
            "set data.allow_contamination: true to leave them out of the training"
        )
    found = dict(overlaps)
    return [example for example in examples if example.prompt_id not in found]


def _split(
    examples: Sequence[Example], section: DataSection
) -> tuple[list[Example], list[Example], list[Example]]:
    """Split by question, not by row: two rows with one text are never on two sides."""
    by_key: dict[str, list[Example]] = {}
    for example in sorted(examples, key=lambda e: e.prompt_id):
        by_key.setdefault(prompt_key(example), []).append(example)
    keys = list(by_key)
    random.Random(section.seed).shuffle(keys)
    # a file of held-out prompts stands for the share
    n_held_out = 0 if section.held_out_path is not None else round(section.held_out * len(keys))
    n_sft = round(section.sft_share * (len(keys) - n_held_out))
    parts = keys[:n_held_out], keys[n_held_out : n_held_out + n_sft], keys[n_held_out + n_sft :]
    held_out, sft, train = ([e for key in part for e in by_key[key]] for part in parts)
    return held_out, sft, train
