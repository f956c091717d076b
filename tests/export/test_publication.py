"""Folders to publish: what goes with a model, and previews that write nothing."""

import json
import re
import sys

import pyarrow.parquet as pq
import pytest
from huggingface_hub import ModelCard

from hfal.errors import ArgumentError, RunDirectoryError
from hfal.export.card import model_card
from hfal.export.labels import export_labels
from hfal.export.publication import preview_export, write_dataset, write_model
from hfal.store.records import Answer, Query
from hfal.store.store import reading
from support.published_run import LABELS, SECRET_PATH, make_run, of_run


def test_card_and_data_are_of_the_same_instant(tmp_path):
    run = make_run(tmp_path / "run")
    (tmp_path / "out").mkdir()
    with reading(tmp_path / "run") as store:
        run.record(Answer("x5", LABELS[0], annotator="Bob", query=3))  # by another process, which does not wait
        write_dataset(store, tmp_path / "out", "me/reviews")
    assert run.last_answer() == 7
    run.close()
    text = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert pq.read_metadata(tmp_path / "out" / "train.parquet").num_rows == 3
    assert "5 labels were bought, 1 text was skipped" in text
    assert "Annotators: 1." in text


def test_without_matplotlib_there_is_no_picture(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    make_run(tmp_path / "run").close()
    (tmp_path / "out").mkdir()
    files = of_run(write_dataset, tmp_path / "run", tmp_path / "out", "me/reviews")
    assert "learning_curve.png" not in [file.name for file in files]
    text = (tmp_path / "out" / "README.md").read_text()
    assert "learning_curve.png" not in text
    assert "round  labels" in text


def test_a_model_goes_without_pickles_and_paths(tmp_path):
    store = make_run(tmp_path / "run")
    with pytest.raises(RunDirectoryError, match=r"no \.safetensors"):
        of_run(write_model, tmp_path / "run", tmp_path / "out", "me/model", "me/reviews")
    saved = tmp_path / "run" / "rounds" / "002" / "model"
    saved.mkdir(parents=True)
    (saved / "model.safetensors").write_bytes(b"weights")
    (saved / "training_args.bin").write_bytes(b"pickle")
    (saved / "config.json").write_text(json.dumps({"_name_or_path": SECRET_PATH, "model_type": "bert"}))
    parts = {"encoder": {"_name_or_path": SECRET_PATH}, "decoder": {"_name_or_path": "file:///home/anna"}}
    (saved / "tokenizer_config.json").write_text(
        json.dumps({**parts, "vocab_file": "vocab", "tokenizer_file": "../t"})
    )
    (saved / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base", "r": 8}))
    store.add_query(Query(2, "round", "margin", 0, (), None, {}, {}))
    store.close()
    (tmp_path / "out").mkdir()
    files = of_run(write_model, tmp_path / "run", tmp_path / "out", "me/model", "me/reviews")
    names = ["README.md", "adapter_config.json", "config.json", "model.safetensors", "tokenizer_config.json"]
    assert [file.name for file in files] == names
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {"model_type": "bert"}
    assert json.loads((tmp_path / "out" / "adapter_config.json").read_text())["base_model_name_or_path"] == "org/base"
    parts = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert parts == {"encoder": {}, "decoder": {}, "vocab_file": "vocab"}
    card = ModelCard.load(tmp_path / "out" / "README.md")
    assert card.data.datasets == ["me/reviews"]
    assert card.data.tags == ["active-learning", "hfal"]
    assert card.data.pipeline_tag == "text-classification"
    assert re.search(r"round 2 of active learning .*\n\[me/reviews\]\(https", card.text)
    assert re.search(r"\| `accuracy` \| 0\.7500 \|", card.text)
    with pytest.raises(RunDirectoryError, match="no round 9"):
        of_run(model_card, tmp_path / "run", 9, "me/model", "me/reviews")


def test_a_preview_of_files_writes_none(tmp_path):
    make_run(tmp_path / "run").close()
    for name, shown in (("labels.csv", "labels.csv"), ("labels.jsonl", "labels.jsonl"), ("out/", "train.parquet")):
        text = preview_export(tmp_path / "run", f"{tmp_path}/{name}")
        assert re.search(
            rf"  {shown} +[\d,]+ bytes +{3 if name == 'out/' else 5} rows\n +columns: id, text, label,", text
        )
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_preview_of_files_refuses_what_the_export_would(tmp_path):
    make_run(tmp_path / "run").close()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "notes.txt").write_text("mine")
    (tmp_path / "mine.csv").write_text("id,text\n1,mine\n")
    for to, message in (("notes", "has other things in it"), ("mine.csv", "no export of this run")):
        for make in (preview_export, export_labels):
            with pytest.raises(ArgumentError, match=message):
                make(tmp_path / "run", tmp_path / to)
    export_labels(tmp_path / "run", tmp_path / "out", answers=True)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    text = preview_export(tmp_path / "run", tmp_path / "out", "jsonl")
    assert re.findall(r"^  (\S+) +is removed$", text, re.MULTILINE) == [
        "README.md",
        "answers.parquet",
        "hfal.json",
        "test.parquet",
        "train.parquet",
    ]
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
