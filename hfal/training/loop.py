"""The loop around `trainer.train()`: with `hfal.training.weights`, all that touches a Trainer's attributes.

What is on the disk says where the run stands, and the loop does whatever comes next. A killed run that is started
again and a run that was never killed therefore take the same way:

    holdout and seed set recorded -> answered -> round begun -> model saved, query recorded (both by the callback, at
    the end of `train()`) -> evaluated, round finished -> query answered -> next round begun -> ...
"""

import contextlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import Trainer, TrainingArguments, set_seed

from hfal.acquisition.queries import Acquisition
from hfal.acquisition.self_training import forget_predictions
from hfal.annotators.asking import collect
from hfal.annotators.base import Annotator
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, DivergedError, HfalError, RunDirectoryError, RunInterrupted
from hfal.store import Store
from hfal.store.records import RoundRecord
from hfal.store.run_directory import model_folder, predictions_file, round_folder
from hfal.store.run_info import RunPlan
from hfal.training.checks import check_trainer
from hfal.training.epochs import epochs_of
from hfal.training.next_step import Plan, forget_training, next_step
from hfal.training.trainer_state import class_weights, one_run_for_trackers, put_back, rearm_sigterm
from hfal.training.weights import Weights, fits, load_weights, prune, restore_callbacks, save_model
from hfal.utils.distributed import gather, is_main, on_main, shared_failure


logger = logging.getLogger(__name__)

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
            metric_wanted=plan.metric_wanted,
            class_weights=plan.class_weights,
        )
    with owned(pool), put_back(trainer), one_run_for_trackers(trainer, pool.store):
        store = pool.store
        acquisition.show_progress = is_main() and not trainer.args.disable_tqdm

        def begin_run() -> None:
            store.set_plan(_plan(acquisition, plan, annotator))
            store.set_ended(None)
            collect(store, annotator)
            acquisition.first.propose_holdout(plan.holdout)

        on_main(begin_run)
        acquisition.embed_for_seed_set(partial(_untrained_model, trainer), trainer.data_collator, trainer.args)
        on_main(acquisition.first.propose_seed_set)
        base_seed = trainer.args.seed
        epochs = trainer.args.num_train_epochs
        weights = Weights(trainer, store.run_dir, plan.retrain)
        while True:
            step = on_main(partial(next_step, trainer, acquisition, annotator, plan, base_seed))
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
                rearm_sigterm(trainer)
                begin(progress)
                with class_weights(trainer, plan.class_weights, len(pool.label_names)):
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
            on_main(partial(forget_training, store, number))
            raise
    acquisition.measure(model, collate_fn, number, args)


def _with_pseudo_labels(
    trainer: Trainer, acquisition: Acquisition, weights: Weights, record: RoundRecord
) -> datasets.Dataset:
    """What a round trains on: labels, and confident predictions of the model of the round before."""
    pool, before = acquisition.pool, record.number - 1
    if not on_main(predictions_file(pool.run_dir, before).exists):
        if not on_main(lambda: fits(trainer, model_folder(pool.run_dir, before))):
            logger.warning("round %d has no model to predict with, so only labels are trained on", before)
            return pool.labeled_until(record.answers_seen)
        weights.load_round(before)
        acquisition.predict(trainer.model, trainer.data_collator, before, trainer.args)
    pseudo_labels, repeats = on_main(partial(acquisition.pseudo_labels, record))
    return pool.labeled_with(pseudo_labels, record.answers_seen, repeats)


def _finish_training(trainer: Trainer, store: Store, number: int) -> None:
    save_model(trainer, model_folder(store.run_dir, number))
    on_main(lambda: store.finish_training(number))


def _finish_round(store: Store, record: RoundRecord, metrics: dict[str, float], keep_models: int | None) -> None:
    store.finish_round(record.number, metrics)
    prune(store.run_dir, record.number, keep_models)
    forget_predictions(store.run_dir, record.number)
    finished = store.round(record.number)
    figures = {} if finished is None else finished.stability or {}
    logger.info("round %d: %d labels bought, %s", record.number, record.labels, _short({**metrics, **figures}))


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


def _plan(acquisition: Acquisition, plan: Plan, annotator: Annotator) -> RunPlan:
    """What the run is to do, for those who only read the store: `hfal status`, `hfal label`."""
    return RunPlan(
        rounds=plan.rounds,
        budget=acquisition.purchases.budget,
        strategy=acquisition.strategy_name,
        query_size=acquisition.query_size,
        unit=acquisition.purchases.unit,
        target_metric=plan.target_metric,
        target=plan.target,
        stop=None if plan.stop is None else str(plan.stop),
        simulated=isinstance(annotator, SimulatedAnnotator),
        pool_size=len(acquisition.pool),
    )


def _short(metrics: dict[str, float]) -> str:
    return ", ".join(f"{name.removeprefix('eval_')} {value:.4f}" for name, value in metrics.items()) or "not evaluated"
