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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...judges.errors import DataError
from .criteria import JudgedCriterion
from .findings import Findings, readable, text_of, turns_of
from .run import Run, decoded, mapping
from .samples import objects_of, sound

NO_CRITERIA = ("human", "select-best", "max-score")
"""Assertions that are no property of one answer: a thumb of a person, a choice between answers."""
MAX_LABEL_CHARS = 60
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
TEXT_TYPES = ("llm-rubric", "g-eval", "model-graded-closedqa", "search-rubric", "factuality")
"""Assertions whose value is the criterion in plain words."""


def is_output(whole: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is promptfoo's output."""
    return any(is_result(mapping(row)) for row in _results(whole)[:20])


def is_result(row: Mapping[str, Any]) -> bool:
    """Say whether an object is one result of promptfoo."""
    return "provider" in row and "prompt" in row and ("gradingResult" in row or "testCase" in row)


def read_output(path: Path, whole: Mapping[str, Any]) -> list[Run]:
    """Read an output file.

    Raises:
        DataError: None of its results has assertions.
    """
    summary = mapping(whole.get("results"))
    config = mapping(whole.get("config"))
    options = mapping(mapping(config.get("defaultTest")).get("options"))
    label = str(whole.get("evalId") or summary.get("timestamp") or whole.get("timestamp") or "")
    rows = ((f"result {n}", row) for n, row in enumerate(_results(whole)))
    return _runs(path, rows, label, options.get("provider"))


def read_result_lines(path: Path) -> list[Run]:
    """Read an output file in JSON Lines.

    Raises:
        DataError: None of its results has assertions.
    """
    return _runs(path, objects_of(path), "", None)


def _results(whole: Mapping[str, Any]) -> list[Any]:
    inner = whole.get("results")
    rows = inner.get("results") if isinstance(inner, Mapping) else inner
    return rows if isinstance(rows, list) else []


def _runs(path: Path, rows: Iterable[tuple[str, Any]], label: str, grader: Any) -> list[Run]:
    kept = [(place, mapping(row)) for place, row in rows]
    prompts = {_prompt_name(row): None for _, row in kept if mapping(row.get("vars"))}
    by_model: dict[str, Findings] = {}
    for place, row in kept:
        model = _model(row, several_prompts=len(prompts) > 1)
        findings = by_model.setdefault(model, Findings(path.name, "results"))
        with findings.sample(place):
            _add(findings, sound(row), place)
    judge = _grader(grader)
    return [
        findings.run(path, "promptfoo", model=model, label=label, task="promptfoo", judge=judge)
        for model, findings in readable(by_model).items()
    ]


def _add(findings: Findings, row: Mapping[str, Any], place: str) -> None:
    criteria = _criteria(row)
    if not criteria:
        raise DataError("no assertion of it is a criterion, so there is only a total score")
    findings.add(
        {"prompt_id": _prompt_id(row, criteria), "prompt": _prompt(row)},
        criteria,
        _answer(row),
        place,
        is_judged=any(one.value is not None for one in criteria),
        each="assertion",
    )


def _criteria(row: Mapping[str, Any]) -> list[JudgedCriterion]:
    """Give the assertions of a result, judged; of one that failed, as the test states them."""
    grading = mapping(row.get("gradingResult"))
    components = grading.get("componentResults")
    if isinstance(components, list) and components:
        return list(_components(components))
    variables = mapping(row.get("vars"))
    stated = [
        ({**assertion, "value": _rendered(assertion.get("value"), variables)}, weight)
        for assertion, weight in _stated(mapping(row.get("testCase")).get("assert"), 1.0)
    ]
    if grading and len(stated) == 1:  # one grader of the whole
        [(assertion, weight)] = stated
        return [_judged(assertion, weight, grading)]
    return [_judged(assertion, weight, {}) for assertion, weight in stated]


def _rendered(value: Any, variables: Mapping[str, Any]) -> Any:
    """Fill in plain variables, as promptfoo does before it judges; filters stay as they are."""
    if not isinstance(value, str):
        return value
    return _VARIABLE.sub(lambda m: str(variables.get(m[1], m[0])), value)


def _components(components: Sequence[Any]) -> Iterator[JudgedCriterion]:
    """Give the assertions of a list in which those of a set follow their set."""
    at = 0
    while at < len(components):
        result = mapping(components[at])
        at += 1
        nested = result.get("componentResults")
        if not isinstance(nested, list) or not nested:
            yield from _one(result, None)
            continue
        if [mapping(c).get("reason") for c in components[at : at + len(nested)]] == [
            mapping(c).get("reason") for c in nested
        ]:
            nested = components[at : at + len(nested)]
            at += len(nested)
        own = result.get("assertion")
        if all(mapping(c).get("assertion") not in (None, own) for c in nested):
            share = _set_weight(result) / (sum(_weight(c) for c in nested) or 1.0)
            for inner in nested:
                yield from _one(mapping(inner), _weight(inner) * share)
        else:  # one script with parts of no text of their own
            yield from _one(result, None)


def _one(result: Mapping[str, Any], weight: float | None) -> Iterator[JudgedCriterion]:
    assertion = mapping(result.get("assertion"))
    weight = _weight(result) if weight is None else weight
    if _is_criterion(assertion, weight) and not mapping(result.get("metadata")).get("metricOnly"):
        yield _judged(assertion, weight, result)


def _stated(assertions: Any, share: float) -> Iterator[tuple[Mapping[str, Any], float]]:
    for assertion in map(mapping, assertions if isinstance(assertions, list) else ()):
        inner = assertion.get("assert")
        weight = _number(assertion.get("weight"), 1.0) * share
        if isinstance(inner, list) and inner:
            total = sum(_number(mapping(one).get("weight"), 1.0) for one in inner) or 1.0
            yield from _stated(inner, weight / total)
        elif _is_criterion(assertion, weight):
            yield assertion, weight


def _is_criterion(assertion: Mapping[str, Any], weight: float) -> bool:
    is_named = bool(assertion.get("type")) and assertion.get("type") not in NO_CRITERIA
    return is_named and weight != 0 and not assertion.get("metricOnly")


def _judged(
    assertion: Mapping[str, Any], weight: float, result: Mapping[str, Any]
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


def _weight(result: Any) -> float:
    return _number(mapping(mapping(result).get("assertion")).get("weight"), 1.0)


def _set_weight(result: Mapping[str, Any]) -> float:
    stated = mapping(mapping(result.get("metadata")).get("assertionSet")).get("weight")
    return _number(stated, _weight(result))


def _number(value: Any, otherwise: float) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else otherwise


def _answer(row: Mapping[str, Any]) -> str | None:
    response = row.get("response")
    output = response.get("output") if isinstance(response, Mapping) else response
    if output is None or (isinstance(response, Mapping) and response.get("error")):
        return None
    if isinstance(output, str):
        return output
    text = text_of(output) if isinstance(output, list) else None
    return text or json.dumps(output, ensure_ascii=False)


def _prompt(row: Mapping[str, Any]) -> list[dict[str, str]]:
    prompt = row.get("prompt")
    raw = prompt.get("raw") if isinstance(prompt, Mapping) else prompt
    text = raw if isinstance(raw, str) else json.dumps(raw)
    turns = decoded(text)
    is_chat = isinstance(turns, list) and turns and all(mapping(t).get("role") for t in turns)
    return turns_of(turns if is_chat else text)


def _prompt_id(row: Mapping[str, Any], criteria: Sequence[JudgedCriterion]) -> str:
    """Name the test: by an id in its metadata or variables, else by what is in it."""
    test = mapping(row.get("testCase"))
    variables = mapping(row.get("vars")) or mapping(test.get("vars"))
    for place in (mapping(test.get("metadata")), variables):
        if place.get("prompt_id") is not None:
            return str(place["prompt_id"])
    content = [variables or _prompt(row), [[c.row["criterion"], c.row["points"]] for c in criteria]]
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()
    return f"test-{digest[:16]}"


def _prompt_name(row: Mapping[str, Any]) -> str:
    index = row.get("promptIdx")
    label = mapping(row.get("prompt")).get("label")
    if isinstance(label, str) and 0 < len(label) <= MAX_LABEL_CHARS and "\n" not in label:
        return label
    return f"prompt {index + 1}" if isinstance(index, int) else "prompt"


def _model(row: Mapping[str, Any], *, several_prompts: bool) -> str:
    provider = row.get("provider")
    if isinstance(provider, Mapping):
        provider = provider.get("label") or provider.get("id")
    name = str(provider or "unnamed model")
    if several_prompts and mapping(row.get("vars")):
        return f"{name} [{_prompt_name(row)}]"
    return name


def _grader(provider: Any) -> dict[str, str]:
    if isinstance(provider, Mapping):
        provider = provider.get("id") or mapping(provider.get("text")).get("id")
    return {"model": provider} if isinstance(provider, str) and provider else {}
