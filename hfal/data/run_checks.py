"""Check a pool against the run directory that it is opened in."""

import shlex
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.data.identity import Examples
from hfal.errors import RunDirectoryError
from hfal.store.records import DATASET, Answer
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from hfal.tasks.base import Task
from hfal.tasks.words import plain_text
from hfal.utils.arrow import ROWS_AT_A_TIME
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted, joined_names


logger = get_logger(__name__)

_PATIENCE = 60  # seconds, of the other processes for the main one


def check_run_directory(store: Store, examples: Examples, task: Task, label_column: str | None) -> None:
    """Check a pool against its run directory, and record the run's task, label names and given labels there.

    Where nothing has been asked, as after a start that was refused, the run begins anew with this pool.

    Args:
        store: The run's store.
        examples: The ids and texts of the pool.
        task: The task of the pool.
        label_column: The column of the given labels, for messages.

    Raises:
        RunDirectoryError: The run is of another task, other data or other label names.
    """
    info, has_begun = store.info, store.has_begun
    if has_begun:
        _check_run(store, info, examples, task)
    # A process that died here may have written the task alone.
    if not has_begun or info.task is None or (task.label_names and not info.label_names):
        new = RunInfo(task.name, task.scheme, tuple(task.label_names), bool(task.given().all()))
        if not has_begun and not _are_given(store, new, examples, task):
            with store.own():
                store.begin_anew(new)
        elif new != info:
            with store.own():
                store.set_info(new)
        info = new
    if info.labels_are_hidden:
        logger.info("every example has a label: they stay hidden until a SimulatedAnnotator reveals them")
    else:
        _record_given_labels(store, examples, task, label_column)


def _check_run(store: Store, info: RunInfo, examples: Examples, task: Task) -> None:
    """Check that a run that has asked is of this pool."""
    if info.task is not None and info.task != task.name:
        raise RunDirectoryError(
            f"the run in {store.run_dir} is one of {info.task}, the pool of {task.name}: pass another run_dir"
        )
    _check_texts(store, examples)
    if info.label_names and info.label_names != tuple(task.label_names):
        were_numbers = all(name.lstrip("-").isdecimal() for name in info.label_names)
        older = " (older versions of hfal counted numbers from 0, or put 10 before 2)" if were_numbers else ""
        raise RunDirectoryError(
            f"label names are {joined_names(task.label_names)}, but the run in {store.run_dir} began with "
            f"{joined_names(info.label_names)}: pass label_names={list(info.label_names)!r}, or "
            f"another run_dir (on the command line --labels and --output_dir){older}"
        )


def _are_given(store: Store, info: RunInfo, examples: Examples, task: Task) -> bool:
    """Whether the data gives all labels that were recorded as given, and does not hide them now."""
    contents, answers = store.contents(), store.answers()
    positions = pc.index_in(pa.array(list(contents), pa.string()), value_set=examples.ids)
    rows = dict(zip(contents, positions.to_pylist(), strict=True))
    return not answers or (
        not info.labels_are_hidden
        and all(
            (row := rows[answer.example_id]) is not None
            and contents[answer.example_id] == examples.content(row)
            and answer.label == task.label_at(row)
            for answer in answers
        )
    )


