"""Measure a training step on one GPU in a single call of at most eight minutes.

    python benchmarks/gpu/measure.py --output out            # on a GPU
    python benchmarks/gpu/measure.py --output out --tiny     # the same code on a CPU, in a minute

Weights are random: speed and memory do not depend on what they say, and nothing is downloaded.
Measured: tokens/s of generation, seconds of the update, peak memory at G = 6 x 1,024 tokens, the
judge's share of a step against a fake judge of fixed latency, its concurrency curve, and whether
log-probabilities on the GPU agree with those of the CPU. Every part writes its result when it has
it; what does not fit into the time is left out and said.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))

LIMIT_S = 8 * 60
RESERVE_S = 15
"""Left for the results to be written and the process to end."""
SIZES = {
    # hidden, intermediate, layers, heads, key-value heads: Qwen3's own shapes
    "qwen3-0.6b": (1024, 3072, 28, 16, 8),
    "qwen3-1.7b": (2048, 6144, 28, 16, 8),
    "qwen3-4b": (2560, 9728, 36, 32, 8),
    "qwen3-14b": (5120, 17408, 40, 40, 8),
    "tiny": (64, 128, 2, 4, 2),
}
VOCABULARY = 151_936
PROMPT_TOKENS = 400
"""About the median of the heart rows with a chat template."""


def main() -> int:
    """Run every part that fits; print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--tiny", action="store_true", help="tiny shapes: to test this script")
    parser.add_argument("--sizes", nargs="+", default=["qwen3-0.6b", "qwen3-4b", "qwen3-14b"])
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.tiny:
        import torch

        torch.set_num_threads(1)  # threads of so small a model only wait for each other
    began = time.monotonic()
    found: dict[str, Any] = {"device": device_facts()}
    sizes = ["tiny"] if args.tiny else args.sizes
    new_tokens = 16 if args.tiny else 1024
    parts: list[tuple[str, Callable[[], Any]]] = [("agreement with the CPU", agreement)]
    parts += [(f"step of {size}", lambda s=size: step_of(s, new_tokens)) for size in sizes]
    latency_s = 0.05 if args.tiny else 1.0
    parts.append(("judge", lambda: judge_curve(latency_s)))
    signal.signal(signal.SIGALRM, _time_is_up)
    signal.alarm(LIMIT_S - RESERVE_S)  # a part that is slower than anyone thought ends as well
    for name, part in parts:
        left = LIMIT_S - (time.monotonic() - began)
        if left < 30:
            found[name] = "left out: no time"
        else:
            try:
                found[name] = part()
            except (RuntimeError, MemoryError) as error:  # out of memory is a finding
                found[name] = f"failed: {str(error).splitlines()[0]}"
        (args.output / "gpu.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    print(json.dumps(found, indent=1))
    return 0


def _time_is_up(number: int, frame: Any) -> None:
    raise RuntimeError("no time left")


def device_facts() -> dict[str, Any]:
    """Name what is measured on."""
    import torch
    import transformers

    facts: dict[str, Any] = {"torch": torch.__version__, "transformers": transformers.__version__}
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
        facts["memory_gb"] = torch.cuda.get_device_properties(0).total_memory / 1e9
    return facts


def build(size: str, vocabulary: int = VOCABULARY) -> Any:
    """Build a random model on the device, in bf16."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    hidden, inner, layers, heads, kv_heads = SIZES[size]
    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        head_dim=hidden // heads if size == "tiny" else 128,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
    )
    on_gpu = torch.cuda.is_available()
    with torch.device("cuda" if on_gpu else "cpu"):
        torch.set_default_dtype(torch.bfloat16)
        try:
            return Qwen3ForCausalLM(config).eval()
        finally:
            torch.set_default_dtype(torch.float32)


def step_of(size: str, new_tokens: int, group: int = 6) -> dict[str, Any]:
    """Generate one group and update LoRA weights on it; time and memory of each."""
    import torch
    from peft import LoraConfig, get_peft_model

    vocabulary = 1000 if size == "tiny" else VOCABULARY
    targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    lora = LoraConfig(r=16, lora_alpha=32, target_modules=targets, task_type="CAUSAL_LM")
    model = get_peft_model(build(size, vocabulary), lora)
    device = next(model.parameters()).device
    prompt = torch.randint(0, vocabulary, (1, PROMPT_TOKENS if size != "tiny" else 16))
    prompts = prompt.repeat(group, 1).to(device)
    reset_memory()
    began = time.perf_counter()
    with torch.no_grad():
        output = model.generate(
            input_ids=prompts,
            attention_mask=torch.ones_like(prompts),
            max_new_tokens=new_tokens,
            min_new_tokens=new_tokens,
            do_sample=True,
            pad_token_id=0,
        )
    synchronise()
    generation_s = time.perf_counter() - began
    generation_gb = peak_gb()
    reset_memory()
    model.train()
    model.enable_input_require_grads()
    model.gradient_checkpointing_enable()
    optimiser = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-5)
    began = time.perf_counter()
    for row in output:  # one answer at a time: the logits of 151,936 words are what is large
        logits = model(input_ids=row[None], use_cache=False).logits[:, -new_tokens - 1 : -1]
        picked = torch.log_softmax(logits.float(), -1).gather(-1, row[None, -new_tokens:, None])
        (-picked.mean() / group).backward()
    optimiser.step()
    synchronise()
    update_s = time.perf_counter() - began
    found = {
        "group": group,
        "new_tokens": new_tokens,
        "generation_s": generation_s,
        "tokens_per_s": group * new_tokens / generation_s,
        "generation_peak_gb": generation_gb,
        "update_s": update_s,
        "update_peak_gb": peak_gb(),
        # against a judge of 1 s whose pool holds the batch
        "judge_share_at_1_s": 1.0 / (1.0 + generation_s + update_s),
    }
    del model, optimiser, output
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return found


def judge_curve(latency_s: float) -> list[dict[str, float]]:
    """Judge 4 prompts x 6 answers x 9 criteria at several limits of calls in flight."""
    from loopback import Loopback

    from rubricbeat.harness.training.reward.reward import RubricReward
    from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric

    criteria = tuple(Criterion(f"Says {i}.", 1.0, Polarity.DESIRABLE) for i in range(9))
    examples = [
        Example(f"p{i}", (Message("user", "what now"),), Rubric(criteria))
        for i in range(4)
        for _ in range(6)
    ]
    curve = []
    for limit in (16, 64, 256):
        with Loopback(latency_s=latency_s) as server, tempfile.TemporaryDirectory() as folder:
            judge = {
                "name": "chat",
                "model": "fake",
                "base_url": server.url,
                "max_concurrency": limit,
                "store": str(Path(folder) / "verdicts.sqlite"),
            }
            reward = RubricReward(judge, "hybrid", group_size=6)
            reward.score(None, ["warm"] * 6, examples[:6])
            batch = reward.score(None, [f"answer {i}" for i in range(24)], examples)
            reward.close()
        curve.append({"max_concurrency": limit, "batch_s": batch.judge_s, "own_s": batch.own_s})
    return curve


def agreement() -> dict[str, float]:
    """Compare log-probabilities of one small float32 model on both devices."""
    import torch

    torch.manual_seed(0)
    model = build("tiny", 1000).float().cpu()
    ids = torch.randint(0, 1000, (4, 64))
    with torch.no_grad():
        on_cpu = torch.log_softmax(model(input_ids=ids).logits, -1)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        there = model.to(device)(input_ids=ids.to(device)).logits
        other = torch.log_softmax(there, -1).cpu()
    return {"largest_difference": float((on_cpu - other).abs().max()), "device": device}  # type: ignore[dict-item]


def synchronise() -> None:
    """Wait for the GPU, where there is one."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def reset_memory() -> None:
    """Start a new peak."""
    import torch

    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()


def peak_gb() -> float | None:
    """Give the peak since the last reset, in GB; None without a GPU."""
    import torch

    return torch.cuda.max_memory_allocated() / 1e9 if torch.cuda.is_available() else None


if __name__ == "__main__":
    sys.exit(main())
