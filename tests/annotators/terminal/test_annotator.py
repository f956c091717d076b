"""When somebody at the terminal can be asked, and how that ends, in a real pseudo-terminal."""

import os
import re
import signal
import subprocess
import sys
import termios
import time

import pytest

from hfal.annotators.terminal.annotator import TerminalAnnotator
from support.label_queries import add_query, first_words, labels, log
from support.person import ENTER, LABELING, Person


def test_who_quits_is_asked_neither_a_reopened_query_nor_the_next_one(store, texts, sit_down):
    add_query(store, texts[:1], "seed")
    yesterday = sit_down()
    yesterday.sees("Seed set | 0/1 answered")
    yesterday.press("1", ENTER)
    assert yesterday.leaves() == 0
    add_query(store, texts[1:2])
    add_query(store, texts[2:3])
    person = sit_down()
    person.sees("Round 2 of 10 | 0/1 answered")
    person.press("u")
    person.sees("0/1 answered | 0 of 500", first_words(texts[0]))
    person.press("q")  # which leaves the seed set open again
    assert person.leaves() == 75
    assert [query.number for query in store.open_queries()] == [1, 2, 3]
    again = sit_down()
    again.sees("Seed set | 0/1 answered")
    again.press("2", ENTER)
    again.sees("Round 2 of 10 | 0/1 answered")
    again.press("1")
    again.sees("[Enter] closes the query")
    again.press("q")  # all is answered, and that is enough for today
    assert again.leaves() == 75
    assert labels(store) == {"a": "positive", "b": "negative"}


def test_who_quits_when_all_is_answered_does_not_have_the_run_go_on(store, texts, sit_down):
    add_query(store, texts[:1], "seed")
    person = sit_down()
    person.sees("Seed set | 0/1 answered")
    person.press("1")
    person.sees("The only text of this query is answered.", "1 of 500 labels bought", "[q] quit")
    person.press("q")
    assert person.leaves() == 75
    assert "Every text that was asked has an answer, and all are saved." in person.screen
    assert "The run goes on." not in person.screen
    again = sit_down()
    assert again.leaves() == 0  # nobody is asked again
    assert "The run goes on." in again.screen
    assert labels(store) == {"a": "negative"}


def test_who_quits_goes_on_tomorrow(store, texts, sit_down):
    add_query(store, texts[:3], "holdout")
    add_query(store, texts[3:5], "seed")
    person = sit_down()
    person.sees("Held-out examples | 0/3 answered")
    person.press("1")
    person.sees("1/3 answered")
    person.press("q")
    assert person.leaves() == 75  # the seed set was not asked
    assert "Query 1 (held-out examples): 2 of 3 texts are left; all answers are saved." in person.screen
    assert f"`hfal label '{store.run_dir}'`".encode() in person.raw
    assert "Query 2 (seed set): 2 of 2 texts are left" in person.screen
    person = sit_down()
    person.sees("Held-out examples | 1/3 answered", first_words(texts[1]))
    person.press("2", "2", ENTER)
    person.sees("Seed set | 0/2 answered | 3 of 500", first_words(texts[3]))
    person.press("1", "1", ENTER)
    assert person.leaves() == 0
    assert "The run goes on." in person.screen
    assert list(labels(store).values()) == ["negative", "positive", "positive", "negative", "negative"]


