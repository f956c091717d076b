"""Which texts are asked again: counted by hand, and from what a store has."""

import numpy as np
import pytest
from datasets import Dataset

from hfal import Answer, Pool
from hfal.acquisition.asking_again import ask_again, choose, ids_to_ask_again, old_texts
from hfal.acquisition.label_budget import LabelBudget
from hfal.store.run_info import RunPlan
from support.pools import a_pool, query


# No text has two opinions, so that model, annotator and the opinion to come weigh the same. In `SCORES` is the model's
# probability of the class that was given, or of the likeliest one of a new text.
OPINIONS = np.array([[0, -1], [0, -1], [-1, 1], [-1, -1], [-1, -1], [-1, -1]])
PROBABILITIES = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [1.0, 0.0], [0.8, 0.2]])
SCORES = [*(1 - (2 * p + 1 / 2) / 3 for p in (0.9, 0.2, 0.6)), *(1 - (p + 1 / 2) / 2 for p in (0.6, 1.0, 0.8))]
ORDER = [1, 3, 2, 5, 4, 0]
ALL = np.ones(6, bool)


@pytest.mark.parametrize(
    ("may", "size", "old", "new"),
    [
        ([0, 1, 2], 1, [1], 0),
        ([0, 1, 2], 2, [1], 1),
        ([0, 1, 2], 3, [1, 2], 1),
        ([0, 1, 2], 4, [1, 2], 2),
        ([0, 1, 2], 6, [1, 2, 0], 3),
        ([0, 1, 2], 60, [1, 2, 0], 3),
        ([0, 2], 2, [2], 1),  # row 1 may not be asked, and leaves its place to the next
        ([], 6, [], 3),
    ],
)
def test_the_best_of_old_and_new_are_asked(may, size, old, new):
    assert np.argsort(SCORES)[::-1].tolist() == ORDER
    found, number, scores = choose(OPINIONS, PROBABILITIES, np.isin(np.arange(6), may), size)
    assert (found.tolist(), number) == (old, new)
    assert scores == pytest.approx(SCORES)


@pytest.mark.parametrize(
    ("left", "old", "new"), [(0, [], 0), (2, [1], 0), (3, [1], 1), (4, [1, 2], 1), (5, [1, 2], 1), (6, [1, 2], 2)]
)
def test_an_old_text_takes_one_opinion_of_the_budget_and_a_new_one_what_it_costs(left, old, new):
    costs = np.array([1, 1, 1, 2, 2, 2])
    found, number, _ = choose(OPINIONS, PROBABILITIES, ALL, 4, costs, left)
    assert (found.tolist(), number) == (old, new)


def test_without_a_new_text_old_ones_are_asked_and_without_old_ones_new_ones():
    assert choose(OPINIONS[:3], PROBABILITIES[:3], ALL[:3], 2)[0].tolist() == [1, 2]
    found, number, _ = choose(OPINIONS[3:], PROBABILITIES[3:], ~ALL[3:], 2)
    assert (found.tolist(), number) == ([], 2)
    found, number, _ = choose(np.empty((0, 0), int), np.empty((0, 2)), np.empty(0, bool), 2)
    assert (found.tolist(), number) == ([], 0)


# -- what a store says ------------------------------------------------------------------------------------------------


def say(pool: Pool, example_id: str, label: str | None, name: str, action: str = "label") -> None:
    pool.record(Answer(example_id, label, action, name))


def plan(pool: Pool, *names: str, method: str = "one_coin") -> None:
    with pool.store.own():
        pool.store.set_plan(RunPlan(annotators=names, aggregate_labels=method))


@pytest.fixture
def pool(tmp_path) -> Pool:
    texts = ["held", "settled", "skipped", "open", "all", "one", "half", "new"]
    data = Dataset.from_dict({"text": texts, "key": texts})
    pool = Pool(data, tmp_path / "run", "text", label_names=["no", "yes"], id_column="key")
    plan(pool, "anna", "ben")
    query(pool, "held", purpose="holdout")
    query(pool, *texts[1:7])
    for text in ("held", "settled", "open", "all", "one", "half"):
        say(pool, text, "yes", "anna")
    say(pool, "settled", "no", "anna", "settle")
    say(pool, "skipped", None, "ben", "skip")
    say(pool, "all", "no", "ben")
    say(pool, "half", None, "ben", "unsure")
    for one in pool.store.open_queries():
        pool.store.close_query(one.number)
    query(pool, "open")
    return pool


def test_texts_are_asked_again_of_somebody_who_has_not_answered_them(pool):
    assert ids_to_ask_again(pool.store) == {"one"}  # ben has said that he cannot tell "half"
    plan(pool, "anna", "ben", "carl")
    assert ids_to_ask_again(pool.store) == {"all", "one", "half"}
    plan(pool, "carl")
    assert ids_to_ask_again(pool.store) == {"all", "one", "half"}
    plan(pool)
    assert ids_to_ask_again(pool.store) == set()


def test_where_anybody_may_come_those_are_asked_who_have_come(pool):
    plan(pool, "anybody")
    assert ids_to_ask_again(pool.store) == {"one"}
    say(pool, "skipped", "yes", "carl")
    assert ids_to_ask_again(pool.store) == {"all", "one", "half", "skipped"}
    before = pool.store.last_answer() - 1
    assert ids_to_ask_again(pool.store, before) == {"one"}


def test_labels_of_the_data_are_no_opinions(tmp_path):
    pool = a_pool(tmp_path / "run", labels=["positive", "negative", None, None])
    plan(pool, "anna", "ben")
    _, _, third, _ = pool.ids.to_pylist()
    say(pool, third, "positive", "anna")
    ids = [*pool.training_labels()]
    assert len(ids) == 3
    old = old_texts(pool, ids, np.eye(3)[:, :2], pool.store.last_answer())
    assert old.positions.tolist() == [pool.position(third)]
    assert old.may_ask_again.tolist() == [True]
    assert old.probabilities.tolist() == [[0, 0]]


def test_old_texts_have_their_opinions_and_how_many_have_answered(pool):
    ids = [*pool.training_labels()]
    assert ids == ["settled", "open", "all", "one", "half"]
    old = old_texts(pool, ids, np.arange(10).reshape(5, 2) / 10, pool.store.last_answer())
    assert [pool.ids[int(row)].as_py() for row in old.positions] == ids
    assert old.opinions.tolist() == [[1, -1], [1, -1], [1, 0], [1, -1], [1, -1]]
    assert old.answered.tolist() == [1, 1, 2, 1, 2]
    assert old.may_ask_again.tolist() == [False, False, False, True, False]
    arrays = {"probabilities": np.array([[0.5, 0.5]])}
    again = ask_again(old, pool.positions(["new"]), arrays, LabelBudget(pool, "examples", None), 5)
    assert [pool.ids[int(row)].as_py() for row in again.positions] == ["one"]
    assert again.opinions.tolist() == [2]
    assert again.new == 1
    assert len(again.scores_of_new) == 1
    assert again.scores_by_id(pool, np.array([7]), np.array([7])) == {
        "old": {"one": again.scores[0]},
        "new": {"new": again.scores_of_new[0]},
    }
