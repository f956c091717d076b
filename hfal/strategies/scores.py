"""Call a score function with the arguments that its parameters are named after."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch


ScoreFunction = Callable[..., torch.Tensor]
GIVEN = ("probabilities", "draws", "mask")
"""What a score of batches may have as parameters."""


def required_parameters(function: Callable[..., object]) -> list[str]:
    """The names of the parameters that a caller has to fill: those without a default."""
    parameters = inspect.signature(function).parameters.values()
    fixed = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind in fixed]


def reads(score: ScoreFunction) -> frozenset[str]:
    """Which of `probabilities` and `draws` a score reads: what it says itself, else what its parameters are named."""
    declared: frozenset[str] | None = getattr(score, "reads", None)
    if declared is not None:
        return declared
    named = set(inspect.signature(score).parameters) & {"probabilities", "draws"}
    return frozenset(named or {"probabilities"})


def reads_draws(score: ScoreFunction) -> bool:
    """Whether a score is of several draws of the model's parameters."""
    return "draws" in reads(score)


def call_score(
    score: ScoreFunction,
    probabilities: torch.Tensor | None,
    draws: torch.Tensor | None,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Call a score on a batch with what it takes.

    Args:
        score: Its parameters are named `probabilities`, `draws` or `mask`; under other names the first is the
            probabilities and the second the mask. Others that have a default keep it.
        probabilities: float[B, C] or, of words, float[B, L, C].
        draws: float[B, T, C] or, of words, float[B, L, T, C].
        mask: The words, bool[B, L].
    """
    known = {"probabilities": probabilities, "draws": draws, "mask": mask}
    by_place = dict(zip(required_parameters(score), (probabilities, mask), strict=False))
    arguments = {
        n: known.get(n, by_place.get(n)) for n in inspect.signature(score).parameters if n in known | by_place
    }
    return score(**arguments)


@dataclass(frozen=True)
class Stack:
    """Several scores from one pass, float[B, S]."""

    scores: tuple[ScoreFunction, ...]

    @property
    def reads(self) -> frozenset[str]:
        """Return the arguments that any of them reads."""
        return frozenset().union(*map(reads, self.scores))

    def __call__(
        self, probabilities: torch.Tensor | None, draws: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The scores of a batch, one column each."""
        return torch.stack([call_score(score, probabilities, draws, mask) for score in self.scores], dim=-1)
