"""Several people with a file each: who gets which texts, and what is read of their files."""

import random
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.asking import ask, collect, open_query, take_in_files
from hfal.annotators.file.annotator import FileAnnotator
from hfal.annotators.file.file_log import FileLog
from hfal.annotators.file.parts import Part, file_name_of, files_of_people, further_parts
from hfal.annotators.terminal.annotator import TerminalAnnotator
from hfal.cli.describe import describe_run
from hfal.data.pool import Pool
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.records import Answer, Query
from hfal.store.run_info import RunPlan
from hfal.utils import files
from support.query_files import add_query, all_tasks, ask_in_vain, fill, ids_of, make_pool, name_of, read_rows


TEAM = ["anna", "ben", "carl"]


def ask_several(pool: Any, ids: Sequence[str], opinions: Any, annotators: Sequence[str] = TEAM) -> Query:
    """Record a query that wants so many opinions on each of these examples."""
    store = pool.store
    query = add_query(pool, ids)
    with store.at_once():
        store._db.write(
            "UPDATE queries SET settings = json_set(settings, '$.opinions', json(?)) WHERE query = ?",
            str(opinions).replace("'", '"'),
            query.number,
        )
    store.set_plan(RunPlan(annotators=list(annotators), aggregate_labels="majority"))
    return next(one for one in store.queries() if one.number == query.number)


def ids_in(path: Path) -> list[str]:
    return [row["id"] for row in read_rows(path)]


def said(pool: Any) -> set[tuple[str, str, str | None, str]]:
    return {(a.example_id, a.annotator, name_of(a.label), a.action) for a in pool.store.answers()}


@all_tasks
def test_each_person_has_a_file_and_what_is_filled_in_is_recorded_under_their_name(pool: Any, format: str) -> None:
    ids = ids_of(pool)[:6]
    ask_several(pool, ids, 2)
    message = ask_in_vain(pool, FileAnnotator(format, annotators=TEAM))
    paths = {name: pool.run_dir / f"query-001.{name}.{format}" for name in TEAM}
    assert sorted(path.name for path in pool.run_dir.glob("query-*")) == sorted(path.name for path in paths.values())
    has = {name: ids_in(path) for name, path in paths.items()}
    assert sorted(Counter(i for of in has.values() for i in of).values()) == [2] * 6
    assert {len(set(of)) for of in has.values()} == {4}  # 12 opinions for three people
    assert all(of == [i for i in ids if i in of] for of in has.values())  # in the order of the query
    assert message.startswith("Query 1 (of round 1): 6 texts wait in these files:\n")
    for name, path in paths.items():
        assert f"    {path} ({name}): 4 of 4 left\n" in message

    fill(paths["anna"], dict.fromkeys(has["anna"], "positive"))
    fill(paths["ben"], dict.fromkeys(has["ben"][:3], "negative"))
    message = ask_in_vain(pool, FileAnnotator(format, annotators=TEAM))
    assert str(paths["anna"]) not in message  # nothing is left in it
    assert f"{paths['ben']} (ben): 1 of 4 left" in message
    assert f"{paths['carl']} (carl): 4 of 4 left" in message
    of_anna = {(i, "anna", "positive", "label") for i in has["anna"]}
    of_ben = {(i, "ben", "negative", "label") for i in has["ben"][:3]}
    assert said(pool) == of_anna | of_ben  # though they differ on texts that both have
    assert len(of_anna) + len(of_ben) == len({(i, name) for i, name, _, _ in said(pool)}) == 7

    fill(paths["carl"], {has["carl"][0]: "skip"})
    ask(pool.store, FileAnnotator(format, annotators=TEAM))  # something in each: the rest may stay empty
    assert pool.store.open_queries() == []
    assert said(pool) == of_anna | of_ben | {(has["carl"][0], "carl", None, "skip")}

    fill(paths["ben"], {has["ben"][0]: "positive", has["ben"][3]: "positive"})  # late, and a correction
    before = len(pool.store.answers())
    collect(pool.store, FileAnnotator(format, annotators=TEAM))
    late = [(a.example_id, a.annotator, a.action) for a in pool.store.answers()[before:]]
    assert sorted(late) == sorted([(has["ben"][0], "ben", "correct"), (has["ben"][3], "ben", "label")])
    collect(pool.store, FileAnnotator(format, annotators=TEAM))
    assert len(pool.store.answers()) == before + 2


