"""The annotator who gets a file, fills in a column, and puts it back."""

import csv
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hfal.annotators.protocol import OpenQuery
from hfal.errors import AnnotationError, ArgumentError
from hfal.spreadsheets import column_for, csv_lines, csv_rows, restore
from hfal.store import Answer


_OURS = ("id", "suggestion", "confidence", "label", "comment")
_WORDS = ("skip", "unsure")


class FileAnnotator:
    """Writes each query to a file and reads the labels that somebody fills in.

    The file `query-003.jsonl` (or `.csv`) has a row for each example: `id`, the text columns, the model's `suggestion`
    with its `confidence`, and an empty `label` and `comment`. The run then ends with exit code 75. Fill in label
    names, leave the file where it is, and start the run again. Rows may stay empty: the run goes on with the labels
    that are there, and a label filled in later, or changed, is read with the next query.

    - A label may differ from its name in capitals and blanks, as long as only one label can be meant.
    - Instead of a label a row may say `skip` (it cannot be labeled) or `unsure` (the annotator cannot tell), unless a
      label has that name. Neither is trained on or asked again.
    - A comment is recorded with the label, `skip` or `unsure` of its row, and not without one.
    - A CSV file is UTF-8 with commas, which many spreadsheets change to semicolons: both are read. In it an
      apostrophe stands before all that a spreadsheet might run as a formula; reading takes it away again.
    - Nothing of any file is recorded while one has an error: the message lists the errors of all files with their
      lines, and the files stay as they are. A text that is not that of its row's id is such an error, since rows may
      have been moved against each other; where a program changed the texts, remove their column.

    Args:
        format: `"jsonl"`, or `"csv"` for a spreadsheet.
        folder: Where the files are; the run directory by default.
        name: Recorded with each answer: who fills in the file.
    """

    def __init__(self, format: str = "jsonl", folder: str | os.PathLike[str] | None = None, name: str = "file"):
        if format not in ("jsonl", "csv"):
            raise ArgumentError(
                f"format={format!r}, expected 'jsonl' or 'csv'; for a spreadsheet take 'csv', which every one of them "
                "opens and saves"
            )
        self.format = format
        self.folder = None if folder is None else Path(folder)
        self.name = name
        self._filled_in = 0  # rows of the query that was read last

    def path(self, query: OpenQuery) -> Path:
        """The file of a query."""
        return (self.folder or query.run_dir) / f"query-{query.number:03d}.{self.format}"

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Write the query's file if there is none, and give the labels found in all files so far.

        Raises:
            AnnotationError: Files have errors; the message lists them all.
        """
        path = self.path(query)
        if query.questions and not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_whole(path, self._content(query))
        numbers = [re.fullmatch(r"query-(\d+)", file.stem) for file in path.parent.glob(f"query-*.{self.format}")]
        answers: dict[str, Answer] = {}  # one for each example: what the latest file says holds
        errors: list[str] = []
        for number, name in sorted((int(match[1]), match[0]) for match in numbers if match):
            try:
                found = self._read(path.with_name(f"{name}.{self.format}"), number, query)
            except AnnotationError as error:
                errors.append(str(error))
                continue
            if number <= query.number:  # those of later queries come in their turn
                answers.update({answer.example_id: answer for answer in found})
                self._filled_in = len(found) if number == query.number else 0
        if errors:
            raise AnnotationError("\n".join(errors))
        yield from answers.values()

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Nothing once some rows of the query's file are filled in; before that, the file."""
        if self._filled_in:
            return None
        words = "".join(f" or {word!r}" for word in _words(query.label_names))
        return (
            f"{len(query.questions)} texts wait in {self.path(query)}\n"
            f"    Fill in the column 'label' with one of: {', '.join(query.label_names)}"
            f"{f' ({words[1:]})' if words else ''}; rows may stay empty.\n"
            "    Leave the file there and start the run again."
        )

    # -- writing ---------------------------------------------------------------------------------------------------

    def _content(self, query: OpenQuery) -> bytes:
        rows = []
        for question in query.questions:
            row: dict[str, Any] = {"id": question.example_id}
            row.update({column_for(name, _OURS): text for name, text in question.texts.items()})
            confidence = None if question.confidence is None else round(question.confidence, 4)
            row.update(suggestion=question.suggestion, confidence=confidence, label=None, comment=None)
            rows.append(row)
        if self.format == "jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        lines = csv_lines(rows[0], (row.values() for row in rows))
        return "".join(lines).encode("utf-8-sig")  # the mark by which spreadsheets know UTF-8

    # -- reading ---------------------------------------------------------------------------------------------------

    def _read(self, file: Path, number: int, query: OpenQuery) -> list[Answer]:
        problems: list[str] = []
        answers: dict[str, Answer] = {}
        words = _words(query.label_names)
        for line, row in (self._objects if self.format == "jsonl" else self._cells)(file, problems):
            where = f"line {line}"
            example_id = _known_id(row.get("id"), query)
            if example_id is None:
                problems.append(f"{where}: no example has the id {_shown(row.get('id'))}")
                continue
            for name, text in query.texts_of(example_id).items():
                column = column_for(name, _OURS)
                found = row.get(column)
                if found not in (None, text) and _bare(str(found)) != _bare(text):
                    problems.append(
                        f"{where}: the text in {column!r} is not the text of {_shown(example_id)}; were rows moved "
                        "against each other? If a program changed the texts, remove their column"
                    )
            said = _cell(row.get("label"))
            comment = _cell(row.get("comment")) or None
            if not said:
                continue
            label = _meant(said, query.label_names)
            word = None if label is not None else _meant(said, words)
            if label is None and word is None:
                problems.append(f"{where}: {_shown(said)} is no label; the labels are: {', '.join(query.label_names)}")
                continue
            if comment is not None and re.search("[\ud800-\udfff]", comment):
                problems.append(f"{where}: the comment has half a surrogate pair, which is no text")
                continue
            answer = Answer(example_id, label, word or "label", query=number, comment=comment)
            above = answers.setdefault(example_id, answer)
            if above != answer:
                differs = "comment" if (above.action, above.label) == (answer.action, answer.label) else "label"
                problems.append(f"{where}: {_shown(example_id)} has another {differs} above")
        if problems:
            shown = "\n    ".join(problems[:20]) + (
                "" if len(problems) <= 20 else f"\n    … {len(problems) - 20} more"
            )
            raise AnnotationError(
                f"{file} has {len(problems)} error{'s' if len(problems) > 1 else ''}; nothing of it was recorded, "
                f"the file is as it was:\n    {shown}"
            )
        return list(answers.values())

    def _objects(self, file: Path, problems: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, record in enumerate(_decode(file).split("\n"), start=1):  # splitlines() would cut at U+2028 too
            if record.strip():
                try:
                    row = json.loads(record)
                except json.JSONDecodeError as error:
                    problems.append(f"line {line}: no JSON ({error.msg} at column {error.colno})")
                except (ValueError, RecursionError) as error:
                    problems.append(f"line {line}: no JSON ({error})")
                else:
                    if isinstance(row, dict) and "id" in row:
                        yield line, row
                    else:
                        problems.append(f"line {line}: no JSON object with an 'id'")

    def _cells(self, file: Path, problems: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
        text = _decode(file)
        # Spreadsheets write the separator of their country; it is what follows the first column's name.
        header = re.match(r'"?id"?([,;\t])', text)
        if header is None:
            raise AnnotationError(f"{file} does not begin with the column 'id': was its first line removed or moved?")
        rows = csv_rows(text, header[1])
        line = 0
        try:
            line, columns = next(rows)
            columns = [restore(column) for column in columns]
            if "label" not in columns:
                raise AnnotationError(f"{file} has no column 'label'; its columns are: {columns}")
            for line, row in rows:
                if any(cell.strip() for cell in row[len(columns) :]):
                    problems.append(f"line {line}: more cells than columns; put cells with a {header[1]!r} in quotes")
                elif any(cell.strip() for cell in row):
                    yield line, dict(zip(columns, map(restore, row), strict=False))
        except csv.Error as error:
            problems.append(f"line {line + 1}: no CSV ({error}); is a quote missing?")


def _cell(found: Any) -> str:
    return "" if found is None else str(found).strip()


def _shown(value: Any) -> str:
    """A value as a message may show it: nothing that a terminal obeys, and not a megabyte of it."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _known_id(found: Any, query: OpenQuery) -> str | None:
    """The id that a cell means: as it is, or without blanks around it."""
    for example_id in ("" if found is None else str(found), _cell(found)):
        try:
            query.texts_of(example_id)
        except KeyError:
            continue
        return example_id
    return None


def _words(label_names: Sequence[str]) -> list[str]:
    """What may be said instead of a label."""
    return [word for word in _WORDS if word not in (_bare(name).casefold() for name in label_names)]


def _meant(said: str, names: Sequence[str]) -> str | None:
    """The one of some names that was meant, if there is just one."""
    if said in names:
        return said
    alike = [name for name in names if _bare(name).casefold() == _bare(said).casefold()]
    return alike[0] if len(alike) == 1 else None


def _bare(text: str) -> str:
    """The text without what programs change: blanks, control characters, apostrophes, forms of a letter."""
    text = unicodedata.normalize("NFKC", text)
    return "".join(c for c in text if not (c.isspace() or c == "'" or unicodedata.category(c) == "Cc"))


def _decode(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise AnnotationError(f"{file} cannot be read: {error.strerror}") from None
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
