"""The queries before a model has been trained: the holdout and the seed set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.acquisition.label_budget import LabelBudget
from hfal.acquisition.options import SEED_STRATEGIES, QueryOptions
from hfal.acquisition.provenance import Made, record_query
from hfal.acquisition.scoring import NonFiniteOutputError
from hfal.acquisition.signals import SignalSources
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, ScoringError
from hfal.store.records import SYNTHESIS, Query
from hfal.strategies import Signals, Strategy, stratified
from hfal.strategies.resolve import RANDOM, resolve_seed_strategy
from hfal.tasks.kinds import Kind
from hfal.utils.output import get_logger


logger = get_logger(__name__)

SEED_TOKENS = 250_000
"""The number of tokens in the examples that are embedded to pick the seed set from (more where it is large)."""


@dataclass(frozen=True)
class _Embedded:
    """Embeddings of some examples by the model before it was trained."""

    positions: np.ndarray
    rows: np.ndarray
    model: str
    bf16: bool


@dataclass(frozen=True)
class Holdout:
    """What a run has held out, in examples or words.

    Attributes:
        size: How much that is.
        last: The part of it that the last example is.
        unit: What is counted.
    """

    size: int
    last: int
    unit: str

    def fits(self, size: int) -> bool:
        """Return whether `holdout=size` gives just this; in words, the last sentence may go beyond the size."""
        return self.size - self.last < size <= self.size

    def __str__(self) -> str:
        return f"{self.size} {self.unit} were held out when the run began"


def holdout_of(pool: Pool, unit: str) -> Holdout | None:
    """Return what a run has held out, as its store has recorded it; `None` if it has asked for no holdout.

    The random share of a stream, which is held out too, grows by itself and is not counted.
    """
    queries = [
        query for query in pool.store.queries() if query.purpose == "holdout" and "stream" not in query.settings
    ]
    examples = [example.example_id for query in queries for example in query.examples]
    if not examples:
        return None
    costs = pool.costs(unit)[pool.positions(examples)]
    return Holdout(int(costs.sum()), int(costs[-1]), unit)


class FirstQueries:
    """Makes the first queries of one run.

    Args:
        pool: The pool to query.
        budget: What may be bought.
        sources: Where embeddings come from.
        options: The options of the run. Its `seed_strategy` is one of `SEED_STRATEGIES`, or a select function that
            needs nothing but embeddings; `None` for that of `default_seed_strategy`.
        strategy: The strategy of the first query after the seed set.

    Attributes:
        seed_strategy: The name of the seed strategy.
        needs_embeddings: Whether it needs any.

    Raises:
        ArgumentError: The seed strategy is unknown, or needs what there is not before a model has been trained.
    """

    def __init__(
        self,
        pool: Pool,
        budget: LabelBudget,
        sources: SignalSources,
        options: QueryOptions,
        strategy: Strategy,
    ):
        seed_strategy = options.seed_strategy
        self._strategy_is_ours = seed_strategy is None
        if seed_strategy is None:
            seed_strategy = default_seed_strategy(pool.task.kind, strategy)
        if isinstance(seed_strategy, str) and seed_strategy not in SEED_STRATEGIES:
            raise ArgumentError(
                f"seed_strategy={seed_strategy!r}, expected one of {', '.join(SEED_STRATEGIES)}, or a select function"
            )
        if seed_strategy == "stratified" and (pool.given_labels() < 0).any():
            raise ArgumentError(
                "seed_strategy='stratified' needs the label of every example beforehand, as in an experiment: "
                "pass seed_strategy='random'"
            )
        drawn = seed_strategy in ("random", "stratified")
        self._strategy = None if drawn else resolve_seed_strategy(seed_strategy)
        self.seed_strategy = str(seed_strategy) if self._strategy is None else self._strategy.name
        self.needs_embeddings = self._strategy is not None and bool(self._strategy.needs)
        self.pool = pool
        self.budget = budget
        self.sources = sources
        self.options = options
        self._embedded: _Embedded | None = None

    def propose_holdout(self, size: int) -> Query | None:
        """Record the query for the examples that are held out, at random; once in a run.

        An example with the text of one that is trained on is not drawn: it would say nothing about other texts.

        Raises:
            ArgumentError: Nothing would be left to train on.
        """
        if size == 0:
            return None
        held = holdout_of(self.pool, self.budget.unit)
        if held is not None:
            if not held.fits(size):
                logger.warning("holdout=%d, but %s: that stays", size, held)
            return None
        positions = self.budget.affordable()
        positions = positions[~self.pool.has_text_of(self.sources.labeled_positions())[positions]]
        origins = self.pool.store.origins()
        made = pa.array([i for i, of in origins.items() if of.origin == SYNTHESIS], pa.string())
        is_made = pc.is_in(self.pool.ids.take(pa.array(positions)), value_set=made).to_numpy(zero_copy_only=False)
        positions = positions[~is_made]  # they say nothing about real texts
        unlabeled = int(self.budget.sizes[self.pool.unlabeled_positions()].sum())
        if size >= unlabeled:
            raise ArgumentError(
                f"holdout={size} of {unlabeled} unlabeled {self.budget.unit} leaves nothing to ask: lower it"
            )
        return self._propose_at_random("holdout", positions, size, 0)

    # -- the seed set ----------------------------------------------------------------------------------------------

    def positions_to_embed(self) -> np.ndarray:
        """Return the examples, int64[n], by whose embeddings from the scoring pass the seed set has yet to be picked.

        They have some `SEED_TOKENS` tokens and are drawn at random, so that nobody waits long for the first question.
        (Embeddings of entities are of the whole text here: nobody has said yet what an entity is.)
        """
        if not self.needs_embeddings or self.sources.own is None or self.has_seed_set():
            return np.empty(0, np.int64)
        positions = self.budget.affordable()
        drawn = self._rng(8).permutation(len(positions))
        enough = np.searchsorted(np.cumsum(self.pool.lengths[positions[drawn]]), SEED_TOKENS)
        most = max(int(enough), 2 * round(self.options.seed_size / self.budget.sizes.mean()))
        return positions[np.sort(drawn[:most])]

    def embed(
        self, positions: np.ndarray, embeddings_of: Callable[[np.ndarray], np.ndarray], model: str, bf16: bool
    ) -> None:
        """Embed examples with the model before it is trained, and keep the embeddings.

        Args:
            positions: Those of `positions_to_embed`.
            embeddings_of: Gives their embeddings, float[n, D].
            model: What `hfal.acquisition.provenance.model_name` says of it.
            bf16: Whether it runs under bfloat16 autocast.

        Raises:
            ScoringError: The model's outputs are not finite; or it shows no hidden states, and a start that needs them
                was asked for.
        """
        try:
            self._embedded = _Embedded(positions, embeddings_of(positions), model, bf16)
        except NonFiniteOutputError as error:
            raise ScoringError(
                f"before any training {error}: was the model loaded as it should be? (seed_strategy='random' needs "
                "no embeddings)"
            ) from error
        except ScoringError as error:
            if not self._strategy_is_ours:
                raise
            logger.warning("the seed set is drawn at random, since embeddings are not to be had: %s", error)

    def propose_seed_set(self) -> Query | None:
        """Record the seed set; nothing if one is still being asked, or is there already."""
        if self.has_seed_set():
            return None
        # A seed set of which every example was skipped is followed by another one.
        attempt = sum(q.purpose == "seed" for q in self.pool.store.queries())
        strategy, positions = self._strategy, self.budget.affordable()
        if (strategy is None and self.seed_strategy == "random") or len(positions) == 0:
            return self._propose_at_random("seed", positions, self.options.seed_size, 1, attempt)

        known = Signals(len(positions))
        if strategy is not None:
            positions, known = self._known_before_training(strategy, positions)
        if len(positions) == 0:  # nothing was embedded, or all that was when this process began was skipped
            if self._embedded is not None:
                logger.info("it is not known how alike the texts are that are left: the seed set is drawn at random")
            return self._propose_at_random("seed", self.budget.affordable(), self.options.seed_size, 1, attempt)

        def pick(count: int) -> np.ndarray:
            rng = self._rng(1, attempt)
            if strategy is None:
                return stratified(self.pool.given_labels()[positions], count, rng)
            return strategy.pick(known, count, rng)

        chosen = positions[self.budget.fill(pick, self.options.seed_size, positions)]
        settings = {} if strategy is None else dict(strategy.settings)
        model = None
        if self._embedded is not None:
            model = self._embedded.model
            settings |= {"embeddings": "model", "candidates": len(positions), "bf16_scoring": self._embedded.bf16}
        elif self.needs_embeddings:
            settings["embeddings"] = self.sources.embeddings_name
        return self._record("seed", self.seed_strategy, chosen, model, settings)

    def has_seed_set(self) -> bool:
        """Return whether a seed set is being asked, or there are labels to train on."""
        asking = any(query.purpose == "seed" for query in self.pool.store.open_queries())
        return asking or bool(self.pool.training_labels())

    def _known_before_training(self, strategy: Strategy, positions: np.ndarray) -> tuple[np.ndarray, Signals]:
        """Return the candidates of a seed set, and their signals."""
        if not strategy.needs or self.sources.own is None:
            return positions, self.sources.known(strategy.needs, positions)
        if self._embedded is None:
            return positions[:0], Signals(0)
        at, rows = self._embedded.positions, self._embedded.rows
        left = np.isin(at, positions)
        labeled = rows[:0] if "labeled_embeddings" in strategy.needs else None  # there are none yet
        return at[left], Signals(int(left.sum()), embeddings=rows[left], labeled_embeddings=labeled)

    def _propose_at_random(self, purpose: str, positions: np.ndarray, size: int, *key: int) -> Query | None:
        if len(positions) == 0:
            return None

        def pick(count: int) -> np.ndarray:
            return self._rng(*key).choice(len(positions), count, replace=False)

        chosen = positions[self.budget.fill(pick, size, positions)]
        return self._record(purpose, "random", chosen)

    def _record(
        self,
        purpose: str,
        strategy: str,
        chosen: np.ndarray,
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Query:
        made = Made(purpose, 0, strategy, model, settings or {}, self.options.seed)
        return record_query(self.pool, made, chosen, self.budget.opinions[chosen])

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.options.seed, *key])


def default_seed_strategy(kind: Kind, strategy: Strategy) -> str:
    """Return how a seed set is picked if nothing else is said, by what `docs/study.md` has measured.

    A start by k-means was better than a random one on three sets of texts, and no better for entities; that was a head
    on one frozen sentence encoder. Several labels for a text were not measured. Who queries at random is after a
    random sample, and gets it.

    Args:
        kind: The kind of the task's answers.
        strategy: The strategy of the first query after the seed set.
    """
    return RANDOM.name if strategy.name == RANDOM.name else kind.seed_strategy
