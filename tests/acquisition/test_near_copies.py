"""Near copies, against the Jaccard index as it is defined."""

import re
from itertools import pairwise

import numpy as np
import pytest

from hfal.acquisition.near_copies import PairIndex
from hfal.errors import ArgumentError


def jaccard(one: str, other: str) -> float:
    first, second = (set(pairwise(re.findall(r"\w+", text.lower()))) for text in (one, other))
    return len(first & second) / len(first | second)


def test_texts_are_found_by_the_share_of_pairs_of_words():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["a", "b", "c"], rng.integers(2, 7))) for _ in range(80)]
    index = PairIndex()
    for text in texts:
        index.add(text)
    for least in (0.2, 0.5, 1.0):
        for text in texts[:20]:
            expected = [n for n, other in enumerate(texts) if jaccard(text, other) >= least]
            assert sorted(index.similar(text, least)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("so GOOD,  it hurts!", [0]), ("good", [1]), ("???", [2]), ("", []), ("hurts it so good", [])],
)
def test_capitals_and_signs_make_no_difference_and_short_texts_are_compared_too(text, expected):
    index = PairIndex()
    for other in ("So good it hurts.", "Good!", "???"):
        index.add(other)
    assert index.similar(text, 0.9) == expected


def test_a_share_of_nothing_is_refused():
    with pytest.raises(ArgumentError, match="least=0, expected a share above 0 and up to 1"):
        PairIndex().similar("a b", 0)
