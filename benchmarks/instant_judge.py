"""A judge that answers at once in the same process: what is left to measure is everything else."""

from __future__ import annotations

import hashlib

from rubricbeat.judges.judge import JudgeIdentity, Question
from rubricbeat.judges.verdict import Verdict

EXPLANATION = "The answer was compared with the item. " * 5


class InstantJudge:
    """Says what a hash of the question says, with words as long as a real judge's; is stored."""

    identity = JudgeIdentity("instant", model="made-up")

    async def judge(self, question: Question) -> Verdict:
        """Answer."""
        words = f"{question.answer}\0{question.criterion.text}\0{question.replicate}"
        is_met = hashlib.blake2b(words.encode(), digest_size=1).digest()[0] < 128
        return Verdict.of(is_met, explanation=EXPLANATION, prompt_tokens=900, completion_tokens=60)
