"""Check the wording of criteria: compound, vague, contradicting the sign, duplicate."""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from ...judges.data.criteria import polarity_from_wording
from ...judges.rubric import Criterion, Example, Polarity
from .findings import LintFinding, LintRule

NEAR_DUPLICATE = 0.85
"""Jaccard similarity of the words of two criteria above which they ask the same."""
MAX_WORDS_APART = 3
"""Words that only one of two such criteria has: long shared boilerplate makes no duplicate."""
MIN_WORDS = 4
"""Shorter criteria are only compared letter by letter."""

_LIST_ITEM = re.compile(r"(?:^|\s)(?:\(?\d{1,2}[.)]|\(?[a-h]\)|[-*•])\s+\S")
_DEMAND = (
    r"(?:address|advis|ask|assess|cit|clarif|describ|discuss|emphasi[sz]|encourag|explain|"
    r"identif|inform|includ|list|mention|not(?:e|es|ing)\b|offer|outlin|provid|recommend|"
    r"recogni[sz]|refer|remind|specif|stat(?:e|es|ing)\b|suggest|urg|warn)\w*"
)
_JOINED = re.compile(rf"\b(?:and|as well as|and also|while also)\s+(?:also\s+)?{_DEMAND}\b", re.I)
_EITHER = re.compile(r"\b(?:either|or|such as|e\.g\.|for example|any of|at least one)\b", re.I)


def _is_compound(criterion: Criterion) -> bool:
    """Several demands, all of them needed for one verdict; examples and alternatives are none."""
    if criterion.points < 0:
        return False  # one of several faults triggers it: a list there is no trap
    listed = len(_LIST_ITEM.findall(criterion.text))
    joined = len(_JOINED.findall(criterion.text))
    if listed >= 3:
        return not _EITHER.search(criterion.text)
    return joined >= 2 or (joined == 1 and listed >= 2)


_VAGUE = re.compile(
    r"^\W*(?:(?:the\s+)?(?:response|answer|reply)\s+)?(?:is|be|should be)?\s*"
    r"(?:good|great|helpful|useful|appropriate|high[- ]quality|correct|accurate|relevant|nice)"
    r"\W*$",
    re.I,
)


def _is_vague(criterion: Criterion) -> bool:
    return len(criterion.text.split()) < 2 or bool(_VAGUE.match(criterion.text.strip()))


def _is_at_odds(criterion: Criterion) -> bool:
    """The first words say what is good or bad, and the polarity says the other."""
    if criterion.points < 0:
        # "Does not seek ..." may be a fault of omission or an avoided one: nobody can tell
        return not _OPEN.match(criterion.text.strip()) and (
            polarity_from_wording(criterion.text, criterion.points) is not criterion.polarity
        )
    # positive points on the wording of a fault: "Fails to mention ..." at +5
    as_negative = polarity_from_wording(criterion.text, -criterion.points)
    plain_fault = bool(_FAULT.match(criterion.text.strip()))
    return plain_fault and (
        as_negative is Polarity.UNDESIRABLE and criterion.polarity is Polarity.DESIRABLE
    )


_OPEN = re.compile(
    r"^(?:the\s+)?(?:response|answer|reply)?\s*(?:does|do|did)\s*n[o']t\b|doesn't\b", re.I
)
_FAULT = re.compile(
    r"^(?:the\s+)?(?:response|answer|reply)?\s*(?:fails?\b|failing\b|omits?\b|neglects?\b|"
    r"overlooks?\b|ignores?\b|incorrectly\b|wrongly\b|falsely\b|inappropriately\b)",
    re.I,
)
WORDING_RULES: tuple[tuple[LintRule, Callable[[Criterion], bool]], ...] = (
    (LintRule.COMPOUND, _is_compound),
    (LintRule.VAGUE, _is_vague),
    (LintRule.SIGN_WORDING, _is_at_odds),
)

_WORD = re.compile(r"\w+")
_NEGATIONS = frozenset(
    ["no", "not", "never", "without", "avoid", "avoiding", "fail", "doe", "doesn", "don", "t"]
)
"""Words that turn a demand around, and what belongs to them; in the form `_words` gives."""
_TURNING = _NEGATIONS - {"doe", "t"}


def pairs(example: Example) -> Iterator[LintFinding]:
    """Name, for each criterion, the first one before it that it repeats or contradicts."""
    criteria = example.rubric.criteria
    words = [_words(criterion) for criterion in criteria]
    bags = [frozenset(row) - _NEGATIONS for row in words]
    is_good = [
        (criterion.polarity is Polarity.DESIRABLE) != (len(_TURNING.intersection(row)) % 2 == 1)
        for criterion, row in zip(criteria, words, strict=True)
    ]
    for j, i in enumerate(_alike_before(words, bags)):
        if i is not None:
            rule = LintRule.DUPLICATE if is_good[i] == is_good[j] else LintRule.CONTRADICTION
            if words[i] == words[j] and scale_of(criteria[i]) != scale_of(criteria[j]):
                rule = LintRule.SCALES
            yield LintFinding(rule, example.prompt_id, (i, j))


def _alike_before(
    words: Sequence[Sequence[str]], bags: Sequence[frozenset[str]]
) -> Iterator[int | None]:
    """Give, for each criterion, the first earlier one that asks the same; None where none does.

    Two bags that differ by at most d words share one of the d + 1 rarest words of each, so only
    criteria that do are compared (prefix filter, Chaudhuri et al. 2006).
    """
    frequency = Counter(word for bag in bags for word in bag)
    by_words: dict[tuple[str, ...], int] = {}
    by_rare_word: dict[str, list[int]] = {}
    for j, row in enumerate(words):
        same = by_words.setdefault(tuple(row), j)
        if same != j:
            yield same
            continue
        rare = sorted(bags[j], key=lambda word: (frequency[word], word))[: MAX_WORDS_APART + 1]
        near = heapq.merge(*(by_rare_word.get(word, ()) for word in rare))
        alike = (
            i
            for i in near
            if min(len(words[i]), len(row)) >= MIN_WORDS
            and _jaccard(bags[i], bags[j]) >= NEAR_DUPLICATE
        )
        yield next(alike, None)
        for word in rare:
            by_rare_word.setdefault(word, []).append(j)


def _words(criterion: Criterion) -> list[str]:
    """Give the words without case and without a final s: "advises" and "advise" are one."""
    found = _WORD.findall(criterion.text.casefold())
    return [w[:-1] if len(w) > 3 and w.endswith("s") else w for w in found]


def _jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    # the cheap bound first: most pairs differ in length alone
    small, large = sorted((len(first), len(second)))
    if large == 0 or small / large < NEAR_DUPLICATE:
        return 0.0
    if len(first ^ second) > MAX_WORDS_APART:
        return 0.0
    return len(first & second) / len(first | second)


def scale_of(criterion: Criterion) -> tuple[str, ...]:
    """Give the texts of a criterion's levels; none where it is met or not met."""
    return tuple(level.text.strip().casefold() for level in criterion.levels)
