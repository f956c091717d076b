"""Show text from anywhere on a terminal or a page: every character is visible, and none is a control sequence.

What a terminal might obey, or what would not be seen, is written as its code point, `<U+202E>`: control characters
(C0, C1, DEL), bidirectional controls, zero-width and other format characters, tag characters, line and paragraph
separators, lone surrogates, private and unassigned code points, blank letters, and combining marks beyond the eighth
on one letter. Only tabs and line ends (`\\n`, `\\r\\n`) lay text out.

Joiners stay where a writing system needs them: ZWJ between the pictures of one emoji, ZWJ and ZWNJ between letters of
the scripts from Arabic to Mongolian and after a virama. So do variation selectors behind a character that can have
them. Anywhere else, and twice in a row, they are shown. Tag characters are always shown, though three flags use them.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from wcwidth import wcwidth


CODE_POINT = "reverse"  # the style of what is spelled out; not a color, which some people and terminals lack
_MOST_MARKS = 8  # on one letter; no script needs as many, and stacks of them run over the lines around
_WORD = re.compile(r"[!-~]{1,256}")
_SPACES = re.compile(r" +|\t+")
# Letters without a shape, and a space that looks like nothing: what a reader would take for nothing at all.
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_PRINTED_FORMAT = re.compile("[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd]")  # signs of numbers
_JOINING = re.compile("[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\ufb50-\ufdff\ufe70-\ufefc]")
_VIRAMA = 9  # its combining class


class Unit(NamedTuple):
    """A unit that stays together in a row: a word of ASCII, or a character with its combining characters."""

    text: str
    cells: int
    kind: str
    start: int
    style: str = ""


@lru_cache(maxsize=1 << 16)
def _cells_of(char: str) -> int:
    return max(wcwidth(char), 0)  # -1 for a control character


def cell_width(text: str) -> int:
    """Return the number of terminal cells that a text takes."""
    return sum(map(_cells_of, text))


def one_line(text: str) -> str:
    """Put a text on one line, with every invisible character spelled out, line ends and tabs included."""
    return "".join(
        "".join(map(spell, unit.text)) if unit.kind in ("newline", "tab") else unit.text for unit in split_units(text)
    )


def masked(text: str) -> str:
    """Return a text of the same length, for an editor, with U+FFFD for each character that `one_line` spells out."""
    return "".join("\ufffd" if character_kind(char)[0] == "code" else char for char in text)


def clip(text: str, cells: int) -> str:
    """Cut a text from `one_line` to a number of cells, with `...` where something is missing."""
    if cell_width(text) <= cells:
        return text
    kept, used = "", 0
    for char in text:
        used += cell_width(char)
        if used > cells - 3:
            break
        kept += char
    return kept + "..."


def is_right_to_left(text: str) -> bool:
    """Whether a terminal may reorder a row in which this text stands."""
    return any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in text)


def spell(char: str) -> str:
    """Write a character as its code point, `<U+202E>`."""
    return f"<U+{ord(char):04X}>"


def split_units(text: str) -> Iterator[Unit]:
    """Cut a text into the units that a row keeps together, with everything spelled out that is not plainly seen."""
    position, marks, based = 0, 0, False  # the marks on the character before, and whether it can carry any
    while position < len(text):
        match = _WORD.match(text, position) or _SPACES.match(text, position)
        if match:
            found = match[0]
            based, marks = found[0] not in " \t", 0
            kind = "word" if based else "space" if found[0] == " " else "tab"
            yield Unit(found, len(found), kind, position)
            position += len(found)
            continue
        char = text[position]
        kind, cells = character_kind(char)
        if kind == "return":
            kind = "newline" if text.startswith("\r\n", position) else "code"
            char = "\r\n" if kind == "newline" else char
        elif kind in ("joiner", "selector"):
            before = text[position - 1 : position] if based else ""
            fits = (
                _joins(char, before, text[position + 1 : position + 2]) if kind == "joiner" else _varies(char, before)
            )
            kind = "mark" if fits else "code"
        if kind == "mark" and not based:
            yield Unit("\u25cc" + char, 1, "letter", position)  # the circle on which Unicode's charts show a mark
            based, marks = True, 1
        elif kind == "mark" and marks < _MOST_MARKS:
            yield Unit(char, 0, "mark", position)
            marks += 1
        elif kind in ("mark", "code"):
            spelled = spell(char)
            yield Unit(spelled, len(spelled), "code", position, CODE_POINT)
            based = kind == "mark"
            if kind == "code":
                marks = 0
        else:
            yield Unit(char, cells, kind, position)
            based, marks = kind == "letter", 0
        position += len(char)


@lru_cache(maxsize=1 << 16)
def character_kind(char: str) -> tuple[str, int]:
    """Return the kind of a character for the layout, and the number of cells that it takes."""
    category = unicodedata.category(char)
    cells = cell_width(char)
    if char in "\n\r":
        return "newline" if char == "\n" else "return", 0
    if char in "\u200c\u200d":
        return "joiner", 0
    if char in "\u180b\u180c\u180d\u180f" or "\ufe00" <= char <= "\ufe0f" or "\U000e0100" <= char <= "\U000e01ef":
        return "selector", 0
    if char in _BLANK or category in ("Zl", "Zp"):
        return "code", 0
    if category[0] == "C" and not (cells == 1 and _PRINTED_FORMAT.match(char)):
        return "code", 0
    if category == "Zs" and char not in "\u00a0\u202f":
        return "space", cells
    return ("letter", cells) if cells > 0 else ("mark", 0)  # vowels of Hangul take no cell of their own either


def _joins(joiner: str, before: str, after: str) -> bool:
    """Whether a joiner has something to join, or to keep apart, here."""
    if not before:
        return False
    if unicodedata.combining(before) == _VIRAMA:
        return True
    if _is_letter(before) and _is_letter(after):
        return True
    pictures = ("So", "Sm", "Sk")
    return (
        joiner == "\u200d"
        and (before == "\ufe0f" or unicodedata.category(before) in pictures)
        and after != ""
        and unicodedata.category(after) in pictures
    )


def _is_letter(char: str) -> bool:
    return bool(_JOINING.match(char)) and unicodedata.category(char)[0] in "LM"


def _varies(selector: str, before: str) -> bool:
    """Whether a variation selector has a character before it that may have variants."""
    if not before:
        return False
    category = unicodedata.category(before)
    if selector in "\ufe0e\ufe0f":  # as text, as a picture
        return before == "\u2139" or category in ("So", "Sm", "Sk", "Po", "Pd", "Nd")
    if selector < "\ufe00":
        return "\u1800" <= before <= "\u18af" and category[0] == "L"
    return category == "Sm" or (category == "Lo" and cell_width(before) == 2)
