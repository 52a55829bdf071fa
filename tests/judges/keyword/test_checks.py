from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steps import n_calls

from rubricbeat.judges.errors import DataError
from rubricbeat.judges.keyword.checks import holds
from rubricbeat.judges.keyword.parser import parse_check
from rubricbeat.judges.keyword.patterns import MAX_ANSWER_CHARS, SCRIPTS


def met(check: dict[str, Any], answer: str) -> bool | None:
    return holds(parse_check(check), answer).holds


@pytest.mark.parametrize(
    ("pattern", "answer", "expected"),
    [
        ("aspirin", "Take ASPIRIN.", True),
        ("aspirin", "Take aspirins.", False),
        ("aspirin*", "Take aspirins.", True),
        ("*statin", "Atorvastatin is fine.", True),
        ("chest pain", "Your chest-pain is new.", True),
        ("chest pain", "Your chest.\nPain is new.", False),
        ("call .. 911", "Call, without any delay, 911.", True),
        ("call .. 911", "Call me. Not 911.", False),
        ("call ..5 911", "Call them all at 911.", False),
        ("aspirin ~ chew*", "Chew one aspirin.", True),
        ("aspirin ~ chew*", "One aspirin, chewed.", True),
        ("call (an|the)? ambulance", "Call ambulance.", True),
        ("call (an|the)? ambulance", "Call the ambulance.", True),
        ("call (an|the)? ambulance", "Call our ambulance.", False),
        ("2.5 mg", "Ramipril 2.5 mg daily.", True),
        ("2.5 mg", "Ramipril 25 mg daily.", False),
        ("300 mg", "Aspirin 300mg at once.", True),
        ("24h", "Wait 24 h.", True),
        ("24 (h|hours)", "Wait 24h.", True),
        ("30 mg", "Aspirin 300mg at once.", False),
        ("pre-eclampsia", "This is pre eclampsia.", True),
        ("call 911", "**Call 911** now", True),
        ("corazón", "El CORAZON late.", True),
        ("阿司匹林", "请服用阿司匹林一片。", True),
        ("119", "すぐに119に電話してください。", True),
        ("心梗", "ＡＢＣ心梗", True),
        ("दवा", "दवाई लें।", False),
        ("दवा*", "दवाई लें।", True),
        ("إسعاف*", "اسعاف الآن", True),
        ("straße", "in der STRASSE", True),
    ],
)
def test_patterns_match_words_in_any_script(pattern: str, answer: str, expected: bool) -> None:
    assert met({"says": pattern, "negation": "none"}, answer) is expected


@pytest.mark.parametrize(
    ("pattern", "answer", "expected"),
    [
        ("aspirin", "Do not take aspirin.", False),
        ("aspirin", "Never, ever take aspirin.", False),
        ("aspirin", "Do not take ibuprofen, naproxen, or aspirin.", False),
        ("aspirin", "Aspirin should be avoided.", False),
        ("aspirin", "Aspirin isn't for you.", False),
        ("aspirin", "It is a myth that you should, in this case, take aspirin.", False),
        ("aspirin", "Do not eat; take aspirin.", True),
        ("aspirin", "Don't wait, take aspirin.", True),
        ("aspirin", "Take aspirin if you are not allergic.", True),
        ("call 911", "If it does not stop, call 911.", True),
        ("call 911", "Don't hesitate to call 911.", True),
        ("call 911", "Do not drive and call 911.", True),
        ("call 911", "No, call 911.", True),
        ("call 911", "Call 911 now and don't drive yourself.", True),
        ("call 911", "Call 911 and never drive.", True),
        ("aspirin", "Aspirin (ASA) and ibuprofen should be avoided.", False),
        ("aspirin", "No problem, aspirin is fine.", True),
        ("aspirin", "No, aspirin is not safe.", False),
        ("call 911", "There is no need to call 911.", False),
    ],
)
def test_a_negated_mention_is_not_said(pattern: str, answer: str, expected: bool) -> None:
    assert met({"says": pattern}, answer) is expected
    assert met({"against": pattern}, answer) is not expected
    assert met({"mentions": pattern}, answer)
    assert not met({"lacks": pattern}, answer)


def test_a_pattern_that_spells_out_its_negation_is_taken_as_it_stands() -> None:
    assert met({"says": "do not .. drive"}, "Please do not try to drive.")
    assert met({"says": "stop .. warfarin"}, "You can stop the warfarin.")
    assert not met({"says": "stop .. warfarin"}, "Do not stop the warfarin.")


@pytest.mark.parametrize(
    "answer",
    [
        "Tells the user to call 911 at once.",
        "The response advises to call 911.",
        "aspirin ambulance chest pain heart attack call 911 stroke clot emergency hospital",
    ],
)
def test_pasted_rubrics_and_word_lists_say_nothing(answer: str) -> None:
    evidence = holds(parse_check({"says": "call 911"}), answer)
    assert evidence.holds is False
    assert "not in a statement" in evidence.reason


