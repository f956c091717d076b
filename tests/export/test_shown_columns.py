"""Columns that are shown beside the texts, in exports, in their cards, and in runs that go on from them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_dataset

from hfal import Answer, Pool
from hfal.data.identity import Examples
from hfal.errors import ArgumentError
from hfal.export.labels import export_labels
from hfal.export.publication import write_dataset
from hfal.store.store import Store, reading
from hfal.tasks.conll import read_sentences
from support.exports import FORMATS, add_query, answer, load, make_store, small_run
from support.models import NAMES


SHOWN = {"h": {"date": "2024-05-01"}, "a": {"date": "2024-05-02", "comment": "of the data"}}


def shown_run(run_dir: Path, of_tags: bool = False) -> Store:
    """The small run; what is shown is known of the held-out example and of one of two others."""
    store = small_run(run_dir, of_tags)
    store.set_shown(["date", "comment"], SHOWN)
    return store


@pytest.mark.parametrize("format", FORMATS)
def test_they_are_columns_of_every_table(tmp_path, caplog, format):
    shown_run(tmp_path / "run")
    file = tmp_path / f"labels.{format}"
    export_labels(tmp_path / "run", file)
    assert "the column 'comment' is called 'shown_comment' in the export" in caplog.text
    if format == "jsonl":  # of which `load_dataset` takes such texts for times
        read = [*map(json.loads, file.read_text("utf-8").splitlines())]
    else:
        read = load(tmp_path, file)[0]["train"]
    rows = {row["id"]: row for row in read}
    assert list(rows["a"])[:6] == ["id", "text", "date", "shown_comment", "label", "al_split"]
    assert {i: row["date"] or None for i, row in rows.items()} == {"h": "2024-05-01", "a": "2024-05-02", "b": None}
    assert [row["shown_comment"] or None for row in rows.values()] == [None, "of the data", None]
    if format == "parquet":
        features = load_dataset("parquet", data_files=str(file), split="train").features
        assert features["date"].dtype == features["shown_comment"].dtype == "string"


def test_they_are_comments_of_a_conll_file(tmp_path):
    shown_run(tmp_path / "run", of_tags=True)
    for _ in range(2):  # the second time in the place of the first
        export_labels(tmp_path / "run", tmp_path / "labels.conll")
    content = (tmp_path / "labels.conll").read_text("utf-8")
    about = [sentence.comments for sentence in read_sentences(content, "labels.conll")]
    assert about == [
        {"id": "h", "date": "2024-05-01"},
        {"id": "a", "date": "2024-05-02", "shown_comment": "of the data"},
        {"id": "b"},
    ]


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.parquet", "labels.conll", "folder"])
def test_an_export_is_replaced_whatever_was_shown_when_it_was_made(tmp_path, name):
    store = small_run(tmp_path / "run", of_tags=name.endswith("conll"))
    for columns in ([], ["date"], ["date", "comment"], ["comment"], []):
        store.set_shown(columns, {i: {c: v for c, v in of.items() if c in columns} for i, of in SHOWN.items()})
        export_labels(tmp_path / "run", tmp_path / name)
    users = tmp_path / "mine.csv"
    users.write_text('\ufeff"id","text","place","label"\n"a","text of a","here","positive"\n', "utf-8")
    if not name.endswith("conll"):
        with pytest.raises(ArgumentError, match="no export of this run"):
            export_labels(tmp_path / "run", users)


def a_pool(run_dir: Path, **options: Any) -> Pool:
    rows = {"text": ["good", "bad", "fine", "awful"], "nr": [11, 12, 13, None], "who": ["Ann", None, "Bob", "Ann"]}
    return Pool(Dataset.from_dict(rows), run_dir, "text", label_names=NAMES, **options)


def test_texts_without_a_label_have_them_and_another_run_goes_on_with_them(tmp_path):
    pool = a_pool(tmp_path / "run", show_columns=["nr", "who"])
    first = pool.ids[0].as_py()
    pool.record(Answer(first, "positive", annotator="ann"))
    for unlabeled in (pool, Examples(pool.dataset, ["text"], None, False, ["who", "nr"])):
        export_labels(pool.run_dir, tmp_path / "out", unlabeled=unlabeled, answers=True)
        rows = pq.read_table(tmp_path / "out" / "unlabeled.parquet").to_pylist()
        assert [(row["nr"], row["who"]) for row in rows] == [("12", None), ("13", "Bob"), (None, "Ann")]
    assert json.loads((tmp_path / "out" / "hfal.json").read_text())["shown_columns"] == ["nr", "who"]

    later = Pool.from_export(tmp_path / "out", tmp_path / "later")
    assert later.show_columns == ["nr", "who"]
    assert later.store.shown_values() == {first: {"nr": "11", "who": "Ann"}}
    of_all = [{"nr": "11", "who": "Ann"}, {"nr": "12"}, {"nr": "13", "who": "Bob"}, {"who": "Ann"}]
    assert later.shown(range(4)) == of_all
    assert later.texts([0]) == [{"text": "good"}]
    export_labels(later.run_dir, tmp_path / "again", unlabeled=later, answers=True)
    for name in ("train", "unlabeled"):
        tables = [pq.read_table(tmp_path / folder / f"{name}.parquet") for folder in ("out", "again")]
        assert tables[0].to_pylist() == tables[1].to_pylist()

    def only_texts(rows: Dataset) -> Dataset:
        return rows.select_columns(["id", "text"])  # as a script that knows nothing of them may do

    plain = Pool.from_export(tmp_path / "out", tmp_path / "plain", only_texts)
    assert plain.show_columns == []
    assert plain.store.shown_values() == {first: {"nr": "11", "who": "Ann"}}


@pytest.mark.parametrize("columns", [["id"], ["text"], ["label"], "nr", ["nr", "nr"], ["gone"]])
def test_an_export_that_was_edited_is_refused(tmp_path, columns):
    pool = a_pool(tmp_path / "run", show_columns=["nr"])
    pool.record(Answer(pool.ids[0].as_py(), "positive", annotator="ann"))
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    written = json.loads((tmp_path / "out" / "hfal.json").read_text())
    (tmp_path / "out" / "hfal.json").write_text(json.dumps({**written, "shown_columns": columns}))
    with pytest.raises(ArgumentError, match=r"shown_columns is|has no column 'gone'"):
        Pool.from_export(tmp_path / "out", tmp_path / "later")
    assert not (tmp_path / "later").exists()


def test_ids_of_the_user_are_ids_of_the_export_and_may_keep_their_column(tmp_path):
    pool = a_pool(tmp_path / "run", show_columns=["nr"])
    assert pool.show_columns == ["nr"]
    data = Dataset.from_dict({"text": ["good", "bad"], "review_no": ["r7", "r8"]})
    own = Pool(data, tmp_path / "own", "text", label_names=NAMES, id_column="review_no", show_columns=["review_no"])
    own.record(Answer("r8", "negative", annotator="ann"))
    export_labels(own.run_dir, tmp_path / "labels.jsonl")
    (row,) = map(json.loads, (tmp_path / "labels.jsonl").read_text("utf-8").splitlines())
    assert (row["id"], row["review_no"], row["text"]) == ("r8", "r8", "bad")


def test_the_card_says_which_columns_they_are(tmp_path):
    store = make_store(tmp_path / "run")
    store.set_meta("task", "text_classification")
    add_query(store, ["a"], "seed", 0)
    answer(store, "a", "positive")
    store.set_shown(["date", "label"], {"a": {"date": "2024", "label": "old"}})
    (tmp_path / "out").mkdir()
    with reading(store.run_dir) as copied:
        write_dataset(copied, tmp_path / "out", "me/reviews")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    for column in ("date", "shown_label"):
        assert f"| `{column}` | `string` | No text to be labeled: a column of the data that was shown" in card
    assert "| `text` | `string` | A text, as it came |" in card
