"""Made-up examples and small judges that the tests of the judge engine share."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from rubricbeat.judges.answer import Answer
from rubricbeat.judges.judge import JudgeIdentity, Question
from rubricbeat.judges.rubric import Criterion, Example, Message, Polarity, Rubric
from rubricbeat.judges.verdict import Outcome, Verdict


def example(number: int = 0, n_criteria: int = 3) -> Example:
    """Make an example; the last of its criteria is a fault."""
    criteria = [
        Criterion(f"Item {i} of {number}", float(i + 1), Polarity.DESIRABLE)
        for i in range(n_criteria - 1)
    ]
    criteria.append(Criterion(f"Fault of {number}", -2.0, Polarity.UNDESIRABLE))
    prompt = (Message("user", f"Question {number}: why does my heart race?"),)
    return Example(f"made-up-{number}", prompt, Rubric(tuple(criteria)))


def answers(n: int, n_criteria: int = 3) -> list[Answer]:
    """Make answers, one to each of n examples."""
    return [Answer(example(i, n_criteria), f"Answer {i}: drink less coffee.") for i in range(n)]


def count(path: Path) -> int:
    """Count the verdicts of a store, which may not be made yet."""
    if not path.exists():
        return 0
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return int(db.execute("SELECT count(*) FROM verdicts").fetchone()[0])
        finally:
            db.close()
    except sqlite3.Error:  # it is being made
        return 0


def outcomes(graded: list[Any]) -> list[list[str]]:
    """Give what was said of each criterion of each answer."""
    return [[v.outcome.value for v in one.verdicts] for one in graded]


def reasons(graded: list[Any]) -> set[str]:
    """Give the reasons of the missing verdicts."""
    return {v.explanation for one in graded for v in one.verdicts if v.met is None}


class CountingJudge:
    """Says "met" of every even criterion, after a pause; counts what it is asked."""

    def __init__(self, pause_s: float = 0.0, model: str = "counting") -> None:
        self.identity = JudgeIdentity("counting", model=model)
        self.pause_s = pause_s
        self.asked: Counter[tuple[str, str, int, int]] = Counter()
        self.n_now = 0
        self.max_now = 0
        self.n_cancelled = 0
        self.is_closed = False

    async def judge(self, question: Question) -> Verdict:
        key = (question.example.prompt_id, question.answer, question.index, question.replicate)
        self.asked[key] += 1
        self.n_now += 1
        self.max_now = max(self.max_now, self.n_now)
        try:
            await self.pause()
        except asyncio.CancelledError:
            self.n_cancelled += 1
            raise
        finally:
            self.n_now -= 1
        return self.verdict(question)

    async def pause(self) -> None:
        await asyncio.sleep(self.pause_s)

    def verdict(self, question: Question) -> Verdict:
        return Verdict.of(question.index % 2 == 0, explanation="because", prompt_tokens=100)

    async def aclose(self) -> None:
        self.is_closed = True


class GatedJudge(CountingJudge):
    """Answers so many questions at once, and the others when somebody opens it."""

    def __init__(self, n_free: int = 0) -> None:
        super().__init__()
        self.n_free = n_free
        self.is_asked = threading.Event()
        """Set when a question waits."""
        self.goes_on = threading.Event()

    async def pause(self) -> None:
        self.n_free -= 1
        while self.n_free < 0 and not self.goes_on.is_set():
            self.is_asked.set()
            await asyncio.sleep(0.002)


class GroupingJudge(CountingJudge):
    """Answers up to three criteria of an answer in one call."""

    group_size = 3

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[int]] = []

    async def judge_group(self, questions: list[Question]) -> list[Verdict]:
        self.groups.append([q.index for q in questions])
        return [self.verdict(q) for q in questions]


class FlakyJudge(CountingJudge):
    """Gives a list of results or errors first, one a call; then answers as usual."""

    def __init__(self, *first: Verdict | BaseException) -> None:
        super().__init__()
        self.first = list(first)

    async def judge(self, question: Question) -> Verdict:
        verdict = await super().judge(question)
        if self.first:
            said = self.first.pop(0)
            if isinstance(said, BaseException):
                raise said
            return said
        return verdict


UNREADABLE = Verdict(Outcome.UNPARSEABLE, explanation="no verdict", reply="Hm.", prompt_tokens=7)
