"""Which round comes next, and when a run ends."""

import shutil
from collections.abc import Callable

import numpy as np
import pytest

from hfal import ActiveLearningCallback, HfalError
from hfal.errors import AnswersPending, DivergedError
from hfal.store.records import HEAD, Answer


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


# -- with a frozen head that queries between trainings ----------------------------------------------------------------


@pytest.fixture
def make_headed(make_active, reviews) -> Callable[..., ActiveLearningCallback]:
    """A function that makes a callback whose queries a head makes, on embeddings that are drawn."""
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)

    def make(*args, size=300, **options) -> ActiveLearningCallback:
        given = {"select_with": "head", "queries_per_round": 3, "embeddings": vectors[:size], **options}
        return make_active(*args, data=reviews.select(range(size)), **given)

    return make


def queries(active) -> list[tuple[str, int, int, int]]:
    """Purpose, round, place among those of the head, and size of each query."""
    return [(q.purpose, q.round, q.sequence, len(q.examples)) for q in active.pool.store.queries()]


def asked(active) -> list[str]:
    return [example.example_id for query in active.pool.store.queries() for example in query.examples]


def check_all_are_answered(active) -> None:
    """Nobody was asked twice, all that was asked is answered, and the last round was trained on all of it."""
    ids = asked(active)
    assert len(ids) == len(set(ids)) == len(active.pool.store.current_answers())
    assert all(query.closed for query in active.pool.store.queries())
    assert active.history[-1].labels == len(ids)


def test_a_round_begins_after_so_many_queries_of_a_head_and_the_seed_set_is_the_first(make_headed, make_trainer):
    active = make_headed(holdout=7)
    records = active.run(make_trainer([active]), rounds=2)
    of_head = [(HEAD, 0, 1, 10), (HEAD, 0, 2, 10), (HEAD, 1, 1, 10), (HEAD, 1, 2, 10), (HEAD, 1, 3, 10)]
    assert queries(active) == [("holdout", 0, 0, 7), ("seed", 0, 0, 10), *of_head]
    assert [(r.labels, r.train_size) for r in records] == [(37, 30), (67, 60)]
    check_all_are_answered(active)
    assert not (active.pool.run_dir / "sentence_embeddings").exists()  # they were given


def test_one_query_a_round_of_a_head_asks_as_often_as_a_model(make_headed, make_trainer):
    active = make_headed(queries_per_round=1)
    records = active.run(make_trainer([active]), rounds=3)
    assert queries(active) == [("seed", 0, 0, 10), (HEAD, 1, 1, 10), (HEAD, 2, 1, 10)]
    assert [record.labels for record in records] == [10, 20, 30]


def test_a_budget_that_ends_between_two_trainings_ends_with_one(make_headed, make_trainer):
    active = make_headed(budget=45)
    records = active.run(make_trainer([active]))
    assert queries(active)[3:] == [(HEAD, 1, 1, 10), (HEAD, 1, 2, 5)]
    assert [record.labels for record in records] == [30, 45]
    check_all_are_answered(active)
    assert active.pool.store.ended.reason == "the budget is spent"


def test_a_pool_that_runs_out_ends_with_a_training_on_all_of_it(make_headed, make_trainer):
    active = make_headed(size=44)
    records = active.run(make_trainer([active]))
    assert queries(active)[3:] == [(HEAD, 1, 1, 10), (HEAD, 1, 2, 4)]
    assert [record.train_size for record in records] == [30, 44]
    check_all_are_answered(active)
    assert active.pool.store.ended.reason == "nothing is left to ask"


def test_labels_that_came_with_the_data_stand_for_the_seed_set(make_active, make_trainer, reviews):
    labels = [label if row < 12 else None for row, label in enumerate(reviews["label"])]
    data = reviews.remove_columns("label").add_column("label", labels, feature=reviews.features["label"])
    vectors = np.random.default_rng(0).normal(size=(300, 8))
    for wanted, sizes in ((1, [12, 22]), (2, [22, 42])):
        options = {"select_with": "head", "queries_per_round": wanted, "embeddings": vectors}
        active = make_active(make_active().pool.run_dir.with_name(f"run {wanted}"), data, **options)
        active.annotator.pool = make_active().pool
        assert [record.train_size for record in active.run(make_trainer([active]), rounds=2)] == sizes
        assert "seed" not in {query.purpose for query in active.pool.store.queries()}
        assert active.pool.store.queries()[0].settings["answers_seen"] == 12


