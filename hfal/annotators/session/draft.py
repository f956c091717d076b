"""An answer that somebody puts together before it is saved: marks in a sentence, a set of labels."""

from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.session import Session
from hfal.errors import ArgumentError
from hfal.store.records import Answer


class DraftSession(Session):
    """A session in which an answer has several parts, each of which can be changed until Enter saves them.

    The draft is the last of these that there is: what the model suggests, while suggestions are shown; the answer;
    what the person has made of it since.
    """

    drafting: ClassVar[tuple[str, str]]
    """What is said where the suggestion is taken over; and how to change an answer without a label."""

    def __init__(self, query: OpenQuery, name: str, suggestions_shown: bool):
        super().__init__(query, name, suggestions_shown)
        self._drafts: dict[str, tuple[Any, ...]] = {}  # what the person has changed, and not saved

    # -- what the task makes of it ---------------------------------------------------------------------------------

    @abstractmethod
    def _parts(self, label: Iterable[str]) -> tuple[Any, ...]:
        """The parts of a label, as drafts have them."""

    @abstractmethod
    def _label(self, draft: tuple[Any, ...]) -> list[str]:
        """The label that a draft means; an `ArgumentError` if there is none."""

    # -- what is drafted -------------------------------------------------------------------------------------------

    @property
    def draft(self) -> tuple[Any, ...]:
        """The parts of the answer to the text that is shown."""
        if self.shown is None:
            return ()
        if self.shown in self._drafts:
            return self._drafts[self.shown]
        if self.answer is not None:
            return self._parts(self.answer.label or ())
        return self.suggestion if self.suggestions_shown else ()

    @property
    def suggestion(self) -> tuple[Any, ...]:
        """The parts of what the model suggests."""
        return () if self.suggested is None else self._parts(self.suggested.suggestion or ())

    @property
    def is_said(self) -> bool:
        """Whether the draft is my answer already."""
        held = self.answer
        if held is None or held.label is None:
            return held is not None and self.shown not in self._drafts
        return self.draft == self._parts(held.label)

    # -- what keys do ----------------------------------------------------------------------------------------------

    def accept(self) -> Answer | None:
        """Answer with the draft as it is now."""
        if self.answer is not None and self.is_said:
            more = "" if self.answer.label is not None else f"; {self.drafting[1]}"
            self.notice = f"That is the answer already: {self.spoken(self.answer)}{more}"
            return None
        try:
            label = self._label(self.draft)
        except ArgumentError as error:
            self.notice = str(error)
            return None
        return self.say("label", label)

    def restore(self) -> None:
        """Draft what the model suggests."""
        if self.suggested is None:
            self.notice = "There is no suggestion."
        elif not self.suggestions_shown:
            self.notice = "Suggestions are hidden; [h] shows them."
        else:
            assert self.shown is not None
            self.notice = self.drafting[0]
            if self.answer is None:
                self._drafts.pop(self.shown, None)
            else:
                self._drafts[self.shown] = self.suggestion

    def saved(self, answer: Answer) -> None:
        """An answer is on the disk: go on."""
        before = self.held.get(answer.example_id)
        is_comment = before is not None and before.label == answer.label
        said = before.label if before is not None and answer.action == "undo" else answer.label
        if said is not None and not is_comment:  # what was drafted before a skip is there if it is taken back
            self._drafts.pop(answer.example_id, None)
        super().saved(answer)

    def _reopen(self, taken_back: Answer) -> None:
        super()._reopen(taken_back)
        if taken_back.label is not None:
            self._drafts[taken_back.example_id] = self._parts(taken_back.label)
