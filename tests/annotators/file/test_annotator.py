"""The file annotator: what it writes, how a run waits, what it reads; through a real pool and `ask`."""

import codecs
from pathlib import Path

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError, AnswersPending, ArgumentError
from support.models import NAMES
from support.query_files import (
    TagRun,
    add_query,
    all_tasks,
    answers,
    ask_in_vain,
    fill,
    ids_of,
    name_of,
    read_rows,
    set_pool,
    unlabeled_ids,
    write_query,
    write_rows,
)


# -- what is written, and how a run waits --------------------------------------------------------------------------


def test_file_has_the_texts_the_suggestions_and_an_empty_label(pool: Pool, texts: list[str], format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, [ids[5], ids[2]], format, suggestion="positive")
    rows = read_rows(path)
    assert [row["id"] for row in rows] == [ids[5], ids[2]]  # in the order in which to ask
    assert [row["text"] for row in rows] == [texts[5], texts[2]]
    assert [row["suggestion"] for row in rows] == ["positive"] * 2
    assert [float(row["confidence"]) for row in rows] == [0.1235] * 2
    assert all(not row["label"] and not row["comment"] for row in rows)
    assert path.read_bytes().startswith(codecs.BOM_UTF8) == (format == "csv")  # without it Excel guesses a code page
    assert [p.name for p in pool.run_dir.iterdir() if p.name.startswith("query")] == [path.name]  # no half file


@all_tasks
def test_seed_set_has_empty_suggestions(pool: Pool, format: str) -> None:
    add_query(pool, ids_of(pool)[:1], purpose="seed")
    ask_in_vain(pool, FileAnnotator(format))
    (row,) = read_rows(pool.run_dir / f"query-001.{format}")
    assert not row["suggestion"]
    assert not row.get("confidence")  # which no CoNLL file has


@all_tasks
def test_run_waits_with_exit_code_75_while_nothing_is_filled_in(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:3])
    annotator = FileAnnotator(format)
    with pytest.raises(SystemExit) as stop:  # an end of the script that is no error
        ask(pool.store, annotator)
    assert isinstance(stop.value, AnswersPending)
    assert stop.value.code == 75
    path = pool.run_dir / f"query-001.{format}"
    for word in (str(path), "3 texts", ", ".join(pool.store.meta("label_names")), "'skip'", "'unsure'"):
        assert word in str(stop.value)

    content = path.read_bytes()
    assert ask_in_vain(pool, annotator) == str(stop.value)  # started again too early
    assert path.read_bytes() == content
    assert answers(pool) == []
    assert set(unlabeled_ids(pool)) == set(ids[3:])  # those being asked are not up for another query


def test_file_may_lie_in_another_folder(pool: Pool, tmp_path: Path) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:1])
    annotator = FileAnnotator("csv", folder=tmp_path / "to" / "label", name="anna")
    assert str(tmp_path / "to" / "label" / "query-001.csv") in ask_in_vain(pool, annotator)
    fill(tmp_path / "to" / "label" / "query-001.csv", {ids[0]: "positive"})
    ask(pool.store, annotator)
    (answer,) = pool.store.answers()
    assert (answer.label, answer.annotator, answer.query) == ("positive", "anna", 1)


def test_half_file_of_a_killed_process_is_written_again(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    (pool.run_dir / "query-001.jsonl.part").write_bytes(b'{"id": "x')
    ask_in_vain(pool, FileAnnotator())
    assert [row["id"] for row in read_rows(pool.run_dir / "query-001.jsonl")] == ids[:2]


def test_unknown_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        ArgumentError, match=r"format='xlsx', expected 'jsonl', 'csv' or 'conll'; for a spreadsheet take 'csv'"
    ):
        FileAnnotator("xlsx")


# -- what is read --------------------------------------------------------------------------------------------------


