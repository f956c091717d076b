"""Exports of runs in which several people label the same texts, and runs that go on from them."""

import csv
import io
import json
import re
from dataclasses import replace
from math import isnan
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from hfal.cli.import_run import import_run
from hfal.config.kept_config import _KEPT, keep_published_options, read_ahead
from hfal.data.pool import Pool
from hfal.errors import ArgumentError
from hfal.export.card import dataset_card
from hfal.export.labels import export_labels
from hfal.export.publication import write_dataset
from hfal.export.team import agreement, opinions_in_words
from hfal.store.records import Answer
from hfal.store.run_directory import config_file
from hfal.store.run_info import RunPlan
from hfal.store.store import Store
from support.exports import add_query, answer, make_store, small_run
from support.hub_server import client
from support.published_run import TASKS, of_run
from support.team_run import ANNA, BEN, CARL, METHODS, OPINIONS, SECRET_COMMENT, make_team_run, meant


OF_SEVERAL = ["al_opinions", "al_probability", "al_settled"]
HELD = {"t0": "y", "t1": "n", "t3": "y", "t4": "n", "t5": "y", "t6": "m", "t7": "m", "t10": "y", "t11": "y"}
"""By majority; of `t2` each person says something else."""

SHARES = {  # of votes by majority: one for each text; for each of two labels; for each of three words
    "text_classification": {"t0": [2 / 3], "t6": [2 / 3]},
    "multi_label_classification": {"t0": [2 / 3, 1], "t6": [1, 2 / 3]},
    "token_classification": {"t0": [2 / 3, 1, 1], "t6": [1, 2 / 3, 1]},
}


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def pools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Pool]:
    """A run of each task, in which the majority holds."""
    folder = tmp_path_factory.mktemp("teams")
    return {task: make_team_run(folder / task, task) for task in TASKS}


def everything(pool: Pool, folder: Path, **about: Any) -> Path:
    export_labels(pool.run_dir, folder, unlabeled=pool, answers=True, **about)
    return folder


# -- the labels ----------------------------------------------------------------------------------------------------


