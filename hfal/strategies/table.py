"""README's table of strategies, made of their docstrings: `python -m hfal.strategies.table`."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from hfal.strategies.registry import FAMILIES
from hfal.strategies.scores import reads_draws
from hfal.strategies.token_scores import WORD_SCORES, TokenScore
from hfal.utils.output import say


_SIGNALS = {
    "scores": "a score",
    "probabilities": "probabilities",
    "embeddings": "embeddings",
    "draws": "draws",
    "features": "features",
    "labels": "labels",
    "labeled_embeddings": "labeled embeddings",
    "labeled_probabilities": "labeled probabilities",
}
_NAME = r"[A-Z]\w+(?: [A-Z]\w+)?"
_SOURCE = re.compile(rf"({_NAME}(?:(?:, {_NAME})* & {_NAME}| et al\.)?)(?: \(|, (?:\"|\(|in)).*?\b((?:19|20)\d\d)\)")
"""The authors and the year of the first paper in a docstring: `Ash et al., "..." (ICLR 2020)`, `Shannon (1948)`."""


def strategies_table() -> str:
    """A Markdown table of all strategies that have a name."""
    lines = ["| name | asks first | from | needs | for |", "|---|---|---|---|---|"]
    scores = [name for family in FAMILIES.values() for name in family.scores]
    selections = [name for family in FAMILIES.values() for name in family.selections]
    names = dict.fromkeys([*scores, *selections])
    return "\n".join([*lines, *map(_row, names)])


def _row(name: str) -> str:
    families = [family for family in FAMILIES.values() if name in {*family.scores, *family.selections}]
    function = _documented(name, {**families[0].scores, **families[0].selections}[name])
    first, _, rest = (inspect.getdoc(function) or "").partition("\n\n")
    source = _SOURCE.search(" ".join(rest.partition("\n\nArgs:")[0].split()))
    needs = getattr(function, "needs", None)
    if needs is None:
        needed = "draws" if reads_draws(function) else "one float"
    else:
        needed = ", ".join(words for signal, words in _SIGNALS.items() if signal in needs) or "nothing"
    shown = f"…+{name}" if needs is not None and "scores" in needs else name
    asks = " ".join(first.split()).rstrip(".")
    authors, year = source.groups() if source else ("", "")
    if "," in authors:
        authors = f"{authors.partition(',')[0]} et al."
    return (
        f'| `"{shown}"` | {asks} | {f"{authors} {year}".strip()} | {needed} '
        f"| {', '.join(family.applies_to for family in families)} |"
    )


def _documented(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    return WORD_SCORES[name] if isinstance(function, TokenScore) else function


if __name__ == "__main__":
    say(*strategies_table().split("\n"))