def test_one_opinion_each_is_dealt_without_overlap_and_evenly(pool: Pool) -> None:
    ids = ids_of(pool)
    ask_several(pool, ids, 1)
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    has = [ids_in(pool.run_dir / f"query-001.{name}.csv") for name in TEAM]
    assert sorted(i for of in has for i in of) == sorted(ids)
    assert sorted(map(len, has)) == [2, 3, 3]  # of eight


def test_who_has_answered_a_text_does_not_get_it(pool: Pool) -> None:
    ids = ids_of(pool)[:4]
    ask_several(pool, ids, 2)
    for name in ("anna", "ben"):
        pool.record(Answer(ids[0], "positive", annotator=name, query=1))
    pool.record(Answer(ids[1], "positive", annotator="anna", query=1))
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    has = {name: ids_in(pool.run_dir / f"query-001.{name}.csv") for name in TEAM}
    everything = [i for of in has.values() for i in of]
    assert Counter(everything) == {ids[1]: 1, ids[2]: 2, ids[3]: 2}
    assert ids[1] not in has["anna"]


def test_who_is_left_with_nothing_has_no_file(pool: Pool) -> None:
    ask_several(pool, ids_of(pool)[:2], 1)
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    assert len(list(pool.run_dir.glob("query-001.*.csv"))) == 2


def test_more_opinions_than_people_wait_for_nobody(pool: Pool) -> None:
    ids = ids_of(pool)[:2]
    ask_several(pool, ids, 3, ["anna", "ben"])
    annotator = FileAnnotator("csv", annotators=["anna", "ben"])
    ask_in_vain(pool, annotator)
    for name in ("anna", "ben"):
        fill(pool.run_dir / f"query-001.{name}.csv", dict.fromkeys(ids, "positive"))
    ask(pool.store, annotator)
    assert (pool.store.open_queries(), len(pool.store.answers())) == ([], 4)


