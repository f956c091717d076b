"""The terminal annotator in a real pseudo-terminal: pexpect types, pyte shows what a person would see."""

import os
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from datasets import Dataset
from prompt_toolkit.utils import get_cwidth

from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.annotators.terminal.layout import Page, lay_out
from hfal.store.records import Queried, Query
from hfal.store.store import Store
from hfal.utils.visible_text import clip, masked, one_line
from support.person import (
    BIDI,
    END,
    ENTER,
    ESC,
    HOME,
    LABELING,
    LEFT,
    PAGE_DOWN,
    PAGE_UP,
    RIGHT,
    UP,
    ZERO_WIDTH,
    OtherScreen,
    Person,
    assert_harmless,
    at_the_terminal,
)


LABELS = ["negative", "positive"]
MEGABYTE = 2**20


def add_query(
    store: Store, texts: Sequence[str | dict[str, str]], purpose: str = "round", suggestion: str | None = None
) -> Query:
    """Record a query as a round's model, or nobody, would have made it; ids are a, b, c, … in all queries."""
    taken = sum(len(query.examples) for query in store.queries())
    examples = []
    for position, text in enumerate(texts, start=taken):
        example_id = chr(ord("a") + position) if position < 26 else f"z{position}"
        columns = {"text": text} if isinstance(text, str) else text
        confidence = None if suggestion is None else 0.8731
        examples.append(Queried(example_id, f"content of {example_id}", columns, None, suggestion, confidence))
    return store.add_query(Query(2 if purpose == "round" else 0, purpose, "random", 0, tuple(examples)))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "my run")
    store.set_meta("label_names", LABELS)
    store.set_meta("plan", {"budget": 500, "rounds": 10})
    return store


@pytest.fixture
def texts(reviews: Dataset) -> list[str]:
    return reviews["text"][:40]


Sit = Callable[..., Person]


def log(store: Store) -> list[tuple[str, str, str | None]]:
    return [(answer.example_id, answer.action, answer.label) for answer in store.answers()]


def labels(store: Store) -> dict[str, str | None]:
    return {example_id: answer.label for example_id, answer in store.current_answers().items()}


def first_words(text: str) -> str:
    return " ".join(text.split()[:5])


# -- keys -------------------------------------------------------------------------------------------------------------


def test_each_key_beside_a_label_gives_this_label(store, texts, sit_down):
    names = [f"label {i}" for i in range(31)]
    store.set_meta("label_names", names)
    add_query(store, texts[:31])
    person = sit_down(rows=40)
    person.sees(first_words(texts[0]))
    shown = re.findall(r"\[(\w)\] (label \d+)", person.screen)
    assert [name for _, name in shown] == names[:29]
    for count, (key, _) in enumerate(shown, start=1):
        person.press(key)
        person.sees(f"{count}/31 answered", first_words(texts[count]))
    person.press("/")
    person.sees("Label:")
    person.press("BEL 29")
    person.sees("Label: BEL 29")
    person.press(ENTER)
    person.sees("30/31 answered", "Saved: label 29")
    person.press("/")
    person.press("label 3" + ENTER)  # label 3 and label 30 have this in their names; only one is called so
    person.sees("31/31 answered", "Saved: label 3")
    person.look(0.15)
    person.press(ENTER)
    assert person.leaves() == 0
    assert [label for _, _, label in log(store)] == [*names[:30], "label 3"]
    assert {answer.annotator for answer in store.answers()} == {"ann"}
    assert {answer.query for answer in store.answers()} == {1}
    assert store.queries()[0].closed


