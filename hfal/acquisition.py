"""From a model to a recorded query: signals, strategy, store."""

import contextlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cache, cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from hfal.draws import Draw, check_committee, committee, mc_dropout
from hfal.embeddings import sentence_embeddings
from hfal.errors import ArgumentError, DivergedError, ScoringError
from hfal.pool import Pool
from hfal.processes import on_main, shared_failure
from hfal.purchases import Purchases
from hfal.records import Queried, Query, RoundRecord
from hfal.references import in_full, resolve_model
from hfal.scoring import NonFiniteOutputError, forward_columns, score_examples
from hfal.scratch import rows_of
from hfal.self_training import PREDICTION_SIGNALS, SelfTraining, keep_predictions, pseudo_labels
from hfal.stop_set import is_measured, record_predictions, stop_set
from hfal.strategies import SEED_SELECTIONS, Signals, Strategy, stratified
from hfal.strategies.resolve import RANDOM, resolve_seed_strategy
from hfal.strategies.selection import LABELED_SIGNALS, SelectFunction


logger = logging.getLogger(__name__)

COMMITTEE_OF_ROUNDS = (
    "committee= takes the models of earlier rounds, which only run() and rounds() keep: call these, or pass models"
)
SEED_TOKENS = 250_000
"""Of examples with so many tokens the seed set is picked by what the model makes of them (of more if it is large)."""
SEED_STRATEGIES = ("random", "stratified", *SEED_SELECTIONS)
Members = Sequence[torch.nn.Module | Mapping[str, torch.Tensor]]
"""Of a committee: models, or parameters by name."""
Committee = int | Sequence[torch.nn.Module] | Callable[[int], Sequence[torch.nn.Module]]
"""Where a committee comes from: so many last rounds, other models, or what gives them for a round."""

_OWN_EMBEDDINGS = {"model": "embeddings", "entities": "entity_embeddings"}  # to the signal that the pass computes
_PACKAGES = (
    "hfal",
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "numpy",
    "scikit-learn",
    "sentence-transformers",
)


