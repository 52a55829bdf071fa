"""The verdicts of an earlier audit: from its file, or from the store up to a day."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..judges.answer import GradedAnswer
from ..judges.audit.labels import AuditTable, met_or_not
from ..judges.data.streams import bytes_of
from ..judges.engine.assembly import part_of, store_place
from ..judges.engine.work_items import material_of
from ..judges.errors import ConfigError, DataError
from ..judges.judge import JudgeIdentity, Question
from ..judges.store.keys import question_material, verdict_key
from ..judges.store.opened import opened
from ..judges.store.statements import read_verdict, said_columns
from ..judges.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from ..judges.audit.labels import LabelledAnswer
    from ..judges.audit.upkeep.drift import Drift
    from ..judges.grader import Grader

Known = Callable[[GradedAnswer, int], Sequence[Verdict]]
"""Gives the earlier verdicts on a criterion of an answer, by replicate; none where not asked."""
_Round = tuple[JudgeIdentity, dict[bytes, tuple[float, Verdict]]]
"""A judge on some day, and its verdicts by key, each with the time it was kept."""
NOT_ASKED = Verdict(Outcome.SKIPPED, explanation="not asked in the earlier audit", attempts=0)
_SECONDS_A_DAY = 86_400
_REPLICATES = 2
"""Verdicts of a question that a store is asked for: two show how often a judge differs on a day."""


def today() -> str:
    """Give the day, as YYYY-MM-DD, UTC."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def asked_again(options: Mapping[str, object]) -> dict[str, object]:
    """Give a judge's options for today: nothing is read back but what was asked today.

    Each question is asked twice, unless the options say otherwise: two verdicts of one day show
    how often the judge contradicts itself.

    Raises:
        ConfigError: They name a day of their own.
    """
    if options.get("asked_on"):
        raise ConfigError(
            "--since asks under today's date: leave asked_on out of the judge's options"
        )
    return {"replicates": _REPLICATES, **options, "asked_on": today()}


def own_identity(grader: Grader) -> JudgeIdentity:
    """Give the judge's identity whatever the day it is asked on."""
    return part_of(grader.judge, dataclasses.replace(grader.options, asked_on="")).identity


@dataclass(frozen=True, slots=True)
class Earlier:
    """What a judge said at an earlier date."""

    day: str
    asked_on: str
    """The day it is asked again."""
    said: Sequence[GradedAnswer]
    """The labelled answers, in their order, with the verdicts of that day."""

    def drift(self, labelled: Sequence[LabelledAnswer], now: Sequence[GradedAnswer]) -> Drift:
        """Compare with what the judge says now."""
        from ..judges.audit.upkeep.drift import drift_of

        two_sided = met_or_not(labelled)
        tables = AuditTable.of(two_sided, self.said), AuditTable.of(two_sided, now)
        asked = [[bool(labels) for labels in item.labels] for item in labelled]
        return drift_of(self.said, now, tables, (self.day, self.asked_on), asked)


def verdicts_by_question(graded: Sequence[GradedAnswer]) -> dict[str, str]:
    """Give what was said of each question, by its hash: for a later audit's `--since`."""
    return {
        question_id(answer, index): ",".join(
            _word(row[index]) for row in (answer.verdicts, *(answer.replicates or ()))
        )
        for answer in graded
        for index in range(len(answer.verdicts))
        if not answer.verdicts[index].is_missing
    }


def question_id(answer: GradedAnswer, index: int) -> str:
    """Give the hash of conversation, answer and criterion: no text can be read back from it."""
    material = question_material(Question(answer.example, answer.judged, index))
    return hashlib.sha256(material).hexdigest()[:32]


def earlier_verdicts(since: str, grader: Grader, labelled: Sequence[LabelledAnswer]) -> Earlier:
    """Find what the judge said of labelled answers earlier; nothing is asked.

    Args:
        since: The file of an earlier audit, or a day as YYYY-MM-DD: then what the store kept up to
            the end of it (UTC).
        grader: The judge, as it will be asked today.
        labelled: The answers.

    Raises:
        ConfigError: It is neither; or nothing was asked of these answers by then.
        DataError: The file is no audit of this judge.
    """
    day = _day(since)
    if day is None:
        day, known = _from_file(Path(since), own_identity(grader), grader.options.asked_on)
    else:
        known = _from_store(day, grader)
    reading = grader.options.reading
    said = [
        _filled(GradedAnswer(item.example, item.text, (NOT_ASKED,) * n, reading=reading), known)
        for item in labelled
        if (n := len(item.example.rubric))
    ]
    if all(verdict.is_missing for answer in said for verdict in answer.verdicts):
        raise ConfigError(
            f"--since {since}: no verdict of this judge on these labelled answers in it; name the "
            "same labels as then"
        )
    return Earlier(day, grader.options.asked_on, said)


