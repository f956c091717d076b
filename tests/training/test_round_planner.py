"""Which round comes next, and when a run ends."""

import shutil

import pytest

from hfal import HfalError
from hfal.errors import DivergedError


def test_a_finished_run_can_be_extended_and_asks_what_a_longer_run_would_have_asked(make_active, make_trainer):
    long = make_active()
    long.run(make_trainer([long]), rounds=3)
    short = make_active(long.pool.run_dir.with_name("short"))
    short.run(make_trainer([short]), rounds=2)
    assert short.pool.store.query_of_round(2) is None
    more = make_active(short.pool.run_dir)
    more.run(make_trainer([more]), rounds=3)
    queries = [[(e.example_id, e.score) for e in q.examples] for q in long.pool.store.queries()]
    assert [[(e.example_id, e.score) for e in q.examples] for q in more.pool.store.queries()] == queries


def test_without_its_last_model_a_finished_run_still_ends_well_but_cannot_be_extended(
    make_active, make_trainer, caplog
):
    active = make_active()
    records = active.run(make_trainer([active]), rounds=1)
    shutil.rmtree(active.pool.run_dir / "rounds" / "001")
    again = make_active()
    assert again.run(make_trainer([again]), rounds=1) == records
    assert "the Trainer does not have the model of round 1" in caplog.text
    with pytest.raises(HfalError, match=r"001/model is missing.*Put it back, or export the labels"):
        again.run(make_trainer([again]), rounds=2)
    assert len(again.pool.labels()) == 10


def test_the_budget_is_spent_to_the_last_label_and_all_of_it_is_trained_on(make_active, make_trainer):
    active = make_active(budget=35, holdout=7)
    trainer = make_trainer([active])
    records = active.run(trainer)
    assert len(active.pool.labels()) == 35
    assert [r.train_size for r in records] == [10, 20, 28]
    assert [r.labels for r in records] == [17, 27, 35]


def test_the_target_ends_the_run_and_asks_no_more(make_active, make_trainer, eval_reviews):
    active = make_active(target_metric="loss", target=10.0)
    records = active.run(make_trainer([active], eval_dataset=eval_reviews), rounds=5)
    assert len(records) == 1
    assert len(active.pool.labels()) == 10
    again = make_active(target_metric="loss", target=10.0)
    again.run(make_trainer([again], eval_dataset=eval_reviews), rounds=5)
    assert len(again.pool.labels()) == 10
    unreachable = make_active(target_metric="eval_loss", target=0.0)
    assert len(unreachable.run(make_trainer([unreachable], eval_dataset=eval_reviews), rounds=2)) == 2


def test_a_query_larger_than_what_is_left_takes_what_is_left(make_active, make_trainer, reviews):
    active = make_active(data=reviews.select(range(25)), query_size=10)
    records = active.run(make_trainer([active]))
    assert [r.train_size for r in records] == [10, 20, 25]
    assert len(active.pool.unlabeled) == 0
    larger = make_active(active.pool.run_dir.with_name("larger"), reviews.select(range(25)), query_size=1000)
    assert [r.train_size for r in larger.run(make_trainer([larger]))] == [25]


def test_a_last_round_that_diverged_is_trained_again_with_other_settings(make_active, make_trainer):
    active = make_active()
    active.run(make_trainer([active], learning_rate=1e30), rounds=1)
    with pytest.raises(DivergedError):
        active.run(make_trainer([active], learning_rate=1e30), rounds=2)
    records = active.run(make_trainer([active]), rounds=2)
    assert [record.labels for record in records] == [10, 20]


@pytest.mark.parametrize("value", [float("nan"), 0.1])
def test_a_metric_that_is_nan_reaches_no_target(make_active, make_trainer, eval_reviews, value):
    active = make_active(target_metric="mcc", target=0.9)
    trainer = make_trainer([active], eval_dataset=eval_reviews, compute_metrics=lambda prediction: {"mcc": value})
    assert len(active.run(trainer, rounds=2)) == 2
