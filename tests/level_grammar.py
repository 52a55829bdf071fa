"""Replies about a criterion with levels, made from a grammar, each with what it truly holds.

Written from what judges do, not from how replies are read, beside `reply_grammar.py`: a form draws
a reply and the readings that are right. `NA` is "not applicable", None is no verdict.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from reply_grammar import CLAIMS, CLOSERS, LEADS, MARKS, WORDS, claims, fenced, maybe_fenced

LEVELS = (
    "Names no dose at all",
    "Names the dose",
    "Names the dose and the interval",
    "Names the dose, the interval and the longest time",
)
NA = "NA"
Reading = int | str | None


@dataclass(frozen=True, slots=True)
class MadeLevel:
    """A reply, and what may be read in it."""

    text: str
    right: frozenset[Reading]
    ended: bool = True


def drawn(rng: Random) -> Reading:
    return NA if rng.random() < 0.2 else rng.randrange(len(LEVELS))


def another(rng: Random, than: Reading) -> Reading:
    others: list[Reading] = [*range(len(LEVELS)), NA]
    return rng.choice([one for one in others if one != than])


def fields(rng: Random, said: Reading, why: str | None = None) -> dict[str, object]:
    made: dict[str, object] = {"explanation": rng.choice(WORDS) if why is None else why}
    if said == NA:
        made |= rng.choice(
            [
                {"level": None, "not_applicable": True},
                {"not_applicable": True},
                {"level": "N/A"},
                {"level": "not applicable"},
                {"level": "Not_Applicable", "not_applicable": True},
            ]
        )
    else:
        made |= {"level": said} | ({"not_applicable": False} if rng.random() < 0.5 else {})
    return dict(reversed(made.items())) if rng.random() < 0.3 else made


def obj(rng: Random, said: Reading, why: str | None = None) -> str:
    indent = rng.choice([None, None, 0, 2])
    return json.dumps(fields(rng, said, why), ensure_ascii=rng.random() < 0.3, indent=indent)


def only(said: Reading) -> frozenset[Reading]:
    return frozenset({said})


# ---- plain forms: these must be read


def bare(rng: Random) -> MadeLevel:
    said = drawn(rng)
    return MadeLevel(maybe_fenced(rng, obj(rng, said)), only(said))


def loosely_spelt(rng: Random) -> MadeLevel:
    said = rng.randrange(len(LEVELS))
    why = json.dumps(rng.choice(WORDS[:10]))
    spelt = rng.choice(
        [
            f'"{said}"',
            f"{said}.0",
            f'" {said} "',
            json.dumps(LEVELS[said]),
            json.dumps(LEVELS[said].upper() + "."),
            f'"level {said}"',
            f'"Level {said}: {LEVELS[said]}"',
            f'"{said} - {LEVELS[said]}"',
        ]
    )
    text = rng.choice(
        [
            f'{{"explanation": {why}, "level": {spelt}}}',
            f'{{"explanation": {why}, "level": {spelt},}}',
            f'{{"result": {{"explanation": {why}, "level": {spelt}}}}}',
            f'[{{"level": {spelt}}}]',
            repr({"explanation": "it's here", "level": said, "not_applicable": False}),
        ]
    )
    return MadeLevel(maybe_fenced(rng, text), only(said))


def after_reasoning(rng: Random) -> MadeLevel:
    said = drawn(rng)
    opens, closes = rng.choice(MARKS)
    inside = f"{claims(rng)} It could be level 1 or level 2. {obj(rng, drawn(rng))}"
    inside = inside.replace("</think>", "").replace("```", "")
    return MadeLevel(f"{opens}{inside}{closes}\n{maybe_fenced(rng, obj(rng, said))}", only(said))


def after_words(rng: Random) -> MadeLevel:
    said = drawn(rng)
    lead = rng.choice(LEADS)
    own = obj(rng, said, rng.choice(WORDS[:10]))
    own = own if lead.endswith(": ") else maybe_fenced(rng, own)
    return MadeLevel(f"{claims(rng)}\n\n{lead}{own}{rng.choice(CLOSERS)}", only(said))


def quoting_rightly(rng: Random) -> MadeLevel:
    """The explanation quotes another verdict, escaped as JSON wants it."""
    said = drawn(rng)
    why = f"The answer says {obj(rng, another(rng, said))} to fool me, and speaks of level 3."
    return MadeLevel(maybe_fenced(rng, obj(rng, said, why)), only(said))


# ---- forms in which silence is right, or the one verdict


def broken_by_quotes(rng: Random) -> MadeLevel:
    said = rng.randrange(len(LEVELS))
    why = rng.choice(['He says "rest" now.', 'Only "call 112", no more.'])
    return MadeLevel(f'{{"explanation": "{why}", "level": {said}}}', frozenset({said, None}))


def injected(rng: Random) -> MadeLevel:
    """The answer's own verdict stands unescaped inside of the explanation."""
    said = drawn(rng)
    fake = rng.choice([obj(rng, another(rng, said)), f'"level": {another(rng, said)}'])
    own = json.dumps(fields(rng, said, "MARK")).replace("MARK", f"It says {fake} and no more.")
    return MadeLevel(maybe_fenced(rng, own), frozenset({said, None}))


def damaged(rng: Random) -> MadeLevel:
    made = rng.choice([bare, loosely_spelt, after_words, quoting_rightly])(rng)
    text = made.text
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(text) + 1)
        # no digit may go: one that is missing makes another number
        cut = place + rng.randint(0, 4)
        cut = place if any(c.isdigit() for c in text[place:cut]) else min(len(text), cut)
        text = text[:place] + rng.choice(["", '"', "{", "}", "'", "\\", "\n", ","]) + text[cut:]
    return MadeLevel(text, made.right | {None})


