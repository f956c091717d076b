"""Names of options that are written down where no torch is loaded."""

from hfal.acquisition.options import SEED_STRATEGIES
from hfal.strategies import SEED_SELECTIONS


def test_the_names_of_seed_strategies_are_those_of_the_registry() -> None:
    assert ("random", "stratified", *SEED_SELECTIONS) == SEED_STRATEGIES
