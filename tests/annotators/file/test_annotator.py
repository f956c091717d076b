"""The file and the simulated annotator, through a real pool and `hfal.annotators.asking.ask`."""

import codecs
import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.data.references import resolve_path
from hfal.errors import AnnotationError, AnswersPending, ArgumentError
from hfal.store.records import Answer, Queried, Query
from hfal.store.store import Store
from hfal.tasks.conll import read_file, read_sentences, write_sentence
from hfal.tasks.spans import spans_from_tags
from hfal.tasks.tags import tag_names
from hfal.tasks.words import words_of
from hfal.utils.csv_files import restore
from support.hostile import HOSTILE
from support.models import NAMES


Row = dict[str, Any]


def make_pool(run_dir: Path, texts: Sequence[str], **options: Any) -> Pool:
    return Pool(Dataset.from_dict({"text": texts}), run_dir, "text", **{"label_names": NAMES, **options})


TAGS = tag_names(["PER", "LOC", "ORG", "MISC"])
all_tasks = pytest.mark.parametrize(
    ("kind", "format"),
    [
        (kind, format)
        for kind in ("labels", "sets", "tags")
        for format in ("jsonl", "conll" if kind == "tags" else "csv")
    ],
)


class SetPool(Pool):
    """A pool in which a text may have several labels; where a test says "positive", it is the set of just that."""

    def labels(self, until: int | None = None) -> dict[str, Any]:
        return {i: _name_of(label) for i, label in super().labels(until).items()}


class TagRun:
    """A run in which words are tagged, with as much of a pool as the tests below use.

    Where a test says "positive" its sentences begin with a person, and where it says "negative" nothing is in them.
    """

    def __init__(self, run_dir: Path, texts: Sequence[Any], ids: Sequence[str] | None = None, names: Any = TAGS):
        self.run_dir = run_dir
        self.texts_by_id = dict(zip(ids or [f"s{n}" for n in range(len(texts))], texts, strict=True))
        self.store = Store(run_dir)
        for key, value in [("task", "token_classification"), ("label_names", list(names)), ("scheme", "IOB2")]:
            self.store.set_meta(key, value)

    def labels(self) -> dict[str, str | None]:
        return {i: _name_of(a.label) for i, a in self.store.current_answers().items() if a.label is not None}


def _name_of(label: Any) -> str | None:
    if label in (["negative"], ["positive"]):
        return str(label[0])
    return ["negative", "positive"]["B-PER" in label] if isinstance(label, list) else label


def _tags_for(said: Any, text: Any) -> Any:
    """What a person writes who means a label of a test."""
    name = said.strip() if isinstance(said, str) else said
    if not isinstance(text, list) or name not in NAMES:
        return said
    return [*(["B-PER"] if name == "positive" else ["O"]), *["O"] * (len(text) - 1)]


def ids_of(pool: Pool) -> list[str]:
    return list(pool.texts_by_id) if isinstance(pool, TagRun) else pool.ids.to_pylist()


def unlabeled_ids(pool: Pool) -> list[str]:
    if isinstance(pool, TagRun):
        asked = {e.example_id for query in pool.store.open_queries() for e in query.examples}
        return [i for i in ids_of(pool) if i not in asked | set(pool.store.current_answers())]
    return [ids_of(pool)[position] for position in sorted(pool.unlabeled_positions())]


def add_query(pool: Any, ids: Sequence[str], suggestion: Any = None, purpose: str = "round") -> Query:
    """Record a query for these examples, as a round's model, or nobody, would have made it."""
    confidence = None if suggestion is None else 0.123456
    if isinstance(pool, TagRun):
        examples = tuple(
            Queried(i, f"content of {i}", {"text": text}, None, _tags_for(suggestion, words_of(text)), confidence)
            for i, text in ((i, pool.texts_by_id[i]) for i in ids)
        )
    else:
        suggestion = [suggestion] if suggestion and isinstance(pool, SetPool) else suggestion
        examples = tuple(
            Queried(i, pool.content(p), pool.texts([p])[0], None, suggestion, confidence)
            for i, p in zip(ids, pool.positions(ids), strict=True)
        )
    return pool.store.add_query(Query(0 if purpose == "seed" else 1, purpose, "random", 0, examples))


def read_rows(path: Path) -> list[Row]:
    """What the file says, read with nothing of hfal."""
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_bytes().decode("utf-8").rstrip("\n").split("\n")]
    if path.suffix == ".conll":
        return [_sentence(block.split("\n")) for block in path.read_bytes().decode("utf-8").split("\n\n") if block]
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def _sentence(lines: list[str]) -> Row:
    head = [line for line in lines if line.startswith("# ")]
    comments = {name: value.strip() for name, _, value in (line[2:].partition(" =") for line in head)}
    words, suggested, tags = ([*column] for column in zip(*(x.split("\t") for x in lines[len(head) :]), strict=True))
    given = comments["answer"] or ("" if "_" in tags else tags)
    return {**comments, "text": words, "suggestion": None if "_" in suggested else suggested, "label": given}


def write_rows(path: Path, rows: Sequence[Row], delimiter: str = ",", encoding: str = "utf-8-sig") -> None:
    rows = [row | {"label": _tags_for(row["label"], row.get("text"))} if "label" in row else row for row in rows]
    if path.suffix == ".jsonl":
        path.write_bytes("".join(json.dumps(row) + "\n" for row in rows).encode())
        return
    if path.suffix == ".conll":
        path.write_bytes("".join(map(_in_columns, rows)).encode())
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0].keys(), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))


