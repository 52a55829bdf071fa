"""Run a stage from start to exit code: what the `train` command calls.

Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stdout,
    suppress,
)
from pathlib import Path
from typing import Any

from ....judges.errors import ConfigError, OutageError
from ....judges.options.files import read_yaml
from ..checks.settings import warn
from ..config import TrainConfig
from ..data import data_line
from ..policy.policy import quiet_libraries
from ..reward.graders import rank, world_size
from ..run_files import CONFIG, FACTS, LEDGER, METRICS, RunFiles, held, read_lines
from .grpo import GrpoRun, build_grpo, latest_checkpoint, prepare, run_facts

MAY_CHANGE = {"run.output_dir", "run.threads", "run.save_total_limit", "run.label"}
"""Settings that change nothing that is learnt: a resumed run may have others."""


def run_grpo(config: TrainConfig, *, resume: bool, as_json: bool) -> int:
    """Train, from the start or from the last checkpoint.

    Returns:
        0 done; 1 stopped by an outage, kept and resumable, or an evaluation did not end well.
    """
    folder = Path(config.run.output_dir)
    if resume:
        _check_same_run(config, folder, "grpo")
    from .callbacks import ledger_of_all

    prepared = prepare(config, resume=resume)
    if resume:
        _check_same_data(folder, prepared.data.facts)
        _say_processes(folder)
    _say_data(prepared.data.facts)
    # the libraries print their logs; stdout is for the result
    with _alone_in(folder), redirect_stdout(sys.stderr):
        run = build_grpo(prepared)
        checkpoint = latest_checkpoint(folder) if resume else None
        _begin(run, checkpoint)
        try:
            with _said_in(run.files), quiet_libraries():
                run.trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        except OutageError as error:
            return _stopped(run, error)
        finally:
            run.close()
        run.files.write_json(LEDGER, ledger_of_all(run.reward))
        with _said_in(run.files):
            run.trainer.save_model(str(folder / "final"))
            prepared.tokenizer.save_pretrained(str(folder / "final"))
    run.files.status("done")
    if rank() == 0:
        _print_result(run, as_json)
    return int(run.evaluation is not None and not run.evaluation.told())


def _stopped(run: GrpoRun, error: OutageError) -> int:
    """End a run without a judge; what it paid for is in the store and in the account."""
    from .callbacks import ledger_of_all

    run.files.write_json(LEDGER, ledger_of_all(run.reward))  # every process
    if rank() == 0:
        print(
            f"rubricbeat: judge outage at step {run.trainer.state.global_step + 1}: {error}; "
            "nothing of it was learnt. --resume goes on from the last checkpoint and asks again",
            file=sys.stderr,
        )
    return 1


def run_sft(config: TrainConfig, *, resume: bool, as_json: bool) -> int:
    """Train on reference answers; leaves an adapter that `model.adapter` takes."""
    from .sft import build_sft, prepare_sft

    folder = Path(config.run.output_dir)
    if resume:
        _check_same_run(config, folder, "sft")
    prepared = prepare_sft(config, resume=resume)
    if resume:
        _check_same_data(folder, prepared.data.facts)
    _say_data(prepared.data.facts)
    with _alone_in(folder), redirect_stdout(sys.stderr):
        trainer, files = build_sft(prepared)
        checkpoint = latest_checkpoint(folder) if resume else None
        files.cut_after(int(checkpoint.name.split("-")[1]) if checkpoint else -1)
        files.start(config, prepared.facts())
        with _said_in(files), quiet_libraries():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
            trainer.save_model(str(folder / "final"))
            prepared.tokenizer.save_pretrained(str(folder / "final"))
    files.status("done")
    if rank() == 0:
        losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
        result = {
            "output_dir": str(folder),
            "adapter": str(folder / "final"),
            "steps": trainer.state.global_step,
            "first_loss": losses[0] if losses else None,
            "last_loss": losses[-1] if losses else None,
        }
        print(json.dumps(result) if as_json else _as_lines(result))
    return 0


def run_score(config: TrainConfig, *, n_prompts: int, as_json: bool) -> int:
    """Dry run: show what the reward would teach the frozen policy, and what the run costs.

    Returns:
        0 where nothing speaks against the run; 1 where it could not learn, with the reasons.
    """
    from ..dry_run import dry_run, words_of

    with redirect_stdout(sys.stderr):
        found = dry_run(config, n_prompts)
    print(json.dumps(found.to_json(), default=str) if as_json else words_of(found))
    return 1 if found.reasons else 0


def _say_data(facts: Mapping[str, Any]) -> None:
    if rank() == 0:
        print(f"rubricbeat: {data_line(facts)}", file=sys.stderr)


def _begin(run: GrpoRun, checkpoint: Path | None) -> None:
    from .callbacks import load_reward_state, take_up_account

    take_up_account(run.reward, run.files.folder, checkpoint)
    step = -1  # from the start: not even the look before the first step stays
    if checkpoint is not None:
        step = int(checkpoint.name.split("-")[1])
        load_reward_state(run.reward, checkpoint)
        print(f"rubricbeat: resuming from step {step}", file=sys.stderr)
    run.files.cut_after(step)
    run.files.start(run.prepared.config, run_facts(run.prepared))


def _alone_in(folder: Path) -> AbstractContextManager[None]:
    """Hold the folder, for all processes of this run."""
    return held(folder) if rank() == 0 else nullcontext()


@contextmanager
def _said_in(files: RunFiles) -> Iterator[None]:
    """Have the run's status say that it was interrupted or broke, and not that it still runs."""
    try:
        yield
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


