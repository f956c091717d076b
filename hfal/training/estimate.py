"""An estimate of a linear head's metrics from the labels bought alone: cross-validation on a frozen encoder's vectors.

Nothing is held out. What the estimate is of are the texts that were labeled, and where a strategy picked these they
are no random sample: docs/training.md has how far it is from the truth then.
"""

import os
from functools import partial

import numpy as np
from transformers import EvalPrediction

from hfal.acquisition.queries import Acquisition
from hfal.data.checkpoints import check_encoder
from hfal.data.pool_examples import EMBEDDING, STATES
from hfal.errors import ArgumentError
from hfal.tasks.base import Task
from hfal.tasks.metrics import classification_metrics, entity_metrics, label_set_metrics
from hfal.tasks.tokenization import NO_WORD
from hfal.training.cross_validation import out_of_fold
from hfal.training.frozen_encoder import embeddings_of
from hfal.training.frozen_head import FrozenHead, check_tokenizer
from hfal.utils.distributed import on_main
from hfal.utils.output import get_logger


logger = get_logger(__name__)


def estimated_metrics(task: Task, logits: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> dict[str, float]:
    """Return the metrics of what `cross_validate` has returned, under the names of `Kind.estimates`.

    Args:
        task: The task of the pool.
        logits: float[n, C].
        labels: Classes int[n], or sets float[n, C] of 1 and 0.
        rows: int[n], the example that each belongs to, in ascending order.
    """
    names = task.label_names
    if task.kind.of_words:
        _, member, lengths = np.unique(rows, return_inverse=True, return_counts=True)
        place = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        tags = np.full((2, len(lengths), lengths.max()), NO_WORD)
        tags[:, member, place] = logits.argmax(axis=-1), labels
        found = entity_metrics(names)(EvalPrediction(*tags))
    elif task.kind.one_class:
        found = classification_metrics(EvalPrediction(logits, labels))
    else:
        found = label_set_metrics(names, task.thresholds)(EvalPrediction(logits, labels))
    return {name: found[of] for name, of in zip(task.kind.estimates, task.kind.estimated, strict=True)}


class Estimator:
    """Estimates, when a round ends, what a linear head on a frozen encoder reaches with the labels of the round.

    Args:
        acquisition: That of the run. Its `embeddings` are the encoder, or what it gave; where the rows of the pool
            have the outputs of a frozen encoder, it is these.

    Attributes:
        head: The head, whose inputs are the vectors; made when it is needed, unless somebody has set it before.

    Raises:
        ArgumentError: There is no frozen encoder, it does not fit the pool, or the task has nothing to estimate.
    """

    def __init__(self, acquisition: Acquisition):
        self.head: FrozenHead | None = None
        self._acquisition = acquisition
        pool, embeddings = acquisition.pool, acquisition.options.embeddings
        if not pool.task.kind.estimates:
            raise ArgumentError(f"estimate=True: {pool.task.name} has no list of labels to tell apart: leave it out")
        if self._has_vectors:
            return
        if acquisition.sources.own is not None:
            raise ArgumentError(
                f"estimate=True puts a head on a frozen encoder, but embeddings={embeddings!r} names none: pass the "
                "name or path of a sentence-transformers model, such as 'sentence-transformers/all-MiniLM-L6-v2', or "
                "an array"
            )
        if isinstance(embeddings, str | os.PathLike):
            check_encoder(os.fspath(embeddings), "--embeddings")
        if pool.task.kind.of_words:
            check_tokenizer(pool, embeddings)

    @property
    def _has_vectors(self) -> bool:
        """Whether the pool's rows have what a frozen encoder gave for them."""
        pool = self._acquisition.pool
        return (STATES if pool.task.kind.of_words else EMBEDDING) in pool.dataset.column_names

    def estimate(self, number: int) -> dict[str, float]:
        """Return the estimates of a round, by the names of `Kind.estimates`, on every process.

        A round has the same estimates whenever it is asked.

        Args:
            number: The round, which has begun.

        Returns:
            Empty if all its labels are the same.
        """
        # Not before the first training: somebody would wait for the first question. The pool may have grown since.
        if self.head is None or len(self.head.pool) < len(self._acquisition.pool):
            self.head = self._make_head()
        return on_main(partial(self._estimate, self.head, number))

    def _make_head(self) -> FrozenHead:
        pool, options = self._acquisition.pool, self._acquisition.options
        vectors = options.embeddings
        if self._has_vectors and not pool.task.kind.of_words:
            vectors = embeddings_of(pool.dataset)
        return FrozenHead(pool, vectors, options.embeddings_dir, self._acquisition.show_progress)

    def _estimate(self, head: FrozenHead, number: int) -> dict[str, float]:
        pool = self._acquisition.pool
        record = pool.store.round(number)
        assert record is not None, f"round {number} has not begun"
        rng = np.random.default_rng([self._acquisition.options.seed, 9, number])
        logits, labels, rows = out_of_fold(head, record.answers_seen, rng)
        if logits is None:
            logger.info("round %d: nothing is estimated, since all labels so far are the same", number)
            return {}
        return estimated_metrics(pool.task, logits, labels, rows)
