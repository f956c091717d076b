"""The schema of an export that a run can go on from. All of it is checked before anything is written.

An export may come from a stranger, or from a person who has edited it: each value that is read has its type and its
range here, each reference leads somewhere, and a message names the file, the row and the field.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hfal.errors import ArgumentError
from hfal.export.files import ANSWERS, HISTORY, HISTORY_VERSION
from hfal.store.annotator_names import name_problem
from hfal.store.answer_log import ACTIONS, WITHOUT_LABEL
from hfal.store.records import DATASET, PURPOSES
from hfal.tasks.kinds import KINDS, Kind, kind_of
from hfal.tasks.label_names import check_label_names
from hfal.tasks.tags import SCHEMES, scheme_of
from hfal.tasks.words import Texts
from hfal.utils.json_text import read_json
from hfal.utils.spelling import message_of, shown
from hfal.utils.text_files import read_text


LOG = f"{ANSWERS}.parquet"

_LIMIT = 2**63  # of the integers of SQLite and Arrow
_DEPTH = 32  # of the settings of a strategy
_KEPT_COLUMNS = ("id", "label")  # which no column of texts is called


# -- types and ranges of values ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Field:
    """A value of JSON, or a cell of a table.

    Attributes:
        expected: What it has to be, for messages.
        fits: Whether a value is that.
        optional: Whether it may be missing, as what an older hfal did not write.
    """

    expected: str
    fits: Callable[[Any], bool]
    optional: bool = False


def _is_text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _is_whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value < _LIMIT


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LIMIT**8 and isfinite(value)
    )


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def _is_flat(value: Any) -> bool:
    """Whether a value of JSON is not nested so deep that reading it again may fail."""
    level, depth = [value], 0
    while level and depth <= _DEPTH:
        inner = [one for one in level if isinstance(one, dict | list)]
        level = [v for one in inner for v in (one.values() if isinstance(one, dict) else one)]
        depth += 1
    return depth <= _DEPTH


def _is_table_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, dict) and all(_is_text(name) and fits(one) for name, one in value.items())


def _is_list_of(value: Any, fits: Callable[[Any], bool]) -> bool:
    return isinstance(value, list) and all(map(fits, value)) and len(set(value)) == len(value)


def _or_null(field: Field) -> Field:
    return Field(f"{field.expected}, or null", lambda v: v is None or field.fits(v), field.optional)


_TEXT = Field("a text", _is_text)
_NAME = Field("a name", lambda v: _is_text(v) and bool(v))
_WHOLE = Field("a whole number from 0 to 2**63 - 1", _is_whole)
_COUNTED = Field("a whole number from 1 to 2**63 - 1", lambda v: _is_whole(v, 1))
_TIME = Field("a time in ISO 8601 with its offset from UTC", _is_time)
_NUMBERS = Field("finite numbers by name", lambda v: _is_table_of(v, lambda one: one is None or _is_number(one)))

HISTORY_FIELDS = {
    "task": Field(f"one of {', '.join(KINDS)}", lambda v: isinstance(v, str) and v in KINDS),
    "scheme": _or_null(Field(f"one of {', '.join(SCHEMES)}", lambda v: isinstance(v, str) and v in SCHEMES)),
    "label_names": Field("a list of different names", lambda v: _is_list_of(v, _is_text)),
    "text_columns": Field("a list of different names", lambda v: bool(v) and _is_list_of(v, _NAME.fits)),
    "shown_columns": Field("a list of different names", lambda v: _is_list_of(v, _is_text), optional=True),
    "pool_size": _or_null(_WHOLE),
    "queries": Field("a list", lambda v: isinstance(v, list)),
    "rounds": Field("a list", lambda v: isinstance(v, list)),
    "contents": Field("hashes of texts by id", lambda v: _is_table_of(v, _NAME.fits)),
}
QUERY_FIELDS = {
    "number": _COUNTED,
    "round": _WHOLE,
    "purpose": Field(f"one of {', '.join(PURPOSES)}", lambda v: isinstance(v, str) and v in PURPOSES),
    "strategy": _NAME,
    "seed": _WHOLE,
    "model": _or_null(_TEXT),
    "settings": Field(f"an object, at most {_DEPTH} deep", lambda v: isinstance(v, dict) and _is_flat(v)),
    "versions": Field("texts by name", lambda v: _is_table_of(v, _is_text)),
    "time": _TIME,
    "closed": Field("true or false", lambda v: isinstance(v, bool)),
    "examples": Field("a list", lambda v: isinstance(v, list)),
}
EXAMPLE_FIELDS = {
    "id": _NAME,
    "score": _or_null(Field("a finite number", _is_number)),
    "confidence": _or_null(Field("a number from 0 to 1", lambda v: _is_number(v) and -1e-6 <= v <= 1 + 1e-6)),
    "suggestion": Field("labels, or null", lambda v: v is None or isinstance(v, str | list)),
}
ROUND_FIELDS = {
    "number": _COUNTED,
    "seed": _WHOLE,
    "answers_seen": _WHOLE,
    "labels": _WHOLE,
    "train_size": _WHOLE,
    "started": _TIME,
    "trained": _or_null(_TIME),
    "metrics": _or_null(_NUMBERS),
    "finished": _or_null(_TIME),
    "words": _or_null(Field(_WHOLE.expected, _is_whole, optional=True)),
    "stability": _or_null(Field(_NUMBERS.expected, _NUMBERS.fits, optional=True)),
}
ANSWER_FIELDS = {
    "answer": _COUNTED,
    "id": _NAME,
    "annotator": _NAME,
    "action": Field(f"one of {', '.join(ACTIONS)}", lambda v: v in ACTIONS),
    "comment": _or_null(_TEXT),
    "time": Field("a time", lambda v: isinstance(v, datetime)),
    "query": _or_null(_COUNTED),
    "probability": _or_null(Field("a number from 0 to 1", lambda v: _is_number(v) and 0 <= v <= 1, optional=True)),
}


def _check(place: str, row: Any, fields: Mapping[str, Field]) -> None:
    """Check the values of an object, or the cells of a row."""
    if not isinstance(row, dict):
        raise ArgumentError(f"{place} is {shown(row)}, expected an object")
    for name, field in fields.items():
        if name not in row and not field.optional:
            raise ArgumentError(f"{place}: {name} is missing, expected {field.expected}")
        if name in row and not field.fits(row[name]):
            raise wrong(place, name, row[name], field.expected)


def wrong(place: str, field: str, value: Any, expected: str) -> ArgumentError:
    """Return the error about a value.

    Args:
        place: The file, and the row in it.
        field: What the value is called there.
        value: The value.
        expected: What was expected instead.
    """
    return ArgumentError(f"{place}: {field} is {shown(value)}, expected {expected}")


# -- the history ---------------------------------------------------------------------------------------------------


def read_written(file: Path) -> dict[str, Any]:
    """Read the JSON of an export, with the types, ranges and references that it has to have.

    Raises:
        ArgumentError: It is no such JSON, or of another version of hfal.
    """
    try:
        written = read_json(read_text(file), finite=True)
    except (ValueError, RecursionError, OSError) as error:
        raise ArgumentError(f"{HISTORY} is no JSON: {message_of(error)[:200]}") from None
    if not isinstance(written, dict):
        raise ArgumentError(f"{HISTORY} is {shown(written)}, expected an object")
    if not (_is_whole(written.get("hfal")) and written["hfal"] == HISTORY_VERSION):
        raise ArgumentError(
            f"its history has the format {shown(written.get('hfal'))}, this hfal reads {HISTORY_VERSION}"
        )
    _check(HISTORY, written, HISTORY_FIELDS)
    kind, names, scheme = kind_of(written["task"]), written["label_names"], written["scheme"]
    if kind.needs_names:
        check_label_names(names, kind.least_names, f"{HISTORY}: label_names")
    if kind.of_words and scheme is not None and {"IOB1": "IOB2"}.get(scheme, scheme) != scheme_of(names):
        raise wrong(HISTORY, "scheme", scheme, f"{scheme_of(names)}, of which label_names are")
    for column in written["text_columns"]:
        if column in _KEPT_COLUMNS:
            raise wrong(HISTORY, "text_columns", column, f"other names than {' and '.join(_KEPT_COLUMNS)}")
    for column in written.get("shown_columns", []):
        if column in (*_KEPT_COLUMNS, *written["text_columns"]):
            raise wrong(HISTORY, "shown_columns", column, "other names than id, label and those of text_columns")
    if kind.of_words and len(written["text_columns"]) != 1:
        raise wrong(HISTORY, "text_columns", written["text_columns"], "one column with sentences")
    _check_rounds(written["rounds"])
    _check_queries(written["queries"], len(written["rounds"]), written["contents"])
    return written


def _check_rounds(rounds: Sequence[Any]) -> None:
    for number, record in enumerate(rounds, start=1):
        place = f"{HISTORY}, round {number}"
        _check(place, record, ROUND_FIELDS)
        if record["number"] != number:
            raise wrong(place, "number", record["number"], f"{number}: rounds are counted from 1")


def _check_queries(queries: Sequence[Any], rounds: int, contents: Mapping[str, str]) -> None:
    made: set[int] = set()
    for number, query in enumerate(queries, start=1):
        place = f"{HISTORY}, query {number}"
        _check(place, query, QUERY_FIELDS)
        if query["number"] != number:
            raise wrong(place, "number", query["number"], f"{number}: queries are counted from 1")
        if query["purpose"] == "round":
            if not 1 <= query["round"] <= rounds:
                raise wrong(place, "round", query["round"], f"one of the {rounds} rounds that there are")
            if query["round"] in made:
                raise wrong(place, "round", query["round"], "a round without another query")
            made.add(query["round"])
        seen: set[str] = set()
        for rank, example in enumerate(query["examples"], start=1):
            of_example = f"{place}, example {rank}"
            _check(of_example, example, EXAMPLE_FIELDS)
            if example["id"] in seen:
                raise wrong(of_example, "id", example["id"], "one that the query has not asked about already")
            if example["id"] not in contents:
                raise wrong(of_example, "id", example["id"], "one of contents")
            seen.add(example["id"])


# -- the log -------------------------------------------------------------------------------------------------------


def read_log(file: Path, written: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Read the table of all answers, with the types, ranges and references that it has to have.

    Args:
        file: The table.
        written: What `read_written` returned.

    Raises:
        ArgumentError: It is no such table.
    """
    names, kind = written["label_names"], kind_of(written["task"])
    types = {
        "answer": (pa.types.is_integer, "whole numbers"),
        "id": (_are_texts, "texts"),
        "annotator": (_are_texts, "texts"),
        "action": (_are_texts, "texts"),
        "label": (_type_of(kind.feature(names)), "the numbers of labels" if not kind.lists else "lists of numbers"),
        "comment": (_are_texts, "texts"),
        "time": (lambda t: pa.types.is_timestamp(t) and t.tz is not None, "times with a time zone"),
        "query": (pa.types.is_integer, "whole numbers"),
        "probability": (pa.types.is_floating, "numbers"),
    }
    rows = _read_table(file, types, {"label", "comment", "query", "probability"}, optional={"probability"})
    _check_names(file, names)
    last = 0
    said: dict[tuple[str, str], int] = {}
    queries, contents = len(written["queries"]), written["contents"]
    for number, row in enumerate(rows, start=1):
        place = f"{LOG}, row {number}"
        _check(place, row, ANSWER_FIELDS)
        if row["answer"] <= last:
            raise wrong(place, "answer", row["answer"], f"more than {last}, the number above")
        last = row["answer"]
        if row["id"] not in contents:
            raise wrong(place, "id", row["id"], f"one of contents in {HISTORY}")
        # Blanks around names were recorded by an older hfal.
        problem = None if row["annotator"] == DATASET else name_problem(row["annotator"].strip())
        if problem is not None:
            raise ArgumentError(f"{place}: annotator is {shown(row['annotator'])}, {problem}")
        if row["query"] is not None and row["query"] > queries:
            raise wrong(place, "query", row["query"], f"one of the {queries} queries in {HISTORY}")
        if row["annotator"] == DATASET and row["query"] is not None and row["action"] != "undo":
            raise wrong(place, "query", row["query"], f"null, since {DATASET!r} is kept for labels of the data")
        if (row["label"] is None) != (row["action"] in WITHOUT_LABEL):
            wanted = f"{'no' if row['label'] is not None else 'a'} label of the action {row['action']!r}"
            raise wrong(place, "label", row["label"], wanted)
        _check_numbers(place, row["label"], kind, names)
        key = (row["id"], row["annotator"])
        said[key] = said.get(key, 0) + (-1 if row["action"] == "undo" else 1)
        if said[key] < 0:
            raise wrong(place, "action", row["action"], "an answer of this annotator above it to undo")
    for number, record in enumerate(written["rounds"], start=1):
        if record["answers_seen"] > last:
            place = f"{HISTORY}, round {number}"
            raise wrong(place, "answers_seen", record["answers_seen"], f"at most {last}, the last of {LOG}")
    known = {row["id"] for row in rows} | {e["id"] for query in written["queries"] for e in query["examples"]}
    for example_id in contents:
        if example_id not in known:
            raise wrong(HISTORY, "contents", example_id, "only what was asked about or answered")
    return rows


