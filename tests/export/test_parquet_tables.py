"""Columns of Parquet tables that have to be of certain types."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfal.errors import ArgumentError
from hfal.export.parquet_tables import are_lists_of, are_texts, fits_feature, read_table
from hfal.tasks.kinds import kind_of


TYPES = {"id": (are_texts, "texts"), "words": (are_lists_of(are_texts), "lists of words")}


def test_columns_are_read_in_the_order_of_the_types(tmp_path):
    pq.write_table(pa.table({"more": [1], "words": [["a", "b"]], "id": ["x"]}), tmp_path / "t.parquet")
    (row,) = read_table(tmp_path / "t.parquet", TYPES)
    assert list(row.items()) == [("id", "x"), ("words", ["a", "b"])]


def test_columns_that_may_be_missing_or_have_no_value(tmp_path):
    pq.write_table(pa.table({"id": ["x"], "words": pa.nulls(1)}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", TYPES, may_be_empty=["words"]) == [{"id": "x", "words": None}]
    with pytest.raises(ArgumentError, match=r"t\.parquet: column 'words' holds 'null', expected lists of words"):
        read_table(tmp_path / "t.parquet", TYPES)
    more = {**TYPES, "more": (are_texts, "texts")}
    assert len(read_table(tmp_path / "t.parquet", more, may_be_empty=["words"], optional=["more"])) == 1
    with pytest.raises(ArgumentError, match=r"t\.parquet has no column 'more', expected one with texts"):
        read_table(tmp_path / "t.parquet", more, may_be_empty=["words"])


def test_a_column_that_is_there_twice_and_a_file_that_is_no_table(tmp_path):
    pq.write_table(pa.table([["x"], ["y"]], names=["id", "id"]), tmp_path / "t.parquet")
    with pytest.raises(ArgumentError, match=r"t\.parquet has 2 columns called 'id'"):
        read_table(tmp_path / "t.parquet", {"id": TYPES["id"]})
    (tmp_path / "t.parquet").write_bytes(b"no table")
    with pytest.raises(ArgumentError, match=r"t\.parquet cannot be read: "):
        read_table(tmp_path / "t.parquet", {"id": TYPES["id"]})


@pytest.mark.parametrize(
    ("task", "type"),
    [("text_classification", pa.int64()), ("multi_label_classification", pa.list_(pa.int64()))],
)
def test_types_of_answers(task, type):
    fits = fits_feature(kind_of(task).feature(["a", "b"]))
    assert fits(type)
    assert not fits(pa.string())
