"""Strategies as options give them."""

import pytest

from hfal import Hybrid, LabelRank, LabelScore
from hfal.strategies import label_set_strategy


@pytest.mark.parametrize(
    ("name", "aggregate", "strategy"),
    [
        ("entropy", "mean", LabelScore("entropy")),
        ("margin", "rank", LabelRank("margin")),
        ("margin + kmeans", "max", Hybrid(LabelScore("margin", "max"), "kmeans")),
        ("random", "mean", "random"),
        ("kmeans", "rank", "kmeans"),
    ],
)
def test_names_of_the_command_line(name, aggregate, strategy):
    assert label_set_strategy(name, aggregate) == strategy
