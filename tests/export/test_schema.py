"""Exports that nobody can go on from: each is refused with its file, row and field, and nothing is written."""

import contextlib
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from hfal.cli.import_run import import_run
from hfal.data.pool import Pool
from hfal.errors import ArgumentError, HfalError
from hfal.export.labels import export_labels
from hfal.store.store import Store


EXPORTS = Path(__file__).parents[1] / "made_by_0_1" / "exports"
Edit = Callable[[Path], None]
GONE = object()
PART = r"query 2, example 1"


# -- what is done to an export -------------------------------------------------------------------------------------


def history(*path: Any, to: Any) -> Edit:
    """Set, change (`to` is a function) or remove (`GONE`) a value in the JSON."""

    def edit(folder: Path) -> None:
        written = json.loads((folder / "hfal.json").read_text("utf-8"))
        place = written
        for key in path[:-1]:
            place = place[key]
        if to is GONE:
            del place[path[-1]]
        else:
            place[path[-1]] = to(place[path[-1]]) if callable(to) else to
        (folder / "hfal.json").write_text(json.dumps(written), "utf-8")

    return edit


def text(old: str, new: str, file: str = "hfal.json") -> Edit:
    def edit(folder: Path) -> None:
        content = (folder / file).read_text("utf-8")
        assert old in content
        (folder / file).write_text(content.replace(old, new, 1), "utf-8")

    return edit


def content(file: str, change: Callable[[bytes], bytes]) -> Edit:
    return lambda folder: (folder / file).write_bytes(change((folder / file).read_bytes())) and None


def table(file: str, change: Callable[[pa.Table], pa.Table]) -> Edit:
    def edit(folder: Path) -> None:
        pq.write_table(change(pq.read_table(folder / file)), folder / file)

    return edit


def cell(row: int, column: str, to: Any, file: str = "answers.parquet", type: Any = None) -> Edit:
    """Set or change one cell."""

    def change(found: pa.Table) -> pa.Table:
        values = found[column].to_pylist()
        values[row] = to(values[row]) if callable(to) else to
        place = found.schema.get_field_index(column)
        return found.set_column(place, column, pa.array(values, type or found.schema.field(column).type))

    return table(file, change)


def typed(column: str, type: Any, file: str = "answers.parquet", value: Any = None) -> Edit:
    """Give a column another type, and the same value everywhere."""

    def change(found: pa.Table) -> pa.Table:
        values = pa.array([value] * len(found), type)
        return found.set_column(found.schema.get_field_index(column), column, values)

    return table(file, change)


def deep(levels: int) -> Any:
    found: Any = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def by_head(query: Any, round_number: int, sequence: Any) -> Any:
    """A query as if a frozen head had made it."""
    settings = {} if sequence is GONE else {"sequence": sequence}
    return {**query, "purpose": "head", "round": round_number, "settings": settings}


def origin(example_id: Any = "xdd6d897b2fbb660563cd", **about: Any) -> Edit:
    """The JSON as if an example had been added; `GONE` removes a field."""
    of = {"origin": "stream", "parent": None, "method": None, **about}
    return history("origins", to={example_id: {name: value for name, value in of.items() if value is not GONE}})


def rows_again(found: pa.Table) -> pa.Table:
    return pa.concat_tables([found, found.slice(0, 1)])


def twice(column: str) -> Callable[[pa.Table], pa.Table]:
    return lambda found: found.append_column(column, found[column])