def _check_texts(store: Store, examples: Examples) -> None:
    """Check that every queried or labeled example is in the pool, with the text that it had."""
    recorded = store.contents()
    for example in store.added_examples():  # they are in no data set of the user's
        recorded.pop(example.example_id, None)
    if not recorded:
        return
    positions = pc.index_in(pa.array(list(recorded), pa.string()), value_set=examples.ids)
    found = dict(zip(recorded, positions.to_pylist(), strict=True))
    gone = [i for i, position in found.items() if position is None]
    if len(gone) == len(recorded):
        raise RunDirectoryError(
            f"run_dir {store.run_dir} belongs to another pool: none of the {len(recorded)} examples that were "
            "queried or labeled there is in this dataset; pass that run's data or another run_dir"
        )
    edited = [i for i, p in found.items() if p is not None and recorded[i] != examples.content(p)]
    if gone or edited:
        texts = store.texts([*gone, *edited][0]).values()
        asked = " | ".join(map(plain_text, texts))
        raise RunDirectoryError(
            f"of the examples that were queried or labeled in {store.run_dir}, {counted(len(gone), 'is', 'are')} gone "
            f"from the dataset and {counted(len(edited), 'has', 'have')} another text than then (ids "
            f"{', '.join([*gone, *edited][:5])}; the first was {asked[:80] + '…' * (len(asked) > 80)!r}): their "
            "labels may no longer be true. Put them back; or start anew with another run_dir, and keep what was "
            f"labeled with `hfal export {shlex.quote(str(store.run_dir))} --to labels.csv`. Rows may be reordered and "
            "appended at any time"
        )


def _record_given_labels(store: Store, examples: Examples, task: Task, label_column: str | None) -> None:
    """Record the labels that came with the data, but for those of examples that have an answer."""
    held = store.current_answers()
    known = {*held, *(answer.example_id for answer in store.answers() if answer.annotator == DATASET)}
    labeled = [int(row) for row in np.flatnonzero(task.given())]
    rows = [row for row in labeled if examples.ids[row].as_py() not in known]
    names = {row: held[examples.ids[row].as_py()].label for row in labeled if examples.ids[row].as_py() in held}
    contradicted = [row for row, name in names.items() if name not in (None, task.label_at(row))]
    if contradicted:
        logger.warning(
            "%s another label in column %r than the run has recorded (ids %s): what was recorded "
            "first holds; Pool.record, or an answer in the terminal, can correct it",
            counted(len(contradicted), "example has", "examples have"),
            label_column,
            examples.some_ids(contradicted),
        )
    if rows:
        with store.own():
            store.record_given(
                (
                    Answer(examples.ids[row].as_py(), task.label_at(row), annotator=DATASET),
                    examples.content(row),
                    texts,
                )
                for start in range(0, len(rows), ROWS_AT_A_TIME)
                for row, texts in zip(
                    rows[start : start + ROWS_AT_A_TIME],
                    examples.texts(rows[start : start + ROWS_AT_A_TIME]),
                    strict=True,
                )
            )
        logger.info("%s of the pool came with a label", counted(len(rows), "example"))


def record_shown(store: Store, examples: Examples) -> None:
    """Record which columns are shown, and their values of all examples that were queried or labeled.

    So a run that was begun without them has them everywhere. They are no texts: where the data has another value now,
    that holds, and no label is in doubt.

    Args:
        store: The run's store.
        examples: All that were queried or labeled, and others.
    """
    columns = examples.show_columns
    if not columns and not store.shown_columns:
        return
    recorded = list(store.contents())
    known = store.shown_values()
    rows = pc.index_in(pa.array(recorded, pa.string()), value_set=examples.ids).to_pylist()
    found = dict(zip(recorded, examples.shown(rows), strict=True)) if columns else {}
    changed = {i: of for i, of in found.items() if of != known.get(i, {})}
    if changed or store.shown_columns != columns:
        with store.own():
            store.set_shown(columns, found)


def wait_for_store(run_dir: Path, fingerprint: str) -> Store:
    """Open the store of a run for reading, once the main one of several processes has opened the same pool in it.

    Args:
        run_dir: The run directory.
        fingerprint: The fingerprint of this process's pool.

    Raises:
        NoRunError: The main process has not made a store in time.
        RunDirectoryError: It has not opened this pool.
    """
    store = Store(run_dir, read_only=True, wait=_PATIENCE)
    deadline = time.monotonic() + _PATIENCE
    while store.pool_fingerprint != fingerprint:
        if time.monotonic() > deadline:
            raise RunDirectoryError(
                f"the main process has not opened this pool in {run_dir} within {_PATIENCE} s: every process has to "
                "load, filter and shuffle the data in the same way, and to see the same run_dir"
            )
        time.sleep(0.05)
    return store
