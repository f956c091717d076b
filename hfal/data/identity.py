"""The identity of an example: its id, and a hash of its texts. Nothing here loads torch."""

import bisect
import copy
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.data.shown_columns import all_shown_values, shown_values
from hfal.errors import ArgumentError, listed
from hfal.tasks.words import Texts
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
    missing: dict[int, str] = {}
    for table in tables_of(dataset, *text_columns):
        columns = [table[name] for name in text_columns]
        for name, column in zip(text_columns, columns, strict=True):
            in_words = of_words and pa.types.is_nested(column.type)
            kind = column.type.value_type if in_words else column.type
            if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_null(kind)):
                raise ArgumentError(
                    f"text column {name!r} holds {column.type}, expected strings: name another column, or write "
                    f"dataset = dataset.cast_column({name!r}, datasets.Value('string'))"
                )
            missing |= {row + int(place): name for place in np.flatnonzero(column.is_null().to_numpy())}
        for texts in zip(*(column.to_pylist() for column in columns), strict=True):
            digest = hashlib.blake2b(digest_size=10)
            for text in texts if row not in missing else ():
                for part in [text] if isinstance(text, str) else text:
                    encoded = part.encode()
                    digest.update(len(encoded).to_bytes(8, "little") + encoded)
            hashes[row] = np.frombuffer(digest.digest(), np.uint8)
            row += 1
    if missing:
        condition = " and ".join(f"row[{name!r}] is not None" for name in text_columns)
        raise ArgumentError(
            f"text column {next(iter(missing.values()))!r} has no text in {listed('row', sorted(missing))}: fill in "
            f"an empty string, or drop such rows: dataset = dataset.filter(lambda row: {condition}); if the file has "
            "texts such as N/A, null or None there, read it with load_dataset('csv', ..., keep_default_na=False)"
        )
    return hashes


