"""Processes that announce every instant of their way and can be killed at any of them, or find the disk full.

`test_crash.py` and `test_fault_campaign.py` start them: a user's script, or the command `hfal`. A process kills itself
with SIGKILL, so no `finally`, no `atexit` and no buffer of Python's gets a chance, at the n-th instant whose name
matches a pattern. Instants are named without a single patched function: Python's audit events give the files that are
opened, renamed and removed and the databases, SQLite's trace the statements, a `TrainerCallback` the steps, and the
annotator its questions and acknowledgements.
"""

import ctypes
import gc
import multiprocessing
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from datasets import load_from_disk
from transformers import (
    DataCollatorForTokenClassification,
    EarlyStoppingCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from hfal import (
    ActiveLearningCallback,
    Hybrid,
    Pool,
    Ranks,
    Schedule,
    SimulatedAnnotator,
    Subset,
    TokenScore,
    probe_init,
)
from hfal.annotators.base import OpenQuery
from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.strategies.uncertainty import margin as margin_score
from support.forks import hfal, script
from support.models import opinionated_model_init, tiny_model, tiny_model_init, tiny_tagger, tiny_tagger_init
from support.texts import load_tokenizer


ROUNDS = 3
HOLDOUT, SEED_SIZE, QUERY_SIZE = 5, 8, 6
WORDS_EACH = 30  # of a long sentence


EARLY_STOPPING = {
    "num_train_epochs": 20,
    "learning_rate": 0.02,  # at which the loss jumps, so that early stopping has something to do
    "save_steps": 2,
    "eval_steps": 2,
    "eval_strategy": "steps",
    "metric_for_best_model": "eval_loss",
}


PEOPLE = {"annotators": ["anna", "ben", "carl"], "error_rate": 0.4, "seed": 1}


@dataclass(frozen=True)
class Mode:
    """What differs between the runs: where weights come from, and how a round begins."""

    model: str  # "model_init", or "model" for a Trainer that is given an untrained model
    retrain: str  # "from_scratch" or "continue"
    target: float | None = None  # of the evaluation's loss
    workers: int = 0  # that load the training data
    early_stopping: str | None = None  # evaluates on the holdout, and ends with the "best" model or the "last" one
    of_words: bool = False  # named entities, with sizes counted in words
    stop: str | None = None  # a criterion; the model is then one that does not say the same of all texts
    self_training: float | None = None  # the weight of predictions, of which every one is sure enough
    probe: float | None = None  # begin with a probe of the labels, whose layer learns so many times as fast
    head: int | None = None  # so many queries a round are made by a head on a frozen encoder
    ask_again: bool = False  # of three people, who err
    committee: int | None = None  # of so many last rounds, whose draws are joined with the labeled examples' signals


@dataclass(frozen=True)
class Kill:
    """The instant at which the process kills itself: the `nth` whose name matches `pattern`."""

    pattern: str
    nth: int = 1
    tear: bool = False  # leave half of the file that was about to be written, as a kill between two writes does
    signal: int = signal.SIGKILL

    def strike(self, path: str | None) -> None:
        if self.tear and path is not None:
            Path(path).write_bytes(b'{"epoch": 1.0, "log_hi')
        os.kill(os.getpid(), self.signal)


@dataclass(frozen=True)
class TornWrite(Kill):
    """From this instant on, the process dies in the write that would make a file longer than `size`.

    So it leaves a torn file even where native code writes, which names no instants.
    """

    size: int = 2**20

    def strike(self, path: str | None) -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, self.size))


@dataclass(frozen=True)
class SizeLimit(Kill):
    """From this instant on, no file may be longer than `size`: an error to handle, as Python ignores the signal."""

    size: int = 2**20

    def strike(self, path: str | None) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.size, resource.RLIM_INFINITY))


@dataclass(frozen=True)
class FullDisk(Kill):
    """From this instant on, the tmpfs at `disk` has no more than `size` bytes left."""

    size: int = 0
    disk: str = ""

    def strike(self, path: str | None) -> None:
        usage = os.statvfs(self.disk)
        resize(self.disk, (usage.f_blocks - usage.f_bfree) * usage.f_frsize + self.size)


def resize(disk: str, size: int) -> None:
    """Change the size of a tmpfs."""
    remount = 32
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"size={max(size, resource.getpagesize())}".encode()  # 0 would be without any limit
    if libc.mount(b"tmpfs", disk.encode(), b"tmpfs", remount, options) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), disk)


