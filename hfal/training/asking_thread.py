"""A thread that asks one query after the other, also while a round trains, so that nobody waits for a training."""

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from hfal.annotators.asking import ask
from hfal.annotators.base import Annotator
from hfal.errors import AnswersPending, ArgumentError, RunInterrupted
from hfal.store.records import Query
from hfal.store.store import Store
from hfal.utils.signals import stop_signals_call


_LOOK_EVERY = 0.1  # seconds


def check_asks_beside_training(annotator: Annotator, processes: int) -> None:
    """Check that somebody can be asked while a round trains.

    Args:
        annotator: Who is asked.
        processes: How many processes train.

    Raises:
        ArgumentError: The annotator asks between trainings alone, other processes would have to wait, or there is no
            terminal.
    """
    if not hasattr(annotator, "release"):
        raise ArgumentError(
            f"when_idle='ask' asks while a round trains, which {type(annotator).__name__} cannot: have people label "
            "at the terminal or on the page (TerminalAnnotator, WebAnnotator; `--annotator terminal` or `web`), or "
            "pass when_idle='wait'"
        )
    if processes > 1:
        raise ArgumentError(
            f"when_idle='ask' asks beside the training of one process, but there are {processes}: pass "
            "when_idle='wait'"
        )
    if not getattr(annotator, "answers_now", True):
        raise ArgumentError(
            "when_idle='ask' asks at the terminal while a round trains, but standard input and output are no terminal "
            "that can show a screen: start the run in one, have people label on the page (WebAnnotator, `--annotator "
            "web`), or pass when_idle='wait'"
        )


def beside_training(annotator: Annotator, store: Store, when_idle: str) -> AbstractContextManager[None]:
    """Let an annotator prepare, for the length of a `with` block, for being asked while a round trains.

    Args:
        annotator: The annotator; one whose page is its own has nothing to prepare.
        store: The run's store.
        when_idle: `"ask"`; otherwise nothing is prepared.
    """
    prepare = getattr(annotator, "beside_training", None) if when_idle == "ask" else None
    return nullcontext() if prepare is None else prepare(store)


class AskingThread:
    """Asks the open queries of a run, and whenever all are answered has the next one made.

    The thread touches the store and the annotator, and what `propose` does; never the model that is being trained.

    Args:
        store: The run's store.
        annotator: Who is asked; it has a method `release`.
        propose: Makes the next query and records it; returns `None` if nothing is left to ask for now.
    """

    def __init__(self, store: Store, annotator: Annotator, propose: Callable[[], Query | None]):
        self._store = store
        self._annotator = annotator
        self._propose = propose
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._is_stopped = False
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to ask, or go on when there is more to ask; unless it asks already, or is to ask nothing more."""
        if not self._is_alive() and not self._is_ending and self._failure is None:
            self._thread = threading.Thread(target=self._run, name="hfal asks", daemon=True)
            self._thread.start()

    def _is_alive(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def _join_shortly(self) -> None:
        assert self._thread is not None
        self._thread.join(_LOOK_EVERY)

    def wait(self, is_enough: Callable[[], bool]) -> None:
        """Wait for answers, in the main thread; Ctrl-C and SIGTERM end the asking.

        Args:
            is_enough: Whether enough has been answered.

        Raises:
            AnswersPending: The person has left, does nothing, or was asked to by a signal.
            Exception: What else has ended the thread.
        """
        self.start()
        with stop_signals_call(self._stop_at_signal):
            seen = -1
            while self._is_alive():
                last = self._store.last_answer()  # all of them are read only when there is a new one
                if last != seen and not self._is_stopped and is_enough():
                    break
                seen = last
                self._join_shortly()
                if self._is_stopped:
                    self._release(stopped=True)  # again, should it have been between two queries
        if self._failure is not None:
            raise self._failure
        if self._is_stopped:
            raise RunInterrupted("the run was stopped; all answers are saved; start it again to go on")

    def end(self) -> None:
        """Ask nothing more, and close what is open: nobody needs its answers now.

        Raises:
            Exception: What has ended the thread, unless somebody has left.
        """
        self._is_ending = True
        self._join(stopped=False)
        if self._failure is not None and not isinstance(self._failure, AnswersPending):
            raise self._failure
        for query in self._store.open_queries():
            self._store.close_query(query.number)

    def stop(self) -> None:
        """Ask nothing more for now; what is open is asked when the run is started again."""
        self._is_ending = True
        self._join(stopped=True)

    def _join(self, stopped: bool) -> None:
        while self._is_alive() and not sys.is_finalizing():  # from then on no thread ends any more
            self._release(stopped)  # again, should it be between two queries
            self._join_shortly()

    def _stop_at_signal(self) -> None:
        self._is_stopped = True
        self._release(stopped=True)

    def _release(self, stopped: bool) -> None:
        self._annotator.release(stopped)  # type: ignore[attr-defined]  # which was checked

    def _run(self) -> None:
        try:
            while not self._is_ending:
                ask(self._store, self._annotator)
                if self._is_ending or self._is_stopped or self._propose() is None:
                    return
        except BaseException as error:
            if not self._is_ending:
                self._failure = error
