"""Count the words of sentences, and read the column with their tags or spans. Read as Arrow, not word by word.

The column of labels has either one tag for each word (`List(ClassLabel)`, integers or strings) or character spans of
a raw text, in one of the forms of `hfal.tasks.spans.spans_in`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import ArgumentError, RowError
from hfal.tasks.label_names import given_names, look_alike_hint, warn_of_capitals
from hfal.tasks.source import HOW_TO_FILL_IN, Source, SourceWithLabels, check_of_one_type, warn_of_empty_lists
from hfal.tasks.spans import key_around_spans, span_keys, spans_in, tags_from_spans
from hfal.tasks.tags import OUTSIDE, entity_types, scheme_of, split_tag, tag_names
from hfal.tasks.words import plain_text, word_offsets
from hfal.utils.arrow import ROWS_AT_A_TIME, cells_of
from hfal.utils.spelling import counted, joined_names


_HOW_TO_DROP = (
    "drop such rows: dataset = dataset.filter(lambda row: row[{column!r}] and "
    "hfal.tasks.words.words_of(row[{column!r}]))"
)


@dataclass(frozen=True)
class TagColumn:
    """The tags of all sentences, one after the other.

    Attributes:
        names: The names of all tags.
        indices: Of the tag of each word, int16[W]; -1 in sentences without tags.
        offsets: Where the words of each sentence begin, int64[N + 1].
        given: Whether a sentence has tags, bool[N].
    """

    names: tuple[str, ...]
    indices: np.ndarray
    offsets: np.ndarray
    given: np.ndarray

    def of(self, row: int) -> list[str] | None:
        """The tags of one sentence, or `None`."""
        if not self.given[row]:
            return None
        return [self.names[i] for i in self.indices[self.offsets[row] : self.offsets[row + 1]]]

    @property
    def scheme(self) -> str:
        """The scheme in which entities are written here.

        IOB1 and IOB2 have the same tags; it is IOB1 if an entity begins with I, and none with B but behind another of
        its type.
        """
        scheme = scheme_of(self.names)
        if scheme != "IOB2" or not len(self.indices):
            return scheme
        prefixes = np.array([*(ord(split_tag(name)[0]) for name in self.names), ord(OUTSIDE)], np.uint8)
        kinds = entity_types(self.names)
        types = np.array([*(-1 if n == OUTSIDE else kinds.index(split_tag(n)[1]) for n in self.names), -1])
        prefix, kind = prefixes[self.indices], types[self.indices]
        follows = np.zeros(len(prefix), bool)  # another word of the same type
        follows[1:] = (prefix[:-1] != ord(OUTSIDE)) & (prefix[1:] != ord(OUTSIDE)) & (kind[1:] == kind[:-1])
        follows[self.offsets[:-1][self.offsets[:-1] < len(follows)]] = False
        begins_with_i = (prefix == ord("I")) & ~follows
        begins_with_b = (prefix == ord("B")) & ~follows
        return "IOB1" if begins_with_i.any() and not begins_with_b.any() else "IOB2"


def is_spans(feature: Any) -> bool:
    """Whether a column of labels holds character spans, in one of the forms of `spans_in`."""
    inner = _inner(feature)
    if isinstance(inner, dict):
        return span_keys(inner) is not None
    if isinstance(feature, dict):  # a Sequence of mappings, which is kept as lists, or spans under a name
        around = key_around_spans(feature)
        keys = span_keys(feature)
        return is_spans(feature[around]) if keys is None and around else bool(keys and is_list(feature[keys[0]]))
    return "string" in getattr(_inner(inner), "dtype", "")  # [start, end, label], which JSON gives as strings


def has_spans(dataset: datasets.Dataset, column: str) -> bool:
    """Whether a column holds spans beyond doubt, and not just lists of lists."""
    if not is_spans(dataset.features[column]):
        return False
    first = next(cells_of(dataset, column)).to_pylist()
    spans = next((found for cell in first if (found := spans_in(cell))), [])
    return bool(spans) and all(type(span["start"]) is type(span["end"]) is int for span in spans)


def are_tags(dataset: datasets.Dataset, column: str) -> bool:
    """Whether lists of names can only be tags of words: `O`, and else nothing without a prefix (`B-PER`)."""
    inner = _inner(dataset.features[column])
    if isinstance(inner, datasets.ClassLabel):
        names = set(inner.names)
    elif "string" in getattr(inner, "dtype", ""):
        names = {*pc.unique(_flat(next(cells_of(dataset, column)))).to_pylist()} - {None}
    else:
        return False
    return OUTSIDE in names and len(names) > 1 and all(n == OUTSIDE or split_tag(n) != ("I", n) for n in names)


def _inner(feature: Any) -> Any:
    return feature.feature if is_list(feature) else None


def is_list(feature: Any) -> bool:
    """Whether a column holds lists."""
    return isinstance(feature, datasets.List | datasets.LargeList)


def count_words(dataset: datasets.Dataset, column: str, how: str = _HOW_TO_DROP) -> np.ndarray:
    """The number of words of each sentence, int32[N].

    Args:
        dataset: The data set.
        column: Its column with the sentences.
        how: What to do about sentences without words, for a message.

    Raises:
        RowError: Sentences are missing, have no words, or have a missing word.
    """
    counts, missing = _word_counts(dataset, column)
    if blank := np.flatnonzero(counts == 0).tolist():
        raise RowError(blank[0], f"no words in column {column!r}: {how.format(column=column)}", blank)
    if missing:
        raise RowError(missing[0], f"a word in column {column!r} is missing (None): fill it in, or drop it", missing)
    return counts


def blank_sentences(source: Source) -> dict[int, str]:
    """Return the rows without a sentence, or with one without words, each with its column."""
    (column,) = source.text[:1]
    return dict.fromkeys(np.flatnonzero(_word_counts(source.data, column)[0] == 0).tolist(), column)


def _word_counts(dataset: datasets.Dataset, column: str) -> tuple[np.ndarray, list[int]]:
    """The number of words of each sentence, 0 where there is none; and the rows in which a word is missing."""
    counts, missing = np.empty(len(dataset), np.int32), list[int]()
    row = 0
    for cells in cells_of(dataset, column):
        if is_text_type(cells.type):
            found = np.array([len(word_offsets(text or "")) for text in cells.to_pylist()], np.int32)
        else:
            found = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False)
            words = cells.flatten()
            places = pc.unique(pc.list_parent_indices(cells).filter(words.is_null()))
            missing += [row + place for place in places.to_pylist()]
        counts[row : row + len(found)] = found
        row += len(found)
    return counts, missing


def tag_names_of(dataset: datasets.Dataset, column: str | None, names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of all tags: those given, else those that the column's feature, or its values, mean.

    Names of entity types (`PER`) stand for their tags (`O`, `B-PER`, `I-PER`), in the scheme that the column has.

    Raises:
        ArgumentError: There is no way to know them, or column and names contradict each other.
    """
    names = None if names is None else list(given_names(names))
    column = _column_with_labels(dataset, column)
    if column is None:
        if names is None:
            raise ArgumentError(
                "label_names is missing: without a label_column the pool cannot know the entity types (PER, ORG, ...)"
            )
        return tuple(_with_prefixes(names, "IOB2"))
    feature = dataset.features[column]
    if is_spans(feature):
        if names is not None:
            return tuple(_with_prefixes(names, "IOB2"))
        class_names = _class_names(feature)
        if class_names is not None:
            return tuple(tag_names(class_names))
        types = sorted({span["label"] for spans in _spans(dataset, column, None) for span in spans or ()})
        warn_of_capitals(types, f"column {column!r}")
        return tuple(tag_names(types))
    if not is_list(feature):
        raise ArgumentError(
            f"label_column={column!r} holds {feature}, expected a list with a tag for each word, or with character "
            "spans (start, end, label)"
        )
    inner = feature.feature
    if isinstance(inner, datasets.ClassLabel):
        if names is not None and names not in (list(inner.names), entity_types(inner.names)):
            raise ArgumentError(
                f"label_names={names!r} differ from the names of column {column!r}: {inner.names!r}; "
                "leave label_names out"
            )
        return tuple(inner.names)
    values: set[Any] = set()
    for cells in cells_of(dataset, column):
        values.update(pc.unique(_flat(cells)).to_pylist())
    values -= {None, -1}
    if all(isinstance(v, str) for v in values) and (values or names):
        scheme = scheme_of(values) if values else "IOB2"
        if names is None:
            types = sorted(entity_types(values))
            warn_of_capitals(types, f"column {column!r}")
            names = tag_names(types, scheme)
            return tuple(names if OUTSIDE in values or scheme != "plain" else types)  # parts of speech have no O
        return tuple(names if values & set(names) - {OUTSIDE} else _with_prefixes(names, scheme))
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        if names is None:
            raise ArgumentError(
                f"label_names is missing: column {column!r} numbers its tags; name them all in order (O, B-PER, ...)"
            )
        return tuple(names)
    raise ArgumentError(f"label_column={column!r} holds {feature}, expected lists of ClassLabel, integers or strings")


