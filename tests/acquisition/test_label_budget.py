"""What is left of a budget, what it can pay for, and how many examples make a query; counted by hand."""

from types import SimpleNamespace

import numpy as np
import pytest
from datasets import Dataset
from scipy.stats import binomtest

from hfal import Answer, Pool
from hfal.acquisition.label_budget import LabelBudget, opinions_wanted
from hfal.store.records import Queried, Query
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


# -- several opinions ----------------------------------------------------------------------------------------------


def ask_several(pool: Pool, opinions) -> None:
    examples = tuple(
        Queried(i, pool.content(p), pool.texts([p])[0])
        for i, p in zip(opinions, pool.positions(opinions), strict=True)
    )
    pool.store.add_query(Query(1, "round", "random", 0, examples, settings={"opinions": dict(opinions)}))


@pytest.mark.parametrize(
    ("unit", "left"),
    [("examples", [20, 17, 15, 15, 15, 16]), ("words", [20, 13, 11, 11, 11, 14])],
)
def test_each_opinion_is_taken_from_the_budget_once(pool, unit, left):
    budget = LabelBudget(pool, unit, 20, np.array([2, 1, 1, 1, 1, 1]))
    found = [budget.left()]
    ask_several(pool, {"a": 2, "b": 1})  # of 3 and 1 words
    found.append(budget.left())
    ask_several(pool, {"b": 3})  # so that b is asked of three, not of four
    found.append(budget.left())
    tag(pool, "a")
    found.append(budget.left())
    pool.record(Answer("a", ["B-PER", "O", "O"], annotator="ben"))
    found.append(budget.left())
    pool.record(Answer("a", action="undo", annotator="ben"))
    pool.store.close_query(1)  # nobody is to say more of a
    found.append(budget.left())
    assert found == left


def test_costs_are_sizes_times_opinions(pool):
    opinions = np.array([1, 3, 1, 2, 1, 1])
    budget = LabelBudget(pool, "words", 30, opinions)
    assert budget.sizes.tolist() == WORDS
    assert budget.costs.tolist() == [3, 3, 4, 2, 5, 2]
    assert LabelBudget(pool, "examples", 30, opinions).costs.tolist() == opinions.tolist()


@pytest.mark.parametrize(
    ("unit", "opinions", "limit", "affordable"),
    [
        ("examples", 3, 2, []),  # half of what is asked is not asked at all
        ("examples", 3, 3, [0, 1, 2, 3, 4, 5]),
        ("examples", [3, 1, 1, 1, 1, 1], 2, [1, 2, 3, 4, 5]),
        ("words", 2, 6, [0, 1, 3, 5]),
        ("words", 2, 5, []),  # an average sentence costs 16 / 6, twice
    ],
)
def test_examples_whose_opinions_cost_more_than_what_is_left_are_not_asked_for(
    pool, unit, opinions, limit, affordable
):
    each = np.broadcast_to(opinions, 6).copy()
    assert LabelBudget(pool, unit, limit, each).affordable().tolist() == affordable


@pytest.mark.parametrize(
    ("unit", "opinions", "limit", "size", "rows"),
    [
        ("examples", 3, None, 4, [4, 0, 1, 2]),  # the size of a query is in texts
        ("examples", 3, 10, 4, [4, 0, 1]),
        ("examples", 3, 12, 4, [4, 0, 1, 2]),
        ("examples", [2, 1, 1, 1, 2, 1], 3, 4, [4]),  # 4 costs 2, 0 as much, and only one is left
        ("examples", [1, 2, 1, 1, 2, 1], 3, 4, [4, 0]),
        ("words", 2, None, 6, [4, 0]),
        ("words", 2, 16, 6, [4, 0]),
        ("words", 2, 15, 6, [4]),
    ],
)
def test_a_query_has_as_many_as_its_opinions_can_be_paid_for(pool, unit, opinions, limit, size, rows):
    best_first = np.array([4, 0, 1, 2, 3, 5])  # of 5, 3, 1, 4, 1 and 2 words
    budget = LabelBudget(pool, unit, limit, np.broadcast_to(opinions, 6).copy())
    assert budget.fill(lambda count: best_first[:count], size, np.arange(6)).tolist() == rows


# -- the share that several people label ---------------------------------------------------------------------------


def pool_of(run_dir, size: int) -> Pool:
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(size)], "key": [f"k{n}" for n in range(size)]})
    return Pool(data, run_dir, "text", label_names=["no", "yes"], id_column="key")


def wanted(pool: Pool, overlap: int, share: float, seed: int = 42) -> list[int]:
    options = SimpleNamespace(overlap=overlap, overlap_share=share, seed=seed)
    return opinions_wanted(pool, options).tolist()


def test_the_share_that_several_label_is_drawn_by_id_and_stays_when_the_pool_grows(tmp_path):
    small, large = pool_of(tmp_path / "small", 500), pool_of(tmp_path / "large", 4000)
    found = wanted(large, 3, 0.2)
    assert set(found) == {1, 3}
    assert wanted(small, 3, 0.2) == found[:500]
    assert binomtest(found.count(3), 4000, 0.2).pvalue > 0.001
    more = wanted(large, 3, 0.5)
    assert all(b == 3 for a, b in zip(found, more, strict=True) if a == 3)  # a larger share has all of a smaller one
    other = wanted(large, 3, 0.2, seed=43)
    both = sum(a == b == 3 for a, b in zip(found, other, strict=True))
    assert binomtest(both, 4000, 0.04).pvalue > 0.001  # another seed draws independently


def test_all_or_none_are_labeled_by_several(tmp_path):
    pool = pool_of(tmp_path, 20)
    assert (wanted(pool, 1, 0.3), wanted(pool, 4, 1.0)) == ([1] * 20, [4] * 20)


def test_what_is_reserved_is_left_for_something_else(pool):
    best_first = np.array([4, 0, 1, 2, 3, 5])
    for reserved, rows in ((0, [4, 0, 1, 2]), (2, [4, 0]), (4, [])):
        budget = LabelBudget(pool, "examples", 4)
        assert budget.fill(lambda count: best_first[:count], 5, np.arange(6), reserved).tolist() == rows
    budget = LabelBudget(pool, "examples", 4, np.array([1, 1, 1, 1, 3, 1]))
    assert budget.fill(lambda count: best_first[:count], 1, np.arange(6), 2).tolist() == []  # 4 costs 3
    assert budget.fill(lambda count: best_first[:count], 1, np.arange(6), 1).tolist() == [4]