def _check_names(file: Path, names: Sequence[str]) -> None:
    """Check that the numbers of a column of labels count the names that they counted when it was written."""
    try:
        about = read_json((pq.read_schema(file).metadata or {})[b"huggingface"])["info"]["features"]["label"]
        meant = about.get("feature", about)["names"]
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
        return  # some programs leave the names out
    if meant != names:
        raise wrong(
            HISTORY, "label_names", names, f"{shown(meant)}, as {file.name} has them: their order says which is which"
        )


def _check_numbers(place: str, label: Any, kind: Kind, names: Sequence[str]) -> None:
    for one in label if isinstance(label, list) else [label]:
        if one is None and label is None:
            return
        if kind.needs_names and not (_is_whole(one) and one < len(names)):
            raise wrong(place, "label", label, f"numbers from 0 to {len(names) - 1}, which count label_names")


def _are_texts(type: pa.DataType) -> bool:
    return bool(pa.types.is_string(type) or pa.types.is_large_string(type))


def _are_lists_of(fits: Callable[[pa.DataType], bool]) -> Callable[[pa.DataType], bool]:
    return lambda t: (pa.types.is_list(t) or pa.types.is_large_list(t)) and fits(t.value_type)


def _type_of(feature: Mapping[str, Any]) -> Callable[[pa.DataType], bool]:
    """Return whether a type of Arrow is that of a column of answers."""
    if feature["_type"] == "List":
        return _are_lists_of(_type_of(feature["feature"]))
    return pa.types.is_integer if feature["_type"] == "ClassLabel" else _are_texts