@all_tasks
def test_labels_of_a_filled_file_are_recorded(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:3], format)
    fill(path, {ids[0]: "negative", ids[1]: " positive ", ids[2]: "positive"})
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {ids[0]: "negative", ids[1]: "positive", ids[2]: "positive"}
    assert {(a.annotator, a.query) for a in pool.store.answers()} == {("file", 1)}
    assert pool.store.open_queries() == []
    ask(pool.store, FileAnnotator(format))  # nothing is left to ask, and nothing is recorded twice
    assert len(answers(pool)) == 3


@all_tasks
def test_partly_filled_file_goes_on_and_may_be_filled_or_changed_later(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    annotator = FileAnnotator(format)
    add_query(pool, ids[:4])
    ask_in_vain(pool, annotator)
    first = pool.run_dir / f"query-001.{format}"
    fill(first, {ids[1]: "negative", ids[2]: "positive"})
    ask(pool.store, annotator)
    assert pool.labels() == {ids[1]: "negative", ids[2]: "positive"}
    assert unlabeled_ids(pool) == [ids[0], ids[3], *ids[4:]]  # those left open may be asked about again

    add_query(pool, ids[4:6])
    fill(first, {ids[0]: "positive", ids[2]: "negative"})  # one more label, and one that was wrong
    message = ask_in_vain(pool, annotator)
    second = pool.run_dir / f"query-002.{format}"
    assert str(second) in message
    assert answers(pool)[2:] == [(ids[0], "label", "positive"), (ids[2], "correct", "negative")]
    assert [a.query for a in pool.store.answers()] == [1, 1, 1, 1]  # each belongs to the query of its file
    assert pool.labels() == {ids[1]: "negative", ids[2]: "negative", ids[0]: "positive"}

    fill(second, {ids[4]: "negative"})
    ask(pool.store, annotator)
    assert answers(pool)[4:] == [(ids[4], "label", "negative")]  # what was read before is not recorded again
    assert unlabeled_ids(pool) == [ids[3], *ids[5:]]


def test_example_asked_twice_has_the_label_of_the_later_file(pool: Pool) -> None:
    ids = ids_of(pool)
    annotator = FileAnnotator()
    add_query(pool, ids[:2])
    ask_in_vain(pool, annotator)
    first = pool.run_dir / "query-001.jsonl"
    fill(first, {ids[0]: "negative"})
    ask(pool.store, annotator)
    add_query(pool, ids[1:3])  # the one left open is asked again
    ask_in_vain(pool, annotator)
    fill(first, {ids[1]: "negative"})
    fill(pool.run_dir / "query-002.jsonl", {ids[1]: "positive", ids[2]: "positive"})
    ask(pool.store, annotator)
    assert answers(pool)[1:] == [(ids[1], "label", "positive"), (ids[2], "label", "positive")]
    add_query(pool, ids[3:4])
    ask_in_vain(pool, annotator)
    assert len(answers(pool)) == 3  # the two files do not correct each other at every query


@all_tasks
def test_comment_is_recorded_with_what_it_is_about(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:4], format)
    rows = read_rows(path)
    long = "=1+1;\n-2" if format != "conll" else "=1+1; -2"  # where it has one line
    for row, label, comment in zip(
        rows, ["positive", "skip", "", "negative"], [long, " no text ", "later", ""], strict=True
    ):
        row["label"], row["comment"] = label, comment
    write_rows(path, rows)
    ask(pool.store, FileAnnotator(format))
    said = {answer.example_id: (name_of(answer.label), answer.comment) for answer in pool.store.answers()}
    assert said == {ids[0]: ("positive", long), ids[1]: (None, "no text"), ids[3]: ("negative", None)}

    rows[2]["label"], rows[3]["comment"] = "negative", "irony?"  # filled in later
    write_rows(path, rows)
    add_query(pool, ids[4:5])
    ask_in_vain(pool, FileAnnotator(format))
    now = pool.store.current_answers()
    assert [(name_of(now[i].label), now[i].comment) for i in ids[2:4]] == [
        ("negative", "later"),
        ("negative", "irony?"),
    ]
    assert len(answers(pool)) == 5  # the others are not recorded again


