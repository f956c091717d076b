"""The table of strategies that README has, against what their papers and signatures say."""

import pytest

from hfal.strategies.table import strategies_table


@pytest.mark.parametrize(
    ("name", "source", "needs", "tasks"),
    [
        ("margin", "Scheffer et al. 2001", "one float", "texts, sets of labels, words"),
        ("bald", "Houlsby et al. 2011", "draws", "texts, words"),
        ("mnlp", "Shen et al. 2018", "one float", "words"),
        ("kcenter", "Sener & Savarese 2018", "embeddings, labeled embeddings", "texts, sets of labels, words"),
        ("badge", "Ash et al. 2020", "probabilities, features", "texts"),
        ("…+power", "Kirsch et al. 2023", "a score", "texts, sets of labels, words"),
    ],
)
def test_a_row_says_where_a_strategy_is_from_and_what_it_needs(name, source, needs, tasks):
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in strategies_table().splitlines()[2:]]
    (row,) = [row for row in rows if row[0] == f'`"{name}"`']
    assert row[1]
    assert row[2:] == [source, needs, tasks]
