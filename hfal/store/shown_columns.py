"""Names of shown columns in files, where hfal has columns of its own beside the texts."""

import re
from collections.abc import Iterable

from hfal.utils.spelling import bare, seen


OWN_COLUMNS = ("id", "label", "suggestion", "confidence", "comment", "answer", "escaped", "tokens", "spans")
"""The columns of files for annotators and of exports, beside those with `al_` in front."""

_PREFIX = "shown_"


def names_in_files(columns: Iterable[str], texts: Iterable[str], as_comments: bool = False) -> dict[str, str]:
    """Return what shown columns are called in files for annotators, and in exports.

    That is their own name, with `shown_` in front where hfal or a text has a column that is called so, or nearly so:
    a file with `ID` beside `id` would be misread.

    Args:
        columns: The shown columns.
        texts: The names of columns with texts, as they are in the file.
        as_comments: Whether they are names of comments in a CoNLL file, with `_` for what these cannot have.
    """
    taken = {_alike(name) for name in (*OWN_COLUMNS, *texts)}
    names = {}
    for column in columns:
        name = re.sub(r"[^\w.-]+", "_", column) if as_comments else column
        while _alike(name) in taken or _alike(name).startswith("al_"):
            name = _PREFIX + name
        taken.add(_alike(name))
        names[column] = name
    return names


def _alike(name: str) -> str:
    return bare(seen(name)).casefold()
