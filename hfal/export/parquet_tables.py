"""Read columns of Parquet tables that have to be of certain types."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hfal.errors import ArgumentError
from hfal.utils.spelling import message_of, shown


def are_texts(type: pa.DataType) -> bool:
    """Whether a column has texts."""
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


def are_lists_of(fits: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    """Return whether a column has lists of values whose type fits."""
    return lambda t: (pa.types.is_list(t) or pa.types.is_large_list(t)) and fits(t.value_type)


def fits_feature(feature: Mapping[str, Any]) -> Callable[[pa.DataType], bool]:
    """Return whether a column has the type of answers, which `Kind.feature` gives."""
    if feature["_type"] == "List":
        return are_lists_of(fits_feature(feature["feature"]))
    return pa.types.is_integer if feature["_type"] == "ClassLabel" else are_texts


def read_table(
    file: Path,
    types: Mapping[str, tuple[Callable[[pa.DataType], bool], str]],
    may_be_empty: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Read some columns of a table, each of which is there once, unless it is optional, and has the right type.

    Args:
        file: The table.
        types: The columns: whether a type is right, and what to call it in a message.
        may_be_empty: Those that may have no value, and then no type.
        optional: Those that may be missing.

    Raises:
        ArgumentError: One is not so, or the file is no Parquet.
    """
    try:
        schema = pq.read_schema(file)
        types = {name: of for name, of in types.items() if name in schema.names or name not in optional}
        for name, (fits, expected) in types.items():
            there = schema.names.count(name)
            if there != 1:
                count = "no column" if not there else f"{there} columns called"
                raise ArgumentError(
                    f"{file.name} has {count} {name!r}, expected one with {expected}; its columns are "
                    f"{shown(schema.names)}"
                )
            found = schema.field(name).type
            if not fits(found) and not (name in may_be_empty and pa.types.is_null(found)):
                raise ArgumentError(f"{file.name}: column {name!r} holds {shown(str(found))}, expected {expected}")
        table = pq.ParquetFile(file).read(columns=list(types))
        table.validate(full=True)
        rows: list[dict[str, Any]] = table.select(list(types)).to_pylist()
    except ArgumentError:
        raise
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise ArgumentError(f"{file.name} cannot be read: {message_of(error)[:200]}") from None
    return rows
