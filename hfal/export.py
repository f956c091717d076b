"""The labels of a run as a data set that can be read without hfal: each with its text and its history."""

import codecs
import csv
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from hfal.conll import read_sentences, write_sentence
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.label_sets import join_label_set
from hfal.spans import spans_from_tags, words_of
from hfal.spreadsheets import column_for, csv_lines, csv_rows, restore
from hfal.store import DATASET, Answer, Queried, Query, Store, Texts


logger = logging.getLogger(__name__)

# Types are described as in `datasets`, which reads this from a Parquet file.
_Feature = dict[str, Any]


def _value(dtype: str) -> _Feature:
    return {"dtype": dtype, "_type": "Value"}


def _list(feature: _Feature) -> _Feature:
    return {"feature": feature, "_type": "List"}


_WORDS = _list(_value("string"))
_SPANS = _list({"start": _value("int64"), "end": _value("int64"), "label": _value("string")})
_PROVENANCE = {
    "al_split": "string",
    "al_query": "int32",
    "al_round": "int32",
    "al_rank": "int32",
    "al_score": "float64",
    "al_strategy": "string",
    "al_suggestion": "string",
    "al_confidence": "float64",
    "al_annotator": "string",
    "al_comment": "string",
    "al_labeled_at": "timestamp[us, tz=UTC]",
}
_OURS = ("id", "label", *_PROVENANCE)

_OF_RAW_TEXT = ("tokens", "spans")

_FORMATS = ("parquet", "jsonl", "csv", "conll")
_FORMAT_OF_ENDING = {".parquet": "parquet", ".jsonl": "jsonl", ".json": "jsonl", ".csv": "csv", ".conll": "conll"}
_SPLITS = ("train", "test")
_MAY_LIE_BESIDE = ("README.md", "LICENSE")

_Row = dict[str, Any]
_Columns = Mapping[str, _Feature]


def export_labels(
    run_dir: str | os.PathLike[str], to: str | os.PathLike[str], format: str | None = None
) -> dict[Path, int]:
    """Write every example that has a label now, with its texts and where the label came from.

    The run is only read: another process may be working on it. The columns are

    - `id`, the text columns under their own names (with `text_` in front where one has the name of another column
      here), and `label`, the name of the label;
    - `al_split`: `"test"` for an example that is held out, else `"train"`;
    - `al_query`, `al_round`, `al_rank`, `al_score`, `al_strategy`, `al_suggestion`, `al_confidence`: the query that
      asked for the label, the round whose model made it (0 if there was no model yet), the example's place in it (0
      was to be asked first), and what strategy and model thought of the example then; empty for a label that came
      with the data;
    - `al_annotator`, `al_comment`, `al_labeled_at`: whose answer holds, with which comment, since when (UTC); a label
      that came with the data has the annotator `"dataset"` and no time.

    Where a text may have several labels, `label` and `al_suggestion` are lists of them, which are empty for none.

    Where words are tagged, `label` and `al_suggestion` are lists with a tag for each word. Beside a raw text are then
    its words as `tokens`, and its entities as `spans`, a list of `{"start", "end", "label"}` in characters.

    Skipped and unsure examples have no label, so no row. The rows are in the order of the first answers. The formats:

    - Parquet: in `datasets` the `label` is a `ClassLabel` with the run's names, or a `List` of them; the times are
      timestamps.
    - JSON Lines: names and ISO 8601. Texts are unchanged in both.
    - CoNLL (tags only): each word with its tag, and the sentence's `# id = ` before it; of odd words see `hfal.conll`.
      Nothing else is in it.
    - CSV (not for tags): UTF-8 with the mark by which spreadsheets know it. An apostrophe stands before all that a
      spreadsheet might run as a formula (see `hfal.spreadsheets`); else the texts are unchanged. A set of labels is
      one cell, `LOC | PER` or `none` (see `hfal.label_sets`). CSV has no types, so that readers guess:
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

    Returns:
        The files, with the number of rows in each.

    Raises:
        ArgumentError: `to` cannot be written, or is something else than an export of this run; or `format` is none, or
            has no place for labels of this kind.
        RunDirectoryError: There is no run in `run_dir`, or it has no label yet.
    """
    path, format, is_folder = _target(to, format)
    store = Store(run_dir, read_only=True)
    try:
        with store.snapshot():
            _check_kind(store, format, to)
            columns, rows, answered = _read(store)
    finally:
        store.close()
    try:
        if is_folder:
            splits = {split: [row for row in rows if row["al_split"] == split] for split in _SPLITS}
            files = {path / f"{split}.{format}": part for split, part in splits.items() if part}
            earlier = [path / f"{split}.{ending}" for split in _SPLITS for ending in _FORMATS]
            _check_folder(path, earlier)
        else:
            files, earlier = {path: rows}, [path]
        earlier = [file for file in earlier if file.exists()]
        for file in earlier:
            if not _is_earlier_export(file, list(columns), answered):
                raise ArgumentError(
                    f"to={os.fspath(to)!r}: {file} is there and no export of this run, so it is left as it is; "
                    "remove it or name another file"
                )
        path.parent.mkdir(parents=True, exist_ok=True)
        if is_folder:
            path.mkdir(exist_ok=True)
        _write_whole(files, set(earlier) - set(files), lambda file, part: _WRITERS[format](file, columns, part))
    except OSError as error:
        raise ArgumentError(f"to={os.fspath(to)!r} cannot be written: {error}") from error
    return {file: len(part) for file, part in files.items()}


