"""Strategies made of strategies: what a user writes where a name does not say enough."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hfal.errors import ArgumentError


@dataclass(frozen=True)
class Hybrid:
    """Score, keep the best, select among them: `"margin+kmeans"` with arguments.

    Where the selection sees embeddings, copies of a text are kept only if there is nothing else.

    A selection that reads scores itself (`"power"`, `"density"`, `"class_balanced"`) is given all candidates unless
    `candidate_factor` says otherwise.

    Args:
        score: A score function, its name, or `Ranks`.
        select: A select function or its name.
        candidate_factor: How many candidates for each example of the query; 10 by default. Zhdanov (2019) uses 10 to
            50.
    """

    score: "str | Callable[..., Any] | Ranks"
    select: str | Callable[..., Any]
    candidate_factor: int | None = None

    def __post_init__(self) -> None:
        if self.candidate_factor is not None and self.candidate_factor < 1:
            raise ArgumentError(f"candidate_factor={self.candidate_factor}, expected at least 1")


@dataclass(frozen=True)
class Ranks:
    """Several scores as one, whatever their scales: `Ranks("entropy", "bald")`, `Ranks(a, b, weights=(2, 1))`.

    Each example has a rank by each score, 1/N for the highest and 1 for the lowest, equal scores sharing their mean
    rank. The new score is one minus the weighted mean of these ranks (Borda's count), or one minus their weighted
    geometric mean, for which it is enough to be near the top of one list.

    Args:
        scores: Score functions or their names.
        weights: One for each score, all positive; equal by default.
        combine: `"sum"` or `"product"`.
    """

    scores: tuple[str | Callable[..., Any], ...]
    weights: tuple[float, ...]
    combine: str

    def __init__(
        self, *scores: str | Callable[..., Any], weights: tuple[float, ...] | None = None, combine: str = "sum"
    ):
        weights = (1.0,) * len(scores) if weights is None else tuple(float(weight) for weight in weights)
        if not scores:
            raise ArgumentError("Ranks() has no scores, expected at least one")
        for score in scores:
            if isinstance(score, Ranks):
                raise ArgumentError("Ranks within Ranks: write one with all scores, and their weights")
            if not isinstance(score, str) and not callable(score):
                raise ArgumentError(
                    f"a score of Ranks is a {type(score).__name__}, expected a score function or its name"
                )
        if len(weights) != len(scores) or not all(0 < weight < float("inf") for weight in weights):
            raise ArgumentError(f"weights={weights!r}, expected {len(scores)} positive numbers, one for each score")
        if combine not in ("sum", "product"):
            raise ArgumentError(f"combine={combine!r}, expected 'sum' or 'product'")
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "combine", combine)


@dataclass(frozen=True)
class Subset:
    """Look at some candidates only: `Subset("margin+kmeans", 10_000)`, for large pools and expensive strategies.

    Where `by` can be told before the model scores (`"random"`; any selection on embeddings of a sentence-transformers
    model), only these candidates go through the model.

    Args:
        strategy: The strategy for them.
        size: How many.
        by: A select function or its name: `"random"`, or `"neighbors"` of the labeled examples.
    """

    strategy: "str | Callable[..., Any] | Hybrid | Ranks"
    size: int
    by: str | Callable[..., Any] = "random"

    def __post_init__(self) -> None:
        if not isinstance(self.size, int) or self.size < 1:
            raise ArgumentError(f"size={self.size!r}, expected a whole number of candidates, at least 1")
        if isinstance(self.strategy, Schedule):
            raise ArgumentError("a Subset of a Schedule: put Subsets into it, Schedule({1: Subset(...), ...})")
        if isinstance(self.strategy, Subset):
            raise ArgumentError("a Subset of a Subset: name one size, and one way to choose")


@dataclass(frozen=True)
class Schedule:
    """Another strategy in other rounds: `Schedule({1: "typiclust", 4: "margin+kmeans"})`.

    Args:
        strategies: The round from which it is used, to the strategy; round 1 has to be among them. A round's query is
            made when it has trained. (The seed set is asked before round 1, by the callback's `seed_strategy`.)
    """

    strategies: "Mapping[int, str | Callable[..., Any] | Hybrid | Ranks | Subset]"

    def __post_init__(self) -> None:
        if not isinstance(self.strategies, Mapping) or not all(isinstance(n, int) for n in self.strategies):
            raise ArgumentError("a Schedule takes a dict of the number of a round to its strategy, {1: ..., 4: ...}")
        if 1 not in self.strategies or min(self.strategies) < 1:
            raise ArgumentError(f"the schedule begins at rounds {sorted(self.strategies)}, expected one to be 1")
        if any(isinstance(strategy, Schedule) for strategy in self.strategies.values()):
            raise ArgumentError("a Schedule within a Schedule: write one with all rounds")
