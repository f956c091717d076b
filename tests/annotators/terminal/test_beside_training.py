"""Somebody who is asked by one thread while another one goes on, in a real pseudo-terminal."""

import signal
import termios
import time

import pytest

from support.label_queries import add_query, labels, log
from support.person import ENTER


BESIDE = """
import sys, threading, time
from hfal.annotators.asking import ask
from hfal.annotators.base import Steps
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.store.store import Store

store, annotator, failures = Store(sys.argv[1]), TerminalAnnotator("ann"), []

def run():
    try:
        ask(store, annotator)
    except BaseException as failure:
        failures.append(str(failure))

def answered(count):
    while store.labels_bought() < count:
        time.sleep(0.01)

thread = threading.Thread(target=run, daemon=True)
"""
JOINED = """
with annotator.beside_training(store):
    thread.start()
    {}
    thread.join()
print("Closed:", [query.closed for query in store.queries()], "because of", failures)
"""


def beside(act: str) -> str:
    return BESIDE + JOINED.format(act)


def test_a_query_that_nobody_needs_any_more_closes_with_the_answers_that_were_given(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down(script=beside("answered(2); annotator.release()"))
    person.sees("0/3 answered")
    person.press("1", "2")
    assert person.leaves() == 0
    assert "Closed: [True] because of []" in person.screen
    assert list(labels(store).values()) == ["negative", "positive"]


def test_an_answer_that_is_being_saved_meanwhile_is_saved(store, texts, sit_down):
    add_query(store, texts[:3])
    slow = """
record = Store.record
def record_slowly(*arguments, **options):
    annotator.release()
    time.sleep(0.3)
    return record(*arguments, **options)
Store.record = record_slowly
"""
    person = sit_down(script=BESIDE + slow + JOINED.format(""))
    person.sees("0/3 answered")
    person.press("1")
    assert person.leaves() == 0
    assert "Closed: [True] because of []" in person.screen
    assert labels(store) == {"a": "negative"}


def test_it_may_be_closed_while_it_opens(store, texts, sit_down):
    for first in range(0, 12, 3):
        add_query(store, texts[first : first + 3])
    person = sit_down(script=beside("while thread.is_alive(): annotator.release(); time.sleep(0.001)"))
    assert person.leaves() == 0
    assert "Closed: [True, True, True, True] because of []" in person.screen
    assert log(store) == []


def test_who_is_stopped_is_asked_again_later(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down(script=beside("answered(1); annotator.release(stopped=True)"))
    person.sees("0/3 answered")
    person.press("1")
    assert person.leaves() == 0
    assert "Closed: [False] because of" in person.screen
    assert b"Query 1 (of round 2): 2 of 3 texts are left; all answers are saved." in person.raw
    assert labels(store) == {"a": "negative"}


def test_how_far_a_training_is_takes_no_key_from_what_is_typed(store, texts, sit_down):
    add_query(store, texts[:2])
    act = """
    while thread.is_alive():
        store.labels_bought()
        for step in range(1000):
            annotator.note("Round 1 trains", Steps(step, 2000, 30.0))
            time.sleep(0.001)
"""
    person = sit_down(script=beside(act))
    person.sees("0/2 answered", "Round 1 trains, ", " of 2,000 steps, about 30 seconds left")
    person.press("c", *"not so good", ENTER)
    person.sees("Comment: not so good")
    person.press("1", "2", ENTER)
    assert person.leaves() == 0
    assert list(labels(store).values()) == ["negative", "positive"]
    assert store.answers()[0].comment == "not so good"


def test_a_terminal_may_be_resized_meanwhile(store, texts, sit_down):
    add_query(store, texts[:1])
    person = sit_down(script=beside(""))
    person.sees("0/1 answered")
    person.look(1)  # beside a training the size is asked for every half second; no signal says that it has changed
    for rows, columns in ((10, 40), (30, 120)):
        person.resize(rows, columns)
        person.sees("0/1", "-" * columns)
    person.press("1", ENTER)
    assert person.leaves() == 0
    assert labels(store) == {"a": "negative"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 0), (signal.SIGTERM, -signal.SIGTERM)])
def test_a_signal_to_the_thread_that_trains_gives_the_terminal_back(number, code, store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down(script=beside(""))
    person.sees("0/2 answered")
    person.press("1")
    person.sees("1/2 answered")
    person.process.kill(number)
    assert person.leaves() == code
    assert labels(store) == {"a": "negative"}
    assert person.raw.endswith(b"\x1b[?2026l") == (code != 0)
    assert person.raw.count(b"\x1b[?1049l") == 1


def test_an_error_that_leaves_the_run_open_gives_the_terminal_back_and_says_where_it_is(store, texts, sit_down):
    add_query(store, texts[:2])
    failing = """
left_open = annotator.beside_training(store)
left_open.__enter__()
thread.start()
answered(1)
raise RuntimeError("what nobody has seen")
"""
    person = sit_down(script=BESIDE + failing, forked=False)  # Python's own end
    person.sees("0/2 answered")
    person.press("1")
    end = time.monotonic() + 15
    while not termios.tcgetattr(person.process.child_fd)[3] & termios.ECHO:
        assert time.monotonic() < end
        person.look(0.02)
    assert person.leaves() == 1
    assert "All answers are saved. Why the program has ended is in" in person.screen
    assert "RuntimeError: what nobody has seen" in (store.run_dir / "training_output.txt").read_text()
    assert labels(store) == {"a": "negative"}
