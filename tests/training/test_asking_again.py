"""Runs in which people who err are asked again: against scikit-learn and cleanlab."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset

from hfal import ActiveLearningCallback, Answer, OpenQuery, Pool, SimulatedAnnotator
from hfal.annotators.asking import open_query
from hfal.annotators.session.session import LabelSession
from hfal.errors import ArgumentError
from hfal.store.records import HEAD
from hfal.store.store import Store
from hfal.training.cross_validation import draw_folds
from support.head_oracle import best, margin_scores, normalized, probabilities_by, reference
from support.head_oracle import vectors as made_vectors
from support.noisy_people import correct_counts, of_cleanlab


PEOPLE = ["anna", "ben", "carl"]
QUERIES, SIZE = 7, 8


@pytest.fixture(scope="module")
def vectors(reviews: Dataset) -> np.ndarray:
    """Vectors in the place of embeddings: a tiny encoder knows too little for its head to be worth a person's word."""
    return made_vectors(np.array(reviews["label"][:])).astype(np.float32)


@pytest.fixture
def start(make_trainer, make_active, vectors) -> Callable[..., ActiveLearningCallback]:
    """A function that runs one round, by default of 7 queries of 8 texts, of people who err on every third text."""

    def run(folder: Path, data: Dataset, annotator: type = SimulatedAnnotator, **options: Any) -> Any:
        people = {"annotators": PEOPLE, "error_rate": 0.3, "seed": 2, **options.pop("people", {})}
        given = {"select_with": "head", "ask_again": True, "query_size": SIZE, "queries_per_round": QUERIES, **options}
        active = make_active(folder, data, embeddings=vectors[: len(data)], **given)
        active.annotator = annotator(active.pool, **people)
        active.run(make_trainer([active], max_steps=1), rounds=1)
        return active

    return run


@pytest.fixture(scope="module")
def asked_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked again") / "run"


@pytest.fixture
def pool(start, reviews, asked_again) -> Pool:
    """The pool of a run, made once."""
    if asked_again.exists():
        return Pool(reviews, asked_again, "text", "label")
    return start(asked_again, reviews).pool


def ids(query: Any) -> list[str]:
    return [asked.example_id for asked in query.examples]


def test_queries_are_those_that_scikit_learn_and_cleanlab_would_make(pool, reviews, vectors, monkeypatch) -> None:
    correct_counts(monkeypatch)
    store, everything = pool.store, pool.ids.to_pylist()
    inputs, at = normalized(vectors), {i: n for n, i in enumerate(pool.ids.to_pylist())}
    names = list(pool.label_names)
    queries = [query for query in store.queries() if query.purpose == HEAD]
    assert len(queries) == QUERIES - 1
    counts = []
    for query in queries:
        until = query.settings["answers_seen"]
        labels = pool.training_labels(until)
        opinions = {i: {name: a.label for name, a in of.items()} for i, of in store.opinions(until).items()}
        known, free = [*labels], [i for i in sorted(everything) if i not in labels]
        assert [*opinions] == known
        classes = np.array([names.index(label) for label in labels.values()])
        _, groups = np.unique([pool.content(at[i]) for i in known], return_inverse=True)
        rows = np.arange(len(known))
        folds = draw_folds(classes, rows, groups, np.random.default_rng([42, 10, 0, query.sequence]))
        x = inputs[[at[i] for i in known]]
        of_known = reference(x, classes, folds)
        of_free = probabilities_by(x, classes, inputs[[at[i] for i in free]])
        table = np.full((len(known) + len(free), len(PEOPLE)), -1)
        for row, i in enumerate(known):
            for name, label in opinions[i].items():
                table[row, PEOPLE.index(name)] = names.index(label)
        scores = of_cleanlab(table, np.concatenate([of_known, of_free]))
        may = [row for row, i in enumerate(known) if len(opinions[i]) < len(PEOPLE)]
        rows = np.array([*may, *range(len(known), len(table))])
        chosen = rows[np.argsort(-scores[rows])][:SIZE]
        old = [known[row] for row in chosen if row < len(known)]
        new = best(margin_scores(of_free), free, SIZE - len(old))
        assert ids(query) == old + new
        assert [query.opinions_on(i) for i in old] == [len(opinions[i]) + 1 for i in old]
        assert {query.opinions_on(i) for i in new} <= {1}
        by_id = dict(zip([*known, *free], scores, strict=True))
        record = query.settings["ask_again"]
        assert (list(record["old"]), list(record["new"])) == (old, new)
        assert record["old"] == pytest.approx({i: by_id[i] for i in old}, abs=1e-3)
        assert record["new"] == pytest.approx({i: by_id[i] for i in new}, abs=1e-3)
        # What is suggested of an old text is what a head says that has not seen its label.
        suggested = {asked.example_id: asked for asked in query.examples}
        for i in old:
            of = of_known[known.index(i)]
            assert (suggested[i].suggestion, suggested[i].score) == (names[of.argmax()], None)
            assert suggested[i].confidence == pytest.approx(of.max(), abs=1e-3)
        assert all(suggested[i].score is not None for i in new)
        counts.append(len(old))
    assert 5 < sum(counts) < SIZE * len(counts) - 5


