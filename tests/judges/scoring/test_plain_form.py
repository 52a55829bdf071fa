"""Results in the plain form: every field by its name, and nothing that JSON does not know."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import Enum

from rubricbeat.judges.audit.agreement import Calibration, CalibrationBin
from rubricbeat.judges.rubric import Polarity
from rubricbeat.judges.scoring.estimates import Estimate
from rubricbeat.judges.scoring.plain_form import plain_fields, plain_form


@dataclass(frozen=True)
class Found:
    by_kind: dict[Polarity, float]
    figure: Estimate
    many: tuple[Estimate, ...] = ()


FOUND = Found({Polarity.DESIRABLE: math.nan}, Estimate(0.5, 0.25, math.inf), (Estimate(None),))


def test_what_json_does_not_know_is_none_and_enums_are_words() -> None:
    plain = plain_form(FOUND)
    assert plain["by_kind"] == {"desirable": None}
    assert plain["figure"] == {"value": 0.5, "low": 0.25, "high": None, "why": ""}
    json.dumps(plain, allow_nan=False)


def test_keys_of_a_mapping_are_words() -> None:
    class Side(Enum):
        LEFT = "left"

    assert plain_form({Side.LEFT: 1, 3: 2, "word": 4}) == {"left": 1, "3": 2, "word": 4}


def test_a_part_with_a_plain_form_of_its_own_gives_it() -> None:
    plain = plain_fields(FOUND)
    assert list(plain) == ["by_kind", "figure", "many"]
    assert plain["many"] == [{"value": None, "low": None, "high": None}]


def test_a_result_says_its_fields_to_the_last_part() -> None:
    curve = Calibration(2, 0.25, 0.5, (CalibrationBin(0.1, 0.6, 2),))
    assert curve.to_json() == {
        "n": 2,
        "brier": 0.25,
        "ece": 0.5,
        "bins": [{"stated": 0.1, "observed": 0.6, "n": 2}],
    }