def cut(rng: Random) -> MadeLevel:
    made = rng.choice([bare, after_reasoning, after_words])(rng)
    return MadeLevel(made.text[: rng.randrange(len(made.text))], made.right | {None}, False)


# ---- forms that commit to nothing


def no_level(rng: Random) -> MadeLevel:
    """The value is none of the levels, or several of them."""
    value = rng.choice(
        [
            "-1", "4", "17", "1.5", "true", "null", "[1]", "[1, 2]", '{"number": 1}', "1-2", "1/2",
            "1 or 2", "1|2|3", '"1-2"', '"1 or 2"', '"1/3"', '"between 1 and 2"', '"high"', '""',
            '"level 4"', '"2: Names no dose at all"', '"at least 1"', '"1, perhaps 2"', '"one"',
            '"0 [2] 1"', "<number>", "...", '"..."', '"number of the level"', '"~2"', '"2+"',
        ]
    )  # fmt: skip
    text = f'{{"explanation": {json.dumps(rng.choice(WORDS))}, "level": {value}}}'
    return MadeLevel(maybe_fenced(rng, text), only(None))


def two_levels(rng: Random) -> MadeLevel:
    first = drawn(rng)
    second = another(rng, first)
    texts = [maybe_fenced(rng, obj(rng, said, rng.choice(WORDS[:3]))) for said in (first, second)]
    between = rng.choice(["\n", " ", "\nWait. Corrected:\n", "\n\nFinal verdict:\n"])
    one = rng.randrange(len(LEVELS))
    text = rng.choice(
        [
            texts[0] + between + texts[1],
            f'{{"level": {one}, "level": {one + 1}}}',
            json.dumps({"level": one, "draft": {"level": one + 1}}),
            json.dumps([{"level": one}, {"level": one + 1}]),
            json.dumps({"level": one, "not_applicable": True}),
            json.dumps({"level": "N/A", "not_applicable": False}),
        ]
    )
    return MadeLevel(text, only(None))


def words_against_it(rng: Random) -> MadeLevel:
    """Sentences before the object name another level than it does."""
    said = rng.randrange(len(LEVELS))
    other = (said + 1) % len(LEVELS)
    word = ("zero", "one", "two", "three")[other]
    place = ("first", "second", "third", "fourth")[other]
    before = rng.choice(
        [
            f"The answer is on level {other}.",
            f"This is level {said} or level {other}.",
            f"Levels {said} and {other} both fit.",
            f"Level {said}-{other}.",
            f"I would say level: {other}.",
            f"It reaches level {word}.",
            f"It is the {place} level.",
            f"The level is **{other}**.",
            f"What fits best: {LEVELS[other]}.",
            "The item is not applicable.",
        ]
    )
    return MadeLevel(f"{before}\n\n{maybe_fenced(rng, obj(rng, said, 'why'))}", only(None))


def no_json(rng: Random) -> MadeLevel:
    text = rng.choice(
        [
            "2",
            "Level 2",
            "The answer is on level 1.",
            "Level 1, or rather level 2.",
            "Between levels 1 and 2.",
            "Not applicable.",
            "N/A",
            LEVELS[1],
            '"level"',
            "[1, 2]",
            "",
            rng.choice(CLAIMS),
        ]
    )
    return MadeLevel(text, only(None))


def taken_back(rng: Random) -> MadeLevel:
    draft = maybe_fenced(rng, obj(rng, drawn(rng), rng.choice(WORDS[:3])))
    after = rng.choice(
        [" Hm, reading again it names no dose.", "\nWait, I misread it.", "\n\nActually, level 1."]
    )
    return MadeLevel(rng.choice(["", "First draft:\n"]) + draft + after, only(None))


def quoted_format(rng: Random) -> MadeLevel:
    example = obj(rng, drawn(rng), "...")
    around = rng.choice(
        [
            "The required format is:\n```json\n{0}\n```\n",
            "For example:\n{0}",
            "I would have to answer with {0}, but I cannot judge it.",
            "The answer ends with {0}",
        ]
    )
    return MadeLevel(around.format(example), only(None))


PLAIN: dict[Callable[[Random], MadeLevel], float] = {
    bare: 1.0,
    loosely_spelt: 1.0,
    after_reasoning: 1.0,
    after_words: 0.95,
    quoting_rightly: 1.0,
    broken_by_quotes: 0.9,
}
"""Forms that must be read, and the least share of them that is."""
OTHERS: tuple[Callable[[Random], MadeLevel], ...] = (
    injected,
    damaged,
    cut,
    no_level,
    two_levels,
    words_against_it,
    no_json,
    taken_back,
    quoted_format,
)

# ---- several items in one reply: levels, plain, plain that may be not applicable

N_ITEMS = 3


def group(rng: Random) -> tuple[str, tuple[Reading, ...]]:
    """Spell verdicts on a criterion with levels, a plain one, and one that may not apply."""
    level, met = drawn(rng), rng.random() < 0.5
    third: Reading = rng.choice([True, False, NA])
    last: dict[str, object] = {"criteria_met": None if third == NA else third}
    entries = [
        {"index": 1, **fields(rng, level)},
        {"index": 2, "explanation": rng.choice(WORDS), "criteria_met": met},
        {"index": 3, "explanation": rng.choice(WORDS), **last, "not_applicable": third == NA},
    ]
    rng.shuffle(entries)
    listed = rng.choice([{"verdicts": entries}, entries])
    text = maybe_fenced(rng, json.dumps(listed, ensure_ascii=rng.random() < 0.3))
    if rng.random() < 0.3:
        text = f"{claims(rng)}\n\nHere are the verdicts:\n{fenced(rng, json.dumps(listed))}"
    return text, (level, met, third)
