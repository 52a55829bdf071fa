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
no, {aspirin} is fine
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
don't use it since it {is illegal}
don't use it as that {is illegal}
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
whenever it is not better, {aspirin}
while it is not better, {aspirin}
since it is not better, {aspirin}
though it is not better, {aspirin}
as it is not better, {aspirin}
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
non {aspirin}
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
{aspirin} can be unsafe
{aspirin} in such a very long case of the pain is unlikely
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


NEXT_THOUGHTS = """
call ring phone dial go seek see take chew get ask tell contact sit lie rest stay have use keep
start come check measure talk speak let try wait hold give watch bring make book arrange return
head treat bridge resume restart refer recheck repeat load continue don't never avoid i you it this
that these they we he she there your the his her my our please also instead then so what which who
would could should do is are
"""
DESCRIBING = """
advises recommends states explains asks mentions identifies tells warns suggests fails includes
provides encourages gives describes acknowledges names offers responds uses keeps avoids declines
refuses says writes lists points clarifies reassures directs urges instructs emphasises emphasizes
stresses invites calls recognises recognizes sets puts treats claims distinguishes answers
interprets discusses addresses summarises seeks leaves makes adds confirms covers expresses invents
agrees helps promises assumes presents marks opens starts ends orders arranges links ranks compares
requests requires withholds estimates rates breaks translates reminds attributes connects cautions
discourages prioritises shares brings checks allows refers structures computes reads|the stays
supports validates separates shows speaks admits corrects assesses adjusts chooses picks judges
applies proposes lowers classifies sends alerts looks|for forbids rules|out follows limits raises
permits selects notes|that notes|the takes|account takes|the takes|into does|not reports|the
"""
SMALL = """
the a an to of and or you your is are be if with for in on it this that as at by from can should
may i we not do has have was than until because but so no am per her his my will
"""
FILLERS = "then also please just simply so and or today now"
UNITS = "mg mcg g kg ml mmol h hr hrs hour hours day days week weeks min"
ENGLISH = "the of and to you your is are be with for it this that if can should not or have"
FOREIGN = """
el los las una que del con por para usted ustedes les des du et est une pas ne vous dans pour avec
sur il che di della sono nel und der das ist sie nicht kein keine ein eine mit zu ihr auf fur oder
nao um uma voce com seu sua het een niet van og och ikke inte nie jest bir tidak yang hai hain
aur aap nahi nahin mein karein agar ke ki ka se
"""


@pytest.mark.parametrize("word", NEXT_THOUGHTS.split())
def test_after_and_these_words_begin_a_new_thought(word: str) -> None:
    assert standing(f"without food and {word} ", "aspirin", "", "aspirin") == (
        "negated" if word in {"don't", "never", "avoid"} else "meant"
    )


@pytest.mark.parametrize("filler", FILLERS.split())
def test_fillers_may_stand_before_a_new_thought(filler: str) -> None:
    assert standing(f"without food, {filler} take ", "aspirin", "", "aspirin") == "meant"


@pytest.mark.parametrize("verb", DESCRIBING.split())
def test_these_verbs_describe_an_answer(verb: str) -> None:
    before = f"{verb.replace('|', ' ')} user's "
    assert standing(before, "aspirin", "", "aspirin") == "not prose"


@pytest.mark.parametrize("subject", ["answer", "response", "assistant", "model", "reply"])
def test_an_answer_is_described_by_its_names(subject: str) -> None:
    assert standing(f"the {subject} states ", "aspirin", "", "aspirin") == "not prose"


@pytest.mark.parametrize("word", SMALL.split())
def test_one_small_word_in_twelve_makes_a_sentence(word: str) -> None:
    words = "aspirin ambulance pain heart attack call stroke clot emergency hospital ward"
    assert standing("", f"{words} {word}", "", "call") in {"meant", "negated"}
    assert standing("", f"{words} bed", "", "call") == "not prose"


@pytest.mark.parametrize(
    "unit",
    [
        "mg",
        "mcg",
        "g",
        "kg",
        "ml",
        "mmol",
        "h",
        "hr",
        "hrs",
        "hour",
        "hours",
        "day",
        "days",
        "week",
        "min",
    ],
)
def test_a_list_with_units_is_a_note(unit: str) -> None:
    words = "aspirin ambulance pain heart attack call stroke clot emergency hospital ward"
    assert standing("", f"{words} 5 {unit}", "", "call") == "meant"


@pytest.mark.parametrize("word", FOREIGN.split())
def test_two_foreign_words_make_a_foreign_text(word: str) -> None:
    assert not is_english(f"{word} {word} aspirin")
    assert is_english(f"{word} aspirin")


@pytest.mark.parametrize("word", ENGLISH.split())
def test_as_many_english_words_make_an_english_text(word: str) -> None:
    assert is_english(f"der arzt ist {word} {word}")


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
        ("should she feel pain, {call 911}", True),
        ("should he feel pain, {call 911}", True),
        ("should it return, {call 911}", True),
        ("should this return, {call 911}", True),
        ("should they feel pain, {call 911}", True),
        ("should you feel pain, {call 911}", True),
        ("{call 911}, when it hurts", True),
        ("{call 911}, unless it stops", True),
        ("tell if it is {a stroke}", False),
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
        ("der arzt ist for the best", True),
        ("der arzt ist the best", False),
        ("as doses do remedio no posto: nao tome a mais, e fale com o medico", False),
        ("\u00bftoma usted aspirina?", False),
    ],
)
def test_english_is_what_is_not_clearly_another_language(folded: str, expected: bool) -> None:
    assert is_english(folded) is expected
