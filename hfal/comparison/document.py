"""A report as a list of blocks, and the two ways to write it: Markdown, and HTML that needs nothing beside it.

A block's text is plain: whatever a user may have typed into a name shows as it is in both.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hfal.utils.markdown import fenced, plain, table
from hfal.utils.visible_text import one_line


TEMPLATE = "report.html"
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Heading:
    """A heading of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """A paragraph, on one line."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of points."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table; its first column says what a row is about, the others are numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """An SVG file beside the report, with a name for who cannot see it and a caption that says what it shows."""

    path: Path
    name: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Lines as they were typed."""

    text: str
    language: str


Block = Heading | Paragraph | Bullets | Table | Picture | Code


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """The document as Markdown; pictures are linked by their file names."""
    return "\n\n".join([f"# {plain(title)}", *map(_markdown, blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {plain(text)}"
        case Paragraph(text):
            return plain(text)
        case Bullets(items):
            return "\n".join(f"- {plain(item)}" for item in items)
        case Table(header, rows):
            return table([plain(cell) for cell in header], [[plain(cell) for cell in row] for row in rows])
        case Picture(path, name, caption):
            return f"![{plain(name)}]({path.name})\n\n{plain(caption)}"
        case Code(text, language):
            return fenced(text, language)


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """The document as one HTML file, with the pictures in it and nothing that a browser would have to fetch."""
    named = [(type(block).__name__, block) for block in blocks]
    return str(_template().render(title=title, blocks=named))


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(one_line=one_line, base64=_base64)
    return environment.get_template(TEMPLATE)


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode("ascii")
