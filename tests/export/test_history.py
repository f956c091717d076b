"""The history of a run, as its export has it."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from hfal.export.history import History, history_without_models, pseudonyms, read_history, run_id
from hfal.export.labels import export_labels
from hfal.store.records import HEAD, Answer, Queried, Query, RoundRecord
from hfal.store.store import Store
from support.models import NAMES


def test_numbers_that_json_does_not_have_are_null(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    store.set_meta("label_names", NAMES)
    scores = {"a": math.inf, "b": -math.inf, "c": 0.5}
    examples = tuple(Queried(i, i, {"text": i}, score=score) for i, score in scores.items())
    store.add_query(Query(1, "round", "odd", 0, examples, settings={"odd": [math.nan]}))
    for i in scores:
        store.record(Answer(i, NAMES[0], annotator="Ann", query=1))
    store.start_round(1, 0)
    store.finish_training(1)
    store.finish_round(1, {"eval_loss": math.nan, "eval_accuracy": 0.5})
    store.close()
    export_labels(tmp_path / "run", tmp_path / "labels.jsonl")
    export_labels(tmp_path / "run", tmp_path / "out", answers=True)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    rows = [json.loads(line, parse_constant=refuse) for line in (tmp_path / "labels.jsonl").read_text().splitlines()]
    assert [row["al_score"] for row in rows] == [None, None, 0.5]
    written = json.loads((tmp_path / "out" / "hfal.json").read_text(), parse_constant=refuse)
    assert [example["score"] for example in written["queries"][0]["examples"]] == [None, None, 0.5]
    assert written["queries"][0]["settings"] == {"odd": [None]}
    assert written["rounds"][0]["metrics"] == {"eval_loss": None, "eval_accuracy": 0.5}
    metrics = read_history(written, []).rounds[0].metrics
    assert metrics is not None
    assert math.isnan(metrics["eval_loss"])
    assert pq.read_table(tmp_path / "out" / "train.parquet")["al_score"].to_pylist() == list(scores.values())


def test_pseudonyms_count_people_in_the_order_of_their_first_answers() -> None:
    names = ["Bea", "dataset", "Ann", "Bea", "simulated", "Cy"]
    assert pseudonyms(Answer("x", "yes", annotator=name) for name in names) == {
        "dataset": "dataset",
        "simulated": "simulated",
        "Bea": "annotator-1",
        "Ann": "annotator-2",
        "Cy": "annotator-3",
    }


def test_a_run_keeps_its_id_while_answers_are_added() -> None:
    first = Answer("x1", "yes", annotator="Ann", time="2026-01-02T03:04:05.000006+00:00", number=1)
    later = Answer("x2", "no", annotator="Bea", time="2026-01-02T03:05:05.000006+00:00", number=2)
    assert run_id([first]) == run_id([first, later])
    assert run_id([replace(first, annotator="annotator-1", label="no")]) == run_id([first])  # as in an export
    others = [replace(first, time="2026-01-02T03:04:05.000007+00:00"), replace(first, example_id="x2"), later]
    assert run_id([first]) not in {run_id([answer]) for answer in others}


def test_without_models_the_last_round_is_trained_again_until_it_has_made_its_query() -> None:
    def record(number: int, finished: str | None) -> RoundRecord:
        return RoundRecord(number, 1, 4, 4, 4, "begun", "trained", {"eval_accuracy": 0.5}, finished, 12, {"kappa": 1})

    def query(round_number: int) -> Query:
        return Query(round_number, "round" if round_number else "seed", "margin", 1, (Queried("x", "content", {}),))

    def going_on(rounds: list[RoundRecord], made: list[int]) -> History:
        queries = [query(number) for number in made]
        history = History("text_classification", None, NAMES, ["text"], {}, queries, rounds, [], None)
        return history_without_models(history, lambda example_id: {"text": f"text of {example_id}"})

    again = RoundRecord(2, 1, 4, 4, 4, "begun", None, None, None, 12, None)
    whole = [record(1, "finished"), record(2, "finished")]
    assert going_on(whole, [0, 1]).rounds == [whole[0], again]
    assert going_on(whole, [0, 1, 2]).rounds == whole
    assert going_on([whole[0], record(2, None)], [0, 1]).rounds == [whole[0], again]
    by_head = Query(2, HEAD, "margin", 1, (Queried("x", "content", {}),), settings={"sequence": 1})
    history = History("text_classification", None, NAMES, ["text"], {}, [query(0), by_head], whole, [], None)
    assert history_without_models(history, lambda example_id: {}).rounds == whole
    assert [query.examples[0].texts for query in going_on(whole, [0, 1]).queries] == [{"text": "text of x"}] * 2
