"""From a model to a recorded query: signals, strategy, store."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from hfal.acquisition.budget import Purchases
from hfal.acquisition.draws import Draw, check_committee, committee, mc_dropout
from hfal.acquisition.first_queries import FirstQueries
from hfal.acquisition.provenance import model_name, record_query
from hfal.acquisition.scoring import NonFiniteOutputError, forward_columns, score_examples
from hfal.acquisition.self_training import PREDICTION_SIGNALS, SelfTraining, keep_predictions, pseudo_labels
from hfal.acquisition.signals import SignalSources
from hfal.acquisition.stop_set import is_measured, record_predictions, stop_set
from hfal.data.pool import Pool
from hfal.data.references import resolve_model
from hfal.errors import ArgumentError, DivergedError, ScoringError
from hfal.store.records import Query, RoundRecord
from hfal.strategies import Strategy
from hfal.strategies.resolve import RANDOM
from hfal.strategies.selection import LABELED_SIGNALS, SelectFunction
from hfal.utils.distributed import on_main, shared_failure


logger = logging.getLogger(__name__)

COMMITTEE_OF_ROUNDS = (
    "committee= takes the models of earlier rounds, which only run() and rounds() keep: call these, or pass models"
)
Members = Sequence[torch.nn.Module | Mapping[str, torch.Tensor]]
"""Of a committee: models, or parameters by name."""
Committee = int | Sequence[torch.nn.Module] | Callable[[int], Sequence[torch.nn.Module]]
"""Where a committee comes from: so many last rounds, other models, or what gives them for a round."""


class Acquisition:
    """Makes the queries of one run. Each is on the disk, with its provenance, before anybody is asked.

    Args:
        pool: The pool to query.
        strategies: The query strategies, by the round from which they are used.
        query_size: How much a round's query asks for, in `unit`.
        seed_size: How much the seed set asks for, in `unit`.
        seed_strategy: See `FirstQueries`.
        budget: How much may be bought in all, seed set and holdout included, in `unit`, or `None`.
        unit: What sizes and budget count: `"examples"`, or `"words"` of the sentences.
        embeddings: See `SignalSources`.
        embeddings_dir: See `SignalSources`.
        passes: Of Monte-Carlo dropout, for strategies that take draws.
        committee: Where draws come from instead: so many last rounds, other models, or what gives them for a round.
        token_budget: See `hfal.acquisition.scoring.score_examples`.
        bf16: Score under bfloat16 autocast, also if the Trainer does not train so.
        seed: Seeds every random choice, together with the round.
        record_stability: Whether `measure` records anything.
        self_training: How confident predictions join the training set, if they do.

    Attributes:
        first: Makes the queries before a model has been trained.
        sources: Where the signals of the strategies come from.
        purchases: What the run has bought.
    """

    def __init__(
        self,
        pool: Pool,
        strategies: Mapping[int, Strategy],
        *,
        query_size: int,
        seed_size: int,
        seed_strategy: str | SelectFunction | None,
        budget: int | None,
        unit: str,
        embeddings: Any,
        embeddings_dir: str | os.PathLike[str] | None = None,
        passes: int = 10,
        committee: Committee | None = None,
        token_budget: int | None,
        bf16: bool,
        seed: int,
        record_stability: bool = False,
        self_training: SelfTraining | None = None,
    ):
        self.sources = SignalSources(pool, embeddings, embeddings_dir)
        self.purchases = Purchases(pool, unit, budget)
        self.first = FirstQueries(
            pool,
            self.purchases,
            self.sources,
            seed_strategy=seed_strategy,
            seed_size=seed_size,
            strategy=strategies[1],
            seed=seed,
        )
        if self_training is not None and not pool.task.kind.self_training:
            raise ArgumentError(
                f"self_training={self_training.weight} is for text classification, but the pool is one of "
                f"{pool.task.name}: leave it out"
            )
        check_committee(committee, pool.label_names)
        needs_embeddings = self.first.needs_embeddings or any(
            "embeddings" in (s.needs if s.among is None else s.needs | s.among.needs) for s in strategies.values()
        )
        if isinstance(embeddings, str) and self.sources.own is None and needs_embeddings:
            resolve_model(embeddings)  # before anything is asked
        if committee is not None and not any(strategy.draws for strategy in strategies.values()):
            logger.warning("committee= is not used: the strategy takes no draws of the model's parameters")

        self.pool = pool
        self.strategies = strategies
        self.query_size = query_size
        for strategy in strategies.values():
            among = strategy.among
            if among is not None and among.size * self.purchases.costs.mean() < query_size:
                raise ArgumentError(
                    f"a Subset of {among.size} candidates is smaller than query_size={query_size} {unit}: raise its "
                    "size"
                )
        self.passes = passes
        self.committee = committee
        self.token_budget = token_budget
        self.bf16 = bf16
        self.seed = seed
        self.record_stability = record_stability
        self.self_training = self_training

    @property
    def show_progress(self) -> bool:
        """Whether bars are shown while texts are embedded and scored."""
        return self.sources.show_progress

    @show_progress.setter
    def show_progress(self, show: bool) -> None:
        self.sources.show_progress = show

    def strategy_of(self, round_number: int) -> Strategy:
        """The strategy that makes the query of a round."""
        return self.strategies[max(number for number in self.strategies if number <= round_number)]

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
        scored = self._scoring(model, collate_fn, args)

        def embeddings_of(rows: np.ndarray) -> np.ndarray:
            title = "embedding the texts for the first query"
            return scored(rows, frozenset({"embeddings"}), None, title)["embeddings"]

        self.first.embed(positions, embeddings_of, model_name(model), self.bf16)

    # -- the stop set ----------------------------------------------------------------------------------------------

    def measure(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
    ) -> None:
        """Record what a round's model says of the stop set, and how that differs from the round before.

        It is a pass of its own, so that the batches of the scoring pass, and with them the queries, are the same to
        the last bit whether it is recorded or not. What is recorded stays.

        Args:
            model: The model just trained.
            collate_fn: The Trainer's collator.
            round_number: The round that trained the model.
            args: As for `propose`.
        """
        pool, task = self.pool, self.pool.task
        if not self.record_stability or on_main(lambda: is_measured(pool.store, round_number)):
            return
        rows = on_main(lambda: stop_set(pool, self._rng(6), self.seed))
        try:
            arrays = self._scoring(model, collate_fn, args)(
                rows, task.prediction_signals, task.prediction_score, "stop set"
            )
        except NonFiniteOutputError as error:
            logger.warning("round %d: %s of the stop set, so nothing is recorded of it", round_number, error)
            return
        on_main(lambda: record_predictions(pool.store, task, round_number, arrays))

    # -- a round's query -------------------------------------------------------------------------------------------

    def propose(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
        members: Callable[[int], Members] | None = None,
    ) -> Query | None:
        """Score the unlabeled examples with a model, select, and record the query.

        Of several processes each scores its share, and the main one selects and records.

        Args:
            model: The model just trained.
            collate_fn: The Trainer's collator.
            round_number: The round that trained the model.
            args: The Trainer's arguments, for `remove_unused_columns`, `dataloader_num_workers`, `bf16` and `fp16`.
            members: The parameters of the models of so many rounds before, or of as many as there are.

        Returns:
            The query, on every process; `None` if the budget is spent or nothing is left to ask.

        Raises:
            DivergedError: The model's outputs are not finite; the ids are named.
            ScoringError: Not even one example fits the memory, or the model shows no hidden states.
            StrategyError: The strategy returned no query.
        """
        strategy, task = self.strategy_of(round_number), self.pool.task
        positions = on_main(self.purchases.affordable)
        if len(positions) == 0:
            logger.info("nothing left to ask: %d labels bought", self.pool.labels_bought())
            return None
        left = on_main(self.purchases.left)
        if min(self.purchases.costs[positions].sum(), np.inf if left is None else left) < self.query_size:
            logger.info(
                "the query is smaller than %d %s: that is all that is left", self.query_size, self.purchases.unit
            )
        others: Members | None = None
        if strategy.draws and self.committee is not None:
            with shared_failure():
                others = self._members(round_number, members)
            if not others:
                # All scores would be equal, and the query whatever has the first ids.
                logger.info("a committee of one agrees with itself: the query is drawn at random")
                strategy = RANDOM
        needs, among = strategy.needs, strategy.among
        if among is not None and not any(map(self.sources.in_pass, among.needs)):  # before the model is asked
            before = among
            rows = on_main(
                lambda: before.pick(self.sources.known(before.needs, positions), self._rng(4, round_number))
            )
            positions, among = positions[rows], None
        elif among is not None:
            needs = needs | among.needs
        scored = self._scoring(model, collate_fn, args)

        def run(
            rows: np.ndarray, keep: frozenset[str], title: str | None = None, draws: Sequence[Draw] = ()
        ) -> dict[str, np.ndarray]:
            try:
                return scored(rows, keep, strategy.score, title, draws)
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

        # What is needed of the labeled examples comes from the same pass, behind the candidates.
        keep = frozenset(filter(None, map(self.sources.in_pass, needs)))
        if self.self_training is not None:
            keep |= PREDICTION_SIGNALS
        behind = positions[:0]
        if any(map(self.sources.in_pass, needs & set(LABELED_SIGNALS))):
            behind = on_main(self.sources.labeled_positions)
        arrays: dict[str, np.ndarray] = {}
        if keep:
            with self._draws(strategy, model, round_number, others) as draws:
                arrays = run(np.concatenate([positions, behind]), keep, "scoring", draws)
        if self.self_training is not None:  # on the disk before the query, for the next round
            on_main(lambda: keep_predictions(self.pool, round_number, positions, arrays))

        def select() -> tuple[np.ndarray, np.ndarray | None]:
            at, known = positions, self.sources.known(needs, positions, arrays)
            if among is not None:
                rows = among.pick(known, self._rng(4, round_number))
                at, known = positions[rows], known.rows(rows)
            known = strategy.scored(known, self._rng(3, round_number))
            picked = self.purchases.fill(
                lambda count: strategy.pick(known, count, self._rng(2, round_number)), self.query_size, at
            )
            return at[picked], None if known.scores is None else known.scores[picked]

        chosen, scores = on_main(select)
        suggested = task.suggestions(run(chosen, task.suggestion_signals), chosen)
        return on_main(
            lambda: record_query(
                self.pool,
                "round",
                round_number,
                strategy.name,
                chosen,
                seed=self.seed,
                scores=scores,
                suggested=suggested,
                model=model_name(model),
                settings={
                    **strategy.settings,
                    **({"draws": self._draws_name(others)} if strategy.draws else {}),
                    **({} if self.pool.thresholds is None else {"thresholds": dict(self.pool.thresholds)}),
                    "unit": self.purchases.unit,
                    "embeddings": self.sources.embeddings_name,
                    "bf16_scoring": self.bf16,
                    **({} if self.self_training is None else {"self_training": asdict(self.self_training)}),
                },
            )
        )

    def _scoring(
        self, model: torch.nn.Module, collate_fn: Callable[[list[Any]], Any], args: TrainingArguments
    ) -> Callable[..., dict[str, np.ndarray]]:
        """A pass of a model over rows of the pool, as a function of the rows and of what to keep."""
        task, columns = self.pool.task, self.pool.columns_without_labels
        if args.remove_unused_columns:
            columns = forward_columns(model, columns)
        dataset = self.pool.rows_to_score(columns)
        # As it was trained: a model that was, runs under autocast by itself, but not when it is loaded from the disk.
        autocast = torch.bfloat16 if self.bf16 or args.bf16 else torch.float16 if args.fp16 else None

        def scored(
            rows: np.ndarray,
            keep: frozenset[str],
            score: Callable[..., torch.Tensor] | None,
            title: str | None = None,
            draws: Sequence[Draw] = (),
        ) -> dict[str, np.ndarray]:
            return score_examples(
                model,
                dataset,
                rows,
                self.pool.lengths[rows],
                task.collator(collate_fn, columns),
                keep=keep,
                score=score,
                signals=task.signals,
                draws=draws,
                token_budget=self.token_budget,
                autocast=autocast,
                num_workers=args.dataloader_num_workers,
                scratch_dir=self.pool.run_dir,
                progress=title if self.show_progress else None,
            )

        return scored

    # -- self-training ---------------------------------------------------------------------------------------------

    def predict(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
    ) -> None:
        """Keep what a round's model says of the unlabeled examples, where the pass for its query has not.

        Args:
            model: The round's final model.
            collate_fn: The Trainer's collator.
            round_number: The round.
            args: As for `propose`.
        """
        positions = on_main(self.pool.unlabeled_positions)
        arrays = {name: np.empty(0, np.float32) for name in PREDICTION_SIGNALS}
        if len(positions):
            arrays = self._scoring(model, collate_fn, args)(positions, PREDICTION_SIGNALS, None, "predicting")
        on_main(lambda: keep_predictions(self.pool, round_number, positions, arrays))

    def pseudo_labels(self, record: RoundRecord) -> tuple[dict[str, str], np.ndarray]:
        """What a round trains on beside labels: see `hfal.acquisition.self_training.pseudo_labels`.

        Args:
            record: The round; `predict` or `propose` has kept what the model of the one before says.
        """
        assert self.self_training is not None
        return pseudo_labels(self.pool, self.self_training, record, self._rng(7, record.number))

    # -- draws -----------------------------------------------------------------------------------------------------

    def _members(self, round_number: int, members: Callable[[int], Members] | None) -> Members:
        """The committee without this round's model."""
        if callable(self.committee):
            found = self.committee(round_number)
            check_committee(found, self.pool.label_names)
            return found
        if not isinstance(self.committee, int):
            assert self.committee is not None
            return self.committee
        if members is None:
            raise ArgumentError(COMMITTEE_OF_ROUNDS)
        return members(self.committee - 1)

    @contextlib.contextmanager
    def _draws(
        self, strategy: Strategy, model: torch.nn.Module, round_number: int, others: Members | None
    ) -> Iterator[Sequence[Draw]]:
        """Draws of the model's parameters, where the strategy takes any."""
        if not strategy.draws:
            yield ()
        elif others is None:
            with mc_dropout(model, self.passes, [self.seed, 5, round_number]) as draws:
                yield draws
        else:
            with committee(model, others) as draws:
                yield draws

    def _draws_name(self, others: Members | None) -> str:
        if others is None:
            return f"dropout, {self.passes} passes"
        return f"committee of {1 + len(others)} {'rounds' if isinstance(self.committee, int) else 'models'}"

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])
