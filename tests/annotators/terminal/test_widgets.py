"""Pieces of the screen, without a terminal."""

from hfal.annotators.terminal.widgets import Chip, Names, flow


def rows(chips: list[Chip], columns: int, most_rows: int, left_out: int | None = None) -> list[str]:
    return ["".join(text for _, text in row) for row in flow(chips, columns, most_rows, left_out)]


LABELS = [Chip("law", "1"), Chip("sport", "2"), Chip("money", "3")]  # 7, 9 and 9 cells


def test_chips_flow_into_rows():
    assert [chip.cells for chip in LABELS] == [7, 9, 9]
    assert rows(LABELS, 29, 5) == ["[1] law  [2] sport  [3] money"]
    assert rows(LABELS, 28, 5) == ["[1] law  [2] sport", "[3] money"]
    assert rows([Chip("a long name", "1")], 12, 5) == ["[1] a lon..."]
    assert Chip("\u65e5\u672c").cells == 4


def test_those_that_do_not_fit_are_counted():
    assert rows(LABELS, 20, 1, left_out=0) == ["[/] 3 more, by name"]
    assert rows(LABELS, 28, 1, left_out=4) == ["[1] law  [/] 6 more, by name"]
    assert rows(LABELS, 28, 1) == ["[1] law  [2] sport"]  # of commands nothing is said


def test_a_chip_from_right_to_left_has_a_row_of_its_own():
    chips = [Chip("law", "1"), Chip("\u05e9\u05dc\u05d5\u05dd", "2"), Chip("money", "3")]
    assert rows(chips, 80, 5) == ["[1] law", "[2] \u05e9\u05dc\u05d5\u05dd", "[3] money"]


def test_names_are_found_by_any_part_of_them():
    names = Names(["New York", "york", "Rome"], lambda: True)
    assert names.matches(" YORK ") == ["New York", "york"]
    assert names.matches("ew") == ["New York"]
    assert names.matches("x") == []