@all_tasks
def test_rows_may_be_reordered_left_out_and_doubled(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:5], format)
    labels = dict(zip(ids[:5], ["negative", "positive", "positive", "negative", "positive"], strict=True))
    rows = [{**row, "label": labels[row["id"]]} for row in read_rows(path)]
    write_rows(path, [rows[4], rows[0], rows[2], {**rows[2], "label": ""}, rows[2]])
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {ids[4]: "positive", ids[0]: "negative", ids[2]: "positive"}
    assert unlabeled_ids(pool) == [ids[1], ids[3], *ids[5:]]


def test_blank_rows_are_no_rows(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2], format)
    fill(path, dict.fromkeys(ids[:2], "positive"))
    path.write_bytes(path.read_bytes() + (b" \n\n" if format == "jsonl" else b",,,,,\r\n\r\n ,\r\n,,,,,,,\r\n"))
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids[:2], "positive")


def test_text_column_may_be_left_out_and_others_added(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2], format)
    write_rows(path, [{"id": i, "note": "easy", "label": "positive"} for i in ids[:2]])
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids[:2], "positive")


# -- other tasks and columns ---------------------------------------------------------------------------------------


def test_text_pairs(tmp_path: Path, reviews: Dataset, format: str) -> None:
    texts = reviews["text"]
    data = Dataset.from_dict({"premise": texts[:3], "hypothesis": texts[3:6]})
    pool = Pool(data, tmp_path / "run", ["premise", "hypothesis"], label_names=NAMES)
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    rows = [{**row, "label": "positive"} for row in read_rows(path)]
    assert [(row["premise"], row["hypothesis"]) for row in rows] == list(zip(texts[:3], texts[3:6], strict=True))
    rows[0]["hypothesis"], rows[1]["hypothesis"] = rows[1]["hypothesis"], rows[0]["hypothesis"]
    write_rows(path, rows)
    with pytest.raises(AnnotationError, match="the text in 'hypothesis' is not the text of"):
        ask(pool.store, FileAnnotator(format))
    rows[0]["hypothesis"], rows[1]["hypothesis"] = rows[1]["hypothesis"], rows[0]["hypothesis"]
    write_rows(path, rows)
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids, "positive")


def test_formats_that_do_not_fit_the_task(pool: Pool, tmp_path: Path) -> None:
    add_query(pool, ids_of(pool)[:1])
    with pytest.raises(ArgumentError, match=r"format='conll' is for tags of words.*: take 'jsonl' or 'csv'"):
        ask(pool.store, FileAnnotator("conll"))
    sentences = TagRun(tmp_path / "tags", [["Ann"]])
    add_query(sentences, ["s0"])
    with pytest.raises(
        ArgumentError, match="format='csv' has no place for a tag of each word: take 'jsonl' or 'conll'"
    ):
        ask(sentences.store, FileAnnotator("csv"))
    underscore = TagRun(tmp_path / "underscore", [["Ann"]], names=["O", "_"])
    add_query(underscore, ["s0"])
    with pytest.raises(ArgumentError, match="format='conll' has '_' where no tag is given, but a tag has that name"):
        ask(underscore.store, FileAnnotator("conll"))
    assert not [p for run in (pool, sentences, underscore) for p in run.run_dir.glob("query-*")]


