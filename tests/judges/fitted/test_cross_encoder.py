"""A tuned encoder learns to read, is kept without pickle, and goes on where it was killed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from made_up_encoder import save_tiny_encoder
from made_up_labels import labelled_answers

from rubricbeat.judges.errors import ConfigError
from rubricbeat.judges.fitted.cross_training import Rows, Tuning, in_order, losses, plan, tune
from rubricbeat.judges.fitted.encoder import MiniLM
from rubricbeat.judges.fitted.heads import bind
from rubricbeat.judges.fitted.pairs import Pair
from rubricbeat.judges.fitted.tuning_checkpoint import Checkpoint

pytestmark = pytest.mark.border

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    texts = [
        text
        for item in labelled_answers()
        for text in (item.text, *(c.text for c in item.example.rubric.criteria))
    ]
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), texts)


def rows_of(n_groups: int, *, seed: int = 0) -> Rows:
    """Four answers a criterion; met where token 9 stands in the answer's part."""
    rng = np.random.default_rng(seed)
    pairs, met = [], []
    for n in range(4 * n_groups):
        is_met = n % 4 < 2
        body = [*rng.integers(10, 30, 6).tolist(), 9 if is_met else 8, 3]
        pairs.append(Pair(np.array([2, 12, 3, *body], dtype=np.int32), 3))
        met.append(float(is_met))
    group = np.arange(4 * n_groups) // 4
    return Rows(pairs, np.array(met), group)


def test_tuning_learns_to_tell_answers_of_one_criterion_apart(encoder_folder):
    encoder = MiniLM(encoder_folder)
    said = []
    head = tune(rows_of(40), rows_of(8, seed=1), encoder, Tuning(32, 60.0, 0), say=said.append)
    test = rows_of(8, seed=2)
    found = bind(head, encoder).reader.logits(test.pairs)
    order = in_order(torch, torch.tensor(found), torch.tensor(test.met_N),
                     torch.tensor(test.group_N))  # fmt: skip
    assert order > 0.9
    assert any("left" in line for line in said)


def test_a_killed_tuning_goes_on_to_the_same_weights(encoder_folder, tmp_path, monkeypatch):
    monkeypatch.setattr("rubricbeat.judges.fitted.tuning_loop.SAVE_EVERY_S", -1.0)
    monkeypatch.setattr("rubricbeat.judges.fitted.cross_training.BATCH_TOKENS", 90)
    encoder, learn, check = MiniLM(encoder_folder), rows_of(12), rows_of(4, seed=1)
    tuning = Tuning(32, 2.0, 3)
    whole = tune(learn, check, encoder, tuning, say=lambda words: None)
    kept = Checkpoint(tmp_path, "this tuning")

    def die(words):
        if "step 6 of" in words:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(learn, check, encoder, tuning, say=die, checkpoint=kept)
    assert kept.load().step == 5
    said = []
    again = tune(learn, check, encoder, tuning, say=said.append, checkpoint=kept)
    assert said[0] == "going on after step 5"
    for name, value in whole.weights.items():
        assert again.weights[name] == pytest.approx(value, abs=1e-6)


def test_fewer_epochs_than_the_checkpoint_has_seen_keep_what_there_is(
    encoder_folder, tmp_path, monkeypatch
):
    monkeypatch.setattr("rubricbeat.judges.fitted.cross_training.BATCH_TOKENS", 90)
    encoder, learn, check = MiniLM(encoder_folder), rows_of(12), rows_of(4, seed=1)
    kept = Checkpoint(tmp_path, "this tuning")
    first = tune(learn, check, encoder, Tuning(32, 2.0, 3), say=lambda words: None, checkpoint=kept)
    said = []
    again = tune(learn, check, encoder, Tuning(32, 1.0, 3), say=said.append, checkpoint=kept)
    assert not any("loss" in line and "left" in line for line in said)
    assert all(np.array_equal(again.weights[name], first.weights[name]) for name in first.weights)


def test_the_checkpoint_of_another_tuning_is_refused(encoder_folder, tmp_path):
    encoder, rows = MiniLM(encoder_folder), rows_of(4)
    tuning = Tuning(32, 0.5, 0)
    tune(rows, rows, encoder, tuning, say=print, checkpoint=Checkpoint(tmp_path, "one"))
    with pytest.raises(ConfigError, match="delete it to start anew"):
        tune(rows, rows, encoder, tuning, say=print, checkpoint=Checkpoint(tmp_path, "other"))
    Checkpoint(tmp_path, "one").path.write_bytes(b"no safetensors")
    with pytest.raises(ConfigError, match="no checkpoint that can be read"):
        Checkpoint(tmp_path, "one").load()


def test_answers_to_one_criterion_share_a_batch_and_both_kinds_are_there():
    rows = rows_of(30)
    rows.met_N[:40] = 1.0  # the first ten criteria are met by all
    batches = plan(rows, Tuning(32, 1.0, 0))
    place = {row: n for n, (taken, _) in enumerate(batches) for row in taken}
    for group in range(30):
        members = [row for row in range(4 * group, 4 * group + 4) if row in place]
        assert len({place[row] for row in members}) == 1
        assert len(members) == (1 if group < 10 else 4)
        if group >= 10:
            assert set(rows.met_N[members]) == {0.0, 1.0}
    weights = {row: w for taken, ws in batches for row, w in zip(taken, ws, strict=True)}
    assert weights[next(row for row in range(4) if row in weights)] == 3.0
    assert weights[60] == 1.0


def test_the_loss_is_cross_entropy_and_order():
    logits, met = torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0])
    same, apart = torch.tensor([0, 0]), torch.tensor([0, 1])
    even = torch.ones(2)
    # log 2 for the cross-entropy of each; once more for the pair, which is not told apart
    assert float(losses(torch, logits, met, apart, even)) == pytest.approx(np.log(2))
    assert float(losses(torch, logits, met, same, even)) == pytest.approx(2 * np.log(2))
    assert in_order(torch, logits, met, same) == 0.5


def test_judges_that_load_at_the_same_moment_leave_the_kind_of_numbers_alone(encoder_folder):
    # a trainer in the same process makes its layers in torch's default
    seen_while_loading = set()
    done = threading.Event()

    def look():
        while not done.is_set():
            seen_while_loading.add(torch.get_default_dtype())

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        with ThreadPoolExecutor(4) as pool:
            loaded = list(pool.map(MiniLM, [encoder_folder] * 8))
    finally:
        done.set()
        watcher.join()
    assert seen_while_loading == {torch.float32}
    assert all({p.dtype for p in one.model.parameters()} == {one.dtype} for one in loaded)
