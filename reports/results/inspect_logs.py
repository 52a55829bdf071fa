"""Read inspect's logs: `.eval`, a zip of JSON with one entry per sample, and `.json`.

Each epoch of a sample is an answer; reduced scores are not used. Where several scorers hold
verdicts on criteria, the one with the most answers is read and the others are named.

Source of the format: UKGovernmentBEIS/inspect_ai, `log/_log.py` and `log/_recorders/eval.py`:
`header.json` (or `_journal/start.json`, or `start.json` of older logs) and
`samples/<id>_epoch_<n>.json`.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ...judges.errors import DataError
from .criteria import JudgedCriterion, find_judged, own_rubric, read_marked, unjudged
from .findings import Findings, number_of, text_of, turns_of
from .run import ODD_SHAPE, Run, mapping, parse_object
from .zip_entries import read_entry, require_likely

HEADERS = ("header.json", "_journal/start.json", "start.json")
_ATTACHMENT = re.compile(r"attachment://([0-9a-f]{32})")


def is_log(path: Path) -> bool:
    """Say whether a file is a packed inspect log, by its name."""
    return path.suffix == ".eval"


def is_log_object(whole: Mapping[str, Any]) -> bool:
    """Say whether a JSON object is an inspect log."""
    return isinstance(whole.get("eval"), Mapping) and ("status" in whole or "samples" in whole)


def read_log(path: Path) -> Run:
    """Read one packed log, a sample in memory at a time.

    Raises:
        DataError: It is no inspect log, or its scores hold no verdicts on criteria.
    """
    try:
        with zipfile.ZipFile(path) as log:
            require_likely(log, path.stat().st_size)
            return _read(path, _header(log, path), _packed_samples(log, path))
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            f"{path.name}: cannot be unpacked ({error}); 'inspect log convert --to eval' rewrites "
            "it"
        ) from error


def read_log_object(path: Path, whole: Mapping[str, Any]) -> Run:
    """Read a log that is one JSON object.

    Raises:
        DataError: It holds no samples, or their scores no verdicts on criteria.
    """
    samples = whole.get("samples")
    if not isinstance(samples, list):
        raise DataError(f"{path.name}: the log holds no samples (written with --no-log-samples?)")
    return _read(path, whole, ((f"sample {n}", one) for n, one in enumerate(samples)))


def _packed_samples(log: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, Any]]:
    names = dict.fromkeys(sorted(log.namelist()))  # a resumed log may write a name twice
    for name in names:
        if name.startswith("samples/") and name.endswith(".json"):
            try:
                yield name, _entry(log, name, path)
            except (DataError, zipfile.BadZipFile, zlib.error, EOFError) as error:
                yield name, error


def _header(log: zipfile.ZipFile, path: Path) -> Mapping[str, Any]:
    names = set(log.namelist())
    for name in HEADERS:
        if name in names:
            return _entry(log, name, path)
    raise DataError(f"{path.name}: neither of {', '.join(HEADERS)} is in it; is it an inspect log?")


def _entry(log: zipfile.ZipFile, name: str, path: Path) -> Mapping[str, Any]:
    return parse_object(read_entry(log, name), f"{path.name}, {name}")


def _read(path: Path, header: Mapping[str, Any], samples: Iterator[tuple[str, Any]]) -> Run:
    log = _Log(path.name)
    for place, sample in samples:
        log.take(place, sample)
    scorer, findings = log.finish()
    spec = mapping(header.get("eval"))
    expected = _expected(spec)
    if header.get("status") not in (None, "success"):
        of = f" of {expected}" if expected else ""
        findings.note(
            f"the log's status is {str(header['status'])[:40]!r}: it holds {log.n_samples}{of} "
            "samples"
        )
    return findings.run(
        path,
        "inspect",
        model=str(spec.get("model") or path.stem),
        label=str(spec.get("created") or spec.get("run_id") or ""),
        task=str(spec.get("task") or "inspect").rpartition("/")[2],
        otherwise="no verdicts",
        judge=_judge(spec),
        versions=_packages(spec),
        stored=_stored(header, scorer),
        config={"model": spec.get("model")},
    )


class _Log:
    """The answers of a log by scorer, and the samples that no scorer judged."""

    def __init__(self, file: str) -> None:
        self.n_samples = 0
        self._file = file
        self._by_scorer: dict[str, Findings] = {}
        self._rest: list[tuple[str, Mapping[str, Any] | Exception | str]] = []

    def take(self, place: str, sample: Any) -> None:
        """Add the verdicts of a sample to those of each scorer that has any."""
        self.n_samples += 1
        if not isinstance(sample, Mapping):
            why = sample if isinstance(sample, Exception) else "not a JSON object"
            self._rest.append((place, why))
            return
        if sample.get("invalidation"):
            self._rest.append((place, "invalidated"))
            return
        is_judged = False
        scores = mapping(sample.get("scores")) or {"score": sample.get("score")}  # of old logs
        for scorer, score in scores.items():
            try:
                judged = _judged(mapping(score), sample)
                if judged:
                    is_judged = True
                    self._add(self._of(scorer), sample, judged, place, mapping(score))
            except ODD_SHAPE as error:
                is_judged = True
                self._of(scorer).leave_out(place, error)
        if not is_judged:
            self._rest.append((place, _unjudged_sample(sample)))

    def finish(self) -> tuple[str, Findings]:
        """Give the scorer that judged most answers, with what none judged put to it."""
        if not self._by_scorer:
            raise DataError(
                f"{self._file}: none of its {self.n_samples} samples has verdicts on criteria in "
                "the metadata of a score (a list of criteria with criteria_met, met, verdict or "
                "passed); a log with total scores alone cannot be read"
            )
        scorer = max(self._by_scorer, key=lambda name: len(self._by_scorer[name].graded))
        findings = self._by_scorer[scorer]
        if not findings.graded:
            findings.require("no verdicts")
        for place, sample in self._rest:
            if not isinstance(sample, Mapping):
                findings.leave_out(place, sample)
                continue
            with findings.sample(place):
                row, rubric, answer = sample["row"], sample["rubric"], sample["answer"]
                repeat = _repeat(sample)
                findings.add(row, rubric, answer, place, is_judged=False, repeat=repeat)
        others = [repr(n[:40]) for n, f in self._by_scorer.items() if n != scorer and f.graded]
        if others:
            findings.note(
                f"the verdicts of the scorer {scorer[:40]!r} are read; {', '.join(others)} judged "
                "the same answers and is not read"
            )
        return scorer, findings

    def _of(self, scorer: str) -> Findings:
        return self._by_scorer.setdefault(scorer, Findings(self._file))

    def _add(
        self,
        findings: Findings,
        sample: Mapping[str, Any],
        judged: list[JudgedCriterion],
        place: str,
        score: Mapping[str, Any],
    ) -> None:
        findings.add(
            _row(sample),
            judged,
            _answer(sample, score),
            place,
            repeat=_repeat(sample),
            claim=number_of(mapping(score.get("value")).get("healthbench_score")),
        )


def _repeat(sample: Mapping[str, Any]) -> int:
    return int(sample.get("epoch") or 1) - 1


def _judged(score: Mapping[str, Any], sample: Mapping[str, Any]) -> list[JudgedCriterion]:
    """Find the verdicts of one score: in its metadata, its value, or its explanation."""
    rubric = own_rubric(sample.get("metadata"), score.get("metadata"), sample.get("store"))
    return (
        find_judged(score.get("metadata"), rubric)
        or find_judged(score.get("value"), rubric)
        or read_marked(score.get("explanation"), rubric)
    )


def _unjudged_sample(sample: Mapping[str, Any]) -> Mapping[str, Any] | str:
    """Keep of a sample without verdicts what says that its answer was asked for, or why nothing."""
    error = sample.get("error")
    said = mapping(error).get("message") if isinstance(error, Mapping) else error
    reason = f"ended in an error: {str(said)[:200]}" if error else "no verdicts on its criteria"
    try:
        rubric = unjudged(own_rubric(sample.get("metadata")))
    except DataError:
        rubric = []
    if not rubric:
        return reason
    return {
        "row": _row(sample),
        "rubric": rubric,
        "answer": None if error else _answer(sample, {}),
        "epoch": sample.get("epoch"),
    }


def _row(sample: Mapping[str, Any]) -> dict[str, Any]:
    metadata = mapping(sample.get("metadata"))
    return {
        "prompt_id": str(metadata.get("prompt_id") or sample.get("id")),
        "prompt": _messages(sample),
        "example_tags": metadata.get("example_tags") or [],
    }


def _messages(sample: Mapping[str, Any]) -> list[dict[str, str]]:
    given = sample.get("input")
    turns = turns_of(given if isinstance(given, list) else str(given or ""))
    return [{**turn, "content": _resolved(turn["content"], sample)} for turn in turns]


def _answer(sample: Mapping[str, Any], score: Mapping[str, Any]) -> str | None:
    output = mapping(sample.get("output"))
    choices = output.get("choices")
    if isinstance(choices, list) and choices:
        text = text_of(mapping(mapping(choices[0]).get("message")).get("content"))
    else:
        text = text_of(output.get("completion") or score.get("answer"))
    if text is None or (not text and output.get("error")):
        return None
    return _resolved(text, sample)


def _resolved(text: str, sample: Mapping[str, Any]) -> str:
    """Put back the long texts that inspect keeps apart as attachments."""
    kept = mapping(sample.get("attachments"))
    return _ATTACHMENT.sub(lambda m: str(kept.get(m[1], m[0])), text) if kept else text


def _expected(spec: Mapping[str, Any]) -> int | None:
    n = mapping(spec.get("dataset")).get("samples")
    epochs = mapping(spec.get("config")).get("epochs") or 1
    return n * epochs if isinstance(n, int) and isinstance(epochs, int) else None


def _stored(header: Mapping[str, Any], scorer: str) -> dict[str, float]:
    """Give the HealthBench score that the log states, where its scorer has one."""
    scores = mapping(header.get("results")).get("scores")
    for entry in map(mapping, scores if isinstance(scores, list) else ()):
        metrics = mapping(entry.get("metrics"))
        value = number_of(mapping(metrics.get("bootstrap_score")).get("value"))
        if value is not None and scorer in (entry.get("name"), entry.get("scorer")):
            return {"score": value}
    return {}


def _judge(spec: Mapping[str, Any]) -> dict[str, Any]:
    roles = mapping(spec.get("model_roles"))
    scorers = spec.get("scorers")
    places = [mapping(spec.get("task_args"))]
    places += [mapping(mapping(s).get("options")) for s in scorers or ()] if scorers else []
    grader = mapping(roles.get("grader")).get("model") or next(
        (p[k] for p in places for k in ("judge_model", "grader_model", "model") if p.get(k)), None
    )
    return {"model": str(grader)} if grader else {}


def _packages(spec: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in mapping(spec.get("packages")).items()}