Q, E, R = ("queries", 1), ("queries", 1, "examples", 0), ("rounds", 0)
LOG_ROW = r"answers\.parquet, row 3: "
HOSTILE: list[tuple[str, Edit, str]] = [
    # the file itself
    ("reviews", content("hfal.json", lambda b: b[:-40]), r"hfal\.json is no JSON: "),
    ("reviews", content("hfal.json", lambda b: b""), r"hfal\.json is no JSON: "),
    ("reviews", content("hfal.json", lambda b: b"\xff" + b), r"hfal\.json is no JSON: "),
    ("reviews", content("hfal.json", lambda b: b"[]"), r"hfal\.json is \[\], expected an object"),
    ("reviews", content("hfal.json", lambda b: b"[" * 100_000), r"hfal\.json is no JSON: "),
    ("reviews", text('"seed": 42', '"seed": NaN'), r"hfal\.json is no JSON: NaN is no number"),
    ("reviews", text('"seed": 42', f'"seed": {"9" * 5000}'), r"hfal\.json is no JSON: "),
    (
        "reviews",
        text('"task":', '"task": "text_classification", "task":'),
        r"is no JSON: the key 'task' is there twice",
    ),
    (
        "reviews",
        text('"purpose": "seed"', '"purpose": "seed", "purpose": "holdout"'),
        "the key 'purpose' is there twice",
    ),
    ("reviews", history(*Q, to=lambda q: by_head(q, 9, 1)), "query 2: round is 9, expected 0 or one of the . rounds"),
    ("reviews", history(*Q, to=lambda q: by_head(q, 0, GONE)), "query 2: sequence is None, expected which of the"),
    ("reviews", history(*Q, to=lambda q: by_head(q, 0, 0)), "query 2: sequence is 0, expected which of the round's"),
    ("reviews", history(*Q, to=lambda q: by_head(q, 1, "1")), "query 2: sequence is '1', expected which of the"),
    # what the run is
    ("reviews", history("hfal", to=2), "the format 2, this hfal reads 1"),
    ("reviews", history("hfal", to=True), "the format True, this hfal reads 1"),
    ("reviews", history("hfal", to=GONE), "the format None, this hfal reads 1"),
    ("reviews", history("task", to="ranking"), r"hfal\.json: task is 'ranking', expected one of text_classification"),
    ("reviews", history("task", to=["text_classification"]), r"hfal\.json: task is \['text_class"),
    ("reviews", history("task", to=GONE), r"hfal\.json: task is missing, expected one of"),
    ("reviews", history("scheme", to="IOB9"), r"hfal\.json: scheme is 'IOB9', expected one of IOB1"),
    (
        "names",
        history("scheme", to="BIOES"),
        r"hfal\.json: scheme is 'BIOES', expected IOB2, of which label_names are",
    ),
    ("reviews", history("label_names", to=["negative"]), "label_names is .*, expected at least 2 names"),
    ("reviews", history("label_names", to=[]), "label_names is .*, expected at least 2 names"),
    ("reviews", history("label_names", to="np"), "label_names is 'np', expected a list of different names"),
    ("reviews", history("label_names", to=["a", "a"]), "label_names is .*, expected a list of different names"),
    ("reviews", history("label_names", to=["a", 1]), "label_names is .*, expected a list of different names"),
    ("reviews", history("label_names", to=["caf\u00e9", "cafe\u0301"]), "label_names has two names that look alike"),
    ("reviews", history("label_names", to=["a", " "]), "label_names has the name ' ', of which nothing is seen"),
    ("reviews", history("label_names", to=["a", "\ud800"]), "label_names is .*, expected a list of different names"),
    ("reviews", history("label_names", to={"0": "negative"}), "label_names is .*, expected a list of different names"),
    (
        "reviews",
        history("text_columns", to=["../../etc"]),
        r"train\.parquet has no column '\.\./\.\./etc', expected one",
    ),
    ("reviews", history("text_columns", to=["id"]), "text_columns is 'id', expected other names than id and label"),
    (
        "reviews",
        history("text_columns", to=["al_rank"]),
        r"train\.parquet: column 'al_rank' holds 'int32', expected texts",
    ),
    ("reviews", history("text_columns", to=[]), r"text_columns is \[\], expected a list of different names"),
    ("reviews", history("text_columns", to="text"), "text_columns is 'text', expected a list of different names"),
    (
        "names",
        history("text_columns", to=["tokens", "al_suggestion"]),
        "text_columns is .*, expected one column with s",
    ),
    ("reviews", history("pool_size", to=31), "the tables have 32 examples, expected 31, the pool_size"),
    ("reviews", history("pool_size", to=-1), "pool_size is -1, expected a whole number from 0"),
    ("reviews", history("pool_size", to="32"), "pool_size is '32', expected a whole number"),
    ("reviews", history("pool_size", to=None), "it has no unlabeled examples"),
    ("reviews", history("contents", to=[]), r"contents is \[\], expected hashes of texts by id"),
    ("reviews", history("contents", "xdd6d897b2fbb660563cd", to=7), "contents is .*, expected hashes of texts by id"),
    (
        "reviews",
        history("contents", "xdd6d897b2fbb660563cd", to="00"),
        r"train\.parquet, row 1: the text of 'xdd6d897b2",
    ),
    ("reviews", history("contents", "more", to="00"), "contents is 'more', expected only what was asked about"),
    (
        "reviews",
        history("contents", "xdd6d897b2fbb660563cd", to=GONE),
        "query 1, example 1: id is 'xdd6.*, expected one",
    ),
    # where examples come from
    ("reviews", history("origins", to=[]), r"hfal\.json: origins is \[\], expected objects by id"),
    ("reviews", history("origins", to={"x": "stream"}), "origins is {'x': 'stream'}, expected objects by id"),
    ("reviews", origin("\ud800"), "origins is .*, expected objects by id"),
    ("reviews", origin(origin="dataset"), "origins, 'xdd6.*': origin is 'dataset', expected one of stream, synthesis"),
    ("reviews", origin(origin=["stream"]), r"origins, 'xdd6.*': origin is \['stream'\], expected one of stream"),
    ("reviews", origin(parent=GONE), "origins, 'xdd6.*': parent is missing, expected a name, or null"),
    ("reviews", origin(parent=""), "origins, 'xdd6.*': parent is '', expected a name, or null"),
    ("reviews", origin(parent="x0"), "origins, 'xdd6.*': parent is 'x0', expected another example in the tables"),
    ("reviews", origin(parent="xdd6d897b2fbb660563cd"), "parent is 'xdd6.*, expected another example in the tables"),
    ("reviews", origin(method=7), "origins, 'xdd6.*': method is 7, expected a text, or null"),
    ("reviews", origin("x" * 5000), "hfal.json: origins is 'xxx.*, expected only ids of the examples in the tables"),
    ("reviews", history(*Q, to=lambda q: q | {"purpose": "stream", "round": 3}), "query 2: round is 3, expected 0"),
    # queries
    ("reviews", history("queries", to={}), r"queries is \{\}, expected a list"),
    ("reviews", history("queries", 1, to="query"), "query 2 is 'query', expected an object"),
    ("reviews", history("queries", to=lambda q: q[1:]), "query 1: number is 2, expected 1: queries are counted"),
    ("reviews", history(*Q, "number", to=1), "query 2: number is 1, expected 2"),
    ("reviews", history(*Q, "number", to=10**30), "query 2: number is 1000.*, expected a whole number from 1"),
    ("reviews", history(*Q, "round", to=99), "query 2: round is 99, expected one of the 2 rounds"),
    ("reviews", history(*Q, "round", to=-1), "query 2: round is -1, expected a whole number from 0"),
    ("reviews", history(*Q, "round", to=0), "query 2: round is 0, expected one of the 2 rounds"),
    ("reviews", history("queries", 0, "purpose", to="round"), "query 1: round is 0, expected one of the 2 rounds"),
    ("reviews", history(*Q, "purpose", to="test"), "query 2: purpose is 'test', expected one of holdout, seed, round"),
    ("reviews", history(*Q, "purpose", to=None), "query 2: purpose is None, expected one of holdout"),
    ("reviews", history(*Q, "strategy", to=""), "query 2: strategy is '', expected a name"),
    ("reviews", history(*Q, "strategy", to=GONE), "query 2: strategy is missing, expected a name"),
    ("reviews", history(*Q, "seed", to=-1), "query 2: seed is -1, expected a whole number"),
    ("reviews", history(*Q, "seed", to=1.5), "query 2: seed is 1.5, expected a whole number"),
    ("reviews", history(*Q, "seed", to=2**63), "query 2: seed is 9223372036854775808, expected a whole number"),
    ("reviews", history(*Q, "model", to=3), "query 2: model is 3, expected a text, or null"),
    ("reviews", history(*Q, "model", to="\ud800"), "query 2: model is .*, expected a text, or null"),
    ("reviews", history(*Q, "settings", to=[]), r"query 2: settings is \[\], expected an object"),
    ("reviews", history(*Q, "settings", to=deep(200)), "query 2: settings is .*, expected an object, at most 32 deep"),
    ("reviews", history(*Q, "versions", to={"hfal": 1}), "query 2: versions is .*, expected texts by name"),
    ("reviews", history(*Q, "time", to="yesterday"), "query 2: time is 'yesterday', expected a time in ISO 8601"),
    (
        "reviews",
        history(*Q, "time", to="2026-11-30T02:20:26"),
        "query 2: time is .*, expected a time in ISO 8601 with",
    ),
    ("reviews", history(*Q, "time", to=1764469226), "query 2: time is 1764469226, expected a time"),
    ("reviews", history(*Q, "closed", to=1), "query 2: closed is 1, expected true or false"),
    ("reviews", history(*Q, "examples", to=None), "query 2: examples is None, expected a list"),
    ("reviews", history(*E, to="xdd"), f"{PART} is 'xdd', expected an object"),
    ("reviews", history(*E, "id", to="x0"), f"{PART}: id is 'x0', expected one of contents"),
    ("reviews", history(*E, "id", to=["x0"]), f"{PART}: id is .*, expected a name"),
    (
        "reviews",
        history("queries", 1, "examples", to=lambda e: [*e, e[0]]),
        "query 2, example 7: id is .* not asked about",
    ),
    ("reviews", history(*E, "score", to="high"), f"{PART}: score is 'high', expected a finite number, or null"),
    ("reviews", history(*E, "score", to=10**400), f"{PART}: score is 1000.*, expected a finite number"),
    ("reviews", history(*E, "score", to=True), f"{PART}: score is True, expected a finite number"),
    ("reviews", history(*E, "confidence", to=1.5), f"{PART}: confidence is 1.5, expected a number from 0 to 1"),
    ("reviews", history(*E, "confidence", to=-1), f"{PART}: confidence is -1, expected a number from 0 to 1"),
    (
        "reviews",
        history(*E, "suggestion", to="neutral"),
        f"{PART}: suggestion does not fit 'x.*': 'neutral' is no label",
    ),
    ("reviews", history(*E, "suggestion", to=1), f"{PART}: suggestion is 1, expected labels, or null"),
    ("reviews", history(*E, "suggestion", to=["negative"]), f"{PART}: suggestion does not fit"),
    ("reports", history(*E, "suggestion", to="sport"), f"{PART}: suggestion does not fit 'x.*': 'sport' is no list"),
    (
        "reports",
        history(*E, "suggestion", to=["sport", "sport"]),
        f"{PART}: suggestion does not fit .* is there twice",
    ),
    (
        "reports",
        history(*E, "suggestion", to=["money", "sport"]),
        f"{PART}: suggestion is .*, expected names in the order",
    ),
    (
        "names",
        history(*E, "suggestion", to=lambda s: s[1:]),
        f"{PART}: suggestion does not fit .* 11 tags for 12 words",
    ),
    (
        "names",
        history(*E, "suggestion", 0, to="B-CAR"),
        f"{PART}: suggestion does not fit .*: 'B-CAR', the tag of word 1",
    ),
    # rounds
    ("reviews", history("rounds", to=None), "rounds is None, expected a list"),
    ("reviews", history("rounds", 0, to=[]), r"round 1 is \[\], expected an object"),
    ("reviews", history(*R, "number", to=99), "round 1: number is 99, expected 1: rounds are counted from 1"),
    ("reviews", history("rounds", 1, "number", to=1), "round 2: number is 1, expected 2"),
    ("reviews", history(*R, "seed", to="42"), "round 1: seed is '42', expected a whole number"),
    ("reviews", history(*R, "answers_seen", to=13), "round 1: answers_seen is 13, expected at most 12"),
    ("reviews", history(*R, "labels", to=-6), "round 1: labels is -6, expected a whole number"),
    ("reviews", history(*R, "train_size", to=GONE), "round 1: train_size is missing, expected a whole number"),
    ("reviews", history(*R, "started", to=None), "round 1: started is None, expected a time"),
    ("reviews", history(*R, "trained", to=True), "round 1: trained is True, expected a time .*, or null"),
    ("reviews", history(*R, "finished", to="0000-00-00"), "round 1: finished is '0000-00-00', expected a time"),
    (
        "reviews",
        history(*R, "metrics", to=[0.5]),
        r"round 1: metrics is \[0.5\], expected finite numbers by name, or null",
    ),
    ("reviews", history(*R, "metrics", to={"eval_accuracy": "1"}), "round 1: metrics is .*, expected finite numbers"),
    (
        "reviews",
        text('"eval_loss": ', '"eval_loss": 1e999, "x": '),
        "round 1: metrics is .*inf.*, expected finite numbers",
    ),
    ("names", history(*R, "words", to=-1), "round 1: words is -1, expected a whole number .*, or null"),
    ("reviews", history(*R, "stability", to="kappa"), "round 1: stability is 'kappa', expected finite numbers"),
    # the log
    ("reviews", content("answers.parquet", lambda b: b[:-100]), r"answers\.parquet cannot be read: "),
    ("reviews", content("answers.parquet", lambda b: b""), r"answers\.parquet cannot be read: "),
    (
        "reviews",
        table("answers.parquet", lambda t: t.drop_columns("query")),
        r"answers\.parquet has no column 'query'",
    ),
    ("reviews", table("answers.parquet", twice("label")), r"answers\.parquet has 2 columns called 'label'"),
    ("reviews", table("answers.parquet", rows_again), r"answers\.parquet, row 13: answer is 1, expected more than 12"),
    ("reviews", cell(2, "answer", 2), LOG_ROW + "answer is 2, expected more than 2, the number above"),
    ("reviews", cell(0, "answer", -5), r"answers\.parquet, row 1: answer is -5, expected a whole number from 1"),
    ("reviews", cell(2, "answer", None), LOG_ROW + "answer is None, expected a whole number"),
    ("reviews", typed("answer", pa.string(), value="1"), "column 'answer' holds 'string', expected whole numbers"),
    ("reviews", cell(2, "id", "nobody"), LOG_ROW + r"id is 'nobody', expected one of contents in hfal\.json"),
    ("reviews", cell(2, "id", None), LOG_ROW + "id is None, expected a name"),
    ("reviews", typed("id", pa.int64(), value=1), "column 'id' holds 'int64', expected texts"),
    ("reviews", cell(2, "annotator", ""), LOG_ROW + "annotator is '', expected a name"),
    ("reviews", cell(2, "annotator", " "), LOG_ROW + "annotator is ' ', expected a name"),
    ("reviews", cell(2, "annotator", "a\nb"), LOG_ROW + r"annotator is 'a\\nb', which has line ends"),
    ("reviews", cell(2, "annotator", "Dataset"), LOG_ROW + "annotator is 'Dataset', but 'dataset' is kept for labels"),
    (
        "reviews",
        cell(2, "annotator", "dataset"),
        LOG_ROW + "query is 1, expected null, since 'dataset' is kept for lab",
    ),
    (
        "reviews",
        cell(2, "action", "guess"),
        LOG_ROW + "action is 'guess', expected one of label, correct, settle, skip",
    ),
    # what would mean something else than when it was exported, or be passed over
    ("reviews", history("label_names", to=lambda names: names[::-1]), r"hfal\.json: label_names is \['positive', "),
    ("reviews", history("label_names", to=lambda names: [*names, "z"]), r"as answers\.parquet has them: their order"),
    (
        "reviews",
        cell(0, "label", lambda n: 1 - n, "train.parquet"),
        r"train\.parquet, row 1: label is '.*', expect",
    ),
    (
        "reviews",
        cell(0, "label", None, "train.parquet"),
        r"train\.parquet, row 1: label is None, expected '.*which",
    ),
    ("reviews", cell(0, "label", 7, "train.parquet"), r"train\.parquet, row 1: label is 7, expected numbers from 0"),
    ("reviews", typed("label", pa.float64(), "train.parquet", 1.0), r"train\.parquet: column 'label' holds 'double'"),
    ("reviews", cell(2, "action", "skip"), LOG_ROW + "label is [01], expected no label of the action 'skip'"),
    ("reviews", cell(2, "action", None), LOG_ROW + "action is None, expected one of label"),
    ("reviews", cell(2, "label", None), LOG_ROW + "label is None, expected a label of the action 'label'"),
    ("reviews", cell(2, "label", -1), LOG_ROW + "label is -1, expected numbers from 0 to 1, which count label_names"),
    ("reviews", cell(2, "label", 2), LOG_ROW + "label is 2, expected numbers from 0 to 1"),
    (
        "reviews",
        typed("label", pa.string(), value="negative"),
        "column 'label' holds 'string', expected the numbers of",
    ),
    (
        "reviews",
        typed("label", pa.float64(), value=0.5),
        "column 'label' holds 'double', expected the numbers of labels",
    ),
    ("reviews", typed("label", pa.bool_(), value=True), "column 'label' holds 'bool', expected the numbers of labels"),
    (
        "reviews",
        typed("label", pa.list_(pa.int64()), value=[1]),
        "column 'label' holds 'list<.*', expected the numbers",
    ),
    ("reports", typed("label", pa.int64(), value=1), "column 'label' holds 'int64', expected lists of numbers"),
    ("reports", cell(2, "label", [0, -1]), LOG_ROW + r"label is \[0, -1\], expected numbers from 0 to 2"),
    ("reports", cell(2, "label", [3]), LOG_ROW + r"label is \[3\], expected numbers from 0 to 2"),
    ("reports", cell(2, "label", [None]), LOG_ROW + r"label is \[None\], expected numbers from 0 to 2"),
    ("reports", cell(2, "label", [1, 1]), LOG_ROW + "label does not fit .* the label 'law' is there twice"),
    ("reports", cell(2, "label", [2, 0]), LOG_ROW + "label is .*, expected names in the order of label_names"),
    ("names", cell(2, "label", [0, 0]), LOG_ROW + r"label does not fit 'x.*': 2 tags for \d+ words"),
    ("names", cell(2, "label", []), LOG_ROW + r"label does not fit 'x.*': 0 tags for \d+ words"),
    (
        "names",
        cell(2, "label", lambda tags: [-1, *tags[1:]]),
        LOG_ROW + r"label is \[-1, .*, expected numbers from 0 to 4",
    ),
    ("reviews", typed("comment", pa.int64(), value=7), "column 'comment' holds 'int64', expected texts"),
    (
        "reviews",
        typed("time", pa.string(), value="now"),
        "column 'time' holds 'string', expected times with a time zone",
    ),
    (
        "reviews",
        typed("time", pa.timestamp("us"), value=0),
        r"column 'time' holds 'timestamp\[us\]', expected times with",
    ),
    ("reviews", cell(2, "time", None), LOG_ROW + "time is None, expected a time"),
    ("reviews", typed("time", pa.timestamp("us", tz="UTC"), value=2**62), r"answers\.parquet cannot be read: "),
    ("reviews", cell(2, "query", 3), LOG_ROW + r"query is 3, expected one of the 2 queries in hfal\.json"),
    ("reviews", cell(2, "query", 0), LOG_ROW + "query is 0, expected a whole number from 1"),
    ("reviews", typed("query", pa.float32(), value=math.nan), "column 'query' holds 'float', expected whole numbers"),
    # the examples
    ("reviews", lambda folder: (folder / "unlabeled.parquet").unlink(), "the tables have 12 examples, expected 32"),
    ("reviews", content("train.parquet", lambda b: b[:200]), r"train\.parquet cannot be read: "),
    (
        "reviews",
        table("train.parquet", rows_again),
        r"train\.parquet, row 13: id is 'xdd6.*, but train\.parquet, row 1 has it",
    ),
    (
        "reviews",
        cell(4, "id", "xdd6d897b2fbb660563cd", "unlabeled.parquet"),
        r"unlabeled\.parquet, row 5: id is 'xdd6.*', expected one that no other row has, but train\.parquet, row 1",
    ),
    ("reviews", cell(4, "id", None, "train.parquet"), r"train\.parquet, row 5: id is None, expected an id"),
    ("reviews", cell(4, "id", "", "unlabeled.parquet"), r"unlabeled\.parquet, row 5: id is '', expected an id"),
    (
        "reviews",
        cell(4, "id", "else", "train.parquet"),
        r"hfal\.json: contents has 'x.*', expected only ids of the examp",
    ),
    ("reviews", cell(4, "text", None, "train.parquet"), r"train\.parquet, row 5: text is None, expected a text"),
    (
        "reviews",
        cell(4, "text", "edited", "train.parquet"),
        r"train\.parquet, row 5: the text of 'x.*' is not the one that",
    ),
    (
        "reviews",
        typed("text", pa.int64(), "unlabeled.parquet", 1),
        r"unlabeled\.parquet: column 'text' holds 'int64', exp",
    ),
    (
        "reviews",
        typed("text", pa.list_(pa.string()), "train.parquet", ["a"]),
        r"train\.parquet: column 'text' holds 'list",
    ),
    ("reviews", table("train.parquet", twice("text")), r"train\.parquet has 2 columns called 'text'"),
    ("names", cell(4, "tokens", [], "train.parquet"), r"train\.parquet, row 5: tokens is \[\], expected words"),
    ("names", cell(4, "tokens", ["a", None], "unlabeled.parquet"), r"row 5: tokens is \['a', None\], expected words"),
    ("names", typed("tokens", pa.string(), "unlabeled.parquet", "a"), "the tables have texts of different types"),
]