@dataclass(frozen=True)
class Places:
    """The folders and files of one run, shared by all the processes that work on it one after the other."""

    data: Path  # the folder of the pools' data, tokenized
    run_dir: Path
    log: Path  # the annotator's own record, which hfal does not know of
    instant: Path  # the last instant that was reached, overwritten in place
    output: Path  # what the processes print

    @property
    def trace(self) -> Path:
        """All instants that the last process reached which was to live, one in each line."""
        return self.instant.with_name("trace")


class Instants:
    """Names every instant that the process reaches, and strikes at the one that was chosen."""

    def __init__(self, places: Places, kill: Kill | None):
        self.root = str(places.run_dir)
        self.kill = kill
        self.left = 0 if kill is None else kill.nth
        self.file = os.open(places.instant, os.O_CREAT | os.O_WRONLY)
        self.trace = os.open(places.trace, os.O_CREAT | os.O_WRONLY | os.O_TRUNC) if kill is None else None
        self.statement = ""
        sys.addaudithook(self.on_audit)
        self.reach("start")

    def reach(self, name: str, path: str | None = None) -> None:
        line = name[:200].replace("\n", " ")
        os.pwrite(self.file, line.ljust(200).encode(errors="replace"), 0)
        if self.trace is not None:
            os.write(self.trace, f"{line}\n".encode(errors="replace"))
        if self.kill is None or not fnmatchcase(name, self.kill.pattern):
            return
        self.left -= 1
        if self.left == 0:
            self.kill.strike(path)

    def on_audit(self, event: str, arguments: tuple) -> None:
        """Files below the folder that are about to be written, renamed or removed, and databases, once opened."""
        if event == "sqlite3.connect/handle":
            self.reach("connected")
            trace_statements(self.on_statement)
        if event == "os.remove" and arguments[1] != -1:  # by `shutil.rmtree`, which names files without their folder
            self.reach(f"remove {arguments[0]}")
        if event not in ("open", "os.rename", "os.mkdir", "shutil.rmtree"):
            return
        if not isinstance(arguments[0], str | Path):
            return
        path = str(arguments[0])
        if not path.startswith(self.root):
            return
        if event == "open" and not (arguments[1] or "").startswith(("w", "a", "x")):
            return
        self.reach(f"{event.rpartition('.')[2]} {path.removeprefix(self.root + '/')}", path)

    def on_statement(self, statement: str) -> None:
        """A statement that is about to be executed; the last one of a transaction is named after what it commits."""
        self.reach(f"sql COMMIT of {self.statement}" if statement == "COMMIT" else f"sql {statement}")
        self.statement = statement


