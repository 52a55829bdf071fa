from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.scoring.estimates import NOTHING, Estimate
from rubricbeat.reports.pages.figures import MARGIN, forest, tick_values

pytestmark = pytest.mark.border


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (-0.03, 0.12, [0, 0.05, 0.1]),
        (0.41, 0.44, [0.41, 0.42, 0.43, 0.44]),
        (-200, 200, [-200, -100, 0, 100, 200]),
    ],
)
def test_ticks_are_round_numbers_inside_the_range(low, high, ticks):
    assert tick_values(low, high) == pytest.approx(ticks)


def test_places_are_linear_and_zero_is_included_on_request():
    drawn = forest([Estimate(0.5, 0.25, 1.0)], include=0.0)
    [mark] = drawn.marks
    # the axis runs from 0 to 1, over the width between the margins
    assert drawn.zero == MARGIN
    assert mark.at == pytest.approx(50)
    assert mark.low == pytest.approx(MARGIN + (100 - 2 * MARGIN) / 4)
    assert mark.high == pytest.approx(100 - MARGIN)
    assert mark.is_sure


def test_no_number_has_no_mark():
    drawn = forest([NOTHING, Estimate(0.2)])
    assert drawn.marks[0].at is None
    assert drawn.marks[1].low is None
    assert drawn.zero is None
    assert forest([]).marks == ()


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(0, 2), st.floats(0, 2)), min_size=1, max_size=9)
)
def test_everything_stays_inside_the_margins(rows):
    drawn = forest([Estimate(v, v - a, v + b) for v, a, b in rows], include=0.0)
    places = [p for m in drawn.marks for p in (m.low, m.at, m.high)]
    places += [t.at for t in drawn.ticks]
    assert all(MARGIN - 1e-6 <= p <= 100 - MARGIN + 1e-6 for p in places)
    assert all(m.low <= m.at <= m.high for m in drawn.marks)
