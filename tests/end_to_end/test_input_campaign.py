"""A campaign of bad and odd inputs: each is refused clearly, or accepted and right.

    pytest -m slow -n 2 -rP tests/end_to_end/test_input_campaign.py

prints the counts of each kind. `HFAL_INPUTS` says how many inputs of each kind are made, `HFAL_SEED` what seeds them;
`HFAL_INPUT="CSV 17"` makes just this one, and leaves its folder.
"""

import functools
import os
import random
import shlex
import shutil
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import pytest

from hfal.errors import HfalError
from support import input_damage, input_files, input_options
from support.command import Result, in_a_fork
from support.input_damage import Prepared, prepare
from support.input_grammar import ACCEPTED, REVEALED, Case
from support.models import tiny_model
from support.output import obeyed
from support.texts import load_tokenizer


pytestmark = pytest.mark.slow

INPUTS = int(os.environ.get("HFAL_INPUTS", 60))
SEED = int(os.environ.get("HFAL_SEED", 0))
ONE = os.environ.get("HFAL_INPUT", "")
PATIENCE = 60  # seconds
LONGEST = 3000  # characters of an error
KINDS: dict[str, tuple[Callable[..., Case], bool]] = {
    "option": (input_options.option_case, False),
    "YAML": (input_options.yaml_case, False),
    "command": (input_options.command_case, True),
    "CSV": (input_files.csv_case, False),
    "JSON Lines": (input_files.jsonl_case, False),
    "Parquet": (input_files.parquet_case, False),
    "export": (input_damage.export_case, False),
    "model folder": (input_damage.model_case, True),
    "query file": (input_damage.query_case, True),
    "run directory": (input_damage.run_case, True),
}
"""What makes an input of each kind, and whether from runs that were made before."""

CLEAR, RIGHT = "clear error", "accepted and right"
EXPLAINED: dict[str, str] = {}
"""Inputs of seed 0 that end otherwise, by kind and number, and why they may."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """A tiny model, runs that wait for answers in files, and a run of one round."""
    forkserver.ensure_running()
    folder = tmp_path_factory.mktemp("made")
    made = {name: folder / name for name in ("model", "csv", "jsonl", "finished")}
    tiny_model().save_pretrained(made["model"])
    load_tokenizer().save_pretrained(made["model"])
    for name in ("csv", "jsonl", "finished"):
        made[name].mkdir()
        (made[name] / "model").symlink_to(made["model"])
    for format in ("csv", "jsonl"):
        assert in_a_fork(made[format], *prepare(made[format], format)).code == 75
    input_damage.write_csv(made["finished"] / "data.csv", [["text", "label"], *map(list, input_damage.ROWS)])
    words = [*REVEALED, "--data", "data.csv", "--query_size", "3", "--seed_size", "6"]
    assert in_a_fork(made["finished"], *words).code == 0
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_are_refused_clearly_or_accepted_and_right(kind: str, made: Prepared) -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    began = time.monotonic()
    for number in range(INPUTS):
        name = f"{kind} {number}"
        if ONE and name != ONE:
            continue
        folder = Path(tempfile.mkdtemp(prefix="hfal-"))
        (folder / "model").symlink_to(made["model"])
        maker, of_runs = KINDS[kind]
        maker = functools.partial(maker, made=made) if of_runs else maker
        case = maker(folder, random.Random(f"{SEED} {name}"))
        outcome, why, said = _try(folder, case)
        counts[outcome] += 1
        if ONE:
            print(f"{folder}\n{case}\n{said}")
        else:
            shutil.rmtree(folder)
        if outcome not in (CLEAR, RIGHT) and not (SEED == 0 and name in EXPLAINED):
            wrong.append(f"seed {SEED}, {name} ({case.what}): {outcome}: {why}\n{said}")
    table = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
    print(f"{kind}, seed {SEED}: {table}; {time.monotonic() - began:.0f} s")
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def _try(folder: Path, case: Case) -> tuple[str, str, str]:
    """Run the commands of a case: what came of it, why that is wrong, and all that was said."""
    said = ""
    result = Result(0, "", "")
    for words in case.commands:
        result = in_a_fork(folder, *words, patience=PATIENCE)
        said += (
            f"    $ hfal {shlex.join(words)}\n    {result.code}: {_end_of(result.stdout)}{_end_of(result.stderr)}\n"
        )
        if result.code not in ACCEPTED:
            break
    outcome, why = _judged(folder, case, result)
    return outcome, why, said


def _end_of(text: str) -> str:
    return text[-1500:].replace("\n", "\n    ")


def _judged(folder: Path, case: Case, result: Result) -> tuple[str, str]:
    if result.code == -signal.SIGKILL:
        return "hang", f"killed after {PATIENCE} s"
    if "Traceback" in result.stdout + result.stderr or result.code not in (*ACCEPTED, 1, 2):
        return "traceback", f"exit code {result.code}"
    try:
        if result.code in ACCEPTED:
            if case.fails:
                return "silent wrong", "accepted, though it cannot be right"
            problem = case.check()
            return ("silent wrong", problem) if problem else (RIGHT, "")
        problem = case.after_error()
    except (HfalError, OSError, sqlite3.Error) as error:
        return "silent wrong", f"what it left cannot be read: {type(error).__name__}: {error}"
    if problem:
        return "silent wrong", f"after the error: {problem}"
    return _judged_error(folder, case, result)


def _judged_error(folder: Path, case: Case, result: Result) -> tuple[str, str]:
    _, mark, error = result.stderr.rpartition("hfal: error: ")
    if case.fails is False:
        return "wrongly refused", "what was made is right"
    if not mark:
        return "unclear error", "no line that begins with 'hfal: error: '"
    if len(error) > LONGEST or error.count("\n") > 30 or obeyed(error):
        return "unclear error", f"{len(error)} characters, {error.count(chr(10))} lines, {obeyed(error)[:1]}"
    if case.named and not any(word in error for word in case.named if word):
        return "unclear error", f"it names none of {case.named}"
    return CLEAR, ""
