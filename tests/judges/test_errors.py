"""An error means the same after it has been sent from one process to another."""

from __future__ import annotations

import pickle

import pytest

from rubricbeat.judges.errors import (
    DoubtfulError,
    NoApiError,
    RateLimitError,
    RubricbeatError,
    StorePathError,
)


@pytest.mark.parametrize(
    ("error", "fields"),
    [
        (RateLimitError("wait", 3.5), {"retry_after_s": 3.5}),
        (RateLimitError(), {"retry_after_s": None}),
        (NoApiError("a page", "base_url=..."), {"mend": "base_url=..."}),
        (DoubtfulError("no", 422, "m", True), {"status": 422, "mend": "m", "is_long": True}),
        (StorePathError("no store"), {}),
    ],
)
def test_an_error_keeps_its_words_and_fields(
    error: RubricbeatError, fields: dict[str, object]
) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), fields)
