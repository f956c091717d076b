"""Exports: loaded with plain `datasets`, in a process without hfal, they say what was answered."""

import codecs
import csv
import io
import json
import logging
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value, load_dataset

from hfal.annotators.asking import ask
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.data.references import resolve_path
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.export.history import read_history
from hfal.export.labels import export_labels
from hfal.store.records import Answer, Queried, Query
from hfal.store.store import Store
from hfal.tasks.conll import read_file, read_sentences
from hfal.tasks.spans import spans_from_tags, words_of
from hfal.tasks.tags import tag_names
from hfal.utils.csv_files import restore
from support.hostile import HOSTILE
from support.models import NAMES


FORMATS = ["parquet", "jsonl", "csv"]
TAG_FORMATS = ["parquet", "jsonl", "conll"]
TAGS = tag_names(["PER", "LOC", "ORG", "MISC"])
both_tasks = pytest.mark.parametrize(
    ("format", "of_tags"),
    [(format, False) for format in FORMATS] + [(format, True) for format in TAG_FORMATS],
    ids=[*FORMATS, *(f"{format} of tags" for format in TAG_FORMATS)],
)
Row = dict[str, Any]

_LOAD = """
import json, sys, tempfile
import datasets

datasets.disable_progress_bars()
loaded = {}
for name, path, options in json.load(sys.stdin):
    data = datasets.load_dataset(path, cache_dir=tempfile.mkdtemp(dir=sys.argv[1]), **options)
    loaded[name] = {split: part.to_list() for split, part in data.items()}
    for split, part in data.items():
        label = part.features.get("label")
        label = getattr(label, "feature", label)  # of a list of them
        for row in loaded[name][split] if isinstance(label, datasets.ClassLabel) else []:
            row["label"] = label.int2str(row["label"])
assert "hfal" not in sys.modules
json.dump(loaded, sys.stdout, default=lambda time: time.isoformat(timespec="microseconds"))
"""


def load(tmp_path: Path, *exports: Path) -> list[dict[str, list[Row]]]:
    """What `datasets.load_dataset`, in a process without hfal, finds in some exports: the rows of each split."""
    wanted = []
    for number, path in enumerate(exports):
        is_csv = path.suffix == ".csv" or any(path.glob("*.csv"))
        options = {"keep_default_na": False} if is_csv else {}
        if path.is_dir():
            wanted.append((number, str(path), options))
        else:
            name = {".jsonl": "json", ".json": "json"}.get(path.suffix, path.suffix[1:])
            wanted.append((number, name, {"data_files": str(path), **options}))
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, str(tmp_path)],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = json.loads(done.stdout)
    return [loaded[str(number)] for number in range(len(exports))]


def make_store(run_dir: Path, label_names: Sequence[str] | None = None, of_tags: bool = False) -> Store:
    store = Store(run_dir)
    store.set_meta("label_names", list(label_names or (TAGS if of_tags else NAMES)))
    if of_tags:
        store.set_meta("task", "token_classification")
        store.set_meta("scheme", "IOB2")
    return store


def has_tags(store: Store) -> bool:
    return store.meta("task") == "token_classification"


def add_query(store: Store, ids: Sequence[str], purpose: str = "round", round_number: int = 1, **about: Any) -> Query:
    """Record a query for these examples, whose text is "text of ID" unless `texts` says otherwise."""
    texts = about.pop("texts", None) or [{"text": f"text of {i}"} for i in ids]
    if has_tags(store) and "as_words" not in about:
        texts = [{name: text.split() if isinstance(text, str) else text for name, text in t.items()} for t in texts]
    about.pop("as_words", None)
    examples = (Queried(i, f"content of {i}", text, **about) for i, text in zip(ids, texts, strict=True))
    strategy = "random" if round_number == 0 else "margin+kmeans"
    return store.add_query(Query(round_number, purpose, strategy, 0, tuple(examples)))


def answer(store: Store, example_id: str, label: Any, annotator: str = "anna", **about: Any) -> Answer:
    """Record an answer; where words are tagged a positive sentence begins with a person."""
    if has_tags(store) and label in NAMES:
        (text,) = store.texts(example_id).values()
        label = ["B-PER" if label == "positive" else "O"] + ["O"] * (len(words_of(text)) - 1)
    recorded = store.record(Answer(example_id, label, annotator=annotator, **about))
    assert recorded is not None
    return recorded


def small_run(run_dir: Path, of_tags: bool = False) -> Store:
    """A run with a held-out label, two others, and an example without a label."""
    store = make_store(run_dir, of_tags=of_tags)
    add_query(store, ["h"], "holdout", 0)
    add_query(store, ["a", "b", "c"], "seed", 0)
    answer(store, "h", "negative", query=1)
    answer(store, "a", "positive", query=2)
    answer(store, "b", "negative", query=2)
    return store


# -- what is in it -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run in which all that can happen to a label has happened, and what plain `datasets` finds in its exports."""
    folder = tmp_path_factory.mktemp("story")
    store = make_store(folder / "run")
    store.record_given([(Answer("given", "positive", annotator="dataset"), "c", {"text": "text of given"})])
    add_query(store, ["held out", "held out, no answer"], "holdout", 0)
    add_query(
        store, ["plain", "corrected", "undone", "asked again", "skipped", "given back", "given later"], "seed", 0
    )
    times = {"held out": answer(store, "held out", "negative", query=1).time}
    answer(store, "undone", "negative", query=2)
    answer(store, "corrected", "negative", query=2)
    times["plain"] = answer(store, "plain", "positive", query=2, comment="sure").time
    answer(store, "undone", None, action="undo", query=2)
    times["corrected"] = answer(store, "corrected", "positive", query=2).time
    answer(store, "skipped", None, action="skip", query=2)
    third = ["asked again", "unsure", "by two", "by two, one undone", "from elsewhere", "named late"]
    add_query(store, third, score=-0.5, suggestion="negative", confidence=0.75)
    answer(store, "by two", "positive", "bert", query=3)
    answer(store, "by two, one undone", "positive", "bert", query=3)
    times["asked again"] = answer(store, "asked again", "positive", query=3).time
    answer(store, "unsure", None, action="unsure", query=3)
    times["by two"] = answer(store, "by two", "negative", query=3).time
    answer(store, "by two, one undone", "negative", query=3)
    answer(store, "by two, one undone", None, action="undo", query=3)
    times["by two, one undone"] = store.current_answers()["by two, one undone"].time
    times["from elsewhere"] = answer(store, "from elsewhere", "positive", "script").time
    add_query(store, ["asked later"], round_number=2, score=0.25)
    times["named late"] = answer(store, "named late", "positive", query=4).time
    times["given back"] = answer(store, "given back", "positive", query=2).time
    store.record_given(
        [(Answer("given later", "negative", annotator="dataset"), "c", {"text": "text of given later"})]
    )
    add_query(store, ["given back"], round_number=3, score=0.125)  # as a pool that was told otherwise might
    exports = [folder / f"labels.{format}" for format in FORMATS] + [folder / format for format in FORMATS]
    for path in exports:
        export_labels(store.run_dir, path, path.name if path.suffix == "" else None)
    loaded = load(folder, *exports)
    return {"store": store, "folder": folder, "times": times, "loaded": dict(zip(exports, loaded, strict=True))}