@pytest.mark.parametrize(("name", "edit", "message"), HOSTILE, ids=[f"{n}-{m[:60]}" for n, _, m in HOSTILE])
def test_what_is_wrong_with_an_export_is_named_and_no_run_directory_is_made(
    tmp_path: Path, name: str, edit: Edit, message: str
) -> None:
    shutil.copytree(EXPORTS / name, tmp_path / "export")
    edit(tmp_path / "export")
    with pytest.raises(ArgumentError) as error:
        import_run(tmp_path / "export", tmp_path / "runs" / "later")
    said = str(error.value)
    assert said.startswith(f"source='{tmp_path / 'export'}': ")
    assert re.search(message, said)
    assert said.isprintable()  # one line, nothing that a terminal obeys
    assert len(said) < 600
    assert not (tmp_path / "runs").exists()


def test_there_are_enough_of_them() -> None:
    assert len(HOSTILE) > 120
    assert len({message for _, _, message in HOSTILE}) > 100


@pytest.mark.parametrize("name", ["reviews", "reports", "names"])
def test_an_export_that_nobody_has_edited_is_taken(tmp_path: Path, name: str) -> None:
    texts, answers = import_run(EXPORTS / name, tmp_path / "run")
    store = Store(tmp_path / "run", read_only=True)
    assert (texts, answers) == ({"reviews": 32}.get(name, 28), len(store.answers()))
    store.close()


