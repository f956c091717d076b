"""Find a column with labels that nothing reads, so that texts that have one are asked about again."""

import re
from collections.abc import Container, Iterator, Sequence

import datasets
import pyarrow.compute as pc

from hfal.tasks.label_column import LABEL_COLUMNS, label_values
from hfal.tasks.label_names import in_order, without_capitals
from hfal.tasks.spans import spans_in
from hfal.tasks.tag_column import is_list, is_spans
from hfal.tasks.tags import entity_types
from hfal.utils.arrow import cells_of, tables_of
from hfal.utils.output import get_logger


logger = get_logger(__name__)

_NAMES = (*LABEL_COLUMNS, "ner_tags")
_BETWEEN_LABELS = re.compile("[|;,]")
_MANY = 1_000  # different values; more are no labels


def unused_labels(
    dataset: datasets.Dataset, names: Sequence[str], used: Container[str | None]
) -> tuple[str, str] | None:
    """Return a column called as columns of labels are, with a label that it has; `None` if there is none.

    Args:
        dataset: The data set.
        names: The names of all labels. Capitals and blanks may differ; numbers may count them.
        used: The columns that have another use.
    """
    wanted = {without_capitals(name) for name in (*names, *entity_types(names))}
    counted = {str(number) for number in range(len(names))} | ({"false", "true"} if len(names) == 2 else set())
    for column in dataset.column_names:
        if column.strip().casefold() not in _NAMES or column in used:
            continue
        found = set(_values_in(dataset, column)) - {"", *({"-1"} - {*names})}
        if len(found) > _MANY:
            continue
        labels = {value for value in found if without_capitals(value) in wanted}
        if not labels and found <= counted:
            labels = found
        if labels:
            return column, in_order(labels)[0]
    return None


def warn_of_unused_labels(dataset: datasets.Dataset, names: Sequence[str], used: Container[str | None]) -> None:
    """Warn of what `unused_labels` finds in the data of a pool without a `label_column`."""
    if unused := unused_labels(dataset, names, used):
        column, label = unused
        logger.warning(
            "column %r has labels, such as %r, but is not used, and all texts are asked about: to have its labels "
            "read, pass label_column=%r",
            column,
            label,
            column,
        )


def _values_in(dataset: datasets.Dataset, column: str) -> Iterator[str]:
    """Yield the values of a column, those in its lists or of its spans, and the parts of `LOC | PER`."""
    feature = dataset.features[column]
    if is_spans(feature):
        for cells in cells_of(dataset, column):
            yield from (str(span["label"]) for cell in cells.to_pylist() for span in spans_in(cell) or ())
        return
    inner = feature.feature if is_list(feature) else feature
    if not isinstance(inner, datasets.Value | datasets.ClassLabel):
        return
    for table in tables_of(dataset, column):
        cells = table[column]
        flat = label_values(pc.list_flatten(cells) if is_list(feature) else cells)
        for value in pc.unique(flat).to_pylist():
            if value is None:
                continue
            if isinstance(inner, datasets.ClassLabel):
                if value >= 0:
                    yield inner.names[value]
            elif isinstance(value, str):
                yield value.strip()
                yield from map(str.strip, _BETWEEN_LABELS.split(value))
            else:
                yield str(value).lower()
