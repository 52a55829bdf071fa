"""Graded answers become groups, and nothing is mixed or lost on the way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rubricbeat.judges.answer import GradedAnswer
from rubricbeat.judges.errors import ConfigError, DataError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.signal.dead_groups import identical_verdicts
from rubricbeat.judges.signal.groups import TaggedAnswer, group_answers
from rubricbeat.judges.signal.measure import study_signal
from rubricbeat.judges.verdict import Outcome, Rating, Verdict


def example(prompt_id: str = "p", points: tuple[float, ...] = (5.0, -2.0)) -> Example:
    criteria = tuple(
        Criterion(f"c{i}", p, Polarity.DESIRABLE if p > 0 else Polarity.UNDESIRABLE)
        for i, p in enumerate(points)
    )
    return Example(prompt_id, (Message("user", "?"),), Rubric(criteria))


def graded(
    of: Example, *met: bool | None, text: str = "", again: tuple[bool, ...] = ()
) -> GradedAnswer:
    def verdict(value: bool | None) -> Verdict:
        return Verdict(Outcome.TRANSPORT) if value is None else Verdict.of(value)

    replicates = (tuple(map(verdict, again)),) if again else ()
    return GradedAnswer(of, text or repr(met), tuple(map(verdict, met)), replicates=replicates)


def test_groups_and_rubrics_are_ragged() -> None:
    short, long = example("short"), example("long", (1.0, 2.0, 3.0))
    answers = [graded(short, True, False) for _ in range(3)]
    answers += [graded(long, True, True, None) for _ in range(4)]
    groups = group_answers(answers)
    assert groups.verdicts_PGC.shape == (2, 4, 3)
    assert groups.sizes_P.tolist() == [3, 4]
    assert groups.n_answers == 7
    rewards_PG = groups.rewards(get_reward("healthbench"))
    assert rewards_PG[0] == pytest.approx([1, 1, 1, np.nan], nan_ok=True)
    assert np.isnan(rewards_PG[1]).all()  # 3 of 6 points are missing


def test_labels_keep_the_groups_of_one_prompt_apart() -> None:
    answers = [
        TaggedAnswer(graded(example(), True, False), {"model": model, "run": str(run)})
        for model in ("a", "b")
        for run in range(3)
    ]
    assert group_answers(answers).sizes_P.tolist() == [6]
    groups = group_answers(answers, ["model"])
    assert groups.sizes_P.tolist() == [3, 3]
    assert groups.labels == ({"model": "a"}, {"model": "b"})
    assert groups.clusters_P.tolist() == [0, 0]


def test_which_model_is_named_first_moves_no_number_of_a_study() -> None:
    """Of one model nothing is met, of the other all; a third prompt tells their answers apart."""
    rows = {"first": (False, True), "second": (True, False)}
    answers = {
        model: [
            TaggedAnswer(graded(example(prompt), *met), {"model": model})
            for prompt in ("p", "q")
            for _ in range(3)
        ]
        + [TaggedAnswer(graded(example("r"), n > 1, n > 0), {"model": model}) for n in range(4)]
        for model, met in rows.items()
    }
    one, other = (
        study_signal(group_answers([a for name in order for a in answers[name]], ["model"]))
        for order in (("first", "second"), ("second", "first"))
    )
    assert [(p.prompt_id, p.positive_share) for p in one.drop] == [("p", 0.5), ("q", 0.5)]
    assert one.to_json() == other.to_json()


def test_small_groups_are_left_out_and_counted() -> None:
    answers = [graded(example("many"), True, False)] * 3 + [graded(example("few"), True, False)]
    groups = group_answers(answers)
    assert (groups.n_groups, groups.n_left_out) == (1, 1)


def test_answers_that_repeat_another_word_for_word_are_counted() -> None:
    answers = [graded(example(), True, False, text=text) for text in ("a", "a", "b")]
    assert group_answers(answers).n_repeated == 1


def test_replicates_are_kept_apart_and_a_missing_one_is_missing() -> None:
    answers = [graded(example(), True, False, again=(False, False))]
    answers += [graded(example(), True, False)] * 2
    groups = group_answers(answers)
    replicates = groups.replicate_rewards(get_reward("healthbench"))
    assert groups.n_replicates == 2
    assert replicates is not None
    assert replicates[:, 0] == pytest.approx(
        np.array([[1, 1, 1], [0, np.nan, np.nan]]), nan_ok=True
    )


def test_one_answer_a_prompt_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="sample 6"):
        group_answers([graded(example(), True, False)])
    with pytest.raises(ConfigError, match="--min_group"):
        group_answers([graded(example(), True, False)] * 2)
    with pytest.raises(ConfigError, match="at least 2"):
        group_answers([graded(example(), True, False)] * 2, min_answers=1)


def test_a_label_nobody_has_is_named_with_those_there_are() -> None:
    answers = [TaggedAnswer(graded(example(), True, False), {"model": "a"})] * 3
    with pytest.raises(ConfigError, match=r"'modle'.*labels: model"):
        group_answers(answers, ["modle"])


def test_answers_graded_by_different_rubrics_are_not_mixed() -> None:
    answers = [graded(example(points=(5.0, -2.0)), True, False)] * 2
    answers.append(graded(example(points=(5.0, -3.0)), True, False))
    with pytest.raises(DataError, match="different rubrics"):
        group_answers(answers)


def test_some_groups_can_be_taken() -> None:
    answers = [
        graded(example(name), True, False, again=(True, True)) for name in "abc" for _ in range(3)
    ]
    taken = group_answers(answers).take(np.array([2, 0]))
    assert taken.prompt_ids == ("c", "a")
    assert taken.n_groups == 2 and taken.n_replicates == 2


def test_ratings_become_an_array_of_their_own_and_further_ones_their_replicates() -> None:
    def rated(*values: int | None) -> GradedAnswer:
        ratings = tuple(Rating(v, Outcome.MET if v else Outcome.REFUSED) for v in values)
        return replace(graded(example(), True, False, text=str(values)), ratings=ratings)

    groups = group_answers([rated(10, 8), rated(3), rated(None)])
    reward = get_reward("rar_implicit")
    assert groups.rewards(reward)[0] == pytest.approx([1.0, 0.3, np.nan], nan_ok=True)
    again = groups.replicate_rewards(reward)
    assert again is not None
    assert again[1, 0] == pytest.approx([0.8, np.nan, np.nan], nan_ok=True)
    assert groups.n_replicates == 2
    # equal verdicts, but one answer was rated above another: a reward could tell them apart
    assert identical_verdicts(groups).tolist() == [False]
    assert groups.take(np.array([0])).further_ratings_RPG is not None


def chances(of: Example, *probability: float | None, again: tuple[float, ...] = ()) -> GradedAnswer:
    """An answer whose verdicts follow P(met); None is a lost verdict."""

    def verdict(p: float | None) -> Verdict:
        if p is None:
            return Verdict(Outcome.TRANSPORT)
        return Verdict.of(p > 0.5, probability=p)

    replicates = (tuple(map(verdict, again)),) if again else ()
    return GradedAnswer(
        of, repr(probability), tuple(map(verdict, probability)), replicates=replicates
    )


def test_p_met_tells_answers_apart_that_have_the_same_verdicts() -> None:
    answers = [chances(example(), p, 0.1, again=(p, 0.2)) for p in (0.6, 0.7, 0.9)]
    groups = group_answers(answers)
    hard, soft = (get_reward(name) for name in ("healthbench", "soft(of=healthbench)"))
    assert groups.rewards(hard)[0].tolist() == [1, 1, 1]
    # (5 p - 2 * .1) / 5, and with the second verdicts (5 p - 2 * .2) / 5
    assert groups.rewards(soft)[0] == pytest.approx([0.56, 0.66, 0.86])
    again = groups.replicate_rewards(soft)
    assert again is not None
    assert again[1][0] == pytest.approx([0.52, 0.62, 0.82])
    assert groups.take(np.array([0])).rewards(soft)[0] == pytest.approx([0.56, 0.66, 0.86])


def test_a_lost_verdict_stays_lost_among_probabilities_and_plain_verdicts_count_whole() -> None:
    answers = [
        chances(example(), 0.6, None),
        graded(example(), True, False),
        chances(example(), 0, 0),
    ]
    groups = group_answers(answers)
    assert groups.probabilities_RPGC is not None
    assert groups.probabilities_RPGC[0, 0] == pytest.approx(
        np.array([[0.6, np.nan], [1, 0], [0, 0]]), nan_ok=True
    )
    soft = groups.rewards(get_reward("soft(of=healthbench)"))[0]
    # the lost verdict is 2 of 7 points: more than a fifth
    assert soft == pytest.approx([np.nan, 1, 0], nan_ok=True)


def test_verdicts_without_any_probability_have_no_soft_reward() -> None:
    groups = group_answers([graded(example(), True, False, text=str(n)) for n in range(3)])
    assert groups.probabilities_RPGC is None
    with pytest.raises(ConfigError, match="no verdict carries one"):
        groups.rewards(get_reward("soft(of=healthbench)"))


def test_a_study_says_which_dead_groups_p_met_brings_to_life() -> None:
    rng = np.random.default_rng(2)
    answers = [
        chances(example(f"p{n}"), float(p), 0.1)
        for n in range(12)
        for p in rng.uniform(0.6, 0.9, 4)
    ]
    rewards = [get_reward("healthbench"), get_reward("soft(of=healthbench)")]
    study = study_signal(group_answers(answers), rewards)
    assert [row.dead.value for row in study.dead] == [1.0, 0.0]
    assert study.identical_but_for_p == 1.0
    (sentence,) = [one.text for one in study.words if "P(met) differs" in one.text]
    assert sentence.startswith("In 100 % of the groups with identical verdicts")
    assert [row.reward for row in study.flips] == ["healthbench"] * len(study.flips)
    bare = [graded(example(), True, False, text=str(n)) for n in range(3)]
    hard = study_signal(group_answers(bare), rewards)
    assert hard.identical_but_for_p is None
    assert hard.skipped == {"soft(of=healthbench)": "needs P(met), and no verdict carries one"}
