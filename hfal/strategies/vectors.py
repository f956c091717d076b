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


class UnitRows:
    """Embeddings, float[N, D], as rows of length one, read a block at a time.

    Up to `BLOCK` rows are normalized once and kept; of more, each block anew whenever it is read.

    Args:
        embeddings: float[N, D], never written to; `None` is no rows.
    """

    def __init__(self, embeddings: np.ndarray | None):
        embeddings = np.empty((0, 0), np.float32) if embeddings is None else embeddings
        self._kept = len(embeddings) <= BLOCK
        self._rows = unit_length(embeddings) if self._kept else embeddings
        self._scales: np.ndarray | None = None  # one over the lengths, where rows are not kept

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        """The rows, float32[n, D]; not to be written to."""
        return self._rows[rows] if self._kept else unit_length(self._rows[rows])

    def products(self, vector: np.ndarray) -> np.ndarray:
        """Dot products of all rows with one vector, float32[D]: float32[N].

        Of many rows the lengths are computed once, so that another vector costs no more than reading the rows.
        """
        if self._kept:
            products: np.ndarray = self._rows @ vector
            return products
        if self._scales is None:
            self._scales = np.empty(len(self), np.float32)
            for rows in row_blocks(len(self)):
                lengths = np.linalg.norm(np.asarray(self._rows[rows], np.float32), axis=1)
                self._scales[rows] = np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        parts = [np.asarray(self._rows[rows], np.float32) @ vector for rows in row_blocks(len(self))]
        return np.concatenate(parts) * self._scales

    def blocks(self, size: int = BLOCK) -> Iterator[tuple[slice, np.ndarray]]:
        """Which rows and the rows themselves, float32[n, D], until all were given."""
        return ((rows, self[rows]) for rows in row_blocks(len(self), size))


def square_distances(rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances, float32[n, m], of rows [n, D] from others [m, D], by one matrix product.

    Never negative: rounding gives a row a distance of -1e-7 from itself, whose root would be NaN.
    """
    distances = rows @ others.T
    distances *= -2
    distances += np.vecdot(rows, rows)[:, None]
    distances += np.vecdot(others, others)
    return np.maximum(distances, 0, out=distances)
