"""The screen of the terminal annotator, and its keys.

The event loop stands still while an answer goes to the disk, so nothing that is shown has not been saved, and keys
typed meanwhile wait in the terminal.
"""

import asyncio
import contextlib
import errno
import signal
import termios
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, TextIO

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition, FilterOrBool
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import DummyHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import clear_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.key_binding.key_processor import KeyPress
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import (
    BufferControl,
    ConditionalContainer,
    Dimension,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.menus import CompletionsMenuControl
from prompt_toolkit.layout.processors import BeforeInput
from prompt_toolkit.output import create_output

from hfal.annotators.session.session import Session, ShownSentence
from hfal.annotators.terminal.head_and_end import ending, head
from hfal.annotators.terminal.help_page import help_page
from hfal.annotators.terminal.layout import Fragments
from hfal.annotators.terminal.pane import Pane
from hfal.annotators.terminal.widgets import Chip, Masked, Names, beside, flow, keys_of
from hfal.store.answer_log import NONSENSE
from hfal.store.records import Answer
from hfal.tasks.tags import Entity
from hfal.utils.visible_text import clip, one_line


_HELD_DOWN = 0.1  # seconds; nobody reads a text faster, and keyboards repeat a key about every 0.03
_FEWEST_COLUMNS, _FEWEST_ROWS = 20, 8
_LARGE = 16  # rows; with fewer each part of the screen gets as few as possible
_BEGIN_UPDATE, _END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know it draw what is between at once


class Screen(ABC):
    """Draws a session with prompt_toolkit, and turns keys into answers.

    Args:
        session: What is asked.
        choices: The names that have a key each, as far as there are keys; the others are picked by name.
        keys: Keys for them, none of which is a command; see `keys_of`.
        noun: What these names are of, in the plural.
        terminal: Where it is drawn; `None` for standard output.

    Attributes:
        left: Whether the person wants to be asked nothing more for now.
        is_released: Whether it was closed by `release`, so that nobody has left.
        noted: What happens beside it, which has a row then.
    """

    editors: ClassVar[Mapping[str, str]]
    """What Enter does in the modes in which a line is typed."""

    help_text: ClassVar[str]
    """The first part of the help page, before the list of choices."""

    def __init__(self, session: Session, choices: Sequence[str], keys: str, noun: str, terminal: TextIO | None):
        self.session = session
        self.left = self.is_released = self._is_terminated = False
        self.noted: str | None = None
        self._mode = "label"  # or "help", or one of the editors
        self._choices = choices
        self._names = [one_line(name) for name in choices]
        self._keys = keys_of(choices, keys)
        self._noun = noun
        self._pane = Pane(self._shown, self._texts)
        self._fits = False  # whether the terminal is large enough
        self._rows: list[Fragments] = []
        self._exact = True  # whether what is on the screen is where prompt_toolkit takes it to be
        self._answer: Answer | None = None  # on its way to the disk
        self._waiting: list[KeyPress] = []  # what was typed after it
        self._last_key = ("", 0.0)  # the last that answered, and when its answer was saved
        self._error: BaseException | None = None

        self._labeling = Condition(lambda: self._mode == "label" and self._fits)
        self._editing = Condition(lambda: self._mode in self.editors)
        self._completer = Names(choices, lambda: self._mode == "name")
        self._editor = Buffer(
            completer=self._completer, complete_while_typing=True, history=DummyHistory(), multiline=False
        )
        prompt = BeforeInput(lambda: f"{self._prompt()}: ", "bold")
        self._main = Window(FormattedTextControl(self._fragments, focusable=True, show_cursor=False))
        self._input = Window(BufferControl(self._editor, [Masked(), prompt]), height=1)
        # Rows of its own below what is typed: floating above it, the menu would cover labels, keys and the notice.
        menu = Window(
            CompletionsMenuControl(),
            height=lambda: Dimension.exact(self._menu_rows()),
            dont_extend_width=True,
            style="class:completion-menu",
        )
        body = HSplit(
            [
                self._main,
                ConditionalContainer(self._input, self._editing),
                ConditionalContainer(menu, Condition(lambda: self._menu_rows() > 0)),
            ]
        )
        self._bindings = KeyBindings()
        self._bind_commands()
        self._bind_choices()
        self._app: Application[None] = Application(
            layout=Layout(body, self._main),
            key_bindings=self._bindings,
            include_default_pygments_style=False,
            full_screen=True,
            input=create_input(),
            output=create_output(terminal),
            before_render=lambda _: self._before_render(),
            after_render=lambda _: self._after_render(),
        )
        self._loop = asyncio.new_event_loop()

    # -- what the task makes of it ---------------------------------------------------------------------------------

    @abstractmethod
    def _prompt(self) -> str:
        """Return the prompt of the line that is typed."""

    @abstractmethod
    def _bind_choices(self) -> None:
        """Bind the keys of the choices, and those that only this task has."""

    @abstractmethod
    def _choose(self, choice: str) -> Answer | None:
        """Act on the name that was picked."""

    @abstractmethod
    def _accept(self) -> Answer | None:
        """Return the answer that Enter gives to the text that is shown."""

    @abstractmethod
    def _suggestion(self, columns: int, most_rows: int) -> list[Fragments]:
        """The rows that say what Enter does, and what the model suggests."""

    # -- the loop --------------------------------------------------------------------------------------------------

    def answers(self) -> Iterator[Answer]:
        """Answers as they are given. While the caller has one, the loop stands still."""
        with self._running() as (loop, task):
            while not task.done() and self._error is None:
                loop.run_forever()
                if self._answer is not None:
                    yield self._answer
                    self.session.saved(self._answer)
                    self._answer = None
                    self._last_key = (self._last_key[0], time.monotonic())
                    loop.call_soon(self._go_on, context=self._app.context)

    @contextlib.contextmanager
    def _running(self) -> Iterator[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]:
        """Take the terminal, and give it back as it was, however this ends."""
        clear_typeahead(self._app.input)
        termios.tcflush(self._app.input.fileno(), termios.TCIFLUSH)  # no text has been shown to whoever typed this
        loop = self._loop
        loop.set_exception_handler(self._fail)
        task = loop.create_task(self._app.run_async(set_exception_handler=False))
        task.add_done_callback(lambda _: loop.stop())
        before = None
        if threading.current_thread() is threading.main_thread():  # only it may handle signals
            before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
            loop.add_signal_handler(signal.SIGTERM, self.terminate)
        try:
            yield loop, task
        finally:
            task.cancel()
            while not task.done():
                loop.run_forever()
            with contextlib.suppress(OSError):  # the terminal is gone
                self._app.output.enable_autowrap()  # which prompt_toolkit leaves off when drawing has failed
                self._app.output.write_raw(_END_UPDATE)
                self._app.output.flush()
            if before is not None:
                loop.remove_signal_handler(signal.SIGTERM)
                signal.signal(signal.SIGTERM, before)
            loop.close()
            if self._is_terminated:
                signal.raise_signal(signal.SIGTERM)
            for error in (self._error, None if task.cancelled() else task.exception()):
                if error is not None and not _is_hang_up(error):
                    raise error

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._error = self._error or context.get("exception")
        loop.stop()

    def call(self, act: Callable[[], None]) -> None:
        """Have the screen's thread call `quit`, `release`, `terminate` or `redraw`; any thread, or signal, may."""
        with contextlib.suppress(RuntimeError):  # it has just been closed
            self._loop.call_soon_threadsafe(act)

    def terminate(self) -> None:
        """Close the screen, and raise SIGTERM then."""
        self._is_terminated = True
        self.quit()

    def quit(self) -> None:
        """Close the screen, as the person wants."""
        self.left = True
        self._end()

    def release(self) -> None:
        """Close the screen, though nobody has left."""
        self.is_released = True
        self._end()

    def redraw(self) -> None:
        """Show what has changed beside it."""
        self._app.invalidate()

    def _end(self) -> None:
        if self._app.future is None:  # it is about to run
            self._loop.call_soon(self._end)
        elif not self._app.is_done:
            self._app.exit()

    def _record(self, answer: Answer | None) -> None:
        """Have an answer saved before any other key is looked at."""
        if answer is not None:
            self._answer = answer
            self._waiting += self._app.key_processor.empty_queue()
            asyncio.get_running_loop().stop()

    def _go_on(self) -> None:
        keys, self._waiting = self._waiting, []
        self._app.key_processor.feed_multiple(keys)
        self._app.key_processor.process_keys()
        self._app.invalidate()

    # -- keys ------------------------------------------------------------------------------------------------------

    def _bind(self, key: str, condition: FilterOrBool, handle: Callable[[], None]) -> None:
        for either in {key, key.upper()} if len(key) == 1 else {key}:  # Caps Lock may be on
            self._bindings.add(either, filter=condition)(lambda event: handle())

    def _on(self, keys: str, condition: FilterOrBool, act: Callable[[], None]) -> None:
        for key in keys.split():
            self._bind(key, condition, partial(self._command, act))

    def _answer_on(self, key: str, act: Callable[[], Answer | None]) -> None:
        self._bind(key, self._labeling, partial(self._press, key, act))

    def _bind_commands(self) -> None:
        session, on, labeling, editing = self.session, self._on, self._labeling, self._editing
        helping = Condition(lambda: self._mode == "help")
        self._answer_on("s", partial(session.say, "skip"))
        self._answer_on("n", partial(session.say, "unsure"))
        is_made_up = Condition(lambda: session.is_synthesized)
        self._bind("-", labeling & is_made_up, partial(self._press, "-", partial(session.say, NONSENSE)))
        self._answer_on("u", session.undo)
        self._answer_on("enter", self._enter)
        on("left", labeling, partial(session.walk, -1))
        on("right", labeling, partial(session.walk, 1))
        on("h", labeling, self._toggle_suggestions)
        on("c", labeling, self._edit_comment)
        on("/", labeling, self._edit_name)
        on("?", labeling, partial(self._switch, "help"))
        on("? q enter", helping, partial(self._switch, "label"))
        on("q", ~editing & ~helping, self.quit)
        on("enter", editing, self._end_editing)
        on("up", ~editing, partial(self._pane.scroll, -1))
        on("down", ~editing, partial(self._pane.scroll, 1))
        on("pageup", ~editing, partial(self._pane.scroll_pages, -1))
        on("pagedown space", ~editing, partial(self._pane.scroll_pages, 1))
        on("home", ~editing, self._pane.to_start)
        on("end", ~editing, self._pane.to_end)
        on("c-c c-d <sigint>", True, self.quit)
        on("c-l", True, lambda: self._app.renderer.clear())

        @self._bindings.add(Keys.BracketedPaste, filter=editing)
        def _(event: KeyPressEvent) -> None:
            self._editor.insert_text(" ".join(event.data.split()))

        @self._bindings.add("<any>", filter=labeling)
        def _(event: KeyPressEvent) -> None:
            if len(event.data) == 1 and event.data.isprintable():
                session.notice = f"[{one_line(event.data)}] is no key here; [?] shows them all."

        @self._bindings.add("escape", eager=True)
        def _(event: KeyPressEvent) -> None:
            # What comes in one piece with an Esc is an unknown key, or the terminal talking: it labels nothing.
            event.app.key_processor.empty_queue()
            if self._mode == "label":
                session.return_to_open()
            self._cancel()

    def _command(self, act: Callable[[], None]) -> None:
        self._last_key = ("", 0.0)
        act()

    def _press(self, key: str, act: Callable[[], Answer | None]) -> None:
        last, since = self._last_key
        self._last_key = (key, time.monotonic())
        if key == last and self._last_key[1] - since < _HELD_DOWN:
            self.session.notice = f"Held down, [{key}] counts once."
        else:
            self._record(act())

    def _enter(self) -> Answer | None:
        if self.session.shown is not None:
            return self._accept()
        self._end()
        return None

    def _toggle_suggestions(self) -> None:
        self.session.suggestions_shown = not self.session.suggestions_shown
        self.session.notice = f"Suggestions are {'shown' if self.session.suggestions_shown else 'hidden'}."

    def _switch(self, mode: str) -> None:
        self._mode = mode
        self._app.layout.focus(self._input if mode in self.editors else self._main)

    def _cancel(self) -> None:
        self._switch("label")

    def _edit_comment(self) -> None:
        if self.session.shown is not None:
            comment = self.session.comment or ""
            self._editor.reset(Document(comment, len(comment)))
            self._switch("comment")

    def _edit_name(self) -> None:
        if self.session.shown is not None:
            self._editor.reset()
            self._switch("name")
            self._editor.start_completion()

    def _hold(self, key: str) -> None:
        """Have this key, while it is held down, do nothing more."""
        self._last_key = (key, time.monotonic())

    def _end_editing(self) -> None:
        self._hold("enter")
        typed, menu = self._editor.text, self._editor.complete_state
        if self._mode == "comment":
            self._switch("label")
            self._record(self.session.set_comment(typed))
            return
        chosen = menu.current_completion.text if menu is not None and menu.current_completion is not None else typed
        matches = [chosen] if chosen in self._choices else self._completer.matches(chosen)
        self._editor.cancel_completion()
        if len(matches) == 1:
            self._switch("label")
            self._record(self._choose(matches[0]))
        else:
            self.session.notice = f"{len(matches) or 'No'} {self._noun} are called that: {one_line(typed)}"

    # -- drawing ---------------------------------------------------------------------------------------------------

    def _fragments(self) -> StyleAndTextTuples:
        lines: StyleAndTextTuples = [fragment for row in self._rows for fragment in [*row, ("", "\n")]]
        return lines[:-1]

    def _before_render(self) -> None:
        """Compose the screen, and draw all of it where terminals may disagree about the width of what it shows.

        prompt_toolkit moves the cursor by counting cells, and an emoji that is drawn wider or narrower than it thinks
        would shift, and leave behind, what comes after it in its row.
        """
        size = self._app.output.get_size()
        editor = (1 + self._menu_rows()) * (self._mode in self.editors)
        self._rows = self._compose(size.columns, size.rows - editor)
        was_exact, self._exact = self._exact, all(text.isascii() for row in self._rows for _, text in row)
        if not (was_exact and self._exact) and self._app.renderer.last_rendered_screen is not None:
            self._app.output.write_raw(_BEGIN_UPDATE)
            self._app.renderer.erase(leave_alternate_screen=False)

    def _after_render(self) -> None:
        self._app.output.write_raw(_END_UPDATE)
        self._app.output.flush()

    def _menu_rows(self) -> int:
        """How many rows the menu of names has; none where that leaves too few for the rest."""
        menu, rows = self._editor.complete_state, self._app.output.get_size().rows
        if menu is None or self._mode != "name":
            return 0
        return max(min(len(menu.completions), 8, rows // 3, rows - 1 - _FEWEST_ROWS), 0)

    def _compose(self, columns: int, height: int) -> list[Fragments]:
        self._fits = columns >= _FEWEST_COLUMNS and height >= _FEWEST_ROWS
        if not self._fits:
            return [[("bold", clip("Too small: make it larger; q quits.", columns))]]
        header = [head(self.session, columns), *([[("", "-" * columns)]] if height >= _LARGE else [])]
        values = {} if self._mode == "help" else self.session.beside
        shown = beside(values, columns, height // 5 if height >= _LARGE else 1)
        suggestion = self._suggestion(columns, 2 if height >= _LARGE else 1)
        answer, comment = self._said(columns), self._comment(columns)
        labels = self._labels(columns, max(1, height // 4))
        commands = flow(self._commands(), columns, 2 if height >= _LARGE else 1)
        notice: list[Fragments] = [[("bold", clip(self.session.notice, columns))]]
        noted: list[Fragments] = [] if self.noted is None else [[("", clip(self.noted, columns))]]
        bottom = [suggestion, answer, comment, labels, commands, noted, notice]
        for least_needed in (noted, shown, comment, commands, notice):
            if height - len(header) - len(shown) - 1 - sum(map(len, bottom)) >= 2:
                break
            least_needed.clear()
        top = [*header, *shown]
        self._pane.columns, self._pane.height = columns, height - len(top) - 1 - sum(map(len, bottom))
        return [*top, *self._pane.rows(), *(row for rows in bottom for row in rows)]

    def _shown(self) -> tuple[str, Sequence[Entity]]:
        """What the pane shows: if this is the same, so are the texts."""
        return ("help", ()) if self._mode == "help" else (f"example {self.session.shown!r}", self.session.marks)

    def _texts(self) -> Mapping[str, str | ShownSentence]:
        if self._mode == "help":
            return {"help": help_page(self.help_text, self.session.query, self._choices, self._keys, self._noun)}
        if self.session.shown is not None:
            return self.session.texts()
        return {"end": ending(self.session.query)[0]}

    def _said(self, columns: int) -> list[Fragments]:
        session = self.session
        if session.answer is None or session.shown is None:
            return []
        place = f"{session.trail.index(session.shown) + 1}/{len(session.trail)}"
        return [[("bold", clip(f"Your answer {place}: {session.spoken(session.answer)}", columns))]]

    def _comment(self, columns: int) -> list[Fragments]:
        comment = self.session.comment
        return [[("", clip(f"Comment: {one_line(comment)}", columns))]] if comment else []

    def _labels(self, columns: int, most_rows: int) -> list[Fragments]:
        if self.session.shown is None:
            return []
        names = zip(self._choices, self._choice_names(), strict=True)
        chips = [Chip(name, self._keys[choice]) for choice, name in names if choice in self._keys]
        return flow(chips, columns, most_rows, left_out=len(self._names) - len(chips))

    def _choice_names(self) -> list[str]:
        """The choices as they stand beside their keys."""
        return self._names

    def _commands(self) -> list[Chip]:
        session = self.session
        if self._mode == "help":
            return [Chip("back", "?")]
        if self._mode != "label":
            return [Chip(self.editors[self._mode], "Enter"), Chip("cancels", "Esc")]
        chips = [Chip("help", "?"), Chip("quit", "q")]
        if session.shown is None:
            return [
                Chip(ending(session.query)[1], "Enter"),
                Chip("help", "?"),
                Chip("quit", "q"),
                Chip("undo", "u"),
                Chip("look back", "Left"),
            ]
        if session.answer is not None:
            chips += [Chip("back", "Left"), Chip("forward", "Right"), Chip("to the open text", "Esc")]
        chips += [Chip("skip", "s"), Chip("not sure", "n")]
        chips += [Chip("makes no sense", "-")] * session.is_synthesized
        chips += [Chip("undo", "u"), Chip("comment", "c")]
        if session.answer is None:
            chips.append(Chip("look back", "Left"))
        if session.suggested is not None and session.suggestions_shown:
            chips.append(Chip("hide suggestion", "h"))
        return chips


def _is_hang_up(error: BaseException) -> bool:
    return isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno == errno.EIO)
