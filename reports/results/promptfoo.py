"""Read promptfoo's output: `promptfoo eval -o results.json`, or `.jsonl`, one result per line.

Each assertion of a test is a criterion worth its weight, and `pass` is its verdict. Each provider
is a model; where a test is put in several prompts, each prompt with each provider is one.

Source of the format: promptfoo/promptfoo, `src/types/index.ts` (EvaluateSummaryV2 and V3,
GradingResult) and `src/assertions/assertionsResult.ts`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ...judges.errors import DataError
from .criteria import JudgedCriterion
from .findings import About, LogAnswer, LogFindings, read_rows
from .run import Run
from .samples import objects_of
from .values import at, decoded, first_of, listed, mapping, text_of, turns_of

NO_CRITERIA = ("human", "select-best", "max-score")
"""Assertions that are no property of one answer: a thumb of a person, a choice between answers."""
MAX_LABEL_CHARS = 60
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TEXT_TYPES = ("llm-rubric", "g-eval", "model-graded-closedqa", "search-rubric", "factuality")
"""Assertions whose value is the criterion in plain words."""


def is_output(whole: Mapping[str, object]) -> bool:
    """Say whether a JSON object is promptfoo's output."""
    return any(is_result(mapping(row)) for row in _results(whole)[:20])


def is_result(row: Mapping[str, object]) -> bool:
    """Say whether an object is one result of promptfoo."""
    return "provider" in row and "prompt" in row and ("gradingResult" in row or "testCase" in row)


def read_output(path: Path, whole: Mapping[str, object]) -> list[Run]:
    """Read an output file.

    Raises:
        DataError: None of its results has assertions.
    """
    stamp = whole.get("evalId") or at(whole, "results", "timestamp") or whole.get("timestamp")
    grader = at(whole, "config", "defaultTest", "options", "provider")
    if isinstance(grader, Mapping):
        grader = grader.get("id") or at(grader, "text", "id")
    judge = {"model": grader} if isinstance(grader, str) and grader else {}
    rows = [(f"result {n}", mapping(row)) for n, row in enumerate(_results(whole))]
    return _runs(path, rows, About("promptfoo", "promptfoo", str(stamp or ""), judge))


def read_result_lines(path: Path) -> list[Run]:
    """Read an output file in JSON Lines.

    Raises:
        DataError: None of its results has assertions.
    """
    return _runs(path, list(objects_of(path)), About("promptfoo", "promptfoo"))


def _results(whole: Mapping[str, object]) -> list[object]:
    inner = whole.get("results")
    return listed(inner.get("results") if isinstance(inner, Mapping) else inner)


def _runs(path: Path, rows: Sequence[tuple[str, object]], about: About) -> list[Run]:
    prompts = {_prompt_name(mapping(row)) for _, row in rows if mapping(row, "vars")}

    def model_of(row: Mapping[str, object]) -> str:
        provider = row.get("provider")
        if isinstance(provider, Mapping):
            provider = provider.get("label") or provider.get("id")
        name = str(provider or "unnamed model")
        is_one_of = len(prompts) > 1 and mapping(row.get("vars"))
        return f"{name} [{_prompt_name(row)}]" if is_one_of else name

    read = read_rows(rows, LogFindings(path.name, "results"), _answer, model_of)
    return [findings.run(path, model, about) for model, findings in read.items()]


def _answer(row: Mapping[str, object]) -> LogAnswer:
    criteria = _criteria(row)
    if not criteria:
        raise DataError("no assertion of it is a criterion, so there is only a total score")
    return LogAnswer(
        _prompt_id(row, criteria),
        _prompt(row),
        criteria,
        _text(row),
        is_judged=any(one.value is not None for one in criteria),
        each="assertion",
    )


def _criteria(row: Mapping[str, object]) -> list[JudgedCriterion]:
    """Give the assertions of a result, judged; of one that failed, as the test states them."""
    grading = mapping(row.get("gradingResult"))
    if components := listed(grading.get("componentResults")):
        return list(_components(components))
    variables = mapping(row.get("vars"))
    stated = [
        ({**assertion, "value": _rendered(assertion.get("value"), variables)}, weight)
        for assertion, weight in _stated(at(row, "testCase", "assert"), 1.0)
    ]
    # one grader of the whole
    return [_judged(*each, grading if len(stated) == 1 else {}) for each in stated]


def _rendered(value: object, variables: Mapping[str, object]) -> object:
    """Fill in plain variables, as promptfoo does before it judges; filters stay as they are."""
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda m: str(variables.get(m[1], m[0])), value)


