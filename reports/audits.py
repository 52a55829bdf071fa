"""Read what `rubricbeat audit` measured of a judge, to stand in the report's judge section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..judges.data.streams import bytes_of
from ..judges.errors import DataError
from ..judges.estimates import Interval
from .results.run import parse_object

FIGURES = {
    "balanced_f1": "Balanced F1",
    "pairwise": "Pairwise",
    "kappa": "Kappa",
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
}
"""What the report shows of an audit; the file has more."""
SCALARS = {
    "alpha_labels": "Krippendorff's alpha among the raters",
    "alpha_with_judge": "Krippendorff's alpha with the judge as one more rater",
    "length_correlation": "Correlation of length with the verdict, given the label",
}
SHA_DIGITS = 12
"""Of a hash that is shown."""


@dataclass(frozen=True, slots=True)
class AuditFigure:
    """One figure with its 95 % interval; None where it is undefined."""

    value: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class AuditRow:
    """The judge, or a baseline that never looks at the answer."""

    name: str
    n_questions: int
    n_without_verdict: int
    figures: Mapping[str, AuditFigure]
    """By the names in `FIGURES`."""


@dataclass(frozen=True, slots=True)
class AuditShift:
    """How far something moves the judge where the label is the same."""

    trait: str
    unit: str
    shift: AuditFigure
    within: str


@dataclass(frozen=True, slots=True)
class JudgeAudit:
    """How far a judge agrees with labels."""

    judge: str
    """Name and model."""
    digest: str
    labels: str
    """What the labels were, in words."""
    rows: tuple[AuditRow, ...]
    """The judge first, then the baselines."""
    scalars: Mapping[str, float | None]
    path: str
    flips: AuditFigure | None = None
    """Share of verdicts that differ between two replicates; None without replicates."""
    shifts: tuple[AuditShift, ...] = ()
    """What moves the judge beside the label, as far as it was measured."""


def read_audits(paths: Sequence[Path]) -> list[JudgeAudit]:
    """Read files that `rubricbeat audit --output FILE` wrote.

    Raises:
        DataError: A file is none of these.
    """
    return [_read(path) for path in paths]


def _read(path: Path) -> JudgeAudit:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    whole = parse_object(bytes_of(path), path.name)
    try:
        judge, audit = whole["judge"], whole["audit"]
        name = " ".join(str(judge[key]) for key in ("name", "model") if judge.get(key))
        rows = [_row(name or "the judge", audit["judge"])]
        rows += [_row(str(key), row) for key, row in audit["baselines"].items()]
        return JudgeAudit(
            judge=name,
            digest=str(judge.get("digest") or ""),
            labels=_labels(whole.get("labels")),
            rows=tuple(rows),
            scalars={key: _number(audit.get(key)) for key in SCALARS},
            path=str(path),
            flips=_figure(audit["flip_rate"]) if audit.get("flip_rate") else None,
            shifts=tuple(_shift(one) for one in audit.get("shifts") or ()),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name}: not an audit ({type(error).__name__}: {error}); "
            "'rubricbeat audit --output FILE' writes one"
        ) from error


def _shift(plain: Mapping[str, Any]) -> AuditShift:
    return AuditShift(
        str(plain["trait"]), str(plain["unit"]), _figure(plain["shift"]), str(plain["within"])
    )


def _row(name: str, plain: Mapping[str, Any]) -> AuditRow:
    figures = plain["figures"]
    return AuditRow(
        name=name,
        n_questions=int(plain["n_questions"]),
        n_without_verdict=int(plain["n_without_verdict"]),
        figures={key: _figure(figures.get(key) or {}) for key in FIGURES},
    )


def _figure(plain: Mapping[str, Any]) -> AuditFigure:
    return AuditFigure(
        _number(plain.get("value")),
        Interval(
            _number(plain.get("low")), _number(plain.get("high")), str(plain.get("why") or "")
        ),
    )


def _labels(value: object) -> str:
    """Word where labels come from: names whole, hashes by their first digits."""
    if not isinstance(value, Mapping):
        return str(value or "")
    told = []
    for key, entry in value.items():
        entries = entry if isinstance(entry, list) else [entry]
        words = [str(one) for one in entries if isinstance(one, (str, int, float))]
        if key.endswith("sha256"):
            words = [word[:SHA_DIGITS] for word in words]
        if words:
            told.append(f"{key.replace('_', ' ')} {' '.join(words)}")
    return ", ".join(told)


def _number(value: object) -> float | None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number else None  # type: ignore[arg-type]  # a number
