"""Every reply of a list that was thought out to mislead is read rightly, or not at all."""

from __future__ import annotations

import pytest
from nasty_replies import CUT, REPLIES

from rubricbeat.judges.replies.parsing import parse_verdict

RIGHT = {"T": {True}, "F": {False}, "N": {None}, "t": {True, None}, "f": {False, None}}


@pytest.mark.parametrize(("kind", "reply"), REPLIES)
def test_a_reply_that_misleads_is_read_rightly_or_not_at_all(kind: str, reply: str) -> None:
    assert parse_verdict(reply).met in RIGHT[kind]


@pytest.mark.parametrize(("kind", "reply"), CUT)
def test_a_reply_that_was_cut_off_holds_a_verdict_only_where_it_is_whole(
    kind: str, reply: str
) -> None:
    assert parse_verdict(reply, ended=False).met in RIGHT[kind]


@pytest.mark.parametrize("reply", [reply for kind, reply in REPLIES if kind == "N"])
def test_strict_reading_takes_none_of_them_either(reply: str) -> None:
    assert parse_verdict(reply, strict=True).met is None
    assert parse_verdict(reply, strict=True, ended=False).met is None
