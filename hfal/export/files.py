"""Write exports: a table in each format, cards, and files that are there whole or not at all."""

import codecs
import csv
import glob
import json
import math
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import yaml

from hfal.errors import ArgumentError
from hfal.store.shown_columns import names_in_files
from hfal.tasks.conll import read_sentences, write_sentence
from hfal.tasks.label_set import join_label_set
from hfal.utils.csv_files import csv_lines, csv_rows, restore
from hfal.utils.processes import is_alive


# Types are described as in `datasets`, which reads this from a Parquet file.
Feature = dict[str, Any]
Row = dict[str, Any]
Columns = Mapping[str, Feature]


def value(dtype: str) -> Feature:
    """Return the type of a plain value."""
    return {"dtype": dtype, "_type": "Value"}


def list_of(feature: Feature) -> Feature:
    """Return the type of a list."""
    return {"feature": feature, "_type": "List"}


WORDS = list_of(value("string"))
SHOWN = value("string")  # of columns that are shown beside the texts
TIME = value("timestamp[us, tz=UTC]")

FORMATS = ("parquet", "jsonl", "csv", "conll")
FORMAT_OF_ENDING = {".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv", ".conll": "conll"}
SPLITS = ("train", "test", "unlabeled")
ANSWERS = "answers"
HISTORY = "hfal.json"
HISTORY_VERSION = 1
CARD = "README.md"
_ALLOWED_BESIDE = (CARD, "LICENSE")
_OUR_CARD = "<!-- written by hfal export -->"


# -- how it is written ---------------------------------------------------------------------------------------------


def strict_json(content: Any, indent: int | None = None) -> str:
    """Write JSON that every reader takes: `null` stands for NaN and infinity."""
    try:
        return json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(content), indent=indent, ensure_ascii=False, allow_nan=False)


def _finite(content: Any) -> Any:
    match content:
        case Mapping():
            return {key: _finite(inner) for key, inner in content.items()}
        case list() | tuple():
            return [_finite(inner) for inner in content]
        case float():
            return content if math.isfinite(content) else None
    return content


def _jsonl(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    ends_of_lines = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}  # for some readers, though not in JSON
    for row in rows:
        line = strict_json({column: row.get(column) for column in columns})
        file.write(line.translate(ends_of_lines).encode() + b"\n")


def _csv(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    names = _label_names(columns)

    def cell(value: Any) -> Any:
        return join_label_set(value, names) if isinstance(value, list) else value

    file.write(codecs.BOM_UTF8)
    for line in csv_lines(columns, ([cell(row.get(column)) for column in columns] for row in rows)):
        file.write(line.encode())


def _label_names(columns: Columns) -> list[str]:
    """The names of the labels; none where an answer may be any string."""
    label = columns["label"]
    names: list[str] = label.get("feature", label).get("names", [])
    return names


def _conll(file: IO[bytes], columns: Columns, rows: Iterable[Row]) -> None:
    lists = [column for column, feature in columns.items() if feature is WORDS]  # the words come first
    shown = names_in_files([column for column, f in columns.items() if f is SHOWN], [], as_comments=True)
    for row in rows:
        words = next(row[column] for column in lists if row.get(column) is not None)
        beside = {name: row[column] for column, name in shown.items() if row.get(column) is not None}
        file.write(write_sentence(words, [[tag] for tag in row["label"]], {"id": row["id"], **beside}).encode())


def _parquet(file: IO[bytes], columns: Columns, rows: Sequence[Row]) -> None:
    # `datasets` itself, which could write this too, takes more than a second to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    def type_of(feature: Feature) -> Any:
        match feature:
            case {"_type": "List", "feature": inner}:
                return pa.list_(type_of(inner))
            case {"_type": "ClassLabel"}:
                return pa.int64()
            case {"_type": "Value", "dtype": "timestamp[us, tz=UTC]"}:
                return pa.timestamp("us", tz="UTC")
            case {"_type": "Value", "dtype": dtype}:
                return pa.type_for_alias(dtype)
        return pa.struct({name: type_of(inner) for name, inner in feature.items()})

    arrays = {}
    for column, feature in columns.items():
        values: list[Any] = [row.get(column) for row in rows]
        if column == "label" and (names := _label_names(columns)):
            index = {name: i for i, name in enumerate(names)}
            values = [index[v] if isinstance(v, str) else v and [index[tag] for tag in v] for v in values]
        elif feature == TIME:
            values = [value and datetime.fromisoformat(value) for value in values]
        arrays[column] = pa.array(values, type_of(feature))
    metadata = {"huggingface": json.dumps({"info": {"features": columns}})}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), file)


