"""The terminal annotator's screen where entities are marked: a key for the type, then the numbers of the words."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, TextIO

from prompt_toolkit.filters import Condition

from hfal.annotators.session.entity_session import EntitySession
from hfal.annotators.terminal.draft_screen import DraftScreen
from hfal.annotators.terminal.widgets import Chip
from hfal.store.records import Answer
from hfal.utils.visible_text import clip, one_line


_KEYS = "123456789abdefgijklmoptvwyz"  # without the letters of the commands: s n u c h q x r


class EntityScreen(DraftScreen):
    """Draws a session in which the entities of a sentence are marked."""

    session: EntitySession
    editors: ClassVar[Mapping[str, str]] = {
        "comment": "saves",
        "name": "asks for the words",
        "words": "marks: 3, or 3-5, or 3-5, 9",
    }
    help_text = """\
Mark the entities of the sentence, then press Enter. Every answer is saved at once. Quit whenever you like: the next \
start goes on with the next sentence.

The key of a type asks for the numbers of the words: 3, or 3-5, or several entities: 3-5, 9. They replace whatever \
they overlap. A * is all words.

  Enter  save what is marked, and go on; with nothing marked: there is no entity
  x      remove what is marked: asks for the numbers of the words
  r      mark what the model suggests, as it was
  /      pick a type by typing a part of its name
  s      skip: it cannot be labeled; never ask again
  n      not sure: you cannot tell
  u      undo your last answer, then the one before it, back to your first
  Left   look back at your answers, one by one; mark what is to be changed, and press Enter; or s or n
  Right  forward again
  Esc    to the sentence that waits for an answer
  c      comment on the sentence that is shown
  h      hide or show what the model suggests; while it is shown, it is marked in sentences that you have not touched
  q      quit; also Ctrl-C and Ctrl-D
  Space, PageDown, PageUp, Up, Down, Home, End: move in a long sentence;
  without Space, Home and End also while numbers are typed
  Ctrl-L draw the screen again

<U+001B> in reverse stands for a character that cannot be seen, or that a terminal might obey; so does a blank in \
reverse, which is part of a word.

Types:"""

    def __init__(self, session: EntitySession, terminal: TextIO | None = None):
        self._kind: str | None = None  # what the words that are typed are marked as; None: as no entity
        super().__init__(session, session.types, _KEYS, "types", terminal)

    def _prompt(self) -> str:
        if self._mode == "words":
            kind = "no entity" if self._kind is None else one_line(self._kind)
            return f"{clip(kind, max(self._pane.columns - 16, 4))}, words"
        return "Comment" if self._mode == "comment" else "Type"

    # -- keys ------------------------------------------------------------------------------------------------------

    def _bind_choices(self) -> None:
        super()._bind_choices()
        for kind, key in self._keys.items():
            self._on(key, self._labeling, partial(self._edit_words, kind))
        self._on("x", self._labeling, partial(self._edit_words, None))
        typing = Condition(lambda: self._mode == "words")
        for key, scroll, count in (
            ("up", self._pane.scroll, -1),
            ("down", self._pane.scroll, 1),
            ("pageup", self._pane.scroll_pages, -1),
            ("pagedown", self._pane.scroll_pages, 1),
        ):
            self._on(key, typing, partial(scroll, count))  # to look for numbers while typing them

    def _choose(self, choice: str) -> Answer | None:
        self._edit_words(choice)
        return None

    def _edit_words(self, kind: str | None) -> None:
        if self.session.shown is not None:
            self._kind = kind
            self.session.notice = ""
            self._editor.reset()
            self._switch("words")

    def _cancel(self) -> None:
        self.session.notice = ""  # what was wrong with the numbers
        super()._cancel()

    def _end_editing(self) -> None:
        if self._mode != "words":
            super()._end_editing()
            return
        self._hold("enter")
        if self.session.mark(self._editor.text, self._kind):
            self._switch("label")

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _drafted(self) -> str:
        marked = len(self.session.marks)
        return f"{marked or 'no'} {'entity' if marked < 2 else 'entities'}"

    def _restoring(self) -> str:
        return "marks"

    def _commands(self) -> list[Chip]:
        chips = super()._commands()
        if self._mode == "label" and self.session.shown is not None:
            chips.insert(2, Chip("remove a mark", "x"))
        return chips
