from dataclasses import fields
from inspect import signature

from hfal import ActiveLearningCallback
from hfal.acquisition.options import QueryOptions
from hfal.training.options import LoopOptions


def test_the_callback_takes_every_option_by_its_name_and_no_other():
    names = [option.name for option in (*fields(QueryOptions), *fields(LoopOptions))]
    assert len(set(names)) == len(names)
    assert set(signature(ActiveLearningCallback).parameters) == {"pool", "strategy", "annotator", *names}
