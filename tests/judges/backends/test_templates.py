"""A prompt template ends, whatever it holds."""

from __future__ import annotations

import pytest

from rubricbeat.judges.backends import wording as templates
from rubricbeat.judges.backends.wording import fill_template, load_wording
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
