"""The reader of `k=v,k=v` by itself: what splits, and what a word is where nobody says."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.options.reader import annotations_of, plain, read_options, typed


class Colour(StrEnum):
    RED = "red"


class Unannotated:
    def __init__(self, share=0.5, label="x", flag=False, rest=None) -> None:
        pass


def function(number: float, names: Sequence[str] = (), way: Literal["a", "b"] = "a") -> None:
    pass


@pytest.mark.parametrize(
    ("words", "read"),
    [
        ([], {}),
        (["a=1,b=x"], {"a": 1, "b": "x"}),
        (["a=true,b=None,c=0.5"], {"a": True, "b": None, "c": 0.5}),
        # as lm-eval 0.4.13 reads them: None is nothing, none is a word
        (["a=none,b=null,c=None"], {"a": "none", "b": "null", "c": None}),
        (["stop=['a,b'],t=1"], {"stop": ["a,b"], "t": 1}),
        (["url=http://h/v1?x=y"], {"url": "http://h/v1?x=y"}),
        (['{"a": {"b": [1]}}'], {"a": {"b": [1]}}),
        (['{"a": 1}', "b=2"], {"a": 1, "b": 2}),
        (["model=4o-mini,x=1_000,y=1.2.3"], {"model": "4o-mini", "x": "1_000", "y": "1.2.3"}),
        (["eos_string=,a=1,,b=2,"], {"eos_string": "", "a": 1, "b": 2}),
        (["of=clip(hybrid(bonus=0),1),b=2"], {"of": "clip(hybrid(bonus=0),1)", "b": 2}),
        (["a=x)y,b=2"], {"a": "x)y", "b": 2}),
        (['a= it\'s ,b=say "hi"'], {"a": "it's", "b": 'say "hi"'}),
    ],
)
def test_words_without_a_receiver_are_read_as_lm_eval_reads_them(words, read):
    assert plain(read_options("--x", words)) == read


@pytest.mark.parametrize("word", ["a", "=1", "a=1,b"])
def test_a_word_without_an_equals_sign_is_refused(word):
    with pytest.raises(ConfigError, match=r"--x: .* is not key=value"):
        read_options("--x", [word])


def test_what_is_said_twice_is_refused_in_one_text_or_two():
    for words in (["a=1,a=2"], ["a=1", "a=2"], ["a=1", '{"a": 1}']):
        with pytest.raises(ConfigError, match="--x: a is given twice"):
            read_options("--x", words)


def test_broken_json_is_refused():
    with pytest.raises(ConfigError, match="--x: not a JSON object"):
        read_options("--x", ["{'a': 1}"])


@pytest.mark.parametrize(
    ("value", "annotation", "read"),
    [
        ("none", int | None, None),
        ("none", str | None, "none"),
        ("none", "float | None", None),
        ("5", "int", 5),
        ("red", Colour, Colour.RED),
        ("red", Colour | None, Colour.RED),
        ("a", Literal["a", "b"], "a"),
        ("1", bool, True),
        ("1", int | bool, 1),
        (4, str, "4"),
        (4.0, int, 4),
        ("4", int | str, 4),
        ("x", Any, "x"),
        ("4", Any, "4"),  # in quotes, or in YAML: text
        ([1], Sequence[int], [1]),
    ],
)
def test_a_value_is_what_its_annotation_says(value, annotation, read):
    found = typed("x", value, annotation)
    assert found == read and type(found) is type(read)


def test_a_default_says_what_an_option_takes_where_no_annotation_does():
    taken = annotations_of(Unannotated)
    words = read_options("--x", "share=1,label=007,flag=true,rest=3")
    assert {name: typed(name, value, taken[name]) for name, value in words.items()} == {
        "share": 1,
        "label": "007",
        "flag": True,
        "rest": 3,
    }


def test_a_partial_function_takes_what_its_function_takes():
    assert annotations_of(functools.partial(function, 1.0))["number"] is float


def test_a_list_is_asked_for_by_an_example():
    with pytest.raises(ConfigError, match=r'names must be a JSON list such as \["a", "b"\]'):
        typed("names", "a", annotations_of(function)["names"])


@pytest.mark.parametrize(
    ("value", "annotation", "due"),
    [
        ([1], int, "a whole number"),
        ({"a": 1}, float | None, "a number or none"),
        (["a"], str, "text"),
        ((), bool, "true or false"),
        ({}, Literal["a", "b"], "text"),
        ([], Colour | None, "one of red or none"),
        (1.5, int, "a whole number"),
        (1.5, "int | None", "a whole number or none"),
    ],
)
def test_a_value_of_another_kind_is_refused_in_one_line(value, annotation, due):
    with pytest.raises(ConfigError) as caught:
        typed("x", value, annotation, "judge 'j': ")
    assert str(caught.value) == f"judge 'j': x must be {due}, not {value!r}"


class Silent:
    """A judge of one's own that says nothing of its options but their defaults."""

    def __init__(self, threshold=1, words="", on=False) -> None:
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [("threshold", 0.5), ("threshold", [1, 2]), ("words", ["a", "b"]), ("on", {"a": 1})],
)
def test_a_default_alone_refuses_nothing_that_python_hands_over(name: str, value: object) -> None:
    assert typed(name, value, annotations_of(Silent)[name]) == value


@pytest.mark.parametrize(
    ("value", "annotation", "plain_value"),
    [
        (np.int64(3), int, 3),
        (np.int64(3), int | None, 3),
        (np.int64(3), float, 3),
        (np.float64(0.5), float, 0.5),
        (np.float32(0.5), float | None, 0.5),
        (np.float64(2.0), int, 2),
    ],
)
def test_a_number_of_numpy_becomes_one_that_json_can_hold(
    value: object, annotation: object, plain_value: float
) -> None:
    found = typed("n", value, annotation)
    assert found == plain_value
    assert type(found) in (int, float)