def _with_prefixes(names: Sequence[str], scheme: str) -> list[str]:
    """The names of tags, where those of entity types were given; a type may look like a tag (`E-mail`), not all do."""
    plain = [name for name in names if split_tag(name) == ("I", name)]
    if plain and OUTSIDE not in names and any(name.startswith(("B-", "I-")) for name in names):
        raise ArgumentError(
            f"label_names={list(names)!r} mix tags and types: name either the types of entities (PER) or all tags (O, "
            "B-PER, I-PER)"
        )
    are_types = OUTSIDE not in names and bool(plain)
    return tag_names(names, "IOB2" if scheme == "plain" else scheme) if are_types else list(names)


def read_tags(
    dataset: datasets.Dataset,
    text_column: str,
    column: str | None,
    names: Sequence[str],
    counts: np.ndarray,
    may_be_counted: bool = True,
) -> TagColumn:
    """The tags of all sentences.

    Args:
        dataset: The data set.
        text_column: Its column with the sentences.
        column: Its column with tags or spans, if it has one. `None`, an empty list of tags, and nothing but -1 mean
            that there are none yet.
        names: The names of all tags.
        counts: The number of words of each sentence, int32[N].
        may_be_counted: Whether somebody has put the names in their order, so that numbers may count them.

    Raises:
        ArgumentError: The tags are numbers, and nothing says which tag each of them is.
        RowError: A sentence has more or fewer tags than words, an unknown tag, or a span that does not fit.
    """
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    indices = np.full(offsets[-1], -1, np.int16)
    given = np.zeros(len(counts), bool)
    column = _column_with_labels(dataset, column)
    if column is None:
        return TagColumn(tuple(names), indices, offsets, given)
    feature = dataset.features[column]
    inner = _inner(feature)
    if not may_be_counted and isinstance(inner, datasets.Value) and "int" in inner.dtype:
        raise ArgumentError(
            f"column {column!r} has numbers here, and nothing says which of the tags {joined_names(names)} each of "
            "them is: write the tags, or name them all in their order"
        )
    row = 0
    blocks = _spans_as_tags(dataset, text_column, column, names) if is_spans(feature) else cells_of(dataset, column)
    for cells in blocks:
        lengths = pc.fill_null(pc.list_value_length(cells), 0).to_numpy(zero_copy_only=False).astype(np.int64)
        flat, unknown = _indices(_flat(cells), names)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        has_tag = np.concatenate([[0], np.cumsum(flat >= 0)])
        has = has_tag[starts[1:]] > has_tag[starts[:-1]]
        if unknown.any():
            has |= np.isin(np.arange(len(lengths)), np.searchsorted(starts, np.flatnonzero(unknown), "right") - 1)
        wrong = np.flatnonzero(has & (lengths != counts[row : row + len(lengths)]))
        if len(wrong):
            place = int(wrong[0])
            raise RowError(
                row + place,
                f"{counted(lengths[place], 'tag')} in column {column!r} for {counted(counts[row + place], 'word')}: "
                f"{_sentence(dataset, text_column, row + place)}; every word needs one tag",
            )
        bad = np.flatnonzero((flat < 0) & np.repeat(has, lengths))
        if len(bad):
            place = int(np.searchsorted(starts, bad[0], "right") - 1)
            word = int(bad[0] - starts[place])
            value = cells.flatten()[int(bad[0])].as_py()
            hint = "; -100 is for tokens: pass the tags of words" if value == -100 else ""
            raise RowError(
                row + place,
                f"word {word + 1} of {_sentence(dataset, text_column, row + place)} has the tag "
                f"{value!r} in column {column!r}, which is outside label_names: {joined_names(names)}{hint}"
                f"{look_alike_hint(value, names)}",
            )
        places = np.repeat(has, lengths)
        target = np.repeat(has, counts[row : row + len(lengths)])
        indices[offsets[row] : offsets[row + len(lengths)]][target] = flat[places]
        given[row : row + len(lengths)] = has
        row += len(lengths)
    return TagColumn(tuple(names), indices, offsets, given)


