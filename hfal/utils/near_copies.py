"""Near-copies of texts, told by the character n-grams that they have in common."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.feature_extraction.text import HashingVectorizer


_IN_COMMON = 0.8
_NGRAMS = HashingVectorizer(analyzer="char", ngram_range=(5, 5), alternate_sign=False, norm="l2", dtype=np.float32)


def ngram_counts(texts: Sequence[str]) -> csr_matrix:
    """Return how often each text has each of its runs of five characters, hashed, float32[n, 2**20], of length 1.

    Capitals are small letters here; a shorter text is one run.
    """
    if not texts:
        return csr_matrix((0, _NGRAMS.n_features), dtype=np.float32)
    counts: csr_matrix = _NGRAMS.transform([" ".join(text.split()).ljust(5, "\0") for text in texts])
    return counts


def near_copies(counts: csr_matrix, others: csr_matrix, least: float = _IN_COMMON) -> csr_matrix:
    """Return which texts are near-copies of which others, bool[n, m].

    Args:
        counts: What `ngram_counts` gave for the texts.
        others: And for the others.
        least: The least cosine of their counts, above 0: so much as 0.8 have two sentences in common of which one has
            another word among ten.
    """
    cosines = counts @ others.T
    found: csr_matrix = (cosines >= least).tocsr()
    return found
