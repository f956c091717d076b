"""Selective sampling of a stream: texts arrive, and each is asked about at once or never.

Atlas, Cohn & Ladner, "Training Connectionist Networks with Queries and Selective Sampling" (NeurIPS 1989); with a
budget over time Žliobaitė et al., "Active Learning With Drifting Streaming Data" (TNNLS 2014).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, vstack
from transformers import Trainer

from hfal.acquisition.provenance import Made, record_query
from hfal.data.pool import Pool
from hfal.data.pool_examples import PoolExamples
from hfal.errors import ArgumentError
from hfal.store.records import STREAM
from hfal.store.stream_log import ASKED, COPY, LET_GO, RANDOM, SAMPLE, StreamDecision, StreamState
from hfal.strategies import Strategy
from hfal.strategies.stream_budgets import BudgetManager, resolve_budget_manager
from hfal.tasks.words import Texts, plain_text
from hfal.training.frozen_head import FrozenHead
from hfal.training.stream_scoring import Scored, make_scorer, stream_strategy
from hfal.utils.distributed import rank_and_size
from hfal.utils.near_copies import near_copies, ngram_counts
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)

_LATELY = 1000
"""So many of the texts that were asked last are compared with new ones."""

_DRAWS = 4  # that Philox makes for each number: for the random share, for the manager, for the sample that is kept


class Stream:
    """Decides on the texts of a stream one by one: some are asked, and join the pool; the others are let go.

        stream = Stream(pool, trainer, budget=0.05)
        for batch in batches:  # some hundred texts each
            stream.consider(batch)
        active.run(trainer, rounds=2)  # has the answers given, and trains on them; then the stream goes on

    What is asked is in queries of the run, which its annotator answers. Each text is scored by the model of the last
    round. A part of the budget is spent on texts that are drawn at random, whatever their score; these are held out,
    so that they say how the model does on what passes by. Texts that the pool has already are let go, and so are
    near-copies of the 1,000 texts that were asked last: those that have most of their runs of five characters in
    common (`hfal.utils.near_copies`).

    All that a call of `consider` decides is on the disk when it returns, or nothing is. Decisions depend on the seed,
    on the texts and on what was answered, and not on when a process was killed. Runs in one process.

    Args:
        pool (`Pool`):
            The pool of the run, made with `prepare`.
        trainer_or_head (`Trainer` or `FrozenHead`):
            The Trainer, which has to have the model of the run's last round, as it has after `run`; or a
            `hfal.training.frozen_head.FrozenHead`, which is fitted to all labels whenever there are new ones.
        strategy (`str` or function, *optional*, defaults to `"margin"`):
            A score of each text by itself: `"margin"`, `"entropy"`, `"least_confidence"`, or a function
            `score(probabilities)`.
        budget (`float`, *optional*, defaults to 0.05):
            The share of texts that may be asked, of those that are no copies.
        manager (`str` or function, *optional*, defaults to `"quantile"`):
            How the threshold follows the scores; see `hfal.strategies.stream_budgets`.
        random_share (`float`, *optional*, defaults to 0.1):
            The part of the budget that is spent on random texts, which are held out.
        overlap (`int`, *optional*, defaults to 1):
            How many people label a text.
        seed (`int`, *optional*, defaults to 0):
            Seeds the draws.

    Raises:
        ArgumentError: An argument has a value that it cannot have, or the pool has no `prepare`.
        TypeError: `trainer_or_head` is neither.
    """

    def __init__(
        self,
        pool: Pool,
        trainer_or_head: Trainer | FrozenHead,
        strategy: Any = "margin",
        budget: float = 0.05,
        manager: str | BudgetManager = "quantile",
        random_share: float = 0.1,
        overlap: int = 1,
        seed: int = 0,
    ):
        if not isinstance(overlap, int) or overlap < 1:
            raise ArgumentError(f"overlap={overlap!r}, expected a whole number, 1 or more")
        if not isinstance(seed, int) or seed < 0:
            raise ArgumentError(f"seed={seed!r}, expected a whole number, 0 or more")
        self._strategy, self._manager = stream_parts(pool, strategy, budget, manager, random_share)
        self.pool = pool
        self._scorer = make_scorer(pool, trainer_or_head, self._strategy)
        self._manager_name = manager if isinstance(manager, str) else getattr(manager, "__name__", repr(manager))
        self._budget = budget
        self._random_share = random_share
        self._overlap = overlap
        self._seed = seed
        self._known = _KnownTexts(pool)
        added = [one for one in pool.store.added_examples() if one.origin == STREAM]
        self._lately = ngram_counts([_joined(one.columns, pool.text_columns) for one in added[-_LATELY:]])

    @property
    def state(self) -> StreamState:
        """Where the stream stands, earlier processes' decisions included."""
        return self.pool.store.stream or StreamState()

    def consider(
        self,
        texts: Sequence[str | Texts | Mapping[str, Any]],
        ids: Sequence[Any] | None = None,
        source: tuple[str, int] | None = None,
    ) -> list[str]:
        """Decide on texts, in the order in which they came; add those that are asked to the pool, and ask them.

        What was decided on is passed over: texts with an id that was there before, or, without ids, with the same
        words. So a stream may be repeated from the beginning after a kill.

        Args:
            texts: The texts, or for each what there is by column: text columns, those that are shown beside them,
                and the label column where a `SimulatedAnnotator` is to reveal it.
            ids: An id for each.
            source: In the place of ids, the name of a file and how many of its bytes were read with these texts. After
                a kill, go on from `state.offsets[name]`.

        Returns:
            The ids in the pool of those that are asked.

        Raises:
            ArgumentError: No model is trained yet, or a text does not fit the pool.
            ScoringError: The model's outputs are not finite.
        """
        columns = [self._columns(text) for text in texts]
        if ids is not None and len(ids) != len(columns):
            raise ArgumentError(
                f"{counted(len(ids), 'id')} for {counted(len(columns), 'text')}, expected one for each"
            )
        with self.pool.store.own():
            state = self.state
            if source is not None and source[1] <= state.offsets.get(source[0], 0):
                return []
            new = _New([], [])
            if columns:
                new = self._new(columns, ids, source is None)
            if not new.rows and source is None:
                return []
            return self._decide(state, [columns[row] for row in new.rows], new.keys, source)

    def _columns(self, text: Any) -> Mapping[str, Any]:
        if isinstance(text, Mapping):
            return text
        if len(self.pool.text_columns) > 1:
            raise ArgumentError(f"texts has {text!r:.80}, expected a mapping with {', '.join(self.pool.text_columns)}")
        return {self.pool.text_columns[0]: text}

    def _new(self, columns: Sequence[Mapping[str, Any]], ids: Sequence[Any] | None, by_key: bool) -> "_New":
        """Return which rows were not decided on, and their keys."""
        if not by_key:
            return _New(list(range(len(columns))), [])
        names = self.pool.unseen(columns, prepared=False).contents if ids is None else [f"id {one}" for one in ids]
        keys = [
            int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little", signed=True) for name in names
        ]
        taken, new = self.pool.store.decided(keys), _New([], [])
        for row, key in enumerate(keys):
            if key not in taken:
                taken.add(key)
                new.rows.append(row)
                new.keys.append(key)
        return new

    def _decide(
        self,
        state: StreamState,
        columns: Sequence[Mapping[str, Any]],
        keys: Sequence[int],
        source: tuple[str, int] | None,
    ) -> list[str]:
        """Decide on texts on which nothing was decided, and record it."""
        self._scorer.begin()
        decided = _Decided.on_nothing(state if state.manager == self._manager_name else None)
        ids: list[str] = []
        if columns:  # before the transaction, in which others would wait for the model
            texts = self.pool.unseen(columns, prepared=self._scorer.prepared)
            scored = self._scorer.score(texts)
            draws = self._draws(state.seen, len(columns))
            counts = ngram_counts([_joined(of, self.pool.text_columns) for of in columns])
            decided = self._outcomes(decided.manager_state, texts, scored.scores, draws, counts)
        with self.pool.store.at_once():
            if columns:
                ids = self._ask(columns, scored, decided.outcomes)
                rows = np.flatnonzero(np.isin(decided.outcomes, (ASKED, RANDOM)))
                kept = np.union1d(rows, np.flatnonzero(draws[:, 2] < 1 / SAMPLE))
                decisions = self._decisions(
                    state.seen, kept, scored.scores, decided, dict(zip(rows, ids, strict=True))
                )
            self.pool.store.record_stream(self._after(state, decided, source), keys, decisions if columns else [])
        if len(ids):
            self._scorer.added(rows)
            self._known.add(texts, rows)
            self._lately = vstack([self._lately, counts[rows]]).tocsr()[-_LATELY:]
        return ids

    def _draws(self, seen: int, count: int) -> np.ndarray:
        """Return the random numbers of texts, float64[n, 4]: they follow from the seed and a text's place alone."""
        key = np.random.SeedSequence([self._seed, 11]).generate_state(2, np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=seen)).random((count, _DRAWS))

    def _outcomes(
        self,
        manager_state: Mapping[str, Any],
        texts: PoolExamples,
        scores: np.ndarray,
        draws: np.ndarray,
        counts: csr_matrix,
    ) -> "_Decided":
        """Decide on texts in their order.

        The manager decides on several at once, up to one that may be a near-copy of one of these.

        Args:
            manager_state: What the manager knows.
            texts: The texts.
            scores: Their scores, float64[n].
            draws: Their random numbers, float64[n, 4].
            counts: What `ngram_counts` gave for them.
        """
        outcomes = np.full(len(scores), LET_GO, object)
        thresholds = np.full(len(scores), np.nan)
        copies, is_drawn = self._known.has(texts), draws[:, 0] < self._budget * self._random_share
        first = np.zeros(len(scores), bool)
        first[np.unique(texts.content_numbers, return_index=True)[1]] = True
        outcomes[copies | (is_drawn & ~first)] = COPY  # it may be trained on, and would be held out too
        outcomes[~copies & is_drawn & first] = RANDOM
        is_free = outcomes == LET_GO
        of_lately, of_these = near_copies(counts, self._lately), near_copies(counts, counts)
        start, state = 0, dict(manager_state)
        budget = self._budget * (1 - self._random_share)

        def is_near(row: int) -> bool:
            asked = np.isin(outcomes[:row], (ASKED, RANDOM))
            these = of_these.indices[of_these.indptr[row] : of_these.indptr[row + 1]]
            lately = of_lately.indices[of_lately.indptr[row] : of_lately.indptr[row + 1]]
            forgotten = len(self._lately.indptr) - 1 + asked.sum() - _LATELY  # as many were asked since
            return bool(asked[these[these < row]].any() or (lately >= forgotten).any())

        others = (of_these.getnnz(axis=1) > 1) | (of_lately.getnnz(axis=1) > 0)
        for stop in [*np.flatnonzero(is_free & others), len(scores)]:
            rows = start + np.flatnonzero(is_free[start:stop])
            if len(rows):
                asked, thresholds[rows], state = self._manager(state, scores[rows], draws[rows, 1], budget)
                outcomes[rows[asked]] = ASKED
            if stop < len(scores) and is_near(stop):
                outcomes[stop], is_free[stop] = COPY, False
            start = stop
        return _Decided(outcomes, thresholds, state)

    def _ask(self, columns: Sequence[Mapping[str, Any]], scored: Scored, outcomes: np.ndarray) -> list[str]:
        """Add to the pool what is asked, and record the queries; return the ids, in the order of the texts."""
        rows = np.flatnonzero(np.isin(outcomes, (ASKED, RANDOM)))
        position = len(self.pool)
        ids = self.pool.add([columns[int(row)] for row in rows], STREAM)
        settings = {"unit": "examples", "budget": self._budget, "manager": self._manager_name}
        made = Made(STREAM, self._scorer.round, self._strategy.name, self._scorer.model, settings, self._seed)
        for outcome in (ASKED, RANDOM):
            places = np.flatnonzero(outcomes[rows] == outcome)
            if not len(places):
                continue
            suggested: Any = [scored.suggested[rows[place]] for place in places]
            if outcome == RANDOM:  # nobody is shown what the model says of held-out texts
                said = {ids[place]: label for place, (label, _) in zip(places, suggested, strict=True)}
                of_stream = {"share": self._random_share, "predictions": said}
                made = made._replace(purpose="holdout", strategy="random", settings={**settings, "stream": of_stream})
                suggested = None
            opinions = np.full(len(places), self._overlap)
            record_query(self.pool, made, position + places, opinions, scored.scores[rows[places]], suggested)
        return ids

    def _decisions(
        self, seen: int, kept: np.ndarray, scores: np.ndarray, decided: "_Decided", ids: Mapping[int, str]
    ) -> list[StreamDecision]:
        """Return the decisions on the rows that are kept."""
        return [
            StreamDecision(
                seen=seen + int(row) + 1,
                round=self._scorer.round,
                outcome=decided.outcomes[row],
                score=float(scores[row]),
                threshold=float(threshold) if np.isfinite(threshold := decided.thresholds[row]) else None,
                example_id=ids.get(row),
            )
            for row in kept
        ]

    def _after(self, state: StreamState, decided: "_Decided", source: tuple[str, int] | None) -> StreamState:
        """Return where the stream stands after these decisions."""
        names, numbers = np.unique(decided.outcomes.astype(str), return_counts=True)
        now = {str(name): int(number) for name, number in zip(names, numbers, strict=True)}
        outcomes = {name: state.outcomes.get(name, 0) + now.get(name, 0) for name in (ASKED, RANDOM, LET_GO, COPY)}
        return StreamState(
            seen=state.seen + len(decided.outcomes),
            outcomes=outcomes,
            budget=self._budget,
            strategy=self._strategy.name,
            manager=self._manager_name,
            manager_state=decided.manager_state,
            offsets={**state.offsets, **({} if source is None else {source[0]: source[1]})},
        )


