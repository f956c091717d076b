"""The loop around `trainer.train()`: with `hfal.weights`, all that touches a Trainer's attributes.

What is on the disk says where the run stands, and the loop does whatever comes next. A killed run that is started
again and a run that was never killed therefore take the same way:

    holdout and seed set recorded -> answered -> round begun -> model saved, query recorded (both by the callback, at
    the end of `train()`) -> evaluated, round finished -> query answered -> next round begun -> ...
"""

import contextlib
import logging
import random
import re
import secrets
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from transformers import Trainer, TrainingArguments, set_seed
from transformers.integrations import TensorBoardCallback
from transformers.trainer_jit_checkpoint import JITCheckpointCallback

from hfal.acquisition import Acquisition
from hfal.annotation import ask, collect
from hfal.annotators import Annotator, SimulatedAnnotator
from hfal.checks import check_trainer, is_holdout
from hfal.class_weights import WeightedLoss, balanced_weights, labels_of
from hfal.errors import ArgumentError, DivergedError, HfalError, RunDirectoryError, RunInterrupted
from hfal.pool import Pool
from hfal.processes import gather, is_main, on_main, shared_failure
from hfal.records import RoundRecord
from hfal.self_training import forget_predictions, predictions_path
from hfal.stopping import Criterion, metric_value
from hfal.store import Store
from hfal.training import epochs_of
from hfal.weights import (
    Weights,
    fits,
    last_complete_checkpoint,
    load_weights,
    prune,
    restore_callbacks,
    round_folder,
    save_model,
    stopped_early_at,
)


logger = logging.getLogger(__name__)

RETRAIN = ("from_scratch", "continue")

# Not all that ends in `_time` or `_step`: labels may be called so, and have an F1 of their own.
_TIMINGS = re.compile(r"epoch|step|(.*_)?(runtime|(samples|steps)_per_second|\w+_(preparation|compilation)_time)")


@dataclass(frozen=True)
class Round:
    """One round, as the loop hands it out.

    Attributes:
        number: 1 for the round that trains on the seed set.
        checkpoint: Where an interrupted round goes on: what to pass to `trainer.train(resume_from_checkpoint=...)`.
        metrics: Empty until the round has ended; then what `trainer.evaluate()` gave for its final model, without
            timings.
    """

    number: int
    checkpoint: str | None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass
class RoundInProgress:
    """What the loop tells the callback about the round, and what the callback tells the loop.

    Attributes:
        number: The round.
        begin_again: Undoes what was trained, for a training that begins a second time.
        save: Saves the model just trained, and records that the training is over.
        propose: Makes the round's query, if it is to have one and has none, and records what is said of the stop set,
            with a model, a collator and arguments.
        begun: The training has begun.
        interrupted: SIGTERM came during the training.
        ended: The training is over, and the query recorded.
    """

    number: int
    begin_again: Callable[[], None]
    save: Callable[[], None]
    propose: Callable[[torch.nn.Module, Any, TrainingArguments], None]
    begun: bool = False
    interrupted: bool = False
    ended: bool = False


@dataclass(frozen=True)
class Plan:
    """How long to go on, and how each round begins; see `ActiveLearningCallback`."""

    rounds: int | None
    holdout: int
    target_metric: str | None
    target: float | None
    stop: Criterion | None
    retrain: str
    keep_models: int | None
    min_steps: int = 0
    class_weights: str | None = None


