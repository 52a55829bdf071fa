# ruff: noqa: RUF001  the minus signs and dashes are what is tested
from __future__ import annotations

import math

import pytest

from rubricbeat.reports import numbers

NNBSP = "\u202f"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.4123, "0.412"),
        (0.99961, "1.00"),
        (1, "1.00"),
        (12.345, "12.3"),
        (123.45, "123"),
        (12345.6, f"12{NNBSP}346"),
        (-0.03099, "−0.0310"),
        (0, "0"),
        (-0.0, "0"),
        (1e-9, "0"),
        (-1e-9, "0"),
        (0.000123, "0.000123"),
        (None, "–"),
        (math.nan, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_scores_have_three_significant_digits(value, text):
    assert numbers.score(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0210, "+0.0210"), (-0.3, "−0.300"), (0, "0"), (1e-12, "0"), (None, "–"), (2, "+2.00")],
)
def test_differences_carry_their_sign(value, text):
    assert numbers.difference(value) == text


@pytest.mark.parametrize(
    ("low", "high", "signed", "text"),
    [
        (0.3804, 0.4449, False, "[0.380, 0.445]"),
        (-0.0123, 0.0456, True, "[−0.012, +0.046]"),
        (-0.00012, 0.00034, True, "[−0.000120, +0.000340]"),
        (0, 1, False, "[0.00, 1.00]"),
        (0, 0.00707, False, "[0.000, 0.007]"),
        (0.874, 2.4304, False, "[0.87, 2.43]"),
        (0, 0, True, "[0, 0]"),
        (None, 1, False, "–"),
        (math.nan, 1, False, "–"),
        (-math.inf, 0.5, False, "[−∞, 0.500]"),
        (-math.inf, math.inf, True, "[−∞, +∞]"),
    ],
)
def test_ends_of_an_interval_share_their_precision(low, high, signed, text):
    assert numbers.interval(low, high, signed=signed) == text


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (numbers.share, 0.4123, f"41.2{NNBSP}%"),
        (numbers.share, 1, f"100{NNBSP}%"),
        (numbers.share, 0, f"0{NNBSP}%"),
        (numbers.share, -0.05, f"−5.00{NNBSP}%"),
        (numbers.share, None, "–"),
        (numbers.count, 12345, f"12{NNBSP}345"),
        (numbers.count, 7, "7"),
        (numbers.count, -1234, f"−1{NNBSP}234"),
        (numbers.count, None, "–"),
        (numbers.p_value, 0.03123, "0.0312"),
        (numbers.p_value, 1e-7, f"<{NNBSP}0.0001"),
        (numbers.p_value, 1.0, "1"),
        (numbers.p_value, math.nan, "–"),
        (numbers.cost, 0.01234, "$0.0123"),
        (numbers.cost, 4.5, "$4.50"),
        (numbers.cost, 1234.4, f"$1{NNBSP}234"),
        (numbers.cost, None, "–"),
        (numbers.seconds, 0.25, f"0.250{NNBSP}s"),
        (numbers.seconds, 42, f"42.0{NNBSP}s"),
        (numbers.seconds, 720, f"12{NNBSP}min"),
        (numbers.seconds, 11100, f"3{NNBSP}h 5{NNBSP}min"),
        (numbers.seconds, None, "–"),
        (numbers.points, 5, "+5"),
        (numbers.points, -2.5, "−2.5"),
        (numbers.points, None, "–"),
    ],
)
def test_each_kind_of_number_has_its_unit(function, value, text):
    assert function(value) == text