def stream_parts(
    pool: Pool, strategy: Any, budget: float, manager: str | BudgetManager, random_share: float
) -> tuple[Strategy, BudgetManager]:
    """Return the strategy and the budget manager of a stream, once the arguments of `Stream` are checked.

    Raises:
        ArgumentError: One has a value that it cannot have, the pool has no `prepare`, or there are several processes.
    """
    if rank_and_size()[1] > 1:
        raise ArgumentError("a Stream decides in one process: start it without torchrun")
    if not pool.can_grow:
        raise ArgumentError(
            "the pool has no prepare=, which gives new texts the columns that the model takes: pass the data as it "
            "is, and Pool(..., prepare=lambda rows: rows.map(tokenize, batched=True))"
        )
    if not 0 < budget <= 1:
        raise ArgumentError(f"budget={budget}, expected the share of texts to ask, such as 0.05")
    if not 0 <= random_share < 1:
        raise ArgumentError(f"random_share={random_share}, expected a part of the budget, from 0 up to 1")
    return stream_strategy(strategy, pool), resolve_budget_manager(manager)


@dataclass(frozen=True)
class _New:
    """The rows on which nothing was decided, and the keys by which that is known later."""

    rows: list[int]
    keys: list[int]


@dataclass(frozen=True)
class _Decided:
    """Outcomes and thresholds of some texts, and what the manager knows after them."""

    outcomes: np.ndarray
    thresholds: np.ndarray
    manager_state: Mapping[str, Any]

    @classmethod
    def on_nothing(cls, state: StreamState | None) -> "_Decided":
        return cls(np.empty(0, object), np.empty(0), {} if state is None else state.manager_state)


class _KnownTexts:
    """The hashes of all texts of the pool."""

    def __init__(self, pool: Pool):
        self._of_pool = np.sort(pool.content_numbers)
        self._added: set[int] = set()

    def has(self, texts: PoolExamples) -> np.ndarray:
        """Return which texts the pool has, bool[n]."""
        numbers = texts.content_numbers
        places = np.searchsorted(self._of_pool, numbers)
        in_pool: np.ndarray = self._of_pool[np.minimum(places, len(self._of_pool) - 1)] == numbers
        return in_pool | np.array([number in self._added for number in numbers.tolist()], bool)

    def add(self, texts: PoolExamples, rows: np.ndarray) -> None:
        """Note that the pool has some of these texts now."""
        self._added.update(texts.content_numbers[rows].tolist())


def _joined(columns: Mapping[str, Any], text_columns: Sequence[str]) -> str:
    return "\n".join(plain_text(columns[name]) for name in text_columns)