def run_rounds(
    trainer: Trainer,
    acquisition: Acquisition,
    annotator: Annotator,
    plan: Plan,
    begin: Callable[[RoundInProgress], None],
) -> Iterator[Round]:
    """Prepare the Trainer for a round, hand the round out, and after `trainer.train()` do what is left of it.

    Args:
        trainer: The user's Trainer.
        acquisition: Makes the queries.
        annotator: Answers them.
        plan: How long, and how.
        begin: Tells the callback which round is about to be trained.

    Yields:
        One `Round` for each `trainer.train()`.

    Raises:
        ValueError: The Trainer does not fit (before anything is asked or trained).
        AnswersPending: People have to answer first.
        RunInterrupted: SIGTERM came, and a checkpoint was saved.
    """
    pool = acquisition.pool
    with shared_failure():
        check_trainer(
            trainer,
            acquisition,
            retrain=plan.retrain,
            holdout=plan.holdout,
            metric_wanted=_metric_wanted(plan),
            class_weights=plan.class_weights,
        )
    with owned(pool), _put_back(trainer), _one_run_for_trackers(trainer, pool.store):
        store = pool.store
        acquisition.show_progress = is_main() and not trainer.args.disable_tqdm

        def begin_run() -> None:
            store.set_meta("plan", _plan(acquisition, plan, annotator))
            store.set_meta("ended", None)
            collect(store, annotator)
            acquisition.first.propose_holdout(plan.holdout)

        on_main(begin_run)
        acquisition.embed_for_seed_set(partial(_untrained_model, trainer), trainer.data_collator, trainer.args)
        on_main(acquisition.first.propose_seed_set)
        base_seed = trainer.args.seed
        epochs = trainer.args.num_train_epochs
        weights = Weights(trainer, store.run_dir, plan.retrain)
        while True:
            step = on_main(partial(_next_step, trainer, acquisition, annotator, plan, base_seed))
            if step.ends:
                try:
                    weights.load_round(step.last)
                except RunDirectoryError as error:
                    logger.warning("the Trainer does not have the model of round %d: %s", step.last, error)
                return
            if step.record is None:
                weights.load_round(step.last)
                # That round was to be the last when it was trained, and now there are to be more.
                _propose(acquisition, weights, step.last, True, trainer.model, trainer.data_collator, trainer.args)
                continue

            record = step.record
            number = record.number
            trainer.train_dataset = pool.labeled_until(record.answers_seen)
            trainer.args.output_dir = str(round_folder(store.run_dir, number))
            trainer.args.seed = record.seed
            if plan.holdout:
                held_out = pool.holdout_until(record.answers_seen)
                trainer.eval_dataset = held_out if len(held_out) else None  # all of them may have been skipped
            # A scheduler of the round before would have a learning rate of 0, an optimizer its moments.
            trainer.optimizer = trainer.lr_scheduler = None
            trainer.callback_handler.optimizer = trainer.callback_handler.lr_scheduler = None
            progress = RoundInProgress(
                number,
                begin_again=partial(weights.begin_again, number, step.checkpoint),
                save=partial(_finish_training, trainer, store, number),
                propose=partial(_propose, acquisition, weights, number, number != plan.rounds),
            )
            current = Round(number, step.checkpoint)
            if record.trained or step.stopped_at:
                # The process died after the training, whose outcome is on the disk.
                if record.trained:
                    weights.load_round(number)
                else:
                    load_weights(trainer, Path(str(step.stopped_at)))
                    progress.save()
                progress.propose(trainer.model, trainer.data_collator, trainer.args)
            else:
                if acquisition.self_training is not None and number > 1:
                    trainer.train_dataset = _with_pseudo_labels(trainer, acquisition, weights, record)
                trainer.args.num_train_epochs = epochs
                trainer.args.num_train_epochs = epochs_of(trainer.args, len(trainer.train_dataset), plan.min_steps)
                weights.prepare(number)
                set_seed(record.seed)
                if step.checkpoint is not None:
                    restore_callbacks(trainer, step.checkpoint)
                _rearm_sigterm(trainer)
                begin(progress)
                with _class_weights(trainer, plan, len(pool.label_names)):
                    yield current
                if progress.interrupted and not progress.ended:
                    raise _interrupted(number)
                if not progress.ended:
                    raise HfalError(
                        f"round {number} was not trained: call trainer.train(resume_from_checkpoint=round.checkpoint) "
                        "for every round"
                    )
            weights.in_memory = number
            current.metrics.update(_evaluate(trainer, record.labels, number))
            if trainer.args.bf16_full_eval or trainer.args.fp16_full_eval:
                weights.in_memory = None  # it was cast to be evaluated
            on_main(partial(_finish_round, store, record, current.metrics, plan.keep_models))
            if progress.interrupted:
                raise _interrupted(number)


