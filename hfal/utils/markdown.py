"""Escape text for Markdown, such as label names that somebody typed."""

import re
from collections.abc import Iterable, Sequence

from hfal.utils.visible_text import one_line


def plain(text: str) -> str:
    """Escape a text so that it shows as it is, on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&$!])", r"\\\1", one_line(text))


def code(text: str) -> str:
    """Write a text as inline code, which may stand in a cell of a table."""
    text = one_line(text)
    if not text.strip():
        return plain(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    blank = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{blank}{text}{blank}{fence}".replace("|", "\\|")


def fenced(text: str, language: str) -> str:
    """Write several lines as a block of code."""
    lines = [one_line(line) for line in text.rstrip("\n").split("\n")]
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return "\n".join([f"{fence}{language}", *lines, fence])


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of cells that are Markdown already."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *rows])
