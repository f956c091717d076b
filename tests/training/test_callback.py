"""The callback without rounds: a plain training, after which it proposes a query."""

import contextlib
import os
import signal
import time

import pytest
from transformers import TrainerCallback
from transformers.trainer_jit_checkpoint import JITCheckpointCallback

from hfal import ActiveLearningCallback, Answer
from hfal.errors import ArgumentError
from support.training import BEST_EPOCH


def test_a_round_that_was_left_unfinished_keeps_nobody_from_being_asked(make_active, make_trainer):
    def broken(signals, k, rng):
        raise RuntimeError("no")

    for strategy in (broken, "margin"):  # each as a plain training, of which the first one fails in its query
        active = make_active(strategy=strategy, seed_strategy="random")
        active.acquisition.first.propose_seed_set()
        active.annotate()
        trainer = make_trainer([active])
        trainer.train_dataset = active.pool.labeled
        with pytest.raises(RuntimeError, match="no") if strategy is broken else contextlib.nullcontext():
            trainer.train()
    assert [record.finished is None for record in active.pool.store.rounds()] == [True, False]
    records = active.run(make_trainer([active]), rounds=4)
    assert [record.labels for record in records] == [10, 10, 20, 30]


@pytest.mark.parametrize("options", [{"min_steps": 5}, {"class_weights": "balanced"}])
def test_what_only_rounds_can_do_is_refused_in_a_plain_training(make_active, make_trainer, options):
    active = make_active(seed_strategy="random", **options)
    active.acquisition.first.propose_seed_set()
    active.annotate()
    trainer = make_trainer([active])
    trainer.train_dataset = active.pool.labeled
    with pytest.raises(ArgumentError, match=f"{next(iter(options))}= is for the rounds"):
        trainer.train()


def test_the_callback_alone_trains_once_and_proposes_one_query(make_active, make_trainer):
    active = make_active()
    for example_id in active.pool.ids.to_pylist()[:8]:
        active.pool.record(Answer(example_id, active.pool.hidden_label(example_id), annotator="ann"))
    trainer = make_trainer([active], train_dataset=active.pool.labeled)
    trainer.train()
    (query,) = active.pool.store.queries()
    assert (query.purpose, query.round, len(query.examples)) == ("round", 1, 10)
    trainer.train()  # while it waits for answers, no other is proposed
    assert len(active.pool.store.queries()) == 1
    active.annotate()
    assert len(active.pool.labeled) == 18
    make_trainer([active], train_dataset=active.pool.labeled).train()
    assert [q.round for q in active.pool.store.queries()] == [1, 2]


def label_some(active: ActiveLearningCallback, n: int) -> None:
    for example_id in active.pool.ids.to_pylist()[:n]:
        active.pool.record(Answer(example_id, active.pool.hidden_label(example_id), annotator="ann"))


def test_the_callback_alone_queries_nothing_after_sigterm(make_active, make_trainer):
    handler = signal.getsignal(signal.SIGTERM)
    active = make_active()
    label_some(active, 8)

    class Terminate(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.02)

    options = {"train_dataset": active.pool.labeled, "num_train_epochs": 30, "enable_jit_checkpoint": True}
    trainer = make_trainer([active, Terminate()], **options)
    jit = next(c for c in trainer.callback_handler.callbacks if isinstance(c, JITCheckpointCallback))
    jit.jit_manager.kill_wait = 0
    trainer.train()
    assert trainer.state.global_step < trainer.state.max_steps
    assert active.pool.store.queries() == []
    assert active.pool.store.rounds() == []
    assert signal.getsignal(signal.SIGTERM) == handler


def test_the_callback_alone_records_the_best_models_metrics(make_active, make_trainer, eval_reviews):
    active = make_active()
    label_some(active, 8)
    trainer = make_trainer(
        [active],
        train_dataset=active.pool.labeled,
        eval_dataset=eval_reviews,
        num_train_epochs=4,
        **BEST_EPOCH,
    )
    trainer.train()
    losses = [log["eval_loss"] for log in trainer.state.log_history if "eval_loss" in log]
    (record,) = active.pool.store.rounds()
    assert losses.index(max(losses)) != len(losses) - 1
    assert record.metrics["eval_loss"] == max(losses)
