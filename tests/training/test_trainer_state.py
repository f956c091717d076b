"""What a run changes on the Trainer, and puts back."""

import signal
import time

import numpy as np
import pytest
import torch
from transformers import TrainerCallback
from transformers.trainer_jit_checkpoint import JITCheckpointCallback

from hfal import RunInterrupted
from hfal.training.weights import last_whole_checkpoint
from support.models import tiny_model
from support.training import InterruptAt, Watch


def test_sigterm_saves_a_checkpoint_queries_nothing_and_goes_on_from_there(make_active, make_trainer):
    handler = signal.getsignal(signal.SIGTERM)
    options = {"num_train_epochs": 10, "enable_jit_checkpoint": True}
    whole = make_active()
    whole.run(make_trainer([whole], num_train_epochs=10), rounds=3)
    expected = [[e.example_id for e in q.examples] for q in whole.pool.store.queries()]

    run_dir = whole.pool.run_dir.with_name("interrupted")
    active = make_active(run_dir)

    trainer = make_trainer([active, InterruptAt("sigterm")], **options)
    jit = next(c for c in trainer.callback_handler.callbacks if isinstance(c, JITCheckpointCallback))
    jit.jit_manager.kill_wait = 0  # the checkpoint is due three seconds after the signal, our epochs are shorter

    class Slow(TrainerCallback):  # so that the timer thread gets its turn before training ends
        def on_step_end(self, args, state, control, **kwargs):
            time.sleep(0.02)

    trainer.add_callback(Slow())
    with pytest.raises(RunInterrupted, match="round 2 was interrupted") as caught:
        active.run(trainer, rounds=3)
    assert caught.value.code == 143
    assert active.pool.store.query_of_round(2) is None
    assert last_whole_checkpoint(run_dir / "rounds" / "002") is not None

    again = make_active(run_dir)
    resumed = []
    trainer = make_trainer([again], **options)
    for current in again.rounds(trainer, 3):
        resumed.append((current.number, current.checkpoint is not None))
        trainer.train(resume_from_checkpoint=current.checkpoint)
    assert resumed == [(2, True), (3, False)]
    assert [[e.example_id for e in q.examples] for q in again.pool.store.queries()] == expected
    signal.signal(signal.SIGTERM, handler)


def test_the_trainer_gets_everything_back(make_active, make_trainer, eval_reviews, reviews):
    active = make_active(holdout=6, retrain="continue")
    own_train_dataset = reviews.select(range(5))
    trainer = make_trainer([active], train_dataset=own_train_dataset)
    before = {name: getattr(trainer, name) for name in ("train_dataset", "eval_dataset", "model_init")}
    arguments = trainer.args.to_dict()
    torch.manual_seed(123)
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    active.run(trainer, rounds=2)
    assert {name: getattr(trainer, name) for name in before} == before
    assert trainer.args.to_dict() == arguments
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.random.get_state()[1].tolist() == states[1]


def test_breaking_out_of_the_loop_puts_everything_back_too(make_active, make_trainer):
    active = make_active()
    trainer = make_trainer([active])
    output_dir = trainer.args.output_dir
    for current in active.rounds(trainer, 3):
        trainer.train(resume_from_checkpoint=current.checkpoint)
        break
    assert trainer.args.output_dir == output_dir
    with active.pool.store.own():  # the run directory is free again
        pass


@pytest.mark.parametrize("own", ["model", "model_init"])
def test_evaluating_in_half_precision_leaves_no_trace_in_the_weights(make_active, make_trainer, eval_reviews, own):
    """`bf16_full_eval` casts the model in place."""
    runs = []
    for options in ({}, {"bf16_full_eval": True}):
        active, watch = (
            make_active(f"{make_trainer([]).args.output_dir}-{own}-{len(runs)}", retrain="continue"),
            Watch(),
        )
        model = {"model": tiny_model()} if own == "model" else {}
        active.run(make_trainer([active, watch], eval_dataset=eval_reviews, **model, **options), rounds=3)
        runs.append((watch.first_weights, [[e.score for e in q.examples] for q in active.pool.store.queries()]))
    assert all(torch.equal(a, b) for a, b in zip(runs[0][0], runs[1][0], strict=True))
    assert runs[0][1] == runs[1][1]
