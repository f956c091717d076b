"""Pool -> export -> from_export -> two more rounds: the same queries as a run that was never exported."""

import json
import re
import runpy
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from transformers import BertForSequenceClassification

from hfal import ActiveLearningCallback, Answer, Hybrid, LabelScore, Pool, Schedule, TokenScore, tokenize_words
from hfal.cli.import_run import import_run
from hfal.config.kept_config import read_ahead
from hfal.config.load_data import load_data
from hfal.data.references import load_split
from hfal.errors import ArgumentError, HubUnreachableError, RunDirectoryError
from hfal.export.labels import export_labels
from hfal.export.publication import write_dataset
from hfal.export.restore import load_export
from hfal.store.records import SYNTHESIS, Queried, Query, RoundRecord
from hfal.store.store import Store
from hfal.tasks.metrics import classification_metrics, entity_metrics, label_set_metrics
from hfal.tasks.words import words_of
from support.models import NAMES, TAGS, tiny_config, tiny_model
from support.published_run import of_run
from support.texts import CONLL, load_tokenizer


def joined(text: str | list[str]) -> str:
    return text if isinstance(text, str) else " ".join(text)


class Knowing:
    """An annotator that knows the truth by the text; while it pauses it leaves half of each query open."""

    name = "Anna Secret"

    def __init__(self, truth: dict[str, Any], pauses_at: int | None = None):
        self.truth = truth
        self.pauses_at = pauses_at

    def annotate(self, query):
        questions = query.questions
        if query.round == self.pauses_at:
            questions = questions[: max(len(questions) - 5, 0)]
        for question in questions:
            text = joined(*question.texts.values())
            action = "skip" if text.lower().startswith("a ") else "label"
            yield Answer(question.example_id, self.truth[text] if action == "label" else None, action)

    def waiting_for(self, query):
        return "the rest" if query.round == self.pauses_at else None


@dataclass(frozen=True)
class Case:
    """Texts of which somebody knows the labels, and how they are trained on."""

    texts: Dataset
    text_column: str
    truth: dict[str, Any]
    label_names: list[str]
    tokenize: Callable[[Dataset], Dataset]
    strategy: Any
    trainer: dict[str, Any]
    active: dict[str, Any] = field(default_factory=dict)
    pool: dict[str, Any] = field(default_factory=dict)


def case_of(kind: str, reviews: Dataset) -> Case:
    tokenizer = load_tokenizer()

    def tokenized(rows: Dataset) -> Dataset:
        return rows.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)

    if kind == "texts":
        truth = {text: NAMES[i] for text, i in zip(reviews["text"], reviews["label"], strict=True)}
        trainer = {"compute_metrics": classification_metrics}
        texts = reviews.select_columns("text").shuffle(seed=3)
        return Case(texts, "text", truth, NAMES, tokenized, "margin+kmeans", trainer)
    news = load_split(CONLL, "train[:120]").shuffle(seed=3)
    if kind == "sets":
        types = ["LOC", "MISC", "ORG", "PER"]
        sets = [[t for t in types if t in of_one] for of_one in news["entity_types"]]
        trainer = {
            "model_init": lambda: BertForSequenceClassification(tiny_config(len(types))),
            "compute_metrics": label_set_metrics(types, 0.3),
        }
        truth = dict(zip(news["text"], sets, strict=True))
        pool = {"task": "multi_label_classification", "thresholds": 0.3}
        strategy = Hybrid(LabelScore("margin", "max"), "kmeans")
        return Case(news.select_columns("text"), "text", truth, types, tokenized, strategy, trainer, {}, pool)
    column = "text" if kind == "raw text" else "tokens"
    truth = dict(zip(map(joined, news["tokens"]), news["ner_tags"], strict=True))
    if column == "text":  # whose words are not quite those of the corpus
        tags = {word: tag for row in news for word, tag in zip(row["tokens"], row["ner_tags"], strict=True)}
        truth = {
            text: ["B" + tags.get(w, "O")[1:] if tags.get(w, "O") != "O" else "O" for w in words_of(text)]
            for text in news["text"]
        }
    tokenize = partial(tokenize_words, tokenizer=tokenizer, text_column=column, max_length=64)
    trainer = {"of_words": True, "compute_metrics": entity_metrics(TAGS)}
    active = {"unit": "words", "query_size": 100, "holdout": 200} if kind == "words" else {"embeddings": "entities"}
    strategy = "mnlp" if kind == "words" else Hybrid(TokenScore("entropy"), "kmeans")
    pool = {"task": "token_classification"}
    texts = news.select_columns(column)
    return Case(
        texts, column, truth, TAGS, lambda rows: rows.map(tokenize, batched=True), strategy, trainer, active, pool
    )


