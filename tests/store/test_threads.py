"""A store that several threads use at a time."""

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from hfal.errors import AnnotationError
from hfal.store.records import Answer, Queried, Query
from hfal.store.run_info import RunInfo
from hfal.store.store import Store
from support.stores import say


@pytest.mark.parametrize("owned", [True, False])
def test_threads_record_read_and_copy_at_once(tmp_path, owned):
    store = Store(tmp_path)
    store.set_info(RunInfo("text_classification", None, ("negative", "positive")))
    each, done = 25, threading.Event()
    acknowledged: list[list[str]] = [[] for _ in range(4)]

    def record(thread: int) -> None:
        for number in range(each):
            answer = Answer(f"{thread}-{number}", "positive", annotator=f"ann {thread}")
            assert store.record(answer, "content", {"text": "text"}) is not None
            acknowledged[thread].append(answer.example_id)

    def record_pairs(_: int) -> None:
        for number in range(each):
            with store.at_once():
                for half in "ab":
                    answer = Answer(f"pair {number} {half}", "positive", annotator="pairs")
                    store.record(answer, "content", {"text": ""})
        with pytest.raises(AnnotationError):
            fail_halfway()

    def fail_halfway() -> None:
        with store.at_once():
            for label in ("positive", "blue"):
                store.record(Answer("half", label, annotator="pairs"), "content", {"text": ""})

    def record_the_same(_: int) -> None:
        for number in range(each):
            store.record(Answer(f"same {number}", "positive", annotator="all of us"), "content", {"text": ""})

    def ask(thread: int) -> None:
        for number in range(5):
            examples = tuple(Queried(f"q{thread}-{number}-{i}", "content", {"text": ""}) for i in range(5))
            query = store.add_query(Query(0, "seed", "random", 1, examples))
            assert query.examples == examples
            store.close_query(query.number)

    def check(answers: list[Answer]) -> None:
        assert [answer.number for answer in answers] == list(range(1, 1 + len(answers)))
        ids = Counter(answer.example_id for answer in answers)
        assert set(ids.values()) <= {1}
        assert "half" not in ids
        assert len([i for i in ids if i.startswith("pair")]) % 2 == 0

    def read(_: int) -> None:
        while not done.is_set():
            known = [list(ids) for ids in acknowledged]
            answers = store.answers()
            check(answers)
            assert {i for ids in known for i in ids} <= {answer.example_id for answer in answers}
            with store.snapshot():
                assert store.last_answer() == len(store.answers())
            copied = store.copy()
            check(copied.answers())
            assert copied.last_answer() == len(copied.current_answers())
            assert all(len(query.examples) == 5 for query in copied.queries())
            copied.close()

    with ThreadPoolExecutor(12) as pool, store.own() if owned else contextlib.nullcontext():
        readers = [pool.submit(read, thread) for thread in range(3)]
        jobs = [record, record, record, record, record_pairs, record_the_same, record_the_same, ask, ask]
        writers = [pool.submit(job, thread) for thread, job in enumerate(jobs)]
        try:
            for writer in writers:
                writer.result(timeout=120)
        finally:
            done.set()
        for reader in readers:
            reader.result(timeout=120)
    answers = store.answers()
    check(answers)
    assert len(answers) == 4 * each + 2 * each + each
    assert [len(ids) for ids in acknowledged] == [each] * 4
    assert len(store.queries()) == 10
    assert Store(tmp_path, read_only=True).answers() == answers
    with Store(tmp_path).own():  # nothing is left locked
        pass


def test_what_one_thread_records_at_once_no_other_thread_is_in(tmp_path):
    store = Store(tmp_path)
    say(store, "a", "positive")
    with ThreadPoolExecutor(1) as pool:
        with store.at_once():
            say(store, "b", "positive")
            reading, writing = pool.submit(store.last_answer), None
            with pytest.raises(TimeoutError):
                reading.result(timeout=0.3)
        assert reading.result(timeout=30) == 2

        def failing() -> None:
            with store.at_once():
                say(store, "c", "positive")
                nonlocal writing
                writing = pool.submit(say, store, "d", "positive")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            failing()
        writing.result(timeout=30)
    assert [answer.example_id for answer in store.answers()] == ["a", "b", "d"]  # what failed took nothing with it


def test_a_round_begins_on_the_answers_of_one_instant(tmp_path):
    """Answers come from another thread all the time; each round's labels and sizes are those of what it has seen."""
    store = Store(tmp_path)
    store.set_info(RunInfo("token_classification", "IOB2", ("O", "B-X", "I-X")))
    ids = [f"x{i}" for i in range(400)]
    sentences = tuple(Queried(i, "content", {"tokens": ["a", "b"]}) for i in ids)
    store.add_query(Query(0, "holdout", "random", 1, sentences[::5]))
    done = threading.Event()

    def answer() -> None:
        for i in ids:
            if done.is_set():
                return
            store.record(Answer(i, ["O", "B-X"], annotator="ann"), "content", {"tokens": ["a", "b"]})
            if i.endswith("3"):
                store.record(Answer(i, action="undo", annotator="ann"), "content", {"tokens": ["a", "b"]})

    with ThreadPoolExecutor(1) as pool:
        answering = pool.submit(answer)
        while not store.last_answer():
            pass
        records = []
        for number in range(1, 60):
            records.append(store.start_round(number, seed=number))
            while number % 8 == 0 and store.last_answer() == records[-1].answers_seen and not answering.done():
                pass  # the other thread gets its turn, however fast this one is
        done.set()
        answering.result(timeout=60)
    assert len({record.answers_seen for record in records}) > 5
    for record in [*records, *store.rounds()]:
        seen = record.answers_seen
        assert record.labels == store.labels_bought(seen)
        assert record.words == store.words_bought(seen)
        assert record.train_size == len(store.training_answers(seen))
    assert store.rounds() == records
    assert store.start_round(1, seed=9) == records[0]
    assert store.start_round(60, seed=1, train_size=7).train_size == 7
