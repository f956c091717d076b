"""What a strategy knows, and the two plainest ways to select from it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hfal.errors import ArgumentError


@dataclass(frozen=True)
class Signals:
    """What the scoring pass computed for the N candidates, row by row; `None` where the strategy did not ask for it.

    The rows are in the order of the examples' ids, so that ties broken by row are broken by id.
    """

    size: int
    scores: np.ndarray | None = None  # float32[N], the acquisition scores
    probabilities: np.ndarray | None = None  # float32[N, C]
    embeddings: np.ndarray | None = None  # float32[N, D], may be memory-mapped


SelectFunction = Callable[[Signals, int, np.random.Generator], np.ndarray]


def needs(*signals: str) -> Callable[[SelectFunction], SelectFunction]:
    """Declare which fields of `Signals` a select function reads, so that the scoring pass computes exactly these.

    Args:
        *signals: Any of `"scores"`, `"probabilities"`, `"embeddings"`.
    """
    unknown = set(signals) - {"scores", "probabilities", "embeddings"}
    if unknown:
        raise ArgumentError(f"unknown signals {sorted(unknown)}; there are 'scores', 'probabilities' and 'embeddings'")

    def declare(select: SelectFunction) -> SelectFunction:
        select.needs = frozenset(signals)  # type: ignore[attr-defined]
        return select

    return declare


@needs()
def random(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Every candidate is as likely as any other: the baseline that a strategy has to beat.

    Args:
        signals: Only `size` is read.
        k: How many to pick, at most `signals.size`.
        rng: The source of chance.

    Returns:
        Rows, int64[k], none twice.
    """
    return rng.choice(signals.size, size=k, replace=False)


@needs("scores")
def top_k(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """The k highest scores, highest first, ties in the order of rows.

    Args:
        signals: `scores`, float[N].
        k: How many to pick, at most N.
        rng: Not used.

    Returns:
        Rows, int64[k].
    """
    assert signals.scores is not None
    return np.argsort(-signals.scores, kind="stable")[:k]