def _target(to: str | os.PathLike[str], format: str | None) -> tuple[Path, str, bool]:
    """Where to write, in which format, and whether that is a folder."""
    if format is not None and format not in _FORMATS:
        raise ArgumentError(f"format={format!r}, expected one of: {', '.join(_FORMATS)}")
    text = os.fspath(to)
    path = Path(text).resolve()
    ending = path.suffix.lower()
    if path.is_dir() or text.endswith(("/", os.sep)) or not ending[1:2].isalpha():
        return path, format or _FORMATS[0], True
    if ending not in _FORMAT_OF_ENDING:
        raise ArgumentError(
            f"to={text!r}: files may end in {', '.join(_FORMAT_OF_ENDING)}; end the name of a folder with '/'"
        )
    if format not in (None, _FORMAT_OF_ENDING[ending]):
        raise ArgumentError(f"to={text!r} contradicts format={format!r}: leave the format out, or name a folder")
    return path, _FORMAT_OF_ENDING[ending], False


def _check_kind(store: Store, format: str, to: str | os.PathLike[str]) -> None:
    if format == "csv" and store.is_of_words:
        raise ArgumentError(
            f"to={os.fspath(to)!r}: CSV has no place for a tag of each word; take .jsonl, .parquet or .conll"
        )
    if format == "conll" and not store.is_of_words:
        raise ArgumentError(
            f"to={os.fspath(to)!r}: CoNLL files are for tags of words, but here whole texts have labels; "
            "take .parquet, .jsonl or .csv"
        )
    if format == "csv" and store.is_of_sets:
        names = store.meta("label_names")
        join_label_set(names, names)  # which says why where that cannot be done


# -- what is written -----------------------------------------------------------------------------------------------


