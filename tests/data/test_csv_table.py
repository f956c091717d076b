"""What a CSV file may look like, and what is said of one that cannot be read."""

import csv
import logging
import time
from pathlib import Path

import pytest

from hfal.data.references import load_split
from hfal.errors import ArgumentError
from support.hostile import HOSTILE


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def load_csv(tmp_path: Path, content: str | bytes, *columns: str, name: str = "reviews.csv") -> dict[str, list]:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return load_split(str(tmp_path / name), columns=columns).to_dict()


def test_cells_are_what_is_written_in_them(tmp_path: Path) -> None:
    texts = ["NA", "null", "None", "nan", "007", "1e5", "TRUE", " blanks ", "2024-01-01", "-1", "#N/A"]
    found = load_csv(tmp_path, "text,label\n" + "".join(f"{text},\n" for text in texts), "text")
    assert found == {"text": texts, "label": [None] * len(texts)}


def test_hostile_texts_in_csv_are_read_as_they_are(tmp_path: Path) -> None:
    texts = [text for name, text in HOSTILE.items() if name != "empty"]
    quoted = [text.replace('"', '""') for text in texts]
    content = "id,text\r\n" + "".join(f'{row},"{text}"\r\n' for row, text in enumerate(quoted))
    found = load_csv(tmp_path, content, "id", "text")
    assert found == {"id": [str(row) for row in range(len(texts))], "text": texts}


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_that_which_gives_the_columns(
    tmp_path: Path, separator: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="hfal")
    if separator == ";":  # commas would make as many columns
        content = 'price, net, in Euros;review;label\n7;"good, not bad; really";1\n'
        assert load_csv(tmp_path, content, "review", "label")["review"] == ["good, not bad; really"]
    content = separator.join(["id", "review", "label"]) + f'\n1{separator}"a{separator} b"{separator}0\n'
    assert load_csv(tmp_path, content, "review", "label") == {
        "id": ["1"],
        "review": [f"a{separator} b"],
        "label": ["0"],
    }
    assert load_csv(tmp_path, content)["id"] == ["1"]  # no column is asked for
    said = [record.getMessage() for record in caplog.records]
    assert any(f"separated by {separator!r}" in line for line in said) == (separator != ",")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_names_of_columns_may_be_quoted_as_all_cells_may(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "quoted.csv"
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator, quoting=csv.QUOTE_ALL).writerows([["text", "label"], ["a, b; c", "x"]])
    assert load_split(str(path)).to_dict() == {"text": ["a, b; c"], "label": ["x"]}


def test_what_programs_leave_in_csv(tmp_path: Path) -> None:
    pandas = ",text,label\n0,good,1\n1,bad,0\n"  # the index has a column without a name
    assert load_csv(tmp_path, pandas, "text") == {"text": ["good", "bad"], "label": ["1", "0"]}
    excel = "\ufefftext;label\r\ngood;1\r\nbad\r\n\r\n;;\r\n"  # no separators after the last cell that is filled
    found = load_csv(tmp_path, excel, "text")
    assert found == {"text": ["good", "bad", None], "label": ["1", None, None]}
    assert load_csv(tmp_path, "text, label\ngood,1,,\n".encode("utf-16"), "text") == {"text": ["good"], "label": ["1"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"reviews\.csv is empty"),
        (b"\n\n", "has no names of columns in its first line"),
        (b"text,label\n", "has no rows"),
        (b'text,label\n"caf\xe9",1\n', r"is not UTF-8 \(byte 0xe9 in line 2\): save it again as UTF-8"),
        (b"text,label\n" + b"good,1\n" * 5000 + b"\xff,0\n", r"byte 0xff in line 5002"),
        (
            b"text,label\ngood,1\ngood, really,1\n",
            "line 3: 3 cells, but the first line names 2.*',' in it needs quotes",
        ),
        (b'text,label\ngood,1\n"never closed,1\nbad,0\n', "begins in line 3, is no CSV"),
        (b'text,label\n"two\nlines",1\n"good" or bad,1\n', "begins in line 4, is no CSV"),
        (b"text,label,text\ngood,1,x\n", "has 2 columns named 'text': rename all but one"),
    ],
    ids=["empty", "blank", "no rows", "cp1252", "late", "ragged", "open quote", "quote inside", "twice"],
)
def test_csv_that_cannot_be_read(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ArgumentError, match=message) as caught:
        load_csv(tmp_path, content, "text")
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "reviews.csv") in str(caught.value)


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\ufeffsep=;\r", "sep=;;;"])
def test_the_separator_that_excel_names_in_the_first_line(tmp_path: Path, first: str) -> None:
    content = f'{first}\ntext, all of it;label\n"good, really";1\n'
    assert load_csv(tmp_path, content, "label") == {"text, all of it": ["good, really"], "label": ["1"]}
    with pytest.raises(ArgumentError, match="line 4: 3 cells, but the first line names 2 columns"):
        load_csv(tmp_path, f"{content}a;b;c\n", "label")
    tabs = f"{first}\n".replace(";", "\t") + "text\tlabel\ngood;\t1\n"
    assert load_csv(tmp_path, tabs) == {"text": ["good;"], "label": ["1"]}


def test_lines_may_end_as_on_an_old_mac_and_texts_have_zero_bytes(tmp_path: Path) -> None:
    assert load_csv(tmp_path, 'text,label\r"a\nb",1\rc\x00d,0\r') == {"text": ["a\nb", "c\x00d"], "label": ["1", "0"]}


def test_thirty_thousand_columns_are_read_in_seconds(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="hfal")
    names = ["text", *(f"c{n}" for n in range(30_000)), "label"]
    row = ["good", *("0" * 30_000), "1"]
    began = time.monotonic()
    found = load_csv(tmp_path, ",".join(names) + "\n" + ",".join(row) + "\n", "text", "label")
    assert found == {"text": ["good"], "label": ["1"]}
    assert time.monotonic() - began < 10  # it took over 45, for each column was compared with all others
    assert "has 30002 columns: only those named by options are read" in caplog.text
    with pytest.raises(ArgumentError, match="has 2 columns named 'c7': rename all but one"):
        load_csv(tmp_path, ",".join([*names, "c7"]) + "\n", "text")


def test_csv_is_read_once_as_long_as_it_stays_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "reviews.csv"
    path.write_bytes(b"text\ngood\n")
    files = [Path(load_split(str(path)).cache_files[0]["filename"]) for _ in range(2)]
    (written,) = {(file, file.stat().st_mtime_ns) for file in files}
    path.write_bytes(b"text\nbad!\n")
    assert load_split(str(path))["text"] == ["bad!"]
    assert written == (files[0], files[0].stat().st_mtime_ns)


def test_rows_that_two_quotes_make_one_cell_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = 'text\tlabel\n"A great film\tpos\nbad\tneg\nthe end"\tneg\nso\tpos\n'
    assert len(load_csv(tmp_path, content, "text", name="a.tsv")["text"]) == 2
    assert "a.tsv has what looks like rows within quotes, in the cells that begin in line 2: if" in caplog.text
    caplog.clear()
    load_csv(tmp_path, 'text\tlabel\n"a\tb\n\nof two\nlines"\tx\n"c\nd"\ty\n', "text", name="a.tsv")
    assert "within quotes" not in caplog.text