def _check_same_data(folder: Path, now: Mapping[str, Any]) -> None:
    """Refuse to go on with other rows: what was held out would be trained on.

    Raises:
        ConfigError: A file has changed since the run began.
    """
    before = _facts(folder).get("data") or {}
    for name in ("path", "held_out_path"):
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
        warn(
            f"the run in {folder} began with {before} process{ends} and goes on with "
            f"{world_size()}: not bit for bit as it would have"
        )


def _facts(folder: Path) -> dict[str, Any]:
    path = folder / FACTS
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _check_same_run(config: TrainConfig, folder: Path, stage: str | None = None) -> None:
    """Refuse to go on with another configuration: the curve would join two different runs.

    Raises:
        ConfigError: There is nothing to resume, it is another stage's, or a value differs.
    """
    kind = _facts(folder).get("kind")
    if stage and kind and kind != stage:
        raise ConfigError(
            f"--resume: {folder} holds a run of `train {kind}`; give `train {stage}` another folder"
        )

    path = folder / CONFIG
    if not path.is_file():
        raise ConfigError(f"--resume: {folder} holds no run; leave --resume out to start one")
    before = read_yaml(path)
    now = json.loads(json.dumps(config.to_json()))
    for name, old, new in _differences(before, now, ""):
        if name not in MAY_CHANGE and not _is_limit(name):
            raise ConfigError(
                f"--resume: {name} was {old!r} in {folder} and is {new!r} now; "
                "resume with the same configuration, or start another folder"
            )


def _is_limit(name: str) -> bool:
    """Say whether a setting is how fast or how far a judge may be asked, and not what it says."""
    from ....judges.engine.options import CHANGES_VERDICTS, RuntimeOptions

    judge, _, option = name.rpartition(".")
    is_limit = option in set(RuntimeOptions.names()) - CHANGES_VERDICTS
    return is_limit and judge in {"judge", "gold.judge", "eval.judge"}


def _differences(before: Any, now: Any, name: str) -> list[tuple[str, Any, Any]]:
    if isinstance(before, dict) and isinstance(now, dict):
        return [
            found
            for key in sorted({*before, *now})
            for found in _differences(
                before.get(key), now.get(key), f"{name}.{key}" if name else str(key)
            )
        ]
    return [] if before == now else [(name, before, now)]


def _print_result(run: GrpoRun, as_json: bool) -> None:
    lines = [x for x in read_lines(run.files.folder / METRICS) if x.get("reward") is not None]
    edge = max(1, min(10, len(lines) // 4))
    result = {
        "output_dir": str(run.files.folder),
        "steps": run.trainer.state.global_step,
        "reward_first": _mean([x["reward"] for x in lines[:edge]]),
        "reward_last": _mean([x["reward"] for x in lines[-edge:]]),
        "averaged_over_steps": edge,
        "dead_frac_last": _mean([x["dead_frac"] for x in lines[-edge:]]),
        "report": f"rubricbeat report {run.files.folder} -o report.html",
    }
    print(json.dumps(result) if as_json else _as_lines(result))


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _as_lines(result: dict[str, Any]) -> str:
    width = max(map(len, result))
    return "\n".join(
        f"{key:<{width}}  {value:.4g}" if isinstance(value, float) else f"{key:<{width}}  {value}"
        for key, value in result.items()
    )
