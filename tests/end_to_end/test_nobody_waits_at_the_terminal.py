"""`hfal run --when_idle ask` at a real terminal: a person answers while rounds train, which write a lot."""

import random
import re
import shutil
import signal
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hfal.store.store import Store
from support import forks
from support.command import environment
from support.models import save_tiny_encoder
from support.person import ENTER, Person, assert_harmless
from support.texts import save_small_files, save_tiny_model


OPTIONS = ["--data", "reviews.jsonl", "--text", "text", "--labels", "even,odd", "--model", "model", "--use_cpu"]
OPTIONS += ["--strategy", "margin", "--when_idle", "ask", "--query_size", "4", "--holdout", "0"]
OPTIONS += ["--annotator_name", "ann", "--num_train_epochs", "4", "--logging_steps", "1"]
HEAD = ["--select_with", "head", "--embeddings", "encoder"]

# `hfal run`, whose training writes in every way there is, and stands still in a round while there is a file for it.
NOISY = """
import ctypes, logging, os, sys, time
import transformers.trainer
from transformers import TrainerCallback

class Noisy(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        self.write()
        while state.global_step == 2 and os.path.exists("hold-" + os.path.basename(args.output_dir)):
            self.write()
            time.sleep(0.03)

    def write(self):
        print("NOISE that is printed")
        sys.stderr.write("NOISE \\x1b[31m\\x1b[2J in red\\n")
        logging.getLogger("noisy").warning("NOISE that is logged")
        os.write(1, b"NOISE of native code\\r\\n")
        ctypes.CDLL(None).puts(b"NOISE of C")
        ctypes.CDLL(None).fflush(None)

transformers.trainer.DEFAULT_CALLBACKS.append(Noisy)
from hfal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""
KINDS = ("printed", "in red", "logged", "of native code", "of C")
OPENED, CLOSED = b"\x1b[?1049h", b"\x1b[?1049l"


class Labeler(Person):
    """A person who looks at each frame of the screen, and presses the keys of the screen."""

    def __init__(self, folder: Path, *options: str, **more: Any):
        words = ["run", *OPTIONS, *options]
        super().__init__(forks.script, NOISY, *words, cwd=folder, columns=100, **environment(folder), **more)
        self.frames = 0

    def look(self, seconds: float) -> bool:
        alive = super().look(seconds)
        if self.is_asked:
            self.frames += 1
            assert "NOISE" not in self.screen
            assert "it/s" not in self.screen
        return alive

    @property
    def is_asked(self) -> bool:
        """Whether the screen stands there, from its first row to its last."""
        return re.search(r" \| \d+/\d+ answered \| ", self.lines[0]) is not None and "[?] help" in self.screen

    def answers(self, *titles: str, count: int = 4) -> None:
        """Answer so many texts of a query, and close it when all have an answer."""
        for done in range(count):
            self.sees(*titles, f"| {done}/4 answered |")
            self.press("12"[done % 2])
        if count == 4:
            self.sees("| 4/4 answered |")
            self.press(ENTER)

    def quits(self) -> None:
        """See that the terminal was given back, to the training."""
        end = time.monotonic() + 15
        while not re.search(b"You have left. The training goes on to its end.*NOISE", self.raw, re.DOTALL):
            assert time.monotonic() < end
            self.look(0.02)
        assert self.raw.rindex(CLOSED) < self.raw.rindex(b"You have left")
        assert termios.tcgetattr(self.process.child_fd)[3] & termios.ECHO

    def saw_screens_alone(self) -> None:
        """See that the terminal got nothing but the screen while one was open, byte by byte."""
        shown = [part.split(CLOSED)[0] for part in self.raw.split(OPENED)[1:]]
        assert shown
        for part in shown:
            assert b"NOISE" not in part
            assert b"it/s" not in part
            assert_harmless(OPENED + part)
        assert self.frames > 2


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    save_small_files(folder)
    save_tiny_encoder(folder / "encoder", "mean", normalize=True)
    save_tiny_model(folder)
    return folder


@pytest.fixture
def folder(files: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(files, tmp_path / "folder"))


@pytest.fixture
def hold(folder: Path) -> Callable[[int], Path]:
    """A function that has a round stand still until the file that it returns is removed."""

    def make(number: int) -> Path:
        (folder / f"hold-{number:03d}").touch()
        return folder / f"hold-{number:03d}"

    return make


@pytest.fixture
def sits_down(folder: Path) -> Iterator[Callable[..., Labeler]]:
    people = []

    def sit(*options: str) -> Labeler:
        people.append(Labeler(folder, *options))
        return people[-1]

    yield sit
    for person in people:
        person.stands_up()


def answers_in(folder: Path) -> list[str]:
    store = Store(folder / "runs" / "reviews", read_only=True)
    ids = [answer.example_id for answer in store.answers()]
    store.close()
    assert len(ids) == len(set(ids))
    return ids


def test_a_person_answers_what_a_head_picks_and_sees_nothing_of_what_trainings_write(folder, hold, sits_down):
    first, second = hold(1), hold(2)
    person = sits_down(*HEAD, "--rounds", "3")
    person.answers("Seed set")
    person.answers("Query 1 for round 2 of 3", "Round 1 trains on 4 labeled texts, 1 of 4 steps")
    person.answers("Query 2 for round 2 of 3", "Round 1 trains on 4 labeled texts, 1 of 4 steps", count=2)
    person.sees("| 2/4 answered |")
    first.unlink()
    person.sees("Query 2 for round 2 of 3", "| 2/4 answered |", "Round 2 trains on 10 labeled texts, 1 of 4 steps")
    person.press("1")
    person.sees("| 3/4 answered |")
    second.unlink()
    person.press("2")  # one label too few for the last round
    person.sees("| 4/4 answered |")
    person.press(ENTER)
    person.answers("Query 1 for round 3 of 3", count=2)  # with the second one the screen closes: it was the last
    assert person.leaves() == 0
    person.saw_screens_alone()
    assert re.search(r"what the training writes goes to \S*runs/reviews/training_output\.txt\.", person.raw.decode())
    assert len(answers_in(folder)) == 14
    output = (folder / "runs" / "reviews" / "training_output.txt").read_text()
    assert all(kind in output for kind in KINDS)


def test_without_a_head_a_person_answers_what_the_last_model_would_have_asked(folder, hold, sits_down):
    held = hold(2)
    person = sits_down("--rounds", "3")
    person.answers("Seed set")
    person.answers("Round 1 of 3")
    person.answers("More of round 1 of 3", "Round 2 trains on 8 labeled texts, 1 of 4 steps")
    person.answers("More of round 1 of 3", "Round 2 trains on 8 labeled texts, 1 of 4 steps", count=1)
    person.sees("| 1/4 answered |")
    held.unlink()  # the last round begins
    assert person.leaves() == 0
    person.saw_screens_alone()
    assert len(answers_in(folder)) == 13


def test_who_quits_while_a_round_trains_has_the_terminal_back_and_goes_on_later(folder, hold, sits_down):
    held = hold(1)
    person = sits_down(*HEAD, "--rounds", "2")
    person.answers("Seed set")
    person.answers("Query 1 for round 2 of 2", "1 of 4 steps", count=1)
    person.sees("| 1/4 answered |")
    person.press("q")
    person.quits()
    held.unlink()
    assert person.leaves() == 75
    assert b"3 of 4 texts are left; all answers are saved." in person.raw
    person.saw_screens_alone()
    again = sits_down(*HEAD, "--rounds", "2")
    again.sees("Query 1 for round 2 of 2", "| 1/4 answered |")
    again.press("1")
    again.sees("| 2/4 answered |")
    again.press("2")
    again.sees("| 3/4 answered |")
    again.press("1")  # and the last round trains
    assert again.leaves() == 0
    assert len(answers_in(folder)) == 8


def test_signals_while_a_round_trains_lose_no_answer_and_leave_the_terminal_as_it_was(folder, hold, sits_down):
    held = hold(1)
    for count, number in enumerate((signal.SIGTERM, signal.SIGKILL, signal.SIGINT)):
        person = sits_down(*HEAD, "--rounds", "2")
        if not count:
            person.answers("Seed set")
        person.sees("Query 1 for round 2 of 2", f"| {count}/4 answered |", "Round 1 trains on 4 labeled texts")
        person.press("12"[count % 2])
        person.sees(f"| {count + 1}/4 answered |")
        person.process.kill(number)
        if number == signal.SIGINT:
            person.quits()
            held.unlink()
        elif number == signal.SIGTERM:
            end = time.monotonic() + 15
            while not termios.tcgetattr(person.process.child_fd)[3] & termios.ECHO:
                assert time.monotonic() < end
                time.sleep(0.01)
        assert person.leaves() == (75 if number == signal.SIGINT else -number)
        if number != signal.SIGKILL:
            person.saw_screens_alone()
            assert person.raw.rindex(CLOSED) > person.raw.rindex(OPENED)
        assert len(answers_in(folder)) == 5 + count


def test_ctrl_c_while_answers_are_awaited_ends_the_run(folder, sits_down):
    person = sits_down(*HEAD, "--rounds", "2")
    person.answers("Seed set")
    person.answers("Query 1 for round 2 of 2", count=1)
    person.sees("| 1/4 answered |")
    end = time.monotonic() + 15
    while not has_finished_a_round(folder):
        assert time.monotonic() < end
        person.look(0.02)
    person.process.kill(signal.SIGTERM)
    assert person.leaves() == 75
    assert len(answers_in(folder)) == 5


@pytest.mark.slow
@pytest.mark.parametrize("way", [HEAD, []])
def test_killed_at_any_time_the_run_goes_on_with_all_answers_that_were_seen_to_be_saved(way, folder, sits_down):
    chance, options, saved, code = random.Random(1), [*way, "--budget", "40", "--num_train_epochs", "30"], 0, -9
    for last in [False] * 10 + [True]:
        person = sits_down(*options)
        until, end = (40 if last else saved + chance.randint(1, 6)), time.monotonic() + 120
        while (alive := person.look(0.02)) and saved < until:
            assert time.monotonic() < end, person.screen
            found = re.search(r"(\d)/(\d) answered \| (\d+) of 40", person.lines[0])
            if found is None or not person.is_asked:
                continue
            saved = max(saved, int(found[3]))
            person.press(ENTER if found[1] == found[2] else chance.choice("12"))
            person.look(0.1)  # else a key counts as held down
        if alive and not last:
            person.look(chance.uniform(0, 0.5))
            person.process.kill(signal.SIGKILL)
        code = person.leaves(60)
        assert code in (0, -9), person.screen
        person.saw_screens_alone()
        assert len(answers_in(folder)) >= saved
        if code == 0:
            break
    assert code == 0
    assert len(answers_in(folder)) == 40


def has_finished_a_round(folder: Path) -> bool:
    store = Store(folder / "runs" / "reviews", read_only=True)
    finished = [record.number for record in store.rounds() if record.finished]
    store.close()
    return finished == [1]