def _in_columns(row: Row) -> str:
    none = ["_"] * len(row["text"])
    tags = row["label"] if isinstance(row["label"], list) else none
    head = {name: row[name] for name in ("id", "escaped", "comment") if name in row}
    lines = [f"# {n} = {v}" for n, v in {**head, "answer": "" if tags is not none else row["label"]}.items()]
    lines += map("\t".join, zip(row["text"], row["suggestion"] or none, tags, strict=True))
    return "\n".join(lines) + "\n\n"


def fill(path: Path, labels: dict[str, str]) -> None:
    """Fill in the labels of some ids, and leave the rest of the file as it is."""
    write_rows(path, [{**row, "label": labels.get(row["id"], row["label"])} for row in read_rows(path)])


def ask_in_vain(pool: Pool, annotator: FileAnnotator) -> str:
    """Ask when nothing can be answered yet; returns what the run then says."""
    with pytest.raises(AnswersPending) as stop:
        ask(pool.store, annotator)
    return stop.value.message


def write_query(pool: Pool, ids: Sequence[str], format: str = "jsonl", suggestion: str | None = None) -> Path:
    """Record a query for these examples; returns the file that now waits for their labels."""
    query = add_query(pool, ids, suggestion)
    ask_in_vain(pool, FileAnnotator(format))
    return pool.run_dir / f"query-{query.number:03d}.{format}"


def answers(pool: Pool) -> list[tuple[str, str, str | None]]:
    """The log: id, action and label."""
    return [(answer.example_id, answer.action, _name_of(answer.label)) for answer in pool.store.answers()]


@pytest.fixture(params=["jsonl", "csv"])
def format(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def csv_of_megabytes() -> Iterator[None]:
    """Lets the csv module read the longest of our texts, and checks that hfal leaves its setting alone."""
    limit = csv.field_size_limit(2_000_000)
    yield
    assert csv.field_size_limit(limit) == 2_000_000


@pytest.fixture
def texts(reviews: Dataset) -> list[str]:
    return reviews["text"][:8]


@pytest.fixture
def kind() -> str:
    return "labels"


@pytest.fixture
def pool(tmp_path: Path, texts: list[str], kind: str) -> Any:
    if kind == "tags":
        return TagRun(tmp_path / "run", [text.split() for text in texts])
    if kind == "sets":
        data = Dataset.from_dict({"text": texts})
        return SetPool(data, tmp_path / "run", "text", label_names=NAMES, task="multi_label_classification")
    return make_pool(tmp_path / "run", texts)


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


def test_waits_for_every_open_query_at_once(pool: Pool) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:2], purpose="holdout")
    add_query(pool, ids[2:4], purpose="seed")
    annotator = FileAnnotator()
    message = ask_in_vain(pool, annotator)
    assert "held-out" in message
    assert "seed set" in message
    first, second = (pool.run_dir / f"query-00{number}.jsonl" for number in (1, 2))
    assert str(first) in message
    assert str(second) in message

    fill(first, {ids[0]: "negative"})
    message = ask_in_vain(pool, annotator)  # one may come back before the other
    assert str(first) not in message
    assert str(second) in message
    assert pool.labels() == {ids[0]: "negative"}


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


@pytest.mark.parametrize(
    ("names", "said", "label"),
    [
        (["negative", "positive"], "Positive", "positive"),
        (["negative", "positive"], "\u00a0POSITIVE\t", "positive"),
        (["true", "false"], "TRUE", "true"),  # which spreadsheets make of it
        (["New York", "Rome"], "new  york", "New York"),
        (["caf\u00e9", "bar"], "Cafe\u0301", "caf\u00e9"),
        (["don't", "do"], "don't", "don't"),
        (["US", "us"], "us", "us"),
        (["US", "us"], "Us", None),
        (["SKIP", "keep"], "skip", "SKIP"),
        (["Skip", "SKIP"], "skip", None),
    ],
)
def test_label_may_differ_in_capitals_and_blanks_if_only_one_can_be_meant(
    tmp_path: Path, texts: list[str], format: str, names: list[str], said: str, label: str | None
) -> None:
    pool = make_pool(tmp_path / "run", texts, label_names=names)
    (example, *_) = ids_of(pool)
    fill(write_query(pool, [example], format), {example: said})
    if label is None:
        with pytest.raises(AnnotationError, match=f"{said!r} is no label; the labels are: {', '.join(names)}"):
            ask(pool.store, FileAnnotator(format))
    else:
        ask(pool.store, FileAnnotator(format))
    assert pool.labels() == ({} if label is None else {example: label})


@all_tasks
def test_skipped_and_unsure_examples_are_never_asked_again(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:4], format)
    fill(path, {ids[0]: "skip", ids[1]: "positive", ids[2]: "unsure", ids[3]: " Unsure"})
    ask(pool.store, FileAnnotator(format))
    said = [(ids[0], "skip", None), (ids[1], "label", "positive"), (ids[2], "unsure", None), (ids[3], "unsure", None)]
    assert answers(pool) == said
    assert unlabeled_ids(pool) == ids[4:]
    assert pool.labels() == {ids[1]: "positive"}
    add_query(pool, ids[4:5])
    ask_in_vain(pool, FileAnnotator(format))
    assert answers(pool) == said  # read again, it is not recorded again


