"""A judge for tests that is stored and can be changed from one day to the next."""

from __future__ import annotations

from typing import ClassVar

from rubricbeat.judges.judge import Question
from rubricbeat.judges.verdict import Verdict


class OfDays:
    """Says met where the answer names the criterion's topic; on a deaf day not all of them."""

    version = "1"
    deaf: ClassVar[bool] = False
    n_calls: ClassVar[int] = 0

    async def judge(self, question: Question) -> Verdict:
        """Answer one question."""
        type(self).n_calls += 1
        first, topic, *_ = question.criterion.text.split()
        is_heard = not (self.deaf and "i" in topic)
        return Verdict.of(first == "Mentions" and is_heard and topic in question.answer)