def _read_table(
    file: Path,
    types: Mapping[str, tuple[Callable[[pa.DataType], bool], str]],
    may_be_empty: Iterable[str] = (),
    optional: Iterable[str] = (),
) -> list[dict[str, Any]]:
    """Read some columns of a table, each of which is there once, unless it is optional, and has the right type."""
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


def check_tables(files: Iterable[Path], written: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
    """Check that the labels in the tables of examples are those of the log, which alone are imported.

    Args:
        files: The tables.
        written: What `read_written` returned.
        labels: The label of each example that has one, by the log.

    Raises:
        ArgumentError: One is not, as where a person has edited a table.
    """
    kind, names = kind_of(written["task"]), written["label_names"]
    column = (_type_of(kind.feature(names)), "the numbers of labels" if not kind.lists else "lists of numbers")
    for file in files:
        if "label" not in pq.read_schema(file).names:
            continue
        rows = _read_table(file, {"id": (_are_texts, "texts"), "label": column}, {"label"})
        for number, row in enumerate(rows, start=1):
            place = f"{file.name}, row {number}"
            _check_numbers(place, row["label"], kind, names)
            label = kind.from_feature(row["label"], names)
            if label != labels.get(row["id"]):
                raise wrong(
                    place,
                    "label",
                    label,
                    f"{shown(labels.get(row['id']))}, which {LOG} has: correct it in the new run",
                )


# -- the examples --------------------------------------------------------------------------------------------------


def read_examples(files: Iterable[Path], written: Mapping[str, Any]) -> dict[str, tuple[str, Texts]]:
    """Check all examples, and return ids and texts of those that were asked about or answered.

    Args:
        files: The tables with the examples.
        written: What `read_written` returned.

    Returns:
        The place and the texts of each, by id.

    Raises:
        ArgumentError: An id or a text is missing, or has another type, as has a column that is shown beside the texts;
            an id is there twice; or an example is missing that was asked about.
    """
    kind, columns, contents = kind_of(written["task"]), written["text_columns"], written["contents"]
    shown_columns = written.get("shown_columns", [])
    in_words = _are_lists_of(_are_texts)
    fits, expected = (
        (lambda t: _are_texts(t) or in_words(t), "texts, or lists of words")
        if kind.of_words
        else (_are_texts, "texts")
    )
    found: dict[str, tuple[str, Texts]] = {}
    places: dict[str, str] = {}
    for file in files:
        types = {
            "id": (_are_texts, "texts"),
            **dict.fromkeys(shown_columns, (_are_texts, "texts")),
            **dict.fromkeys(columns, (fits, expected)),
        }
        for number, row in enumerate(_read_table(file, types, may_be_empty=shown_columns), start=1):
            place = f"{file.name}, row {number}"
            example_id = row.pop("id")
            row = {column: text for column, text in row.items() if column not in shown_columns}
            if not example_id:
                raise wrong(place, "id", example_id, "an id")
            if example_id in places:
                raise wrong(place, "id", example_id, f"one that no other row has, but {places[example_id]} has it")
            places[example_id] = place
            for column, text in row.items():
                if text is None or (isinstance(text, list) and (None in text or not text)):
                    raise wrong(place, column, text, "a text" if not isinstance(text, list) else "words")
            if example_id in contents:
                found[example_id] = (place, row)
    if len(places) != written["pool_size"]:
        raise ArgumentError(
            f"the tables have {len(places)} examples, expected {written['pool_size']}, the pool_size in {HISTORY}"
        )
    gone = [example_id for example_id in contents if example_id not in found]
    if gone:
        raise ArgumentError(
            f"{HISTORY}: contents has {shown(gone[0])}, expected only ids of the examples in the tables"
            f"{f' ({len(gone)} are in none)' if len(gone) > 1 else ''}"
        )
    return found


def check_labels(
    written: Mapping[str, Any], log: Sequence[Mapping[str, Any]], texts: Mapping[str, tuple[str, Texts]]
) -> None:
    """Check that all answers and suggestions fit the texts that they are about.

    Args:
        written: What `read_written` returned.
        log: What `read_log` returned.
        texts: What `read_examples` returned.

    Raises:
        ArgumentError: One does not.
    """
    kind, names = kind_of(written["task"]), written["label_names"]

    def check(place: str, field: str, label: Any, example_id: str) -> None:
        try:
            fits = kind.check(label, texts[example_id][1], names) == label
        except ArgumentError as error:
            raise ArgumentError(f"{place}: {field} does not fit {shown(example_id)}: {error}") from None
        if not fits:
            raise wrong(place, field, label, "names in the order of label_names")

    for number, row in enumerate(log, start=1):
        if row["label"] is not None:
            check(f"{LOG}, row {number}", "label", kind.from_feature(row["label"], names), row["id"])
    for number, query in enumerate(written["queries"], start=1):
        for rank, example in enumerate(query["examples"], start=1):
            if example["suggestion"] is not None:
                place = f"{HISTORY}, query {number}, example {rank}"
                check(place, "suggestion", example["suggestion"], example["id"])
