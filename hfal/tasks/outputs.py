"""Turn a batch's logits into probabilities and scores, and say whether they are finite."""

from collections.abc import Callable

import torch

from hfal.errors import ArgumentError, ScoringError
from hfal.strategies.scores import Stack, call_score, reads_draws


def class_probabilities(logits: torch.Tensor, dimensions: int, head: str) -> torch.Tensor:
    """Softmax over the classes, in float32 whatever the logits' precision.

    Args:
        logits: float[..., C].
        dimensions: How many dimensions they should have.
        head: What a model needs to have for that, for the message.

    Raises:
        ArgumentError: They have another number of dimensions.
    """
    _check_dimensions(logits, dimensions, head)
    return logits.float().softmax(dim=-1)


def label_probabilities(logits: torch.Tensor, dimensions: int, head: str) -> torch.Tensor:
    """The sigmoid of each label by itself, in float32; otherwise as `class_probabilities`."""
    _check_dimensions(logits, dimensions, head)
    return logits.float().sigmoid()


def _check_dimensions(logits: torch.Tensor, dimensions: int, head: str) -> None:
    if logits.ndim != dimensions:
        expected = "[batch, classes]" if dimensions == 2 else "[batch, tokens, classes]"
        raise ArgumentError(
            f"the model's logits have shape {list(logits.shape)}, expected {expected}: use a model with a {head}"
        )


def required(tensor: torch.Tensor | None) -> torch.Tensor:
    """A tensor that has to be there."""
    assert tensor is not None
    return tensor


def finite(
    probabilities: torch.Tensor | None, draws: torch.Tensor | None, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """Which examples of a batch have only finite numbers, bool[B]; outside the mask it does not matter."""
    rows = []
    for tensor in (probabilities, draws):
        if tensor is not None:
            is_finite = tensor.isfinite()
            if mask is not None:
                is_finite = is_finite | ~mask.reshape(*mask.shape, *[1] * (tensor.ndim - 2))
            rows.append(is_finite.flatten(1).all(dim=1))
    return torch.stack(rows).all(dim=0)


def signals_of_texts(
    probabilities: torch.Tensor | None,
    draws: torch.Tensor | None,
    is_finite: torch.Tensor,
    keep: frozenset[str],
    score: Callable[..., torch.Tensor] | None,
) -> dict[str, torch.Tensor]:
    """Return the signals of whole texts: `finite`, bool[B], and those in `keep`, float[B, ...].

    Args:
        probabilities: float32[B, C].
        draws: float32[B, T, C].
        is_finite: bool[B].
        keep: Any of `"scores"`, `"probabilities"` and `"draws"`.
        score: The acquisition score.

    Raises:
        ScoringError: The score function did not return one number for each example.
    """
    found = {"finite": is_finite}
    if "probabilities" in keep:
        found["probabilities"] = required(probabilities)
    if "draws" in keep:
        found["draws"] = required(draws)
    if "scores" in keep:
        found["scores"] = scores_of(score, probabilities, draws, None)
    return found


def scores_of(
    score: Callable[..., torch.Tensor] | None,
    probabilities: torch.Tensor | None,
    draws: torch.Tensor | None,
    mask: torch.Tensor | None,
) -> torch.Tensor:
    """The acquisition scores of a batch, float[B], or float[B, S] of a `Stack` of S scores."""
    assert score is not None
    if reads_draws(score) and draws is None:
        raise ScoringError("the score is of draws of the model's parameters, and there are none: pass draws=")
    scores = call_score(score, probabilities, draws, mask)
    rows = len(required(draws if probabilities is None else probabilities))
    shape = (rows, len(score.scores)) if isinstance(score, Stack) else (rows,)
    if not isinstance(scores, torch.Tensor) or scores.shape != shape:
        found = list(scores.shape) if isinstance(scores, torch.Tensor) else type(scores).__name__
        raise ScoringError(f"the score function returned {found} for {rows} examples, expected a tensor [{rows}]")
    return scores
