"""Rows of numbers, a block at a time."""

import numpy as np
import pytest

from hfal.strategies.vectors import BLOCK, UnitRows, square_distances
from support.chance import points


pytestmark = pytest.mark.filterwarnings("error")


def test_squared_distances_are_those_of_subtraction_and_never_negative():
    a, b = points(50, 16).astype(float), points(30, 16, seed=1).astype(float)
    assert np.allclose(square_distances(a, b), ((a[:, None] - b) ** 2).sum(axis=2))
    unit = UnitRows(points(500, 384))[:]
    assert square_distances(unit, unit).min() >= 0  # whose root is no NaN


def test_unit_rows_are_normalized_copies_whether_kept_or_not():
    embeddings = points(BLOCK + 5, 3)
    embeddings[7] = 0
    before = embeddings.copy()
    expected = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-30)
    for some in (embeddings, embeddings[: BLOCK - 1]):
        rows = UnitRows(some)
        assert np.allclose(np.concatenate([block for _, block in rows.blocks()]), expected[: len(some)])
        assert np.allclose(rows[np.array([5, 7])], expected[[5, 7]])
        for vector in np.eye(3, dtype=np.float32)[:2] + 0.5:
            assert np.allclose(rows.products(vector), expected[: len(some)] @ vector, atol=1e-6)
    assert np.array_equal(embeddings, before)