@pytest.mark.parametrize(("word", "other"), [("skip", "unsure"), ("unsure", "skip")])
def test_skip_and_unsure_may_be_the_names_of_labels(tmp_path: Path, texts: list[str], word: str, other: str) -> None:
    pool = make_pool(tmp_path / "run", texts, label_names=[word, "keep"])
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    assert f"one of: {word}, keep (or {other!r}); rows" in ask_in_vain(pool, FileAnnotator())
    fill(pool.run_dir / "query-001.jsonl", {ids[0]: word, ids[1]: other})
    ask(pool.store, FileAnnotator())
    assert answers(pool) == [(ids[0], "label", word), (ids[1], other, None)]


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
    said = {answer.example_id: (_name_of(answer.label), answer.comment) for answer in pool.store.answers()}
    assert said == {ids[0]: ("positive", long), ids[1]: (None, "no text"), ids[3]: ("negative", None)}

    rows[2]["label"], rows[3]["comment"] = "negative", "irony?"  # filled in later
    write_rows(path, rows)
    add_query(pool, ids[4:5])
    ask_in_vain(pool, FileAnnotator(format))
    now = pool.store.current_answers()
    assert [(_name_of(now[i].label), now[i].comment) for i in ids[2:4]] == [
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


# -- errors: each is named, and nothing of the file is recorded ----------------------------------------------------


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
    line = {"jsonl": 2, "csv": 3, "conll": 8 + len(damaged[0]["text"])}[format]  # behind what is above it
    assert f"line {line}: " in said
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
    with pytest.raises(AnnotationError, match=f"{path.name} cannot be read: Is a directory"):
        ask(pool.store, FileAnnotator(format))


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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            b'"x00","never closed,positive',
            r"line 4: no CSV \(unexpected end of data\); is a quote missing\?",
        ),
        (b'"x00","she said "no"","","","positive",""', r"line 4: no CSV \(.*\); is a quote missing\?"),
        (b"x00,,,,positive,good, but long", r"line 4: more cells than columns; put cells with a ',' in quotes"),
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


def test_blank_lines_and_windows_line_ends_in_json_lines(pool: Pool) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2])
    fill(path, dict.fromkeys(ids[:2], "positive"))
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n\r\n"))
    ask(pool.store, FileAnnotator())
    assert pool.labels() == dict.fromkeys(ids[:2], "positive")


def test_label_that_is_no_string_in_json_lines(tmp_path: Path, texts: list[str]) -> None:
    pool = make_pool(tmp_path / "run", texts, label_names=["0", "1"])
    ids = ids_of(pool)
    path = write_query(pool, ids[:3])
    rows = read_rows(path)
    rows[0]["label"], rows[1]["label"] = 0, 1  # as a script would write them; 0 is a label, not a missing one
    write_rows(path, rows)
    ask(pool.store, FileAnnotator())
    assert pool.labels() == {ids[0]: "0", ids[1]: "1"}
    rows[2]["label"] = {"label": "1"}
    write_rows(path, rows)
    add_query(pool, ids[3:4])
    with pytest.raises(AnnotationError, match=r"line 3: .* is no label"):
        ask(pool.store, FileAnnotator())


def test_csv_without_its_label_column_or_its_header(pool: Pool) -> None:
    ids = ids_of(pool)
    path = write_query(pool, ids[:2], "csv")
    fill(path, dict.fromkeys(ids[:2], "positive"))
    good = path.read_bytes()
    rows = read_rows(path)

    write_rows(path, [{("Label" if k == "label" else k): v for k, v in row.items()} for row in rows])
    with pytest.raises(AnnotationError, match=r"no column 'label'; its columns are: .*'Label'"):
        ask(pool.store, FileAnnotator("csv"))
    for content in (good.partition(b"\r\n")[2], b"", b"sep=,\r\n" + good):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=r"query-001\.csv does not begin with the column 'id'"):
            ask(pool.store, FileAnnotator("csv"))
        assert path.read_bytes() == content
    assert answers(pool) == []


# -- what editors and spreadsheets do to a file --------------------------------------------------------------------


def test_re_spaced_text_is_the_same_text(tmp_path: Path, format: str) -> None:
    changed = {
        "  two  spaces,\tand a tab ": "two spaces, and a tab",
        "line one\r\nline two\n\nline four": "line one\nline two\nline four\n",
        "caf\u00e9 noir\u00a0!": "cafe\u0301 noir !",
        "nul\x00 bell\x07": "nul bell",
        "=1+1": "=1+1",
        "\uff1d1 + \ufb01x": "=1 + fix",
    }
    pool = make_pool(tmp_path / "run", list(changed))
    path = write_query(pool, ids_of(pool), format)
    rows = read_rows(path)
    write_rows(path, [{**r, "text": t, "label": "positive"} for r, t in zip(rows, changed.values(), strict=True)])
    ask(pool.store, FileAnnotator(format))
    assert len(pool.labels()) == len(changed)


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


