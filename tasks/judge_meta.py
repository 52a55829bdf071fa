"""The `judge_meta` task: the judge is the model under test.

Documents are labelled rows (`judges/audit/labels.py`); the prompt is the grader's wording, the
reply is read as a judge's is, and the numbers are those of an audit, the baselines that never look
at the answer among them. Any lm-eval model can be put on it.

Labels come from `--metadata '{"labels": PATH}'`, else from `RUBRICBEAT_LABELS`.
"""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypedDict

from ..judges.answer import GradedAnswer, solution_of
from ..judges.audit.baselines import no_look_probability
from ..judges.audit.bias import traits_of
from ..judges.audit.judge_audit import Audit, audit_judge, flip_rate_of
from ..judges.audit.label_rows import read_labels
from ..judges.audit.labels import AuditTable, LabelledAnswer
from ..judges.backends.prompting import Asking
from ..judges.data.reader import can_name_rows
from ..judges.data.streams import name_of
from ..judges.errors import ConfigError, near_names
from ..judges.files import user_path
from ..judges.judge import Question
from ..judges.replies.parsing import parse_verdict
from ..judges.rubric import Message
from ..judges.verdict import Outcome, Verdict
from .metrics import Metric, MetricValue
from .settings import TaskSettings
from .whole_task import WholeTask, set_repeats

log = logging.getLogger(__name__)

LABELS_VARIABLE = "RUBRICBEAT_LABELS"
SEED = 1234
KEYS = ("labels", "prompt", "shape", "parsing", "look", "reply_marks", "reply_opens", "reward")
"""Of the metadata, beside those of `TaskSettings`; `reward` is for `rubric_preference`."""
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


class LabelledDocument(TypedDict):
    """What is read of a document that lm-eval hands back."""

    row: int
    criterion: str
    labels: list[bool]


class GradedDocument(TypedDict):
    """The verdicts on a row, one a repeat."""

    row: int
    verdicts: list[dict[str, object]]


