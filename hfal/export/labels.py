"""Export the labels of a run as a dataset that can be read without hfal, each with its text and its history."""

import os
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from hfal.errors import ArgumentError
from hfal.export.files import (
    ANSWERS,
    CARD,
    FORMAT_OF_ENDING,
    FORMATS,
    HISTORY,
    SHOWN,
    SPLITS,
    WRITERS,
    Columns,
    Row,
    check_card,
    check_folder,
    dataset_configs,
    is_earlier_export,
    is_plain_card,
    part_path,
    plain_card,
    strict_json,
    value,
    write_files,
)
from hfal.export.history import ANSWER_COLUMNS, answer_rows, history_of, pseudonyms
from hfal.export.label_rows import OF_ADDED, OF_SEVERAL, PROVENANCE, HasExamples, read_rows, renamed
from hfal.store.records import ORIGINS
from hfal.store.run_info import RunPlan
from hfal.store.shown_columns import names_in_files
from hfal.store.store import Store, reading
from hfal.tasks.kinds import Kind
from hfal.utils.output import get_logger


logger = get_logger(__name__)

_UNFIT = {"csv": "CSV has no place for", "conll": "CoNLL files are for"}


def export_labels(
    run_dir: str | os.PathLike[str],
    to: str | os.PathLike[str],
    format: str | None = None,
    *,
    provenance: bool = True,
    comments: bool = True,
    annotator_names: bool = False,
    unlabeled: HasExamples | None = None,
    answers: bool = False,
    leave_out: Collection[str] = (),
) -> dict[Path, int]:
    """Write every example that has a label now, with its texts and where the label came from.

    The run is only read: another process may be working on it. The columns are

    - `id`, the text columns under their own names (with `text_` in front where one has the name of another column
      here), and `label`, the name of the label;
    - the columns that are shown beside the texts, as text, under their own names (or with `shown_` in front);
    - `al_split`: `"test"` for an example that is held out, `"unlabeled"` for one without a label, else `"train"`;
    - `al_query`, `al_round`, `al_rank`, `al_score`, `al_strategy`, `al_suggestion`, `al_confidence`: the query that
      asked for the label, the round whose model made it (0 if none was trained yet), the example's place in it (0
      was to be asked first), and what strategy and model thought of the example then; empty for a label that came
      with the data;
    - `al_annotator`, `al_comment`, `al_labeled_at`: whose answer holds, with which comment, since when (UTC); a label
      that came with the data has the annotator `"dataset"` and no time. People are `annotator-1`, `annotator-2`, in
      the order of their first answers, which stays the same in later exports, unless their names are asked for.
    - `al_opinions`, `al_probability`, `al_settled`, only where several people labeled an example, or settled one: how
      many people have given it a label, the probability of the one that is made of them by `aggregate_labels`, and
      whether somebody has settled it. Annotator, comment and time are then of the last who gave the label that holds.
    - `al_origin`, `al_parent`, `al_method`, only where an exported example is none of the user's data: `"stream"` or
      `"synthesis"`, the id of the example that it was made from, and how; empty for examples of the data.

    Where a text may have several labels, `label` and `al_suggestion` are lists of them, which are empty for none.

    Where words are tagged, `label` and `al_suggestion` are lists with a tag for each word. Beside a raw text are then
    its words as `tokens`, and its entities as `spans`, a list of `{"start", "end", "label"}` in characters.

    Beside these, a folder may have `unlabeled`, a split with the same columns for all that has no label, and
    `answers`, a second configuration for `load_dataset(folder, "answers")` with the whole log: skips, corrections,
    what was taken back, of every annotator. With the log comes `hfal.json`, with all queries, their scores and the
    rounds. A folder that has both is what `Pool.from_export` goes on from. A `README.md` says which file is which.

    Skipped, unsure and nonsense examples have no label, so no row but in `unlabeled`. The rows are in the order of
    the first answers. The formats:

    - Parquet: in `datasets` the `label` is a `ClassLabel` with the run's names, or a `List` of them; the times are
      timestamps.
    - JSON Lines: names, ISO 8601, and `null` for a score that is infinite. Texts are unchanged in both.
    - CoNLL (tags only): each word with its tag, and the sentence's `# id = ` before it, with such a line for each
      column that is shown beside the texts; of odd words see `hfal.tasks.conll`. Nothing else is in it.
    - CSV (not for tags): UTF-8 with the mark by which spreadsheets know it. An apostrophe stands before all that a
      spreadsheet might run as a formula (see `hfal.utils.csv_files`); else the texts are unchanged. A set of labels is
      one cell, `LOC | PER` or `none` (see `hfal.tasks.label_set`). CSV has no types, so that readers guess:
      `load_dataset("csv")` takes the texts "null" and "None" for missing unless `keep_default_na=False`, and ids such
      as 007 for numbers.

    Each file is written whole or not at all. What is there is replaced only where it can be had again, which is when
    it is an export of this very run; any other file, such as the user's own data, is left alone, since no slip of the
    keyboard should cost it. Remove it if it is in the way.

    Args:
        run_dir: The run directory.
        to: A file, if it ends in `.parquet`, `.jsonl`, `.json` (JSON Lines as well), `.csv` or `.conll`; else a
            folder for `datasets.load_dataset`, with a split `train`, and `test` if anything that is held out has a
            label.
        format: `"parquet"`, `"jsonl"`, `"csv"` or `"conll"` (which `load_dataset` does not read) for the files in a
            folder; Parquet by default.
        provenance: Whether to write the columns `al_...`. A later export does not replace a file without them, which
            might be the user's own, but in a folder with the log.
        comments: Whether to write what annotators had to say about an example.
        annotator_names: Whether to write the names of annotators.
        unlabeled: The pool, to write its unlabeled examples too. They have no label, also if the data set has one for
            them that nobody was shown.
        answers: Whether to write the log of answers, queries and rounds; into a folder of Parquet.
        leave_out: Of `"stream"` and `"synthesis"` those whose examples stay out. Not with the log, which has them all.

    Returns:
        The tables, with the number of rows in each.

    Raises:
        ArgumentError: `to` cannot be written, or is something else than an export of this run; or `format` is none, or
            has no place for what is to be written; or `unlabeled` is another pool.
        RunDirectoryError: There is no run in `run_dir`, or it has no label yet.
    """
    with reading(run_dir) as store:
        return write_labels(
            store,
            to,
            format,
            provenance=provenance,
            comments=comments,
            annotator_names=annotator_names,
            unlabeled=unlabeled,
            answers=answers,
            leave_out=leave_out,
        )