def test_windows_code_page_is_refused_with_line_and_byte(tmp_path: Path, format: str) -> None:
    pool = make_pool(tmp_path / "run", ["plain", "a naïve film", "caf\u00e9"])
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    content = path.read_bytes().decode("utf-8-sig").replace('"label": null', '"label": "positive"')
    content = content.replace('"",""\r\n', '"positive",""\r\n')
    assert content.count("positive") == 3
    path.write_bytes(content.encode("cp1252"))
    line = 2 if format == "jsonl" else 3
    with pytest.raises(AnnotationError, match=rf"is not UTF-8 \(byte 0xef in line {line}\).*Save it again as UTF-8"):
        ask(pool.store, FileAnnotator(format))
    assert answers(pool) == []
    assert path.read_bytes() == content.encode("cp1252")


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


# -- hostile texts, names and ids ----------------------------------------------------------------------------------


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


# -- tags of words -------------------------------------------------------------------------------------------------


def annotator_says(pool: TagRun, path: Path) -> dict[str, Any]:
    """What is recorded of a filled file, and that nothing is left to ask."""
    ask(pool.store, FileAnnotator(path.suffix[1:]))
    return {i: a.label if a.action == "label" else a.action for i, a in pool.store.current_answers().items()}


@pytest.fixture(scope="module")
def sentences() -> list[dict[str, list[str]]]:
    return list(islice(read_file(resolve_path("package:neuroner/data/conll2003/en/train.txt")), 200))


@pytest.mark.parametrize("format", ["jsonl", "conll"])
def test_tags_of_real_sentences_survive_the_file(
    tmp_path: Path, sentences: list[dict[str, list[str]]], format: str
) -> None:
    pool = TagRun(tmp_path / "run", [row["tokens"] for row in sentences])
    path = write_query(pool, ids_of(pool), format, suggestion="negative")
    rows = read_rows(path)
    assert [row["text"] for row in rows] == [row["tokens"] for row in sentences]
    assert [row["suggestion"] for row in rows] == [["O"] * len(row["tokens"]) for row in sentences]
    tags = {row["id"]: gold["ner_tags"] for row, gold in zip(rows, sentences, strict=True)}
    write_rows(path, [{**row, "label": tags[row["id"]]} for row in rows])
    assert annotator_says(pool, path) == tags
    assert sum(len(set(t)) > 1 for t in tags.values()) > 100


