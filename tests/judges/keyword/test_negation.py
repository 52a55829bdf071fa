from __future__ import annotations

import pytest

from rubricbeat.judges.keyword.negation import is_conditional, is_english, standing

# Each line holds one phrase in braces, in a folded sentence, as `read_text` gives it.


def parts(line: str) -> tuple[str, str, str]:
    before, rest = line.split("{")
    phrase, after = rest.split("}")
    return before, phrase, after


MEANT = """
take {aspirin}.
do not hesitate to take {aspirin}.
don't wait about {aspirin}
dont delay {aspirin}
never be afraid to take {aspirin}
not be shy {aspirin}
should not worry about {aspirin}
shouldn't ignore {aspirin}
please don't miss {aspirin}
don't skip {aspirin}
don't forget {aspirin}
do not put off {aspirin}
without delay take {aspirin}
without any delay {aspirin}
without further waiting {aspirin}
without more hesitation {aspirin}
without fail {aspirin}
without warning {aspirin}
no matter what {aspirin}
no, take {aspirin}
no problem {aspirin}
no worries {aspirin}
no issue {aspirin}
no harm {aspirin}
no warning {aspirin}
protects you against {aspirin}
guard against {aspirin}
no later than today {aspirin}
not only {aspirin}
not just {aspirin}
do not exceed {aspirin}
don't exceed {aspirin}
no more than one {aspirin}
not longer than a day {aspirin}
no less than one {aspirin}
no doubt {aspirin}
it must not be delayed {aspirin}
not be withheld {aspirin}
not be missed {aspirin}
not be ignored {aspirin}
not be forgotten {aspirin}
not be postponed {aspirin}
not sure {aspirin}
if not {aspirin}
whether or not {aspirin}
why not {aspirin}
or not {aspirin}
cannot rule out {a heart attack}
can't exclude {a heart attack}
cannot be ruled out {a heart attack}
not be ruled out {a heart attack}
do not eat; take {aspirin}
do not eat: {aspirin}
do not eat (or drink) {aspirin}
do not eat - {aspirin}
do not eat \u2014 {aspirin}
i won't because {it is illegal}
don't use it, as this {is illegal}
don't use it since they {are illegal}
do not eat but {aspirin}
do not eat however {aspirin}
do not eat instead, {aspirin}
do not eat, then take {aspirin}
do not eat and now take {aspirin}
do not eat so please take {aspirin}
do not eat so that {aspirin}
if it does not stop, {aspirin}
when it is not better, {aspirin}
because it is not better, {aspirin}
unless it is not better, {aspirin}
until it does not hurt, {aspirin}
although it does not hurt, {aspirin}
{aspirin} and do not drive
{aspirin} if she is not allergic
{aspirin} unless it is not safe
{aspirin} provided she is not allergic
{aspirin} except he is not well
{aspirin} (which is not a painkiller) helps
{take (if not allergic, never mind) aspirin}
"""

