"""Our advantages beside those of TRL's own trainer, on a tiny random model.

The trainer samples, calls a reward function that gives scripted rewards, and logs the advantages
it trained with: nothing of TRL's arithmetic is repeated here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pilots import drawn_pilot

from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.scoring.rubric_arrays import Floats
from rubricbeat.judges.signal.advantages import Scale, TermVerdict, advantages_of, term_effects

pytestmark = pytest.mark.border

N_GROUPS, N_ANSWERS = 12, 6
WORDS = ["<pad>", "<eos>", "a", "b", "c", "d", "e", "f"]


def tiny_tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: code for code, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="a"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")


def tiny_model() -> Any:
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
        pad_token_id=0,
        eos_token_id=1,
    )
    return Qwen3ForCausalLM(config)


def trained_advantages(rewards_PG: Floats, scale: str, folder: Path) -> Floats:
    """Let TRL train one step on scripted rewards, and give the advantages it logged."""
    import torch
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    torch.set_num_threads(1)
    scripted = {f"a {'b ' * (i + 1)}".strip(): row for i, row in enumerate(rewards_PG)}
    given: dict[str, int] = {}
    order: list[tuple[str, int]] = []

    def reward(prompts: list[str], completions: list[str], **_: Any) -> list[float | None]:
        values: list[float | None] = []
        for prompt in prompts:
            at = given.get(prompt, 0)
            given[prompt] = at + 1
            order.append((prompt, at))
            found = float(scripted[prompt][at])
            values.append(None if np.isnan(found) else found)
        return values

    trainer = GRPOTrainer(
        model=tiny_model(),
        reward_funcs=reward,
        processing_class=tiny_tokenizer(),
        train_dataset=Dataset.from_dict({"prompt": list(scripted)}),
        args=GRPOConfig(
            output_dir=str(folder),
            per_device_train_batch_size=rewards_PG.size,
            num_generations=rewards_PG.shape[1],
            max_completion_length=2,
            max_steps=1,
            scale_rewards=scale,
            report_to=[],
            use_cpu=True,
            bf16=False,
            save_strategy="no",
            disable_tqdm=True,
            logging_steps=1,
            seed=0,
        ),
    )
    trainer.train()
    logged = list(trainer._logs["advantages"])
    assert len(logged) == rewards_PG.size
    rows = {prompt: i for i, prompt in enumerate(scripted)}
    found = np.full(rewards_PG.shape, np.nan)
    for (prompt, at), value in zip(order, logged, strict=True):
        found[rows[prompt], at] = value
    return found


@pytest.fixture(scope="module")
def real_and_without() -> tuple[Floats, Floats, Any]:
    """Give the complexity reward of a made-up pilot with and without its log bonus."""
    groups = drawn_pilot(11, n_groups=N_GROUPS, n_answers=N_ANSWERS)
    for group in range(N_GROUPS):  # rubrics of 2 to 10 criteria
        cut = 2 + group % 9
        groups.rubric_PC.points[group, cut:] = 0.0
        groups.verdicts_PGC[group, :, cut:] = np.nan
    reward = get_reward("complexity")
    return groups.rewards(reward), groups.rewards(reward.without("log_complexity")), groups  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore::UserWarning")  # of torch and TRL
@pytest.mark.parametrize("scale", list(Scale))
def test_advantages_are_those_trl_trains_with(
    scale: Scale, real_and_without: tuple[Floats, Floats, Any], tmp_path: Path
) -> None:
    rewards_PG = real_and_without[0].copy()
    rewards_PG[0, 2] = np.nan  # a missing reward among others
    rewards_PG[1, 1:] = np.nan  # and a group with one reward left
    trl_PG = trained_advantages(rewards_PG, str(scale), tmp_path)
    ours_PG = np.nan_to_num(advantages_of(rewards_PG, scale))
    assert np.abs(trl_PG).max() > 0.1
    # TRL computes in float32
    assert ours_PG == pytest.approx(trl_PG, abs=2e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_log_bonus_found_inert_is_inert_in_trl(
    real_and_without: tuple[Floats, Floats, Any], tmp_path: Path
) -> None:
    with_PG, without_PG, groups = real_and_without
    assert np.nanmax(with_PG / np.where(without_PG == 0, np.nan, without_PG)) > 1.1
    reward = get_reward("complexity")
    found = {
        effect.scale: effect
        for effect in term_effects(groups, reward, with_PG, list(Scale))
        if effect.term == "log_complexity"
    }
    assert found[Scale.GROUP].verdict is TermVerdict.CANCELS
    first = trained_advantages(with_PG, "group", tmp_path / "with")
    second = trained_advantages(without_PG, "group", tmp_path / "without")
    assert np.abs(first - second).max() < 1e-3
    assert np.abs(first - second).max() == pytest.approx(
        found[Scale.GROUP].max_difference, abs=2e-4
    )
    # and not under "none", as the tool says too
    assert found[Scale.NONE].verdict is TermVerdict.ACTS
    first = trained_advantages(with_PG, "none", tmp_path / "none")
    second = trained_advantages(without_PG, "none", tmp_path / "none2")
    assert np.abs(first - second).max() > 0.1