def _read(store: Store) -> tuple[dict[str, _Feature], list[_Row], set[str]]:
    """The columns with their types, the rows, and the ids of all that was ever answered."""
    answered = {answer.example_id for answer in store.answers()}
    labeled = {i: answer for i, answer in store.current_answers().items() if answer.label is not None}
    if not labeled:
        raise RunDirectoryError(f"no labels in {store.run_dir} yet: answer a query, then export them")
    asked: dict[str, list[tuple[int, Query, Queried]]] = {}
    for query in store.queries():
        for rank, example in enumerate(query.examples):
            asked.setdefault(example.example_id, []).append((rank, query, example))
    held_out = store.holdout_ids()
    origins = {i: _origin(answer, asked.get(i, [])) for i, answer in labeled.items()}
    texts_of = {i: store.texts(i) if origin is None else origin[2].texts for i, origin in origins.items()}
    of_raw_text = _OF_RAW_TEXT if store.is_of_words and _is_raw(texts_of.values()) else ()

    rows = []
    text_columns: dict[str, str] = {}
    features: dict[str, _Feature] = {"id": _value("string")}
    for example_id, answer in labeled.items():
        origin, texts = origins[example_id], texts_of[example_id]
        row: _Row = {"id": example_id, "label": answer.label, "al_split": _SPLITS[example_id in held_out]}
        for name, text in texts.items():
            column = text_columns.setdefault(name, column_for(name, (*_OURS, *of_raw_text)))
            features[column] = _value("string") if isinstance(text, str) else _WORDS
            row[column] = text
            if of_raw_text and isinstance(text, str):
                row.update(tokens=words_of(text), spans=spans_from_tags(text, answer.label))
        if origin is not None:
            rank, query, example = origin
            row.update(al_query=query.number, al_round=query.round, al_rank=rank, al_strategy=query.strategy)
            row.update(al_score=example.score, al_suggestion=example.suggestion, al_confidence=example.confidence)
        row.update(al_annotator=answer.annotator, al_comment=answer.comment)
        if answer.annotator != DATASET:
            row["al_labeled_at"] = answer.time
        rows.append(row)
    for name, column in text_columns.items():
        if name != column:
            logger.warning(
                "the text column %r is called %r in the export, which has a %r of its own", name, column, name
            )
    features |= {column: _SPANS if column == "spans" else _WORDS for column in of_raw_text}
    names: _Feature = {"names": list(store.meta("label_names")), "_type": "ClassLabel"}
    features["label"] = _list(names) if store.is_of_words or store.is_of_sets else names
    features |= {column: _value(dtype) for column, dtype in _PROVENANCE.items()}
    if store.is_of_words or store.is_of_sets:
        features["al_suggestion"] = _WORDS
    return features, rows, answered


def _is_raw(texts: Iterable[Texts]) -> bool:
    return any(isinstance(text, str) for of_one in texts for text in of_one.values())


def _origin(answer: Answer, asked: Sequence[tuple[int, Query, Queried]]) -> tuple[int, Query, Queried] | None:
    """The query that an answer is to: the one that it names, or the last one before that with its example."""
    if answer.annotator == DATASET:
        return None
    before = [place for place in asked if answer.query is None or place[1].number <= answer.query]
    return before[-1] if before else None


# -- how it is written ---------------------------------------------------------------------------------------------


def _jsonl(file: IO[bytes], columns: _Columns, rows: Iterable[_Row]) -> None:
    ends_of_lines = {ord(c): f"\\u{ord(c):04x}" for c in "\x85\u2028\u2029"}  # for some readers, though not in JSON
    for row in rows:
        line = json.dumps({column: row.get(column) for column in columns}, ensure_ascii=False)
        file.write(line.translate(ends_of_lines).encode() + b"\n")


def _csv(file: IO[bytes], columns: _Columns, rows: Iterable[_Row]) -> None:
    names = columns["label"].get("feature", columns["label"])["names"]

    def cell(value: Any) -> Any:
        return join_label_set(value, names) if isinstance(value, list) else value

    file.write(codecs.BOM_UTF8)
    for line in csv_lines(columns, ([cell(row.get(column)) for column in columns] for row in rows)):
        file.write(line.encode())


def _conll(file: IO[bytes], columns: _Columns, rows: Iterable[_Row]) -> None:
    lists = [column for column, feature in columns.items() if feature is _WORDS]  # the words come first
    for row in rows:
        words = next(row[column] for column in lists if row.get(column) is not None)
        file.write(write_sentence(words, [[tag] for tag in row["label"]], {"id": row["id"]}).encode())


def _parquet(file: IO[bytes], columns: _Columns, rows: Sequence[_Row]) -> None:
    # `datasets` itself, which could write this too, takes more than a second to import.
    import pyarrow as pa
    import pyarrow.parquet as pq

    def type_of(feature: _Feature) -> Any:
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
        if column == "label":
            index = {name: i for i, name in enumerate(feature.get("feature", feature)["names"])}
            values = [index[v] if isinstance(v, str) else [index[tag] for tag in v] for v in values]
        elif column == "al_labeled_at":
            values = [value and datetime.fromisoformat(value) for value in values]
        arrays[column] = pa.array(values, type_of(feature))
    metadata = {"huggingface": json.dumps({"info": {"features": columns}})}
    pq.write_table(pa.table(arrays).replace_schema_metadata(metadata), file)