@contextlib.contextmanager
def owned(pool: Pool) -> Iterator[None]:
    """Own the run directory, on the main process for all of them."""
    with contextlib.ExitStack() as stack:
        on_main(lambda: stack.enter_context(pool.store.own()))
        of_others = gather(pool.fingerprint)
        if len(set(of_others)) > 1:
            raise ArgumentError(
                "the processes of this run have different pools: load, filter and shuffle the data in the same way "
                "(with a fixed seed) on each of them"
            )
        yield


def _untrained_model(trainer: Trainer) -> torch.nn.Module:
    """The model that the first round begins with."""
    if trainer.model_init is None or trainer.state.global_step == 0:
        on_cpu = trainer.args.bf16_full_eval or trainer.args.fp16_full_eval  # where the Trainer leaves it until then
        return trainer.model.to(trainer.args.device) if on_cpu and not trainer.is_model_parallel else trainer.model
    # The Trainer has been used before: that model has learned from the labels of another run.
    set_seed(trainer.args.seed)
    return trainer.call_model_init().to(trainer.args.device)


# -- what comes next, decided by the main process from what is on the disk -----------------------------------------


@dataclass(frozen=True)
class _Step:
    """What the loop is to do now.

    Attributes:
        last: The last finished round; 0 if there is none.
        ends: The run ends after it.
        record: The round to train; without it, and if the run does not end, `last` has yet to make its query.
        checkpoint: Where its training goes on.
        stopped_at: Where the outcome of its training is, if early stopping had ended it when the process died.
    """

    last: int
    ends: bool = False
    record: RoundRecord | None = None
    checkpoint: str | None = None
    stopped_at: str | None = None


def _next_step(trainer: Trainer, acquisition: Acquisition, annotator: Annotator, plan: Plan, base_seed: int) -> _Step:
    """Have asked what is to be asked, and say what to do next."""
    pool, store = acquisition.pool, acquisition.pool.store
    last = _last_finished(store.rounds())
    reason = _reason_to_stop(acquisition, plan, last)
    if last is not None:
        if reason is not None:
            logger.info("the run ends after round %d: %s", last.number, reason)
            store.set_meta("ended", {"reason": reason, "answer": store.last_answer()})
            return _Step(last.number, ends=True)
        if store.query_of_round(last.number) is None and len(acquisition.purchases.affordable()):
            if not _is_of_another_model(trainer, round_folder(store.run_dir, last.number) / "model"):
                return _Step(last.number)
            _check_models(trainer, acquisition, plan, last.number + 1)  # refused before anything is forgotten
            logger.info("round %d is trained again: another model is to make its query", last.number)
            _forget_training(store, last.number)
            last = _last_finished(store.rounds())
    number = 1 if last is None else last.number + 1
    _check_models(trainer, acquisition, plan, number)
    if store.round(number) is None:
        # The query of a round that was cut off is asked when the round is finished, as it would have been.
        ask(store, annotator, may_wait=trainer.args.world_size == 1)
    while not pool.training_labels():
        if acquisition.first.propose_seed_set() is None:
            raise HfalError("nothing to train on: no example was labeled, and there is nothing left to ask")
        ask(store, annotator, may_wait=trainer.args.world_size == 1)
    record = store.start_round(
        number,
        _training_seed(base_seed, number),
        pool.labels_bought(),
        len(pool.training_labels()),
        pool.words_bought(),
    )
    folder = round_folder(store.run_dir, number)
    checkpoint = None if trainer.args.save_only_model else last_complete_checkpoint(folder)
    if _is_of_another_model(trainer, folder / "model" if record.trained else checkpoint):
        logger.info("round %d is trained anew, with another model than the one that had begun it", number)
        _forget_training(store, number)
        record, checkpoint = replace(record, trained=None), None
    stopped_at = None if checkpoint is None else stopped_early_at(trainer, checkpoint)
    return _Step(number - 1, record=record, checkpoint=checkpoint, stopped_at=stopped_at)


