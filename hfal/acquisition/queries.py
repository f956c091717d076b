"""The queries of a run: score with a model, select by the strategy, record in the store."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from hfal.acquisition.asking_again import AskedAgain, OldTexts, ask_again, ids_to_ask_again, record_asked_again
from hfal.acquisition.draws import Draw, Members, check_committee, committee, mc_dropout, members_for
from hfal.acquisition.first_queries import FirstQueries
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.label_budget import LabelBudget, opinions_wanted
from hfal.acquisition.options import QueryOptions
from hfal.acquisition.provenance import Made, model_name
from hfal.acquisition.ranking import QUERIES_AHEAD, pick_in_turn, propose_ahead, record_with_ranking
from hfal.acquisition.scoring import NonFiniteOutputError, ScoringPass
from hfal.acquisition.self_training import PREDICTION_SIGNALS, SelfTraining, keep_predictions, pseudo_labels
from hfal.acquisition.signals import SignalSources
from hfal.acquisition.stop_set import is_measured, record_predictions, stop_set
from hfal.data.checkpoints import check_encoder
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, DivergedError, ScoringError
from hfal.store.records import HEAD, Query, RoundRecord
from hfal.strategies import Strategy
from hfal.strategies.resolve import RANDOM, Among
from hfal.strategies.selection import LABELED_SIGNALS
from hfal.utils.distributed import on_main, shared_failure
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)


class Acquisition:
    """Makes the queries of one run. Each is on the disk, with its provenance, before anybody is asked.

    Args:
        pool: The pool to query.
        strategies: The query strategies, by the round from which they are used.
        options: How much is asked for, and how the model is run for it.

    Attributes:
        first: Makes the queries before a model has been trained.
        sources: Where the signals of the strategies come from.
        budget: What may be bought.
        recording: Held while a query is picked and recorded, so that another thread picks none of the same examples.
        self_training: How confident predictions join the training set, if they do.
    """

    def __init__(self, pool: Pool, strategies: Mapping[int, Strategy], options: QueryOptions):
        self.self_training: SelfTraining | None = None
        if options.self_training is not None:
            self.self_training = SelfTraining(options.self_training, options.self_training_threshold)
        self.pool = pool
        self.recording = threading.RLock()
        self.strategies = strategies
        self.options = options
        self._read_pool()
        if options.self_training is not None and not pool.task.kind.self_training:
            raise ArgumentError(
                f"self_training={options.self_training} is for text classification, but the pool is one of "
                f"{pool.task.name}: leave it out"
            )
        if options.ask_again and (pool.task.kind.lists or not pool.task.kind.one_class):
            raise ArgumentError(f"ask_again=True is for text classification, not for {pool.task.name}: leave it out")
        if options.record_stability and not pool.task.prediction_signals:
            logger.warning("record_stability= is not used: %s has no predictions to compare", pool.task.name)
        check_committee(options.committee, pool.label_names)
        if self._needs_other_embeddings():
            check_encoder(str(options.embeddings), "--embeddings")  # before anything is asked
        if options.committee is not None and not any(strategy.draws for strategy in strategies.values()):
            logger.warning("committee= is not used: the strategy takes no draws of the model's parameters")
        for strategy in strategies.values():
            among = strategy.among
            if among is not None and among.size * self.budget.sizes.mean() < options.query_size:
                raise ArgumentError(
                    f"a Subset of {among.size} candidates is smaller than query_size={options.query_size} "
                    f"{options.unit}: raise its size"
                )

    def _read_pool(self) -> None:
        pool, options = self.pool, self.options
        self.sources = SignalSources(pool, options.embeddings, options.embeddings_dir)
        self.budget = LabelBudget(pool, options.unit, options.budget, opinions_wanted(pool, options))
        self.first = FirstQueries(pool, self.budget, self.sources, options, self.strategies[1])

    def take_up_added(self) -> None:
        """Take up examples that were added to the pool; not while a loop is going on."""
        if len(self.budget.sizes) < len(self.pool):
            self._read_pool()

    def _needs_other_embeddings(self) -> bool:
        """Return whether a sentence-transformers model, given by its name, is to embed the texts."""
        needs_embeddings = self.first.needs_embeddings or any(
            "embeddings" in (s.needs if s.among is None else s.needs | s.among.needs) for s in self.strategies.values()
        )
        needs_embeddings |= self.options.select_with == "head"
        return isinstance(self.options.embeddings, str) and self.sources.own is None and needs_embeddings

    @property
    def show_progress(self) -> bool:
        """Whether bars are shown while texts are embedded and scored."""
        return self.sources.show_progress

    @show_progress.setter
    def show_progress(self, show: bool) -> None:
        self.sources.show_progress = show

    def strategy_of(self, round_number: int) -> Strategy:
        """Return the strategy that makes the query of a round, or those before the first one."""
        return self.strategies[max(number for number in self.strategies if number <= max(round_number, 1))]

    @property
    def strategy_name(self) -> str:
        """The name of the strategy, or of those that follow each other."""
        names = [f"from round {number} {strategy.name}" for number, strategy in self.strategies.items()]
        return ", ".join([self.strategies[1].name, *names[1:]])

    def embed_for_seed_set(
        self,
        untrained_model: Callable[[], torch.nn.Module],
        collate_fn: Callable[[list[Any]], Any],
        args: TrainingArguments,
    ) -> None:
        """Make the model's embeddings before it is trained, if the seed set has yet to be picked by these.

        Args:
            untrained_model: Gives the model with which the first round begins.
            collate_fn: The Trainer's collator.
            args: As for `propose`.

        Raises:
            ScoringError: See `FirstQueries.embed`.
        """
        positions = on_main(self.first.positions_to_embed)
        if len(positions) == 0:
            return
        model = untrained_model()
        scoring = self._scoring(model, collate_fn, args)

        def embeddings_of(rows: np.ndarray) -> np.ndarray:
            progress = self._title("embedding the texts for the first query")
            return scoring.run(rows, keep=frozenset({"embeddings"}), progress=progress)["embeddings"]

        self.first.embed(positions, embeddings_of, model_name(model), self.options.bf16_scoring)

    # -- the stop set ----------------------------------------------------------------------------------------------

    def measure(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
    ) -> None:
        """Record a round's predictions on the stop set, and how they differ from the round before.

        It is a pass of its own, so that the batches of the scoring pass, and with them the queries, are the same to
        the last bit whether it is recorded or not. What is recorded stays.

        Args:
            model: The model just trained.
            collate_fn: The Trainer's collator.
            round_number: The round that trained the model.
            args: As for `propose`.
        """
        pool, task = self.pool, self.pool.task
        if not self.options.record_stability or not task.prediction_signals:
            return
        if on_main(lambda: is_measured(pool.store, round_number)):
            return
        rows = on_main(lambda: stop_set(pool, self._rng(6), self.options.seed))
        scoring = self._scoring(model, collate_fn, args)
        try:
            arrays = scoring.run(
                rows, keep=task.prediction_signals, score=task.prediction_score, progress=self._title("stop set")
            )
        except NonFiniteOutputError as error:
            logger.warning("round %d: %s of the stop set, so nothing is recorded of it", round_number, error)
            return
        on_main(lambda: record_predictions(pool.store, task, round_number, arrays))

    def has_more(self) -> bool:
        """Return whether there is something to ask that the budget pays for."""
        if len(self.budget.affordable()):
            return True
        return self.options.ask_again and self.budget.left() != 0 and bool(ids_to_ask_again(self.pool.store))

    # -- a round's query -------------------------------------------------------------------------------------------

    def propose(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
        members: Callable[[int], Members] | None = None,
        of_head: Mapping[str, int] | None = None,
        old: OldTexts | None = None,
    ) -> Query | None:
        """Score the unlabeled examples with a model, select, and record the query.

        Of several processes each scores its share, and the main one selects and records.

        Args:
            model: The model just trained.
            collate_fn: The Trainer's collator.
            round_number: The round that trained the model; for a frozen head the last one that has ended, or 0.
            args: The Trainer's arguments, for `remove_unused_columns`, `dataloader_num_workers`, `bf16` and `fp16`.
            members: The parameters of the models of so many rounds before, or of as many as there are.
            of_head: Of the query of a frozen head, what its record is to say: its `sequence` since that round, from 1,
                and the number of the last answer that the head has seen (`answers_seen`).
            old: The texts with opinions, where those may be asked again that are worth more than new ones.

        Returns:
            The query, on every process; `None` if the budget is spent or nothing is left to ask.

        Raises:
            DivergedError: The model's outputs are not finite; the ids are named.
            ScoringError: Not even one example fits the memory, or the model shows no hidden states.
            StrategyError: The strategy returned no query.
        """
        positions = self._candidates()
        if len(positions) == 0 and not on_main(self.has_more):
            logger.info("nothing left to ask: %s bought", counted(self.pool.labels_bought(), "label"))
            return None
        strategy, others = self._with_committee(self.strategy_of(round_number), round_number, members)
        key = (round_number,) if of_head is None else (round_number, of_head["sequence"])
        positions, among = self._narrowed(strategy, positions, key)
        needs = strategy.needs if among is None else strategy.needs | among.needs
        scoring = self._scoring(model, collate_fn, args, may_be_compiled=of_head is None)
        keep = self.pool.task.suggestion_signals if old is not None else frozenset()
        arrays = self._score(scoring, strategy, needs, positions, key, others, keep)
        if self.self_training is not None:  # on the disk before the query, for the next round
            on_main(lambda: keep_predictions(self.pool, round_number, positions, arrays))
        again = (
            None
            if old is None
            else on_main(lambda: ask_again(old, positions, arrays, self.budget, self.options.query_size))
        )
        with self.recording:
            taken = on_main(lambda: ~np.isin(positions, self.budget.affordable()))
            if again is None and taken.all():
                return None
            select = partial(self._select, strategy, among, needs, again)
            queries = 1 + QUERIES_AHEAD * self.options.asks_ahead
            if again is None:
                picked = on_main(lambda: pick_in_turn(select, positions, arrays, key, taken, queries))
            else:
                picked = [on_main(lambda: select(positions, arrays, key))]
            chosen = np.concatenate([rows for rows, _ in picked])
            suggested: Sequence[tuple[Any, float]] = []
            if len(chosen):
                suggestions = self._run(scoring, strategy, chosen, self.pool.task.suggestion_signals, round_number)
                suggested = self.pool.task.suggestions(suggestions, chosen)
            made = Made(
                "round" if of_head is None else HEAD,
                round_number,
                strategy.name,
                model_name(model),
                {**self._settings(strategy, others), **(of_head or {})},
                self.options.seed,
            )
            if again is not None:
                return on_main(lambda: record_asked_again(self.budget, made, again, positions, *picked[0], suggested))
            return on_main(lambda: record_with_ranking(self.budget, made, picked, suggested))

    def propose_ahead(self) -> Query | None:
        """Record the next query that goes on with the ranking of the last model; another thread may call this.

        Returns:
            The query; `None` if there is no ranking, nothing of it is left, or the budget is spent.
        """
        with self.recording:
            return propose_ahead(self.budget)

    def _candidates(self) -> np.ndarray:
        """Return the unlabeled examples that may be asked about, by position, and say where they are few."""
        positions = on_main(self.budget.affordable)
        if len(positions) == 0 or self.options.ask_again:
            return positions
        left = on_main(self.budget.left)
        if min(self.budget.costs[positions].sum(), np.inf if left is None else left) < self.options.query_size:
            logger.info(
                "the query is smaller than %d %s: that is all that is left", self.options.query_size, self.options.unit
            )
        return positions

    def _with_committee(
        self, strategy: Strategy, round_number: int, members: Callable[[int], Members] | None
    ) -> tuple[Strategy, Members | None]:
        """Return the strategy to use, and the committee without this round's model, where draws come from one."""
        if not strategy.draws or self.options.committee is None:
            return strategy, None
        with shared_failure():
            others = members_for(self.options.committee, round_number, members, self.pool.label_names)
        if not others:
            # All scores would be equal, and the query whatever has the first ids.
            logger.info("a committee of one agrees with itself: the query is drawn at random")
            return RANDOM, others
        return strategy, others

    def _narrowed(
        self, strategy: Strategy, positions: np.ndarray, key: Sequence[int]
    ) -> tuple[np.ndarray, Among | None]:
        """Pick the candidates of a `Subset` before the model is asked, where it needs nothing from the model.

        Returns:
            The candidates, and the `Subset` that is to pick among them after the pass, if one is.
        """
        among = strategy.among
        if among is None or any(map(self.sources.in_pass, among.needs)):
            return positions, among
        rows = on_main(lambda: among.pick(self.sources.known(among.needs, positions), self._rng(4, *key)))
        return positions[rows], None

    def _score(
        self,
        scoring: ScoringPass,
        strategy: Strategy,
        needs: frozenset[str],
        positions: np.ndarray,
        key: Sequence[int],
        others: Members | None,
        keep: frozenset[str],
    ) -> dict[str, np.ndarray]:
        """Run the model over the candidates and, behind them, the labeled examples where they are needed too."""
        keep |= frozenset(filter(None, map(self.sources.in_pass, needs)))
        if self.self_training is not None:
            keep |= PREDICTION_SIGNALS
        behind = positions[:0]
        if any(map(self.sources.in_pass, needs & set(LABELED_SIGNALS))):
            behind = on_main(self.sources.labeled_positions)
        if not keep or len(positions) == 0:
            return {}
        rows = np.concatenate([positions, behind])
        with self._draws(strategy, scoring.model, key, others) as draws:
            return self._run(scoring, strategy, rows, keep, key[0], draws, self._title("scoring"))

    def _run(
        self,
        scoring: ScoringPass,
        strategy: Strategy,
        rows: np.ndarray,
        keep: frozenset[str],
        round_number: int,
        draws: Sequence[Draw] = (),
        progress: str | None = None,
    ) -> dict[str, np.ndarray]:
        """Run a pass; say of outputs that are not finite where they come from."""
        try:
            return scoring.run(rows, keep=keep, score=strategy.score, draws=draws, progress=progress)
        except NonFiniteOutputError as error:
            if error.probabilities_are_finite:
                raise ScoringError(
                    f"{error.what} for {len(error.rows)} of {len(rows)} examples (ids "
                    f"{self.pool.some_ids(rows[error.rows])}), though the model's probabilities are finite: does "
                    f"strategy {strategy.name!r} take the logarithm of 0, or divide by it?"
                ) from error
            raise DivergedError(
                f"after round {round_number} {error.what} for {len(error.rows)} of {len(rows)} examples "
                f"(ids {self.pool.some_ids(rows[error.rows])}): training probably diverged, try a lower "
                "learning_rate or max_grad_norm; labels and earlier rounds are safe"
            ) from error

    def _select(
        self,
        strategy: Strategy,
        among: Among | None,
        needs: frozenset[str],
        again: AskedAgain | None,
        positions: np.ndarray,
        arrays: Mapping[str, np.ndarray],
        key: Sequence[int],
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the positions to ask about, in this order, and their scores, if the strategy has any."""
        size, reserved = (self.options.query_size, 0) if again is None else (again.new, len(again.positions))
        if size == 0:
            return positions[:0], np.empty(0)
        known = self.sources.known(needs, positions, arrays)
        if among is not None:
            rows = among.pick(known, self._rng(4, *key))
            positions, known = positions[rows], known.rows(rows)
        known = strategy.scored(known, self._rng(3, *key))
        picked = self.budget.fill(
            lambda count: strategy.pick(known, count, self._rng(2, *key)), size, positions, reserved
        )
        return positions[picked], None if known.scores is None else known.scores[picked]

    def _settings(self, strategy: Strategy, others: Members | None) -> dict[str, Any]:
        """Return what the record of a query says of how it was made."""
        return {
            **strategy.settings,
            **({"draws": self._draws_name(others)} if strategy.draws else {}),
            **({} if self.pool.thresholds is None else {"thresholds": dict(self.pool.thresholds)}),
            "unit": self.options.unit,
            "embeddings": self.sources.embeddings_name,
            "bf16_scoring": self.options.bf16_scoring,
            **({} if self.self_training is None else {"self_training": asdict(self.self_training)}),
        }

    def _scoring(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        args: TrainingArguments,
        may_be_compiled: bool = True,
    ) -> ScoringPass:
        """Prepare a model to be run over rows of the pool."""
        task, columns = self.pool.task, self.pool.columns_without_labels
        if args.remove_unused_columns:
            columns = forward_columns(model, columns)
        # As it was trained: a model that was, runs under autocast by itself, but not when it is loaded from the disk.
        bf16 = self.options.bf16_scoring or args.bf16
        return ScoringPass(
            model,
            self.pool.rows_to_score(columns),
            self.pool.lengths,
            task.collator(collate_fn, columns),
            signals=task.signals,
            token_budget=self.options.token_budget,
            autocast=torch.bfloat16 if bf16 else torch.float16 if args.fp16 else None,
            num_workers=args.dataloader_num_workers,
            scratch_dir=self.pool.run_dir,
            may_be_compiled=may_be_compiled,
        )

    def _title(self, title: str) -> str | None:
        """Return the title of a progress bar, or `None` where none is shown."""
        return title if self.show_progress else None

    # -- self-training ---------------------------------------------------------------------------------------------

    def predict(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
        until: int,
    ) -> None:
        """Keep what a round's model says of the unlabeled examples, where the pass for its query has not.

        Args:
            model: The round's final model.
            collate_fn: The Trainer's collator.
            round_number: The round.
            args: As for `propose`.
            until: The number of the last answer to see; what is asked since then makes no difference.
        """
        positions = on_main(lambda: self.pool.unanswered_positions(until))
        arrays = {name: np.empty(0, np.float32) for name in PREDICTION_SIGNALS}
        if len(positions):
            scoring = self._scoring(model, collate_fn, args)
            arrays = scoring.run(positions, keep=PREDICTION_SIGNALS, progress=self._title("predicting"))
        on_main(lambda: keep_predictions(self.pool, round_number, positions, arrays))

    def pseudo_labels(self, record: RoundRecord) -> tuple[dict[str, str], np.ndarray]:
        """Return what a round trains on beside labels: see `hfal.acquisition.self_training.pseudo_labels`.

        Args:
            record: The round; `predict` or `propose` has kept what the model of the one before says.
        """
        assert self.self_training is not None
        return pseudo_labels(self.pool, self.self_training, record, self._rng(7, record.number))

    # -- draws -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _draws(
        self, strategy: Strategy, model: torch.nn.Module, key: Sequence[int], others: Members | None
    ) -> Iterator[Sequence[Draw]]:
        """Draw the model's parameters, where the strategy takes any draws."""
        if not strategy.draws:
            yield ()
        elif others is None:
            with mc_dropout(model, self.options.passes, [self.options.seed, 5, *key]) as draws:
                yield draws
        else:
            with committee(model, others) as draws:
                yield draws

    def _draws_name(self, others: Members | None) -> str:
        if others is None:
            return f"dropout, {self.options.passes} passes"
        return f"committee of {1 + len(others)} {'rounds' if isinstance(self.options.committee, int) else 'models'}"

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.options.seed, *key])
