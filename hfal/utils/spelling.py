"""Names and cells as people write them: with other capitals and blanks, and as a message may show them."""

import difflib
import itertools
import re
import reprlib
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

from hfal.utils.visible_text import character_kind


class _Short(reprlib.Repr):
    """Shows the first items of lists in lists, which a few anchors of YAML give thousands of millions of items."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 4
        self.maxlist = self.maxtuple = self.maxset = self.maxfrozenset = self.maxdict = 20
        self.maxstring = self.maxlong = self.maxother = 100

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """Show a dictionary in its order; `reprlib` sorts it."""
        if level <= 0 and x:
            return "{...}"
        some = itertools.islice(x.items(), self.maxdict)
        items = [f"{self.repr1(key, level - 1)}: {self.repr1(value, level - 1)}" for key, value in some]
        return "{" + ", ".join(items + ["..."] * (len(x) > len(items))) + "}"


_SHORT = _Short()


def meant(said: str, names: Sequence[str]) -> str | None:
    """Return the one of some names that was meant; `None` unless there is just one."""
    if said in names:
        return said
    if len(said) > 10 * max(map(len, names), default=0) + 1000:  # whatever may not be seen of it
        return None
    plain = bare(seen(said)).casefold()
    alike = [name for name in names if bare(seen(name)).casefold() == plain]
    return alike[0] if len(alike) == 1 else None


def seen(text: str) -> str:
    """Return what a person sees of a name: composed letters, one space for all blanks, and nothing that is not seen.

    Two names that a person could not tell apart give the same; capitals, and letters of other scripts, differ.
    """
    kept = "".join(char for char in text if char.isspace() or not _is_unseen(char))
    return " ".join(unicodedata.normalize("NFC", kept).split())


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) not in ("Co", "Cn") and character_kind(char)[0] in ("code", "joiner", "selector")


def bare(text: str) -> str:
    """Return the text without what programs change: blanks, control characters, apostrophes, forms of a letter."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if not (c.isspace() or c == "'" or unicodedata.category(c) == "Cc"))


def cell_text(found: Any) -> str:
    """Return the text of a cell, without the blanks around it."""
    return "" if found is None else str(found).strip()


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what is counted: `"1 label"`, `"2 labels"`.

    Args:
        number: How many there are.
        one: What is said of one, `"text waits"`.
        many: What is said of none and of several, `"texts wait"`; by default `one` with an s.
    """
    return f"{number:,} {one}" if number == 1 else f"{number:,} {many or f'{one}s'}"


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent; what is nearly all, or nearly nothing, is not rounded to it.

    >>> percent(0.5), percent(0.996), percent(1.0), percent(0.001)
    ('50%', '99%', '100%', '1%')
    """
    rounded = round(100 * share)
    return f"{rounded if share in (0, 1) else min(max(rounded, 1), 99)}%"


def joined_names(names: Iterable[str], separator: str = ", ") -> str:
    """List names for a message; those with a comma in them stand in quotes: `No, "Yes, of course"`."""
    return separator.join(f'"{name}"' if "," in name else name for name in names)


def shown(value: Any) -> str:
    """Return a value as a message may show it: nothing that a terminal obeys, and not a megabyte of it."""
    text = _SHORT.repr(value) if isinstance(value, list | dict | set | tuple) else repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def message_of(error: object) -> str:
    """Return the message of an error on one line; blanks in it are those of names and stay."""
    return " ".join(line.strip() for line in re.split(r"[\r\n]+", str(error)) if line.strip())


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return the names that a misspelt one may have meant, the nearest first, at most three.

    What it is a part of counts, `eval` of `eval_size`, and what is a part of it, `text_column` of `text`.
    """
    names = list(dict.fromkeys(names))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.8)
    if not near and name:
        near = [known for known in names if name.startswith(f"{known}_")]
        near = near or sorted((known for known in names if known.startswith(f"{name}_")), key=len)
    return near[:3] or difflib.get_close_matches(name, names, n=3, cutoff=0.55)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the question that a message ends with, `" Did you mean 'a', or 'b'?"`; nothing where no name is near."""
    near = [repr(known) for known in nearest(name, names)]
    return f" Did you mean {', or '.join(near)}?" if near else ""
