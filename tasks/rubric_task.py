"""The lm-eval task class: conversations in, verdicts and scores out.

Named in YAML by `class: !function rubricbeat.tasks.rubric_task.RubricTask`. Everything that knows
lm-eval's internals is here (0.4.12 and 0.4.13); 0.5 moves batch scoring to `Scorer`.

Where what happens, in lm-eval's order:

* `download` reads the rows; `build_all_requests` opens the judge, so that a wrong judge is known
  before an answer is paid for;
* `fewshot_context` gives the whole conversation to the chat template;
* `apply_filters` judges all answers of all documents in one concurrent batch. Not in
  `process_results` (one document at a time: 149 s instead of 2 s on 200 documents), not in an
  aggregation (judged again at every bootstrap draw), not in a filter (runs under
  `--predict_only`);
* `process_results` only reads the verdicts; aggregations only read the summary.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, ClassVar

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask
from lm_eval.utils import handle_non_serializable, hash_string

from ..judges.answer import NO_ANSWER, SCHEMA_VERSION, Answer, GradedAnswer
from ..judges.data.answers import EarlierAnswers, read_earlier_answers
from ..judges.data.examples import example_to_row
from ..judges.engine.options import added_facts, shares_of
from ..judges.errors import ConfigError, RubricbeatError
from ..judges.grader import Grader, open_grader
from ..judges.judge import require_any_askable, require_askable
from ..judges.rubric import Example
from ..judges.scoring.missing import MissingVerdicts
from ..judges.verdict import Outcome, Verdict
from .data import MAX_NAMED_IDS, load_task_data
from .lm_eval_adapter import (
    call_options,
    gathered,
    is_spare,
    register_metrics,
    render,
    with_instruction,
)
from .metrics import NA_SHARE, SCORE_METRICS, Metric, document_scores, may_be_na, run_scores
from .models import BASELINE_PREFIX, BaselineText, NoAnswer, check_address, odd_address
from .settings import TaskSettings

log = logging.getLogger(__name__)

FILTER = "none"
"""lm-eval's name for "no filter", the second half of every key in its results."""
RUBRIC_KEY = "rubric"
_SPARE = "another process with the same work judges"
ALIKE_BELOW = 0.1
"""Share of distinct answers under which repeats are taken for copies."""
SAMPLING = {"do_sample": True, "temperature": 1.0, "seed": None}
"""Sent where several answers are asked for. Without `seed: null` lm-eval sends `seed: 1234` each
time, and a server that honours it answers alike (0.4.13)."""


class Documents(list[dict[str, Any]]):
    """Rows with the one attribute of a `datasets.Dataset` that lm-eval asks for.

    Plain rows: Arrow would give every row every field of every other, and change its hash.
    """

    @property
    def features(self) -> dict[str, None]:
        """Name the columns."""
        return dict.fromkeys(self[0] if self else ())


