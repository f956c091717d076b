"""The options of the callback."""

from dataclasses import fields
from inspect import signature

import pytest

from hfal import ActiveLearningCallback, SimulatedAnnotator
from hfal.acquisition.options import QueryOptions
from hfal.errors import ArgumentError
from hfal.training.options import LoopOptions


def test_the_callback_takes_every_option_by_its_name_and_no_other():
    names = [option.name for option in (*fields(QueryOptions), *fields(LoopOptions))]
    assert len(set(names)) == len(names)
    names.remove("asks_ahead")  # which follows from others
    assert set(signature(ActiveLearningCallback).parameters) == {"pool", "strategy", "annotator", *names}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"query_size": 0}, "query_size=0, expected at least 1"),
        ({"holdout": -1}, "holdout=-1, expected at least 0"),
        ({"budget": 10, "holdout": 10}, "leaves nothing to train on"),
        ({"retrain": "warm"}, "retrain='warm', expected one of from_scratch, continue"),
        ({"seed_strategy": "diverse"}, "seed_strategy='diverse'"),
        ({"target_metric": "accuracy"}, "belong together"),
        ({"strategy": "entropi"}, "Did you mean 'entropy'"),
        ({"overlap": 0}, "overlap=0, expected at least 1"),
        ({"overlap_share": 0}, "overlap_share=0, expected a share above 0 and up to 1"),
        ({"overlap_share": 2}, "overlap_share=2, expected a share above 0 and up to 1"),
        ({"aggregate_labels": "mean"}, "aggregate_labels='mean', expected one of latest, majority, one_coin, dawid_"),
    ],
)
def test_arguments_that_cannot_be(make_active, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_active(**options)


@pytest.mark.parametrize(
    ("people", "overlap", "complaint"),
    [
        ([], 2, r"overlap=2 has so many people label a text, but there is one annotator: name more, or lower it"),
        (["anna", "ben"], 3, r"overlap=3 has so many people .*, but annotators has anna, ben: name more, or lower it"),
    ],
)
def test_more_people_are_to_label_a_text_than_there_are(make_active, people, overlap, complaint):
    active = make_active(overlap=overlap)
    active.annotator = SimulatedAnnotator(active.pool, annotators=people)
    with pytest.raises(ArgumentError, match=complaint):
        active.annotate()
    assert active.pool.store.queries() == []


def test_labels_are_aggregated_by_reliability_where_several_people_label(make_active, tmp_path):
    assert make_active().options.aggregate_labels == "latest"
    assert make_active(tmp_path / "2", overlap=2).options.aggregate_labels == "majority"
    assert make_active(tmp_path / "3", overlap=2, aggregate_labels="latest").options.aggregate_labels == "latest"
