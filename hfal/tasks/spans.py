"""Entities in a raw text as character spans, the form of labeling tools and of spaCy, and as tags of its words.

A span is a mapping with `start`, `end` (characters, the end exclusive) and `label`. What the words of a text are
follows from the text alone, so that a span and the tags of its words can be made from each other without loss.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from hfal.errors import ArgumentError
from hfal.tasks.tags import Entity, entities, write_tags
from hfal.tasks.words import word_offsets
from hfal.utils.spelling import counted


def entities_from_spans(text: str, spans: Iterable[Mapping[str, Any]]) -> list[Entity]:
    """The entities, counted in words, that character spans mark, first to last.

    Raises:
        ArgumentError: A span lies outside the text, is empty, begins or ends within a word, overlaps another one, or
            lacks `start`, `end` or `label`.
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
            raise ArgumentError(f"the span {start} to {end} ({label}) is empty: 'end' is behind its last character")
        if not 0 <= start < end <= len(text):
            raise ArgumentError(f"the span {start} to {end} ({label}) is outside the text of {len(text)} characters")
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


def _shown(text: str, offsets: Sequence[tuple[int, int]], entity: Entity) -> str:
    start, end = offsets[entity.start][0], offsets[entity.end - 1][1]
    return f"{start} to {end} ({entity.type}, {text[start:end][:80]!r})"