def expected_rows(times: dict[str, str]) -> list[Row]:
    holdout = {"al_split": "test", "al_query": 1, "al_round": 0, "al_strategy": "random"}
    seed = {"al_split": "train", "al_query": 2, "al_round": 0, "al_strategy": "random"}
    first = {"al_split": "train", "al_query": 3, "al_round": 1, "al_strategy": "margin+kmeans", "al_score": -0.5}
    first |= {"al_suggestion": "negative", "al_confidence": 0.75}
    rows = [
        {"id": "given", "label": "positive", "al_split": "train", "al_annotator": "dataset"},
        {"id": "held out", "label": "negative", **holdout, "al_rank": 0},
        {"id": "corrected", "label": "positive", **seed, "al_rank": 1},
        {"id": "plain", "label": "positive", **seed, "al_rank": 0, "al_comment": "sure"},
        {"id": "by two", "label": "negative", **first, "al_rank": 2},
        {"id": "by two, one undone", "label": "positive", **first, "al_rank": 3, "al_annotator": "annotator-2"},
        {"id": "asked again", "label": "positive", **first, "al_rank": 0},
        {"id": "from elsewhere", "label": "positive", **first, "al_rank": 4, "al_annotator": "annotator-3"},
        {"id": "named late", "label": "positive", **first, "al_rank": 5},
        {"id": "given back", "label": "positive", **seed, "al_rank": 5},
        {"id": "given later", "label": "negative", "al_split": "train", "al_annotator": "dataset"},
    ]
    for row in rows:
        row["text"] = f"text of {row['id']}"
        row.setdefault("al_annotator", "annotator-1")
        row["al_labeled_at"] = times.get(row["id"])
    return rows


def without_blanks(row: Row) -> Row:
    """A row without its missing values, which are `None`, or nothing in a CSV file."""
    return {name: value for name, value in row.items() if value not in (None, "")}


@pytest.mark.parametrize("format", FORMATS)
def test_file_has_every_label_in_force_with_its_text_and_history(story: dict[str, Any], format: str) -> None:
    splits = story["loaded"][story["folder"] / f"labels.{format}"]
    assert list(splits) == ["train"]  # one file is one split, whose column says what is held out
    found = [without_blanks(row) for row in splits["train"]]
    numbers = {"al_query", "al_round", "al_rank", "al_score", "al_confidence"}
    if format == "csv":  # with keep_default_na=False a column of numbers with gaps is one of texts
        found = [{n: float(v) if n in numbers else v for n, v in row.items()} for row in found]
    assert found == [without_blanks(row) for row in expected_rows(story["times"])]


@pytest.mark.parametrize("format", FORMATS)
def test_folder_has_the_splits_train_and_test(story: dict[str, Any], format: str) -> None:
    splits = story["loaded"][story["folder"] / format]
    rows = {row["id"]: row["al_split"] for row in expected_rows(story["times"])}
    for split in ("train", "test"):
        assert [row["id"] for row in splits[split]] == [i for i, where in rows.items() if where == split]
    assert set(splits) == {"train", "test"}
    assert {row["al_split"] for row in splits["test"]} == {"test"}


def test_columns_are_in_one_order_in_all_formats(story: dict[str, Any]) -> None:
    columns = "id text label al_split al_query al_round al_rank al_score al_strategy al_suggestion al_confidence"
    columns += " al_annotator al_comment al_labeled_at"
    for format in FORMATS:
        for row in story["loaded"][story["folder"] / f"labels.{format}"]["train"]:
            assert list(row) == columns.split()


def test_parquet_has_the_types_of_datasets(story: dict[str, Any]) -> None:
    types = dict.fromkeys(["id", "text", "label", "al_split"], "string")
    types |= {"al_query": "int32", "al_round": "int32", "al_rank": "int32", "al_score": "float64"}
    types |= {"al_strategy": "string", "al_suggestion": "string", "al_confidence": "float64"}
    types |= {"al_annotator": "string", "al_comment": "string", "al_labeled_at": "timestamp[us, tz=UTC]"}
    features = Features({name: Value(dtype) for name, dtype in types.items()} | {"label": ClassLabel(names=NAMES)})
    for path in (story["folder"] / "labels.parquet", story["folder"] / "parquet" / "test.parquet"):
        schema = pq.read_schema(path)
        assert schema.equals(features.arrow_schema)
        assert schema.metadata == features.arrow_schema.metadata
        assert Features.from_arrow_schema(schema) == features


def test_csv_and_json_lines_have_the_names_of_labels(story: dict[str, Any]) -> None:
    rows = [json.loads(line) for line in (story["folder"] / "labels.jsonl").read_text("utf-8").splitlines()]
    assert {row["label"] for row in rows} == {"negative", "positive"}
    content = (story["folder"] / "labels.csv").read_bytes()
    assert content.startswith(codecs.BOM_UTF8)  # without it Excel guesses a code page
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert {row["label"] for row in rows} == {"negative", "positive"}
    assert "-0.5" in {row["al_score"] for row in rows}  # a number is no formula


