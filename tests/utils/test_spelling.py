"""Names as people write them."""

import pytest

from hfal.utils.spelling import bare, cell_text, meant, shown


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
