"""What a chat template says of turns: their end, whether thinking is on, what it opens by itself.

All of it is put into the tokenizer once, so that training, looks, dry runs and the evaluation of a
checkpoint, which is saved with its tokenizer, ask the policy in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ....judges.errors import ConfigError
from ....judges.replies.reasoning import has_open_block
from ..config import JudgeName, TrainConfig, options_of

VALUES = "chat_template_kwargs"
"""TRL's name, in `grpo`, for what a chat template is given beside the messages."""
_SET = re.compile(r"\A\{# rubricbeat #\}.*?\{# end #\}", re.DOTALL)
OPENED_CHARS = 200
"""Of a prompt's end, where it is not the conversation and something after it."""
_ANSWER = "an answer"


def settle_turns(tokenizer: Any, values: Mapping[str, Any]) -> None:
    """Put the template's values into it, and make the end of its turns the end of an answer.

    A base model with a chat template ends texts with one token and turns with another
    (Qwen3-Base: `<|endoftext|>` and `<|im_end|>`): what a warm start learns to write last would
    not stop the generation, and every answer would be cut off. The tokenizer is changed in place.

    Raises:
        ConfigError: Answers have no end token to learn.
    """
    template = tokenizer.chat_template
    named = template if isinstance(template, dict) else {"": template}
    given = "".join(f"{{% set {name} = {value!r} %}}" for name, value in values.items())
    head = f"{{# rubricbeat #}}{given}{{# end #}}" if given else ""
    plain = {name: head + _SET.sub("", text) for name, text in named.items()}
    tokenizer.chat_template = plain if isinstance(template, dict) else plain[""]
    end = turn_end(tokenizer)
    if end is None:
        raise ConfigError(
            "model.name: its chat template writes no token after an answer, so that no answer "
            "would end; give the tokenizer a template that ends turns, as with "
            "{{ eos_token }}"
        )
    tokenizer.eos_token = end


def turn_end(tokenizer: Any) -> str | None:
    """Give the token that a template writes after an answer; None where it writes none."""
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _ANSWER}]
    tail = tokenizer.apply_chat_template(turns, tokenize=False).rpartition(_ANSWER)[2]
    tokens = tokenizer.tokenize(tail)
    if tokenizer.eos_token in tokens:
        return str(tokenizer.eos_token)
    return next((token for token in tokens if token in tokenizer.all_special_tokens), None)


def stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """Give the tokens that end an answer: the turn's end, and what the model's own settings say."""
    said = model.generation_config.eos_token_id
    known = said if isinstance(said, list) else [] if said is None else [said]
    return list(dict.fromkeys([tokenizer.eos_token_id, *known]))


def as_answered(config: TrainConfig, tokenizer: Any) -> TrainConfig:
    """Tell the judges that answers begin inside a block of reasoning, where the template opens it.

    Reasoning that never ends would be judged as the answer: its opening mark is in the prompt.

    Raises:
        ConfigError: The mark that closes the block would not be in the texts that are judged.
    """
    ask = [{"role": "user", "content": "a"}]
    without, prompt = (
        tokenizer.apply_chat_template(ask, tokenize=False, add_generation_prompt=opens)
        for opens in (False, True)
    )
    opened = prompt.removeprefix(without)[-OPENED_CHARS:]
    if not has_open_block(opened):
        return config
    for token in tokenizer.all_special_tokens:
        if has_open_block(opened) and not has_open_block(opened + token):
            raise ConfigError(
                f"model.name: its chat template opens a block of reasoning, and {token}, which "
                "closes it, is a special token: it is removed from the answers, so that no judge "
                f"could tell reasoning from answer; turn thinking off by grpo.{VALUES}"
            )
    return replace(
        config,
        judge=_told(config.judge),
        gold=replace(config.gold, judge=config.gold.judge and _told(config.gold.judge)),
        eval=replace(config.eval, judge=config.eval.judge and _told(config.eval.judge)),
    )


def _told(judge: JudgeName) -> JudgeName:
    return {"reasoning_opens": "prompt", **options_of(judge)}