def test_conll_file_is_what_a_person_sees(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", [["Ann", "met", "1\\/2"], "Bob's."])
    add_query(pool, ["s1"])
    path = write_query(pool, ["s0"], "conll", suggestion="positive")
    head = "# id = s0\n# comment =\n# answer =\n"
    assert path.read_text() == head + "Ann\tB-PER\t_\nmet\tO\t_\n1\\/2\tO\t_\n\n"
    tagless = (pool.run_dir / "query-001.conll").read_text()
    rows = "".join(f"{word}\t_\t_\n" for word in ["Bob", "'", "s", "."])
    assert tagless == f"# id = s1\n# comment =\n# answer =\n{rows}\n"


def test_jsonl_rows_of_raw_text_have_their_words(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", ["Bob's."])
    (row,) = read_rows(write_query(pool, ["s0"]))
    assert row == {
        "id": "s0",
        "text": "Bob's.",
        "tokens": ["Bob", "'", "s", "."],
        "suggestion": None,
        "confidence": None,
        "label": None,
        "comment": None,
    }


def test_columns_called_tokens(tmp_path: Path) -> None:
    for number, (text, expected) in enumerate(
        [(["Ann"], {"tokens": ["Ann"]}), ("Ann", {"text_tokens": "Ann", "tokens": ["Ann"]})]
    ):
        pool = TagRun(tmp_path / f"run{number}", [])
        pool.store.add_query(Query(1, "round", "random", 0, (Queried("s0", "c", {"tokens": text}),)))
        ask_in_vain(pool, FileAnnotator())
        (row,) = read_rows(pool.run_dir / "query-001.jsonl")
        assert {name: value for name, value in row.items() if "tokens" in name} == expected
        fill(pool.run_dir / "query-001.jsonl", {"s0": ["B-PER"]})
        assert annotator_says(pool, pool.run_dir / "query-001.jsonl") == {"s0": ["B-PER"]}


RAW = "Ann Baker met नरेन्द्र मोदी in 北京."
RAW_TAGS = ["B-PER", "I-PER", "O", "B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"]


@pytest.mark.parametrize(
    ("text", "said", "tags"),
    [
        (RAW, RAW_TAGS, RAW_TAGS),
        (RAW, spans_from_tags(RAW, RAW_TAGS), RAW_TAGS),
        (RAW, [{"start": 4, "end": 9, "label": " per "}], ["O", "B-PER", *["O"] * 7]),  # as only one can be meant
        (RAW, [], ["O"] * 9),
        ("", [], []),
        (["Ann", "Baker"], ["b-per", " I-PER\n"], ["B-PER", "I-PER"]),
        ([], [], []),
    ],
)
def test_tags_may_be_spans_and_differ_in_capitals(tmp_path: Path, text: Any, said: Any, tags: list[str]) -> None:
    pool = TagRun(tmp_path / "run", [text])
    path = write_query(pool, ["s0"])
    write_rows(path, [{**row, "label": said} for row in read_rows(path)])
    assert annotator_says(pool, path) == {"s0": tags}


def test_spans_are_written_in_the_scheme_of_the_run(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", [RAW], names=tag_names(["PER", "LOC"], "BILOU"))
    pool.store.set_meta("scheme", "BILOU")
    path = write_query(pool, ["s0"])
    fill(path, {"s0": [{"start": 0, "end": 9, "label": "PER"}, {"start": 10, "end": 13, "label": "LOC"}]})
    assert annotator_says(pool, path) == {"s0": ["B-PER", "L-PER", "U-LOC", *["O"] * 6]}


@pytest.mark.parametrize("format", ["jsonl", "conll"])
def test_raw_text_comes_back_from_its_file(tmp_path: Path, format: str) -> None:
    pool = TagRun(tmp_path / "run", [RAW, " \n"])
    path = write_query(pool, ids_of(pool), format)
    if format == "jsonl":
        fill(path, {"s0": spans_from_tags(RAW, RAW_TAGS), "s1": "skip"})
    else:
        first, second, _ = path.read_text().split("\n\n")
        for tag in RAW_TAGS:
            first = first.replace("\t_\t_", f"\t_\t{tag}", 1)
        path.write_text(first + "\n\n" + second.replace("# answer =", "# answer = skip"))  # the one without words
    assert annotator_says(pool, path) == {"s0": RAW_TAGS, "s1": "skip"}


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        (["Ann", "met"], ["B-PER"], "line 1: 1 tags for 2 words: 'Ann met'; every word needs one tag"),
        (["Ann", "met"], ["B-PER", "O", "O"], "line 1: 3 tags for 2 words"),
        (["Ann", "met"], [], "line 1: 0 tags for 2 words"),
        (
            ["Ann", "met"],
            ["B-PER", "o-per"],
            "line 1: 'o-per', the tag of word 2 ('met'), is unknown; the tags are: O,",
        ),
        (
            ["Ann", "met"],
            ["B-PER", None],
            "line 1: \"['B-PER', None]\" is no list of tags: expected one for each of 2",
        ),
        (["Ann"], [{"start": 0, "end": 3, "label": "PER"}], "is no list of tags: expected one for each of 1 words"),
        (["Ann"], "B-PER", "line 1: 'B-PER' is no list of tags, and neither 'skip' nor 'unsure'"),
        (["Ann"], 1, "line 1: '1' is no list of tags"),
        (["Ann"], {"label": "PER"}, "is no list of tags"),
        ("Ann met", ["B-PER"], "line 1: 1 tags for 2 words"),
        (
            "Ann met",
            [{"start": 0, "end": 3, "label": "DOG"}],
            "'DOG'} is no entity type; the types are: PER, LOC, ORG",
        ),
        ("Ann met", [{"start": 0, "end": 3}], "the 'label' of the span {'start': 0, 'end': 3} is no entity type"),
        ("Ann met", [{"start": 0, "end": 2, "label": "PER"}], "0 to 2 (PER, 'An') does not begin and end with a word"),
        ("Ann met", [{"start": 4, "end": 8, "label": "PER"}], "4 to 8 (PER) is outside the text of 7 characters"),
        ("Ann met", [{"start": 3, "end": 3, "label": "PER"}], "3 to 3 (PER) is empty"),
        (
            "Ann",
            [{"start": 0, "end": 3, "label": "PER"}, {"start": 0, "end": 3, "label": "LOC"}],
            "overlap: a word can",
        ),
        ("Ann met", [{"start": 0, "end": 3, "label": "PER"}, "O"], "is no list of tags"),
    ],
)
def test_tags_that_cannot_be_recorded(tmp_path: Path, text: Any, said: Any, message: str) -> None:
    pool = TagRun(tmp_path / "run", [text, ["good"]])
    path = write_query(pool, ids_of(pool))
    first, second = read_rows(path)
    write_rows(path, [{**first, "label": said}, {**second, "label": ["O"]}])
    content = path.read_bytes()
    with pytest.raises(AnnotationError, match=re.escape(message)):
        ask(pool.store, FileAnnotator())
    assert answers(pool) == []
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("text", ["Ann", "meets"], "the words are not those of 's0' ('meets' instead of 'met' as word 2); were rows"),
        ("text", ["Ann"], "(1 words instead of 2)"),
        ("text", "Ann met", "('Ann met' instead of a list of words)"),
        ("text", ["Ann", None], "(None instead of 'met' as word 2)"),
        ("tokens", ["Bob", "s"], "the words are not those of 's1' (2 words instead of 3)"),
        ("text", "Rob's", "the text in 'text' is not the text of 's1'"),
    ],
)
def test_words_that_were_changed(tmp_path: Path, column: str, value: Any, message: str) -> None:
    pool = TagRun(tmp_path / "run", [["Ann", "met"], "Bob's"])
    path = write_query(pool, ids_of(pool))
    rows = read_rows(path)
    rows["'s1'" in message][column] = value
    write_rows(path, [{**row, "label": ["O"]} for row in rows])
    with pytest.raises(AnnotationError, match=re.escape(message)):
        ask(pool.store, FileAnnotator())
    write_rows(path, [{k: v for k, v in r.items() if k not in ("text", "tokens")} | {"label": "skip"} for r in rows])
    assert annotator_says(pool, path) == {"s0": "skip", "s1": "skip"}  # their columns may be left out


def edit_conll(path: Path, *changes: tuple[str, str]) -> None:
    content = path.read_text()
    for old, new in changes:
        assert old in content
        content = content.replace(old, new, 1)
    path.write_text(content)


