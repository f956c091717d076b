"""Several real processes, connected by gloo: the same scores and queries as one, one that decides, none that hangs."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import psutil
import pytest
from datasets import Dataset
from transformers import PreTrainedModel

from hfal import Store
from hfal.store.records import AddedExample
from support import processes_run
from support.forks import FORKS
from support.models import NAMES, tiny_model, tiny_tagger
from support.texts import load_reviews, load_sentences, load_tokenizer


SCRIPT = processes_run.__file__
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node"]


def save(folder: Path, data: Dataset, model: PreTrainedModel) -> Path:
    data.save_to_disk(str(folder / "data"))
    model.save_pretrained(folder / "model")
    load_tokenizer().save_pretrained(folder / "model")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """211 reviews (a prime number), a model and its tokenizer."""
    return save(tmp_path_factory.mktemp("processes"), load_reviews(211), tiny_model(seed=3))


@pytest.fixture(scope="module")
def of_words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """211 sentences with tags, a model and its tokenizer."""
    return save(tmp_path_factory.mktemp("words"), load_sentences(211), tiny_tagger(seed=3))


@pytest.fixture
def fresh(folder: Path, tmp_path: Path) -> Path:
    """The same data and model in a folder without a run."""
    for name in ("data", "model"):
        (tmp_path / name).symlink_to(folder / name)
    return tmp_path


def torchrun(processes: int, what: str, *folders: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TORCHRUN, str(processes), SCRIPT, what, *map(str, folders)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@dataclass
class Fork:
    """One process of a run without a launcher, which starts in no time."""

    process: BaseProcess
    output: Path

    def poll(self) -> int | None:
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        self.process.join(timeout)
        return self.output.read_text(), None

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode


def fork(processes: int, what: str, *folders: Path, **environment: str) -> list[Fork]:
    """The processes of a run, by rank; one alone knows of no others."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    together = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    forks = []
    for rank in range(processes):
        own = {**together, "RANK": str(rank), "LOCAL_RANK": str(rank)} if processes > 1 else {}
        output = folders[0] / f"output {rank} of {processes}"
        arguments = (output, {**own, **environment}, what, folders)
        forks.append(Fork(FORKS.Process(target=processes_run.forked, args=arguments, daemon=True), output))
        forks[-1].process.start()
    return forks


def finish_all(forks: list[Fork], code: int = 0) -> list[str]:
    return [finish(one, code) for one in forks]


def finish(process: subprocess.Popen[str] | Fork, code: int = 0) -> str:
    output, _ = process.communicate(timeout=180)
    assert process.returncode == code, output
    return output


def wait_for(file: Path, process: subprocess.Popen[str] | Fork) -> str:
    deadline = time.monotonic() + 120
    while not (file.exists() and file.read_text()):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return file.read_text()


def said(folder: Path, what: str) -> list[dict]:
    return [json.loads(file.read_text()) for file in sorted(folder.glob(f"{what}*.json"))]


@pytest.fixture(scope="module")
def scored(folder: Path, of_words: Path) -> dict[str, Path]:
    """Of one process and of three: two, which share everything evenly, are an easier case."""
    for processes in (1, 3):
        finish_all(fork(processes, "score", folder, of_words))
    return {"texts": folder, "words": of_words}


