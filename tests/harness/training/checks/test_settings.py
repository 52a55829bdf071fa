from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.harness.training.checks import settings as checks
from rubricbeat.harness.training.checks.judges import check_judge, check_judges
from rubricbeat.harness.training.checks.settings import check_policy, check_reward, check_values
from rubricbeat.harness.training.config import GoldSection, TrainConfig
from rubricbeat.harness.training.config_reading import load_config
from rubricbeat.harness.training.loop.grpo import prepare
from rubricbeat.harness.training.policy.policy import PolicyFacts, policy_facts
from rubricbeat.judges.errors import ConfigError, UnknownNameError
from rubricbeat.judges.rewards import get_reward
from rubricbeat.judges.rubric import Criterion, Level, NaRule, Polarity, Requirement, Rubric
from rubricbeat.judges.verdict import Verdict

from ..examples import example

pytestmark = pytest.mark.border


def config(**sections: Any) -> TrainConfig:
    return load_config(preset="cpu_tiny", overrides={"run": {"output_dir": "out"}, **sections})


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"run": {"output_dir": ""}}, r"run\.output_dir is empty"),
        ({"grpo": {"loss_type": "dabo"}}, r"grpo\.loss_type: unknown 'dabo'; did you mean 'dapo'"),
        ({"data": {"held_out": 0}}, r"gold\.judge needs prompts that are not trained on"),
        ({"run": {"output_dir": "o", "report_to": ["tensorbord"]}}, r"did you mean 'tensorboard'"),
        ({"grpo": {"beta": 0.1}}, r"grpo\.beta needs a reference policy"),
        (
            {"eval": {"tasks": ["healthbench_heart_demo"], "every": 30}},
            r"eval\.every 30 .* run\.save_steps 20: .* multiple of 20",
        ),
        ({"judge": {"name": "keyword", "replicates": 3}}, r"judge\.replicates 3 .* only the first"),
        (
            {"gold": {"judge": {"name": "keyword", "replicates": "2"}}},
            r"gold\.judge\.replicates 2 .* only the first",
        ),
        (
            {"model": {"name": "m", "load_in_4bit": True, "lora": False}},
            r"load_in_4bit: .* model\.lora: true",
        ),
        ({"model": {"adapter": "runs/x"}}, r"model\.adapter .* `tiny`"),
        (
            {"model": {"lora": True}, "eval": {"tasks": ["healthbench_heart_demo"]}},
            r"eval\.tasks .* adapter of `tiny`.* model\.lora: false",
        ),
    ],
)
def test_what_cannot_work_is_refused(sections: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        check_values(config(**sections))


def test_the_presets_pass() -> None:
    for name in ("cpu_tiny", "recommended", "paper_heart_bnpo", "paper_heart_dapo"):
        loaded = load_config(preset=name, overrides={"run": {"output_dir": "x"}})
        check_values(loaded)
        check_reward(loaded)


def test_an_inert_term_is_refused_under_scale_group_and_passes_under_none() -> None:
    # the log term of `complexity` is constant in a group and cancels (method sheet, 4.1)
    inert = config(reward={"name": "complexity"})
    with pytest.raises(ConfigError, match=r"cancels under scale_rewards 'group'.*none or batch"):
        check_reward(inert)
    check_reward(config(reward={"name": "complexity", "allow_inert_terms": True}))
    check_reward(config(reward={"name": "complexity"}, grpo={"scale_rewards": "none"}))


def test_masking_dead_groups_where_it_does_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="mask_dead_groups does nothing under"):
        check_reward(config(reward={"mask_dead_groups": True}))
    check_reward(config(reward={"mask_dead_groups": True}, grpo={"scale_rewards": "batch"}))


def test_reliability_needs_second_verdicts() -> None:
    with pytest.raises(ConfigError, match="needs second verdicts"):
        check_reward(config(reward={"min_reliability": 0.5, "replicate_every": 0}))


def test_an_unknown_alternative_is_named() -> None:
    with pytest.raises(UnknownNameError, match="binry"):
        check_reward(config(reward={"alternatives": ["binry"]}))


def test_float32_weights_of_a_large_model_are_refused() -> None:
    large = PolicyFacts("m", 14_000_000_000, 32_768)
    with pytest.raises(ConfigError, match=r"14\.0 billion parameters takes 56 GB"):
        check_policy(config(), large, 10)
    check_policy(config(model={"allow_float32": True}), large, 10)
    check_policy(config(model={"dtype": "bfloat16"}), large, 10)