class Acquisition:
    """Makes the queries of one run. Each is on the disk, with its provenance, before anybody is asked.

    Args:
        pool: The pool to query.
        strategies: The query strategies, by the round from which they are used.
        query_size: How much a round's query asks for, in `unit`.
        seed_size: How much the seed set asks for, in `unit`.
        seed_strategy: One of `SEED_STRATEGIES`, or a select function that needs nothing but embeddings; `None` for
            that of `default_seed_strategy`.
        budget: How much may be bought in all, seed set and holdout included, in `unit`, or `None`.
        unit: What sizes and budget count: `"examples"`, or `"words"` of the sentences.
        embeddings: `"model"`, `"entities"`, a sentence-transformers model, or an array float[N, D].
        embeddings_dir: Where embeddings of a sentence-transformers model are kept; in the run directory by default.
        passes: Of Monte-Carlo dropout, for strategies that take draws.
        committee: Where draws come from instead: so many last rounds, other models, or what gives them for a round.
        token_budget: See `hfal.scoring.score_examples`.
        bf16: Score under bfloat16 autocast, also if the Trainer does not train so.
        seed: Seeds every random choice, together with the round.
        record_stability: Whether `measure` records anything.
        self_training: How confident predictions join the training set, if they do.
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
        self._seed_strategy_is_ours = seed_strategy is None
        if seed_strategy is None:
            seed_strategy = default_seed_strategy(pool.task.name, strategies[1])
        if isinstance(seed_strategy, str) and seed_strategy not in SEED_STRATEGIES:
            raise ArgumentError(
                f"seed_strategy={seed_strategy!r}, expected one of {', '.join(SEED_STRATEGIES)}, or a select function"
            )
        seeds = None if seed_strategy in ("random", "stratified") else resolve_seed_strategy(seed_strategy)
        if isinstance(embeddings, str) and embeddings == "entities" and pool.task.words is None:
            raise ArgumentError("embeddings='entities' is for token classification: pass 'model' here")
        own_embeddings = isinstance(embeddings, str) and embeddings in _OWN_EMBEDDINGS
        if isinstance(embeddings, np.ndarray) and (embeddings.ndim != 2 or len(embeddings) != len(pool)):
            raise ArgumentError(
                f"embeddings has the shape {list(embeddings.shape)}, expected a row of numbers for each of the "
                f"{len(pool)} examples of the pool"
            )
        if self_training is not None and pool.task.name != "text_classification":
            raise ArgumentError(
                f"self_training={self_training.weight} is for text classification, but the pool is one of "
                f"{pool.task.name}: leave it out"
            )
        check_committee(committee, pool.label_names)
        needs_embeddings = (seeds is not None and bool(seeds.needs)) or any(
            "embeddings" in (s.needs if s.among is None else s.needs | s.among.needs) for s in strategies.values()
        )
        if isinstance(embeddings, str) and not own_embeddings and needs_embeddings:
            resolve_model(embeddings)  # before anything is asked
        if committee is not None and not any(strategy.draws for strategy in strategies.values()):
            logger.warning("committee= is not used: the strategy takes no draws of the model's parameters")

        if seed_strategy == "stratified" and (pool.given_labels() < 0).any():
            raise ArgumentError(
                "seed_strategy='stratified' needs the label of every example beforehand, as in an experiment: "
                "pass seed_strategy='random'"
            )
        self.pool = pool
        self.strategies = strategies
        self.query_size = query_size
        self.seed_size = seed_size
        self.seed_strategy = str(seed_strategy) if seeds is None else seeds.name
        self._seeds = seeds
        self.purchases = Purchases(pool, unit, budget)
        for strategy in strategies.values():
            among = strategy.among
            if among is not None and among.size * self.purchases.costs.mean() < query_size:
                raise ArgumentError(
                    f"a Subset of {among.size} candidates is smaller than query_size={query_size} {unit}: raise its "
                    "size"
                )
        self.embeddings = embeddings
        self.embeddings_dir = embeddings_dir
        self._signal = _OWN_EMBEDDINGS[embeddings] if own_embeddings else None
        self._seed_embeddings: tuple[np.ndarray, np.ndarray] | None = None
        self.passes = passes
        self.committee = committee
        self.token_budget = token_budget
        self.bf16 = bf16
        self.seed = seed
        self.record_stability = record_stability
        self.self_training = self_training
        self.show_progress = True

    @cached_property
    def _sentence_embeddings(self) -> np.ndarray:
        if isinstance(self.embeddings, np.ndarray):
            return self.embeddings
        return sentence_embeddings(self.pool, self.embeddings, self.show_progress, self.embeddings_dir)

    def strategy_of(self, round_number: int) -> Strategy:
        """The strategy that makes the query of a round."""
        return self.strategies[max(number for number in self.strategies if number <= round_number)]

    @property
    def strategy_name(self) -> str:
        """The name of the strategy, or of those that follow each other."""
        names = [f"from round {number} {strategy.name}" for number, strategy in self.strategies.items()]
        return ", ".join([self.strategies[1].name, *names[1:]])

    # -- queries without a model -----------------------------------------------------------------------------------

    def propose_holdout(self, size: int) -> Query | None:
        """Record the query for the examples that are held out, at random; once in a run.

        Raises:
            ArgumentError: Nothing would be left to train on.
        """
        if size == 0 or any(q.purpose == "holdout" for q in self.pool.store.queries()):
            return None
        unlabeled = int(self.purchases.costs[self.pool.unlabeled_positions()].sum())
        if size >= unlabeled:
            raise ArgumentError(
                f"holdout={size} of {unlabeled} unlabeled {self.purchases.unit} leaves nothing to ask: lower it"
            )
        return self._propose_at_random("holdout", size, 0)

    def embed_for_seed_set(
        self,
        untrained_model: Callable[[], torch.nn.Module],
        collate_fn: Callable[[list[Any]], Any],
        args: TrainingArguments,
    ) -> None:
        """Keep the model's embeddings before it is trained, if the seed set has yet to be picked by these.

        They are of some examples with `SEED_TOKENS` tokens, drawn at random, so that nobody waits long for the first
        question.

        Args:
            untrained_model: Gives the model with which the first round begins.
            collate_fn: The Trainer's collator.
            args: As for `propose`.

        Raises:
            ScoringError: The model's outputs are not finite; or it shows no hidden states, and a start that needs them
                was asked for.
        """
        if self._seeds is None or not self._seeds.needs or self._signal is None or on_main(self._has_seed_set):
            return
        positions = on_main(self._seed_candidates)
        if len(positions) == 0:
            return
        scored = self._scoring(untrained_model(), collate_fn, args)
        try:
            arrays = scored(positions, frozenset({"embeddings"}), None, "embedding the texts for the first query")
        except NonFiniteOutputError as error:
            raise ScoringError(
                f"before any training {error}: was the model loaded as it should be? (seed_strategy='random' needs "
                "no embeddings)"
            ) from error
        except ScoringError as error:
            if not self._seed_strategy_is_ours:
                raise
            logger.warning("the seed set is drawn at random, since embeddings are not to be had: %s", error)
            return
        self._seed_embeddings = positions, arrays["embeddings"]

    def _seed_candidates(self) -> np.ndarray:
        positions = self.purchases.affordable()
        drawn = self._rng(8).permutation(len(positions))
        enough = np.searchsorted(np.cumsum(self.pool.lengths[positions[drawn]]), SEED_TOKENS)
        most = max(int(enough), 2 * round(self.seed_size / self.purchases.costs.mean()))
        return positions[np.sort(drawn[:most])]

    def _has_seed_set(self) -> bool:
        asking = any(query.purpose == "seed" for query in self.pool.store.open_queries())
        return asking or bool(self.pool.training_labels())

    def propose_seed_set(self) -> Query | None:
        """Record the seed set; nothing if one is still being asked, or is there already."""
        if self._has_seed_set():
            return None
        # A seed set of which every example was skipped is followed by another one.
        attempt = sum(q.purpose == "seed" for q in self.pool.store.queries())
        positions = self.purchases.affordable()
        if (self._seeds is None and self.seed_strategy == "random") or len(positions) == 0:
            return self._propose_at_random("seed", self.seed_size, 1, attempt)

        seeds, known = self._seeds, Signals(len(positions))
        if seeds is not None:
            positions, known = self._known_before_training(seeds, positions)
        if len(positions) == 0:  # all that was embedded when this process began was skipped
            logger.info("it is not known how alike the examples are that are left: the seed set is drawn at random")
            return self._propose_at_random("seed", self.seed_size, 1, attempt)

        def pick(count: int) -> np.ndarray:
            rng = self._rng(1, attempt)
            if seeds is None:
                return stratified(self.pool.given_labels()[positions], count, rng)
            return seeds.pick(known, count, rng)

        chosen = positions[self.purchases.fill(pick, self.seed_size, positions)]
        settings = {} if seeds is None else dict(seeds.settings)
        if seeds is not None and seeds.needs:
            settings["embeddings"] = _embeddings_name(self.embeddings)
        return self._record("seed", 0, self.seed_strategy, chosen, settings=settings)

    def _known_before_training(self, seeds: Strategy, positions: np.ndarray) -> tuple[np.ndarray, Signals]:
        """The candidates of a seed set, and their signals."""
        if not seeds.needs or self._signal is None:
            return positions, self._known(seeds.needs, positions)
        if self._seed_embeddings is None:
            return positions[:0], Signals(0)
        at, rows = self._seed_embeddings
        left = np.isin(at, positions)
        labeled = rows[:0] if "labeled_embeddings" in seeds.needs else None  # there are none yet
        return at[left], Signals(int(left.sum()), embeddings=rows[left], labeled_embeddings=labeled)

    def _propose_at_random(self, purpose: str, size: int, *key: int) -> Query | None:
        positions = self.purchases.affordable()
        if len(positions) == 0:
            return None

        def pick(count: int) -> np.ndarray:
            return self._rng(*key).choice(len(positions), count, replace=False)

        return self._record(purpose, 0, "random", positions[self.purchases.fill(pick, size, positions)])

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
        if among is not None and not any(map(self._in_pass, among.needs)):  # before the model is asked
            before = among
            rows = on_main(lambda: before.pick(self._known(before.needs, positions), self._rng(4, round_number)))
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
        keep = frozenset(filter(None, map(self._in_pass, needs)))
        if self.self_training is not None:
            keep |= PREDICTION_SIGNALS
        behind = positions[:0]
        if any(map(self._in_pass, needs & set(LABELED_SIGNALS))):
            behind = on_main(self._labeled_positions)
        arrays: dict[str, np.ndarray] = {}
        if keep:
            with self._draws(strategy, model, round_number, others) as draws:
                arrays = run(np.concatenate([positions, behind]), keep, "scoring", draws)
        if self.self_training is not None:  # on the disk before the query, for the next round
            on_main(lambda: keep_predictions(self.pool, round_number, positions, arrays))

        def select() -> tuple[np.ndarray, np.ndarray | None]:
            at, known = positions, self._known(needs, positions, arrays)
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
            lambda: self._record(
                "round",
                round_number,
                strategy.name,
                chosen,
                scores=scores,
                suggested=suggested,
                model=_model_name(model),
                settings={
                    **strategy.settings,
                    **({"draws": self._draws_name(others)} if strategy.draws else {}),
                    **({} if self.pool.thresholds is None else {"thresholds": dict(self.pool.thresholds)}),
                    "unit": self.purchases.unit,
                    "embeddings": _embeddings_name(self.embeddings),
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
        """What a round trains on beside labels: see `hfal.self_training.pseudo_labels`.

        Args:
            record: The round; `predict` or `propose` has kept what the model of the one before says.
        """
        assert self.self_training is not None
        return pseudo_labels(self.pool, self.self_training, record, self._rng(7, record.number))

    # -- signals ---------------------------------------------------------------------------------------------------

    def _in_pass(self, signal: str) -> str | None:
        """What the scoring pass calls a signal; `None` if it comes from elsewhere."""
        signal = LABELED_SIGNALS.get(signal, signal)
        return self._signal if signal == "embeddings" else None if signal == "labels" else signal

    def _labeled_positions(self) -> np.ndarray:
        """The examples to train on, in the order of their ids."""
        return self.pool.positions(sorted(self.pool.training_labels()))

    def _known(
        self, needs: frozenset[str], positions: np.ndarray, arrays: Mapping[str, np.ndarray] | None = None
    ) -> Signals:
        """The signals of some names; called by the main process.

        Args:
            needs: Their names.
            positions: The candidates.
            arrays: What the pass gave for them and, behind them, for the labeled examples.
        """
        labeled = self._labeled_positions() if needs & {"labels", *LABELED_SIGNALS} else positions[:0]
        found = {}
        for name in needs:
            of_labeled, source = name in LABELED_SIGNALS, self._in_pass(name)
            if name == "labels":
                found[name] = self._labels_of(labeled)
            elif source is None:
                rows = labeled if of_labeled else positions
                found[name] = rows_of(self._sentence_embeddings, rows, self.pool.run_dir)
            elif arrays is not None:
                found[name] = arrays[source][len(positions) :] if of_labeled else arrays[source][: len(positions)]
        return Signals(len(positions), **found)

    def _labels_of(self, positions: np.ndarray) -> np.ndarray:
        """The classes of labeled examples, int64[n]."""
        number = {name: number for number, name in enumerate(self.pool.label_names)}
        labels = self.pool.training_labels()
        return np.array([number[labels[self.pool.ids[int(row)].as_py()]] for row in positions], np.int64)

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

    def _record(
        self,
        purpose: str,
        round_number: int,
        strategy: str,
        chosen: np.ndarray,
        scores: np.ndarray | None = None,
        suggested: Sequence[tuple[Any, float]] | None = None,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Query:
        examples = tuple(
            Queried(
                example_id=str(self.pool.ids[int(position)]),
                content=self.pool.content(int(position)),
                texts=texts,
                score=None if scores is None else float(scores[rank]),
                suggestion=None if suggested is None else suggested[rank][0],
                confidence=None if suggested is None else suggested[rank][1],
            )
            for rank, (position, texts) in enumerate(zip(chosen, self.pool.texts(chosen), strict=True))
        )
        query = Query(
            round=round_number,
            purpose=purpose,
            strategy=strategy,
            seed=self.seed,
            examples=examples,
            model=model,
            settings=settings or {},
            versions=_versions(),
        )
        return self.pool.store.add_query(query)


def default_seed_strategy(task: str, strategy: Strategy) -> str:
    """How a seed set is picked if nothing else is said, by what `docs/study.md` has measured.

    A start by k-means was better than a random one on three sets of texts, and no better for entities; that was a head
    on one frozen sentence encoder. Several labels for a text were not measured. Who queries at random is after a
    random sample, and gets it.

    Args:
        task: The task's name.
        strategy: The strategy of the first query after the seed set.
    """
    return "kmeans" if task == "text_classification" and strategy.name != RANDOM.name else "random"


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES}


def _model_name(model: torch.nn.Module) -> str:
    name = getattr(getattr(model, "config", None), "name_or_path", "")
    return f"{type(model).__name__} from {in_full(name)}" if name else type(model).__name__


def _embeddings_name(embeddings: Any) -> str:
    if isinstance(embeddings, str | os.PathLike):
        name = os.fspath(embeddings)
        return name if name in _OWN_EMBEDDINGS else in_full(name)
    if isinstance(embeddings, np.ndarray):
        return f"given, {embeddings.shape[1]} numbers each"
    name = getattr(embeddings.model_card_data, "base_model", None)
    return in_full(name) if name else type(embeddings).__name__
