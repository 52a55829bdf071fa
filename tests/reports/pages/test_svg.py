from __future__ import annotations

import subprocess
import sys
from xml.etree import ElementTree

import pytest

from rubricbeat.reports.pages.svg import Drawing, Panel, short


def test_text_is_escaped_and_attributes_have_their_svg_names():
    drawing = Drawing(40)
    drawing.text(10, 20, '</text><script>&"', "end", turn=25)
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("viewBox") == "0 0 900 40"
    [text] = root
    assert text.text == '</text><script>&"'
    # the middle line of 12 px text lies 4 px above its base line
    assert (text.get("y"), text.get("text-anchor")) == ("24", "end")
    assert text.get("transform") == "rotate(-25 10 20)"


def test_a_panel_places_values_on_its_scales():
    panel = Panel(Drawing(1), 100, 50, 200, 100, (0, 4), (0, 10))
    assert (panel.x(1), panel.y(2.5)) == (150, 125)
    # what lies beyond an end stands at the end
    assert (panel.x(9), panel.x(-9)) == (300, 100)


def test_a_logarithmic_axis_gives_each_power_the_same_room():
    panel = Panel(Drawing(1), 0, 0, 300, 1, (0.1, 100), is_log=True)
    assert [panel.x(v) for v in (0.1, 1, 10, 100)] == pytest.approx([0, 100, 200, 300])


def test_stripes_stay_inside_their_box():
    drawing = Drawing(40)
    drawing.stripes(10, 10, 25, 14, "red")
    box, *lines = ElementTree.fromstring(drawing.svg())
    assert (box.get("width"), len(lines)) == ("25", 5 + 2)
    for line in lines:
        for point in line.get("points", "").split():
            x, y = map(float, point.split(","))
            assert 10 <= x <= 35
            assert 10 <= y <= 24


def test_a_name_becomes_one_line_of_bounded_length():
    assert short("a\n b", 5) == "a b"
    assert short("abcdef", 5) == "ab…ef"


def test_a_page_of_a_comparison_loads_no_library_of_figures_or_statistics():
    code = (
        "import sys; from rubricbeat.harness.commands.pages import compare;"
        "from rubricbeat.reports.pages import signal_figures;"
        "heavy = {'matplotlib', 'pandas', 'statsmodels', 'scipy.stats', 'lm_eval', 'torch'};"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
