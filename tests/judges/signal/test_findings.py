"""The tables of findings: a case that turns each row on, and the nearest one that leaves it off."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from rubricbeat.judges.signal.advantages import Scale, TermVerdict
from rubricbeat.judges.signal.advice import pct
from rubricbeat.judges.signal.findings import TABLES, verdict_in_words
from rubricbeat.judges.signal.gold import GoldStudy
from rubricbeat.judges.signal.levels import LevelCount
from rubricbeat.judges.signal.replay.gains import Standing

ROWS = {row.when.__name__: row for table in TABLES for row in table}


def est(value: float | None, low: float | None = None, high: float | None = None) -> Any:
    return SimpleNamespace(value=value, low=low, high=high)


def dead(**shares: float | None) -> Any:
    return tuple(SimpleNamespace(reward=name, dead=est(share)) for name, share in shares.items())


def variance(icc: Any, n_replicates: int = 2) -> Any:
    rest = {"icc": icc, "fidelity": est(0.84), "n_replicates": n_replicates}
    return tuple(SimpleNamespace(reward=name, **rest) for name in ("healthbench", "binary"))


def by_scale(**correlations: float | None) -> Any:
    return tuple(
        SimpleNamespace(
            reward="healthbench",
            scale=Scale(name),
            replicate_correlation=est(value),
            low_spread_weight=0.35,
        )
        for name, value in correlations.items()
    )


def gold(*standings: Standing, **fields: Any) -> Any:
    """Give a study of gold whose rewards stand so, the best first."""
    rows = tuple(
        SimpleNamespace(
            reward=name,
            gain=est(0.06, 0.05, 0.07),
            behind=est(0.1, 0.05, 0.15),
            standing=standing,
        )
        for name, standing in zip(("healthbench", "binary"), standings, strict=False)
    )
    known = {"is_better_than_nothing": True, "is_enough": True, **fields}
    return GoldStudy(Scale.GROUP, 120, 130, 500, 0.9, rows, **known)


def term(verdict: TermVerdict, scale: Scale = Scale.GROUP) -> Any:
    return SimpleNamespace(
        reward="hybrid",
        term="bonus",
        scale=scale,
        verdict=verdict,
        max_difference=0.002,
        correlation=0.99,
        changed=0.25,
    )


def pair(correlation: float | None) -> Any:
    return SimpleNamespace(first="a", second="b", correlation={Scale.GROUP: est(correlation)})


def leverage(from_best: float, by_points: float) -> Any:
    return (SimpleNamespace(reward="hybrid", from_best=from_best, by_points=by_points, lone=None),)


def level_count(n_na: int) -> LevelCount:
    return LevelCount("p7", 3, 5.0, [4, 6], [0.0, 1.0], n_na)


QUIET: dict[str, Any] = {
    "n_groups": 60,
    "n_prompts": 60,
    "n_answers": 240,
    "n_verdicts": 1000,
    "n_missing": 0,
    "n_repeated": 0,
    "identical_but_for_p": 0.0,
    "dead": dead(healthbench=0.2, binary=0.5),
    "variance": variance(est(0.9, 0.8, 0.95)),
    "by_scale": by_scale(group=0.81, none=0.4),
    "flips": (),
    "batch_agreement": {},
    "batch_groups": 4,
    "gold": None,
    "terms": (),
    "pairs": (),
    "scales": (Scale.GROUP,),
    "survival": {0.05: 0.9},
    "criteria_median": 8.0,
    "leverage": (),
    "drop": (),
    "levels": (),
}
AHEAD, TIED = (Standing.BEST, Standing.BEHIND), (Standing.BEST, Standing.TIED)
NOISY = variance(est(0.3, -0.1, 0.6))
CANCELS, ACTS = TermVerdict.CANCELS, TermVerdict.ACTS
CASES: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "_signal": (
        {"n_groups": 12, "dead": dead(healthbench=0.25, hybrid=0.25, binary=0.5)},
        "in 75 % of the groups under healthbench and hybrid, and in 50 % under binary, the fewest. "
        "With 12 groups nothing can be said for sure.",
        {"dead": dead(healthbench=1.0)},
    ),
    "_few_groups": ({"n_groups": 49}, "There are 49 groups only: every", {"n_groups": 50}),
    "_missing": ({"n_missing": 250}, "20 % of the verdicts are missing", {"n_missing": 10}),
    "_repeated": (
        {"n_repeated": 12},
        "5.0 % of the answers are exact duplicates",
        {"n_repeated": 4},
    ),
    "_no_second_reward": ({"dead": dead(healthbench=None)}, "No group has two rewards", {}),
    "_all_dead": (
        {"dead": dead(healthbench=1.0, binary=1.0)},
        "Every group is dead",
        {"dead": dead(healthbench=0.99, binary=1.0)},
    ),
    "_no_gold": ({}, "alone cannot show which reward is better", {"gold": gold(*AHEAD)}),
    "_little_gold": (
        {"gold": gold(*AHEAD, is_enough=False)},
        "Gold verdicts cover 120 prompts",
        {"gold": gold(*AHEAD)},
    ),
    "_nothing_like_gold": (
        {"gold": gold(*AHEAD, is_better_than_nothing=False)},
        "the best, healthbench, gains 0.060 [0.050, 0.070] of",
        {"gold": gold(*AHEAD)},
    ),
    "_tied_rewards": (
        {"gold": gold(*TIED)},
        "but cannot be distinguished from binary",
        {"gold": gold(*AHEAD)},
    ),
    "_train_with": (
        {"gold": gold(*AHEAD)},
        "Recommended reward: healthbench; it gains 0.060 [0.050, 0.070] of the gold healthbench "
        "when training is replayed over 130 groups of 120 prompts (scale group); binary, the next, "
        "lies 0.100 [0.050, 0.150] behind.",
        {"gold": gold(*TIED)},
    ),
    "_best_but_noisy": (
        {"gold": gold(*AHEAD), "variance": NOISY},
        "healthbench gains most under gold: it",
        {"gold": gold(*AHEAD)},
    ),
    "_noise": (
        {"variance": NOISY},
        "its spread may be only the judge's noise (likewise binary).",
        {"variance": variance(est(0.3, 0.1, 0.6))},
    ),
    "_soft": ({"identical_but_for_p": 0.25}, "In 25 % of the groups", {}),
    "_clip": (
        {"dead": dead(healthbench=0.2, healthbench_clipped=0.3)},
        "from 20 % (healthbench) to 30 % (healthbench_clipped)",
        {"dead": dead(healthbench=0.2, healthbench_clipped=0.22)},
    ),
    # fidelity is the root of the correlation of two verdicts
    "_group_is_best": (
        {},
        "as good as any for healthbench (fidelity 0.90; two verdicts per answer)",
        {"by_scale": by_scale(group=0.64, none=0.81)},
    ),
    "_other_scale": (
        {"by_scale": by_scale(group=0.64, none=0.81)},
        "Under scale_rewards none healthbench has fidelity 0.90 against 0.80 under group (two "
        "verdicts per answer); group scaling gives 35 % of the gradient",
        {},
    ),
    "_cancels": (
        {"terms": (term(CANCELS), term(ACTS, Scale.NONE))},
        "The term bonus of hybrid does nothing under scaling by group",
        {"terms": (term(ACTS),)},
    ),
    "_hardly_acts": (
        {"terms": (term(TermVerdict.HARDLY_ACTS),)},
        "it changes 25 % of the rewards (advantages differ by 0.002 at most and correlate 0.99",
        {"terms": (term(CANCELS),)},
    ),
    "_never_act": (
        {"terms": (term(TermVerdict.NEVER_ACTS),)},
        "Never applied to these answers: bonus of hybrid",
        {"terms": (term(CANCELS),)},
    ),
    "_alike": ({"pairs": (pair(0.99),)}, "a and b (0.990)", {"pairs": (pair(0.98),)}),
    "_unknown_reliability": ({"variance": variance(est(None), 1)}, "Reliability unknown", {}),
    # Spearman and Brown: 9 * .33 / (1 + 8 * .33) = .816 is above .9 squared, 8 verdicts give .798
    "_reliability": (
        {"variance": variance(est(0.33, 0.2, 0.4))},
        "has reliability 0.33 [0.20, 0.40] for healthbench, so advantages have fidelity 0.84; 9",
        {"variance": variance(est(None), 1)},
    ),
    "_lower_bound": (
        {"variance": variance(est(0.8, 0.7, 0.9))},
        "The dead share of 20 % is a lower bound",
        {"variance": variance(est(0.82, 0.7, 0.9))},
    ),
    "_drop": (
        {"drop": [SimpleNamespace(positive_share=share) for share in (0.4, 0.5, 0.9)]},
        "Drop 3 of 60 prompts: all their answers have identical verdicts, so no reward of verdicts "
        "has a learning signal there (1 with less than half of their points met, 2 with more)",
        {},
    ),
    "_penalty": (
        {"leverage": leverage(0.5, 0.2)},
        "answer 50 % of the range of hybrid, where its points are 20 % of the rubric's.",
        {"leverage": leverage(0.5, 0.25)},
    ),
    "_perfection": (
        {"survival": {0.05: 0.66}},
        "If 5.0 % of the verdicts are wrong, a perfect answer is scored as perfect 66 % of the",
        {"survival": {0.05: 0.81}},
    ),
    "_seldom_apply": (
        {"levels": (level_count(n_na=6), level_count(n_na=3))},
        "2 criteria do not apply to more than 20 % of the answers (38 % of those to criterion 3 of "
        "prompt p7)",
        {"levels": (level_count(n_na=2),)},
    ),
}


def study(changes: dict[str, Any]) -> Any:
    """Give a study in which no row holds but for these changes."""
    return SimpleNamespace(**{**QUIET, **changes})


def said(row: str, changes: dict[str, Any]) -> list[str]:
    """Give the sentences of a row alone."""
    table = next(type(t)([ROWS[row]]) for t in TABLES if ROWS[row] in t)
    return [sentence.text for sentence in table.of(study(changes))]


def test_every_row_has_its_case() -> None:
    assert set(CASES) == set(ROWS)


@pytest.mark.parametrize("row", CASES)
def test_a_row_is_said_where_it_holds_and_not_where_it_does_not(row: str) -> None:
    on, words, off = CASES[row]
    [text] = said(row, on)
    assert words in text
    assert said(row, off) == []


@pytest.mark.parametrize("row", CASES)
def test_a_sentence_of_a_study_is_the_row_s_with_plain_numbers(row: str) -> None:
    found = study(CASES[row][0])
    sentence = next(s for s in verdict_in_words(found) if CASES[row][1] in s.text)
    assert all(v is None or isinstance(v, int | float) for v in sentence.values.values())


def test_gold_on_no_prompt_of_two_answers_is_little_gold() -> None:
    nothing = gold(is_enough=False, is_better_than_nothing=False)
    [text] = said("_little_gold", {"gold": nothing})
    assert text.startswith("Gold verdicts cover 120 prompts")


def test_rewards_are_not_compared_below_ten_prompts() -> None:
    changes = {"by_scale": by_scale(group=0.64, none=0.81), "pairs": (pair(0.99),)}
    for n, expected in ((10, True), (9, False)):
        texts = " ".join(s.text for s in verdict_in_words(study({**changes, "n_prompts": n})))
        assert ("Under scale_rewards" in texts, "Near-identical advantages" in texts) == (
            expected,
            expected,
        )


@pytest.mark.parametrize(("n", "words"), [(0, "are 0 groups"), (1, "is 1 group"), (2, "are 2")])
def test_one_group_is_one(n: int, words: str) -> None:
    [text] = said("_few_groups", {"n_groups": n})
    assert text.startswith(f"There {words}")


def test_flipped_verdicts_speak_for_a_scale_where_none_was_judged_twice() -> None:
    flips = [
        SimpleNamespace(reward="healthbench", rate=0.05, scale=scale, fidelity=value)
        for scale, value in ((Scale.GROUP, 0.7), (Scale.NONE, 0.9), (Scale.BATCH, 0.9))
    ]
    changes = {
        "by_scale": by_scale(group=None, none=None, batch=None),
        "flips": flips,
        "batch_agreement": {"healthbench": 0.8},
    }
    sentence = next(s for s in verdict_in_words(study(changes)) if s.topic == "scale")
    assert "Under scale_rewards none or batch healthbench has fidelity 0.90" in sentence.text
    assert "with 4 groups a batch" in sentence.text and "correlate 0.80" in sentence.text
    assert sentence.table == "flips"
    assert sentence.values == {
        "group": 0.7, "none": 0.9, "batch": 0.9, "low_spread_weight": 0.35, "batch_agreement": 0.8
    }  # fmt: skip


def spread(name: str, value: float, low: float, high: float) -> Any:
    return SimpleNamespace(reward=name, dead=est(value, low, high))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ((spread("a", 0.25, 0.2, 0.4),), "in 75 % (60 to 80 %) of the groups under a."),
        (dead(a=0.25, b=0.25), "in 75 % of the groups under every reward studied."),
        # of rewards that are equal the bracket is the first one's
        (
            (spread("a", 0.25, 0.2, 0.4), spread("b", 0.25, 0.1, 0.3)),
            "in 75 % (60 to 80 %) of the groups under every reward studied.",
        ),
        (
            (spread("b", 0.95, 0.9, 1.0), spread("a", 0.25, 0.2, 0.4), spread("c", 0.5, 0.4, 0.6)),
            "in 75 % (60 to 80 %) of the groups under a, and in 5.0 % under b, the fewest.",
        ),
    ],
)
def test_a_signal_is_what_the_groups_that_are_not_dead_give(rows: Any, words: str) -> None:
    for n, sure in (
        (1, "With 1 group nothing can be said for sure."),
        (49, "With 49 groups nothing can be said for sure."),
        (50, "The brackets are the 95 % interval."),
    ):
        [text] = said("_signal", {"dead": rows, "n_groups": n})
        assert text.endswith(f"{words} {sure}")


def test_of_the_rewards_behind_the_best_the_next_alone_is_named() -> None:
    found = gold(*AHEAD, noise="judged twice")
    third = SimpleNamespace(**{**vars(found.rows[1]), "reward": "hybrid"})
    [text] = said("_train_with", {"gold": replace(found, rows=(*found.rows, third))})
    assert text == (
        "Recommended reward: healthbench; it gains 0.060 [0.050, 0.070] of the gold healthbench "
        "when training is replayed over 130 groups of 120 prompts (scale group; judged twice); "
        "binary, the next, lies 0.100 [0.050, 0.150] behind."
    )
    [text] = said("_train_with", {"gold": replace(found, rows=found.rows[:1])})
    assert text.endswith("(scale group; judged twice).")


def test_the_numbers_of_a_sentence_are_those_of_its_rewards() -> None:
    found = study({"gold": gold(*AHEAD), "variance": NOISY})
    values = {s.topic: s.values for s in verdict_in_words(found) if s.table in ("gold", "dead")}
    assert values["reward"] == {"healthbench": 0.06, "binary": 0.06}
    assert values["signal"] == {"healthbench": 0.2, "binary": 0.5}


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0 %"), (0.004, "0.4 %"), (0.0994, "9.9 %"), (0.1, "10 %"), (0.75, "75 %")],
)
def test_a_small_share_has_a_decimal(share: float, words: str) -> None:
    assert pct(share) == words
