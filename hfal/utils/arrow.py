"""Columns of a data set as Arrow, block by block: neither copied into Python objects nor in memory as a whole."""

from collections.abc import Iterator

import datasets
import pyarrow as pa

from hfal.errors import ArgumentError


ROWS_AT_A_TIME = 10_000

MIXED = {b"hfal": b"mixed"}
"""Metadata of a column whose values, or what is in its lists, were of several types, lists or objects among them, and
are JSON as text."""


def tables_of(dataset: datasets.Dataset, *names: str) -> Iterator[pa.Table]:
    """Yield the named columns, some thousand rows at a time; string views as strings, which Arrow can compare."""
    for table in dataset.select_columns(list(names)).with_format("arrow").iter(ROWS_AT_A_TIME):
        for place, field in enumerate(table.schema):
            kind = _without_views(field.type)
            if kind != field.type:
                table = table.set_column(place, field.name, table[place].cast(kind))
        yield table


def _without_views(kind: pa.DataType) -> pa.DataType:
    """The type with `string` for `string_view`, of which `pyarrow.compute.unique` loses the missing ones."""
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_list(kind):
        return pa.list_(_without_views(kind.value_type))
    if pa.types.is_large_list(kind):
        return pa.large_list(_without_views(kind.value_type))
    if pa.types.is_dictionary(kind):
        return _without_views(kind.value_type)
    return kind


def is_mixed(dataset: datasets.Dataset, name: str) -> bool:
    """Whether a column is marked as `MIXED`."""
    metadata = dataset.data.schema.field(name).metadata or {}
    return MIXED.items() <= metadata.items()


def check_free(dataset: datasets.Dataset, name: str) -> None:
    """Refuse a data set that has a column of a name that hfal is about to use.

    Raises:
        ArgumentError: It has.
    """
    if name in dataset.column_names:
        raise ArgumentError(
            f"the data has a column {name!r} already, the name of the one that is made here: rename yours"
        )


def cells_of(dataset: datasets.Dataset, column: str) -> Iterator[pa.Array]:
    """Yield one column, some thousand cells at a time."""
    for table in tables_of(dataset, column):
        yield table[column].combine_chunks()