def test_an_ambiguous_name_labels_nothing(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down()
    person.sees("0/2 answered")
    person.press("/", "tive", ENTER)
    person.sees("2 labels are called that: tive")
    person.press("x", ENTER)
    person.sees("No labels are called that: tivex")
    person.press(ESC)
    person.sees("[1] negative", "[?] help", without="Label:")
    person.press("/", "\x1b[B", ENTER)  # the first one in the menu
    person.sees("1/2 answered", "Saved: negative")
    assert log(store) == [("a", "label", "negative")]


def test_skip_and_not_sure_also_with_caps_lock(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    for count, key in enumerate("snSN"):
        person.sees(f"{count}/4 answered", first_words(texts[count]))
        person.press(key)
    person.sees("4/4 answered", "All 4 texts of this query are answered")
    assert log(store) == [("a", "skip", None), ("b", "unsure", None), ("c", "skip", None), ("d", "unsure", None)]
    assert store.open_queries()
    person.press(ENTER)
    assert person.leaves() == 0
    assert not store.open_queries()


def test_other_keys_do_nothing(store, texts, sit_down):
    add_query(store, texts[:1])
    person = sit_down()
    person.sees("0/1 answered")
    person.press("3")
    person.sees("[3] is no key here")
    for key in [*"39az0.\u00e9\u65e5\t\x7f\x1a\x00\x18\x16", ENTER, "\x1b[24~"]:
        person.press(key)
        person.look(0.02)
    person.press("1")
    person.sees("1/1 answered")
    assert log(store) == [("a", "label", "negative")]


def test_help_lists_the_keys_and_labels_nothing(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down()
    person.sees("0/2 answered")
    person.press("?")
    person.sees("undo your last answer")
    person.press("1", "2", "u")
    person.press(END)
    person.sees("1  negative", "2  positive")
    person.press("?")
    person.sees(first_words(texts[0]), "0/2 answered")
    person.press("?" + END)  # in one piece
    person.sees("1  negative", "2  positive")
    assert log(store) == []


# -- undo, correct, comment -------------------------------------------------------------------------------------------


def test_undo_goes_back_to_the_first_answer(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    person.sees("0/4 answered | 0 of 500 labels bought")
    for count, key in enumerate("12s", start=1):
        person.press(key)
        person.sees(f"{count}/4 answered")
    person.sees("2 of 500 labels bought")
    for left, taken in ((2, "skip"), (1, "positive"), (0, "negative")):
        person.press("u")
        person.sees(f"{left}/4 answered", f"Taken back: {taken}", first_words(texts[left]))
        person.look(0.15)
    person.press("u")
    person.sees("There is nothing to undo", "0/4 answered | 0 of 500 labels bought")
    assert store.current_answers() == {}
    for count, key in enumerate("2n12", start=1):  # what was taken back is asked again, in its order
        person.press(key)
        person.sees(f"{count}/4 answered")
    assert labels(store) == {"a": "positive", "b": None, "c": "negative", "d": "positive"}


def test_undo_reaches_earlier_queries_and_earlier_days(store, texts, sit_down):
    add_query(store, texts[:2], "seed")
    yesterday = sit_down()
    yesterday.sees("Seed set | 0/2 answered")
    yesterday.press("1", "2", ENTER)
    assert yesterday.leaves() == 0
    add_query(store, texts[2:4])
    person = sit_down()
    person.sees("Round 2 of 10 | 0/2 answered | 2 of 500 labels bought")
    person.press("1")
    person.sees("1/2 answered | 3 of 500")
    for bought, taken in ((2, texts[2]), (1, texts[1]), (0, texts[0])):
        person.press("u")
        person.sees(f"0/2 answered | {bought} of 500", first_words(taken))
        person.look(0.15)
    for key in ("2", "s", "1", "2"):
        person.press(key)
        person.look(0.15)
    person.sees("2/2 answered | 3 of 500 labels bought")
    assert labels(store) == {"a": "positive", "b": None, "c": "negative", "d": "positive"}
    assert [(a.example_id, a.query) for a in store.answers()][-4:] == [("a", 1), ("b", 1), ("c", 2), ("d", 2)]


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


def test_an_answer_is_changed_by_walking_back_to_it(store, texts, sit_down):
    add_query(store, texts[:4])
    person = sit_down()
    person.sees("0/4")
    person.press("1", "1", "s")
    person.sees("3/4 answered", first_words(texts[3]))
    person.press(LEFT)
    person.sees("Your answer 3/3: skip", first_words(texts[2]))
    person.press(LEFT, LEFT)
    person.sees("Your answer 1/3: negative", first_words(texts[0]))
    person.press(LEFT)
    person.sees("This is your first answer", "Your answer 1/3")
    person.press("2")
    person.sees("Your answer 1/3: positive", "Saved: positive", "3/4 answered", first_words(texts[0]))
    person.look(0.15)
    person.press("2")
    person.sees("That is the answer already: positive")
    person.press(RIGHT)
    person.sees("Your answer 2/3: negative")
    person.press("n")
    person.sees("Your answer 2/3: unsure", "1 of 500 labels bought")
    person.press(RIGHT, RIGHT)
    person.sees(first_words(texts[3]), without="Your answer")
    person.press(LEFT, LEFT)
    person.sees("Your answer 2/3")
    person.press(ESC)
    person.sees(first_words(texts[3]), without="Your answer")
    person.press("2")
    person.sees("4/4 answered")
    assert log(store)[3:] == [("a", "correct", "positive"), ("b", "unsure", None), ("d", "label", "positive")]


def test_undoing_a_correction_brings_the_earlier_answer_back(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down()
    person.sees("0/3")
    person.press("1", "2", LEFT, LEFT, "2")
    person.sees("Your answer 1/2: positive")
    person.press("u")
    person.sees("Your answer 1/2: negative", "Taken back: positive", first_words(texts[0]), "2/3 answered")
    person.look(0.15)
    person.press("u")  # the answer before the correction was the second
    person.sees("1/3 answered", "Taken back: positive", first_words(texts[1]))
    assert labels(store) == {"a": "negative"}


def test_comments_go_with_the_answer(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down()
    person.sees("0/3")
    person.press("c")
    person.sees("Comment:", "[Enter] saves")
    person.press("1 or 2? q")
    person.sees("Comment: 1 or 2? q")
    person.press(ENTER)
    person.sees("The comment is saved with your answer", "Comment: 1 or 2? q", "0/3 answered")
    assert log(store) == []
    person.press("1")
    person.sees("1/3 answered", without="Comment:")
    person.press("2", LEFT, "c", "an afterthought" + ENTER)
    person.sees("The comment is saved", "Comment: an afterthought", "Your answer 2/2: positive")
    person.press(LEFT, "c", " indeed" + ENTER)
    person.sees("Comment: 1 or 2? q indeed")
    person.press("2")  # another label keeps the comment
    person.sees("Your answer 1/2: positive", "Comment: 1 or 2? q indeed")
    person.press(RIGHT, "c", "\x15" + ENTER)  # Ctrl-U empties the line
    person.sees("Your answer 2/2", without="Comment:")
    person.press(ESC)
    person.sees("2/3 answered", first_words(texts[2]))
    person.press("c", "never mind" + ESC)
    person.sees("[1] negative", "[c] comment", without="never mind")
    person.press("c", "tricky" + ENTER, "s")
    person.sees("3/3 answered")
    person.press("u")
    person.sees("Comment: tricky", "2/3 answered")  # what was taken back keeps its comment until it is answered
    said = store.current_answers()
    assert {key: (said[key].label, said[key].comment) for key in said} == {
        "a": ("positive", "1 or 2? q indeed"),
        "b": ("positive", None),
    }
    assert [a.comment for a in store.answers() if a.action == "skip"] == ["tricky"]


def test_a_pasted_comment_is_one_line_and_its_escape_codes_are_seen(store, texts, sit_down):
    add_query(store, texts[:2])
    person = sit_down()
    person.sees("0/2")
    person.press("c", "\x1b[200~first\x1b]0;title\x07\nsecond\u202e\x1b[201~")
    person.sees("Comment: first\ufffd]0;title\ufffd second\ufffd")
    person.press(ENTER)
    person.sees("Comment: first<U+001B>]0;title<U+0007> second<U+202E>")
    person.press("c", b"\xff\xfe".decode("latin-1") + ENTER, "1")
    person.sees("1/2 answered")
    assert store.answers()[0].comment == "first\x1b]0;title\x07 second\u202eÿþ"
    assert_harmless(person.raw)


# -- the model's suggestion -------------------------------------------------------------------------------------------


def test_enter_accepts_the_suggestion_while_it_is_shown(store, texts, sit_down):
    add_query(store, texts[:3], suggestion="positive")
    person = sit_down()
    person.sees("0/3 answered", "[Enter] Model suggests (87%): positive")
    person.press("h")
    person.sees("[h] shows what the model suggests", without="87%")
    person.press(ENTER)
    person.sees("There is no suggestion to accept", "0/3 answered")
    person.press("h")
    person.sees("[Enter] Model suggests (87%): positive")
    person.press(ENTER)
    person.sees("1/3 answered", "Saved: positive", first_words(texts[1]))
    person.press(LEFT)
    person.sees("Your answer 1/1: positive", without="[Enter]")
    person.press("1", ENTER, ENTER)  # Enter changes no answer
    person.sees("Your answer 1/1: negative", "Model suggests (87%): positive", "1/3 answered")
    assert labels(store) == {"a": "negative"}


def test_suggestions_can_be_hidden_from_the_start(store, texts, sit_down):
    add_query(store, texts[:2], suggestion="positive")
    person = sit_down("hidden")
    person.sees("0/2 answered", "[h] shows what the model suggests")
    person.press(ENTER, "1")
    person.sees("1/2 answered", "[h] shows what the model suggests")
    assert b"87%" not in person.raw
    assert log(store) == [("a", "label", "negative")]


def test_without_a_suggestion_there_is_nothing_to_accept(store, texts, sit_down):
    add_query(store, texts[:1])
    add_query(store, texts[1:2], suggestion="a label of another run")
    person = sit_down()
    person.sees("0/1 answered", without="Model")
    person.press(ENTER, "1", ENTER)
    person.sees("0/1 answered", first_words(texts[1]), without="Model")
    person.press(ENTER)
    person.sees("There is no suggestion to accept")
    assert log(store) == [("a", "label", "negative")]


# -- quitting, and worse ----------------------------------------------------------------------------------------------


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
    add_query(store, [texts[0], {"text": 7}])  # no text, which no pool would ask about
    person = sit_down()
    person.sees("0/2 answered")
    person.press("1")
    assert person.leaves() == 1
    assert "TypeError" in person.screen
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


# -- keys that nobody meant -------------------------------------------------------------------------------------------


def test_keys_typed_ahead_are_answered_in_their_order(store, texts, sit_down):
    add_query(store, texts[:8])
    person = sit_down()
    person.sees("0/8 answered")
    person.press("12sn1212")  # in one piece, faster than answers are saved
    person.sees("8/8 answered")
    expected = ["negative", "positive", None, None, "negative", "positive", "negative", "positive"]
    assert [label for _, _, label in log(store)] == expected


def test_a_key_held_down_counts_once(store, texts, sit_down):
    add_query(store, texts[:10])
    person = sit_down()
    person.sees("0/10 answered")
    person.press("1111111111")  # faster than a keyboard repeats it, but then this machine may be slow
    person.sees("1/10 answered", "Held down, [1] counts once.")
    person.look(0.2)
    person.press("1", "2", "2")
    person.sees("4/10 answered")
    person.press("uuuuuuuu")
    person.sees("3/10 answered", "Held down, [u] counts once.")
    assert len(store.current_answers()) == 3


def test_keys_pressed_before_the_first_text_label_nothing(store, texts, sit_down):
    add_query(store, texts[:3])
    person = sit_down(script="import time; print('training'); time.sleep(0.7)" + LABELING)
    person.sees("training")
    person.press("12")
    person.sees("0/3 answered")
    person.look(0.2)
    person.press("2")
    person.sees("1/3 answered")
    assert log(store) == [("a", "label", "positive")]


def test_what_is_no_key_labels_nothing(store, texts, sit_down):
    sequences = {
        "a paste": "\x1b[200~1212\x1b[201~",
        "xterm's modifyOtherKeys": "\x1b[27;6;49~",
        "kitty's keys": "\x1b[121;2u",
        "a terminal's color": "\x1b]11;rgb:1212/1212/1212\x07",
        "a terminal's attributes": "\x1b[?1;2c",
        "Alt-1": "\x1b1",
    }
    add_query(store, texts[: len(sequences) + 1])
    person = sit_down()
    for count, keys in enumerate(sequences.values()):
        person.sees(f"{count}/7 answered")
        person.press(keys)
        person.look(0.1)
        person.press("2")
    person.sees("6/7 answered")
    assert [label for _, _, label in log(store)] == ["positive"] * 6


# -- terminals --------------------------------------------------------------------------------------------------------


def test_a_small_terminal_shows_all_that_matters(store, texts, sit_down):
    add_query(store, [" ".join(texts[:10])], suggestion="positive")
    person = sit_down(rows=10, columns=40)
    person.sees("Round 2/10  0/1  labels 0/500", "seen, [Space] goes on", "[?] help  [q] quit")
    person.sees("Model suggests (87%): positive", "[1] negative  [2] positive", first_words(texts[0]))
    height = next(i for i, line in enumerate(person.lines) if line.startswith("-- ")) - 1
    assert height == 4
    seen = person.lines[1 : 1 + height]
    while "end of the text" not in person.screen:
        person.press("\x1b[B")  # a row further down
        person.look(0.05)
        seen.append(person.lines[height])
    assert " ".join(" ".join(seen).split()) == " ".join(texts[:10])
    person.press("1")
    person.sees("1/1")


def test_a_terminal_may_be_resized_at_any_time(store, texts, sit_down):
    long = " ".join(texts) * 3
    add_query(store, [long, texts[0]])
    person = sit_down()
    person.sees("0/2 answered", first_words(long))
    person.press(PAGE_DOWN, PAGE_DOWN)
    person.look(0.3)
    top = person.lines[2]
    for rows, columns in ((10, 40), (50, 132), (24, 80)):
        person.resize(rows, columns)
        person.sees("0/2", "[1] negative  [2] positive", "seen, [Space] goes on")
        at_top = " ".join(person.lines[1 if rows < 16 else 2].split()[:2])
        place = long.index(" ".join(top.split()[:3]))
        assert abs(long.index(at_top) - place) < 132  # still at the same place in the text
    person.resize(5, 15)
    person.sees("Too small")
    person.press("1", "s")
    person.look(0.5)  # so that they are read while it is too small
    person.resize(24, 80)
    person.sees("0/2 answered", "[1] negative  [2] positive")
    assert log(store) == []
    person.press("2")
    person.sees("1/2 answered", first_words(texts[0]))
    assert log(store) == [("a", "label", "positive")]


def test_no_color_is_used_where_none_is_wanted(store, texts, sit_down):
    add_query(store, texts[:2], suggestion="positive")
    person = sit_down(NO_COLOR="1")
    person.sees("0/2 answered")
    person.press("/", "p")
    person.look(0.2)
    person.press("\t", ENTER)
    person.sees("1/2 answered")
    colors = re.findall(rb"\x1b\[(?:\d+;)*(?:[34]\d|9\d|10\d)(?:;\d+)*m", person.raw)
    assert colors == []


# -- texts ------------------------------------------------------------------------------------------------------------


HOSTILE: dict[str, tuple[str, list[str]]] = {
    "colors": ("plain \x1b[31mred\x1b[0m \x1b[38;5;9mred", ["plain <U+001B>[31mred<U+001B>[0m <U+001B>[38;5;9mred"]),
    "cursor": (
        "\x1b[4444A\x1b[1;1Hup \x1b7\x1b[s\x1bM",
        ["<U+001B>[4444A<U+001B>[1;1Hup <U+001B>7<U+001B>[s<U+001B>M"],
    ),
    "clear": ("\x1b[2J\x1b[3J\x1bc gone", ["<U+001B>[2J<U+001B>[3J<U+001B>c gone"]),
    "alternate screen": ("\x1b[?1049l\x1b[?2004l x", ["<U+001B>[?1049l<U+001B>[?2004l x"]),
    "title": ("\x1b]0;pwned\x07\x1b]2;pwned\x1b\\ x", ["<U+001B>]0;pwned<U+0007><U+001B>]2;pwned<U+001B>\\ x"]),
    "clipboard": ("\x1b]52;c;cm0gLXJm\x07 x", ["<U+001B>]52;c;cm0gLXJm<U+0007> x"]),
    "link": ("\x1b]8;;http://evil\x1b\\good\x1b]8;;\x1b\\", ["<U+001B>]8;;http://evil<U+001B>\\good"]),
    "device control": ('\x1bP$q"p\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\', ['<U+001B>P$q"p<U+001B>\\ <U+001B>_apc']),
    "questions": ("\x1b[c\x1b[6n\x1b[>q\x05 x", ["<U+001B>[c<U+001B>[6n<U+001B>[>q<U+0005> x"]),
    "C1": ("\x9b31mred \x9d0;pwned\x9c \x90q\x9c \x85", ["<U+009B>31mred <U+009D>0;pwned<U+009C> <U+0090>q<U+009C>"]),
    "NUL": ("a\x00b\x7fc", ["a<U+0000>b<U+007F>c"]),
    "bell": ("ding\x07", ["ding<U+0007>"]),
    "backspaces": ("bad\x08\x08\x08good", ["bad<U+0008><U+0008><U+0008>good"]),
    "carriage returns": ("bad\rgood\r\nnext", ["bad<U+000D>good", "next"]),
    "shifts": ("\x0e\x0f\x0b\x0c", ["<U+000E><U+000F><U+000B><U+000C>"]),
    "bidi controls": (BIDI, [f"<U+{ord(c):04X}>" for c in BIDI]),
    "zero width": (ZERO_WIDTH, [f"<U+{ord(c):04X}>" for c in ZERO_WIDTH]),
    "separators": ("one\u2028two\u2029three", ["one<U+2028>two<U+2029>three"]),
    "layout": ("\tindented\n\n  a\tb\n[1] nonsense\n", ["    indented", "  a b", "[1] nonsense"]),
    "marks": ("Z" + "\u0301" * 40 + "x \u0301y", ["<U+0301>" * 8, "x \u25cc\u0301y"]),
    "a megabyte in one word": ("x" * MEGABYTE, ["x" * 80, "0% seen"]),
    "a megabyte of words": ("word " * (MEGABYTE // 5), ["word word word", "0% seen"]),
    "a megabyte of NULs": ("\0" * MEGABYTE, ["<U+0000>" * 10, "0% seen"]),
    "a megabyte of marks": ("\u0301" * MEGABYTE, ["<U+0301>" * 9, "0% seen"]),
    "10,000 lines": ("\n".join(f"line {i}" for i in range(10_000)), ["line 0", "line 9", "0% seen"]),
    "nothing": ("", []),
    "blanks": (" " * 500 + "\t" * 500 + "end", ["end"]),
    "Chinese, Japanese, Korean": (
        "\u4f60\u597d\uff0c\u4e16\u754c " * 20 + "\ud55c\uad6d\uc5b4",
        ["\u4f60\u597d\uff0c", "\ud55c\uad6d\uc5b4"],
    ),
    "emoji": (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \u2764\ufe0f\u200d\U0001f525 "
        "\U0001f44d\U0001f3fd 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea",
        ["\U0001f468", "family", "\u2764", "\U0001f44d"],
    ),
    "Arabic and Hebrew": (
        "\u0645\u0631\u062d\u0628\u0627 (123) abc \u05e9\u05dc\u05d5\u05dd",
        ["\u0645\u0631\u062d\u0628\u0627 (123) abc \u05e9\u05dc\u05d5\u05dd"],
    ),
    "Persian and Hindi joiners": (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937 a\u200db",
        ["a<U+200D>b"],
    ),
}


@pytest.fixture(scope="module")
def hostile_screens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], bytes, float]]:
    """What a person saw and got, as bytes, for each of the texts above, and how many seconds that took."""
    store = Store(tmp_path_factory.mktemp("hostile"))
    store.set_meta("label_names", LABELS)
    add_query(store, [text for text, _ in HOSTILE.values()])
    person = at_the_terminal(store)
    found = {}
    start = time.monotonic()
    for count, name in enumerate(HOSTILE):
        person.sees(f"{count}/{len(HOSTILE)} answered", "[1] negative  [2] positive", "[?] help")
        seconds = time.monotonic() - start
        person.look(0.05)
        found[name] = (person.lines, person.raw, seconds)
        person.raw = b""
        start = time.monotonic()
        person.press("12"[count % 2])
    person.sees("texts of this query are answered")
    person.stands_up()
    assert len(store.current_answers()) == len(HOSTILE)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_is_seen_and_not_obeyed(name, hostile_screens):
    lines, raw, seconds = hostile_screens[name]
    assert_harmless(raw)
    assert lines[0].startswith("Round 2 | ")
    assert set(lines[1]) == {"-"}
    assert lines[-4].startswith("[1] negative  [2] positive")
    assert lines[-3].startswith("[?] help  [q] quit")
    text = "".join(line.ljust(80) for line in lines[2:-4])
    for piece in HOSTILE[name][1]:
        assert piece in text or piece in "".join(lines[2:-4]), "\n".join(lines)
    assert seconds < 2


def test_names_of_labels_and_columns_are_as_hostile_as_texts(store, sit_down):
    names = [
        "\x1b[31mred\x1b]0;pwned\x07",
        "\u202egnorw",
        "two\nlines",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u0645\u0631\u062d\u0628\u0627",
        "x" * 200,
    ]
    store.set_meta("label_names", names)
    columns = {"\x1b[2Jpremise\n": "first", "\u202ehypothesis": "second \x1b[1m"}
    add_query(store, [columns] * 5, suggestion=names[0])
    person = sit_down()
    person.sees(
        "0/5 answered", "[1] <U+001B>[31mred<U+001B>]0;pwned<U+0007>  [2] <U+202E>gnorw", "[3] two<U+000A>lines"
    )
    person.sees("Model suggests (87%): <U+001B>[31mred", "<U+001B>[2Jpremise<U+000A>:", "<U+202E>hypothesis:", "x...")
    alone = [line for line in person.lines if line.startswith(("[4]", "[5]"))]
    assert alone == [
        "[4] \u05e9\u05dc\u05d5\u05dd",
        "[5] \u0645\u0631\u062d\u0628\u0627",
    ]  # a row of their own, which may be reordered
    person.press(ENTER, "2", "3", LEFT)
    person.sees("3/5 answered", "Your answer 3/3: two<U+000A>lines")
    person.press("/", "x")
    person.sees("Label: x")
    person.press("\t", ENTER, "?", END)
    person.sees("  6\nxxxx", "2  <U+202E>gnorw")
    assert_harmless(re.sub(rb"\x1b\[[0-9;]*m", b"", person.raw))  # the menu has colors
    assert labels(store) == {"a": names[0], "b": names[1], "c": names[5]}


def test_where_the_terminal_thinks_otherwise_about_widths_nothing_is_left_behind(store, texts, sit_down, monkeypatch):
    monkeypatch.setattr(Person, "screen_type", OtherScreen)
    family, heart = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u2764\ufe0f"
    emoji = [f"{family} {heart} {heart} same words at the end", f"{heart}{heart}{heart} " * 20, f"{family * 9} x"]
    add_query(store, [text for other in emoji for text in (texts[0], other)] + [texts[0]])
    person = sit_down()
    person.sees("0/7 answered", texts[0])
    expected = person.lines[1:-1]
    for count in range(0, 6, 2):
        person.press("1")
        person.sees(f"{count + 1}/7 answered", "\u2764" if count < 4 else "\U0001f468")
        person.press("2")
        person.sees(f"{count + 2}/7 answered")
        person.look(0.05)
        assert person.lines[1:-1] == expected
    assert person.lines[0] == "Round 2 of 10 | 6/7 answered | 6 of 500 labels bought"


def test_a_text_pair_stands_under_its_names(store, sit_down):
    add_query(store, [{"premise": "A man sleeps.", "hypothesis": "Nobody sleeps."}])
    person = sit_down()
    person.sees("0/1")
    assert person.lines[2:7] == ["premise:", "A man sleeps.", "", "hypothesis:", "Nobody sleeps."]


def test_a_megabyte_is_read_from_end_to_end_without_waiting(store, texts, sit_down):
    words = (" ".join(texts) + " ") * 400
    add_query(store, [words[:MEGABYTE] + "\nthe very end", "\u65e5\u672c" * (MEGABYTE // 2), texts[0]])
    person = sit_down()
    person.sees("0/3 answered", first_words(texts[0]))
    for key, seen in (
        (PAGE_DOWN, "0% seen"),
        (END, "the very end"),
        (UP, "99% seen"),
        (PAGE_UP, "99% seen"),
        (END, "end of the text, [PageUp] goes back"),
        (" ", "the very end"),
        (HOME, first_words(texts[0])),
        ("1", "\u65e5\u672c"),
        (END, "end of the text"),
        (UP, "99% seen"),
        ("2", first_words(texts[0])),
    ):
        start = time.monotonic()
        person.press(key)
        person.sees(seen)
        assert time.monotonic() - start < 2, (key, seen)
        person.look(0.1)
    assert labels(store) == {"a": "negative", "b": "positive"}


# -- what becomes of a text -------------------------------------------------------------------------------------------


def rows(text: str, width: int) -> list[str]:
    return ["".join(piece for _, piece in row.fragments) for row in lay_out(text, width)]


def test_rows_are_cut_between_words():
    assert rows("the quick brown fox jumps", 12) == ["the quick ", "brown fox ", "jumps"]
    assert rows("a" * 30 + " b", 12) == ["a" * 12, "a" * 12, "a" * 6 + " b"]
    assert rows("a na\u00efve one", 12) == ["a na\u00efve one"]
    assert rows("x \u00e9t\u00e9s na\u00efves", 12) == ["x \u00e9t\u00e9s ", "na\u00efves"]
    assert rows("\u65e5\u672c\u8a9e" * 3, 13) == ["\u65e5\u672c\u8a9e\u65e5\u672c\u8a9e", "\u65e5\u672c\u8a9e"]
    assert rows("one\r\ntwo\n\nthree", 12) == ["one", "two", "", "three"]
    assert rows("a\tb", 12) == ["a   b"]
    assert rows("\ud83d!", 12) == ["<U+D83D>!"]  # half of a pair, which no store can hold but JSON can


def test_no_row_is_wider_than_the_terminal(texts):
    for text in [*(text for text, _ in HOSTILE.values() if len(text) < 100_000), *texts]:
        for width in (12, 13, 40, 80):
            assert all(get_cwidth(row) <= width for row in rows(text, width))


def test_no_character_is_lost(texts):
    for text in [*(text for text, _ in HOSTILE.values() if len(text) < 100_000), *texts]:
        for width in (12, 80):
            shown = "".join(rows(text, width)).replace("\u25cc", "")
            spelled = re.sub(r"<U\+([0-9A-F]{4,6})>", lambda match: chr(int(match[1], 16)), shown)
            assert re.sub(r"[ \t\n]", "", spelled) == re.sub(r"[ \t]|\r?\n", "", text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\U0001f468\u200d\U0001f469", None),
        ("\U0001f3f3\ufe0f\u200d\U0001f308", None),
        ("\u2764\ufe0f", None),
        ("1\ufe0f\u20e3", None),
        ("\u0645\u06cc\u200c\u062e", None),
        ("\u0915\u094d\u200d\u0937", None),
        ("\u0d28\u0d4d\u200d ", None),
        ("e\u0301", None),
        ("\u845b\U000e0100", None),
        ("a\u200db", "a<U+200D>b"),
        ("a\ufe0f", "a<U+FE0F>"),
        ("\u0645\u200c\u200c\u062e", "\u0645<U+200C><U+200C>\u062e"),
        ("\u0645\u061c\u200c\u062e", "\u0645<U+061C><U+200C>\u062e"),
        ("\u2764\ufe0f\ufe0f", "\u2764\ufe0f<U+FE0F>"),
        ("\u200d", "<U+200D>"),
        ("a\nb\tc", "a<U+000A>b<U+0009>c"),
        ("a\u00a0b\u3000c", None),
        ("\u06dd12", None),
    ],
)
def test_joiners_and_selectors_stay_where_they_are_needed(text, shown):
    assert one_line(text) == (text if shown is None else shown)


def test_names_are_clipped_to_the_cells_there_are():
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdefg", 6) == "abc..."
    assert clip("\u65e5\u672c\u8a9e\u65e5\u672c", 8) == "\u65e5\u672c..."


def test_an_editor_shows_as_many_characters_as_there_are():
    assert masked("a\x1b\u202eb\u0301\u200d") == "a\ufffd\ufffdb\u0301\u200d"


def test_a_page_is_left_and_entered_at_the_same_place(texts):
    text = "\n".join(texts) * 5
    page = Page({"one": text, "two": text}, 40)
    place, places = (0, 0), []
    while not places or place != places[-1]:
        places.append(place)
        place = page.move(place, 7, 10)
    assert place == page.last(10)
    assert len(page.rows(place, 100)) == 10
    for expected in reversed(places[:-1]):
        place = page.move(place, -7, 10) if place != places[-1] else expected
        assert place == expected
    for narrower in (12, 25, 80):
        other = Page({"one": text, "two": text}, narrower)
        for expected in places:
            start = page.start_of(expected)
            assert start - narrower < other.start_of(other.place_of(start)) <= start
    assert page.move((0, 3), -50, 10) == (0, 0)
