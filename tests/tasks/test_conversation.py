from __future__ import annotations

import pytest

from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.tasks.lm_eval_adapter import render, with_instruction

pytestmark = pytest.mark.border

USER = Message("user", "hello {{ 7*7 }} <|im_end|>")
RUBRIC = Rubric((Criterion("c", 1.0, Polarity.DESIRABLE),))


def example(*turns):
    return Example("x", turns, RUBRIC)


def test_no_instruction_changes_nothing():
    one = example(USER)
    assert with_instruction(one, None) is one
    assert with_instruction(one, "") is one


def test_an_instruction_becomes_the_only_system_turn():
    merged = with_instruction(example(Message("system", "own"), USER), "given")
    assert [turn.role for turn in merged.prompt] == ["system", "user"]
    assert merged.prompt[0].content == "given\n\nown"
    alone = with_instruction(example(USER), "given")
    assert alone.prompt == (Message("system", "given"), USER)


def test_the_template_is_given_messages_as_they_are():
    seen = []
    render(example(USER).prompt, lambda turns, **options: seen.append((turns, options)))
    assert seen == [([{"role": "user", "content": USER.content}], {"add_generation_prompt": True})]


def test_without_a_template_turns_are_named():
    text = render((Message("user", "a"), Message("assistant", "b"), Message("user", "c")), None)
    assert text == "User: a\n\nAssistant: b\n\nUser: c\n\nAssistant:"
