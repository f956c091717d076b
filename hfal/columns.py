"""Columns of a data set as Arrow, block by block: neither copied into Python objects nor in memory as a whole."""

from collections.abc import Iterator

import datasets
import pyarrow as pa


ROWS_AT_A_TIME = 10_000


def tables_of(dataset: datasets.Dataset, *names: str) -> Iterator[pa.Table]:
    """The named columns, some thousand rows at a time."""
    yield from dataset.select_columns(list(names)).with_format("arrow").iter(ROWS_AT_A_TIME)


def cells_of(dataset: datasets.Dataset, column: str) -> Iterator[pa.Array]:
    """One column, some thousand cells at a time."""
    for table in tables_of(dataset, column):
        yield table[column].combine_chunks()