@pytest.mark.parametrize(
    ("changes", "recorded"),
    [
        ([("Ann\tB-PER\t_", "Ann\tB-PER\tO"), ("met\tO\t_", "met\tO\tO")], ["O", "O"]),
        ([("Ann\tB-PER\t_", "Ann\t_\tb-loc"), ("met\tO\t_", "met\t_\tO ")], ["B-LOC", "O"]),
        ([("# answer =", "# answer = accept")], ["B-PER", "O"]),
        ([("# answer =", "# answer = accept"), ("met\tO\t", "met\tB-LOC\t")], ["B-PER", "B-LOC"]),
        ([("# answer =", "# answer = Skip")], "skip"),
        ([("# answer =", "# answer=unsure")], "unsure"),
        ([("# comment =\n# answer =\n", "# answer = skip\n"), ("\n", "\r\n")], "skip"),
        ([("# id", "# note = mine\n# id"), ("# answer =", "# answer = accept")], ["B-PER", "O"]),
        ([("\tB-PER\t_", "   B-PER  B-LOC"), ("\tO\t_", " O O"), ("\tB-PER\t_", " B-PER _")], ["B-LOC", "O"]),
    ],
)
def test_what_may_be_filled_in_in_columns(tmp_path: Path, changes: list[tuple[str, str]], recorded: Any) -> None:
    pool = TagRun(tmp_path / "run", [["Ann", "met"], ["left", "open"]])
    path = write_query(pool, ids_of(pool), "conll", suggestion="positive")
    if len(changes) == 3 and changes[0][0].startswith("\t"):
        changes = [*changes, ("\tO\t_", " O _")]  # an editor has made blanks of all tabs
    edit_conll(path, *changes)
    assert annotator_says(pool, path) == {"s0": recorded}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([("Ann\tO\t_", "Ann\tO\tO")], "line 5: 'met' has no tag, as others of its sentence have"),
        ([("met\tO\t_", "met\tO\tO")], "line 4: 'Ann' has no tag, as others"),
        (
            [("Ann\tO\t_", "Ann\tO\tO"), ("met\tO\t_", "met\tO\tDOG")],
            "line 4: 'DOG', the tag of word 2 ('met'), is un",
        ),
        ([("# answer =", "# answer = postpone")], "line 4: the answer 'postpone' is none of: accept, skip, unsure"),
        ([("# answer =", "# answer = accept"), ("\tO\t_", "\tO\tO")], "the sentence has tags and the answer 'accept'"),
        ([("# answer =", "# answer = accept"), ("met\tO", "met\t_")], "line 4: there are no suggested tags to accept"),
        ([("# id = s0\n", "")], "line 3: no example has the id None"),
        ([("met\tO\t_\n", "")], "the words are not those of 's0' (1 words instead of 2)"),
        ([("met\tO\t_", "meets\tO\t_")], "('meets' instead of 'met' as word 2)"),
        ([("met\tO\t_", "met\tO _")], "line 5: 2 columns, but 3 in the first line of the file"),
        ([("\tO\t_", "\tO"), ("\tO\t_", "\tO"), ("\tO\t_", "\tO"), ("\tO\t_", "\tO")], "lines without three columns"),
    ],
)
def test_columns_that_cannot_be_recorded(tmp_path: Path, changes: list[tuple[str, str]], message: str) -> None:
    pool = TagRun(tmp_path / "run", [["Ann", "met"], ["a", "good", "one"]][: 3 if len(changes) < 4 else 1])
    pool = pool if len(changes) < 4 else TagRun(tmp_path / "run2", [["Ann", "met"], ["a", "b"]])
    path = write_query(pool, ids_of(pool), "conll", suggestion="negative")
    edit_conll(path, *changes)
    content = path.read_bytes()
    with pytest.raises(AnnotationError, match=re.escape(message)) as caught:
        ask(pool.store, FileAnnotator("conll"))
    assert str(path) in str(caught.value)
    assert answers(pool) == []
    assert path.read_bytes() == content


