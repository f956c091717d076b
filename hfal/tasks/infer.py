"""Infer the task from the types of a data set's columns."""

from collections.abc import Sequence

import datasets

from hfal.tasks.kinds import LabelSet, SingleLabel, Tags
from hfal.tasks.tag_column import are_tags, is_list, is_spans


def infer_task(dataset: datasets.Dataset, text_columns: Sequence[str], label_column: str | None) -> str:
    """Return the task that columns are made for: words, spans or `B-PER` mean tags, other lists sets of labels."""
    labels = None if label_column is None else dataset.features[label_column]
    if is_spans(labels) or any(is_list(dataset.features[column]) for column in text_columns):
        return Tags.task
    if label_column is not None and are_tags(dataset, label_column):  # beside a raw text, as hfal exports them
        return Tags.task
    return LabelSet.task if is_list(labels) else SingleLabel.task