def test_float32_weights_are_refused_where_the_checkpoint_says_so_itself(tmp_path: Path) -> None:
    from transformers import Qwen3Config

    Qwen3Config(
        hidden_size=4096, intermediate_size=12288, num_hidden_layers=32, dtype="float32"
    ).save_pretrained(tmp_path)
    section = config(model={"name": str(tmp_path), "dtype": "auto"})
    with pytest.raises(ConfigError, match=r"model\.dtype auto, which is float32 in .* billion"):
        check_policy(section, policy_facts(section.model), 10)


def test_prompts_that_leave_no_room_for_the_answer_are_refused() -> None:
    facts = PolicyFacts("m", 1000, 100)
    with pytest.raises(ConfigError, match=r"longest prompt has 95 tokens.*max_prompt_tokens: 88"):
        check_policy(config(), facts, 95)  # answers of 12
    check_policy(config(), facts, 88)


def test_a_four_bit_model_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="load_in_4bit cannot work here"):
        policy_facts(config(model={"name": "any/hub-model", "load_in_4bit": True}).model)


def test_an_optimiser_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="adamw_8bit needs bitsandbytes"):
        check_policy(config(grpo={"optim": "adamw_8bit"}), PolicyFacts("m", 1, 4096), 1)


def with_vllm(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    """Have a vLLM of this version, and a TRL that takes 0.22 to 0.31."""
    needs = ["numpy>=1.26", 'vllm<=0.31.0,>=0.22.0; extra == "vllm"', 'vllm; extra == "other"']
    monkeypatch.setattr(checks, "version", {"vllm": found, "trl": "1.99"}.get)
    monkeypatch.setattr(checks, "requires", {"trl": needs}.get)


@pytest.mark.parametrize("version", ["0.21.0", "0.32.0"])
def test_vllm_outside_of_trls_window_is_refused(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_vllm(monkeypatch, version)
    words = rf"vllm {version} is outside what TRL 1\.99 takes \(<=0\.31\.0,>=0\.22\.0\)"
    with pytest.raises(ConfigError, match=words):
        check_values(config(grpo={"use_vllm": True}))


@pytest.mark.parametrize("version", ["0.22.0", "0.31.0", "0.31.0+cu129", "0.30.1rc1"])
def test_vllm_inside_of_the_window_passes_a_local_build_included(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_vllm(monkeypatch, version)
    check_values(config(grpo={"use_vllm": True}))


@pytest.mark.parametrize(
    "cut",
    [
        {"min_p": 0.1}, {"top_p": 0.9}, {"top_k": 20}, {"repetition_penalty": 1.1},
        {"generation_kwargs": {"min_p": 0.05}}, {"generation_kwargs": '{"top_k": 5}'},
        {"generation_kwargs": {"logit_bias": {7: -100}}}, {"vllm_structured_outputs_regex": "a+"},
        {"min_p": 0.1, "vllm_importance_sampling_mode": "token_truncate"},
    ],
)  # fmt: skip
def test_sampling_that_trl_would_correct_away_is_refused_with_vllm(
    cut: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_vllm(monkeypatch, "0.31.0")
    with pytest.raises(ConfigError, match="vllm_importance_sampling_correction: false"):
        check_values(config(grpo={"use_vllm": True, **cut}))
    corrected = {"vllm_importance_sampling_correction": False}
    check_values(config(grpo={"use_vllm": True, **cut, **corrected}))
    check_values(config(grpo={name: x for name, x in cut.items() if "vllm" not in name}))


def test_sampling_from_the_whole_distribution_passes_with_vllm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_vllm(monkeypatch, "0.31.0")
    whole = {"min_p": 0.0, "top_p": 1, "top_k": 0, "temperature": 0.7, "generation_kwargs": {}}
    check_values(config(grpo={"use_vllm": True, **whole}))


@pytest.mark.parametrize("reading", ["bnpo", "dapo"])
def test_the_papers_sampling_is_refused_with_vllm_and_runs_without(reading: str) -> None:
    preset = load_config(preset=f"paper_heart_{reading}", settings=["grpo.use_vllm=true"])
    with pytest.raises(ConfigError, match=r"grpo\.min_p 0\.1 with grpo\.use_vllm"):
        check_values(replace(preset, run=replace(preset.run, output_dir="o"), gold=GoldSection()))


def test_the_installed_trl_says_which_vllm_it_takes() -> None:
    assert str(checks._vllm_window()) != ""


def test_vllm_that_is_missing_is_said() -> None:
    with pytest.raises(ConfigError, match="vllm is not installed"):
        check_values(config(grpo={"use_vllm": True}))


def test_a_judge_that_is_down_is_said_at_once(free_port: int) -> None:
    judge = {"name": "chat", "model": "m", "base_url": f"http://127.0.0.1:{free_port}/v1"}
    with pytest.raises(ConfigError, match="the judge"):
        check_judge(judge, example(), "the judge")


@pytest.fixture
def free_port() -> int:
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_a_judge_that_cannot_judge_these_criteria_is_said() -> None:
    from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

    bare = Example(
        "p", (Message("user", "x"),), Rubric((Criterion("Is kind.", 1, Polarity.DESIRABLE),))
    )
    with pytest.raises(ConfigError, match="carries no predicate"):
        check_judge("keyword", bare, "the judge")


@pytest.mark.parametrize("outer", ["jury", "cascade", "a jury of juries"])
def test_a_tie_is_an_answer_of_judges_that_are_there(outer: str) -> None:
    jury = {"name": "jury", "members": [{"name": "constant", "met": met} for met in (True, False)]}
    judge = {
        "jury": jury,
        "cascade": {"name": "cascade", "members": [jury, jury]},
        "a jury of juries": {"name": "jury", "members": [jury, jury]},
    }[outer]
    check_judge(judge, example(), "the judge")


def test_the_probe_asks_one_question_only() -> None:
    from rubricbeat.judges.backends.scripted import ScriptedJudge

    judge = ScriptedJudge(True)
    check_judge(judge, example(), "the judge")
    assert len(judge.asked) == 1


@pytest.mark.parametrize(
    "said",
    [Verdict.at_level(1, level_probabilities=(0.5, 0.5)), Verdict.not_applicable()],
)
def test_a_level_or_not_applicable_is_an_answer_to_the_probe(said: Verdict) -> None:
    from rubricbeat.judges.backends.scripted import ScriptedJudge

    one = example()
    first, *rest = one.rubric.criteria
    levels = (Level("no", 0.0), Level("yes", first.points))
    first = replace(first, levels=levels, na=NaRule.EXCLUDED, requires=Requirement("other"))
    rest = [replace(rest[0], id="other"), *rest[1:]]
    one = replace(one, rubric=Rubric((first, *rest)))
    check_judge(ScriptedJudge(said), one, "the judge", [get_reward("soft(of=healthbench)")])


def test_a_soft_reward_of_a_judge_without_probabilities_is_said_before_the_model_is_loaded() -> (
    None
):
    soft = config(judge="keyword", reward={"name": "soft(of=healthbench)"})
    with pytest.raises(ConfigError, match=r"needs P.met., and the judge 'keyword' gives"):
        check_judges(soft, example())
    options = {"name": "soft", "options": {"of": "healthbench"}}
    with pytest.raises(ConfigError, match=r"'soft\(of=healthbench\)' needs P.met., and the judge"):
        check_judges(config(judge="keyword", reward=options), example())
    logged = config(judge="keyword", reward={"alternatives": ["soft(of=hybrid)"]})
    with pytest.raises(ConfigError, match=r"soft\(of=hybrid\)"):
        check_judges(logged, example())


def test_a_base_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    missing = config(model={"name": str(tmp_path / "nothing")})
    with pytest.raises(ConfigError, match=r"model\.name: no folder"):
        policy_facts(missing.model)


def test_an_adapter_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no adapter_config\.json"):
        policy_facts(replace(config().model, adapter=str(tmp_path)))


def test_a_rating_is_asked_only_of_a_judge_that_gives_ratings() -> None:
    with pytest.raises(ConfigError, match=r"'rar_implicit' needs a rating .* judge 'constant'"):
        check_reward(config(judge="constant", reward={"name": "rar_implicit"}))
    with pytest.raises(ConfigError, match="'rar_implicit' needs a rating"):
        check_reward(config(judge="constant", reward={"alternatives": ["rar_implicit"]}))
    with pytest.raises(ConfigError, match=r"gold\.reward 'rar_implicit' needs a rating"):
        check_reward(config(gold={"judge": "constant", "reward": "rar_implicit"}))
    check_reward(config(reward={"name": "rar_implicit"}))


def test_a_judge_that_cannot_rate_these_criteria_is_found_before_the_weights() -> None:
    bare = replace(example(), rubric=Rubric((Criterion("Is kind.", 1.0, Polarity.DESIRABLE),)))
    rated = config(reward={"name": "rar_implicit", "alternatives": []}, gold={"judge": None})
    with pytest.raises(ConfigError, match="the judge gave no rating"):
        check_judges(rated, bare)
    check_judges(rated, example())


@pytest.mark.parametrize(
    ("section", "values", "words"),
    [
        ("eval", {"tasks": ["healthbench_hart_demo"]}, "did you mean 'healthbench_heart_demo'"),
        ("eval", {"every": 5}, "eval.every 5 does nothing without eval.tasks"),
    ],
)
def test_words_that_nobody_knows_are_refused_before_the_run(
    section: str, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as error:
        check_values(config(**{section: values}))
    assert words in str(error.value)


def test_names_that_fit_no_weights_are_refused_before_the_weights_are_loaded() -> None:
    lora = {"lora": True, "lora_targets": ["q_proj", "v_prj"]}
    with pytest.raises(ConfigError, match=r"lora_targets: .* no 'v_prj'; did you mean 'v_proj'"):
        policy_facts(config(model=lora).model)
    # nobody reads them where there is no adapter to add
    policy_facts(config(model={**lora, "lora": False}).model)
    with pytest.raises(ConfigError, match="lora_last_blocks is 9; the model has 2 blocks"):
        policy_facts(config(model={"lora": True, "lora_last_blocks": 9}).model)


def test_the_judge_of_the_evaluations_is_asked_as_well(tmp_path: Path) -> None:
    tasks = {"tasks": ["healthbench_heart_demo"], "judge": "keywrd"}
    with pytest.raises(ConfigError, match="did you mean 'keyword'"):
        prepare(config(eval=tasks, run={"output_dir": str(tmp_path / "run")}))


def test_a_gold_judge_without_a_held_out_prompt_is_refused(tmp_path: Path) -> None:
    # a tenth of sixteen prompts is two, of four none
    rare = config(data={"held_out": 0.01}, run={"output_dir": str(tmp_path / "run")})
    with pytest.raises(ConfigError, match=r"gold\.judge has no held-out prompts.*data\.held_out"):
        prepare(rare)


def test_a_judge_option_that_is_no_number_is_refused_in_words() -> None:
    judge = {"name": "keyword", "max_retries": "many"}
    with pytest.raises(ConfigError, match="max_retries must be a whole number, not 'many'"):
        check_judge(judge, example(), "the judge")


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"grpo": {"loss_type": "cispoo"}}, r"grpo\.loss_type: unknown 'cispoo'; did .* 'cispo'"),
        ({"grpo": {"loss_type": "sequence"}}, r"grpo\.loss_type: unknown 'sequence'"),
        ({"grpo": {"importance_sampling_level": "sequenc"}}, r"_level: unknown 'sequenc'"),
        (
            {"grpo": {"vllm_mode": "serve"}},
            r"grpo\.vllm_mode: unknown 'serve'; did you mean 'server'",
        ),
        ({"sft": {"packing_strategy": "bdf"}}, r"sft\.packing_strategy: unknown 'bdf'"),
        ({"sft": {"loss_type": "dapo"}}, r"sft\.loss_type: unknown 'dapo'"),
    ],
)
def test_a_word_that_trl_would_miss_in_the_first_step_is_refused(
    sections: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        check_values(config(**sections))
    check_values(config(grpo={"importance_sampling_level": "sequence", "pad_to_multiple_of": "8"}))


@pytest.mark.parametrize("loss", ["grpo", "dapo", "cispo", "sapo", "luspo", "vespo"])
def test_every_loss_of_trl_is_taken(loss: str) -> None:
    check_values(config(grpo={"loss_type": loss}))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"optim": "adamv_torch"}, "TRL refuses the configuration: adamv_torch is not a valid Opt"),
        ({"lr_scheduler_type": "liner"}, "TRL refuses the configuration: liner is not a valid Sch"),
        ({"auto_find_batch_size": True}, "auto_find_batch_size is not supported by GRPO"),
    ],
)
def test_what_trl_refuses_is_one_line_before_a_judge_is_asked(
    wrong: dict[str, Any], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*args: Any) -> None:
        raise AssertionError("a judge was asked")

    monkeypatch.setattr("rubricbeat.harness.training.loop.grpo.check_judges", asked)
    with pytest.raises(ConfigError) as error:
        prepare(config(grpo=wrong, run={"output_dir": str(tmp_path / "run")}))
    assert words in str(error.value) and "\n" not in str(error.value)