def test_second_opinions_are_of_others_and_the_labels_are_those_of_most(pool) -> None:
    store = pool.store
    said = [(answer.example_id, answer.annotator) for answer in store.answers()]
    assert len(said) == len(set(said)) == store.labels_bought() == QUERIES * SIZE
    opinions = store.opinions()
    assert max(map(len, opinions.values())) > 1
    assert store.plan.aggregate_labels == "majority"
    assert set(store.training_answers()) == set(opinions)
    assert not store.open_queries()
    # Each query had its answers before the next was made, and only from those who had not answered its texts.
    for query in store.queries():
        assert sorted(a.example_id for a in store.answers() if a.query == query.number) == sorted(ids(query))


def test_a_budget_counts_every_opinion(start, reviews, tmp_path) -> None:
    """Two people on each new text, so that what is left does not always pay for another."""
    for budget in (29, 30):
        active = start(tmp_path / str(budget), reviews, overlap=2, budget=budget, query_size=5, queries_per_round=20)
        store = active.pool.store
        assert store.labels_bought() == len(store.answers()) == budget
        assert store.why_ended() is not None
        assert {len(of) for of in store.opinions().values()} == {2, 3}


def test_a_small_pool_is_asked_until_everybody_has_answered_everything(start, reviews, make_trainer, tmp_path) -> None:
    active = start(tmp_path / "run", reviews.select(range(12)), query_size=5, queries_per_round=2)
    assert len(active.history) == 1
    active.run(make_trainer([active], max_steps=1))
    store = active.pool.store
    assert store.why_ended() == "nothing is left to ask"
    assert store.labels_bought() == 36
    assert {tuple(sorted(of)) for of in store.opinions().values()} == {tuple(PEOPLE)}


class Stops(SimulatedAnnotator):
    """Is gone before some answer, each time it is started."""

    at_once = False
    before: Iterator[int]

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        stop = next(Stops.before, -1)
        for place, answer in enumerate(super().annotate(query)):
            if place == stop:
                raise KeyboardInterrupt
            yield answer


def test_a_run_that_is_stopped_again_and_again_asks_the_same(start, reviews, pool, tmp_path) -> None:
    stops = [5, -1, 0, 3, 2, -1, 7, 1, 0]
    Stops.before = iter(stops)
    for _ in range(10):
        try:
            active = start(tmp_path / "run", reviews, Stops)
            break
        except KeyboardInterrupt:
            pass
    assert not [*Stops.before]  # each has been
    stopped = active.pool.store

    def what(store: Store) -> list[Any]:
        answers = [(a.example_id, a.annotator, a.label, a.query) for a in store.answers()]
        return [(q.settings, q.examples) for q in store.queries()] + answers

    assert what(stopped) == what(pool.store)


# -- what people see --------------------------------------------------------------------------------------------------


def test_who_has_not_answered_a_text_is_asked_it_again_and_who_has_is_not(pool, tmp_path, reviews) -> None:
    """A query of one old text, as a person's session has it."""
    store = pool.store
    query = next(query for query in store.queries() if query.settings.get("ask_again", {}).get("old"))
    other = Pool(reviews, tmp_path / "run", "text", "label")
    before = [answer for answer in store.answers() if answer.query < query.number]
    for earlier in store.queries()[: query.number]:
        other.store.add_query(earlier)
    for answer in before:
        other.record(answer)
    for earlier in other.store.open_queries()[:-1]:
        other.store.close_query(earlier.number)
    old = [*query.settings["ask_again"]["old"]]
    (asking,) = other.store.open_queries()
    opened = open_query(other.store, asking)
    assert [question.example_id for question in opened.questions] == ids(query)
    assert {question.opinions for question in opened.questions} == {1}
    assert not {*ids(query)} & {other.ids[int(row)].as_py() for row in other.unlabeled_positions()}
    assert {*old} <= {*other.training_labels()}  # they keep their label meanwhile
    gave = {answer.example_id: answer.annotator for answer in before}
    for person in PEOPLE:
        session = LabelSession(opened, person, suggestions_shown=True)
        assert session.open == [i for i in ids(query) if gave.get(i) != person]
        assert session.answered == len([i for i in old if gave[i] == person])


# -- what cannot be ---------------------------------------------------------------------------------------------------


def test_who_has_nobody_else_to_ask_is_told_before_anything_is_asked(start, reviews, tmp_path) -> None:
    with pytest.raises(ArgumentError, match=r"ask_again=True asks another .* there is one annotator: name more"):
        start(tmp_path / "nobody", reviews, people={"annotators": []})
    with pytest.raises(ArgumentError, match=r"but annotators has anna: name more, or leave it out"):
        start(tmp_path / "one", reviews, people={"annotators": ["anna"]})
    assert not Pool(reviews, tmp_path / "one", "text", "label").store.queries()


def test_the_model_that_is_trained_cannot_say_what_to_ask_again(make_active) -> None:
    with pytest.raises(
        ArgumentError, match=r"ask_again=True takes select_with='head', but that is 'model'.*pass 'head'"
    ):
        make_active(ask_again=True)


def test_it_is_for_one_label_of_a_text(news, sentences, tmp_path) -> None:
    sets = Dataset.from_dict({"text": ["a", "b"], "topics": [["x"], ["y"]]})
    for pool in (news, Pool(sets, tmp_path / "sets", "text", "topics")):
        with pytest.raises(
            ArgumentError, match=f"ask_again=True is for text classification, not for {pool.task.name}"
        ):
            ActiveLearningCallback(pool, strategy="random", select_with="head", embeddings="e", ask_again=True)
