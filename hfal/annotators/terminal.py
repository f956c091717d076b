"""The annotator who sits at a terminal: one key labels a text.

Three parts: the `TerminalAnnotator`, a `_Session` that knows what is asked and what was said, and a `_Screen` that
draws it and reads keys. The screen's event loop stands still while an answer goes to the disk, so nothing that is
shown has not been saved, and keys typed meanwhile wait in the terminal.
"""

import asyncio
import contextlib
import errno
import getpass
import shlex
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from prompt_toolkit.application import Application
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
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
    CompletionsMenu,
    ConditionalContainer,
    Float,
    FloatContainer,
    FormattedTextControl,
    HSplit,
    Layout,
    Window,
)
from prompt_toolkit.layout.processors import BeforeInput, Processor, Transformation, TransformationInput
from prompt_toolkit.output import create_output
from prompt_toolkit.utils import get_cwidth, is_dumb_terminal

from hfal.annotators.display import Fragments, Page, clip, is_right_to_left, masked, one_line
from hfal.annotators.protocol import OpenQuery, Question
from hfal.store import Answer


_LABEL_KEYS = "123456789abdefgijklmoprtvwxyz"  # without the letters of the commands: s n u c h q
_HELD_DOWN = 0.1  # seconds; nobody reads a text faster, and keyboards repeat a key about every 0.03
_FEWEST_COLUMNS, _FEWEST_ROWS = 20, 8
_BEGIN_UPDATE, _END_UPDATE = "\x1b[?2026h", "\x1b[?2026l"  # terminals that know it draw what is between at once


