"""Tags of words, and the entities that they mean: the rules of conlleval, and how entities are written as tags.

A tag is `O`, or a prefix and an entity type: `B-PER`, `I-PER`. The schemes:

- IOB2: an entity begins with B and goes on with I (CoNLL-2003 as it is on the Hub);
- IOB1: an entity begins with I, and with B only where it follows another one of its type;
- BIOES: begins with B, goes on with I, ends with E; S is an entity of one word. BILOU is the same with L and U;
- IO, and plain: only I, or no prefix at all (`PER`); adjacent entities of one type become one.

Reading is one rule for all of them, so that no sequence of tags is invalid: an I that follows nothing begins an
entity. It is that of `conlleval` (Tjong Kim Sang & De Meulder, CoNLL 2003), extended to E and S.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hfal.errors import ArgumentError
from hfal.tasks.label_names import look_alike_hint
from hfal.utils.spelling import counted, joined_names


if TYPE_CHECKING:
    import numpy as np


OUTSIDE = "O"
_PREFIX = re.compile(r"([BIESLU])-(.+)", re.DOTALL)
_BIOES = str.maketrans("LU", "ES")
_SCHEMES = {"IOB1": "BI", "IOB2": "BI", "BIOES": "BIES", "BILOU": "BILU", "IO": "I"}


class Entity(NamedTuple):
    """An entity: its first word, the word behind its last one, and its type."""

    start: int
    end: int
    type: str


SCHEMES = (*_SCHEMES, "plain")
"""The names of all schemes."""


def split_tag(tag: str) -> tuple[str, str]:
    """The prefix of a tag, one of O B I E S, and its entity type.

    A tag without a prefix is taken for I: `PER` is `("I", "PER")`. L and U of BILOU are E and S.
    """
    if tag == OUTSIDE:
        return OUTSIDE, ""
    match = _PREFIX.fullmatch(tag)
    return (match[1].translate(_BIOES), match[2]) if match else ("I", tag)


def entities(tags: Sequence[str]) -> list[Entity]:
    """The entities that a sequence of tags means, first to last, by the rules of conlleval.

    An entity begins at B and S, at any tag but O behind O, E or S, and where the type changes; it ends behind E and S,
    and where the next word is outside or begins another one.

    Args:
        tags: One tag for each word, in any scheme.
    """
    found: list[Entity] = []
    start, before, kind = 0, OUTSIDE, ""
    for word, tag in enumerate([*tags, OUTSIDE]):
        prefix, its_kind = split_tag(tag)
        if before != OUTSIDE and (
            prefix == OUTSIDE or prefix in ("B", "S") or before in ("E", "S") or its_kind != kind
        ):
            found.append(Entity(start, word, kind))
            before = OUTSIDE
        if before == OUTSIDE:
            start = word
        before, kind = prefix, its_kind
    return found


def write_tags(found: Iterable[Entity], words: int, scheme: str) -> list[str]:
    """The tags of entities, one for each word.

    Args:
        found: The entities.
        words: How many words there are.
        scheme: `"IOB1"`, `"IOB2"`, `"BIOES"`, `"BILOU"`, `"IO"` or `"plain"`.

    Raises:
        ArgumentError: An entity has no words, lies outside, or overlaps another one.
    """
    tags = [OUTSIDE] * words
    last: Entity | None = None
    for entity in sorted(found):
        start, end, kind = entity
        if not 0 <= start < end <= words:
            raise ArgumentError(
                f"an entity from word {start} to {end} does not fit a sentence of {counted(words, 'word')}"
            )
        if last is not None and start < last.end:
            raise ArgumentError(f"{last} and {entity} overlap: a word can be in one entity only")
        begin, end_tag, single = "B", "I", "B"
        if scheme in ("IO", "plain"):
            begin = end_tag = single = "I"
        elif scheme == "IOB1" and not (last is not None and last.end == start and last.type == kind):
            begin = single = "I"
        elif scheme in ("BIOES", "BILOU"):
            end_tag, single = ("E", "S") if scheme == "BIOES" else ("L", "U")
        prefixes = [begin, *"I" * (end - start - 2), end_tag] if end - start > 1 else [single]
        tags[start:end] = [kind if scheme == "plain" else f"{prefix}-{kind}" for prefix in prefixes]
        last = entity
    return tags


def scheme_of(names: Iterable[str]) -> str:
    """The scheme that the names of tags are of. Those of IOB1 and IOB2 are the same: it says `"IOB2"`."""
    prefixes = {match[1] for name in names if (match := _PREFIX.fullmatch(name))}
    if prefixes & {"L", "U"}:
        return "BILOU"
    if prefixes & {"E", "S"}:
        return "BIOES"
    return "IOB2" if "B" in prefixes else "IO" if prefixes else "plain"


def entity_types(names: Iterable[str]) -> list[str]:
    """The entity types that the names of tags are of, in the order in which they first occur."""
    return list({split_tag(name)[1]: None for name in names if name != OUTSIDE})


def tag_names(types: Iterable[str], scheme: str = "IOB2") -> list[str]:
    """The names of all tags that entities of these types can have: O, then type by type."""
    prefixes = _SCHEMES.get(scheme)
    return [OUTSIDE, *(f"{p}-{t}" if prefixes else t for t in types for p in prefixes or [""])]


def check_tags(tags: Any, words: Sequence[str], names: Sequence[str]) -> list[str]:
    """The tags, if there is one for each word and each is known.

    Args:
        tags: What is to be checked.
        words: The words of the sentence.
        names: The names of all tags.

    Raises:
        ArgumentError: It is no list of tags, has another length, or an unknown tag; the message says which word.
    """
    if not isinstance(tags, list | tuple) or not all(isinstance(tag, str) for tag in tags):
        raise ArgumentError(
            f"{str(tags)[:80]!r} is no list of tags: expected one for each of {counted(len(words), 'word')}"
        )
    if len(tags) != len(words):
        sentence = " ".join(words)
        raise ArgumentError(
            f"{counted(len(tags), 'tag')} for {counted(len(words), 'word')}: "
            f"{sentence[:80] + '…' * (len(sentence) > 80)!r}; every word needs one tag"
        )
    for number, (word, tag) in enumerate(zip(words, tags, strict=True), start=1):
        if tag not in names:
            raise ArgumentError(
                f"{tag[:80]!r}, the tag of word {number} ({word[:40]!r}), is unknown; the tags are: "
                f"{joined_names(names)}"
                f"{look_alike_hint(tag, names)}"
            )
    return list(tags)


def f_of_entities(names: Sequence[str]) -> Callable[["np.ndarray", "np.ndarray"], float]:
    """F1 of whole entities by the rules of conlleval, for tags int[N, W] that are negative where there is no word.

    Args:
        names: The names of the tags.
    """

    def f_measure(found: "np.ndarray", right: "np.ndarray") -> float:
        pairs = []
        for tags in (found, right):
            rows = [[names[tag] for tag in row if tag >= 0] for row in tags.tolist()]
            pairs.append({(number, *entity) for number, row in enumerate(rows) for entity in entities(row)})
        total = len(pairs[0]) + len(pairs[1])
        return 2 * len(pairs[0] & pairs[1]) / total if total else 1.0

    return f_measure
