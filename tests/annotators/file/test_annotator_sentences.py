"""Files of queries in which words are tagged: JSON Lines and CoNLL columns."""

import re
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.references import resolve_path
from hfal.errors import AnnotationError
from hfal.store.records import Queried, Query
from hfal.tasks.conll import read_file, read_sentences, write_sentence
from hfal.tasks.spans import spans_from_tags
from hfal.tasks.words import words_of
from support.hostile import HOSTILE
from support.query_files import (
    RAW,
    RAW_TAGS,
    TagRun,
    add_query,
    annotator_says,
    answers,
    ask_in_vain,
    fill,
    ids_of,
    read_rows,
    write_query,
    write_rows,
)


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


def test_what_may_be_filled_in_is_one_line(tmp_path: Path) -> None:
    for number, text in enumerate([["Ann"], "Ann"]):
        pool = TagRun(tmp_path / f"run{number}", [text])
        add_query(pool, ["s0"])
        said = ask_in_vain(pool, FileAnnotator()).splitlines()
        assert said[1].startswith("    Fill in the column 'label' with a list that has a tag for each word: O, B-PER")
        assert ('; or a list of spans: [{"start": 0' in said[1]) == isinstance(text, str)
        assert said[1].endswith("; rows may stay empty.")
        assert said[2:] == ["    Leave the file there and start the run again."]


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
        ([("met\tO\t_\n", "")], "the words are not those of 's0' (1 word instead of 2)"),
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
