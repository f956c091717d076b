"""Write what is published of a run: Parquet files, card and picture, or the model of its last round.

Whatever goes to the Hub is written here first, whole, so that it can be looked at before, and sent in one commit.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hfal.data.references import is_local
from hfal.errors import RunDirectoryError
from hfal.export.card import dataset_card, draw_learning_curve, model_card
from hfal.export.files import ANSWERS, CARD
from hfal.export.labels import prepare_export, write_labels
from hfal.store.run_directory import model_folder
from hfal.store.store import Store, reading
from hfal.utils.csv_files import csv_rows
from hfal.utils.visible_text import one_line


# Of a model's folder only this goes up: weights that run no code when they are read, and text. Not training_args.bin,
# a pickle with all paths of the machine.
_MODEL_FILES = (".safetensors", ".json", ".jinja", ".model", ".txt", ".tiktoken")
_KEYS_WITH_PATHS = ("_or_path", "_path", "_file", "_dir")


def write_dataset(
    store: Store,
    folder: str | os.PathLike[str],
    repo_id: str,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    model_repo_id: str | None = None,
    **contents: Any,
) -> list[Path]:
    """Write the files of a dataset on the Hub: Parquet files, learning curve and card.

    Args:
        store: What the run knows: see `hfal.store.store.reading`.
        folder: An empty folder.
        repo_id: The data set's name on the Hub.
        license: Its license, for the card.
        language: Its language or languages, for the card.
        model_repo_id: The name of the trained model on the Hub, for the card.
        **contents: What `export_labels` takes beside: which examples, and which columns. Comments of annotators, in
            which there may be names, are left out without `comments=True`.

    Returns:
        The files.

    Raises:
        RunDirectoryError: The run has no label yet.
    """
    folder = Path(folder)
    write_labels(store, folder, **{"comments": False, **contents})
    draw_learning_curve(store, folder)
    card = dataset_card(store, folder, repo_id, license, language, model_repo_id)
    (folder / CARD).write_text(card, "utf-8")
    return sorted(folder.iterdir())


def write_model(
    store: Store,
    folder: str | os.PathLike[str],
    repo_id: str,
    dataset_repo_id: str,
    language: str | Sequence[str] | None = None,
) -> list[Path]:
    """Write the files of a model on the Hub: the weights of the last finished round, its tokenizer, and a card.

    Weights are published as safetensors only. Paths of this machine are taken out of the configuration.

    Args:
        store: What the run knows.
        folder: An empty folder.
        repo_id: The model's name on the Hub.
        dataset_repo_id: The name of the data set that it was trained on, for the card.
        language: Its language or languages, for the card.

    Returns:
        The files.

    Raises:
        RunDirectoryError: There is no model of a finished round.
    """
    finished = [record.number for record in store.rounds() if record.finished is not None]
    source = model_folder(store.run_dir, finished[-1]) if finished else None
    if source is None or not any(source.glob("*.safetensors")):
        where = "no round is finished" if source is None else f"{source} has no .safetensors"
        raise RunDirectoryError(f"there is no model to publish: {where}; leave the model out, or go on with the run")
    folder = Path(folder)
    for file in sorted(source.iterdir()):
        if file.suffix == ".json":
            content = json.loads(file.read_text("utf-8"))
            (folder / file.name).write_text(json.dumps(_without_paths(content), indent=2, ensure_ascii=False), "utf-8")
        elif file.suffix in _MODEL_FILES:
            shutil.copyfile(file, folder / file.name)
    card = model_card(store, finished[-1], repo_id, dataset_repo_id, language)
    (folder / CARD).write_text(card, "utf-8")
    return sorted(folder.iterdir())


def _without_paths(content: Any) -> Any:
    """Return the configuration of a model or tokenizer without paths of this machine."""
    if isinstance(content, list):
        return [_without_paths(part) for part in content]
    if not isinstance(content, dict):
        return content
    return {key: _without_paths(value) for key, value in content.items() if not _is_path(key, value)}


def _is_path(key: str, value: Any) -> bool:
    return key.endswith(_KEYS_WITH_PATHS) and isinstance(value, str) and is_local(value)


def preview_export(
    run_dir: str | os.PathLike[str], to: str | os.PathLike[str], format: str | None = None, **contents: Any
) -> str:
    """Describe what `export_labels` would write: files, rows, sizes and columns. Nothing is written to `to`.

    Args:
        run_dir: The run directory, which is only read.
        to: As in `export_labels`.
        format: As in `export_labels`.
        **contents: What else it takes.

    Raises:
        ArgumentError: `export_labels` would refuse it.
        RunDirectoryError: There is no run in `run_dir`, or it has no label yet.
    """
    with reading(run_dir) as store:
        export = prepare_export(store, to, format, **contents)
    with TemporaryDirectory(prefix="hfal-") as temporary:
        written = []
        for file, write in export.files.items():
            written.append(Path(temporary, file.name))
            with open(written[-1], "wb") as stream:
                write(stream)
        removed = "".join(f"\n  {one_line(file.name):<28}{'is removed':>18}" for file in sorted(export.outdated))
        return f"This would be written to {one_line(os.fspath(to))}:\n{describe_files(written)}{removed}"


def describe_files(files: Iterable[Path]) -> str:
    """Describe files: their sizes, and the rows and columns of those that have any."""
    lines = []
    for file in files:
        rows, columns = _contents(file)
        size = f"{file.stat().st_size:>12,} bytes"
        lines.append(f"  {one_line(file.name):<28}{size}{'' if rows is None else f'{rows:>10,} rows'}")
        if columns:
            lines.append(f"      columns: {one_line(', '.join(columns))}")
    return "\n".join(lines)


def describe_rows(tables: Mapping[Path, int]) -> str:
    """Describe what `export_labels` has written, one line for each table."""
    kinds = {"unlabeled": "unlabeled texts", ANSWERS: "answers"} if len(tables) > 1 else {}  # a file may be called so
    lines = (f"{path}: {rows} {kinds.get(path.stem, 'labels')}" for path, rows in tables.items())
    return "\n".join(map(one_line, lines))


def _contents(file: Path) -> tuple[int | None, list[str]]:
    match file.suffix:
        case ".parquet":
            import pyarrow.parquet as pq

            return pq.read_metadata(file).num_rows, pq.read_schema(file).names
        case ".jsonl":
            with open(file, encoding="utf-8", newline="\n") as lines:
                rows = [json.loads(line) for line in lines]
            return len(rows), list(rows[0])
        case ".csv":
            (_, header), *rest = csv_rows(file.read_bytes().decode("utf-8-sig"))
            return len(rest), header
        case ".conll":
            return file.read_text("utf-8").count("# id = "), ["word", "tag"]
    return None, []