def test_criteria_and_targets_see_trained_rounds_alone(make_headed, make_trainer, eval_reviews):
    active = make_headed(target_metric="loss", target=10.0)
    assert len(active.run(make_trainer([active], eval_dataset=eval_reviews), rounds=5)) == 1
    assert queries(active) == [("seed", 0, 0, 10), (HEAD, 0, 1, 10), (HEAD, 0, 2, 10)]
    stopped = make_headed(active.pool.run_dir.with_name("stopped"), stop="uncertainty(1.0, rounds=2)")
    assert len(stopped.run(make_trainer([stopped]), rounds=5)) == 2


@pytest.mark.slow
def test_a_finished_run_of_a_head_goes_on_as_a_longer_one(make_headed, make_trainer):
    long = make_headed()
    long.run(make_trainer([long]), rounds=2)
    short = make_headed(long.pool.run_dir.with_name("short"))
    short.run(make_trainer([short]), rounds=1)
    more = make_headed(short.pool.run_dir)
    more.run(make_trainer([more]), rounds=2)
    assert queries(more) == queries(long)
    assert asked(more) == asked(long)
    assert [record.metrics for record in more.history] == [record.metrics for record in long.history]


class Leaves:
    """Somebody who answers some questions and leaves, as at a terminal."""

    name = "ann"

    def __init__(self, pool, patience: int):
        self.pool = pool
        self.patience = patience

    def annotate(self, query):
        for question in query.questions:
            if self.patience == 0:
                return
            self.patience -= 1
            yield Answer(question.example_id, self.pool.hidden_label(question.example_id))

    def waiting_for(self, query):
        return f"{len(query.questions)} texts wait"


@pytest.mark.slow
def test_who_leaves_within_a_query_of_a_head_is_asked_the_rest_and_then_the_same_as_others(make_headed, make_trainer):
    whole = make_headed()
    whole.run(make_trainer([whole]), rounds=2)
    run_dir = whole.pool.run_dir.with_name("leaving")
    waiting = []
    for patience in (4, 17, 13, 0, 1, 1000):
        active = make_headed(run_dir)
        active.annotator = Leaves(active.pool, patience)
        try:
            active.run(make_trainer([active]), rounds=2)
        except AnswersPending as pending:
            waiting.append(str(pending))
    assert waiting == [
        "Query 1 (seed set): 6 texts wait",
        "Query 3 (number 2 for round 1): 9 texts wait",
        "Query 4 (number 1 for round 2): 6 texts wait",
        "Query 4 (number 1 for round 2): 6 texts wait",
        "Query 4 (number 1 for round 2): 5 texts wait",
    ]
    assert queries(active) == queries(whole)
    assert asked(active) == asked(whole)
    assert [record.metrics for record in active.history] == [record.metrics for record in whole.history]


def test_a_head_and_a_model_take_turns_in_one_run_with_open_queries(make_active, make_headed, make_trainer):
    run_dir = make_active().pool.run_dir.with_name("turns")

    def go_on(make, rounds: int, patience: int) -> ActiveLearningCallback:
        active = make(run_dir)
        active.annotator = Leaves(active.pool, patience)
        try:
            active.run(make_trainer([active]), rounds=rounds)
        except AnswersPending:
            assert len(active.pool.store.open_queries()) == 1
        return active

    of_model = lambda *args: make_active(*args)  # noqa: E731
    # The model's first query is half answered when the head takes over: it counts as one of three for round 2.
    go_on(of_model, 5, 14)
    active = go_on(make_headed, 5, 31)
    of_model_first = [("seed", 0, 0, 10), ("round", 1, 0, 10)]
    of_head = [(HEAD, 1, 1, 10), (HEAD, 1, 2, 10), (HEAD, 2, 1, 10)]
    assert queries(active) == [*of_model_first, *of_head]
    assert [record.train_size for record in active.history] == [10, 40]
    # The head's is half answered when the model takes over: it is the query of its round.
    assert len(active.pool.store.current_answers()) == 45
    active = go_on(of_model, 4, 1000)
    assert queries(active)[5:] == [("round", 3, 0, 10)]
    assert [record.train_size for record in active.history] == [10, 40, 50, 60]
    check_all_are_answered(active)
    # And a head goes on after a finished run of a model.
    active = go_on(make_headed, 5, 1000)
    assert queries(active)[6:] == [(HEAD, 4, 1, 10), (HEAD, 4, 2, 10), (HEAD, 4, 3, 10)]
    check_all_are_answered(active)
    assert [record.train_size for record in active.history] == [10, 40, 50, 60, 90]
