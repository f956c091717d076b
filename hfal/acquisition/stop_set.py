"""The stop set: a fixed sample of the pool, and each round's predictions on it."""

import contextlib
from collections.abc import Mapping

import numpy as np

from hfal.data.pool import Pool
from hfal.stopping.stability import UNCERTAINTY, compare_predictions, pack, unpack
from hfal.store.store import Store
from hfal.tasks.base import Task
from hfal.utils.output import get_logger


logger = get_logger(__name__)

STOP_SET_SIZE = 1000
"""How many examples there are in a stop set, or as many as the pool has."""


def stop_set(pool: Pool, rng: np.random.Generator, seed: int) -> np.ndarray:
    """Return the rows of the stop set, int64[n]; draw it from the whole pool, labeled or not, when first needed.

    Args:
        pool: The pool, whose store keeps the ids.
        rng: Draws them.
        seed: What seeded `rng`, for the record.
    """
    kept = pool.store.stop_set()
    with contextlib.suppress(KeyError):
        if kept:
            return pool.positions(kept)
    if kept:
        logger.warning("examples of the stop set are gone from the data, so another one is drawn")
    ids = sorted(pool.ids.to_pylist())
    places = rng.choice(len(ids), min(STOP_SET_SIZE, len(ids)), replace=False)
    kept = [ids[place] for place in np.sort(places)]
    pool.store.set_stop_set(kept, seed)
    return pool.positions(kept)


def is_measured(store: Store, round_number: int) -> bool:
    """Return whether a round's predictions on the stop set are recorded."""
    record = store.round(round_number)
    return record is not None and record.stability is not None


def record_predictions(store: Store, task: Task, round_number: int, arrays: Mapping[str, np.ndarray]) -> None:
    """Record a round's predictions on the stop set, and how they differ from the round before.

    Args:
        store: The store of the run.
        task: What the predictions are of.
        round_number: The round.
        arrays: What a pass over the stop set gave for `task.prediction_signals`.
    """
    predictions, uncertainty = task.predictions(arrays)
    before = store.predictions(round_number - 1)
    figures = {} if before is None else compare_predictions(unpack(before), predictions, task.f_measure)
    store.record_stability(round_number, {**figures, UNCERTAINTY: uncertainty}, pack(predictions))
