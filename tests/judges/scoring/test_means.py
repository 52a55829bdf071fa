"""The mean over answers of clustered prompts, and how many answers it is worth, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.scoring.estimates import effective_n, mean


class TestMeans:
    """40 prompts of two answers each, twins of 0 or of 1: 80 answers that tell as much as 40."""

    CLUSTERS = np.arange(40)
    TWINS = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0)

    def test_the_interval_is_that_of_the_prompts_not_of_the_answers(self) -> None:
        """Variance .25 / 39; Student's t of 39 degrees 2.022691: half .161945."""
        found = mean(self.TWINS, self.CLUSTERS)
        assert found.value == 0.5
        assert found.low == pytest.approx(0.5 - 0.161945, abs=1e-6)
        assert found.high == pytest.approx(0.5 + 0.161945, abs=1e-6)

    def test_a_missing_answer_is_left_out(self) -> None:
        with_a_gap = np.column_stack([self.TWINS, np.full(40, np.nan)])
        assert mean(with_a_gap, self.CLUSTERS) == mean(self.TWINS, self.CLUSTERS)
        assert effective_n(with_a_gap, self.CLUSTERS) == effective_n(self.TWINS, self.CLUSTERS)

    def test_twins_tell_as_much_as_one_of_each(self) -> None:
        """Variance of the 80 values .25 * 80 / 79, of their mean .25 / 39: 80 * 39 / 79."""
        assert effective_n(self.TWINS, self.CLUSTERS) == pytest.approx(39.493671, abs=1e-6)

    def test_single_answers_count_each_and_never_more(self) -> None:
        assert effective_n(self.TWINS[:, :1], self.CLUSTERS) == pytest.approx(40)
        opposed = np.where(np.arange(2) == 0, self.TWINS, 1 - self.TWINS)
        opposed[0, 0] = 1.0  # the others of a prompt always cancel: better than independent
        assert effective_n(opposed, self.CLUSTERS) == 80

    def test_what_cannot_be_told_is_none(self) -> None:
        nothing = np.full((40, 2), np.nan)
        assert mean(nothing, self.CLUSTERS).value is None
        assert effective_n(nothing, self.CLUSTERS) is None
        same = np.ones((40, 2))
        assert mean(same, self.CLUSTERS).value == 1.0
        assert mean(same, self.CLUSTERS).low is None
        assert effective_n(same, self.CLUSTERS) is None
        one_prompt = mean(self.TWINS, np.zeros(40, np.intp))
        assert (one_prompt.value, one_prompt.low) == (0.5, None)
