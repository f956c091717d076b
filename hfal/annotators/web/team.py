"""Several people at one query: their sessions, whom each text is given to, and what each of them sees."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.make import make_session
from hfal.annotators.session.session import Session
from hfal.annotators.web.leases import Leases
from hfal.annotators.web.page_requests import StaleRequestError, carry_out
from hfal.annotators.web.page_state import asking_state
from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.utils.spelling import counted, joined_names


_MOST_NAMES = 4  # that a sentence has


class LostLeaseError(StaleRequestError):
    """A request about a text that has been given to others since its person had it: nothing is recorded."""


@dataclass
class _Member:
    """One of the people.

    Attributes:
        session: What they are asked and have said.
        turn: How many entries of the log are theirs.
        worth_before: What the budget's count was when they came.
        desk: Their state without what others do; `None` where it has to be made anew.
        earlier: The texts of earlier queries whose answer they have taken back.
        lost: Why what they said last was not recorded, where others had been given the text.
    """

    session: Session
    turn: int
    worth_before: int
    desk: Mapping[str, Any] | None = None
    earlier: set[str] = field(default_factory=set)
    lost: str = ""


class Team:
    """The people who answer one query, each in a session of their own.

    Each open text is leased to as many people as are still to answer it, and to nobody who has. Who does nothing until
    a lease is over is away: they are given nothing more until they do something.

    Args:
        query: The query.
        store: The run's store.
        leases: The leases, which are kept from one query to the next.
        away: Who is away; is changed.
        suggestions_shown: Whether what the model suggests is shown at first.
    """

    def __init__(self, query: OpenQuery, store: Store, leases: Leases, away: set[str], suggestions_shown: bool):
        self._query = query
        self._store = store
        self._leases = leases
        self._away = away
        self._suggestions_shown = suggestions_shown
        self._members: dict[str, _Member] = {}
        self._worth_of_gone = 0  # what those who have left have added to the budget's count
        self._recorded = next(one for one in store.queries() if one.number == query.number)
        self._asked = {one.example_id for one in self._recorded.examples}
        self._wanted = sum(self._recorded.opinions_on(one.example_id) for one in self._recorded.examples)
        self._left = {question.example_id: question.opinions for question in query.questions}
        self._said: dict[str, set[str]] = {}  # who has answered a text
        for answer in query.answers():
            self._said.setdefault(answer.example_id, set()).add(str(answer.annotator))
        for name, example in leases.pairs():  # of a command that was killed
            if example not in self._left or name in self._said.get(example, ()):
                leases.end(name, example)

    # -- people ----------------------------------------------------------------------------------------------------

    def come(self, name: str, does: bool) -> None:
        """Give somebody a session, unless they have one.

        Args:
            name: Who has come.
            does: Whether they do something, so that they are not away.
        """
        if name not in self._members:
            session = make_session(self._query, name, self._suggestions_shown)
            session.open.clear()
            session.shown = None
            for example in self._leases.of(name):
                session.give(example)
            self._members[name] = _Member(session, self._store.entries_of(name), session.bought)
        if does:
            self._return(name)

    def _return(self, name: str) -> None:
        """Renew what somebody has, and take from them what others have been given since."""
        member = self._members[name]
        self._away.discard(name)
        for example in [*member.session.open]:
            if example in self._leases.of(name) or self._may_have(name, example):
                self._leases.give(name, example)
            else:
                self._withdraw(name, example)

    def go(self, name: str) -> None:
        """Take back what somebody has, who has left."""
        self._leases.end(name)
        self._away.discard(name)
        if member := self._members.pop(name, None):
            self._worth_of_gone += member.session.bought - member.worth_before

    def expire(self) -> None:
        """End the leases whose time is over."""
        self._away.update(name for name, _ in self._leases.expire())

    # -- texts -----------------------------------------------------------------------------------------------------

    def _needed(self, example: str, but: str) -> int:
        """Return how many people are to be given a text, one of whom may be `but`."""
        return self._left.get(example, 0) - len({*self._leases.holders(example)} - {but})

    def _may_have(self, name: str, example: str) -> bool:
        if example in self._members_earlier(name):
            return True
        return self._needed(example, name) > 0 and name not in self._said.get(example, ())

    def _members_earlier(self, name: str) -> set[str]:
        return self._members[name].earlier if name in self._members else set()

    def _withdraw(self, name: str, example: str) -> None:
        member = self._members[name]
        if example in member.session.open:
            member.session.withdraw(example)
            member.desk = None

    def hand_out(self, here: Collection[str]) -> None:
        """Give a text to everybody who has none, has the page open, and is not away, in the order of the query."""
        for name in here:
            self.come(name, does=False)
        for name, member in self._members.items():
            if name in self._away or name not in here or member.session.open:
                continue
            example = next((each for each in self._left if self._may_have(name, each)), None)
            if example is not None:
                self._leases.give(name, example)
                member.session.give(example)
                member.desk = None
        for name in self._away & self._members.keys():  # whose text is theirs until others are given it
            for example in [*self._members[name].session.open]:
                if not self._may_have(name, example):
                    self._withdraw(name, example)

    # -- requests --------------------------------------------------------------------------------------------------

    def carry_out(self, name: str, action: str, body: Mapping[str, Any]) -> Answer | None:
        """Carry out a request of somebody who has come; return the answer to record, if there is any.

        Raises:
            LostLeaseError: It is about a text that others have been given.
            StaleRequestError: It is about another turn or text.
            ArgumentError: A field has a value that it cannot have.
        """
        self.come(name, does=True)
        member = self._members[name]
        member.desk, member.lost = None, ""
        session, example = member.session, body.get("example")
        is_of_now = action in ("answer", "comment") and body.get("turn") == member.turn and isinstance(example, str)
        if is_of_now and example != session.shown and name not in self._said.get(str(example), ()):
            example = str(example)
            if self._may_have(name, example):  # a text of a command that was killed
                self._leases.give(name, example)
                session.give(example)
                session.shown = example
            elif example in self._asked:
                member.lost = self._lost(example, name)
                raise LostLeaseError(member.lost)
        return carry_out(session, action, body, member.turn)

    def _lost(self, example: str, but: str) -> str:
        others = self._leases.holders(example) or sorted(self._said.get(example, ()))
        who = _named([one for one in others if one != but]) or "others"
        return f"this text was given to {who}, as you had it for long"

    def saved(self, name: str, answer: Answer) -> None:
        """An answer is on the disk: go on.

        Args:
            name: Whose it is.
            answer: The answer.
        """
        member, example = self._members[name], answer.example_id
        is_new = name not in self._said.get(example, ())
        member.session.saved(answer)
        member.turn = self._store.entries_of(name)
        if answer.action == "undo":
            self._taken_back(name, example)
        elif is_new:
            self._said.setdefault(example, set()).add(name)
            self._leases.end(name, example)
            member.earlier.discard(example)
            if example in self._left:
                self._left[example] -= 1
                if self._left[example] <= 0:
                    del self._left[example]

    def _taken_back(self, name: str, example: str) -> None:
        member = self._members[name]
        if example not in member.session.open:
            return  # an earlier answer of theirs holds
        self._said.get(example, set()).discard(name)
        left = self._store.opinions_left(self._recorded)
        order = [each.example_id for each in self._recorded.examples]
        self._left = {each: left[each] for each in order if each in left}
        if example not in self._asked:
            member.earlier.add(example)
        self._leases.give(name, example)

    # -- how far it is ---------------------------------------------------------------------------------------------

    @property
    def is_answered(self) -> bool:
        """Whether every opinion is in, and nobody puts in another one what they have taken back."""
        return not self._left and not self._leases.pairs()

    def may_close(self, name: str) -> bool:
        """Whether somebody may go on without the opinions that are missing: nobody who is present can give them."""
        member = self._members.get(name)
        return member is not None and not member.session.open and not self._leases.pairs()

    def is_away(self, name: str) -> bool:
        """Whether somebody does nothing."""
        return name in self._away

    @property
    def _given(self) -> int:
        return self._wanted - sum(self._left.values())

    def progress(self, waiting: Mapping[str, Any]) -> dict[str, Any]:
        """Return how far the query is, in opinions, in the place of what `waiting_state` says."""
        worth = [member.session.bought - member.worth_before for member in self._members.values()]
        return {
            **waiting["progress"],
            "answered": self._given,
            "size": self._wanted,
            "counts": "opinions" if self._wanted > len(self._recorded.examples) else "texts",
            "bought": waiting["progress"]["bought"] + sum(worth) + self._worth_of_gone,
        }

    def states(self, waiting: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """Return by person what they see.

        Args:
            waiting: The state before the query was asked.
        """
        progress = self.progress(waiting)
        found = {}
        for name, member in self._members.items():
            if member.desk is None:
                member.desk = asking_state(waiting, member.session, member.turn)
            own = {**member.desk, "progress": {**progress, "title": member.session.title}, "annotator": name}
            if own["shown"] is None:
                own |= self._rest(name)
            found[name] = own
        return found

    def _rest(self, name: str) -> dict[str, Any]:
        """Return what somebody sees who has no text."""
        given = f"{self._given:,} of {counted(self._wanted, 'opinion is', 'opinions are')} in."
        if lost := self._members[name].lost:
            given = f"Nothing was recorded: {lost}. {given}"
        left, holders = len(self._left), [one for one in self._leases.holders() if one != name]
        if name in self._away:
            message = "Are you still there?"
            more = f"As nothing was done here for a while, texts go to others. {given}"
            return {"message": message, "then": more, "goes_on": "Go on"}
        if holders:
            texts = counted(left, "text is", "texts are") if left else "a text is"
            message = f"Waiting for others: {texts} with {_named(holders)}"
            return {"message": message, "then": f"{given} This page goes on by itself.", "goes_on": ""}
        message = f"{counted(left, 'text needs', 'texts need')} somebody else, who is not here"
        more = f"{given} Wait until they come, or go on: these texts keep the opinions that they have."
        return {"message": message, "then": more, "goes_on": "Go on without them"}


def _named(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return joined_names(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
