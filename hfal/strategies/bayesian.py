"""Bayesian strategies: the information that labels give about the model, from T draws of its parameters."""

import numpy as np
import torch

from hfal.strategies.selection import Signals, needs
from hfal.strategies.vectors import row_blocks
from hfal.utils.single_thread import single_thread


TARGETS = 200
"""Examples whose labels `epig` wants to foretell."""
CONFIGURATIONS = 256
"""How many joint labels of a query `batchbald` averages over."""
SATURATED = 0.01
"""`batchbald` starts anew where the best gain is less than this part of what the best example would tell alone."""
RESOLVED = 1e-5
"""Joint labels that leave less unknown, in nats, are taken to tell which draw it is; float32 sees no further."""
BLOCK_NUMBERS = 1_000_000
"""Numbers in a block of products: 4 MB, which a processor's cache can hold."""
_TINY = np.finfo(np.float32).tiny


def bald(draws: torch.Tensor) -> torch.Tensor:
    """Where the draws disagree, each certain: the mutual information of label and parameters, in nats.

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


@needs("draws")
def epig(signals: Signals, rng: np.random.Generator) -> np.ndarray:
    """Expected predictive information gain: what the example's label would tell about the labels of others.

    Bickford Smith et al., "Prediction-Oriented Bayesian Active Learning" (AISTATS 2023). BALD also wants what is
    unknown of the model where no prediction depends on it. Here the pool stands for the inputs to come: the mean, over
    `TARGETS` other candidates drawn at random, of the mutual information of the two labels, exact for the draws given.
    An example is no target of itself, which would favor those drawn. The highest scores of one round may be of
    near-copies; the paper asks for one label at a time.

    The cost is N x `TARGETS` x C^2 logarithms, in blocks.

    Args:
        signals: `draws`, float[N, T, C].
        rng: Draws the targets.

    Returns:
        float32[N], in nats; 0 where the label tells nothing, or where there is no other candidate.
    """
    draws = signals.draws
    assert draws is not None
    n, _, c = draws.shape
    targets = np.sort(rng.choice(n, size=min(TARGETS, n), replace=False))
    target_ratios, target_means = _ratios(draws[targets])
    total = np.empty(n)
    with single_thread("blas"):
        for rows in row_blocks(n, max(1, BLOCK_NUMBERS // (len(targets) * c * c))):
            ratios, means = _ratios(draws[rows])
            information = _information(ratios @ target_ratios.T) @ target_means
            total[rows] = (means * information).reshape(-1, c).sum(axis=1)
    others = np.full(n, len(targets))
    for row, ratios, means in zip(targets, *_by_example(target_ratios, target_means, c), strict=True):
        total[row] -= means @ _information(ratios @ ratios.T) @ means
        others[row] -= 1
    return np.where(others > 0, np.maximum(total, 0) / np.maximum(others, 1), 0).astype(np.float32)


def _ratios(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """p_t(y) / p(y) / sqrt(T), float32[n * C, T], and the means p(y), float32[n * C], for draws [n, T, C].

    The products of two examples' ratios are then p(y, y*) / (p(y) p(y*)), 1 where the labels are independent: no
    difference of big entropies has to be small.
    """
    t = draws.shape[1]
    ratios = np.ascontiguousarray(draws.transpose(0, 2, 1), np.float32).reshape(-1, t)
    means = ratios.mean(axis=1)
    return ratios / np.maximum(means, _TINY)[:, None] / np.float32(np.sqrt(t)), means


def _by_example(ratios: np.ndarray, means: np.ndarray, c: int) -> tuple[np.ndarray, np.ndarray]:
    return ratios.reshape(-1, c, ratios.shape[1]), means.reshape(-1, c)


def _information(ratios: np.ndarray) -> np.ndarray:
    """r ln r, in place; 0 at 0."""
    logarithms = np.maximum(ratios, _TINY)
    np.log(logarithms, out=logarithms)
    ratios *= logarithms
    return ratios


@needs("draws")
def batchbald(signals: Signals, k: int, rng: np.random.Generator) -> np.ndarray:
    """Examples whose labels together would tell most about the model's parameters, each given those before it.

    Kirsch et al., "BatchBALD: Efficient and Diverse Batch Acquisition for Deep Bayesian Active Learning" (NeurIPS
    2019). Greedy: each example is the one whose label would tell most about which draw it is, after the labels of
    those picked before, and averaged over what those may be. All joint labels are averaged over while there are at
    most `CONFIGURATIONS`, which is exact; then as many are drawn at each step, without bias, the more often the more
    they leave unknown. What a label tells cannot grow by knowing others, so an example's last gain bounds its next
    one, and few have to be computed (lazily greedy; of gains from drawn labels it holds up to their error).

    T draws can tell no more than ln T nats, 2.3 for ten, and a query reaches that: after some dozens of labels it
    would be all but certain which draw it is. What BatchBALD says of further examples is then about the last doubts
    among T draws, not about the model. Where the best gain falls below `SATURATED` of the best BALD score left, the
    query is taken as complete and another one is begun among the examples left, as if nothing had been picked: each
    such part is spread, but one may repeat another. Which way to go on made no difference that could be measured on
    sentence embeddings; for long queries, use more draws.

    Labels are taken to be drawn anew for each example, copies included, so that a second copy still tells something;
    where a few draws differ mainly in how they see all texts alike, it tells as much as another text would.

    Args:
        signals: `draws`, float[N, T, C].
        k: How many to pick, at most N.
        rng: Draws the joint labels.

    Returns:
        Rows, int64[k], none twice; ties in the order of rows. Where no label tells anything, as with one draw, all
        are tied.
    """
    draws = signals.draws
    assert draws is not None
    prior = np.ones(1), np.full((1, draws.shape[1]), 1 / draws.shape[1])
    masses, posteriors = prior
    picked = np.empty(k, np.int64)
    with single_thread("blas"):
        expected = np.concatenate([_entropy(draws[rows].astype(np.float32)) for rows in row_blocks(len(draws))])
        alone = _gains(draws, expected, masses, posteriors)
        gains = alone.copy()  # of each example when it was last computed; -inf once it is picked
        for i in range(k):
            row = _most_informative(draws, expected, masses, posteriors, gains)
            if gains[row] <= SATURATED * alone.max():
                (masses, posteriors), gains = prior, alone.copy()
                row = int(gains.argmax())
            picked[i] = row
            alone[row] = gains[row] = -np.inf
            masses, posteriors = _label(masses, posteriors, draws[row], rng)
    return picked


def _most_informative(
    draws: np.ndarray, expected: np.ndarray, masses: np.ndarray, posteriors: np.ndarray, gains: np.ndarray
) -> int:
    """The row of the highest gain; `gains` holds upper bounds, and is updated where a bound could be the highest."""
    order = np.argsort(-gains, kind="stable")
    order = order[gains[order] >= 0]
    best = 0.0
    for block in row_blocks(len(order), max(1, BLOCK_NUMBERS // max(1, len(masses) * draws.shape[2]))):
        rows = order[block]
        if gains[rows[0]] < best:
            break
        gains[rows] = _gains(draws[rows], expected[rows], masses, posteriors)
        best = max(best, gains[rows].max())
    return int(gains.argmax())


def _gains(draws: np.ndarray, expected: np.ndarray, masses: np.ndarray, posteriors: np.ndarray) -> np.ndarray:
    """BALD under each posterior over the draws, and the sum of it by the posteriors' masses.

    Args:
        draws: float[n, T, C].
        expected: Entropies of the draws, float32[n, T].
        masses: Probability of each joint label, float64[M].
        posteriors: What it says about the draws, float64[M, T].

    Returns:
        float64[n].
    """
    gains, total = np.zeros(len(draws)), masses.sum()
    if total == 0:
        return gains
    shares, weights = (masses / total).astype(np.float32), posteriors.astype(np.float32)
    _, t, c = draws.shape
    for rows in row_blocks(len(draws), max(1, BLOCK_NUMBERS // (len(masses) * c))):
        by_draw = np.ascontiguousarray(draws[rows].transpose(1, 0, 2), np.float32).reshape(t, -1)
        entropies = -(shares @ _information(weights @ by_draw)).reshape(-1, c).sum(axis=1)
        gains[rows] = entropies - expected[rows] @ (shares @ weights)
    return np.maximum(gains, 0) * total


def _label(
    masses: np.ndarray, posteriors: np.ndarray, draws: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The joint labels with every label of one more example, `draws` float[T, C], or `CONFIGURATIONS` of them."""
    joint = masses[:, None, None] * posteriors[:, None, :] * draws.T.astype(np.float64)
    joint = joint.reshape(-1, len(draws))
    joint = joint[joint.sum(axis=1) > 0]
    masses = joint.sum(axis=1)
    posteriors = joint / masses[:, None]
    doubts = _entropy(posteriors)
    # No later label can tell more than what these leave unknown.
    masses, posteriors, doubts = (a[doubts > RESOLVED] for a in (masses, posteriors, doubts))
    if len(masses) <= CONFIGURATIONS:
        return masses, posteriors
    # Drawn by what a joint label adds at most to a gain, and weighted by the inverse: the expected sum is the same.
    cumulated = np.cumsum(masses * doubts)
    points = (np.arange(CONFIGURATIONS) + rng.random()) * (cumulated[-1] / CONFIGURATIONS)
    drawn, copies = np.unique(np.searchsorted(cumulated, points, side="right"), return_counts=True)
    drawn, copies = drawn[drawn < len(masses)], copies[drawn < len(masses)]  # a last point may be rounded up
    return copies * cumulated[-1] / CONFIGURATIONS / doubts[drawn], posteriors[drawn]


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    """Over the last dimension, in nats."""
    return -_information(probabilities.copy()).sum(axis=-1)
