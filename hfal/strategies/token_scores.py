"""Acquisition scores of sentences from the class probabilities of their words, higher = ask first.

Each takes probabilities float[B, L, C], or draws of them float[B, L, T, C], and a mask bool[B, L] that is true at the
first token of each word, and gives float32[B]. Special tokens, padding and the rest of a word are outside the mask and
change nothing. A sentence without any word that counts scores 0, as one of which the model is certain.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from hfal.errors import ArgumentError
from hfal.strategies.bayesian import bald
from hfal.strategies.committee import mean_kl, vote_entropy
from hfal.strategies.scores import call_score, reads
from hfal.strategies.uncertainty import entropy, least_confidence, margin


def mnlp(probabilities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Sentences whose tags are unlikely: minus the mean logarithm of the probabilities along the model's own tags.

    Shen et al., "Deep Active Learning for Named Entity Recognition" (ICLR 2018), section 4: "maximum
    normalized log-probability". A token classifier
    tags each word by itself, so that its likeliest path takes the likeliest tag of every word.

    Args:
        probabilities: float[B, L, C].
        mask: The words, bool[B, L].

    Returns:
        float32[B], from 0 (certain) to ln C.
    """
    best = torch.where(mask, probabilities.float().amax(dim=-1), 1.0)
    return -best.log().sum(dim=-1) / _count(mask)


def mean(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The mean over the words: the length of a sentence has no influence."""
    return total(scores, mask) / _count(mask)


def total(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The sum over the words: long sentences score high."""
    return torch.where(mask, scores, 0.0).sum(dim=-1)


def maximum(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The most uncertain word."""
    return torch.where(mask, scores, 0.0).amax(dim=-1)


def top_mean(scores: torch.Tensor, mask: torch.Tensor, k: int) -> torch.Tensor:
    """The mean over the k most uncertain words, or over all where there are fewer."""
    best = torch.where(mask, scores, 0.0).topk(min(k, scores.shape[-1]), dim=-1).values
    return best.sum(dim=-1) / mask.sum(dim=-1).clamp(min=1, max=k)


def _count(mask: torch.Tensor) -> torch.Tensor:
    return mask.sum(dim=-1).clamp(min=1)


WORD_SCORES: dict[str, Callable[..., torch.Tensor]] = {
    "entropy": entropy,
    "least_confidence": least_confidence,
    "margin": margin,
    "bald": bald,
    "vote_entropy": vote_entropy,
    "mean_kl": mean_kl,
}
AGGREGATES = ("mean", "sum", "max", "top")


@dataclass(frozen=True)
class TokenScore:
    """How uncertain the words of a sentence are, as one number: for NER, in the place of a score's name.

    `TokenScore("entropy", aggregate="max")`; behind it a selection: `Hybrid(TokenScore("margin"), "kmeans")`.

    Args:
        score: What is computed for each word: `"entropy"`, `"least_confidence"`, `"margin"`, `"bald"`,
            `"vote_entropy"`, `"mean_kl"`, or a function of probabilities [B, L, C], or of `draws` [B, L, T, C], that
            gives [B, L], 0 where the model is certain and more where it is not.
        aggregate: Over the words: `"mean"`, `"max"`, `"sum"`, or `"top"`, the mean of the k most uncertain ones. All
            but the mean tend to long sentences, the sum most of all, and so bought less than random ones where the
            budget counted words (docs/entities.md).
        k: Of `aggregate="top"`.
        sure_outside: Leave out words that the model takes to be outside any entity with at least this probability.
            Most words of a text are, and a mean over all of them says little about the entities.
        outside: The index of the tag `O`; hfal sets it.
    """

    score: str | Callable[..., torch.Tensor] = "entropy"
    aggregate: str = "mean"
    k: int = 3
    sure_outside: float | None = None
    outside: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.score, str) and self.score not in WORD_SCORES:
            raise ArgumentError(f"score={self.score!r}, expected one of {', '.join(WORD_SCORES)}, or a function")
        if self.aggregate not in AGGREGATES:
            raise ArgumentError(f"aggregate={self.aggregate!r}, expected one of {', '.join(AGGREGATES)}")
        if self.k < 1:
            raise ArgumentError(f"k={self.k}, expected at least 1 word")
        if self.sure_outside is not None and not 0 < self.sure_outside <= 1:
            raise ArgumentError(f"sure_outside={self.sure_outside}, expected a probability above 0 and up to 1")

    def __call__(
        self, probabilities: torch.Tensor, mask: torch.Tensor, draws: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The scores of sentences, float32[B]; see the module."""
        scores = call_score(self._of_words, probabilities, draws)
        if scores.shape != mask.shape:
            raise ArgumentError(
                f"the score of each word has shape {list(scores.shape)}, expected {list(mask.shape)}: return one "
                "number for each row of classes"
            )
        if self.sure_outside is not None:
            mask = mask & (probabilities[..., self.outside] < self.sure_outside)
        if self.aggregate == "top":
            return top_mean(scores, mask, self.k)
        return {"mean": mean, "sum": total, "max": maximum}[self.aggregate](scores, mask)

    @property
    def _of_words(self) -> Callable[..., torch.Tensor]:
        return WORD_SCORES[self.score] if isinstance(self.score, str) else self.score

    @property
    def reads(self) -> frozenset[str]:
        """Whether it is of the probabilities, of several draws of them, or of both."""
        return reads(self._of_words) | ({"probabilities"} if self.sure_outside is not None else set())

    @property
    def name(self) -> str:
        """As it is recorded with each query: `entropy(mean)`."""
        score = self.score if isinstance(self.score, str) else getattr(self.score, "__name__", "score")
        return f"{score}({self.aggregate})"

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments that the name does not say."""
        top = {"k": self.k} if self.aggregate == "top" else {}
        return top if self.sure_outside is None else {**top, "sure_outside": self.sure_outside}
