"""Reports of people who wanted other columns beside the text, in the tool and in what it exports."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from hfal import Answer, AnswersPending, FileAnnotator, Pool, export_labels
from hfal.annotators.asking import ask, open_query
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.store.records import Queried, Query
from support.command import write_csv
from support.models import NAMES


def opened(folder: Path, **options: Any) -> Pool:
    """Return the pool that `hfal run` would open for a file in a folder, without what its model takes."""
    al = ActiveLearningArguments(**options)
    data = load_data(al, folder / "run", seed=1)
    return Pool(
        data.pool, folder / "run", data.text, al.label, data.labels, al.id, task=data.task, show_columns=al.show
    )


def ask_about(pool: Pool) -> Query:
    """Record a query for all examples, as a round would make it."""
    rows = range(len(pool))
    about = zip(pool.ids.to_pylist(), map(pool.content, rows), pool.texts(rows), pool.shown(rows), strict=True)
    return pool.store.add_query(
        Query(0, "seed", "random", 1, tuple(Queried(i, content, texts, shown=of) for i, content, texts, of in about))
    )


def exported(pool: Pool, name: str = "labels.jsonl", **options: Any) -> list[dict[str, Any]]:
    file = pool.run_dir.parent / name
    export_labels(pool.run_dir, file, **options)
    if file.suffix == ".csv":
        return list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"), newline="")))
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def write_json_lines(file: Path, *rows: dict[str, Any]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return str(file)


def test_what_is_known_of_a_sentence_is_seen_while_its_words_are_tagged(tmp_path):
    """https://github.com/doccano/doccano/issues/174"""
    row = {"tokens": ["Anna", "met", "Bob"], "source": "minutes of the board", "page": 4}
    data = write_json_lines(tmp_path / "minutes.jsonl", row)
    options = {"task": "token_classification", "text": ["tokens"], "labels": ["PER"], "show": ["source", "page"]}
    pool = opened(tmp_path, data=data, **options)
    (question,) = open_query(pool.store, ask_about(pool)).questions
    assert question.shown == {"source": "minutes of the board", "page": "4"}
    with pytest.raises(AnswersPending):
        ask(pool.store, FileAnnotator("conll"))
    lines = (tmp_path / "run" / "query-001.conll").read_text("utf-8").splitlines()
    assert lines[1:3] == ["# source = minutes of the board", "# page = 4"]


def test_an_id_of_ones_own_and_the_source_are_in_the_export(tmp_path):
    """https://github.com/doccano/doccano/issues/45"""
    write_csv(tmp_path / "t.csv", ["ref", "body", "source"], [("007", "good", "mail"), ("008", "bad", "")])
    options = {"data": str(tmp_path / "t.csv"), "text": ["body"], "labels": NAMES, "id": "ref"}
    pool = opened(tmp_path, **options, show=["ref", "source"])
    for example_id, label in (("007", "positive"), ("008", "negative")):
        pool.record(Answer(example_id, label, annotator="ann"))
    found = [(row["id"], row["ref"], row["body"], row["source"], row["label"]) for row in exported(pool)]
    assert found == [("007", "007", "good", "mail", "positive"), ("008", "008", "bad", None, "negative")]
    assert [row["ref"] for row in exported(pool, "labels.csv")] == ["007", "008"]  # and no 7


def test_every_field_of_the_file_comes_back_beside_tagged_spans(tmp_path):
    """https://github.com/doccano/doccano/issues/246"""
    rows = [{"key": f"k{n}", "page": n, "text": text} for n, text in enumerate(["Rome wins", "no place"])]
    data = write_json_lines(tmp_path / "t.jsonl", *rows)
    options = {"task": "token_classification", "labels": ["LOC"], "show": ["key", "page"]}
    pool = opened(tmp_path, data=data, **options)
    for example_id, tags in zip(pool.ids.to_pylist(), (["B-LOC", "O"], ["O", "O"]), strict=True):
        pool.record(Answer(example_id, tags, annotator="ann"))
    found = [(row["key"], row["page"], row["text"], row["spans"]) for row in exported(pool)]
    assert found == [("k0", "0", "Rome wins", [{"start": 0, "end": 4, "label": "LOC"}]), ("k1", "1", "no place", [])]


def test_texts_without_a_label_keep_what_belongs_to_them(tmp_path):
    """https://github.com/doccano/doccano/issues/1392"""
    data = Dataset.from_dict({"text": ["good", "bad"], "key": ["k1", "k2"]})
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES, show_columns=["key"])
    first = pool.ids[0].as_py()
    for action, label in (("label", "positive"), ("undo", None), ("label", "negative")):
        pool.record(Answer(first, label, action, annotator="ann"))
        if action != "undo":
            export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool)
            tables = [pq.read_table(tmp_path / "out" / f"{split}.parquet") for split in ("train", "unlabeled")]
            assert [table["key"].to_pylist() for table in tables] == [["k1"], ["k2"]]


