"""Make a run directory from an export, to go on where the export stopped."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from hfal.data.identity import Examples
from hfal.data.references import hub_name_problem, is_local
from hfal.errors import ArgumentError, HubError, RunDirectoryError
from hfal.export.files import ANSWERS, HISTORY, SPLITS, part_path
from hfal.export.history import History, history_without_models, read_history
from hfal.export.hub_errors import hub_error_messages
from hfal.export.schema import check_labels, check_tables, read_examples, read_log, read_written
from hfal.store.label_aggregation import answers_that_hold
from hfal.store.records import Answer
from hfal.store.run_directory import has_run
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of
from hfal.tasks.words import Texts
from hfal.utils.spelling import counted, shown


_HOW = "hfal export RUN_DIR --to FOLDER --unlabeled --answers"


def load_export(
    source: str | os.PathLike[str], revision: str | None = None, token: str | None = None
) -> tuple[datasets.Dataset, History]:
    """Load all examples of an export, with their ids and texts, and the history of their labels.

    Args:
        source: A folder, or the name of a data set on the Hub, also with `hub:` before it.
        revision: Of a data set on the Hub.
        token: For the Hub.

    Raises:
        ArgumentError: It is no export, or one without what it takes to go on.
        HubError: The Hub refused the token, has no such data set, failed, or cannot be reached.
    """
    folder = _folder(source, revision, token)
    if not (folder / HISTORY).is_file() or not (folder / f"{ANSWERS}.parquet").is_file():
        raise ArgumentError(
            f"source={shown(os.fspath(source))} has no {HISTORY} and {ANSWERS}.parquet, without which nobody can go "
            f"on from it: make it with {_HOW}"
        )
    files = [path for split in SPLITS if (path := folder / f"{split}.parquet").is_file()]
    try:
        written = read_written(folder / HISTORY)
        if written["pool_size"] is None or not files:
            raise ArgumentError(
                f"it has no unlabeled examples, so there is nothing to go on with: make it with {_HOW}"
            )
        log = read_log(folder / f"{ANSWERS}.parquet", written)
        texts = read_examples(files, written)
        rows = _load_rows(files, written["text_columns"], written.get("shown_columns", []))
        check_labels(written, log, texts)
        history = read_history(written, log)
        held = answers_that_hold(history.answers, kind_of(history.task), history.label_names, history.aggregate_labels)
        check_tables(files, written, {example_id: answer.label for example_id, answer in held.items()})
        _check_contents(history, rows, texts)
    except ArgumentError as error:
        raise ArgumentError(f"source={shown(os.fspath(source))}: {error}") from None
    return rows, history


def _load_rows(files: Iterable[Path], text_columns: Sequence[str], shown_columns: Sequence[str]) -> datasets.Dataset:
    """Load ids, texts and what is shown beside them of tables whose columns are checked; all else is not read."""
    text = datasets.Value("string")
    parts = []
    for file in files:
        schema = pq.read_schema(file)
        nested = {name: pa.types.is_nested(schema.field(name).type) for name in text_columns}
        types = {"id": text, **{name: datasets.List(text) if nested[name] else text for name in text_columns}}
        types |= dict.fromkeys(shown_columns, text)
        features = datasets.Features(types)
        parts.append(datasets.Dataset.from_parquet(str(file), columns=list(types), features=features))
    if any(part.features != parts[0].features for part in parts):
        raise ArgumentError("the tables have texts of different types, expected all in words, or all as strings")
    return datasets.concatenate_datasets(parts)


def _check_contents(history: History, rows: datasets.Dataset, texts: Mapping[str, tuple[str, Texts]]) -> None:
    """Check that the examples have the texts that were asked about."""
    examples = Examples(rows, history.text_columns, "id", kind_of(history.task).of_words)
    for example_id, content in history.contents.items():
        if examples.content(examples.position(example_id)) != content:
            raise ArgumentError(
                f"{texts[example_id][0]}: the text of {shown(example_id)} is not the one that was asked about, whose "
                f"hash {HISTORY} has; was it edited?"
            )


def _folder(source: str | os.PathLike[str], revision: str | None, token: str | None) -> Path:
    name = os.fspath(source)
    folder = Path(name)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise ArgumentError(
            f"source={shown(name)} is a file, expected the folder of an export, or hub:OWNER/NAME: make it with {_HOW}"
        )
    if not name.startswith("hub:") and is_local(name):
        raise ArgumentError(f"source={shown(name)}: there is no {folder.absolute()}")
    name = name.removeprefix("hub:")
    if hub_name_problem(name):
        raise ArgumentError(f"source={shown(os.fspath(source))} is no folder, and no name of a data set on the Hub")
    import huggingface_hub

    files = ["*.parquet", HISTORY]
    token = token or huggingface_hub.get_token()
    try:
        with hub_error_messages(token):
            return Path(
                huggingface_hub.snapshot_download(
                    name, repo_type="dataset", revision=revision, token=token, allow_patterns=files
                )
            )
    except (HubError, OSError) as error:
        kind = type(error) if isinstance(error, HubError) else ArgumentError
        raise kind(
            f"source={shown(os.fspath(source))} is no folder, and cannot be had from the Hub: {error}"
        ) from None


@contextlib.contextmanager
def restored(history: History, rows: datasets.Dataset, run_dir: str | os.PathLike[str]) -> Iterator[Path]:
    """Make a run directory with this history, which is there when the `with` block ends well, and not otherwise.

    One that went on from the export before is left as it is.

    Yields:
        Where it lies until then.

    Raises:
        RunDirectoryError: There are other things in `run_dir`.
    """
    target = Path(os.path.realpath(run_dir))
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        _check_goes_on(history, target)
        yield target
        return
    part = part_path(target)
    shutil.rmtree(part, ignore_errors=True)
    try:
        store = Store(part)
        try:
            _fill(store, history, rows)
        finally:
            store.close()
        yield part
        os.replace(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _check_goes_on(history: History, run_dir: Path) -> None:
    if not has_run(run_dir):
        raise RunDirectoryError(f"run_dir {run_dir} has other things in it: name a new folder")
    store = Store(run_dir, read_only=True)
    try:
        there = {_key(answer) for answer in store.answers()}
    finally:
        store.close()
    missing = sum(_key(answer) not in there for answer in history.answers)
    if missing:
        raise RunDirectoryError(
            f"the run in {run_dir} lacks {missing} of the {len(history.answers)} answers of the export, so it did not "
            "go on from it: pass another run_dir"
        )


def _key(answer: Answer) -> tuple[Any, ...]:
    return answer.number, answer.example_id, answer.action, answer.time


def _fill(store: Store, history: History, rows: datasets.Dataset) -> None:
    about = [row for row in rows.with_format("arrow")[:].to_pylist() if row["id"] in history.contents]
    shown = {row["id"]: {c: v for c in history.shown_columns if (v := row.pop(c))} for row in about}
    texts = {row.pop("id"): row for row in about}
    gone = history.contents.keys() - texts.keys()
    if gone:
        raise ArgumentError(
            f"the export lacks {counted(len(gone), 'example')} that were asked about, such as {min(gone)!r}"
        )
    history = history_without_models(history, texts.__getitem__)
    store.restore(
        RunInfo(history.task, history.scheme, tuple(history.label_names)),
        history.queries,
        history.rounds,
        [(a, history.contents[a.example_id], texts[a.example_id]) for a in history.answers],
        exported_rounds=sum(record.finished is not None for record in history.rounds),
        plan=history.plan,
        origins=history.origins,
    )
    store.set_shown(history.shown_columns, shown)