def write_labels(
    store: Store, to: str | os.PathLike[str], format: str | None = None, **contents: Any
) -> dict[Path, int]:
    """Write the labels of a run whose store is open already.

    Args:
        store: What the run knows: see `hfal.store.store.reading`.
        to: As in `export_labels`.
        format: As in `export_labels`.
        **contents: What else it takes.

    Returns:
        The tables, with the number of rows in each.

    Raises:
        ArgumentError: As `export_labels` does.
        RunDirectoryError: The run has no label yet.
    """
    export = prepare_export(store, to, format, **contents)
    try:
        for file in export.files:
            file.parent.mkdir(parents=True, exist_ok=True)
        write_files(export.files, export.outdated)
    except OSError as error:
        raise ArgumentError(f"to={os.fspath(to)!r} cannot be written: {error}") from error
    return export.rows


@dataclass(frozen=True)
class Export:
    """An export that is ready to be written.

    Attributes:
        files: What writes each file.
        rows: The tables among them, with the number of rows in each.
        outdated: Files of an earlier export which are in the way, or which there are no more.
    """

    files: dict[Path, Callable[[IO[bytes]], None]]
    rows: dict[Path, int]
    outdated: set[Path]


def prepare_export(
    store: Store,
    to: str | os.PathLike[str],
    format: str | None = None,
    *,
    provenance: bool = True,
    comments: bool = True,
    annotator_names: bool = False,
    unlabeled: HasExamples | None = None,
    answers: bool = False,
    leave_out: Collection[str] = (),
) -> Export:
    """Prepare and check what `write_labels` is to write; nothing is written.

    Args:
        store: What the run knows.
        to: As in `export_labels`, like all that follows.
        format: The format of the files.
        provenance: Whether to write the columns `al_...`.
        comments: Whether to write comments.
        annotator_names: Whether to write names.
        unlabeled: The pool, to write its unlabeled examples too.
        answers: Whether to write the log.
        leave_out: The origins of examples that stay out.

    Raises:
        ArgumentError: As `export_labels` does.
        RunDirectoryError: The run has no label yet.
    """
    path, format, is_folder = _target(to, format)
    _check_place(to, format, is_folder, unlabeled is not None, answers)
    _check_kind(store, format, to)
    _check_left_out(leave_out, answers)
    everything = store.answers()
    names = {} if annotator_names else pseudonyms(everything, (store.plan or RunPlan()).annotators)
    columns, rows, text_columns, shown_columns = read_rows(store, names, unlabeled, leave_out)
    here = {*store.contents(), *(row["id"] for row in rows)}
    known = here | store.origins().keys()
    log, history = [], {}
    if answers:
        log = answer_rows(renamed(everything, names))
        pool_size = len(rows) if unlabeled is not None else None
        history = history_of(store, text_columns.values(), shown_columns.values(), pool_size, names, here)
    if not comments:
        rows, log = _without(rows, "al_comment"), _without(log, "comment")
    all_columns = [name for name, feature in columns.items() if feature is not SHOWN]
    ever_shown = {*names_in_files(store.columns_ever_shown(), text_columns.values()).values(), *shown_columns.values()}
    columns = {name: f for name, f in columns.items() if not _is_left_out(name, provenance, comments)}
    log_columns = {name: value(dtype) if dtype else columns["label"] for name, dtype in ANSWER_COLUMNS.items()}
    try:
        if is_folder:
            splits = {split: [row for row in rows if row["al_split"] == split] for split in SPLITS}
            tables = {path / f"{split}.{format}": (columns, part) for split, part in splits.items() if part}
            if answers:
                tables[path / f"{ANSWERS}.parquet"] = (log_columns, log)
            earlier = _earlier_files(path)
            check_folder(path, earlier)
        else:
            tables, earlier = {path: (columns, rows)}, [path]
        earlier = [file for file in earlier if file.exists()]
        is_ours = path / HISTORY in earlier and is_earlier_export(path / HISTORY, [], known)
        possible = [*_possible_columns(all_columns, is_ours), list(log_columns)]
        for file in earlier:
            if not is_earlier_export(file, possible, known, ever_shown):
                # Whose unlabeled texts those are, only the pool knows.
                what = "no export of this run" if file.stem != "unlabeled" or unlabeled else "may be anybody's"
                more = "" if what.startswith("no") else "pass unlabeled= (--unlabeled) to write it anew, "
                raise ArgumentError(
                    f"to={os.fspath(to)!r}: {file} is there and {what}, so it is left as it is; {more}remove it or "
                    "name another file"
                )
        files: dict[Path, Callable[[IO[bytes]], None]] = {
            file: partial(_write_table, columns=of, rows=part, format=format) for file, (of, part) in tables.items()
        }
        if is_folder:
            if answers:
                text = strict_json(history, indent=1).encode("utf-8", "backslashreplace")
                files[path / HISTORY] = partial(_write, content=text)
            card, configs = path / CARD, dataset_configs(file.name for file in tables)
            if (answers or unlabeled is not None) and check_card(card, configs):
                files[card] = partial(_write, content=plain_card(configs))
            elif is_plain_card(card) and not (answers or unlabeled is not None):
                earlier.append(card)
    except OSError as error:
        raise ArgumentError(f"to={os.fspath(to)!r} cannot be written: {error}") from error
    return Export(files, {file: len(part) for file, (_, part) in tables.items()}, set(earlier) - set(files))


