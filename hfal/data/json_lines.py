"""Read JSON Lines and JSON files. Arrow infers the type of a column from its first rows; here all rows count.

Types are those of JSON: a date stays the text that it is. Where the values of a column differ in type, numbers beside
texts become texts, as do whole numbers that 64 bits do not hold; lists and objects beside others become JSON as text.

What takes long to import, pyarrow and `datasets`, is imported where it is needed.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hfal.errors import ArgumentError
from hfal.utils.files import computed_once, fingerprint_of
from hfal.utils.json_text import read_json
from hfal.utils.output import get_logger
from hfal.utils.spelling import message_of
from hfal.utils.text_files import open_text


if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

logger = get_logger(__name__)

SUFFIXES = (".json", ".jsonl")

_MANY_KEYS = 200  # in an object within a row; more are not names of fields, but data
_ROWS_AT_A_TIME = 10_000
_DEEP = 10  # levels of lists and objects
_HALF = re.compile("[\ud800-\udfff]")
_HALF_ESCAPED = re.compile(r"\\u[dD][89a-fA-F]")
_FORMAT = 3  # of what is kept in the cache; to be raised where a file is read otherwise

# A scalar type by its name, ("list", type of the items), or ("object", types by key).
_Type = str | tuple[str, Any]


def load_json(paths: Sequence[Path]) -> "datasets.Dataset":
    """Load files that make one table, and keep it in the cache of `datasets` until one of them changes.

    A file has a JSON object in each line; or is one list of objects, an object with one such list in it (`{"data":
    [...]}`), or an object with a list for each column. What a row lacks is `None` in it, as NaN is.

    Raises:
        ArgumentError: A file cannot be read so; the message names the line.
    """
    import datasets

    name = fingerprint_of(*paths, reading=_FORMAT)
    file = Path(datasets.config.HF_DATASETS_CACHE) / "hfal_json" / name / "rows.arrow"
    return datasets.Dataset.from_file(str(computed_once(file, lambda part: _write(part, paths))))


def _write(part: Path, paths: Sequence[Path]) -> None:
    import pyarrow as pa

    from hfal.utils.arrow import MIXED

    columns: dict[str, _Type] = {}
    cut: list[str] = []
    for where, row in _rows(paths, cut):
        for name, value in row.items():
            columns[name] = _merged(columns.get(name, "null"), _type_of(value), f"column {name!r} of {where}")
    if not columns:
        raise ArgumentError(
            f'{paths[0]} has no rows with a column: every row needs an object, such as {{"text": "..."}}'
        )
    if cut:
        more = f", and {len(cut) - 1} more" if len(cut) > 1 else ""
        logger.warning("%s%s: U+FFFD stands for half a character, where a text was cut", cut[0], more)
    marks = {name: MIXED if kind in ("json", ("list", "json")) else None for name, kind in columns.items()}
    schema = pa.schema([pa.field(name, _arrow(kind), metadata=marks[name]) for name, kind in columns.items()])
    casts = {name: _cast(kind) for name, kind in columns.items()}
    rows = _rows(paths, [])
    with pa.OSFile(str(part), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        while block := list(itertools.islice(rows, _ROWS_AT_A_TIME)):
            cells = [[cast(row.get(name)) for _, row in block] for name, cast in casts.items()]
            stream.write_batch(pa.record_batch(list(map(pa.array, cells, schema.types)), schema))


# -- rows ----------------------------------------------------------------------------------------------------------


def _rows(paths: Sequence[Path], cut: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each row of the files with its place, for messages; add the places of half characters to `cut`."""
    for path in paths:
        yield from _rows_of(path, cut)


