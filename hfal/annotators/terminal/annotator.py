"""The annotator who sits at a terminal: one key labels a text, or marks an entity in it.

The parts: the `TerminalAnnotator` here, who knows when somebody can be asked; a `Session`, what is asked and what was
said; and a `Screen`, which draws it and reads keys. The latter two exist for labels, for sets of them and for
entities.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prompt_toolkit.utils import is_dumb_terminal

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.make import check_screen, make_session, name_at_terminal, what_is_left
from hfal.annotators.terminal.entity_screen import EntityScreen
from hfal.annotators.terminal.label_screen import LabelScreen
from hfal.annotators.terminal.label_set_screen import LabelSetScreen
from hfal.store.annotator_names import check_person_name, check_team_names
from hfal.store.records import Answer


_SCREENS: dict[str, Callable[..., Any]] = {
    "label": LabelScreen,
    "label_set": LabelSetScreen,
    "entities": EntityScreen,
}
"""The screen of each kind of answers, by `hfal.tasks.kinds.Kind.screen`."""


class TerminalAnnotator:
    """Asks the person at the terminal, one text at a time and one key per label.

    Each answer is on the disk before the next text is shown. One can skip a text, say that one is not sure, undo
    answer by answer back to the first one ever given under this name, walk back to change an answer, add comments,
    and quit at any time; `?` shows all keys. Keys that were pressed before the first text was shown are dropped, and
    a key held down counts once.

    Where a text may have several labels, a key chooses one or takes it back, and Enter records what is chosen.

    Where words are tagged, a key stands for an entity type: it asks for the numbers of the words, which are shown
    with them, and Enter records what is marked. Only entities can be marked, not tags that every word has, such as
    parts of speech.

    The model's suggestion may sway the person; `show_suggestions=False` hides it until `h` is pressed. Enter accepts
    it, only while it is shown and the text has no answer. Suggested entities are marked, and suggested sets of labels
    chosen, from the start.

    Where there is no time to wait, or no terminal, nobody is asked: `waiting_for` says what to do.

    Args:
        name: Recorded with each answer; by default the login name. Answers given under another name cannot be undone.
        show_suggestions: Whether to show, at first, what the model would say.
        annotators: The names of several people, who label one after the other, here or elsewhere; `name` is the one
            at this terminal, who is asked what they have not answered. What others are to answer waits for them.

    Raises:
        ArgumentError: No person may have this name, see `hfal.store.annotator_names`; or it is none of `annotators`.
    """

    def __init__(self, name: str | None = None, show_suggestions: bool = True, annotators: Sequence[str] = ()):
        self.annotators = check_team_names(annotators)
        name = None if name is None else check_person_name(name, "name")
        self.name = name_at_terminal(name, self.annotators, "name (--annotator_name)")
        self.show_suggestions = show_suggestions
        self.has_left = False
        """Whether the person quit; see `hfal.annotators.base.Annotator`."""

    @property
    def answers_now(self) -> bool:
        """Whether somebody sits at a terminal; see `hfal.annotators.base.Annotator`."""
        return _is_terminal()

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Ask until every question has an answer and the person closes the query, or until they quit.

        Raises:
            AnnotationError: There is no screen for such answers, or the tags mark no entities; nothing was asked.
        """
        if query.questions:
            check_screen(query, "in the terminal")
        self.has_left = False
        if not (query.questions and query.may_wait and _is_terminal()):
            return
        session = make_session(query, self.name, self.show_suggestions)
        if not session.open:  # all that is left is for others
            return
        screen = _SCREENS[str(query.kind.screen)](session)
        try:
            yield from screen.answers()
        finally:
            self.show_suggestions = screen.session.suggestions_shown
            self.has_left = screen.left or screen.session.answered < query.size

    def waiting_for(self, query: OpenQuery) -> str | None:
        """How many texts are left, for whom, and how to go on; `None` for those that nobody can answer any more."""
        return what_is_left(query, self.has_left, self.name, where=" in a terminal", name=self.name)


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb_terminal()
    except (AttributeError, ValueError):  # no such stream, or a closed one
        return False
