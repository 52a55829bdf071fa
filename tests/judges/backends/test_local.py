"""The local judge: what it reads off a model's next token, and that nothing is computed twice."""

from __future__ import annotations

import asyncio
import math
import pickle
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.backends.local import LocalJudge, YesNo, fingerprint, is_word
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Outcome

pytestmark = pytest.mark.border


class Weighing:
    """A model that says what it is told."""

    def __init__(self, *said: YesNo) -> None:
        self.said = list(said)
        self.prompts: list[str] = []

    async def weigh(self, messages: list[dict[str, str]]) -> YesNo:
        self.prompts.append(messages[0]["content"])
        return self.said.pop(0)

    async def aclose(self) -> None:
        self.said = []


def local(**options: Any) -> LocalJudge:
    return LocalJudge(model="m", base_url="http://127.0.0.1:1/v1", **options)


def ask(judge: LocalJudge, question: Question, *said: YesNo) -> Any:
    judge._loaded = Weighing(*said)
    return asyncio.run(judge.judge(question))


def test_the_chance_is_yes_over_yes_and_no(question):
    verdict = ask(local(), question, YesNo(0.6, 0.3, 100, 90))
    assert (verdict.met, verdict.probability) == (True, pytest.approx(2 / 3))
    assert (verdict.prompt_tokens, verdict.cached_tokens) == (100, 90)
    assert ask(local(), question, YesNo(0.1, 0.8)).met is False


def test_too_little_probability_on_yes_and_no_is_no_verdict(question):
    verdict = ask(local(), question, YesNo(0.5, 0.2))
    assert (verdict.outcome, verdict.met) == (Outcome.SKIPPED, None)
    assert "0.70" in verdict.explanation
    assert ask(local(min_mass=0.5), question, YesNo(0.5, 0.2)).met is True
    assert ask(local(min_mass=0), question, YesNo(0.0, 0.0)).met is None
    assert ask(local(), question, YesNo(0.45, 0.45)).met is None


def test_the_conversation_comes_before_the_criterion(example):
    judge = local()
    judge._loaded = model = Weighing(YesNo(1, 0), YesNo(1, 0))

    async def both() -> None:
        for index in (0, 1):
            await judge.judge(Question(example, "an answer", index))

    asyncio.run(both())
    first, second = model.prompts
    shared = next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    assert first.index("an answer") < shared
    assert first.index("Asks how much coffee") >= shared


def test_the_server_is_asked_for_one_token_and_its_chances(endpoint, question):
    top = [
        {"token": " Yes", "logprob": math.log(0.5)},
        {"token": "yes", "logprob": math.log(0.1)},
        {"token": "No", "logprob": math.log(0.3)},
        {"token": "Nothing", "logprob": math.log(0.05)},
    ]
    item = {**top[0], "top_logprobs": top}
    choice = {"message": {"content": " Yes"}, "logprobs": {"content": [item]}}
    endpoint.send({"choices": [choice], "usage": {"prompt_tokens": 50}, "timings": {"prompt_n": 8}})
    judge = LocalJudge(model="m", base_url=endpoint.url)

    async def once() -> Any:
        verdict = await judge.judge(question)
        await judge.aclose()
        return verdict

    verdict = asyncio.run(once())
    assert verdict.probability == pytest.approx(0.6 / 0.9)
    assert (verdict.prompt_tokens, verdict.cached_tokens) == (50, 42)
    assert endpoint.bodies[0]["max_tokens"] == 1


def test_what_is_known_of_the_model_stands_in_the_notes():
    small = LocalJudge(model="SmolLM2-135M-x", base_url="http://127.0.0.1:1/v1")
    assert "kappa .04" in small.notes
    assert "measure it" in local().notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a model"),
        ({"model": "nowhere.gguf"}, "no file"),
        ({"model": "package:no-such-package"}, "not installed"),
        ({"model": "m", "base_url": "http://127.0.0.1:1", "min_mass": 2}, "min_mass"),
    ],
)
def test_wrong_settings_fail_at_once(options, words):
    with pytest.raises(ConfigError, match=words):
        LocalJudge(**options)


def test_spellings_of_yes():
    assert all(is_word(token, "yes") for token in ("Yes", " yes", "YES", "\u0120Yes", "\u2581Yes"))
    assert not any(is_word(token, "yes") for token in ("Yesterday", "y", "", "No"))


def test_a_changed_file_is_another_model(tmp_path: Path):
    file = tmp_path / "a.gguf"
    file.write_bytes(b"weights")
    before = fingerprint(file)
    assert before == fingerprint(tmp_path / "a.gguf")
    file.write_bytes(b"Weights")
    assert fingerprint(file) != before


def test_a_judge_survives_pickling():
    judge = local()
    judge._loaded = Weighing()
    again = pickle.loads(pickle.dumps(judge))
    assert again._loaded is None
    assert again.identity.digest == judge.identity.digest


@pytest.fixture(scope="module")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a tiny random model whose vocabulary holds every byte, Yes and No."""
    pytest.importorskip("torch")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: n for n, letter in enumerate([*letters, "Yes", "No", "<end>"])}
    raw = Tokenizer(models.BPE(vocabulary, []))
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}\nassistant:"
    config = Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=8192,
    )
    import torch

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_reusing_the_shared_part_changes_no_number(tiny_folder, example):
    async def weigh(judge: LocalJudge, indices: list[int]) -> list[Any]:
        said = [await judge.judge(Question(example, "an answer", i)) for i in indices]
        await judge.aclose()
        return said

    def judge() -> LocalJudge:
        return LocalJudge(model=str(tiny_folder), dtype="float32", min_mass=0.0)

    together = asyncio.run(weigh(judge(), [0, 1, 2, 0]))
    alone = [asyncio.run(weigh(judge(), [index]))[0] for index in (0, 1, 2)]
    for one, other in zip(together, [*alone, alone[0]], strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
    assert [v.cached_tokens for v in alone] == [0, 0, 0]
    assert together[0].cached_tokens == 0
    # all but the criterion and the last question is shared; 0.6 because the conversation is short
    assert all(v.cached_tokens > 0.6 * v.prompt_tokens for v in together[1:])
