from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.harness.training.checks.plan import check_save_steps, check_whole_groups, plan_run
from rubricbeat.harness.training.config import GrpoSection
from rubricbeat.harness.training.config_reading import load_config, preset_names
from rubricbeat.judges.errors import ConfigError


def test_a_plain_run() -> None:
    plan = plan_run(GrpoSection(max_steps=10, prompts_per_step=4, num_generations=6), 100, 1)
    assert (plan.answers_per_step, plan.micro_batch, plan.gradient_accumulation_steps) == (
        24,
        6,
        4,
    )
    assert (plan.prompts_per_generation, plan.n_rows) == (4, 40)


def test_micro_batches_share_one_generation() -> None:
    plan = plan_run(
        GrpoSection(max_steps=10, prompts_per_step=4, num_generations=6, micro_batch=3), 100, 1
    )
    assert (plan.gradient_accumulation_steps, plan.steps_per_generation) == (8, 8)
    assert plan.n_rows == 40


def test_epochs_give_the_steps() -> None:
    plan = plan_run(GrpoSection(num_train_epochs=2.0, prompts_per_step=4), 10, 1)
    assert plan.max_steps == 5  # 20 prompts, 4 a step


def test_steps_and_epochs_together_are_refused() -> None:
    # transformers lets max_steps override the epochs without a word
    with pytest.raises(ConfigError, match=r"max_steps 5 would override grpo\.num_train_epochs 2"):
        plan_run(GrpoSection(max_steps=5, num_train_epochs=2.0), 10, 1)


def test_neither_steps_nor_epochs_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"set grpo\.max_steps or grpo\.num_train_epochs"):
        plan_run(GrpoSection(), 10, 1)


def test_straddling_groups_are_refused() -> None:
    # 3 prompts x 4 answers over 2 processes: 6 answers each, a group and a half
    with pytest.raises(ConfigError, match=r"groups straddle processes: .* 6 .* num_generations 4"):
        plan_run(GrpoSection(max_steps=1, prompts_per_step=3, num_generations=4), 10, 2)


def test_whole_groups_pass() -> None:
    check_whole_groups(2, 4, 8)
    with pytest.raises(ConfigError, match="straddle"):
        check_whole_groups(2, 3, 8)


def test_answers_that_cannot_be_shared_are_refused() -> None:
    with pytest.raises(ConfigError, match="cannot be shared by 4 processes"):
        plan_run(GrpoSection(max_steps=1, prompts_per_step=3, num_generations=2), 10, 4)


def test_a_micro_batch_must_divide_the_answers() -> None:
    with pytest.raises(ConfigError, match="micro_batch 5 does not divide the 24"):
        plan_run(GrpoSection(max_steps=1, micro_batch=5), 10, 1)


def test_checkpoints_between_generations_are_refused() -> None:
    # one generation serves 3 steps of 1 micro-batch
    grpo = GrpoSection(max_steps=9, prompts_per_step=2, num_generations=4, steps_per_generation=3)
    plan = plan_run(grpo, 10, 1)
    check_save_steps(6, plan)
    with pytest.raises(ConfigError, match=r"save_steps 4 falls between .* multiple of 3"):
        check_save_steps(4, plan)


@given(data=st.data())
def test_whatever_is_planned_gives_trl_whole_groups_and_enough_rows(data: st.DataObject) -> None:
    # drawn so that everything fits: nothing is thrown away, however the draws fall
    world, each, group = (data.draw(st.integers(a, b)) for a, b in ((1, 4), (1, 4), (2, 8)))
    micro = data.draw(st.sampled_from([n for n in range(1, 33) if each * group % n == 0]))
    steps, iterations = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 3))
    grpo = GrpoSection(
        max_steps=steps,
        prompts_per_step=each * world,
        num_generations=group,
        micro_batch=micro,
        num_iterations=iterations,
    )
    plan = plan_run(grpo, 100, world)
    assert plan.micro_batch * plan.steps_per_generation % group == 0
    assert plan.micro_batch * plan.gradient_accumulation_steps == each * group
    # TRL's sampler: rows x G answers, each generation repeated `generation_every` times
    micro_batches = plan.n_rows // plan.prompts_per_generation * plan.generation_every
    assert micro_batches >= steps * plan.gradient_accumulation_steps


@pytest.mark.parametrize("n_processes", [1, 2, 4, 8])
@pytest.mark.parametrize("preset", sorted({*preset_names()} - {"cpu_tiny"}))
def test_the_presets_for_gpus_fit_one_to_eight_of_them(preset: str, n_processes: int) -> None:
    plan = plan_run(load_config(preset=preset).grpo, 1000, n_processes)
    # one group and not the whole step: 64 answers of 1,024 tokens fill no GPU at once
    assert plan.micro_batch <= 8
    sft = load_config(preset=preset).sft
    assert sft.batch_size % (sft.micro_batch * n_processes) == 0


def test_a_process_forwards_one_group_at_once_where_nothing_is_said() -> None:
    # 8 prompts x 8 answers on one GPU: eight passes of eight
    plan = plan_run(GrpoSection(max_steps=1, prompts_per_step=8, num_generations=8), 10, 1)
    assert (plan.micro_batch, plan.gradient_accumulation_steps) == (8, 8)


@pytest.mark.parametrize("steps", [0, -5])
def test_a_number_of_steps_that_is_none_is_refused(steps: int) -> None:
    with pytest.raises(ConfigError, match=rf"max_steps must be at least 1, or -1 .*, not {steps}"):
        plan_run(GrpoSection(max_steps=steps, num_train_epochs=2.0), 10, 1)


def test_a_round_of_generation_within_a_step_is_refused() -> None:
    # 4 micro-batches a step, 6 a round: the second round begins in the middle of step 2, and a run
    # resumed from a checkpoint there could not make the same answers
    grpo = GrpoSection(max_steps=9, num_generations=6, micro_batch=6, steps_per_generation=6)
    with pytest.raises(ConfigError, match=r"steps_per_generation 6 .* 4 .* multiple"):
        plan_run(grpo, 10, 1)
    for fits in (1, 2, 4, 8):
        plan_run(replace(grpo, steps_per_generation=fits), 10, 1)
