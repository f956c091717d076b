"""Rows of numbers, a block at a time, so that what is memory-mapped stays on the disk."""

from collections.abc import Iterator

import numpy as np


BLOCK = 20_000  # rows


def row_blocks(n: int, size: int = BLOCK) -> Iterator[slice]:
    """Slices that cover n rows."""
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def unit_length(embeddings: np.ndarray) -> np.ndarray:
    """A copy in float32 whose rows have length one, so that dot products are cosines; zero rows stay zero."""
    rows = np.array(embeddings, np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, lengths, out=rows, where=lengths > 0)
