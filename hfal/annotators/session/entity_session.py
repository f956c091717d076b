"""The entities of a sentence, as somebody marks them."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import ClassVar

from hfal.annotators.base import OpenQuery, Question
from hfal.annotators.session.draft import DraftSession
from hfal.annotators.session.session import ShownSentence, spoken_action
from hfal.errors import ArgumentError
from hfal.store.records import Answer
from hfal.tasks.tags import Entity, check_tags, entities, entity_types, write_tags
from hfal.tasks.words import words_of
from hfal.utils.visible_text import clip, one_line


_DASH = re.compile(r"\s*[-\u2010-\u2015]\s*")
_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")
_MOST_OF_A_NAME = 30  # cells of an entity's words, or of its type, in a notice


def word_ranges(typed: str, words: int) -> list[tuple[int, int]]:
    """The words that were typed: for each range the place of its first, and behind its last.

    Args:
        typed: Numbers of words, which begin with 1, and ranges of them, between commas or blanks (`3-5, 9`); or `*`,
            which is all words.
        words: How many words there are.

    Raises:
        ArgumentError: Something else was typed, or there are no such words; the message is for who typed it.
    """
    if typed.strip() == "*" and words:
        return [(0, words)]
    found = []
    for piece in re.split(r"[\s,;]+", _DASH.sub("-", typed).strip(" ,;")):
        match = _RANGE.fullmatch(piece)
        if match is None:
            wrong = f"{one_line(piece)[:30]!r} is no number of a word: type" if piece else "Type the numbers of words,"
            raise ArgumentError(f"{wrong} 3, or 3-5, or several: 3-5, 9")
        first, last = int(match[1]), int(match[2] or match[1])
        for number in (first, last):
            if not 1 <= number <= words:
                there_are = f"the words are 1 to {words}." if words else "this text has none."
                raise ArgumentError(f"There is no word {number}: {there_are}")
        if last < first:
            raise ArgumentError(f"{piece} runs backwards: type {last}-{first}")
        found.append((first - 1, last))
    for (_, end), (start, _) in pairwise(sorted(found)):
        if start < end:
            raise ArgumentError(f"Word {start + 1} is there twice: a word can be in one entity only.")
    return found


def overlapping(marks: Iterable[Entity], ranges: Sequence[tuple[int, int]]) -> list[Entity]:
    """The entities that have any of these words."""
    return [mark for mark in marks if any(mark.start < end and start < mark.end for start, end in ranges)]


class EntitySession(DraftSession):
    """A session in which the entities of a sentence are marked."""

    drafting: ClassVar[tuple[str, str]] = (
        "Marked as the model suggests.",
        "mark entities, or with [x] none, to change it",
    )

    def __init__(self, query: OpenQuery, name: str, suggestions_shown: bool):
        super().__init__(query, name, suggestions_shown)
        self.types = tuple(entity_types(query.label_names))

    def _sentence(self, example_id: str) -> tuple[str, list[str]]:
        """The name of the column, and the words."""
        question = self._questions.get(example_id)
        texts = self.query.texts_of(example_id) if question is None else question.texts
        ((column, text),) = texts.items()
        return column, words_of(text)

    def _words(self) -> list[str]:
        assert self.shown is not None
        return self._sentence(self.shown)[1]

    def _tags(self, marks: Iterable[Entity], words: Sequence[str]) -> list[str]:
        """The tags of these entities; an `ArgumentError` if there are none in this run that could say so."""
        tags = write_tags(marks, len(words), self.query.scheme)
        if missing := set(tags) - set(self.query.label_names):
            raise ArgumentError(f"This cannot be tagged: the run has no tag {one_line(min(missing))}.")
        return tags

    # -- what is marked --------------------------------------------------------------------------------------------

    @property
    def marks(self) -> tuple[Entity, ...]:
        """The entities that are marked in the sentence that is shown."""
        return self.draft

    def _parts(self, label: Iterable[str]) -> tuple[Entity, ...]:
        return tuple(entities([*label]))

    def _label(self, draft: tuple[Entity, ...]) -> list[str]:
        return self._tags(draft, self._words())

    def texts(self) -> dict[str, str | ShownSentence]:
        """The sentence that is shown, with what is marked in it."""
        assert self.shown is not None
        column, words = self._sentence(self.shown)
        return {column: ShownSentence(words, self.marks)}

    def spoken(self, answer: Answer) -> str:
        """The entities of an answer, or what was done instead."""
        if answer.label is None:
            return spoken_action(answer)
        return self._named(self._sentence(answer.example_id)[1], entities(answer.label))

    def _named(self, words: Sequence[str], marks: Iterable[Entity]) -> str:
        pairs = [(" ".join(words[mark.start : mark.end]), mark.type) for mark in marks]
        named = [[clip(one_line(text), _MOST_OF_A_NAME) for text in pair] for pair in pairs]
        return ", ".join(f"[{name}]{kind}" for name, kind in named) or "no entity"

    def _is_known(self, question: Question) -> bool:
        words = self._sentence(question.example_id)[1]
        try:
            self._tags(entities(check_tags(question.suggestion, words, self.query.label_names)), words)
        except ArgumentError:
            return False
        return True

    # -- what keys do ----------------------------------------------------------------------------------------------

    def mark(self, typed: str, kind: str | None) -> bool:
        """Mark the words that were typed as entities of a type, or as none; whether that could be done."""
        assert self.shown is not None
        words = self._words()
        try:
            ranges = word_ranges(typed, len(words))
            gone = overlapping(self.marks, ranges)
            added = [] if kind is None else [Entity(start, end, kind) for start, end in ranges]
            tags = self._tags({*self.marks} - {*gone} | {*added}, words)
        except ArgumentError as error:
            self.notice = str(error)
            return False
        self._drafts[self.shown] = tuple(entities(tags))  # where tags have no prefixes, neighbors are one
        replaced = self._named(words, gone)
        if added:
            instead = f" instead of {replaced}" if gone else ""
            self.notice = f"Marked: {self._named(words, sorted(added))}{instead}"
        else:
            self.notice = f"Removed: {replaced}" if gone else "No entity was marked there."
        return True
