"""Pieces of the screen, without a terminal."""

from hfal.annotators.terminal.widgets import Chip, Names, beside, flow, keys_of


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


def test_a_digit_has_its_own_key_and_the_other_names_get_those_that_are_left():
    assert keys_of(["0", "1", "2", "3"], "1234ab") == {"0": "0", "1": "1", "2": "2", "3": "3"}
    assert keys_of(["3", "2", "1"], "1234ab") == {"3": "3", "2": "2", "1": "1"}
    assert keys_of(["bad", "2", "good", "10", "-1", "\u00b2", "more"], "1234ab") == {
        "bad": "1",
        "2": "2",
        "good": "3",
        "10": "4",
        "-1": "a",
        "\u00b2": "b",
    }
    assert keys_of(["a", "b", "0"], "1") == {"a": "1", "0": "0"}
    assert keys_of([], "12") == {}


def shown(values: dict[str, str], columns: int, most_rows: int) -> list[str]:
    rows = beside(values, columns, most_rows)
    assert {style for row in rows for style, _ in row} <= {"dim"}
    return ["".join(text for _, text in row) for row in rows]


def test_what_is_shown_beside_a_text_is_cut_to_rows_and_escaped():
    assert shown({}, 40, 3) == []
    assert shown({"date": "2024-05-01", "author": "Ann"}, 40, 3) == ["date: 2024-05-01  author: Ann"]
    assert shown({"date": "2024-05-01", "author": "Ann"}, 20, 3) == ["date: 2024-05-01", "author: Ann"]
    assert shown({"note": "x" * 99, "n": "1"}, 20, 3) == ["note: xxxxxxxxxxx...", "n: 1"]
    assert shown({"n" * 99: "value"}, 20, 3) == ["nnnnnnn...: value"]
    assert shown({"a\n": "\x1b[31mred\nline"}, 60, 3) == ["a<U+000A>: <U+001B>[31mred<U+000A>line"]
    assert shown({"a": "1", "name": "\u05e9\u05dc\u05d5\u05dd", "b": "2"}, 60, 3) == [
        "a: 1",
        "name: \u05e9\u05dc\u05d5\u05dd",
        "b: 2",
    ]


def test_values_that_do_not_fit_are_counted():
    values = {f"column {n}": "value" for n in range(5)}
    assert shown(values, 20, 2) == ["column 0: value", "column ...  … 3 more"]
    assert shown(values, 20, 5) == [f"column {n}: value" for n in range(5)]
