"""docs/rubrics.md, "What each reward makes of it": the worked example is what the rewards give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from level_worlds import by_level, example, wanted

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.rewards import evaluate_table, get_reward
from rubricbeat.judges.rubric import Gate, NaRule, Requirement
from rubricbeat.judges.scoring.verdict_table import VerdictTable
from rubricbeat.judges.verdict import Verdict

WORDS = {"met": Verdict.of(True), "not met": Verdict.of(False), "n/a": Verdict.not_applicable()}
WORDS |= {f"level {k}": Verdict.at_level(k) for k in range(3)}
RUBRIC = (
    by_level([0, 2, 5], "signs", id="signs"),
    wanted(3, "dose", requires=Requirement("signs", 1)),
    wanted(4, "other medicines", na=NaRule.EXCLUDED),
    wanted(-2, "fault"),
    wanted(-6, "grave fault", gate=Gate(0.2)),
)
HEAD = "| answer | signs | dose |"


def rows(root: Path) -> list[list[str]]:
    page = (root / "docs" / "rubrics.md").read_text("utf-8")
    block = page[page.index(HEAD) :].split("\n\n", 1)[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]


def reward_of(name: str, verdicts) -> float:
    table = VerdictTable.of([GradedAnswer(example(RUBRIC), "a", tuple(verdicts))])
    return float(evaluate_table(get_reward(name), table)[0])


def test_the_worked_example_is_what_the_rewards_give(root: Path) -> None:
    (_, *heads), _, *found = rows(root)
    assert len(found) == 6
    for answer, *cells in found:
        verdicts = [WORDS[cell] for cell in cells[:5]]
        for name, said in zip(heads[5:], cells[5:], strict=True):
            assert float(said) == pytest.approx(reward_of(name, verdicts), abs=5e-5), (answer, name)


def test_some_of_it_by_hand() -> None:
    full = [WORDS[word] for word in ("level 2", "met", "met", "not met", "not met")]
    assert [reward_of(name, full) for name in ("healthbench", "hybrid", "binary")] == [1, 20, 20]
    half = [WORDS[word] for word in ("level 1", "met", "n/a", "not met", "not met")]
    assert reward_of("healthbench", half) == pytest.approx(5 / 8)
    # 1 x .4 + .7 + .9 + .9 over 1 + .7 + .9 + .9
    assert reward_of("rar_explicit", half) == pytest.approx(2.9 / 3.5)
    assert reward_of("rar_points", half) == pytest.approx((5 * 0.4 + 3 + 2 + 6) / 16)
    assert reward_of("hybrid", half) == pytest.approx(15 * 5 / 8)
    # four criteria apply
    n = 1 + 0.2 * np.log(5) / np.log(26)
    assert reward_of("complexity", half) == pytest.approx(20 * 0.625**1.2 * n)
    unasked = [WORDS[word] for word in ("level 0", "met", "met", "not met", "not met")]
    assert reward_of("healthbench", unasked) == pytest.approx(4 / 12)
    assert reward_of("rar_explicit", unasked) == pytest.approx((0.7 + 0.9 + 0.9) / 4.2)
    harm = [WORDS[word] for word in ("level 2", "met", "met", "not met", "met")]
    assert reward_of("healthbench", harm) == pytest.approx(0.2)
    assert reward_of("hybrid", harm) == 0.0
    assert reward_of("veto(of=healthbench)", harm) == 0.0


def test_soft_takes_the_expected_share() -> None:
    full = [WORDS[word] for word in ("level 2", "met", "met", "not met", "not met")]
    full[0] = replace(full[0], level_probabilities=(0.1, 0.3, 0.6))
    assert reward_of("soft(of=healthbench)", full) == pytest.approx((5 * 0.72 + 3 + 4) / 12)