def test_every_error_of_a_conll_file_is_named(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", [["a", "b"]] * 4)
    path = write_query(pool, ids_of(pool), "conll")
    blocks = path.read_text().split("\n\n")
    blocks[0] = blocks[0].replace("b\t_\t_", "b\t_")
    blocks[1] = blocks[1].replace("b\t_\t_", "b\t_\tO")
    blocks[2] = blocks[2].replace("\t_\t_", "\t_\tX")
    path.write_text("\n\n".join(blocks))
    with pytest.raises(AnnotationError, match="has 3 errors") as caught:
        ask(pool.store, FileAnnotator("conll"))
    assert re.findall(r"line (\d+): ", str(caught.value)) == ["5", "10", "16"]


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


def test_skip_is_no_tag_where_a_tag_is_called_so(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", [["Ann"], ["Bob"]], names=["O", "skip"])
    path = write_query(pool, ids_of(pool))
    fill(path, {"s0": "skip", "s1": ["skip"]})
    assert annotator_says(pool, path) == {"s0": "skip", "s1": ["skip"]}
    assert [a.action for a in pool.store.answers()] == ["skip", "label"]


@pytest.mark.parametrize("format", ["jsonl", "conll"])
def test_hostile_words_ids_and_tags_survive_the_file(tmp_path: Path, format: str) -> None:
    odd = [*(text[:1500] for text in HOSTILE.values()), "-DOCSTART-", "#", "# id = s0", "#a=b", "\\e", "\\u0020", "_"]
    ids = [f"s{n}" if not text.strip() or len(text) > 1000 else text for n, text in enumerate(odd)]
    names = ["O", *(f"B-{text}" for text in odd if 0 < len(text.strip()) < 1000)]
    pool = TagRun(
        tmp_path / "run",
        [[word, "and", word] for word in odd] + odd,
        ids + [f"raw{n}" for n in range(len(odd))],
        names,
    )
    path = write_query(pool, ids_of(pool), format)
    expected = {}
    if format == "jsonl":
        rows = read_rows(path)
        assert [row["text"] for row in rows] == list(pool.texts_by_id.values())
        for n, row in enumerate(rows):
            count = len(row["text"]) if isinstance(row["text"], list) else len(row["tokens"])
            row["label"] = expected[row["id"]] = [names[n % len(names)]] * count
        write_rows(path, rows)
    else:  # by a program that knows our escapes
        written = []
        for n, sentence in enumerate(read_sentences(path.read_text("utf-8"), "it")):
            i = sentence.comments["id"]
            assert sentence.words == words_of(pool.texts_by_id[i])
            expected[i] = [names[n % len(names)]] * len(sentence.words)
            columns = [["_", tag] for tag in expected[i]]
            written.append(write_sentence(sentence.words, columns, {"id": i, "answer": "" if columns else "accept"}))
        path.write_text("".join(written), "utf-8", newline="")
    assert annotator_says(pool, path) == expected
    assert list(expected) == ids_of(pool)


@pytest.mark.parametrize("format", ["jsonl", "conll"])
def test_messages_about_tags_show_no_long_cells_and_obey_no_escape_codes(tmp_path: Path, format: str) -> None:
    ids = ["\x1b[2Ja", "\u202eb", "c" * 10_000, "d"]
    pool = TagRun(tmp_path / "run", [["x"]] * 4, ids)
    path = write_query(pool, ids, format)
    odd = ["\x1b[2J", "\u202e" * 100_000, "x" * 100_000]
    if format == "jsonl":
        rows = read_rows(path)
        rows[0]["label"], rows[1]["text"], rows[2]["label"], rows[3]["label"] = (
            [odd[0]],
            [odd[1]],
            odd[2],
            [{1: odd[1]}],
        )
        write_rows(path, rows)
    else:
        tags = [([odd[0]], "x"), (["O"], odd[1]), ([odd[2]], "x"), (["_"], "x")]
        blocks = [
            write_sentence([word], [["_", *tag]], {"id": i, "answer": odd[1] if tag == ["_"] else ""})
            for i, (tag, word) in zip(ids, tags, strict=True)
        ]
        path.write_text("".join(blocks), "utf-8")
    with pytest.raises(AnnotationError) as caught:
        ask(pool.store, FileAnnotator(format))
    said = str(caught.value)
    assert said.startswith(f"{path} has 4 errors")
    assert len(said) < 3000
    assert said.replace("\n", "").isprintable()


# -- sets of labels ------------------------------------------------------------------------------------------------


def set_pool(run_dir: Path, texts: Sequence[str], names: Sequence[str] = ("PER", "LOC", "ORG")) -> Pool:
    return make_pool(run_dir, texts, label_names=names, task="multi_label_classification")


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


@pytest.mark.parametrize(
    ("said", "label"),
    [
        ("PER", ["PER"]),
        ("ORG | PER", ["PER", "ORG"]),
        ("org;per", ["PER", "ORG"]),
        ("Loc, ORG", ["LOC", "ORG"]),
        ("none", []),
        (" None ", []),
        ("[]", []),
        ("", None),
        ("skip", "skip"),
        ("Unsure", "unsure"),
    ],
)
def test_sets_as_cells(tmp_path: Path, format: str, said: str, label: Any) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b"])
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    fill(path, {ids[0]: said, ids[1]: "PER"})
    ask(pool.store, FileAnnotator(format))
    found = {a.example_id: a.action if a.label is None else a.label for a in pool.store.answers()}
    assert found == {ids[1]: ["PER"]} | ({} if label is None else {ids[0]: label})


@pytest.mark.parametrize(
    ("said", "label"), [(["ORG", "per"], ["PER", "ORG"]), ([], []), ([" LOC "], ["LOC"]), (None, None)]
)
def test_sets_as_lists(tmp_path: Path, said: Any, label: Any) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b"])
    ids = ids_of(pool)
    path = write_query(pool, ids, "jsonl")
    fill(path, {ids[0]: said, ids[1]: []})
    ask(pool.store, FileAnnotator("jsonl"))
    assert pool.labels() == {ids[1]: []} | ({} if label is None else {ids[0]: label})


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("PER | CITY", "line 2: 'CITY' is no label; the labels are: PER, LOC, ORG"),
        ("PER | per", "line 2: the label 'PER' is there twice"),
        ("PER | skip", "line 2: 'skip' is no label"),
        ("none | PER", "line 2: 'none' is no label"),
        (["PER", "PER"], "line 2: the label 'PER' is there twice"),
        (["PER", 1], "line 2: .* is no list of labels"),
        ([["PER"]], "line 2: .* is no list of labels"),
        ({"PER": 1}, "line 2: .* is no label"),
        (True, "line 2: 'True' is no label"),
    ],
)
def test_sets_that_cannot_be_recorded(tmp_path: Path, said: Any, message: str) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b"])
    ids = ids_of(pool)
    for format in ["jsonl", "csv"] if isinstance(said, str) else ["jsonl"]:
        add_query(pool, ids)
        path = pool.run_dir / f"query-{len(pool.store.queries()):03d}.{format}"
        ask_in_vain(pool, FileAnnotator(format))
        fill(path, {ids[0]: "PER", ids[1]: said})
        line = message if format == "jsonl" else message.replace("line 2", "line 3")
        with pytest.raises(AnnotationError, match=line):
            ask(pool.store, FileAnnotator(format))
        assert pool.labels() == {}
        path.unlink()


