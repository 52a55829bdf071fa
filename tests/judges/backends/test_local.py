"""The local judge: what it reads off a model's next token, and that nothing is computed twice."""

from __future__ import annotations

import asyncio
import pickle
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rubricbeat.judges.backends.local import LocalJudge, TorchModel, fingerprint
from rubricbeat.judges.backends.prompting import Asking
from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.judge import Question
from rubricbeat.judges.judge_options import parse_judge_args
from rubricbeat.judges.rubric import Criterion, Level, NaRule, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome

pytestmark = pytest.mark.border


def local(**options: Any) -> LocalJudge:
    return LocalJudge(model="m", **options)


def test_what_is_known_of_the_model_stands_in_the_notes():
    small = LocalJudge(model="SmolLM2-135M-x")
    assert "kappa .04" in small.notes
    assert "measure it" in local().notes


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "needs a model"),
        ({"model": "package:no-such-package"}, "not installed"),
        ({"model": "m", "min_mass": 2}, "min_mass"),
    ],
)
def test_wrong_settings_fail_at_once(options, words):
    with pytest.raises(ConfigError, match=words):
        LocalJudge(**options)


def test_a_gguf_file_is_sent_to_the_server_and_to_chat_in_one_line():
    with pytest.raises(ConfigError) as refused:
        LocalJudge(model="my models/tiny-q4.gguf", prompt="yes_no-2")
    start, judge = str(refused.value).split(", then use ")
    assert start.endswith("rubricbeat.judges.backends.llama_server 'my models/tiny-q4.gguf'`")
    words = shlex.split(judge)
    assert words[:3] == ["--judge", "chat", "--judge_args"]
    options = parse_judge_args(words[1], words[3])
    assert (options["model"], options["prompt"]) == ("tiny-q4", "yes_no-2")
    assert options["logprobs"] is True


def test_a_changed_file_is_another_model(tmp_path: Path):
    file = tmp_path / "a.gguf"
    file.write_bytes(b"weights")
    before = fingerprint(file)
    assert before == fingerprint(tmp_path / "a.gguf")
    file.write_bytes(b"Weights")
    assert fingerprint(file) != before


def test_a_judge_survives_pickling():
    judge = local()
    judge._loaded = object()
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


def weigh(judge: LocalJudge, asked: list[Question]) -> tuple[list[Any], list[int]]:
    """Ask in order, and count the tokens that go through the model for each question."""
    n_fed: list[int] = []

    async def all_of_them() -> list[Any]:
        judge._loaded = TorchModel.load(judge.model, judge.dtype, judge.device)
        judge._loaded._model.register_forward_pre_hook(
            lambda _, args, named: n_fed.append(named["input_ids"].numel()), with_kwargs=True
        )
        said = [await judge.judge(question) for question in asked]
        await judge.aclose()
        return said

    return asyncio.run(all_of_them()), n_fed


def tiny(folder: Path) -> LocalJudge:
    return LocalJudge(model=str(folder), dtype="float32", min_mass=0.0)


def test_reusing_the_shared_part_changes_no_number(tiny_folder, example):
    questions = [Question(example, "an answer", i) for i in (0, 1, 2, 0)]
    together, n_fed = weigh(tiny(tiny_folder), questions)
    alone = [weigh(tiny(tiny_folder), [question]) for question in questions]
    for one, ((other,), (n_whole,)) in zip(together, alone, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=1e-5)
        assert (other.cached_tokens, other.prompt_tokens) == (0, n_whole)
    assert n_fed[0] == together[0].prompt_tokens
    assert [v.prompt_tokens - v.cached_tokens for v in together] == n_fed
    # a token is a byte: only what follows the first letter that differs is computed again
    tails = [prompt_of(question).partition("[")[2] for question in questions]
    longest = [len(f"[{tail}\nassistant:") for tail in tails]
    assert all(n <= most for n, most in zip(n_fed[1:], longest[1:], strict=True))


def test_another_answer_computes_no_more_than_what_follows_the_first_difference(
    tiny_folder, example
):
    asked = [Question(example, answer, 0) for answer in ("One.", "Two.", "Two.")]
    said, n_fed = weigh(tiny(tiny_folder), asked)
    rest = prompt_of(asked[1]).index("Two.")
    assert n_fed[1] == said[1].prompt_tokens - len(prompt_of(asked[1])[:rest].encode())
    assert n_fed[2] == 1, "the same prompt again: one token, to have its chances"


def test_the_numbers_of_the_levels_are_weighed(tiny_folder, example):
    levels = tuple(Level(f"level {n}", float(n)) for n in range(4))
    doses = Criterion("Doses it", 3.0, Polarity.DESIRABLE, levels=levels)
    may_be_na = replace(doses, na=NaRule.EXCLUDED)
    many = Criterion(
        "Many", 10.0, Polarity.DESIRABLE, levels=tuple(Level(str(n), float(n)) for n in range(11))
    )
    asked = replace(example, rubric=Rubric((doses, may_be_na, many)))
    first, second, third = weigh(tiny(tiny_folder), [Question(asked, "x", i) for i in range(3)])[0]
    assert first.level_probabilities is not None and len(first.level_probabilities) == 4
    assert sum(first.level_probabilities) == pytest.approx(1.0)
    assert first.level == first.level_probabilities.index(max(first.level_probabilities))
    assert second.is_na or len(second.level_probabilities or ()) == 4
    assert (third.outcome, third.attempts) == (Outcome.SKIPPED, 0)


def prompt_of(question: Question) -> str:
    return Asking(shape="yes_no").messages([question])[0]["content"]
