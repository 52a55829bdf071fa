"""A prompt template ends, whatever it holds."""

from __future__ import annotations

import pytest

from rubricbeat.judges.backends.prompts import sandbox as templates
from rubricbeat.judges.backends.prompts.sandbox import fill_template
from rubricbeat.judges.backends.wording import load_wording
from rubricbeat.judges.errors import ConfigError

TWO_LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (TWO_LOOPS, "steps"),
        ("{% for a in range(99999) %}{{ x * 1000 }}{% endfor %}", "characters"),
        ("{% for a in range(90000) %}{% for b in x * 15000000 %}{% endfor %}{% endfor %}", "steps"),
        ("{{ 'x' * 10**12 }}", "characters"),
        ("{{ 10**12 * 'x' }}", "characters"),
        ("{{ [1] * 10**12 }}", "characters"),
        ("{{ 9 ** (10 ** 8) }}", "characters"),
        ("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
         "{{ m(60) }}", "steps"),
        ("{% set n = namespace(a=x) %}{% for a in range(99) %}"
         "{% set n.a = n.a ~ n.a %}{% endfor %}", "characters"),
        ("{% set n = namespace(a=x) %}{% for a in range(99) %}"
         "{% set n.a = n.a + n.a %}{% endfor %}", "characters"),
        ("{% for a in (range(99999)|map('string')) %}{{ x * 999 }}{% endfor %}", "characters"),
    ],
)  # fmt: skip
def test_a_template_that_has_no_end_is_one_line(text, words):
    with pytest.raises(ConfigError, match=words):
        fill_template(text, {"x": "x"})


@pytest.mark.parametrize(
    "made",
    [
        "([1] * 9999)|join(x * 9999)", "(x * 9999).join(x * 9999)",
        "'x'|center(99999999)", "'x'|center(width=99999999)", "'x'.center(99999999)",
        "'x'.ljust(99999999)", "'x'.rjust(99999999)", "'7'.zfill(99999999)",
        "'a\nb'|indent(99999999)", "'%99999999d'|format(1)", "'%(a)99999999d'|format(a=1)",
        "'%.99999999f'|format(1.5)", "'%-99999999d' % 1", "'{:99999999}'.format(1)",
        "'{:>99999999}'.format(1)", "'{:.99999999f}'.format(1.5)", "'{a:99999999}'.format_map(d)",
        "'\t'.expandtabs(99999999)", "(x * 9999)|replace('x', x * 9999)",
        "['x']|map('center', 99999999)|list", "[1]|batch(99999999, 0)|list",
        "[1]|tojson(99999999)",
    ],
)  # fmt: skip
def test_a_width_is_refused_before_anything_is_made(made):
    with pytest.raises(ConfigError, match="more than 16,000,000 characters"):
        fill_template("{{ " + made + " }}", {"x": "x", "d": {"a": 1}})


@pytest.mark.parametrize(
    "made", ["'%*d' % (n, 1)", "'%.*f'|format(n, 1.5)", "'{:{}}'.format(1, n)"]
)
def test_a_width_from_a_value_is_refused(made):
    with pytest.raises(ConfigError, match="width from a value"):
        fill_template("{{ " + made + " }}", {"n": 99999999})


def test_widths_of_a_page_work_as_ever():
    text = "{{ 'x'|center(5) }}|{{ '%4.1f%%'|format(12.34) }}|{{ '{:>4}'.format('a') }}|"
    assert fill_template(text, {}) == "  x  |12.3%|   a|"
    text = "{{ 'a\nb'|indent(2) }}|{{ 'aXb'|replace('X', '--') }}|{{ '%d'|format(20000000) }}"
    assert fill_template(text, {}) == "a\n  b|a--b|20000000"


def test_loops_work_as_ever():
    text = "{% for c in criteria if c %}{{ loop.index }}/{{ loop.length }} {{ c }};{% endfor %}\n"
    assert fill_template(text, {"criteria": ["a", "", "b"]}) == "1/2 a;2/2 b;\n"
    assert fill_template("{{ 2 ** 10 }} {{ 'ab' * 2 }} {{ 'a' + 'b' }}", {}) == "1024 abab ab"
    nested = "{% for a in t recursive %}{{ a[0] }}{{ loop(a[1]) }}{% endfor %}"
    assert fill_template(nested, {"t": [["a", [["b", []]]]]}) == "ab"


def test_each_prompt_has_its_own_steps(monkeypatch):
    monkeypatch.setattr(templates, "MAX_STEPS", 10)
    text = "{% for a in range(7) %}{{ a }}{% endfor %}"
    assert [fill_template(text, {}) for _ in range(3)] == ["0123456"] * 3


def test_a_users_file_is_refused_before_anything_is_asked(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("{{ rubric_item }}" + TWO_LOOPS)
    with pytest.raises(ConfigError, match=r"mine\.txt.*steps"):
        load_wording(str(path))
