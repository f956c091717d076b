"""The schema of an export that a run can go on from. All of it is checked before anything is written.

An export may come from a stranger, or from a person who has edited it: each value that is read has its type and its
range here, each reference leads somewhere, and a message names the file, the row and the field.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from hfal.errors import ArgumentError
from hfal.export.fields import (
    ANSWER_FIELDS,
    EXAMPLE_FIELDS,
    HISTORY_FIELDS,
    ORIGIN_FIELDS,
    PLAN_FIELDS,
    QUERY_FIELDS,
    ROUND_FIELDS,
    check_fields,
    is_whole,
    wrong,
)
from hfal.export.files import ANSWERS, HISTORY, HISTORY_VERSION
from hfal.export.parquet_tables import are_lists_of, are_texts, fits_feature, read_table
from hfal.store.annotator_names import check_team_names, name_problem
from hfal.store.answer_log import SETTLE, WITHOUT_LABEL
from hfal.store.records import DATASET, HEAD, STREAM, SYNTHESIS
from hfal.tasks.kinds import Kind, kind_of
from hfal.tasks.label_names import check_label_names
from hfal.tasks.tags import scheme_of
from hfal.tasks.words import Texts
from hfal.utils.json_text import read_json
from hfal.utils.spelling import message_of, shown
from hfal.utils.text_files import read_text


LOG = f"{ANSWERS}.parquet"

_KEPT_COLUMNS = ("id", "label")  # which no column of texts is called


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
    if not (is_whole(written.get("hfal")) and written["hfal"] == HISTORY_VERSION):
        raise ArgumentError(
            f"its history has the format {shown(written.get('hfal'))}, this hfal reads {HISTORY_VERSION}"
        )
    check_fields(HISTORY, written, HISTORY_FIELDS)
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
    if "plan" in written:
        place = f"{HISTORY}, plan"
        check_fields(place, written["plan"], PLAN_FIELDS)
        check_team_names(written["plan"]["annotators"], f"{place}: annotators")
    for example_id, origin in written.get("origins", {}).items():
        check_fields(f"{HISTORY}, origins, {shown(example_id)}", origin, ORIGIN_FIELDS)
    _check_rounds(written["rounds"])
    _check_queries(written["queries"], len(written["rounds"]), written["contents"])
    return written


def _check_rounds(rounds: Sequence[Any]) -> None:
    for number, record in enumerate(rounds, start=1):
        place = f"{HISTORY}, round {number}"
        check_fields(place, record, ROUND_FIELDS)
        if record["number"] != number:
            raise wrong(place, "number", record["number"], f"{number}: rounds are counted from 1")


def _check_queries(queries: Sequence[Any], rounds: int, contents: Mapping[str, str]) -> None:
    made: set[int] = set()
    for number, query in enumerate(queries, start=1):
        place = f"{HISTORY}, query {number}"
        check_fields(place, query, QUERY_FIELDS)
        if query["number"] != number:
            raise wrong(place, "number", query["number"], f"{number}: queries are counted from 1")
        if query["purpose"] in (HEAD, STREAM, SYNTHESIS) and query["round"] > rounds:
            raise wrong(place, "round", query["round"], f"0 or one of the {rounds} rounds that there are")
        if query["purpose"] == HEAD and not is_whole(query["settings"].get("sequence"), least=1):
            expected = "which of the round's queries it is, counted from 1"
            raise wrong(place, "sequence", query["settings"].get("sequence"), expected)
        _check_opinions(place, query["settings"].get("opinions", 1))
        if query["purpose"] == "round":
            if not 1 <= query["round"] <= rounds:
                raise wrong(place, "round", query["round"], f"one of the {rounds} rounds that there are")
            if query["round"] in made:
                raise wrong(place, "round", query["round"], "a round without another query")
            made.add(query["round"])
        seen: set[str] = set()
        for rank, example in enumerate(query["examples"], start=1):
            of_example = f"{place}, example {rank}"
            check_fields(of_example, example, EXAMPLE_FIELDS)
            if example["id"] in seen:
                raise wrong(of_example, "id", example["id"], "one that the query has not asked about already")
            if example["id"] not in contents:
                raise wrong(of_example, "id", example["id"], "one of contents")
            seen.add(example["id"])


def _check_opinions(place: str, wanted: Any) -> None:
    """Check how many people a query says are to label its examples: a number for all, or by id."""
    for number in wanted.values() if isinstance(wanted, dict) else [wanted]:
        if not is_whole(number, least=1):
            raise wrong(place, "opinions", number, "how many people label an example, a whole number from 1 on")


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
        "id": (are_texts, "texts"),
        "annotator": (are_texts, "texts"),
        "action": (are_texts, "texts"),
        "label": (
            fits_feature(kind.feature(names)),
            "the numbers of labels" if not kind.lists else "lists of numbers",
        ),
        "comment": (are_texts, "texts"),
        "time": (lambda t: pa.types.is_timestamp(t) and t.tz is not None, "times with a time zone"),
        "query": (pa.types.is_integer, "whole numbers"),
        "probability": (pa.types.is_floating, "numbers"),
    }
    rows = read_table(file, types, {"label", "comment", "query", "probability"}, optional={"probability"})
    _check_names(file, names)
    last = 0
    said: dict[tuple[str, str], int] = {}
    queries, contents = len(written["queries"]), written["contents"]
    for number, row in enumerate(rows, start=1):
        place = f"{LOG}, row {number}"
        check_fields(place, row, ANSWER_FIELDS)
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
        if row["action"] != SETTLE and (row["label"] is None) != (row["action"] in WITHOUT_LABEL):
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
        if kind.needs_names and not (is_whole(one) and one < len(names)):
            raise wrong(place, "label", label, f"numbers from 0 to {len(names) - 1}, which count label_names")


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
    column = (fits_feature(kind.feature(names)), "the numbers of labels" if not kind.lists else "lists of numbers")
    for file in files:
        if "label" not in pq.read_schema(file).names:
            continue
        rows = read_table(file, {"id": (are_texts, "texts"), "label": column}, {"label"})
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
            an id is there twice; or an example is missing that was asked about, that has an origin, or that another
            one was made from.
    """
    kind, columns, contents = kind_of(written["task"]), written["text_columns"], written["contents"]
    shown_columns = written.get("shown_columns", [])
    in_words = are_lists_of(are_texts)
    fits, expected = (
        (lambda t: are_texts(t) or in_words(t), "texts, or lists of words") if kind.of_words else (are_texts, "texts")
    )
    found: dict[str, tuple[str, Texts]] = {}
    places: dict[str, str] = {}
    for file in files:
        types = {
            "id": (are_texts, "texts"),
            **dict.fromkeys(shown_columns, (are_texts, "texts")),
            **dict.fromkeys(columns, (fits, expected)),
        }
        for number, row in enumerate(read_table(file, types, may_be_empty=shown_columns), start=1):
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
    for example_id, origin in written.get("origins", {}).items():
        if example_id not in places:
            raise wrong(HISTORY, "origins", example_id, "only ids of the examples in the tables")
        if (parent := origin["parent"]) is not None and (parent not in places or parent == example_id):
            place = f"{HISTORY}, origins, {shown(example_id)}"
            raise wrong(place, "parent", parent, "another example in the tables, or null")
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
