"""Bad and odd inputs, made by chance: each with the commands that read it, and what has to come of it.

A case knows what it has made: which texts and labels a run has to have if the input is accepted, whether it may be
accepted, or has to be, and which words an error has to have. The files of the kinds are in `input_files`, what people
do to runs, exports and models in `input_damage`.
"""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hfal.store.run_directory import store_file
from hfal.store.store import Store
from support.hostile import HOSTILE
from support.models import NAMES


Row = tuple[str, str]
"""A text and its label."""

FAST = ["--model", "./model", "--max_length", "16", "--num_train_epochs", "1", "--use_cpu", "--strategy", "random"]
REVEALED = [
    *["run", "--text", "text", "--label", "label", "--annotator", "simulated", "--holdout", "0", "--rounds", "1"],
    *["--seed_strategy", "random", "--output_dir", "run", *FAST],
]
ASKED = [
    *["run", "--text", "text", "--labels", ",".join(NAMES), "--annotator", "jsonl", "--holdout", "0"],
    *["--seed_strategy", "random", "--output_dir", "run", *FAST],
]
ACCEPTED = (0, 75)


@dataclass
class Case:
    """An input, and what is known of it.

    Attributes:
        what: What was made, in words.
        commands: The words behind `hfal`, one command after the other, until one fails.
        named: An error has to have one of these words in it.
        fails: Whether it has to be refused; `None` where both would be right.
        check: Says what is wrong with what an accepted input has led to; `None` if nothing is.
        after_error: Says what is wrong with what is left after an error.
    """

    what: str
    commands: list[list[str]]
    named: Sequence[str] = ()
    fails: bool | None = None
    check: Callable[[], str | None] = lambda: None
    after_error: Callable[[], str | None] = lambda: None


# -- texts and tables ------------------------------------------------------------------------------------------------

_WORDS = str.split("soup bread cold warm and the not so very good bad 5 % n't Zürich 北京 naïve =1+1 N/A null 007 -")

# fmt: off
_ODD_WORDS = [
    "", " ", "x", "nowhere", "-", "--", "=", ",", "a,b", "None", "null", "true", "[]", "{}", "{a: 1}", "*", "~", "😀",
    "\u202egnp", "a\nb", "\x1b[31mred", "../..", "/", "/dev/null", "a" * 300, "hub:", "hub:a/b/c", "package:", "::",
    "http://user:secret@example.org/x", "%s%n", "$(id)", "1;2", "ÿ", "0", "-1", "1e999", "nan",
]
_ODD_NUMBERS = [
    "-1", "0", "nan", "inf", "-inf", "1e999", "", "x", "1.5", "0x10", "9" * 25, "-0", "1_0", "1,5", "1 2", "True",
    "٣", "\uff11", "½", "1e3", "None", "+3", "0.0", "1e-300",
]
_ODD_VALUES = [
    None, True, False, 0, -1, 1.5, 10**30, 1e308, "", "x", [], [[]], [None], {}, {"a": 1}, "nan", "\x00", "a" * 999,
    ["a", "a"], [1, "a"], "2024-01-01", "😀", -(2**63), {"": None},
]
# fmt: on


def pick(chance: random.Random, words: str) -> str:
    """One of some words, which stand in one string."""
    return chance.choice(words.split())


def text(chance: random.Random, hostile: bool = True) -> str:
    """A text that is not blank: words, and now and then what has broken files, terminals and spreadsheets."""
    words = " ".join(chance.choices(_WORDS[:12], k=2)) + " " + " ".join(chance.choices(_WORDS, k=chance.randint(1, 6)))
    if hostile and chance.random() < 0.15:
        words += chance.choice([t for t in HOSTILE.values() if len(t) < 300 and "\x00" not in t])
    return words


def table(chance: random.Random, hostile: bool = True, names: Sequence[str] = NAMES) -> list[Row]:
    """Rows of which no two have the same text, with each of the labels at least twice."""
    count = chance.randint(2 * len(names), 14)
    texts = [f"{number} {text(chance, hostile)}" for number in range(count)]
    labels = [*names, *names, *chance.choices(list(names), k=count - 2 * len(names))]
    chance.shuffle(labels)
    return list(zip(texts, labels, strict=True))


def odd_word(chance: random.Random) -> str:
    """A word that is nobody's name for anything."""
    return chance.choice(_ODD_WORDS)


def odd_number(chance: random.Random) -> str:
    """What somebody might write in the place of a number."""
    return chance.choice(_ODD_NUMBERS)


def odd_value(chance: random.Random) -> Any:
    """A value of JSON that belongs nowhere."""
    return chance.choice(_ODD_VALUES)


def damaged(content: bytes, chance: random.Random) -> tuple[bytes, str]:
    """A file's content with something done to its bytes, and what."""
    place = chance.randrange(max(len(content), 1))
    match chance.randrange(6):
        case 0:
            return content[:place], f"cut off at byte {place}"
        case 1:
            return b"", "emptied"
        case 2:
            return bytes(len(content)), "all bytes zero"
        case 3:
            return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :], f"byte {place} turned over"
        case 4:
            return content[:place] + chance.randbytes(8) + content[place:], f"8 bytes put in at {place}"
    return chance.randbytes(300), "300 random bytes in its place"


# -- what has come of it ---------------------------------------------------------------------------------------------


def labels_of(run_dir: Path) -> dict[str, Any]:
    """Example id to label of a run."""
    store = Store(run_dir, read_only=True)
    try:
        return {i: a.label for i, a in store.current_answers().items() if a.label is not None}
    finally:
        store.close()


def rows_of(run_dir: Path) -> list[tuple[str, Any]]:
    """The text and the label of each example that was asked about; `None` where there is no answer."""
    store = Store(run_dir, read_only=True)
    try:
        answers = store.current_answers()
        examples = {e.example_id: e for query in store.queries() for e in query.examples}
        return [
            ("\n".join(map(str, e.texts.values())), answers[i].label if i in answers else None)
            for i, e in examples.items()
        ]
    finally:
        store.close()


def expect(run_dir: Path, rows: Sequence[Row], labeled: bool = True) -> Callable[[], str | None]:
    """Check that a run has asked about just these texts, and has just these labels."""

    def check() -> str | None:
        wanted = Counter((words, label if labeled else None) for words, label in rows)
        found = Counter(rows_of(run_dir))
        if wanted == found:
            return None
        missing, more = (list(rows.elements())[:3] for rows in (wanted - found, found - wanted))
        return f"missing: {missing!r}; not in the file: {more!r}"

    return check


def part_of(run_dir: Path, rows: Sequence[Row]) -> Callable[[], str | None]:
    """Check that all texts of a run are from these rows, each with its label or none."""

    def check() -> str | None:
        if not store_file(run_dir).exists():
            return None
        true = dict(rows)
        for words, label in rows_of(run_dir):
            if words not in true or label not in (None, true[words]):
                return f"{words!r} is labeled {label!r}, the file says {true.get(words)!r}"
        return None

    return check
