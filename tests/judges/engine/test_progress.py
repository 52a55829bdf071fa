"""The progress line says how far, how fast, and at what cost."""

from __future__ import annotations

import io

import pytest

from rubricbeat.judges.engine.ledger import Ledger, Price
from rubricbeat.judges.engine.progress import Bar
from rubricbeat.judges.verdict import Outcome, Verdict


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # under xdist it is 80, and the line is cut


def test_the_line_names_everything_of_its_own_run_only() -> None:
    ledger, stream = Ledger(Price(1, 1, 1)), io.StringIO()
    ledger.settled(Verdict.of(True))
    with Bar(ledger, 2, stream) as bar:
        ledger.settled(Verdict(Outcome.REFUSED))
        bar.draw(1)
    drawn = stream.getvalue()
    line = drawn.split("\r")[2]
    assert line.startswith("judging  50% |########--------| 1/2, ")
    assert line.rstrip().endswith("left, 1 in flight, 0 from store, 1 missing, $0.00")
    assert drawn.endswith("\n")


def test_an_unknown_cost_is_not_shown_as_nothing() -> None:
    stream = io.StringIO()
    with Bar(Ledger(None), 2, stream) as bar:
        bar.draw(1)
    assert "1 in flight" in stream.getvalue()
    assert "$" not in stream.getvalue()


def test_nothing_to_do_draws_nothing() -> None:
    stream = io.StringIO()
    with Bar(Ledger(None), 0, stream) as bar:
        bar.draw(0)
    assert stream.getvalue() == ""


def test_no_terminal_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert not Bar.open(None, Ledger(None), 5).is_on
    with Bar.open(True, Ledger(None), 5) as bar:
        assert bar.is_on
