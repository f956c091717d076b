"""What a run is and is to do: typed in the code, and on the disk as hfal 0.1 has it."""

from pathlib import Path

import pytest

from hfal.store.run_info import Ended, PoolDraw, PublishedOptions, RunInfo, RunPlan
from hfal.store.store import Store


PLAN = {
    "rounds": 3,
    "budget": 30,
    "strategy": "margin+kmeans",
    "query_size": 10,
    "unit": "examples",
    "target_metric": "accuracy",
    "target": 0.9,
    "stop": "kappa(0.99)",
    "simulated": True,
    "pool_size": 20,
}
DRAW = {"pool_size": 20, "eval_size": 5, "seed": 42, "evaluated": [3, 14], "last": 159}


def test_an_empty_store_has_none(tmp_path):
    store = Store(tmp_path)
    assert store.info == RunInfo()
    assert (store.plan, store.ended, store.draw) == (None, None, None)
    assert (store.run_name, store.pool_fingerprint, store.exported_rounds) == (None, None, 0)


def test_what_is_recorded_lies_on_the_disk_under_the_keys_of_0_1(tmp_path):
    store = Store(tmp_path)
    store.set_info(RunInfo("token_classification", "IOB2", ("O", "B-PER"), True))
    assert [store.meta(key) for key in ("task", "scheme", "label_names", "labels_are_hidden")] == [
        "token_classification",
        "IOB2",
        ["O", "B-PER"],
        True,
    ]
    store.set_plan(RunPlan(**PLAN))
    later = {"queries_per_round": 1, "aggregate_labels": "latest", "annotators": []}  # which 0.1 had not
    assert list(store.meta("plan").items()) == [*PLAN.items(), *later.items()]
    store.set_ended(Ended("the budget is spent", 30))
    assert store.meta("ended") == {"reason": "the budget is spent", "answer": 30}
    store.set_ended(None)
    assert store.meta("ended") is None
    store.set_draw(PoolDraw(**DRAW))
    assert list(store.meta("draw").items()) == list(DRAW.items())
    store.set_run_name("reviews-123456")
    store.set_pool_fingerprint("abcdef")
    assert (store.meta("run_name"), store.meta("pool")) == ("reviews-123456", "abcdef")


@pytest.mark.parametrize("read_only", [False, True])
def test_what_0_1_has_recorded_is_read(tmp_path, read_only):
    store = Store(tmp_path)
    for key, value in {
        "task": "text_classification",
        "scheme": None,
        "label_names": ["no", "yes"],
        "labels_are_hidden": False,
        "plan": PLAN,
        "ended": {"reason": "3 rounds were asked for", "answer": 8},
        "draw": DRAW,
        "exported_rounds": 2,
    }.items():
        store.set_meta(key, value)
    store.close()
    store = Store(tmp_path, read_only)
    assert store.info == RunInfo("text_classification", None, ("no", "yes"), False)
    assert store.plan == RunPlan(**PLAN)
    assert store.ended == Ended("3 rounds were asked for", 8)
    assert store.draw == PoolDraw(**DRAW)
    assert store.exported_rounds == 2


def test_fields_that_an_older_hfal_lacks_or_a_newer_one_has(tmp_path):
    store = Store(tmp_path)
    store.set_meta("plan", {"strategy": "margin", "query_size": 10, "pool_size": 20, "budget": None, "teams": ["a"]})
    store.set_meta("ended", {"reason": "the budget is spent", "answer": 30, "by": "ann"})
    assert store.plan == RunPlan(strategy="margin", query_size=10, pool_size=20)
    assert store.ended == Ended("the budget is spent", 30)


def test_the_published_options_that_were_written_last_are_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    assert store.published_options == PublishedOptions()  # as in the run of a script, or of an older hfal
    for options in ({"labels": ["a"], "query_size": 7}, {"learning_rate": 5e-5, "holdout": None}):
        store.set_published_options(PublishedOptions(options, ["data"]))
        assert store.published_options == PublishedOptions(options, ["data"])
    assert list(store.published_options.shown) == ["learning_rate", "holdout"]
    store.close()