def test_labels_have_their_probability_and_how_many_gave_them(pools, task, tmp_path):
    export_labels(pools[task].run_dir, tmp_path / "labels.jsonl")
    rows = {}
    for line in (tmp_path / "labels.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        rows[row["id"]] = row
    assert list(row)[-4:] == ["al_labeled_at", *OF_SEVERAL]
    assert rows.keys() == {*HELD, "t2"}
    for example_id, row in rows.items():
        given = sum(letter not in ".s" for letter in OPINIONS.get(example_id, "yy"))
        assert row["al_opinions"] == given
        assert row["al_settled"] is (example_id == "t7")
        if example_id == "t2":
            continue
        assert row["label"] == meant(task, HELD[example_id])
        shares = SHARES[task].get(example_id, [1])
        expected = None if example_id == "t7" else pytest.approx(float(np.prod(shares)) ** (1 / len(shares)))
        assert row["al_probability"] == expected
    assert rows["t0"]["al_annotator"] == "annotator-2"  # Anna was the last of those who say so, Carl says another
    assert rows["t7"]["al_annotator"] == "annotator-2"


def test_plain_datasets_reads_what_several_said(pools, task, tmp_path):
    folder = everything(pools[task], tmp_path / "export")
    data = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert data["train"].features == data["unlabeled"].features
    assert [data["train"].features[name].dtype for name in OF_SEVERAL] == ["int32", "float64", "bool"]
    assert set(data["unlabeled"]["al_opinions"]) == {None}
    answers = load_dataset(str(folder), "answers", cache_dir=str(tmp_path / "cache"))["train"]
    log = pools[task].store.answers()
    names = {BEN: "annotator-1", ANNA: "annotator-2", CARL: "annotator-3"}
    assert [(row["id"], row["annotator"], row["action"]) for row in answers] == [
        (a.example_id, names[a.annotator], a.action) for a in log
    ]
    assert {"label", "skip", "correct", "undo", "settle"} == set(answers["action"])


def test_csv_has_them_too(pools, tmp_path):
    export_labels(pools[TASKS[0]].run_dir, tmp_path / "labels.csv")
    text = (tmp_path / "labels.csv").read_bytes().decode("utf-8-sig")
    rows = {row["id"]: [row[name] for name in OF_SEVERAL] for row in csv.DictReader(io.StringIO(text, newline=""))}
    assert rows["t1"] == ["3", "1.0", "False"]
    assert rows["t7"] == ["2", "", "True"]


def test_one_opinion_on_each_text_leaves_the_columns_as_they_were(tmp_path):
    store = small_run(tmp_path / "run")
    export_labels(store.run_dir, tmp_path / "labels.parquet")
    assert not {*OF_SEVERAL}.intersection(pq.read_schema(tmp_path / "labels.parquet").names)
    export_labels(store.run_dir, tmp_path / "all", answers=True)
    assert "plan" not in json.loads((tmp_path / "all" / "hfal.json").read_text())


@pytest.mark.parametrize("name", ["labels.parquet", "labels.jsonl", "labels.csv", "folder"])
def test_an_export_is_replaced_when_a_second_person_comes_and_when_they_take_it_back(tmp_path, name):
    store = small_run(tmp_path / "run")
    target = tmp_path / name
    found = []
    for action in ("label", "undo"):
        export_labels(store.run_dir, target)
        answer(store, "a", "negative" if action == "label" else None, "bert", query=2, action=action)
        export_labels(store.run_dir, target)
        found.append((target if target.is_file() else target / "train.parquet").read_bytes())
    assert b"al_opinions" in found[0]
    assert b"al_opinions" not in found[1]


def test_texts_with_such_a_name_are_called_otherwise(tmp_path):
    store = make_store(tmp_path / "run")
    add_query(store, ["x"], texts=[{"al_opinions": "of the text"}])
    for name in ("anna", "bert"):
        answer(store, "x", "positive", name)
    export_labels(store.run_dir, tmp_path / "labels.jsonl")
    row = json.loads((tmp_path / "labels.jsonl").read_text())
    assert (row["text_al_opinions"], row["al_opinions"]) == ("of the text", 2)


def test_one_opinion_has_the_probability_of_the_label_that_was_given(tmp_path):
    """Not that of the label which the method thinks likelier."""
    store = make_store(tmp_path / "run")
    add_query(store, [str(i) for i in range(30)])
    store.set_plan(RunPlan(aggregate_labels="one_coin", annotators=["anna", "bert", "carl"]))
    for i in range(29):
        for name in ("anna", "bert", "carl"):
            wrong = name == "carl" and i % 5  # says otherwise four times of five
            answer(store, str(i), "positive" if wrong else "negative", name)
    answer(store, "29", "positive", "carl")
    held = store.current_answers()["29"]
    assert held.label == "positive"
    assert held.probability < 0.5


# -- a run that goes on --------------------------------------------------------------------------------------------


def state(store: Store, names: dict[str, str]) -> dict[str, Any]:
    """What a run knows of answers, with the names of its people in an export."""

    def named(answer: Answer) -> Answer:
        # The names give columns an order, and sums of numbers in another order differ in the last digits.
        probability = None if answer.probability is None else round(answer.probability, 9)
        return replace(answer, annotator=names.get(answer.annotator, answer.annotator), probability=probability)

    plan = store.plan
    assert plan is not None
    return {
        "log": [named(a) for a in store.answers()],
        "held": {i: named(a) for i, a in store.current_answers().items()},
        "opinions": {i: {names.get(n, n): named(a) for n, a in of.items()} for i, of in store.opinions().items()},
        "left": [store.opinions_left(query) for query in store.queries()],
        "asked": store.opinions_asked(),
        "bought": (store.labels_bought(), store.words_bought()),
        "settings": [query.settings for query in store.queries()],
        "method": plan.aggregate_labels,
        "people": [names.get(name, name) for name in plan.annotators],
        "plan": (plan.budget, plan.unit, plan.query_size, plan.strategy, plan.pool_size, plan.queries_per_round),
    }


@pytest.mark.parametrize(("method", "with_names"), [*((method, False) for method in METHODS), ("dawid_skene", True)])
def test_an_imported_run_is_the_same(task, method, with_names, tmp_path):
    pool = make_team_run(tmp_path / "run", task, method)
    folder = everything(pool, tmp_path / "export", annotator_names=with_names)
    names = {} if with_names else {BEN: "annotator-1", ANNA: "annotator-2", CARL: "annotator-3"}
    import_run(folder, tmp_path / "imported")
    by_pool = Pool.from_export(folder, tmp_path / "by pool")
    expected = state(pool.store, names)
    assert expected["left"][1] == {"t3": 1, "t4": 1, "t8": 1, "t9": 2}
    for store in (Store(tmp_path / "imported", read_only=True), by_pool.store):
        assert state(store, {}) == expected
        store.close()
    # `hfal run` makes one label of several in the same way.
    assert read_ahead([str(tmp_path / "imported")])[0].aggregate_labels == method


def test_an_export_of_the_imported_run_is_the_same_again(pools, task, tmp_path):
    folder = everything(pools[task], tmp_path / "export")
    later = Pool.from_export(folder, tmp_path / "later")
    again = everything(later, tmp_path / "again")
    for file in ("train.parquet", "test.parquet", "answers.parquet", "unlabeled.parquet"):
        assert pq.read_table(again / file).equals(pq.read_table(folder / file))
    first, second = (json.loads((of / "hfal.json").read_text()) for of in (folder, again))
    assert first["plan"] == second["plan"]
    assert first["plan"]["annotators"] == ["annotator-2", "annotator-1", "annotator-3"]


_HUB = """
import sys
from datasets import Dataset
from hfal.cli.import_run import import_run
from hfal.data.identity import Examples
from hfal.export.hub import push_to_hub
run, to = sys.argv[1:]
data = Dataset.from_dict({"name": [f"t{i}" for i in range(12)], "text": [f"Some text {i}" for i in range(12)]})
push_to_hub(run, "me/of-a-team", unlabeled=Examples(data, ["text"], "name", False), answers=True)
import_run("hub:me/of-a-team", to)
"""


def test_it_goes_to_the_hub_and_comes_back(hub, tmp_path):
    run = tmp_path / "run"
    make_team_run(run).store.close()
    done = client(hub, tmp_path / "home", "-c", _HUB, str(run), str(tmp_path / "back"))
    assert done.returncode == 0, done.stderr
    first, back = (Store(folder, read_only=True) for folder in (run, tmp_path / "back"))
    names = {BEN: "annotator-1", ANNA: "annotator-2", CARL: "annotator-3"}
    expected, found = state(first, names), state(back, {})
    for part in (expected, found):  # comments stay out on the Hub
        part["log"] = [replace(a, comment=None) for a in part["log"]]
        part["held"] = {i: replace(a, comment=None) for i, a in part["held"].items()}
        part["opinions"] = {
            i: {n: replace(a, comment=None) for n, a in of.items()} for i, of in part["opinions"].items()
        }
    assert found == expected
    for file in hub.dataset("me/of-a-team").files.values():
        assert not any(secret.encode() in file for secret in (ANNA, BEN, CARL, SECRET_COMMENT))


@pytest.mark.parametrize(
    ("path", "to", "message"),
    [
        (["plan"], [], r"hfal\.json: plan is \[\], expected an object"),
        (
            ["plan", "aggregate_labels"],
            "best",
            "plan: aggregate_labels is 'best', expected one of latest, majority, one",
        ),
        (["plan", "annotators"], ["anna", "Anna"], "plan: annotators has 'Anna' twice|'anna' twice"),
        (["plan", "annotators"], ["anna\u202e"], "plan: annotators is .* not seen"),
        (["plan", "annotators"], "anna", "plan: annotators is 'anna', expected a list of different names"),
        (["plan", "budget"], -1, "plan: budget is -1, expected a whole number from 1 to"),
        (["plan", "unit"], ["words"], r"plan: unit is \['words'\], expected one of examples, words"),
        (["queries", 1, "settings", "opinions"], "3", "query 2: opinions is '3', expected how many people label"),
        (["queries", 1, "settings", "opinions", "t0"], 0, "query 2: opinions is 0, expected how many people label"),
        (["queries", 1, "settings", "opinions", "t0"], None, "query 2: opinions is None, expected how many"),
    ],
)
def test_what_is_wrong_with_the_export_of_a_team_is_named(pools, tmp_path, path, to, message):
    folder = everything(pools[TASKS[0]], tmp_path / "export")
    written = json.loads((folder / "hfal.json").read_text())
    place = written
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    (folder / "hfal.json").write_text(json.dumps(written))
    with pytest.raises(ArgumentError, match=message) as error:
        import_run(folder, tmp_path / "later")
    assert str(error.value).isprintable()
    assert not (tmp_path / "later").exists()


# -- names and comments --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False, True])
def test_names_of_a_team_are_published_only_if_asked(pools, task, asked, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    pool = pools[task]
    config_file(pool.run_dir).write_text(f"{_KEPT}\nannotators: [{ANNA}, {BEN}]\nstrategy: margin\n")
    keep_published_options(pool.store)
    asked_for = {"annotator_names": True, "comments": True} if asked else {}
    of_run(write_dataset, pool.run_dir, folder, "me/x", unlabeled=pool, answers=True, **asked_for)
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    tables = str([pq.read_table(file).to_pylist() for file in folder.glob("*.parquet")])
    for secret in (ANNA, BEN, CARL, SECRET_COMMENT):
        assert (secret in tables) is asked
        assert asked or secret.encode() not in content
        assert secret not in (folder / "README.md").read_text("utf-8")
    assert "`annotators`" in (folder / "README.md").read_text("utf-8")  # takes a value to run it again


# -- the card ------------------------------------------------------------------------------------------------------


def card(pool: Pool, folder: Path) -> str:
    export_labels(pool.run_dir, folder, answers=True)
    return of_run(dataset_card, pool.run_dir, folder, "me/reviews")


@pytest.mark.parametrize("method", METHODS)
def test_the_card_says_how_several_labeled(task, method, tmp_path):
    pool = make_team_run(tmp_path / "run", task, method)
    text = card(pool, tmp_path / "out")
    one = "sentence" if task == TASKS[2] else "text"
    (about,) = [line for line in text.splitlines() if line.startswith("3 people")]
    given = sum(letter not in ".s" for letters in OPINIONS.values() for letter in letters) + 4
    assert f"gave {given} labels to 10 {one}s; 8 of these got labels from more than one." in about
    said = {"latest": "given last holds", "majority": "most people gave", "one_coin": "one-coin Dawid-Skene"}
    assert said.get(method, "a matrix of labels for each person (Dawid-Skene)") in about
    assert "1 label was settled" in about
    assert f"{given} labels were bought, 1 {one} was skipped" in text
    assert "- Settings of query 1: `opinions 2`\n- Settings of query 2: `opinions 2 on 7, 3 on 3`\n" in text
    assert "`al_settled`" in text
    assert "`settle` (the label that holds" in text
    assert not any(secret in text for secret in (ANNA, BEN, CARL, SECRET_COMMENT, "t0"))
    assert "\n\n\n" not in text


def numbers(task: str) -> list[np.ndarray]:
    """The opinions as tables of annotators and units, for the package krippendorff: one, or one for each label."""
    letters = [*OPINIONS.values(), "yy.", "yy."]
    columns: list[list[list[float]]] = []
    for of in letters:
        each = [meant(task, letter) for letter in of]
        if task == TASKS[0]:
            columns.append(
                [[np.nan if label is None else "nym".index(letter) for label, letter in zip(each, of, strict=True)]]
            )
        elif task == TASKS[1]:
            columns.append(
                [[np.nan if label is None else float(name in label) for label in each] for name in ("sport", "law")]
            )
        else:
            tags = ["O", "B-PER", "I-PER"]
            columns.append(
                [[np.nan if label is None else tags.index(label[word]) for label in each] for word in range(3)]
            )
    if task == TASKS[1]:
        return [np.array([of[label] for of in columns]).T for label in range(2)]
    return [np.array([unit for of in columns for unit in of]).T]


def test_alpha_is_that_of_the_package_krippendorff(pools, task, tmp_path):
    expected = np.mean([krippendorff.alpha(table, level_of_measurement="nominal") for table in numbers(task)])
    text = card(pools[task], tmp_path / "out")
    (found,) = re.findall(r"Krippendorff's alpha(?: of words| as a mean over labels)?: (-?[\d.]+) ", text)
    assert float(found) == pytest.approx(expected, abs=0.0005)
    assert ("alpha of words" in text) is (task == TASKS[2])
    assert ("as a mean over labels" in text) is (task == TASKS[1])


def test_an_alpha_that_is_undefined_is_said_to_be(tmp_path):
    store = small_run(tmp_path / "run")
    answer(store, "a", "positive", "bert", query=2)
    export_labels(store.run_dir, tmp_path / "out")
    text = of_run(dataset_card, store.run_dir, tmp_path / "out", "me/reviews")
    assert "Krippendorff's alpha is undefined" in text
    assert isnan(agreement(store, [{"anna": "positive", "bert": "positive"}]))


def test_one_opinion_on_each_text_is_no_team(tmp_path):
    store = small_run(tmp_path / "run")
    export_labels(store.run_dir, tmp_path / "out")
    text = of_run(dataset_card, store.run_dir, tmp_path / "out", "me/reviews")
    assert "Krippendorff" not in text
    assert "al_opinions" not in text


def test_opinions_of_a_query_are_told_without_ids():
    assert opinions_in_words(3) == "3"
    assert opinions_in_words({"a": 1, "b": 3, "c": 1}) == "1 on 2, 3 on 1"
