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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, TypeVar

from lm_eval.api.instance import Instance
from lm_eval.utils import handle_non_serializable, hash_string

from ..judges.answer import NO_ANSWER, SCHEMA_VERSION, Answer, GradedAnswer
from ..judges.data.answers import EarlierAnswers, read_earlier_answers
from ..judges.data.examples import example_to_row
from ..judges.engine.options import added_facts, shares_of
from ..judges.errors import ConfigError, RubricbeatError
from ..judges.grader import Grader, open_grader
from ..judges.judge import require_any_askable, require_askable
from ..judges.rubric import Example, Message
from ..judges.scoring.missing_reasons import MissingVerdicts
from ..judges.verdict import Outcome, Verdict
from .data import load_task_data, some_of
from .lm_eval_adapter import call_options, gathered, is_spare, with_instruction
from .metrics import (
    NA_SHARE,
    SCORE_METRICS,
    Metric,
    MetricValue,
    document_scores,
    may_be_na,
    run_scores,
)
from .models import BASELINE_PREFIX, BaselineText, NoAnswer, check_address, odd_address
from .settings import TaskSettings
from .whole_task import FILTER, WholeTask, set_repeats

log = logging.getLogger(__name__)

T = TypeVar("T")
_SPARE = "another process with the same work judges"
ALIKE_BELOW = 0.1
"""Share of distinct answers under which repeats are taken for copies."""


class RubricDocument(TypedDict):
    """What is read of a canonical row that lm-eval hands back."""

    prompt_id: str


class JudgedDocument(TypedDict):
    """A document with the answers to it."""

    schema_version: int
    prompt_id: str
    answers: list[dict[str, object]]


