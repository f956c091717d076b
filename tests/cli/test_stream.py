"""`hfal stream`: files of texts that are considered, asked about and trained on."""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from hfal.store.store import Store
from hfal.store.stream_log import ASKED, RANDOM
from support import forks
from support.command import SMALL, environment, error_line, read_csv, write_csv
from support.models import NAMES
from support.texts import load_reviews


def write_stream(path: Path, start: int, stop: int, mode: str = "w", **columns: str) -> None:
    """Write sentences that the pool lacks, with the columns of its data, or under other names."""
    names = {"text": "review", "label": "sentiment", **columns}
    rows = load_reviews(300).select(range(100 + start, 100 + stop))
    lines = [json.dumps({names["text"]: row["text"], names["label"]: NAMES[row["label"]]}) for row in rows]
    with open(path, mode) as file:
        file.writelines(f"{line}\n" for line in lines)


def state(folder: Path, name: str = "labeled") -> Any:
    store = Store(folder / "runs" / name, read_only=True)
    found = store.stream, len(store.rounds()), store.queries(), store.current_answers()
    store.close()
    return found


def test_a_simulated_stream_trains_when_enough_is_asked_and_status_tells_of_it(folder, hfal):
    begin = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--rounds", "1", *SMALL]
    assert hfal(*begin).code == 0
    write_stream(folder / "new.jsonl", 0, 150)
    said = hfal("stream", "runs/labeled", "--data", "new.jsonl", "--manager", "quantil")
    assert "unknown budget manager 'quantil'. Did you mean 'quantile'?" in error_line(said)
    options = ["--stream_budget", "0.2", "--random_share", "0.3", "--train_after", "12"]
    said = hfal("stream", "runs/labeled", "--data", "new.jsonl", *options)
    assert said.code == 0, said.stderr
    stream, rounds, queries, answers = state(folder)
    assert stream.seen == 150
    asked = stream.outcomes[ASKED] + stream.outcomes[RANDOM]
    assert rounds == 1 + asked // 12 > 2
    assert len(answers) == 6 + asked
    assert stream.offsets == {os.path.realpath("new.jsonl"): (folder / "new.jsonl").stat().st_size}
    assert {query.purpose for query in queries} == {"seed", "stream", "holdout"}

    write_stream(folder / "new.jsonl", 150, 170, "a", text="text")
    with open("new.jsonl", "a") as file:
        file.write('\n{"body": "a"}\n')
    said = hfal("stream", "runs/labeled")  # with the options of the last start
    assert "there is no text in review; it has body" in error_line(said)
    assert state(folder)[0].seen == 170
    status = hfal("status", "runs/labeled").stdout
    assert "Stream: 170 texts, " in status
    assert "Next: hfal stream runs/labeled" in status
    (row,) = [line.split() for line in status.splitlines() if line.strip().startswith("1-170")]
    predictions = {
        i: label for q in queries if "stream" in q.settings for i, label in q.settings["stream"]["predictions"].items()
    }
    right = sum(answers[i].label == label for i, label in predictions.items())
    assert row[-2:] == [str(len(predictions)), f"{right / len(predictions):.1%}"]


def test_people_fill_in_files_and_the_stream_goes_on_where_it_was(folder, hfal):
    begin = ["run", "--data", "reviews.csv", "--text", "review", "--labels", ",".join(NAMES), "--holdout", "0"]
    assert hfal(*begin, "--annotator", "csv", *SMALL).code == 75
    run_dir = folder / "runs" / "reviews"
    fill_in(run_dir)
    (folder / "logs").mkdir()
    write_stream(folder / "logs" / "a.jsonl", 0, 60)
    write_stream(folder / "logs" / "b.jsonl", 60, 130)
    (folder / "logs" / "notes.txt").write_text("no stream")
    options = ["--data", "logs", "--stream_budget", "0.3", "--train_after", "10", "--threshold", "0.1"]
    said = hfal("stream", "runs/reviews", *options)
    assert said.code == 75
    stream, rounds, *_ = state(folder, "reviews")
    assert rounds == 1
    assert stream.seen == 50
    assert "Next: fill in" in (status := hfal("status", "runs/reviews").stdout)
    assert "then hfal stream runs/reviews" in status
    for _ in range(8):
        fill_in(run_dir)
        said = hfal("stream", "runs/reviews")
        if said.code == 0:
            break
        assert said.code == 75, said.stderr
    stream, rounds, _, answers = state(folder, "reviews")
    assert stream.seen == 130
    assert rounds > 2
    assert len(answers) == 6 + stream.outcomes[ASKED] + stream.outcomes[RANDOM]


def fill_in(run_dir: Path) -> None:
    for file in run_dir.glob("query-*.csv"):
        rows = read_csv(file)
        write_csv(
            file, list(rows[0]), [[{**row, "label": row["label"] or "positive"}[n] for n in row] for row in rows]
        )


def test_a_stream_is_followed_as_its_file_grows(folder, hfal):
    begin = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", "--rounds", "1", *SMALL]
    assert hfal(*begin).code == 0
    write_stream(folder / "new.jsonl", 0, 40)
    whole = (folder / "new.jsonl").read_bytes()
    (folder / "new.jsonl").write_bytes(whole[:-30])  # half of a line
    with open(os.devnull, "rb") as nothing, open(folder / "output", "wb") as output:
        files = (nothing.fileno(), output.fileno(), output.fileno())
        arguments = ("stream", "runs/labeled", "--data", "new.jsonl", "--follow", "--stream_budget", "0.2")
        process = forks.fork(forks.hfal, *arguments, cwd=folder, environment=environment(folder), files=files)
        try:
            wait_for(folder, 39)
            (folder / "new.jsonl").write_bytes(whole)
            wait_for(folder, 40)
            forks.send_signal(process, signal.SIGINT)
            process.join(60)
        finally:
            forks.send_signal(process, signal.SIGKILL)
    assert process.exitcode == 130, (folder / "output").read_text()
    assert "Interrupted" in (folder / "output").read_text()


def wait_for(folder: Path, seen: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        found = state(folder)[0]
        if found is not None and found.seen == seen:
            return
        time.sleep(0.2)
    raise AssertionError(f"{(folder / 'output').read_text()}: {state(folder)[0]}")


def test_what_cannot_be_is_refused_before_anything_is_loaded(folder, hfal, run_dir):
    for arguments, problem in {
        ("stream", "runs/small"): "--data is missing",
        ("stream", "runs/small", "--data", "nothing.jsonl"): "no such file or folder",
        ("stream", "runs/small", "--data", "-"): "the terminal cannot ask: add --annotator web, or csv",
        ("stream", "runs/nowhere", "--data", "-"): "there is no configuration or run directory",
        ("stream", "runs/small", "--data", "x", "--budget", "3"): "unknown option '--budget'",
    }.items():
        assert problem in error_line(hfal(*arguments)), arguments