def make_ids(dataset: datasets.Dataset, hashes: np.ndarray, id_column: str | None) -> pa.Array:
    """Make the ids of all examples: those of a column, or else from the hashes of their texts.

    Raises:
        ArgumentError: The column lacks an id, or has one twice.
    """
    if id_column is not None:
        kind = dataset.features[id_column]
        if not isinstance(kind, datasets.Value | datasets.ClassLabel):
            raise ArgumentError(f"id_column={id_column!r} holds {kind}, expected strings or whole numbers")
        ids = pa.concat_arrays(
            chunk.cast(pa.string()) for t in tables_of(dataset, id_column) for chunk in t[id_column].chunks
        )
        if ids.null_count:
            missing = np.flatnonzero(ids.is_null().to_numpy(zero_copy_only=False)).tolist()
            raise ArgumentError(
                f"id_column={id_column!r} has no id in {listed('row', missing)}: fill it in, leave id_column out to "
                f"have ids made from the text, or drop such rows: dataset = dataset.filter(lambda row: "
                f"row[{id_column!r}] is not None)"
            )
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
    """The ids and texts of a data set, by row and by id.

    Args:
        dataset: All examples.
        text_columns: The columns with texts.
        id_column: The column with ids, if there is one.
        of_words: Whether texts may be lists of words.
        show_columns: Other columns, whose values are shown beside the texts and say nothing of what an example is.

    Attributes:
        hashes: A hash of the texts of each example, bytes[N, 10].
        ids: The id of each example, strings[N].
        show_columns: As they were given.

    Raises:
        ArgumentError: A text or an id is missing, or an id is there twice.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        text_columns: Sequence[str],
        id_column: str | None,
        of_words: bool,
        show_columns: Sequence[str] = (),
    ):
        self._dataset = dataset
        self._text_columns = text_columns
        self._of_words = of_words
        self.show_columns = list(show_columns)
        self.hashes = self.hashes_of(dataset)
        self.ids: pa.Array = make_ids(dataset, self.hashes, id_column)

    def hashes_of(self, rows: datasets.Dataset) -> np.ndarray:
        """Hash the texts of other rows with the same text columns, bytes[n, 10].

        Raises:
            ArgumentError: One has no text.
        """
        return hash_texts(rows, self._text_columns, self._of_words)

    def followed_by(self, dataset: datasets.Dataset, rows: datasets.Dataset, ids: Sequence[str]) -> "Examples":
        """Return these examples with others behind them.

        Args:
            dataset: All rows.
            rows: Those of the others.
            ids: The ids of the others, which nothing here has.
        """
        other = copy.copy(self)
        other.__dict__.pop("by_id", None)
        other._dataset = dataset
        other.hashes = np.concatenate([self.hashes, self.hashes_of(rows)])
        other.ids = pa.concat_arrays([self.ids, pa.array(ids, pa.string())])
        return other

    def has(self, example_id: str) -> bool:
        """Return whether an example has this id."""
        return self._place_of(example_id) is not None

    @cached_property
    def by_id(self) -> np.ndarray:
        """The rows in the order of their ids, int64[N]: what breaks ties, so that the order of rows never matters."""
        rows: np.ndarray = pc.array_sort_indices(self.ids).to_numpy().astype(np.int64)
        return rows

    def position(self, example_id: str) -> int:
        """Return the row of an example.

        Raises:
            KeyError: No example has this id.
        """
        place = self._place_of(example_id)
        if place is None:
            raise KeyError(f"no example of the pool has the id {example_id!r}")
        return int(self.by_id[place])

    def _place_of(self, example_id: str) -> int | None:
        """Return the place of an id in `by_id`; `None` if no example has it."""
        place = bisect.bisect_left(self.by_id, example_id, key=lambda row: self.ids[int(row)].as_py())
        found = place < len(self.by_id) and self.ids[int(self.by_id[place])].as_py() == example_id
        return place if found else None

    def positions(self, example_ids: Sequence[str]) -> np.ndarray:
        """Return the rows of examples, int64[n], in the order of the ids.

        Raises:
            KeyError: An id is no example's.
        """
        found = pc.index_in(pa.array(example_ids, pa.string()), value_set=self.ids)
        if found.null_count:
            missing = example_ids[found.to_pylist().index(None)]
            raise KeyError(f"no example of the pool has the id {missing!r}")
        positions: np.ndarray = found.to_numpy(zero_copy_only=False).astype(np.int64)
        return positions

    def content(self, position: int) -> str:
        """Return the hash of the text in one row, by which an edited text is noticed."""
        return self.hashes[position].tobytes().hex()

    def has_text_of(self, positions: np.ndarray) -> np.ndarray:
        """Return whether each example has the text of one of those at some positions, bool[N]."""
        texts = self.content_numbers
        found: np.ndarray = np.isin(texts, texts[positions])
        return found

    @property
    def content_numbers(self) -> np.ndarray:
        """Eight bytes of the hash of the text in each row, uint64[N]."""
        return np.ascontiguousarray(self.hashes[:, :8]).view(np.uint64).ravel()

    def texts(self, positions: Sequence[int] | np.ndarray) -> list[dict[str, str | list[str]]]:
        """Return the text columns of some rows."""
        rows = self._dataset.select_columns(list(self._text_columns)).with_format(None)[[int(p) for p in positions]]
        return [dict(zip(rows, values, strict=True)) for values in zip(*rows.values(), strict=True)]

    def examples(self) -> Iterator[tuple[str, Texts]]:
        """Yield id and texts, by column, of every example, in the order of the rows."""
        return examples_of(self._dataset, self._text_columns, self.ids)

    def shown(self, positions: Sequence[int] | np.ndarray) -> list[dict[str, str]]:
        """Return the values of `show_columns` in some rows, by column, as text."""
        return shown_values(self._dataset, self.show_columns, positions)

    def all_shown(self) -> Iterator[dict[str, str]]:
        """Yield what `shown` returns for every example, in the order of the rows."""
        return all_shown_values(self._dataset, self.show_columns)

    def some_ids(self, positions: Sequence[int] | np.ndarray) -> str:
        """Return the first few ids of some rows, for a message."""
        shown = [str(self.ids[int(p)]) for p in positions[:5]]
        return ", ".join(shown) + (", …" if len(positions) > 5 else "")

    def fingerprint(self, more: bytes = b"") -> str:
        """Return a hash of all texts and ids, in the order of the rows, and of `more`."""
        digest = hashlib.blake2b(self.hashes.tobytes(), digest_size=16)
        digest.update(more)
        for chunk in pa.chunked_array([self.ids]).chunks:
            for buffer in chunk.buffers():
                if buffer is not None:
                    digest.update(buffer)
        return digest.hexdigest()
