"""Thresholds of labels, given by name, as one number, and on the command line."""

import pytest

from hfal.errors import ArgumentError
from hfal.tasks.thresholds import parse_thresholds, thresholds_of


NAMES = ["PER", "LOC", "ORG"]


def test_thresholds():
    assert thresholds_of(None, NAMES) == {"PER": 0.5, "LOC": 0.5, "ORG": 0.5}
    assert thresholds_of(0.3, NAMES) == {"PER": 0.3, "LOC": 0.3, "ORG": 0.3}
    assert list(thresholds_of({"ORG": 0.2, "PER": 0.7}, NAMES).items()) == [("PER", 0.7), ("LOC", 0.5), ("ORG", 0.2)]
    for wrong, message in [
        ({"CITY": 0.5}, "'CITY', which is no label; the labels are: PER, LOC, ORG"),
        ({"LOC": 1.2}, "the threshold of 'LOC' is 1.2, expected a number between 0 and 1"),
        (0, "the threshold of 'PER' is 0"),
        ({"LOC": "0.3"}, "the threshold of 'LOC' is '0.3', expected a number between 0 and 1"),
        ([0.1, 0.2, 0.3], "the threshold of 'PER' is \\[0.1, 0.2, 0.3\\], expected a number"),
    ]:
        with pytest.raises(ArgumentError, match=message):
            thresholds_of(wrong, NAMES)


@pytest.mark.parametrize(
    ("words", "expected"), [(["0.4"], 0.4), (["PER=0.4"], {"PER": 0.4}), (["a=b=.3", "c = 1"], {"a=b": 0.3, "c": 1.0})]
)
def test_thresholds_of_the_command_line(words, expected):
    assert parse_thresholds(words) == expected


@pytest.mark.parametrize("words", [["high"], ["0.4", "0.5"], ["PER=0.4", "0.5"], ["PER="]])
def test_thresholds_that_cannot_be_meant(words):
    with pytest.raises(ArgumentError, match="expected one number"):
        parse_thresholds(words)