def _training_seed(base_seed: int, number: int) -> int:
    """What seeds the training of a round: no two rounds share it, not even of runs whose seeds are neighbors.

    Else the runs of a comparison would begin with the same heads, a round apart, and not be as independent as their
    intervals take them to be.
    """
    return int(np.random.SeedSequence([base_seed, number]).generate_state(1)[0] >> 1)  # of 31 bits, as all take it


def _is_of_another_model(trainer: Trainer, folder: str | Path | None) -> bool:
    """Whether a folder is there and has the weights of another model, such as a head on a frozen encoder."""
    return folder is not None and Path(folder).exists() and not fits(trainer, Path(folder))


def _check_models(trainer: Trainer, acquisition: Acquisition, plan: Plan, number: int) -> None:
    """See that the models of earlier rounds are there that a round takes, before anybody labels for it.

    A run that goes on from an export has none, and without them it would become another run. (In other runs a
    committee is smaller where models were removed, which it says.)
    """
    store, committee = acquisition.pool.store, acquisition.committee
    record = store.round(number)
    needed: dict[str, range] = {}
    before = round_folder(store.run_dir, number - 1) / "model"
    if plan.retrain == "continue" and _is_of_another_model(trainer, before):
        raise RunDirectoryError(
            f"retrain='continue' begins round {number} with the weights in {before}, which are of another model: "
            "begin it with retrain='from_scratch'"
        )
    if plan.retrain == "continue" and not (record and record.trained):
        needed[f"retrain='continue' begins round {number} with"] = range(max(number - 1, 1), number)
    if isinstance(committee, int):
        # The strategy may take draws only from a later round on.
        rounds = [number, *(n for n in sorted(acquisition.strategies) if n > number)]
        first = next((n for n in rounds if acquisition.strategy_of(n).draws and n != plan.rounds), None)
        if first is not None:
            exported = range(1, 1 + (store.meta("exported_rounds") or 0))
            needed[f"committee={committee} takes for round {first}"] = exported[max(first - committee, 0) :]
    for what, of_rounds in needed.items():
        missing = [f"{n:03d}" for n in of_rounds if not (round_folder(store.run_dir, n) / "model").exists()]
        if missing:
            raise RunDirectoryError(
                f"{what} the models of earlier rounds, but {store.run_dir / 'rounds'} lacks those of "
                f"{', '.join(missing)} (an export has no models): copy NNN/model from the run that trained them, or "
                f"leave {what.partition('=')[0]} out"
            )


def _propose(
    acquisition: Acquisition,
    weights: Weights,
    number: int,
    wanted: bool,
    model: torch.nn.Module,
    collate_fn: Callable[[list[Any]], Any],
    args: TrainingArguments,
) -> None:
    store = acquisition.pool.store
    if wanted and on_main(lambda: store.query_of_round(number) is None):
        try:
            acquisition.propose(model, collate_fn, number, args, partial(weights.of_rounds_before, number))
        except DivergedError:
            on_main(partial(_forget_training, store, number))
            raise
    acquisition.measure(model, collate_fn, number, args)


def _forget_training(store: Store, number: int) -> None:
    """Trained again with other settings, the round must not go on from these weights."""
    store.forget_training(number)
    shutil.rmtree(round_folder(store.run_dir, number), ignore_errors=True)


