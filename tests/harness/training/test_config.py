from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from rubricbeat.harness.commands.training import train
from rubricbeat.harness.training.config import GrpoSection, TrainConfig
from rubricbeat.harness.training.config_reading import load_config, preset_names
from rubricbeat.judges.errors import ConfigError


def test_all_presets_load() -> None:
    assert preset_names() == ["cpu_tiny", "paper_heart_bnpo", "paper_heart_dapo", "recommended"]
    for name in preset_names():
        assert load_config(preset=name).preset == name


def test_the_paper_presets_hold_the_numbers_of_method_8() -> None:
    config = load_config(preset="paper_heart_bnpo")
    assert (config.model.lora_r, config.model.lora_alpha, config.run.seed) == (16, 32, 3407)
    assert config.model.load_in_4bit and config.model.name == "Qwen/Qwen3-14B-Base"
    sft = config.sft
    assert (sft.learning_rate, sft.warmup_steps, sft.batch_size, sft.max_steps) == (
        2e-4,
        5,
        16,
        500,
    )
    grpo = config.grpo
    assert (grpo.learning_rate, grpo.warmup_ratio, grpo.weight_decay) == (5e-6, 0.1, 0.01)
    assert (grpo.num_generations, grpo.temperature, grpo.min_p) == (6, 1.0, 0.1)
    assert (grpo.max_completion_length, grpo.max_steps) == (1024, 1000)
    assert config.data.min_criteria == 4  # more than 3
    assert config.data.prompt_percentile == 90


def test_the_two_readings_of_the_paper_differ_in_loss_and_beta_only() -> None:
    bnpo, dapo = (load_config(preset=f"paper_heart_{x}") for x in ("bnpo", "dapo"))
    assert (bnpo.grpo.loss_type, bnpo.grpo.beta) == ("bnpo", 0.001)
    assert (dapo.grpo.loss_type, dapo.grpo.beta) == ("dapo", 0.0)
    plain = [config.to_json() for config in (bnpo, dapo)]
    for one in plain:
        del one["preset"], one["note"], one["grpo"]["loss_type"], one["grpo"]["beta"]
    assert plain[0] == plain[1]


