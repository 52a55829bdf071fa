"""Which model is of which family, by its name alone."""

from __future__ import annotations

import pytest

from rubricbeat.judges.audit.upkeep.families import families_of, family_warning, models_of_judge


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("gpt-4.1-2025-04-14", "GPT"),
        ("openai/gpt-oss-120b", "GPT"),
        ("gpt4o", "GPT"),
        ("chatgpt-4o-latest", "GPT"),
        ("o3-mini", "GPT"),
        ("openai/o1", "GPT"),
        ("openai:o3", "GPT"),
        ("ft:gpt-4o-mini:org::1", "GPT"),
        ("anthropic/claude-sonnet-4-5", "Claude"),
        ("us.anthropic.claude-haiku-4-5", "Claude"),
        ("models/gemini-2.5-pro", "Gemini and Gemma"),
        ("google/medgemma-27b-it", "Gemini and Gemma"),
        ("meta-llama/Llama-3.3-70B-Instruct", "Llama"),
        ("TinyLlama_v1.1", "Llama"),
        ("Qwen/Qwen2.5-7B-Instruct", "Qwen"),
        ("QwQ-32B", "Qwen"),
        ("mistralai/Mixtral-8x7B", "Mistral"),
        ("deepseek-chat", "DeepSeek"),
        ("microsoft/Phi-4", "Phi"),
        ("zai-org/GLM-4.6", "GLM"),
        ("moonshotai/Kimi-K2", "Kimi"),
        ("HuggingFaceTB/SmolLM2-135M", "SmolLM"),
        ("amazon.nova-pro-v1:0", "Nova"),
        ("CohereLabs/c4ai-command-r-plus", "Command"),
    ],
)
def test_known_names_have_one_family(name: str, family: str) -> None:
    assert families_of(name) == {family}


@pytest.mark.parametrize(
    "name",
    [
        *("", "baseline", "bodhi-v0.1.3", "m", "local", "EleutherAI/gpt-neo-125m", "BioGPT"),
        *("EleutherAI/gpt-j-6b", "ollama", "llama.cpp", "morphine", "marco-o1", "solo3"),
        *("biology-phish", "innovation", "rubricbeat:constant", "C"),
    ],
)
def test_unknown_names_have_none(name: str) -> None:
    assert families_of(name) == frozenset()


def test_a_distilled_model_is_of_both_families() -> None:
    assert families_of("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B") == {"DeepSeek", "Qwen"}


def test_the_warning_names_judge_model_and_family() -> None:
    warning = family_warning({"name": "chat", "model": "gpt-4.1"}, ["gpt-4o-mini", "qwen3", "x"])
    assert warning is not None
    assert warning.startswith("the judge (gpt-4.1) and gpt-4o-mini are of one family (GPT)")


@pytest.mark.parametrize(
    ("judge", "models"),
    [
        ({"name": "chat", "model": "gpt-4.1"}, ["claude-sonnet-4", "other"]),
        ({"name": "chat", "model": "mine"}, ["mine"]),
        ({"name": "fitted:my-llama-judge", "model": "my-llama-judge"}, ["llama-3"]),
        ("chat", ["gpt-4o"]),
        ({}, ["gpt-4o"]),
        (None, []),
    ],
)
def test_another_or_an_unknown_family_is_no_warning(judge: object, models: list[str]) -> None:
    assert family_warning(judge, models) is None


def test_members_of_a_jury_count() -> None:
    jury = {"name": "jury", "members": [{"name": "chat", "model": "claude-x"}, "fitted:gpt-4"]}
    assert list(models_of_judge(jury)) == ["claude-x"]
    assert family_warning(jury, ["claude-y"]) is not None
