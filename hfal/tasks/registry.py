"""What differs between the tasks: how the data has labels, what a pass of the model says, what is suggested.

Text classification has one label for each text (or pair of texts), multi-label classification a set of labels, token
classification a tag for each word. Each is a class with the same methods, in a file of its own.
"""

from collections.abc import Mapping, Sequence

import datasets

from hfal.errors import ArgumentError
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.tasks.multi_label_classification import MultiLabelClassification
from hfal.tasks.tag_column import infer_task
from hfal.tasks.text_classification import TextClassification
from hfal.tasks.token_classification import TokenClassification


__all__ = [
    "LABEL_COLUMNS",
    "TASKS",
    "MultiLabelClassification",
    "Task",
    "TextClassification",
    "TokenClassification",
    "make_task",
]

TASKS = ("text_classification", "multi_label_classification", "token_classification")
Task = TextClassification | MultiLabelClassification | TokenClassification


def make_task(
    name: str | None,
    dataset: datasets.Dataset,
    text_columns: Sequence[str],
    label_column: str | None,
    label_names: Sequence[str] | None,
    thresholds: float | Mapping[str, float] | None = None,
) -> Task:
    """The task of a name, or the one that the columns are made for; see `hfal.tasks.tag_column.infer_task`.

    Raises:
        ArgumentError: There is no such task, or the data or an argument does not fit it.
    """
    if name is not None and name not in TASKS:
        raise ArgumentError(f"task={name!r}, expected one of {', '.join(TASKS)}")
    if name is None:
        name = infer_task(dataset, text_columns, label_column)
    if name == "multi_label_classification":
        return MultiLabelClassification(dataset, text_columns, label_column, label_names, thresholds)
    if thresholds is not None:
        raise ArgumentError(f"thresholds={thresholds!r} is for multi-label classification, but this is {name}")
    cls = TokenClassification if name == "token_classification" else TextClassification
    return cls(dataset, text_columns, label_column, label_names)
