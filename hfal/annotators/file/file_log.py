"""The log of what was read of the files of queries, kept in the store of their run."""

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from hfal.annotators.file.parts import Part, is_of_a_person
from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.utils.output import get_logger
from hfal.utils.spelling import counted


logger = get_logger(__name__)
_FILES = "query_files"
_PARTS = "query_parts"


def files_in(folder: Path, formats: Iterable[str]) -> list[Path]:
    """Return the files of queries in a folder, of the first query to the last."""
    found = [path for format in formats for path in folder.glob(f"query-*.{format}")]
    return sorted(filter(_is_named_by_us, found), key=number_of)


def misnamed_in(folder: Path, formats: Iterable[str]) -> list[Path]:
    """Return files that are named much like those of queries, as programs name copies, but which nobody reads."""
    endings = {f".{format}" for format in formats}
    return sorted(
        path
        for path in folder.glob("[qQ]*")
        if path.suffix.lower() in endings
        and path.stem.lower().startswith("query-")
        and not (path.suffix in endings and _is_named_by_us(path))
    )


def _is_named_by_us(path: Path) -> bool:
    return re.fullmatch(r"query-\d+", path.stem) is not None


def number_of(file: Path) -> int:
    """Return the number of the query of a file, `query-003.csv` or, of one person of several, `query-003.anna.csv`."""
    return int(file.stem.removeprefix("query-").partition(".")[0])


def log_read(file: Path, answers: int, left: int) -> None:
    """Log how many answers were read of a file, if any, and how many of its query's texts are still without one."""
    if answers:
        logger.info("%s: %s read%s", file.name, counted(answers, "answer"), f", {left:,} left empty" if left else "")


class FileLog:
    """The files of a run's queries, wherever they are, with the answers that were read of each.

    By it a row is recorded when it is filled in, and again when it is changed in the file; not again because its
    answer was corrected elsewhere, whoever reads the file, and under whatever name.

    Args:
        store: The run's store.
    """

    def __init__(self, store: Store):
        self._store = store

    def files(self) -> dict[Path, str]:
        """Return the files that were written or read so far, each with the name of who fills it in."""
        names: dict[str, str] = self._store.meta(_FILES) or {}
        return {self._store.run_dir / key: name for key, name in names.items()}

    def people(self) -> set[str]:
        """Return who of several people has a file of their own."""
        return {name for file, name in self.files().items() if is_of_a_person(file)}

    def knows(self, file: Path) -> bool:
        """Whether a file was written or read before; an older hfal did not note that."""
        return self._key(file) in (self._store.meta(_FILES) or {})

    def unread(self, file: Path, answers: Sequence[Answer], name: str | None = None) -> list[Answer]:
        """Return those of a file's answers that it did not have when it was last read.

        Of a file that is not known, those that have not been given so far, by whomever, or by the one who fills it in.

        Args:
            file: The file.
            answers: What it says now.
            name: Who fills it in, where others may say the same of a text.
        """
        if not self.knows(file):
            given = {(a.example_id, _mark(a)) for a in self._store.answers() if name in (None, a.annotator)}
            return [a for a in answers if (a.example_id, _mark(a)) not in given]
        read = self._store.meta(self._rows_key(file)) or {}
        return [a for a in answers if read.get(a.example_id) != _mark(a)]

    def note(self, file: Path, name: str, answers: Iterable[Answer]) -> None:
        """Note that a file was written or read.

        Args:
            file: The file.
            name: Who fills it in.
            answers: Those that it has now.
        """
        rows = {answer.example_id: _mark(answer) for answer in answers}
        if (self._store.meta(self._rows_key(file)) or {}) != rows:
            self._store.set_meta(self._rows_key(file), rows)
        names = self._store.meta(_FILES) or {}  # last: killed before, the file is unknown, not unread
        if names.get(self._key(file)) != name:
            self._store.set_meta(_FILES, {**names, self._key(file): name})

    def parts(self, query: int) -> list[Part]:
        """Return the parts of a query that people were given so far, whether their files were written or not."""
        return [Part(*kept) for kept in self._store.meta(f"{_PARTS}/{query}") or []]

    def note_parts(self, query: int, parts: Sequence[Part]) -> None:
        """Note the parts of a query, all of them, before files are written: killed meanwhile, they stay the same."""
        self._store.set_meta(f"{_PARTS}/{query}", parts)

    def _key(self, file: Path) -> str:
        """Return a path as it is kept: one in the run directory stays true where that is moved."""
        file = file.resolve()
        return str(file.relative_to(self._store.run_dir) if file.is_relative_to(self._store.run_dir) else file)

    def _rows_key(self, file: Path) -> str:
        return f"{_FILES}/{self._key(file)}"


def _mark(answer: Answer) -> str:
    """Return a hash of what an answer says."""
    action = "label" if answer.action == "correct" else answer.action
    said = json.dumps([action, answer.label, answer.comment])
    return hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
