"""The tasks by name, and how one is made on a data set."""

from collections.abc import Callable, Mapping, Sequence

import datasets

from hfal.errors import ArgumentError
from hfal.tasks.base import Task
from hfal.tasks.infer import infer_task
from hfal.tasks.kinds import kind_of
from hfal.tasks.label_names import check_label_names
from hfal.tasks.multi_label_classification import MultiLabelClassification
from hfal.tasks.text_classification import TextClassification
from hfal.tasks.token_classification import TokenClassification


TASKS: dict[str, Callable[..., Task]] = {
    task.name: task for task in (TextClassification, MultiLabelClassification, TokenClassification)
}
"""The class of each task, by its name."""


def make_task(
    name: str | None,
    dataset: datasets.Dataset,
    text_columns: Sequence[str],
    label_column: str | None,
    label_names: Sequence[str] | None,
    thresholds: float | Mapping[str, float] | None = None,
) -> Task:
    """Return the task of a name, or the one that the columns are made for.

    Args:
        name: The name; `None` for what `hfal.tasks.infer.infer_task` says.
        dataset: The data.
        text_columns: Its columns with text.
        label_column: Its column with labels, if it has one.
        label_names: The names of the labels that the user gives, if any.
        thresholds: From which probability on a label is suggested, where several may be.

    Raises:
        ArgumentError: There is no such task, or the data or an argument does not fit it.
    """
    if name is not None and name not in TASKS:
        raise ArgumentError(f"task={name!r}, expected one of {', '.join(TASKS)}")
    if name is None:
        name = infer_task(dataset, text_columns, label_column)
    kind = kind_of(name)
    if thresholds is not None and not kind.has_thresholds:
        raise ArgumentError(f"thresholds={thresholds!r} is for multi-label classification, but this is {name}")
    more = [thresholds] if kind.has_thresholds else []
    task = TASKS[name](dataset, text_columns, label_column, label_names, *more)
    if kind.needs_names:
        column = "label_names" if label_names is not None else f"label_column={label_column!r}"
        check_label_names(task.label_names, kind.least_names, column)
    return task
