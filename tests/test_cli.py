"""The installed command, in processes of its own and from another working directory."""

import csv
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import NAMES, tiny_model
from datasets import Dataset
from transformers import PreTrainedTokenizerBase

from hfal.cli import main
from hfal.store import Store


HFAL = Path(sys.executable).with_name("hfal")

CONFIG = """
model: ./model
data: reviews.csv
max_length: 32
strategy: margin+kmeans
seed_size: 6
query_size: 6
rounds: 2
learning_rate: 1e-3
num_train_epochs: 1
per_device_train_batch_size: 8
save_strategy: "no"
report_to: none
use_cpu: true
log_level: error
"""
SIMULATED = CONFIG + "output_dir: runs/simulated\nlabel_column: label\neval_size: 12\n"
BY_FILE = CONFIG + "output_dir: runs/file\nlabels: [negative, positive]\nannotator: csv\nholdout: 4\n"


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, reviews: Dataset, tokenizer: PreTrainedTokenizerBase) -> Path:
    """The working directory: a tiny model, sentences with their labels, and two configurations."""
    folder = tmp_path_factory.mktemp("somewhere")
    tiny_model().save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    with open(folder / "reviews.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows((row["text"], NAMES[row["label"]]) for row in reviews.select(range(60)))
    (folder / "configs").mkdir()
    (folder / "configs" / "simulated.yaml").write_text(SIMULATED)
    (folder / "configs" / "file.yaml").write_text(BY_FILE)
    (folder / "configs" / "misspelt.yaml").write_text(SIMULATED.replace("strategy:", "stratgy:", 1))
    return folder


@pytest.fixture(scope="module")
def hfal(folder: Path) -> Callable[..., Result]:
    """A function that runs the installed command in that directory."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)

    def hfal(*arguments: str) -> Result:
        done = subprocess.run(
            [HFAL, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
        )
        return Result(done.returncode, done.stdout, done.stderr)

    return hfal


@pytest.fixture(scope="module")
def finished(hfal: Callable[..., Result]) -> Result:
    """`hfal run` on the simulated configuration, to its end."""
    return hfal("run", "configs/simulated.yaml")


def table_rows(output: str) -> list[list[str]]:
    """The cells of the printed table of rounds."""
    lines = output[output.index("round  labels") :].split("\n\n")[0].strip().split("\n")
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def test_run_finishes_with_a_table_and_a_picture(finished: Result, folder: Path) -> None:
    assert finished.code == 0, finished.stderr
    header, *rounds = table_rows(finished.stdout)
    assert header == ["round", "labels", "trained on", "loss", "accuracy", "f1_macro", "f1_micro"]
    assert [row[:3] for row in rounds] == [["1", "6", "6"], ["2", "12", "12"]]
    assert all(0 <= float(cell) <= 1 for row in rounds for cell in row[4:])
    picture = folder / "runs" / "simulated" / "learning_curve.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"Learning curve: {picture.relative_to(folder)}" in finished.stdout
    assert "Traceback" not in finished.stderr


def test_status_shows_the_finished_run(finished: Result, hfal: Callable[..., Result], folder: Path) -> None:
    run_dir = folder / "runs" / "simulated"
    before = sorted(run_dir.rglob("*"))
    with Store(run_dir).own():  # a process that works there does not keep others from looking
        status = hfal("status", "runs/simulated")
    assert status.code == 0, status.stderr
    assert status.stderr == ""
    assert "12 labels bought, 0 of them held out, 0 skipped\nLabels: negative, positive" in status.stdout
    assert "missing" not in status.stdout
    assert table_rows(status.stdout) == table_rows(finished.stdout)
    assert sorted(run_dir.rglob("*")) == before


def test_status_of_what_is_no_run(hfal: Callable[..., Result], folder: Path, capsys: Any) -> None:
    status = hfal("status", "runs/missing")
    assert (status.code, status.stdout) == (1, "")
    assert status.stderr.startswith(f"hfal: error: no run in {folder / 'runs' / 'missing'}")
    assert status.stderr.count("\n") == 1
    assert not (folder / "runs" / "missing").exists()  # looking makes nothing

    (folder / "no-run").mkdir()
    (folder / "no-run" / "labels.sqlite").write_bytes(b"no database, but more than a hundred bytes " * 100)
    assert main(["status", str(folder / "no-run")]) == 1
    assert "cannot be used as a store of hfal" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stop:
        main(["status", "runs/simulated", "--verbose"])
    assert stop.value.code == 2


def test_status_after_a_writer_was_killed_in_a_transaction(tmp_path: Path, capsys: Any) -> None:
    store = Store(tmp_path)
    store.set_meta("label_names", NAMES)
    store.close()
    # A cache of one page makes SQLite write before the commit, as it does for a transaction of many answers.
    code = """
import os, signal, sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("PRAGMA cache_size = 1")
db.execute("BEGIN IMMEDIATE")
db.executemany("INSERT INTO meta VALUES (?, ?)", ((f"key {n}", "x" * 500) for n in range(500)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "labels.sqlite")], check=False)
    assert (tmp_path / "labels.sqlite-journal").stat().st_size  # there is something to roll back
    assert main(["status", str(tmp_path)]) == 0, capsys.readouterr().err
    assert "Labels: negative, positive" in capsys.readouterr().out


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def fill(path: Path, labels: dict[str, str]) -> None:
    """What a person does in a spreadsheet: a label for each text, as far as `labels` has one."""
    rows = [{**row, "label": labels.get(row["text"].removeprefix("'"), "")} for row in read_csv(path)]
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)