def go(case: Case, make_trainer, pool: Pool, rounds: int, pauses_at: int | None = None) -> None:
    """Run a pool for some rounds; it ends with open questions where the annotator pauses."""
    annotator = Knowing(case.truth, pauses_at)
    options = {"query_size": 10, "holdout": 20, **case.active}
    active = ActiveLearningCallback(pool, strategy=case.strategy, annotator=annotator, **options)
    trainer = make_trainer([active], **case.trainer)
    with pytest.raises(SystemExit) if pauses_at else nullcontext():
        active.run(trainer, rounds=rounds)


def asked(queries: list[Query]) -> list[tuple]:
    return [
        (q.number, q.round, q.purpose, [(e.example_id, e.score, e.suggestion, e.confidence) for e in q.examples])
        for q in queries
    ]


def log(store: Store) -> list[tuple]:
    return [(a.number, a.example_id, a.action, a.label, a.query) for a in store.answers()]


def without_times(record: RoundRecord) -> RoundRecord:
    return replace(record, started=None, trained=None, finished=None)


@pytest.mark.parametrize(
    ("kind", "pauses_at"),
    [("texts", None), ("texts", 2), ("sets", 2), ("words", None), pytest.param("raw text", 2, marks=pytest.mark.slow)],
    ids=lambda value: {None: "after its last round", 2: "with an open query"}.get(value, value),
)
def test_the_same_queries_as_a_run_that_was_never_exported(tmp_path, reviews, make_trainer, kind, pauses_at) -> None:
    case = case_of(kind, reviews)
    run = partial(go, case, make_trainer)
    pool = Pool(
        case.tokenize(case.texts), tmp_path / "run", case.text_column, label_names=case.label_names, **case.pool
    )
    run(pool, 2 if pauses_at is None else 4, pauses_at)
    folder = tmp_path / "export"
    export_labels(pool.run_dir, folder, unlabeled=pool, answers=True)
    if pauses_at:
        assert pool.store.open_queries()
    before = len(pool.store.queries())
    run(pool, 4)
    assert len(pool.store.queries()) >= before + 1 + (pauses_at is None)

    thresholds = case.pool.get("thresholds")
    later = Pool.from_export(folder, tmp_path / "later", case.tokenize, thresholds)
    assert bool(later.store.open_queries()) == bool(pauses_at)
    run(later, 4)
    assert asked(later.store.queries()) == asked(pool.store.queries())
    assert {type(e[1]) for q in asked(pool.store.queries()) if q[2] == "round" for e in q[3]} == {float}
    assert log(later.store) == log(pool.store)
    assert [without_times(r) for r in later.store.rounds()] == [without_times(r) for r in pool.store.rounds()]
    again = Pool.from_export(folder, tmp_path / "later", case.tokenize, thresholds)  # the same script, started again
    assert len(again.store.rounds()) == 4


def test_what_takes_the_models_of_earlier_rounds_needs_them(tmp_path, reviews, make_trainer) -> None:
    """They are not in an export: copied from the run, they make the same queries; without them it does not begin."""
    case = replace(case_of("texts", reviews), active={"retrain": "continue", "keep_models": None, "holdout": 0})
    pool = Pool(case.tokenize(case.texts), tmp_path / "run", "text", label_names=NAMES)
    run = partial(go, case, make_trainer)
    run(pool, 4, pauses_at=2)
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True)
    run(pool, 3)

    later = Pool.from_export(tmp_path / "export", tmp_path / "later", case.tokenize)
    before = later.store.last_answer()
    with pytest.raises(
        RunDirectoryError, match=r"retrain='continue' begins round 3 with .* lacks those of 002 \(an exp"
    ):
        run(later, 3)
    committee = replace(case, active={"committee": 3, "holdout": 0}, strategy="mean_kl")
    with pytest.raises(
        RunDirectoryError, match=r"committee=3 takes for round 3 .* lacks those of 001, 002 .* leave com"
    ):
        go(committee, make_trainer, later, 4)
    schedule = replace(committee, strategy=Schedule({1: "margin", 4: "mean_kl"}))
    with pytest.raises(RunDirectoryError, match=r"committee=3 takes for round 4 .* lacks those of 002 "):
        go(schedule, make_trainer, later, 5)
    assert later.store.last_answer() == before  # nobody was asked
    shutil.copytree(pool.run_dir / "rounds" / "002", later.run_dir / "rounds" / "002")
    run(later, 3)
    assert asked(later.store.queries()) == asked(pool.store.queries())
    assert later.store.rounds()[-1].metrics == pool.store.rounds()[-1].metrics
    go(replace(schedule, strategy=Schedule({1: "margin", 6: "mean_kl"})), make_trainer, later, 4)


