"""What the terminal annotator's screen shows, and what keys do, in a real pseudo-terminal."""

import re
import time

import pytest

from hfal.store.store import Store
from support.hostile_screens import HOSTILE, MEGABYTE
from support.label_queries import LABELS, add_query, first_words, labels, log
from support.person import (
    END,
    ENTER,
    HOME,
    LABELING,
    LEFT,
    PAGE_DOWN,
    PAGE_UP,
    UP,
    OtherScreen,
    Person,
    assert_harmless,
    at_the_terminal,
)


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


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        ({}, ("0 labels bought", "1 label bought")),
        ({"budget": 1}, ("0 of 1 label bought", "1 of 1 label bought")),
        ({"budget": 1000}, ("0 of 1,000 labels bought", "1 of 1,000 labels bought")),
    ],
)
def test_one_label_is_no_labels(store, texts, sit_down, plan, said):
    store.set_meta("plan", plan)
    add_query(store, texts[:1])
    person = sit_down()
    person.sees(f"0/1 answered | {said[0]}")
    person.press("1")
    person.sees(f"1/1 answered | {said[1]}", "The only text of this query is answered.")


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


def test_other_columns_stand_above_the_text_dimmed_and_escaped(store, texts, sit_down):
    store.set_shown(["date", "author", "note"], {})
    add_query(store, texts[:2])
    store.set_shown(
        ["date", "author", "note"],
        {"a": {"date": "2024-05-01", "author": "\x1b]0;title\x07Ann"}, "b": {"note": "long " * 50}},
    )
    person = sit_down()
    person.sees("date: 2024-05-01  author: <U+001B>]0;title<U+0007>Ann", first_words(texts[0]), without="note")
    rows = [line for line in person.lines if line.strip()]
    assert rows.index("date: 2024-05-01  author: <U+001B>]0;title<U+0007>Ann") == 2  # below the header and its rule
    assert_harmless(person.raw)
    assert b"\x1b[0;2mdate: 2024-05-01" in person.raw
    person.press("1")
    person.sees("1/2 answered", "note: long long", "l...", without="date:")
    person.press("2")
    person.sees("All 2 texts of this query are answered", without="note:")
    person.press(LEFT, LEFT)
    person.sees("Your answer 1/2: negative", "date: 2024-05-01")
    person.press("?")
    person.sees("undo your last answer", without="date:")


def test_in_a_small_terminal_they_have_one_row_or_none(store, texts, sit_down):
    columns = [f"column {n}" for n in range(9)]
    add_query(store, texts[:1], suggestion="positive")
    store.set_shown(columns, {"a": dict.fromkeys(columns, "some value")})
    person = sit_down(rows=12, columns=40)
    person.sees("column 0: some value", "8 more", "[1] negative  [2] positive", texts[0][:10])
    person.resize(30, 40)
    person.sees("column 5: some value", "3 more", texts[0][:10])
    person.resize(8, 40)
    person.sees("[1] negative  [2] positive", texts[0][:10], without="column 0")


@pytest.mark.parametrize("rows", [9, 11, 24])
def test_the_menu_of_names_covers_nothing(store, texts, sit_down, rows):
    names = [f"label {n:02d}" for n in range(30)]
    store.set_meta("label_names", names)
    add_query(store, texts[:1])
    person = sit_down(rows=rows)
    person.sees("0/1 answered")
    person.press("/")
    person.sees("Label:", "label 00", "[Enter] labels", "0/1 answered", texts[0][:10])
    person.press("label", ENTER)
    person.sees("30 labels are called that: label", "[Enter] labels", "0/1 answered", texts[0][:10])
    person.press(" 2")
    person.sees("Label: label 2", "30 labels are called that: label", "[Enter] labels", "0/1 answered")
    typed = next(n for n, line in enumerate(person.lines) if line.startswith("Label: label 2"))
    menu = [line for line in person.lines[typed + 1 :] if line.strip()]
    if rows > 9:
        assert menu, person.screen
        assert all(line.startswith(" label 2") for line in menu)
    person.press("7", ENTER)
    person.sees("1/1 answered", "Saved: label 27")
