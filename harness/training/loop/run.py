"""Run a stage from start to exit code: what the `train` command calls.

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from ....judges.errors import ConfigError, OutageError
from ....judges.options.files import read_yaml
from ...terminal import say
from ..checks.settings import say_once
from ..config import TrainConfig
from ..config_reading import SET_ELSEWHERE
from ..data import data_line
from ..policy.policy import quiet_libraries
from ..reward.batch import mean_of
from ..reward.graders import rank, world_size
from ..run_files import CONFIG, FACTS, METRICS, RunFiles, held, read_facts, read_lines
from .grpo import GrpoRun, build_grpo, latest_checkpoint, prepare, run_facts

MAY_CHANGE = {"run.output_dir", "run.threads", "run.save_total_limit", "run.label"}
"""Settings that do not affect training: a resumed run may change them."""


def run_grpo(config: TrainConfig, *, resume: bool, as_json: bool) -> int:
    """Train, from the start or from the last checkpoint.

    Returns:
        0 done; 1 stopped by an outage, kept and resumable, or an evaluation did not end well.
    """
    folder = Path(config.run.output_dir)
    if resume:
        _check_same_run(config, folder, "grpo")
    prepared = prepare(config, resume=resume)
    with _working_in(folder, prepared.data.facts, resume):
        from .callbacks import write_account

        run = build_grpo(prepared)
        try:
            _train(run.trainer, run.files, config, run_facts(prepared), resume)
        except OutageError as error:
            write_account(run.reward, run.files)  # every process
            say_once(
                f"judge outage at step {run.trainer.state.global_step + 1}: {error}; the step was "
                "not applied. --resume continues from the last checkpoint and asks again"
            )
            return 1
        finally:
            run.close()
        write_account(run.reward, run.files)
    run.files.status("done")
    if rank() == 0:
        _print(_result(run), as_json)
    return int(run.evaluation is not None and not run.evaluation.told())


def run_sft(config: TrainConfig, *, resume: bool, as_json: bool) -> int:
    """Train on reference answers; leaves an adapter that `model.adapter` takes."""
    from .sft import build_sft, prepare_sft

    folder = Path(config.run.output_dir)
    if resume:
        _check_same_run(config, folder, "sft")
    prepared = prepare_sft(config, resume=resume)
    with _working_in(folder, prepared.data.facts, resume):
        trainer, files = build_sft(prepared)
        _train(trainer, files, config, prepared.facts(), resume)
    files.status("done")
    if rank() == 0:
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line] or [None]
        result = {
            "output_dir": str(folder),
            # without LoRA it is a whole model, which `model.name` takes
            ("adapter" if config.model.lora else "model"): str(folder / "final"),
            "steps": trainer.state.global_step,
            "first_loss": losses[0],
            "last_loss": losses[-1],
        }
        _print(result, as_json)
    return 0


def run_score(config: TrainConfig, *, n_prompts: int, as_json: bool) -> int:
    """Dry run: show the learning signal for the frozen policy, and what the run would cost.

    Returns:
        0 without blocking problems; 1 where the run could not learn, with the reasons.
    """
    from ..dry_run import dry_run, words_of

    with redirect_stdout(sys.stderr):
        found = dry_run(config, n_prompts)
    print(json.dumps(found.to_json(), default=str) if as_json else words_of(found))
    return 1 if found.reasons else 0


@contextmanager
def _working_in(folder: Path, data: Mapping[str, object], resume: bool) -> Iterator[None]:
    """Hold the folder for all processes; the libraries print logs, and stdout is for the result."""
    if resume:
        _check_same_data(folder, data)
    say_once(data_line(data))
    if resume:
        _say_processes(folder)
    with held(folder) if rank() == 0 else nullcontext(), redirect_stdout(sys.stderr):
        yield


def _train(
    trainer: Any, files: RunFiles, config: TrainConfig, facts: Mapping[str, Any], resume: bool
) -> None:
    """Train to the end, from a checkpoint or from the start, and save the result."""
    checkpoint = latest_checkpoint(files.folder) if resume else None
    if checkpoint is not None:
        say(f"resuming from step {checkpoint.name.split('-')[1]}")
    files.start(config, facts)
    try:
        with quiet_libraries():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            trainer.save_model(str(files.folder / "final"))
            trainer.processing_class.save_pretrained(str(files.folder / "final"))
    except OutageError as error:
        files.status("outage", reason=str(error))
        raise
    except KeyboardInterrupt:
        files.status("interrupted")
        raise
    except Exception as error:
        # on a full disk there is no room for this either, and the fault itself says more
        with suppress(OSError):
            files.status("failed", reason=f"{type(error).__name__}: {error}")
        raise


def _check_same_data(folder: Path, now: Mapping[str, object]) -> None:
    """Refuse to go on with other rows: what was held out would be trained on."""
    before = _facts(folder).get("data") or {}
    for name in ("path", "held_out_path", "drop_path"):
        key = name.replace("path", "sha256")
        if key in before and before[key] != now.get(key):
            raise ConfigError(
                f"--resume: {now.get(name)} is not the file the run in {folder} began with; put "
                "that one back, or start another folder"
            )


def _say_processes(folder: Path) -> None:
    """Say that a run goes on in other processes: the answers of a step are spread otherwise."""
    before = (_facts(folder).get("plan") or {}).get("processes")
    if before is not None and before != world_size():
        ends = "es" if before > 1 else ""
        say_once(
            f"warning: the run in {folder} began with {before} process{ends} and continues with "
            f"{world_size()}: results may differ slightly"
        )


def _facts(folder: Path) -> dict[str, Any]:
    return read_facts(folder / FACTS) or {}


def _check_same_run(config: TrainConfig, folder: Path, stage: str) -> None:
    """Refuse to go on with another configuration: the curve would join two different runs."""
    kind = _facts(folder).get("kind")
    if kind and kind != stage:
        raise ConfigError(
            f"--resume: {folder} holds a run of `train {kind}`; give `train {stage}` another folder"
        )
    path = folder / CONFIG
    if not path.is_file():
        raise ConfigError(f"--resume: {folder} holds no run; leave --resume out to start one")
    # a setting that is younger than the run was as it is where nobody sets it
    before = _named(TrainConfig().to_json()) | _named(read_yaml(path))
    now = _named(config.to_json())
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old != new and name not in MAY_CHANGE and not (_is_limit(name) or _did_nothing(name)):
            raise ConfigError(
                f"--resume: {name} was {old!r} in {folder} and is {new!r} now; "
                "resume with the same configuration, or start another folder"
            )


def _named(plain: object, name: str = "") -> dict[str, object]:
    """Give every value of nested mappings by its whole name, such as `grpo.beta`."""
    if not isinstance(plain, dict):
        return {name: plain}
    found: dict[str, object] = {}
    for key, inner in plain.items():
        if key == "judge" and isinstance(inner, str):
            inner = {"name": inner}
        found |= _named(inner, f"{name}.{key}" if name else str(key))
    return found


def _is_limit(name: str) -> bool:
    """Say whether a setting is how fast or how far a judge may be asked, and not what it says."""
    from ....judges.engine.options import CHANGES_VERDICTS, RuntimeOptions

    judge, _, option = name.rpartition(".")
    is_limit = option in set(RuntimeOptions.names()) - CHANGES_VERDICTS
    return is_limit and judge in {"judge", "gold.judge", "eval.judge"}


def _did_nothing(name: str) -> bool:
    """Say whether a setting is a field of TRL that is refused now: an older run passed it over."""
    section, _, key = name.partition(".trl.")
    return key in SET_ELSEWHERE or f"{section}.{key}" in SET_ELSEWHERE


def _result(run: GrpoRun) -> dict[str, object]:
    lines = [x for x in read_lines(run.files.folder / METRICS) if x.get("reward") is not None]
    edge = max(1, min(10, len(lines) // 4))
    return {
        "output_dir": str(run.files.folder),
        "steps": run.trainer.state.global_step,
        "reward_first": mean_of([x["reward"] for x in lines[:edge]]),
        "reward_last": mean_of([x["reward"] for x in lines[-edge:]]),
        "averaged_over_steps": edge,
        "dead_frac_last": mean_of([x["dead_frac"] for x in lines[-edge:]]),
        "report": f"rubricbeat report {run.files.folder} -o report.html",
    }


def _print(result: Mapping[str, object], as_json: bool) -> None:
    width = max(map(len, result))
    lines = [
        f"{key:<{width}}  {value:.4g}" if isinstance(value, float) else f"{key:<{width}}  {value}"
        for key, value in result.items()
    ]
    print(json.dumps(result) if as_json else "\n".join(lines))
