"""Names as people write them."""

import pytest

from hfal.utils.spelling import bare, cell_text, counted, joined_names, meant, shown


@pytest.mark.parametrize(
    ("said", "names", "name"),
    [
        ("law", ["law", "Law"], "law"),
        ("LAW", ["law", "Law"], None),  # either could be meant
        (" L a w ", ["law", "sport"], "law"),
        ("'law", ["law"], "law"),  # what a spreadsheet puts before a formula
        ("\uff2caw", ["law"], "law"),  # a wide L
        ("lawn", ["law"], None),
        ("", ["law"], None),
    ],
)
def test_the_one_name_that_is_meant(said, names, name):
    assert meant(said, names) == name


def test_nothing_that_is_much_longer_than_all_names_is_meant():
    assert meant("x" * 10_000_000, ["negative", "positive"]) is None  # of which it took a minute to see that
    assert meant("posi" + "\u200b" * 500 + "tive", ["negative", "positive"]) == "positive"


def test_cells_and_values_in_messages():
    assert bare(" O'Neill\t") == "ONeill"
    assert [cell_text(cell) for cell in (None, " law ", 7)] == ["", "law", "7"]
    assert shown("\x1b[2J") == "'\\x1b[2J'"
    assert shown("x" * 200) == "'" + "x" * 99 + "…"


def test_one_is_said_of_one_and_several_of_all_other_numbers() -> None:
    assert [counted(n, "label") for n in (0, 1, 2)] == ["0 labels", "1 label", "2 labels"]
    assert [counted(n, "text waits", "texts wait") for n in (1, 12345)] == ["1 text waits", "12,345 texts wait"]
    assert counted(1, "entry", "entries") == "1 entry"


def test_lists_in_lists_are_shown_in_part() -> None:
    value = ["x"] * 9
    for _ in range(12):
        value = [value] * 9  # 9 to the power of 13 items, though it takes no memory
    assert len(shown(value)) == 101
    assert len(shown({"key": value})) <= 101
    assert shown({"b": 1, "a": [1, 2]}) == "{'b': 1, 'a': [1, 2]}"  # in its order
    assert shown([]) == "[]"
    assert len(shown(["y" * 10_000_000])) <= 101


def test_names_with_commas_are_told_from_two_names() -> None:
    assert joined_names(["No", "Yes, of course"]) == 'No, "Yes, of course"'
    assert joined_names(["No", "Yes, of course"], ",") == 'No,"Yes, of course"'
    assert joined_names([]) == ""