def check_export_target(to: str | os.PathLike[str], kind: Kind) -> None:
    """Check, before there are labels, that they can be written there; `write_labels` checks the rest.

    Args:
        to: As in `export_labels`.
        kind: The kind of the run's answers.

    Raises:
        ArgumentError: The file's ending is unknown or not for this kind, or the folder cannot be written to.
    """
    path, format, is_folder = _target(to, None)
    _check_format(kind, format, to)
    try:
        part_path(path).exists()  # for which the name may be too long
        if is_folder:
            check_folder(path, _earlier_files(path))
        parent = path if is_folder else path.parent
        while not parent.exists():
            parent = parent.parent
        tempfile.TemporaryFile(dir=parent).close()
    except OSError as error:
        raise ArgumentError(f"to={os.fspath(to)!r} cannot be written: {error}") from error


def _earlier_files(folder: Path) -> list[Path]:
    """Return the files that earlier exports may have written into a folder."""
    tables = [folder / f"{split}.{ending}" for split in SPLITS for ending in FORMATS]
    return [*tables, folder / f"{ANSWERS}.parquet", folder / HISTORY]


def _write_table(file: IO[bytes], columns: Columns, rows: Sequence[Row], format: str) -> None:
    WRITERS[format](file, columns, rows)


def _write(file: IO[bytes], content: bytes) -> None:
    file.write(content)


