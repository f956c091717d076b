"""The simulated annotator, through a real pool and `hfal.annotators.asking.ask`."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset
from scipy.stats import binomtest

from hfal.annotators.asking import ask, open_query
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.data.pool import Pool
from hfal.errors import AnnotationError, ArgumentError
from hfal.store.records import Answer, Queried, Query
from support.models import NAMES
from support.query_files import add_query, answers, ids_of, make_pool, unlabeled_ids


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


# -- several people ------------------------------------------------------------------------------------------------

TEAM = ["anna", "ben", "carl"]


def numbered_pool(run_dir: Path, size: int, names: tuple[str, ...] = ("a", "b", "c")) -> Pool:
    columns = {"text": [f"text {n}" for n in range(size)], "gold": [names[n % len(names)] for n in range(size)]}
    return Pool(Dataset.from_dict(columns), run_dir, "text", label_column="gold", label_names=list(names))


def ask_opinions(pool: Pool, ids: list[str], opinions: Any) -> None:
    examples = tuple(
        Queried(i, pool.content(p), pool.texts([p])[0]) for i, p in zip(ids, pool.positions(ids), strict=True)
    )
    pool.store.add_query(Query(1, "round", "random", 0, examples, settings={"opinions": opinions}))


def given(pool: Pool) -> list[tuple[str, str, str]]:
    return [(a.example_id, str(a.annotator), a.label) for a in pool.store.answers()]


def test_simulated_people_take_turns_and_nobody_answers_twice(tmp_path: Path) -> None:
    pool = numbered_pool(tmp_path / "run", 12)
    ids = ids_of(pool)
    ask_opinions(pool, ids, {ids[0]: 2, ids[1]: 3, ids[2]: 5})
    pool.record(Answer(ids[1], "a", annotator="ben", query=1))  # wrong, and it stays
    ask(pool.store, SimulatedAnnotator(pool, annotators=TEAM))
    people = {i: [name for example_id, name, _ in given(pool) if example_id == i] for i in ids}
    assert [len(set(people[i])) for i in ids] == [2, 3, 3, *[1] * 9]  # five have not three names
    assert all(len(of) == len(set(of)) for of in people.values())
    assert {name: sum(people[i] == [name] for i in ids[3:]) for name in TEAM} == dict.fromkeys(TEAM, 3)
    assert pool.store.open_queries() == []
    assert pool.store.opinions()[ids[1]]["ben"].label == "a"


def test_what_is_simulated_may_say_that_a_text_makes_no_sense(tmp_path: Path) -> None:
    pool = make_pool(tmp_path / "run", ["one", "two", "three"])
    ids = ids_of(pool)
    add_query(pool, ids, made_up=ids[1:])
    labels = dict(zip(ids, ["negative", "nonsense", "positive"], strict=True))
    ask(pool.store, SimulatedAnnotator(SimpleNamespace(label_column="gold", hidden_label=labels.get)))
    said = [(ids[0], "label", "negative"), (ids[1], "nonsense", None), (ids[2], "label", "positive")]
    assert answers(pool) == said


@pytest.mark.parametrize("people", [[], TEAM], ids=["one", "three"])
def test_people_who_err_do_so_at_their_rate_and_with_any_other_label(tmp_path: Path, people: list[str]) -> None:
    pool = numbered_pool(tmp_path / "run", 900)
    ids = ids_of(pool)
    ask_opinions(pool, ids, max(len(people), 1))
    ask(pool.store, SimulatedAnnotator(pool, annotators=people, error_rate=0.2, seed=3))
    log = given(pool)
    assert len(log) == 900 * max(len(people), 1)
    errors = {(i, name): label for i, name, label in log if label != pool.hidden_label(i)}
    for name in people or ["simulated"]:
        assert binomtest(sum(who == name for _, who in errors), 900, 0.2).pvalue > 0.001
    instead = [label for (i, _), label in errors.items() if pool.hidden_label(i) == "a"]
    assert binomtest(instead.count("b"), len(instead), 0.5).pvalue > 0.001
    if people:  # they err independently of each other
        both = sum((i, "anna") in errors and (i, "ben") in errors for i in ids)
        assert binomtest(both, 900, 0.04).pvalue > 0.001


def test_people_who_err_do_so_on_the_same_texts_whatever_was_asked_before(tmp_path: Path) -> None:
    logs = []
    for number, pieces in enumerate([[slice(0, 60)], [slice(40, 60), slice(0, 40)]]):
        pool = numbered_pool(tmp_path / f"run {number}", 60)
        for piece in pieces:
            ask_opinions(pool, ids_of(pool)[piece], 3)
            ask(pool.store, SimulatedAnnotator(pool, annotators=TEAM, error_rate=0.4, seed=1))  # started again
        logs.append(sorted(given(pool)))
    assert logs[0] == logs[1]
    pool = numbered_pool(tmp_path / "other", 60)
    ask_opinions(pool, ids_of(pool), 3)
    ask(pool.store, SimulatedAnnotator(pool, annotators=TEAM, error_rate=0.4, seed=2))
    assert sorted(given(pool)) != logs[0]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"error_rate": 1}, "error_rate=1, expected a share from 0 up to 1"),
        ({"error_rate": -0.1}, "error_rate=-0.1"),
        ({"annotators": ["anna", "Anna"]}, "annotators has 'anna' twice, or in other capitals"),
        ({"annotators": ["anybody"]}, "annotators is 'anybody', which is for people"),
        ({"annotators": ["anna", ""]}, "annotators is ''"),
    ],
)
def test_simulated_people_that_cannot_be(tmp_path: Path, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ArgumentError, match=complaint):
        SimulatedAnnotator(numbered_pool(tmp_path, 3), **options)


def test_errors_are_for_text_classification(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": ["one", "two"], "gold": [["a"], []]})
    pool = Pool(data, tmp_path, "text", label_column="gold", label_names=["a", "b"], task="multi_label_classification")
    ask_opinions(pool, ids_of(pool), 1)
    with pytest.raises(AnnotationError, match=r"error_rate=0.1 is for text classification: leave it out"):
        ask(pool.store, SimulatedAnnotator(pool, error_rate=0.1))
    assert pool.store.answers() == []


def test_people_take_turns_also_after_some_texts_were_answered_by_a_process_that_was_stopped(tmp_path: Path) -> None:
    data = Dataset.from_dict({"text": [*"abcdef"], "gold": [*"xyxyxy"]})
    for answered in (0, 4):
        pool = Pool(data, tmp_path / str(answered), "text", label_column="gold")
        add_query(pool, ids_of(pool))
        annotator = SimulatedAnnotator(pool, annotators=["anna", "ben", "carl"])
        for answer in [*annotator.annotate(open_query(pool.store, pool.store.open_queries()[0]))][:answered]:
            pool.record(answer)
        ask(pool.store, annotator)
        assert [answer.annotator for answer in pool.store.answers()] == ["anna", "ben", "carl"] * 2