def test_a_misspelt_key_is_refused_with_its_near_name(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("grpo: {num_generation: 4}")
    with pytest.raises(
        ConfigError, match=r"run\.yaml: unknown key 'grpo\.num_generation'; did you .*num_gen"
    ):
        load_config(path)


def test_a_misspelt_section_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("rewards: {name: hybrid}")
    with pytest.raises(ConfigError, match=r"unknown key 'rewards'; did you mean 'reward'"):
        load_config(path)


def test_a_misspelt_preset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"unknown preset 'cpu_tinny'; did you mean 'cpu_tiny'"):
        load_config(preset="cpu_tinny")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grpo.max_steps=many", r"grpo\.max_steps should be a valid integer, not 'many'"),
        ("grpo.use_vllm=3", r"grpo\.use_vllm should be a valid boolean, not 3"),
        ("grpo.max_steps=true", r"grpo\.max_steps should be a valid integer, not True"),
        ("grpo.beta=often", r"grpo\.beta should be a valid number, not 'often'"),
        ("grpo=3", r"grpo must be a section"),
        ("max_steps", r"write section\.key=value"),
        ("reward.options=3", r"reward\.options should be a valid dictionary, not 3"),
        ("run.output_dir=[a]", r"run\.output_dir should be a valid string"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


def test_later_sources_win(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("preset: cpu_tiny\ngrpo: {max_steps: 7, num_generations: 4}")
    config = load_config(path, settings=["grpo.max_steps=9"], overrides={"run": {"seed": 5}})
    assert config.preset == "cpu_tiny"
    assert (config.grpo.max_steps, config.grpo.num_generations) == (9, 4)
    assert config.run.seed == 5
    assert config.data.path == "tiny"  # of the preset


def test_scientific_notation_without_a_point_is_a_number() -> None:
    # YAML 1.1 reads 5e-6 as text
    assert load_config(settings=["grpo.learning_rate=5e-6"]).grpo.learning_rate == 5e-6


def test_another_judge_does_not_inherit_the_options_of_the_first(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("judge: {name: chat, model: m, temperature: 0.5}")
    config = load_config(path, overrides={"judge": {"name": "keyword"}})
    assert config.judge == {"name": "keyword"}


@pytest.mark.parametrize("text", ["- a\n- b", "x: [", "\x00"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"run\.yaml"):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        load_config(tmp_path / "nowhere.yaml")


@given(
    st.builds(
        GrpoSection,
        max_steps=st.integers(1, 1000),
        learning_rate=st.floats(1e-9, 1, allow_nan=False),
        min_p=st.none() | st.floats(0, 1),
    )
)
def test_the_plain_form_reads_back_as_the_same_configuration(grpo: GrpoSection) -> None:
    config = TrainConfig(grpo=grpo)
    assert load_config(overrides=config.to_json()) == config


def test_the_configuration_in_the_docs_can_be_read(root: Path, tmp_path: Path) -> None:
    text = (root / "docs" / "training.md").read_text(encoding="utf-8")
    block = text.partition("```yaml\n")[2].partition("```")[0]
    path = tmp_path / "heart.yaml"
    path.write_text(block, encoding="utf-8")
    config = load_config(path)
    assert config.preset == "recommended"
    assert config.gold.every == 50 and config.eval.tasks == ("healthbench_heart_demo",)


def test_a_mistake_is_looked_for_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("preset: cpu_tiny\ngrpo: {max_steps: 5}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"^--set grpo\.lerning_rate=1: unknown key .*'learning_"):
        load_config(file, settings=["grpo.lerning_rate=1"])
    with pytest.raises(
        ConfigError, match=r"^the flags: model\.name should be a valid string, not 3"
    ):
        load_config(file, overrides={"model": {"name": 3}})
    file.write_text("grpo: {max_step: 5}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.yaml: unknown key 'grpo\.max_step'"):
        load_config(file, preset="cpu_tiny")


def test_a_key_written_twice_is_refused_with_its_line(tmp_path: Path) -> None:
    # YAML readers keep the last one in silence: the first section would be lost
    path = tmp_path / "run.yaml"
    path.write_text("grpo: {max_steps: 5}\nreward: {name: binary}\ngrpo:\n  beta: 0.1\n")
    with pytest.raises(ConfigError, match=r"run\.yaml, line 3: 'grpo' is written twice"):
        load_config(path)
    path.write_text("grpo:\n  beta: 0.1\n  max_steps: 5\n  beta: 0.2\n")
    with pytest.raises(ConfigError, match=r"line 4: 'beta' is written twice"):
        load_config(path)
    path.write_text("base: &b {max_steps: 5}\n")
    with pytest.raises(ConfigError, match="unknown key 'base'"):
        load_config(path)


def test_a_judge_keeps_its_texts_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text(
        "judge: {name: jury, members: [{name: chat, model: 007, temperature: 0.50}]}\n"
        "eval: {judge: {name: chat, model: 1.10, api_version: 2024-10-21}}\n"
        "grpo: {beta: 0.10}\n"
    )
    config = load_config(path).to_json()
    # the file of the run is YAML, and checkpoints are evaluated by options in JSON
    for plain in (yaml.safe_load(yaml.safe_dump(config)), json.loads(json.dumps(config))):
        assert plain["judge"]["members"] == [{"name": "chat", "model": "007", "temperature": 0.5}]
        assert plain["eval"]["judge"]["model"] == "1.10"
        assert plain["eval"]["judge"]["api_version"] == "2024-10-21"
        assert plain["grpo"]["beta"] == 0.1
    judge = ["judge.name=chat", "judge.model=007", "judge.temperature=0.50", "grpo.beta=0.10"]
    config = load_config(path, settings=judge)
    assert config.judge == {"name": "chat", "model": "007", "temperature": "0.50"}  # typed later
    assert config.grpo.beta == 0.1


def test_a_preset_that_is_set_is_started_from() -> None:
    config = load_config(settings=["preset=cpu_tiny", "grpo.max_steps=7"])
    assert (config.preset, config.model.name, config.grpo.max_steps) == ("cpu_tiny", "tiny", 7)
    assert load_config(overrides={"preset": "cpu_tiny"}).model.name == "tiny"


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_bytes(b"run: {label: caf\xe9}")
    with pytest.raises(ConfigError, match=r"run\.yaml is not UTF-8 text"):
        load_config(path)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("reward.alternatives=[binary, null]", r"alternatives should be a valid string.*None"),
        ("data.evaluation=[[a]]", r"data\.evaluation should be a valid string"),
        ("model.lora_targets=[1]", r"model\.lora_targets should be a valid string, not \[1\]"),
    ],
)
def test_what_stands_in_a_list_must_be_text(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


def test_an_option_of_a_judge_named_in_one_word_keeps_its_name() -> None:
    config = load_config(preset="cpu_tiny", settings=["judge.max_concurrency=5"])
    assert config.judge == {"name": "keyword", "max_concurrency": 5}
    assert load_config(preset="cpu_tiny", settings=["gold.judge.max_cost=5"]).gold.judge == {
        "name": "keyword",
        "max_cost": 5,
    }


def test_two_names_of_one_judge_are_refused() -> None:
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    words = ["grpo", "--preset", "cpu_tiny", "--judge", "keyword", "--judge_args"]
    assert train.read_config(parser.parse_args([*words, "max_cost=1"])).judge == {
        "name": "keyword",
        "max_cost": 1,
    }
    set_so = parser.parse_args(["grpo", "--set", "preset=cpu_tiny"])
    assert train.read_config(set_so).model.name == "tiny"
    with pytest.raises(ConfigError, match="nothing to train"):
        train.read_config(parser.parse_args(["grpo"]))
    with pytest.raises(ConfigError, match="--judge says 'keyword', --judge_args name='chat'"):
        train.read_config(parser.parse_args([*words, "name=chat"]))


def test_every_field_of_trl_may_stand_in_its_section(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("grpo: {loss_type: sapo, epsilon: 2e-1, sapo_temperature_pos: 1}\n")
    config = load_config(path, settings=["sft.packing=true", "grpo.epsilon=3e-1"])
    # YAML 1.1 reads 2e-1 as text, and TRL would compute with it
    assert config.grpo.trl == {"epsilon": 0.3, "sapo_temperature_pos": 1.0}
    assert config.sft.trl == {"packing": True}
    assert load_config(overrides=config.to_json()) == config


def test_a_field_of_trl_under_trl_is_the_same_field(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("preset: cpu_tiny\ngrpo: {trl: {beta: 0.5, epsilon: 0.3}}\n")
    config = load_config(path)
    assert (config.grpo.beta, config.grpo.trl) == (0.5, {"epsilon": 0.3})


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("grpo.model_init_kwargs=abc", r"grpo\.model_init_kwargs must be a mapping, not 'abc'"),
        ("grpo.epsilon=wide", r"^--set grpo\.epsilon=wide: grpo\.epsilon should be a valid number"),
        ("grpo.trl.num_generation=3", r"unknown key 'grpo\.num_generation'; did you mean 'num_gen"),
        (
            "grpo.shuffle_dataset=true",
            r"grpo\.shuffle_dataset: set nothing: the order is made here",
        ),
        ("grpo.ignore_data_skip=true", r"resumed run would ask the same prompts"),
        ("grpo.save_only_model=true", r"could not be resumed"),
        ("grpo.logging_strategy=no", r"every step is a line"),
        ("grpo.bf16=true", r"grpo\.bf16: set model\.dtype instead"),
        ("sft.per_device_train_batch_size=3", r"sft\.per_device_train_batch_size: set micro_batch"),
        ("sft.num_generations=3", r"unknown key 'sft\.num_generations'"),
        # these would be passed over in silence
        ("grpo.warmup_steps=30", r"set grpo\.warmup_ratio, a share of the steps, instead"),
        ("sft.num_train_epochs=3", r"set sft\.max_steps instead"),
        ("grpo.resume_from_checkpoint=runs/x/checkpoint-2", r"--resume goes on from"),
        # and these break when the weights are loaded
        ("grpo.eval_strategy=steps", r"set gold, or eval\.tasks instead"),
        ("sft.eval_on_start=true", r"set gold, whose judge looks before the first step, instead"),
        ("grpo.remove_unused_columns=true", r"the reward finds each rubric by a column"),
    ],
)
def test_a_field_that_trl_lacks_or_the_run_fills_is_refused(setting: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(settings=[setting])


def test_a_place_under_the_home_folder_is_meant_as_a_shell_means_it() -> None:
    config = load_config(settings=["run.output_dir=~/runs/x", "data.path=~/rows.jsonl"])
    assert config.run.output_dir == str(Path.home() / "runs" / "x")
    assert config.data.path == str(Path.home() / "rows.jsonl")


def test_a_mapping_of_trl_may_be_text_and_a_field_that_takes_a_file_its_path() -> None:
    config = load_config(settings=['grpo.generation_kwargs={"top_k": 5}', "grpo.deepspeed=ds.json"])
    assert config.grpo.trl == {"generation_kwargs": {"top_k": 5}, "deepspeed": "ds.json"}


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("grpo", "top_p", 1.5, "less than or equal to 1, not 1.5"),
        ("grpo", "num_iterations", 0, "greater than or equal to 1, not 0"),
        ("grpo", "num_generations", 1, "greater than or equal to 2, not 1"),
        ("grpo", "prompts_per_step", 0, "greater than or equal to 1, not 0"),
        ("grpo", "learning_rate", 0.0, "greater than 0, not 0.0"),
        ("grpo", "learning_rate", float("inf"), "a finite number, not inf"),
        ("grpo", "beta", float("nan"), "a finite number, not nan"),
        ("grpo", "temperature", 0, "greater than 0, not 0"),
        ("grpo", "scale_rewards", "groups", "'group', 'none' or 'batch', not 'groups'"),
        ("model", "dtype", "bf16", "'auto', 'bfloat16', 'float16' or 'float32', not 'bf16'"),
        ("data", "prompt_percentile", 200.0, "less than or equal to 100, not 200.0"),
        ("data", "held_out", 1.0, "less than 1, not 1.0"),
        ("reward", "max_unscored_frac", 0, "greater than 0, not 0"),
        ("gold", "every", 0, "greater than or equal to 1, not 0"),
        ("model", "lora_r", 0, "greater than or equal to 1, not 0"),
        ("run", "save_steps", 0, "greater than or equal to 1, not 0"),
        ("run", "seed", -1, "greater than or equal to 0, not -1"),
    ],
)
def test_a_value_out_of_its_bounds_is_refused(
    section: str, key: str, value: object, words: str
) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(overrides={section: {key: value}})
    assert str(error.value) == f"the flags: {section}.{key} should be {words}"
