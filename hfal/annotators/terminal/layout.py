"""Rows of text on a terminal, of no more cells than fit. `hfal.utils.visible_text` says how each character is shown.

Right-to-left text goes to the terminal in its logical order; those that know the bidirectional algorithm reorder it
within its row, so nothing else should stand in that row.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from hfal.annotators.session.session import ShownSentence
from hfal.utils.visible_text import (
    CODE_POINT,
    Unit,
    character_kind,
    clip,
    is_right_to_left,
    one_line,
    spell,
    split_units,
)


Fragments = list[tuple[str, str]]
"""Pieces of a row as prompt_toolkit takes them: style and text."""

Place = tuple[int, int]
"""Where one is in a `Page`: which part, which row of it."""

NARROWEST = 12
"""The fewest cells that a row may have: room for any code point that is spelled out."""

_NUMBER, _BRACKET, _MARKED = "dim", "bold", "bold underline"
_MOST_OF_A_TYPE = 24  # cells of its name within a sentence
_TAB = 4
_PART = 2000  # characters; laid out in some milliseconds


class Row(NamedTuple):
    """One row of a laid-out text: its fragments, and where in the text it begins."""

    fragments: Fragments
    start: int


class _Word(NamedTuple):
    """A word of a sentence, or a piece of a long one, with what is shown around it."""

    text: str
    number: str
    opening: str = ""
    closing: str = ""
    marked: bool = False
    alone: bool = False  # whether a terminal may reorder its row, so that nothing else should stand in it


def lay_out(text: str, width: int) -> Iterator[Row]:
    """Cut a text into rows of at most `width` cells, or `NARROWEST`, between its words where that is possible."""
    return _fill(split_units(text), max(width, NARROWEST))


def _fill(units: Iterable[Unit], width: int) -> Iterator[Row]:
    """Rows of at most `width` cells, filled with units."""
    row: list[Unit] = []
    used = 0
    cut = 0  # where the row may be cut: before this unit
    start = 0
    for unit in units:
        text_of, cells, kind, at, style = unit
        if kind == "newline":
            yield Row(_merge(row), start)
            row, used, cut, start = [], 0, 0, at + len(text_of)
            continue
        if kind == "mark":
            row[-1] = row[-1]._replace(text=row[-1].text + text_of)
            continue
        if kind in ("space", "tab"):
            wanted = _TAB * cells - used % _TAB if kind == "tab" else cells
            wanted = min(wanted, width - used)  # the rest hangs over the edge
            row.append(Unit(" " * wanted, wanted, "space", at))
            used += wanted
            cut = len(row)
            continue
        if row and (_stands_alone(unit) or _stands_alone(row[-1])) and not _belongs_to(row[-1], unit):
            cut = len(row)
        if used + cells > width and cut:
            yield Row(_merge(row[:cut]), start)
            row = row[cut:]
            start = row[0].start if row else at
            used, cut = sum(kept.cells for kept in row), 0
        while used + cells > width:  # one word that is longer than a row
            room = width - used if kind == "word" else 0
            if room:
                row.append(Unit(text_of[:room], room, kind, at, style))
                text_of, cells, at = text_of[room:], cells - room, at + room
            yield Row(_merge(row), start)
            row, used, start = [], 0, at
        row.append(Unit(text_of, cells, kind, at, style))
        used += cells
    yield Row(_merge(row), start)


class Page:
    """Texts under their names, of which only what is looked at is laid out: a place in them is a part and a row in it.

    A part is a piece of a text short enough to be laid out at once, and so begins a row of its own.

    Args:
        texts: Texts by name; a single one goes without its name.
        width: Cells of a row.
    """

    def __init__(self, texts: Mapping[str, str | ShownSentence], width: int):
        self.width = width
        self.length = sum(map(_length, texts.values()))
        # Where it begins, counted through all texts (of a sentence the characters of its words), and what it shows.
        self._parts: list[tuple[int, str | list[_Word]]] = []
        self._rows: dict[int, list[Row]] = {}
        start = 0
        for name, text in texts.items():
            if len(texts) > 1:
                heading = [("bold underline", clip(one_line(name), width - 1) + ":")]
                self._rows[len(self._parts)] = [*([Row([], 0)] if self._parts else []), Row(heading, 0)]
                self._parts.append((start, ""))
            for at, part in _cut_sentence(text) if isinstance(text, ShownSentence) else _cut(text):
                self._parts.append((start + at, part))
            start += _length(text)

    def rows(self, place: Place, count: int) -> list[Fragments]:
        """The rows from a place on, as far as there are any."""
        part, row = place
        found: list[Fragments] = []
        while len(found) < count and part < len(self._parts):
            found += [shown.fragments for shown in self._of(part)[row : row + count - len(found)]]
            part, row = part + 1, 0
        return found

    def move(self, place: Place, rows: int, height: int) -> Place:
        """The place so many rows further down (or up), but none from which `height` rows would not be filled."""
        part, row = place[0], place[1] + rows
        while row < 0 and part > 0:
            part -= 1
            row += len(self._of(part))
        while part < len(self._parts) and row >= len(self._of(part)):
            row -= len(self._of(part))
            part += 1
        return min((part, max(row, 0)), self.last(height))

    def last(self, height: int) -> Place:
        """The place from which on one sees the end."""
        part, missing = len(self._parts), height
        while missing > 0 and part > 0:
            part -= 1
            missing -= len(self._of(part))
        return part, max(0, -missing)

    def start_of(self, place: Place) -> int:
        """How many characters come before a place."""
        part, row = place
        if part >= len(self._parts):
            return self.length
        rows = self._of(part)
        return self._parts[part][0] + rows[row].start if row < len(rows) else self.start_of((part + 1, 0))

    def place_of(self, start: int) -> Place:
        """The place of the character at `start`."""
        part = bisect_left(self._parts, start, key=itemgetter(0))
        if part < len(self._parts) and self._parts[part][0] == start:
            return part, 0
        part -= 1
        return part, bisect_right(self._of(part), start - self._parts[part][0], key=attrgetter("start")) - 1

    def _of(self, part: int) -> list[Row]:
        if part not in self._rows:
            content = self._parts[part][1]
            units = split_units(content) if isinstance(content, str) else _units_of_words(content)
            self._rows[part] = list(_fill(units, max(self.width, NARROWEST)))
        return self._rows[part]


def _length(text: str | ShownSentence) -> int:
    return sum(map(len, text.words)) if isinstance(text, ShownSentence) else len(text)


def _cut(text: str) -> Iterator[tuple[int, str]]:
    """Cut a text into parts: at the end of a line if there is one, else behind a space, else anywhere."""
    start = 0
    while len(text) - start > _PART:
        limit = _limit(text, start)
        end = text.rfind("\n", start, limit) + 1 or text.rfind(" ", start, limit) + 1 or limit
        part = text[start:end]
        yield start, part[:-1].removesuffix("\r") if part.endswith("\n") else part
        start = end
    yield start, text[start:]


def _limit(text: str, start: int) -> int:
    """Where a part that begins at `start` has to end."""
    limit = start + _PART
    while limit < start + _PART + 64 and _clings(text[limit - 1], text[limit : limit + 1]):
        limit += 1
    return limit


def _cut_sentence(sentence: ShownSentence) -> Iterator[tuple[int, list[_Word]]]:
    """Cut a sentence into parts between its words, and within those that are too long for one."""
    part: list[_Word] = []
    start = size = length = 0
    for word in _words(sentence):
        if part and size + len(word.text) > _PART:
            yield start, part
            start, part, size, length = start + length, [], 0, 0
        part.append(word)
        size += len(word.text) + len(word.number)  # an empty one takes room too
        length += len(word.text)
    yield start, part


def _words(sentence: ShownSentence) -> Iterator[_Word]:
    first = {entity.start: entity for entity in sentence.entities}
    last = {entity.end - 1: entity for entity in sentence.entities}
    inside = {place for entity in sentence.entities for place in range(entity.start, entity.end)}
    for place, text in enumerate(sentence.words):
        closing = f"]{clip(one_line(last[place].type), _MOST_OF_A_TYPE)}" if place in last else ""
        word = _Word(text, str(place + 1), "[" * (place in first), closing, place in inside)
        word = word._replace(alone=is_right_to_left(text + closing))
        while len(word.text) > _PART:
            limit = _limit(word.text, 0)
            yield word._replace(text=word.text[:limit], closing="")
            word = word._replace(text=word.text[limit:], number="", opening="")
        yield word


def _units_of_words(words: Sequence[_Word]) -> Iterator[Unit]:
    """Numbered words with brackets around entities, none cut that fits in a row. Blanks in a word are seen."""
    at = 0
    for place, word in enumerate(words):
        if place:
            ends_row = word.alone or words[place - 1].alone
            yield Unit("", 0, "newline", at) if ends_row else Unit("  ", 2, "space", at)
        for text, style in ((f"{word.number} " * bool(word.number), _NUMBER), (word.opening, _BRACKET)):
            if text:
                yield Unit(text, len(text), "inner", at, style)
        if not word.text:
            yield Unit("<empty>", 7, "inner", at, CODE_POINT)
        for unit in split_units(word.text):
            style = f"{unit.style} {_MARKED}".strip() if word.marked else unit.style
            if not unit.text.isspace():
                yield _kept_together(unit)._replace(start=at + unit.start, style=style)
                continue
            for start, char in enumerate(word.text[unit.start : unit.start + len(unit.text)], at + unit.start):
                spelled = unit.kind in ("newline", "tab")
                seen, cells = (spell(char), 8) if spelled else (char, unit.cells // len(unit.text))
                yield Unit(seen, cells, "inner", start, f"{CODE_POINT} {style}".strip())
        at += len(word.text)
        for unit in split_units(word.closing):
            yield _kept_together(unit)._replace(start=at, style=_BRACKET)


def _kept_together(unit: Unit) -> Unit:
    return unit._replace(kind="inner") if _stands_alone(unit) else unit


def _clings(before: str, char: str) -> bool:
    """Whether a part must not be cut between these two characters."""
    return char != "" and (
        before == "\u200d" or before + char == "\r\n" or character_kind(char)[0] in ("mark", "joiner", "selector")
    )


def _stands_alone(unit: Unit) -> bool:
    """Whether a row may be cut before and after it: ideographs, pictures, what is spelled out."""
    return unit.kind == "code" or (unit.kind == "letter" and unit.cells == 2)


def _belongs_to(unit: Unit, following: Unit) -> bool:
    """Whether two units are of one word, or are one picture: joined, or the second is the color of the skin."""
    joined = unit.text.endswith("\u200d") or "\U0001f3fb" <= following.text <= "\U0001f3ff"
    return joined or following.kind == "inner"


def _merge(units: list[Unit]) -> Fragments:
    fragments: Fragments = []
    for unit in units:
        if fragments and fragments[-1][0] == unit.style:
            fragments[-1] = (unit.style, fragments[-1][1] + unit.text)
        else:
            fragments.append((unit.style, unit.text))
    return fragments