def test_labels_called_like_what_may_be_said_instead(tmp_path: Path, format: str) -> None:
    pool = set_pool(tmp_path / "run", ["a", "b", "c"], names=["None", "skip", "a|b"])
    ids = ids_of(pool)
    path = write_query(pool, ids, format)
    fill(path, {ids[0]: "none; skip", ids[1]: "[]", ids[2]: "a|b"})
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == {ids[0]: ["None", "skip"], ids[1]: [], ids[2]: ["a|b"]}


def test_names_that_have_no_place_in_a_cell(tmp_path: Path) -> None:
    pool = set_pool(tmp_path / "run", ["a"], names=["a|b", "c;d", "e,f"])
    add_query(pool, ids_of(pool))
    with pytest.raises(ArgumentError, match="nothing is left to separate them in a cell: take a format with lists"):
        ask(pool.store, FileAnnotator("csv"))
    ask_in_vain(pool, FileAnnotator("jsonl"))
    fill(pool.run_dir / "query-001.jsonl", {ids_of(pool)[0]: ["a|b", "e,f"]})
    ask(pool.store, FileAnnotator("jsonl"))
    assert pool.labels() == {ids_of(pool)[0]: ["a|b", "e,f"]}


def test_hostile_names_in_sets_survive_the_file(tmp_path: Path, format: str) -> None:
    names = [text for text in HOSTILE.values() if 0 < len(text.strip()) < 1000 and "|" not in text]
    names = list(dict.fromkeys(name.strip() for name in names))
    pool = set_pool(tmp_path / "run", ["a", "b"], names)
    ids = ids_of(pool)
    add_query(pool, ids, names)
    ask_in_vain(pool, FileAnnotator(format))
    path = pool.run_dir / f"query-001.{format}"
    rows = read_rows(path)
    write_rows(path, [row | {"label": row["suggestion"]} for row in rows])
    ask(pool.store, FileAnnotator(format))
    assert pool.labels() == dict.fromkeys(ids, names)


# -- the simulated annotator ---------------------------------------------------------------------------------------


def test_simulated_annotator_reveals_the_hidden_labels(tmp_path: Path, reviews: Dataset) -> None:
    data = reviews.select(range(7, 17))
    pool = Pool(data, tmp_path / "run", "text", label_column="label")
    ids = ids_of(pool)
    asked = [ids[8], ids[1], ids[4]]
    add_query(pool, asked)
    assert pool.labels() == {}
    ask(pool.store, SimulatedAnnotator(pool))
    assert answers(pool) == [(ids[i], "label", NAMES[data["label"][i]]) for i in (8, 1, 4)]
    assert {a.annotator for a in pool.store.answers()} == {"simulated"}
    assert pool.store.open_queries() == []
    assert sorted(unlabeled_ids(pool)) == sorted(set(ids) - set(asked))


@pytest.mark.parametrize("column", [["b", "a", "b"], [1, 0, 1]], ids=["strings", "integers"])
def test_simulated_annotator_knows_labels_without_a_class_label(tmp_path: Path, column: list[Any]) -> None:
    data = Dataset.from_dict({"text": ["one", "two", "three"], "gold": column})
    pool = Pool(data, tmp_path / "run", "text", label_column="gold", label_names=["a", "b"])
    ids = ids_of(pool)
    add_query(pool, ids)
    ask(pool.store, SimulatedAnnotator(pool, name="gold"))
    assert pool.labels() == {ids[0]: "b", ids[1]: "a", ids[2]: "b"}
    assert {a.annotator for a in pool.store.answers()} == {"gold"}


def test_simulated_annotator_goes_on_with_what_is_open(tmp_path: Path, reviews: Dataset) -> None:
    pool = Pool(reviews.select(range(4)), tmp_path / "run", "text", label_column="label")
    ids = ids_of(pool)
    add_query(pool, ids)
    annotator = SimulatedAnnotator(pool)
    pool.record(Answer(ids[2], NAMES[0], annotator="simulated", query=1))  # and then the process was killed
    ask(pool.store, annotator)
    ask(pool.store, annotator)
    assert [i for i, _, _ in answers(pool)] == [ids[2], ids[0], ids[1], ids[3]]


def test_simulated_annotator_needs_labels(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "none", ["a", "b"])
    with pytest.raises(ArgumentError, match="label_column"):
        SimulatedAnnotator(pool)

    data = Dataset.from_dict({"text": ["a", "b", "c"], "gold": ["x", "y", None]})
    pool = Pool(data, tmp_path / "some", "text", label_column="gold")
    ids = ids_of(pool)
    assert pool.labels() == {ids[0]: "x", ids[1]: "y"}  # known from the start where not all are
    add_query(pool, ids[2:])
    with pytest.raises(AnnotationError, match=rf"example {ids[2]} has no label in column 'gold'.*FileAnnotator"):
        ask(pool.store, SimulatedAnnotator(pool))
