"""Exports: loaded with plain `datasets`, in a process without hfal, they say what was answered."""

import codecs
import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Value

from hfal.errors import ArgumentError
from hfal.export.labels import check_export_target, export_labels
from hfal.store.records import Answer
from support.exports import (
    FORMATS,
    Row,
    Texts,
    add_query,
    answer,
    both_tasks,
    ids_in,
    load,
    make_store,
    small_run,
    without_blanks,
)
from support.models import NAMES


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
        if row["al_annotator"] != "dataset":  # as one example was labeled by two
            row |= {"al_opinions": 1 + (row["id"] == "by two"), "al_settled": False}
    return rows


@pytest.mark.parametrize("format", FORMATS)
def test_file_has_every_label_in_force_with_its_text_and_history(story: dict[str, Any], format: str) -> None:
    splits = story["loaded"][story["folder"] / f"labels.{format}"]
    assert list(splits) == ["train"]  # one file is one split, whose column says what is held out
    found = [without_blanks(row) for row in splits["train"]]
    numbers = {"al_query", "al_round", "al_rank", "al_score", "al_confidence", "al_opinions"}
    if format == "csv":  # with keep_default_na=False a column of numbers with gaps is one of texts
        read = dict.fromkeys(numbers, float) | {"al_settled": lambda text: {"True": True, "False": False}[text]}
        found = [{n: read.get(n, str)(v) for n, v in row.items()} for row in found]
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
    columns += " al_annotator al_comment al_labeled_at al_opinions al_probability al_settled"
    for format in FORMATS:
        for row in story["loaded"][story["folder"] / f"labels.{format}"]["train"]:
            assert list(row) == columns.split()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: path.write_bytes(b"\xff\xfe---\n" * 3)])
def test_what_is_no_card_in_the_place_of_one_is_refused(tmp_path: Path, make: Any) -> None:
    (tmp_path / "all").mkdir()
    make(tmp_path / "all" / "README.md")
    store = small_run(tmp_path / "run")
    with pytest.raises(ArgumentError, match=r"README\.md is "):
        export_labels(store.run_dir, tmp_path / "all", answers=True)


def test_parquet_has_the_types_of_datasets(story: dict[str, Any]) -> None:
    types = dict.fromkeys(["id", "text", "label", "al_split"], "string")
    types |= {"al_query": "int32", "al_round": "int32", "al_rank": "int32", "al_score": "float64"}
    types |= {"al_strategy": "string", "al_suggestion": "string", "al_confidence": "float64"}
    types |= {"al_annotator": "string", "al_comment": "string", "al_labeled_at": "timestamp[us, tz=UTC]"}
    types |= {"al_opinions": "int32", "al_probability": "float64", "al_settled": "bool"}
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


# -- where it is written -------------------------------------------------------------------------------------------


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
    if format is None:  # found before there are labels, too
        with pytest.raises(ArgumentError, match=message.replace("File exists", "(File exists|Not a directory)")):
            check_export_target(f"{tmp_path}/{to}", store.kind)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "file").read_text() == "mine"


def test_where_labels_can_be_written_nothing_is_said_beforehand(tmp_path: Path) -> None:
    store = small_run(tmp_path / "run")
    export_labels(store.run_dir, tmp_path / "there")
    before = sorted(tmp_path.rglob("*"))
    for to in ("labels.csv", "new/labels.parquet", "new/folder/", "there"):
        check_export_target(tmp_path / to, store.kind)
    with pytest.raises(ArgumentError, match=r"CoNLL files are for tags of words"):
        check_export_target(tmp_path / "labels.conll", store.kind)
    with pytest.raises(ArgumentError, match=r"to='/proc/labels/' cannot be written"):
        check_export_target("/proc/labels/", store.kind)
    assert sorted(tmp_path.rglob("*")) == before


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
    more = {**more, **({"unlabeled": Texts("abch")} if "unlabeled" in more else {})}
    with pytest.raises(ArgumentError, match=message):
        export_labels(store.run_dir, tmp_path / to, format, **more)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_folder_of_a_run_of_which_only_the_holdout_has_labels(tmp_path: Path) -> None:
    store = make_store(tmp_path / "run")
    add_query(store, ["h"], "holdout", 0)
    answer(store, "h", "positive", query=1)
    export_labels(store.run_dir, tmp_path / "export")
    (splits,) = load(tmp_path, tmp_path / "export")  # which cannot load a split without rows
    assert {split: [row["id"] for row in rows] for split, rows in splits.items()} == {"test": ["h"]}


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


@both_tasks
def test_export_imports_nothing_slow(tmp_path: Path, format: str, of_tags: bool) -> None:
    store = small_run(tmp_path / "run", of_tags)
    script = (
        "import sys; from hfal.export.labels import check_export_target, export_labels; export_labels(*sys.argv[1:])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    run = [sys.executable, "-c", script, store.run_dir, tmp_path / f"labels.{format}"]
    found = set(subprocess.run(run, capture_output=True, text=True, check=True).stdout.split())
    assert not found & {"torch", "transformers", "datasets", "huggingface_hub"}
    assert ("pyarrow" in found) == (format == "parquet")
