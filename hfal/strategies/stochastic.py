"""Select functions that draw a query at random, the higher a score the likelier: the simplest way to spread a batch.

Kirsch et al., "Stochastic Batch Acquisition: A Simple Baseline for Deep Active Learning" (TMLR 2023). Each adds
Gumbel noise of scale one to some transform of the scores and takes the k highest, which is drawing without replacement
with probabilities in proportion to the exponential of that transform (Kool et al., ICML 2019). The coldness `beta`
multiplies the transform: 0 is a random query, infinity the highest scores; the paper takes 1
(`functools.partial(softmax, beta=8)` takes another). They see the scores of all candidates, not only the best ones.
"""

import numpy as np
from scipy.stats import rankdata

from hfal.errors import StrategyError
from hfal.strategies.selection import Signals, needs


@needs("scores")
def power(signals: Signals, k: int, rng: np.random.Generator, beta: float = 1.0) -> np.ndarray:
    """Drawn at random in proportion to the scores; those of no use (score 0) come last.

    Kirsch et al. (2023), "PowerBALD" for BALD.

    Args:
        signals: `scores`, float[N], none negative.
        k: How many to pick, at most N.
        rng: The source of chance.
        beta: The coldness.

    Returns:
        Rows, int64[k], none twice, in the order in which they were drawn.

    Raises:
        StrategyError: A score is negative.
    """
    assert signals.scores is not None
    scores = signals.scores.astype(np.float64)
    if (scores < 0).any():
        raise StrategyError(
            f"'power' draws in proportion to the scores, and the lowest is {scores.min():.4g}: use softmax or "
            "softrank in its place, which take any score"
        )
    logarithms = np.log(scores, out=np.full_like(scores, -np.inf), where=scores > 0)
    noise = rng.gumbel(size=len(scores))
    return np.lexsort((-noise, -(beta * logarithms + noise)))[:k]  # the noise alone orders those with a score of 0


@needs("scores")
def softmax(signals: Signals, k: int, rng: np.random.Generator, beta: float = 1.0) -> np.ndarray:
    """Drawn at random in proportion to the exponential of the scores.

    Kirsch et al. (2023), "SoftmaxBALD" for BALD.

    Args:
        signals: `scores`, float[N].
        k: How many to pick, at most N.
        rng: The source of chance.
        beta: The coldness.

    Returns:
        Rows, int64[k], none twice, in the order in which they were drawn.
    """
    assert signals.scores is not None
    return np.argsort(-(beta * signals.scores.astype(np.float64) + rng.gumbel(size=signals.size)), kind="stable")[:k]


@needs("scores")
def softrank(signals: Signals, k: int, rng: np.random.Generator, beta: float = 1.0) -> np.ndarray:
    """Drawn at random in proportion to one over the rank by the score, whatever the scores' scale.

    Kirsch et al. (2023), "SoftrankBALD" for BALD. Equal scores share a rank.

    Args:
        signals: `scores`, float[N].
        k: How many to pick, at most N.
        rng: The source of chance.
        beta: The coldness.

    Returns:
        Rows, int64[k], none twice, in the order in which they were drawn.
    """
    assert signals.scores is not None
    ranks = rankdata(-signals.scores)
    return np.argsort(beta * np.log(ranks) - rng.gumbel(size=signals.size), kind="stable")[:k]
