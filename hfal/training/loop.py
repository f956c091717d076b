"""The loop around `trainer.train()`.

What is on the disk says where the run stands, and the loop does whatever comes next. A killed run that is started
again and a run that was never killed therefore take the same way:

    holdout and seed set recorded -> answered -> round begun -> model saved, query recorded (both by the callback, at
    the end of `train()`) -> evaluated, round finished -> query answered -> next round begun -> ...

With `select_with="head"` no model queries; the head's queries are recorded and answered before a round begins.
"""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import torch
from transformers import Trainer, TrainingArguments, set_seed

from hfal.acquisition.queries import Acquisition
from hfal.acquisition.self_training import forget_predictions
from hfal.annotators.asking import ask, collect, served
from hfal.annotators.base import Annotator, Steps
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, DivergedError, HfalError, RunDirectoryError, RunInterrupted
from hfal.store.records import Query, RoundRecord
from hfal.store.run_directory import model_folder, predictions_file, round_folder
from hfal.store.run_info import RunPlan
from hfal.training.asking_thread import AskingThread, beside_training, check_asks_beside_training
from hfal.training.checks import check_trainer
from hfal.training.epochs import check_batches, epochs_of
from hfal.training.estimate import Estimator
from hfal.training.frozen_head import HeadQueries
from hfal.training.options import LoopOptions
from hfal.training.preflight import preflight
from hfal.training.repetitions import without_repetitions
from hfal.training.round_metrics import short, without_timings
from hfal.training.round_planner import RoundPlanner, Step, forget_training
from hfal.training.round_progress import RoundProgress
from hfal.training.trainer_state import (
    all_evaluated,
    begin_tracked_run,
    forget_evaluation_loaders,
    one_run_for_trackers,
    own_loss,
    put_back,
    rearm_sigterm,
    token_in_environment,
)
from hfal.training.weights import Weights, fits, load_weights, prune, restore_callbacks, save_model
from hfal.utils.distributed import gather, is_main, on_main, shared_failure
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)


@dataclass(frozen=True)
class Round:
    """One round, as the loop hands it out.

    Attributes:
        number: 1 for the round that trains on the seed set.
        checkpoint: Where an interrupted round goes on: what to pass to `trainer.train(resume_from_checkpoint=...)`.
        metrics: Empty until the round has ended; then what `trainer.evaluate()` gave for its final model, without
            timings, and what was estimated.
    """

    number: int
    checkpoint: str | None
    metrics: dict[str, float] = field(default_factory=dict)


class RoundTraining:
    """The training of one round: the loop hands it out, the callback reports its beginning and its end.

    Args:
        loop: The loop.
        number: The round.
        checkpoint: Where the training goes on, if it does.
        progress: Is told each step.

    Attributes:
        begun: The training has begun.
        interrupted: SIGTERM came during the training.
        ended: The training is over, the model saved and the query recorded.
    """

    def __init__(self, loop: "Loop", number: int, checkpoint: str | None, progress: RoundProgress):
        self.loop = loop
        self.number = number
        self.checkpoint = checkpoint
        self.progress = progress
        self.begun = False
        self.interrupted = False
        self.ended = False

    def begin(self) -> None:
        """Note that the training begins; undo what was trained if it does so a second time."""
        if self.ended:
            return
        if self.begun:
            self.loop.weights.begin_again(self.number, self.checkpoint)
        self.begun = True

    def end(self, model: torch.nn.Module, collate_fn: Callable[[list[Any]], Any], args: TrainingArguments) -> None:
        """Save the model just trained, and record the round's query.

        Args:
            model: The model.
            collate_fn: The Trainer's collator.
            args: The Trainer's arguments.
        """
        queries = self.loop.head is None and self.number != self.loop.rounds
        self.loop.note(f"Round {self.number} is trained, and {'picks the next texts' if queries else 'is evaluated'}")
        self.loop.save_model(self.number)
        self.loop.query(self.number, model, collate_fn, args)
        self.ended = True


