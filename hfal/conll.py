"""Sentences in columns, as the CoNLL shared tasks have them: a word and its tags in each line, a blank line between
sentences.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from hfal.errors import ArgumentError


SUFFIXES = (".conll", ".iob", ".iob2", ".bio", ".bioes", ".txt")
"""Of files that are taken for such columns."""

_COMMENT = re.compile(r"#\s*([\w.-]+)\s*=\s*(.*)")  # as CoNLL-U has them: `# sent_id = 1`


class Sentence(NamedTuple):
    """A sentence of a file: the number of its first line, its words, the other columns, and its comments by name."""

    line: int
    words: list[str]
    columns: list[list[str]]
    comments: dict[str, str]


def read_sentences(content: str, name: str) -> Iterator[Sentence]:
    """The sentences of a file in columns.

    The first column is the word. Columns are separated by tabs, if the file has any, else by blanks. Lines that begin
    with `-DOCSTART-` separate documents and are no sentences.

    Args:
        content: The text of the file.
        name: The file, for messages.

    Yields:
        Each sentence; `columns` has a list for each word, without the word itself.

    Raises:
        ArgumentError: A line has another number of columns than the first one.
    """
    separator = "\t" if "\t" in content else None
    width: int | None = None
    start, words, columns, comments = 0, list[str](), list[list[str]](), dict[str, str]()
    for number, line in enumerate([*content.split("\n"), ""], start=1):  # splitlines() would cut at U+2028 too
        line = line.removesuffix("\r")
        comment = _COMMENT.fullmatch(line) if not words else None
        if not line.strip():
            if words:
                yield Sentence(start, words, columns, comments)
            start, words, columns, comments = 0, [], [], {} if words else comments
        elif line.startswith("-DOCSTART-"):
            continue
        elif comment:
            comments[comment[1]] = comment[2].strip()
        else:
            word, *others = line.split(separator)
            if width is None:
                width = len(others)
            if len(others) != width or not word:
                raise ArgumentError(
                    f"{name}, line {number}: {len(others) + 1} columns, but {width + 1} in the first line of the "
                    "file; every line is a word and its tags, with a blank line between sentences"
                )
            start = start or number
            words.append(word)
            columns.append(others)


def read_file(path: str | os.PathLike[str]) -> Iterator[dict[str, list[str]]]:
    """The sentences of a file as rows of a data set: `tokens`, and `ner_tags` from the last column, if there are two.

    Raises:
        ArgumentError: It is no UTF-8, or a line has another number of columns than the first one.
    """
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ArgumentError(f"{os.fspath(path)} is not UTF-8 (line {line}): save it again as UTF-8") from None
    for sentence in read_sentences(text, os.fspath(path)):
        row = {"tokens": sentence.words}
        if sentence.columns[0]:
            row["ner_tags"] = [columns[-1] for columns in sentence.columns]
        yield row
