"""Chance that is the same every time."""

import numpy as np


def rng(seed: int = 7) -> np.random.Generator:
    return np.random.default_rng(seed)


def points(n: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    """Normally distributed, float32[n, dimensions]."""
    return rng(seed).normal(size=(n, dimensions)).astype(np.float32)
