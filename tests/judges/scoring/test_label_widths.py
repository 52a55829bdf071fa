"""What more labels reach, worked by hand and on drawn samples."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.audit.correction import prediction_powered
from rubricbeat.judges.scoring.label_widths import LabelWidths


def test_needed_by_hand():
    # squared: .0016, of which .0004 stays; .03 leaves .0005 of .0012 to the labels
    widths = LabelWidths.of("answers", 50, 200, 0.04, 0.25)
    assert widths is not None
    assert widths.least == pytest.approx(0.02)
    # 1 / n = 1 / 200 + 5 / 12 (1 / 50 - 1 / 200) = .01125: 88.9
    assert widths.needed(0.03) == 89
    assert widths.needed(0.04) == 50
    assert widths.needed(0.02) is None
    assert widths.words() == (
        "labels on 50 of 200 answers give ±0.040; about 89 would give ±0.030, all of them ±0.020"
    )


def test_nothing_is_needed_where_all_is_labelled():
    assert LabelWidths.of("answers", 200, 200, 0.04, 0.25) is None
    assert LabelWidths.of("answers", 0, 200, 0.04, 0.25) is None
    # an estimate of the part that stays may be all, or more, of it
    assert LabelWidths.of("answers", 50, 200, 0.04, 1.3).needed(0.03) is None


def test_what_cannot_be_reached_or_is_reached_is_not_advised():
    # .03 and .02 would be three quarters and a half; all labels give .0346
    widths = LabelWidths.of("answers", 50, 200, 0.04, 0.75)
    assert widths.needed(0.03) is None
    assert widths.words() == "labels on 50 of 200 answers give ±0.040; all of them ±0.035"
    # a share below 0 is none: three quarters take 1 / n = .005 + 9 / 16 x .015, 74.4; a half takes
    # .005 + .015 / 4, 114.3
    widths = LabelWidths.of("criteria", 50, 200, 0.04, -0.1)
    assert widths.least == 0
    assert "about 75 would give ±0.030, about 115 would give ±0.020" in widths.words()
    assert LabelWidths.of("prompts", 199, 200, 0.04, 0.0).needed(0.04) == 199
    assert LabelWidths.of("prompts", 1, 200, 0.04, 0.0).n_labelled == 1
    assert widths.to_json() == {
        "unit": "criteria",
        "n_labelled": 50,
        "n_units": 200,
        "half": 0.04,
        "least": 0.0,
    }


def test_as_many_labels_give_the_width_that_was_told():
    rng = np.random.default_rng(4)
    told, reached = [], []
    for _ in range(100):
        judged = rng.random(600)
        label = np.clip(judged + rng.normal(0, 0.3, 600), 0, 1)
        few = prediction_powered(judged[60:], judged[:60], label[:60]).widths
        n = few.needed(0.75 * few.half)
        told.append(0.75 * few.half)
        reached.append(prediction_powered(judged[n:], judged[:n], label[:n]).widths.half)
    assert np.mean(reached) == pytest.approx(np.mean(told), rel=0.03)
