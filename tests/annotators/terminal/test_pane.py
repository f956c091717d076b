"""The part of the screen in which a text scrolls, without a terminal."""

import pytest

from hfal.annotators.terminal.pane import Pane


TEXTS = {name: "\n".join(f"{name} {number}" for number in range(10)) for name in ("row", "line")} | {"short": "alone"}


class Shown:
    """A pane of three rows, and which text is in it."""

    def __init__(self) -> None:
        self.name = "row"
        self.pane = Pane(lambda: (self.name, ()), lambda: {"text": TEXTS[self.name]})
        self.pane.columns, self.pane.height = 44, 3

    @property
    def rows(self) -> list[str]:
        return ["".join(text for _, text in row).rstrip() for row in self.pane.rows()]


@pytest.fixture
def shown() -> Shown:
    return Shown()


def test_the_rule_says_whether_there_is_more(shown):
    # Of 59 characters, line ends included, the first three rows have 18.
    assert shown.rows == ["row 0", "row 1", "row 2", "-- 30% seen, [Space] goes on ---------------"]
    shown.pane.to_end()
    assert shown.rows == ["row 7", "row 8", "row 9", "-- end of the text, [PageUp] goes back -----"]
    shown.name = "short"
    assert shown.rows == ["alone", "", "", "-" * 44]


def test_pages_have_a_row_in_common_and_end_at_the_last_row(shown):
    tops = []
    for pages in (1, 1, 9, -1, -9):
        shown.pane.scroll_pages(pages)
        tops.append(shown.rows[0])
    assert tops == ["row 2", "row 4", "row 7", "row 5", "row 0"]
    shown.pane.scroll(3)
    assert shown.rows[0] == "row 3"
    shown.pane.to_start()
    assert shown.rows[0] == "row 0"


def test_another_text_begins_at_its_start_and_the_same_one_stays_where_it_is(shown):
    shown.pane.scroll(4)
    shown.pane.columns = 30
    assert shown.rows[0] == "row 4"
    shown.pane.height = 9  # in which all that follows fits
    assert shown.rows[0] == "row 1"
    shown.pane.height = 3
    shown.pane.to_end()
    assert shown.rows[0] == "row 7"
    shown.name = "line"
    assert shown.rows[0] == "line 0"
