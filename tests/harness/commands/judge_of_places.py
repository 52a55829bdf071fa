"""A judge for tests: it calls met what stands first in a call, whatever it says."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Verdict


class FirstIsMet:
    """Says met to the first half of each call."""

    version = "1"
    stored: ClassVar[bool] = False
    group_size: ClassVar[int] = 100

    async def judge(self, question: Question) -> Verdict:
        """Answer one question alone: it is the first."""
        return Verdict.of(True)

    async def judge_group(self, questions: Sequence[Question]) -> list[Verdict]:
        """Answer by place."""
        return [Verdict.of(place < len(questions) / 2) for place in range(len(questions))]