def test_export_of_a_simulated_run_equals_the_views_of_its_pool(tmp_path: Path, reviews: Dataset) -> None:
    pool = Pool(reviews.select(range(40)), tmp_path / "run", "text", label_column="label")
    ids = pool.ids.to_pylist()
    for query, (purpose, part) in enumerate([("holdout", ids[30:]), ("seed", ids[4:10]), ("round", ids[10:3:-3])]):
        examples = (
            Queried(i, pool.content(p), pool.texts([p])[0]) for i, p in zip(part, pool.positions(part), strict=True)
        )
        pool.store.add_query(Query(query // 2, purpose, "random", 0, tuple(examples)))
        ask(pool.store, SimulatedAnnotator(pool))
    written = export_labels(pool.run_dir, tmp_path / "export")
    assert written == {
        tmp_path / "export" / "train.parquet": len(pool.labeled),
        tmp_path / "export" / "test.parquet": len(pool.holdout) == 10 and 10,
    }
    data = load_dataset(str(tmp_path / "export"), cache_dir=str(tmp_path / "cache"))
    for view, split in [(pool.labeled, "train"), (pool.holdout, "test")]:
        assert data[split]["text"] == view["text"]
        assert data[split]["label"] == view["label"]
        assert data[split].features["label"] == view.features["label"]
    assert set(data["train"]["al_annotator"]) == {"simulated"}


def test_labels_that_came_with_the_data_need_no_query(tmp_path: Path) -> None:
    data = Dataset.from_dict({"premise": ["a", "b", "c"], "hypothesis": ["d", "e", "f"], "gold": ["x", None, "y"]})
    pool = Pool(data, tmp_path / "run", ["premise", "hypothesis"], label_column="gold")
    ids = pool.ids.to_pylist()
    export_labels(pool.run_dir, tmp_path / "labels.jsonl")
    lines = (tmp_path / "labels.jsonl").read_text("utf-8").splitlines()
    rows = [without_blanks(json.loads(line)) for line in lines]
    history = {"al_split": "train", "al_annotator": "dataset"}
    assert rows == [
        {"id": ids[0], "premise": "a", "hypothesis": "d", "label": "x", **history},
        {"id": ids[2], "premise": "c", "hypothesis": "f", "label": "y", **history},
    ]


def test_text_columns_with_the_names_of_ours_are_renamed_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_store(tmp_path / "run")
    columns = ["id", "label", "text_label", "al_score", "comment"]
    add_query(store, ["x"], texts=[{column: f"the {column}" for column in columns}])
    answer(store, "x", "positive")
    with caplog.at_level(logging.WARNING):
        paths = [tmp_path / f"labels.{format}" for format in FORMATS]
        for path in paths:
            export_labels(store.run_dir, path)
    assert "the text column 'label' is called 'text_label' in the export" in caplog.text
    for splits in load(tmp_path, *paths):
        (row,) = splits["train"]
        assert (row["id"], row["label"]) == ("x", "positive")
        assert row["text_id"] == "the id"
        assert row["text_label"] == "the label"
        assert row["text_text_label"] == "the text_label"
        assert row["text_al_score"] == "the al_score"
        assert row["comment"] == "the comment"


def test_text_column_that_was_renamed_between_two_queries(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    add_query(store, ["a"])
    add_query(store, ["b"], texts=[{"review": "text of b"}])
    for i in "ab":
        answer(store, i, "positive")
    paths = [tmp_path / f"labels.{format}" for format in FORMATS]
    for path in paths:
        export_labels(store.run_dir, path)
    for splits in load(tmp_path, *paths):
        assert [(row["text"] or None, row["review"] or None) for row in splits["train"]] == [
            ("text of a", None),
            (None, "text of b"),
        ]


# -- hostile texts -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A run whose texts, ids, labels, annotators, comments and text columns are all hostile."""
    folder = tmp_path_factory.mktemp("hostile")
    names = ["=1+1", "-1;@SUM(A1)", "null"]
    store = make_store(folder / "run", names)
    ids = {kind: text if 0 < len(text) < 1000 else kind for kind, text in HOSTILE.items()}
    assert len(set(ids.values())) == len(ids)
    texts = [{"text": text, "=2\t+2": text[:1000]} for text in HOSTILE.values()]
    add_query(store, list(ids.values()), texts=texts, score=-0.5, suggestion="=1+1", confidence=1e-7)
    for number, (kind, i) in enumerate(ids.items()):
        answer(store, i, names[number % 3], HOSTILE[kind][:1000] or "nobody", comment=HOSTILE[kind][:1000], query=1)
    paths = [folder / f"labels.{format}" for format in FORMATS]
    for path in paths:
        export_labels(store.run_dir, path, annotator_names=True)
    loaded = load(folder, *paths)
    return {"folder": folder, "names": names, "ids": ids, "loaded": dict(zip(FORMATS, loaded, strict=True))}


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_is_loaded_as_it_was(hostile: dict[str, Any], kind: str, format: str) -> None:
    number = list(HOSTILE).index(kind)
    row = hostile["loaded"][format]["train"][number]
    text = HOSTILE[kind]
    expected = {"id": hostile["ids"][kind], "text": text, "=2\t+2": text[:1000], "label": hostile["names"][number % 3]}
    expected |= {"al_annotator": text[:1000] or "nobody", "al_comment": text[:1000], "al_suggestion": "=1+1"}
    found = {name: "" if value is None else value for name, value in row.items()}
    if format == "csv":
        found = {restore(name): restore(value) if isinstance(value, str) else value for name, value in found.items()}
    assert {name: found[name] for name in expected} == expected
    assert (found["al_score"], found["al_confidence"], found["al_rank"]) == (-0.5, 1e-7, number)


def test_no_cell_of_the_csv_is_a_formula(hostile: dict[str, Any]) -> None:
    limit = csv.field_size_limit(2_000_000)
    try:
        content = (hostile["folder"] / "labels.csv").read_bytes().decode("utf-8-sig")
        header, *rows = csv.reader(io.StringIO(content, newline=""))
    finally:
        csv.field_size_limit(limit)
    score = header.index("al_score")
    assert {row[score] for row in rows} == {"-0.5"}  # of a number, which is in no quotes, a spreadsheet makes a number
    cells = [*header, *(cell for row in rows for column, cell in enumerate(row) if column != score)]
    starts = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "\0")
    assert [cell[:50] for cell in cells if cell.startswith(starts)] == []
    assert '"a;\'=cmd()"' in content


def test_every_line_of_json_lines_is_a_row_for_every_reader(hostile: dict[str, Any]) -> None:
    content = (hostile["folder"] / "labels.jsonl").read_text("utf-8")
    assert len(content.splitlines()) == len(HOSTILE)  # which also cuts at U+2028, U+0085 and their like


# -- tags of words -------------------------------------------------------------------------------------------------


def read_conll(path: Path) -> dict[str, tuple[list[str], list[str]]]:
    """What a CoNLL file says, read with nothing of hfal, so without any escapes."""
    found = {}
    for block in path.read_bytes().decode().removesuffix("\n\n").split("\n\n"):
        head, *rows = block.split("\n")
        words, tags = ([*column] for column in zip(*(row.split("\t") for row in rows), strict=True))
        found[head.removeprefix("# id = ")] = (words, tags)
    return found


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.set_meta("label_names", NAMES)
    scores = {"a": math.inf, "b": -math.inf, "c": 0.5}
    examples = tuple(Queried(i, i, {"text": i}, score=score) for i, score in scores.items())
    store.add_query(Query(1, "round", "odd", 0, examples, settings={"odd": [math.nan]}))
    for i in scores:
        store.record(Answer(i, NAMES[0], annotator="Ann", query=1))
    store.start_round(1, 0, 3, 3)
    store.finish_training(1)
    store.finish_round(1, {"eval_loss": math.nan, "eval_accuracy": 0.5})
    store.close()
    export_labels(tmp_path / "run", tmp_path / "labels.jsonl")
    export_labels(tmp_path / "run", tmp_path / "out", answers=True)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = [json.loads(line, parse_constant=refuse) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [row["al_score"] for row in rows] == [None, None, 0.5]
    written = json.loads((tmp_path / "out" / "hfal.json").read_text(), parse_constant=refuse)
    assert [example["score"] for example in written["queries"][0]["examples"]] == [None, None, 0.5]
    assert written["queries"][0]["settings"] == {"odd": [None]}
    assert written["rounds"][0]["metrics"] == {"eval_loss": None, "eval_accuracy": 0.5}
    metrics = read_history(written, []).rounds[0].metrics
    assert metrics is not None
    assert math.isnan(metrics["eval_loss"])
    assert pq.read_table(tmp_path / "out" / "train.parquet")["al_score"].to_pylist() == list(scores.values())


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """200 sentences of CoNLL-2003, half of them held out, in words and as raw text, and their exports."""
    folder = tmp_path_factory.mktemp("tagged")
    gold = list(islice(read_file(resolve_path("package:neuroner/data/conll2003/en/train.txt")), 200))
    ids = [f"s{n}" for n in range(200)]
    story: dict[str, Any] = {"folder": folder, "rows": {}}
    for kind in ("words", "raw"):
        store = make_store(folder / f"run of {kind}", of_tags=True)
        texts = [row["tokens"] if kind == "words" else " ".join(row["tokens"]) for row in gold]
        tags = [row["ner_tags"] for row in gold]
        if kind == "raw":  # whose words are not those of CoNLL everywhere
            tags = [[("B-LOC", "I-LOC", "O")[min(n % 5, 2)] for n in range(len(words_of(text)))] for text in texts]
        rows = []
        for part, purpose in [(range(100), "holdout"), (range(100, 200), "round")]:
            for n in part:  # one query each, since each has a suggestion of its own
                suggestion = None if purpose == "holdout" else ["B-PER"] + ["O"] * (len(words_of(texts[n])) - 1)
                add_query(store, [ids[n]], purpose, texts=[{"text": texts[n]}], suggestion=suggestion, as_words=True)
                answer(store, ids[n], tags[n])
                row = {"id": ids[n], "text": texts[n], "label": tags[n], "al_suggestion": suggestion}
                row["al_split"] = "test" if purpose == "holdout" else "train"
                if kind == "raw":
                    row |= {"tokens": words_of(texts[n]), "spans": spans_from_tags(texts[n], tags[n])}
                rows.append(row)
        story["rows"][kind] = rows
        for format in TAG_FORMATS:
            export_labels(store.run_dir, folder / f"{kind}.{format}")
            export_labels(store.run_dir, folder / f"{kind} {format}", format)
    paths = [folder / f"{kind}{dot}{format}" for kind in story["rows"] for dot in ". " for format in TAG_FORMATS[:2]]
    return story | {"loaded": dict(zip(paths, load(folder, *paths), strict=True))}


@pytest.mark.parametrize("kind", ["words", "raw"])
@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_tags_are_loaded_as_they_were_recorded(tagged: dict[str, Any], kind: str, format: str) -> None:
    rows = tagged["rows"][kind]
    splits = tagged["loaded"][tagged["folder"] / f"{kind}.{format}"]
    assert [{name: row[name] for name in rows[0]} for row in splits["train"]] == rows
    splits = tagged["loaded"][tagged["folder"] / f"{kind} {format}"]
    for split in ("train", "test"):
        expected = [row for row in rows if row["al_split"] == split]
        assert len(expected) == 100
        assert [{name: row[name] for name in rows[0]} for row in splits[split]] == expected


@pytest.mark.parametrize("kind", ["words", "raw"])
def test_conll_has_words_and_tags(tagged: dict[str, Any], kind: str) -> None:
    rows = tagged["rows"][kind]
    expected = {row["id"]: (row.get("tokens", row["text"]), row["label"]) for row in rows}
    assert read_conll(tagged["folder"] / f"{kind}.conll") == expected
    again = list(read_file(tagged["folder"] / f"{kind}.conll"))  # as the data of another run
    assert [(row["tokens"], row["ner_tags"]) for row in again] == list(expected.values())
    for split in ("train", "test"):
        ids = [row["id"] for row in rows if row["al_split"] == split]
        assert list(read_conll(tagged["folder"] / f"{kind} conll" / f"{split}.conll")) == ids


@pytest.mark.parametrize("kind", ["words", "raw"])
def test_parquet_of_tags_has_the_types_of_datasets(tagged: dict[str, Any], kind: str) -> None:
    words = List(Value("string"))
    types: dict[str, Any] = {"id": Value("string"), "text": words if kind == "words" else Value("string")}
    if kind == "raw":
        span = {"start": Value("int64"), "end": Value("int64"), "label": Value("string")}
        types |= {"tokens": words, "spans": List(span)}
    types |= {"label": List(ClassLabel(names=TAGS)), "al_split": Value("string")}
    types |= {name: Value("int32") for name in ("al_query", "al_round", "al_rank")} | {"al_score": Value("float64")}
    types |= {"al_strategy": Value("string"), "al_suggestion": words, "al_confidence": Value("float64")}
    types |= {"al_annotator": Value("string"), "al_comment": Value("string")}
    features = Features(types | {"al_labeled_at": Value("timestamp[us, tz=UTC]")})
    schema = pq.read_schema(tagged["folder"] / f"{kind}.parquet")
    assert schema.equals(features.arrow_schema)
    assert schema.metadata == features.arrow_schema.metadata
    assert Features.from_arrow_schema(schema) == features
    (line, *_) = (tagged["folder"] / f"{kind}.jsonl").read_text("utf-8").splitlines()
    assert list(json.loads(line)) == list(features)


def test_columns_called_as_those_of_raw_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, (text, expected) in enumerate(
        [
            ({"tokens": ["Ann"]}, {"tokens": ["Ann"]}),
            ({"spans": ["Ann"]}, {"spans": ["Ann"]}),
            ({"tokens": "Ann"}, {"text_tokens": "Ann", "tokens": ["Ann"]}),
            ({"spans": "Ann"}, {"text_spans": "Ann", "tokens": ["Ann"]}),
        ]
    ):
        store = make_store(tmp_path / f"run{number}", of_tags=True)
        add_query(store, ["x"], texts=[text], as_words=True)
        answer(store, "x", "positive")
        for format in TAG_FORMATS:
            export_labels(store.run_dir, tmp_path / f"labels{number}.{format}")
        row = json.loads((tmp_path / f"labels{number}.jsonl").read_text())
        assert {name: row[name] for name in expected} == expected
        if "tokens" in expected and len(expected) == 2:
            assert row["spans"] == [{"start": 0, "end": 3, "label": "PER"}]
        assert read_conll(tmp_path / f"labels{number}.conll") == {"x": (["Ann"], ["B-PER"])}
    assert "the text column 'tokens' is called 'text_tokens' in the export, which has a 'tokens'" in caplog.text


def test_sentences_that_came_in_words_later(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", of_tags=True)
    add_query(store, ["raw"], texts=[{"text": "Ann."}], as_words=True)
    add_query(store, ["words"], texts=[{"sentence": ["Ann", "."]}], as_words=True)
    for i in ("raw", "words"):
        answer(store, i, "positive")
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths:
        export_labels(store.run_dir, path)
    for splits in load(tmp_path, *paths[:2]):
        raw, words = splits["train"]
        assert (raw["text"], raw["sentence"], raw["tokens"], words["text"]) == ("Ann.", None, ["Ann", "."], None)
        assert (words["sentence"], words["tokens"], words["spans"]) == (["Ann", "."], None, None)
    assert read_conll(paths[2]) == dict.fromkeys(["raw", "words"], (["Ann", "."], ["B-PER", "O"]))


def test_skipped_sentences_and_those_without_words(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run", of_tags=True)
    add_query(store, ["skipped", "empty", "full"], texts=[{"text": ["x"]}, {"text": []}, {"text": ["Ann"]}])
    answer(store, "skipped", None, action="skip")
    answer(store, "empty", [])
    answer(store, "full", ["B-PER"])
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths * 2:  # also over itself
        assert export_labels(store.run_dir, path) == {path: 2}
    for splits in load(tmp_path, *paths[:2]):
        assert [(row["id"], row["label"]) for row in splits["train"]] == [("empty", []), ("full", ["B-PER"])]
    assert paths[2].read_text() == "# id = empty\n\n# id = full\nAnn\tB-PER\n\n"


def test_hostile_words_ids_and_tags_are_exported_as_they_were(tmp_path: Path) -> None:
    odd = [*(text[:1500] for text in HOSTILE.values()), "-DOCSTART-", "#", "# id = x", "#a=b", "\\e", "\\u0020"]
    names = ["O", *(f"B-{text}" for text in odd if 0 < len(text) < 1000)]
    store = make_store(tmp_path / "run", names, of_tags=True)
    ids = [text if text.strip() and len(text) < 1000 else f"x{n}" for n, text in enumerate(odd)]
    texts = [[word, "and", word] for word in odd]
    tags = [[names[n % len(names)], "O", names[-1 - n % len(names)]] for n in range(len(odd))]
    add_query(store, ids, texts=[{"text": text} for text in texts], as_words=True)
    for i, label in zip(ids, tags, strict=True):
        answer(store, i, label)
    paths = [tmp_path / f"labels.{format}" for format in TAG_FORMATS]
    for path in paths * 2:  # also over itself
        export_labels(store.run_dir, path)
    expected = list(zip(ids, texts, tags, strict=True))
    for splits in load(tmp_path, *paths[:2]):
        assert [(row["id"], row["text"], row["label"]) for row in splits["train"]] == expected
    sentences = read_sentences(paths[2].read_bytes().decode(), "it")
    assert [(s.comments["id"], s.words, [tag for (tag,) in s.columns]) for s in sentences] == expected


TYPES = ["LOC", "MISC", "ORG", "PER"]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """80 sentences of CoNLL-2003 with the types of entities in them, half of them held out, and their exports."""
    folder = tmp_path_factory.mktemp("sets")
    store = set_store(folder / "run", TYPES)
    rows: list[Row] = []
    for n, sentence in enumerate(islice(read_file(resolve_path("package:neuroner/data/conll2003/en/train.txt")), 80)):
        text, types = " ".join(sentence["tokens"]), {tag[2:] for tag in sentence["ner_tags"] if tag != "O"}
        suggestion = None if n < 40 else TYPES[n % 5 :]
        purpose = "holdout" if n < 40 else "round"
        add_query(store, [f"s{n}"], purpose, texts=[{"text": text}], suggestion=suggestion)
        answer(store, f"s{n}", list(types))
        row = {"id": f"s{n}", "text": text, "label": sorted(types), "al_suggestion": suggestion}
        rows.append(row | {"al_split": "test" if n < 40 else "train"})
    assert {len(row["label"]) for row in rows} >= {0, 1, 2, 3}
    paths = [folder / f"labels.{format}" for format in FORMATS] + [folder / f"in {format}" for format in FORMATS]
    for path in paths:
        export_labels(store.run_dir, path, None if path.suffix else path.name.removeprefix("in "))
    return {"folder": folder, "rows": rows, "loaded": dict(zip(paths, load(folder, *paths), strict=True))}


def set_store(run_dir: Path, names: Sequence[str]) -> Store:
    store = make_store(run_dir, names)
    store.set_meta("task", "multi_label_classification")
    return store


@pytest.mark.parametrize("format", FORMATS)
def test_sets_are_loaded_as_they_were_recorded(sets: dict[str, Any], format: str) -> None:
    def in_csv(row: Row) -> Row:
        cells = {name: row[name] if row[name] is None else " | ".join(row[name]) or "none" for name in lists}
        return {**row, **cells}

    def read(row: Row) -> Row:
        found = {name: row[name] for name in expected[0]}
        if format == "csv":
            found |= {"text": restore(row["text"]), "al_suggestion": row["al_suggestion"] or None}
        return found

    lists = ("label", "al_suggestion")
    expected = [in_csv(row) for row in sets["rows"]] if format == "csv" else sets["rows"]
    splits = sets["loaded"][sets["folder"] / f"labels.{format}"]
    assert list(map(read, splits["train"])) == expected
    splits = sets["loaded"][sets["folder"] / f"in {format}"]
    for split in ("train", "test"):
        assert list(map(read, splits[split])) == [row for row in expected if row["al_split"] == split]


def test_parquet_of_sets_has_the_types_of_datasets(sets: dict[str, Any]) -> None:
    features = Features.from_arrow_schema(pq.read_schema(sets["folder"] / "labels.parquet"))
    assert features["label"] == List(ClassLabel(names=TYPES))
    assert features["al_suggestion"] == List(Value("string"))


def test_names_of_labels_in_sets_that_have_no_place_in_a_cell(tmp_path: Path) -> None:
    store = set_store(tmp_path / "run", ["=1+1", "a|b", "none"])
    add_query(store, ["a", "b"])
    answer(store, "a", ["a|b", "=1+1"])
    answer(store, "b", [])
    export_labels(store.run_dir, tmp_path / "labels.csv")
    with open(tmp_path / "labels.csv", encoding="utf-8-sig", newline="") as file:
        assert [restore(row["label"]) for row in csv.DictReader(file)] == ["=1+1; a|b", "[]"]
    store.set_meta("label_names", ["a|b", "c;d", "=1+1", "e,f"])
    with pytest.raises(ArgumentError, match="nothing is left to separate them in a cell: take a format with lists"):
        export_labels(store.run_dir, tmp_path / "other.csv")
    assert not (tmp_path / "other.csv").exists()
    export_labels(store.run_dir, tmp_path / "other.jsonl")
    with pytest.raises(
        ArgumentError, match=r"CoNLL files are for tags of words, .*; take \.parquet, \.jsonl or \.csv"
    ):
        export_labels(store.run_dir, tmp_path / "labels.conll")


@pytest.mark.parametrize(
    ("of_tags", "to", "format", "message"),
    [
        (
            True,
            "labels.csv",
            None,
            r"labels\.csv': CSV has no place for a tag of each word; take \.jsonl, \.parquet or \.c",
        ),
        (True, "folder", "csv", r"CSV has no place for a tag of each word"),
        (False, "labels.conll", None, r"CoNLL files are for tags of words, .*; take \.parquet, \.jsonl or \.csv"),
        (False, "folder/", "conll", r"CoNLL files are for tags of words"),
        (True, "labels.conll", "jsonl", r"labels\.conll' contradicts format='jsonl'"),
    ],
)
def test_format_that_does_not_fit_the_task(
    tmp_path: Path, of_tags: bool, to: str, format: str | None, message: str
) -> None:
    store = small_run(tmp_path / "run", of_tags)
    with pytest.raises(ArgumentError, match=message):
        export_labels(store.run_dir, f"{tmp_path}/{to}", format)
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


# -- where it is written -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "format", "written"),
    [
        ("labels.jsonl", None, "labels.jsonl"),
        ("labels.JSON", None, "labels.JSON"),
        ("labels.csv", "csv", "labels.csv"),
        ("new/folders/labels.parquet", None, "new/folders/labels.parquet"),
        ("folder", None, "folder/train.parquet"),
        ("folder", "csv", "folder/train.csv"),
        ("reviews-1.0", "jsonl", "reviews-1.0/train.jsonl"),
        ("reviews.v1/", None, "reviews.v1/train.parquet"),
        ("labels.csv/", None, "labels.csv/train.parquet"),
        ("folder with spaces & ünïcode", None, "folder with spaces & ünïcode/train.parquet"),
    ],
)
def test_the_ending_says_file_or_folder_and_the_format(
    tmp_path: Path, to: str, format: str | None, written: str
) -> None:
    store = small_run(tmp_path / "run")
    written_files = export_labels(store.run_dir, f"{tmp_path}/{to}", format)
    path = tmp_path / written
    if path.stem == "train":
        assert written_files == {path: 2, path.with_stem("test"): 1}
    else:
        assert written_files == {path: 3}
    content = path.read_bytes()
    kind = format or {".json": "jsonl"}.get(path.suffix.lower(), path.suffix.lower()[1:])
    assert (content[:4] == b"PAR1", content[:1] == b"{", content[:3] == codecs.BOM_UTF8) == tuple(
        kind == name for name in FORMATS
    )
    assert {p.name for p in path.parent.iterdir()} - {"run"} == {p.name for p in written_files}


@pytest.mark.parametrize(
    ("to", "format", "message"),
    [
        (
            "labels.xlsx",
            None,
            r"labels\.xlsx': files may end in \.parquet, \.jsonl, \.json, \.csv, \.conll; end the name",
        ),
        ("labels.csv.gz", None, r"files may end in"),
        ("labels.csv", "parquet", r"labels\.csv' contradicts format='parquet'"),
        ("labels.xlsx", "xlsx", r"format='xlsx', expected one of: parquet, jsonl, csv, conll"),
        ("run/labels.sqlite", None, r"files may end in"),
        ("file/labels.csv", None, r"to='.*/file/labels\.csv' cannot be written: .*File exists"),
        ("file", None, r"to='.*/file' cannot be written: .*File exists"),
        ("x" * 250 + ".csv", None, r"cannot be written: .*File name too long"),
        ("run", None, r"run has other things in it \(labels\.sqlite.*name a new folder"),
        ("", None, r"has other things in it \(file, run\)"),
    ],
)
def test_what_cannot_be_written_is_an_error(tmp_path: Path, to: str, format: str | None, message: str) -> None:
    store = small_run(tmp_path / "run")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArgumentError, match=message):
        export_labels(store.run_dir, f"{tmp_path}/{to}", format)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("to", "format", "of_tags", "more", "message"),
    [
        (
            "all.parquet",
            None,
            False,
            {"answers": True},
            r"all\.parquet' is one file, with no place for answers: name a",
        ),
        (
            "all.csv",
            None,
            False,
            {"unlabeled": True},
            r"all\.csv' is one file, with no place for unlabeled: name a fold",
        ),
        ("all", "jsonl", False, {"answers": True}, r"answers are written as Parquet, so that format='jsonl' does not"),
        ("all", "conll", True, {"unlabeled": True}, r"a CoNLL file has no place for what is unlabeled"),
    ],
)
def test_where_more_than_labels_has_no_place(tmp_path, to, format, of_tags, more, message) -> None:
    store = small_run(tmp_path / "run", of_tags)
    more = {**more, **({"unlabeled": _Texts("abch")} if "unlabeled" in more else {})}
    with pytest.raises(ArgumentError, match=message):
        export_labels(store.run_dir, tmp_path / to, format, **more)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


class _Texts:
    """Examples with these ids, as `add_query` has them."""

    def __init__(self, ids: Sequence[str]):
        self.ids = ids

    def examples(self):
        return ((i, {"text": f"text of {i}"}) for i in self.ids)


def test_a_card_of_the_users_own_is_left_and_has_to_say_which_file_is_which(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    card = tmp_path / "all" / "README.md"
    card.parent.mkdir()
    for own in ("# Mine\n", "---\nlicense: mit\n---\n# Mine\n", "---\n: [\n---\n"):
        card.write_text(own)
        with pytest.raises(
            ArgumentError, match=r"README\.md is there, and does not say which file is which"
        ) as raised:
            export_labels(store.run_dir, card.parent, answers=True)
        assert [(p.name, p.read_text()) for p in card.parent.iterdir()] == [("README.md", own)]
    wanted = str(raised.value).partition("metadata:\n")[2]
    own = f"---\nlicense: mit\n{wanted}---\n# Mine\n"
    card.write_text(own)
    export_labels(store.run_dir, card.parent, answers=True)
    assert card.read_text() == own
    log = load_dataset(str(card.parent), "answers", cache_dir=str(tmp_path / "cache"))["train"]
    assert log["id"] == ["h", "a", "b"]


def test_unlabeled_texts_of_an_earlier_export_are_written_anew_or_left(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    folder = tmp_path / "all"
    export_labels(store.run_dir, folder, unlabeled=_Texts("abchxy"))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(
        ArgumentError, match=r"unlabeled\.parquet is there and may be .* pass unlabeled= \(--unlabeled\)"
    ):
        export_labels(store.run_dir, folder)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    answer(store, "c", "negative")
    export_labels(store.run_dir, folder, unlabeled=_Texts("abchxy"))
    assert ids_in(folder / "unlabeled.parquet") == ["x", "y"]
    (folder / "unlabeled.parquet").unlink()
    export_labels(store.run_dir, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["test.parquet", "train.parquet"]


def test_run_without_labels_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="no run in"):
        export_labels(tmp_path / "nothing", tmp_path / "labels.csv")
    assert not (tmp_path / "nothing").exists()
    store = make_store(tmp_path / "run")
    add_query(store, ["a", "b"])
    answer(store, "a", None, action="skip", query=1)
    with pytest.raises(RunDirectoryError, match=r"no labels in .*run yet: answer a query"):
        export_labels(store.run_dir, tmp_path / "labels.csv")
    assert not (tmp_path / "labels.csv").exists()


def test_folder_of_a_run_of_which_only_the_holdout_has_labels(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    add_query(store, ["h"], "holdout", 0)
    answer(store, "h", "positive", query=1)
    export_labels(store.run_dir, tmp_path / "export")
    (splits,) = load(tmp_path, tmp_path / "export")  # which cannot load a split without rows
    assert {split: [row["id"] for row in rows] for split, rows in splits.items()} == {"test": ["h"]}


# -- what is there already -----------------------------------------------------------------------------------------


def ids_in(path: Path) -> list[str]:
    if path.suffix == ".parquet":
        return pq.read_table(path)["id"].to_pylist()
    if path.suffix == ".jsonl":
        return [json.loads(line)["id"] for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".conll":
        return re.findall("^# id = (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return [row["id"] for row in csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline=""))]


@both_tasks
@pytest.mark.parametrize("name", ["labels", "folder"])
def test_export_is_replaced_by_a_later_one_of_the_same_run(
    tmp_path: Path, format: str, of_tags: bool, name: str
) -> None:
    store = small_run(tmp_path / "run", of_tags)
    add_query(store, ["=1+1", "-2"])
    answer(store, "=1+1", "positive")
    path = tmp_path / f"labels.{format}" if name == "labels" else tmp_path / "folder"
    first = path if name == "labels" else path / f"train.{format}"
    export_labels(store.run_dir, path, format)
    before = ids_in(first)
    answer(store, "-2", "positive")
    answer(store, "a", None, action="undo")
    export_labels(store.run_dir, path, format)
    expected = [i for i in [*before, "-2"] if i != "a"]
    assert [i.removeprefix("'") for i in ids_in(first)] == [i.removeprefix("'") for i in expected]
    assert not [p for p in path.parent.rglob("*") if p.name.endswith(".part")]


def _data_of_the_user(path: Path) -> None:
    if path.suffix == ".conll":
        path.write_text("# id = a\ntext B-PER\nof O\n\n# id = b\ntext O\n\n")
        return
    rows = {"id": ["a", "b"], "text": ["text of a", "text of b"], "label": [1, 0]}
    getattr(Dataset.from_dict(rows), {"parquet": "to_parquet", "csv": "to_csv", "jsonl": "to_json"}[path.suffix[1:]])(
        path
    )


def _export_of_another_run(path: Path) -> None:
    store = make_store(path.parent / "another run", of_tags=has_tags(Store(path.parent / "run")))
    add_query(store, ["a", "z"])
    answer(store, "a", "positive")
    answer(store, "z", "positive")
    export_labels(store.run_dir, path)


def _export_with_a_column_more(path: Path) -> None:
    export_labels(path.parent / "run", path)
    if path.suffix == ".conll":
        path.write_text(re.sub(r"\t", "\tmine\t", path.read_text()))
        return
    kind = {"parquet": "parquet", "csv": "csv", "jsonl": "json"}[path.suffix[1:]]
    data = load_dataset(kind, data_files=str(path), split="train", cache_dir=str(path.parent / "cache"))
    data = data.add_column("note", ["mine"] * len(data))
    getattr(data, {"parquet": "to_parquet", "csv": "to_csv", "json": "to_json"}[kind])(path)


def _something_else(path: Path) -> None:
    path.write_bytes(b"\xff\x00 not what its name says")


def _a_list(path: Path) -> None:
    path.write_text("[1]\n" * 3)


def _a_byte_order_mark(path: Path) -> None:
    path.write_bytes(codecs.BOM_UTF8)


def _a_line_break(path: Path) -> None:
    path.write_text("\n")


def _export_with_a_blank_line(path: Path) -> None:
    export_labels(path.parent / "run", path)
    path.write_bytes(path.read_bytes() + b"\r\n")


def _damaged_export(path: Path) -> None:
    export_labels(path.parent / "run", path)
    content = path.read_bytes()
    row_of_a_list = content.splitlines()[-1].replace(b'"id": "b"', b'"id": ["b"]') + b"\n"
    more = {".jsonl": row_of_a_list, ".csv": b'"never closed', ".parquet": b"PAR1", ".conll": b"# id = a\nx\tO\n"}
    path.write_bytes(content + more[path.suffix])


def _nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def _a_folder(path: Path) -> None:
    (path / "inside").mkdir(parents=True)


def _a_pipe(path: Path) -> None:
    os.mkfifo(path)


def _export_with_a_comment(path: Path) -> None:
    export_labels(path.parent / "run", path)
    if path.suffix == ".conll":
        path.write_text(path.read_text().replace("# id = a\n", "# id = a\n# comment = mine\n"))
    else:
        path.write_bytes(path.read_bytes() + b"# mine\n")


@both_tasks
@pytest.mark.parametrize(
    "make",
    [
        _data_of_the_user,
        _export_of_another_run,
        _export_with_a_column_more,
        _export_with_a_comment,
        _something_else,
        _a_list,
        _a_byte_order_mark,
        _a_line_break,
        _export_with_a_blank_line,
        _damaged_export,
        _nested,
        _a_folder,
        _a_pipe,
    ],
)
def test_what_is_no_export_of_this_run_is_left_as_it_is(
    tmp_path: Path, format: str, of_tags: bool, make: Callable[[Path], None]
) -> None:
    store = small_run(tmp_path / "run", of_tags)
    file = tmp_path / f"train.{format}"
    make(file)
    content = file.read_bytes() if file.is_file() else None
    (tmp_path / "folder").mkdir()
    if make is not _a_folder:  # which would be a folder to write to
        with pytest.raises(ArgumentError, match=rf"train\.{format} is there and no export of this run, so it is left"):
            export_labels(store.run_dir, file)
    file.rename(tmp_path / "folder" / file.name)
    for other in (
        TAG_FORMATS if of_tags else FORMATS
    ):  # also where the export would have another name, since load_dataset would take both
        with pytest.raises(ArgumentError, match=rf"folder/train\.{format} is there and no export of this run"):
            export_labels(store.run_dir, tmp_path / "folder", other)
    file = tmp_path / "folder" / file.name
    assert list(file.parent.iterdir()) == [file]
    if content is not None:
        assert file.read_bytes() == content


def test_empty_file_is_replaced(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    (tmp_path / "labels.csv").touch()
    assert export_labels(store.run_dir, tmp_path / "labels.csv") == {tmp_path / "labels.csv": 3}


def test_link_is_followed(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    (tmp_path / "labels.csv").symlink_to(tmp_path / "elsewhere.csv")
    assert export_labels(store.run_dir, tmp_path / "labels.csv") == {tmp_path / "elsewhere.csv": 3}
    assert (tmp_path / "labels.csv").is_symlink()
    assert ids_in(tmp_path / "labels.csv") == ["h", "a", "b"]


@pytest.mark.parametrize("of_tags", [False, True], ids=["labels", "tags"])
def test_folder_keeps_nothing_of_an_earlier_export(tmp_path: Path, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    formats = TAG_FORMATS if of_tags else FORMATS
    folders = {format: tmp_path / format for format in formats}
    for folder in folders.values():
        for earlier in formats:
            export_labels(store.run_dir, folder, earlier)
        assert sorted(p.name for p in folder.iterdir()) == [f"test.{formats[-1]}", f"train.{formats[-1]}"]
        (folder / "README.md").write_text("mine")
        (folder / ".gitattributes").write_text("mine")
    answer(store, "h", None, action="undo")
    for format, folder in folders.items():
        assert export_labels(store.run_dir, folder, format) == {folder / f"train.{format}": 2}
        assert sorted(p.name for p in folder.iterdir()) == [".gitattributes", "README.md", f"train.{format}"]
    for splits in load(tmp_path, *(folder for format, folder in folders.items() if format != "conll")):
        assert {split: [row["id"] for row in rows] for split, rows in splits.items()} == {"train": ["a", "b"]}


def test_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    folder = tmp_path / "folder"
    (folder / "test").mkdir(parents=True)  # of which load_dataset would make the split
    with pytest.raises(ArgumentError, match=r"folder has other things in it \(test\), which load_dataset might take"):
        export_labels(store.run_dir, folder)
    assert [p.name for p in folder.iterdir()] == ["test"]


# -- other processes -----------------------------------------------------------------------------------------------


def test_export_beside_a_process_that_owns_the_run_and_writes(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    ids = [f"x{n}" for n in range(3000)]
    add_query(store, ids)
    script = (
        "import sys, time; from hfal.store.records import Answer; from hfal.store.store import Store\n"
        "store = Store(sys.argv[1])\n"
        "with store.own():\n"
        "    for n in range(3000):\n"
        "        time.sleep(0.01)\n"
        "        store.record(Answer(f'x{n}', 'positive', annotator='other', query=1))\n"
        "        print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, store.run_dir], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        for format in FORMATS:
            told = int(other.stdout.readline())
            path = tmp_path / f"labels.{format}"
            export_labels(store.run_dir, path)
            found = ids_in(path)
            assert found == ids[: len(found)]  # as it was at one instant
            assert len(found) > told
        assert other.poll() is None  # it was writing all the time
        other.kill()


def test_export_killed_while_it_writes_leaves_the_old_file(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    add_query(store, ["small"])
    answer(store, "small", "positive")
    export_labels(store.run_dir, tmp_path / "folder", "jsonl")
    old = (tmp_path / "folder" / "train.jsonl").read_bytes()
    ids = [f"x{n}" for n in range(30)]
    add_query(store, ids, texts=[{"text": "long " * 200_000} for _ in ids])
    for i in ids:
        answer(store, i, "positive")
    script = "import sys; from hfal.export.labels import export_labels; export_labels(*sys.argv[1:])"
    arguments = [sys.executable, "-c", script, store.run_dir, tmp_path / "folder", "jsonl"]
    with subprocess.Popen(arguments) as exporter:
        while not (parts := list((tmp_path / "folder").glob(".train.jsonl.*.part"))):
            assert exporter.poll() is None
            time.sleep(0.001)
        exporter.kill()
    assert exporter.returncode == -signal.SIGKILL
    assert parts[0].stat().st_size < 30_000_000  # it was cut off
    assert (tmp_path / "folder" / "train.jsonl").read_bytes() == old
    (splits,) = load(tmp_path, tmp_path / "folder")
    assert [row["id"] for row in splits["train"]] == ["small"]  # load_dataset does not see the half file

    mine = tmp_path / "folder" / f".train.jsonl.{os.getppid()}.part"  # of a process that lives
    mine.touch()
    export_labels(store.run_dir, tmp_path / "folder", "jsonl")
    assert ids_in(tmp_path / "folder" / "train.jsonl") == ["small", *ids]
    assert sorted(tmp_path.glob("folder/.*")) == [mine]


@both_tasks
def test_full_disk_leaves_the_old_file_and_no_half_one(tmp_path: Path, format: str, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    path = tmp_path / f"labels.{format}"
    export_labels(store.run_dir, path)
    old = path.read_bytes()
    add_query(store, ["long"], texts=[{"text": " ".join(map(str, range(50_000)))}])
    answer(store, "long", "positive")
    script = (
        "import resource, sys; from hfal.errors import ArgumentError; from hfal.export.labels import export_labels\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "try:\n"
        "    export_labels(*sys.argv[1:])\n"
        "except ArgumentError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, store.run_dir, path], capture_output=True, text=True, check=True
    )
    assert f"labels.{format}' cannot be written: [Errno 27] File too large" in done.stdout
    assert path.read_bytes() == old
    assert {p.name for p in tmp_path.iterdir()} == {"run", path.name}


@both_tasks
def test_export_imports_nothing_slow(tmp_path: Path, format: str, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    script = (
        "import sys; from hfal.export.labels import export_labels; export_labels(*sys.argv[1:])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = [sys.executable, "-c", script, store.run_dir, tmp_path / f"labels.{format}"]
    found = set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert not found & {"torch", "transformers", "datasets", "huggingface_hub"}
    assert ("pyarrow" in found) == (format == "parquet")
