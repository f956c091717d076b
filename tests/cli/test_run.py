"""`hfal run`: from a file to a model, going on, and what a person gets wrong on the first day."""

import csv
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import datasets
import pytest
import yaml

from hfal.config import load_data as hfal_load_data
from hfal.errors import AnswersPending
from hfal.recipes import run_recipe
from hfal.store.store import Store
from support.command import (
    FAST,
    SMALL,
    Result,
    error_line,
    in_a_process,
    read_csv,
    table_rows,
    write_csv,
)
from support.models import NAMES
from support.texts import load_reviews


# -- from a file to a model -------------------------------------------------------------------------------------------


def test_an_experiment_runs_to_its_end_and_says_little(home: Path) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "20"]
    done = in_a_process(home, *run, *SMALL, "--rounds", "2", stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    header, *rounds = table_rows(done.stdout)
    assert header == ["round", "labels", "trained on", "loss", "accuracy", "f1_macro", "f1_micro"]
    assert [row[:3] for row in rounds] == [["1", "6", "6"], ["2", "12", "12"]]
    assert all(0 <= float(cell) <= 1 for row in rounds for cell in row[4:])
    picture = home / "runs" / "labeled" / "learning_curve.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Learning curve: runs/labeled/learning_curve.png" in done.stdout

    seen = [part.replace("\x1b[A", "").strip() for line in done.stderr.split("\n") for part in line.split("\r")]
    said = [line for line in seen if line and "%|" not in line]  # no part of a bar
    assert said[0].endswith("reading labeled.csv")
    assert said[1].startswith("70 texts; loading torch")
    assert [line[:8] for line in said[2:]] == ["every ex", "70 texts", "round 1:", "round 2:", "the run "]
    for noise in ("LOAD REPORT", "Loading weights", "Writing model", "Map", "Generating", "train_runtime", "warning"):
        assert noise not in done.stdout + done.stderr


def test_the_data_is_read_once(hfal: Callable[..., Result], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load_split = hfal_load_data.load_split
    monkeypatch.setattr(hfal_load_data, "load_split", lambda *given: read.append(given[0]) or load_split(*given))
    run = ["--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--annotator", "csv", *SMALL]
    assert hfal("run", *run).code == 75
    assert read == ["labeled.csv"]
    with pytest.raises(AnswersPending):
        run_recipe(run, "text_classification")  # started by itself, it reads its data by itself
    assert read == ["labeled.csv"] * 2


def test_a_run_exports_when_it_ends(hfal: Callable[..., Result], folder: Path, monkeypatch) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", *SMALL, "--rounds", "1"]
    done = hfal(*run, "--export", "out/labels")
    assert done.code == 0, done.stderr
    assert f"{folder / 'out' / 'labels' / 'train.parquet'}: 6 labels" in done.stdout
    labeled = {row["review"]: row["sentiment"] for row in read_csv(folder / "labeled.csv")}
    rows = datasets.load_dataset("out/labels", split="train")
    assert {row["review"]: NAMES[row["label"]] for row in rows}.items() <= labeled.items()
    assert len(rows) == 6

    to_hub = ["run", "runs/labeled", "--export", "hub:me/x", "--export_license", "mit", "--export-language", "en,de"]
    with monkeypatch.context() as with_token:  # but offline, as all tests are
        with_token.setattr("huggingface_hub.get_token", lambda: "hf_token")
        early = error_line(hfal(*to_hub))
        with_token.setattr("hfal.export.hub_errors.check_can_publish", lambda: None)
        line = error_line(hfal(*to_hub))
    assert re.search(r"labels are safe in .*runs/labeled, but were not exported: HF_HUB_OFFLINE is set", line)
    assert line.endswith("labeled --to hub:me/x --license mit --language en de")
    assert "HF_HUB_OFFLINE is set" in early
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None)
    no_token, no_name = error_line(hfal(*to_hub)), error_line(hfal("run", "runs/labeled", "--export", "hub:x"))
    assert re.search(r"there is no token .* log in", no_token)
    assert "expected OWNER/NAME" in no_name
    assert "safe" not in early + no_token + no_name  # found before the data is read


def test_a_run_ends_where_stop_says_and_status_says_why_and_how_to_go_on(
    hfal: Callable[..., Result], folder: Path
) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--eval_size", "20", *SMALL]
    ended = hfal(*run, "--stop", "budget(100) or uncertainty(1, rounds=2)", "--rounds", "5")
    assert ended.code == 0, ended.stderr
    assert table_rows(ended.stdout)[0][-1] == "kappa"
    assert len(table_rows(ended.stdout)) == 1 + 2
    assert "the run ends after round 2: the mean uncertainty after round 2 is " in ended.stderr
    status = hfal("status", "runs/labeled").stdout
    assert "Stops at budget(100) or uncertainty(1, rounds=2)\n" in status
    assert "Finished, the mean uncertainty after round 2 is " in status
    assert status.endswith("; to go on all the same: hfal run runs/labeled --stop none\n")
    on = hfal("run", "runs/labeled", "--stop", "none", "--rounds", "3")
    assert on.code == 0, on.stderr
    assert len(table_rows(on.stdout)) == 1 + 3
    assert "more rounds: hfal run runs/labeled --rounds 8" in hfal("status", "runs/labeled").stdout


def test_a_file_is_all_that_is_needed_to_be_asked(hfal: Callable[..., Result], folder: Path) -> None:
    first = hfal("run", "--data", "reviews.csv", "--text", "review", "--labels", "negative,positive", *FAST)
    assert first.code == 75  # here is no terminal
    store = Store(folder / "runs" / "reviews", read_only=True)
    assert [(query.purpose, len(query.examples)) for query in store.queries()] == [("holdout", 18), ("seed", 50)]
    assert store.meta("label_names") == NAMES
    store.close()
    assert "18 texts wait to be labeled: `hfal label" in first.stderr
    again = hfal("run", "runs/reviews")
    assert again.code == 75
    assert "changed" not in again.stderr


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_text_pairs_in_other_files(hfal: Callable[..., Result], folder: Path, suffix: str) -> None:
    texts = load_reviews(24)["text"][:]
    pairs = datasets.Dataset.from_dict({"premise": texts[:12], "hypothesis": texts[12:]})
    pairs.to_json("pairs.jsonl") if suffix == ".jsonl" else pairs.to_parquet("pairs.parquet")
    result = hfal(
        *("run", "--data", f"pairs{suffix}", "--text", "premise,hypothesis", "--labels", "yes", "maybe", "no"),
        *("--annotator", "jsonl", "--holdout", "0", *SMALL),
    )
    assert result.code == 75, result.stderr
    rows = [json.loads(line) for line in (folder / "runs" / "pairs" / "query-001.jsonl").read_text().splitlines()]
    assert len(rows) == 6
    both = dict(zip(texts[:12], texts[12:], strict=True))
    assert all(both[row["premise"]] == row["hypothesis"] for row in rows)


def fill(path: Path, labels: dict[str, str]) -> None:
    """What a person does in a spreadsheet: a label for each text, as far as `labels` has one."""
    rows = [{**row, "label": labels.get(row["review"], "")} for row in read_csv(path)]
    write_csv(path, list(rows[0]), (row.values() for row in rows), separator=";")


def test_labels_come_back_in_files(hfal: Callable[..., Result], folder: Path) -> None:
    run_dir = folder / "runs" / "by file"
    gold = {row["review"]: row["sentiment"] for row in read_csv(folder / "labeled.csv")}
    first = hfal(
        *("run", "--data", "reviews.csv", "--text", "review", "--labels", "negative,positive", *SMALL),
        *("--annotator", "csv", "--annotator_name", "ann", "--holdout", "4", "--rounds", "2"),
        *("--output_dir", "runs/by file"),
    )
    assert first.code == 75, first.stderr
    for words in (
        "4 texts wait in",
        "6 texts wait in",
        str(run_dir / "query-001.csv"),
        str(run_dir / "query-002.csv"),
    ):
        assert words in first.stderr
    status = hfal("status", "runs/by file").stdout
    assert "\nStrategy margin+kmeans, 6 texts a query\nStart: kmeans\nLabels: negative, positive\n" in status
    assert "\n0 labels bought" in status
    assert "\nPool: 90 texts, 90 without an answer\n" in status
    assert "Query 1: 4 of 4 answers are missing\nQuery 2: 6 of 6 answers are missing" in status
    assert "No round has begun." in status
    assert status.endswith("Next: fill in runs/by file/query-001.csv, then hfal run 'runs/by file'\n")

    for name in ("query-001.csv", "query-002.csv"):
        fill(run_dir / name, gold)
    status = hfal("status", "runs/by file").stdout
    assert (
        "Query 1: 4 of 4 answers are missing\nquery-001.csv has 4 answers that are not read yet\nQuery 2: " in status
    )
    second = hfal("run", "runs/by file")
    assert second.code == 75, second.stderr
    assert "query-001.csv: 4 answers read\nquery-002.csv: 6 answers read\n" in second.stderr
    assert "Query 3 (of round 1): 6 texts wait in" in second.stderr
    texts = [row["review"] for row in read_csv(run_dir / "query-003.csv")]
    fill(run_dir / "query-003.csv", {texts[0]: gold[texts[0]], texts[2]: gold[texts[2]], texts[4]: "skip"})
    third = hfal("run", "runs/by file")
    assert third.code == 0, third.stderr
    assert "query-003.csv: 3 answers read, 3 left empty\n" in third.stderr
    assert third.stderr.count("answers read") == 1
    header, *rounds = table_rows(third.stdout)
    assert "accuracy" in header  # on the examples held out
    assert [row[:3] for row in rounds] == [["1", "10", "6"], ["2", "12", "8"]]

    store = Store(run_dir, read_only=True)
    found = [(answer.action, answer.annotator) for answer in store.answers()]
    store.close()
    assert (found.count(("label", "ann")), found.count(("skip", "ann")), len(found)) == (12, 1, 13)
    status = hfal("status", "runs/by file").stdout
    assert "12 labels bought, 4 of them held out, 1 skipped, 0 unsure" in status
    assert status.endswith(
        "Finished, 2 rounds were asked for. The labels: hfal export 'runs/by file' --to labels.csv; "
        "more rounds: hfal run 'runs/by file' --rounds 7\n"
    )


# -- going on ---------------------------------------------------------------------------------------------------------


def test_a_file_that_grew_brings_new_texts_to_the_run(hfal: Callable[..., Result], folder: Path) -> None:
    options = [
        "--label",
        "sentiment",
        "--pool_size",
        "30",
        "--eval_size",
        "20",
        "--strategy",
        "random",
        "--rounds",
        "1",
    ]
    first = hfal("run", "--data", "labeled.csv", "--text", "review", *options, *SMALL)
    assert first.code == 0, first.stderr
    store = Store(folder / "runs" / "labeled")
    labeled = set(store.current_answers())
    assert store.meta("plan")["pool_size"] == 30
    with open(folder / "labeled.csv", "a", encoding="utf-8", newline="") as file:
        new = load_reviews(90, skip=90)
        csv.writer(file).writerows((n, row["text"], NAMES[row["label"]]) for n, row in enumerate(new))
    second = hfal("run", "runs/labeled", "--rounds", "2", "--query_size", "1000")
    assert second.code == 0, second.stderr
    assert "changed since the last start: query_size is 1000, was 6; rounds is 2, was 1" in second.stderr
    assert 30 < store.meta("plan")["pool_size"] < 120  # the part of the new ones that such a draw lets in
    answers = store.current_answers()
    assert labeled < set(answers)
    texts = {store.texts(example_id)["review"] for example_id in answers}
    assert texts & set(new["text"])
    assert len(answers) == store.meta("plan")["pool_size"]
    store.close()


def test_a_labeled_text_that_was_edited_stops_the_run(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--rounds", "1", *SMALL]
    assert hfal(*run).code == 0
    store = Store(folder / "runs" / "labeled", read_only=True)
    text = store.texts(next(iter(store.current_answers())))["review"]
    store.close()
    rows = read_csv(folder / "labeled.csv")
    edited = [(row["number"], row["review"].replace(text, f"not {text}"), row["sentiment"]) for row in rows]
    write_csv(folder / "labeled.csv", ["number", "review", "sentiment"], edited)
    line = error_line(hfal(*run))
    assert "1 is gone from the dataset and 0 have another text" in line
    assert repr(text[:80])[1:-1] in line
    assert f"`hfal export {folder / 'runs' / 'labeled'} --to labels.csv`" in line


def test_ctrl_c_says_that_nothing_is_lost(hfal: Callable[..., Result], folder: Path) -> None:
    run_dir = folder / "runs" / "labeled"
    ended = threading.Event()

    def wait_until(there: Callable[[], object]) -> None:
        deadline = time.monotonic() + 60
        while not there():
            assert not ended.wait(0.05)
            assert time.monotonic() < deadline

    def press_ctrl_c_in_the_first_round() -> None:
        try:
            wait_until((run_dir / "config.yaml").exists)  # which is there before the first answer
            store = Store(run_dir, read_only=True)
            wait_until(store.rounds)
            store.close()
            ended.wait(0.5)
        finally:  # also where it waited in vain, or the run trains for hours
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGINT)

    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment"]
    person = threading.Thread(target=press_ctrl_c_in_the_first_round)
    person.start()
    try:
        stopped = hfal(*run, *SMALL, "--num_train_epochs", "100000")
    finally:
        ended.set()
        person.join()
    assert stopped.code == 130
    said = [line for line in re.split(r"[\r\n]+", stopped.stderr) if line.strip()]
    assert said[-1] == "Interrupted; all answers are saved. Go on with: hfal run runs/labeled"
    assert "6 labels bought" in hfal("status", "runs/labeled").stdout
    assert hfal("run", "runs/labeled", "--num_train_epochs", "1", "--rounds", "1").code == 0


# -- what a person gets wrong on the first day ------------------------------------------------------------------------

RUN = ["--text", "review", "--labels", "negative,positive"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--data is missing", "(--help shows examples)"]),
        (["missing.yaml"], ["there is no configuration or run directory /", "missing.yaml"]),
        (["misspelt.yaml"], ["misspelt.yaml has the unknown key 'stratgy'", "'strategy'?"]),
        (["runs"], ["runs is neither a run nor a comparison (there is no config.yaml in it)"]),
        (["reviews.csv", *RUN], ["--data reviews.csv"]),
        (["--data", "missing.csv", *RUN], ["missing.csv: there is no /"]),
        (["--data", "reviews.xlsx", *RUN], ["reviews.xlsx is a spreadsheet: save it as CSV"]),
        (["--data", "empty.csv", *RUN], ["empty.csv is empty"]),
        (["--data", "latin.csv", *RUN], ["latin.csv is not UTF-8 (byte 0xe9 in line 3)"]),
        (["--data", "twice.csv", *RUN], ["has 2 columns named 'review'"]),
        (["--data", "gaps.csv", *RUN], ["no text in column 'review' of row 3 (row 1 names the columns)"]),
        (["--data", "pictures", *RUN], ["pictures, split 'train', cannot be loaded", "zip"]),
        (["--data", "stanfordnlp/sst2", *RUN], ["the Hub cannot be reached for the data set 'stanfordnlp/sst2'"]),
        (["--data", "reviews.csv", "--labels", "a,b"], ["no column 'text'", "number, review"]),
        (["--data", "reviews.csv", "--text", "reviw", "--labels", "a,b"], ["Did you mean 'review'?"]),
        (["--data", "reviews.csv", "--text", "number", "--labels", "a,b"], ["'number'", "nothing but numbers"]),
        (["--data", "reviews.csv", "--text", "review"], ["--labels is missing"]),
        (["--data", "reviews.csv", "--text", "review", "--labels", "spam"], ["--labels is spam, expected two"]),
        (["--data", "reviews.csv", *RUN, "--eval_size", "10"], ["--eval_size needs labels"]),
        (["--data", "labeled.csv", "--label", "gold", *RUN], ["no column 'gold'"]),
        (["--data", "labeled.csv", "--label", "sentiment", *RUN[:2], "--labels", "bad,good"], ["'negative'", "row 2"]),
        (["--data", "labeled.csv", "--label", "sentiment", *RUN, "--eval_size", "1000"], ["1000", "only 90"]),
        (["--data", "reviews.csv", *RUN, "--model", "prajjwal1/bert-tiny"], ["the model 'prajjwal1/bert-tiny'"]),
        (["--data", "reviews.csv", *RUN, "--model", "./pictures"], ["./pictures is no model", "config.json"]),
        (["--data", "reviews.csv", *RUN, "--annotator", "xlsx"], ["--annotator", "'xlsx'", "'terminal'"]),
        (["--data", "reviews.csv", *RUN, "--annotator", "simulated", *FAST], ["SimulatedAnnotator", "label_column"]),
        (["--data", "reviews.csv", *RUN, *FAST, "--strategy", "margn"], ["Did you mean 'margin'?"]),
        (["--data", "reviews.csv", *RUN, *FAST, "--strategy", "margin+entropy"], ["'entropy' is a score", "+kmeans"]),
        (["--data", "reviews.csv", *RUN, *FAST, "--stratgy", "entropy"], ["'--stratgy'", "'strategy'?"]),
        (["--data", "reviews.csv", *RUN, *FAST, "--query_size", "0"], ["--query_size is 0, expected at least 1"]),
        (
            ["--data", "reviews.csv", *RUN, *FAST, "--target_metric", "acuracy", "--target", "0.9"],
            ["'acuracy'", "eval_accuracy"],
        ),
        (
            ["--data", "reviews.csv", *RUN, *FAST, "--stop", "kapa or plateau"],
            ["'kapa'", "'kappa'?", "budget, target, plateau, kappa, uncertainty, change, f_change"],
        ),
        (
            ["--data", "reviews.csv", *RUN, *FAST, "--stop", "plateau(acuracy)"],
            ["stop='plateau(acuracy)'", "'acuracy'", "eval_accuracy"],
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_first_day_error_is_one_line(
    hfal: Callable[..., Result], folder: Path, arguments: list[str], words: list[str]
) -> None:
    (folder / "runs").mkdir()
    (folder / "misspelt.yaml").write_text(
        "data: reviews.csv\ntext: review\nlabels: a,b\nstratgy: entropy\nmodel: model\n"
    )
    (folder / "empty.csv").touch()
    (folder / "reviews.xlsx").write_bytes(b"PK\x03\x04")
    (folder / "latin.csv").write_bytes("review\ngood\ncafé\n".encode("cp1252"))
    (folder / "twice.csv").write_text("review,review\ngood,bad\n")
    (folder / "gaps.csv").write_text("number,review\n1,good\n2,\n3,bad\n")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "cat.bmp.txt.zip").write_bytes(b"PK")
    line = error_line(hfal("run", *arguments))
    for word in words:
        assert word in line
    assert not list((folder / "runs").glob("*/config.yaml"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--learning_rate", "-1"], "learning_rate=-1.0, expected"),
        (["--num_train_epochs", "0"], "num_train_epochs=0"),
        (["--seed", "4294967296"], "seed=4294967296, expected"),
        (["--adam_beta2", "2"], "adam_beta2=2.0: Invalid beta"),
        (["--optim", "adamw_bnb_8bit"], "optim='adamw_bnb_8bit': ImportError"),
        (["--lr_scheduler_type", "warmup_stable_decay"], "num_decay_steps"),
        (["--eval_strategy", "epoch", "--metric_for_best_model", "acuracy"], "metric_for_best_model='acuracy' is no"),
        (["--eval_strategy", "epoch", "--holdout", "0"], "eval_strategy='epoch': You have set"),
        (["--save_strategy", "best"], "save_strategy='best': "),
        (["--report_to", "paper"], "report_to=['paper']: paper is not supported"),
        (["--export", "labels.xlsx"], "--export: to='labels.xlsx': files may end in"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_an_option_that_cannot_work_is_found_before_anybody_is_asked(
    hfal: Callable[..., Result], folder: Path, options: list[str], words: str
) -> None:
    line = error_line(hfal("run", "--data", "reviews.csv", *RUN, *SMALL, "--annotator", "csv", *options))
    assert words in line
    assert not list((folder / "runs").glob("*/query-*"))
    for database in (folder / "runs").glob("*/labels.sqlite"):
        store = Store(database.parent, read_only=True)
        assert store.queries() == []
        store.close()


def test_a_file_with_semicolons_needs_no_option(hfal: Callable[..., Result], folder: Path) -> None:
    rows = [row.values() for row in read_csv(folder / "reviews.csv")]
    write_csv(folder / "excel.csv", ["number", "review"], rows, separator=";")
    result = hfal("run", "--data", "excel.csv", *RUN, *SMALL, "--annotator", "csv")
    assert result.code == 75, result.stderr
    assert "the cells are separated by ';'" in result.stderr
    assert len(read_csv(folder / "runs" / "excel" / "query-002.csv")) == 6


def test_a_run_that_another_process_works_on_is_named(hfal: Callable[..., Result], folder: Path) -> None:
    store = Store(folder / "runs" / "labeled")
    with store.own():
        run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", *SMALL]
        for more in ([], ["--eval_size", "20"]):
            line = error_line(hfal(*run, *more))
            assert f"runs/labeled is in use by another Store of this process (pid {os.getpid()} on " in line
    store.close()


def test_a_wrong_label_in_a_file_names_it_and_loses_nothing(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "reviews.csv", *RUN, *SMALL, "--annotator", "csv", "--holdout", "0"]
    assert hfal(*run).code == 75
    path = folder / "runs" / "reviews" / "query-001.csv"
    fill(path, {row["review"]: "postive" for row in read_csv(path)})
    result = hfal(*run)
    assert result.code == 1
    assert "Traceback" not in result.stderr
    assert f"hfal: error: {path} has 6 errors (row 1 names the columns); nothing of it was recorded" in result.stderr


def test_the_demo_says_only_what_differs_from_the_defaults() -> None:
    configs = Path(__file__).parents[2] / "configs"
    demo = yaml.safe_load((configs / "sentiment_demo.yaml").read_text())
    assert (demo["learning_rate"], demo["num_train_epochs"], demo["seed"]) == (3e-4, 5, 42)
    assert not {"report_to", "save_strategy", "logging_strategy", "log_level", "warmup_steps"} & set(demo)
