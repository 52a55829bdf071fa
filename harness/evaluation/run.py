"""Run lm-eval on a request: our tasks first, then the model, then the files.

lm-eval's own command loads the model before the tasks and indexes 14,000 task files; here a wrong
task, data file or judge is known in a second, before a model is loaded or an answer paid for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from ...judges.audit.upkeep.families import family_warning
from ...judges.errors import ConfigError, RubricbeatError
from ...judges.files import require_folder, require_folders_below
from ...judges.registry import installed_version
from ...tasks.models import BASELINE_PREFIX, Baseline, check_model
from ..results.earlier import repeated
from .models import device_of, is_stand_in, load_tasks, model_of, task_manager, typed_arguments
from .request import RunRequest, baseline_of

FOLDER = ".unfinished_answers"
INTERRUPTED = 130


def unfinished_answers(output_path: str, model: str, model_args: Mapping[str, object]) -> str:
    """Give the path that lm-eval's `use_cache` takes, one for each model and its arguments."""
    said = json.dumps([model, dict(model_args)], sort_keys=True, default=str)
    digest = hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
    return str(Path(output_path) / FOLDER / digest[:16])


def forget_answers(cache: str) -> None:
    """Take away what `unfinished_answers` named; lm-eval adds the rank to the name."""
    folder = Path(cache).parent
    for path in folder.glob(f"{Path(cache).name}_rank*"):
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def quiet(verbosity: str) -> None:
    """Send logs to stderr, and progress bars to a terminal only.

    Args:
        verbosity: A level of `logging`, such as WARNING.

    Raises:
        ConfigError: It is none.
    """
    if not sys.stderr.isatty():
        os.environ.setdefault("TQDM_DISABLE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    level = logging.getLevelNamesMapping().get(verbosity)
    if level is None:
        raise ConfigError(f"--verbosity is {verbosity!r}; give INFO, WARNING or ERROR")
    import lm_eval.evaluator
    from lm_eval.loggers.utils import add_env_info
    from lm_eval.utils import setup_logging

    # lm-eval asks git for the commit, and lets it complain where there is no repository (0.4.13)
    lm_eval.evaluator.get_git_commit_hash = _commit
    # what lm-eval loads torch and transformers for, or asks a hub for, once the answers are there
    lm_eval.evaluator.set_torch_seed = _seed_torch
    lm_eval.evaluator.add_tokenizer_info = _describe_tokenizer
    if lm_eval.evaluator.add_env_info is add_env_info:
        lm_eval.evaluator.add_env_info = _describe_machine
    setup_logging(level)
    ours = logging.getLogger("rubricbeat")
    ours.setLevel(level)
    if not ours.handlers:
        handler = _ToStderr()
        handler.setFormatter(logging.Formatter("rubricbeat: %(message)s"))
        ours.addHandler(handler)


def _commit() -> str | None:
    """Name the commit of the working directory, None outside of a repository or without git."""
    try:
        asked = subprocess.run(
            ["git", "describe", "--always"], capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return asked.stdout.strip() or None


def _seed_torch(seed: int) -> None:
    """Seed torch where the model or a task has loaded it; lm-eval loads it for this (0.4.13)."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(seed)


def _describe_tokenizer(results: dict[str, object], model: Any) -> None:
    """Describe the tokenizer that the model has loaded; its `dummy` would fetch one (0.4.13)."""
    from lm_eval.loggers.utils import add_tokenizer_info

    if "transformers" in sys.modules:
        add_tokenizer_info(results, model)


def _describe_machine(results: dict[str, object]) -> None:
    """Fill in what lm-eval says of the machine; torch is not loaded only to be asked."""
    from lm_eval.loggers.utils import add_env_info, get_commit_from_path

    if "torch" in sys.modules:
        add_env_info(results)
        return
    results |= {
        "pretty_env_info": f"{platform.platform()}\nPython {platform.python_version()}\n"
        f"torch {installed_version('torch') or 'N/A'}, which this run did not load",
        "transformers_version": installed_version("transformers") or "N/A",
        "lm_eval_version": installed_version("lm_eval") or "N/A",
        "upper_git_hash": get_commit_from_path(Path.cwd().parent),
    }


class _ToStderr(logging.StreamHandler[TextIO]):
    """Writes to what stderr is now, not to what it was when logging was set up."""

    @property
    def stream(self) -> TextIO:
        """Give stderr."""
        return sys.stderr

    @stream.setter
    def stream(self, value: TextIO) -> None:
        """Keep to stderr."""


log = logging.getLogger(__name__)


class RunError(RubricbeatError, RuntimeError):
    """An evaluation failed after it had begun; a retry may help."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What one model's evaluation gave."""

    model: str
    results: dict[str, Any]
    files: tuple[Path, ...]
    is_complete: bool
    was_interrupted: bool
    scores: Mapping[str, Mapping[str, object]]
    """What `Summary.to_json()` gives, of each rubric task that was scored."""


def evaluate(request: RunRequest, runs: list[Evaluated] | None = None) -> int:
    """Evaluate the model, and the baselines where asked; give the exit code.

    Args:
        request: What is run.
        runs: Takes each evaluation as soon as it is done.
    """
    quiet(request.verbosity)
    runs = [] if runs is None else runs
    for each in _with_baselines(request):
        done = _evaluate_one(each)
        runs.append(done)
        if done.was_interrupted:
            return INTERRUPTED
    _warn_of_baselines(runs)
    return 0 if all(done.is_complete for done in runs) else 1


def _with_baselines(request: RunRequest) -> Iterator[RunRequest]:
    baseline_of(request.model)  # a wrong name is known before the first model runs
    yield request
    if request.with_baselines:
        metadata = {key: value for key, value in request.metadata.items() if key != "responses"}
        metadata["repeats"] = 1  # each repeat would be the same text
        for kind in Baseline:
            yield replace(
                request,
                model=f"{BASELINE_PREFIX}{kind.value}",
                name=None,
                model_args={},
                gen_kwargs={},
                metadata=metadata,
                apply_chat_template=False,
                use_cache=None,
            )


def _require_model_folders(request: RunRequest, name: str) -> None:
    from lm_eval.utils import sanitize_model_name

    baselines = (sanitize_model_name(f"{BASELINE_PREFIX}{kind.value}") for kind in Baseline)
    names = [name, *(baselines if request.with_baselines else ())]
    require_folders_below(str(request.output_path), names)


def _evaluate_one(request: RunRequest) -> Evaluated:
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker

    model, model_args = model_of(request)
    manager = task_manager(request)
    tasks = load_tasks(manager, request)
    tracker = EvaluationTracker(output_path=request.output_path)
    kept = _kept_answers(request, tasks)
    cache = request.use_cache or kept
    random_seed, numpy_seed, torch_seed, fewshot_seed = request.seeds
    if not is_stand_in(request):
        model_args = typed_arguments(request.model, model_args)
        check_model(request.model, model_args)
    if request.output_path is None and not (request.with_baselines and baseline_of(request.model)):
        log.warning("no --output_path: answers and verdicts will not be kept")
    if warning := family_warning(request.metadata.get("judge"), _names(request, model_args)):
        log.warning("%s", warning)
    if request.output_path is not None:
        require_folder(request.output_path)
        tracker.general_config_tracker.log_experiment_args(model, model_args, None, None, False)
        _name(tracker, request)
        _require_model_folders(request, str(tracker.general_config_tracker.model_name_sanitized))
        if not baseline_of(request.model) and (warning := _repeated(request, tracker, tasks)):
            log.warning("%s", warning)
    if kept:
        Path(kept).parent.mkdir(mode=0o700, exist_ok=True)
    try:
        results = simple_evaluate(
            model=model,
            model_args=model_args,
            tasks=tasks,
            task_manager=manager,
            batch_size=request.batch_size,
            max_batch_size=request.max_batch_size,
            device=device_of(request),
            use_cache=cache,
            limit=request.limit,
            samples=request.samples,
            write_out=request.write_out,
            evaluation_tracker=tracker,
            system_instruction=request.system_instruction,
            apply_chat_template=is_stand_in(request) or request.apply_chat_template,
            gen_kwargs=dict(request.gen_kwargs) or None,
            predict_only=request.predict_only,
            random_seed=random_seed,
            numpy_random_seed=numpy_seed,
            torch_random_seed=torch_seed,
            fewshot_random_seed=fewshot_seed,
            confirm_run_unsafe_code=request.confirm_run_unsafe_code,
            metadata={**model_args, **request.metadata},
        )
    except RubricbeatError:
        raise
    except _network_faults() as error:
        raise RunError(
            f"{request.model}: the model's endpoint failed: {type(error).__name__}: {error}; "
            + (
                "the answers so far are kept: run the same command again"
                if cache
                else "answers are lost"
            )
        ) from error
    except ImportError as error:  # a model type whose package is not installed
        raise ConfigError(f"--model {request.model}: {_first_line(error)}") from error
    except OSError as error:  # a model that is not there, a full disk
        raise RunError(f"--model {request.model}: {_first_line(error)}") from error
    if results is None:  # another rank writes
        return Evaluated(request.model, {}, (), True, False, {})
    if is_stand_in(request):
        results["config"]["model"] = model_args["model"]
    results["config"]["use_cache"] = request.use_cache
    _name(tracker, request)
    files = _save(tracker, results, request)
    if kept and files:
        forget_answers(kept)
    ours = [task for task in tasks if hasattr(task, "failure")]
    failures = [task.failure for task in ours if task.failure is not None]
    if failures and not isinstance(failures[0], KeyboardInterrupt):
        print(*files, sep="\n")
        raise failures[0]
    return Evaluated(
        model=next(_names(request, model_args)),
        results=results,
        files=files,
        is_complete=all(task.is_complete for task in ours) and _is_scored(results, request),
        was_interrupted=bool(failures),
        scores={task.config.task: task.scores for task in ours if task.scores},
    )


def _repeated(request: RunRequest, tracker: Any, tasks: list[Any]) -> str | None:
    names = {str(task.config.task) for task in tasks if hasattr(task, "failure")}
    model = str(tracker.general_config_tracker.model_name)
    label = str(request.metadata.get("run") or "")
    return repeated(Path(str(request.output_path)), model, label, names)


def _names(request: RunRequest, model_args: Mapping[str, object]) -> Iterator[str]:
    """Give the names by which a model is known, the one of its results first."""
    known = (request.name, model_args.get("model"), model_args.get("pretrained"), request.model)
    yield from (str(name) for name in known if name)


def _is_scored(results: dict[str, Any], request: RunRequest) -> bool:
    """Say whether each rubric task scored anything; a stand-in or a first stage need not."""
    if request.predict_only or is_stand_in(request):
        return True
    return all(row.get("n_scored,none") != 0 for row in results["results"].values())


def _kept_answers(request: RunRequest, tasks: list[Any]) -> str | None:
    """Name the file of unfinished answers, None where none is kept.

    Sampled answers are not: lm-eval cannot tell the repeats of a prompt apart (0.4.13).
    """
    if request.output_path is None or request.use_cache or is_stand_in(request):
        return None
    if any(getattr(task.config, "repeats", 1) > 1 for task in tasks if hasattr(task, "config")):
        return None
    return unfinished_answers(request.output_path, request.model, request.model_args)


def _name(tracker: Any, request: RunRequest) -> None:
    """Put the system's own name in the place of the model's, where it has one."""
    from lm_eval.utils import sanitize_model_name

    if request.name is not None:
        tracker.general_config_tracker.model_name = request.name
        tracker.general_config_tracker.model_name_sanitized = sanitize_model_name(request.name)


def _save(tracker: Any, results: dict[str, Any], request: RunRequest) -> tuple[Path, ...]:
    samples = results.pop("samples")
    with _for_the_user_alone():
        tracker.save_results_aggregated(results=results, samples=samples)
    if request.output_path is None:
        return ()
    stamp = getattr(tracker, "date_id", None)
    with _for_the_user_alone():
        for name, lines in samples.items() if stamp else ():
            tracker.save_results_samples(task_name=name, samples=lines)
    written = sorted(Path(request.output_path).rglob(f"*{stamp}*")) if stamp else []
    # lm-eval turns a failed write into a warning (0.4.13)
    if len(written) < 1 + len(samples):
        raise RunError(f"{request.output_path}: the results could not be written there")
    return tuple(written)


@contextlib.contextmanager
def _for_the_user_alone() -> Iterator[None]:
    """Let what lm-eval writes be private from its first byte, as our own results are."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _warn_of_baselines(runs: list[Evaluated]) -> None:
    """Say when a judge puts an answer without thought level with the model, or above it."""
    model, *others = runs
    for name, row in model.results.get("results", {}).items():
        score = row.get("score,none")
        for other in others:
            reached = other.results["results"].get(name, {}).get("score,none")
            is_reference = other.model.endswith(Baseline.REFERENCE.value)
            if score is not None and reached and reached >= score and not is_reference:
                log.warning(
                    "%s: %s scores %.3f, the model %.3f: the model is no better than this "
                    "baseline, or judge and rubric reward an answer without content",
                    name, other.model, reached, score,
                )  # fmt: skip


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _network_faults() -> tuple[type[BaseException], ...]:
    import aiohttp
    import requests

    return (aiohttp.ClientError, requests.RequestException, ConnectionError, TimeoutError)
