"""A session: the questions and the answers of one person, whatever shows them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from hfal.annotators.base import OpenQuery, Question
from hfal.store.answer_log import NONSENSE, SETTLE, makes_no_sense
from hfal.store.records import AHEAD, HEAD, STREAM, SYNTHESIS, Answer
from hfal.tasks.tags import Entity
from hfal.utils.visible_text import one_line


class ShownSentence(NamedTuple):
    """A text in words, to be shown with their numbers, which begin with 1, and with the entities among them."""

    words: Sequence[str]
    entities: Sequence[Entity] = ()


def spoken_action(answer: Answer) -> str:
    """Return an answer without a label as it is shown."""
    return "makes no sense" if makes_no_sense(answer) else answer.action


class Session(ABC):
    """The questions of one query, and the answers of one annotator: which text is shown, what a key means for it.

    Methods that stand for a key return the answer to record, if any; `saved` is told when it is on the disk.
    """

    def __init__(self, query: OpenQuery, name: str, suggestions_shown: bool):
        self.query = query
        self.name = name
        self.suggestions_shown = suggestions_shown
        self.notice = ""
        self._questions = {question.example_id: question for question in query.questions}
        self.held = self._read()
        self.open = [i for i in self._questions if i not in self.held]  # to ask, in this order; first what was undone
        self.trail = list(self.held)  # the answered examples in the order in which one walks back through them
        self._worth_before = self._worth_held()
        self._comments: dict[str, str | None] = {}  # typed before the answer
        self._query_of: dict[str, int | None] = {}  # of examples whose answer was taken back
        self.shown: str | None = (
            self.open[0] if self.open else None
        )  # the example on the screen; None when all are answered

    def _read(self) -> dict[str, Answer]:
        """My answers by example, in the order in which they were said."""
        return {answer.example_id: answer for answer in self.query.answers() if answer.annotator == self.name}

    # -- what the task makes of it ---------------------------------------------------------------------------------

    @abstractmethod
    def texts(self) -> Mapping[str, str | ShownSentence]:
        """The texts that are shown."""

    @abstractmethod
    def spoken(self, answer: Answer) -> str:
        """An answer as it is shown, on one line."""

    @abstractmethod
    def _is_known(self, question: Question) -> bool:
        """Whether a question's suggestion is something that can be answered."""

    @property
    def marks(self) -> tuple[Entity, ...]:
        """The entities that are marked in the text that is shown."""
        return ()

    # -- how far one is --------------------------------------------------------------------------------------------

    @property
    def title(self) -> str:
        """What the query is for: `"Round 2 of 10"`."""
        query = self.query
        rounds = "" if query.rounds is None else f" of {query.rounds}"
        return {
            "holdout": "Held-out examples",
            "seed": "Seed set",
            AHEAD: f"More of round {query.round}{rounds}",
            SETTLE: "Disagreements",
            SYNTHESIS: "Texts made up by a program",
            HEAD: f"Query {query.sequence} for round {query.round + 1}{rounds}",
            STREAM: "Texts of a stream",
        }.get(query.purpose, f"Round {query.round}{rounds}")

    def _worth_held(self) -> int:
        """How much of the budget my answers have cost."""
        if self.query.settles:
            return 0
        labels = [answer.label for answer in self.held.values() if answer.label is not None]
        return sum(map(len, labels)) if self.query.unit == "words" else len(labels)

    @property
    def answered(self) -> int:
        """How many of the query's examples have an answer."""
        return self.query.size - len(self.open) + sum(map(self._is_of_another_query, self._query_of))

    def _is_of_another_query(self, taken_back: str) -> bool:
        """Return whether an example is asked again that is not of this query."""
        is_of_this = taken_back in self._questions or self._query_of[taken_back] == self.query.number
        return not is_of_this and taken_back in self.open

    @property
    def bought(self) -> int:
        """How many labels the run has now, or words that are tagged: what its budget counts."""
        before = self.query.words_bought if self.query.unit == "words" else self.query.labels_bought
        return before + self._worth_held() - self._worth_before

    # -- the text that is shown ------------------------------------------------------------------------------------

    @property
    def answer(self) -> Answer | None:
        """Return this person's answer to the text that is shown."""
        return None if self.shown is None else self.held.get(self.shown)

    @property
    def beside(self) -> Mapping[str, str]:
        """What is shown beside the text, by column."""
        return {} if self.shown is None else self.query.shown_of(self.shown)

    @property
    def comment(self) -> str | None:
        """The comment on the text that is shown, saved or to be saved with its answer."""
        if self.shown is None:
            return None
        return self.answer.comment if self.answer else self._comments.get(self.shown)

    @property
    def suggester(self) -> str:
        """Where suggestions come from, behind "what": `"the model suggests"`."""
        return "holds so far" if self.query.settles else "the model suggests"

    @property
    def suggested(self) -> Question | None:
        """The question that is shown, answered or not, if a model has suggested an answer to it."""
        question = self._question
        return question if question is not None and self._is_known(question) else None

    @property
    def is_synthesized(self) -> bool:
        """Whether a program has made up the text that is shown, so that it may make no sense."""
        return self._question is not None and self._question.synthesized

    @property
    def _question(self) -> Question | None:
        """The question that is shown, answered or not."""
        return None if self.shown is None else self._questions.get(self.shown) or self.query.question_of(self.shown)

    # -- what keys do ----------------------------------------------------------------------------------------------

    def say(self, action: str, label: str | list[str] | None = None) -> Answer | None:
        """Answer the text that is shown, or change its answer."""
        if self.shown is None:
            return None
        held = self.answer
        if self.query.settles:
            if label is None and action != NONSENSE:
                self._leave_for_later()
                return None
            action = SETTLE
        if held is not None and held.label == label and (label is not None or held.action == action):
            self.notice = f"That is the answer already: {self.spoken(held)}"
            return None
        origin = self._query_of.get(self.shown) if held is None else held.query
        return Answer(self.shown, label, action, self.name, origin, comment=self.comment)

    def _leave_for_later(self) -> None:
        """Ask about the text that is shown, which nobody has settled, behind the others; nothing is recorded."""
        if self.answer is not None:
            self.notice = "This is settled: choose another label, or undo."
            return
        self.open.append(self.open.pop(0))
        self.notice = "Left for later." if self.open[0] != self.shown else "This is the last one that is not settled."
        self.shown = self.open[0]

    def undo(self) -> Answer | None:
        """Take back what I said last."""
        if not self.held:
            self.notice = "There is nothing to undo."
            return None
        last = next(reversed(self.held.values()))
        return Answer(last.example_id, action="undo", annotator=self.name, query=last.query)

    def set_comment(self, comment: str) -> Answer | None:
        """Comment on the text that is shown; an empty comment takes the last one away."""
        assert self.shown is not None
        text = " ".join(comment.split()) or None
        held = self.answer
        if held is None:
            self._comments[self.shown] = text
            self.notice = "The comment is saved with your answer." if text else ""
            return None
        if text == held.comment:
            return None
        action = "label" if held.label is not None else held.action
        return Answer(self.shown, held.label, action, self.name, held.query, comment=text)

    def saved(self, answer: Answer) -> None:
        """An answer is on the disk: go on."""
        example_id = answer.example_id
        before = self.held.get(example_id)
        if answer.action == "undo":
            assert before is not None
            self.held = self._read()
            self.shown = example_id
            self.notice = f"Taken back: {self.spoken(before)}"
            if example_id not in self.held:
                self._reopen(before)
            return
        self.held.pop(example_id, None)
        self.held[example_id] = answer  # now the last one said
        if before is None:
            self.trail.append(example_id)
            self.open.remove(example_id)
            self.shown = self.open[0] if self.open else None
        said_before = (
            before is not None
            and before.label == answer.label
            and (answer.label is not None or before.action == answer.action)
        )
        self.notice = "The comment is saved." if said_before else f"Saved: {self.spoken(answer)}"

    def _reopen(self, taken_back: Answer) -> None:
        """Ask about an example again, the only answer to which was taken back."""
        example_id = taken_back.example_id
        self.trail.remove(example_id)
        self.open.insert(0, example_id)
        self._comments[example_id] = taken_back.comment
        self._query_of[example_id] = taken_back.query

    @property
    def place(self) -> tuple[int, int]:
        """How many steps one can walk back, and forward."""
        places = self._places()
        place = places.index(self.shown)
        return place, len(places) - 1 - place

    def _places(self) -> list[str | None]:
        return [*self.trail, self.open[0] if self.open else None]

    def walk(self, steps: int) -> None:
        """Go back (-1) or forward (1) through the answered texts; after the last one comes the open one."""
        places = self._places()
        place = places.index(self.shown) + steps
        self.notice = "This is your first answer." if place < 0 else ""
        self.shown = places[min(max(place, 0), len(places) - 1)]

    def return_to_open(self) -> None:
        """Show the text that is to be answered next."""
        self.shown = self.open[0] if self.open else None
        self.notice = ""

    # -- what of the query is this person's, where several people share it --------------------------------------------

    def give(self, example_id: str) -> None:
        """Ask about an example, after what is open already."""
        if example_id not in self.open:
            self.open.append(example_id)
        if self.shown is None:
            self.shown = self.open[0]

    def withdraw(self, example_id: str) -> None:
        """Ask about an example no more."""
        if example_id in self.open:
            self.open.remove(example_id)
        if self.shown == example_id:
            self.shown = self.open[0] if self.open else None


class LabelSession(Session):
    """A session in which a text gets a label."""

    def texts(self) -> dict[str, str | ShownSentence]:
        """The texts that are shown."""
        assert self.shown is not None
        question = self._questions.get(self.shown)
        texts = self.query.texts_of(self.shown) if question is None else question.texts
        return cast(dict[str, str | ShownSentence], dict(texts))  # only where words are tagged does one come in words

    def spoken(self, answer: Answer) -> str:
        """The name of the label, or what was done instead."""
        return spoken_action(answer) if answer.label is None else one_line(str(answer.label))

    def _is_known(self, question: Question) -> bool:
        return question.suggestion in self.query.label_names
