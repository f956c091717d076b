"""Acquisition scores from class probabilities: float tensors [B, C] to float tensors [B], higher = ask first."""

import torch


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Where the class probabilities are spread out: their Shannon entropy, in nats.

    Shannon (1948); as a query strategy in Settles, "Active Learning Literature Survey" (2009), section 3.1.

    Args:
        probabilities: Class probabilities, float[B, C]; exact zeros are fine.

    Returns:
        float32[B], from 0 (certain) to ln C (uniform).
    """
    return torch.special.entr(probabilities.float()).sum(dim=-1)


def least_confidence(probabilities: torch.Tensor) -> torch.Tensor:
    """Where the likeliest class is unlikely: one minus its probability.

    Lewis & Gale, "A Sequential Algorithm for Training Text Classifiers" (SIGIR 1994).

    Args:
        probabilities: Class probabilities, float[B, C].

    Returns:
        float32[B], from 0 (certain) to 1 - 1/C (uniform).
    """
    return 1 - probabilities.float().amax(dim=-1)


def margin(probabilities: torch.Tensor) -> torch.Tensor:
    """Where the two likeliest classes are close: one minus the difference of their probabilities.

    Scheffer et al., "Active Hidden Markov Models for Information Extraction" (IDA 2001).

    Args:
        probabilities: Class probabilities, float[B, C]; of a single class the second has probability 0.

    Returns:
        float32[B], from 0 (certain) to 1 (tied).
    """
    best = probabilities.float().topk(min(2, probabilities.shape[-1]), dim=-1).values
    return 1 - best[..., 0] + best[..., 1:].sum(dim=-1)
