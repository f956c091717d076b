"""Committee strategies: disagreement between T draws of the model's parameters, from class probabilities.

Float tensors [..., T, C] to float32 [...], higher = ask first. The members are the draws: dropout masks, an ensemble's
networks. The leading dimensions are [B] for texts and [B, L] for the words of sentences.
"""

import torch
from torch.nn.functional import one_hot


def vote_entropy(draws: torch.Tensor) -> torch.Tensor:
    """Where the members vote for different classes: the entropy of their votes, in nats.

    Dagan & Engelson, "Committee-Based Sampling For Training Probabilistic Classifiers" (ICML 1995), who divide it by
    ln T: the order is the same. It takes few different values, so ties are many.

    Args:
        draws: Class probabilities of each member, float[..., T, C]. Who finds classes equally likely votes for the
            first of them.

    Returns:
        float32[...], from 0 (unanimous) to ln min(T, C).
    """
    votes = one_hot(draws.argmax(dim=-1), draws.shape[-1])
    return torch.special.entr(votes.float().mean(dim=-2)).sum(dim=-1)


def mean_kl(draws: torch.Tensor) -> torch.Tensor:
    """Where members differ from their consensus: the mean Kullback-Leibler divergence, in nats.

    McCallum & Nigam, "Employing EM and Pool-Based Active Learning for Text Classification" (ICML 1998). The consensus
    is the mean of the members' probabilities, so it is the number that `bald` computes as a difference of entropies.

    Args:
        draws: Class probabilities of each member, float[..., T, C]; exact zeros are fine.

    Returns:
        float32[...], from 0 (all say the same) to ln min(T, C).
    """
    draws = draws.float()
    # The mean of T tiny numbers may underflow to 0 where they do not, and the logarithm would be infinite.
    consensus = draws.mean(dim=-2, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
    divergence = (torch.xlogy(draws, draws) - torch.xlogy(draws, consensus)).sum(dim=-1)
    return divergence.mean(dim=-1).clamp(min=0)
