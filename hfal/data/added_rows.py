"""Rows that are added behind those of a data set, with the same columns."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import datasets
import pyarrow as pa
from datasets.fingerprint import generate_random_fingerprint
from datasets.table import InMemoryTable, table_cast

from hfal.errors import ArgumentError
from hfal.utils.spelling import message_of


def prepare_rows(
    prepare: Callable[[datasets.Dataset], datasets.Dataset], rows: datasets.Dataset, columns: Iterable[str]
) -> datasets.Dataset:
    """Return rows with the columns that the model takes.

    Args:
        prepare: Makes them, as `lambda rows: rows.map(tokenize, batched=True)` does.
        rows: The rows.
        columns: Those of their columns that have to stay: texts, ids, labels, what is shown.

    Raises:
        ArgumentError: `prepare` returned something else than a `Dataset` with as many rows and these columns.
    """
    prepared = prepare(rows)
    if not isinstance(prepared, datasets.Dataset):
        raise ArgumentError(f"prepare has to return a datasets.Dataset; it returned {prepared!r}")
    if len(prepared) != len(rows):
        raise ArgumentError(
            f"prepare has to return as many rows as it gets: it got {len(rows)}, and returned {len(prepared)}"
        )
    lost = [name for name in columns if name not in prepared.column_names]
    if lost:
        raise ArgumentError(
            f"prepare has to keep the columns that the pool reads: it lost {', '.join(map(repr, lost))}"
        )
    return prepared


def added_rows(columns: Sequence[Mapping[str, Any]], features: datasets.Features) -> datasets.Dataset:
    """Return rows as the user's data has them, before they are prepared.

    Args:
        columns: The values of each row by column; what a row lacks is missing in it.
        features: Of the user's data.

    Raises:
        ArgumentError: A value does not fit its column.
    """
    rows: dict[str, list[Any]] = {name: [of.get(name) for of in columns] for name in features}
    try:
        return _NewRows.from_dict(rows, features=features)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        raise ArgumentError(f"the rows do not fit the columns of the pool's data: {message_of(error)[:200]}") from None


class _NewRows(datasets.Dataset):
    """Rows in memory that are mapped without a progress bar, and without hashing the function.

    The hash names a file of the cache, in which nothing of them is kept, and takes longer than to tokenize them.
    """

    def map(self, *args: Any, **kwargs: Any) -> datasets.Dataset:
        kwargs.setdefault("new_fingerprint", generate_random_fingerprint())
        shows_bars = not datasets.are_progress_bars_disabled()
        datasets.disable_progress_bars()
        try:
            return super().map(*args, **kwargs)
        finally:
            if shows_bars:
                datasets.enable_progress_bars()


def append_rows(dataset: datasets.Dataset, rows: datasets.Dataset) -> datasets.Dataset:
    """Return a data set followed by rows that have its columns; its own rows are not copied.

    Args:
        dataset: The data set, whose features and format hold.
        rows: The rows, which may have other columns beside, and be of other types as far as these can be converted.
    """
    names = dataset.column_names
    table = rows.select_columns(names).with_format("arrow")[:].select(names)
    features = dataset.features
    converted = table_cast(table, features.arrow_schema)
    behind = datasets.Dataset(InMemoryTable(converted), datasets.DatasetInfo(features=features))
    kind = dataset.format
    grown = datasets.concatenate_datasets([dataset.with_format(None), behind])
    return grown.with_format(kind["type"], columns=kind["columns"], **kind["format_kwargs"])
