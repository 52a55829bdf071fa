"""A judge's errors in training as an audit measured them: its rates for every criterion."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..judges.audit.audit_rates import AuditRates, read_audit_rates
from ..judges.audit.error_rates import Stratum
from ..judges.errors import ConfigError
from ..judges.rubric import Criterion
from ..judges.signal.groups import GroupedVerdicts
from ..judges.signal.replay.noise import JudgeNoise
from .inputs import SignalInput


def noise_of_audit(
    path: Path, found: SignalInput, groups: GroupedVerdicts, missing: float
) -> JudgeNoise:
    """Give each criterion the error rates of its kind; the recorded verdicts stand for the truth.

    A kind that the audit holds no label of takes the mean rates of the other criteria.

    Raises:
        ConfigError: The audit has rates for none of the criteria.
        DataError: The file is no audit.
    """
    audit = read_audit_rates(path)
    assert groups.places_PG is not None
    shape = groups.rubric_PC.points.shape
    sensitivity, specificity = np.full(shape, np.nan), np.full(shape, np.nan)
    known: dict[Stratum, tuple[float, float]] = {}
    for row, place in enumerate(groups.places_PG[:, 0]):
        for column, criterion in enumerate(found.answers[place].graded.example.rubric.criteria):
            of_kind = _rates(audit, criterion, known)
            sensitivity[row, column], specificity[row, column] = of_kind
    present = groups.rubric_PC.present
    has_rates = ~np.isnan(sensitivity + specificity)
    if not (has_rates & present).any():
        raise ConfigError(
            f"--noise {path}: the audit has error rates for none of the criteria; audit the judge "
            "on rows like these"
        )
    for rates in (sensitivity, specificity):
        rates[~has_rates] = rates[has_rates].mean()
    n_without = int((present & ~has_rates).sum())
    source = f"the audit of {audit.judge}"
    if n_without:
        source += f" ({n_without:,} of {int(present.sum()):,} criteria take the mean)"
    return JudgeNoise.of_rates(sensitivity, specificity, source, missing)


def _rates(
    audit: AuditRates, criterion: Criterion, known: dict[Stratum, tuple[float, float]]
) -> tuple[float, float]:
    stratum = Stratum.of(criterion)
    if stratum not in known:
        # rates that are too close to chance to divide by still say how often the judge errs
        rates = audit.rates_of(stratum, may_be_unseen=True)
        # errors on three levels or more are no two rates
        has_two = stratum.n_levels == 2
        known[stratum] = (rates.sensitivity, rates.specificity) if has_two else (np.nan, np.nan)
    return known[stratum]
