"""The next step of a run, decided by the main process from what is on the disk."""

import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from transformers import Trainer

from hfal.acquisition.first_queries import FirstQueries
from hfal.acquisition.queries import Acquisition
from hfal.annotators.asking import ask
from hfal.annotators.base import Annotator
from hfal.errors import HfalError, RunDirectoryError
from hfal.stopping.criteria import metric_value
from hfal.store.records import HEAD, STREAM, RoundRecord
from hfal.store.run_directory import model_folder, round_folder, rounds_folder
from hfal.store.run_info import Ended
from hfal.store.store import Store
from hfal.training.asking_thread import AskingThread
from hfal.training.damage import weights_damage
from hfal.training.frozen_head import HeadQueries
from hfal.training.options import LoopOptions
from hfal.training.weights import fits, last_whole_checkpoint, stopped_early_at
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)


@dataclass(frozen=True)
class Step:
    """The next step of the loop.

    Attributes:
        last: The last finished round; 0 if there is none.
        ends: The run ends after it.
        record: The round to train; without it, and if the run does not end, a query is due: of `last`, or the next
            one of the frozen head.
        checkpoint: Where its training goes on.
        stopped_at: Where the outcome of its training is, if early stopping had ended it when the process died.
    """

    last: int
    ends: bool = False
    record: RoundRecord | None = None
    checkpoint: str | None = None
    stopped_at: str | None = None


