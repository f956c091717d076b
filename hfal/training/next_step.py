"""What a run does next, decided by the main process from what is on the disk."""

import logging
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from transformers import Trainer

from hfal.acquisition.queries import Acquisition
from hfal.annotators.asking import ask
from hfal.annotators.base import Annotator
from hfal.errors import HfalError, RunDirectoryError
from hfal.stopping.criteria import Criterion, metric_value
from hfal.store import Store
from hfal.store.records import RoundRecord
from hfal.store.run_directory import model_folder, round_folder, rounds_folder
from hfal.store.run_info import Ended
from hfal.training.weights import fits, last_complete_checkpoint, stopped_early_at


logger = logging.getLogger(__name__)

RETRAIN = ("from_scratch", "continue")


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

    @property
    def metric_wanted(self) -> str | None:
        """The argument that needs an evaluation, with the metric."""
        if self.stop is None or not self.stop.metrics:
            return None
        return f"{self.asking(self.stop.metrics[0])}={self.stop.metrics[0]!r}"

    def asking(self, metric: str) -> str:
        """The argument that names a metric."""
        return "target_metric" if metric == self.target_metric else "the metric of stop"


@dataclass(frozen=True)
class Step:
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


def next_step(trainer: Trainer, acquisition: Acquisition, annotator: Annotator, plan: Plan, base_seed: int) -> Step:
    """Have asked what is to be asked, and say what to do next."""
    pool, store = acquisition.pool, acquisition.pool.store
    last = _last_finished(store.rounds())
    reason = _reason_to_stop(acquisition, plan, last)
    if last is not None:
        if reason is not None:
            logger.info("the run ends after round %d: %s", last.number, reason)
            store.set_ended(Ended(reason, store.last_answer()))
            return Step(last.number, ends=True)
        if store.query_of_round(last.number) is None and len(acquisition.purchases.affordable()):
            if not _is_of_another_model(trainer, model_folder(store.run_dir, last.number)):
                return Step(last.number)
            _check_models(trainer, acquisition, plan, last.number + 1)  # refused before anything is forgotten
            logger.info("round %d is trained again: another model is to make its query", last.number)
            forget_training(store, last.number)
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
        forget_training(store, number)
        record, checkpoint = replace(record, trained=None), None
    stopped_at = None if checkpoint is None else stopped_early_at(trainer, checkpoint)
    return Step(number - 1, record=record, checkpoint=checkpoint, stopped_at=stopped_at)


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
    before = model_folder(store.run_dir, number - 1)
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
            exported = range(1, 1 + store.exported_rounds)
            needed[f"committee={committee} takes for round {first}"] = exported[max(first - committee, 0) :]
    for what, of_rounds in needed.items():
        missing = [f"{n:03d}" for n in of_rounds if not (model_folder(store.run_dir, n)).exists()]
        if missing:
            raise RunDirectoryError(
                f"{what} the models of earlier rounds, but {rounds_folder(store.run_dir)} lacks those of "
                f"{', '.join(missing)} (an export has no models): copy NNN/model from the run that trained them, or "
                f"leave {what.partition('=')[0]} out"
            )


def forget_training(store: Store, number: int) -> None:
    """Trained again with other settings, the round must not go on from these weights."""
    store.forget_training(number)
    shutil.rmtree(round_folder(store.run_dir, number), ignore_errors=True)


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
            metric_value(last.metrics or {}, metric, plan.asking(metric))
        finished = [record for record in pool.store.rounds() if record.finished is not None]
        reason = plan.stop.reason(finished)
        if reason is not None:
            return reason
    nothing_new = not pool.store.open_queries() and pool.labels(last.answers_seen) == pool.labels()
    if nothing_new and not len(acquisition.purchases.affordable()):
        return "the budget is spent" if len(pool.unlabeled_positions()) else "nothing is left to ask"
    return None
