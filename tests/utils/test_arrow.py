"""Columns as Arrow, block by block, in the order of the data set's own rows."""

import pyarrow as pa
import pytest
from datasets import Dataset

from hfal.errors import ArgumentError
from hfal.utils.arrow import cells_of, check_free, tables_of


DATA = Dataset.from_dict({"a": [1, 2, 3, 4], "b": ["one", "two", "three", None], "c": [0, 0, 0, 0]})


def test_blocks_of_the_rows_that_were_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hfal.utils.arrow.ROWS_AT_A_TIME", 2)
    rows = DATA.select([3, 0, 1])
    found = [table.to_pydict() for table in tables_of(rows, "b", "a")]
    assert found == [{"b": [None, "one"], "a": [4, 1]}, {"b": ["two"], "a": [2]}]
    assert [cells.to_pylist() for cells in cells_of(rows.with_format("numpy"), "b")] == [[None, "one"], ["two"]]


def test_views_of_strings_come_as_strings() -> None:
    views, lists, numbers = ["a", None, "a"], [["a"], None, []], [1, None, 3]
    large = pa.large_list(pa.string_view())
    table = pa.table(
        {
            "views": pa.array(views, pa.string_view()),
            "lists": pa.array(lists, pa.list_(pa.string_view())),
            "large": pa.array(lists, large),
            "numbers": numbers,
        }
    )
    (found,) = tables_of(Dataset(table), *table.column_names)
    assert found.schema.types == [pa.string(), pa.list_(pa.string()), pa.large_list(pa.string()), pa.int64()]
    assert found.to_pydict() == {"views": views, "lists": lists, "large": lists, "numbers": numbers}


def test_a_name_that_is_taken() -> None:
    check_free(DATA, "d")
    with pytest.raises(ArgumentError, match=r"the data has a column 'a' already, .* rename yours"):
        check_free(DATA, "a")
