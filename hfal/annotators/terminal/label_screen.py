"""The terminal annotator's screen where a text gets a label: one key, one label."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, TextIO

from hfal.annotators.session.session import LabelSession
from hfal.annotators.terminal.layout import Fragments
from hfal.annotators.terminal.screen import Screen
from hfal.annotators.terminal.widgets import Chip
from hfal.store.records import Answer
from hfal.utils.spelling import percent
from hfal.utils.visible_text import one_line


_KEYS = "123456789abdefgijklmoprtvwxyz"  # without the letters of the commands: s n u c h q


class LabelScreen(Screen):
    """Draws a session in which a text gets a label."""

    editors: ClassVar[Mapping[str, str]] = {"comment": "saves", "name": "labels"}
    help_text = """\
Every answer is saved at once. Quit whenever you like: the next start goes on with the next text.

  s      skip: it cannot be labeled; never ask again
  n      not sure: you cannot tell
  u      undo your last answer, then the one before it, back to your first
  Left   look back at your answers, one by one; a label, s or n then changes the answer
  Right  forward again
  Esc    to the text that waits for an answer
  c      comment on the text that is shown
  h      hide or show what the model suggests
  Enter  accept the suggestion, while it is shown
  /      label by typing a part of the label's name
  q      quit; also Ctrl-C and Ctrl-D
  Space, PageDown, PageUp, Up, Down, Home, End: move in a long text
  Ctrl-L draw the screen again

<U+001B> in reverse stands for a character that cannot be seen, or that a terminal might obey.

Labels:"""

    def __init__(self, session: LabelSession, terminal: TextIO | None = None):
        super().__init__(session, session.query.label_names, _KEYS, "labels", terminal)

    def _prompt(self) -> str:
        return "Comment" if self._mode == "comment" else "Label"

    def _bind_choices(self) -> None:
        for label, key in self._keys.items():
            self._answer_on(key, partial(self._choose, label))

    def _choose(self, choice: str) -> Answer | None:
        return self.session.say("label", choice)

    def _accept(self) -> Answer | None:
        session = self.session
        if session.answer is None and session.suggested is not None and session.suggestions_shown:
            return self._choose(str(session.suggested.suggestion))
        session.notice = "There is no suggestion to accept." if session.answer is None else ""
        return None

    def _suggestion(self, columns: int, most_rows: int) -> list[Fragments]:
        question = self.session.suggested
        if question is None:
            return []
        if not self.session.suggestions_shown:
            return [Chip(f"shows what {self.session.suggester}", "h").fragments(columns)]
        confidence = "" if question.confidence is None else f" ({percent(question.confidence)})"
        suggester = self.session.suggester.removeprefix("the ").capitalize()
        suggestion = f"{suggester}{confidence}: {one_line(str(question.suggestion))}"
        return [Chip(suggestion, "" if self.session.answer else "Enter").fragments(columns)]