def _is_left_out(column: str, provenance: bool, comments: bool) -> bool:
    return (column in (*PROVENANCE, *OF_SEVERAL, *OF_ADDED) and not provenance) or (
        column == "al_comment" and not comments
    )


def _possible_columns(columns: Sequence[str], is_ours: bool) -> list[list[str]]:
    """Return the lists of columns that an export of the run may have.

    Without the provenance it looks like a file of the user's own, unless something beside it says whose it is.
    """
    choices = [(provenance, comments) for provenance in (True, False) for comments in (True, False)]
    known = [choice for choice in choices if choice[0] or is_ours]
    one = [name for name in columns if name not in (*OF_SEVERAL, *OF_ADDED)]  # one opinion on each, nothing added
    possible = [[*one, *of, *added] for of in ((), OF_SEVERAL) for added in ((), OF_ADDED)]
    return [[name for name in of if not _is_left_out(name, *choice)] for choice in known for of in possible]


def _without(rows: Iterable[Row], column: str) -> list[Row]:
    return [{**row, column: None} for row in rows]


def _target(to: str | os.PathLike[str], format: str | None) -> tuple[Path, str, bool]:
    """Return where to write, in which format, and whether that is a folder."""
    if format is not None and format not in FORMATS:
        raise ArgumentError(f"format={format!r}, expected one of: {', '.join(FORMATS)}")
    text = os.fspath(to)
    path = Path(os.path.realpath(text))
    ending = path.suffix.lower()
    if path.is_dir() and ending in FORMAT_OF_ENDING and not text.endswith(("/", os.sep)):
        raise ArgumentError(f"to={text!r} is a folder called as a file: end its name with '/', or name another")
    if path.exists() and not path.is_dir() and not path.is_file():
        raise ArgumentError(f"{path} is there and no export of this run, so it is left as it is: name another file")
    if path.is_dir() or text.endswith(("/", os.sep)) or not ending[1:2].isalpha():
        return path, format or FORMATS[0], True
    if ending not in FORMAT_OF_ENDING:
        raise ArgumentError(
            f"to={text!r}: files may end in {', '.join(FORMAT_OF_ENDING)}; end the name of a folder with '/'"
        )
    if format not in (None, FORMAT_OF_ENDING[ending]):
        raise ArgumentError(f"to={text!r} contradicts format={format!r}: leave the format out, or name a folder")
    if re.fullmatch(r"query-\d+(\..+)?", path.stem):  # in a run directory it would be read as answers
        raise ArgumentError(f"to={text!r} is called as the files of queries are, whose answers are read: rename it")
    return path, FORMAT_OF_ENDING[ending], False


def _check_left_out(leave_out: Collection[str], with_answers: bool) -> None:
    """Check which origins are left out, and that the log, which has all examples, is not written."""
    if isinstance(leave_out, str):
        raise ArgumentError(f"leave_out={leave_out!r} is a string, expected a list: [{leave_out!r}]")
    for origin in leave_out:
        if origin not in ORIGINS:
            raise ArgumentError(f"leave_out has {origin!r}, expected some of {', '.join(ORIGINS)}")
    if leave_out and with_answers:
        raise ArgumentError(
            f"leave_out has {', '.join(leave_out)}, but the log of answers has all examples: leave the log or "
            "leave_out away"
        )


def _check_place(
    to: str | os.PathLike[str], format: str, is_folder: bool, with_unlabeled: bool, with_answers: bool
) -> None:
    """Check that there is a place for the unlabeled examples, and for the log."""
    for name, wanted in (("unlabeled", with_unlabeled), ("answers", with_answers)):
        if wanted and not is_folder:
            raise ArgumentError(f"to={os.fspath(to)!r} is one file, with no place for {name}: name a folder")
    if with_answers and format != "parquet":
        raise ArgumentError(f"answers are written as Parquet, so that format={format!r} does not go with them")
    if with_unlabeled and format == "conll":
        raise ArgumentError("a CoNLL file has no place for what is unlabeled: take Parquet or JSON Lines")


def _check_format(kind: Kind, format: str, to: str | os.PathLike[str]) -> None:
    if format not in kind.export_formats:
        *others, last = [f".{name}" for name in kind.export_formats]
        raise ArgumentError(
            f"to={os.fspath(to)!r}: {_UNFIT[format]} {kind.unfit[format]}; take {', '.join(others)} or {last}"
        )


def _check_kind(store: Store, format: str, to: str | os.PathLike[str]) -> None:
    kind = store.kind
    _check_format(kind, format, to)
    if format == "csv":
        kind.check_cells(store.info.label_names)
