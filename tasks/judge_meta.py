"""The `judge_meta` task: the judge is the model under test.

Documents are labelled rows (`judges/audit/labels.py`); the prompt is the grader's wording, the
reply is read as a judge's is, and the numbers are those of an audit, the baselines that never look
at the answer among them. Any lm-eval model can be put on it.

Labels come from `--metadata '{"labels": PATH}'`, else from `RUBRICBEAT_LABELS`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

from ..judges.answer import GradedAnswer, solution_of
from ..judges.audit.baselines import no_look_probability
from ..judges.audit.bias import traits_of
from ..judges.audit.judge_audit import Audit, audit_judge, flip_rate_of
from ..judges.audit.label_rows import read_labels
from ..judges.audit.labels import AuditTable, LabelledAnswer
from ..judges.backends.prompting import Asking
from ..judges.data.columns import Columns
from ..judges.data.reader import can_name_rows
from ..judges.data.streams import name_of
from ..judges.errors import ConfigError
from ..judges.files import user_path
from ..judges.judge import Question
from ..judges.replies.parsing import parse_verdict
from ..judges.rubric import Message
from ..judges.scoring.estimates import Estimate
from ..judges.verdict import Outcome, Verdict
from .lm_eval_adapter import register_metrics, render
from .metrics import Metric
from .rubric_task import FILTER, Documents

log = logging.getLogger(__name__)

LABELS_VARIABLE = "RUBRICBEAT_LABELS"
VERDICT_KEY = "verdicts"
SEED = 1234
MAX_REPLY_CHARS = 2_000
AGREEMENT = (
    "balanced_f1", "f1_met", "f1_not_met", "precision_met", "precision_not_met", "sensitivity",
    "specificity", "kappa", "pairwise",
)  # fmt: skip
METRICS = (
    *(Metric(name, higher_is_better=True) for name in AGREEMENT),
    Metric("no_look_balanced_f1"),
    Metric("majority_balanced_f1"),
    Metric("physician_f1"),
    Metric("alpha_labels"),
    Metric("alpha_with_judge", higher_is_better=True),
    Metric("length_correlation"),
    Metric("length_shift"),
    Metric("evidence_shift"),
    Metric("flip_rate", higher_is_better=False),
    Metric("n_questions"),
    Metric("n_without_verdict", higher_is_better=False),
)


class JudgeMetaTask(ConfigurableTask):  # type: ignore[misc]  # lm-eval carries no types
    """Grades labelled answers with the model, and audits its verdicts.

    Keys of the metadata: `labels` (a file), `prompt` and `shape` (the wording, as of the chat
    judge), `parsing` (tolerant or strict), `look` (false withholds the answer),
    `reply_marks` and `reply_opens` (of the model's reasoning), `seed`, `strict`.
    """

    metrics: ClassVar[Sequence[Metric]] = METRICS

    def __init__(
        self,
        data_dir: str | None = None,
        cache_dir: str | None = None,
        download_mode: Any = None,
        config: dict[str, Any] | None = None,
    ) -> None:
        """Read the settings and the labels; lm-eval calls this with the YAML's content."""
        config = dict(config or {})
        config.pop("class", None)  # TaskConfig has no such field (0.4.13)
        metadata = dict(config.get("metadata") or {})
        self._label = str(config.get("task", "judge_meta"))
        self._path = _labels_path(metadata, self._label)
        self._columns = Columns.read(metadata.get("columns"))
        self._strict_rows = bool(metadata.get("strict", False))
        self._seed = int(metadata.get("seed", SEED))
        self._asking = Asking(
            shape=str(metadata.get("shape", "healthbench")),
            prompt=metadata.get("prompt"),
            parsing=str(metadata.get("parsing", "tolerant")),
            look=bool(metadata.get("look", True)),
            reply_marks=metadata.get("reply_marks") or "",
            reply_opens=str(metadata.get("reply_opens", "text")),
        )
        if self._asking.is_grouped:
            raise ConfigError(f"{self._label}: one criterion per call; shape healthbench or prefix")
        self._audit: Audit | None = None
        # the kept metadata goes to the results: never the model's arguments, which may hold keys
        config["metadata"] = {"version": metadata.get("version", 1)}
        config["metric_list"] = []
        super().__init__(data_dir, cache_dir, download_mode, config)
        register_metrics(
            self,
            self.metrics,
            documents_key=VERDICT_KEY,
            take_documents=self._audit_documents,
            value_of=self._value,
        )

    # Rows

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Read the labelled rows once; a document names its row."""
        file = read_labels(self._path, strict=self._strict_rows, columns=self._columns)
        if warning := file.warning():
            log.warning("%s: %s", self._label, warning)
        if any(label.met is None for item in file.answers for label in item.labels[0]):
            raise ConfigError(
                f"{self._label}: labels with levels or not applicable; this task is for met or not "
                "met: use rubricbeat audit"
            )
        self._labelled = file.answers
        self._data_facts = {
            "path": Path(name_of(self._path)).name,
            "sha256": file.sha256,
            "n": len(file.answers),
        }
        documents = [
            {"row": row, "prompt_id": item.example.prompt_id, **_shown(item)}
            for row, item in enumerate(file.answers)
        ]
        self.dataset = {"test": Documents(documents)}

    def doc_to_text(self, doc: dict[str, Any], doc_to_text: Any = None) -> str:
        """Give the criterion, for whoever prints a document; requests are built elsewhere."""
        return str(doc["criterion"])

    def doc_to_target(self, doc: dict[str, Any], doc_to_target: Any = None) -> str:
        """Give the share of labels that say met."""
        return f"{sum(doc['labels']) / len(doc['labels']):g}" if doc["labels"] else ""

    # Requests

    def build_all_requests(self, **options: Any) -> None:
        """Refuse what would send another file's prompts, then build the requests."""
        if options.get("cache_requests"):
            raise ConfigError(
                f"{self._label}: --cache_requests is not safe here: lm-eval finds cached requests "
                "by task name alone and would send another file's rows; leave it out"
            )
        self._audit = None
        super().build_all_requests(**options)

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
        """Give the grader's prompt for one criterion of one answer."""
        item = self._labelled[doc["row"]]
        question = Question(item.example, solution_of(item.text), 0)
        turns = [Message(m["role"], m["content"]) for m in self._asking.messages([question])]
        if system_instruction:
            turns.insert(0, Message("system", system_instruction))
        return render(turns, chat_template if apply_chat_template else None)

    def apply_filters(self) -> list[Instance] | None:
        """Keep every reply as it came, one a repeat."""
        instances: list[Instance] = self._instances
        for instance in instances:
            # under several ranks lm-eval pads a rank's last request with more answers (0.4.13)
            instance.filtered_resps[FILTER] = list(instance.resps)[: self.config.repeats]
        return instances

    # Verdicts

    def process_results(self, doc: dict[str, Any], results: list[Any]) -> dict[str, Any]:
        """Read the verdict in each reply: every key, for every document, always."""
        if "bypass" in self._metric_fn_list:  # --predict_only
            return {"bypass": None}
        replies = results[0] if results and isinstance(results[0], list) else results
        verdicts = [self.verdict_in(str(reply)) for reply in replies]
        kept = {"row": doc["row"], "verdicts": [verdict.to_json() for verdict in verdicts]}
        return {VERDICT_KEY: kept, **{metric.name: None for metric in self.metrics}}

    def verdict_in(self, reply: str) -> Verdict:
        """Read the verdict in one reply; a reply without one is kept."""
        parsed = parse_verdict(reply, **self._asking.how_to_read())
        if parsed.met is None:
            return Verdict(
                Outcome.UNPARSEABLE, explanation=parsed.explanation, reply=reply[:MAX_REPLY_CHARS]
            )
        return Verdict.of(parsed.met, explanation=parsed.explanation[:MAX_REPLY_CHARS])

    # Numbers

    def _audit_documents(self, documents: Sequence[Mapping[str, Any]]) -> int:
        """Audit what all ranks judged; give the number of documents."""
        labelled = [self._labelled[document["row"]] for document in documents]
        graded = [
            _graded(item, [Verdict.from_json(plain) for plain in document["verdicts"]])
            for item, document in zip(labelled, documents, strict=True)
        ]
        table = AuditTable.of(labelled, graded)
        self._audit = audit_judge(
            table,
            flip_rate=flip_rate_of(graded),
            no_look_N=no_look_probability(table, labelled),
            traits=traits_of(labelled),
        )
        n_missing = self._audit.judge.n_without_verdict
        if n_missing:
            log.warning(
                "%s: no verdict could be read in %d of %d replies; they are not counted",
                self._label, n_missing, self._audit.judge.n_questions,
            )  # fmt: skip
        return len(documents)

    def _value(self, name: str, items: Sequence[Any]) -> float | int | None:
        if self._audit is None:
            return None
        judge = self._audit.judge
        plain: dict[str, Any] = {
            "no_look_balanced_f1": _baseline(self._audit, "no_look"),
            "majority_balanced_f1": _baseline(self._audit, "majority"),
            "physician_f1": _mean_of_raters(self._audit),
            "alpha_labels": self._audit.alpha_labels,
            "alpha_with_judge": self._audit.alpha_with_judge,
            "length_correlation": self._audit.length_correlation,
            "length_shift": _shift(self._audit, "length"),
            "evidence_shift": _shift(self._audit, "evidence"),
            "flip_rate": self._audit.flip_rate.value,
            "n_questions": judge.n_questions,
            "n_without_verdict": judge.n_without_verdict,
        }
        value: float | int | None = plain[name] if name in plain else judge.figures[name].value
        return value

    def dump_config(self) -> dict[str, Any]:
        """Give what the results file says of this task; called after the aggregations."""
        dumped: dict[str, Any] = super().dump_config()
        dumped["metadata"] = {
            "version": self.VERSION,
            "rubricbeat": version("rubricbeat"),
            "labels": self._data_facts,
            "asking": {"prompt": self._asking.wording.label, **self._asking.settings()},
            "seed": self._seed,
        }
        if self._audit is not None:
            dumped["metadata"]["audit"] = self._audit.to_json()
        return dumped


def _labels_path(metadata: Mapping[str, Any], task: str) -> Path:
    named = metadata.get("labels") or os.environ.get(LABELS_VARIABLE)
    if not named:
        raise ConfigError(
            f"{task}: no labels; name a file with --metadata '{{\"labels\": PATH}}' or by "
            f"{LABELS_VARIABLE} (its shape: docs/trust.md)"
        )
    path = user_path(str(named))
    if not can_name_rows(path):
        raise ConfigError(f"{task}: labels {named!r}: no such file")
    return path


def _shown(item: LabelledAnswer) -> dict[str, Any]:
    """Give the row as it stands in the samples, without the conversation."""
    return {
        "criterion": item.example.rubric.criteria[0].text,
        "category": item.category,
        "labels": [label.met for label in item.labels[0]],
        "raters": [label.rater for label in item.labels[0]],
    }


def _graded(item: LabelledAnswer, verdicts: Sequence[Verdict]) -> GradedAnswer:
    first = verdicts[0] if verdicts else Verdict(Outcome.SKIPPED, explanation="no reply")
    return GradedAnswer(
        item.example,
        item.text,
        (first,),
        replicates=tuple((verdict,) for verdict in verdicts[1:]),
    )


def _baseline(audit: Audit, name: str) -> float | None:
    figures = audit.baselines[name].figures if name in audit.baselines else {}
    return figures.get("balanced_f1", Estimate(None)).value


def _shift(audit: Audit, trait: str) -> float | None:
    return next((one.shift.value for one in audit.shifts if one.trait == trait), None)


def _mean_of_raters(audit: Audit) -> float | None:
    """Average each physician's balanced F1 against the others, weighed by their labels."""
    known = [row for row in audit.raters if row.physician_f1 == row.physician_f1]
    n_pairs = sum(row.n_pairs for row in known)
    if not n_pairs:
        return None
    return sum(row.physician_f1 * row.n_pairs for row in known) / n_pairs
