"""On a CPU the prompt's positions are not scored, and no value changes for it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from trl.trainer import utils

from rubricbeat.harness.training.cpu_head import score_answers_alone
from rubricbeat.harness.training.tiny_model import build_model, build_tokenizer

N_PROMPT, N_ANSWER = 7, 3


@pytest.fixture
def as_trl_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin with TRL's own question, and give it back afterwards."""
    asks = utils._use_triton
    monkeypatch.setattr(utils, "_use_triton", getattr(asks, "asks", asks))


def scored(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, list[int]]:
    """Score three answers; gives log-probabilities, a gradient, and the positions at the head."""
    model = build_model(build_tokenizer([" ".join(map(str, range(30)))]), seed=1)
    rows: list[int] = []
    kernel = utils._ChunkedLogProbFunction

    class Counted:
        @staticmethod
        def apply(hidden: Any, *rest: Any) -> Any:
            rows.append(hidden.shape[0])
            return kernel.apply(hidden, *rest)

    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", Counted)
    utils.add_fused_lm_head(model)
    ids = torch.randint(0, 20, (4, N_PROMPT + N_ANSWER), generator=torch.manual_seed(2))
    labels = ids.clone()
    labels[:, :N_PROMPT] = -100
    output = model(input_ids=ids, labels=labels, fused_lm_head=True)
    output.log_probs.sum().backward()
    monkeypatch.setattr(utils, "_ChunkedLogProbFunction", kernel)
    return output.log_probs.detach(), model.model.embed_tokens.weight.grad, rows


def test_only_the_answers_reach_the_head_and_every_value_stays(
    as_trl_has_it: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, whole_gradient, whole_rows = scored(monkeypatch)
    score_answers_alone()
    alone, gradient, rows = scored(monkeypatch)
    assert whole_rows == [4 * (N_PROMPT + N_ANSWER - 1)]
    assert rows == [4 * N_ANSWER]
    torch.testing.assert_close(alone, whole)
    torch.testing.assert_close(gradient, whole_gradient)


def test_asking_twice_wraps_once(as_trl_has_it: None) -> None:
    score_answers_alone()
    once = utils._use_triton
    score_answers_alone()
    assert utils._use_triton is once


def test_a_trl_without_the_question_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(utils, "_use_triton")
    score_answers_alone()
    assert not hasattr(utils, "_use_triton")
