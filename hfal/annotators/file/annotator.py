"""The file annotator: writes a query to a file, and reads the labels that somebody fills in."""

import csv
import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from hfal.annotators.base import OpenQuery, Question
from hfal.annotators.file.file_log import files_in, log_read, number_of
from hfal.annotators.file.meaning import answer_meant, difference, words_instead
from hfal.annotators.file.parts import files_of_people, further_parts, questions_of
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.annotator_names import ANYBODY, check_person_name, check_team_names
from hfal.store.answer_log import NONSENSE
from hfal.store.records import Answer
from hfal.store.run_directory import query_file
from hfal.store.shown_columns import names_in_files
from hfal.tasks.conll import Sentence, read_sentences, write_sentence
from hfal.tasks.words import Texts, words_of
from hfal.utils.csv_files import column_for, csv_lines, csv_rows, restore
from hfal.utils.files import atomic_write
from hfal.utils.json_text import read_json
from hfal.utils.spelling import bare, cell_text, counted, joined_names, meant, seen, shown
from hfal.utils.text_files import read_text
from hfal.utils.visible_text import one_line


_OURS = ("id", "suggestion", "confidence", "label", "comment")
_FORMATS = ("jsonl", "csv", "conll")
_UNFIT = {"csv": "has no place for", "conll": "is for"}
_NO_TAG = "_"


class _Asked(NamedTuple):
    """What one person is asked in one file: the questions of it that are still open, of so many in all."""

    path: Path
    name: str
    questions: tuple[Question, ...]
    size: int


