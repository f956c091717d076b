"""The annotator on a page: people answer in a browser, and each answer is on the disk before the next text shows."""

import contextlib
import importlib.util
import os
import shlex
import sys
import threading
import time
import webbrowser
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from hfal.annotators.base import OpenQuery, Steps
from hfal.annotators.session.make import check_screen, login_name, make_session, what_is_left
from hfal.annotators.session.session import Session
from hfal.annotators.web.access import in_address, listen, make_access, name_to_visit
from hfal.annotators.web.door import Door
from hfal.annotators.web.exchange import AWAY, COME, RELEASE, STOP, Exchange, Request
from hfal.annotators.web.leases import Leases, read_leases, write_leases
from hfal.annotators.web.notebook import (
    FRAMES_OF_NOTEBOOKS,
    is_in_notebook,
    show_in_frame,
    sign_of_another_machine,
)
from hfal.annotators.web.page_requests import StaleRequestError, carry_out
from hfal.annotators.web.page_state import asking_state, waiting_state
from hfal.annotators.web.team import LostLeaseError, Team
from hfal.errors import ArgumentError, HfalError
from hfal.store.annotator_names import check_person_name, check_team_names
from hfal.store.records import Answer
from hfal.store.store import Store
from hfal.utils.output import say
from hfal.utils.signals import stop_signals_call


_NEEDED = ("starlette", "uvicorn", "markdown_it", "nh3")
_LOOK_EVERY = 1.0  # second: who has the page open, and whose lease is over
_LONGEST_IDLE = 1_000_000  # minutes; a lock cannot be waited for much longer than some centuries
_NOTHING_NOTED: dict[str, Any] = {"noted": "", "steps": None}
_LEFT = "You have left."
_STOPPED = "The command that serves this page was stopped."


