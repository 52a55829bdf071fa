"""Check rubrics before anything is paid: what will cost judge calls and teach little.

A finding names its rows; it never stops a run. Text alone is looked at; where graded answers are
given too, criteria that no answer meets, or all meet, are found, and rubrics whose reference
answers score below null answers (`polarity_check.py`).
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from ..judges.answer import GradedAnswer
from ..judges.data.criteria import polarity_from_wording
from ..judges.rubric import Criterion, Example, Polarity

LONG_RUBRIC = 40
"""Criteria; HealthBench has 2 to 48, and each is a judge call."""
LEVERAGE = 1.0
"""A negative criterion whose loss is at least this share of all positive points."""
NEAR_DUPLICATE = 0.85
"""Jaccard similarity of the words of two criteria above which they ask the same."""
MAX_WORDS_APART = 3
"""Words that only one of two such criteria has: long shared boilerplate makes no duplicate."""
MIN_WORDS = 4
"""Shorter criteria are only compared letter by letter."""
MIN_ANSWERS = 3
"""Answers to a prompt before "never" and "always" say anything."""


class Rule(StrEnum):
    """What a finding is about."""

    NO_POSITIVE = "no-positive-points"
    LONE_PITFALL = "lone-pitfall"
    LEVERAGE = "penalty-leverage"
    COMPOUND = "compound"
    DUPLICATE = "duplicate"
    CONTRADICTION = "contradiction"
    SIGN_WORDING = "sign-and-wording"
    VAGUE = "vague"
    LONG = "long-rubric"
    SINGLE = "single-criterion"
    NEVER_MET = "never-met"
    ALWAYS_MET = "always-met"


ADVICE = {
    Rule.NO_POSITIVE: "the HealthBench score is undefined; give a criterion positive points",
    Rule.LONE_PITFALL: "triggered, it is 100 % of the penalty of hybrid and complexity, "
    "whatever its points",
    Rule.LEVERAGE: "it outweighs all positive points together",
    Rule.COMPOUND: "several demands in one verdict: met only if all are; split it",
    Rule.DUPLICATE: "asked and paid for twice, and counted twice",
    Rule.CONTRADICTION: "two criteria of one rubric cannot both be earned",
    Rule.SIGN_WORDING: "the wording says the opposite of its polarity; set 'polarity' explicitly",
    Rule.VAGUE: "nothing a judge can look for",
    Rule.LONG: "each criterion is a judge call, and a perfect answer hardly survives the judge",
    Rule.SINGLE: "one verdict: a group is dead unless it splits",
    Rule.NEVER_MET: "no answer meets it: it costs calls and teaches nothing",
    Rule.ALWAYS_MET: "every answer meets it: it costs calls and teaches nothing",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at."""

    rule: Rule
    prompt_id: str
    criteria: tuple[int, ...]
    """Positions in the rubric, from 0; empty where the whole rubric is meant."""
    detail: str = ""
    """Numbers, never a criterion's text."""


@dataclass(frozen=True, slots=True)
class LintReport:
    """What a set of rubrics looks like."""

    n_rubrics: int
    n_criteria: int
    criteria_median: float
    negative_share: float
    """Share of the criteria with negative points."""
    negative_points_share: float
    """Share of the absolute points that are negative."""
    without_negative: float
    """Share of the rubrics without a negative criterion."""
    findings: tuple[Finding, ...]

    @property
    def counts(self) -> dict[Rule, int]:
        """Count findings by rule, in the order of the rules."""
        found = Counter(finding.rule for finding in self.findings)
        return {rule: found[rule] for rule in Rule if found[rule]}

    def to_json(self) -> dict[str, Any]:
        """Give the plain form."""
        return {
            "n_rubrics": self.n_rubrics,
            "n_criteria": self.n_criteria,
            "criteria_median": self.criteria_median,
            "negative_share": self.negative_share,
            "negative_points_share": self.negative_points_share,
            "without_negative": self.without_negative,
            "counts": {rule.value: n for rule, n in self.counts.items()},
            "advice": {rule.value: ADVICE[rule] for rule in self.counts},
            "findings": [
                {
                    "rule": finding.rule.value,
                    "prompt_id": finding.prompt_id,
                    "criteria": list(finding.criteria),
                    "detail": finding.detail,
                }
                for finding in self.findings
            ],
        }