def test_asking_needs_a_question() -> None:
    check = {"asks": "pregnan*"}
    assert met(check, "Are you pregnant?")
    assert met(check, "Please tell me whether you are pregnant.")
    assert not met(check, "You are pregnant.")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Call 911 now.", True),
        ("If it gets worse, call 911.", False),
        ("Call 911 if the pain comes back.", False),
        ("Call 911, if it gets worse.", False),
        ("Should the pain return, call 911.", False),
        ("If you are alone, call 911 on speaker.", True),
        ("Call 911 now, and if he stops breathing, press on his chest.", True),
        ("Call 911: if he stops breathing they will guide you.", True),
        ("Don't wait to see if it settles, call 911.", True),
        ("Call 911 as soon as possible.", True),
        ("Even if it goes away, call 911.", True),
    ],
)
def test_a_firm_phrase_stands_under_no_condition(answer: str, expected: bool) -> None:
    assert met({"says": "call 911", "firm": True}, answer) is expected
    assert met({"says": "call 911"}, answer)


SPANISH = "no|nunca|sin|evite*"
HINDI = "न|नहीं|मत|बिना"


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        ({"says": "aspirina", "negation": SPANISH}, "Tome una aspirina con agua.", True),
        ({"says": "aspirina", "negation": SPANISH}, "Nunca tome aspirina.", False),
        ({"says": "aspirina", "negation": SPANISH}, "No espere, tome aspirina.", True),
        ({"says": "aspirina", "negation": SPANISH}, "La aspirina no es para usted.", False),
        ({"against": "aspirina", "negation": SPANISH}, "Nunca tome aspirina.", True),
        ({"against": "aspirina", "negation": SPANISH}, "Tome una aspirina.", False),
        ({"says": "no .. conduzca", "negation": SPANISH}, "No, no conduzca.", True),
        (
            {"says": "llame .. 112", "without": "si", "negation": "no"},
            "Si empeora, llame al 112.",
            False,
        ),
        ({"says": "दवा", "negation": HINDI}, "दवा लें।", True),
        ({"says": "दवा", "negation": HINDI}, "दवा बंद न करें।", False),
        ({"against": "बंद", "negation": HINDI}, "दवा बंद न करें।", True),
        ({"against": "बंद", "negation": HINDI}, "दवा बंद करें।", False),
        ({"against": "停", "negation": ["不", "别"]}, "阿司匹林不要停。", True),
        ({"says": "aspirin", "negation": "nicht"}, "Nehmen Sie Aspirin nicht.", False),
        ({"says": "aspirin", "negation": "none"}, "Nehmen Sie Aspirin nicht.", True),
        ({"order": ["uno", "dos"], "negation": "no"}, "No uno, sino dos.", False),
        ({"order": ["uno", "dos"], "negation": "no"}, "Uno y dos.", True),
        ({"asks": "aspirina", "negation": "none"}, "¿Toma aspirina?", True),
        ({"asks": "aspirina", "negation": "none"}, "Toma aspirina.", False),
        ({"negation": "no", "any": ["uno", {"against": "dos"}]}, "No dos.", True),
        ({"negation": "no", "any": [{"negation": "none", "says": "uno"}]}, "No uno.", True),
        ({"negation": "no", "not": {"says": "uno"}}, "No uno.", True),
        ({"negation": "no", "at_least": 2, "of": ["uno", "dos"]}, "Uno y dos.", True),
        ({"negation": "english", "says": "aspirin"}, "Do not take aspirin.", False),
    ],
)
def test_a_check_writes_the_negation_of_another_language_out(
    check: dict[str, Any], answer: str, expected: bool
) -> None:
    assert met(check, answer) is expected