def test_a_file_of_sets_is_what_a_person_sees(tmp_path: Path, format: str) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b", "c"])
    for example_id, suggestion in zip(ids_of(pool), (["PER", "ORG"], [], None), strict=True):
        add_query(pool, [example_id], suggestion)
    message = ask_in_vain(pool, FileAnnotator(format))
    rows = [row for number in (1, 2, 3) for row in read_rows(pool.run_dir / f"query-00{number}.{format}")]
    if format == "jsonl":
        assert [row["suggestion"] for row in rows] == [["PER", "ORG"], [], None]
        assert "with a list of any of: PER, LOC, ORG; [] is none of them ('skip' or 'unsure')" in message
    else:
        assert [row["suggestion"] for row in rows] == ["PER | ORG", "none", ""]
        assert "any of: PER, LOC, ORG; '|' stands between two, 'none' is none of them ('skip' or 'unsure')" in message
    assert not any(row["label"] for row in rows)


def test_names_that_have_no_place_in_a_cell(tmp_path: Path) -> None:
    pool = set_pool(tmp_path / "run", ["a"], names=["a|b", "c;d", "e,f"])
    add_query(pool, ids_of(pool))
    with pytest.raises(ArgumentError, match="nothing is left to separate them in a cell: take a format with lists"):
        ask(pool.store, FileAnnotator("csv"))
    ask_in_vain(pool, FileAnnotator("jsonl"))
    fill(pool.run_dir / "query-001.jsonl", {ids_of(pool)[0]: ["a|b", "e,f"]})
    ask(pool.store, FileAnnotator("jsonl"))
    assert pool.labels() == {ids_of(pool)[0]: ["a|b", "e,f"]}


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_other_columns_stand_beside_the_text_and_are_never_read(tmp_path, texts, format):
    columns = {"date": ["2024-05-01", None, "=1+1"], "Comment": ["from the data"] * 3}
    data = Dataset.from_dict({"text": texts[:3], **columns})
    pool = Pool(data, tmp_path, "text", label_names=NAMES, show_columns=["date", "Comment"])
    ids = ids_of(pool)
    add_query(pool, ids)
    pool.store.set_shown(pool.show_columns, dict(zip(ids, pool.shown(range(3)), strict=True)))
    ask_in_vain(pool, FileAnnotator(format))
    path = tmp_path / f"query-001.{format}"
    rows = read_rows(path)
    assert list(rows[0]) == ["id", "text", "date", "shown_Comment", "suggestion", "confidence", "label", "comment"]
    assert [row["date"] or None for row in rows] == ["2024-05-01", None, "'=1+1" if format == "csv" else "=1+1"]
    assert {row["shown_Comment"] for row in rows} == {"from the data"}
    for row, label in zip(rows, NAMES, strict=False):
        row.update(label=label, date="edited", shown_Comment="edited")
    write_rows(path, rows)
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict(zip(ids, NAMES, strict=False))
    assert pool.store.shown(ids[0]) == {"date": "2024-05-01", "Comment": "from the data"}
    assert [answer.comment for answer in pool.store.answers()] == [None, None]


def test_other_columns_are_comments_of_a_conll_file(tmp_path):
    run = TagRun(tmp_path, [["Anna", "met", "Bob"], ["Rome"]])
    add_query(run, ["s0", "s1"])
    shown = {"s0": {"created at": "2024-05-01", "id": "7"}, "s1": {"id": "two\nlines"}}
    run.store.set_shown(["created at", "id"], shown)
    ask_in_vain(run, FileAnnotator("conll"))
    path = tmp_path / "query-001.conll"
    content = path.read_text("utf-8")
    about = ["# id = s0", "# created_at = 2024-05-01", "# shown_id = 7", "# comment =", "# answer =", "Anna\t_\t_"]
    assert content.split("\n")[:6] == about
    assert "# id = s1\n# shown_id = two\\u000alines\n" in content
    edited = content.replace("2024-05-01", "edited").replace("# shown_id = 7\n", "")
    path.write_text(edited.replace("Rome\t_\t_", "Rome\t_\tB-LOC"), "utf-8")
    ask(run.store, FileAnnotator("conll"))
    assert {i: a.label for i, a in run.store.current_answers().items()} == {"s1": ["B-LOC"]}
    assert run.store.shown_values() == shown