def lint_rubrics(examples: Sequence[Example], graded: Sequence[GradedAnswer] = ()) -> LintReport:
    """Look at rubrics, and at verdicts on them where there are any.

    Args:
        examples: The rubrics.
        graded: Answers to them under any judge; may be empty.
    """
    findings = [finding for example in examples for finding in _of_example(example)]
    findings += _of_verdicts(graded)
    criteria = [criterion for example in examples for criterion in example.rubric.criteria]
    sizes = [len(example.rubric) for example in examples]
    weight = sum(abs(criterion.points) for criterion in criteria)
    negative = [criterion for criterion in criteria if criterion.points < 0]
    bare = sum(1 for e in examples if all(c.points > 0 for c in e.rubric.criteria))
    return LintReport(
        n_rubrics=len(examples),
        n_criteria=len(criteria),
        criteria_median=float(median(sizes)) if sizes else 0.0,
        negative_share=len(negative) / len(criteria) if criteria else 0.0,
        negative_points_share=sum(-c.points for c in negative) / weight if weight else 0.0,
        without_negative=bare / len(examples) if examples else 0.0,
        findings=tuple(findings),
    )


def _of_example(example: Example) -> Iterator[Finding]:
    criteria = example.rubric.criteria

    def found(rule: Rule, *positions: int, detail: str = "") -> Finding:
        return Finding(rule, example.prompt_id, positions, detail)

    positive = example.rubric.positive_points
    negatives = [i for i, criterion in enumerate(criteria) if criterion.points < 0]
    if positive == 0:
        yield found(Rule.NO_POSITIVE)
    if len(criteria) == 1:
        yield found(Rule.SINGLE, 0)
    if len(criteria) > LONG_RUBRIC:
        yield found(Rule.LONG, detail=f"{len(criteria)} criteria")
    if len(negatives) == 1 and len(criteria) > 1:
        share = -criteria[negatives[0]].points / (positive + example.rubric.negative_points)
        yield found(Rule.LONE_PITFALL, *negatives, detail=f"{share:.0%} of the points")
    for i in negatives:
        if positive > 0 and -criteria[i].points >= LEVERAGE * positive:
            yield found(
                Rule.LEVERAGE, i, detail=f"{criteria[i].points:g} against {positive:g} positive"
            )
    for i, criterion in enumerate(criteria):
        for rule, is_broken in _WORDING_RULES:
            if is_broken(criterion):
                yield found(rule, i)
    yield from _pairs(example)


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
_WORDING_RULES: tuple[tuple[Rule, Callable[[Criterion], bool]], ...] = (
    (Rule.COMPOUND, _is_compound),
    (Rule.VAGUE, _is_vague),
    (Rule.SIGN_WORDING, _is_at_odds),
)

_WORD = re.compile(r"\w+")
_NEGATIONS = frozenset(
    ["no", "not", "never", "without", "avoid", "avoiding", "fail", "doe", "doesn", "don", "t"]
)
"""Words that turn a demand around, and what belongs to them; in the form `_words` gives."""
_TURNING = _NEGATIONS - {"doe", "t"}


def _pairs(example: Example) -> Iterator[Finding]:
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
            rule = Rule.DUPLICATE if is_good[i] == is_good[j] else Rule.CONTRADICTION
            yield Finding(rule, example.prompt_id, (i, j))


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


def _of_verdicts(graded: Sequence[GradedAnswer]) -> Iterator[Finding]:
    """Find criteria that tell no two answers apart, over every answer to their prompt."""
    by_prompt: dict[str, list[GradedAnswer]] = {}
    for answer in graded:
        by_prompt.setdefault(answer.example.prompt_id, []).append(answer)
    for prompt_id, answers in by_prompt.items():
        for i in range(min(len(answer.verdicts) for answer in answers)):
            met = [row.met for a in answers if (row := a.verdicts[i]).met is not None]
            if len(met) >= MIN_ANSWERS and len(set(met)) == 1:
                rule = Rule.ALWAYS_MET if met[0] else Rule.NEVER_MET
                yield Finding(rule, prompt_id, (i,), f"{len(met)} answers")