@pytest.mark.parametrize(
    ("task", "signals"),
    [
        ("texts", {"scores", "probabilities", "embeddings", "features", "draws"}),
        ("words", {"scores", "tags", "confidences", "embeddings", "entity_embeddings"}),
    ],
)
def test_one_process_and_three_compute_the_same_bits_and_make_the_same_query(scored, task, signals):
    folder = scored[task]
    everything = {file.name: np.load(file) for file in folder.glob("scores *.npz")}
    assert len(everything) == 4
    alone = everything["scores 0 of 1.npz"]
    assert sorted(alone) == sorted(f"{few}{name}" for name in signals for few in ("", "few_"))
    for arrays in everything.values():
        for name in alone:
            assert arrays[name].tobytes() == alone[name].tobytes()
            assert np.abs(arrays[name]).sum() > 0
    answers = said(folder, "said")
    assert len(answers) == 4
    assert all(answer == answers[0] for answer in answers)
    assert len(set(answers[0]["query"])) == len(answers[0]["query"])
    if task == "texts":
        assert len(answers[0]["query"]) == 17
    else:
        words = [len(suggestion) for suggestion in answers[0]["suggestions"]]
        assert sum(words[:-1]) < 17 * 15 <= sum(words)
    assert 0 < answers[0]["stability"]["uncertainty"] <= 1
    assert len(answers[0]["predictions"]) == 211
    assert all(0 <= value < 1 for value in answers[0]["estimates"].values())
    assert len(answers[0]["estimates"]) == (2 if task == "texts" else 1)
    assert answers[0]["given"] == 10_000  # whoever is faster: the others wait for the process that records them
    failed, spoiled = answers[0]["errors"]
    assert failed == "HfalError: only the main process does this"
    assert spoiled.startswith("NonFiniteOutputError: the model's outputs are NaN or infinite for ")


def test_a_grown_pool_is_the_same_in_one_process_and_in_two(fresh):
    texts = [{"text": f"a film of {n} hours", "label": n % 2} for n in range(7)]
    made = [AddedExample(f"added-{n}", f"content {n}", row, "stream") for n, row in enumerate(texts)]
    for processes in (1, 2):
        store = Store(fresh / f"grown {processes}")  # which no two processes have opened yet
        store.add_examples(made)
        store.close()
        finish_all(fork(processes, "grown", fresh))
    alone, *others = said(fresh, "grown")
    assert len(others) == 2
    assert all(other == alone for other in others)
    assert len(alone["ids"]) == len(alone["vectors"]) == 211 + 7 + 5
    assert len(set(alone["query"])) == 9
    assert len(alone["origins"]) == 12


@pytest.fixture(scope="module")
def whole_runs(folder: Path, of_words: Path) -> None:
    finish_all(fork(2, "run", folder, of_words))


@pytest.fixture
def whole_run(folder: Path, whole_runs: None) -> Path:
    return folder


@pytest.mark.parametrize("task", ["folder", "of_words"])
def test_a_run_of_two_processes_ends_with_equal_labels_each_asked_once_by_the_main_process(whole_runs, task, request):
    whole_run = request.getfixturevalue(task)
    first, second = said(whole_run, "end")
    assert first == second
    assert all("uncertainty" in figures for figures in first["stability"])
    asked = [line.split() for line in (whole_run / "asked.txt").read_text().splitlines()]
    assert {rank for rank, _ in asked} == {"0"}
    assert len(asked) == len({example for _, example in asked}) == len(first["labels"])
    store = Store(whole_run / "run", read_only=True)
    if task == "folder":
        assert first["sizes"] == [15, 25, 35]
        assert first["rows"][0] == 15
        assert 2 * 25 < first["rows"][1] <= 4 * 25  # each label twice, and predictions: two processes, the same
        assert len(asked) == 20 + 35
        assert all("eval_accuracy" in metrics for metrics in first["metrics"])
        texts = {store.texts(i)["text"]: label for i, label in first["labels"].items()}
        assert all(NAMES[row["label"]] == texts[row["text"]] for row in load_reviews(211) if row["text"] in texts)
    else:
        assert all("eval_f1" in metrics for metrics in first["metrics"])
        longest = max(len(row["tokens"]) for row in load_sentences(211))
        for words, sentences in zip(first["words"], (20 + 15, 20 + 25, 20 + 35), strict=True):
            assert 15 * sentences <= words < 15 * sentences + 4 * longest
        tags = {tuple(store.texts(i)["tokens"]): label for i, label in first["labels"].items()}
        hidden = {tuple(row["tokens"]): row["ner_tags"] for row in load_sentences(211)}
        assert tags == {words: hidden[words] for words in tags}


