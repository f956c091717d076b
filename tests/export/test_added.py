"""Exports of pools that have grown, and runs that go on from them: nothing lost, and where each example comes from."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from hfal import ActiveLearningCallback, Answer, Pool
from hfal.cli.import_run import import_run
from hfal.cli.main import main
from hfal.config.kept_config import read_ahead
from hfal.config.load_data import load_data
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.export.labels import export_labels
from hfal.export.publication import write_dataset
from hfal.store.records import Origin
from hfal.store.store import Store
from support.exports import FORMATS, add_query, answer, ids_in, load, make_store, without_blanks
from support.models import NAMES
from support.pools import ids_of, query
from support.published_run import of_run


COLUMNS = ["al_origin", "al_parent", "al_method"]
TEXTS = ["good", "bad", "fine", "awful"]


def tokenized(rows: Dataset) -> Dataset:
    return rows.map(lambda row: {"input_ids": [ord(letter) for letter in row["text"]]})


def grown_pool(run_dir: Path, config: bool = False) -> tuple[Pool, dict[str, str]]:
    """Four texts, two of a stream and two that were synthesized; of each kind one is labeled, and one was not asked.

    Args:
        run_dir: The run directory.
        config: Whether it is one of `hfal run`, whose data is a file.

    Returns:
        The pool, and the ids by what they are of.
    """
    data = Dataset.from_dict({"text": TEXTS, "day": list(range(len(TEXTS)))})
    pool = Pool(data, run_dir, "text", label_names=NAMES, prepare=tokenized, show_columns=["day"])
    ids = {"parent": ids_of(pool)[0]}
    query(pool, ids["parent"], purpose="seed")
    pool.record(Answer(ids["parent"], "positive", annotator="ann", query=1))
    ids["streamed"], ids["waiting"] = pool.add([{"text": "so so", "day": 7}, {"text": "so bad"}], "stream")
    made = [{"text": "good, awful"}, {"text": "fine, bad"}]
    ids["made"], ids["spare"] = pool.add(made, "synthesis", [ids["parent"]] * 2, ["recombined", None])
    for number, (name, purpose) in enumerate([("streamed", "stream"), ("made", "synthesis")], start=2):
        query(pool, ids[name], purpose=purpose)
        pool.record(Answer(ids[name], NAMES[number % 2], annotator="ann", query=number))
    if config:
        data.to_json(run_dir / "data.jsonl")
        about = {"data": str(run_dir / "data.jsonl"), "text": ["text"], "labels": NAMES, "show": ["day"]}
        (run_dir / "config.yaml").write_text(json.dumps(about))
    return pool, ids


def origins_of(ids: dict[str, str]) -> dict[str, Origin]:
    made = {"made": "recombined", "spare": None}
    return {ids[name]: Origin("stream") for name in ("streamed", "waiting")} | {
        ids[name]: Origin("synthesis", ids["parent"], method) for name, method in made.items()
    }


def rows_in(folder: Path) -> dict[str, dict]:
    return {row["id"]: row for split in ("train", "unlabeled") for row in table(folder, split)}


def table(folder: Path, split: str) -> list[dict]:
    file = folder / f"{split}.parquet"
    return pq.read_table(file).to_pylist() if file.exists() else []


def test_every_format_says_where_an_example_comes_from(tmp_path):
    _, ids = grown_pool(tmp_path / "run")
    files = [tmp_path / f"labels.{format}" for format in FORMATS]
    for file in files:
        export_labels(tmp_path / "run", file)
    of_made = {"al_origin": "synthesis", "al_parent": ids["parent"], "al_method": "recombined"}
    for splits in load(tmp_path, *files):
        rows = {row["id"]: row for row in splits["train"]}
        assert list(rows[ids["made"]])[-3:] == COLUMNS
        found = {i: {name: row[name] for name in COLUMNS if name in without_blanks(row)} for i, row in rows.items()}
        assert found == {ids["parent"]: {}, ids["streamed"]: {"al_origin": "stream"}, ids["made"]: of_made}


@pytest.mark.parametrize("name", ["labels.csv", "labels.jsonl", "labels.parquet", "folder"])
def test_kinds_are_left_out_and_an_earlier_export_is_replaced(tmp_path, name):
    pool, ids = grown_pool(tmp_path / "run")
    unlabeled = pool if name == "folder" else None
    to = tmp_path / name
    for left_out in ([], ["synthesis"], ("stream", "synthesis"), {"stream"}, []):
        export_labels(tmp_path / "run", to, unlabeled=unlabeled, leave_out=left_out)
        found = set(rows_in(to)) if unlabeled else set(ids_in(to))
        of = {"stream": ["streamed", "waiting"], "synthesis": ["made", "spare"]}
        gone = {ids[one] for origin in left_out for one in of[origin]}
        everything = {*ids_of(pool)} if unlabeled else {ids[one] for one in ("parent", "streamed", "made")}
        assert found == everything - gone
        if name.endswith("parquet"):  # what has nothing but the data looks as if nothing had been added
            assert ("al_origin" in pq.read_schema(to).names) == (len(left_out) < 2)
    (tmp_path / "theirs.csv").write_text('\ufeff"id","text","label","al_origin"\n')
    with pytest.raises(ArgumentError, match="no export of this run"):
        export_labels(tmp_path / "run", tmp_path / "theirs.csv")


def test_what_cannot_be_left_out_is_refused(tmp_path):
    pool, ids = grown_pool(tmp_path / "run")
    refused = {
        "leave_out='synthesis' is a string, expected a list": {"leave_out": "synthesis"},
        "leave_out has 'friends', expected some of stream, synthesis": {"leave_out": ["friends"]},
        "leave_out has stream, but the log of answers has all": {"leave_out": ["stream"], "answers": True},
    }
    for message, options in refused.items():
        with pytest.raises(ArgumentError, match=message):
            export_labels(tmp_path / "run", tmp_path / "out", **options)
    pool.record(Answer(ids["parent"], None, "skip", annotator="ann"))
    with pytest.raises(RunDirectoryError, match=r"all labels in .* are of examples of the origins stream, synthesis"):
        export_labels(tmp_path / "run", tmp_path / "out", leave_out=["stream", "synthesis"])
    assert not (tmp_path / "out").exists()


def test_a_text_may_be_called_as_the_column_is(tmp_path):
    store = make_store(tmp_path / "run")
    about = {"origin": "synthesis", "texts": [{"al_origin": "of the text"}]}
    add_query(store, ["x"], "synthesis", 0, **about)
    answer(store, "x", "positive", query=1)
    export_labels(store.run_dir, tmp_path / "labels.jsonl")
    row = json.loads((tmp_path / "labels.jsonl").read_text("utf-8"))
    assert (row["text_al_origin"], row["al_origin"]) == ("of the text", "synthesis")


def test_the_command_reads_added_texts_and_leaves_kinds_out(tmp_path, capsys):
    pool, _ = grown_pool(tmp_path / "run", config=True)
    export_labels(pool.run_dir, tmp_path / "expected", unlabeled=pool, answers=True)
    pool.store.close()
    given = ["export", str(tmp_path / "run"), "--unlabeled", "--to"]
    assert main([*given, str(tmp_path / "out"), "--answers"]) == 0
    for name in ("train", "unlabeled", "answers"):
        assert table(tmp_path / "out", name) == table(tmp_path / "expected", name)
    assert (tmp_path / "out" / "hfal.json").read_text() == (tmp_path / "expected" / "hfal.json").read_text()
    assert main([*given, str(tmp_path / "real"), "--leave-out", "stream,synthesis"]) == 0
    assert set(rows_in(tmp_path / "real")) == {*ids_of(pool)[: len(TEXTS)]}
    assert main([*given, str(tmp_path / "none"), "--leave_out", "dreams"]) == 1
    assert "leave_out has 'dreams'" in capsys.readouterr().err


# -- going on ------------------------------------------------------------------------------------------------------


def test_a_grown_pool_goes_on_grows_again_and_nothing_is_lost(tmp_path):
    pool, ids = grown_pool(tmp_path / "run")
    export_labels(pool.run_dir, tmp_path / "first", unlabeled=pool, answers=True, annotator_names=True)
    later = Pool.from_export(tmp_path / "first", tmp_path / "later", prepare=tokenized)
    assert later.store.added_examples() == []  # they are rows of the data
    assert later.store.origins() == pool.store.origins() == origins_of(ids)
    assert later.store.answers() == pool.store.answers()
    assert later.store.queries() == pool.store.queries()
    rows = [later.position(i) for i in ids.values()]
    assert later.texts(rows) == pool.texts(pool.positions([*ids.values()]))
    assert later.shown([later.position(ids["streamed"])]) == [{"day": "7"}]

    (twin,) = later.add([{"text": "so so"}], "stream")  # its text is there already
    (child,) = later.add([{"text": "so bad, so so"}], "synthesis", [ids["streamed"]], ["recombined"])
    query(later, child, purpose="synthesis")
    later.record(Answer(child, "negative", annotator="ann", query=4))
    later.record(Answer(ids["spare"], "positive", annotator="ann"))  # which nobody had been asked about
    later.store.close()
    again = Pool.from_export(tmp_path / "first", tmp_path / "later", prepare=tokenized)  # the script, started again
    both = {twin: Origin("stream"), child: Origin("synthesis", ids["streamed"], "recombined")}
    assert again.store.origins() == origins_of(ids) | both
    assert [one.example_id for one in again.store.added_examples()] == [twin, child]

    export_labels(again.run_dir, tmp_path / "second", unlabeled=again, answers=True, annotator_names=True)
    last = Pool.from_export(tmp_path / "second", tmp_path / "last", prepare=tokenized)
    assert last.store.origins() == again.store.origins()
    assert last.store.answers() == again.store.answers()
    assert last.store.queries() == again.store.queries()
    assert sorted(ids_of(last)) == sorted([*ids_of(pool), twin, child])
    found = {i: tuple(row[name] for name in COLUMNS) for i, row in rows_in(tmp_path / "second").items()}
    assert found == dict.fromkeys(ids_of(last), (None,) * 3) | {i: (*of,) for i, of in last.store.origins().items()}


def test_an_import_has_them_in_its_data_and_may_draw_a_part_of_it(tmp_path):
    pool, ids = grown_pool(tmp_path / "run")
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    assert import_run(tmp_path / "out", tmp_path / "new") == (8, 3)
    al, options = read_ahead([str(tmp_path / "new")])
    found = load_data(al, str(options.output_dir), options.seed)
    assert set(found.pool["id"]) == set(ids_of(pool))
    kept = found.pool.filter(lambda row: row["id"] != ids["spare"])  # nobody was asked about it
    new = Pool(kept, str(options.output_dir), found.text, al.label, found.labels, al.id, show_columns=found.show)
    assert new.store.origins() == origins_of(ids)
    ActiveLearningCallback(new, holdout=1).acquisition.first.propose_holdout(1)
    assert new.store.holdout_ids().isdisjoint({ids["made"], ids["spare"]})


def test_labels_that_came_with_the_data_are_kept_where_nobody_was_asked(tmp_path):
    """Of the added examples, too: the run that goes on does not begin anew, though its data gives no labels."""
    data = Dataset.from_dict({"text": TEXTS, "label": [*NAMES, None, None]})
    pool = Pool(data, tmp_path / "run", "text", "label", prepare=tokenized)
    (added,) = pool.add([{"text": "so so"}], "stream")
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    for _ in range(2):
        later = Pool.from_export(tmp_path / "out", tmp_path / "later", prepare=tokenized)
        assert later.labels() == pool.labels() == dict(zip(ids_of(pool), NAMES, strict=False))
        assert later.store.origins() == {added: Origin("stream")}
        later.store.close()


def test_a_parent_that_is_in_no_table_is_forgotten(tmp_path):
    pool, ids = grown_pool(tmp_path / "run")
    (orphan,) = pool.add([{"text": "who knows"}], "synthesis", ["gone"], ["rewritten"])
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    later = Pool.from_export(tmp_path / "out", tmp_path / "later", prepare=tokenized)
    assert later.store.origins()[orphan] == Origin("synthesis", None, "rewritten")
    assert later.store.origins()[ids["made"]].parent == ids["parent"]
    export_labels(pool.run_dir, tmp_path / "asked", answers=True)  # of what was not asked nothing is said
    written = json.loads((tmp_path / "asked" / "hfal.json").read_text())
    assert set(written["origins"]) == {ids["streamed"], ids["made"]}


def test_a_run_that_did_not_grow_says_nothing_of_it(tmp_path):
    pool = Pool(Dataset.from_dict({"text": TEXTS}), tmp_path / "run", "text", label_names=NAMES)
    pool.record(Answer(ids_of(pool)[0], "positive", annotator="ann"))
    export_labels(pool.run_dir, tmp_path / "out", unlabeled=pool, answers=True)
    assert "origins" not in json.loads((tmp_path / "out" / "hfal.json").read_text())
    assert not {*COLUMNS}.intersection(pq.read_schema(tmp_path / "out" / "train.parquet").names)
    assert "synthesi" not in card_of(pool.run_dir, tmp_path / "hub")


# -- the card ------------------------------------------------------------------------------------------------------


def card_of(run_dir: Path, folder: Path, **options) -> str:
    folder.mkdir()
    of_run(write_dataset, run_dir, folder, "me/reviews", **options)
    return (folder / "README.md").read_text("utf-8")


def test_the_card_counts_them_and_warns_of_those_that_were_synthesized(tmp_path):
    pool, _ = grown_pool(tmp_path / "run")
    card = card_of(pool.run_dir, tmp_path / "all", unlabeled=pool)
    assert "In `train` 1 text came from a stream and 1 text was synthesized." in card
    assert "In `unlabeled` 1 text came from a stream and 1 text was synthesized. All others are of the data" in card
    assert "> In `train` 1 is **synthesized**: a program made the text" in card
    assert "(`al_origin` is `synthesis`)" in card
    assert "| 2 | 0 | stream | `random` | 1 | 1 |" in card
    assert "| 3 | 0 | synthesis | `random` | 1 | 1 |" in card
    assert "| `al_parent` | `string` | The example that it was made from, if any |" in card

    card = card_of(pool.run_dir, tmp_path / "plain", provenance=False)
    assert "> In `train` 1 is **synthesized**" in card
    assert "al_origin" not in card

    card = card_of(pool.run_dir, tmp_path / "real", leave_out=["synthesis"])
    assert "In `train` 1 text came from a stream. Left out: 1 text with a label was synthesized." in card
    assert "**synthesized**" not in card


def test_origins_that_are_damaged_are_said_to_be(tmp_path):
    store = Store(tmp_path / "run")
    store.set_meta("origins", {"x": ["stream", None, None, "more"]})
    with pytest.raises(RunDirectoryError):
        store.origins()
