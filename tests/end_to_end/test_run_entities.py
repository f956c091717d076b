"""`hfal run` where words are tagged: CoNLL files, raw texts with spans, a person at the terminal, errors."""

import json
import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pytest

from hfal.data.references import load_split, resolve_path
from hfal.errors import ArgumentError
from hfal.tasks.conll import read_file
from support import forks
from support.command import FAST, Result, environment, error_line, in_a_fork
from support.models import TAGS, tiny_tagger
from support.person import ENTER, Person
from support.texts import CONLL, load_tokenizer


SENTENCES = 90


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model; real sentences in CoNLL's columns, and as raw texts with and without spans."""
    home = tmp_path_factory.mktemp("somewhere")
    tiny_tagger().save_pretrained(home / "model")
    load_tokenizer().save_pretrained(home / "model")
    lines = Path(resolve_path(f"{CONLL}/train.txt")).read_text("utf-8").split("\n\n")
    (home / "news.conll").write_text("\n\n".join(lines[: SENTENCES + 1]) + "\n", "utf-8")
    rows = list(islice(read_file(home / "news.conll"), SENTENCES))
    texts = [{"text": " ".join(row["tokens"]), "number": n} for n, row in enumerate(rows)]
    (home / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in texts), "utf-8")
    return home


@pytest.fixture
def folder(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("news.conll", "texts.jsonl", "model"):
        (tmp_path / name).symlink_to(home / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def test_an_experiment_on_a_conll_file(folder: Path) -> None:
    run = ["run", "--data", "news.conll", "--label", "ner_tags", "--eval_size", "20", "--strategy", "entropy+kmeans"]
    words = ["--aggregate", "top", "--unit", "words", "--query_size", "80", "--embeddings", "entities"]
    done = in_a_fork(folder, *run, *words, *FAST, "--rounds", "2", "--target_metric", "f1_PER", "--target", "1.1")
    assert done.code == 0, done.stderr
    header, *rounds = [re.split(r"\s{2,}", line.strip()) for line in done.stdout.strip().split("\n\n")[0].split("\n")]
    metrics = ["loss", "precision", "recall", "f1", "f1_LOC", "f1_MISC", "f1_ORG", "f1_PER"]
    assert header == ["round", "sentences", "words", "trained on", *metrics]
    assert [int(row[0]) for row in rounds] == [1, 2]
    assert 80 <= int(rounds[0][2]) <= int(rounds[1][2]) - 80
    assert "Learning curve: runs/news/learning_curve.png" in done.stdout
    assert "hfal export runs/news --to labels.jsonl" in done.stdout
    for noise in ("LOAD REPORT", "Writing model", "Map", "Generating", "train_runtime", "warning"):
        assert noise not in done.stdout + done.stderr


def test_raw_texts_are_labeled_with_spans_in_a_file(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "texts.jsonl", "--task", "token_classification", "--labels", "LOC,ORG,PER"]
    run += ["--annotator", "jsonl", "--holdout", "0", "--seed_size", "5", "--query_size", "4", "--rounds", "2", *FAST]
    assert hfal(*run).code == 75
    said = {}
    for number in (1, 2):
        path = folder / "runs" / "texts" / f"query-{number:03d}.jsonl"
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for row in rows:
            word = re.search(r"[^\W\d_]+", row["text"])
            row["label"] = [] if word is None else [{"start": word.start(), "end": word.end(), "label": "ORG"}]
            said[row["text"]] = row["label"]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        done = hfal("run", folder / "runs" / "texts")
        assert done.code == (75 if number == 1 else 0), done.stderr
    assert "9 labels bought of" in hfal("status", "runs/texts").stdout
    assert hfal("export", "runs/texts", "--to", "labels.jsonl").code == 0
    exported = [json.loads(line) for line in Path("labels.jsonl").read_text("utf-8").splitlines()]
    assert {row["text"]: row["spans"] for row in exported} == said
    assert hfal("export", "runs/texts", "--to", "labels").code == 0
    loaded = datasets.load_dataset("labels", split="train")
    assert {row["text"]: row["spans"] for row in loaded} == said
    assert loaded.features["label"].feature.names == ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def test_a_person_marks_entities_in_hfal_run(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "texts.jsonl", "--task", "token_classification", "--labels", "LOC,ORG,PER"]
    run += ["--holdout", "0", "--seed_size", "2", "--query_size", "2", "--rounds", "2", *FAST]
    person = Person(forks.hfal, *run, cwd=folder, **environment(folder))
    try:
        person.sees("Seed set", "0/2 answered", patience=60)
        person.press("2", "1", ENTER)  # the first word is an organization
        person.sees("]ORG")
        person.look(0.2)  # else it would be Enter held down
        person.press(ENTER)
        person.sees("1/2 answered")
        person.look(0.2)
        person.press(ENTER)  # no entity
        person.sees("closes the query")
        person.look(0.2)
        person.press(ENTER)
        person.sees("Round 1", "0/2 answered", patience=90)
        person.press("s")
        person.sees("1/2 answered")
        person.press("q")
        assert person.leaves() == 75
    finally:
        person.stands_up()
    assert hfal("export", "runs/texts", "--to", "labels.jsonl").code == 0
    rows = [json.loads(line) for line in (folder / "labels.jsonl").read_text("utf-8").splitlines()]
    assert [row["label"][0] for row in rows] == ["B-ORG", "O"]
    assert set(rows[0]["label"][1:]) <= {"O"}


@pytest.mark.parametrize(
    ("name", "content", "options", "message"),
    [
        (
            "a.conll",
            "EU\tB-ORG\nsaid\tO\n\nRain\n",
            "--label ner_tags",
            "a.conll, line 4: 1 column, but 2 in the first",
        ),
        (
            "a.conll",
            "EU B-ORG\n\nRome B-CITY\n",
            "--label ner_tags --labels ORG",
            "a.conll, sentence 2: word 1 of 'Rome'",
        ),
        ("a.conll", "\n\n", "--label ner_tags", "has no sentences"),
        ("a.conll", "EU\nsaid\n", "", "--labels is missing: name the types of entities"),
        ("a.conll", "EU O\n", "", "by --label (--label ner_tags)"),
        ("a.jsonl", [{"text": "Ann", "s": [{"start": 0, "end": 3, "label": "PER"}]}], "--labels a,b", "--label s"),
        ("a.jsonl", [{"text": "Ann"}], "--labels a,b --annotator conll", "take csv or jsonl"),
        (
            "a.jsonl",
            [{"tokens": ["a"], "t": ["O"]}, {"tokens": ["b"], "t": ["O", "O"]}],
            "--text tokens --label t",
            "a.jsonl, row 2: 2 tags in column 't' for 1 word: 'b'",
        ),
        (
            "a.jsonl",
            [{"tokens": ["a"]}, {"tokens": []}],
            "--text tokens --labels PER",
            "a.jsonl, row 2: no words in column 'tokens'",
        ),
        ("a.jsonl", [{"tokens": ["a"], "t": ["O"]}], "--text tokens --label t", "has no entities: name their types"),
        (
            "a.jsonl",
            [{"text": "Ann Lee", "s": [{"start": 0, "end": 2, "label": "PER"}]}],
            "--label s",
            "a.jsonl, row 1: the span 0 to 2",
        ),
        ("a.jsonl", [{"text": "Ann Lee"}], "--labels a,b --unit words", "unit='words' is for token classification"),
        ("a.jsonl", [{"text": "Ann Lee"}], "--labels a,b --aggregate max", "--aggregate is for entities"),
        (
            "a.jsonl",
            [{"text": "Ann"}],
            "--labels PER --task token_classification --strategy mnpl",
            "Did you mean 'mnlp'",
        ),
        (
            "a.jsonl",
            [{"text": "Ann"}],
            "--labels PER --task token_classification --stop plateau(f1_LOC)",
            "'f1_LOC' is no metric",
        ),
        (
            "a.jsonl",
            [{"text": "Ann"}],
            "--labels PER --task token_classification --annotator csv",
            "take jsonl or conll",
        ),
        (
            "a.jsonl",
            [{"text": "Ann", "b": "x"}],
            "--labels PER --task token_classification --text text,b",
            "one column",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    hfal: Callable[..., Result],
    folder: Path,
    name: str,
    content: Any,
    options: str,
    message: str,
) -> None:
    lines = content if isinstance(content, str) else "".join(json.dumps(row) + "\n" for row in content)
    (folder / name).write_text(lines, "utf-8")
    line = error_line(hfal("run", "--data", name, *options.split(), *FAST))
    assert message in line


def test_the_demo_runs_with_a_smaller_model(hfal: Callable[..., Result], folder: Path) -> None:
    demo = Path(__file__).parents[2] / "configs" / "ner_demo.yaml"
    small = ["--pool_size", "80", "--eval_split", "valid[:20]", "--query_size", "60"]
    done = hfal(
        "run", demo, *FAST, *small, "--stop", "uncertainty(1, rounds=2) or plateau", "--output_dir", "runs/demo"
    )
    assert done.code == 0, done.stderr
    assert "the run ends after round 2: the mean uncertainty after round 2 is " in done.stderr
    assert re.search(r"round +sentences +words +trained on +loss +precision +recall +f1 +f1_LOC", done.stdout)


def test_a_folder_of_conll_files_has_splits() -> None:
    data = load_split(CONLL, "valid[:20]", columns=["tokens", "ner_tags"])
    assert len(data) == 20
    assert {tag for tags in data["ner_tags"] for tag in tags} <= set(TAGS)
    assert len(load_split(f"{CONLL}/test.txt")) == 3453
    with pytest.raises(
        ArgumentError, match=r"Unknown split 'validation'. Should be one of \['test', 'train', 'valid'\]"
    ):
        load_split(CONLL, "validation")
