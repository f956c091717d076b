"""`hfal run` where a text may have several labels: CoNLL's entity types, lists, cells, a person, errors."""

import csv
import json
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hfal.data.references import load_split, resolve_path
from hfal.store.store import Store
from hfal.tasks.conll import read_file
from support import forks
from support.command import FAST, Result, environment, error_line, in_a_fork
from support.person import ENTER, Person
from support.texts import CONLL, save_tiny_model


TYPES = ["LOC", "MISC", "ORG", "PER"]
SETS = ["--task", "multi_label_classification"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model, and real sentences with the types of entities in them, in three kinds of files."""
    home = tmp_path_factory.mktemp("somewhere")
    save_tiny_model(home)
    sentences = Path(resolve_path(f"{CONLL}/train.txt")).read_text("utf-8").split("\n\n")
    (home / "news.conll").write_text("\n\n".join(sentences[:91]) + "\n", "utf-8")
    rows = [(" ".join(row["tokens"]), row["ner_tags"]) for row in islice(read_file(home / "news.conll"), 90)]
    rows = [(text, sorted({tag[2:] for tag in tags if tag != "O"})) for text, tags in rows]
    with open(home / "news.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "topics"), *((text, "; ".join(types) or "none") for text, types in rows)])
    (home / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text, _ in rows), "utf-8")
    return home


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("news.conll", "news.csv", "texts.jsonl", "model"):
        (tmp_path / name).symlink_to(home / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def test_an_experiment_on_a_conll_file(folder: Path) -> None:
    run = [
        "run",
        "--data",
        "news.conll",
        "--label",
        "entity_types",
        "--eval_size",
        "20",
        "--strategy",
        "margin+kmeans",
    ]
    more = ["--aggregate", "rank", "--query_size", "10", "--thresholds", "PER=0.3,LOC=0.6", "--rounds", "2"]
    done = in_a_fork(folder, *run, *more, *FAST, "--target_metric", "f1_PER", "--target", "1.1")
    assert done.code == 0, done.stderr
    header, *rounds = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.strip().split("\n\n")[0].split("\n")]
    metrics = ["f1_micro", "f1_macro", "subset_accuracy", "hamming_loss", *(f"f1_{name}" for name in TYPES)]
    assert header == ["round", "labels", "trained on", "loss", *metrics]
    assert [row[:2] for row in rounds] == [["1", "10"], ["2", "20"]]
    assert "hfal export runs/news --to labels.csv" in done.stdout
    assert "learning_curve.png" in done.stdout
    for noise in ("LOAD REPORT", "Writing model", "Map", "Generating", "train_runtime", "warning"):
        assert noise not in done.stdout + done.stderr
    (query,) = [q for q in Store(folder / "runs" / "news", read_only=True).queries() if q.purpose == "round"]
    assert query.strategy == "margin(rank)+kmeans"


def test_cells_of_a_csv_file_are_sets(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "news.csv", "--label", "topics", "--labels", ",".join(TYPES), *SETS, *FAST]
    done = hfal(*run, "--query_size", "9", "--rounds", "1", "--strategy", "random")
    assert done.code == 0, done.stderr
    assert "labels LOC, MISC, ORG, PER, annotator simulated" in done.stderr
    assert hfal("export", "runs/news", "--to", "labels.csv").code == 0
    with open("news.csv", encoding="utf-8", newline="") as file:
        written = {row["text"]: row["topics"].replace("; ", " | ") for row in csv.DictReader(file)}
    with open("labels.csv", encoding="utf-8-sig", newline="") as file:
        exported = {row["text"].removeprefix("'"): row["label"] for row in csv.DictReader(file)}
    assert len(exported) == 9
    assert exported == {text: written[text] for text in exported}


def test_a_person_chooses_labels_in_hfal_run(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "texts.jsonl", "--labels", ",".join(TYPES), *SETS, *FAST]
    run += ["--holdout", "0", "--seed_size", "2", "--query_size", "2", "--rounds", "2", "--thresholds", "0.01"]
    person = Person(forks.hfal, *run, cwd=folder, **environment(folder))
    try:
        person.sees("Seed set", "0/2 answered", patience=90)
        person.press("2", "3", ENTER)
        person.sees("1/2 answered", "Saved: MISC, ORG")
        person.look(0.2)
        person.press(ENTER)
        person.sees("closes the query", "Saved: none of them")
        person.look(0.2)
        person.press(ENTER)
        person.sees("Round 1", "0/2 answered", "saves LOC, MISC, ORG, PER  as the model suggests", patience=120)
        person.press("q")
        assert person.leaves() == 75
    finally:
        person.stands_up()
    assert hfal("export", "runs/texts", "--to", "labels.jsonl").code == 0
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    assert [row["label"] for row in rows] == [["MISC", "ORG"], []]


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.jsonl",
            [{"text": "x", "t": ["a"]}, {"text": "y", "t": ["c"]}],
            "--label t --labels a,b",
            "a.jsonl, row 2",
        ),
        ("a.jsonl", [{"text": "x", "t": ["a", "a"]}], "--label t", "row 1: the label 'a' is twice"),
        (
            "a.csv",
            "text,t\nx,a|b\ny,c\n",
            "--label t --labels a,b",
            "a.csv, row 3 (row 1 names the columns): the label 'c'",
        ),
        ("a.csv", "text,t\nx,a|b\n", "--label t", "--labels is missing: column 't' of a.csv has text"),
        ("a.csv", "text\nx\n", "", "--labels is missing: name the labels"),
        ("a.jsonl", [{"text": "x", "t": [0.5]}], "--label t", "holds lists of float64"),
        ("a.jsonl", [{"text": "x"}], "--labels a --annotator conll", "take csv or jsonl"),
        (
            "a.jsonl",
            [{"text": "x"}],
            "--labels a --top_words 2",
            "--top_words is for entities, but a.jsonl is for multi",
        ),
        ("a.jsonl", [{"text": "x"}], "--labels a --aggregate sum", "aggregate='sum', expected one of mean, max"),
        ("a.jsonl", [{"text": "x"}], "--labels a --thresholds high", "--thresholds is high, expected one number"),
        ("a.jsonl", [{"text": "x"}], "--labels a --thresholds b=0.4", "thresholds has 'b', which is no label"),
        ("a.jsonl", [{"text": "x"}], "--labels a --strategy badge", "'badge' is for text_classification"),
        ("a.jsonl", [{"text": "x"}], "--labels a --target_metric f1_b --target 1", "'f1_b' is no metric"),
        ("a.jsonl", [{"text": "x"}], "--labels a --stop plateau(f1_b)", "'f1_b' is no metric"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    hfal: Callable[..., Result], folder: Path, name: str, content: Any, options: str, message: str
) -> None:
    lines = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
    (folder / name).write_text(lines, "utf-8")
    assert message in error_line(hfal("run", "--data", name, *SETS, *options.split(), *FAST))


def test_thresholds_are_for_sets(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "texts.jsonl", "--labels", "a,b", "--thresholds", "0.4", *FAST]
    assert "--thresholds is for sets of labels, but texts.jsonl is for text_classification" in error_line(hfal(*run))


def test_the_demo_runs_with_a_smaller_model(hfal: Callable[..., Result], folder: Path) -> None:
    demo = Path(__file__).parents[2] / "configs" / "multi_label_demo.yaml"
    small = ["--pool_size", "80", "--eval_split", "valid[:20]", "--query_size", "8"]
    done = hfal(
        "run", demo, *FAST, *small, "--stop", "uncertainty(1, rounds=2) or plateau", "--output_dir", "runs/demo"
    )
    assert done.code == 0, done.stderr
    assert "the run ends after round 2: the mean uncertainty after round 2 is " in done.stderr
    assert re.search(r"round +labels +trained on +loss +f1_micro +f1_macro +subset_accuracy", done.stdout)


def test_conll_files_have_their_sentences_as_texts_with_the_types_in_them() -> None:
    data = load_split(CONLL, "valid[:200]", columns=["text", "entity_types"])
    for row in data:
        assert row["text"].split(" ") == row["tokens"]
        assert sorted(row["entity_types"]) == sorted({tag[2:] for tag in row["ner_tags"] if tag != "O"})
    assert {kind for kinds in data["entity_types"] for kind in kinds} == set(TYPES)