@pytest.mark.parametrize(
    "answer",
    [
        "Nehmen Sie kein Aspirin.",
        "Ne prenez pas d'aspirin.",
        "Los médicos no recomiendan aspirin para usted.",
        "Non prenda aspirin per il dolore che sente nel petto.",
        "Neem het niet: aspirin is een risico.",
        "आप aspirin न लें, दवा बंद करें।",
        "Нельзя принимать aspirin.",
        "Agar dard ho to aspirin mat lein aur doctor ke paas jaayein.",
        "不要吃 aspirin,先去医院看医生。",
        "لا تأخذ aspirin قبل استشارة الطبيب",
    ],
)
def test_english_is_never_read_into_another_language(answer: str) -> None:
    for check in (
        {"says": "aspirin"},
        {"against": "aspirin"},
        {"asks": "aspirin"},
        {"order": ["aspirin"]},
        {"mentions": "aspirin", "firm": True},
        {"not": {"says": "aspirin"}},
        {"all": ["aspirin", {"mentions": "aspirin"}]},
        {"any": ["aspirin", {"lacks": "aspirin"}]},
        {"at_least": 2, "of": ["aspirin", {"mentions": "aspirin"}, {"words": {"max": 0}}]},
    ):
        evidence = holds(parse_check(check), answer)
        assert evidence.holds is None, check
        assert "not in English" in evidence.reason
    # what needs no negation, or is certain without it, has its verdict
    assert met({"mentions": "aspirin"}, answer) is True
    assert met({"lacks": "aspirin"}, answer) is False
    assert met({"any": ["aspirin", {"mentions": "aspirin"}]}, answer) is True
    assert met({"all": ["aspirin", {"words": {"max": 0}}]}, answer) is False
    assert met({"not": {"all": ["aspirin", {"words": {"max": 0}}]}}, answer) is True


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "911",
        "Aspirin.",
        "Take aspirin en route, as Dr. de la Cruz said.",
        "El Camino Hospital in Los Angeles: call the ward and ask for los.",
        "Aspirin (阿司匹林) is safe for you.",
        "aspirin ibuprofen naproxen clopidogrel heparin warfarin",
    ],
)
def test_what_is_not_clearly_another_language_is_read_as_english(answer: str) -> None:
    assert met({"says": "zzz"}, answer) is False


def test_words_beside_a_phrase_can_void_it() -> None:
    check = {"says": "ibuprofen .. (fine|safe)", "without": "paracetamol|gel"}
    assert met(check, "Ibuprofen is fine.")
    assert not met(check, "Instead of that, ibuprofen gel is fine.")
    assert met(check, "Ibuprofen is fine. Paracetamol too.")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Can I take one puff?", False),
        ("Should she take one puff now?", False),
        ("Could you take one puff?", True),
        ('Take one puff and ask them: "What next?"', True),
    ],
)
def test_what_is_only_asked_is_not_said(answer: str, expected: bool) -> None:
    assert met({"says": "take one puff"}, answer) is expected


@pytest.mark.parametrize(
    "answer",
    [
        "I won't do that because it is illegal.",
        "Don't use it, as this is illegal.",
        "The trick (which does not work) is illegal.",
    ],
)
def test_a_reason_is_not_negated_with_the_advice(answer: str) -> None:
    assert met({"says": "illegal"}, answer)


def test_place_order_and_number() -> None:
    late = "Chest pain has many causes. Call 911."
    assert met({"says": "call 911", "within_words": 6}, late)
    assert not met({"says": "call 911", "within_words": 5}, late)
    assert met({"order": ["causes", "call 911"]}, late)
    assert not met({"order": ["call 911", "causes"]}, late)
    assert met({"mentions": "c*", "times": 3}, late)
    assert not met({"mentions": "c*", "times": 4}, late)
    assert met({"words": {"min": 7, "max": 7}}, late)
    assert met({"words": {"max": 4}}, "请打电话")
    assert met({"questions": {"min": 2}}, "How old? 何歳ですか\uff1f")
    assert met({"list_items": {"min": 2, "max": 2}}, "- one\n2. two\nthree")


@pytest.mark.parametrize(
    ("script", "answer"),
    [
        ("latin", "Llame a su médico"),
        ("cyrillic", "врач"),
        ("greek", "γιατρός"),
        ("arabic", "اتصل بالطبيب"),
        ("hebrew", "רופא"),
        ("devanagari", "डॉक्टर से मिलें 5 mg"),
        ("bengali", "ডাক্তার"),
        ("tamil", "மருத்துவர்"),
        ("thai", "หมอ"),
        ("han", "请去医院"),
        ("kana", "病院へ行ってください"),
        ("kana", "循環器内科医受診の"),
        ("han", "请去医院看循环科医生の"),
        ("hangul", "의사"),
    ],
)
def test_scripts_are_told_apart(script: str, answer: str) -> None:
    assert met({"script": script}, answer) is True
    others = [name for name in SCRIPTS if name != script]
    assert met({"script": others}, answer) is False


