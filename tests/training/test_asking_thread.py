"""People who answer while a round trains: on the page, by real requests, beside a real training."""

import contextlib
import itertools
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, TrainerCallback

from hfal import ActiveLearningCallback, FileAnnotator, SimulatedAnnotator, TerminalAnnotator, WebAnnotator
from hfal.acquisition import queries
from hfal.acquisition.label_budget import LabelBudget
from hfal.acquisition.queries import Acquisition
from hfal.acquisition.self_training import keep_predictions
from hfal.errors import AnswersPending, ArgumentError, HfalError
from hfal.stopping.criteria import Criterion
from hfal.store.records import AHEAD, HEAD, Query, RoundRecord
from hfal.store.store import Store
from hfal.training import asking_thread
from hfal.training.asking_thread import AskingThread
from hfal.training.frozen_head import HeadQueries
from hfal.training.round_planner import RoundPlanner
from support.web_page import Client


SIZE = 5  # of a query


class Person(threading.Thread):
    """Answers whatever the page asks, as fast as it can, until it ends.

    Attributes:
        seen: The examples that were answered, in this order.
        messages: What the page said while it asked.
        last: The state in which the page ended.
    """

    def __init__(self, annotator: WebAnnotator, leaves_after: int | None = None):
        super().__init__(daemon=True)
        self.annotator = annotator
        self.leaves_after = leaves_after
        self.seen: list[str] = []
        self.messages: list[str] = []
        self.last: dict[str, Any] = {}

    def run(self) -> None:
        while self.annotator.address is None:
            time.sleep(0.005)
        page = Client(int(urlsplit(self.annotator.address).port or 0))
        state = page.state()
        while state["phase"] != "ended":
            action, body = "close", {"turn": state["turn"]}
            if self.leaves_after == len(self.seen):
                action = "leave"
            elif state["phase"] == "waiting":
                state = page.state(after=state["version"])
                continue
            elif state["shown"] is not None:
                self.messages.append(f"{state['progress']['title']}; {state['noted']}")
                action, answer = self.say(state)
                body |= {"example": state["shown"]["example"], **answer}
            status, found = page.post(action, body)
            if status == 200 and action == "answer":
                self.seen.append(body["example"])
            if status == 500:  # the answer could not be recorded
                self.last = page.waits_for("ended")
                return
            state = found if status == 200 else found["state"]  # the query may have been closed meanwhile
        self.last = state

    def say(self, state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """What is done about the text that is shown."""
        return "answer", {"action": "label", "label": "positive"}


class Slow(TrainerCallback):
    """A training that goes on when so many more answers are in, so that it is slower than people are.

    Args:
        store: The run's store.
        answers: How many in the rounds that are not the last one.
        rounds: How many rounds there are.
        first: The first of them in which people answer.
    """

    def __init__(self, store: Store, answers: int, rounds: int, first: int = 1):
        self.store = store
        self.first = first
        self.answers = answers
        self.rounds = rounds

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        record = self.store.rounds()[-1]
        end = time.monotonic() + 30
        while self.first <= record.number < self.rounds and self.store.labels_bought() < record.labels + self.answers:
            assert time.monotonic() < end, "nobody was asked while the round trained"
            time.sleep(0.01)


@pytest.fixture
def asked(make_active: Any, make_trainer: Any) -> Callable[..., Any]:
    """A function that makes a run in which people are asked all the time, and its Trainer."""

    def make(answers: int = 7, rounds: int = 3, first: int = 1, **options: Any) -> tuple[ActiveLearningCallback, Any]:
        vectors = np.random.default_rng(0).normal(size=(len(options.get("data", range(300))), 4))
        own = {"select_with": "head", "embeddings": vectors, **options}
        own = {"query_size": SIZE, "when_idle": "ask", "annotator": WebAnnotator("ann", open_browser=False), **own}
        active = make_active(**own)
        return active, make_trainer([active, Slow(active.pool.store, answers, rounds, first)])

    return make


@contextlib.contextmanager
def answering(active: ActiveLearningCallback, **options: Any) -> Iterator[Person]:
    person = Person(active.annotator, **options)
    person.start()
    yield person
    person.join(30)
    assert not person.is_alive()


def test_queries_go_on_while_a_round_trains_and_the_next_one_trains_on_their_answers(asked):
    active, trainer = asked()
    with answering(active) as person:
        active.run(trainer, rounds=3)
    records, store = active.history, active.pool.store
    assert [record.number for record in records] == [1, 2, 3]
    assert records[0].labels == SIZE
    assert all(after.labels >= before.labels + 7 for before, after in itertools.pairwise(records))
    assert any("Round 1 trains on 5 labeled texts" in line for line in person.messages)
    assert any(line.startswith("Query 1 for round 2 of 3; Round 1 trains") for line in person.messages)
    assert any(line.startswith("Query 1 for round 3 of 3; Round 2 trains") for line in person.messages)
    assert person.last["message"] == "The run has ended: 3 rounds were asked for. All answers are saved."
    answers = store.answers()
    assert [answer.example_id for answer in answers] == person.seen
    assert len(set(person.seen)) == len(person.seen)
    assert records[-1].labels == len(person.seen)  # nobody was asked for what no round trains on
    assert store.open_queries() == []
    heads = [query for query in store.queries() if query.purpose == HEAD]
    places = [(query.round, query.sequence) for query in heads]
    assert places == sorted(set(places))
    assert {place[0] for place in places} == {1, 2}
    assert all(query.settings["answers_seen"] % SIZE == 0 for query in heads)


def by_the_model_of_a_round(active: ActiveLearningCallback, number: int, among: set[str]) -> list[str]:
    """Ids by the margin between the two likeliest labels, the smallest first, of a model read from the disk."""
    folder = active.pool.run_dir / "rounds" / f"{number:03d}" / "model"
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    margins = []
    for example_id, row in zip(active.pool.ids, active.pool.dataset, strict=True):
        if str(example_id) in among:
            inputs = {name: torch.tensor([row[name]]) for name in ("input_ids", "attention_mask", "token_type_ids")}
            with torch.inference_mode():
                best, second = model(**inputs).logits.softmax(-1)[0].topk(2).values.tolist()
            margins.append((best - second, str(example_id)))
    return [example_id for _, example_id in sorted(margins)]


def test_without_a_head_the_ranking_of_the_last_rounds_model_goes_on(asked):
    active, trainer = asked(first=2, select_with="model", embeddings="model", keep_models=None)
    with answering(active) as person:
        active.run(trainer, rounds=3)
    store, queries = active.pool.store, active.pool.store.queries()
    assert [query.round for query in queries if query.purpose == "round"] == [1, 2]
    ahead = [query for query in queries if query.purpose == AHEAD]
    assert len(ahead) >= 2
    assert any(line.startswith("More of round 1 of 3; Round 2 trains on") for line in person.messages)
    asked_by_first = [query for query in queries if query.round == 1]
    ids = [example.example_id for query in asked_by_first for example in query.examples]
    unlabeled = {str(example_id) for example_id in active.pool.ids} - {e.example_id for e in queries[0].examples}
    assert ids == by_the_model_of_a_round(active, 1, unlabeled)[: len(ids)]
    assert [query.sequence for query in asked_by_first] == [0, *range(1, len(asked_by_first))]
    everything = [example.example_id for query in queries for example in query.examples]
    assert len(everything) == len(set(everything))  # also of what was asked while the model of round 2 scored
    assert all(example.suggestion and example.score is not None for query in ahead for example in query.examples)
    assert active.history[-1].labels == len(person.seen) == len(store.answers())


def test_a_query_leaves_out_what_was_asked_while_the_model_scored(asked, monkeypatch):
    active, trainer = asked(answers=0, first=2, select_with="model", embeddings="model")
    score, store = Acquisition._score, active.pool.store

    def score_slowly(acquisition: Acquisition, *arguments: Any) -> Any:
        found = score(acquisition, *arguments)
        if len(store.rounds()) == 2:  # until the next one of the ranking of round 1 is being asked
            made = len(store.queries())
            while len(store.queries()) == made:
                time.sleep(0.01)
        return found

    monkeypatch.setattr(Acquisition, "_score", score_slowly)
    with answering(active):
        active.run(trainer, rounds=3)
    everything = [example.example_id for query in store.queries() for example in query.examples]
    assert len(everything) == len(set(everything))


def test_a_ranking_goes_on_where_it_was_and_ends(asked, make_active):
    active, trainer = asked(answers=0, first=2, rounds=2, select_with="model", embeddings="model")
    with answering(active):
        active.run(trainer, rounds=2)
    made = [query.sequence for query in active.pool.store.queries() if query.purpose == AHEAD]
    for number in range(1 + len(made), 6):  # each time as another process would
        again = make_active(query_size=SIZE, when_idle="ask", annotator=active.annotator)
        with again.pool.store.own():
            query = again.acquisition.propose_ahead()
        assert query is not None
        assert query.sequence == number
        assert len(query.examples) == SIZE
    again = make_active(query_size=SIZE, when_idle="ask", annotator=active.annotator)
    with again.pool.store.own():
        assert again.acquisition.propose_ahead() is None


def test_a_round_begins_when_so_many_answers_are_in(asked):
    active, trainer = asked(answers=0, train_after=12, rounds=2)
    with answering(active):
        active.run(trainer, rounds=2)
    first, second = active.history
    assert second.labels - first.labels >= 12


@pytest.mark.parametrize(("overlap", "share", "opinions"), [(1, 1.0, 5), (3, 1.0, 15), (3, 0.5, 10)])
def test_by_default_a_round_begins_when_a_query_has_all_opinions(asked, overlap, share, opinions):
    team = WebAnnotator("ann", annotators=["anna", "ben", "carl"], open_browser=False)
    active, trainer = asked(annotator=team, overlap=overlap, overlap_share=share)
    planner = RoundPlanner(trainer, active.acquisition, team, active.options, 3)
    bought = active.acquisition.budget.costs.mean() * SIZE
    assert bought == pytest.approx(opinions, abs=1)
    last = RoundRecord(1, 0, 0, 0, SIZE, "", None, None, None)
    found = []
    for labels in (bought - 1, bought + 1):
        active.pool.store.labels_bought = lambda labels=labels: round(labels)
        found.append(planner._is_enough(last))
    assert found == [False, True]


def test_nobody_answers_between_the_start_of_the_last_round_and_its_training(asked, monkeypatch):
    active, trainer = asked(answers=0, rounds=2)
    start_round = Store.start_round

    def start_slowly(store: Store, *arguments: Any) -> Any:
        record = start_round(store, *arguments)
        time.sleep(0.5 * (record.number == 2))
        return record

    monkeypatch.setattr(Store, "start_round", start_slowly)
    with answering(active) as person:
        active.run(trainer, rounds=2)
    assert active.history[-1].labels == len(person.seen)


class Enough(Criterion):
    """Ends a run after its first round."""

    def reason(self, history: Any) -> str | None:
        return "that is enough"


def test_no_answer_comes_after_the_end_that_a_criterion_sets(asked, monkeypatch):
    active, trainer = asked(stop=Enough())
    set_ended = Store.set_ended

    def set_slowly(store: Store, *arguments: Any) -> None:
        set_ended(store, *arguments)
        time.sleep(0.3)

    monkeypatch.setattr(Store, "set_ended", set_slowly)
    with answering(active) as person:
        active.run(trainer)
    assert active.pool.store.why_ended() == "that is enough"
    assert person.last["message"] == "The run has ended: that is enough. All answers are saved."
    assert len(active.pool.store.answers()) == len(person.seen)


def test_the_run_does_not_end_by_a_query_that_takes_the_rest_of_the_budget(asked, monkeypatch):
    active, trainer = asked(answers=0, budget=10)
    affordable, begun = LabelBudget.affordable, threading.Event()
    add_query = Store.add_query

    def add_in_between(store: Store, query: Query) -> Query:
        if query.purpose == HEAD:
            begun.wait(30)
        return add_query(store, query)

    def wait_for_the_query(budget: LabelBudget) -> Any:
        store = budget.pool.store
        if threading.current_thread() is threading.main_thread() and store.rounds():
            begun.set()
            time.sleep(0.5)
        return affordable(budget)

    monkeypatch.setattr(Store, "add_query", add_in_between)
    monkeypatch.setattr(LabelBudget, "affordable", wait_for_the_query)
    with answering(active) as person:
        active.run(trainer)
    assert len(person.seen) == active.history[-1].labels == 10


def test_the_run_ends_when_the_budget_is_spent_and_all_answers_were_trained_on(asked):
    active, trainer = asked(answers=0, budget=23)
    with answering(active) as person:
        active.run(trainer)
    assert len(person.seen) == 23
    assert active.history[-1].labels == 23
    assert active.pool.store.why_ended() == "the budget is spent"


def test_who_leaves_while_a_round_trains_is_let_go_at_once_and_the_round_ends(asked):
    active, trainer = asked(answers=2)
    with answering(active, leaves_after=8) as person, pytest.raises(AnswersPending, match="2 of 5 texts are left"):
        active.run(trainer, rounds=3)
    assert person.last["message"] == "You have left. All answers are saved."
    assert [record.finished is not None for record in active.history] == [True]
    again, trainer = asked(rounds=2)  # another process would do the same
    with answering(again) as other:
        again.run(trainer, rounds=2)
    assert [record.number for record in again.history] == [1, 2]
    assert not set(other.seen) & set(person.seen)


def test_ctrl_c_while_answers_are_awaited_ends_the_run_with_all_of_them(asked):
    active, trainer = asked(answers=0, train_after=50)
    store = active.pool.store

    def interrupt() -> None:
        while store.labels_bought() < 13 or not active.history[-1].finished:
            time.sleep(0.01)
        signal.raise_signal(signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with answering(active) as person, pytest.raises(AnswersPending):
        active.run(trainer, rounds=2)
    assert person.last["message"] == "The command that serves this page was stopped. All answers are saved."
    assert [answer.example_id for answer in store.answers()] == person.seen


class Regretful(Person):
    """Takes everything back while the first round trains, and skips all."""

    def __init__(self, annotator: WebAnnotator, store: Store):
        super().__init__(annotator)
        self.store = store

    def say(self, state: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        if not self.store.rounds():
            return super().say(state)
        return ("undo", {}) if self.store.training_answers() else ("answer", {"action": "skip"})


def test_no_round_begins_without_a_label(asked, reviews):
    active, trainer = asked(answers=-SIZE, data=reviews.select(range(12)))
    person = Regretful(active.annotator, active.pool.store)
    person.start()
    with pytest.raises(HfalError, match="nothing to train on: no example was labeled"):
        active.run(trainer)
    assert [record.train_size for record in active.history] == [SIZE]


def test_what_is_asked_meanwhile_changes_no_pseudo_labels(asked, monkeypatch):
    active, trainer = asked(answers=2, self_training=0.5)
    pool, kept, predict = active.pool, [], Acquisition.predict

    def predict_beside_a_query(*arguments: Any) -> None:
        while len(active.history) == 2 and not pool.store.open_queries():
            time.sleep(0.01)
        predict(*arguments)

    def keep(*arguments: Any) -> None:
        kept.append(len(arguments[2]))
        keep_predictions(*arguments)

    monkeypatch.setattr(Acquisition, "predict", predict_beside_a_query)
    monkeypatch.setattr(queries, "keep_predictions", keep)
    with answering(active):
        active.run(trainer, rounds=3)
    assert kept == [len(pool.unanswered_positions(record.answers_seen)) for record in active.history[1:]]


def test_an_error_in_the_thread_ends_the_run_when_the_round_has_ended(asked, monkeypatch):
    active, trainer = asked(answers=0)
    record = Store.record

    def fail(store: Store, *arguments: Any, **options: Any) -> Any:
        if len(active.history) and store.labels_bought() >= 7:
            raise OSError("no space left on the device")
        return record(store, *arguments, **options)

    monkeypatch.setattr(Store, "record", fail)
    person = Person(active.annotator)
    person.start()
    with pytest.raises(OSError, match="no space left"):
        active.run(trainer, rounds=3)
    assert len(active.pool.store.answers()) == 7
    person.join(30)
    assert person.last["message"] == "An error has ended this, which the command tells. All answers are saved."


def test_a_thread_that_python_has_halted_at_its_exit_is_not_waited_for(asked, monkeypatch):
    active, _ = asked()
    halted = threading.Event()
    monkeypatch.setattr(asking_thread, "ask", lambda *_: halted.wait())
    asking = AskingThread(active.pool.store, active.annotator, lambda: None)
    asking.start()
    monkeypatch.setattr(sys, "is_finalizing", lambda: True)
    threading.Timer(5, halted.set).start()  # or this would wait for ever
    asking.stop()
    assert not halted.is_set()
    halted.set()


def test_a_query_draws_no_random_numbers_that_a_training_beside_it_would_have_drawn(asked):
    active, trainer = asked()
    answer_all(active)
    head = HeadQueries(active.acquisition)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert head.propose(0, trainer.args) is not None
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1].tolist(), random.getstate()) == before[1:]


def test_a_query_does_not_take_the_compiled_model_from_a_training_beside_it(asked, monkeypatch):
    active, trainer = asked()
    answer_all(active)
    stances: list[str] = []
    monkeypatch.setattr(
        torch.compiler, "set_stance", lambda stance: stances.append(stance) or contextlib.nullcontext()
    )
    assert HeadQueries(active.acquisition).propose(0, trainer.args) is not None
    assert stances == []  # of all threads, and two that overlap leave it as the first one has set it


def answer_all(active: ActiveLearningCallback) -> None:
    active.acquisition.first.propose_seed_set()
    active.annotator = SimulatedAnnotator(active.pool)
    active.annotate()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"annotator": FileAnnotator("csv")}, "when_idle='ask' asks while a round trains, which FileAnnotator cannot"),
        ({"annotator": TerminalAnnotator("ann")}, "standard input and output are no terminal that can show a screen"),
        ({"when_idle": "sleep"}, "when_idle='sleep', expected one of wait, ask"),
        ({"when_idle": "wait", "train_after": 5}, "train_after=5 is for when_idle='ask'"),
        ({"train_after": 0}, "train_after=0, expected at least 1"),
    ],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(asked, options, message):
    with pytest.raises(ArgumentError, match=message):
        run_two_rounds(asked, options)


def run_two_rounds(asked: Callable[..., Any], options: dict[str, Any]) -> None:
    active, trainer = asked(**options)
    active.run(trainer, rounds=2)
