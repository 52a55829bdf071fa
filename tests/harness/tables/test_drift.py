"""What a terminal says of a drift."""

from __future__ import annotations

import dataclasses

from made_up_upkeep import drift_in_world

from rubricbeat.harness.tables.drift import drift_parts
from rubricbeat.judges.scoring.estimates import NOTHING


def test_the_sentence_names_what_is_significant_or_what_is_not_known() -> None:
    assert list(drift_parts(None)) == []
    head, table, sentence = drift_parts(drift_in_world(1, noise=0, turned=1.0))
    assert head == "drift since 2026-09-01: 300 questions asked again on 2026-11-30"
    assert "flips between replicates, earlier" in table
    assert sentence.startswith("Significant drift: difference beyond noise")
    calm = drift_in_world(1, noise=0)
    assert list(drift_parts(calm))[2].startswith("No significant drift;")
    once = dataclasses.replace(calm, beyond=NOTHING, flips=NOTHING)
    *_, table, sentence = drift_parts(once)
    assert "replicates, now" not in table
    assert sentence.endswith("is not known: ask with replicates=2.")
    assert list(drift_parts(drift_in_world(1, n_prompts=8)))[2].startswith("Fewer than 10 prompts")
