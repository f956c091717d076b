"""Read the answer that a person means by a cell of a file."""

from collections.abc import Sequence
from typing import Any

from hfal.annotators.base import OpenQuery
from hfal.errors import ArgumentError
from hfal.store.answer_log import NONSENSE
from hfal.tasks.words import Texts
from hfal.utils.spelling import bare, cell_text, counted, meant, shown


def answer_meant(found: Any, texts: Texts, query: OpenQuery, example_id: str) -> tuple[str, Any] | None:
    """Return the action and the label that a cell or a JSON value means; `None` if it is empty.

    Args:
        found: The cell; see `hfal.tasks.kinds.Kind.from_cell`.
        texts: The texts of the example.
        query: Whose labels there are.
        example_id: The example.

    Raises:
        ArgumentError: It means nothing, or is `nonsense` of a text that no program has made up.
    """
    kind = query.kind
    if not (kind.lists and isinstance(found, list)):
        found = cell_text(found)
        if not found:
            return None
        word = meant(found, words_instead(query, ("skip", "unsure", NONSENSE)))
        if word == NONSENSE and not query.is_synthesized(example_id):
            raise ArgumentError(f"{NONSENSE!r} is for texts that a program has made up, not for this one: skip it")
        if word is not None:
            return word, None
    return "label", kind.from_cell(found, texts, query.label_names, query.scheme)


def words_instead(query: OpenQuery, words: Sequence[str] = ("skip", "unsure")) -> list[str]:
    """Return what may be said instead of a label: those of some words that are the name of none."""
    # A cell of its own is never a tag, whatever the tags are called.
    names = [] if query.kind.of_words else [bare(name).casefold() for name in query.label_names]
    return [word for word in words if word not in names]


def difference(found: Any, text: str | Sequence[str]) -> str | None:
    """Say what a file has instead of a text, or of the words of one; `None` if it is the same but for its blanks."""
    if isinstance(text, str):
        return None if found == text or bare(str(found)) == bare(text) else "another text"
    if not isinstance(found, list):
        return f"{shown(found)} instead of a list of words"
    if len(found) != len(text):
        return f"{counted(len(found), 'word')} instead of {len(text)}"
    for number, (one, other) in enumerate(zip(found, text, strict=True), start=1):
        if one != other and bare(str(one)) != bare(other):
            return f"{shown(one)} instead of {shown(other)} as word {number}"
    return None
