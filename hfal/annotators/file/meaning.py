"""What somebody wrote into a file, and which answer was meant."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from hfal.annotators.base import OpenQuery
from hfal.errors import ArgumentError
from hfal.store.records import Texts
from hfal.tasks.label_set import check_label_set, split_label_set
from hfal.tasks.spans import tags_from_spans, words_of
from hfal.tasks.tags import check_tags, entity_types


def is_of_tags(query: OpenQuery) -> bool:
    """Whether the answers are lists of tags."""
    return query.task == "token_classification"


def is_of_sets(query: OpenQuery) -> bool:
    """Whether the answers are sets of labels."""
    return query.task == "multi_label_classification"


def answer_meant(found: Any, texts: Texts, query: OpenQuery) -> tuple[str, Any] | None:
    """The action and the label that a cell or a JSON value means; `None` if it is empty.

    Args:
        found: The cell. A name may differ from that of a label or tag in capitals and blanks, as long as only one can
            be meant; the tags of a raw text may also be given as spans. A set of labels is a list, or a cell as
            `hfal.tasks.label_set` has it.
        texts: The texts of the example.
        query: Whose labels there are.

    Raises:
        ArgumentError: It means nothing.
    """
    if is_of_tags(query) and isinstance(found, list):
        (text,) = texts.values()
        return "label", _tags_meant(found, text, query)
    if is_of_sets(query) and isinstance(found, list):
        return "label", _set_meant(found, query.label_names)
    said = cell_text(found)
    if not said:
        return None
    if is_of_sets(query):
        word = meant(said, words_instead(query))
        if word is None:
            return "label", _set_meant(split_label_set(said, query.label_names), query.label_names)
        return word, None
    label = None if is_of_tags(query) else meant(said, query.label_names)
    if label is not None:
        return "label", label
    word = meant(said, words_instead(query))
    if word is not None:
        return word, None
    if is_of_tags(query):
        raise ArgumentError(f"{shown(said)} is no list of tags, and neither 'skip' nor 'unsure'")
    raise ArgumentError(f"{shown(said)} is no label; the labels are: {', '.join(query.label_names)}")


def _set_meant(found: list[Any], names: Sequence[str]) -> list[str]:
    return check_label_set([(meant(one, names) or one) if isinstance(one, str) else one for one in found], names)


def _tags_meant(found: list[Any], text: str | Sequence[str], query: OpenQuery) -> list[str]:
    """The tags of a list of tags, or for a raw text of a list of spans; an empty one has no entity."""
    if isinstance(text, str) and all(isinstance(span, dict) for span in found):
        return check_tags(_tags_of_spans(found, text, query), words_of(text), query.label_names)
    tags = [(meant(tag, query.label_names) or tag) if isinstance(tag, str) else tag for tag in found]
    return check_tags(tags, words_of(text), query.label_names)


def _tags_of_spans(found: list[dict[str, Any]], text: str, query: OpenQuery) -> list[str]:
    types = entity_types(query.label_names)
    spans = []
    for span in found:
        said = span.get("label")
        kind = meant(said, types) if isinstance(said, str) else None
        if kind is None:
            raise ArgumentError(
                f"the 'label' of the span {shown(span)} is no entity type; the types are: {', '.join(types)}"
            )
        spans.append({**span, "label": kind})
    return tags_from_spans(text, spans, query.scheme)


def words_instead(query: OpenQuery) -> list[str]:
    """What may be said instead of a label."""
    names = [] if is_of_tags(query) else [_bare(name).casefold() for name in query.label_names]
    return [word for word in ("skip", "unsure") if word not in names]


def meant(said: str, names: Sequence[str]) -> str | None:
    """The one of some names that was meant, if there is just one."""
    if said in names:
        return said
    alike = [name for name in names if _bare(name).casefold() == _bare(said).casefold()]
    return alike[0] if len(alike) == 1 else None


def difference(found: Any, text: str | Sequence[str]) -> str | None:
    """What a file says instead of a text, or of the words of one; `None` if it is the same but for its blanks."""
    if isinstance(text, str):
        return None if found == text or _bare(str(found)) == _bare(text) else "another text"
    if not isinstance(found, list):
        return f"{shown(found)} instead of a list of words"
    if len(found) != len(text):
        return f"{len(found)} words instead of {len(text)}"
    for number, (one, other) in enumerate(zip(found, text, strict=True), start=1):
        if one != other and _bare(str(one)) != _bare(other):
            return f"{shown(one)} instead of {shown(other)} as word {number}"
    return None


def cell_text(found: Any) -> str:
    """What a cell says, without the blanks around it."""
    return "" if found is None else str(found).strip()


def shown(value: Any) -> str:
    """A value as a message may show it: nothing that a terminal obeys, and not a megabyte of it."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _bare(text: str) -> str:
    """The text without what programs change: blanks, control characters, apostrophes, forms of a letter."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if not (c.isspace() or c == "'" or unicodedata.category(c) == "Cc"))