@pytest.mark.parametrize("count", [2, 3, 4, 5])
@pytest.mark.parametrize("opinions", [1, 2, 3])
def test_all_pairs_of_people_get_texts_together_and_all_as_many(tmp_path: Path, count: int, opinions: int) -> None:
    people = ["anna", "ben", "carl", "dora", "emil"][:count]
    pool = make_pool(tmp_path / "run", [f"text {n}" for n in range(60)])
    opinions = min(opinions, count)
    query = ask_several(pool, ids_of(pool), opinions, people)
    parts = further_parts(open_query(pool.store, query), people, [])
    sizes = [len(part.example_ids) for part in parts]
    assert sum(sizes) == 60 * opinions
    assert max(sizes) - min(sizes) <= 1
    together = Counter(
        pair
        for i in ids_of(pool)
        for pair in combinations(sorted(part.name for part in parts if i in part.example_ids), 2)
    )
    assert len(together) == (0 if opinions == 1 else count * (count - 1) // 2)
    assert parts == further_parts(open_query(pool.store, query), people, [])


# -- started again -------------------------------------------------------------------------------------------------


def test_killed_while_it_writes_files_it_goes_on_with_the_same(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ids = ids_of(pool)
    ask_several(pool, ids, 2)
    whole = make_pool(tmp_path / "whole", [text["text"] for text in pool.texts(range(len(ids)))])
    ask_several(whole, ids, 2)
    ask_in_vain(whole, FileAnnotator("csv", annotators=TEAM))
    wanted = {path.name: path.read_bytes() for path in whole.run_dir.glob("query-*")}
    assert len(wanted) == 3

    original, written = files.os.replace, []

    def killed_at_the_second(source: Any, target: Any) -> None:
        if len(written) == 1:
            raise KeyboardInterrupt
        written.append(target)
        original(source, target)

    monkeypatch.setattr(files.os, "replace", killed_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        ask(pool.store, FileAnnotator("csv", annotators=TEAM))
    monkeypatch.undo()
    (first,) = pool.run_dir.glob("query-*.csv")
    assert first.read_bytes() == wanted[first.name]
    name = first.suffixes[0][1:]
    fill(first, {ids_in(first)[0]: "positive"})  # before it is started again
    pool.record(Answer(ids_in(first)[1], "positive", annotator=name, query=1))
    ask_in_vain(pool, FileAnnotator("csv", annotators=[*reversed(TEAM)]))  # in whatever order
    found = {path.name: path.read_bytes() for path in pool.run_dir.glob("query-*.csv")}
    assert {name: of for name, of in found.items() if name != first.name} == {
        name: of for name, of in wanted.items() if name != first.name
    }


def test_files_that_were_removed_are_written_again_with_what_is_open_in_them(pool: Pool) -> None:
    ids = ids_of(pool)
    ask_several(pool, ids, 2)
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    path = pool.run_dir / "query-001.ben.csv"
    before = ids_in(path)
    pool.record(Answer(before[1], "positive", annotator="ben", query=1))
    path.unlink()
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    assert ids_in(path) == [before[0], *before[2:]]


def test_another_format_asks_the_same_of_the_same_people(pool: Pool) -> None:
    ask_several(pool, ids_of(pool), 2)
    ask_in_vain(pool, FileAnnotator("csv", annotators=TEAM))
    fill(pool.run_dir / "query-001.anna.csv", {ids_in(pool.run_dir / "query-001.anna.csv")[0]: "positive"})
    ask_in_vain(pool, FileAnnotator("jsonl", annotators=TEAM))
    has = {name: ids_in(pool.run_dir / f"query-001.{name}.csv") for name in TEAM}
    assert ids_in(pool.run_dir / "query-001.anna.jsonl") == has["anna"][1:]  # what was filled in was read first
    assert ids_in(pool.run_dir / "query-001.ben.jsonl") == has["ben"]
    assert said(pool) == {(has["anna"][0], "anna", "positive", "label")}


def test_texts_of_who_labels_no_more_go_to_others(pool: Pool) -> None:
    ids = ids_of(pool)
    ask_several(pool, ids, 1, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    has = {name: ids_in(pool.run_dir / f"query-001.{name}.csv") for name in ("anna", "ben")}
    fill(pool.run_dir / "query-001.ben.csv", {has["ben"][0]: "negative"})

    team = ["anna", "carl"]
    pool.store.set_plan(RunPlan(annotators=team))
    message = ask_in_vain(pool, FileAnnotator("csv", annotators=team))
    assert ids_in(pool.run_dir / "query-001.anna.csv") == has["anna"]  # somebody may have it open
    given = {path.name: ids_in(path) for path in pool.run_dir.glob("query-001.*") if "ben" not in path.name}
    others = [i for name, of in given.items() if name != "query-001.anna.csv" for i in of]
    assert sorted(others) == sorted(has["ben"][1:])  # without the one that Ben had filled in
    assert set(given) == {"query-001.anna.csv", "query-001.carl.csv"}  # who has fewer texts gets them
    assert "query-001.ben.csv" not in message

    pool.store.set_plan(RunPlan(annotators=["anna"]))
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna"]))
    second = pool.run_dir / "query-001.anna.2.csv"
    assert sorted(ids_in(second)) == sorted(has["ben"][1:])
    for path in (pool.run_dir / "query-001.anna.csv", second):
        fill(path, dict.fromkeys(ids_in(path), "positive"))
    fill(pool.run_dir / "query-001.ben.csv", {has["ben"][1]: "negative"})  # who did it after all
    ask(pool.store, FileAnnotator("csv", annotators=["anna"]))
    assert {(i, name) for i, name, _, _ in said(pool)} == (
        {(i, "anna") for i in [*has["anna"], *has["ben"][1:]]} | {(i, "ben") for i in has["ben"][:2]}
    )


# -- files beside each other ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reader", ["hfal label", "files", "terminal"])
def test_files_of_two_people_may_differ_and_those_of_one_may_not(pool: Pool, reader: str) -> None:
    ids = ids_of(pool)[:2]
    ask_several(pool, ids, 2, ["anna", "ben"])
    for format in ("csv", "jsonl"):
        ask_in_vain(pool, FileAnnotator(format, annotators=["anna", "ben"]))
    fill(pool.run_dir / "query-001.anna.csv", dict.fromkeys(ids, "positive"))
    fill(pool.run_dir / "query-001.ben.jsonl", {ids[0]: "negative", ids[1]: "positive"})

    def read() -> None:
        if reader == "hfal label":
            take_in_files(pool.store)
        elif reader == "files":
            ask(pool.store, FileAnnotator("csv", annotators=["anna", "ben"]))
        else:
            collect(pool.store, TerminalAnnotator("ben", annotators=["anna", "ben"]))

    fill(pool.run_dir / "query-001.anna.jsonl", {ids[1]: "negative"})
    complaint = rf"query-001\.anna\..* and .*query-001\.anna\..* have different labels for '{ids[1]}'"
    with pytest.raises(AnnotationError, match=complaint):
        read()
    assert said(pool) == set()
    fill(pool.run_dir / "query-001.anna.jsonl", {ids[1]: ""})
    read()
    of_ben = {(ids[0], "ben", "negative", "label"), (ids[1], "ben", "positive", "label")}
    assert said(pool) == {(i, "anna", "positive", "label") for i in ids} | of_ben


def test_a_file_that_was_written_and_not_noted_is_read_as_its_persons(pool: Pool) -> None:
    ids = ids_of(pool)[:2]
    ask_several(pool, ids, 2, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    pool.store.set_meta("query_files", {})  # as if it was killed after it had written them
    for name in ("anna", "ben"):
        fill(pool.run_dir / f"query-001.{name}.csv", dict.fromkeys(ids, "positive"))
    assert "query-001.ben.csv has 2 answers that are not read yet" in describe_run(pool.run_dir)
    pool.record(Answer(ids[0], "positive", annotator="anna", query=1))
    take_in_files(pool.store)
    assert said(pool) == {(i, name, "positive", "label") for i in ids for name in ("anna", "ben")}
    assert len(pool.store.answers()) == 4


def test_a_copy_under_another_name_is_not_read_and_that_is_said(pool: Pool, caplog: pytest.LogCaptureFixture) -> None:
    ask_several(pool, ids_of(pool)[:2], 2, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    assert "is not read" not in caplog.text
    (pool.run_dir / "query-001.ben.csv").rename(pool.run_dir / "query-001.ben (1).csv")
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    called = "files with answers are called query-001.anna.csv, query-002.anna.csv, ..."
    assert f"query-001.ben (1).csv is not read: {called}" in caplog.text


def test_an_error_in_one_file_keeps_all_from_being_read(pool: Pool) -> None:
    ids = ids_of(pool)[:2]
    ask_several(pool, ids, 2, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    fill(pool.run_dir / "query-001.anna.csv", dict.fromkeys(ids, "positive"))
    fill(pool.run_dir / "query-001.ben.csv", {ids[0]: "perhaps"})
    with pytest.raises(AnnotationError, match=r"query-001\.ben\.csv has 1 error .*"):
        ask(pool.store, FileAnnotator("csv", annotators=["anna", "ben"]))
    assert said(pool) == set()


def test_files_in_a_folder_of_their_own(pool: Pool, tmp_path: Path) -> None:
    ids = ids_of(pool)[:4]
    ask_several(pool, ids, 1, ["anna", "ben"])
    annotator = FileAnnotator("csv", tmp_path / "shared", annotators=["anna", "ben"])
    ask_in_vain(pool, annotator)
    assert not list(pool.run_dir.glob("query-*"))
    anna, ben = (tmp_path / "shared" / f"query-001.{name}.csv" for name in ("anna", "ben"))
    assert f"Next: fill in {anna} and {ben}, then start the script of this run again" in describe_run(pool.run_dir)
    fill(anna, dict.fromkeys(ids_in(anna), "positive"))
    ask_in_vain(pool, annotator)
    assert f"Next: fill in {ben}, then" in describe_run(pool.run_dir)
    assert {name for _, name, _, _ in said(pool)} == {"anna"}


def test_one_person_without_a_list_has_the_file_as_ever(pool: Pool) -> None:
    ids = ids_of(pool)[:2]
    add_query(pool, ids)
    ask_in_vain(pool, FileAnnotator("csv", name="anna"))
    assert [path.name for path in pool.run_dir.glob("query-*")] == ["query-001.csv"]
    assert FileLog(pool.store).parts(1) == []


# -- names ---------------------------------------------------------------------------------------------------------

NAMES = [
    "anna", "Anna", "anna b", "anna-b", "anna_b", "anna.b", "anna/b", "anna\\b", "anna:b", "anna.2", "anna%20b", "..",
    ".", "-", "_", "--", "?", "*", "~", "con", "2", "Zoë", "Zoe\u0308", "王芳", "می‌خواهم", "😀", "😁", "ß", "ss",
    "'; rm -rf /", "$(x)", "data.csv", "1a2b3c4d5e", "a" * 300, "a" * 301,
]  # fmt: skip


def test_no_two_names_share_a_file_and_all_can_be_written_and_found(tmp_path: Path) -> None:
    paths = {}
    for number, name in enumerate(NAMES):
        for part in (1, 2, 12):
            path = Part(name, part, []).path(tmp_path, 1, "csv")
            assert path.parent == tmp_path
            assert not set(path.name) & set(' /\\:*?"<>|~$%\n\0')
            path.write_text(f"{number}")
            paths[path] = name
    assert len(paths) == 3 * len(NAMES) == len(list(tmp_path.iterdir()))
    assert files_of_people(tmp_path, ["csv"], NAMES) == paths
    assert file_name_of("anna") == "anna"
    assert file_name_of("Zoë") == "Zoë"
    assert file_name_of("anna b").startswith("anna-b.")


def test_random_names_share_no_file() -> None:
    rng = random.Random(0)
    names = {"".join(rng.choices("aA.-_ é2/", k=rng.randint(1, 6))) for _ in range(20000)}
    assert len({file_name_of(name) for name in names}) == len(names)


@pytest.mark.parametrize("name", ["anna b", "../../etc", "Zoë", "王芳", "con"])
def test_a_person_of_any_name_is_asked(pool: Pool, name: str) -> None:
    ids = ids_of(pool)[:2]
    ask_several(pool, ids, 2, [name, "ben"])
    annotator = FileAnnotator("csv", annotators=[name, "ben"])
    assert f"({name}): 2 of 2 left" in ask_in_vain(pool, annotator)
    for path in pool.run_dir.glob("query-*.csv"):
        fill(path, dict.fromkeys(ids, "positive"))
    ask(pool.store, annotator)
    assert said(pool) == {(i, who, "positive", "label") for i in ids for who in (name, "ben")}


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        (["anybody"], r"annotators is 'anybody', but in files .*: name the people .*--annotator web"),
        (["Anybody"], r"annotators is 'anybody'"),
        (["anna", "Anna"], r"annotators has 'anna' twice, or in other capitals"),
        (["anna", "anybody"], r"annotators has 'anybody' beside names"),
        (["anna", "dataset"], r"annotators is 'dataset'"),
        (["anna", "model:gpt"], r"annotators is 'model:gpt'"),
    ],
)
def test_people_that_cannot_have_files(names: list[str], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        FileAnnotator("csv", annotators=names)


def test_a_name_in_other_capitals_than_before_is_refused(pool: Pool) -> None:
    ask_several(pool, ids_of(pool)[:2], 2, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    with pytest.raises(ArgumentError, match=r"annotators has 'Anna', but there are files of 'anna': write it so"):
        ask(pool.store, FileAnnotator("csv", annotators=["Anna", "ben"]))


def test_all_files_are_read_though_those_who_label_no_more_have_said_what_was_missing(pool: Any) -> None:
    (example_id,) = ids_of(pool)[:1]
    query = ask_several(pool, [example_id], 2, ["anna", "ben"])
    ask_in_vain(pool, FileAnnotator("csv", annotators=["anna", "ben"]))
    pool.store.set_plan(RunPlan(annotators=["ben", "carl"], aggregate_labels="majority"))
    ask_in_vain(pool, FileAnnotator("csv", annotators=["ben", "carl"]))  # carl in the place of anna
    pool.record(Answer(example_id, "positive", annotator="carl", query=query.number))
    fill(pool.run_dir / "query-001.anna.csv", {example_id: "negative"})
    fill(pool.run_dir / "query-001.ben.csv", {example_id: "positive"})
    ask(pool.store, FileAnnotator("csv", annotators=["ben", "carl"]))
    assert {name for _, name, _, _ in said(pool)} == {"anna", "ben", "carl"}