def _indices(flat: pa.Array, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Indices into `names`, -1 for none; and where there is a value that is none of them."""
    if pa.types.is_integer(flat.type):
        numbers = pc.fill_null(flat, -1).to_numpy(zero_copy_only=False).astype(np.int64)
        unknown = (numbers < -1) | (numbers >= len(names))
        return np.where(unknown, -1, numbers), unknown
    found = pc.fill_null(pc.index_in(flat, value_set=pa.array(names, pa.string())), -1)
    indices = found.to_numpy(zero_copy_only=False).astype(np.int64)
    return indices, (indices < 0) & pc.is_valid(flat).to_numpy(zero_copy_only=False)


def _spans_as_tags(
    dataset: datasets.Dataset, text_column: str, column: str, names: Sequence[str]
) -> Iterator[pa.ListArray]:
    """A column of spans as one of tags, block by block; no spans at all (`None`) stay none."""
    scheme = scheme_of(names)
    tags: list[list[str] | None] = []
    texts = (text for cells in cells_of(dataset, text_column) for text in cells.to_pylist())
    for row, (text, spans) in enumerate(zip(texts, _spans(dataset, column, names), strict=True)):
        if not isinstance(text, str):
            raise ArgumentError(f"label_column={column!r} holds spans, which need a raw text in {text_column!r}")
        try:
            tags.append(None if spans is None else tags_from_spans(text, spans, scheme))
        except ArgumentError as error:
            raise RowError(row, f"{error}; the text is {text[:80] + '…' * (len(text) > 80)!r}") from None
        if len(tags) == ROWS_AT_A_TIME:
            yield pa.array(tags, pa.list_(pa.string()))
            tags = []
    yield pa.array(tags, pa.list_(pa.string()))


def _spans(
    dataset: datasets.Dataset, column: str, names: Sequence[str] | None
) -> Iterator[list[dict[str, Any]] | None]:
    """The spans of each row, with their label as a name."""
    class_names = _class_names(dataset.features[column])
    types = None if names is None else set(entity_types(names))
    row = 0
    for cells in cells_of(dataset, column):
        for cell in cells.to_pylist():
            spans = None if cell is None else spans_in(cell)
            if cell is not None and spans is None and not _is_blank(cell):
                raise RowError(
                    row, f"{str(cell)[:100]!r} in column {column!r} is no list of spans [start, end, label]"
                )
            for span in spans or ():
                label = span["label"]
                if label in (None, -1, ""):
                    raise RowError(row, f"a span in column {column!r} has no label")
                if class_names is not None:
                    span["label"] = label = class_names[label]
                if not isinstance(label, str):
                    raise RowError(
                        row,
                        f"the span {span['start']} to {span['end']} in column {column!r} has the label {label!r}, "
                        "expected one name",
                    )
                if types is not None and label not in types:
                    raise RowError(
                        row,
                        f"the span {span['start']} to {span['end']} has the label {label!r}, expected one of "
                        f"{joined_names(sorted(types))}{look_alike_hint(label, sorted(types))}",
                    )
            yield spans
            row += 1


def _is_blank(cell: Any) -> bool:
    """Whether a mapping has nothing in it, which is what Arrow makes of `None` in its place."""
    return isinstance(cell, dict) and all(value is None for value in cell.values())


def _class_names(feature: Any) -> list[str] | None:
    """The names of the labels of spans, where these are a `ClassLabel`."""
    mapping = feature if isinstance(feature, dict) else _inner(feature)
    if not isinstance(mapping, dict):
        return None
    keys, around = span_keys(mapping), key_around_spans(mapping)
    if keys is None:
        return None if around is None else _class_names(mapping[around])
    label = mapping[keys[2]]
    label = label.feature if is_list(label) else label
    return list(label.names) if isinstance(label, datasets.ClassLabel) else None


def _column_with_labels(dataset: datasets.Dataset, column: str | None) -> str | None:
    """A column of labels, if any row can have one."""
    return None if column is None or dataset.features[column] == datasets.Value("null") else column


def is_text_type(kind: pa.DataType) -> bool:
    """Whether Arrow keeps strings in such a column."""
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _flat(cells: pa.Array) -> pa.Array:
    """The elements of all lists; strings in the one of their types that Arrow can compare."""
    flat = cells.flatten()
    return flat.cast(pa.string()) if is_text_type(flat.type) or pa.types.is_null(flat.type) else flat


def _sentence(dataset: datasets.Dataset, column: str, row: int) -> str:
    shown = plain_text(dataset[row][column])
    return repr(shown[:80] + "…" * (len(shown) > 80))


# -- what a user names on the command line -------------------------------------------------------------------------


def read_sentence_column(source: Source) -> SourceWithLabels:
    """Find sentences without words, tags that do not fit their words, and spans that do not fit their text.

    Returns:
        The rows as they are; the names are those of all tags.

    Raises:
        ArgumentError: There are some; the message names the row.
    """
    data, text, label = source.data, source.text, source.label
    if len(text) != 1:
        raise ArgumentError(f"--text is {','.join(text)}: to tag words it takes one column with sentences")
    check_of_one_type(source)
    if label is None and source.names is None:
        hint = " (--label ner_tags)" if "ner_tags" in data.column_names else ""
        raise ArgumentError(
            f"--labels is missing: name the types of entities (PER,ORG,LOC), or the column with tags or spans by "
            f"--label{hint}"
        )
    try:
        names = tag_names_of(data, label, source.names)
        words = count_words(data, text[0], HOW_TO_FILL_IN)
        tags = read_tags(data, text[0], label, names, words, source.may_be_counted)
    except RowError as error:
        raise source.at_row(error) from None
    if len(names) < 2:
        raise ArgumentError(f"{source.reference} has no entities: name their types, --labels PER,ORG,LOC")
    if label is not None and is_spans(data.features[label]):
        are_marked = tags.indices != names.index(OUTSIDE)
        is_empty = ~np.logical_or.reduceat(are_marked, tags.offsets[:-1])
        warn_of_empty_lists(source, tags.given, tags.given & is_empty, "no entity")
    return SourceWithLabels(data, list(names), tags.given)
