"""What a criterion's words say of how often it is met, and the head that is taught with it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_labels import labelled_answers

from rubricbeat.judges.fitted.features import Sight, WordWeights
from rubricbeat.judges.fitted.fitting import lessons_of
from rubricbeat.judges.fitted.heads import (
    HeadKind,
    TabularHead,
    head_from_json,
    head_to_json,
    train_head,
)
from rubricbeat.judges.fitted.wording import WordingOdds, held_out_logits, learn_wording


def test_a_word_that_goes_with_met_has_a_weight_above_0() -> None:
    criteria = [f"Advises {thing}" for thing in "abcdefgh"] + [f"Quotes {x}" for x in "ijklmnop"]
    met = np.repeat([1.0, 0.0], 8)
    model = learn_wording(criteria * 20, np.tile(met, 20))
    usual, rare = model.logits(["Advises something new", "Quotes something new"])
    assert usual > 0.5 > -0.5 > rare
    # nothing known of it: the bias alone, near even odds
    assert abs(model.logits(["zzz"])[0]) < 0.5


def test_labels_that_are_missing_teach_nothing() -> None:
    criteria = ["Advises rest", "Quotes a journal"] * 40
    met = np.tile([1.0, 0.0], 40)
    half = np.where(np.arange(80) < 40, met, np.nan)
    first = learn_wording(criteria[:40], met[:40])
    second = learn_wording(criteria, half)
    texts = ["Advises rest", "Quotes a journal"]
    assert first.logits(texts) == pytest.approx(second.logits(texts), abs=1e-6)


def test_held_out_log_odds_do_not_know_their_own_labels() -> None:
    """Every prompt has a word of its own, and labels drawn at random: there is nothing to learn."""
    rng = np.random.default_rng(3)
    names = ["".join(rng.choice(list("bcdfgklmnprt"), 8)) for _ in range(60)]
    ends = ["aspirin", "insulin", "oxygen", "surgery", "splint"]
    criteria = [f"Names {name} beside {end}" for name in names for end in ends]
    prompt = np.repeat(np.arange(60), 5)
    met = np.repeat(rng.random(60) < 0.5, 5).astype(float)
    told = learn_wording(criteria * 4, np.tile(met, 4)).logits(criteria)
    held = held_out_logits(criteria, met, prompt, seed=1)
    assert np.corrcoef(told, met)[0, 1] > 0.9
    assert np.corrcoef(held, met)[0, 1] < 0.2


def test_the_order_of_a_set_of_words_does_not_enter() -> None:
    """1e16 + 1 - 1e16 is 1, and 0 where the large ones do not meet first."""
    for n in "abcdefghijklmnop":
        heavy = WordingOdds({f"{n}onix": 1e16, f"{n}twix": 1.0, f"{n}trix": -1e16}, 0.0)
        assert heavy.logits([f"{n}onix {n}twix {n}trix"]).tolist() == [1.0]
    words = [f"word{n}" for n in range(40)]
    some = WordWeights(50, {word: 3 + n for n, word in enumerate(words)})
    assert len({some.weigh(words[n:] + words[:n]) for n in range(40)}) == 1


def test_it_survives_json() -> None:
    model = learn_wording(["Advises rest", "Quotes a journal"] * 40, np.tile([1.0, 0.0], 40))
    assert WordingOdds.from_json(json.loads(json.dumps(model.to_json()))) == model


def test_the_head_takes_no_encoder_and_survives_json() -> None:
    pytest.importorskip("sklearn")
    labelled = labelled_answers()
    lessons, words = lessons_of(labelled, None, None, lambda words: None, None)
    head = train_head(HeadKind.WORDS, lessons, seed=1)
    assert isinstance(head, TabularHead)
    plain, arrays = head_to_json(head)
    assert not arrays
    kept = head_from_json(json.loads(json.dumps(plain)), {})
    seen = Sight(words, None).see(labelled[0].example, labelled[0].text)
    assert kept.logits(seen) == pytest.approx(head.logits(seen))
    assert isinstance(words, WordWeights)


def test_the_criterions_own_rate_is_learned_beside_the_match() -> None:
    """ "Quotes a journal by volume" is never met, whatever the answer says."""
    pytest.importorskip("sklearn")
    labelled = labelled_answers(60)
    lessons, words = lessons_of(labelled[:240], None, None, lambda words: None, None)
    head = train_head(HeadKind.WORDS, lessons, seed=1)
    sight = Sight(words, None)
    for item in labelled[240:300]:
        logits = head.logits(sight.see(item.example, item.text))
        met = np.array([labels[0].met for labels in item.labels])
        assert ((logits > 0) == met).all()
