"""Information by brute force: entropies by SciPy, joint labels one by one."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from hfal.strategies.bayesian import bald


def random_draws(n: int, draws: int, classes: int, seed: int = 0, concentration: float = 0.3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(classes, concentration), size=(n, draws)).astype(np.float32)


def test_bald_equals_scipys_entropies():
    draws = random_draws(200, 10, 5)
    expected = scipy_entropy(draws.mean(axis=1), axis=1) - scipy_entropy(draws, axis=2).mean(axis=1)
    np.testing.assert_allclose(bald(torch.from_numpy(draws)), expected, atol=2e-6)


def test_bald_wants_what_the_draws_disagree_on_not_what_they_all_find_hard():
    hard = [[0.5, 0.5]] * 4
    disputed = [[0.9, 0.1], [0.1, 0.9]] * 2
    scores = bald(torch.tensor([hard, disputed]))
    # ln 2 less the entropy of (0.9, 0.1)
    assert scores[0] == 0
    assert scores[1].item() == pytest.approx(np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1), abs=1e-6)
