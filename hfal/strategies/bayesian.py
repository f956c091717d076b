"""What the labels of examples would tell about the model, from class probabilities under T draws of its parameters."""

import torch


def bald(draws: torch.Tensor) -> torch.Tensor:
    """Mutual information of the example's label and the model's parameters, in nats: the draws disagree, each certain.

    "Bayesian active learning by disagreement": Houlsby et al. (arXiv:1112.5745, 2011); with dropout masks as the draws
    Gal et al., "Deep Bayesian Active Learning with Image Data" (ICML 2017). The entropy of the mean less the mean of
    the entropies.

    Args:
        draws: Class probabilities under each draw, float[..., T, C]; exact zeros are fine. The leading dimensions are
            [B] for texts and [B, L] for the words of sentences.

    Returns:
        float32[...], from 0 (all draws say the same) to ln min(T, C).
    """
    draws = draws.float()
    total = torch.special.entr(draws.mean(dim=-2)).sum(dim=-1)
    expected = torch.special.entr(draws).sum(dim=-1).mean(dim=-1)
    return (total - expected).clamp(min=0)  # rounding may leave a little less than 0
