"""Pieces of the terminal annotator's screen that know nothing of sessions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.utils import get_cwidth

from hfal.annotators.terminal.layout import Fragments
from hfal.utils.visible_text import clip, is_right_to_left, masked, one_line


_DIGITS = tuple("0123456789")


@dataclass(frozen=True)
class Chip:
    """A piece of a row: a key with what it does, or a few words."""

    text: str
    key: str = ""

    def fragments(self, columns: int) -> Fragments:
        """The piece, clipped to a row."""
        key = f"[{self.key}] " if self.key else ""
        return [("bold", key), ("", clip(self.text, columns - len(key)))]

    @property
    def cells(self) -> int:
        """How wide it is, unclipped."""
        return get_cwidth(self.text) + (len(self.key) + 3 if self.key else 0)


def flow(chips: Sequence[Chip], columns: int, most_rows: int, left_out: int | None = None) -> list[Fragments]:
    """Chips in rows. With `left_out` labels left out already, it says how many there are beside those that fit."""
    for count in range(len(chips), -1, -1):
        missing = len(chips) - count + (left_out or 0)
        more = [Chip(f"{missing} more, by name", "/")] if missing and left_out is not None else []
        rows: list[Fragments] = []
        used = columns
        for chip in [*chips[:count], *more]:
            alone = is_right_to_left(chip.text)  # a terminal may reorder the row
            if used + chip.cells + 2 > columns or alone:
                rows.append([])
                used = -2
            rows[-1] += [*([("", "  ")] if rows[-1] else []), *chip.fragments(columns)]
            used = columns if alone else used + 2 + chip.cells
        if len(rows) <= most_rows:
            break
    return rows


def beside(values: Mapping[str, str], columns: int, most_rows: int) -> list[Fragments]:
    """Rows for what is shown beside a text: each value behind its name, cut to a row; `… 2 more` if they do not fit.

    Short ones share a row; what a terminal may reorder has a row of its own.
    """
    rows: list[tuple[str, bool]] = []
    for number, (name, value) in enumerate(values.items()):
        # A long name leaves half of the row to the value.
        cell = clip(f"{clip(one_line(name), max(columns // 2, 4))}: {one_line(value)}", columns)
        alone = is_right_to_left(cell)
        if rows and not alone and not rows[-1][1] and get_cwidth(f"{rows[-1][0]}  {cell}") <= columns:
            rows[-1] = (f"{rows[-1][0]}  {cell}", False)
        elif len(rows) < most_rows:
            rows.append((cell, alone))
        else:
            more = f"  … {len(values) - number} more"
            if rows and not rows[-1][1]:
                rows[-1] = (clip(rows[-1][0], columns - len(more)) + more, False)
            break
    return [[("dim", row)] for row, _ in rows]


def keys_of(names: Sequence[str], keys: str) -> dict[str, str]:
    """Return the key of each name that has one, in the order of the names.

    A digit has its own key: whoever rates from 0 to 5 types the number that they mean. The other names get the keys
    that are left, in their order, until there are none.

    Args:
        names: The names, each once.
        keys: The keys in the order in which to give them; `0` is only ever that of a digit.
    """
    own = {name for name in names if name in _DIGITS}
    left = iter([key for key in keys if key not in own])
    found = {name: name if name in own else next(left, None) for name in names}
    return {name: key for name, key in found.items() if key is not None}


class Names(Completer):
    """Completes to the names that have what was typed anywhere in them."""

    def __init__(self, names: Sequence[str], wanted: Callable[[], bool]):
        self.names = names
        self.wanted = wanted

    def matches(self, typed: str) -> list[str]:
        """The names that may be meant."""
        return [name for name in self.names if typed.strip().casefold() in name.casefold()]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """For prompt_toolkit."""
        if self.wanted():
            for name in self.matches(document.text):
                yield Completion(name, start_position=-document.cursor_position, display=one_line(name))


class Masked(Processor):
    """Has the editor show what it would otherwise hand to the terminal, or not show at all."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        """For prompt_toolkit."""
        return Transformation([(style, masked(text)) for style, text, *_ in transformation_input.fragments])