def _filled(answer: GradedAnswer, known: Known) -> GradedAnswer:
    said = [known(answer, index) or (NOT_ASKED,) for index in range(len(answer.verdicts))]
    first, *rest = (
        tuple(one[row] if row < len(one) else NOT_ASKED for one in said)
        for row in range(max(map(len, said)))
    )
    return dataclasses.replace(answer, verdicts=first, replicates=tuple(rest))


def _day(since: str) -> str | None:
    if Path(since).is_file():
        return None
    try:
        day = datetime.date.fromisoformat(since).isoformat()
    except ValueError:
        raise ConfigError(
            f"--since {since}: neither the file of an audit (rubricbeat audit -o FILE) nor a day "
            "like 2026-09-01"
        ) from None
    if day > today():
        raise ConfigError(f"--since {since}: a day to come (today is {today()}, UTC)")
    return day


# From the file of an audit


def _word(verdict: Verdict) -> str:
    if verdict.is_missing:
        return "none"
    return verdict.outcome.value + ("" if verdict.level is None else f" {verdict.level}")


def _verdict(word: str) -> Verdict:
    if word == "none":
        return NOT_ASKED
    name, _, level = word.partition(" ")
    return Verdict(Outcome(name), level=int(level) if level else None)


def _from_file(path: Path, judge: JudgeIdentity, now: str) -> tuple[str, Known]:
    try:
        whole = json.loads(bytes_of(path))
        digest, questions = str(whole["judge"]["digest"]), whole.get("questions")
        asked_on = (whole["judge"].get("options") or {}).get("asked_on")
        day = datetime.date.fromisoformat(str(whole.get("asked_on"))).isoformat()
        known = {
            str(key): [_verdict(word) for word in said.split(",")]
            for key, said in (questions or {}).items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"--since {path}: no audit that holds its verdicts ({type(error).__name__}: {error}); "
            "'rubricbeat audit -o FILE' writes one, and of an older audit name the day, such as "
            "--since 2026-09-01, to take its verdicts from the store"
        ) from error
    if digest != judge.digest:
        raise DataError(
            f"--since {path}: the audit is of another judge ({digest[:12]}, this one is "
            f"{judge.digest[:12]}); a drift is of one judge; compare two with --variant"
        )
    if asked_on == now:
        raise ConfigError(
            f"--since {path}: that audit asked again today, and what was asked today is not asked "
            "again; compare with it from tomorrow on"
        )
    return day, lambda answer, index: known.get(question_id(answer, index), ())


# From the store


def _from_store(day: str, grader: Grader) -> Known:
    """Take each question's latest verdicts up to the end of a day."""
    part, place = part_of(grader.judge, grader.options), store_place(grader.options)
    if not part.is_stored or place is None:
        raise ConfigError(
            f"--since {day}: this judge's verdicts are not in a store (it is free to ask, or made "
            "of other judges, or store=none); name the file of the earlier audit"
        )
    rounds = _rounds(place, own_identity(grader), grader.options.asked_on, day)

    def known(answer: GradedAnswer, index: int) -> Sequence[Verdict]:
        asked = material_of(grader.judge, Question(answer.example, answer.judged, index))
        said: list[tuple[float, list[Verdict]]] = []
        for identity, kept in rounds:
            keys = (verdict_key(identity, asked, replicate) for replicate in range(_REPLICATES))
            if found := [kept[key] for key in keys if key in kept]:
                said.append((found[0][0], [verdict for _, verdict in found]))
        return max(said, key=lambda one: one[0])[1] if said else ()

    return known


def _rounds(place: Path | str, judge: JudgeIdentity, now: str, day: str) -> list[_Round]:
    """Read what a judge said up to a day, apart by the day it was asked on; not that of today."""
    end = datetime.datetime.fromisoformat(day).replace(tzinfo=datetime.UTC).timestamp()
    rounds = []
    with opened(place) as store:
        judges = list(store.execute("SELECT digest, identity FROM judges").fetchall())
        for digest, text in judges:
            identity = JudgeIdentity(**json.loads(text))
            sampling = dict(identity.sampling)
            asked_on = sampling.pop("asked_on", "")
            alone = dataclasses.replace(identity, sampling=sampling)
            if alone.digest != judge.digest or (asked_on and asked_on == now):
                continue
            mark = store.dialect.mark
            query = (
                f"SELECT {said_columns()}, created FROM verdicts "
                f"WHERE judge = {mark} AND created < {mark}"
            )
            rows = store.stream(query, (digest, end + _SECONDS_A_DAY))
            kept = {
                bytes(key): (row[-1], read_verdict((key, *row[:-1]), place)) for key, *row in rows
            }
            rounds.append((identity, {k: v for k, v in kept.items() if not v[1].is_missing}))
    return rounds