def _with_pseudo_labels(
    trainer: Trainer, acquisition: Acquisition, weights: Weights, record: RoundRecord
) -> datasets.Dataset:
    """What a round trains on: labels, and confident predictions of the model of the round before."""
    pool, before = acquisition.pool, record.number - 1
    if not on_main(predictions_path(pool.run_dir, before).exists):
        if not on_main(lambda: fits(trainer, round_folder(pool.run_dir, before) / "model")):
            logger.warning("round %d has no model to predict with, so only labels are trained on", before)
            return pool.labeled_until(record.answers_seen)
        weights.load_round(before)
        acquisition.predict(trainer.model, trainer.data_collator, before, trainer.args)
    pseudo_labels, repeats = on_main(partial(acquisition.pseudo_labels, record))
    return pool.labeled_with(pseudo_labels, record.answers_seen, repeats)


def _finish_training(trainer: Trainer, store: Store, number: int) -> None:
    save_model(trainer, round_folder(store.run_dir, number) / "model")
    on_main(lambda: store.finish_training(number))


def _finish_round(store: Store, record: RoundRecord, metrics: dict[str, float], keep_models: int | None) -> None:
    store.finish_round(record.number, metrics)
    prune(store.run_dir, record.number, keep_models)
    forget_predictions(store.run_dir, record.number)
    finished = store.round(record.number)
    figures = {} if finished is None else finished.stability or {}
    logger.info("round %d: %d labels bought, %s", record.number, record.labels, _short({**metrics, **figures}))


# -- before the first round ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _put_back(trainer: Trainer) -> Iterator[None]:
    """Leave the Trainer's attributes and the random number generators as they were found."""
    attributes = {name: getattr(trainer, name) for name in ("train_dataset", "eval_dataset", "model_init")}
    if is_holdout(trainer.eval_dataset):
        del attributes["eval_dataset"]  # the view that was passed is empty, or older than the one it has at the end
    arguments = {name: getattr(trainer.args, name) for name in ("output_dir", "seed", "num_train_epochs")}
    generators = random.getstate(), np.random.get_state(), torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        for name, value in attributes.items():
            setattr(trainer, name, value)
        for name, value in arguments.items():
            setattr(trainer.args, name, value)
        trainer.optimizer = trainer.lr_scheduler = None  # of the last round: nobody passed one
        random.setstate(generators[0])
        np.random.set_state(generators[1])
        torch.set_rng_state(generators[2])
        if cuda:
            torch.cuda.set_rng_state_all(cuda)


@contextlib.contextmanager
def _class_weights(trainer: Trainer, plan: Plan, classes: int) -> Iterator[None]:
    """Train with a weight for each class, where that is asked for; the final evaluation is without."""
    if plan.class_weights is None:
        yield
        return
    weights = balanced_weights(labels_of(trainer.train_dataset), classes)
    trainer.compute_loss_func = WeightedLoss(weights, trainer.args.label_smoothing_factor)
    try:
        yield
    finally:
        trainer.compute_loss_func = None


@contextlib.contextmanager
def _one_run_for_trackers(trainer: Trainer, store: Store) -> Iterator[None]:
    """Have those who report the training show all rounds, those of earlier sessions too, as one run.

    Left to themselves, Trackio makes a run of every `train()`, and TensorBoard one of the folder of the round that the
    script was started in. A name or a folder that the user chose stays.
    """
    args = trainer.args
    named = args.run_name is not None
    callbacks = trainer.callback_handler.callbacks
    boards = [c for c in callbacks if isinstance(c, TensorBoardCallback) and c.logging_dir is None]
    if not named:
        args.run_name = on_main(partial(_run_name, store))
    for board in boards:
        board.logging_dir = str(store.run_dir / "tensorboard")
    try:
        yield
    finally:
        if not named:
            args.run_name = None
        for board in boards:
            board.logging_dir = None


def _run_name(store: Store) -> str:
    """What trackers know this run by: the folder's name, and what tells it from others in folders of this name."""
    name = store.meta("run_name")
    if name is None:
        name = f"{store.run_dir.name}-{secrets.token_hex(3)}"
        store.set_meta("run_name", name)
    return str(name)


