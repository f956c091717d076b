"""Batches of a number of tokens."""

import numpy as np
import pytest

from hfal.acquisition.token_batches import plan_batches


def test_a_plan_covers_every_row_once_within_the_budget_longest_first():
    lengths = np.random.default_rng(0).integers(1, 300, size=1000)
    plan = plan_batches(lengths, 1000)
    assert sorted(np.concatenate(plan)) == list(range(1000))
    assert all(len(rows) * lengths[rows].max() <= 1000 for rows in plan)
    longest = [lengths[rows].max() for rows in plan]
    assert longest == sorted(longest, reverse=True)
    padded = sum(len(rows) * lengths[rows].max() for rows in plan)
    assert padded / lengths.sum() < 1.05
    with pytest.raises(ValueError, match="token_budget=0"):
        plan_batches(lengths, 0)


def test_the_plan_does_not_depend_on_the_order_but_through_ties(reviews):
    lengths = np.random.default_rng(0).permutation(500) + 1
    order = np.random.default_rng(1).permutation(500)
    assert [sorted(lengths[b]) for b in plan_batches(lengths, 999)] == [
        sorted(lengths[order][b]) for b in plan_batches(lengths[order], 999)
    ]
