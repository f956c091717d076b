"""What the tests share: real sentences, a real tokenizer, a BERT small enough to train in a second."""

import gc
import os


os.environ["HF_HUB_OFFLINE"] = "1"

import logging
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers
from datasets import Dataset
from transformers import PreTrainedTokenizerBase, Trainer

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.store.store import Store
from support.command import Result
from support.person import Person, at_the_terminal
from support.texts import byte_level_tokenizer, load_reviews, load_sentences, load_tokenizer
from support.trainers import make_a_trainer


def pytest_configure() -> None:
    """Have the tests' folders in memory where there is room for them: every commit of a store waits for the disk."""
    memory = Path("/dev/shm")
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 8 * 2**30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give what takes minutes half an hour."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(1800))


@pytest.fixture(scope="session")
def sentences() -> Dataset:
    """300 tagged, tokenized sentences."""
    return load_sentences(300)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer()


@pytest.fixture
def byte_level() -> PreTrainedTokenizerBase:
    """A tokenizer like GPT-2's, which has no token to pad with."""
    return byte_level_tokenizer()


@pytest.fixture(scope="session")
def reviews() -> Dataset:
    """300 labeled, tokenized movie-review sentences."""
    return load_reviews(300)


@pytest.fixture(scope="session")
def eval_reviews() -> Dataset:
    """60 other sentences."""
    return load_reviews(60, skip=300)


@pytest.fixture
def make_trainer(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> Callable[..., Trainer]:
    """A function that makes an ordinary Trainer; other keywords than the Trainer's own go to TrainingArguments."""

    return partial(make_a_trainer, tmp_path, tokenizer)


@pytest.fixture
def make_active(tmp_path, reviews):
    """A function that makes a callback with a simulated annotator on a pool of 300 sentences."""

    def make(run_dir=tmp_path / "run", data=reviews, **options) -> ActiveLearningCallback:
        pool = Pool(data, run_dir, "text", "label")
        options = {"strategy": "margin", "query_size": 10, "annotator": SimulatedAnnotator(pool), **options}
        return ActiveLearningCallback(pool, **options)

    return make


@pytest.fixture(scope="module", autouse=True)
def _spare_the_garbage_collector() -> Iterator[None]:
    """Every `train()` collects garbage, and would go through all that was imported: half a second each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    """A background job ignores SIGINT, and so would all that the tests interrupt, here and in other processes."""
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    if ignored:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Our models are too small for two, and on a busy machine threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _verbosity_as_before() -> Iterator[None]:
    """A Trainer sets what all of transformers says, for the tests after it as well."""
    verbosity = transformers.logging.get_verbosity()
    yield
    transformers.logging.set_verbosity(verbosity)


@pytest.fixture
def hfal(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Result]]:
    """A function that runs the command in this process and this folder."""
    logger = logging.getLogger("hfal")
    level = logger.level

    def hfal(*arguments: str | Path) -> Result:
        caplog.clear()
        capsys.readouterr()
        from hfal.cli.main import main

        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        logged = "".join(f"{record.getMessage()}\n" for record in caplog.records if record.name.startswith("hfal"))
        return Result(code, said.out, logged + said.err)

    yield hfal
    logger.setLevel(level)
    transformers.utils.logging.enable_progress_bar()
    datasets.enable_progress_bars()


@pytest.fixture
def sit_down(store: Store) -> Iterator[Callable[..., Person]]:
    """A function that seats a person before the store of this test."""
    people: list[Person] = []

    def sit(*arguments: str, **options: Any) -> Person:
        people.append(at_the_terminal(store, *arguments, **options))
        return people[-1]

    yield sit
    for person in people:
        person.stands_up()
