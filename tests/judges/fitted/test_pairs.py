"""A cross-encoder reads the criterion whole, and of the answer what is most like it."""

from __future__ import annotations

import numpy as np
import pytest

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.features import Seen
from rubricbeat.judges.fitted.pairs import PairMaker, relevance

CLS, SEP = 1, 2
WORDS = {"take": 10, "aspirin": 11, "now": 12, "sleep": 13, "well": 14, "tonight": 15, "see": 16}


class WordTokenizer:
    cls_token_id = CLS
    sep_token_id = SEP

    def __call__(self, texts, *, add_special_tokens, truncation, max_length):
        assert not add_special_tokens and truncation
        return {"input_ids": [[WORDS[w] for w in text.split()][:max_length] for text in texts]}


def seen(sentences, likeness):
    """An answer whose sentences have a given likeness to the one criterion, "see aspirin"."""
    vectors = np.array([[x, np.sqrt(1 - x * x)] for x in likeness], dtype=np.float32)
    criterion = np.array([[1.0, 0.0]], dtype=np.float32)
    return Seen(
        np.zeros((1, 1)), vectors, criterion, (criterion,), tuple(sentences), ("see aspirin",)
    )


def words_of(ids):
    names = {number: word for word, number in WORDS.items()} | {CLS: "<", SEP: "|"}
    return " ".join(names[int(i)] for i in ids)


def test_all_sentences_stand_in_the_order_of_the_answer_where_they_fit():
    (pair,) = PairMaker(WordTokenizer(), 64).pairs(seen(["sleep well", "take aspirin"], [0.1, 0.9]))
    assert words_of(pair.ids) == "< see aspirin | sleep well | take aspirin |"
    assert pair.n_criterion == 4


def test_of_a_long_answer_the_sentences_most_like_the_criterion_are_read():
    filler = "sleep well tonight sleep well tonight sleep well"
    answer = seen([filler, "take aspirin now", filler], [0.2, 0.9, 0.1])
    (pair,) = PairMaker(WordTokenizer(), 16).pairs(answer)
    assert words_of(pair.ids) == "< see aspirin | take aspirin now |"
    (pair,) = PairMaker(WordTokenizer(), 17).pairs(answer)
    assert words_of(pair.ids) == (
        "< see aspirin | sleep well tonight sleep well tonight sleep well | take aspirin now |"
    )


@pytest.mark.parametrize("n_tokens", [32, 40, 128])
def test_a_row_never_passes_its_budget(n_tokens):
    long = " ".join(["aspirin"] * 300)
    answer = seen([long, long], [0.5, 0.4])
    (pair,) = PairMaker(WordTokenizer(), n_tokens).pairs(answer)
    assert len(pair) <= n_tokens


def test_without_a_look_the_answer_is_not_read():
    (pair,) = PairMaker(WordTokenizer(), 64).pairs(seen(["take aspirin"], [0.9]), looks=False)
    assert words_of(pair.ids) == "< see aspirin |"


def test_a_sentence_that_holds_one_clause_is_relevant_too():
    criteria = np.array([[1.0, 0.0]], dtype=np.float32)
    clauses = np.array([[0.6, 0.8], [1.0, 0.0]], dtype=np.float32)
    sentences = np.array([[0.6, 0.8], [0.8, 0.6]], dtype=np.float32)
    answer = Seen(np.zeros((1, 1)), sentences, criteria, (clauses,), ("a", "b"), ("c",))
    # likeness to the whole .6 and .8; to the nearest clause 1 and .96
    assert relevance(answer)[0] == pytest.approx([0.8, 0.88])


def test_a_tokenizer_without_marks_is_refused():
    class Bare(WordTokenizer):
        cls_token_id = None
        bos_token_id = None

    with pytest.raises(ConfigError, match="MiniLM"):
        PairMaker(Bare(), 64).pairs(seen(["take aspirin"], [0.9]))
