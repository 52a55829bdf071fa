"""How answers and criteria are cut."""

from __future__ import annotations

from rubricbeat.judges.data.text_units import MAX_SENTENCES, clauses_of, sentences_of, stems_of


def test_sentences_and_list_entries_lose_their_marks():
    text = "## Rest today. Drink water!\n\n- Call 911 if it gets worse\n* See a doctor?"
    assert sentences_of(text) == [
        "Rest today.",
        "Drink water!",
        "Call 911 if it gets worse",
        "See a doctor?",
    ]


def test_an_empty_answer_has_one_empty_sentence():
    assert sentences_of("") == [""]
    assert sentences_of("\n - \n") == [""]


def test_ten_thousand_lines_are_read_up_to_the_limit():
    assert len(sentences_of("word here.\n" * 10_000)) == MAX_SENTENCES


def test_a_criterion_is_cut_into_what_can_be_met_or_missed_alone():
    text = "Advises the user to rest, drink water, and call 911 if the pain (in the chest) returns."
    assert clauses_of(text) == [
        "Advises the user to rest",
        "drink water",
        "call 911 if the pain",
        "in the chest",
        "returns",
    ]


def test_a_criterion_without_parts_is_its_own_clause():
    assert clauses_of("X") == ["X"]
    assert clauses_of("") == [""]


def test_stems_drop_endings_and_words_without_meaning():
    assert stems_of("The user should be drinking 2.5 liters of waters") == [
        "drink",
        "2.5",
        "liter",
        "water",
    ]
