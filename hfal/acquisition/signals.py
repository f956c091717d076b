"""The sources of a strategy's signals: the scoring pass, the labels, or embeddings made elsewhere."""

import os
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from hfal.acquisition.embeddings import sentence_embeddings
from hfal.data.pool import Pool
from hfal.data.references import absolute_reference
from hfal.errors import ArgumentError
from hfal.strategies import Signals
from hfal.strategies.selection import LABELED_SIGNALS
from hfal.utils.arrays import rows_of


_OWN_EMBEDDINGS = {"model": "embeddings", "entities": "entity_embeddings"}  # to the signal that the pass computes


class SignalSources:
    """The sources of one run's signals.

    Args:
        pool: The pool.
        embeddings: `"model"`, `"entities"`, a sentence-transformers model or its name, or an array float[N, D].
        embeddings_dir: Where embeddings of a sentence-transformers model are kept; in the run directory by default.

    Attributes:
        own: What the scoring pass calls the embeddings; `None` if they come from elsewhere.
        show_progress: Whether a bar is shown while another model embeds the texts (`Acquisition` asks it as well).

    Raises:
        ArgumentError: The embeddings do not fit the pool.
    """

    def __init__(self, pool: Pool, embeddings: Any, embeddings_dir: str | os.PathLike[str] | None = None):
        if isinstance(embeddings, str) and embeddings == "entities" and pool.task.words is None:
            raise ArgumentError("embeddings='entities' is for token classification: pass 'model' here")
        if isinstance(embeddings, np.ndarray) and (embeddings.ndim != 2 or len(embeddings) != len(pool)):
            raise ArgumentError(
                f"embeddings has the shape {list(embeddings.shape)}, expected a row of numbers for each of the "
                f"{len(pool)} examples of the pool"
            )
        self.pool = pool
        self.embeddings = embeddings
        self.embeddings_dir = embeddings_dir
        self.own = _OWN_EMBEDDINGS.get(embeddings) if isinstance(embeddings, str) else None
        self.show_progress = True

    @cached_property
    def embeddings_name(self) -> str:
        """The name of the embeddings in the record of a query."""
        if isinstance(self.embeddings, str | os.PathLike):
            name = os.fspath(self.embeddings)
            return name if name in _OWN_EMBEDDINGS else absolute_reference(name)
        if isinstance(self.embeddings, np.ndarray):
            return f"given, {self.embeddings.shape[1]} numbers each"
        name = getattr(self.embeddings.model_card_data, "base_model", None)
        return absolute_reference(name) if name else type(self.embeddings).__name__

    def in_pass(self, signal: str) -> str | None:
        """Return the name of a signal in the scoring pass; `None` if it comes from elsewhere."""
        signal = LABELED_SIGNALS.get(signal, signal)
        return self.own if signal == "embeddings" else None if signal == "labels" else signal

    def labeled_positions(self) -> np.ndarray:
        """Return the examples to train on, int64[n], in the order of their ids."""
        return self.pool.positions(sorted(self.pool.training_labels()))

    def known(
        self, needs: frozenset[str], positions: np.ndarray, arrays: Mapping[str, np.ndarray] | None = None
    ) -> Signals:
        """Return the signals of some names; called by the main process.

        Args:
            needs: Their names.
            positions: The candidates.
            arrays: What the pass gave for them and, behind them, for the labeled examples.
        """
        labeled = self.labeled_positions() if needs & {"labels", *LABELED_SIGNALS} else positions[:0]
        found = {}
        for name in needs:
            of_labeled, source = name in LABELED_SIGNALS, self.in_pass(name)
            if name == "labels":
                found[name] = self._labels_of(labeled)
            elif source is None:
                rows = labeled if of_labeled else positions
                found[name] = rows_of(self._sentence_embeddings, rows, self.pool.run_dir)
            elif arrays is not None:
                found[name] = arrays[source][len(positions) :] if of_labeled else arrays[source][: len(positions)]
        return Signals(len(positions), **found)

    @cached_property
    def _sentence_embeddings(self) -> np.ndarray:
        if isinstance(self.embeddings, np.ndarray):
            return self.embeddings
        return sentence_embeddings(self.pool, self.embeddings, self.show_progress, self.embeddings_dir)

    def _labels_of(self, positions: np.ndarray) -> np.ndarray:
        """Return the classes of labeled examples, int64[n]."""
        number = {name: number for number, name in enumerate(self.pool.label_names)}
        labels = self.pool.training_labels()
        return np.array([number[labels[self.pool.ids[int(row)].as_py()]] for row in positions], np.int64)