def test_labels_come_back_in_files_between_processes(folder: Path, hfal: Callable[..., Result]) -> None:
    run_dir = folder / "runs" / "file"
    gold = {row["text"]: row["label"] for row in read_csv(folder / "reviews.csv")}

    first = hfal("run", "configs/file.yaml")
    assert first.code == 75, first.stderr
    assert "Traceback" not in first.stderr
    assert "4 texts wait in" in first.stderr
    assert "6 texts wait in" in first.stderr
    for name in ("query-001.csv", "query-002.csv"):
        assert str(run_dir / name) in first.stderr
    assert "round  labels" not in first.stdout
    status = hfal("status", "runs/file")
    assert "0 labels bought" in status.stdout
    assert "Query 1: 4 of 4 answers are missing\nQuery 2: 6 of 6 answers are missing" in status.stdout
    assert "No round has begun." in status.stdout

    for name in ("query-001.csv", "query-002.csv"):
        assert {row["suggestion"] for row in read_csv(run_dir / name)} == {""}
        fill(run_dir / name, gold)
    second = hfal("run", "configs/file.yaml")
    assert second.code == 75, second.stderr
    assert "Query 3 (of round 1): 6 texts wait in" in second.stderr
    rows = read_csv(run_dir / "query-003.csv")
    assert {row["suggestion"] for row in rows} <= set(NAMES)
    assert all(0.5 <= float(row["confidence"]) <= 1 for row in rows)

    texts = [row["text"].removeprefix("'") for row in rows]
    fill(run_dir / "query-003.csv", {texts[0]: gold[texts[0]], texts[2]: gold[texts[2]], texts[4]: "skip"})
    third = hfal("run", "configs/file.yaml")
    assert third.code == 0, third.stderr
    header, *rounds = table_rows(third.stdout)
    assert "accuracy" in header  # on the examples held out
    assert [row[:3] for row in rounds] == [["1", "10", "6"], ["2", "12", "8"]]

    store = Store(run_dir, read_only=True)
    try:
        found = [(answer.action, answer.annotator) for answer in store.answers()]
        assert found.count(("label", "file")) == 12
        assert found.count(("skip", "file")) == 1
        assert len(found) == 13  # nothing was asked or recorded twice
    finally:
        store.close()


ERRORS = {
    "unknown strategy": (
        ["configs/simulated.yaml", "--output_dir", "runs/a", "--strategy", "margn+kmeans"],
        ["unknown score 'margn'", "Did you mean 'margin'?"],
    ),
    "misspelt key": (["configs/misspelt.yaml"], ["misspelt.yaml has the unknown key 'stratgy'", "'strategy'?"]),
    "model on the Hub": (
        ["configs/simulated.yaml", "--model", "prajjwal1/bert-tiny"],
        ["the Hub cannot be reached for the model 'prajjwal1/bert-tiny'", "./my-model"],
    ),
    "busy": (
        ["configs/simulated.yaml", "--output_dir", "runs/busy"],
        ["runs/busy is in use by another process", f"pid {os.getpid()} on "],
    ),
}


@pytest.fixture(scope="module", autouse=True)
def failures(folder: Path, hfal: Callable[..., Result]) -> Iterator[dict[str, Future[Result]]]:
    """They run while the other tests do, one after the other: most of their time is the start of an interpreter."""
    store = Store(folder / "runs" / "busy")
    with store.own(), ThreadPoolExecutor(1) as thread:
        yield {error: thread.submit(hfal, "run", *arguments) for error, (arguments, _) in ERRORS.items()}
        thread.shutdown(cancel_futures=True)
    store.close()


@pytest.mark.parametrize("error", ERRORS)
def test_error_is_one_line_and_exit_code_1(failures: dict[str, Future[Result]], error: str) -> None:
    result = failures[error].result()
    assert result.code == 1, result.stderr
    assert "Traceback" not in result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("hfal: error: ")]
    assert lines == [result.stderr.splitlines()[-1]]  # the last thing that is said
    for words in ERRORS[error][1]:
        assert words in lines[0]
    assert "round  labels" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["configs/missing.yaml"], ["there is no configuration /", "configs/missing.yaml"]),
        (["configs/simulated.yaml", "--stratgy", "entropy"], ["--stratgy"]),
        (["configs/simulated.yaml", "--data", "stanfordnlp/sst2"], ["the data set 'stanfordnlp/sst2'", "reviews.csv"]),
        (["configs/simulated.yaml", "--data", "missing.csv"], ["missing.csv: there is no /"]),
        (["configs/simulated.yaml", "--data", "empty.csv"], ["empty.csv"]),
        (["configs/simulated.yaml", "--text_column", "sentence"], ["sentence", "text"]),
        (["configs/simulated.yaml", "--label_column", "gold"], ["gold", "label"]),
        (["configs/simulated.yaml", "--eval_size", "1000"], ["eval_size", "60"]),
        (["configs/simulated.yaml", "--data_filter", "source=imdb"], ["source", "label"]),
    ],
    ids=lambda value: " ".join(value[-2:]) if value[0].startswith("configs") else "",
)
def test_other_errors_are_no_tracebacks(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: list[str],
) -> None:
    # In this process, for its start is what takes the time: `main` returns the exit code, or the error gets through.
    monkeypatch.chdir(folder)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", folder / "cache")
    (folder / "empty.csv").touch()
    level = logging.getLogger("hfal").level
    try:
        code = main(["run", *arguments, "--output_dir", "runs/other"])
    finally:
        logging.getLogger("hfal").setLevel(level)
    assert code == 1
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("hfal: error: ")
    for word in words:
        assert word in line


def test_command_without_arguments_shows_how_it_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in ([], ["lable"]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2
        assert "usage: hfal" in capsys.readouterr().err
