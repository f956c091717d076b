"""Samples for seed sets."""

import numpy as np

from hfal.strategies import stratified
from support.chance import rng


def test_stratified_gives_every_class_its_share_and_rare_ones_one():
    labels = np.array([0] * 70 + [1] * 27 + [2] * 3)
    picked = stratified(labels, 20, rng())
    assert len(set(picked.tolist())) == 20
    counts = np.bincount(labels[picked], minlength=3)
    assert counts[2] == 1
    assert abs(counts[0] - 14) <= 1
    assert abs(counts[1] - 5.4) <= 1
    assert sorted(labels[stratified(labels, 3, rng())]) == [0, 1, 2]
    assert sorted(stratified(labels, 100, rng())) == list(range(100))
