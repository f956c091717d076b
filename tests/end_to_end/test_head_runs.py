"""`hfal run --select_with head`: a head on a frozen encoder queries between the trainings of another model."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from datasets import Dataset

from hfal.store.records import HEAD, Query
from hfal.store.store import Store
from support.command import Result, error_line
from support.models import save_tiny_encoder
from support.texts import save_small_files, save_tiny_model


ROOT = Path(__file__).parents[2]
QUICK = ["--query_size", "8", "--use_cpu", "--max_steps", "2", "--strategy", "margin+kmeans"]
HEADED = [*QUICK, "--select_with", "head", "--queries_per_round", "2"]
TEXTS = ["--data", "reviews.jsonl", "--text", "text", "--model", "model", "--embeddings", "encoder"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_small_files(tmp_path)
    save_tiny_encoder(tmp_path / "encoder", "mean", normalize=True)
    save_tiny_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    return tmp_path


def queries_in(run_dir: Path) -> list[Query]:
    store = Store(run_dir, read_only=True)
    found = store.queries()
    store.close()
    return found


def asked(query: Query) -> list[tuple[str, float | None]]:
    return [(example.example_id, example.score) for example in query.examples]


def kinds(queries: list[Query]) -> list[tuple[str, int, int]]:
    return [(query.purpose, query.round, query.sequence) for query in queries]


def test_a_head_on_an_encoder_picks_for_another_model_and_a_model_goes_on(
    hfal: Callable[..., Result], folder: Path
) -> None:
    done = hfal("run", *TEXTS, "--label", "label", *HEADED, "--eval_size", "20", "--rounds", "2")
    assert done.code == 0, done.stderr
    run_dir = folder / "runs" / "reviews"
    queries = queries_in(run_dir)
    assert kinds(queries) == [("seed", 0, 0), (HEAD, 0, 1), (HEAD, 1, 1), (HEAD, 1, 2)]
    encoder = str(folder / "encoder")
    assert {query.settings["embeddings"] for query in queries} == {encoder}
    assert {query.model for query in queries[1:]} == {f"FrozenEncoderForSequenceClassification from {encoder}"}
    setup = "Strategy margin+kmeans, 8 texts a query, 2 queries a round, picked by a head on a frozen encoder\n"
    assert setup in hfal("status", run_dir).stdout
    kept = yaml.safe_load((run_dir / "config.yaml").read_text())
    assert (kept["select_with"], kept["queries_per_round"], kept["embeddings"]) == ("head", 2, encoder)

    refused = error_line(hfal("run", run_dir, "--select_with", "model", "--rounds", "4"))
    assert "queries_per_round=2 is for select_with='head'" in refused
    changed = ["--select_with", "model", "--queries_per_round", "1", "--embeddings", "model"]
    done = hfal("run", run_dir, *changed, "--rounds", "4")
    assert done.code == 0, done.stderr
    done = hfal("run", run_dir, "--select_with", "head", "--embeddings", "encoder", "--rounds", "5")
    assert done.code == 0, done.stderr
    queries = queries_in(run_dir)
    assert kinds(queries)[4:] == [("round", 2, 0), ("round", 3, 0), (HEAD, 4, 1)]
    ids = [example for query in queries for example, _ in asked(query)]
    assert len(ids) == len(set(ids)) == 7 * 8


def test_an_export_goes_on_with_the_queries_of_the_run_it_came_from(hfal: Callable[..., Result], folder: Path) -> None:
    """Exported with a query of the head behind it, and with a finished round alone."""
    run = ["run", *TEXTS, "--label", "label", *HEADED, "--holdout", "0", "--output_dir"]
    whole = hfal(*run, "whole", "--rounds", "2")
    assert whole.code == 0, whole.stderr
    expected = queries_in(folder / "whole")
    assert kinds(expected) == [("seed", 0, 0), (HEAD, 0, 1), (HEAD, 1, 1), (HEAD, 1, 2)]

    first = hfal(*run, "first", "--rounds", "1")
    assert first.code == 0, first.stderr
    assert hfal("export", "first", "--to", "one round", "--unlabeled", "--answers").code == 0
    later = hfal("run", "first", "--rounds", "2", "--annotator", "jsonl")
    assert later.code == 75
    assert "Query 3 (number 1 for round 2): 8 texts wait" in later.stderr
    assert hfal("export", "first", "--to", "a query", "--unlabeled", "--answers").code == 0

    for number, export in enumerate(("one round", "a query")):
        assert hfal("import", export, "--to", f"imported {number}").code == 0
        options = [*HEADED, "--model", "model", "--embeddings", "encoder", "--holdout", "0", "--rounds", "2"]
        went_on = hfal("run", f"imported {number}", *options, "--annotator", "jsonl")
        assert went_on.code == 75, went_on.stderr
        imported = queries_in(folder / f"imported {number}")
        assert kinds(imported) == kinds(expected)[:3]
        assert [*map(asked, imported)] == [*map(asked, expected[:3])]


@pytest.mark.parametrize("frozen", [False, True], ids=["fine-tuned", "frozen"])
def test_people_who_err_are_asked_again(hfal: Callable[..., Result], folder: Path, frozen: bool) -> None:
    people = ["--annotators", "anna,ben,carl", "--error_rate", "0.4", "--ask_again", "--budget", "60"]
    trained = ["--freeze_encoder", "--model", "encoder", "--embeddings", "model"] if frozen else []
    answers = []
    for seed in ("1", "2"):
        run = ["run", *TEXTS, "--label", "label", *HEADED, *people, *trained, "--seed", seed, "--output_dir", seed]
        done = hfal(*run)
        assert done.code == 0, done.stderr
        with contextlib.closing(Store(folder / seed, read_only=True)) as store:
            assert store.labels_bought() == len(store.answers()) == 60
            assert {len(of) for of in store.opinions().values()} >= {1, 2}
            assert store.plan.aggregate_labels == "majority"
            answers.append({(a.example_id, a.annotator): a.label for a in store.answers()})
    assert f"60 labels bought for {len({i for i, _ in answers[0]})} texts, " in hfal("status", "1").stdout
    both = answers[0].keys() & answers[1].keys()
    assert any(answers[0][one] != answers[1][one] for one in both)  # each seed has its errors


def test_who_answers_in_files_is_asked_what_a_run_that_never_stops_asks(
    hfal: Callable[..., Result], folder: Path
) -> None:
    run = ["run", *TEXTS, "--label", "label", *HEADED, "--holdout", "0", "--rounds", "1", "--output_dir"]
    assert hfal(*run, "whole").code == 0
    hidden = {row["text"]: row["label"] for row in Dataset.from_json(str(folder / "reviews.jsonl"))}
    codes = []
    for _ in range(3):
        codes.append(hfal(*run, "files", "--annotator", "jsonl").code)
        for file in (folder / "files").glob("query-*.jsonl"):
            rows = Dataset.from_json(str(file)).remove_columns("label")
            rows.add_column("label", [hidden[text] for text in rows["text"]]).to_json(file)
    assert codes == [75, 75, 0]
    assert [*map(asked, queries_in(folder / "files"))] == [*map(asked, queries_in(folder / "whole"))]


@pytest.mark.parametrize(
    ("options", "head"),
    [
        (["--data", "topics.jsonl", "--label", "topics"], "FrozenEncoderForSequenceClassification"),
        (
            ["--data", "news.jsonl", "--text", "tokens", "--label", "ner_tags", "--unit", "examples"],
            "FrozenEncoderForTokenClassification",
        ),
    ],
    ids=["sets of labels", "entities"],
)
def test_other_tasks_with_the_models_own_encoder(
    hfal: Callable[..., Result], folder: Path, options: list[str], head: str
) -> None:
    done = hfal(
        "run", *options, "--model", "encoder", *HEADED, "--holdout", "0", "--rounds", "2", "--output_dir", "run"
    )
    assert done.code == 0, done.stderr
    queries = queries_in(folder / "run")
    assert kinds(queries) == [("seed", 0, 0), (HEAD, 0, 1), (HEAD, 1, 1), (HEAD, 1, 2)]
    assert {query.model for query in queries[1:]} == {f"{head} from {folder / 'encoder'}"}
    assert {query.settings["embeddings"] for query in queries[1:]} == {str(folder / "encoder")}
    assert len({example for query in queries for example, _ in asked(query)}) == 4 * 8


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "options"),
    [
        ("text_classification", ["--data", "reviews.jsonl", "--label", "label"]),
        (
            "token_classification",
            ["--data", "news.jsonl", "--text", "tokens", "--label", "ner_tags", "--unit", "examples"],
        ),
    ],
)
def test_two_processes_ask_what_one_asks(folder: Path, recipe: str, options: list[str]) -> None:
    options = [
        *options,
        "--model",
        "encoder",
        *HEADED,
        "--strategy",
        "bald+kmeans",
        "--holdout",
        "10",
        "--rounds",
        "2",
    ]
    for processes in ("1", "2"):
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", processes]
        words += ["-m", f"recipes.{recipe}", *options, "--output_dir", processes]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr[-3000:]
    one, two = (queries_in(folder / processes) for processes in ("1", "2"))
    assert kinds(one) == [("holdout", 0, 0), ("seed", 0, 0), (HEAD, 0, 1), (HEAD, 1, 1), (HEAD, 1, 2)]
    assert kinds(two) == kinds(one)
    assert [*map(asked, two)] == [*map(asked, one)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([*HEADED, "--freeze_encoder"], "--select_with head picks for a model that is fine-tuned, but with --freeze"),
        ([*QUICK, "--queries_per_round", "2"], "queries_per_round=2 is for select_with='head'"),
        ([*HEADED, "--embeddings", "entities"], "'entities'"),
        ([*HEADED, "--embeddings", "./nowhere"], "there is no"),
        ([*HEADED, "--strategy", "bald", "--committee", "3"], "committee= draws from models that read texts"),
        ([*HEADED, "--select_with", "tail"], "tail"),
        ([*QUICK, "--ask_again", "--annotators", "anna,ben"], "ask_again=True takes select_with='head', but that is"),
        ([*HEADED, "--ask_again"], "ask_again=True asks another person about a labeled text, but there is one"),
    ],
)
def test_options_that_do_not_go_together(
    hfal: Callable[..., Result], folder: Path, options: list[str], message: str
) -> None:
    done = hfal("run", *TEXTS, "--label", "label", *options)
    assert message in error_line(done)
    assert not list(folder.glob("runs/*/query-*"))
