"""A loss for labels of which each is a probability for every class."""

from collections.abc import Mapping
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from datasets.table import InMemoryTable

from hfal.data.pool import Pool
from hfal.store.label_aggregation import posteriors
from hfal.store.run_info import RunPlan
from hfal.tasks.label_column import LABEL_COLUMNS
from hfal.training.class_weights import labels_of


def soft_labels(pool: Pool, view: datasets.Dataset, until: int | None) -> datasets.Dataset:
    """Return a labeled view with probabilities in the place of labels.

    Where several people have labeled an example and nobody has settled it, that is the posterior by the run's method;
    else 1 for the label, and 0 for the others.

    Args:
        pool: The pool; each text has one label.
        view: `pool.labeled_until(until)`.
        until: The number of the last answer; `None` for labels that nobody has given, as to try a training.
    """
    targets = np.eye(len(pool.label_names), dtype=np.float32)[labels_of(view)]
    if until is not None:
        store = pool.store
        method = (store.plan or RunPlan()).aggregate_labels
        known = posteriors(store.answers(until), store.kind, pool.label_names, method)
        for row, example_id in enumerate(pool.training_labels(until)):
            if example_id in known:
                targets[row] = known[example_id]
    name = next(name for name in LABEL_COLUMNS if name in view.column_names)
    table = view.with_format("arrow")[:]
    table = table.set_column(table.column_names.index(name), name, pa.array(list(targets), pa.list_(pa.float32())))
    features = datasets.Features({**view.features, name: datasets.List(datasets.Value("float32"))})
    kind = view.format
    return datasets.Dataset(InMemoryTable(table), datasets.DatasetInfo(features=features)).with_format(
        kind["type"], **kind["format_kwargs"]
    )


class SoftLoss:
    """Cross-entropy with probabilities as labels: a `compute_loss_func` for the Trainer.

    It takes labels that are numbers of classes, too, as an evaluation during the training has.

    Args:
        label_smoothing: As `label_smoothing_factor` of `TrainingArguments`, which the Trainer does not apply to a loss
            of ours.
    """

    def __init__(self, label_smoothing: float = 0.0):
        self.label_smoothing = label_smoothing

    def __call__(
        self, outputs: Mapping[str, Any], labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        """Return the sum over all examples by their number, of this batch or of all that one step accumulates."""
        logits = outputs["logits"].float()
        labels = labels.to(logits.device)
        are_soft = labels.ndim == 2
        items: torch.Tensor | float = (labels >= 0).sum() if num_items_in_batch is None else num_items_in_batch
        if are_soft:  # of which the Trainer counts each number as an item
            labels, items = labels.to(logits.dtype), items / labels.shape[1]
        total = torch.nn.functional.cross_entropy(
            logits, labels, reduction="sum", label_smoothing=self.label_smoothing
        )
        return total / items
