"""The annotator who sits at a terminal: one key labels a text, or marks an entity in it.

The parts: the `TerminalAnnotator` here, who knows when somebody can be asked; a `Session`, what is asked and what was
said; and a `Screen`, which draws it and reads keys. The latter two exist for labels, for sets of them and for
entities.
"""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prompt_toolkit.utils import is_dumb_terminal

from hfal.annotators.base import OpenQuery, Steps
from hfal.annotators.session.make import check_screen, make_session, name_at_terminal, what_is_left
from hfal.annotators.terminal.beside_training import BesideTraining
from hfal.annotators.terminal.entity_screen import EntityScreen
from hfal.annotators.terminal.label_screen import LabelScreen
from hfal.annotators.terminal.label_set_screen import LabelSetScreen
from hfal.store.annotator_names import check_person_name, check_team_names
from hfal.store.records import Answer
from hfal.store.run_directory import training_output_file
from hfal.store.store import Store
from hfal.utils.output import say


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

    With `when_idle="ask"` the person is asked while a round trains, too. While a text is shown then, what the training
    writes goes to `training_output.txt` in the run directory; a row of the screen says how far it is.

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
        self._beside: BesideTraining | None = None
        self._is_released = False

    @property
    def answers_now(self) -> bool:
        """Whether somebody sits at a terminal; see `hfal.annotators.base.Annotator`."""
        return _is_terminal()

    @contextlib.contextmanager
    def beside_training(self, store: Store) -> Iterator[None]:
        """Let another thread ask, for the length of a `with` block, while the one that enters it trains.

        Args:
            store: The run's store.
        """
        file = training_output_file(store.run_dir)
        say(f"While a text is shown, what the training writes goes to {file}.")
        self._beside = BesideTraining(file)
        try:
            with self._beside.ending():
                yield
        finally:
            self._beside = None

    def note(self, message: str, steps: Steps | None = None) -> None:
        """Show how far a training is, where somebody is asked beside it.

        Args:
            message: What happens.
            steps: How far it is, where that is known.
        """
        if self._beside is not None:
            self._beside.note(message, steps)

    def release(self, stopped: bool = False) -> None:
        """Have `annotate`, which another thread runs, end soon.

        Args:
            stopped: Whether that is as if the person had quit; else they are asked no more.
        """
        if self._beside is not None:
            self._beside.release(stopped)

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Ask until every question has an answer and the person closes the query, or until they quit.

        Raises:
            AnnotationError: There is no screen for such answers, or the tags mark no entities; nothing was asked.
        """
        if query.questions:
            check_screen(query, "in the terminal")
        self.has_left = self._is_released = False
        if not (query.questions and query.may_wait and _is_terminal()):
            return
        make, session = _SCREENS[str(query.kind.screen)], make_session(query, self.name, self.show_suggestions)
        if not session.open:  # all that is left is for others
            return
        beside = self._beside if self._beside is not None and self._beside.asks_here else None
        with contextlib.ExitStack() as stack:
            screen = make(session, None if beside is None else stack.enter_context(beside.terminal()))
            if beside is not None:
                stack.enter_context(beside.showing(screen))
            try:
                yield from screen.answers()
            finally:
                self.show_suggestions = session.suggestions_shown
                self._is_released = screen.is_released and not screen.left
                self.has_left = screen.left or (session.answered < query.size and not self._is_released)
        if screen.left and beside is not None and beside.is_training:
            say("", "You have left. The training goes on to its end, and ends the run; Ctrl-C ends it at once.")

    def waiting_for(self, query: OpenQuery) -> str | None:
        """How many texts are left, for whom, and how to go on; `None` for those that nobody is to answer any more."""
        if self._is_released:
            return None
        return what_is_left(query, self.has_left, self.name, where=" in a terminal", name=self.name)


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb_terminal()
    except (AttributeError, ValueError):  # no such stream, or a closed one
        return False