def large(found: pa.Table) -> pa.Table:
    place = found.schema.get_field_index("text")
    return found.set_column(place, "text", found["text"].cast(pa.large_string()))


def in_tokyo(found: pa.Table) -> pa.Table:
    place = found.schema.get_field_index("time")
    return found.set_column(place, "time", found["time"].cast(pa.timestamp("us", tz="Asia/Tokyo")))


def said_to_be_images(found: pa.Table) -> pa.Table:
    features = {"id": {"_type": "Image"}, "text": {"_type": "Image"}}
    return found.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def with_weight(found: pa.Table) -> pa.Table:
    return found.append_column("weight", pa.array([0.5] * len(found)))


def with_probability(value: Any) -> Edit:
    return table(
        "answers.parquet",
        lambda found: found.append_column("probability", pa.array([value] + [None] * (len(found) - 1))),
    )


HARMLESS: dict[str, Edit] = {
    "what a newer hfal adds": history("rounds", 0, "energy", to=3),
    "what a newer hfal adds to queries": history(*Q, "origin", to={}),
    "no origins": history("origins", to={}),
    "what an older hfal did not write": history("rounds", 0, "stability", to=GONE),
    "another order": table("unlabeled.parquet", lambda found: found.take(list(range(len(found)))[::-1])),
    "large strings": table("train.parquet", large),
    "no comments": typed("comment", pa.null()),
    "another time zone": table("answers.parquet", in_tokyo),
    "a column more": table("answers.parquet", with_weight),
    "other features in the metadata": table("train.parquet", said_to_be_images),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_changes_nothing_that_is_read_is_taken(tmp_path: Path, edit: Edit) -> None:
    shutil.copytree(EXPORTS / "reviews", tmp_path / "export")
    edit(tmp_path / "export")
    pool = Pool.from_export(tmp_path / "export", tmp_path / "run")
    untouched = Pool.from_export(EXPORTS / "reviews", tmp_path / "untouched")
    assert pool.store.answers() == untouched.store.answers()
    assert pool.store.queries() == untouched.store.queries()
    assert pool.store.rounds() == untouched.store.rounds()
    pool.store.close()
    untouched.store.close()


def test_a_pool_is_no_more_lenient(tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "reviews", tmp_path / "export")
    cell(2, "label", -1)(tmp_path / "export")
    with pytest.raises(HfalError, match=LOG_ROW + "label is -1, expected numbers from 0 to 1"):
        Pool.from_export(tmp_path / "export", tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_probabilities_and_names_with_blanks_are_taken(tmp_path: Path) -> None:
    shutil.copytree(EXPORTS / "reviews", tmp_path / "export")
    with_probability(0.25)(tmp_path / "export")
    cell(0, "annotator", "Bob ")(tmp_path / "export")
    with contextlib.closing(Pool.from_export(tmp_path / "export", tmp_path / "run").store) as store:
        first, *others = store.answers()
        assert (first.annotator, first.probability) == ("Bob ", 0.25)
        assert {answer.probability for answer in others} == {None}
        export_labels(store.run_dir, tmp_path / "again", answers=True)
    log = pq.read_table(tmp_path / "again" / "answers.parquet")
    assert log["probability"].to_pylist() == [0.25, *[None] * len(others)]
    cell(0, "probability", 1.5)(tmp_path / "export")
    with pytest.raises(ArgumentError, match=r"row 1: probability is 1\.5, expected a number from 0 to 1, or null"):
        Pool.from_export(tmp_path / "export", tmp_path / "third")
