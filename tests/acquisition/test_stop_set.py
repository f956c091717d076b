"""The stop set: which examples it has, and what is recorded of predictions on it."""

import numpy as np
from datasets import Dataset

from hfal import Answer, Pool
from hfal.acquisition import stop_set as module
from hfal.acquisition.stop_set import is_measured, record_predictions, stop_set


def pool_of(run_dir, ids: str) -> Pool:
    data = Dataset.from_dict({"text": [f"text {i}" for i in ids], "key": list(ids)})
    return Pool(data, run_dir, "text", label_names=["no", "yes"], id_column="key")


def ids_of(pool: Pool, seed: int) -> list[str]:
    return [pool.ids[int(row)].as_py() for row in stop_set(pool, np.random.default_rng(seed), seed)]


def test_it_is_drawn_once_from_the_whole_pool_whatever_its_order(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STOP_SET_SIZE", 5)
    pool = pool_of(tmp_path / "run", "abcdefgh")
    for i in "abcdef":
        pool.record(Answer(i, "yes", annotator="ann"))
    first = ids_of(pool, 1)
    assert len(set(first)) == 5
    assert ids_of(pool, 2) == first  # drawn already
    assert ids_of(pool_of(tmp_path / "other", "hgfedcba"), 1) == first


def test_another_one_is_drawn_when_its_examples_are_gone_from_the_data(tmp_path, caplog):
    assert len(ids_of(pool_of(tmp_path, "abcdefgh"), 1)) == 8
    assert sorted(ids_of(pool_of(tmp_path, "abcdefg"), 1)) == [*"abcdefg"]
    assert "examples of the stop set are gone from the data, so another one is drawn" in caplog.text


def test_a_small_pool_is_all_in_it(tmp_path):
    assert sorted(ids_of(pool_of(tmp_path, "abc"), 1)) == ["a", "b", "c"]


def test_each_round_is_compared_with_the_one_before(tmp_path):
    pool = pool_of(tmp_path, "abcd")
    store = pool.store
    sure, even = [0.0, 1.0], [0.5, 0.5]
    for number, rows in enumerate([[sure, sure, even, even], [sure, sure, even, sure]], start=1):
        store.start_round(number, seed=1)
        assert not is_measured(store, number)
        record_predictions(store, pool.task, number, {"probabilities": np.array(rows, np.float32)})
        assert is_measured(store, number)
    first, second = (record.stability for record in store.rounds())
    assert first == {"uncertainty": 0.5}  # of two of four texts nothing is known, which is a whole bit each
    # Classes 1, 1, 0, 0 and 1, 1, 0, 1: agreement 3/4, by chance 1/2 * 3/4 + 1/2 * 1/4 = 1/2.
    assert second["kappa"] == 0.5
    assert second["changed"] == 0.25
    assert second["uncertainty"] == 0.25
