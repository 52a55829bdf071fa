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
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from ...judges.errors import DataError
from .criteria import JudgedCriterion, find_judged, own_rubric, read_marked, unjudged
from .findings import About, LogAnswer, LogFindings, Rows
from .run import Run
from .values import (
    ODD_SHAPE,
    at,
    listed,
    mapping,
    number_of,
    parse_object,
    text_of,
    turns_of,
    whole_of,
)
from .zip_entries import read_entry, require_likely

HEADERS = ("header.json", "_journal/start.json", "start.json")
_ATTACHMENT = re.compile(r"attachment://([0-9a-f]{32})")


def is_log(path: Path) -> bool:
    """Say whether a file is a packed inspect log, by its name."""
    return path.suffix == ".eval"


def is_log_object(whole: Mapping[str, object]) -> bool:
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


def read_log_object(path: Path, whole: Mapping[str, object]) -> Run:
    """Read a log that is one JSON object.

    Raises:
        DataError: It holds no samples, or their scores no verdicts on criteria.
    """
    samples = whole.get("samples")
    if not isinstance(samples, list):
        raise DataError(f"{path.name}: the log holds no samples (written with --no-log-samples?)")
    return _read(path, whole, ((f"sample {n}", one) for n, one in enumerate(samples)))


def _packed_samples(log: zipfile.ZipFile, path: Path) -> Iterator[tuple[str, object]]:
    names = dict.fromkeys(sorted(log.namelist()))  # a resumed log may write a name twice
    for name in names:
        if name.startswith("samples/") and name.endswith(".json"):
            try:
                yield name, _entry(log, name, path)
            except (DataError, zipfile.BadZipFile, zlib.error, EOFError) as error:
                yield name, error


def _header(log: zipfile.ZipFile, path: Path) -> Mapping[str, object]:
    names = set(log.namelist())
    for name in HEADERS:
        if name in names:
            return _entry(log, name, path)
    raise DataError(f"{path.name}: neither of {', '.join(HEADERS)} is in it; is it an inspect log?")


def _entry(log: zipfile.ZipFile, name: str, path: Path) -> Mapping[str, object]:
    return parse_object(read_entry(log, name), f"{path.name}, {name}")


def _read(path: Path, header: Mapping[str, object], samples: Rows) -> Run:
    log = _Log(path.name)
    for place, sample in samples:
        log.take(place, sample)
    scorer, findings = log.finish()
    spec = mapping(header.get("eval"))
    if header.get("status") not in (None, "success"):
        n, epochs = at(spec, "dataset", "samples"), at(spec, "config", "epochs") or 1
        expected = n * epochs if isinstance(n, int) and isinstance(epochs, int) else 0
        of = f" of {expected}" if expected else ""
        findings.note(
            f"the log's status is {str(header['status'])[:40]!r}: it holds {log.n_samples}{of} "
            "samples"
        )
    about = About(
        "inspect",
        str(spec.get("task") or "inspect").rpartition("/")[2],
        str(spec.get("created") or spec.get("run_id") or ""),
        judge=_judge(spec),
        versions={name: str(value) for name, value in mapping(spec.get("packages")).items()},
        stored=_stored(header, scorer),
        config={"model": spec.get("model")},
    )
    return findings.run(path, str(spec.get("model") or path.stem), about)


class _Log:
    """The answers of a log by scorer, and the samples that no scorer judged."""

    def __init__(self, file: str) -> None:
        self.n_samples = 0
        self._file = file
        self._by_scorer: defaultdict[str, LogFindings] = defaultdict(lambda: LogFindings(file))
        self._rest: list[tuple[str, LogAnswer | Exception | str]] = []

    def take(self, place: str, sample: object) -> None:
        """Add the verdicts of a sample to those of each scorer that has any."""
        self.n_samples += 1
        if not isinstance(sample, Mapping):
            why = sample if isinstance(sample, Exception) else "not a JSON object"
            self._rest.append((place, why))
        elif sample.get("invalidation"):
            self._rest.append((place, "invalidated"))
        elif not self._take_scores(place, sample):
            try:
                self._rest.append((place, _unjudged_sample(sample)))
            except ODD_SHAPE as error:
                self._rest.append((place, error))

    def _take_scores(self, place: str, sample: Mapping[str, object]) -> bool:
        """Add what each scorer says; say whether any of them says something on the criteria."""
        is_judged = False
        scores = mapping(sample.get("scores")) or {"score": sample.get("score")}  # of old logs
        for scorer, score in scores.items():
            try:
                judged = _judged(mapping(score), sample)
                if judged:
                    is_judged = True
                    claim = number_of(at(score, "value", "healthbench_score"))
                    answer = _answer(sample, judged, _text(sample, mapping(score)), claim=claim)
                    self._by_scorer[scorer].add(answer, place)
            except ODD_SHAPE as error:
                is_judged = True
                self._by_scorer[scorer].leave_out(place, error)
        return is_judged

    def finish(self) -> tuple[str, LogFindings]:
        """Give the scorer that judged most answers, with what none judged put to it."""
        if not self._by_scorer:
            raise DataError(
                f"{self._file}: none of its {self.n_samples} samples has verdicts on criteria in "
                "the metadata of a score (a list of criteria with criteria_met, met, verdict or "
                "passed); a log with total scores alone cannot be read"
            )
        scorer = max(self._by_scorer, key=lambda name: len(self._by_scorer[name].graded))
        findings = self._by_scorer[scorer]
        findings.require()
        for place, rest in self._rest:
            if not isinstance(rest, LogAnswer):
                findings.leave_out(place, rest)
                continue
            with findings.sample(place):
                findings.add(rest, place)
        others = [repr(n[:40]) for n, f in self._by_scorer.items() if n != scorer and f.graded]
        if others:
            findings.note(
                f"the verdicts of the scorer {scorer[:40]!r} are read; {', '.join(others)} judged "
                "the same answers and is not read"
            )
        return scorer, findings


