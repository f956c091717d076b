"""Self-training: confident predictions on unlabeled examples as further training data, which counts less than labels.

Before a round trains, the last round's model has said of the unlabeled examples what their labels are, and how sure it
is of it. Some of those that it is sure of join the training set. None of it is an answer, and the store does not hear
of it: it is in `rounds/NNN/pseudo_labels.parquet`, for those who want to see it.

A label has to count more than a prediction, and the loss is the user's own. So it is the labels that are repeated: in
a training set with each label `1 / weight` times and each prediction once, the expected gradient of a batch is that of
the weighted loss, whatever the model, the loss and the Trainer are.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.store.records import RoundRecord
from hfal.store.run_directory import predictions_file, pseudo_labels_file
from hfal.utils.files import atomic_write
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)

PREDICTION_SIGNALS = frozenset({"predictions", "confidences"})
"""What a scoring pass has to keep for it: two numbers for each example."""


@dataclass(frozen=True)
class SelfTraining:
    """The weight of pseudo-labels, and the confidence that a prediction needs to become one.

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
    classes: np.ndarray, confidences: np.ndarray, threshold: float, most: int, in_all: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the rows to take, int64[m], ascending: drawn at random, at most `most` of each class and `in_all`.

    Args:
        classes: The class predicted for each example, int[N].
        confidences: The probability of it, float[N].
        threshold: The lowest confidence that will do.
        most: How many of each class.
        in_all: How many of all classes.
        rng: For the choice among more.
    """
    sure = np.flatnonzero(confidences >= threshold)
    taken = [sure[:0]]
    for number in np.unique(classes[sure]):
        of_class = sure[classes[sure] == number]
        taken.append(rng.choice(of_class, min(most, len(of_class)), replace=False))
    rows = np.concatenate(taken)
    return np.sort(rows if len(rows) <= in_all else rng.choice(rows, in_all, replace=False))


def repetitions(labels: int, weight: float, rng: np.random.Generator) -> np.ndarray:
    """Return how often each label is in the training set, int64[labels]: on average `1 / weight` times."""
    whole, part = divmod(1 / weight, 1)
    return int(whole) + (rng.random(labels) < part)


def keep_predictions(pool: Pool, round_number: int, positions: np.ndarray, arrays: Mapping[str, np.ndarray]) -> None:
    """Write a round's predictions on unlabeled examples to a file, for the next round.

    Args:
        pool: The pool.
        round_number: The round.
        positions: The examples, int64[n].
        arrays: `PREDICTION_SIGNALS` as a pass gives them; its first rows are those of these examples.
    """
    classes = arrays["predictions"][: len(positions)].astype(np.int64)
    table = {
        "id": pool.ids.take(pa.array(positions)),
        "label": pa.array(pool.label_names).take(pa.array(classes)),
        "confidence": arrays["confidences"][: len(positions)],
    }
    _write(predictions_file(pool.run_dir, round_number), pa.table(table))


def pseudo_labels(
    pool: Pool, settings: SelfTraining, record: RoundRecord, rng: np.random.Generator
) -> tuple[dict[str, str], np.ndarray]:
    """Choose a round's pseudo-labels, write them to a file, and return them with the repetitions of each label.

    Args:
        pool: The pool.
        settings: How much such a label counts, and from which confidence on.
        record: The round; `keep_predictions` has kept what the model of the one before says.
        rng: For the choice among more than are taken.

    Returns:
        Label names by id, in the order of the ids, and int64[labels].
    """
    table = pq.read_table(predictions_file(pool.run_dir, record.number - 1)).sort_by("id")
    free = pool.ids.take(pa.array(pool.unanswered_positions(record.answers_seen)))
    table = table.filter(pc.is_in(table["id"], value_set=free))
    classes = pc.index_in(table["label"], value_set=pa.array(pool.label_names)).to_numpy()
    labels = len(pool.training_labels(record.answers_seen))
    in_all = int(labels / settings.weight)
    most = max(in_all // len(pool.label_names), 1)
    taken = confident(classes, table["confidence"].to_numpy(), settings.threshold, most, in_all, rng)
    table = table.take(pa.array(taken))
    _write(pseudo_labels_file(pool.run_dir, record.number), table)
    joining = counted(len(table), "confident prediction joins", "confident predictions join")
    logger.info("round %d: %s %s", record.number, joining, counted(labels, "label"))
    found = dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))
    return found, repetitions(labels, settings.weight, rng) if found else np.ones(labels, np.int64)


def forget_predictions(run_dir: Path, round_number: int) -> None:
    """Remove the predictions of the rounds before this one, which is over: no later round needs them."""
    for before in range(1, round_number):
        predictions_file(run_dir, before).unlink(missing_ok=True)


def _write(path: Path, table: pa.Table) -> None:
    """Write a table so that the file is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        pq.write_table(table, part)
