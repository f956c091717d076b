"""What somebody wrote into a file, and which answer was meant."""

import re
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.asking import ask
from hfal.annotators.file.annotator import FileAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError
from hfal.tasks.spans import spans_from_tags
from hfal.tasks.tags import tag_names
from support.query_files import (
    RAW,
    RAW_TAGS,
    TagRun,
    add_query,
    all_tasks,
    annotator_says,
    answers,
    ask_in_vain,
    fill,
    ids_of,
    make_pool,
    read_rows,
    set_pool,
    unlabeled_ids,
    write_query,
    write_rows,
)


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


@all_tasks
def test_texts_that_a_program_has_made_up_may_make_no_sense(pool: Pool, format: str) -> None:
    ids = ids_of(pool)
    add_query(pool, ids[:1])
    assert "nonsense" not in ask_in_vain(pool, FileAnnotator(format))
    pool.store.close_query(1)
    add_query(pool, ids[1:4], made_up=ids[2:4])
    path = pool.run_dir / f"query-002.{format}"
    assert "; 'nonsense' is for texts that a program has made up" in ask_in_vain(pool, FileAnnotator(format))
    fill(path, {ids[1]: "Nonsense", ids[2]: "NONSENSE ", ids[3]: "positive"})
    with pytest.raises(AnnotationError, match="'nonsense' is for texts that a program has made up, not for this one"):
        ask(pool.store, FileAnnotator(format))
    fill(path, {ids[1]: "skip"})
    ask(pool.store, FileAnnotator(format))
    assert answers(pool) == [(ids[1], "skip", None), (ids[2], "nonsense", None), (ids[3], "label", "positive")]
    add_query(pool, ids[4:5])  # the file is read again with a later query
    ask_in_vain(pool, FileAnnotator(format))
    assert len(answers(pool)) == 3
    assert not {*ids[1:4]} & {*unlabeled_ids(pool)}


@pytest.mark.parametrize(("word", "other"), [("skip", "unsure"), ("unsure", "skip")])
def test_skip_and_unsure_may_be_the_names_of_labels(tmp_path: Path, texts: list[str], word: str, other: str) -> None:
    pool = make_pool(tmp_path / "run", texts, label_names=[word, "keep"])
    ids = ids_of(pool)
    add_query(pool, ids[:2])
    assert f"one of: {word}, keep (or {other!r}); rows" in ask_in_vain(pool, FileAnnotator())
    fill(pool.run_dir / "query-001.jsonl", {ids[0]: word, ids[1]: other})
    ask(pool.store, FileAnnotator())
    assert answers(pool) == [(ids[0], "label", word), (ids[1], other, None)]


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


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        (["Ann", "met"], ["B-PER"], "line 1: 1 tag for 2 words: 'Ann met'; every word needs one tag"),
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
        (["Ann"], [{"start": 0, "end": 3, "label": "PER"}], "is no list of tags: expected one for each of 1 word"),
        (["Ann"], "B-PER", "line 1: 'B-PER' is no list of tags, and neither 'skip' nor 'unsure'"),
        (["Ann"], 1, "line 1: '1' is no list of tags"),
        (["Ann"], {"label": "PER"}, "is no list of tags"),
        ("Ann met", ["B-PER"], "line 1: 1 tag for 2 words"),
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
        ("text", ["Ann"], "(1 word instead of 2)"),
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


def test_skip_is_no_tag_where_a_tag_is_called_so(tmp_path: Path) -> None:
    pool = TagRun(tmp_path / "run", [["Ann"], ["Bob"]], names=["O", "skip"])
    path = write_query(pool, ids_of(pool))
    fill(path, {"s0": "skip", "s1": ["skip"]})
    assert annotator_says(pool, path) == {"s0": "skip", "s1": ["skip"]}
    assert [a.action for a in pool.store.answers()] == ["skip", "label"]


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
        line = message if format == "jsonl" else message.replace("line 2", "row 3")
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
