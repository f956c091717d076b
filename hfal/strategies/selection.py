"""The signals that a strategy selects by, and the two plainest selections."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from hfal.errors import ArgumentError


@dataclass(frozen=True)
class Signals:
    """The signals of the N candidates, row by row, and of the M labeled examples; `None` where nobody asked for it.

    The rows are in the order of the examples' ids, so that ties broken by row are broken by id. Large arrays may be
    memory-mapped.

    Attributes:
        size: N.
        scores: The acquisition scores, float32[N].
        probabilities: Class probabilities, float32[N, C].
        embeddings: float32[N, D].
        draws: Class probabilities under T draws of the model's parameters, float32[N, T, C]. Draw t has the same
            parameters for all examples, so that examples may be compared within a draw.
        features: What goes into the model's last layer, float32[N, H].
        labels: Classes of the labeled examples, int64[M].
        labeled_embeddings: float32[M, D].
        labeled_probabilities: float32[M, C].
    """

    size: int
    scores: np.ndarray | None = None
    probabilities: np.ndarray | None = None
    embeddings: np.ndarray | None = None
    draws: np.ndarray | None = None
    features: np.ndarray | None = None
    labels: np.ndarray | None = None
    labeled_embeddings: np.ndarray | None = None
    labeled_probabilities: np.ndarray | None = None

    def rows(self, rows: np.ndarray) -> "Signals":
        """The same of some candidates only; what is known of the labeled examples stays."""
        kept = {name: getattr(self, name) for name in CANDIDATE_SIGNALS}
        return replace(self, size=len(rows), **{name: a[rows] for name, a in kept.items() if a is not None})


CANDIDATE_SIGNALS = ("scores", "probabilities", "embeddings", "draws", "features")
LABELED_SIGNALS = {"labeled_embeddings": "embeddings", "labeled_probabilities": "probabilities"}
"""What may be known of the labeled examples, and what it is called for the candidates."""
SIGNALS = tuple(f.name for f in fields(Signals) if f.name != "size")

SelectFunction = Callable[[Signals, int, np.random.Generator], np.ndarray]
_F = TypeVar("_F", bound=Callable[..., Any])


def needs(*signals: str) -> Callable[[_F], _F]:
    """Declare which fields of `Signals` a function reads, so that the scoring pass computes exactly these.

    For a `select(signals, k, rng)`, and for a `score(signals)` that compares examples with each other.

    Args:
        *signals: Names of the fields.
    """
    unknown = [signal for signal in signals if signal not in SIGNALS]
    if unknown:
        raise ArgumentError(
            f"unknown signals {unknown}; write their names, @needs('embeddings'); there are {', '.join(SIGNALS)}"
        )

    def declare(function: _F) -> _F:
        function.needs = frozenset(signals)  # type: ignore[attr-defined]
        return function

    return declare


@needs()
def random(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Any example, each as likely as any other: the baseline that a strategy has to beat.

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
