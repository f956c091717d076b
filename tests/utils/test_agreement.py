"""Agreement and entropy, against what is counted by hand and SciPy."""

import numpy as np
import pytest
from scipy.stats import entropy

from hfal.utils.agreement import cohen_kappa, f_of_classes, f_of_sets, mean_entropy


def test_the_change_of_f_by_hand():
    """Altschuler & Bloodgood: a agree on the positive class, b and c on one side only: 1 - 2a / (2a + b + c)."""
    a, b, c, d = 7, 2, 1, 90
    before = np.repeat([1, 1, 0, 0], [a, b, c, d])
    now = np.repeat([1, 0, 1, 0], [a, b, c, d])
    of_positive, of_negative = 1 - 2 * a / (2 * a + b + c), 1 - 2 * d / (2 * d + b + c)
    assert 1 - f_of_sets(before[:, None], now[:, None]) == pytest.approx(of_positive)
    assert of_positive == pytest.approx(3 / 17)
    assert 1 - f_of_classes(before, now) == pytest.approx((of_positive + of_negative) / 2)


def test_kappa_by_hand():
    # Of 50 both say yes to 20 and no to 15: agreement 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    one, other = np.repeat([1, 1, 0, 0], [20, 5, 10, 15]), np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert cohen_kappa(one, other) == pytest.approx(0.4)
    assert np.isnan(cohen_kappa(one * 0, one * 0))
    assert cohen_kappa(one, 1 - one) < 0


def test_uncertainty_is_the_mean_entropy_as_a_share_of_the_largest():
    rng = np.random.default_rng(0)
    for classes in (2, 7):
        p = rng.dirichlet(np.ones(classes), 50)
        assert mean_entropy(p) == pytest.approx(np.mean(entropy(p, base=classes, axis=1)))
    assert mean_entropy(np.full((4, 3), 1 / 3)) == pytest.approx(1)
    assert mean_entropy(np.eye(3, dtype=np.float32)) == 0
    assert mean_entropy(np.ones((4, 1))) == 0
