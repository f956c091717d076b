"""Check a pool against the run directory that it is opened in."""

import logging
import shlex
import time
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.errors import RunDirectoryError
from hfal.store.records import DATASET, Answer
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from hfal.tasks.spans import plain_text
from hfal.utils.arrow import ROWS_AT_A_TIME
from hfal.utils.distributed import is_main, rank_and_size


if TYPE_CHECKING:
    from hfal.data.pool import Pool

logger = logging.getLogger(__name__)

_PATIENCE = 60  # seconds, of the other processes for the main one


def open_store(pool: "Pool") -> Store:
    """Open the store of a pool: for writing on the main process, and for reading on the others once it has done so.

    Raises:
        RunDirectoryError: The main process has opened another pool, or none within a minute.
    """
    if is_main():
        return Store(pool.run_dir)
    store = Store(pool.run_dir, read_only=True, wait=_PATIENCE)
    deadline = time.monotonic() + _PATIENCE
    while store.pool_fingerprint != pool.fingerprint:
        if time.monotonic() > deadline:
            raise RunDirectoryError(
                f"the main process has not opened this pool in {pool.run_dir} within {_PATIENCE} s: every process "
                "has to load, filter and shuffle the data in the same way, and to see the same run_dir"
            )
        time.sleep(0.05)
    return store


def check_run_directory(pool: "Pool") -> None:
    """Check a pool against its run directory, and record the run's task, label names and given labels there.

    Raises:
        RunDirectoryError: The run is of another task, other data or other label names.
    """
    store = pool.store
    info = store.info
    if info.task is not None and info.task != pool.task.name:
        raise RunDirectoryError(
            f"the run in {pool.run_dir} is one of {info.task}, the pool of {pool.task.name}: pass another run_dir"
        )
    _check_texts(pool)
    if info.label_names and info.label_names != tuple(pool.label_names):
        raise RunDirectoryError(
            f"label names are {', '.join(pool.label_names)}, but the run in {pool.run_dir} began with "
            f"{', '.join(info.label_names)}: pass the same label_names in the same order, or another run_dir"
        )
    if info.task is None and not info.label_names:
        hidden = bool(pool.task.given().all())
        info = RunInfo(pool.task.name, pool.task.scheme, tuple(pool.label_names), hidden)
        with store.own():
            store.set_info(info)
    if info.labels_are_hidden:
        logger.info("every example has a label: they stay hidden until a SimulatedAnnotator reveals them")
    else:
        _record_given_labels(pool)
    if rank_and_size()[1] > 1 and store.pool_fingerprint != pool.fingerprint:
        with store.own():
            store.set_pool_fingerprint(pool.fingerprint)  # for which the others wait


def _check_texts(pool: "Pool") -> None:
    """Check that every queried or labeled example is in the pool, with the text that it had."""
    recorded = pool.store.contents()
    if not recorded:
        return
    positions = pc.index_in(pa.array(list(recorded), pa.string()), value_set=pool.ids)
    found = dict(zip(recorded, positions.to_pylist(), strict=True))
    gone = [i for i, position in found.items() if position is None]
    if len(gone) == len(recorded):
        raise RunDirectoryError(
            f"run_dir {pool.run_dir} belongs to another pool: none of the {len(recorded)} examples that were "
            "queried or labeled there is in this dataset; pass that run's data or another run_dir"
        )
    edited = [i for i, p in found.items() if p is not None and recorded[i] != pool.content(p)]
    if gone or edited:
        texts = pool.store.texts([*gone, *edited][0]).values()
        asked = " | ".join(map(plain_text, texts))
        raise RunDirectoryError(
            f"{len(gone)} examples that were queried or labeled in {pool.run_dir} are gone from the dataset "
            f"and {len(edited)} have another text than then (ids {', '.join([*gone, *edited][:5])}; the first "
            f"was {asked[:80] + '…' * (len(asked) > 80)!r}): their labels may no longer be true. Put them "
            "back; or start anew with another run_dir, and keep what was labeled with "
            f"`hfal export {shlex.quote(str(pool.run_dir))} --to labels.csv`. Rows may be reordered and "
            "appended at any time"
        )


def _record_given_labels(pool: "Pool") -> None:
    """Record the labels that came with the data, but for those of examples that have an answer."""
    held = pool.store.current_answers()
    known = {*held, *(answer.example_id for answer in pool.store.answers() if answer.annotator == DATASET)}
    labeled = [int(row) for row in np.flatnonzero(pool.task.given())]
    rows = [row for row in labeled if pool.ids[row].as_py() not in known]
    names = {row: held[pool.ids[row].as_py()].label for row in labeled if pool.ids[row].as_py() in held}
    contradicted = [row for row, name in names.items() if name not in (None, pool.task.label_at(row))]
    if contradicted:
        logger.warning(
            "%d examples have another label in column %r than the run has recorded (ids %s): what was recorded "
            "first holds; Pool.record, or an answer in the terminal, can correct it",
            len(contradicted),
            pool.label_column,
            pool.some_ids(contradicted),
        )
    if rows:
        with pool.store.own():
            pool.store.record_given(
                (Answer(pool.ids[row].as_py(), pool.task.label_at(row), annotator=DATASET), pool.content(row), texts)
                for start in range(0, len(rows), ROWS_AT_A_TIME)
                for row, texts in zip(
                    rows[start : start + ROWS_AT_A_TIME],
                    pool.texts(rows[start : start + ROWS_AT_A_TIME]),
                    strict=True,
                )
            )
        logger.info("%d examples of the pool came with a label", len(rows))
