"""What counts as a near-copy, held against the cosine of runs of five characters that are counted by hand."""

from collections import Counter

import numpy as np

from hfal.utils.near_copies import near_copies, ngram_counts


TEXTS = [
    "the delivery was late again and nobody called me back",
    "The delivery was late again, and nobody called me back!",
    "the delivery was late again and nobody answered the phone",
    "the parcel came early",
    "ok",
    "OK",
    "",
]


def cosine(one: str, other: str) -> float:
    def count(text: str) -> Counter[str]:
        padded = " ".join(text.lower().split()).ljust(5, "\0")
        return Counter(padded[place : place + 5] for place in range(len(padded) - 4))

    a, b = count(one), count(other)
    lengths = [np.sqrt(sum(number**2 for number in of.values())) for of in (a, b)]
    return sum(a[run] * b[run] for run in a) / lengths[0] / lengths[1]


def test_near_copies_have_most_runs_of_five_characters_in_common():
    found = near_copies(ngram_counts(TEXTS), ngram_counts(TEXTS)).toarray()
    assert found.tolist() == [[cosine(one, other) >= 0.8 for other in TEXTS] for one in TEXTS]
    assert found[0].tolist() == [True, True, False, False, False, False, False]
    assert found[4].tolist() == [False, False, False, False, True, True, False]
    assert near_copies(ngram_counts(TEXTS), ngram_counts([])).shape == (7, 0)
