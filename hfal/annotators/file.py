"""The annotator who gets a file, fills in a column, and puts it back."""

import csv
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hfal.annotators.protocol import OpenQuery
from hfal.errors import AnnotationError, ArgumentError
from hfal.store import Answer


_OURS = ("id", "suggestion", "confidence", "label")
_SKIP = "skip"


class FileAnnotator:
    """Writes each query to a file and reads the labels that somebody fills in.

    The file `query-003.jsonl` (or `.csv`) has a row for each example: `id`, the text columns, the model's `suggestion`
    with its `confidence`, and an empty `label`. The run then ends with exit code 75. Fill in label names, leave the
    file where it is, and start the run again. A row may say `skip` (never ask again) unless a label has that name.
    Rows may stay empty: the run goes on with the labels that are there, and a label filled in later, or changed,
    is read with the next query.

    Nothing of a file with an error is recorded: the message lists every error with its line, the file stays as it is.

    Args:
        format: `"jsonl"`, or `"csv"` for a spreadsheet: UTF-8, and what a spreadsheet would take for a formula starts
            with an apostrophe.
        folder: Where the files are; the run directory by default.
        name: Recorded with each answer: who fills in the file.
    """

    def __init__(self, format: str = "jsonl", folder: str | os.PathLike[str] | None = None, name: str = "file"):
        if format not in ("jsonl", "csv"):
            raise ArgumentError(f"format={format!r}, expected 'jsonl' or 'csv'")
        self.format = format
        self.folder = None if folder is None else Path(folder)
        self.name = name
        self._filled_in = 0  # rows of the query that was read last

    def path(self, query: OpenQuery) -> Path:
        """The file of a query."""
        return (self.folder or query.run_dir) / f"query-{query.number:03d}.{self.format}"

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Write the query's file if there is none, and give the labels found in all files so far."""
        path = self.path(query)
        if query.questions and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, self._content(query))
        numbers = [re.fullmatch(r"query-(\d+)", file.stem) for file in path.parent.glob(f"query-*.{self.format}")]
        answers: dict[str, Answer] = {}  # one for each example: what the latest file says holds
        for number, name in sorted((int(match[1]), match[0]) for match in numbers if match):
            if number <= query.number:
                found = self._read(path.with_name(f"{name}.{self.format}"), number, query)
                answers.update({answer.example_id: answer for answer in found})
                self._filled_in = len(found) if number == query.number else 0
        yield from answers.values()

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Nothing once some rows of the query's file are filled in; before that, the file."""
        if self._filled_in:
            return None
        return (
            f"{len(query.questions)} texts wait in {self.path(query)}\n"
            f"    Fill in the column 'label' with one of: {', '.join(query.label_names)}"
            f"{'' if _SKIP in query.label_names else f' (or {_SKIP!r})'}; rows may stay empty.\n"
            "    Leave the file there and start the run again."
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def _content(self, query: OpenQuery) -> bytes:
        rows = []
        for question in query.questions:
            row: dict[str, Any] = {"id": question.example_id}
            row.update({_column(name): text for name, text in question.texts.items()})
            confidence = None if question.confidence is None else round(question.confidence, 4)
            rows.append({**row, "suggestion": question.suggestion, "confidence": confidence, "label": None})
        if self.format == "jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, rows[0].keys())
        writer.writeheader()
        writer.writerows({name: _defuse(v) if isinstance(v, str) else v for name, v in row.items()} for row in rows)
        return text.getvalue().encode("utf-8-sig")  # the mark by which spreadsheets know UTF-8

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, file: Path, number: int, query: OpenQuery) -> list[Answer]:
        problems: list[str] = []
        answers: dict[str, Answer] = {}
        for line, row in self._rows(file):
            where = f"line {line}"
            example_id = _known_id(row.get("id"), query)
            if example_id is None:
                problems.append(f"{where}: no example has the id {row.get('id')!r}")
                continue
            texts = query.texts_of(example_id)
            for name, text in texts.items():
                found = row.get(_column(name))
                if found is not None and _bare(str(found)) not in (_bare(text), _bare(_defuse(text))):
                    problems.append(
                        f"{where}: the text in {_column(name)!r} is not the text of {example_id}; "
                        "were rows moved against each other?"
                    )
            label = row.get("label")
            if label is None or str(label).strip() == "":
                continue
            label = str(label).strip()
            if label not in query.label_names and label.removeprefix("'") in query.label_names:
                label = label.removeprefix("'")
            if label in query.label_names:
                answer = Answer(example_id, label, query=number)
            elif label == _SKIP:
                answer = Answer(example_id, action="skip", query=number)
            else:
                problems.append(f"{where}: {label!r} is no label; the labels are: {', '.join(query.label_names)}")
                continue
            if answers.setdefault(example_id, answer) != answer:
                problems.append(f"{where}: {example_id} has another label above")
        if problems:
            shown = "\n    ".join(problems[:20]) + (
                "" if len(problems) <= 20 else f"\n    … {len(problems) - 20} more"
            )
            raise AnnotationError(
                f"{file} has {len(problems)} error{'s' if len(problems) > 1 else ''}; nothing of it was recorded, "
                f"the file is as it was:\n    {shown}"
            )
        return list(answers.values())

    def _rows(self, file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        text = _decode(file)
        if self.format == "jsonl":
            for line, record in enumerate(text.split("\n"), start=1):  # splitlines() would cut at U+2028 too
                if record.strip():
                    try:
                        row = json.loads(record)
                    except (json.JSONDecodeError, RecursionError) as error:
                        raise AnnotationError(f"{file}, line {line} is no JSON: {error}") from None
                    if not isinstance(row, dict) or "id" not in row:
                        raise AnnotationError(f"{file}, line {line} is no JSON object with an 'id'")
                    yield line, row
            return
        # Spreadsheets write the separator of their country; it is what follows the first column's name.
        header = re.match(r'"?id"?([,;\t])', text)
        if header is None:
            raise AnnotationError(f"{file} does not begin with the column 'id': was its first line removed or moved?")
        limit = csv.field_size_limit(max(len(text), 1))
        try:
            reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=header[1])
            if "label" not in (reader.fieldnames or []):
                raise AnnotationError(f"{file} has no column 'label'; its columns are: {reader.fieldnames}")
            for row in reader:
                yield reader.line_num, row
        except csv.Error as error:
            raise AnnotationError(f"{file} cannot be read as CSV: {error}") from None
        finally:
            csv.field_size_limit(limit)


