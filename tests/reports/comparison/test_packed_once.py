"""Answers are packed and scored once a command, whatever is made of them: calls are counted."""

from __future__ import annotations

from collections import Counter

import pytest
from report_kit import example, graded, run

from rubricbeat.harness.cli import main
from rubricbeat.harness.results.writer import GradedRun, write_run
from rubricbeat.judges.audit.label_rows import labels_of_verdicts
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring import item_scores
from rubricbeat.judges.scoring.verdict_table import PackedAnswers
from rubricbeat.judges.signal import Scale, group_answers, study_signal
from rubricbeat.judges.signal.groups import GroupedVerdicts
from rubricbeat.reports.comparison.comparison import compare_runs
from rubricbeat.reports.comparison.corrections import LabelSource

pytestmark = pytest.mark.border


@pytest.fixture
def counted(monkeypatch):
    """Count answers that are packed, answers that are scored, and rewards that are computed."""
    counts = Counter()
    add, score, reward = PackedAnswers.add, item_scores.score_items, GroupedVerdicts._rewards

    def counted_add(self, answer):
        counts["packed"] += 1
        return add(self, answer)

    def counted_score(table):
        counts["scored"] += len(table)
        return score(table)

    def counted_reward(self, made, verdicts_PGC, *further):
        counts[made.name, verdicts_PGC.tobytes()] += 1
        return reward(self, made, verdicts_PGC, *further)

    monkeypatch.setattr(PackedAnswers, "add", counted_add)
    monkeypatch.setattr(item_scores, "score_items", counted_score)
    monkeypatch.setattr(GroupedVerdicts, "_rewards", counted_reward)
    return counts


def answers(of="110 100 000 101"):
    return [graded(said, example(f"p{n}", (5, 3, -2))) for n, said in enumerate(of.split() * 3)]


def runs():
    return [run(model, answers(), label=str(n)) for model in ("a", "b", "baseline:empty")
            for n in range(3)]  # fmt: skip


def test_a_report_packs_and_scores_each_answer_once(counted):
    made = compare_runs(runs(), n_draws=0, allow_different=True, with_signal=True)
    assert made.signal is not None and len(made.stored) == 9
    assert (counted["packed"], counted["scored"]) == (108, 108)


def test_labels_are_other_verdicts_and_packed_beside_the_run(counted):
    source = LabelSource("labels", tuple(labels_of_verdicts(answers("010 100 010 111"))))
    compare_runs(runs()[:6], n_draws=0, labels=[source])
    # 72 answers, and what the labels say of each, for the figures and for the differences
    assert (counted["packed"], counted["scored"]) == (216, 216)


def test_a_study_packs_once_and_computes_each_reward_once(counted):
    groups = group_answers([one for each in runs()[:3] for one in each.graded])
    rewards = [get_reward(name) for name in ("healthbench", "hybrid", "binary")]
    study_signal(groups, rewards, (Scale.GROUP,))
    assert counted["packed"] == 36
    del counted["packed"]
    assert max(counted.values()) == 1


def test_the_scores_of_a_folder_pack_and_score_each_answer_once(counted, tmp_path, capsys):
    for model in ("a", "b"):
        kept = GradedRun(model=model, task="t", graded=answers(), judge={}, data={})
        write_run(kept, tmp_path)
    counted.clear()
    assert main(["score", str(tmp_path), "--draws", "1"]) == 0
    assert (counted["packed"], counted["scored"]) == (24, 24)
