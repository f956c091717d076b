"""Names of options that are written down where no torch is loaded."""

from hfal.acquisition.options import SEED_STRATEGIES, STRATEGIES
from hfal.strategies import SCORES, SEED_SELECTIONS, SELECTIONS


def test_the_names_of_seed_strategies_are_those_of_the_registry() -> None:
    assert ("random", "stratified", *SEED_SELECTIONS) == SEED_STRATEGIES


def test_the_names_of_strategies_are_those_of_the_registry() -> None:
    known = {name for families in (SCORES, SELECTIONS) for names in families.values() for name in names}
    assert (set(STRATEGIES), len(STRATEGIES)) == (known, len(known))
