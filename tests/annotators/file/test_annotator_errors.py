"""Errors in files of queries: each is named, and nothing of the file is recorded."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError
from support.models import NAMES
from support.query_files import (
    Row,
    TagRun,
    all_tasks,
    answers,
    ask_in_vain,
    fill,
    ids_of,
    make_pool,
    read_rows,
    set_pool,
    write_query,
    write_rows,
)


def _unknown_id(rows: list[Row]) -> None:
    rows[1]["id"] = "x00"


def _no_id(rows: list[Row]) -> None:
    rows[1]["id"] = ""


def _wrong_label(rows: list[Row]) -> None:
    rows[1]["label"] = "postive"


def _two_labels(rows: list[Row]) -> None:
    rows.insert(1, {**rows[0], "label": "negative"})


def _skipped_and_labeled(rows: list[Row]) -> None:
    rows.insert(1, {**rows[0], "label": "skip"})


def _two_comments(rows: list[Row]) -> None:
    rows.insert(1, {**rows[0], "comment": "sure?"})


def _edited_text(rows: list[Row]) -> None:
    text = rows[1]["text"]
    rows[1]["text"] = [*text[:2], text[2] + "x", *text[3:]] if isinstance(text, list) else text.replace("e", "E", 1)


def _one_column_sorted(rows: list[Row]) -> None:
    columns = ["text", "label"] if isinstance(rows[1]["text"], list) else ["text"]  # tags move with their words
    for column in columns:
        rows[1][column], rows[2][column] = rows[2][column], rows[1][column]


@all_tasks
@pytest.mark.parametrize(
    ("damage", "message", "errors"),
    [
        (_unknown_id, "no example has the id 'x00'", 1),
        (_no_id, "no example has the id ''", 1),
        (_wrong_label, "'postive' is no", 1),
        (_two_labels, "has another label above", 1),
        (_skipped_and_labeled, "has another label above", 1),
        (_two_comments, "has another comment above", 1),
        (_edited_text, "not th.*; were rows moved against each other", 1),
        (_one_column_sorted, "not th.*; were rows moved against each other", 2),
    ],
)
def test_nothing_is_recorded_of_a_file_with_an_error(
    pool: Pool, format: str, damage: Callable[[list[Row]], None], message: str, errors: int
) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:3], format)
    fill(path, dict.fromkeys(ids[:3], "positive"))
    good = read_rows(path)
    damaged = [dict(row) for row in good]
    damage(damaged)
    write_rows(path, damaged)
    content = path.read_bytes()
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, FileAnnotator(format))
    said = str(caught.value)
    assert said.startswith(f"{path} has {errors} error")
    assert re.search(message, said)
    line = 8 + len(damaged[0]["text"])  # behind what is above it
    assert {"jsonl": "line 2: ", "csv": "row 3: ", "conll": f"line {line}: "}[format] in said
    assert answers(pool) == []
    assert [q.number for q in pool.store.open_queries()] == [1]
    assert path.read_bytes() == content

    write_rows(path, good)  # mended, it is read
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids[:3], "positive")


def test_every_error_is_named_but_not_hundreds(tmp_path: Path, reviews: Dataset) -> None:
    pool = make_pool(tmp_path / "run", reviews["text"][:30])
    ids = ids_of(pool)
    fill(write_query(pool, ids), {i: f"label{n}" for n, i in enumerate(ids) if n})
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, FileAnnotator())
    said = str(caught.value)
    assert "29 errors" in said
    assert re.findall(r"line (\d+): ", said) == [str(line) for line in range(2, 22)]
    assert said.endswith("… 9 more")


def test_errors_of_all_files_are_named_at_once_and_nothing_of_any_file_is_recorded(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    annotator = FileAnnotator(format)
    first = write_query(pool, ids[:2], format)
    fill(first, {ids[0]: "negative"})
    ask(pool.store, annotator)
    second, third = write_query(pool, ids[2:4], format), write_query(pool, ids[4:6], format)
    fill(first, {ids[1]: "postive"})
    fill(second, {ids[2]: "psitive", ids[3]: "nagtive"})
    good = third.read_bytes()
    third.write_bytes(b"\xff" + good)
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, annotator)
    files = [str(first), "'postive'", str(second), "'psitive'", "'nagtive'", f"{third} is not UTF-8"]
    assert re.findall("|".join(map(re.escape, files)), str(caught.value)) == files

    third.write_bytes(good)
    fill(second, {ids[2]: "positive", ids[3]: "negative"})
    with pytest.raises(AnnotationError, match="'postive' is no label"):
        ask(pool.store, annotator)  # an error in an old file keeps the new one from being recorded
    assert answers(pool) == [(ids[0], "label", "negative")]


@all_tasks
def test_file_that_cannot_be_read_is_an_error_of_that_file(pool: Pool, format: str) -> None:
    path = write_query(pool, ids_of(pool)[:1], format)
    path.unlink()
    path.mkdir()
    with pytest.raises(AnnotationError, match=f"{path.name} is no file: move it away"):
        ask(pool.store, FileAnnotator(format))


@all_tasks
@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_not_waited_for(pool: Pool, format: str, content: bytes) -> None:
    path = write_query(pool, ids_of(pool)[:3], format)
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match="is empty: remove it, and what is still open in it is written again"):
        ask(pool.store, FileAnnotator(format))
    path.unlink()
    ask_in_vain(pool, FileAnnotator(format))
    assert len(read_rows(path)) == 3


def test_messages_show_no_long_cells_and_obey_no_escape_codes(tmp_path: Path, format: str) -> None:
    data = Dataset.from_dict({"text": ["a", "b", "c"], "key": ["\x1b[2Ja", "\u202eb", "c" * 10_000]})
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES, id_column="key")
    path = write_query(pool, data["key"], format)
    labels = ["\x1b[2J", "\u202e" * 100_000, "x" * 100_000]
    write_rows(
        path, [{**row, "text": "d", "label": label} for row, label in zip(read_rows(path), labels, strict=True)]
    )
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, FileAnnotator(format))
    said = str(caught.value)
    assert said.startswith(f"{path} has 6 errors")
    assert len(said) < 3000
    assert said.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"id": "x", "label": "positive"',
            r"query-001\.jsonl has 1 error; .*\n +line 3: no JSON \(Expecting ',' delimiter at column 32\)",
        ),
        ('["x", "positive"]', r"line 3: no JSON object with an 'id'"),
        ('{"label": "positive"}', r"line 3: no JSON object with an 'id'"),
        ("[" * 100_000, r"line 3: no JSON \("),
        ('{"id": ' + "1" * 5000 + "}", r"line 3: no JSON \("),
        ('{"id": ["x"], "label": "positive"}', r"line 3: no example has the id"),
        ('{"id": "x\\ud800", "label": "positive"}', r"line 3: no example has the id 'x\\ud800'"),
    ],
    ids=["cut off", "a list", "no id", "deeply nested", "huge number", "id is a list", "half a surrogate pair"],
)
def test_broken_json_line(pool: Pool, line: str, message: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2])
    fill(path, dict.fromkeys(ids[:2], "positive"))
    content = path.read_bytes() + line.encode() + b"\n"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message) as caught:
        ask(pool.store, FileAnnotator())
    str(caught.value).encode()  # can be printed
    assert answers(pool) == []
    assert path.read_bytes() == content


def test_comment_that_is_no_text(pool: Pool) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:1])
    write_rows(path, [{**row, "label": "positive", "comment": "\ud83d"} for row in read_rows(path)])
    with pytest.raises(AnnotationError, match="line 1: the comment has half a surrogate pair"):
        ask(pool.store, FileAnnotator())
    assert answers(pool) == []


def test_errors_in_a_csv_file_name_the_rows_that_a_spreadsheet_shows(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "run", ["one\n\nwith\r\nlines", "two", "three", "four"])
    ids = ids_of(pool)
    path = write_query(pool, ids, "csv")
    fill(path, {ids[0]: "positive", ids[2]: "postive"})
    path.write_bytes(path.read_bytes() + b"\r\n" + b"x00,,,,positive,\r\n")  # below an empty row
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, FileAnnotator("csv"))
    said = str(caught.value)
    assert said.startswith(f"{path} has 2 errors (row 1 names the columns); nothing of it was recorded")
    assert re.findall(r"(?:row|line) (\d+): ", said) == ["4", "7"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'"x00","never closed,positive',
            r"row 4: no CSV \(unexpected end of data\); is a quote missing\?",
        ),
        (b'"x00","she said "no"","","","positive",""', r"row 4: no CSV \(.*\); is a quote missing\?"),
        (b"x00,,,,positive,good, but long", r"row 4: more cells than columns; put cells with a ',' in quotes"),
    ],
    ids=["quote never closed", "quote in a quoted cell", "comma outside quotes"],
)
def test_broken_csv_line(pool: Pool, line: bytes, message: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2], "csv")
    fill(path, dict.fromkeys(ids[:2], "positive"))
    content = path.read_bytes() + line + b"\r\n"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=message):
        ask(pool.store, FileAnnotator("csv"))
    assert answers(pool) == []
    assert path.read_bytes() == content


def test_csv_without_its_label_column_or_its_header(pool: Pool) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2], "csv")
    fill(path, dict.fromkeys(ids[:2], "positive"))
    good = path.read_bytes()
    rows = read_rows(path)

    write_rows(path, [{("Label" if k == "label" else k): v for k, v in row.items()} for row in rows])
    with pytest.raises(AnnotationError, match=r"no column 'label'; its columns are: .*'Label'"):
        ask(pool.store, FileAnnotator("csv"))
    for content in (good.partition(b"\r\n")[2], b"sep=,\r\n" + good):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=r"query-001\.csv does not begin with the column 'id'"):
            ask(pool.store, FileAnnotator("csv"))
        assert path.read_bytes() == content
    assert answers(pool) == []


def test_windows_code_page_is_refused_with_line_and_byte(tmp_path: Path, format: str) -> None:
    pool = make_pool(tmp_path / "run", ["plain", "a naïve film", "caf\u00e9"])
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    content = path.read_bytes().decode("utf-8-sig").replace('"label": null', '"label": "positive"')
    content = content.replace('"",""\r\n', '"positive",""\r\n')
    assert content.count("positive") == 3
    path.write_bytes(content.encode("cp1252"))
    line = 2 if format == "jsonl" else 3
    with pytest.raises(
        AnnotationError, match=rf"is not UTF-8 \(byte 0xef in line {line}\).*save it again as UTF-8.*nothing of it was"
    ):
        ask(pool.store, FileAnnotator(format))
    assert answers(pool) == []
    assert path.read_bytes() == content.encode("cp1252")


# -- two columns of one name ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["label", "id", "comment", "text", "notes"])
def test_a_column_that_is_there_twice_is_refused(tmp_path: Path, column: str) -> None:
    pool = make_pool(tmp_path / "run", ["good", "bad"])
    path = write_query(pool, ids_of(pool), "csv")
    fill(path, dict(zip(ids_of(pool), NAMES, strict=True)))
    header, *rows = path.read_text("utf-8-sig").splitlines()
    more = ",notes,notes" if column == "notes" else f",{column}"
    path.write_text("\n".join([header + more, *(f"{row},positive,x" for row in rows)]), "utf-8")
    with pytest.raises(AnnotationError, match=f"has the column '{column}' twice: leave the one that is right"):
        ask(pool.store, FileAnnotator("csv"))
    assert answers(pool) == []


@pytest.mark.parametrize("format", ["csv", "jsonl"])
@pytest.mark.parametrize("name", ["Label", " label", "LABEL ", "lab\u200bel", "Comment", "ID"])
def test_a_column_that_looks_like_one_that_is_read_is_named(tmp_path: Path, format: str, name: str) -> None:
    pool = make_pool(tmp_path / "run", ["good", "bad"])
    path = write_query(pool, ids_of(pool), format)
    rows = read_rows(path)
    write_rows(path, [{**row, "label": "negative", name: "positive"} for row in rows])
    with pytest.raises(AnnotationError, match=r"the column '.*' is not read, only '(label|comment|id)' is: rename or"):
        ask(pool.store, FileAnnotator(format))
    assert answers(pool) == []


def test_a_text_column_that_looks_like_ours_is_no_other_one(tmp_path: Path) -> None:
    data = Dataset.from_dict({"Label": ["good", "bad"], "Text": ["a", "b"]})
    pool = Pool(data, tmp_path / "run", ["Label", "Text"], label_names=NAMES)
    path = write_query(pool, ids_of(pool), "csv")
    fill(path, dict(zip(ids_of(pool), NAMES, strict=True)))
    ask(pool.store, FileAnnotator("csv"))
    assert list(pool.labels().values()) == NAMES


def test_a_key_that_is_there_twice_in_a_line_is_refused(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "run", ["good", "bad"])
    path = write_query(pool, ids_of(pool))
    first, second = path.read_text("utf-8").splitlines()
    path.write_text(f'{first[:-1]}, "label": "positive", "comment": "x"}}\n{second}\n', "utf-8")
    with pytest.raises(AnnotationError, match=r"line 1: no JSON .*the key 'label' is there twice"):
        ask(pool.store, FileAnnotator())
    assert answers(pool) == []


def test_two_answers_before_one_sentence_are_refused(tmp_path: Path) -> None:
    run = TagRun(tmp_path / "run", [["Ann", "Lee"], ["no", "one"]])
    path = write_query(run, ids_of(run), "conll")
    path.write_text(path.read_text("utf-8").replace("# answer =", "# answer = skip\n# answer = unsure", 1), "utf-8")
    with pytest.raises(AnnotationError, match="line 4: '# answer =' is there twice for one sentence"):
        ask(run.store, FileAnnotator("conll"))
    assert answers(run) == []


@pytest.mark.parametrize("cell", ["|", ";", ",", " | | "])
def test_a_separator_alone_is_no_answer(tmp_path: Path, cell: str) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b"])
    path = write_query(pool, ids_of(pool), "csv")
    fill(path, dict(zip(ids_of(pool), [cell, "none"], strict=True)))
    with pytest.raises(AnnotationError, match=r"row 2: '.*' names no label: write the names, 'none' for none of the"):
        ask(pool.store, FileAnnotator("csv"))
    assert answers(pool) == []