def _column(name: str) -> str:
    """The column of a text in the file: its own name, unless it is, or would become, one of ours."""
    plain = name
    while plain.startswith("text_"):
        plain = plain.removeprefix("text_")
    return f"text_{name}" if plain in _OURS else name


def _known_id(found: Any, query: OpenQuery) -> str | None:
    """The id that a cell means: as it is, or without what a spreadsheet or `_defuse` put around it."""
    cell = "" if found is None else str(found)
    for example_id in (cell, cell.removeprefix("'"), cell.strip().removeprefix("'")):
        try:
            query.texts_of(example_id)
        except KeyError:
            continue
        return example_id
    return None


def _defuse(text: str) -> str:
    """The text with an apostrophe in front if a spreadsheet would run it as a formula (OWASP, "CSV Injection")."""
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _bare(text: str) -> str:
    """The text without what editors and spreadsheets change on their own: white space, control characters, forms."""
    text = unicodedata.normalize("NFC", text)
    words = "".join(" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c) != "Cc")
    return " ".join(words.split())


def _decode(file: Path) -> str:
    content = file.read_bytes()
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise AnnotationError(
            f"{file} is not UTF-8 (byte 0x{content[error.start]:02x} in line {line}); nothing of it was recorded. "
            "Save it again as UTF-8 (in a spreadsheet: 'CSV UTF-8')"
        ) from None


def _write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all, also after a crash."""
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
