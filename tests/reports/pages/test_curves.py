"""Panels of curves: what stands where, read from the drawing."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from rubricbeat.reports.pages.curves import Curve, Plot, Style, draw_plots

STYLE = Style("red")


def elements(*plots: Plot, legend: list[tuple[str, Style]] | None = None, shared: bool = False):
    drawing = draw_plots(plots, legend or [], columns=2, height=100, is_shared=shared)
    assert drawing is not None
    return list(ElementTree.fromstring(drawing.svg()))


def heights(of: list[ElementTree.Element]) -> list[list[float]]:
    """Give the heights of every line of the curve's colour."""
    lines = [e.get("points", "").split() for e in of if e.get("stroke") == "red"]
    return [[float(point.split(",")[1]) for point in line] for line in lines]


def words(of: list[ElementTree.Element]) -> list[str]:
    return [e.text or "" for e in of if e.tag == "text"]


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_plots([], [], columns=2) is None


def test_each_panel_has_an_axis_of_its_own_unless_they_share_one() -> None:
    low = Plot("low", [Curve(STYLE, [(0, 0), (1, 1)])])
    high = Plot("high", [Curve(STYLE, [(0, 0), (1, 2)])])
    # the box is 100 high and begins 24 below the top
    assert heights(elements(low, high)) == [[124, 24], [124, 24]]
    assert heights(elements(low, high, shared=True)) == [[124, 74], [124, 24]]


def test_a_logarithmic_axis_leaves_out_what_is_not_above_0() -> None:
    found = elements(Plot("sd", [Curve(STYLE, [(0, 0.0), (1, 0.1), (2, 1), (3, 10)])], is_log=True))
    assert heights(found) == [[124, 74, 24]]
    assert {"0.1", "1", "10"} <= set(words(found))
    none = elements(Plot("sd", [Curve(STYLE, [(0, 0.0), (1, 0.0)])], is_log=True))
    [[first, second]] = heights(none)
    assert first == second


def test_shares_go_from_0_to_1_and_steps_are_whole() -> None:
    found = elements(Plot("dead", [Curve(STYLE, [(1, 0.5), (3, 0.5)])], is_share=True))
    assert heights(found) == [[74, 74]]
    assert {"0 %", "100 %", "1", "2", "3"} <= set(words(found))
    assert "1.5" not in words(found)


def test_bands_marks_and_the_legend_are_drawn() -> None:
    curve = Curve(STYLE, [(0, 1), (1, 2)], [(0, 0, 2), (1, 1, 3)], has_line=False, has_marks=True)
    found = elements(Plot("gold", [curve], has_zero=True), legend=[("an arm", STYLE)] * 2)
    band, *marks = [e for e in found if e.tag == "polygon"]
    assert len(band.get("points", "").split()) == 4
    assert len(marks) == 2
    # two arms whose names are cut to the same one stand both in the legend
    assert words(found).count("an arm") == 2
    assert len(heights(found)) == 2  # the legend's


@pytest.mark.parametrize("values", [[0.0, 0.0], [5.0, 5.0], [-3.0, -3.0]])
def test_a_flat_curve_has_an_axis_too(values: list[float]) -> None:
    [[first, second]] = heights(elements(Plot("flat", [Curve(STYLE, list(enumerate(values)))])))
    assert first == second and 24 <= first <= 124
