"""Whatever a YAML file holds, it is values or one line."""

from __future__ import annotations

import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.options.files import parse_yaml, read_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGES = "a0: &a0 {x: 1, y: 2}\n" + "".join(
    f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [*a]", "refers to itself"),
        ("&a {b: {c: *a}}", "refers to itself"),
        ("&a [? *a : 1]", "refers to itself"),
        (BOMB, "100,000 values"),
        (MERGES, "100,000 values"),
        ("[" * 50_000, "nested too deep"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        ("a: !mine 1", "could not determine a constructor"),
        ("a: !!map [1]", "a: a value cannot be read|expected a mapping"),
        ("a: !!int x", "cannot be read"),
        ("a: !!binary é", "not YAML|cannot be read"),
        ("a: " + "9" * 5000, "cannot be read"),
        ("? [1]\n: 2", "unhashable"),
        ("a: \x00", "special characters"),
        ("a: *b", "undefined alias"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: 1\na: 2", "written twice"),
        ("{", "not YAML"),
    ],
)
def test_what_cannot_be_read_is_one_line(text, words):
    with pytest.raises(ConfigError, match=words) as told:
        parse_yaml(text, "a")
    assert "\n" not in str(told.value)


def test_anchors_that_repeat_a_little_are_read():
    text = "base: &base {x: 1}\nown: {<<: *base, y: 2}\nboth: [*base, *base]\n"
    assert parse_yaml(text, "a") == {
        "base": {"x": 1}, "own": {"x": 1, "y": 2}, "both": [{"x": 1}, {"x": 1}],
    }  # fmt: skip
    assert parse_yaml("", "a") is None


def test_json_that_is_nested_without_end_is_one_line(tmp_path):
    path = tmp_path / "options.json"
    path.write_text("[" * 200_000)
    with pytest.raises(ConfigError, match="nested too deep"):
        read_yaml(path)
