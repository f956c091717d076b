"""The words of an entity, as somebody at the terminal types them."""

import pytest

from hfal.annotators.session.entity_session import word_ranges
from hfal.errors import ArgumentError


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("3", [(2, 3)]),
        (" 3-5 ", [(2, 5)]),
        ("3-5, 9", [(2, 5), (8, 9)]),
        ("9 3-5", [(8, 9), (2, 5)]),
        ("1,2;3", [(0, 1), (1, 2), (2, 3)]),
        ("3 \u2013 5,", [(2, 5)]),
        ("\uff13-\uff15", [(2, 5)]),  # as an input method for Japanese types them
    ],
)
def test_words_are_typed_as_numbers_and_ranges(typed, expected):
    assert word_ranges(typed, 9) == expected


@pytest.mark.parametrize(
    "typed", ["", " , ", "-", "3-", "-3", "3-4-5", "1.5", "all", "10", "3-10", "9" * 5000, "2 1-3"]
)
def test_anything_else_is_refused(typed):
    with pytest.raises(ArgumentError):
        word_ranges(typed, 9)
