"""The rows of an export: texts, labels, and where these came from."""

import json
import logging
from pathlib import Path

import pytest
from datasets import Dataset, load_dataset

from hfal.annotators.asking import ask
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.errors import RunDirectoryError
from hfal.export.labels import export_labels
from hfal.store.records import Queried, Query
from support.exports import (
    FORMATS,
    add_query,
    answer,
    load,
    make_store,
    without_blanks,
)


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