class TerminalAnnotator:
    """Asks the person at the terminal, one text at a time and one key per label.

    Each answer is on the disk before the next text is shown. One can skip a text, say that one is not sure, undo
    answer by answer back to the first one ever given under this name, walk back to change an answer, add comments,
    and quit at any time; `?` shows all keys. Keys that were pressed before the first text was shown are dropped, and
    a key held down counts once.

    The model's suggestion may sway the person; `show_suggestions=False` hides it until `h` is pressed. Enter accepts
    it, only while it is shown and the text has no answer.

    Where there is no time to wait, or no terminal, nobody is asked: `waiting_for` says what to do.

    Args:
        name: Recorded with each answer; by default the login name. Answers given under another name cannot be undone.
        show_suggestions: Whether to show, at first, what the model would say.
    """

    def __init__(self, name: str | None = None, show_suggestions: bool = True):
        self.name = _login_name() if name is None else name
        self.show_suggestions = show_suggestions
        self._left_at: int | None = None  # the number of the query in which the person quit, or of a later one

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Ask until every question has an answer and the person closes the query, or until they quit."""
        if self._left_at is not None and query.number > self._left_at:
            self._left_at = query.number  # whoever left the query before does not want to be asked the next one now
            return
        self._left_at = None
        if not (query.questions and query.may_wait and _is_terminal()):
            return
        session = _Session(query, self.name, self.show_suggestions)
        try:
            yield from _Screen(session).answers()
        finally:
            self.show_suggestions = session.suggestions_shown
            if session.answered < query.size:
                self._left_at = query.number

    def waiting_for(self, query: OpenQuery) -> str | None:
        """How many texts are left, and how to go on."""
        if not query.questions:
            return None
        left, command = len(query.questions), f"`hfal label {shlex.quote(str(query.run_dir))}`"
        if self._left_at is not None:
            return (
                f"{left} of {query.size} texts are left; all answers are saved.\n"
                f"    Go on with {command}, or start the run again."
            )
        return f"{left} texts wait to be labeled: {command} in a terminal, then start the run again."


def _login_name() -> str:
    try:
        return getpass.getuser() or "terminal"
    except (OSError, KeyError, ImportError):  # a user id without a name, as in containers
        return "terminal"


def _is_terminal() -> bool:
    try:
        return sys.stdin.isatty() and sys.stdout.isatty() and not is_dumb_terminal()
    except (AttributeError, ValueError):  # no such stream, or a closed one
        return False


# -- what is asked and what was said ----------------------------------------------------------------------------------


class _Session:
    """The questions of one query, and the answers of one annotator: which text is shown, what a key means for it.

    Methods that stand for a key return the answer to record, if any; `saved` is told when it is on the disk.
    """

    def __init__(self, query: OpenQuery, name: str, suggestions_shown: bool):
        self.query = query
        self.name = name
        self.suggestions_shown = suggestions_shown
        self.notice = ""
        self._questions = {question.example_id: question for question in query.questions}
        self.open = list(self._questions)  # to ask, in this order; first those whose answer was taken back
        self.held = self._read()
        self.trail = list(self.held)  # the answered examples in the order in which one walks back through them
        self._labels_before = self._labels_held()
        self._comments: dict[str, str | None] = {}  # typed before the answer
        self._query_of: dict[str, int | None] = {}  # of examples whose answer was taken back
        self.shown: str | None = self.open[0]  # the example on the screen; None when all are answered

    def _read(self) -> dict[str, Answer]:
        """My answers by example, in the order in which they were said."""
        return {answer.example_id: answer for answer in self.query.answers() if answer.annotator == self.name}

    def _labels_held(self) -> int:
        return sum(answer.label is not None for answer in self.held.values())

    @property
    def answered(self) -> int:
        """How many of the query's examples have an answer."""
        return self.query.size - sum(example_id in self._questions for example_id in self.open)

    @property
    def labels_bought(self) -> int:
        """How many labels the run has now."""
        return self.query.labels_bought + self._labels_held() - self._labels_before

    @property
    def answer(self) -> Answer | None:
        """What I said about the text that is shown."""
        return None if self.shown is None else self.held.get(self.shown)

    @property
    def comment(self) -> str | None:
        """The comment on the text that is shown, saved or to be saved with its answer."""
        if self.shown is None:
            return None
        return self.answer.comment if self.answer else self._comments.get(self.shown)

    @property
    def suggested(self) -> Question | None:
        """The question that is shown, if a model has suggested a label for it."""
        question = self._questions.get(self.shown or "")
        return question if question is not None and question.suggestion in self.query.label_names else None

    def texts(self) -> dict[str, str]:
        """The texts that are shown."""
        assert self.shown is not None
        question = self._questions.get(self.shown)
        return dict(self.query.texts_of(self.shown) if question is None else question.texts)

    def say(self, action: str, label: str | None = None) -> Answer | None:
        """Answer the text that is shown, or change its answer."""
        if self.shown is None:
            return None
        held = self.answer
        if held is not None and held.label == label and (label is not None or held.action == action):
            self.notice = f"That is the answer already: {_spoken(held)}"
            return None
        origin = self._query_of.get(self.shown) if held is None else held.query
        return Answer(self.shown, label, action, self.name, origin, comment=self.comment)

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
            self.notice = f"Taken back: {_spoken(before)}"
            if example_id not in self.held:
                self.trail.remove(example_id)
                self.open.insert(0, example_id)
                self._comments[example_id] = before.comment
                self._query_of[example_id] = before.query
            return
        self.held.pop(example_id, None)
        self.held[example_id] = answer  # now the last one said
        if before is None:
            self.trail.append(example_id)
            self.open.remove(example_id)
            self.shown = self.open[0] if self.open else None
        said_before = before is not None and _spoken(before) == _spoken(answer)
        self.notice = "The comment is saved." if said_before else f"Saved: {_spoken(answer)}"

    def walk(self, steps: int) -> None:
        """Go back (-1) or forward (1) through the answered texts; after the last one comes the open one."""
        places: list[str | None] = [*self.trail, self.open[0] if self.open else None]
        place = places.index(self.shown) + steps
        self.notice = "This is your first answer." if place < 0 else ""
        self.shown = places[min(max(place, 0), len(places) - 1)]

    def return_to_open(self) -> None:
        """Show the text that is to be answered next."""
        self.shown = self.open[0] if self.open else None
        self.notice = ""


def _spoken(answer: Answer) -> str:
    return answer.action if answer.label is None else one_line(str(answer.label))


# -- the screen -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Chip:
    """A piece of a row: a key with what it does, or a few words."""

    text: str
    key: str = ""

    def fragments(self, columns: int) -> Fragments:
        key = f"[{self.key}] " if self.key else ""
        return [("bold", key), ("", clip(self.text, columns - len(key)))]

    @property
    def cells(self) -> int:
        return get_cwidth(self.text) + (len(self.key) + 3 if self.key else 0)