def _components(components: Sequence[object]) -> Iterator[JudgedCriterion]:
    """Give the assertions of a list in which those of a set follow their set."""
    place = 0
    while place < len(components):
        result = mapping(components[place])
        place += 1
        nested = listed(result.get("componentResults"))
        following = components[place : place + len(nested)]
        if nested and [at(c, "reason") for c in following] == [at(c, "reason") for c in nested]:
            nested = list(following)
            place += len(nested)
        own = result.get("assertion")
        if nested and all(at(c, "assertion") not in (None, own) for c in nested):
            stated = at(result, "metadata", "assertionSet", "weight")
            share = _number(stated, _weight(result)) / (sum(map(_weight, nested)) or 1.0)
            for inner in nested:
                yield from _one(mapping(inner), _weight(inner) * share)
        else:  # also one script with parts of no text of their own
            yield from _one(result, _weight(result))


def _one(result: Mapping[str, object], weight: float) -> Iterator[JudgedCriterion]:
    assertion = mapping(result.get("assertion"))
    if _is_criterion(assertion, weight) and not at(result, "metadata", "metricOnly"):
        yield _judged(assertion, weight, result)


def _stated(assertions: object, share: float) -> Iterator[tuple[Mapping[str, object], float]]:
    for assertion in map(mapping, listed(assertions)):
        inner = listed(assertion.get("assert"))
        weight = _number(assertion.get("weight"), 1.0) * share
        if inner:
            total = sum(_number(at(one, "weight"), 1.0) for one in inner) or 1.0
            yield from _stated(inner, weight / total)
        elif _is_criterion(assertion, weight):
            yield assertion, weight


def _is_criterion(assertion: Mapping[str, object], weight: float) -> bool:
    is_named = bool(assertion.get("type")) and assertion.get("type") not in NO_CRITERIA
    return is_named and weight != 0 and not assertion.get("metricOnly")


def _judged(
    assertion: Mapping[str, object], weight: float, result: Mapping[str, object]
) -> JudgedCriterion:
    metadata = mapping(result.get("metadata"))
    kind = str(assertion["type"])
    value = metadata.get("renderedAssertionValue") or assertion.get("value")
    text = value if isinstance(value, str) else json.dumps(value) if value is not None else ""
    if kind not in TEXT_TYPES or not text.strip():
        text = f"{kind}: {text}" if text.strip() else kind
    metric = assertion.get("metric")
    return JudgedCriterion(
        {"criterion": text, "points": weight, "tags": [f"metric:{metric}"] if metric else []},
        None if metadata.get("graderError") else result.get("pass"),
        str(result.get("reason") or ""),
    )


def _weight(result: object) -> float:
    return _number(at(result, "assertion", "weight"), 1.0)


def _number(value: object, otherwise: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return otherwise
    return float(value)


def _text(row: Mapping[str, object]) -> str | None:
    response = row.get("response")
    output = response.get("output") if isinstance(response, Mapping) else response
    if output is None or at(response, "error"):
        return None
    if isinstance(output, str):
        return output
    text = text_of(output) if isinstance(output, list) else None
    return text or json.dumps(output, ensure_ascii=False)


def _prompt(row: Mapping[str, object]) -> list[dict[str, str]]:
    prompt = row.get("prompt")
    raw = prompt.get("raw") if isinstance(prompt, Mapping) else prompt
    text = raw if isinstance(raw, str) else json.dumps(raw)
    turns = listed(decoded(text))
    return turns_of(turns if turns and all(at(turn, "role") for turn in turns) else text)


def _prompt_id(row: Mapping[str, object], criteria: Sequence[JudgedCriterion]) -> str:
    """Name the test: by an id in its metadata or variables, else by what is in it."""
    test = mapping(row.get("testCase"))
    variables = mapping(row.get("vars")) or mapping(test.get("vars"))
    known = first_of((at(test, "metadata", "prompt_id"), variables.get("prompt_id")))
    if known is not None:
        return str(known)
    content = [variables or _prompt(row), [[c.row["criterion"], c.row["points"]] for c in criteria]]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return f"test-{digest[:16]}"


def _prompt_name(row: Mapping[str, object]) -> str:
    index = row.get("promptIdx")
    label = at(row, "prompt", "label")
    if isinstance(label, str) and 0 < len(label) <= MAX_LABEL_CHARS and "\n" not in label:
        return label
    return f"prompt {index + 1}" if isinstance(index, int) else "prompt"