def _rows_of(path: Path, cut: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    with open_text(path) as file:
        lines = ((number, line) for number, line in enumerate(file, start=1) if line.strip())
        first = next(lines, None)
        if first is None:
            raise ArgumentError(f"{path} is empty")
        second = next(lines, None) if _is_object(first[1]) else None
        if second or (path.suffix.lower() == ".jsonl" and _is_object(first[1])):
            for number, line in itertools.chain([first, second] if second else [first], lines):
                where = f"{path}, line {number}"
                yield where, _as_row(_parsed(line, path, number, cut), where)
            return
        if path.suffix.lower() == ".jsonl" and re.fullmatch(r"\s*\{.*\}\s*", first[1]):
            _parsed(first[1], path, first[0], cut)  # which says why the line cannot be read
        file.seek(0)
        found = _parsed(file.read(), path, 0, cut)
    if isinstance(found, dict):
        found = _records(path, found)
    if not isinstance(found, list):
        raise ArgumentError(f"{path} has {str(found)[:40]!r}, expected objects: one in each line, or a list of them")
    for number, row in enumerate(found, start=1):
        yield f"{path}, row {number}", _as_row(row, f"{path}, row {number}")


def _is_object(line: str) -> bool:
    try:
        return isinstance(read_json(line), dict)
    except (ValueError, RecursionError):
        return False


def _parsed(text: str, path: Path, line: int, cut: list[str]) -> Any:
    """Parse a line, or, where its number is 0, a whole file."""
    where = f"{path}, line {line}" if line else str(path)
    try:
        found = read_json(text)
    except json.JSONDecodeError as error:
        place = f"{path}, line {line or error.lineno}"
        raise ArgumentError(f"{place} is no JSON ({error.msg}, column {error.colno}): mend or delete it") from None
    except (ValueError, RecursionError) as error:  # a key that is there twice, a number of thousands of digits
        reason = "nested too deep" if isinstance(error, RecursionError) else message_of(error)
        raise ArgumentError(f"{where} cannot be read: {reason}") from None
    if _HALF_ESCAPED.search(text):
        whole = _without_halves(found)
        if whole != found:
            cut.append(where)
        return whole
    return found


def _without_halves(value: Any) -> Any:
    """Replace halves of surrogate pairs, which JSON has where a text was cut, with U+FFFD."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(one) for one in value]
    if isinstance(value, dict):
        return {_without_halves(name): _without_halves(inner) for name, inner in value.items()}
    return value


def _as_row(value: Any, where: str) -> dict[str, Any]:
    """Return a row as an object, also one of spaCy's training data: `["a text", {"entities": [...]}]`."""
    if isinstance(value, dict):
        return value
    if _is_pair(value):
        return {"text": value[0], **value[1]}
    shown = json.dumps(value, ensure_ascii=False)[:60]
    raise ArgumentError(f'{where}: {shown} is no object: every row needs one, such as {{"text": "..."}}')


def _is_pair(value: Any) -> bool:
    return isinstance(value, list) and list(map(type, value)) == [str, dict]


def _records(path: Path, document: dict[str, Any]) -> list[Any]:
    """Return the rows of an object: the list of rows in it, or its lists as columns, or itself as the only row."""
    of_rows = [name for name, value in document.items() if _is_of_rows(value)]
    if "data" in of_rows or len(of_rows) == 1:
        rows: list[Any] = document["data" if "data" in of_rows else of_rows[0]]
        return rows
    if of_rows:
        raise ArgumentError(
            f"{path} has several lists of rows ({', '.join(of_rows)}): save the one to label as a file of its own"
        )
    for kind in (list, dict):  # the second is what pandas writes: {"text": {"0": "...", "1": "..."}}
        columns = [value for value in document.values() if isinstance(value, kind)]
        keys = [range(len(value)) if kind is list else value for value in columns]
        if columns and len(columns) == len(document) and all(list(one) == list(keys[0]) for one in keys):
            return [{name: value[key] for name, value in document.items()} for key in keys[0]]
    return [document]


def _is_of_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) or _is_pair(one) for one in value)


# -- types ---------------------------------------------------------------------------------------------------------


def _type_of(value: Any, depth: int = 0) -> _Type:
    if _is_missing(value):
        return "null"
    if isinstance(value, str):
        return "text"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int" if -(2**63) <= value < 2**63 else "text"
    if isinstance(value, float):
        return "float"
    if depth > _DEEP or (isinstance(value, dict) and len(value) > _MANY_KEYS):
        return "json"
    if isinstance(value, dict):
        return "object", {name: _type_of(inner, depth + 1) for name, inner in value.items()}
    if value and all(type(one) is str for one in value):
        return "list", "text"
    inner: _Type = "null"
    for one in value:
        inner = _merged(inner, _type_of(one, depth + 1))
    return "list", inner


def _is_missing(value: Any) -> bool:
    """Whether there is no value, but `None`, NaN, or an object without anything in it."""
    return value is None or value == {} or (isinstance(value, float) and value != value)


def _merged(known: _Type, new: _Type, where: str = "") -> _Type:
    """Return the type that holds values of both; warn where a list or an object stands beside something else."""
    if known == new or new == "null":
        return known
    if known == "null":
        return new
    if isinstance(known, tuple) and isinstance(new, tuple) and known[0] == new[0]:
        if known[0] == "list":
            return "list", _merged(known[1], new[1], where)
        fields = {name: _merged(known[1].get(name, "null"), kind, where) for name, kind in new[1].items()}
        return ("object", {**known[1], **fields}) if len(known[1] | fields) <= _MANY_KEYS else "json"
    if (known, new) in (("int", "float"), ("float", "int")):
        return "float"
    if isinstance(known, tuple) or isinstance(new, tuple):
        if known != "json" and where:
            logger.warning("%s is %s, but %s before: it is all read as JSON text", where, _named(new), _named(known))
        return "json"
    return "json" if "json" in (known, new) else "text"


def _named(kind: _Type) -> str:
    return f"a{'n' * (kind[0] == 'object')} {kind[0]}" if isinstance(kind, tuple) else kind


_SCALARS = {"null": "null", "text": "string", "json": "string", "bool": "bool_", "int": "int64", "float": "float64"}


def _arrow(kind: _Type) -> "pa.DataType":
    import pyarrow as pa

    if isinstance(kind, str):
        return getattr(pa, _SCALARS[kind])()
    if kind[0] == "list":
        return pa.list_(_arrow(kind[1]))
    return pa.struct([(name, _arrow(inner)) for name, inner in kind[1].items()])


def _cast(kind: _Type) -> Callable[[Any], Any]:
    """Return a function that converts a value of the file to this type."""
    if isinstance(kind, str):
        casts: dict[str, Callable[[Any], Any]] = {"text": _text, "json": _json, "float": float}
        of = casts.get(kind, _same)
        return lambda value: None if _is_missing(value) else of(value)
    if kind[0] == "list":
        of_one = _cast(kind[1])
        return lambda value: None if _is_missing(value) else [of_one(one) for one in value]
    fields = {name: _cast(inner) for name, inner in kind[1].items()}
    return lambda value: None if _is_missing(value) else {name: of(value.get(name)) for name, of in fields.items()}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _same(value: Any) -> Any:
    return value


def json_paths(data_files: Iterable[str]) -> list[Path]:
    """Return the files of a split if all of them are JSON, else an empty list."""
    paths = [Path(file) for file in data_files]
    return paths if all(path.suffix.lower() in SUFFIXES for path in paths) else []
