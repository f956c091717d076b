"""Self-training: confident predictions on unlabeled examples as further training data, which counts less than labels.

Before a round trains, the last round's model has said of the unlabeled examples what their labels are, and how sure it
is of it. Some of those that it is sure of join the training set. None of it is an answer, and the store does not hear
of it: it is in `rounds/NNN/pseudo_labels.parquet`, for those who want to see it.

A label has to count more than a prediction, and the loss is the user's own. So it is the labels that are repeated: in
a training set with each label `1 / weight` times and each prediction once, the expected gradient of a batch is that of
the weighted loss, whatever the model, the loss and the Trainer are.
"""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hfal.errors import ArgumentError
from hfal.weights import round_folder


PREDICTION_SIGNALS = frozenset({"predictions", "confidences"})
"""What a scoring pass has to keep for it: two numbers for each example."""


@dataclass(frozen=True)
class SelfTraining:
    """How confident predictions join the training set.

    At most as many of each class are taken, at random, as make all of them together weigh no more than all labels:
    `labels / (weight * classes)`. The limit for each class is there because a class that the model finds often, or
    easy, would otherwise drown the others, all the more from round to round (Mukherjee & Awadallah, 2020; Xie et al.,
    2020); that both losses weigh the same is the usual choice (Sohn et al., 2020).

    Args:
        weight: What a prediction counts beside a label, between 0 and 1.
        threshold: From which probability on a prediction is one that the model is sure of.

    Raises:
        ArgumentError: A value is outside of its range.
    """

    weight: float
    threshold: float = 0.95

    def __post_init__(self) -> None:
        if not 0 < self.weight < 1:
            raise ArgumentError(f"self_training={self.weight}, expected a weight between 0 and 1, such as 0.5")
        if not 0 < self.threshold < 1:
            raise ArgumentError(
                f"self_training_threshold={self.threshold}, expected a probability between 0 and 1, such as 0.95"
            )


def confident(
    classes: np.ndarray, confidences: np.ndarray, threshold: float, most: int, rng: np.random.Generator
) -> np.ndarray:
    """The rows to take, int64[m] in ascending order: at random, at most `most` of each class.

    Args:
        classes: The class predicted for each example, int[N].
        confidences: The probability of it, float[N].
        threshold: The lowest confidence that will do.
        most: How many of each class.
        rng: For the choice among more.
    """
    sure = np.flatnonzero(confidences >= threshold)
    taken = [sure[:0]]
    for number in np.unique(classes[sure]):
        of_class = sure[classes[sure] == number]
        taken.append(rng.choice(of_class, min(most, len(of_class)), replace=False))
    return np.sort(np.concatenate(taken))


def repetitions(labels: int, weight: float, rng: np.random.Generator) -> np.ndarray:
    """How often each label is in the training set, int64[labels]: on average `1 / weight` times."""
    whole, part = divmod(1 / weight, 1)
    return int(whole) + (rng.random(labels) < part)


def predictions_path(run_dir: Path, round_number: int) -> Path:
    """Where the predictions of a round's model are until the next round is over."""
    return round_folder(run_dir, round_number) / "predictions.parquet"


def pseudo_labels_path(run_dir: Path, round_number: int) -> Path:
    """Where the predictions are that a round was trained on."""
    return round_folder(run_dir, round_number) / "pseudo_labels.parquet"


def write_predictions(path: Path, table: pa.Table) -> None:
    """Write predictions so that the file is there whole or not at all.

    Args:
        path: The file.
        table: Columns `id`, `label` (its name) and `confidence` (the model's probability for it).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    pq.write_table(table, part)
    os.replace(part, path)


def read_predictions(path: Path) -> pa.Table:
    """Read what `write_predictions` has written."""
    return pq.read_table(path)


def forget_predictions(run_dir: Path, round_number: int) -> None:
    """Remove the predictions that no later round needs: those of the rounds before this one, which is over."""
    for before in range(1, round_number):
        predictions_path(run_dir, before).unlink(missing_ok=True)
