"""Acquisition scores of texts that may have several labels, from the probability of each label, higher = ask first.

Each label is a question of its own, yes or no, of which the model is more or less sure. The scores differ in how that
is measured, and in how the measures of all labels become one number for the text:

- `max`: the label that the model is least sure of. With the margin it is BinMin of Brinker, "On Active Learning in
  Multi-label Classification" (2006). All three scores rank texts alike here.
- `mean`: over all labels; one of the averages of Esuli & Sebastiani, "Active Learning Strategies for Multi-Label Text
  Classification" (ECIR 2009). Margin and least confidence rank alike.
- rank: the mean over the labels of the text's rank in the whole pool by that label alone, so that labels of which the
  model is always sure count as much as others. Borda's way of joining rankings, as Reyes, Morell & Ventura join those
  of margins in "Effective active learning strategy for multi-label learning" (Neurocomputing, 2018). All three scores
  rank alike but for rounding.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import rankdata

from hfal.errors import ArgumentError
from hfal.strategies.selection import Signals


def label_entropies(probabilities: torch.Tensor) -> torch.Tensor:
    """The entropy of each label's yes or no, in nats.

    Args:
        probabilities: Of each label by itself, float[B, L]; exact zeros and ones are fine.

    Returns:
        float32[B, L], from 0 (certain) to ln 2.
    """
    yes = probabilities.float()
    return torch.special.entr(yes) + torch.special.entr(1 - yes)


def label_margins(probabilities: torch.Tensor) -> torch.Tensor:
    """One minus the difference between each label's yes and no.

    Args:
        probabilities: Of each label by itself, float[B, L].

    Returns:
        float32[B, L], from 0 (certain) to 1 (tied).
    """
    return 1 - (2 * probabilities.float() - 1).abs()


def label_doubts(probabilities: torch.Tensor) -> torch.Tensor:
    """One minus the probability of each label's likelier answer: least confidence.

    Args:
        probabilities: Of each label by itself, float[B, L].

    Returns:
        float32[B, L], from 0 (certain) to 0.5 (tied).
    """
    yes = probabilities.float()
    return torch.minimum(yes, 1 - yes)


LABEL_SCORES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "entropy": label_entropies,
    "least_confidence": label_doubts,
    "margin": label_margins,
}
AGGREGATES = ("mean", "max")


@dataclass(frozen=True)
class LabelScore:
    """How uncertain the labels of a text are, as one number: in the place of a score's name.

    `LabelScore("margin", aggregate="max")`; behind it a selection: `Hybrid(LabelScore("entropy"), "kmeans")`.

    Args:
        score: What is computed for each label: `"entropy"`, `"least_confidence"` or `"margin"` (one minus the
            difference between yes and no).
        aggregate: Over the labels: `"mean"` or `"max"`; see the module. (`LabelRank` needs the whole pool.)
    """

    score: str = "entropy"
    aggregate: str = "mean"

    def __post_init__(self) -> None:
        _check_score(self.score)
        if self.aggregate not in AGGREGATES:
            raise ArgumentError(
                f"aggregate={self.aggregate!r}, expected one of {', '.join(AGGREGATES)}; the mean of ranks is "
                "LabelRank(score)"
            )

    def __call__(self, probabilities: torch.Tensor) -> torch.Tensor:
        """The scores of texts, of probabilities float[B, L]: float32[B]."""
        scores = LABEL_SCORES[self.score](probabilities)
        return scores.mean(dim=-1) if self.aggregate == "mean" else scores.amax(dim=-1)

    @property
    def name(self) -> str:
        """As it is recorded with each query: `entropy(mean)`."""
        return f"{self.score}({self.aggregate})"


@dataclass(frozen=True)
class LabelRank:
    """The mean over the labels of a text's rank in the whole pool, by how uncertain that label is.

    Args:
        score: What is computed for each label: `"entropy"`, `"least_confidence"` or `"margin"`.
    """

    score: str = "entropy"
    needs = frozenset({"probabilities"})

    def __post_init__(self) -> None:
        _check_score(self.score)

    def __call__(self, signals: Signals) -> np.ndarray:
        """The scores of a pool.

        Args:
            signals: `probabilities`, float[N, L].

        Returns:
            float64[N], from 0 (first in no label's ranking) to 1 (first in each); ties share the mean of their ranks.
        """
        assert signals.probabilities is not None
        ranks = np.zeros(signals.size)
        for probabilities in signals.probabilities.T:  # one label at a time: the pool may be large
            scores = LABEL_SCORES[self.score](torch.from_numpy(np.array(probabilities)))
            ranks += rankdata(scores.numpy(), method="average") - 1
        return ranks / (signals.probabilities.shape[1] * max(signals.size - 1, 1))

    @property
    def name(self) -> str:
        """As it is recorded with each query: `entropy(rank)`."""
        return f"{self.score}(rank)"


def _check_score(score: Any) -> None:
    if score not in LABEL_SCORES:
        raise ArgumentError(f"score={score!r}, expected one of {', '.join(LABEL_SCORES)}")