@pytest.fixture
def exported(tmp_path: Path, reviews: Dataset) -> Path:
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    pool.store.set_meta("labels_are_hidden", True)
    active = ActiveLearningCallback(pool, annotator=Knowing({}), query_size=5)
    active.acquisition.first.propose_seed_set()
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


def test_the_script_of_the_docs_goes_on(tmp_path: Path, exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "hub.md").read_text("utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    changes = {
        '"me/reviews",  # or': f"{str(exported)!r},  # or",
        '"sentence-transformers/all-MiniLM-L6-v2"': '"tiny"',
        "TerminalAnnotator()": 'FileAnnotator("csv")',
        "import ActiveLearningCallback, Pool, TerminalAnnotator": "import ActiveLearningCallback, FileAnnotator, Pool",
        "num_train_epochs=10": "num_train_epochs=1, use_cpu=True, disable_tqdm=True",
    }
    for old, new in changes.items():
        assert old in script
        script = script.replace(old, new)
    tiny_model().save_pretrained(tmp_path / "tiny")
    load_tokenizer().save_pretrained(tmp_path / "tiny")
    (tmp_path / "script.py").write_text(script)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):  # it may be started again
        with pytest.raises(SystemExit) as end:
            runpy.run_path("script.py", run_name="__main__")
        assert end.value.code == 75
        assert [path.name for path in Path("runs/more").glob("query-*.csv")] == ["query-002.csv"]
    store = Store("runs/more", read_only=True)
    assert [(r.number, r.labels, r.finished is not None) for r in store.rounds()] == [(1, 5, True)]
    assert len(store.queries()[-1].examples) == 50


@pytest.mark.parametrize("name", ["labels.csv", "export/train.parquet", "./export", "~/export", "of/my/export"])
def test_a_path_where_nothing_is_is_not_asked_of_the_hub(tmp_path: Path, name: str) -> None:
    with pytest.raises(ArgumentError) as error:
        import_run(name, tmp_path / "run")
    assert str(error.value).startswith(f"source={name!r}: there is no /")
    assert "HF_HUB_OFFLINE" not in str(error.value)


def test_a_file_is_not_taken_for_a_name_on_the_hub(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("text,label\ngood,positive\n")
    with pytest.raises(ArgumentError, match="is a file, expected the folder of an export") as error:
        import_run(tmp_path / "labels.csv", tmp_path / "run")
    assert "HF_HUB_OFFLINE" not in str(error.value)
    with pytest.raises(HubUnreachableError, match=r"hub:me/labels.csv' is no folder"):
        import_run("hub:me/labels.csv", tmp_path / "run")


def test_what_cannot_be_gone_on_from(tmp_path: Path, exported: Path) -> None:
    run = tmp_path / "new" / "later"
    with pytest.raises(ArgumentError, match="there is no "):
        Pool.from_export(tmp_path / "nothing", run)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArgumentError, match=r"has no hfal\.json"):
        Pool.from_export(tmp_path / "empty", run)
    with pytest.raises(RunDirectoryError, match="other things"):
        Pool.from_export(exported, exported)

    def cut(rows: Dataset) -> Dataset:
        return rows.select(range(10))

    with pytest.raises(ArgumentError, match="as many rows as it gets: it got 300, and returned 10"):
        Pool.from_export(exported, run, prepare=cut)
    edit = lambda rows: rows.map(lambda row: {"text": row["text"] + "!"})  # noqa: E731
    with pytest.raises(RunDirectoryError, match="have another text"):
        Pool.from_export(exported, run, prepare=edit)
    history = json.loads((exported / "hfal.json").read_text())
    (exported / "hfal.json").write_text(json.dumps({**history, "hfal": 99}))
    with pytest.raises(ArgumentError, match="format 99"):
        Pool.from_export(exported, run)
    assert not run.parent.exists() or not list(run.parent.iterdir())