class JudgeMetaTask(WholeTask[LabelledDocument, GradedDocument]):
    """Grades labelled answers with the model, and audits its verdicts.

    Keys of the metadata: `labels` (a file), `prompt` and `shape` (the wording, as of the chat
    judge), `parsing` (tolerant or strict), `look` (false withholds the answer),
    `reply_marks` and `reply_opens` (of the model's reasoning), `repeats`, `seed`, `strict`.
    """

    metrics = METRICS
    documents_key = "verdicts"

    def settle(self, metadata: Mapping[str, object], config: dict[str, object]) -> None:
        """Read how to ask, and where the labels are."""
        for key in metadata:
            if key not in KEYS and difflib.get_close_matches(key, KEYS, n=1, cutoff=0.8):
                raise ConfigError(f"metadata: unknown key {key!r}; {near_names(key, KEYS)}")
        settings = TaskSettings.from_metadata(metadata)
        set_repeats(config, settings.repeats if "repeats" in metadata else None)
        look = metadata.get("look", True)
        if not isinstance(look, bool):
            raise ConfigError(f"metadata: look is {look!r}; give true or false")
        self._path = _labels_path(metadata, self._label)
        self._columns, self._strict_rows = settings.columns, settings.strict
        self._seed = SEED if settings.seed is None else settings.seed
        marks = metadata.get("reply_marks")
        self._asking = Asking(
            shape=str(metadata.get("shape", "healthbench")),
            prompt=str(metadata["prompt"]) if metadata.get("prompt") else None,
            parsing=str(metadata.get("parsing", "tolerant")),
            look=look,
            reply_marks=marks if isinstance(marks, list) else str(marks or ""),
            reply_opens=str(metadata.get("reply_opens", "text")),
        )
        if self._asking.is_grouped:
            raise ConfigError(f"{self._label}: one criterion per call; shape healthbench or prefix")
        self._audit: Audit | None = None

    # Rows

    def read_documents(self) -> Iterable[dict[str, object]]:
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
        return (
            {"row": row, "prompt_id": item.example.prompt_id, **_shown(item)}
            for row, item in enumerate(file.answers)
        )

    def doc_to_text(self, doc: LabelledDocument, doc_to_text: object = None) -> str:
        """Give the criterion, for whoever prints a document; requests are built elsewhere."""
        return str(doc["criterion"])

    def doc_to_target(self, doc: LabelledDocument, doc_to_target: object = None) -> str:
        """Give the share of labels that say met."""
        return f"{sum(doc['labels']) / len(doc['labels']):g}" if doc["labels"] else ""

    # Requests and verdicts

    def turns_of(self, doc: LabelledDocument, instruction: str | None) -> Sequence[Message]:
        """Give the grader's prompt for one criterion of one answer."""
        item = self._labelled[doc["row"]]
        question = Question(item.example, solution_of(item.text), 0)
        turns = [Message(m["role"], m["content"]) for m in self._asking.messages([question])]
        return [Message("system", instruction), *turns] if instruction else turns

    def process_results(
        self, doc: LabelledDocument, results: Sequence[object]
    ) -> dict[str, object]:
        """Read the verdict in each reply: every key, for every document, always."""
        if self.only_predicts:
            return {"bypass": None}
        replies = results[0] if results and isinstance(results[0], list) else results
        verdicts = [self.verdict_in(str(reply)) for reply in replies]
        kept: GradedDocument = {
            "row": doc["row"],
            "verdicts": [verdict.to_json() for verdict in verdicts],
        }
        return {self.documents_key: kept, **dict.fromkeys(metric.name for metric in self.metrics)}

    def verdict_in(self, reply: str) -> Verdict:
        """Read the verdict in one reply; a reply without one is kept."""
        parsed = parse_verdict(reply, **self._asking.how_to_read())
        if parsed.met is None:
            return Verdict(
                Outcome.UNPARSEABLE, explanation=parsed.explanation, reply=reply[:MAX_REPLY_CHARS]
            )
        return Verdict.of(parsed.met, explanation=parsed.explanation[:MAX_REPLY_CHARS])

    # Numbers

    def take_documents(self, documents: Sequence[GradedDocument]) -> None:
        """Audit what all ranks judged."""
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

    def value_of(self, name: str) -> MetricValue:
        """Give a number of the audit."""
        return None if self._audit is None else _numbers(self._audit)[name]

    def facts(self) -> dict[str, object]:
        """Say how the model was asked, by which labels, and give the audit."""
        facts: dict[str, object] = {
            "labels": self._data_facts,
            "asking": {"prompt": self._asking.wording.label, **self._asking.settings()},
            "seed": self._seed,
        }
        return facts if self._audit is None else {**facts, "audit": self._audit.to_json()}


def _numbers(audit: Audit) -> dict[str, MetricValue]:
    shifts = {one.trait: one.shift.value for one in audit.shifts}
    baselines = {
        f"{name}_balanced_f1": baseline.figures["balanced_f1"].value
        for name, baseline in audit.baselines.items()
        if "balanced_f1" in baseline.figures
    }
    return {
        **dict.fromkeys(metric.name for metric in METRICS),
        **{name: figure.value for name, figure in audit.judge.figures.items()},
        **baselines,
        "physician_f1": _mean_of_raters(audit),
        "alpha_labels": audit.alpha_labels,
        "alpha_with_judge": audit.alpha_with_judge,
        "length_correlation": audit.length_correlation,
        "length_shift": shifts.get("length"),
        "evidence_shift": shifts.get("evidence"),
        "flip_rate": audit.flip_rate.value,
        "n_questions": audit.judge.n_questions,
        "n_without_verdict": audit.judge.n_without_verdict,
    }


def _labels_path(metadata: Mapping[str, object], task: str) -> Path:
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


def _shown(item: LabelledAnswer) -> dict[str, object]:
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


def _mean_of_raters(audit: Audit) -> float | None:
    """Average each physician's balanced F1 against the others, weighed by their labels."""
    known = [row for row in audit.raters if row.physician_f1 == row.physician_f1]
    n_pairs = sum(row.n_pairs for row in known)
    if not n_pairs:
        return None
    return sum(row.physician_f1 * row.n_pairs for row in known) / n_pairs
