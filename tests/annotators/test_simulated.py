"""The simulated annotator, through a real pool and `hfal.annotators.asking.ask`."""

from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask, open_query
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.records import Answer
from support.models import NAMES
from support.query_files import add_query, answers, ids_of, make_pool, unlabeled_ids


def test_simulated_annotator_reveals_the_hidden_labels(tmp_path: Path, reviews: Dataset) -> None:
    data = reviews.select(range(7, 17))
    pool = Pool(data, tmp_path / "run", "text", label_column="label")
    ids = ids_of(pool)
    asked = [ids[8], ids[1], ids[4]]
    add_query(pool, asked)
    assert pool.labels() == {}
    ask(pool.store, SimulatedAnnotator(pool))
    assert answers(pool) == [(ids[i], "label", NAMES[data["label"][i]]) for i in (8, 1, 4)]
    assert {a.annotator for a in pool.store.answers()} == {"simulated"}
    assert pool.store.open_queries() == []
    assert sorted(unlabeled_ids(pool)) == sorted(set(ids) - set(asked))


@pytest.mark.parametrize("column", [["b", "a", "b"], [1, 0, 1]], ids=["strings", "integers"])
def test_simulated_annotator_knows_labels_without_a_class_label(tmp_path: Path, column: list[Any]) -> None:
    data = Dataset.from_dict({"text": ["one", "two", "three"], "gold": column})
    pool = Pool(data, tmp_path / "run", "text", label_column="gold", label_names=["a", "b"])
    ids = ids_of(pool)
    add_query(pool, ids)
    ask(pool.store, SimulatedAnnotator(pool, name="gold"))
    assert pool.labels() == {ids[0]: "b", ids[1]: "a", ids[2]: "b"}
    assert {a.annotator for a in pool.store.answers()} == {"gold"}


def test_simulated_annotator_goes_on_with_what_is_open(tmp_path: Path, reviews: Dataset) -> None:
    pool = Pool(reviews.select(range(4)), tmp_path / "run", "text", label_column="label")
    ids = ids_of(pool)
    add_query(pool, ids)
    annotator = SimulatedAnnotator(pool)
    pool.record(Answer(ids[2], NAMES[0], annotator="simulated", query=1))  # and then the process was killed
    ask(pool.store, annotator)
    ask(pool.store, annotator)
    assert [i for i, _, _ in answers(pool)] == [ids[2], ids[0], ids[1], ids[3]]


def test_simulated_annotator_needs_labels(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "none", ["a", "b"])
    with pytest.raises(ArgumentError, match="label_column"):
        SimulatedAnnotator(pool)

    data = Dataset.from_dict({"text": ["a", "b", "c"], "gold": ["x", "y", None]})
    pool = Pool(data, tmp_path / "some", "text", label_column="gold")
    ids = ids_of(pool)
    assert pool.labels() == {ids[0]: "x", ids[1]: "y"}  # known from the start where not all are
    add_query(pool, ids[2:])
    with pytest.raises(AnnotationError, match=rf"example {ids[2]} has no label in column 'gold'.*FileAnnotator"):
        ask(pool.store, SimulatedAnnotator(pool))


def test_people_take_turns_also_after_some_texts_were_answered_by_a_process_that_was_stopped(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": [*"abcdef"], "gold": [*"xyxyxy"]})
    for answered in (0, 4):
        pool = Pool(data, tmp_path / str(answered), "text", label_column="gold")
        add_query(pool, ids_of(pool))
        annotator = SimulatedAnnotator(pool, annotators=["anna", "ben", "carl"])
        for answer in [*annotator.annotate(open_query(pool.store, pool.store.open_queries()[0]))][:answered]:
            pool.record(answer)
        ask(pool.store, annotator)
        assert [answer.annotator for answer in pool.store.answers()] == ["anna", "ben", "carl"] * 2
