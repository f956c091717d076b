"""Infer the task from the types of a data set's columns."""

from collections.abc import Sequence

import datasets

from hfal.tasks.kinds import LabelSet, SingleLabel, Tags
from hfal.tasks.tag_column import are_tags, has_spans, is_list, is_spans


def infer_task(dataset: datasets.Dataset, text_columns: Sequence[str], label_column: str | None) -> str:
    """Return the task that columns are made for: words, spans or `B-PER` mean tags, other lists sets of labels."""
    if any(is_list(dataset.features[column]) for column in text_columns):
        return Tags.task
    labels = None if label_column is None else dataset.features[label_column]
    if label_column is not None:
        is_list_of_lists = is_list(getattr(labels, "feature", None))  # which may have other things in them
        if has_spans(dataset, label_column) if is_list_of_lists else is_spans(labels):
            return Tags.task
        if are_tags(dataset, label_column):  # beside a raw text, as hfal exports them
            return Tags.task
    return LabelSet.task if is_list(labels) else SingleLabel.task
