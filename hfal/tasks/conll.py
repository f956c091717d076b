"""Sentences in columns, as the CoNLL shared tasks have them: a word and its tags in each line, a blank line between
sentences.

Lines such as `# id = 7` before a sentence say something about it, as in CoNLL-U. hfal writes tabs between columns.
What a line of columns cannot hold (blanks, line breaks and control characters in a word, and an empty one) is escaped,
and the sentence has a line `# escaped = yes`. In such a sentence, and in no other, `\\u0020` is the character of that
hexadecimal number, a backslash is `\\u005c`, and `\\e` is an empty word. So files of others, in which a backslash is
just that, are read as they are.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hfal.errors import ArgumentError
from hfal.utils.spelling import counted
from hfal.utils.text_files import read_text


SUFFIXES = (".conll", ".iob", ".iob2", ".bio", ".bioes", ".txt")
"""Of files that are taken for such columns."""

_TAB_BEHIND_A_WORD = re.compile(r"\S *\t")  # and not one in a blank line
_COMMENT = re.compile(r"# *([\w.-]+) *= *(.*)")
_WORD_LIKE_A_COMMENT = re.compile(r"#\S+=\S*\s+\S")  # `#tag=you	O`

_ENTITY_TAG = re.compile(r"O|[BIESLUMW]-\S+")
_PART_OF_SPEECH = re.compile(r"[A-Z$.,:`'#-]{1,5}")

_ESCAPED = "escaped"
_ODD_IN_CELL = re.compile(r"[\s\x00-\x1f\x7f-\x9f]|^-(?=DOCSTART-)")
_ODD_IN_COMMENT = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f]|\A | \Z")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")
_EMPTY = r"\e"


class Sentence(NamedTuple):
    """A sentence of a file: the number of its first line, its words, the other columns, and its comments by name."""

    line: int
    words: list[str]
    columns: list[list[str]]
    comments: dict[str, str]


def read_sentences(content: str, name: str, problems: list[str] | None = None) -> Iterator[Sentence]:
    """The sentences of a file in columns.

    The first column is the word. Columns are separated by tabs, if the file has any, else by blanks. Lines that begin
    with `-DOCSTART-` separate documents and are no sentences. Before a sentence, a line that begins with `#` and has
    other columns than the words have is a comment.

    Args:
        content: The text of the file.
        name: The file, for messages.
        problems: Where to collect what is wrong, instead of raising it; the sentences concerned are left out. Two
            comments of one name are wrong, too, where they are collected.

    Yields:
        Each sentence; `columns` has a list for each word, without the word itself. One without words is a sentence if
        it has an `id`.

    Raises:
        ArgumentError: A line has another number of columns than the first one.
    """
    if "\n" not in content:  # as on old Macs
        content = content.replace("\r", "\n")
    of_words = [line for line in content.split("\n") if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    separator = "\t" if any(map(_TAB_BEHIND_A_WORD.search, of_words)) else None
    width = len(of_words[0].removesuffix("\r").split(separator)) - 1 if of_words else None
    start, words, columns, comments, broken = 0, list[str](), list[list[str]](), dict[str, str](), False
    for number, line in enumerate([*content.split("\n"), ""], start=1):  # splitlines() would cut at U+2028 too
        line = line.removesuffix("\r")
        comment = None if words or _WORD_LIKE_A_COMMENT.match(line) else _COMMENT.fullmatch(line)
        if not line.strip() or line.startswith("-DOCSTART-"):
            ended = bool(words) or "id" in comments
            if ended and not broken:
                yield _unescaped(Sentence(start or number, words, columns, comments))
            start, words, columns, comments, broken = 0, [], [], {} if ended else comments, False
        elif comment:
            if problems is not None and comments.get(comment[1], comment[2].strip()) != comment[2].strip():
                problems.append(f"line {number}: '# {comment[1]} =' is there twice for one sentence")
                broken = True
            comments[comment[1]] = comment[2].strip()
        elif not words and line.startswith("#") and width is not None and len(line.split(separator)) != width + 1:
            continue
        else:
            word, *others = line.split(separator)
            if width is None:
                width = len(others)
            if len(others) != width or not word:
                problem = (
                    f"line {number}: {counted(len(others) + 1, 'column')}, but {width + 1} in the first line of the "
                    "file; every line is a word and its tags, with a blank line between sentences"
                )
                if problems is None:
                    raise ArgumentError(f"{name}, {problem}")
                problems.append(problem)
                broken = True
            start = start or number
            words.append(word)
            columns.append([cell.strip() for cell in others])


def write_sentence(words: Sequence[str], columns: Sequence[Sequence[str]], comments: Mapping[str, str]) -> str:
    """A sentence in columns with the blank line behind it, from which `read_sentences` makes the same sentence.

    Args:
        words: The words.
        columns: For each word what the other columns say.
        comments: What stands before it, by name.
    """
    rows = [[word, *others] for word, others in zip(words, columns, strict=True)]
    comments = dict(comments)
    if any(not cell or _ODD_IN_CELL.search(cell) for row in rows for cell in row) or any(
        map(_ODD_IN_COMMENT.search, comments.values())
    ):
        rows = [[_escape(cell, _ODD_IN_CELL) or _EMPTY for cell in row] for row in rows]
        comments = {name: _escape(value, _ODD_IN_COMMENT) for name, value in comments.items()} | {_ESCAPED: "yes"}
    lines = [f"# {name} = {value}".rstrip() for name, value in comments.items()]
    return "\n".join([*lines, *map("\t".join, rows), "", ""])


def _escape(text: str, odd: re.Pattern[str]) -> str:
    return odd.sub(lambda match: f"\\u{ord(match[0]):04x}", text.replace("\\", r"\u005c"))


def _unescaped(sentence: Sentence) -> Sentence:
    """The sentence as it was before it was written."""
    line, words, columns, comments = sentence
    if comments.get(_ESCAPED) != "yes":
        return sentence
    comments = {name: _restored(value) for name, value in comments.items() if name != _ESCAPED}
    return Sentence(line, [*map(_restored, words)], [[*map(_restored, others)] for others in columns], comments)


def _restored(text: str) -> str:
    return "" if text == _EMPTY else _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def read_file(path: str | os.PathLike[str]) -> Iterator[dict[str, list[str]]]:
    """The sentences of a file as rows of a data set: `tokens`, and `ner_tags` from the last column, if there are two.

    Raises:
        ArgumentError: It is no text in UTF-8 or UTF-16, a line has another number of columns than the first one, or
            it is a `.txt` file with texts instead of columns.
    """
    text = read_text(path)
    if Path(path).suffix.lower() == ".txt":
        _check_is_columns(text, os.fspath(path))
    for sentence in read_sentences(text, os.fspath(path)):
        if not sentence.words:
            continue
        row = {"tokens": sentence.words}
        if sentence.columns[0]:
            row["ner_tags"] = [columns[-1] for columns in sentence.columns]
        yield row


def _check_is_columns(content: str, name: str) -> None:
    """Refuse texts, one a line, whose words would be taken for columns.

    Columns are separated by tabs, or end in tags; or there are single words with blank lines between sentences.
    """
    lines = [line.strip() for line in content.splitlines() if not line.startswith(("#", "-DOCSTART-"))]
    last = [line.split()[-1] for line in lines if " " in line]
    are_tags = any(map(_ENTITY_TAG.fullmatch, last)) or (bool(last) and all(map(_PART_OF_SPEECH.fullmatch, last)))
    are_words = not last and "" in "\n".join(lines).strip().split("\n")
    if any(lines) and not (are_tags or are_words or any("\t" in line for line in lines)):
        raise ArgumentError(
            f"{name} has no tags at the ends of its lines, and .txt files are read as words in columns with their "
            "tags: of one text a line make a table, with 'text' as its first line, and call it .tsv"
        )
