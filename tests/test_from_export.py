"""Pool -> export -> from_export -> two more rounds: the same queries as a run that was never exported."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import NAMES, load_tokenizer
from datasets import Dataset, load_dataset

from hfal import ActiveLearningCallback, Answer, Pool
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.evaluation.metrics import classification_metrics
from hfal.export import export_labels
from hfal.records import Query
from hfal.store import Store


class Knowing:
    """An annotator that knows the truth by the text; while it pauses it leaves half of each query open."""

    name = "Anna Secret"

    def __init__(self, truth: dict[str, str], pauses_at: int | None = None):
        self.truth = truth
        self.pauses_at = pauses_at

    def annotate(self, query):
        questions = query.questions
        if query.round == self.pauses_at:
            questions = questions[: max(len(questions) - 5, 0)]
        for question in questions:
            action = "skip" if question.texts["text"].startswith("a ") else "label"
            yield Answer(
                question.example_id, self.truth[question.texts["text"]] if action == "label" else None, action
            )

    def waiting_for(self, query):
        return "the rest" if query.round == self.pauses_at else None


def tokenized(rows: Dataset) -> Dataset:
    tokenizer = load_tokenizer()
    return rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)


@pytest.fixture(scope="module")
def truth(request: pytest.FixtureRequest) -> dict[str, str]:
    reviews = request.getfixturevalue("reviews")
    return {text: NAMES[label] for text, label in zip(reviews["text"], reviews["label"], strict=True)}


@pytest.fixture
def go(make_trainer, truth):
    """A function that runs a pool for some rounds; it may end with open questions."""

    def go(pool: Pool, rounds: int, pauses_at: int | None = None) -> None:
        active = ActiveLearningCallback(
            pool, strategy="margin+kmeans", annotator=Knowing(truth, pauses_at), query_size=10, holdout=20
        )
        trainer = make_trainer([active], compute_metrics=classification_metrics)
        if pauses_at is None:
            active.run(trainer, rounds=rounds)
        else:
            with pytest.raises(SystemExit):
                active.run(trainer, rounds=rounds)

    return go


def asked(queries: list[Query]) -> list[tuple]:
    return [
        (q.number, q.round, q.purpose, [(e.example_id, e.score, e.suggestion, e.confidence) for e in q.examples])
        for q in queries
    ]


def log(store: Store) -> list[tuple]:
    return [(a.number, a.example_id, a.action, a.label, a.query) for a in store.answers()]


@pytest.mark.parametrize("pauses_at", [None, 2], ids=["after its last round", "with an open query"])
def test_the_same_queries_as_a_run_that_was_never_exported(tmp_path, reviews, go, truth, pauses_at) -> None:
    texts = reviews.remove_columns("label").shuffle(seed=3)
    pool = Pool(texts, tmp_path / "run", "text", label_names=NAMES)
    go(pool, 2 if pauses_at is None else 4, pauses_at)
    folder = tmp_path / "export"
    export_labels(pool.run_dir, folder, unlabeled=pool, answers=True)
    if pauses_at:
        assert pool.store.open_queries()
    before = len(pool.store.queries())
    go(pool, 4)
    assert len(pool.store.queries()) >= before + 1 + (pauses_at is None)

    later = Pool.from_export(folder, tmp_path / "later", prepare=tokenized)
    assert bool(later.store.open_queries()) == bool(pauses_at)
    go(later, 4)
    assert asked(later.store.queries()) == asked(pool.store.queries())
    assert log(later.store) == log(pool.store)
    assert [r.metrics for r in later.store.rounds()] == [r.metrics for r in pool.store.rounds()]
    assert [r.seed for r in later.store.rounds()] == [r.seed for r in pool.store.rounds()]
    again = Pool.from_export(folder, tmp_path / "later", prepare=tokenized)  # the same script, started again
    assert len(again.store.rounds()) == 4


@pytest.fixture
def exported(tmp_path: Path, reviews: Dataset) -> Path:
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    pool.store.set_meta("labels_are_hidden", True)
    active = ActiveLearningCallback(pool, annotator=Knowing({}), query_size=5)
    active.acquisition.propose_seed_set()
    for number, example in enumerate(pool.store.queries()[0].examples):
        pool.record(Answer(example.example_id, NAMES[number % 2], annotator="Anna Secret", query=1))
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True)
    return tmp_path / "export"


def test_nothing_is_exported_that_was_not_meant_to_be(tmp_path: Path, reviews: Dataset, exported: Path) -> None:
    for file in exported.iterdir():
        content = file.read_bytes()
        assert b"Anna" not in content
        assert str(tmp_path).encode() not in content
    data = load_dataset(str(exported), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in data.items()} == {"train": 5, "unlabeled": 295}
    assert data["train"].features == data["unlabeled"].features
    assert set(data["unlabeled"]["label"]) == {None}
    assert set(data["train"]["al_annotator"]) == {"annotator-1"}
    answers = load_dataset(str(exported), "answers", cache_dir=str(tmp_path / "cache"))["train"]
    assert answers["answer"] == [1, 2, 3, 4, 5]
    assert set(answers["annotator"]) == {"annotator-1"}
    assert answers.features["label"].names == NAMES


def test_what_cannot_be_gone_on_from(tmp_path: Path, exported: Path) -> None:
    run = tmp_path / "new" / "later"
    with pytest.raises(ArgumentError, match="is no folder"):
        Pool.from_export(tmp_path / "nothing", run)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArgumentError, match=r"has no hfal\.json"):
        Pool.from_export(tmp_path / "empty", run)
    with pytest.raises(RunDirectoryError, match="other things"):
        Pool.from_export(exported, exported)

    def cut(rows: Dataset) -> Dataset:
        return rows.select(range(10))

    with pytest.raises(ArgumentError, match="all 300 rows"):
        Pool.from_export(exported, run, prepare=cut)
    edit = lambda rows: rows.map(lambda row: {"text": row["text"] + "!"})  # noqa: E731
    with pytest.raises(RunDirectoryError, match="have another text"):
        Pool.from_export(exported, run, prepare=edit)
    history = json.loads((exported / "hfal.json").read_text())
    (exported / "hfal.json").write_text(json.dumps({**history, "hfal": 99}))
    with pytest.raises(ArgumentError, match="format 99"):
        Pool.from_export(exported, run)
    assert not run.parent.exists() or not list(run.parent.iterdir())


@pytest.mark.parametrize("kind", ["words", "raw text", "sets"])
def test_answers_of_other_tasks_come_back(tmp_path: Path, kind: str) -> None:
    texts = ["EU rejects German call", "Peter Blackburn", "no entity here", "Brussels today"]
    column = [text.split() for text in texts] if kind == "words" else texts
    data = Dataset.from_dict({"text": column, "number": range(4)})
    task = "multi_label_classification" if kind == "sets" else "token_classification"
    pool = Pool(data, tmp_path / "run", "text", label_names=["PER", "LOC"], task=task, id_column="number")
    labels = [["LOC"], ["PER", "LOC"], []] if kind == "sets" else [["B-LOC", "O", "O", "O"], ["B-PER", "I-PER"]]
    for number, label in enumerate(labels):
        pool.record(Answer(str(number), label, annotator="anna", comment="sure"))
    pool.record(Answer("3", None, "skip", annotator="bert"))
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True, annotator_names=True)
    loaded = load_dataset(str(tmp_path / "export"), cache_dir=str(tmp_path / "cache"))
    assert loaded["unlabeled"]["label"] == [None] * (4 - len(labels))
    later = Pool.from_export(tmp_path / "export", tmp_path / "later")
    assert later.store.answers() == pool.store.answers()
    assert later.labels() == pool.labels()
    assert later.label_names == pool.label_names
    assert (later.task.name, later.run_dir) == (task, (tmp_path / "later").resolve())


def test_killed_in_the_middle_it_leaves_no_run_directory(tmp_path: Path, exported: Path) -> None:
    script = (
        "import os, signal, sys; from hfal import Pool; from hfal.store import Store\n"
        "fill = Store.restore\n"
        "def killed(*arguments): fill(*arguments); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store.restore = killed; Pool.from_export(*sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", script, exported, tmp_path / "later"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "later").exists()
    assert len(Pool.from_export(exported, tmp_path / "later").labels()) == 5
