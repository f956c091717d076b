"""Entities in a raw text as character spans, the form of labeling tools and of spaCy, and as tags of its words.

A span is a mapping with `start`, `end` (characters, the end exclusive) and `label`; `spans_in` makes such of what
labeling tools write. What the words of a text are follows from the text alone, so that a span and the tags of its
words can be made from each other without loss.
"""

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hfal.errors import ArgumentError
from hfal.tasks.tags import Entity, entities, write_tags
from hfal.tasks.words import word_offsets
from hfal.utils.spelling import counted


_START = ("start", "start_offset", "start_char")
_END = ("end", "end_offset", "end_char")
_LABEL = ("label", "labels", "type", "entity_group")
_TEXT = "text"  # of Label Studio and others: what was marked
_AROUND = ("entities", "spans")


def span_keys(names: Iterable[str]) -> tuple[str, str, str] | None:
    """Find which keys say where a span begins and ends, and its label; `None` if they are not all there.

    doccano writes `start_offset` and `end_offset`, Label Studio a list `labels`, pipelines of transformers
    `entity_group`.
    """
    names = set(names)
    found = [next((key for key in keys if key in names), None) for keys in (_START, _END, _LABEL)]
    return None if None in found else tuple(found)  # type: ignore[return-value]


def key_around_spans(names: Iterable[str]) -> str | None:
    """Return the key under which an object has a list of spans, as `{"entities": [...]}` of spaCy; `None` if none."""
    names = set(names)
    return next((key for key in _AROUND if key in names), None)


def spans_in(cell: Any) -> list[dict[str, Any]] | None:
    """Return the spans that a cell of a table holds, in whichever of the usual forms; `None` if it has none of them.

    Args:
        cell: A list of `[start, end, label]`, or of mappings with these keys or those of `span_keys` and any others;
            a mapping of lists with these keys, as `datasets` makes of a `Sequence` of mappings; or any of these under
            `entities` or `spans`. A `text` in mappings is kept. Numbers may be strings of digits, a label a list of
            one.
    """
    if isinstance(cell, Mapping):
        keys = span_keys(cell)
        if keys is None:
            around = key_around_spans(cell)
            return None if around is None else spans_in(cell[around])
        lists = [cell[key] for key in keys]
        if not all(isinstance(one, list) and len(one) == len(lists[0]) for one in lists):
            return None
        return [_span(*values) for values in zip(*lists, strict=True)]
    if not isinstance(cell, list):
        return None
    spans = []
    for one in cell:
        if isinstance(one, Mapping) and (keys := span_keys(one)):
            spans.append(_span(*(one[key] for key in keys)))
            if isinstance(one.get(_TEXT), str):
                spans[-1][_TEXT] = one[_TEXT]
        elif isinstance(one, list | tuple) and len(one) == 3:
            spans.append(_span(one[0], one[1], _unquoted(one[2])))
        else:
            return None
    return spans


def _span(start: Any, end: Any, label: Any) -> dict[str, Any]:
    """Return a span with whole numbers and one label; other values stay, for the message that refuses them."""
    label = label[0] if isinstance(label, list) and len(label) == 1 else label
    return {"start": _whole(start), "end": _whole(end), "label": label}


def _unquoted(label: Any) -> Any:
    """Return a label that was kept as JSON, as `["PER"]` beside numbers is (see `hfal.data.json_lines`)."""
    if isinstance(label, str) and label.startswith(("[", '"')):
        with contextlib.suppress(ValueError):
            return json.loads(label)
    return label


def _whole(number: Any) -> Any:
    if isinstance(number, str) and number.isascii() and number.removeprefix("-").isdigit():
        return int(number)
    return int(number) if isinstance(number, float) and number.is_integer() else number


def entities_from_spans(text: str, spans: Iterable[Mapping[str, Any]]) -> list[Entity]:
    """The entities, counted in words, that character spans mark, first to last.

    Raises:
        ArgumentError: A span lies outside the text, is empty, is of another text than it says, begins or ends within a
            word, overlaps another one, or lacks `start`, `end` or `label`.
    """
    offsets = word_offsets(text)
    begins = {start: word for word, (start, _) in enumerate(offsets)}
    ends = {end: word + 1 for word, (_, end) in enumerate(offsets)}
    found: list[Entity] = []
    for span in spans:
        start, end, label = (span.get(key) for key in ("start", "end", "label"))
        if not (type(start) is int and type(end) is int and isinstance(label, str) and label):  # True is no place
            written = str(dict(span))[:100]
            raise ArgumentError(f"the span {written} needs whole numbers 'start' and 'end', and a 'label'")
        if start >= end:
            how = "empty" if start == end else "the wrong way round"
            raise ArgumentError(f"the span {start} to {end} ({label}) is {how}: 'end' is behind its last character")
        if not 0 <= start < end <= len(text):
            raise ArgumentError(f"the span {start} to {end} ({label}) is outside the text of {len(text)} characters")
        said = span.get(_TEXT)
        if said is not None and _letters(said) != _letters(text[start:end]):
            raise ArgumentError(
                f"the span {start} to {end} ({label}) is of {said[:80]!r}, but {text[start:end][:80]!r} is there: "
                "count characters, of which an emoji is one (it is two in JavaScript)"
            )
        if start not in begins or end not in ends:
            nearest = [(s, e) for s, e in offsets if s < end and e > start]
            hint = f"; the words there are {nearest[0][0]} to {nearest[-1][1]}" if nearest else ""
            marked = text[start:end][:80]
            raise ArgumentError(
                f"the span {start} to {end} ({label}, {marked!r}) does not begin and end with a word{hint}"
            )
        found.append(Entity(begins[start], ends[end], label))
    found.sort()
    for one, other in pairwise(found):
        if other.start < one.end:
            raise ArgumentError(
                f"the spans {_shown(text, offsets, one)} and {_shown(text, offsets, other)} overlap: "
                "a word can be in one entity only"
            )
    return found


def tags_from_spans(text: str, spans: Iterable[Mapping[str, Any]], scheme: str = "IOB2") -> list[str]:
    """The tags of a text's words, one for each, in a scheme of `hfal.tasks.tags`.

    Raises:
        ArgumentError: As `entities_from_spans` does.
    """
    return write_tags(entities_from_spans(text, spans), len(word_offsets(text)), scheme)


def spans_from_tags(text: str, tags: Sequence[str]) -> list[dict[str, Any]]:
    """The character spans that the tags of a text's words mean, first to last.

    Raises:
        ArgumentError: There is not one tag for each word.
    """
    offsets = word_offsets(text)
    if len(tags) != len(offsets):
        raise ArgumentError(f"{counted(len(tags), 'tag')} for the {counted(len(offsets), 'word')} of {text[:80]!r}")
    return [{"start": offsets[e.start][0], "end": offsets[e.end - 1][1], "label": e.type} for e in entities(tags)]


def _letters(text: str) -> str:
    """The letters and digits of a text; blanks and line breaks are what tools write in other ways."""
    return "".join(filter(str.isalnum, text.replace("\\n", "\n"))).casefold()


def _shown(text: str, offsets: Sequence[tuple[int, int]], entity: Entity) -> str:
    start, end = offsets[entity.start][0], offsets[entity.end - 1][1]
    return f"{start} to {end} ({entity.type}, {text[start:end][:80]!r})"