NEGATED = """
it is not true that {aspirin} helps
it's a myth that {aspirin} helps
that is false to say {aspirin} helps
that's nonsense that {aspirin} helps
it is untrue that {aspirin} helps
it is wrong to take {aspirin}
it is incorrect that {aspirin} helps
not {aspirin}
no {aspirin}
never {aspirin}
cannot take {aspirin}
nor {aspirin}
neither {aspirin}
without {aspirin}
avoid {aspirin}
avoiding {aspirin}
stop {aspirin}
stopping {aspirin}
refuse {aspirin}
against {aspirin}
instead of {aspirin}
rather than {aspirin}
hold off {aspirin}
stay away from {aspirin}
steer clear of {aspirin}
keep away from {aspirin}
won't {aspirin}
wont {aspirin}
unlikely {aspirin}
rule out {aspirin}
this rules out {aspirin}
ruled out {aspirin}
dangerous to take {aspirin}
unsafe to take {aspirin}
isn't {aspirin}
aren't {aspirin}
wasn't {aspirin}
weren't {aspirin}
don't take {aspirin}
doesn't {aspirin}
didn't {aspirin}
hasn't {aspirin}
haven't {aspirin}
hadn't {aspirin}
shouldn't take {aspirin}
wouldn't {aspirin}
couldn't {aspirin}
mustn't {aspirin}
needn't {aspirin}
can't {aspirin}
cant {aspirin}
skip {aspirin}
forbidden {aspirin}
do not eat fish or {aspirin}
do not eat nuts, or {aspirin}
{aspirin} works not because it is not safe
{take no aspirin}
{aspirin} is possible but less likely
{aspirin} seems unlikely
{aspirin} is not safe
{aspirin} is really not safe
{aspirin} are not safe
{aspirin} was not safe
{aspirin} be not taken
{aspirin} should not be taken
{aspirin} must not be taken
{aspirin} would not help
{aspirin} can not help
{aspirin} could not help
{aspirin} do not help
{aspirin} does not help
{aspirin} cannot help
{aspirin} can't help
{aspirin} cant help
{aspirin} isnt safe
{aspirin} arent safe
{aspirin} shouldnt be taken
{aspirin} mustnt be taken
{aspirin} is unsafe
{aspirin} are dangerous
{aspirin} would be impossible
{aspirin} can be contraindicated
{aspirin} is off limits
{aspirin} is a mistake
{aspirin} is unwise
{aspirin} is forbidden
{aspirin} is out of the question
{aspirin} should be avoided
{aspirin} is to be avoided
{aspirin} unnecessary
{aspirin} (asa, the old one) is not safe
"""

NOT_PROSE = """
tells the user to take {aspirin}
the response advises {aspirin}
the model clearly recommends {aspirin}
1. mentions {aspirin}
aspirin ambulance pain heart attack call {stroke} clot emergency hospital
"""


def lines(text: str) -> list[str]:
    return [line for line in text.split("\n") if line]


@pytest.mark.parametrize("line", lines(MEANT))
def test_what_is_meant(line: str) -> None:
    assert standing(*parts(line), "aspirin") == "meant"


@pytest.mark.parametrize("line", lines(NEGATED))
def test_what_is_negated(line: str) -> None:
    assert standing(*parts(line), "aspirin") == "negated"


@pytest.mark.parametrize("line", lines(NOT_PROSE))
def test_what_is_no_prose(line: str) -> None:
    assert standing(*parts(line), "aspirin") == "not prose"


def test_a_list_has_nine_words_and_few_small_ones() -> None:
    words = "aspirin ambulance pain heart attack call stroke clot emergency"
    assert standing("", words, "", "aspirin") == "not prose"
    assert standing("", words.removesuffix(" emergency"), "", "aspirin") == "meant"
    # one small word in 12 is 8.3 per cent, in 13 it is 7.7
    twelve = "aspirin ambulance pain heart attack call stroke clot emergency hospital ward the"
    assert standing("", twelve, "", "aspirin") == "meant"
    assert standing("", f"{twelve} bleeding", "", "aspirin") == "not prose"
    for note in (":", ";", "<", ">", "%", "(", ")", "5 mg", "3h", "2 weeks"):
        assert standing("", f"{words} {note}", "", "aspirin") == "meant"
    # mostly numbers or another script: no list of words
    assert standing("", f"{words} {'1 ' * 60}", "", "aspirin") == "meant"


def test_a_negation_reaches_110_characters() -> None:
    for length, found in ((103, "negated"), (104, "meant")):
        # "never " and the words before the phrase
        assert standing(f"never {'x' * length} ", "aspirin", "", "aspirin") == found


def test_a_negation_after_the_phrase_is_near() -> None:
    for length, found in ((45, "negated"), (46, "meant")):
        after = f"{'x' * (length - 1)} cannot help"
        assert standing("", "aspirin", after, "aspirin") == found