def test_fields_with_fields_in_them_are_kept_through_an_export_and_back(tmp_path):
    """https://github.com/HumanSignal/label-studio/issues/1179"""
    meta = {"project": "A", "owner": "Änne"}
    data = write_json_lines(tmp_path / "t.jsonl", {"text": "good", "meta": meta}, {"text": "bad", "meta": meta})
    pool = opened(tmp_path, data=data, labels=NAMES, show=["meta"])
    pool.record(Answer(pool.ids[0].as_py(), "positive", annotator="ann"))
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    later = Pool.from_export(tmp_path / "out", tmp_path / "later")
    assert [json.loads(of["meta"]) for of in later.shown(range(2))] == [meta, meta]
    assert json.loads(later.store.shown(pool.ids[0].as_py())["meta"]) == meta


def test_columns_stand_in_the_order_in_which_they_were_asked_for(tmp_path):
    """https://github.com/HumanSignal/label-studio/issues/6401"""
    columns = ["zeta", "text", "alpha", "mid"]
    write_csv(tmp_path / "t.csv", columns, [("z", "good", "a", "m"), ("z", "bad", "a", "m")])
    show = ["zeta", "mid", "alpha"]
    pool = opened(tmp_path, data=str(tmp_path / "t.csv"), labels=NAMES, show=show)
    query = open_query(pool.store, ask_about(pool))
    assert all(list(question.shown) == show for question in query.questions)
    with pytest.raises(AnswersPending):
        ask(pool.store, FileAnnotator("csv"))
    header = (tmp_path / "run" / "query-001.csv").read_text("utf-8-sig").splitlines()[0]
    assert header == '"id","text","zeta","mid","alpha","suggestion","confidence","label","comment"'
    pool.record(Answer(pool.ids[0].as_py(), "positive", annotator="ann"))
    assert list(exported(pool)[0])[:6] == ["id", "text", *show, "label"]


def test_each_field_has_a_column_of_its_own(tmp_path):
    """https://github.com/label-sleuth/label-sleuth/issues/417"""
    write_csv(tmp_path / "t.csv", ["text", "year", "place"], [("good", "1999", "Rome"), ("bad", "2001", "Bonn")])
    pool = opened(tmp_path, data=str(tmp_path / "t.csv"), labels=NAMES, show=["year", "place"])
    for example_id in pool.ids.to_pylist():
        pool.record(Answer(example_id, "positive", annotator="ann"))
    assert [(row["year"], row["place"]) for row in exported(pool, "labels.csv")] == [
        ("1999", "Rome"),
        ("2001", "Bonn"),
    ]


def test_rows_are_found_again_by_ids_of_ones_own(tmp_path):
    """https://github.com/label-sleuth/label-sleuth/issues/408"""
    write_csv(tmp_path / "t.csv", ["row", "text"], [(n, f"text {n}") for n in range(12)])
    pool = opened(tmp_path, data=str(tmp_path / "t.csv"), labels=NAMES, show=["row"])
    by_text = {texts["text"]: i for i, texts in pool.examples()}
    for n in (11, 3, 7):  # as a strategy may ask
        pool.record(Answer(by_text[f"text {n}"], "positive", annotator="ann"))
    assert {row["row"]: row["text"] for row in exported(pool)} == {"11": "text 11", "3": "text 3", "7": "text 7"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_date_is_shown_as_it_was_written(tmp_path, kind):
    """https://github.com/argilla-io/argilla/issues/2220"""
    rows = [{"text": "good", "day": "2023-01-15"}, {"text": "bad", "day": "2023-01-02"}]
    file = tmp_path / f"t.{kind}"
    if kind == "csv":
        write_csv(file, ["text", "day"], [row.values() for row in rows])
    elif kind == "jsonl":
        write_json_lines(file, *rows)
    else:
        Dataset.from_list(rows).to_parquet(file)
    pool = opened(tmp_path, data=str(file), labels=NAMES, show=["day"])
    assert [of["day"] for of in pool.shown(range(2))] == ["2023-01-15", "2023-01-02"]


def test_numbers_are_shown_too(tmp_path):
    """https://github.com/argilla-io/argilla/issues/291"""
    rows = [
        {"text": "good", "n": 12, "share": 0.1, "seen": True},
        {"text": "bad", "n": 0, "share": 1.0, "seen": False},
    ]
    pool = opened(
        tmp_path, data=write_json_lines(tmp_path / "t.jsonl", *rows), labels=NAMES, show=["n", "share", "seen"]
    )
    assert pool.shown(range(2)) == [
        {"n": "12", "share": "0.1", "seen": "true"},
        {"n": "0", "share": "1.0", "seen": "false"},
    ]