def test_texts_that_make_no_sense_come_back_and_are_counted(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": ["good", "bad", "fine", "awful"]})
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES, prepare=lambda rows: rows)
    made_up = pool.add([{"text": "good or bad"}, {"text": "bad fine or"}, {"text": "or"}], SYNTHESIS)
    rows = zip(made_up, pool.positions(made_up), strict=True)
    asked = tuple(Queried(i, pool.content(p), pool.texts([p])[0], origin=SYNTHESIS) for i, p in rows)
    pool.store.add_query(Query(0, "seed", "random", 0, asked))
    pool.record(Answer(made_up[0], "positive", annotator="anna", query=1))
    pool.record(Answer(made_up[1], action="nonsense", annotator="anna", query=1))
    pool.record(Answer(made_up[2], "positive", annotator="anna", query=1))
    pool.record(Answer(made_up[2], action="settle", annotator="ben", query=1))
    kept = {"unlabeled": pool, "answers": True}
    export_labels(pool.run_dir, tmp_path / "export", **kept)
    later = Pool.from_export(tmp_path / "export", tmp_path / "later", prepare=lambda rows: rows)
    assert [a.action for a in later.store.answers()] == ["label", "nonsense", "label", "settle"]
    assert later.store.opinions_left(later.store.queries()[0]) == {}
    assert (later.labels(), later.labels_bought()) == ({made_up[0]: "positive"}, 1)
    (tmp_path / "card").mkdir()
    of_run(write_dataset, pool.run_dir, tmp_path / "card", "me/reviews", **kept)
    card = (tmp_path / "card" / "README.md").read_text("utf-8")
    assert "0 texts were skipped, 0 left open by annotators who were not sure, 2 made-up texts make no sense." in card


@pytest.mark.parametrize("kind", ["words", "raw text", "sets", "pairs"])
def test_answers_of_other_tasks_come_back(tmp_path: Path, kind: str) -> None:
    texts = ["EU rejects German call", "Peter Blackburn", "no entity here", "Brussels today"]
    column = [text.split() for text in texts] if kind == "words" else texts
    data = Dataset.from_dict({"text": column, "id": texts[::-1], "number": range(4)})
    tasks = {"sets": "multi_label_classification", "pairs": "text_classification"}
    task = tasks.get(kind, "token_classification")
    columns = ["id", "text"] if kind == "pairs" else ["text"]
    about = {"task": task, "id_column": "number", "prepare": lambda rows: rows}
    pool = Pool(data, tmp_path / "run", columns, label_names=["PER", "LOC"], **about)
    (added,) = pool.add([{"text": ["Bonn"] if kind == "words" else "Bonn", "id": "of a stream"}], "stream")
    labels: list[Any] = [["B-LOC", "O", "O", "O"], ["B-PER", "I-PER"]]
    labels = {"sets": [["LOC"], ["PER", "LOC"], []], "pairs": ["LOC", "PER"]}.get(kind, labels)
    for number, label in enumerate(labels):
        pool.record(Answer(str(number), label, annotator="anna", comment="sure"))
    pool.record(Answer("3", None, "skip", annotator="bert"))
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True, annotator_names=True)
    loaded = load_dataset(str(tmp_path / "export"), cache_dir=str(tmp_path / "cache"))
    assert loaded["unlabeled"]["label"] == [None] * (5 - len(labels))
    assert loaded["unlabeled"].filter(lambda row: row["al_origin"] == "stream")["id"][:] == [added]
    rows = {row["id"]: row for split in loaded.values() for row in split}
    names = {"id": "text_id", "text": "text"}  # the id is another one
    assert [{name: rows[str(n)][names[name]] for name in columns} for n in range(4)] == pool.texts(range(4))
    later = Pool.from_export(tmp_path / "export", tmp_path / "later")
    assert later.store.answers() == pool.store.answers()
    assert later.store.origins() == pool.store.origins()
    assert later.content(later.position(added)) == pool.content(pool.position(added))
    assert later.labels() == pool.labels()
    assert later.label_names == pool.label_names
    assert (later.task.name, later.run_dir) == (task, (tmp_path / "later").resolve())

    assert import_run(tmp_path / "export", tmp_path / "imported") == (5, len(labels) + 1)
    al, options = read_ahead([str(tmp_path / "imported")])
    data = load_data(al, str(options.output_dir), options.seed)
    imported = Pool(data.pool, str(options.output_dir), data.text, al.label, data.labels, al.id, task=data.task)
    assert imported.store.answers() == pool.store.answers()
    assert (imported.task.name, list(imported.label_names)) == (task, list(pool.label_names))


def test_killed_in_the_middle_it_leaves_no_run_directory(tmp_path: Path, exported: Path) -> None:
    script = (
        "import os, signal, sys; from hfal import Pool; from hfal.store.store import Store\n"
        "fill = Store.restore\n"
        "def killed(*arguments, **options): fill(*arguments, **options); os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store.restore = killed; Pool.from_export(*sys.argv[1:])"
    )
    done = subprocess.run([sys.executable, "-c", script, exported, tmp_path / "later"], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "later").exists()
    assert len(list(tmp_path.glob(".later.*.part"))) == 1
    assert len(Pool.from_export(exported, tmp_path / "later").labels()) == 5
    assert not list(tmp_path.glob(".later.*.part"))


def test_a_file_is_no_export(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("text\n")
    with pytest.raises(
        ArgumentError, match=r"labels\.csv' is a file, expected the folder of an export.*--unlabeled --answers"
    ):
        load_export(tmp_path / "labels.csv")