class RubricTask(WholeTask[RubricDocument, JudgedDocument]):
    """A task whose answers are judged criterion by criterion.

    A subclass gives other numbers for the same verdicts by its own `metrics`,
    `document_metrics` and `summarise`.
    """

    metrics: Sequence[Metric] = SCORE_METRICS
    documents_key = "rubric"

    def settle(self, metadata: Mapping[str, object], config: dict[str, object]) -> None:
        """Read the settings, and how many answers are asked for."""
        self.settings = TaskSettings.from_metadata(metadata)
        judge = metadata.get("default_judge")
        self._default_judge = judge if isinstance(judge, str | Mapping) else None
        self._seed = 1234 if self.settings.seed is None else self.settings.seed
        self._grader: Grader | None = None
        self._graded: dict[str, list[GradedAnswer]] = {}
        self._document_metrics: Mapping[str, Mapping[str, MetricValue]] = {}
        self._responses: EarlierAnswers | None = None
        self._instruction: str | None = None
        self._summary: Mapping[str, object] = {}
        self._judge_facts: Mapping[str, object] = {}
        self._run_facts: dict[str, object] = {}
        self._counts: dict[str, int] = {}
        self._rank, self._world_size = 0, 1
        self.failure: BaseException | None = None
        """What ended the judging; the answers are written all the same."""
        self.is_complete = True
        """Whether nothing is left that running again could add."""
        set_repeats(config, self.settings.repeats if "repeats" in metadata else None)

    # What a subclass may replace

    def document_metrics(
        self, graded: Mapping[str, Sequence[GradedAnswer]]
    ) -> Mapping[str, Mapping[str, MetricValue]]:
        """Give each document's own value of each metric, None where it has none.

        Args:
            graded: The answers of each document, by prompt_id; one a repeat.
        """
        return document_scores(graded)

    def summarise(self, graded: Sequence[GradedAnswer]) -> Mapping[str, object]:
        """Give the run's value of each metric, None where it is not defined."""
        return run_scores(graded, seed=self._seed, length_penalty=self.settings.length_penalty)

    # Rows

    def read_documents(self) -> Iterable[dict[str, object]]:
        """Read the rows once."""
        data = load_task_data(self._label, self.settings)
        self._data_facts = data.facts
        self._examples = {example.prompt_id: example for example in data.examples}
        if may_be_na(data.examples):
            self.metrics = (*self.metrics, NA_SHARE)  # of these rows alone
        return map(example_to_row, data.examples)

    def doc_to_text(self, doc: RubricDocument, doc_to_text: object = None) -> str:
        """Give the last turn, for whoever prints a document; requests are built elsewhere."""
        return self._examples[doc["prompt_id"]].prompt[-1].content

    def doc_to_target(self, doc: RubricDocument, doc_to_target: object = None) -> str:
        """Give the first reference answer, or nothing."""
        return next(iter(self._examples[doc["prompt_id"]].references), "")

    # Requests

    def build_all_requests(self, **options: Any) -> None:
        """Open the judge, then build the requests."""
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

    def turns_of(self, doc: RubricDocument, instruction: str | None) -> Sequence[Message]:
        """Give the whole conversation."""
        return with_instruction(self._examples[doc["prompt_id"]], instruction).prompt

    def set_fewshot_seed(self, seed: int | None = None) -> None:
        """Take lm-eval's seed for the bootstrap and the judge, unless the metadata names one."""
        super().set_fewshot_seed(seed)
        if self.settings.seed is None and seed is not None:
            self._seed = seed

    # Verdicts

    def apply_filters(self) -> list[Instance] | None:
        """Judge every answer of every document at once."""
        instances = super().apply_filters() or []
        if self.only_predicts:
            return instances
        answers, absent = self._collect(instances)
        if is_spare(self._world_size):
            self.close_judge()
            graded = [_without_verdicts(a, _SPARE) for a in answers]
        else:
            graded = self._judge(answers)
            # a baseline that a row does not have was never asked
            self._report([*graded, *(one for one in absent if one.is_absent)])
        graded += absent
        for one in sorted(graded, key=lambda g: g.repeat):
            self._graded.setdefault(one.example.prompt_id, []).append(one)
        self._document_metrics = self._guarded(lambda: self.document_metrics(self._graded))
        self._join_ranks()
        if 2 * self._counts["n_empty_answers"] > self._counts["n_answers"]:
            self.is_complete = False
        return instances

    def process_results(self, doc: RubricDocument, results: Sequence[object]) -> dict[str, object]:
        """Read a document's verdicts: every key, for every document, always."""
        if self.only_predicts:
            return {"bypass": None}
        prompt_id = str(doc["prompt_id"])
        values = self._document_metrics.get(prompt_id, {})
        rubric: JudgedDocument = {
            "schema_version": SCHEMA_VERSION,
            "prompt_id": prompt_id,
            "answers": [graded.to_json() for graded in self._graded.get(prompt_id, [])],
        }
        # `rubric` first: its aggregation makes the summary that the others read
        return {self.documents_key: rubric, **{m.name: values.get(m.name) for m in self.metrics}}

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
                absent.append(_without_verdicts(Answer(example, None), NO_ANSWER))
            for repeat, text in enumerate(texts):
                if text is None or isinstance(text, NoAnswer):  # never the word "None"
                    n_null += text is None  # an endpoint's, or a recorded one
                    why = NO_ANSWER if text is None else text.reason
                    absent.append(_without_verdicts(Answer(example, None, repeat), why))
                else:
                    answers.append(Answer(example, str(text), repeat))
                    n_empty += not (text.strip() or is_meant or isinstance(text, BaselineText))
        self.is_complete = not lacking
        half = " (more than half: the run is incomplete)" if 2 * n_empty > len(answers) else ""
        said = (
            (
                len(lacking),
                f"of {len(instances)} documents have no recorded answer and are not scored: "
                f"{some_of(lacking)}",
            ),
            (n_null, "answers are null: they count in the total, and are not graded"),
            (
                n_empty,
                f"of {len(answers)} answers are empty and are judged as such{half}; a reasoning "
                "model may have run out of max_gen_toks",
            ),
        )
        for n, words in said:
            if n:
                log.warning("%s: %d %s", self._label, n, words)
        self._counts = {"n_answers": len(answers), "n_empty_answers": n_empty}
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
            graded = [_without_verdicts(a, why) for a in answers]
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
        address = options.get("base_url") if isinstance(options, Mapping) else None
        if isinstance(options, Mapping) and isinstance(address, str):
            check_address(address, f"judge {options['name']}: base_url")
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
        own = (self._judge_facts, self._counts, self.is_complete, failure)
        ranks = gathered(own, self._world_size)
        self._judge_facts = added_facts([facts for facts, _, _, _ in ranks])
        self._counts = {name: sum(each[name] for _, each, _, _ in ranks) for name in self._counts}
        self.is_complete = all(is_complete for _, _, is_complete, _ in ranks)
        self.failure = self.failure or next((error for *_, error in ranks if error), None)

    def _judged_example(self, doc: RubricDocument) -> Example:
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

    def _recorded(self, doc: Mapping[str, object]) -> list[str | None]:
        assert self._responses is not None
        found = self._responses.find(doc, doc_hash(doc))
        return list(found.texts)[: self._responses.repeats] if found else []

    # Numbers

    def take_documents(self, documents: Sequence[JudgedDocument]) -> None:
        """Make the summary from what all ranks judged."""
        # the order of the data, not of the ranks: the seeded bootstrap draws by position
        place = {prompt_id: number for number, prompt_id in enumerate(self._examples)}
        graded = [
            GradedAnswer.from_json(self._examples[document["prompt_id"]], plain)
            for document in sorted(documents, key=lambda each: place[each["prompt_id"]])
            for plain in document["answers"]
        ]
        self._summary = self._guarded(lambda: self.summarise(graded))
        self._warn_of_copies()

    def _guarded(self, numbers: Callable[[], Mapping[str, T]]) -> Mapping[str, T]:
        """Keep a fault in the sums from ending the run: lm-eval would write no verdict at all."""
        try:
            return numbers()
        except Exception as error:
            self.failure = self.failure or error
            log.exception("%s: the metrics failed; verdicts are kept", self._label)
            return {}

    @property
    def scores(self) -> Mapping[str, object]:
        """What `Summary.to_json()` gives of the run; empty where other numbers stand for it."""
        return self._summary if "score_unclipped" in self._summary else {}

    def value_of(self, name: str) -> object:
        """Give a number of the summary."""
        value = self._summary.get(name)
        # lm-eval prints a standard error with four digits, or this (0.4.13)
        return "N/A" if value is None and name.endswith("_stderr") else value

    def _warn_of_copies(self) -> None:
        distinct = self._summary.get("distinct_answers")
        if isinstance(distinct, float) and distinct < ALIKE_BELOW:
            log.warning(
                "%s: the %d answers to a prompt are nearly all alike (distinct_answers %.2f): the "
                "server keeps to one seed or to temperature 0, or --use_cache gave one answer "
                "several times; repeats then say nothing",
                self._label, self.config.repeats, distinct,
            )  # fmt: skip

    def facts(self) -> dict[str, object]:
        """Say by which data and judge the numbers came about, and give those that are tables."""
        tables = ("tags", "worst_at_k", "missing_by_reason")
        return {
            "data": self._data_facts,
            "judge": self._judge_facts,
            "run": self.settings.run,
            "seed": self._seed,
            **self._counts,
            **self._run_facts,
            **{table: self._summary[table] for table in tables if self._summary.get(table)},
        }


def doc_hash(doc: Mapping[str, object]) -> str:
    """Hash a document as lm-eval does for its samples (0.4.13)."""
    plain = json.dumps(doc, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(plain))


def _without_verdicts(answer: Answer, reason: str) -> GradedAnswer:
    verdict = Verdict(Outcome.SKIPPED, explanation=reason, attempts=0)
    verdicts = (verdict,) * len(answer.example.rubric)
    return GradedAnswer(answer.example, answer.text or "", verdicts, answer.repeat)