@pytest.mark.parametrize("keys", ["q", "\x03", "\x04", "cno\x03", "?\x04"])
def test_every_way_to_quit_leaves_the_terminal_as_it_was(keys, store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down(script="import time; time.sleep(0.2)" + LABELING)
    before = termios.tcgetattr(person.process.child_fd)
    assert before[3] & termios.ECHO
    person.sees("0/2 answered")
    assert not termios.tcgetattr(person.process.child_fd)[3] & termios.ECHO
    person.press("1", *keys)
    assert person.leaves() == 75
    assert labels(store) == {"a": "negative"}
    assert_restored(person)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_leaves_the_terminal_as_it_was(number, store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down()
    person.sees("0/2 answered")
    person.press("1")
    person.sees("1/2 answered")
    person.process.kill(number)
    assert person.leaves() == (75 if number == signal.SIGINT else -signal.SIGTERM)
    assert labels(store) == {"a": "negative"}
    assert_restored(person)


def test_when_the_terminal_hangs_up_the_program_ends(store, texts, sit_down):
    add_query(store, texts[:2])
    # Under nohup the signal is ignored, and only reading and writing fail.
    script = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)" + LABELING
    person = sit_down(script=script, forked=False)  # Python's own end, with a terminal that takes no last words
    person.sees("0/2 answered")
    person.press("1")
    person.sees("1/2 answered")
    person.process.ptyproc.fileobj.close()
    end = time.monotonic() + 10
    while (ended := os.waitpid(person.process.pid, os.WNOHANG))[0] == 0:
        assert time.monotonic() < end
        time.sleep(0.05)
    person.process.closed = person.process.ptyproc.closed = person.process.ptyproc.terminated = True
    assert os.waitstatus_to_exitcode(ended[1]) == 75
    assert labels(store) == {"a": "negative"}


def test_after_sigkill_all_answers_that_were_seen_to_be_saved_are_there(store, texts, sit_down):
    add_query(store, texts[:40])
    person = sit_down()
    person.sees("0/40 answered")
    keys = "12s12n1212" * 3
    for count, key in enumerate(keys[:-1], start=1):
        person.press(key)
        person.sees(f"{count}/40 answered")
    person.press(keys[-1])
    person.process.kill(signal.SIGKILL)
    person.leaves()
    seen = int(re.findall(r"(\d+)/40 answered", person.screen)[-1])
    expected = [{"1": "negative", "2": "positive"}.get(key) for key in keys]
    found = [label for _, _, label in log(store)]
    assert seen >= 29
    assert found in (expected[:seen], expected[: seen + 1])
    again = sit_down()
    again.sees(f"{len(found)}/40 answered", first_words(texts[len(found)]))


CONSUMER = """
import sys
from hfal.annotators.asking import open_query
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.store.store import Store
store = Store(sys.argv[1])
try:
    for answer in TerminalAnnotator("ann").annotate(open_query(store, store.open_queries()[0])):
        raise OSError("the disk is full")
except OSError as error:
    print(error)
    input("still here")
"""


def test_the_terminal_is_as_it_was_when_an_answer_cannot_be_saved(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down(script=CONSUMER)
    before = termios.tcgetattr(person.process.child_fd)
    person.sees("0/2 answered")
    person.press("1")
    person.sees("still here")
    assert termios.tcgetattr(person.process.child_fd) == before
    assert_restored(person)
    assert person.raw.rindex(b"\x1b[?1049l") < person.raw.index(b"the disk is full")


def test_an_error_of_the_program_is_not_taken_for_quitting(store, texts, sit_down):
    add_query(store, [texts[0], {"text": [7]}])  # no text, which no pool would ask about
    person = sit_down()
    person.sees("0/2 answered")
    person.press("1")
    assert person.leaves() == 1
    assert "AttributeError" in person.screen
    assert log(store) == [("a", "label", "negative")]
    assert_restored(person)


def assert_restored(person: Person) -> None:
    """The last word on each mode of the terminal is the one that a shell expects."""
    for mode, sane in (("1049", "l"), ("2004", "l"), ("25", "h"), ("7", "h"), ("2026", "l")):
        assert re.findall(rf"\x1b\[\?{mode}([hl])".encode(), person.raw)[-1].decode() == sane, mode


def test_without_a_terminal_nobody_is_asked(store, texts):
    add_query(store, texts[:2])
    run = [sys.executable, "-c", LABELING, str(store.run_dir)]
    found = subprocess.run(run, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert found.returncode == 75
    assert found.stdout == ""
    assert "2 texts wait to be labeled: `hfal label '" in found.stderr
    assert "in a terminal, then start the run again" in found.stderr


def test_a_terminal_that_knows_no_escape_codes_gets_none(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down(TERM="dumb")
    assert person.leaves() == 75
    assert b"\x1b" not in person.raw


def test_where_processes_wait_nobody_is_asked(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down(script=LABELING.replace("< 3))", "< 3), may_wait=False)"))
    assert person.leaves() == 75
    assert "2 texts wait to be labeled" in person.screen
    assert b"?1049h" not in person.raw


def test_the_login_name_is_the_default_name():
    assert TerminalAnnotator().name
    assert TerminalAnnotator("ann").name == "ann"