class FileAnnotator:
    """Writes each query to a file and reads the labels that somebody fills in.

    The file `query-003.jsonl` (or `.csv`) has a row for each example: `id`, the text columns, the columns that are
    shown beside them, the model's `suggestion` with its `confidence`, and an empty `label` and `comment`. The run then
    ends with exit code 75. Fill in label names, leave the file where it is, and start the run again. Rows may stay
    empty: the run goes on with the labels that are there, and a label filled in later, or changed, is read with the
    next query.

    - A label may differ from its name in capitals and blanks, as long as only one label can be meant.
    - Instead of a label a row may say `skip` (it cannot be labeled) or `unsure` (the annotator cannot tell), unless a
      label has that name. Neither is trained on or asked again. Of a text that a program has made up, it may say
      `nonsense` (it makes no sense).
    - Where a text may have several labels, a label is a list of names, and `[]` is none of them. In a CSV file it is
      one cell, `LOC | PER`, and `none` is none of them (`[]` where a label is called that); semicolons and commas do
      as well, if they are a part of no name. An empty cell is no answer yet.
    - A comment is recorded with the label, `skip` or `unsure` of its row, and not without one.
    - Where words are tagged a label is a list with a tag for each word. A raw text has a column `tokens` with its
      words; instead of their tags its label may be a list of spans (`{"start": 0, "end": 5, "label": "PER"}`), which
      is empty where there is no entity.
    - A CoNLL file has the words with the suggested tags, and a third column for the tags, where each `_` is to be
      replaced. All words of a sentence have a tag, or none has, which leaves it open. Behind `# answer =` may stand
      `accept` (the suggested tags are right), `skip` or `unsure`. `hfal.tasks.conll` says how odd words are written.
    - A CSV file is UTF-8 with commas, which many spreadsheets change to semicolons: both are read. In it an
      apostrophe stands before all that a spreadsheet might run as a formula; reading takes it away again.
    - Nothing of any file is recorded while one has an error: the message lists the errors of all files with their
      lines, or in CSV files with their rows as a spreadsheet counts them, and the files stay as they are. A text that
      is not that of its row's id is such an error, since rows may have been moved against each other; where a program
      changed the texts, remove their column.
    - The columns that are shown beside the texts are never read: what is changed in them has no effect. One that is
      called nearly as a column of hfal's has `shown_` in front.
    - Several people have a file each, `query-003.anna.csv`, with the texts that they are to label: as many people get
      a text as are to label it, nobody gets one twice, and all get about as many. Their answers are recorded under
      their names. The run goes on when something is filled in in each of these files.

    Args:
        format: `"jsonl"`, or `"csv"` for a spreadsheet (not where words are tagged), or `"conll"` for columns (only
            there).
        folder: Where the files are; the run directory by default.
        name: Recorded with each answer: who fills in the file.
        annotators: The names of several people, each of whom has a file of their own; `name` is not used then.

    Raises:
        ArgumentError: There is no such format, or no person may have this name; see `hfal.store.annotator_names`.
    """

    def __init__(
        self,
        format: str = "jsonl",
        folder: str | os.PathLike[str] | None = None,
        name: str = "file",
        annotators: Sequence[str] = (),
    ):
        if format not in _FORMATS:
            raise ArgumentError(
                f"format={format!r}, expected 'jsonl', 'csv' or 'conll'; for a spreadsheet take 'csv', which every "
                "one of them opens and saves"
            )
        self.name = check_person_name(name, "name")
        self.annotators = check_team_names(annotators)
        if self.annotators == [ANYBODY]:
            raise ArgumentError(
                f"annotators is {ANYBODY!r}, but in files everybody has one of their own: name the people "
                "(--annotators anna,ben), or have whoever comes label on the page (--annotator web)"
            )
        self.format = format
        self.folder = None if folder is None else Path(folder)
        self._filled_in: dict[Path, int] = {}  # rows of the files of the query that was read last

    def path(self, query: OpenQuery) -> Path:
        """The file of a query, where one person answers."""
        return query_file(self.folder or query.run_dir, query.number, self.format)

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Write the query's file if there is none, and give the labels found in all files so far.

        Raises:
            AnnotationError: Files have errors; the message lists them all.
            ArgumentError: The answers to this query cannot be given in this format.
        """
        self._check_format(query)
        log = query.file_log
        asked = {one.path: one for one in self._asked(query)}
        for path, name, questions, _ in asked.values():
            if questions and not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                content = self._content(replace(query, questions=questions))
                with atomic_write(path, sync=True) as part:
                    part.write_bytes(content)
                if log is not None:
                    log.note(path, name, [])
            elif questions and not _decode(path).strip():
                raise _is_empty(path)
        found: dict[Path, list[Answer]] = {}
        errors: list[str] = []
        names = self.files_with_names(query.run_dir)
        for file in names:
            try:
                answers = self.read(file, query)
            except AnnotationError as error:
                errors.append(str(error))
                continue
            if number_of(file) <= query.number:  # those of later queries come in their turn
                found[file] = answers
        if errors:
            raise AnnotationError("\n".join(errors))
        self._filled_in = {path: len(found.get(path, [])) for path in asked}
        latest = {(a.example_id, names[file]): file for file, answers in found.items() for a in answers}
        for file, answers in found.items():
            name = names[file]
            # What was read before is not said again: somebody may have corrected it since in another way.
            unread = answers if log is None or not log.knows(file) else log.unread(file, answers)
            said = [replace(answer, annotator=name) for answer in unread if latest[answer.example_id, name] == file]
            yield from said
            if log is not None:
                log.note(file, name, answers)
            left = asked[file].questions if file in asked else ()
            log_read(file, len(said), sum((question.example_id, name) not in latest for question in left))

    def files(self, run_dir: Path) -> list[Path]:
        """The files that are there, of the first query to the last."""
        return list(self.files_with_names(run_dir))

    def files_with_names(self, run_dir: Path) -> dict[Path, str]:
        """The files that are there, of the first query to the last, each with who fills it in."""
        folder = self.folder or run_dir
        if self.annotators:
            return files_of_people(folder, [self.format], self.annotators)
        return dict.fromkeys(files_in(folder, [self.format]), self.name)

    def _asked(self, query: OpenQuery) -> list[_Asked]:
        """Return what is asked in which file; texts that nobody was given yet are given to people, and that noted."""
        if not self.annotators:
            return [_Asked(self.path(query), self.name, query.questions, query.size)]
        log, folder = query.file_log, self.folder or query.run_dir
        parts = [] if log is None else log.parts(query.number)
        _check_capitals(self.annotators, [] if log is None else log.people())
        further = further_parts(query, self.annotators, parts)
        if further and log is not None:
            log.note_parts(query.number, [*parts, *further])
        return [
            _Asked(part.path(folder, query.number, self.format), part.name, questions, len(part.example_ids))
            for part, questions in questions_of(query, [*parts, *further], self.annotators)
        ]

    def waiting_for(self, query: OpenQuery) -> str | None:
        """Nothing once some rows of each file of the query are filled in; before that, the files."""
        asked = self._asked(query)
        if all(self._filled_in.get(one.path) for one in asked if one.questions):
            return None
        names = joined_names(query.label_names)
        rows = "rows"
        if self.format == "conll":
            rows = "sentences"
            how = f"Replace each '{_NO_TAG}' in the last column with one of: {names}"
            how += " (or write 'accept', 'skip' or 'unsure' behind '# answer =')"
        else:
            is_raw = any(isinstance(text, str) for one in query.questions[:1] for text in one.texts.values())
            instead = words_instead(query)
            answer = query.kind.how_to_fill_in(query.label_names, instead, self.format == "csv", is_raw)
            how = f"Fill in the column 'label' with {answer}"
        if any(question.synthesized for question in query.questions) and words_instead(query, [NONSENSE]):
            how += f"; {NONSENSE!r} is for texts that a program has made up and that make no sense"
        if not self.annotators:
            return (
                f"{counted(len(query.questions), 'text waits', 'texts wait')} in {one_line(str(self.path(query)))}\n"
                f"    {one_line(how)}; {rows} may stay empty.\n"
                "    Leave the file there and start the run again."
            )
        files = [
            f"    {one_line(f'{one.path} ({one.name})')}: {len(one.questions)} of {one.size} left"
            for one in asked
            if one.questions
        ]
        return (
            f"{counted(len(query.questions), 'text waits', 'texts wait')} in these files:\n"
            + "\n".join(files)
            + f"\n    {one_line(how)}; {rows} may stay empty.\n"
            "    Leave the files there, and start the run again when something is filled in in each."
        )

    def _check_format(self, query: OpenQuery) -> None:
        kind = query.kind
        if self.format not in kind.formats:
            instead = " or ".join(repr(format) for format in _FORMATS if format in kind.formats)
            raise ArgumentError(
                f"format={self.format!r} {_UNFIT[self.format]} {kind.unfit[self.format]}: take {instead}"
            )
        if self.format == "csv":
            kind.check_cells(query.label_names)
        if self.format == "conll" and _NO_TAG in query.label_names:
            raise ArgumentError(
                f"format='conll' has {_NO_TAG!r} where no tag is given, but a tag has that name: take 'jsonl'"
            )

    # -- writing ---------------------------------------------------------------------------------------------------

    def _content(self, query: OpenQuery) -> bytes:
        if self.format == "conll":
            return "".join(_sentences(query)).encode()
        rows = []
        for question in query.questions:
            texts = self._columns(question.texts, query)
            names = names_in_files(query.shown_columns, texts)
            shown = {name: question.shown.get(column) for column, name in names.items()}
            row: dict[str, Any] = {"id": question.example_id, **texts, **shown}
            confidence = None if question.confidence is None else round(question.confidence, 4)
            row.update(suggestion=self._suggestion(question.suggestion, query), confidence=confidence)
            row.update(label=None, comment=None)
            rows.append(row)
        if self.format == "jsonl":
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        lines = csv_lines(rows[0], (row.values() for row in rows))
        return "".join(lines).encode("utf-8-sig")  # the mark by which spreadsheets know UTF-8

    def _suggestion(self, suggestion: Any, query: OpenQuery) -> Any:
        if suggestion is None or self.format != "csv":
            return suggestion
        return query.kind.to_cell(suggestion, query.label_names)

    def _columns(self, texts: Texts, query: OpenQuery) -> Texts:
        """The columns that say what an example is, and that are to come back as they were."""
        if not query.kind.of_words:
            return {column_for(name, _OURS): text for name, text in texts.items()}
        ((name, text),) = texts.items()
        if self.format == "conll":
            return {"tokens": words_of(text)}
        if isinstance(text, str):
            return {column_for(name, (*_OURS, "tokens")): text, "tokens": words_of(text)}
        return {column_for(name, _OURS): text}

    # -- reading ---------------------------------------------------------------------------------------------------

    def read(self, file: Path, query: OpenQuery) -> list[Answer]:
        """Read what is filled in in a file.

        Args:
            file: The file.
            query: Any query of the run.

        Raises:
            AnnotationError: The file has errors; the message lists them.
        """
        problems: list[str] = []
        answers: dict[str, Answer] = {}
        rows = {"jsonl": self._objects, "csv": self._cells, "conll": self._sentences}[self.format]
        for where, row in rows(file, problems):
            example_id = _known_id(row.get("id"), query)
            if example_id is None:
                problems.append(f"{where}: no example has the id {shown(row.get('id'))}")
                continue
            texts = query.texts_of(example_id)
            alike = _misspelt(row, self._columns(texts, query))
            if alike is not None:
                problems.append(f"{where}: {alike}")
                continue
            moved = self._moved(row, example_id, texts, query)
            problems.extend(f"{where}: {problem}" for problem in moved)
            if moved and query.kind.of_words:
                continue  # tags of other words
            try:
                said = answer_meant(row.get("label"), texts, query, example_id)
            except ArgumentError as error:
                problems.append(f"{where}: {error}")
                continue
            if said is None:
                continue
            comment = cell_text(row.get("comment")) or None
            if comment is not None and re.search("[\ud800-\udfff]", comment):
                problems.append(f"{where}: the comment has half a surrogate pair, which is no text")
                continue
            action, label = said
            answer = Answer(example_id, label, action, query=number_of(file), comment=comment)
            above = answers.setdefault(example_id, answer)
            if above != answer:
                differs = "comment" if (above.action, above.label) == (answer.action, answer.label) else "label"
                problems.append(f"{where}: {shown(example_id)} has another {differs} above")
        if problems:
            counting = " (row 1 names the columns)" if self.format == "csv" else ""
            listed = "\n    ".join(map(one_line, problems[:20])) + (
                "" if len(problems) <= 20 else f"\n    … {len(problems) - 20} more"
            )
            raise AnnotationError(
                f"{one_line(str(file))} has {counted(len(problems), 'error')}{counting}; nothing of it "
                f"was recorded, the file is as it was:\n    {listed}"
            )
        return list(answers.values())

    def _moved(self, row: dict[str, Any], example_id: str, texts: Texts, query: OpenQuery) -> list[str]:
        """Find the columns of a row that belong to another example than the one that it names."""
        problems = []
        for column, text in self._columns(texts, query).items():
            differs = None if row.get(column) is None else difference(row[column], text)
            if differs is not None:
                what = (
                    f"the text in {column!r} is not the text of {shown(example_id)}"
                    if isinstance(text, str)
                    else f"the words are not those of {shown(example_id)} ({differs})"
                )
                problems.append(
                    f"{what}; were rows moved against each other? If a program changed the texts, remove their column"
                )
        return problems

    def _objects(self, file: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for line, record in enumerate(_decode(file).split("\n"), start=1):  # splitlines() would cut at U+2028 too
            if record.strip():
                try:
                    row = read_json(record)
                except json.JSONDecodeError as error:
                    problems.append(f"line {line}: no JSON ({error.msg} at column {error.colno})")
                except (ValueError, RecursionError) as error:
                    problems.append(f"line {line}: no JSON ({error})")
                else:
                    if isinstance(row, dict) and "id" in row:
                        yield f"line {line}", row
                    else:
                        problems.append(f"line {line}: no JSON object with an 'id'")

    def _sentences(self, file: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        for sentence in read_sentences(_decode(file), str(file), problems):
            if any(len(columns) != 2 for columns in sentence.columns):
                raise AnnotationError(
                    f"{file} has lines without three columns (word, suggestion, tag), as line {sentence.line}"
                )
            try:
                label = _label_in_columns(sentence)
            except ArgumentError as error:
                problems.append(str(error))
            else:
                yield f"line {sentence.line}", {**sentence.comments, "tokens": sentence.words, "label": label}

    def _cells(self, file: Path, problems: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        text = _decode(file)
        # Spreadsheets write the separator of their country; it is what follows the first column's name.
        header = re.match(r'"?id"?([,;\t])', text)
        if not text.strip():
            raise _is_empty(file)
        if header is None:
            raise AnnotationError(f"{file} does not begin with the column 'id': was its first line removed or moved?")
        rows = csv_rows(text, header[1])
        number = 0
        try:
            number, columns = next(rows)
            columns = [restore(column) for column in columns]
            if "label" not in columns:
                raise AnnotationError(f"{file} has no column 'label'; its columns are: {columns}")
            twice = [name for name in columns if name.strip() and columns.count(name) > 1]
            if twice:
                raise AnnotationError(
                    f"{file} has the column {shown(twice[0])} twice: leave the one that is right, and remove the other"
                )
            for number, row in rows:
                if any(cell.strip() for cell in row[len(columns) :]):
                    problems.append(f"row {number}: more cells than columns; put cells with a {header[1]!r} in quotes")
                elif any(cell.strip() for cell in row):
                    yield f"row {number}", dict(zip(columns, map(restore, row), strict=False))
        except csv.Error as error:
            problems.append(f"row {number + 1}: no CSV ({error}); is a quote missing?")


def _sentences(query: OpenQuery) -> Iterator[str]:
    """The questions of a query in columns: word, suggestion, and the tag to be filled in."""
    for question in query.questions:
        (text,) = question.texts.values()
        words = words_of(text)
        columns = [[tag, _NO_TAG] for tag in question.suggestion or [_NO_TAG] * len(words)]
        names = names_in_files(query.shown_columns, [], as_comments=True)
        beside = {names[column]: value for column, value in question.shown.items()}
        yield write_sentence(words, columns, {"id": question.example_id, **beside, "comment": "", "answer": ""})


def _label_in_columns(sentence: Sentence) -> str | list[str] | None:
    """Return the word behind `# answer =`, or the tags that are filled in; `None` if nothing is."""
    answer = sentence.comments.get("answer", "")
    word = meant(answer, ("accept", "skip", "unsure", NONSENSE))
    if answer and word is None:
        raise ArgumentError(f"line {sentence.line}: the answer {shown(answer)} is none of: accept, skip, unsure")
    suggested, tags = ([columns[n].strip() for columns in sentence.columns] for n in (0, 1))
    missing = [place for place, tag in enumerate(tags) if tag in ("", _NO_TAG)]
    if len(missing) == len(tags):
        if word != "accept":
            return word
        if _NO_TAG in suggested:
            raise ArgumentError(f"line {sentence.line}: there are no suggested tags to accept")
        return suggested
    if word is not None:
        raise ArgumentError(
            f"line {sentence.line}: the sentence has tags and the answer {word!r}: leave one of them out"
        )
    if missing:
        place = missing[0]
        raise ArgumentError(
            f"line {sentence.line + place}: {shown(sentence.words[place])} has no tag, as others of its sentence have"
        )
    return tags


def _known_id(found: Any, query: OpenQuery) -> str | None:
    """The id that a cell means: as it is, or without blanks around it."""
    for example_id in ("" if found is None else str(found), cell_text(found)):
        try:
            query.texts_of(example_id)
        except KeyError:
            continue
        return example_id
    return None


def _misspelt(columns: Iterable[str], texts: Collection[str]) -> str | None:
    """Find a column that a person may have filled in, but that is not read, since it is not quite called so.

    Args:
        columns: Those of a row.
        texts: The names of columns with texts, which may look like ours.
    """
    for name in columns:
        meant_by_it = bare(seen(name)).casefold()
        if name not in (*_OURS, *texts) and meant_by_it in ("id", "label", "comment"):
            return f"the column {shown(name)} is not read, only {meant_by_it!r} is: rename or remove it"
    return None


def query_files(folder: str | os.PathLike[str], number: int) -> list[Path]:
    """The files of a query that are in a folder, one for each format at most."""
    return [path for path in (query_file(Path(folder), number, format) for format in _FORMATS) if path.is_file()]


def _check_capitals(names: Iterable[str], before: Iterable[str]) -> None:
    """Check that nobody has another name than before but for capitals: some file systems take both for one file."""
    spelled = {name.casefold(): name for name in before}
    for name in names:
        known = spelled.get(name.casefold(), name)
        if known != name:
            raise ArgumentError(f"annotators has {shown(name)}, but there are files of {shown(known)}: write it so")


def _is_empty(file: Path) -> AnnotationError:
    return AnnotationError(f"{file} is empty: remove it, and what is still open in it is written again")


def _decode(file: Path) -> str:
    if file.exists() and not file.is_file():  # a pipe would be waited for, and some devices never end
        raise AnnotationError(f"{file} is no file: move it away, or put the file with the answers in its place")
    try:
        return read_text(file)
    except ArgumentError as error:
        raise AnnotationError(f"{error}; nothing of it was recorded") from None
    except OSError as error:
        raise AnnotationError(f"{file} cannot be read: {error.strerror}") from None
