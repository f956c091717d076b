"""The labels of a text that may have several, as somebody picks them."""

from collections.abc import Iterable
from typing import ClassVar

from hfal.annotators.base import Question
from hfal.annotators.session.draft import DraftSession
from hfal.annotators.session.session import LabelSession, spoken_action
from hfal.errors import ArgumentError
from hfal.store.records import Answer
from hfal.tasks.label_set import check_label_set
from hfal.utils.visible_text import one_line


class LabelSetSession(DraftSession, LabelSession):
    """A session in which a text gets a set of labels."""

    drafting: ClassVar[tuple[str, str]] = ("Chosen as the model suggests.", "choose labels to change it")

    def spoken(self, answer: Answer) -> str:
        """The names of the labels, or what was done instead."""
        return spoken_action(answer) if answer.label is None else self.named(answer.label)

    def named(self, labels: Iterable[str]) -> str:
        """Some labels as they are shown, on one line."""
        return ", ".join(map(one_line, labels)) or "none of them"

    def toggle(self, label: str) -> None:
        """Choose a label of the text that is shown, or do so no more."""
        if self.shown is not None:
            chosen = {*self.draft} ^ {label}
            self._drafts[self.shown] = tuple(name for name in self.query.label_names if name in chosen)
            self.notice = f"{'Chosen' if label in chosen else 'No longer chosen'}: {one_line(label)}"

    def _parts(self, label: Iterable[str]) -> tuple[str, ...]:
        return tuple(label)

    def _label(self, draft: tuple[str, ...]) -> list[str]:
        return list(draft)

    def _is_known(self, question: Question) -> bool:
        try:
            check_label_set(question.suggestion, self.query.label_names)
        except ArgumentError:
            return False
        return True
