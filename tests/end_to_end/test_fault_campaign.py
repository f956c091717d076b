"""Campaigns of random faults: processes that are killed, and disks that are full, at any instant of all a run does.

    pytest -m slow -n 2 -rP tests/end_to_end/test_fault_campaign.py

prints what was tried. `HFAL_KILLS` and `HFAL_DISKS` say how many faults each scenario gets, `HFAL_SEED` what seeds
them: the same seed strikes at the same instants, but for those that are chosen by time.
"""

import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path

import pytest

from hfal.errors import HfalError
from hfal.store.run_directory import store_file
from support.campaign import Process, Scenario, Stage, random_instant
from support.crash_checks import check_answers, check_same, check_store
from support.crash_run import FullDisk, Kill, SizeLimit, TornWrite, resize
from support.fault_scenarios import SCENARIOS, write_data


pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("HFAL_KILLS", 4))
DISKS = int(os.environ.get("HFAL_DISKS", 4))
SEED = int(os.environ.get("HFAL_SEED", 0))
LARGE = 2**30
NEVER = 240  # seconds

of_scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
of_commands = pytest.mark.parametrize(
    "scenario", [s for s in SCENARIOS if s.is_of_commands], ids=lambda scenario: scenario.name
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    forkserver.ensure_running()  # it imports meanwhile
    path = tmp_path_factory.mktemp("data")
    write_data(path)
    return path


class Table:
    """Counts what was tried with a scenario, and what went wrong."""

    def __init__(self, title: str):
        self.title = title
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.began = time.monotonic()

    def close(self) -> None:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(self.counts.items()))
        print(f"{self.title}, seed {SEED}: {counts}; {len(self.wrong)} wrong; {time.monotonic() - self.began:.0f} s")
        for line in self.wrong:
            print(f"    {line}")
        if self.wrong:
            pytest.fail("\n".join(self.wrong), pytrace=False)


@of_scenarios
def test_killed_at_any_instant(scenario: Scenario, data: Path, tmp_path: Path) -> None:
    stage = Stage(scenario, tmp_path, data)
    table = Table(f"{scenario.name}: kills")
    run = 0
    while table.counts["kills"] < KILLS and run < 3 * KILLS:
        run += 1
        killed: list[str] = []
        try:
            _kill_and_go_on(stage, random.Random(f"{SEED} {scenario.name} {run}"), killed, table)
        except (AssertionError, HfalError, sqlite3.Error) as error:
            table.wrong.append(f"run {run}, {'; '.join(killed)}: {_first_line(error)}")
    table.close()


def _first_line(error: Exception) -> str:
    return " ".join(str(error).partition("\nassert ")[0].split())[:900]


def _kill_and_go_on(stage: Stage, chance: random.Random, killed: list[str], table: Table) -> None:
    number = chance.choice(stage.scenario.struck or range(len(stage.scenario.steps)))
    step = stage.scenario.steps[number]
    stage.back_to(number)
    table.counts["runs"] += 1
    for starts in range(chance.choice([1, 1, 2, 3])):
        kill, seconds, how = _random_kill(stage, number, chance)
        process = step.start(stage.places, starts, kill)
        code = process.end(seconds)
        if code not in (-signal.SIGKILL, -signal.SIGXFSZ):
            assert code == step.code, f"exit code {code} instead of {step.code}: {process.said[-700:]}"
            break
        last = stage.places.instant.read_text(errors="replace").strip() if stage.places.instant.exists() else ""
        killed.append(f"{how} in step {number + 1} at {last!r}"[:150])
        table.counts["kills"] += 1
        table.counts[f"by {how}"] += 1
        if stage.places.log.exists():
            check_answers(stage.script_places, len(killed))
        if step.after_death is not None:
            step.after_death(stage.work, chance)
    stage.go_on_from(number, len(killed))
    check_same(stage.outcome(), stage.played.outcome)
    check_answers(stage.script_places, len(killed))
    check_store(stage.run_dir)