class _LabelNames(Completer):
    """Completes to the names of labels that have what was typed anywhere in them."""

    def __init__(self, names: Sequence[str], wanted: Callable[[], bool]):
        self.names = names
        self.wanted = wanted

    def matches(self, typed: str) -> list[str]:
        return [name for name in self.names if typed.strip().casefold() in name.casefold()]

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        if self.wanted():
            for name in self.matches(document.text):
                yield Completion(name, start_position=-document.cursor_position, display=one_line(name))


class _Masked(Processor):
    """Has the editor show what it would otherwise hand to the terminal, or not show at all."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        return Transformation([(style, masked(text)) for style, text, *_ in transformation_input.fragments])


class _Screen:
    """Draws a session with prompt_toolkit, and turns keys into answers."""

    def __init__(self, session: _Session):
        self._session = session
        self._mode: Literal["label", "help", "comment", "name"] = "label"
        self._label_names = session.query.label_names
        self._names = [one_line(name) for name in self._label_names]
        self._page = Page({}, 1)
        self._page_of = ""  # what it shows
        self._top = (0, 0)
        self._columns = self._pane_height = 1
        self._fits = False  # whether the terminal is large enough
        self._rows: list[Fragments] = []
        self._exact = True  # whether what is on the screen is where prompt_toolkit takes it to be
        self._answer: Answer | None = None  # on its way to the disk
        self._waiting: list[KeyPress] = []  # what was typed after it
        self._last_key = ("", 0.0)  # the last that answered, and when its answer was saved
        self._error: BaseException | None = None
        self._terminated = False

        editing = Condition(lambda: self._mode in ("comment", "name"))
        self._completer = _LabelNames(self._label_names, lambda: self._mode == "name")
        self._editor = Buffer(
            completer=self._completer, complete_while_typing=True, history=DummyHistory(), multiline=False
        )
        prompt = BeforeInput(lambda: "Comment: " if self._mode == "comment" else "Label: ", "bold")
        self._main = Window(FormattedTextControl(self._fragments, focusable=True, show_cursor=False))
        self._input = Window(BufferControl(self._editor, [_Masked(), prompt]), height=1)
        body = HSplit([self._main, ConditionalContainer(self._input, editing)])
        menu = Float(CompletionsMenu(max_height=8, scroll_offset=1), xcursor=True, ycursor=True)
        self._app: Application[None] = Application(
            layout=Layout(FloatContainer(body, [menu]), self._main),
            key_bindings=self._bindings(editing),
            include_default_pygments_style=False,
            full_screen=True,
            input=create_input(),
            output=create_output(),
            before_render=lambda _: self._before_render(),
            after_render=lambda _: self._after_render(),
        )

    # -- the loop --------------------------------------------------------------------------------------------------

    def answers(self) -> Iterator[Answer]:
        """Answers as they are given. While the caller has one, the loop stands still."""
        with self._running() as (loop, task):
            while not task.done() and self._error is None:
                loop.run_forever()
                if self._answer is not None:
                    yield self._answer
                    self._session.saved(self._answer)
                    self._answer = None
                    self._last_key = (self._last_key[0], time.monotonic())
                    loop.call_soon(self._go_on, context=self._app.context)

    @contextlib.contextmanager
    def _running(self) -> Iterator[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]]:
        """Take the terminal, and give it back as it was, however this ends."""
        clear_typeahead(self._app.input)
        termios.tcflush(self._app.input.fileno(), termios.TCIFLUSH)  # no text has been shown to whoever typed this
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(self._fail)
        task = loop.create_task(self._app.run_async(set_exception_handler=False))
        task.add_done_callback(lambda _: loop.stop())
        before = None
        if threading.current_thread() is threading.main_thread():  # only it may handle signals
            before = signal.getsignal(signal.SIGTERM) or signal.SIG_DFL
            loop.add_signal_handler(signal.SIGTERM, self._terminate)
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
            if self._terminated:
                signal.raise_signal(signal.SIGTERM)
            for error in (self._error, None if task.cancelled() else task.exception()):
                if error is not None and not _is_hang_up(error):
                    raise error

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._error = self._error or context.get("exception")
        loop.stop()

    def _terminate(self) -> None:
        self._terminated = True
        self._quit()

    def _quit(self) -> None:
        if not self._app.is_done:
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

    def _bindings(self, editing: Condition) -> KeyBindings:
        bindings = KeyBindings()
        session = self._session
        labeling = Condition(lambda: self._mode == "label" and self._fits)
        helping = Condition(lambda: self._mode == "help")

        def bind(key: str, condition: FilterOrBool, handle: Callable[[], None]) -> None:
            for either in {key, key.upper()} if len(key) == 1 else {key}:  # Caps Lock may be on
                bindings.add(either, filter=condition)(lambda event: handle())

        def on(keys: str, condition: FilterOrBool, act: Callable[[], None]) -> None:
            for key in keys.split():
                bind(key, condition, partial(self._command, act))

        def answer(key: str, act: Callable[[], Answer | None]) -> None:
            bind(key, labeling, partial(self._press, key, act))

        for key, label in zip(_LABEL_KEYS, self._label_names, strict=False):
            answer(key, partial(session.say, "label", label))
        answer("s", partial(session.say, "skip"))
        answer("n", partial(session.say, "unsure"))
        answer("u", session.undo)
        answer("enter", self._enter)
        on("left", labeling, partial(session.walk, -1))
        on("right", labeling, partial(session.walk, 1))
        on("h", labeling, self._toggle_suggestions)
        on("c", labeling, self._edit_comment)
        on("/", labeling, self._edit_name)
        on("?", labeling, partial(self._switch, "help"))
        on("? q enter", helping, partial(self._switch, "label"))
        on("q", ~editing & ~helping, self._quit)
        on("enter", editing, self._end_editing)
        on("up", ~editing, partial(self._scroll, -1))
        on("down", ~editing, partial(self._scroll, 1))
        on("pageup", ~editing, lambda: self._scroll(1 - self._pane_height))
        on("pagedown space", ~editing, lambda: self._scroll(self._pane_height - 1))
        on("home", ~editing, self._scroll_to_start)
        on("end", ~editing, self._scroll_to_end)
        on("c-c c-d <sigint>", True, self._quit)
        on("c-l", True, lambda: self._app.renderer.clear())

        @bindings.add(Keys.BracketedPaste, filter=editing)
        def _(event: KeyPressEvent) -> None:
            self._editor.insert_text(" ".join(event.data.split()))

        @bindings.add("<any>", filter=labeling)
        def _(event: KeyPressEvent) -> None:
            if len(event.data) == 1 and event.data.isprintable():
                session.notice = f"[{one_line(event.data)}] is no key here; [?] shows them all."

        @bindings.add("escape", eager=True)
        def _(event: KeyPressEvent) -> None:
            # What comes in one piece with an Esc is an unknown key, or the terminal talking: it labels nothing.
            event.app.key_processor.empty_queue()
            if self._mode == "label":
                session.return_to_open()
            self._switch("label")

        return bindings

    def _command(self, act: Callable[[], None]) -> None:
        self._last_key = ("", 0.0)
        act()

    def _press(self, key: str, act: Callable[[], Answer | None]) -> None:
        last, since = self._last_key
        self._last_key = (key, time.monotonic())
        if key == last and self._last_key[1] - since < _HELD_DOWN:
            self._session.notice = f"Held down, [{key}] counts once."
        else:
            self._record(act())

    def _enter(self) -> Answer | None:
        session = self._session
        if session.shown is None:
            self._quit()
        elif session.answer is None and session.suggested is not None and session.suggestions_shown:
            return session.say("label", session.suggested.suggestion)
        else:
            session.notice = "There is no suggestion to accept." if session.answer is None else ""
        return None

    def _toggle_suggestions(self) -> None:
        self._session.suggestions_shown = not self._session.suggestions_shown
        self._session.notice = f"Suggestions are {'shown' if self._session.suggestions_shown else 'hidden'}."

    def _switch(self, mode: Literal["label", "help", "comment", "name"]) -> None:
        self._mode = mode
        self._app.layout.focus(self._input if mode in ("comment", "name") else self._main)

    def _edit_comment(self) -> None:
        if self._session.shown is not None:
            comment = self._session.comment or ""
            self._editor.reset(Document(comment, len(comment)))
            self._switch("comment")

    def _edit_name(self) -> None:
        if self._session.shown is not None:
            self._editor.reset()
            self._switch("name")
            self._editor.start_completion()

    def _end_editing(self) -> None:
        self._last_key = ("enter", time.monotonic())
        typed, menu = self._editor.text, self._editor.complete_state
        if self._mode == "comment":
            self._switch("label")
            self._record(self._session.set_comment(typed))
            return
        chosen = menu.current_completion.text if menu is not None and menu.current_completion is not None else typed
        matches = [chosen] if chosen in self._label_names else self._completer.matches(chosen)
        self._editor.cancel_completion()
        if len(matches) == 1:
            self._switch("label")
            self._record(self._session.say("label", matches[0]))
        else:
            self._session.notice = f"{len(matches) or 'No'} labels are called that: {one_line(typed)}"

    def _scroll(self, rows: int) -> None:
        self._turn_page()
        self._top = self._page.move(self._top, rows, self._pane_height)

    def _scroll_to_start(self) -> None:
        self._top = (0, 0)

    def _scroll_to_end(self) -> None:
        self._turn_page()
        self._top = self._page.last(self._pane_height)

    def _turn_page(self) -> None:
        """Have the page of what is shown now; of the same text at the same place, though its rows may be others."""
        shown = "help" if self._mode == "help" else f"example {self._session.shown!r}"
        if (shown, self._columns) != (self._page_of, self._page.width):
            start = self._page.start_of(self._top) if shown == self._page_of else 0
            self._page, self._page_of = Page(self._texts(), self._columns), shown
            self._top = self._page.place_of(start)

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
        self._rows = self._compose(size.columns, size.rows - (self._mode in ("comment", "name")))
        was_exact, self._exact = self._exact, all(text.isascii() for row in self._rows for _, text in row)
        if not (was_exact and self._exact) and self._app.renderer.last_rendered_screen is not None:
            self._app.output.write_raw(_BEGIN_UPDATE)
            self._app.renderer.erase(leave_alternate_screen=False)

    def _after_render(self) -> None:
        self._app.output.write_raw(_END_UPDATE)
        self._app.output.flush()

    def _compose(self, columns: int, height: int) -> list[Fragments]:
        self._fits = columns >= _FEWEST_COLUMNS and height >= _FEWEST_ROWS
        if not self._fits:
            return [[("bold", clip("Too small: make it larger; q quits.", columns))]]
        header = [self._header(columns), *([[("", "-" * columns)]] if height >= 16 else [])]
        suggestion, answer, comment = self._suggestion(columns), self._said(columns), self._comment(columns)
        labels = self._labels(columns, max(1, height // 4))
        commands = _flow(self._commands(), columns, 2 if height >= 16 else 1)
        notice: list[Fragments] = [[("bold", clip(self._session.notice, columns))]]
        bottom = [suggestion, answer, comment, labels, commands, notice]
        for least_needed in (comment, commands, notice):
            if height - len(header) - 1 - sum(map(len, bottom)) >= 2:
                break
            least_needed.clear()
        self._pane_height = height - len(header) - 1 - sum(map(len, bottom))
        pane, rule = self._pane(columns)
        return [*header, *pane, rule, *(row for rows in bottom for row in rows)]

    def _header(self, columns: int) -> Fragments:
        session, query = self._session, self._session.query
        rounds = "" if query.rounds is None else f" of {query.rounds}"
        purpose = {"holdout": "Held-out examples", "seed": "Seed set"}.get(
            query.purpose, f"Round {query.round}{rounds}"
        )
        done, bought = f"{session.answered}/{query.size}", session.labels_bought
        budget = "" if query.budget is None else f" of {query.budget}"
        header = f"{purpose} | {done} answered | {bought}{budget} labels bought"
        if len(header) > columns:
            header = f"{purpose}  {done}  labels {bought}{budget}".replace(" of ", "/")
        return [("bold", clip(header, columns))]

    def _pane(self, columns: int) -> tuple[list[Fragments], Fragments]:
        """The rows of the text, and the rule below it, which says whether there are more."""
        self._columns = columns
        self._turn_page()
        height = self._pane_height
        rows = self._page.rows(self._top, height + 1)
        if len(rows) < height and self._top > (0, 0):
            self._top = self._page.last(height)
            rows = self._page.rows(self._top, height + 1)
        hint = ""
        if len(rows) > height:
            end = self._page.start_of(self._page.move(self._top, height, 0))
            hint = f"-- {100 * end // max(self._page.length, 1)}% seen, [Space] goes on "
        elif self._top > (0, 0):
            hint = "-- end of the text, [PageUp] goes back "
        blank: list[Fragments] = [[("", " ")]] * (height - len(rows))
        return rows[:height] + blank, [("", clip(hint, columns).ljust(columns, "-"))]

    def _texts(self) -> dict[str, str]:
        if self._mode == "help":
            return {"help": self._help()}
        if self._session.shown is not None:
            return self._session.texts()
        return {
            "end": f"All {self._session.query.size} texts of this query are answered.\n\n[Enter] closes the query."
        }

    def _suggestion(self, columns: int) -> list[Fragments]:
        question = self._session.suggested
        if question is None:
            return []
        if not self._session.suggestions_shown:
            return [_Chip("shows what the model suggests", "h").fragments(columns)]
        confidence = "" if question.confidence is None else f" ({question.confidence:.0%})"
        suggestion = f"Model suggests{confidence}: {one_line(str(question.suggestion))}"
        return [_Chip(suggestion, "" if self._session.answer else "Enter").fragments(columns)]

    def _said(self, columns: int) -> list[Fragments]:
        session = self._session
        if session.answer is None or session.shown is None:
            return []
        place = f"{session.trail.index(session.shown) + 1}/{len(session.trail)}"
        return [[("bold", clip(f"Your answer {place}: {_spoken(session.answer)}", columns))]]

    def _comment(self, columns: int) -> list[Fragments]:
        comment = self._session.comment
        return [[("", clip(f"Comment: {one_line(comment)}", columns))]] if comment else []

    def _labels(self, columns: int, most_rows: int) -> list[Fragments]:
        if self._session.shown is None:
            return []
        chips = [_Chip(name, key) for name, key in zip(self._names, _LABEL_KEYS, strict=False)]
        return _flow(chips, columns, most_rows, left_out=len(self._names) - len(chips))

    def _commands(self) -> list[_Chip]:
        session = self._session
        if self._mode == "help":
            return [_Chip("back", "?")]
        if self._mode != "label":
            return [_Chip("saves" if self._mode == "comment" else "labels", "Enter"), _Chip("cancels", "Esc")]
        chips = [_Chip("help", "?"), _Chip("quit", "q")]
        if session.shown is None:
            return [
                _Chip("close the query", "Enter"),
                _Chip("help", "?"),
                _Chip("undo", "u"),
                _Chip("look back", "Left"),
            ]
        if session.answer is not None:
            chips += [_Chip("back", "Left"), _Chip("forward", "Right"), _Chip("to the open text", "Esc")]
        chips += [_Chip("skip", "s"), _Chip("not sure", "n"), _Chip("undo", "u"), _Chip("comment", "c")]
        if session.answer is None:
            chips.append(_Chip("look back", "Left"))
        if session.suggested is not None and session.suggestions_shown:
            chips.append(_Chip("hide suggestion", "h"))
        return chips

    def _help(self) -> str:
        labels = [f"  {key}  {name}" for key, name in zip(_LABEL_KEYS, self._names, strict=False)]
        others = [f"     {name}" for name in self._names[len(labels) :]]
        return "\n".join(
            [_HELP, *labels, *(["Labels without a key: type [/] and a part of the name", *others] * bool(others))]
        )


_HELP = """\
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


def _flow(chips: Sequence[_Chip], columns: int, most_rows: int, left_out: int | None = None) -> list[Fragments]:
    """Chips in rows. With `left_out` labels left out already, it says how many there are beside those that fit."""
    for count in range(len(chips), -1, -1):
        missing = len(chips) - count + (left_out or 0)
        more = [_Chip(f"{missing} more, by name", "/")] if missing and left_out is not None else []
        rows: list[Fragments] = []
        used = columns
        for chip in [*chips[:count], *more]:
            alone = is_right_to_left(chip.text)  # a terminal may reorder the row
            if used + chip.cells + 2 > columns or alone:
                rows.append([])
                used = -2
            rows[-1] += [*([("", "  ")] if rows[-1] else []), *chip.fragments(columns)]
            used = columns if alone else used + 2 + chip.cells
        if len(rows) <= most_rows:
            break
    return rows


def _is_hang_up(error: BaseException) -> bool:
    return isinstance(error, EOFError) or (isinstance(error, OSError) and error.errno == errno.EIO)
