"""The terminal annotator's screen where a text gets a set of labels: a key chooses a label, Enter saves the set."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, TextIO

from hfal.annotators.session.label_set_session import LabelSetSession
from hfal.annotators.terminal.draft_screen import DraftScreen
from hfal.store.records import Answer


_KEYS = "123456789abdefgijklmoptvwxyz"  # without the letters of the commands: s n u c h q r


class LabelSetScreen(DraftScreen):
    """Draws a session in which a text gets a set of labels."""

    session: LabelSetSession
    editors: ClassVar[Mapping[str, str]] = {"comment": "saves", "name": "chooses"}
    help_text = """\
Choose the labels of the text, then press Enter. Every answer is saved at once. Quit whenever you like: the next \
start goes on with the next text.

The key of a label chooses it, and once more takes it back; (x) stands before those that are chosen.

  Enter  save what is chosen, and go on; with nothing chosen: none of the labels
  r      choose what the model suggests, as it was
  /      choose a label, or take it back, by typing a part of its name
  s      skip: it cannot be labeled; never ask again
  n      not sure: you cannot tell
  u      undo your last answer, then the one before it, back to your first
  Left   look back at your answers, one by one; choose what is to be changed, and press Enter; or s or n
  Right  forward again
  Esc    to the text that waits for an answer
  c      comment on the text that is shown
  h      hide or show what the model suggests; while it is shown, it is chosen in texts that you have not touched
  q      quit; also Ctrl-C and Ctrl-D
  Space, PageDown, PageUp, Up, Down, Home, End: move in a long text
  Ctrl-L draw the screen again

<U+001B> in reverse stands for a character that cannot be seen, or that a terminal might obey.

Labels:"""

    def __init__(self, session: LabelSetSession, terminal: TextIO | None = None):
        super().__init__(session, session.query.label_names, _KEYS, "labels", terminal)

    def _prompt(self) -> str:
        return "Comment" if self._mode == "comment" else "Label"

    def _bind_choices(self) -> None:
        super()._bind_choices()
        for label, key in self._keys.items():
            self._answer_on(key, partial(self._choose, label))  # held down, it counts once

    def _choose(self, choice: str) -> Answer | None:
        self.session.toggle(choice)
        return None

    def _drafted(self) -> str:
        return self.session.named(self.session.draft)

    def _restoring(self) -> str:
        return "chooses"

    def _choice_names(self) -> list[str]:
        chosen = self.session.draft
        return [
            f"({'x' if choice in chosen else ' '}) {name}"
            for choice, name in zip(self._choices, self._names, strict=True)
        ]
