"""The identity of an example: its id, and a hash of its texts. Nothing here loads torch."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError
from hfal.store.records import Texts
from hfal.utils.arrow import tables_of


def examples_of(dataset: datasets.Dataset, text_columns: Sequence[str], ids: pa.Array) -> Iterator[tuple[str, Texts]]:
    """Id and texts, by column, of all examples, in the order of the rows."""
    row = 0
    for table in tables_of(dataset, *text_columns):
        for texts in table.select(list(text_columns)).to_pylist():
            yield ids[row].as_py(), texts
            row += 1


def hash_texts(dataset: datasets.Dataset, text_columns: Sequence[str], of_words: bool) -> np.ndarray:
    """Hash each example's text columns, bytes[N, 10]: the same for the same text, whatever its row.

    Raises:
        ArgumentError: A column holds no texts, or lacks one.
    """
    hashes = np.empty((len(dataset), 10), np.uint8)
    row = 0
    for table in tables_of(dataset, *text_columns):
        columns = [table[name] for name in text_columns]
        for name, column in zip(text_columns, columns, strict=True):
            in_words = of_words and pa.types.is_nested(column.type)
            kind = column.type.value_type if in_words else column.type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
                raise ArgumentError(f"text column {name!r} holds {column.type}, expected strings")
            if column.null_count:
                missing = row + int(np.flatnonzero(column.is_null().to_numpy())[0])
                raise ArgumentError(
                    f"text column {name!r} has no text in row {missing}: drop such rows or fill in an empty string"
                )
        for texts in zip(*(column.to_pylist() for column in columns), strict=True):
            digest = hashlib.blake2b(digest_size=10)
            for text in texts:
                for part in [text] if isinstance(text, str) else text:
                    encoded = part.encode()
                    digest.update(len(encoded).to_bytes(8, "little") + encoded)
            hashes[row] = np.frombuffer(digest.digest(), np.uint8)
            row += 1
    return hashes


def make_ids(dataset: datasets.Dataset, hashes: np.ndarray, id_column: str | None) -> pa.Array:
    """Make the ids of all examples: those of a column, or else from the hashes of their texts.

    Raises:
        ArgumentError: The column lacks an id, or has one twice.
    """
    if id_column is not None:
        ids = pa.concat_arrays(
            chunk.cast(pa.string()) for t in tables_of(dataset, id_column) for chunk in t[id_column].chunks
        )
        if ids.null_count:
            raise ArgumentError(f"id_column={id_column!r} has {ids.null_count} rows without an id")
        counts = ids.value_counts()
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").to_pylist()
        if twice:
            raise ArgumentError(
                f"id_column={id_column!r} has {len(twice)} ids more than once, for one {twice[0]!r}: "
                "ids must be unique; leave id_column out to have them made from the text"
            )
        return ids
    # The leading letter keeps spreadsheets from reading an id such as 12e4567890 as a number.
    ids = ["x" + row.tobytes().hex() for row in hashes]
    _, inverse, counts = np.unique(hashes, axis=0, return_inverse=True, return_counts=True)
    seen: Counter[str] = Counter()
    for row in np.flatnonzero(counts[inverse.reshape(-1)] > 1):
        seen[ids[row]] += 1
        if seen[ids[row]] > 1:
            ids[row] += f"-{seen[ids[row]]}"
    return pa.array(ids, pa.string())


class Examples:
    """The ids and texts of a data set, as a pool of it has them.

    Args:
        dataset: All examples.
        text_columns: The columns with texts.
        id_column: The column with ids, if there is one.
        of_words: Whether texts may be lists of words.
    """

    def __init__(self, dataset: datasets.Dataset, text_columns: Sequence[str], id_column: str | None, of_words: bool):
        self._dataset = dataset
        self._text_columns = text_columns
        self._ids = make_ids(dataset, hash_texts(dataset, text_columns, of_words), id_column)

    def examples(self) -> Iterator[tuple[str, Texts]]:
        """Yield id and texts, by column, of every example, in the order of the rows."""
        return examples_of(self._dataset, self._text_columns, self._ids)
