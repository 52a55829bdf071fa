"""The judge that repeats recorded verdicts: from JSON Lines, without a call.

A record is what `rubricbeat import` reads: `prompt_id`, `completion`, `criteria_met` in the order
of the example's rubric (true, false, null, or an object such as `{"level": 2}` or
`{"not_applicable": true}`), optional `explanation` (same order), `model` and `run`. A criterion
that has no record is skipped, with the reason; it is never guessed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ..answer import solution_of
from ..data.answers import answer_field, prompt_id_of
from ..data.conversations import text_of_answer
from ..data.json_rows import Field
from ..data.reader import read_rows
from ..data.verdict_words import named, read_verdict
from ..errors import ConfigError, DataError
from ..files import user_path
from ..judge import JudgeIdentity, Question
from ..registry import register_judge
from ..verdict import Outcome, Source, Verdict

log = logging.getLogger(__name__)

Key = tuple[str, bytes]
"""prompt_id, and the hash of the answer."""


@dataclass(frozen=True, slots=True)
class RecordedVerdict:
    """The recorded verdicts on one answer, in the order of the rubric."""

    met: tuple[bool | Mapping[str, object] | None, ...]
    explanations: tuple[str, ...]


@register_judge("replay")
@dataclass(slots=True)
class ReplayJudge:
    """Looks verdicts up by prompt and answer."""

    stored: ClassVar[bool] = False
    """Nothing is paid for, and the file is there again next time."""
    path: str
    """Recorded verdicts in any form of docs/data.md."""
    model: str | None = None
    """Only the records of this model, where the file holds several."""
    run: str | None = None
    """Only the records of this run."""
    by_prompt: bool = False
    """Match by prompt_id alone, whatever the answer: for answers that were not recorded."""
    _records: dict[Key, list[RecordedVerdict]] = field(default_factory=dict, init=False, repr=False)
    _sha256: str = field(default="", init=False, repr=False)

    def __post_init__(self) -> None:
        """Read the file, so that a wrong one fails before anything is asked."""
        source = user_path(self.path)
        if not source.is_file():
            raise ConfigError(f"replay: no file {self.path!r}; give path=FILE.jsonl[.gz]")
        file = read_rows(source)
        self._sha256 = file.sha256
        for row in file.rows:
            where = f"{source}, row {row.number}"
            try:
                record = row.object()
            except DataError as error:
                raise DataError(f"{where}: {error}") from None
            if self.model is not None and str(record.get("model")) != self.model:
                continue
            if self.run is not None and str(record.get("run")) != self.run:
                continue
            self._keep(record, where)
        if not self._records:
            chosen = {"model": self.model, "run": self.run}
            wanted = "".join(f" {key}={value}" for key, value in chosen.items() if value)
            raise ConfigError(
                f"replay: {self.path} holds no recorded verdicts{' for' * bool(wanted)}{wanted}"
            )
        n_disputed = sum(
            len({json.dumps(one.met) for one in many}) > 1 for many in self._records.values()
        )
        if n_disputed:
            log.warning(
                "replay: %d answers were recorded more than once with different verdicts; the "
                "first counts, the others are replicates. model=NAME or run=NAME selects",
                n_disputed,
            )

    @property
    def identity(self) -> JudgeIdentity:
        """Named by the file's content, not by where it lies."""
        chosen = {"model": self.model, "run": self.run, "by_prompt": self.by_prompt}
        return JudgeIdentity(
            "replay",
            model=f"recorded:{self._sha256[:16]}",
            sampling={name: value for name, value in chosen.items() if value},
        )

    async def judge(self, question: Question) -> Verdict:
        """Give the recorded verdict, or say that there is none."""
        key = self._key(question.example.prompt_id, question.answer)
        records = self._records.get(key, ())
        if question.replicate >= len(records):
            said = f"only {len(records)} times" if records else "not"
            return _skipped(f"this prompt and answer were {said} recorded")
        recorded = records[question.replicate]
        n_criteria = len(question.example.rubric)
        if len(recorded.met) != n_criteria:
            return _skipped(
                f"{len(recorded.met)} recorded verdicts for {n_criteria} criteria; "
                "they cannot be aligned"
            )
        met = recorded.met[question.index]
        if met is None:
            return _skipped("the record has no verdict on this criterion")
        words = recorded.explanations[question.index] if recorded.explanations else ""
        read = read_verdict(met, question.criterion)
        if read.unknown:
            return _skipped(f"the record has {named(read.unknown)}, which is not a verdict")
        return read.verdict(words, question.criterion, Source.REPLAY)

    def _key(self, prompt_id: str, answer: str) -> Key:
        if self.by_prompt:
            return prompt_id, b""
        return prompt_id, hashlib.sha256(answer.encode("utf-8", "surrogatepass")).digest()

    def _keep(self, record: Mapping[str, object], where: str) -> None:
        met = Field(record)["criteria_met"].decoded().value
        if not isinstance(met, list) or any(not isinstance(m, bool | Mapping | None) for m in met):
            raise DataError(
                f"{where}: criteria_met must be a list of true, false or null, or of objects like "
                '{"level": 2}'
            )
        try:
            prompt_id = prompt_id_of(record)
            answer = "" if self.by_prompt else text_of_answer(answer_field(record).value)
        except DataError as error:
            hint = "" if self.by_prompt else "; by_prompt=true matches by prompt_id alone"
            raise DataError(f"{where}: {error}{hint}") from None
        if answer is None:
            raise DataError(
                f"{where}: no completion to match answers by; by_prompt=true matches by prompt_id"
            )
        words = record.get("explanation") or record.get("explanations") or []
        if not isinstance(words, list) or (words and len(words) != len(met)):
            raise DataError(f"{where}: explanation must be a list as long as criteria_met")
        recorded = RecordedVerdict(tuple(met), tuple(str(w or "") for w in words))
        # the judge is asked about the solution section, the record holds the whole completion
        for text in {answer, solution_of(answer) if answer else answer}:
            self._records.setdefault(self._key(prompt_id, text), []).append(recorded)


def _skipped(why: str) -> Verdict:
    return Verdict(Outcome.SKIPPED, explanation=why, source=Source.REPLAY, attempts=0)