WRITERS: dict[str, Callable[[IO[bytes], Columns, Sequence[Row]], None]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "csv": _csv,
    "conll": _conll,
}


def part_path(path: Path) -> Path:
    """Return the path to write a file or folder to first, beside it, and remove what killed processes left there.

    It is hidden, since `load_dataset` would take a train.parquet.part for data too.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        number = left.name.split(".")[-2]
        if number.isdigit() and not is_alive(int(number)):
            shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f".{path.name}.{os.getpid()}.part")


def write_files(files: Mapping[Path, Callable[[IO[bytes]], None]], outdated: Iterable[Path]) -> None:
    """Write files that are there whole or not at all, and remove those whose place they take.

    Args:
        files: What writes each; the first is put in its place last, so that without it no folder looks complete.
        outdated: Files of an earlier export.
    """
    parts = {file: part_path(file) for file in files}
    try:
        for file, part in parts.items():
            with open(part, "wb") as stream:
                files[file](stream)
                stream.flush()
                os.fsync(stream.fileno())
        for file in outdated:
            file.unlink()
        for file, part in reversed(parts.items()):
            os.replace(part, file)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


# -- the card ------------------------------------------------------------------------------------------------------


def dataset_configs(files: Iterable[str]) -> list[dict[str, Any]]:
    """Return the `configs` of a card for the files of an export, by which `load_dataset` finds all of them.

    Args:
        files: Their names: `train.parquet`, `test.parquet`, `unlabeled.parquet`, `answers.parquet`; others are passed
            over.

    Returns:
        The configuration `default` with a split for each file, and `answers`, if there is such a file.
    """
    names = sorted(files, key=lambda name: [*SPLITS, ANSWERS].index(Path(name).stem) if _is_data(name) else -1)
    tables = [name for name in names if _is_data(name)]
    splits = [{"split": Path(name).stem, "path": name} for name in tables if Path(name).stem in SPLITS]
    configs: list[dict[str, Any]] = [{"config_name": "default", "default": True, "data_files": splits}]
    if f"{ANSWERS}.parquet" in tables:
        answers = [{"split": "train", "path": f"{ANSWERS}.parquet"}]
        configs.append({"config_name": ANSWERS, "data_files": answers})
    return configs


def _is_data(name: str) -> bool:
    return Path(name).stem in (*SPLITS, ANSWERS) and Path(name).suffix.removeprefix(".") in FORMATS


def plain_card(configs: list[dict[str, Any]]) -> bytes:
    """Write a card that says no more than which file is which."""
    metadata = yaml.safe_dump({"configs": configs}, sort_keys=False)
    return f"---\n{metadata}---\n\n{_OUR_CARD}\n\nLabels collected with hfal.\n".encode()


def check_card(card: Path, configs: list[dict[str, Any]]) -> bool:
    """Return whether a card has to be written: none is there, or one of hfal's.

    Raises:
        ArgumentError: There is somebody's own, which does not name these files.
    """
    if not card.exists() or is_plain_card(card):
        return True
    if not card.is_file():
        raise ArgumentError(f"{card} is no file, and is in the place of the export's card: name a new folder")
    try:
        parts = card.read_text("utf-8").split("---\n")
        metadata = yaml.safe_load(parts[1]) if len(parts) > 2 and not parts[0].strip() else None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        metadata = None
    if isinstance(metadata, dict) and metadata.get("configs") == configs:
        return False
    wanted = yaml.safe_dump({"configs": configs}, sort_keys=False)
    raise ArgumentError(
        f"{card} is there, and does not say which file is which, so that load_dataset would mix them: name a new "
        f"folder, or put this into its metadata:\n{wanted}"
    )


def is_plain_card(card: Path) -> bool:
    """Whether a file is a card that `plain_card` has made."""
    return card.is_file() and _OUR_CARD.encode() in card.read_bytes()


# -- what is there already -----------------------------------------------------------------------------------------


def check_folder(folder: Path, earlier: Sequence[Path]) -> None:
    """Check that a folder has nothing in it but what an export may have written.

    Raises:
        ArgumentError: There are other things.
    """
    if folder.is_dir():
        known = {*_ALLOWED_BESIDE, *(file.name for file in earlier)}
        others = sorted(p.name for p in folder.iterdir() if p.name not in known and not p.name.startswith("."))
        if others:
            raise ArgumentError(
                f"the folder {folder} has other things in it ({', '.join(others[:5])}{', …' if others[5:] else ''}), "
                "which load_dataset might take for data: name a new folder"
            )


def is_earlier_export(file: Path, columns: Sequence[list[str]], known: set[str], shown: Collection[str] = ()) -> bool:
    """Whether a file has nothing in it but what an export of this run may have had.

    Args:
        file: The file.
        columns: The columns that it may have.
        known: The ids of the run's examples.
        shown: Columns that it may have beside these, which were shown with the texts, now or once.
    """
    if not file.is_file():
        return False
    if file.stat().st_size == 0:
        return True
    try:
        if file.name == HISTORY:
            return set(json.loads(file.read_bytes())["contents"]) <= known
        read_ids = _IDS[FORMAT_OF_ENDING[file.suffix.lower()]]
        return any(_all_known(read_ids(file, names, shown), known) for names in columns)
    except (ValueError, RecursionError, KeyError, TypeError, csv.Error):
        return False


def _all_known(ids: Iterator[str], known: set[str]) -> bool:
    try:
        return all(example_id in known for example_id in ids)
    except (ValueError, RecursionError, csv.Error):
        return False


def _check_columns(found: Iterable[str], columns: list[str], shown: Collection[str]) -> None:
    if [name for name in found if name not in shown] != columns:
        raise ValueError("other columns")


def _ids_in_parquet(file: Path, columns: list[str], shown: Collection[str]) -> Iterator[str]:
    import pyarrow.parquet as pq

    _check_columns(pq.read_schema(file).names, columns, shown)
    yield from pq.read_table(file, columns=["id"])["id"].to_pylist()


def _ids_in_jsonl(file: Path, columns: list[str], shown: Collection[str]) -> Iterator[str]:
    with open(file, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("no object")
            _check_columns(row, columns, shown)
            yield str(row["id"])


def _ids_in_csv(file: Path, columns: list[str], shown: Collection[str]) -> Iterator[str]:
    content = file.read_bytes()
    if not content.startswith(codecs.BOM_UTF8):
        raise ValueError("not as hfal writes it")
    rows = csv_rows(content.removeprefix(codecs.BOM_UTF8).decode())
    _check_columns(map(restore, next(rows, (0, []))[1]), columns, shown)
    for _, row in rows:
        yield restore("".join(row[:1]))


def _ids_in_conll(file: Path, columns: list[str], shown: Collection[str]) -> Iterator[str]:
    comments = {"id", *names_in_files(shown, [], as_comments=True).values()}
    content = file.read_bytes().decode()
    sentences = list(read_sentences(content, os.fspath(file)))
    if content != "".join(write_sentence(s.words, s.columns, s.comments) for s in sentences):
        raise ValueError("other lines")
    for sentence in sentences:
        if list(sentence.comments)[:1] != ["id"] or not comments.issuperset(sentence.comments):
            raise ValueError("other comments")
        if any(len(tags) != 1 for tags in sentence.columns):
            raise ValueError("other columns")
        yield sentence.comments["id"]


_IDS: dict[str, Callable[[Path, list[str], Collection[str]], Iterator[str]]] = {
    "parquet": _ids_in_parquet,
    "jsonl": _ids_in_jsonl,
    "csv": _ids_in_csv,
    "conll": _ids_in_conll,
}
