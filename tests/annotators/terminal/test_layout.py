"""Rows of text and of numbered words on a terminal, of no more cells than fit."""

import re
from collections.abc import Sequence

import pytest
from prompt_toolkit.utils import get_cwidth

from hfal.annotators.session.session import ShownSentence
from hfal.annotators.terminal.layout import Page, lay_out
from hfal.tasks.tags import Entity
from support.hostile_screens import HOSTILE, HOSTILE_WORDS


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


def rows_of_words(words: list[str], marks: Sequence[Entity] = (), width: int = 30) -> list[str]:
    page = Page({"tokens": ShownSentence(words, marks)}, width)
    return ["".join(text for _, text in row) for row in page.rows((0, 0), 10**6)]


def styled(words: list[str], style: str, marks: Sequence[Entity] = ()) -> list[str]:
    page = Page({"tokens": ShownSentence(words, marks)}, 80)
    return [text for row in page.rows((0, 0), 100) for found, text in row if found == style]


def test_marks_are_more_than_brackets_and_a_blank_in_a_word_is_seen():
    marks = [Entity(0, 2, "PER"), Entity(3, 4, "LOC")]
    words = ["Peter", "B b", "is", "[x]PER", "\u00a0y"]
    assert rows_of_words(words, marks, 80) == ["1 [Peter  2 B b]PER  3 is  4 [[x]PER]LOC  5 \u00a0y"]
    assert styled(words, "bold underline", marks) == ["Peter", "B", "b", "[x]PER"]
    assert styled(words, "reverse bold underline", marks) == [" "]
    assert styled(words, "reverse", marks) == ["\u00a0"]


def test_a_number_stays_with_its_word():
    assert rows_of_words(["\u65e5\u672c"] * 3, [Entity(0, 3, "LOC")], 12) == [
        "1 [\u65e5\u672c  ",
        "2 \u65e5\u672c  ",
        "3 \u65e5\u672c]LOC",
    ]
    assert rows_of_words(["one", "two", "three"], [], 12) == ["1 one  2 two", "3 three"]


def test_a_word_from_right_to_left_has_a_row_of_its_own():
    assert rows_of_words(
        ["in", "the", "\u05ea\u05dc", "\u05d0\u05d1\u05d9\u05d1", "area", "."], [Entity(2, 4, "LOC")]
    ) == [
        "1 in  2 the",
        "3 [\u05ea\u05dc",
        "4 \u05d0\u05d1\u05d9\u05d1]LOC",
        "5 area  6 .",
    ]


@pytest.mark.parametrize("width", [12, 13, 80])
def test_no_row_is_wider_than_the_terminal_and_no_word_is_lost(width):
    words = [*HOSTILE_WORDS, " " * 300, "\t" * 30, "\r\n" * 30, "\u3000" * 30, "\u65e5" * 5000]
    marks = [Entity(place, place + 1, "LOC") for place in range(len(words))]
    shown = rows_of_words(words, marks, width)
    assert all(get_cwidth(row) <= width for row in shown)
    text = "".join(shown)
    place = 0
    for number in range(1, len(words) + 1):
        place = text.index(f"{number} [", place)
    assert text.count("x") == 10_000
    assert text.count("\u65e5") == 5001
    assert text.count("\u3000") == 30
    for code_point, count in (("000D", 30), ("000A", 31), ("0009", 31), ("0000", 300)):
        assert text.count(f"<U+{code_point}>") == count


def test_a_page_of_words_is_left_and_entered_at_the_same_place():
    words = [f"word{i}" * (1 + i % 7) for i in range(3000)] + [""] * 500 + ["x" * 5000]
    plain, marked = (Page({"t": ShownSentence(words, marks)}, 40) for marks in ((), [Entity(5, 900, "PER")]))
    place, places = (0, 0), []
    while not places or place != places[-1]:
        places.append(place)
        place = plain.move(place, 9, 10)
    assert place == plain.last(10)
    for place in places:
        start = plain.start_of(place)
        assert start - 80 < marked.start_of(marked.place_of(start)) <= start