def trace_statements(call: Callable[[str], None]) -> None:
    """Trace the statements of a database that has just been opened from its very first one on.

    When `sys.addaudithook` hears of the connection, it cannot be traced yet.
    """

    def find(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ == "execute" and isinstance(function.__self__, sqlite3.Connection):
            sys.setprofile(None)
            function.__self__.set_trace_callback(call)

    sys.setprofile(find)


class LoggingAnnotator(SimulatedAnnotator):
    """Keeps its own count: what it was asked before it answers, and what was acknowledged when it is resumed."""

    at_once = False  # as of a person

    def __init__(self, pool: Pool, log: Path, instants: Instants, **options: Any):
        super().__init__(pool, **options)
        self.log = os.open(log, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        self.instants = instants
        self.write("start", "-")

    def write(self, event: str, what: str) -> None:
        os.write(self.log, f"{event} {what}\n".encode())
        os.fsync(self.log)

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        for answer in super().annotate(query):
            self.instants.reach(f"question {query.purpose} {query.round}")
            self.write("asked", f"{answer.example_id} {answer.annotator}")
            self.instants.reach(f"answer {query.purpose} {query.round}")
            yield answer
            self.instants.reach(f"acknowledgement {query.purpose} {query.round}")
            self.write("acknowledged", f"{answer.example_id} {answer.annotator}")


class InstantsOfTraining(TrainerCallback):
    """Names steps and evaluations."""

    def __init__(self, instants: Instants):
        self.instants = instants

    def on_step_end(self, args, state, control, **kwargs) -> None:
        self.instants.reach(f"step {state.global_step} of round {Path(args.output_dir).name}")

    def on_train_end(self, args, state, control, **kwargs) -> None:
        self.instants.reach(f"end of training of round {Path(args.output_dir).name}")

    def on_prediction_step(self, args, state, control, **kwargs) -> None:
        self.instants.reach(f"evaluation of round {Path(args.output_dir).name}")


def open_pool(places: Places, mode: Mode) -> Pool:
    """The pool of a run: 120 reviews, or 120 sentences with tags."""
    if mode.of_words:
        return Pool(load_from_disk(str(places.data / "sentences")), places.run_dir, "tokens", "ner_tags")
    return Pool(load_from_disk(str(places.data / "reviews")), places.run_dir, "text", "label")


def start(places: Places, kill: Kill | None) -> Instants:
    """Send what is printed to a file, and begin to name instants."""
    gc.freeze()  # `train()` collects garbage, and would go through all that was imported
    output = os.open(places.output, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    return Instants(places, kill)


def run(places: Places, mode: Mode, head: int, kill: Kill | None = None) -> None:
    """One process: everything that a user's script does.

    Args:
        places: Where everything is.
        mode: Which kind of run.
        head: Seeds the untrained model of `Mode("model", ...)`, whose head differs from process to process.
        kill: When to die; `None` to go on to the end.
    """
    instants = start(places, kill)
    torch.set_num_threads(1)  # the machine's other cores are the other tests'
    # Workers are forked, as by default in a user's script, and not forked by the server that forked this process.
    multiprocessing.set_start_method("fork", force=True)
    pool = open_pool(places, mode)
    encoder = str(places.data / "encoder")

    def margin(probabilities: torch.Tensor) -> torch.Tensor:
        instants.reach("scoring")
        return margin_score(probabilities)

    plain = Hybrid(TokenScore(margin) if mode.of_words else margin, "kmeans")
    later = Subset(Hybrid(Ranks(margin, "mean_kl", "cal"), "kcenter"), 60)
    each = WORDS_EACH if mode.of_words else 1
    active = ActiveLearningCallback(
        pool,
        strategy=Schedule({1: plain, 2: later}) if mode.committee else plain,
        committee=mode.committee,
        self_training=mode.self_training,
        self_training_threshold=0.5,
        annotator=LoggingAnnotator(pool, places.log, instants, **(PEOPLE if mode.ask_again else {})),
        ask_again=mode.ask_again,
        query_size=each * QUERY_SIZE,
        seed_size=each * SEED_SIZE,
        holdout=each * HOLDOUT,
        unit="words" if mode.of_words else "examples",
        embeddings=encoder if mode.head else "entities" if mode.of_words else "model",
        select_with="head" if mode.head else "model",
        queries_per_round=mode.head or 1,
        retrain=mode.retrain,
        target_metric=None if mode.target is None else "loss",
        target=mode.target,
        stop=mode.stop,
        token_budget=512,
    )
    args = TrainingArguments(
        output_dir=str(places.run_dir / "trainer"),
        per_device_train_batch_size=4,
        logging_steps=1,
        save_strategy="steps",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        dataloader_num_workers=mode.workers,
        load_best_model_at_end=mode.early_stopping == "best",
        **(EARLY_STOPPING if mode.early_stopping else {"num_train_epochs": 3, "learning_rate": 1e-3, "save_steps": 4}),
    )
    new, init = (tiny_tagger, tiny_tagger_init) if mode.of_words else (tiny_model, tiny_model_init)
    init = opinionated_model_init if mode.stop else init
    if mode.probe is not None:
        init = probe_init(pool, encoder, head_learning_rate_factor=mode.probe)
    model = {"model_init": init} if mode.model == "model_init" else {"model": new(head)}
    tokenizer = load_tokenizer()
    # In front of hfal's callback, so that the end of training is seen before the query is made.
    trainer = Trainer(
        args=args,
        eval_dataset=pool.holdout if mode.early_stopping else None,
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer) if mode.of_words else None,
        callbacks=[
            InstantsOfTraining(instants),
            active,
            *([EarlyStoppingCallback(early_stopping_patience=3)] if mode.early_stopping else []),
        ],
        **model,
    )
    active.run(trainer, rounds=ROUNDS)
    instants.reach("end")


def import_labels(places: Places, kill: Kill) -> None:
    """One process: a label of its own, then so many in one transaction that SQLite cannot hold them in memory."""
    start(places, kill)
    store = Store(places.run_dir)
    store.set_meta("label_names", ["negative", "positive"])
    store.record(Answer("first", "positive", annotator="someone"), "content", {"text": "first"})
    store.record_given(
        (Answer(f"example {i}", "positive", annotator="dataset"), "content", {"text": str(i)}) for i in range(40_000)
    )


def command(places: Places, kill: Kill | None, *arguments: str) -> int:
    """One process: the command `hfal`, where `support.forks.fork` starts it."""
    Instants(places, kill)
    return hfal(*arguments)


def program(places: Places, kill: Kill | None, code: str) -> None:
    """One process: what `python -c` runs, where `support.forks.fork` starts it."""
    Instants(places, kill)
    script(code)
