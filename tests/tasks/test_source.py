"""Rows that a user names on the command line, as messages count them."""

import pytest
from datasets import Dataset

from hfal.errors import ArgumentError
from hfal.tasks.source import Source, check_texts


def source(reference: str, *texts: str | None) -> Source:
    """A source whose rows are every second one of the split."""
    return Source(reference, Dataset.from_dict({"text": [*texts]}), range(0, 2 * len(texts), 2), ["text"], None, None)


@pytest.mark.parametrize(
    ("reference", "place"),
    [
        ("reviews.csv", "row 6 (row 1 names the columns)"),
        ("reviews.TSV", "row 6 (row 1 names the columns)"),
        ("reviews.jsonl", "row 5"),
        ("me/reviews", "row 5"),
        ("news.conll", "sentence 5"),
    ],
)
def test_a_row_is_counted_as_its_file_counts(reference: str, place: str) -> None:
    assert source(reference, "a", "b", "c").place(2) == place


def test_rows_without_a_text_are_counted_in_the_split() -> None:
    check_texts(source("reviews.jsonl", "a", "7", "c"))
    with pytest.raises(ArgumentError, match="has no text in column 'text' of rows 3, 5: fill it in, delete"):
        check_texts(source("reviews.jsonl", "a", None, "  "))
    with pytest.raises(ArgumentError, match="holds nothing but numbers: name the column of the text with --text"):
        check_texts(source("reviews.jsonl", "1", "-2.5", " 1,000 "))