@pytest.mark.parametrize(
    ("source", "line", "expected"),
    [
        ("do not .. drive", "please {do not try to drive}", "meant"),
        ("don't drive", "please {don't drive}", "meant"),
        ("no aspirin", "never say {no aspirin}", "meant"),
        ("stop .. warfarin", "{stop the warfarin}", "meant"),
        ("stop .. warfarin", "do not {stop the warfarin}", "negated"),
        ("stop .. warfarin", "{stop, or rather avoid, the warfarin}", "negated"),
        ("avoid aspirin", "do not {avoid aspirin}", "negated"),
        ("refuse aspirin", "never {refuse aspirin}", "negated"),
        ("rule out a clot", "not {rule out a clot}", "negated"),
        ("skip a dose", "never {skip a dose}", "negated"),
        ("hold off", "never {hold off}", "negated"),
    ],
)
def test_a_pattern_may_spell_its_negation_out(source: str, line: str, expected: str) -> None:
    assert standing(*parts(line), source) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("{call 911}", False),
        ("if it gets worse, {call 911}", True),
        ("when it hurts {call 911}", True),
        ("whenever it hurts {call 911}", True),
        ("unless it stops {call 911}", True),
        ("in case it hurts {call 911}", True),
        ("as soon as it hurts {call 911}", True),
        ("should the pain return, {call 911}", True),
        ("should any pain return, {call 911}", True),
        ("{if it hurts call 911}", True),
        ("{call 911} if it hurts", True),
        ("{call 911} (if you like)", False),
        ("{call 911}, if it hurts", True),
        ("{call 911}, and if it hurts sit down", False),
        ("{call 911} and if it hurts sit down", False),
        ("{call 911} or when it hurts sit down", False),
        ("{call 911} but if it hurts sit down", False),
        ("{call 911}; if it hurts sit down", False),
        ("{call 911}: if it hurts sit down", False),
        ("{call 911} \u2014 if it hurts sit down", False),
        ("if it hurts sit; {call 911}", False),
        ("even if it stops {call 911}", False),
        ("as if it were {a heart attack}", False),
        ("what if it is {a heart attack}", False),
        ("as soon as possible {call 911}", False),
        ("as soon as you can {call 911}", False),
        ("see if it settles, {call 911}", False),
        ("know when it began, {call 911}", False),
        ("check if it settles {call 911}", False),
        ("tell them when it began {call 911}", True),
        ("ask if it is safe {call 911}", False),
        ("not sure if it is {a heart attack}", False),
        ("wondering if it is {a heart attack}", False),
        ("if possible {call 911}", False),
        ("if available {aspirin}", False),
        ("if you can {call 911}", False),
        ("if you are able {call 911}", False),
        ("if you have not {call 911}", False),
        ("if you haven't {call 911}", False),
        ("if you are alone {call 911}", False),
        ("if you live in a town {call 911}", False),
        ("if you are in a town {call 911}", False),
        ("if you cannot walk {call 911}", False),
        ("if you can't walk {call 911}", False),
        ("if there is no car {call 911}", False),
        ("if an ambulance is far {call 911}", False),
        ("if no one is near {call 911}", False),
        ("if nobody is near {call 911}", False),
        ("if not already done {call 911}", False),
    ],
)
def test_a_condition_is_told_from_what_looks_like_one(line: str, expected: bool) -> None:
    assert is_conditional(*parts(line)) is expected


@pytest.mark.parametrize(
    ("folded", "expected"),
    [
        ("", True),
        ("12 34", True),
        ("aspirin", True),
        ("ab \u0436\u0436", True),
        ("a \u0436\u0436", False),
        ("der arzt", True),
        ("der arzt ist da", False),
        ("der arzt ist in the house", True),
        ("der arzt ist the best", False),
        ("\u00bftoma usted aspirina?", False),
    ],
)
def test_english_is_what_is_not_clearly_another_language(folded: str, expected: bool) -> None:
    assert is_english(folded) is expected