class Loop:
    """Drives the rounds of one run: prepares the Trainer, hands a round out, and finishes it after `trainer.train()`.

    Args:
        trainer: The user's Trainer.
        acquisition: Makes the queries.
        annotator: Answers them.
        options: How long to go on, and how rounds are trained.
        rounds: How many rounds the run has in all, or `None`.
        estimator: Estimates metrics without held-out examples, if it is wanted.

    Attributes:
        training: The training that was handed out last, for the callback.
        weights: Gives each round the weights that it begins with; there as soon as the seed set is recorded.
        head: Makes the queries with `select_with="head"`; there from the first query on.
        asking: Asks while rounds train, with `when_idle="ask"`.
    """

    weights: Weights
    head: HeadQueries | None = None
    asking: AskingThread | None = None

    def __init__(
        self,
        trainer: Trainer,
        acquisition: Acquisition,
        annotator: Annotator,
        options: LoopOptions,
        rounds: int | None,
        estimator: Estimator | None = None,
    ):
        self.trainer = trainer
        self.acquisition = acquisition
        self.annotator = annotator
        self.options = options
        self.rounds = rounds
        self.estimator = estimator
        self.training: RoundTraining | None = None
        self._pool = acquisition.pool
        self._store = acquisition.pool.store
        self._epochs = trainer.args.num_train_epochs

    def run(self) -> Iterator[Round]:
        """Take the run from where it stands on the disk to its end.

        Yields:
            One `Round` for each `trainer.train()`.

        Raises:
            ValueError: The Trainer does not fit (before anything is asked or trained).
            AnswersPending: People have to answer first.
            RunInterrupted: SIGTERM came, and a checkpoint was saved.
        """
        with shared_failure():
            self.acquisition.take_up_added()
            check_trainer(self.trainer, self.acquisition, self.options)
            if self.options.when_idle == "ask":
                check_asks_beside_training(self.annotator, self.trainer.args.world_size)
        with (
            owned(self._pool),
            put_back(self.trainer),
            token_in_environment(self.trainer),
            one_run_for_trackers(self.trainer, self._store),
            without_repetitions(self.trainer),
        ):
            with shared_failure():
                preflight(self.trainer, self.acquisition, self.options)
            # Where there are several processes nobody is asked while they run.
            with (
                served(self.annotator, self._store) if self.trainer.args.world_size == 1 else nullcontext(),
                beside_training(self.annotator, self._store, self.options.when_idle),
            ):
                yield from self._rounds()

    # -- the run -----------------------------------------------------------------------------------------------------

    def _rounds(self) -> Iterator[Round]:
        self._propose_first_queries()
        self.weights = Weights(self.trainer, self._store.run_dir, self.options.retrain)
        self.asking = self._asking_thread()
        planner = RoundPlanner(
            self.trainer, self.acquisition, self.annotator, self.options, self.rounds, self.head, self.asking
        )
        try:
            while True:
                step = on_main(planner.decide)
                if step.ends:
                    break
                if step.record is None and self.head is not None:
                    self.head.propose(step.last, self.trainer.args)
                elif step.record is None:
                    self._query_late(step.last)
                else:
                    yield from self._round(step, step.record)
        except BaseException:
            if self.asking is not None:
                self.asking.stop()
            raise
        self._give_last_model(step.last)

    def _asking_thread(self) -> AskingThread | None:
        """Return what asks while rounds train, if anything does."""
        if self.options.when_idle == "wait":
            return None
        head, store, args = self.head, self._store, self.trainer.args

        def propose() -> Query | None:  # while some round trains, or the next one waits for answers
            if head is None:
                return self.acquisition.propose_ahead()
            return head.propose(store.rounds()[-1].number, args)

        return AskingThread(store, self.annotator, propose)

    def note(self, message: str, steps: Steps | None = None) -> None:
        """Tell an annotator who shows it what happens while nothing is asked, and how far a training is."""
        if self.trainer.args.world_size == 1 and hasattr(self.annotator, "note"):
            self.annotator.note(message, steps)

    def _propose_first_queries(self) -> None:
        """Record the holdout and the seed set, where they are not recorded yet."""
        self.acquisition.show_progress = is_main() and not self.trainer.args.disable_tqdm
        on_main(self._begin_run)
        if self.trainer.args.world_size == 1:
            self._ask_holdout()
            if not self.acquisition.first.has_seed_set():
                self.note("The first texts to train on are being picked")
        if self.acquisition.options.select_with == "head":
            with shared_failure():
                self.head = HeadQueries(self.acquisition)
            if self.estimator is not None:
                self.estimator.head = self.head.head
            on_main(self.head.acquisition.first.propose_seed_set)
            return
        self.acquisition.embed_for_seed_set(self._untrained_model, self.trainer.data_collator, self.trainer.args)
        on_main(self.acquisition.first.propose_seed_set)

    def _begin_run(self) -> None:
        self._store.set_plan(self._plan())
        self._store.set_ended(None)
        if finished := self._store.last_finished():  # its process may have died before it had removed all
            self._remove_unneeded(finished)
        collect(self._store, self.annotator)
        self.acquisition.first.propose_holdout(self.acquisition.options.holdout)

    def _ask_holdout(self) -> None:
        """Ask about the held-out examples first, where somebody would wait for the embeddings of the seed set.

        Neither query depends on the other's answers, so that both are the same as if they had been made at once.
        """
        first = self.acquisition.first
        needs_embeddings = first.needs_embeddings or self.acquisition.options.select_with == "head"
        if getattr(self.annotator, "answers_now", False) and needs_embeddings and not first.has_seed_set():
            ask(self._store, self.annotator)

    def _plan(self) -> RunPlan:
        """Return what the run is to do, for those who only read the store: `hfal status`, `hfal label`."""
        query, stop = self.acquisition.options, self.options.stop
        return RunPlan(
            rounds=self.rounds,
            budget=query.budget,
            strategy=self.acquisition.strategy_name,
            query_size=query.query_size,
            unit=query.unit,
            queries_per_round=query.queries_per_round,
            aggregate_labels=self.options.aggregate_labels,
            annotators=list(getattr(self.annotator, "annotators", ())),
            target_metric=self.options.target_metric,
            target=self.options.target,
            stop=None if stop is None else str(stop),
            simulated=getattr(self.annotator, "is_simulation", False) is True,
            pool_size=len(self._pool),
        )

    def _untrained_model(self) -> torch.nn.Module:
        """Return the model that the first round begins with."""
        trainer = self.trainer
        if trainer.model_init is None or trainer.state.global_step == 0:
            # Where the Trainer leaves it until then.
            on_cpu = trainer.args.bf16_full_eval or trainer.args.fp16_full_eval
            return trainer.model.to(trainer.args.device) if on_cpu and not trainer.is_model_parallel else trainer.model
        # The Trainer has been used before: that model has learned from the labels of another run.
        set_seed(trainer.args.seed)
        return trainer.call_model_init().to(trainer.args.device)

    def _give_last_model(self, number: int) -> None:
        """Leave the Trainer with the model of the last round."""
        try:
            self.weights.load_round(number)
        except RunDirectoryError as error:
            logger.warning("the Trainer does not have the model of round %d: %s", number, error)

    def _query_late(self, number: int) -> None:
        """Record the query of a round that was to be the last when it was trained, now that there are to be more."""
        self.weights.load_round(number)
        self.query(number, self.trainer.model, self.trainer.data_collator, self.trainer.args)

    # -- a round -----------------------------------------------------------------------------------------------------

    def _round(self, step: Step, record: RoundRecord) -> Iterator[Round]:
        """Take a round that has begun to its end; hand it out, unless its training is over."""
        current = Round(record.number, step.checkpoint)
        trains = f"Round {record.number} trains on {counted(record.train_size, 'labeled text')}"
        training = RoundTraining(self, record.number, step.checkpoint, RoundProgress(partial(self.note, trains)))
        self.note(trains)
        if self.asking is not None and record.number == self.rounds:
            self.asking.end()  # no model would be trained on the answers
        self._set_data_and_folder(record)
        if record.trained or step.stopped_at:
            self._take_up_trained(record, step.stopped_at)
        else:
            self._prepare_training(record, step.checkpoint)
            self.training = training
            if self.asking is not None and record.number != self.rounds and (self.head or record.number > 1):
                self.asking.start()  # but without a head: no model has ranked anything yet
            with own_loss(self.trainer, self.options, self._pool, record.answers_seen):
                yield current
            if training.interrupted and not training.ended:
                raise _interrupted(record.number)
            if not training.ended:
                raise HfalError(
                    f"round {record.number} was not trained: call "
                    "trainer.train(resume_from_checkpoint=round.checkpoint) for every round"
                )
        self._finish(record, current)
        if training.interrupted:
            raise _interrupted(record.number)

    def _set_data_and_folder(self, record: RoundRecord) -> None:
        """Set on the Trainer what the round trains and is evaluated on, its folder and its seed."""
        trainer = self.trainer
        trainer.train_dataset = self._pool.labeled_until(record.answers_seen)
        trainer.args.output_dir = str(round_folder(self._store.run_dir, record.number))
        trainer.args.seed = record.seed
        if self.acquisition.options.holdout:
            held_out = self._pool.holdout_until(record.answers_seen)
            trainer.eval_dataset = held_out if len(held_out) else None  # all of them may have been skipped
        forget_evaluation_loaders(trainer)
        # A scheduler of the round before would have a learning rate of 0, an optimizer its moments.
        trainer.optimizer = trainer.lr_scheduler = None
        trainer.callback_handler.optimizer = trainer.callback_handler.lr_scheduler = None

    def _take_up_trained(self, record: RoundRecord, stopped_at: str | None) -> None:
        """Go on with a round whose process died after the training: its outcome is on the disk."""
        if record.trained:
            self.weights.load_round(record.number)
        else:
            load_weights(self.trainer, Path(str(stopped_at)))
            self.save_model(record.number)
        self.query(record.number, self.trainer.model, self.trainer.data_collator, self.trainer.args)

    def _prepare_training(self, record: RoundRecord, checkpoint: str | None) -> None:
        """Set on the Trainer what only the training needs: pseudo-labels, epochs, weights, callbacks."""
        trainer = self.trainer
        if self.acquisition.self_training is not None and record.number > 1:
            trainer.train_dataset = self._with_pseudo_labels(record)
        check_batches(trainer.args, len(trainer.train_dataset))
        trainer.args.num_train_epochs = self._epochs
        trainer.args.num_train_epochs = epochs_of(trainer.args, len(trainer.train_dataset), self.options.min_steps)
        self.weights.prepare(record.number)
        set_seed(record.seed)
        if checkpoint is not None:
            restore_callbacks(trainer, checkpoint)
        rearm_sigterm(trainer)
        begin_tracked_run(trainer)

    def _with_pseudo_labels(self, record: RoundRecord) -> datasets.Dataset:
        """Return what a round trains on: labels, and confident predictions of the model of the round before."""
        pool, trainer, before = self._pool, self.trainer, record.number - 1
        if not on_main(predictions_file(pool.run_dir, before).exists):
            if not on_main(lambda: fits(trainer, model_folder(pool.run_dir, before))):
                logger.warning("round %d has no model to predict with, so only labels are trained on", before)
                return pool.labeled_until(record.answers_seen)
            self.weights.load_round(before)
            self.acquisition.predict(trainer.model, trainer.data_collator, before, trainer.args, record.answers_seen)
        pseudo_labels, repeats = on_main(partial(self.acquisition.pseudo_labels, record))
        return pool.labeled_with(pseudo_labels, record.answers_seen, repeats)

    def save_model(self, number: int) -> None:
        """Save the Trainer's model as the final one of a round, and record that the training is over."""
        save_model(self.trainer, model_folder(self._store.run_dir, number))
        on_main(lambda: self._store.finish_training(number))

    def query(
        self,
        number: int,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        args: TrainingArguments,
    ) -> None:
        """Make a round's query, unless it is the last one, has one or a head makes it; record the stop set's figures.

        Args:
            number: The round.
            model: Its final model.
            collate_fn: The Trainer's collator.
            args: The Trainer's arguments.
        """
        due = self.head is None and number != self.rounds
        if due and on_main(lambda: self._store.query_of_round(number) is None):
            members = partial(self.weights.of_rounds_before, number)
            try:
                self.acquisition.propose(model, collate_fn, number, args, members)
            except DivergedError:
                on_main(partial(forget_training, self._store, number))
                raise
        self.acquisition.measure(model, collate_fn, number, args)

    def _finish(self, record: RoundRecord, current: Round) -> None:
        """Evaluate the round's model, record that the round is over, and remove what no restart needs."""
        args = self.trainer.args
        self.weights.in_memory = record.number
        current.metrics.update(self._evaluate(record))
        if args.bf16_full_eval or args.fp16_full_eval:
            self.weights.in_memory = None  # it was cast to be evaluated
        on_main(partial(self._record_end, record, current.metrics))

    def _evaluate(self, record: RoundRecord) -> dict[str, float]:
        """Evaluate the round's final model, add what is estimated, and log all with the labels bought as the step."""
        trainer, metrics = self.trainer, {}
        if trainer.eval_dataset is not None:
            with all_evaluated(trainer):
                metrics = without_timings(trainer.evaluate())
        if self.estimator is not None:
            metrics |= self.estimator.estimate(record.number)
        if not metrics:
            return metrics
        state = trainer.state
        step, epoch = state.global_step, state.epoch
        state.global_step, state.epoch = record.labels, None
        try:
            # Reporters make `eval/round_accuracy` of this, beside the `eval/accuracy` of the training's own steps.
            of_round = {f"eval_round_{name.removeprefix('eval_')}": value for name, value in metrics.items()}
            trainer.log({"round": record.number, "labels": record.labels, **of_round})
        finally:
            state.global_step, state.epoch = step, epoch
        return metrics

    def _remove_unneeded(self, number: int) -> None:
        """Remove the files that no restart needs once this round is over."""
        prune(self._store.run_dir, number, self.options.keep_models)
        forget_predictions(self._store.run_dir, number)

    def _record_end(self, record: RoundRecord, metrics: dict[str, float]) -> None:
        store = self._store
        store.finish_round(record.number, metrics)
        self._remove_unneeded(record.number)
        finished = store.round(record.number)
        figures = {} if finished is None else finished.stability or {}
        found = short({**metrics, **figures})
        logger.info("round %d: %s bought, %s", record.number, counted(record.labels, "label"), found)


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


def _interrupted(number: int) -> RunInterrupted:
    stop = RunInterrupted(f"round {number} was interrupted; start the run again to go on from there")
    if is_main() and isinstance(stop, SystemExit):  # of which Python prints nothing
        logger.warning("%s", stop)
    return stop
