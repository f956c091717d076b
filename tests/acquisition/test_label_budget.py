"""What is left of a budget, what it can pay for, and how many examples make a query; counted by hand."""

import numpy as np
import pytest
from datasets import Dataset

from hfal import Answer, Pool
from hfal.acquisition.label_budget import LabelBudget
from support.pools import query


WORDS = [3, 1, 4, 1, 5, 2]  # in the sentences a to f; 16 in all


@pytest.fixture
def pool(tmp_path) -> Pool:
    sentences = [[f"word{place}" for place in range(words)] for words in WORDS]
    data = Dataset.from_dict({"tokens": sentences, "key": list("abcdef")})
    return Pool(data, tmp_path / "run", "tokens", label_names=["O", "B-PER"], id_column="key")


def tag(pool: Pool, example_id: str) -> None:
    pool.record(Answer(example_id, ["O"] * WORDS[pool.position(example_id)], annotator="ann"))


@pytest.mark.parametrize(
    ("unit", "limit", "left"),
    [("examples", 5, [5, 4, 2, 2]), ("words", 16, [16, 13, 8, 8]), ("words", 7, [7, 4, 0, 0]), ("words", None, None)],
)
def test_answers_and_open_questions_are_taken_from_the_budget_once(pool, unit, limit, left):
    budget = LabelBudget(pool, unit, limit)
    found = [budget.left()]
    tag(pool, "a")
    found.append(budget.left())
    query(pool, *"bc")
    found.append(budget.left())
    tag(pool, "b")
    found.append(budget.left())
    assert found == (left or [None] * 4)


@pytest.mark.parametrize(
    ("limit", "affordable"),
    [
        (None, [0, 1, 2, 3, 4, 5]),
        (4, [0, 1, 2, 3, 5]),
        (3, [0, 1, 3, 5]),
        (2, []),  # less than an average sentence has, 16 / 6
    ],
)
def test_sentences_that_are_longer_than_what_is_left_are_not_asked_for(pool, limit, affordable):
    assert LabelBudget(pool, "words", limit).affordable().tolist() == affordable


def test_a_budget_of_examples_pays_for_any_of_them(pool):
    tag(pool, "c")
    assert LabelBudget(pool, "examples", 2).affordable().tolist() == [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("unit", "limit", "size", "rows"),
    [
        ("examples", None, 4, [4, 0, 1, 2]),
        ("examples", 2, 4, [4, 0]),
        ("examples", None, 9, [4, 0, 1, 2, 3, 5]),
        ("words", None, 5, [4]),
        ("words", None, 6, [4, 0]),  # the sentence with which it reaches 6
        ("words", None, 9, [4, 0, 1]),
        ("words", 7, 9, [4]),  # where the next one would cost more than is left
        ("words", 8, 9, [4, 0]),
        ("words", None, 99, [4, 0, 1, 2, 3, 5]),
    ],
)
def test_a_query_has_as_many_as_reach_its_size(pool, unit, limit, size, rows):
    best_first = np.array([4, 0, 1, 2, 3, 5])  # of 5, 3, 1, 4, 1 and 2 words
    found = LabelBudget(pool, unit, limit).fill(lambda count: best_first[:count], size, np.arange(6))
    assert found.tolist() == rows


def test_what_is_reserved_is_left_for_something_else(pool):
    best_first = np.array([4, 0, 1, 2, 3, 5])
    for reserved, rows in ((0, [4, 0, 1, 2]), (2, [4, 0]), (4, [])):
        budget = LabelBudget(pool, "examples", 4)
        assert budget.fill(lambda count: best_first[:count], 5, np.arange(6), reserved).tolist() == rows
