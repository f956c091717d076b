"""The options of `ActiveLearningCallback` that say which queries a run makes.

Importing this module loads neither torch nor transformers: the command line reads the names of the options here.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hfal.errors import ArgumentError
from hfal.utils.spelling import did_you_mean


if TYPE_CHECKING:
    from hfal.acquisition.draws import Committee
    from hfal.strategies.selection import SelectFunction

QUERY_SIZES = {"examples": 50, "words": 500}
"""How much a round asks for by default, by unit."""

SEED_STRATEGIES = ("random", "stratified", "kmeans", "kcenter", "typiclust", "probcover")
"""The names of seed strategies: two that draw at random, and the selections that need nothing but embeddings."""

SELECT_WITH = ("model", "head")
"""What picks the queries: the Trainer's model, or a linear head on a frozen encoder."""

STRATEGIES = (
    *("entropy", "least_confidence", "margin", "bald", "vote_entropy", "mean_kl", "epig", "cal"),
    *("random", "kmeans", "kcenter", "typiclust", "probcover", "density", "power", "softmax", "softrank", "neighbors"),
    *("badge", "cluster_margin", "batchbald", "class_balanced", "mnlp"),
)
"""The names of the scores and selections of `hfal.strategies.registry`, which loads torch."""


def check_strategy_name(strategy: str, where: str) -> None:
    """Refuse a strategy that no task has, without loading torch where a name is near to what was written.

    Args:
        strategy: One name, or a score and what selects by it: `"entropy+kmeans"`.
        where: What the message begins with: `"--strategy is"`.

    Raises:
        ArgumentError: A name is unknown.
    """
    for name in (part.strip() for part in strategy.split("+")):
        if name not in STRATEGIES:
            hint = did_you_mean(name.lower().replace("-", "_"), STRATEGIES)
            if not hint:
                from hfal.strategies.registry import (
                    unknown_name,  # which also knows what strategies are called elsewhere
                )

                raise ArgumentError(f"{where} {strategy!r}: {unknown_name('strategy', name, sorted(STRATEGIES))}")
            known = ", ".join(sorted(STRATEGIES))
            raise ArgumentError(f"{where} {strategy!r}: unknown strategy {name!r}.{hint} Known are: {known}")


@dataclass(frozen=True, kw_only=True)
class QueryOptions:
    """The options of a run's queries; `ActiveLearningCallback` documents each under the same name.

    Raises:
        ArgumentError: An option has a value that it cannot have.
    """

    query_size: int
    seed_size: int
    seed_strategy: "str | SelectFunction | None"
    holdout: int
    budget: int | None
    unit: str
    embeddings: Any
    embeddings_dir: str | os.PathLike[str] | None
    passes: int
    committee: "Committee | None"
    token_budget: int | None
    bf16_scoring: bool
    self_training: float | None
    self_training_threshold: float
    seed: int
    record_stability: bool
    select_with: str
    queries_per_round: int
    overlap: int = 1
    overlap_share: float = 1.0
    ask_again: bool = False
    asks_ahead: bool = False
    """Whether people are asked on by the ranking of a round's model while the next round trains."""

    def __post_init__(self) -> None:
        if not isinstance(self.passes, int):
            raise ArgumentError(f"passes={self.passes!r}, expected a whole number")
        check_least(self, {"query_size": 1, "seed_size": 1, "holdout": 0, "budget": 1, "token_budget": 1})
        check_least(self, {"passes": 2, "committee": 2, "seed": 0, "queries_per_round": 1, "overlap": 1})
        if not 0 < self.overlap_share <= 1:
            raise ArgumentError(f"overlap_share={self.overlap_share}, expected a share above 0 and up to 1")
        if self.select_with not in SELECT_WITH:
            raise ArgumentError(f"select_with={self.select_with!r}, expected one of {', '.join(SELECT_WITH)}")
        if self.select_with == "head":
            self._check_head()
        elif self.queries_per_round > 1:
            raise ArgumentError(
                f"queries_per_round={self.queries_per_round} is for select_with='head': the model makes one query in "
                "each round"
            )
        if self.ask_again and self.select_with != "head":
            raise ArgumentError(
                f"ask_again=True takes select_with='head', but that is {self.select_with!r}: a model that was trained "
                "on a text is too sure of it; pass 'head', with an encoder as embeddings, or leave ask_again out"
            )
        if self.budget is not None and self.budget <= self.holdout:
            raise ArgumentError(
                f"budget={self.budget} leaves nothing to train on after holdout={self.holdout}: "
                "raise the budget or lower the holdout"
            )

    def _check_head(self) -> None:
        if isinstance(self.embeddings, str) and self.embeddings in ("model", "entities"):
            raise ArgumentError(
                f"select_with='head' puts a head on a frozen encoder, but embeddings={self.embeddings!r} names none: "
                "pass the name or path of a sentence-transformers model, such as "
                "'sentence-transformers/all-MiniLM-L6-v2'"
            )
        if self.committee is not None:
            raise ArgumentError(
                "committee= draws from models that read texts, which select_with='head' does not run: leave one of "
                "them out"
            )


def check_least(options: object, least: Mapping[str, int]) -> None:
    """Check that no option that is a whole number is too small.

    Args:
        options: The options.
        least: The smallest value of each option, by name.

    Raises:
        ArgumentError: One is smaller.
    """
    for name, smallest in least.items():
        value = getattr(options, name)
        if isinstance(value, int) and value < smallest:
            raise ArgumentError(f"{name}={value}, expected at least {smallest}")
