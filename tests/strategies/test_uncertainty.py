"""Scores against SciPy and hand-worked cases; edges that make naive formulas NaN."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from hfal.strategies import entropy, least_confidence, margin


SCORES = [entropy, least_confidence, margin]


def random_probabilities(classes: int) -> torch.Tensor:
    rng = np.random.default_rng(classes)
    return torch.from_numpy(rng.dirichlet(np.full(classes, 0.3), size=200).astype(np.float32))


@pytest.mark.parametrize("classes", [2, 3, 50])
def test_entropy_equals_scipy(classes):
    probabilities = random_probabilities(classes)
    np.testing.assert_allclose(entropy(probabilities), scipy_entropy(probabilities.double(), axis=1), atol=1e-5)


@pytest.mark.parametrize("classes", [2, 3, 50])
def test_least_confidence_and_margin_equal_a_sort(classes):
    probabilities = random_probabilities(classes)
    ordered = np.sort(probabilities.numpy(), axis=1)
    np.testing.assert_allclose(least_confidence(probabilities), 1 - ordered[:, -1], atol=1e-6)
    np.testing.assert_allclose(margin(probabilities), 1 - (ordered[:, -1] - ordered[:, -2]), atol=1e-6)


def test_hand_worked_example():
    probabilities = torch.tensor([[0.5, 0.3, 0.2]])
    expected = -(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2))
    assert entropy(probabilities).item() == pytest.approx(expected, abs=1e-6)
    assert least_confidence(probabilities).item() == pytest.approx(0.5)
    assert margin(probabilities).item() == pytest.approx(0.8)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_certain_uniform_and_tiny_probabilities_are_finite_and_ordered(score, dtype):
    rows = [[1.0, 0.0, 0.0], [1 - 1e-30, 1e-30, 0.0], [0.9, 0.1, 0.0], [1 / 3, 1 / 3, 1 / 3]]
    scores = score(torch.tensor(rows, dtype=dtype))
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()
    assert scores[0] <= scores[1] < scores[2] < scores[3]


@pytest.mark.parametrize("score", SCORES)
def test_one_class_and_one_example(score):
    assert score(torch.ones(4, 1)).shape == (4,)
    assert len(set(score(torch.ones(4, 1)).tolist())) == 1
    assert score(torch.tensor([[0.2, 0.8]])).shape == (1,)