class WebAnnotator:
    """Has people answer on a page in a browser, by keyboard, mouse or touch.

    The page is served from the first query to the end of the loop, also while a round trains. Each answer is on the
    disk before the next text is shown. One can skip a text, say that one is not sure, undo answer by answer back to
    the first one ever given under this name, look back to change an answer, comment, and leave at any time.

    The page is for this machine alone, unless `host` or `allow_host` says otherwise. Then whoever wants to use it
    needs the link that is printed.

    With `annotators` several people label on the page. Each says who they are; each text is given to as many people as
    are still to answer it, for a time, and to nobody twice; a query ends when every opinion is in.

    Where there is no time to wait nobody is asked: `waiting_for` says what to do.

    Args:
        name: Recorded with each answer; by default the login name. Answers given under another name cannot be undone.
            Of several people each has their own.
        annotators: The names of the people who label, where that is more than one; `["anybody"]` for all who come and
            give a name.
        lease_minutes: How long somebody who does nothing keeps a text, where several people label.
        host: The name or address to listen on; `"0.0.0.0"` for the network.
        port: The port; 0 for one that is free.
        show_suggestions: Whether to show, at first, what the model would say.
        guidelines: A file in Markdown that is shown beside the texts.
        open_browser: Whether to open the page in a browser; by default where there is a terminal and a display. In a
            notebook the page stands by default in a frame below the cell.
        idle_minutes: How long to wait for somebody to do anything on the page, before the run ends as if they had
            left; `None` for ever.
        allow_host: Other names by which the page is reached, such as that of a proxy.
        embed: The origins whose pages may have this one in a frame, such as `"http://localhost:8888"`.

    Raises:
        ArgumentError: An argument has a value that it cannot have, or the extra `web` is not installed.
    """

    answers_now = True
    """Whether somebody is present; see `hfal.annotators.base.Annotator`."""

    def __init__(
        self,
        name: str | None = None,
        *,
        annotators: Sequence[str] = (),
        lease_minutes: float = 10,
        host: str = "127.0.0.1",
        port: int = 0,
        show_suggestions: bool = True,
        guidelines: str | os.PathLike[str] | None = None,
        open_browser: bool | None = None,
        idle_minutes: float | None = None,
        allow_host: Iterable[str] = (),
        embed: Iterable[str] = (),
    ):
        missing = [module for module in _NEEDED if importlib.util.find_spec(module) is None]
        if missing:
            raise ArgumentError(f'the page needs {", ".join(missing)}: pip install "hfal[web]"')
        if idle_minutes is not None and not 0 < idle_minutes <= _LONGEST_IDLE:
            raise ArgumentError(
                f"idle_minutes={idle_minutes}, expected a number above 0 and up to {_LONGEST_IDLE:,}, or None to wait "
                "for ever"
            )
        if not 0 < lease_minutes <= _LONGEST_IDLE:
            raise ArgumentError(
                f"lease_minutes={lease_minutes}, expected a number above 0 and up to {_LONGEST_IDLE:,}"
            )
        if not 0 <= port < 2**16:
            raise ArgumentError(f"port={port}, expected one from 1 to 65535, or 0 for one that is free")
        self.name = login_name("web") if name is None else check_person_name(name, "name")
        self.annotators = check_team_names(annotators)
        """Who labels, where that is more than one person; see `hfal.annotators.base.Annotator`."""
        self.lease_minutes = lease_minutes
        self.host = host
        self.port = port
        self.show_suggestions = show_suggestions
        self.idle_minutes = idle_minutes
        self.has_left = False
        """Whether the person has left, or does nothing; see `hfal.annotators.base.Annotator`."""
        self.address: str | None = None
        """Where the page is, while it is served; where a token is needed, it is in it."""
        self._opens_browser = _has_display() if open_browser is None else open_browser
        self._access = make_access(host, allow_host, embed)
        self._in_notebook = open_browser is None and is_in_notebook()
        # With a token the frame would have no cookie: a notebook at `localhost` is another site than 127.0.0.1.
        self._is_framed = self._in_notebook and self._access.token is None and sign_of_another_machine() is None
        if self._is_framed:
            self._access = replace(self._access, embed=(*self._access.embed, *FRAMES_OF_NOTEBOOKS))
        self._guidelines = None
        if guidelines is not None:
            from hfal.annotators.web.guidelines import read_guidelines

            self._guidelines = read_guidelines(guidelines)
        self._store: Store | None = None
        self._noted = _NOTHING_NOTED  # what happens beside what is asked
        self._is_released = False
        self._settles = False  # and asks no query
        self._is_closed_early = False  # without opinions that nobody who is there could give
        self._clock = time.monotonic
        self._leases = Leases(60 * lease_minutes)
        self._away: set[str] = set()
        self._exchange = Exchange()
        self._is_announced = False

    # -- serving ---------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def serve(self, store: Store) -> Iterator[None]:
        """Serve the page for the length of a `with` block; may be nested.

        Args:
            store: The run's store. It is read by the thread that enters the block, and annotates.

        Raises:
            ArgumentError: The host and the port cannot be listened on.
            HfalError: The server does not start.
        """
        if self._store is not None:
            yield
            return
        from hfal.annotators.web.app import make_app
        from hfal.annotators.web.server import serving

        self._exchange, self._store = Exchange(), store
        try:
            self._publish_waiting("The first texts are on their way")
            listener = listen(self.host, self.port)
            port = listener.getsockname()[1]
            entry = "" if self._access.token is None else f"open/{self._access.token}"
            self.address = f"http://{in_address(name_to_visit(self.host))}:{port}/{entry}"
            app = make_app(self._exchange, self._access, f"hfal_{port}", self._make_door(store))
            with serving(app, listener), self._exchange.heard():
                try:
                    yield
                except BaseException:
                    self._end("The command that serves this page has ended.")
                    raise
                if not self.has_left:
                    self._publish_waiting("")  # with the metrics of the last round
                    why = None if self._settles else store.why_ended()
                    done = "is settled" if self._settles else "that was asked has an answer"
                    self._end(f"The run has ended: {why}." if why else f"Every text {done}.")
        finally:
            self._store = self.address = None
            self._noted = _NOTHING_NOTED
            self._is_announced = False

    def _make_door(self, store: Store) -> Door | None:
        """Return what checks the names of several people, and take up the leases that a killed command has left."""
        if not self.annotators:
            return None
        self._leases, self._away = Leases(60 * self.lease_minutes, self._clock), set()
        for person, example in read_leases(store.run_dir):
            self._leases.give(person, example)
        known = {name for said in store.opinions().values() for name in said}
        return Door(self.annotators, sorted(known), store.run_dir.name)

    def note(self, message: str, steps: Steps | None = None) -> None:
        """Show on the page what happens while nothing is asked, or beside it.

        Args:
            message: A sentence without a full stop.
            steps: How far it is, where that is known.
        """
        if self._store is None:
            return
        self._announce()
        self._noted = {"noted": message, "steps": None if steps is None else steps._asdict()}
        if steps is None:  # which are told again and again beside a training: nothing is read from the disk for them
            self._publish(waiting_state(self._store, self.name, message), unless_open=True)
        self._exchange.amend(**self._noted)

    def _announce(self) -> None:
        """Print the address, once, and open it in a browser, or in a frame of the notebook."""
        if self._is_announced or self.address is None:
            return
        self._is_announced = True
        say(f"Label in the browser: {self.address}")
        if self._opens_browser:
            threading.Thread(target=webbrowser.open, args=(self.address,), daemon=True).start()
        elif self._is_framed:
            show_in_frame(self.address)
        elif self._in_notebook and self._access.token is None:
            port = urlsplit(self.address).port
            say(
                f"This notebook seems to run on another machine ({sign_of_another_machine()} is set): forward port "
                f"{port} to yours, such as by `ssh -L {port}:127.0.0.1:{port} HOST`, and open that address there."
            )

    def _publish_waiting(self, message: str) -> None:
        assert self._store is not None
        self._publish(waiting_state(self._store, self.name, message))

    def _end(self, reason: str) -> None:
        """Tell the page that nothing comes any more, and how to go on, unless it knows."""
        state, store = self._exchange.state(), self._store
        if state["phase"] == "ended" or store is None:
            return
        name = shlex.quote(str(store.run_dir))
        then, command = "Start the run again to train on them.", ""
        if store.why_ended() is not None:
            then, command = "To export the labels:", f"hfal export {name} --to labels.{store.kind.export_ending}"
        elif self.has_left:
            label = f"agreement {name} --settle" if self._settles else f"label {name}"
            then, command = "To go on:", f"hfal {label} --web"
        ended = {"phase": "ended", "message": f"{reason} All answers are saved.", "then": then, "command": command}
        self._publish({**state, **ended, "notice": "", "shown": None, "steps": None})

    def _publish(
        self, state: dict[str, Any], unless_open: bool = False, of: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        about: dict[str, Any] = {"guidelines": self._guidelines, "show_suggestions": self.show_suggestions}
        if self.annotators:
            about["is_team"] = True
        self._exchange.publish({**self._noted, **state, **about}, unless_open, of or {})

    # -- answering -------------------------------------------------------------------------------------------------

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Ask until every question has an answer and the person closes the query, or until they leave.

        Raises:
            AnnotationError: The page cannot take such answers; nothing was asked.
            HfalError: The page is not served.
        """
        if query.questions:
            check_screen(query, "on the page")
        self.has_left = self._is_released = self._is_closed_early = False
        self._settles = query.settles
        if not (query.questions and query.may_wait):
            return
        if self._store is None:
            raise HfalError("the page is not served: call annotate within `with annotator.serve(store):`")
        self._announce()
        if self._exchange.is_left:
            self._leave(_LEFT)
            return
        self._exchange.open()
        try:
            with stop_signals_call(self._exchange.stop):
                if self.annotators:
                    yield from self._converse_with_team(query, self._store)
                else:
                    yield from self._converse(make_session(query, self.name, self.show_suggestions), self._store)
        except BaseException:  # a training beside may go on for long
            self._end("An error has ended this, which the command tells.")
            raise
        finally:
            is_stopped = self._exchange.close()
        if is_stopped:
            self._leave(_STOPPED)

    def _converse(self, session: Session, store: Store) -> Iterator[Answer]:
        """Carry out the requests of the page, one after the other, and respond when what they say is on the disk."""
        waiting = waiting_state(store, self.name, "")
        request: Request | None = None
        while True:
            turn = store.entries_of(self.name)
            self._publish(asking_state(waiting, session, turn))
            if request is not None:
                self._exchange.respond(request)
            request = self._next_request()
            if request is None:
                return
            if self._ends(request):
                return
            try:
                answer = carry_out(session, request.action, request.body, turn)
            except StaleRequestError as error:
                self._exchange.refuse(request, str(error))
                request = None
                continue
            except ArgumentError as error:
                self._exchange.refuse(request, str(error), 400)
                request = None
                continue
            if answer is not None:
                yield from self._recorded(answer, request)
                session.saved(answer)
            elif request.action == "close":
                self._publish_waiting("The next texts are on their way")
                self._exchange.respond(request)
                return

    def _ends(self, request: Request) -> bool:
        """Return whether a request ends the query for everybody, and if so carry it out."""
        if request.action == RELEASE:
            self._is_released = True
            self._publish_waiting(self._noted["noted"])
        elif request.action in ("leave", STOP):
            self._leave(_STOPPED if request.action == STOP else _LEFT)
        else:
            return False
        self._exchange.respond(request)
        return True

    def _recorded(self, answer: Answer, request: Request) -> Iterator[Answer]:
        """Have an answer recorded; where that fails, tell the page."""
        is_recorded = False
        try:
            yield answer
            is_recorded = True
        finally:
            if not is_recorded:
                self._exchange.refuse(request, "this was not recorded; the command says why", 500)

    def _converse_with_team(self, query: OpenQuery, store: Store) -> Iterator[Answer]:
        """Carry out the requests of several people until every opinion is in, and respond as `_converse` does."""
        waiting = waiting_state(store, self.name, "One moment")
        team = Team(query, store, self._leases, self._away, self.show_suggestions)
        request: Request | None = None
        error: StaleRequestError | None = None
        is_closed = False
        active = time.monotonic()
        try:
            while True:
                if is_closed or team.is_answered:
                    self._publish_waiting("The next texts are on their way")
                else:
                    team.hand_out(self._exchange.here())
                    write_leases(store.run_dir, self._leases.pairs())  # before anybody sees a text
                    self._publish({**waiting, "progress": team.progress(waiting)}, of=team.states(waiting))
                if request is not None and error is not None:
                    self._exchange.refuse(request, str(error), is_lost=isinstance(error, LostLeaseError))
                elif request is not None:
                    self._exchange.respond(request)
                if is_closed or team.is_answered:
                    return
                error, request = None, self._exchange.take(_LOOK_EVERY)
                team.expire()
                if request is None:
                    if self.idle_minutes is not None and time.monotonic() - active > 60 * self.idle_minutes:
                        self._leave_idle()
                        return
                    continue
                person = request.person
                if person is None or (request.action == "leave" and not self._goes_on_without(person, team)):
                    if self._ends(request):
                        return
                    continue
                if request.action != COME or request.body["does"]:
                    active = time.monotonic()
                if request.action == "leave":
                    pass  # they are gone, and others go on
                elif request.action == COME:
                    team.come(person, bool(request.body["does"]))
                elif request.action == AWAY:
                    team.go(person)
                    self._exchange.leave(person)
                elif request.action == "close":
                    is_closed = self._is_closed_early = team.may_close(person) and not team.is_away(person)
                    team.come(person, does=True)
                else:
                    try:
                        answer = team.carry_out(person, request.action, request.body)
                        if answer is not None:
                            yield from self._recorded(answer, request)
                            team.saved(person, answer)
                    except StaleRequestError as found:
                        error = found
                    except ArgumentError as found:
                        self._exchange.refuse(request, str(found), 400)
                        request = None
        finally:
            for person in self._leases.holders():
                self._leases.end(person)
            write_leases(store.run_dir, ())

    def _goes_on_without(self, person: str, team: Team) -> bool:
        """Let one of several people leave; return whether others have the page open, or a text."""
        team.go(person)
        return self._exchange.leave(person) or bool(self._leases.pairs())

    def _leave_idle(self) -> None:
        self._leave(f"Nobody has labeled for {self.idle_minutes:g} minutes, so the command has ended.")

    def _next_request(self) -> Request | None:
        """Wait for the page; `None` if nobody does anything there."""
        request = self._exchange.take(None if self.idle_minutes is None else 60 * self.idle_minutes)
        if request is None:
            self._leave_idle()
        return request

    def _leave(self, reason: str) -> None:
        self.has_left = True
        self._end(reason)

    def release(self, stopped: bool = False) -> None:
        """Have `annotate`, which another thread runs, end soon.

        Args:
            stopped: Whether that is as if the person had left; else they are asked no more, and what they were asked
                is asked again some other time.
        """
        if stopped:
            self._exchange.stop()
        else:
            self._exchange.release()

    def waiting_for(self, query: OpenQuery) -> str | None:
        """How many texts are left, and how to go on; `None` for those that nobody is to answer any more."""
        if self._is_released or self._is_closed_early:
            return None
        return what_is_left(query, self.has_left, self.name, " --web")


def _has_display() -> bool:
    """Return whether a browser could be seen: there is a terminal, and where X or Wayland shows windows, a display."""
    try:
        if not sys.stdout.isatty():
            return False
    except (AttributeError, ValueError):  # no such stream, or a closed one
        return False
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