def test_scripts_and_combinations() -> None:
    assert met({"script": "latin"}, "Call")
    assert not met({"script": "latin"}, "")
    check = {"at_least": 2, "of": ["fever", "cough", {"words": {"max": 3}}]}
    assert met(check, "fever and cough, and some more words")
    assert not met(check, "fever and some more words")
    assert met({"any": ["fever", "cough"], "not": {"mentions": "rash"}}, "cough")
    assert not met({"any": ["fever", "cough"], "not": {"mentions": "rash"}}, "cough, rash")
    assert met({"regex": r"\d{2,3}/\d{2,3}"}, "149/91")
    assert met({"regex": r"^(low|high)[*+]? \+\*(?=x)$|y"}, "line\nhigh +y")


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ({"sayz": "a"}, "unknown operator 'sayz'; did you mean 'says'"),
        ({"any": [{"mention": "a"}]}, r"check.any\[0\]: unknown operator 'mention'.*'mentions'"),
        ({}, "must be an object"),
        ({"says": 3}, "check.says must be a text"),
        ({"says": []}, "check.says must be a text"),
        ({"says": "(a"}, "check.says: pattern '\\(a': a bracket is not closed"),
        ({"says": "a)"}, "a bracket closes"),
        ({"says": "*"}, "no letter"),
        ({"says": "a ..999 b"}, "too wide"),
        ({"says": "a .. b .. c .. d"}, "too wide"),
        ({"words": {"maxx": 3}}, "unknown bound 'maxx'; did you mean 'max'"),
        ({"words": {"min": 4, "max": 3}}, "min 4 is above max 3"),
        ({"words": {"max": True}}, "must be a number"),
        ({"at_least": 3, "of": ["a"]}, "is 3, but 'of' has 1"),
        ({"at_least": 1}, "go together"),
        ({"words": {"max": 3}, "times": 2}, "check.times goes with"),
        ({"regex": "(a+)+b"}, "too many ways"),
        ({"regex": "(a{1,20}){1,20}b"}, "too many ways"),
        ({"regex": r"(a)\1"}, "too many ways"),
        ({"regex": "a*"}, "too many ways"),
        ({"regex": "a{3,}"}, "too many ways"),
        ({"regex": "(a|b){1,3}"}, "too many ways"),
        ({"regex": "(?P<x>a)(?P=x)"}, "too many ways"),
        ({"regex": "(a|a)" * 13}, "too many ways"),
        ({"regex": "a?" * 13}, "too many ways"),
        ({"regex": "a{0,99}a{0,99}"}, "too many ways"),
        ({"regex": "a" * 301}, "at most 300 characters"),
        ({"regex": ""}, "at most 300 characters"),
        ({"regex": "("}, "not a usable regular expression"),
        ({"language": "es"}, "unknown operator 'language'; use 'script' or 'mentions'"),
        ({"script": "lattin"}, "unknown script 'lattin'; did you mean 'latin'"),
        ({"says": "a", "negation": 3}, "check.negation must be a text"),
        ({"says": "a", "negation": "(b"}, "check.negation: pattern"),
        ({"words": {"max": 3}, "negation": "no"}, "check.negation goes with"),
        ({"negation": "no"}, "must be an object with an operator"),
        ({"against": "a", "negation": "none"}, "needs words that negate"),
        ({"says": "a", "firm": True, "negation": "no"}, "write conditions out under 'without'"),
    ],
)
def test_an_unusable_check_is_named(check: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_check(check)


@pytest.mark.parametrize(
    "unit", ["a", "call ", "do not call the ", "(", "\0", "不要", "\ud800", "\n"]
)
def test_of_a_long_answer_a_bounded_part_is_read(unit: str) -> None:
    check = {"any": ["call .. 911", "a ~ b", {"regex": r"a{1,30}b"}, {"script": "thai"}]}
    predicate = parse_check(check)
    evidence = holds(predicate, unit * (2_000_000 // len(unit)))
    assert "only the first" in evidence.reason
    # past what is read, every length is one length
    assert evidence == holds(predicate, unit * (MAX_ANSWER_CHARS // len(unit) + 1))

    def work(n_chars: int) -> int:
        return n_calls(lambda: holds(predicate, unit * (n_chars // len(unit))))

    assert work(MAX_ANSWER_CHARS) <= 2.2 * work(MAX_ANSWER_CHARS // 2) + 50


@given(st.text())
def test_any_text_gets_a_verdict_and_a_printable_reason(answer: str) -> None:
    said, lacking = {"says": "a* .. b*"}, {"not": {"says": "a* .. b*"}}
    evidence = holds(parse_check(said), answer)
    opposite = {True: False, False: True, None: None}
    assert met(lacking, answer) is opposite[evidence.holds]
    assert evidence.reason.encode("utf-8")


def test_the_examples_of_other_languages_in_the_docs_do_what_they_say() -> None:
    page = (Path(__file__).parents[3] / "docs" / "predicates.md").read_text("utf-8")
    blocks = re.findall(r"```json\n(\{\"negation\".*?)```", page, re.DOTALL)
    spanish, hindi = map(json.loads, blocks)
    for check, verdicts in (
        (
            spanish,
            {
                "Llame ya al 112.": True,
                "No espere en casa.": True,
                "Si empeora, llame al 112.": False,
                "Espere en casa.": False,
            },
        ),
        (
            hindi,
            {
                "दवा बंद न करें, डॉक्टर से सलाह लें।": True,
                "दवा बंद करें, डॉक्टर से सलाह लें।": False,
            },
        ),
    ):
        for answer, expected in verdicts.items():
            assert answer in page
            assert met(check, answer) is expected, answer