@pytest.mark.slow
def test_a_worker_that_is_killed_while_scoring_stops_the_others_and_the_run_goes_on(whole_run, fresh):
    """Without a launcher that would stop them: they have to notice by themselves."""
    processes = fork(2, "run", fresh, PAUSE="scoring")
    assert wait_for(fresh / "scoring 1", processes[0]) == str(processes[1].process.pid)
    processes[1].process.kill()
    killed = time.monotonic()
    assert "another process of this run has ended, so this one stops too" in finish(processes[0], code=1)
    assert time.monotonic() - killed < 20
    assert len(Store(fresh / "run", read_only=True).current_answers()) == 20 + 15

    # Now one is killed while it trains, under a launcher, with a checkpoint of the round on the disk.
    process = torchrun(2, "run", fresh, PAUSE="training")
    worker = int(wait_for(fresh / "training 1", process))
    wait_for(fresh / "training 0", process)  # which writes the checkpoint, so it comes later
    os.kill(worker, signal.SIGKILL)
    killed = time.monotonic()
    output = finish(process, code=1)
    assert time.monotonic() - killed < 40
    assert "exitcode  : -9" in output
    assert not psutil.pid_exists(int((fresh / "training 0").read_text()))

    finish_all(fork(2, "run", fresh))
    ended, whole = said(fresh, "end"), said(whole_run, "end")
    for one, other in zip(ended, whole, strict=True):
        assert one.pop("rows") == other.pop("rows")[1:]  # the first round's training was not made again
    assert ended == whole
    asked = [line.split()[1] for line in (fresh / "asked.txt").read_text().splitlines()]
    assert len(asked) == len(set(asked))
    queries = [
        [[(e.example_id, e.score) for e in q.examples] for q in Store(f / "run", read_only=True).queries()]
        for f in (fresh, whole_run)
    ]
    assert queries[0] == queries[1]


def test_processes_that_the_trainer_does_not_connect_are_refused(fresh):
    """On a machine without accelerators, `use_cpu=True` is what makes the Trainer use its process group."""
    for output in finish_all(fork(2, "run", fresh, WITHOUT_USE_CPU="1"), code=1):
        assert "2 processes were started, but this Trainer runs on 1 of them" in output
        assert "use_cpu=True" in output
    assert not list((fresh / "run").glob("query-*"))


def test_hfal_run_works_under_torchrun(fresh):
    rows = load_reviews(60).select_columns(["text", "label"])
    rows.to_csv(fresh / "reviews.csv")
    options = f"""run --data reviews.csv --text text --label label --labels {",".join(NAMES)} --model model --use_cpu
        --eval_size 20 --seed_size 8 --query_size 8 --stop uncertainty(1,rounds=2) --num_train_epochs 1""".split()
    command = [*TORCHRUN, "2", "-m", "hfal", *options]
    output = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=180)
    assert output.returncode == 0, output.stderr
    assert output.stderr.count("round 2: 16 labels bought") == 1
    assert output.stderr.count("the run ends after round 2: the mean uncertainty after round 2 is ") == 1
    assert output.stdout.count("round  labels  trained on") == 1
    assert "LOAD REPORT" not in output.stderr
    assert len(Store(fresh / "runs" / "reviews", read_only=True).current_answers()) == 16


def test_nobody_waits_for_a_person_in_a_collective_all_processes_end_with_75(fresh):
    output, of_the_other = finish_all(fork(2, "run", fresh, ANNOTATOR="file"), code=75)
    assert output.count("texts wait in") == 2  # the holdout and the seed set, said by the main process alone
    assert "texts wait in" not in of_the_other
    assert sorted(file.name for file in (fresh / "run").glob("query-*")) == ["query-001.jsonl", "query-002.jsonl"]
