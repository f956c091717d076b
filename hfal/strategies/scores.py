"""How score functions are called: each is given what its parameters are named after."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch


ScoreFunction = Callable[..., torch.Tensor]


def reads_draws(score: ScoreFunction) -> bool:
    """Whether a score is of several draws of the model's parameters: it has a parameter `draws`, or says so."""
    declared = getattr(score, "reads_draws", None)
    return "draws" in inspect.signature(score).parameters if declared is None else bool(declared)


def only_of_draws(score: ScoreFunction) -> bool:
    """Whether the probabilities under the model's own parameters say nothing to a score."""
    scores = score.scores if isinstance(score, Stack) else (score,)
    return all(map(reads_draws, scores))


def call_score(
    score: ScoreFunction,
    probabilities: torch.Tensor | None,
    draws: torch.Tensor | None,
    mask: torch.Tensor | None = None,
) -> torch.Tensor:
    """Call a score on a batch with what it takes.

    Args:
        score: Its parameters are named `probabilities`, `draws` or `mask`; under other names the first is the
            probabilities and the second the mask.
        probabilities: float[B, C] or, of words, float[B, L, C].
        draws: float[B, T, C] or, of words, float[B, L, T, C].
        mask: The words, bool[B, L].
    """
    known = {"probabilities": probabilities, "draws": draws, "mask": mask}
    names = inspect.signature(score).parameters
    return score(
        *(known.get(name, default) for name, default in zip(names, (probabilities, mask, None), strict=False))
    )


@dataclass(frozen=True)
class Stack:
    """Several scores from one pass, float[B, S]."""

    scores: tuple[ScoreFunction, ...]

    @property
    def reads_draws(self) -> bool:
        """Whether any of them is of draws."""
        return any(map(reads_draws, self.scores))

    def __call__(
        self, probabilities: torch.Tensor | None, draws: torch.Tensor | None, mask: torch.Tensor | None
    ) -> torch.Tensor:
        """The scores of a batch, one column each."""
        return torch.stack([call_score(score, probabilities, draws, mask) for score in self.scores], dim=-1)
