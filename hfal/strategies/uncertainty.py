"""Acquisition scores from class probabilities: float tensors [B, C] to float tensors [B], higher = ask first."""

import torch


def entropy(probabilities: torch.Tensor) -> torch.Tensor:
    """Shannon entropy of the class probabilities, in nats: high where the model spreads its belief over the classes.

    Shannon (1948); as a query strategy in Settles, "Active Learning Literature Survey" (2009), section 3.1.

    Args:
        probabilities: Class probabilities, float[B, C]; exact zeros are fine.

    Returns:
        float32[B], from 0 (certain) to ln C (uniform).
    """
    return torch.special.entr(probabilities.float()).sum(dim=-1)


def least_confidence(probabilities: torch.Tensor) -> torch.Tensor:
    """One minus the probability of the most likely class.

    Lewis & Gale, "A Sequential Algorithm for Training Text Classifiers" (SIGIR 1994).

    Args:
        probabilities: Class probabilities, float[B, C].

    Returns:
        float32[B], from 0 (certain) to 1 - 1/C (uniform).
    """
    return 1 - probabilities.float().amax(dim=-1)


def margin(probabilities: torch.Tensor) -> torch.Tensor:
    """Minus the difference between the two most likely classes: high where the model hesitates between two.

    Scheffer et al., "Active Hidden Markov Models for Information Extraction" (IDA 2001).

    Args:
        probabilities: Class probabilities, float[B, C]; with one class the margin is that class's probability.

    Returns:
        float32[B], from -1 (certain) to 0 (tied).
    """
    best = probabilities.float().topk(min(2, probabilities.shape[-1]), dim=-1).values
    return best[..., 1:].sum(dim=-1) - best[..., 0]
