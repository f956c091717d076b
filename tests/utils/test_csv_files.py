"""CSV cells: no spreadsheet runs one, whatever it takes for a separator, and every text can be had back."""

import csv
import io
import itertools
import time

import pytest

from hfal.utils.csv_files import column_for, csv_lines, csv_rows, defuse, restore
from support.hostile import HOSTILE


FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def cells(text: str, delimiter: str, quoting: int) -> list[str]:
    """What the csv module of Python, which does not mind text after a closing quote, makes of a file."""
    limit = csv.field_size_limit(len(text))
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, quoting=quoting)
        return [cell for row in reader for cell in row]
    finally:
        csv.field_size_limit(limit)


@pytest.mark.parametrize(
    ("delimiter", "quoting"),
    [(",", csv.QUOTE_MINIMAL), *itertools.product(";\t", (csv.QUOTE_MINIMAL, csv.QUOTE_NONE))],
)
@pytest.mark.parametrize("kind", HOSTILE)
def test_no_cell_is_a_formula_whatever_separates_the_cells(kind: str, delimiter: str, quoting: int) -> None:
    text = HOSTILE[kind]
    columns = ["id", text, "label"]
    content = "".join(csv_lines(columns, [["x1", text, "positive"], [text, "good", None], ["x2", text, text]]))
    for cell in cells(content, delimiter, quoting):
        assert not cell.lstrip(' "\0\t\r\n\u00a0\u200b\ufeff').startswith(FORMULAS)  # some programs drop such letters
        assert delimiter != "," or not cell.startswith(("\0", "\t", "\r", "\n"))


@pytest.mark.parametrize("kind", HOSTILE)
def test_every_text_can_be_had_back(kind: str) -> None:
    text = HOSTILE[kind]
    assert restore(defuse(text)) == text
    assert defuse(text).replace("'", "") == text.replace("'", "")


def test_every_short_text_can_be_had_back() -> None:
    texts = ["".join(letters) for n in range(6) for letters in itertools.product("'=;\ta \"", repeat=n)]
    assert [t for t in texts if restore(defuse(t)) != t] == []
    assert len({defuse(t) for t in texts}) == len(texts)  # no two texts have one cell


@pytest.mark.parametrize(
    "text",
    ["plain", "a = b", "-", "a - b", "3; 4", "mail@example.org", "first\nsecond", "it's", "tl;dr", "", "\u20135"],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert defuse(text) == ("'-" if text == "-" else text)


def test_numbers_are_no_texts() -> None:
    lines = list(csv_lines(["id", "score"], [["-5", -0.5], ["x", None], ["y", 1e-7]]))
    assert lines == ['"id","score"\r\n', '"\'-5",-0.5\r\n', '"x",""\r\n', '"y",1e-07\r\n']


def test_time_grows_with_the_text_and_not_with_its_square() -> None:
    for unit in ("\n", "'", ";'", " ", '";', "=", ";=", "\t\0"):
        begin = time.perf_counter()
        text = unit * 200_000
        assert restore(defuse(text)) == text
        assert time.perf_counter() - begin < 5  # takes half a second; the square would take an hour


def test_csv_is_read_strictly_and_the_limit_of_the_csv_module_is_put_back() -> None:
    limit = csv.field_size_limit()
    rows = list(csv_rows('"id";"text"\r\n"x";"' + "long " * 100_000 + '"\r\n', ";"))
    assert [number for number, _ in rows] == [1, 2]
    assert rows[1][1] == ["x", "long " * 100_000]
    with pytest.raises(csv.Error):
        list(csv_rows('"id","text"\r\n"x","never closed\r\n"y","text"\r\n'))
    assert csv.field_size_limit() == limit


def test_rows_are_counted_as_in_a_spreadsheet() -> None:
    rows = csv_rows('"id","text"\r\n"x","two\nlines"\r\n\r\n"y","text"\r\n')
    assert list(rows) == [(1, ["id", "text"]), (2, ["x", "two\nlines"]), (3, []), (4, ["y", "text"])]


def test_columns_that_are_taken() -> None:
    names = ["text", "label", "text_label", "text_text_label", "text_", "al_round"]
    columns = [column_for(name, ("id", "label")) for name in names]
    assert columns == ["text", "text_label", "text_text_label", "text_text_text_label", "text_", "al_round"]
