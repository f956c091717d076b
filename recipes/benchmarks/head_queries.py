"""How long does somebody wait for the next query of a frozen head?

    python -m recipes.benchmarks.head_queries                          # about ten minutes on two cores
    python -m recipes.benchmarks.head_queries --pool-size 300 --runs 1 # does it run?

Real runs with `select_with="head"`: 25 texts a query, margin+kmeans, answered one by one. A wait is from the moment in
which the annotator gives the last answer of a query to the moment in which it is handed the next one: the answer is
committed, the query closed, the head fitted to all labels, the pool scored, the new query recorded and read. Each run
has one wait after 25, 50, ... and 150 labels. What comes before, the encoder's pass over the pool, is printed apart,
and the training after that is left out. The seconds of the process itself, which other processes hardly change, are
printed too. The data: movie-review sentences with the embeddings of all-MiniLM-L6-v2 (384 numbers) and with random
ones of 1,024 numbers, and sentences of CoNLL-2003 with the states of their tokens.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from hfal import ActiveLearningCallback, Answer, OpenQuery, Pool, SimulatedAnnotator, tokenize_words
from hfal.data.references import load_split, resolve_model
from recipes.benchmarks.round_overhead import MODEL, load_data


CONLL = "package:neuroner/data/conll2003/en"
QUERY_SIZE, QUERIES = 25, 7


class Waiting(SimulatedAnnotator):
    """Answers one question after the other, and notes how long it waits for the next query."""

    at_once = False  # as of a person

    def __init__(self, pool: Pool):
        super().__init__(pool)
        self.waits: list[float] = []
        self.processor: list[float] = []
        self._gave: tuple[float, float] | None = None

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Answer every question."""
        if self._gave is not None and query.questions:
            self.waits.append(time.perf_counter() - self._gave[0])
            self.processor.append(time.process_time() - self._gave[1])
        for answer in super().annotate(query):
            self._gave = time.perf_counter(), time.process_time()
            yield answer


def sentences(size: int, tokenizer: Any) -> datasets.Dataset:
    """Sentences of CoNLL-2003 in an order drawn once, tokenized."""
    data = load_split(CONLL, "train")
    data = data.select(np.random.default_rng(0).permutation(len(data))[:size]).select_columns(["tokens", "ner_tags"])
    return data.map(tokenize_words, batched=True, fn_kwargs={"tokenizer": tokenizer, "text_column": "tokens"})


def before_first_training(pool: Pool, embeddings: Any, folder: Path, seed: int, tokenizer: Any) -> Waiting:
    """Take a run up to its first training, and return who waited."""
    of_words = pool.task.kind.of_words
    annotator = Waiting(pool)
    active = ActiveLearningCallback(
        pool,
        strategy="margin+kmeans",
        annotator=annotator,
        query_size=QUERY_SIZE,
        select_with="head",
        queries_per_round=QUERIES,
        embeddings=embeddings,
        embeddings_dir=folder / "embeddings",
        seed=seed,
    )
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=len(pool.label_names),
    )
    args = TrainingArguments(str(folder / "trainer"), report_to="none", use_cpu=True, disable_tqdm=True)
    collate = (DataCollatorForTokenClassification if of_words else DataCollatorWithPadding)(tokenizer)
    model = (BertForTokenClassification if of_words else BertForSequenceClassification)(config)
    trainer = Trainer(model, args, collate, processing_class=tokenizer, callbacks=[active])
    next(active.rounds(trainer, 1))
    assert len(annotator.waits) == QUERIES - 1
    return annotator


def quartiles(seconds: Any) -> str:
    """Write the median and the quartiles."""
    low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
    return f"median {median:.2f} s ({low:.2f} to {high:.2f})"


def main() -> None:
    """Measure the waits, and print their quartiles."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool-size", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5, help="how many runs of each kind, with seeds of their own")
    parser.add_argument("--kinds", nargs="+", default=["384", "1024", "entities"])
    parser.add_argument("--folder", type=Path, help="where embeddings are kept for the next start")
    args = parser.parse_args()
    torch.set_num_threads(2)
    datasets.disable_progress_bars()
    tokenizer = AutoTokenizer.from_pretrained(resolve_model(MODEL))
    print(f"load {os.getloadavg()[0]:.1f} before")
    random = np.random.default_rng(0).normal(size=(args.pool_size, 1024)).astype(np.float32)
    make: dict[str, tuple[Callable[..., datasets.Dataset], tuple[str, str], Any]] = {
        "384": (load_data, ("text", "label"), MODEL),
        "1024": (load_data, ("text", "label"), random),
        "entities": (sentences, ("tokens", "ner_tags"), MODEL),
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary)
        for kind in args.kinds:
            load, columns, embeddings = make[kind]
            data, waits, processor, starts = load(args.pool_size, tokenizer), [], [], []
            for seed in range(args.runs):
                began = time.perf_counter()
                pool = Pool(data, Path(temporary, kind, str(seed)), *columns)
                found = before_first_training(pool, embeddings, folder, seed, tokenizer)
                starts.append(time.perf_counter() - began - sum(found.waits))
                waits.append(found.waits)
                processor.append(found.processor)
            print(
                f"{kind}: {len(data)} texts, {np.size(waits)} waits: {quartiles(waits)}, longest {np.max(waits):.2f}; "
                f"at 150 labels: {quartiles([found[-1] for found in waits])}; seconds of the process: "
                f"{quartiles(processor)}; start of the first run {starts[0]:.0f} s, of others "
                f"{np.median(starts[1:] or starts):.1f} s; load {os.getloadavg()[0]:.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