class RubricTask(ConfigurableTask):  # type: ignore[misc]  # lm-eval carries no types
    """A task whose answers are judged criterion by criterion.

    A subclass gives other numbers for the same verdicts by its own `metrics`,
    `document_metrics` and `summarise`.
    """

    metrics: ClassVar[Sequence[Metric]] = SCORE_METRICS
    """Every metric a document carries, in the order of the table."""

    def __init__(
        self,
        data_dir: str | None = None,
        cache_dir: str | None = None,
        download_mode: Any = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        """Read the settings and the rows; lm-eval calls this with the YAML's content."""
        config = dict(config or {})
        config.pop("class", None)  # TaskConfig has no such field (0.4.13)
        metadata = dict(config.get("metadata") or {})
        self.settings = TaskSettings.from_metadata(metadata)
        self._default_judge = metadata.get("default_judge")
        self._label = str(config.get("task", type(self).__name__))
        self._seed = 1234 if self.settings.seed is None else self.settings.seed
        self._grader: Grader | None = None
        self._graded: dict[str, list[GradedAnswer]] = {}
        self._document_metrics: Mapping[str, Mapping[str, Any]] = {}
        self._responses: EarlierAnswers | None = None
        self._instruction: str | None = None
        self._summary: Mapping[str, Any] = {}
        self._judge_facts: dict[str, Any] = {}
        self._run_facts: dict[str, Any] = {}
        self._rank, self._world_size = 0, 1
        self.failure: BaseException | None = None
        """What ended the judging; the answers are written all the same."""
        self.is_complete = True
        """Whether nothing is left that running again could add."""

        repeats = int(config.get("repeats") or 1)
        config["repeats"] = self.settings.repeats if "repeats" in metadata else repeats
        if config["repeats"] > 1 and not (config.get("generation_kwargs") or {}).get("temperature"):
            config["generation_kwargs"] = {**config.get("generation_kwargs", {}), **SAMPLING}
        # the kept metadata goes to the results: never the model's arguments, which may hold keys
        config["metadata"] = {"version": metadata.get("version", 1)}
        config["metric_list"] = []
        super().__init__(data_dir, cache_dir, download_mode, config)
        if may_be_na(self._examples.values()):
            self.metrics = (*self.metrics, NA_SHARE)  # type: ignore[misc]  # of these rows alone
        register_metrics(
            self,
            self.metrics,
            documents_key=RUBRIC_KEY,
            take_documents=self._summarise_documents,
            value_of=self._summary_value,
        )

    # What a subclass may replace

    def document_metrics(
        self, graded: Mapping[str, Sequence[GradedAnswer]]
    ) -> Mapping[str, Mapping[str, Any]]:
        """Give each document's own value of each metric, None where it has none.

        Args:
            graded: The answers of each document, by prompt_id; one a repeat.
        """
        return document_scores(graded)

    def summarise(self, graded: Sequence[GradedAnswer]) -> Mapping[str, Any]:
        """Give the run's value of each metric, None where it is not defined."""
        return run_scores(graded, seed=self._seed, length_penalty=self.settings.length_penalty)

    # Rows

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Read the rows once; a list of them stands for the data set."""
        data = load_task_data(self._label, self.settings)
        self._data_facts = data.facts
        self._examples = {example.prompt_id: example for example in data.examples}
        self.dataset = {"test": Documents(map(example_to_row, data.examples))}

    def doc_to_text(self, doc: dict[str, Any], doc_to_text: Any = None) -> str:
        """Give the last turn, for whoever prints a document; requests are built elsewhere."""
        return str(doc["prompt"][-1]["content"])

    def doc_to_target(self, doc: dict[str, Any], doc_to_target: Any = None) -> str:
        """Give the first reference answer, or nothing."""
        references = doc.get("references") or [""]
        return str(references[0])

    # Requests

    def build_all_requests(self, **options: Any) -> None:
        """Open the judge, then build the requests."""
        if options.get("cache_requests"):
            raise ConfigError(
                f"{self._label}: --cache_requests is not safe here: lm-eval finds cached requests "
                "by task name alone and could send another file's conversations; remove it"
            )
        self._instruction = options.get("system_instruction")
        self._rank = int(options.get("rank") or 0)
        self._world_size = int(options.get("world_size") or 1)
        self._check_ranks(options.get("limit"), options.get("samples"))
        self._graded, self._document_metrics, self._summary = {}, {}, {}
        if not self.only_predicts:
            self.open_judge()
            if self.settings.responses:
                self._read_responses(self.settings.responses)
        super().build_all_requests(**options)
        if self._grader is not None:
            examples = [self._judged_example(one.doc) for one in self._instances]
            require_askable(self._grader.judge, examples)
            require_any_askable(self._grader.judge, examples)
        self._warn_of_call()

    def _warn_of_call(self) -> None:
        """Say what will be lost, or cannot work, before an answer is paid for."""
        call = call_options()
        if call.get("log_samples") is False and not self.only_predicts:
            log.warning(
                "%s: without --log_samples lm-eval writes no answer and no verdict: 'rubricbeat "
                "compare' will have nothing to read; add --log_samples --output_path DIR",
                self._label,
            )  # fmt: skip
        if words := odd_address(call.get("model"), call.get("model_args")):
            log.warning("%s: %s", self._label, words)

    def fewshot_context(
        self,
        doc: dict[str, Any],
        num_fewshot: int,
        system_instruction: str | None = None,
        apply_chat_template: bool = False,
        fewshot_as_multiturn: bool = False,
        chat_template: Callable[..., Any] | None = None,
        gen_prefix: str | None = None,
    ) -> Any:
        """Give the whole conversation as the model is sent it."""
        example = with_instruction(self._examples[doc["prompt_id"]], system_instruction)
        return render(example.prompt, chat_template if apply_chat_template else None)

    def set_fewshot_seed(self, seed: int | None = None) -> None:
        """Take lm-eval's seed for the bootstrap and the judge, unless the metadata names one."""
        super().set_fewshot_seed(seed)
        if self.settings.seed is None and seed is not None:
            self._seed = seed

    @property
    def only_predicts(self) -> bool:
        """Whether lm-eval runs with `--predict_only`, which it tells by a metric's name."""
        return "bypass" in self._metric_fn_list

    # Verdicts

    def apply_filters(self) -> list[Instance] | None:
        """Judge every answer of every document at once."""
        instances: list[Instance] = self._instances
        for instance in instances:
            # under several ranks lm-eval pads a rank's last request with more answers (0.4.13)
            instance.filtered_resps[FILTER] = list(instance.resps)[: self.config.repeats]
        if self.only_predicts:
            return instances
        answers, absent = self._collect(instances)
        if is_spare(self._world_size):
            self.close_judge()
            graded = [_without_verdicts(a.example, a.text or "", a.repeat, _SPARE) for a in answers]
        else:
            graded = self._judge(answers)
            # a baseline that a row does not have was never asked
            self._report([*graded, *(one for one in absent if one.is_absent)])
        graded += absent
        for one in sorted(graded, key=lambda g: g.repeat):
            self._graded.setdefault(one.example.prompt_id, []).append(one)
        self._document_metrics = self._guarded(lambda: self.document_metrics(self._graded))
        self._join_ranks()
        if 2 * self._run_facts["n_empty_answers"] > self._run_facts["n_answers"]:
            self.is_complete = False
        return instances

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        """Read a document's verdicts: every key, for every document, always."""
        if self.only_predicts:
            return {"bypass": None}
        prompt_id = str(doc["prompt_id"])
        values = self._document_metrics.get(prompt_id, {})
        rubric = {
            "schema_version": SCHEMA_VERSION,
            "prompt_id": prompt_id,
            "answers": [graded.to_json() for graded in self._graded.get(prompt_id, [])],
        }
        # `rubric` first: its aggregation makes the summary that the others read
        return {RUBRIC_KEY: rubric, **{m.name: values.get(m.name) for m in self.metrics}}

    def _collect(self, instances: Sequence[Instance]) -> tuple[list[Answer], list[GradedAnswer]]:
        """Pair each answer with its example; an answer that is not there gets no verdict."""
        answers: list[Answer] = []
        absent: list[GradedAnswer] = []
        lacking: list[str] = []
        n_empty = n_null = 0
        is_meant = str(getattr(self._responses, "model", "")).startswith(BASELINE_PREFIX)
        for instance in instances:
            example = self._judged_example(instance.doc)
            if self._responses is not None:
                instance.filtered_resps[FILTER] = self._recorded(instance.doc)
            texts = instance.filtered_resps[FILTER]
            if not texts:
                lacking.append(example.prompt_id)
                absent.append(_without_verdicts(example, "", 0, NO_ANSWER))
            for repeat, text in enumerate(texts):
                if text is None:  # an endpoint's, or a recorded one: never the word "None"
                    n_null += 1
                    absent.append(_without_verdicts(example, "", repeat, NO_ANSWER))
                elif isinstance(text, NoAnswer):
                    absent.append(_without_verdicts(example, "", repeat, str(text.reason)))
                else:
                    answers.append(Answer(example, str(text), repeat))
                    n_empty += not (text.strip() or is_meant or isinstance(text, BaselineText))
        self.is_complete = not lacking
        if lacking:
            named = ", ".join(lacking[:MAX_NAMED_IDS])
            more = len(lacking) - MAX_NAMED_IDS
            log.warning(
                "%s: %d of %d documents have no recorded answer and are not scored: %s%s",
                self._label, len(lacking), len(instances), named,
                f" and {more} more" if more > 0 else "",
            )  # fmt: skip
        if n_null:
            log.warning(
                "%s: %d answers are null: they count in the total, and are not graded",
                self._label, n_null,
            )  # fmt: skip
        if n_empty:
            log.warning(
                "%s: %d of %d answers are empty and are judged as such%s; a reasoning model may "
                "have run out of max_gen_toks",
                self._label, n_empty, len(answers),
                " (more than half: the run is incomplete)" if 2 * n_empty > len(answers) else "",
            )  # fmt: skip
        self._run_facts |= {"n_answers": len(answers), "n_empty_answers": n_empty}
        return answers, absent

    def _judge(self, answers: Sequence[Answer]) -> list[GradedAnswer]:
        assert self._grader is not None, "build_all_requests opens the judge"
        try:
            graded = self._grader.grade(answers)
        except (Exception, KeyboardInterrupt) as error:
            # whatever it was, the answers were paid for: let lm-eval write them, to be judged by
            # `responses` later; `rubricbeat run` raises the error once they are on disk
            self.failure = error
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
            log.warning(
                "%s: judging ended: %s; the answers are kept without verdicts", self._label, why
            )
            graded = [_without_verdicts(a.example, a.text or "", a.repeat, why) for a in answers]
        finally:
            self.close_judge()
        return graded

    def close_judge(self) -> None:
        """Close the judge, and keep its account."""
        assert self._grader is not None
        self._judge_facts = self._grader.facts()
        self._grader.close()
        self._grader = None

    def _report(self, graded: Sequence[GradedAnswer]) -> None:
        """Count the verdicts that never came, by reason."""
        missing = MissingVerdicts.of(graded, self.settings.allow_missing)
        stopped = self._judge_facts.get("stopped")
        if self.failure is not None or stopped or not missing.is_accepted:
            self.is_complete = False
        self._run_facts |= missing.facts()
        if missing.n_missing:
            head, *reasons = missing.lines()
            why = "; ".join(map(str.strip, reasons))
            log.warning("%s: %s %s%s", self._label, head, why, f": {stopped}" if stopped else "")

    def open_judge(self) -> None:
        """Open the judge that was named; nothing happens where it is open.

        Raises:
            ConfigError: None is named, or it cannot be opened as named.
        """
        if self._grader is not None:
            return
        options = self.settings.judge_options(self._label, default=self._default_judge)
        if isinstance(options, Mapping) and isinstance(options.get("base_url"), str):
            check_address(options["base_url"], f"judge {options['name']}: base_url")
        self._grader = open_grader(options, seed=self._seed)
        require_any_askable(self._grader.judge, self._examples.values())
        if self._world_size > 1:
            share = shares_of(self._grader.options, self._world_size)[self._rank]
            self._grader.options = replace(self._grader.options, **share)

    def _check_ranks(self, limit: int | None, samples: Sequence[int] | None) -> None:
        """Refuse more ranks than documents: a rank without one ends lm-eval (0.4.13).

        Every rank comes to the same answer, so that none waits for the others.
        """
        n_documents = len(self.dataset["test"]) if samples is None else len(samples)
        if limit is not None:
            n_documents = min(n_documents, int(limit))
        if n_documents < self._world_size:
            raise ConfigError(
                f"{self._label}: {n_documents} documents cannot be dealt out to "
                f"{self._world_size} processes; start fewer"
            )

    def _join_ranks(self) -> None:
        """Make the account of all ranks out of this one's."""
        if self._world_size < 2:
            return
        failure = None if self.failure is None else RubricbeatError(str(self.failure))
        counts = {name: self._run_facts[name] for name in ("n_answers", "n_empty_answers")}
        ranks = gathered((self._judge_facts, counts, self.is_complete, failure), self._world_size)
        self._judge_facts = added_facts([facts for facts, _, _, _ in ranks])
        self._run_facts |= {name: sum(each[name] for _, each, _, _ in ranks) for name in counts}
        self.is_complete = all(is_complete for _, _, is_complete, _ in ranks)
        self.failure = self.failure or next((error for *_, error in ranks if error), None)

    def _judged_example(self, doc: Mapping[str, Any]) -> Example:
        instruction = self._instruction
        if self._responses is not None:
            instruction = self._responses.system_instruction or instruction
        return with_instruction(self._examples[doc["prompt_id"]], instruction)

    def _read_responses(self, path: str) -> None:
        self._responses = read_earlier_answers(path, self._label, self.settings.columns)
        self._run_facts["responses"] = self._responses.file
        if self._responses.system_instruction:
            self._run_facts["system_instruction"] = self._responses.system_instruction
        if self._responses.generation_kwargs:
            self._config.generation_kwargs = dict(self._responses.generation_kwargs)
        if self._responses.repeats:
            self._config.repeats = self._responses.repeats
        if not any(self._recorded(doc) for doc in self.dataset["test"]):
            raise ConfigError(
                f"{self._label}: none of the {len(self._responses.by_prompt_id)} answers in "
                f"{self._responses.file} is to one of these {len(self.dataset['test'])} "
                "conversations; was it made from other data?"
            )

    def _recorded(self, doc: dict[str, Any]) -> list[str | None]:
        assert self._responses is not None
        found = self._responses.find(doc, doc_hash(doc))
        return list(found.texts)[: self._responses.repeats] if found else []

    # Numbers

    def _summarise_documents(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Make the summary from what all ranks judged; give the number of documents."""
        # the order of the data, not of the ranks: the seeded bootstrap draws by position
        place = {prompt_id: number for number, prompt_id in enumerate(self._examples)}
        graded = [
            GradedAnswer.from_json(self._examples[document["prompt_id"]], plain)
            for document in sorted(documents, key=lambda each: place[each["prompt_id"]])
            for plain in document["answers"]
        ]
        self._summary = self._guarded(lambda: self.summarise(graded))
        self._warn_of_copies()
        return len(documents)

    def _guarded(self, numbers: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Keep a fault in the sums from ending the run: lm-eval would write no verdict at all."""
        try:
            return numbers()
        except Exception as error:
            self.failure = self.failure or error
            log.exception("%s: the metrics failed; verdicts are kept", self._label)
            return {}

    @property
    def scores(self) -> Mapping[str, Any]:
        """What `Summary.to_json()` gives of the run; empty where other numbers stand for it."""
        return self._summary if "score_unclipped" in self._summary else {}

    def _summary_value(self, name: str, items: Sequence[Any]) -> Any:
        value = self._summary.get(name)
        # lm-eval prints a standard error with four digits, or this (0.4.13)
        return "N/A" if value is None and name.endswith("_stderr") else value

    def _warn_of_copies(self) -> None:
        distinct = self._summary.get("distinct_answers")
        if distinct is not None and distinct < ALIKE_BELOW:
            log.warning(
                "%s: the %d answers to a prompt are nearly all alike (distinct_answers %.2f): the "
                "server keeps to one seed or to temperature 0, or --use_cache gave one answer "
                "several times; repeats then say nothing",
                self._label, self.config.repeats, distinct,
            )  # fmt: skip

    def dump_config(self) -> dict[str, Any]:
        """Give what the results file says of this task; called after the aggregations."""
        dumped: dict[str, Any] = super().dump_config()
        dumped["metadata"] = {
            "version": self.VERSION,
            "rubricbeat": version("rubricbeat"),
            "data": self._data_facts,
            "judge": self._judge_facts,
            "run": self.settings.run,
            "seed": self._seed,
            **self._run_facts,
        }
        for table in ("tags", "worst_at_k", "missing_by_reason"):
            if rows := self._summary.get(table):
                dumped["metadata"][table] = rows
        return dumped


def doc_hash(doc: Mapping[str, Any]) -> str:
    """Hash a document as lm-eval does for its samples (0.4.13)."""
    plain = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(plain))


def _without_verdicts(example: Example, text: str, repeat: int, reason: str) -> GradedAnswer:
    verdict = Verdict(Outcome.SKIPPED, explanation=reason, attempts=0)
    return GradedAnswer(example, text, (verdict,) * len(example.rubric), repeat)
