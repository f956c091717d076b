"""Files of queries with hostile texts, names and ids, and what editors and spreadsheets do to files."""

import codecs
import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError
from hfal.utils.csv_files import restore
from hfal.utils.spelling import seen
from support.hostile import HOSTILE
from support.models import NAMES
from support.query_files import (
    add_query,
    ask_in_vain,
    fill,
    ids_of,
    make_pool,
    read_rows,
    set_pool,
    write_query,
    write_rows,
)


@pytest.fixture
def csv_of_megabytes() -> Iterator[None]:
    """Lets the csv module read the longest of our texts, and checks that hfal leaves its setting alone."""
    limit = csv.field_size_limit(2_000_000)
    yield
    assert csv.field_size_limit(limit) == 2_000_000


def test_blank_lines_and_windows_line_ends_in_json_lines(pool: Pool) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2])
    fill(path, dict.fromkeys(ids[:2], "positive"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    ask(pool.store, FileAnnotator())
    assert pool.labels() == dict.fromkeys(ids[:2], "positive")


@pytest.mark.parametrize("mark", [codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_encodings_that_say_what_they_are(tmp_path: Path, format: str, mark: bytes) -> None:
    encoding = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}[mark]
    pool = make_pool(tmp_path / "run", ["Žižek naïvely “quoted” 🎬", "b"], label_names=["schlecht", "schön"])
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    fill(path, {ids[0]: "schön", ids[1]: "schlecht"})
    path.write_bytes(mark + path.read_bytes().removeprefix(codecs.BOM_UTF8).decode().encode(encoding))
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {ids[0]: "schön", ids[1]: "schlecht"}


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_separators_of_other_countries(tmp_path: Path, delimiter: str, quoting: int) -> None:
    pool = make_pool(tmp_path / "run", ["a, b; c\td", 'she said "no;yes,no"', "plain"])
    ids = ids_of(pool)
    path = write_query(pool, ids, "csv")
    rows = [{**row, "label": "positive"} for row in read_rows(path)]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter, quoting=quoting)
        writer.writeheader()
        writer.writerows(rows)
    ask(pool.store, FileAnnotator("csv"))
    assert pool.labels() == dict.fromkeys(ids, "positive")


def save_as_a_spreadsheet_does(path: Path) -> None:
    """Save a CSV file anew with semicolons, few quotes, one kind of line break and no control characters."""
    rows = read_rows(path)
    for row in rows:
        for name, value in row.items():
            value = re.sub("\r\n?", "\n", value)
            row[name] = "".join(c for c in value if c in "\n\t" or unicodedata.category(c) != "Cc")
    write_rows(path, rows, delimiter=";")


@pytest.mark.parametrize(
    ("format", "save"),
    [("jsonl", None), ("csv", None), ("csv", save_as_a_spreadsheet_does)],
    ids=["jsonl", "csv", "csv of a spreadsheet"],
)
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_text_survives_the_file(
    tmp_path: Path, csv_of_megabytes: None, format: str, save: Callable[[Path], None] | None, kind: str
) -> None:
    texts = ["before", HOSTILE[kind], "after"]
    pool = make_pool(tmp_path / "run", texts)
    ids = ids_of(pool)
    path = write_query(pool, ids, format, suggestion="positive")
    rows = read_rows(path)
    assert [row["id"] for row in rows] == ids  # the text made no row of its own
    found = [restore(row["text"]) if format == "csv" else row["text"] for row in rows]
    assert found == texts
    labels = dict(zip(ids, ["positive", "negative", "positive"], strict=True))
    fill(path, labels)
    if save is not None:
        save(path)
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == labels


@pytest.mark.parametrize("kind", [kind for kind, text in HOSTILE.items() if 0 < len(text.strip()) < 1000])
def test_hostile_names_ids_and_comments(tmp_path: Path, format: str, kind: str) -> None:
    text = HOSTILE[kind]
    column = text.replace("\0", "")  # which no name in Arrow can have
    data = Dataset.from_dict({column: ["one", "two"], "key": [text, "other"]})
    pool = Pool(data, tmp_path / "run", column, label_names=[text.strip(), "other label"], id_column="key")
    path = write_query(pool, [text, "other"], format, suggestion=text.strip())
    rows = read_rows(path)
    assert len(rows) == 2
    for row in rows:
        row["label"] = row["suggestion"]  # as it is there
    rows[1]["comment"] = text
    write_rows(path, rows)
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {text: text.strip(), "other": text.strip()}
    said = pool.store.current_answers()["other"].comment
    assert said in (text.strip(), restore(text).strip())  # in a CSV file an apostrophe before a formula is ours


def test_no_cell_of_the_csv_is_a_formula(tmp_path: Path) -> None:
    names = ["=1+1", "+", "-", "@"]
    texts = [text for text in HOSTILE.values() if len(text) < 1000]
    data = Dataset.from_dict({"\uff1dtext": texts, "key": [f"-{n}" for n in range(len(texts))]})
    pool = Pool(data, tmp_path / "run", "\uff1dtext", label_names=names, id_column="key")
    ids = ids_of(pool)
    for n, name in enumerate(names):
        path = write_query(pool, ids[n::4], "csv", suggestion=name)
        rows = read_rows(path)
        cells = [*rows[0], *(value for row in rows for value in row.values())]
        assert not [
            cell
            for cell in cells
            if cell.startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n"))
        ]
        # A person copies the suggestion, with its apostrophe or as the spreadsheet shows it.
        fill(path, {row["id"]: row["suggestion"].removeprefix("'" * (m % 2)) for m, row in enumerate(rows)})
    rows = read_rows(path)
    write_rows(path, [{**rows[0], "'\uff1dtext": rows[1]["'\uff1dtext"]}, *rows[1:]])
    with pytest.raises(AnnotationError, match="the text in '\uff1dtext' is not the text of"):
        ask(pool.store, FileAnnotator("csv"))
    write_rows(path, rows)
    ask(pool.store, FileAnnotator("csv"))
    assert pool.labels() == {i: names[n % 4] for n, i in enumerate(ids)}


def test_text_columns_named_like_ours(tmp_path: Path, format: str) -> None:
    columns = ["label", "id", "suggestion", "confidence"]
    data = Dataset.from_dict({column: [f"{column} of row {row}" for row in range(2)] for column in columns})
    pool = Pool(data, tmp_path / "run", columns, label_names=NAMES)
    ids = ids_of(pool)
    path = write_query(pool, ids, format, suggestion="negative")
    rows = read_rows(path)
    assert [row["id"] for row in rows] == ids
    assert [row["text_label"] for row in rows] == ["label of row 0", "label of row 1"]
    assert [row["text_id"] for row in rows] == ["id of row 0", "id of row 1"]
    assert all(not row["label"] and row["suggestion"] == "negative" for row in rows)
    fill(path, {ids[0]: "positive"})
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {ids[0]: "positive"}


def test_text_column_that_is_called_what_another_would_be_renamed_to(tmp_path: Path, format: str) -> None:
    data = Dataset.from_dict({"label": ["first a", "first b"], "text_label": ["second a", "second b"]})
    pool = Pool(data, tmp_path / "run", ["label", "text_label"], label_names=NAMES)
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    for row in read_rows(path):
        assert {value.split()[0] for name, value in row.items() if name.startswith("text")} == {"first", "second"}
    fill(path, dict.fromkeys(ids, "positive"))
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids, "positive")


def test_ids_of_the_user_come_back_as_they_are(tmp_path: Path, format: str) -> None:
    ids = ["0", "007", "1e5", "=1+1", "-5", "'tis", " spaced ", 'with "quotes", and commas', "línea\nnueva"]
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(len(ids))], "key": ids})
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES, id_column="key")
    path = write_query(pool, ids, format)
    write_rows(path, [{**row, "label": "positive"} for row in read_rows(path)])
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids, "positive")


def test_ids_made_numbers_by_a_script(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": ["a", "b"], "key": [0, 1]})
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES, id_column="key")
    path = write_query(pool, ["0", "1"])
    write_rows(path, [{**row, "id": int(row["id"]), "label": "positive"} for row in read_rows(path)])  # as pandas does
    ask(pool.store, FileAnnotator())
    assert pool.labels() == {"0": "positive", "1": "positive"}


def test_hostile_names_in_sets_survive_the_file(tmp_path: Path, format: str) -> None:
    names = [text for text in HOSTILE.values() if 0 < len(text.strip()) < 1000 and "|" not in text]
    names = list({seen(name): name.strip() for name in names if seen(name)}.values())  # no two of them look alike
    pool = set_pool(tmp_path / "run", ["a", "b"], names)
    ids = ids_of(pool)
    add_query(pool, ids, names)
    ask_in_vain(pool, FileAnnotator(format))
    path = pool.run_dir / f"query-001.{format}"
    rows = read_rows(path)
    write_rows(path, [row | {"label": row["suggestion"]} for row in rows])
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids, names)