class RoundPlanner:
    """Decides what a run does next, and has the open queries answered before. Called by the main process.

    Args:
        trainer: The user's Trainer, as it is before the first round.
        acquisition: Makes the queries.
        annotator: Answers them.
        options: How long to go on, and how rounds are trained.
        rounds: How many rounds the run has in all, or `None`.
        head: Makes the queries in the place of the Trainer's model, if it does.
        asking: Asks while rounds train, if anybody is asked then.
    """

    def __init__(
        self,
        trainer: Trainer,
        acquisition: Acquisition,
        annotator: Annotator,
        options: LoopOptions,
        rounds: int | None,
        head: HeadQueries | None = None,
        asking: AskingThread | None = None,
    ):
        self.trainer = trainer
        self.acquisition = acquisition
        self.head = head
        self.asking = asking
        self.annotator = annotator
        self.options = options
        self.rounds = rounds
        self._pool = acquisition.pool
        self._store = acquisition.pool.store
        self._base_seed = trainer.args.seed

    def decide(self) -> Step:
        """Have the open queries answered, and return what to do next."""
        last = self._last_finished()
        if last is not None:
            if self._ends_after(last):
                return Step(last.number, ends=True)
            if self._model_is_to_query(last.number):
                model = model_folder(self._store.run_dir, last.number)
                damage = weights_damage(model) if model.exists() else None
                if damage is None and not self._is_of_another_model(model):
                    return Step(last.number)
                self._check_models(last.number + 1)  # refused before anything is forgotten
                reason = "another model is to make its query" if damage is None else f"{model} is damaged ({damage})"
                logger.warning("round %d is trained again: %s", last.number, reason)
                forget_training(self._store, last.number)
                last = self._last_finished()
        number = 1 if last is None else last.number + 1
        self._check_models(number)
        if self.asking is not None and last is not None and self._store.round(number) is None:
            self.asking.wait(partial(self._is_enough, last))
            if self._ends_after(last):  # as nothing was left to ask
                return Step(last.number, ends=True)
            if not self._store.training_answers():  # all were taken back
                raise _nothing_to_train_on()
            if number == self.rounds:
                self.asking.end()  # before the round begins: no model would be trained on later answers
            return self._begin(self._store.start_round(number, _training_seed(self._base_seed, number)))
        record = self._ask(number)
        return Step(number - 1) if record is None else self._begin(record)

    def _is_enough(self, last: RoundRecord) -> bool:
        """Return whether so much is labeled since a round began that the next one is to begin."""
        query, budget = self.acquisition.options, self.acquisition.budget
        of_words = query.unit == "words"
        new = self._store.words_bought() - (last.words or 0) if of_words else self._store.labels_bought() - last.labels
        # What is new counts each person's label, and the size of a query texts, of which each may have several.
        opinions = budget.costs.sum() / budget.sizes.sum()
        return new >= (self.options.train_after or round(query.query_size * query.queries_per_round * opinions))

    def _ends_after(self, last: RoundRecord) -> bool:
        """Return whether the run ends after its last finished round; record why, and let nobody be asked any more."""
        seen = self._store.last_answer()  # first: the reason may not count what is answered meanwhile
        reason = self._reason_to_stop(last)
        if reason is not None:
            if self.asking is not None:
                self.asking.end()
                seen = self._store.last_answer()  # which is kept, and not trained on
            logger.info("the run ends after round %d: %s", last.number, reason)
            self._store.set_ended(Ended(reason, seen))
        return reason is not None

    def _ask(self, number: int) -> RoundRecord | None:
        """Have the open queries answered, and return the round's record; `None` if the head has to query before."""
        may_wait = self.trainer.args.world_size == 1
        if self._store.round(number) is None:
            # The query of a round that was cut off is asked when the round is finished, as it would have been.
            ask(self._store, self.annotator, may_wait=may_wait)
        while True:
            with self._store.at_once():  # or an answer might be taken back in between
                if self._store.training_answers():
                    if self._head_is_to_query(number):
                        return None
                    return self._store.start_round(number, _training_seed(self._base_seed, number))
            if self._first.propose_seed_set() is None:
                raise _nothing_to_train_on()
            ask(self._store, self.annotator, may_wait=may_wait)

    @property
    def _first(self) -> FirstQueries:
        return self.acquisition.first if self.head is None else self.head.acquisition.first

    def _model_is_to_query(self, number: int) -> bool:
        """Return whether the model of a finished round has its query to make.

        Queries of a frozen head stand for it, and so do those of a stream, whose texts this model has picked.
        """
        if self.head is not None or self._store.query_of_round(number) is not None:
            return False
        stands_for_it = any(self._store.count_queries(number, purpose) for purpose in (HEAD, STREAM))
        return not stands_for_it and self.acquisition.has_more()

    def _head_is_to_query(self, number: int) -> bool:
        """Return whether the frozen head has a query to make before a round begins.

        The seed set counts as one of its queries, and so does one that a model has made before the head took over.
        Queries of a stream since the last round stand for all of them.
        """
        if self.head is None or self._store.round(number) is not None:
            return False
        if self._store.count_queries(number - 1, STREAM):
            return False
        made = 1 if number == 1 or self._store.query_of_round(number - 1) is not None else 0
        made += self._store.count_queries(number - 1, HEAD)
        return made < self.acquisition.options.queries_per_round and self.acquisition.has_more()

    def _begin(self, record: RoundRecord) -> Step:
        """Find where the training of a round stands."""
        number = record.number
        damage = self._damage_of_trained(record)
        if damage is not None:
            model = model_folder(self._store.run_dir, number)
            logger.warning("%s is damaged (%s): round %d is trained again, on the same labels", model, damage, number)
            self._store.forget_training(number)
            record = replace(record, trained=None)
        args, folder = self.trainer.args, round_folder(self._store.run_dir, number)
        checkpoint = None if args.save_only_model else last_whole_checkpoint(folder, args.load_best_model_at_end)
        if self._is_of_another_model(model_folder(self._store.run_dir, number) if record.trained else checkpoint):
            logger.info("round %d is trained anew, with another model than the one that had begun it", number)
            forget_training(self._store, number)
            record, checkpoint = replace(record, trained=None), None
        stopped_at = None if checkpoint is None else stopped_early_at(self.trainer, checkpoint)
        return Step(number - 1, record=record, checkpoint=checkpoint, stopped_at=stopped_at)

    def _last_finished(self) -> RoundRecord | None:
        return next((record for record in reversed(self._store.rounds()) if record.finished is not None), None)

    def _reason_to_stop(self, last: RoundRecord) -> str | None:
        if self.rounds is not None and last.number >= self.rounds:
            return counted(self.rounds, "round was asked for", "rounds were asked for")
        pool, stop = self._pool, self.options.stop
        if stop is not None:
            for metric in stop.metrics:
                metric_value(last.metrics or {}, metric, self.options.naming(metric))
            reason = stop.reason([record for record in self._store.rounds() if record.finished is not None])
            if reason is not None:
                return reason
        with self._store.snapshot():  # else another thread might record a query in between
            nothing_new = not self._store.open_queries() and pool.labels(last.answers_seen) == pool.labels()
            if nothing_new and not self.acquisition.has_more():
                return "the budget is spent" if len(pool.unlabeled_positions()) else "nothing is left to ask"
        return None

    def _is_of_another_model(self, folder: str | Path | None) -> bool:
        """Return whether a folder has whole weights of another model, such as a head on a frozen encoder."""
        return folder is not None and weights_damage(Path(folder)) is None and not fits(self.trainer, Path(folder))

    def _damage_of_trained(self, record: RoundRecord | None) -> str | None:
        """Return what is wrong with the final model of a round whose training is over; `None` for any other round."""
        if record is None or not record.trained:
            return None
        return weights_damage(model_folder(self._store.run_dir, record.number))

    def _check_models(self, number: int) -> None:
        """See that the models of earlier rounds are there that a round takes, before anybody labels for it.

        A run that goes on from an export has none, and without them it would become another run. (In other runs a
        committee is smaller where models were removed, which it says.)
        """
        run_dir, needed = self._store.run_dir, self._models_to_begin_with(number)
        needed |= self._models_of_committee(number)
        for what, of_rounds in needed.items():
            option = what.partition("=")[0]
            instead = "begin it with retrain='from_scratch'" if option == "retrain" else f"leave {option} out"
            missing = [f"{n:03d}" for n in of_rounds if not model_folder(run_dir, n).exists()]
            for n in of_rounds:
                damage = weights_damage(model_folder(run_dir, n))
                if damage is not None and not missing:
                    raise RunDirectoryError(
                        f"{what} the models of earlier rounds, but {model_folder(run_dir, n)} is damaged ({damage}): "
                        f"put a copy in its place, or {instead}"
                    )
            if missing:
                raise RunDirectoryError(
                    f"{what} the models of earlier rounds, but {rounds_folder(run_dir)} lacks those of "
                    f"{', '.join(missing)} (an export has no models): copy NNN/model from the run that trained them, "
                    f"or {instead}"
                )

    def _models_to_begin_with(self, number: int) -> dict[str, range]:
        """Return the rounds whose models a round begins with, by what takes them."""
        if self.options.retrain != "continue":
            return {}
        before = model_folder(self._store.run_dir, number - 1)
        if self._is_of_another_model(before):
            raise RunDirectoryError(
                f"retrain='continue' begins round {number} with the weights in {before}, which are of another model: "
                "begin it with retrain='from_scratch'"
            )
        record = self._store.round(number)
        if record and record.trained and self._damage_of_trained(record) is None:
            return {}
        return {f"retrain='continue' begins round {number} with": range(max(number - 1, 1), number)}

    def _models_of_committee(self, number: int) -> dict[str, range]:
        """Return the exported rounds whose models the next committee takes, by what takes them."""
        committee = self.acquisition.options.committee
        if not isinstance(committee, int):
            return {}
        # The strategy may take draws only from a later round on.
        rounds = [number, *(n for n in sorted(self.acquisition.strategies) if n > number)]
        first = next((n for n in rounds if self.acquisition.strategy_of(n).draws and n != self.rounds), None)
        if first is None:
            return {}
        exported = range(1, 1 + self._store.exported_rounds)
        return {f"committee={committee} takes for round {first}": exported[max(first - committee, 0) :]}


def _nothing_to_train_on() -> HfalError:
    return HfalError("nothing to train on: no example was labeled, and there is nothing left to ask")


def _training_seed(base_seed: int, number: int) -> int:
    """Return what seeds the training of a round: no two rounds share it, not even of runs with neighboring seeds.

    Else the runs of a comparison would begin with the same heads, a round apart, and not be as independent as their
    intervals take them to be.
    """
    return int(np.random.SeedSequence([base_seed, number]).generate_state(1)[0] >> 1)  # of 31 bits, as all take it


def forget_training(store: Store, number: int) -> None:
    """Forget what a round has trained, so that with other settings it does not go on from these weights."""
    store.forget_training(number)
    shutil.rmtree(round_folder(store.run_dir, number), ignore_errors=True)
