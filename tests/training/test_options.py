"""The options of the callback."""

from dataclasses import fields
from inspect import signature

import pytest

from hfal import ActiveLearningCallback
from hfal.acquisition.options import QueryOptions
from hfal.training.options import LoopOptions


def test_the_callback_takes_every_option_by_its_name_and_no_other():
    names = [option.name for option in (*fields(QueryOptions), *fields(LoopOptions))]
    assert len(set(names)) == len(names)
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
    ],
)
def test_arguments_that_cannot_be(make_active, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_active(**options)