def _random_kill(stage: Stage, number: int, chance: random.Random) -> tuple[Kill | None, float, str]:
    """When to kill: at an instant of some kind, or at any, or after some time, or in a write that gets too long."""
    instants = stage.played.instants[number]
    match chance.choice(stage.scenario.ways):
        case "time":
            return None, chance.uniform(0, stage.played.seconds[number]), "time"
        case "torn write":
            pattern, nth = random_instant(instants, chance)
            return TornWrite(pattern, nth, size=int(2 ** chance.uniform(12, 23))), NEVER, "torn write"
    pattern, nth = random_instant(instants, chance)
    tear = pattern.endswith(".json*") and pattern.startswith("open ")
    return Kill(pattern, nth, tear=tear and chance.random() < 0.5), NEVER, "instant"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own in memory, which can be made smaller and larger."""
    path = tmp_path / "disk"
    path.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a file system")
    mount = ["mount", "-t", "tmpfs", "-o", f"size={LARGE}", "hfal", str(path)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


@of_commands
def test_full_disk(scenario: Scenario, data: Path, small_disk: Path, tmp_path: Path) -> None:
    stage = Stage(scenario, tmp_path / "stage", data, small_disk)
    table = Table(f"{scenario.name}: disks")
    for run in range(1, DISKS + 1):
        chance = random.Random(f"{SEED} {scenario.name} disk {run}")
        number = chance.choice(stage.scenario.struck or range(len(stage.scenario.steps)))
        pattern, nth = chance.choice([("*", 1), random_instant(stage.played.instants[number], chance)])
        size = 0 if chance.random() < 0.5 else int(2 ** chance.uniform(12, 23))
        if chance.random() < 0.75:
            fault: Kill = FullDisk(pattern, nth, size=size, disk=str(small_disk))
            what = f"{size} bytes left on the disk at step {number + 1}, {pattern!r} {nth}"
        else:
            fault = SizeLimit(pattern, nth, size=size)
            what = f"files of {size} bytes at most at step {number + 1}, {pattern!r} {nth}"
        try:
            _fill_and_go_on(stage, number, fault, table)
        except (AssertionError, HfalError, sqlite3.Error) as error:
            table.wrong.append(f"{run}, {what}: {_first_line(error)}")
    table.close()


def _fill_and_go_on(stage: Stage, number: int, fault: Kill, table: Table) -> None:
    step = stage.scenario.steps[number]
    resize(str(stage.work), LARGE)
    stage.back_to(number)
    table.counts["disks"] += 1
    process = step.start(stage.places, 0, fault)
    code = process.end(NEVER)
    resize(str(stage.work), LARGE)
    wrong = ""
    if code == step.code:
        table.counts["with room enough"] += 1
        if step.then is not None:
            step.then(stage.work)
        number += 1
    else:
        wrong = _wrong_with(process, code, stage, number)
    stage.go_on_from(number, 1)
    check_same(stage.outcome(), stage.played.outcome)
    check_store(stage.run_dir)
    assert not wrong, wrong


def _wrong_with(process: Process, code: int, stage: Stage, number: int) -> str:
    """What is not as it should be of what was said of a full disk."""
    lines = [line for line in re.split(r"[\r\n]+", process.said) if line.strip()]
    last = lines[-1].partition("hfal: error: ")[2] if lines else ""  # behind a progress bar that was cut off
    if code != 1:
        return f"exit code {code}, which ended with {lines[-3:]}"
    if "Traceback" in process.said:
        return f"a traceback, which ended with {lines[-2:]}"
    if not last:
        return f"no error in the last line: {lines[-3:]}"
    if str(stage.work) not in last and "cannot be" not in last:
        return f"it does not say what cannot be written: {last}"
    if stage.scenario.steps[number].works_on_a_run and "safe" not in last and store_file(stage.run_dir).exists():
        return f"it does not say that the labels are safe: {last}"
    return ""
