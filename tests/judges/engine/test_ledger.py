"""The counts of a grader: percentiles by hand, and read while calls come in."""

from __future__ import annotations

import threading

import pytest

from rubricbeat.judges.engine import ledger as ledger_module
from rubricbeat.judges.engine.ledger import Ledger
from rubricbeat.judges.verdict import Verdict


def test_percentiles_are_the_ranked_latencies() -> None:
    ledger = Ledger(None)
    assert ledger.to_json()["latency_s"] is None
    for tenth in (5, 1, 4, 2, 3):
        ledger.call_ended(tenth / 10)
    # ranks of 5: .5 x 4 = 2, .9 x 4 = 3.6, .99 x 4 = 3.96
    assert ledger.to_json()["latency_s"] == {"p50": 0.3, "p90": 0.5, "p99": 0.5, "max": 0.5}


def test_the_rate_is_that_of_the_seconds_in_which_a_run_was_open() -> None:
    ledger = Ledger(None)
    assert ledger.to_json()["criteria_per_s"] is None
    for _ in range(7):
        ledger.settled(Verdict.of(True))
    ledger.busy_s = 2.0014
    facts = ledger.to_json()
    # 7 in 2.0014 s are 3.4976
    assert (facts["criteria_per_s"], facts["seconds"]) == (3.5, 2.001)


def test_facts_may_be_asked_for_while_calls_come_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "_MAX_LATENCIES", 10**9)  # it grows all the while
    ledger, faults = Ledger(None), []

    def work() -> None:
        try:
            for n in range(200_000):
                ledger.call_ended(n / 1000)
        except BaseException as error:
            faults.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        ledger.to_json()
    thread.join()
    assert faults == []
