"""From a model to a recorded query: signals, strategy, store."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from transformers import TrainingArguments

from hfal.embeddings import sentence_embeddings
from hfal.errors import ArgumentError, DivergedError, ScoringError
from hfal.pool import Pool
from hfal.processes import on_main
from hfal.scoring import NonFiniteOutputError, forward_columns, score_examples
from hfal.store import Queried, Query
from hfal.strategies import Signals, Strategy, kmeans, stratified


logger = logging.getLogger(__name__)

SEED_STRATEGIES = ("random", "stratified", "kmeans")
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
        strategy: The query strategy.
        query_size: How much a round's query asks for, in `unit`.
        seed_size: How much the seed set asks for, in `unit`.
        seed_strategy: `"random"`, `"stratified"` or `"kmeans"`.
        budget: How much may be bought in all, seed set and holdout included, in `unit`, or `None`.
        unit: What sizes and budget count: `"examples"`, or `"words"` of the sentences.
        embeddings: `"model"`, `"entities"` or a sentence-transformers model.
        token_budget: See `hfal.scoring.score_examples`.
        bf16: Score under bfloat16 autocast, also if the Trainer does not train so.
        seed: Seeds every random choice, together with the round.
    """

    def __init__(
        self,
        pool: Pool,
        strategy: Strategy,
        *,
        query_size: int,
        seed_size: int,
        seed_strategy: str,
        budget: int | None,
        unit: str,
        embeddings: Any,
        token_budget: int | None,
        bf16: bool,
        seed: int,
    ):
        if seed_strategy not in SEED_STRATEGIES:
            raise ArgumentError(f"seed_strategy={seed_strategy!r}, expected one of {', '.join(SEED_STRATEGIES)}")
        if isinstance(embeddings, str) and embeddings == "entities" and pool.task.words is None:
            raise ArgumentError("embeddings='entities' is for token classification: pass 'model' here")
        own_embeddings = isinstance(embeddings, str) and embeddings in _OWN_EMBEDDINGS
        if seed_strategy == "kmeans" and own_embeddings:
            raise ArgumentError(
                "seed_strategy='kmeans' needs embeddings before any model is trained: pass "
                "embeddings=<name or path of a sentence-transformers model>, or seed_strategy='random'"
            )
        if seed_strategy == "stratified" and (pool.given_labels() < 0).any():
            raise ArgumentError(
                "seed_strategy='stratified' needs the label of every example beforehand, as in an experiment: "
                "pass seed_strategy='random'"
            )
        self.pool = pool
        self.strategy = strategy
        self.query_size = query_size
        self.seed_size = seed_size
        self.seed_strategy = seed_strategy
        self.budget = budget
        self.unit = unit
        self._costs = pool.costs(unit)
        self.embeddings = embeddings
        self._signal = _OWN_EMBEDDINGS[embeddings] if own_embeddings else None
        self.token_budget = token_budget
        self.bf16 = bf16
        self.seed = seed
        self.show_progress = True

    @cached_property
    def _sentence_embeddings(self) -> np.ndarray:
        return sentence_embeddings(self.pool, self.embeddings, progress=self.show_progress)

    def left(self) -> int | None:
        """How much of the budget neither answers nor open questions have taken, in `unit`; `None` without a budget."""
        if self.budget is None:
            return None
        store = self.pool.store
        answered = store.current_answers()
        asking = [e.example_id for q in store.open_queries() for e in q.examples if e.example_id not in answered]
        bought = store.labels_bought() if self.unit == "examples" else store.words_bought()
        return max(self.budget - bought - int(self._costs[self.pool.positions(asking)].sum()), 0)

    def affordable(self) -> np.ndarray:
        """The unlabeled examples that may still be asked about, by position.

        What is left of a budget in words buys nothing once it does not pay for an average sentence: a round for the
        shortest ones would not be worth its training.
        """
        positions, left = self.pool.unlabeled_positions(), self.left()
        if left is None or len(positions) == 0:
            return positions
        costs = self._costs[positions]
        return positions[costs <= left] if left >= costs.mean() else positions[:0]

    def _fill(self, pick: Callable[[int], np.ndarray], size: int, positions: np.ndarray) -> np.ndarray:
        """Rows of `positions` for a query: in words, up to the sentence with which it reaches `size`.

        Args:
            pick: Picks so many rows of `positions`, best first.
            size: How much to ask for, in `unit`; less if the budget does not pay for it.
            positions: The candidates, of which the budget pays for each.
        """
        left = self.left()
        size = size if left is None else min(size, left)
        if self.unit == "examples":
            return pick(min(size, len(positions)))
        # How many sentences that takes is known when they are picked; half as many more than needed are too many.
        count = min(max(round(size / self._costs[positions].mean()), 1), len(positions))
        picked = pick(count)
        spent = np.cumsum(self._costs[positions[picked]])
        if spent[-1] > 1.5 * size:
            count = max(round(count * size / spent[-1]), 1)
            picked = pick(count)
            spent = np.cumsum(self._costs[positions[picked]])
        while spent[-1] < size and count < len(positions):
            count = min(max(round(1.05 * count * size / spent[-1]), count + 1), len(positions))
            picked = pick(count)
            spent = np.cumsum(self._costs[positions[picked]])
        asked = min(int(np.searchsorted(spent, size)) + 1, count)
        return picked[: asked - 1 if left is not None and spent[asked - 1] > left else asked]

    # -- queries without a model -----------------------------------------------------------------------------------

    def propose_holdout(self, size: int) -> Query | None:
        """Record the query for the examples that are held out, at random; once in a run.

        Raises:
            ArgumentError: Nothing would be left to train on.
        """
        if size == 0 or any(q.purpose == "holdout" for q in self.pool.store.queries()):
            return None
        unlabeled = int(self._costs[self.pool.unlabeled_positions()].sum())
        if size >= unlabeled:
            raise ArgumentError(f"holdout={size} of {unlabeled} unlabeled {self.unit} leaves nothing to ask: lower it")
        return self._propose_at_random("holdout", size, 0)

    def propose_seed_set(self) -> Query | None:
        """Record the seed set; nothing if one is still being asked, or is there already."""
        if any(q.purpose == "seed" for q in self.pool.store.open_queries()) or self.pool.training_labels():
            return None
        # A seed set of which every example was skipped is followed by another one.
        attempt = sum(q.purpose == "seed" for q in self.pool.store.queries())
        positions = self.affordable()
        if self.seed_strategy == "random" or len(positions) == 0:
            return self._propose_at_random("seed", self.seed_size, 1, attempt)

        def pick(count: int) -> np.ndarray:
            rng = self._rng(1, attempt)
            if self.seed_strategy == "stratified":
                return stratified(self.pool.given_labels()[positions], count, rng)
            return kmeans(Signals(len(positions), embeddings=self._sentence_embeddings[positions]), count, rng)

        return self._record("seed", 0, self.seed_strategy, positions[self._fill(pick, self.seed_size, positions)])

    def _propose_at_random(self, purpose: str, size: int, *key: int) -> Query | None:
        positions = self.affordable()
        if len(positions) == 0:
            return None

        def pick(count: int) -> np.ndarray:
            return self._rng(*key).choice(len(positions), count, replace=False)

        return self._record(purpose, 0, "random", positions[self._fill(pick, size, positions)])

    # -- a round's query -------------------------------------------------------------------------------------------

    def propose(
        self,
        model: torch.nn.Module,
        collate_fn: Callable[[list[Any]], Any],
        round_number: int,
        args: TrainingArguments,
    ) -> Query | None:
        """Score the unlabeled examples with a model, select, and record the query.

        Of several processes each scores its share, and the main one selects and records.

        Args:
            model: The model just trained.
            collate_fn: The Trainer's collator.
            round_number: The round that trained the model.
            args: The Trainer's arguments, for `remove_unused_columns`, `dataloader_num_workers`, `bf16` and `fp16`.

        Returns:
            The query, on every process; `None` if the budget is spent or nothing is left to ask.

        Raises:
            DivergedError: The model's outputs are not finite; the ids are named.
            ScoringError: Not even one example fits the memory, or the model shows no hidden states.
            StrategyError: The strategy returned no query.
        """
        task = self.pool.task
        positions = on_main(self.affordable)
        if len(positions) == 0:
            logger.info("nothing left to ask: %d labels bought", self.pool.labels_bought())
            return None
        left = on_main(self.left)
        if min(self._costs[positions].sum(), np.inf if left is None else left) < self.query_size:
            logger.info("the query is smaller than %d %s: that is all that is left", self.query_size, self.unit)
        columns = self.pool.columns_without_labels
        if args.remove_unused_columns:
            columns = forward_columns(model, columns)
        dataset = self.pool.rows_to_score(columns)
        # As it was trained: a model that was, runs under autocast by itself, but not when it is loaded from the disk.
        autocast = torch.bfloat16 if self.bf16 or args.bf16 else torch.float16 if args.fp16 else None

        def run(rows: np.ndarray, keep: frozenset[str], title: str | None = None) -> dict[str, np.ndarray]:
            try:
                return score_examples(
                    model,
                    dataset,
                    rows,
                    self.pool.lengths[rows],
                    task.collator(collate_fn, columns),
                    keep=keep,
                    score=self.strategy.score,
                    signals=task.signals,
                    token_budget=self.token_budget,
                    autocast=autocast,
                    num_workers=args.dataloader_num_workers,
                    scratch_dir=self.pool.run_dir,
                    progress=title if self.show_progress else None,
                )
            except NonFiniteOutputError as error:
                if error.probabilities_are_finite:
                    raise ScoringError(
                        f"{error.what} for {len(error.rows)} of {len(rows)} examples (ids "
                        f"{self.pool.some_ids(rows[error.rows])}), though the model's probabilities are finite: does "
                        f"strategy {self.strategy.name!r} take the logarithm of 0, or divide by it?"
                    ) from error
                raise DivergedError(
                    f"after round {round_number} {error.what} for {len(error.rows)} of {len(rows)} examples "
                    f"(ids {self.pool.some_ids(rows[error.rows])}): training probably diverged, try a lower "
                    "learning_rate or max_grad_norm; labels and earlier rounds are safe"
                ) from error

        needed = self.strategy.needs
        if "embeddings" in needed:
            needed = needed - {"embeddings"} | ({self._signal} if self._signal else set())
        signals: Mapping[str, np.ndarray] = run(positions, needed, "scoring") if needed else {}

        def select() -> np.ndarray:
            arrays = dict(signals)
            if "embeddings" in self.strategy.needs:
                embeddings = arrays.pop(self._signal) if self._signal else self._sentence_embeddings[positions]
                arrays["embeddings"] = embeddings
            known = Signals(len(positions), **arrays)
            return self._fill(
                lambda count: self.strategy.pick(known, count, self._rng(2, round_number)), self.query_size, positions
            )

        picked = on_main(select)
        chosen = positions[picked]
        suggested = task.suggestions(run(chosen, task.suggestion_signals), chosen)
        return on_main(
            lambda: self._record(
                "round",
                round_number,
                self.strategy.name,
                chosen,
                scores=signals["scores"][picked] if "scores" in signals else None,
                suggested=suggested,
                model=_model_name(model),
            )
        )

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
        settings = {
            **self.strategy.settings,
            "unit": self.unit,
            "embeddings": _embeddings_name(self.embeddings),
            "bf16_scoring": self.bf16,
        }
        query = Query(
            round=round_number,
            purpose=purpose,
            strategy=strategy,
            seed=self.seed,
            examples=examples,
            model=model,
            settings=settings if purpose == "round" else {},
            versions={package: version(package) for package in _PACKAGES},
        )
        return self.pool.store.add_query(query)


def _model_name(model: torch.nn.Module) -> str:
    name = getattr(getattr(model, "config", None), "name_or_path", "")
    return f"{type(model).__name__} from {name}" if name else type(model).__name__


def _embeddings_name(embeddings: Any) -> str:
    if isinstance(embeddings, str | os.PathLike):
        return os.fspath(embeddings)
    return getattr(embeddings.model_card_data, "base_model", None) or type(embeddings).__name__
