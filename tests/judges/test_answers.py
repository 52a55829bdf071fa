"""The part of an answer that is judged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.judges.answer import Reading, solution_of
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.replies.reasoning import TAGS, Marks, Remarks, remark_on

CASES = [
    ("Plain answer.", "Plain answer."),
    ("", ""),
    ("<think>I guess aspirin.</think>See a doctor.", "See a doctor."),
    ("<THINK>x</THINK>Rest.", "Rest."),
    ("<think>one</think>\n<think>two</think>Rest.", "Rest."),
    ("<think>one</think> so <think>two</think>Rest.", "so <think>two</think>Rest."),
    ("<SOLUTION>Rest.</SOLUTION>", "Rest."),
    ("words <SOLUTION>\nRest.\n</SOLUTION> more", "Rest."),
    ("<start_working_out>x<end_working_out><SOLUTION>Rest.</SOLUTION>", "Rest."),
    ("<think>maybe <SOLUTION>wrong</SOLUTION></think><SOLUTION>Rest.</SOLUTION>", "Rest."),
    ("<think>maybe <SOLUTION>wrong</SOLUTION></think>Rest.", "Rest."),
    ("<SOLUTION>first</SOLUTION> no: <SOLUTION>second</SOLUTION>", "second"),
    ("<SOLUTION>Rest and", "Rest and"),
    ("<SOLUTION></SOLUTION>", ""),
    ("<|channel|>analysis<|message|>hm<|channel|>final<|message|>Rest.", "Rest."),
    ("The tag <think> is used by some models.", "The tag <think> is used by some models."),
    ("The block ends with `</think>`, then: rest.", "The block ends with `</think>`, then: rest."),
    ("<think>hm</think>It ends with </think>. Rest.", "It ends with </think>. Rest."),
    ("Use <SOLUTION> and </SOLUTION> tags. Rest.", "Use <SOLUTION> and </SOLUTION> tags. Rest."),
    ("Use the <solution> element. Rest.", "Use the <solution> element. Rest."),
    ("Write:\n<solution>\n<a/>\n</solution>", "Write:\n<solution>\n<a/>\n</solution>"),
    ("words\n<SOLUTION>Rest and", "Rest and"),
    ("if x < 3 and y > 2 then </b>", "if x < 3 and y > 2 then </b>"),
]


@pytest.mark.parametrize(("text", "solution"), CASES)
def test_solution_is_cut_out(text: str, solution: str) -> None:
    assert solution_of(text) == solution


def test_reasoning_is_never_judged_as_the_answer() -> None:
    assert solution_of("<think>The patient may have") == ""
    assert solution_of("  <start_working_out>half a thought") == ""


def test_reasoning_is_kept_when_asked_for() -> None:
    text = " <think>I guess</think><SOLUTION>Rest.</SOLUTION> "
    assert Reading(include_reasoning=True).part(text) == text


@pytest.mark.parametrize("mark", ["<think>", "<think></think>", "</think>", "<SOLUTION>", "<plan>"])
def test_hostile_nesting_ends(mark: str) -> None:
    # what grows with the square of the length would not end within the patience of a test run
    text = mark * 200_000
    solution_of(text)
    remark_on(text)


@given(st.text())
def test_solution_is_part_of_the_answer(text: str) -> None:
    assert solution_of(text) in text


BLOCKS = [
    *((f"<{name}>", f"</{name}>") for name in TAGS),
    ("<THINKING >", "</Thinking>"),
    ("[THINK]", "[/THINK]"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|channel>thought\n", "<channel|>"),
    ("◁think▷", "◁/think▷"),
    ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("<|think|>", "<|end|><|begin|>assistant<|content|>"),
    ("<start_working_out>", "<end_working_out>"),
    ('<details type="reasoning" done="true">', "</details>"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    (
        "<|start|>assistant<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final <|constrain|>json<|message|>",
    ),
]
SPOKEN = [
    ("## Thinking\n", "\n## Final Response\n"),
    ("Here is my thought process:", "Here is my response:"),
    ("analysis", "assistantfinal"),
]


@pytest.mark.parametrize(("opens", "closes"), [*BLOCKS, *SPOKEN])
def test_a_block_of_any_known_mark_is_left_out(opens: str, closes: str) -> None:
    assert solution_of(f"\n {opens}I guess aspirin. {closes}See a doctor.") == "See a doctor."
    assert remark_on(f"{opens}I guess aspirin. {closes}See a doctor.") == ("", "")


@pytest.mark.parametrize(("opens", "closes"), BLOCKS)
def test_a_block_that_never_closes_leaves_nothing_and_is_remarked_on(
    opens: str, closes: str
) -> None:
    assert solution_of(f"{opens}The patient may have") == ""
    assert remark_on(f"{opens}The patient may have")[0] == "cut_off"


@pytest.mark.parametrize(("opens", "closes"), BLOCKS)
def test_a_mark_further_down_is_text(opens: str, closes: str) -> None:
    text = f"Models write {opens}thoughts{closes} before they answer."
    assert solution_of(text) == text


@pytest.mark.parametrize(
    ("text", "remark"),
    [
        ("<plan>first</plan>Rest.", ("unknown", "<plan>")),
        ("[PLAN]first[/PLAN]Rest.", ("unknown", "[PLAN]")),
        ("【思考】first【/思考】Rest.", ("unknown", "【思考】")),
        ("<my_thoughts>first, and cut", ("unknown", "<my_thoughts>")),
        ("<|reasoning_start|>hm<|reasoning_end|>Rest.", ("unknown", "<|reasoning_start|>")),
        ("<unused12>hm<unused13>Rest.", ("unknown", "<unused12>")),
        ("```thinking\nhm\n```\nRest.", ("unknown", "```thinking")),
        (
            "<details>\n<summary>Thought for 5 s</summary>hm</details>Rest.",
            ("unknown", "<details>\n<summary>Thought"),
        ),
        ("**Thinking:**\nhm\n\nRest.", ("unknown", "**Thinking:**")),
        ("I guess aspirin.\n</think>\n\nSee a doctor.", ("lone", "</think>")),
        ("The block ends with `</think>`\nand more", ("", "")),
        ("<b>Rest</b> and drink.", ("", "")),
        ("<ul><li>Rest</li></ul>", ("", "")),
        ("[1] Rest.", ("", "")),
        ("[Source](http://example.org) says rest.", ("", "")),
        ("<answer>Rest.</answer>", ("", "")),
        ("Thinking of you. Rest.", ("", "")),
    ],
)
def test_what_looks_like_a_mark_is_remarked_on_and_judged(
    text: str, remark: tuple[str, str]
) -> None:
    assert remark_on(text) == remark
    assert solution_of(text) == text


def test_remarks_count_the_answers_and_name_the_option() -> None:
    remarks = Remarks()
    for text in ["<plan>a</plan>b", "<plan>c</plan>d", "Rest.", "<think>x", "hm\n</think>\nRest."]:
        remarks.add(text, Marks())
    first, *rest = remarks.notes()
    assert first.startswith("2 of 5 answers open with <plan>")
    assert "reasoning_marks=" in first
    assert any("1 of 5 answers end inside their reasoning" in note for note in rest)
    assert any("</think>" in note and "reasoning_opens=prompt" in note for note in rest)


def test_a_users_own_marks_and_a_block_that_the_prompt_opens() -> None:
    own = Marks.of("<plan>...</plan>; [[ ... ]]")
    assert solution_of("<plan>a</plan>Rest.", own) == "Rest."
    assert solution_of("[[a]] Rest.", own) == "Rest."
    assert solution_of("<think>a</think>Rest.", own) == "Rest."
    prompt = Marks.of(opens="prompt")
    assert solution_of("I guess.</think>\n\nRest.", prompt) == "Rest."
    assert solution_of("I guess and am cut", prompt) == ""
    assert solution_of("<think>I guess.</think>Rest.", prompt) == "Rest."
    for reading in (Reading(), Reading(marks=own), Reading(True, prompt)):
        assert Reading.from_json(reading.to_json()) == reading


@pytest.mark.parametrize("wrong", ["<plan>", "<plan>...", "...</plan>", 5, True, {"<a>": "</a>"}])
def test_a_mark_without_an_end_is_refused(wrong: object) -> None:
    with pytest.raises(ConfigError, match=r"OPEN\.\.\.CLOSE"):
        Marks.of(wrong)
