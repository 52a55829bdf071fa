"""Replies drawn from a grammar are read rightly or not at all, and the plain ones are read.

`REPLIES` of the environment sets how many are drawn, 100,000 by default, and `REPLIES_SEED` where
the drawing begins.
"""

from __future__ import annotations

import os
from collections import Counter
from random import Random

from reply_grammar import GROUPS, N_ITEMS, OTHERS, PLAIN, RATINGS, plain_group, plain_rating

from rubricbeat.judges.replies.parsing import parse_group, parse_rating, parse_verdict

N_REPLIES = int(os.environ.get("REPLIES", "100000"))
SEED = int(os.environ.get("REPLIES_SEED", "20261129"))


def test_a_verdict_is_read_rightly_or_not_at_all_and_plain_ones_are_read() -> None:
    rng = Random(SEED)
    forms = [*PLAIN, *OTHERS]
    n_drawn: Counter[str] = Counter()
    n_read: Counter[str] = Counter()
    for number in range(N_REPLIES * 9 // 10):
        form = forms[number % len(forms)]
        made = form(rng)
        met = parse_verdict(made.text, ended=made.ended).met
        assert met is None or met in made.right, (form.__name__, made.text)
        n_drawn[form.__name__] += 1
        n_read[form.__name__] += met is not None
    for plain, least in PLAIN.items():
        assert n_read[plain.__name__] >= least * n_drawn[plain.__name__], plain.__name__


def test_verdicts_of_a_group_are_read_rightly_or_not_at_all() -> None:
    rng = Random(SEED)
    for number in range(N_REPLIES * 7 // 100):
        form = GROUPS[number % len(GROUPS)]
        made = form(rng)
        read = [p.met for p in parse_group(made.text, N_ITEMS, ended=made.ended)]
        for met, right in zip(read, made.right, strict=True):
            assert met is None or met in right, (form.__name__, made.text)
        assert form is not plain_group or None not in read, made.text


def test_a_rating_is_read_rightly_or_not_at_all() -> None:
    rng = Random(SEED)
    for number in range(N_REPLIES * 3 // 100):
        form = RATINGS[number % len(RATINGS)]
        made = form(rng)
        rating = parse_rating(made.text, ended=made.ended)[0]
        assert rating is None or rating in made.right, (form.__name__, made.text)
        assert form is not plain_rating or rating is not None, made.text
