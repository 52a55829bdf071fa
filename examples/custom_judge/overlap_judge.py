"""A judge of one's own: a criterion is met when enough of its words occur in the answer.

Small on purpose. It is fooled by an answer that repeats the criterion, so its scores mean nothing;
what counts is the shape: one async method. Swap its body for a call to your model.
"""

from __future__ import annotations

import re

from rubricbeat import Question, Verdict

MIN_LETTERS = 4
"""Shorter words say little."""


class OverlapJudge:
    """Meets a criterion when a share of its longer words occurs in the answer."""

    stored = False
    """It costs nothing to ask again. Leave this line out for a judge that costs something."""

    def __init__(self, share: float = 0.5) -> None:
        """Set the share of words that must occur: `--judge_args share=0.7`."""
        if not 0 < share <= 1:
            raise ValueError(f"share={share}: above 0, at most 1")
        self.share = share

    async def judge(self, question: Question) -> Verdict:
        """Answer one question: is this criterion true of this answer?"""
        wanted = words(question.criterion.text)
        found = wanted & words(question.answer)
        share = len(found) / len(wanted) if wanted else 0.0
        return Verdict.of(
            share >= self.share,
            probability=share,
            explanation=f"{len(found)} of {len(wanted)} words occur",
        )


def words(text: str) -> set[str]:
    """Give the longer words of a text."""
    return {word for word in re.findall(r"\w+", text.lower()) if len(word) >= MIN_LETTERS}