def _rearm_sigterm(trainer: Trainer) -> None:
    """Have `enable_jit_checkpoint` work in every round: the Trainer takes its handler away after the first one."""
    for callback in trainer.callback_handler.callbacks:
        if isinstance(callback, JITCheckpointCallback) and callback.jit_manager is not None:
            handler = signal.getsignal(signal.SIGTERM)
            if handler == callback.jit_manager._original_sigterm_handler:
                callback.jit_manager.setup_signal_handler()


# -- after a round -------------------------------------------------------------------------------------------------


def without_timings(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among a Trainer's metrics that say something about the model."""
    numbers = {name: float(value) for name, value in metrics.items() if isinstance(value, int | float)}
    return {name: value for name, value in numbers.items() if not _TIMINGS.fullmatch(name)}


def _evaluate(trainer: Trainer, labels: int, number: int) -> dict[str, float]:
    """Evaluate the round's final model, and log its metrics with the labels bought as the step."""
    if trainer.eval_dataset is None:
        return {}
    metrics = without_timings(trainer.evaluate())
    state = trainer.state
    step, epoch = state.global_step, state.epoch
    state.global_step, state.epoch = labels, None
    try:
        # Reporters make `eval/round_accuracy` of this, beside the `eval/accuracy` of the training's own steps.
        of_round = {f"eval_round_{name.removeprefix('eval_')}": value for name, value in metrics.items()}
        trainer.log({"round": number, "labels": labels, **of_round})
    finally:
        state.global_step, state.epoch = step, epoch
    return metrics


def _interrupted(number: int) -> RunInterrupted:
    message = f"round {number} was interrupted; start the run again to go on from there"
    if is_main():
        logger.warning("%s", message)
    return RunInterrupted(message)


def _plan(acquisition: Acquisition, plan: Plan, annotator: Annotator) -> dict[str, Any]:
    """What the run is to do, for those who only read the store: `hfal status`, `hfal label`."""
    return {
        "rounds": plan.rounds,
        "budget": acquisition.purchases.budget,
        "strategy": acquisition.strategy_name,
        "query_size": acquisition.query_size,
        "unit": acquisition.purchases.unit,
        "target_metric": plan.target_metric,
        "target": plan.target,
        "stop": None if plan.stop is None else str(plan.stop),
        "simulated": isinstance(annotator, SimulatedAnnotator),
        "pool_size": len(acquisition.pool),
    }


def _last_finished(records: list[RoundRecord]) -> RoundRecord | None:
    return next((record for record in reversed(records) if record.finished is not None), None)


def _reason_to_stop(acquisition: Acquisition, plan: Plan, last: RoundRecord | None) -> str | None:
    if last is None:
        return None
    if plan.rounds is not None and last.number >= plan.rounds:
        return f"{plan.rounds} rounds were asked for"
    pool = acquisition.pool
    if plan.stop is not None:
        for metric in plan.stop.metrics:
            metric_value(last.metrics or {}, metric, _asking(plan, metric))
        finished = [record for record in pool.store.rounds() if record.finished is not None]
        reason = plan.stop.reason(finished)
        if reason is not None:
            return reason
    nothing_new = not pool.store.open_queries() and pool.labels(last.answers_seen) == pool.labels()
    if nothing_new and not len(acquisition.purchases.affordable()):
        return "the budget is spent" if len(pool.unlabeled_positions()) else "nothing is left to ask"
    return None


def _metric_wanted(plan: Plan) -> str | None:
    """The argument that needs an evaluation, with the metric."""
    if plan.stop is None or not plan.stop.metrics:
        return None
    return f"{_asking(plan, plan.stop.metrics[0])}={plan.stop.metrics[0]!r}"


def _asking(plan: Plan, metric: str) -> str:
    """The argument that names a metric."""
    return "target_metric" if metric == plan.target_metric else "the metric of stop"


def _short(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items()) or "not evaluated"