_WRITERS: dict[str, Callable[[IO[bytes], _Columns, Sequence[_Row]], None]] = {
    "parquet": _parquet,
    "jsonl": _jsonl,
    "csv": _csv,
    "conll": _conll,
}


def _write_whole(
    files: dict[Path, list[_Row]], outdated: Iterable[Path], write: Callable[[IO[bytes], list[_Row]], None]
) -> None:
    """Write files that are there whole or not at all, and remove those whose place they take."""
    # Hidden, since `load_dataset` would take a train.parquet.part for data too.
    parts = {file: file.with_name(f".{file.name}.{os.getpid()}.part") for file in files}
    try:
        for file, part in parts.items():
            with open(part, "wb") as stream:
                write(stream, files[file])
                stream.flush()
                os.fsync(stream.fileno())
        for file in outdated:
            file.unlink()
        for file, part in reversed(parts.items()):  # `train` last: without it no folder looks complete
            os.replace(part, file)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


# -- what is there already -----------------------------------------------------------------------------------------


def _check_folder(folder: Path, earlier: Sequence[Path]) -> None:
    if folder.is_dir():
        known = {*_MAY_LIE_BESIDE, *(file.name for file in earlier)}
        others = sorted(p.name for p in folder.iterdir() if p.name not in known and not p.name.startswith("."))
        if others:
            raise ArgumentError(
                f"the folder {folder} has other things in it ({', '.join(others[:5])}{', …' if others[5:] else ''}), "
                "which load_dataset might take for data: name a new folder"
            )


def _is_earlier_export(file: Path, columns: list[str], answered: set[str]) -> bool:
    """Whether a file has nothing in it but what an export of this run may have had."""
    if not file.is_file():
        return False
    if file.stat().st_size == 0:
        return True
    try:
        ids = _IDS[_FORMAT_OF_ENDING[file.suffix.lower()]](file, columns)
        return all(example_id in answered for example_id in ids)
    except (ValueError, RecursionError, csv.Error):
        return False


def _ids_in_parquet(file: Path, columns: list[str]) -> Iterator[str]:
    import pyarrow.parquet as pq

    if pq.read_schema(file).names != columns:
        raise ValueError("other columns")
    yield from pq.read_table(file, columns=["id"])["id"].to_pylist()


def _ids_in_jsonl(file: Path, columns: list[str]) -> Iterator[str]:
    with open(file, encoding="utf-8", newline="\n") as lines:
        for line in lines:
            row = json.loads(line)
            if not isinstance(row, dict) or list(row) != columns:
                raise ValueError("other columns")
            yield str(row["id"])


def _ids_in_csv(file: Path, columns: list[str]) -> Iterator[str]:
    header = codecs.BOM_UTF8 + "".join(csv_lines(columns, [])).encode()
    with open(file, "rb") as stream:
        if stream.read(len(header)) != header:
            raise ValueError("other columns")
        for _, row in csv_rows(stream.read().decode()):
            yield restore("".join(row[:1]))


def _ids_in_conll(file: Path, columns: list[str]) -> Iterator[str]:
    content = file.read_bytes().decode()
    sentences = list(read_sentences(content, os.fspath(file)))
    if content != "".join(write_sentence(s.words, s.columns, s.comments) for s in sentences):
        raise ValueError("other lines")
    for sentence in sentences:
        if list(sentence.comments) != ["id"] or any(len(tags) != 1 for tags in sentence.columns):
            raise ValueError("other columns")
        yield sentence.comments["id"]


_IDS: dict[str, Callable[[Path, list[str]], Iterator[str]]] = {
    "parquet": _ids_in_parquet,
    "jsonl": _ids_in_jsonl,
    "csv": _ids_in_csv,
    "conll": _ids_in_conll,
}
