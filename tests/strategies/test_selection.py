"""Signals, and the two plainest ways to select from them."""

import numpy as np

from hfal import Signals
from hfal.strategies import random as random_selection
from hfal.strategies import top_k
from support.chance import rng


def test_a_subset_of_signals_keeps_what_is_known_of_the_labeled():
    known = Signals(3, scores=np.arange(3.0), embeddings=np.eye(3), labeled_embeddings=np.ones((7, 3)))
    some = known.rows(np.array([2, 0]))
    assert (some.size, some.scores.tolist(), some.labeled_embeddings.shape) == (2, [2, 0], (7, 3))
    assert some.embeddings.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert some.probabilities is None


def test_top_k_is_a_stable_descending_sort():
    scores = np.array([0.1, 0.9, 0.5, 0.9, 0.5], np.float32)
    assert top_k(Signals(5, scores=scores), 4, rng()).tolist() == [1, 3, 2, 4]


def test_random_draws_without_replacement_and_repeats_with_its_seed():
    first, second = (random_selection(Signals(50), 20, rng()) for _ in range(2))
    assert first.tolist() == second.tolist()
    assert len(set(first.tolist())) == 20


def test_random_is_uniform():
    generator = rng()
    counts = np.zeros(10)
    for _ in range(3000):
        counts[random_selection(Signals(10), 3, generator)] += 1
    # 900 expected each, standard deviation 25: five of them
    assert np.abs(counts - 900).max() < 125