def _judged(score: Mapping[str, object], sample: Mapping[str, object]) -> list[JudgedCriterion]:
    """Find the verdicts of one score: in its metadata, its value, or its explanation."""
    rubric = own_rubric(sample.get("metadata"), score.get("metadata"), sample.get("store"))
    return (
        find_judged(score.get("metadata"), rubric)
        or find_judged(score.get("value"), rubric)
        or read_marked(score.get("explanation"), rubric)
    )


def _unjudged_sample(sample: Mapping[str, object]) -> LogAnswer | str:
    """Give the answer that was asked for in a sample without verdicts, or why there is nothing."""
    error = sample.get("error")
    try:
        rubric = unjudged(own_rubric(sample.get("metadata")))
    except DataError:
        rubric = []
    if rubric:
        text = None if error else _text(sample, {})
        return _answer(sample, rubric, text, is_judged=False)
    said = at(error, "message") if isinstance(error, Mapping) else error
    return f"ended in an error: {str(said)[:200]}" if error else "no verdicts on its criteria"


def _answer(
    sample: Mapping[str, object],
    judged: list[JudgedCriterion],
    text: str | None,
    *,
    claim: float | None = None,
    is_judged: bool = True,
) -> LogAnswer:
    metadata, given = mapping(sample.get("metadata")), sample.get("input")
    turns = turns_of(given if isinstance(given, list) else str(given or ""))
    return LogAnswer(
        str(metadata.get("prompt_id") or sample.get("id")),
        [{**turn, "content": _resolved(turn["content"], sample)} for turn in turns],
        judged,
        text,
        metadata.get("example_tags") or [],
        is_judged=is_judged,
        repeat=whole_of(sample.get("epoch"), 1) - 1,
        claim=claim,
    )


def _text(sample: Mapping[str, object], score: Mapping[str, object]) -> str | None:
    output = mapping(sample.get("output"))
    if choices := listed(output.get("choices")):
        text = text_of(at(choices[0], "message", "content"))
    else:
        text = text_of(output.get("completion") or score.get("answer"))
    if text is None or (not text and output.get("error")):
        return None
    return _resolved(text, sample)


def _resolved(text: str, sample: Mapping[str, object]) -> str:
    """Put back the long texts that inspect keeps apart as attachments."""
    kept = mapping(sample.get("attachments"))
    return _ATTACHMENT.sub(lambda m: str(kept.get(m[1], m[0])), text) if kept else text


def _stored(header: Mapping[str, object], scorer: str) -> dict[str, float]:
    """Give the HealthBench score that the log states, where its scorer has one."""
    for entry in map(mapping, listed(at(header, "results", "scores"))):
        value = number_of(at(entry, "metrics", "bootstrap_score", "value"))
        if value is not None and scorer in (entry.get("name"), entry.get("scorer")):
            return {"score": value}
    return {}


def _judge(spec: Mapping[str, object]) -> dict[str, str]:
    options = [at(scorer, "options") for scorer in listed(spec.get("scorers"))]
    places = list(map(mapping, (spec.get("task_args"), *options)))
    keys = ("judge_model", "grader_model", "model")
    named = [place[key] for place in places for key in keys if place.get(key)]
    grader = at(spec, "model_roles", "grader", "model") or next(iter(named), None)
    return {"model": str(grader)} if grader else {}
