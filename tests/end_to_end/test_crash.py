"""Processes that are killed with SIGKILL, started again, and must end where one that was not killed ends."""

import os
import signal
import time
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from hfal import ActiveLearningCallback, SimulatedAnnotator
from hfal.errors import RunDirectoryBusyError
from hfal.store.schema import SCHEMA_VERSION
from hfal.store.store import Store
from support import crash_run
from support.crash_checks import check_answers, check_same, head_of, make_places, outcome, start
from support.crash_run import Kill, Mode, Places
from support.models import save_tiny_encoder
from support.texts import load_reviews, load_sentences


FROM_INIT = Mode("model_init", "from_scratch")
FROM_MODEL = Mode("model", "from_scratch")
CONTINUE_MODEL = Mode("model", "continue")
EARLY_BEST = Mode("model_init", "from_scratch", early_stopping="best")
EARLY_LAST = Mode("model_init", "from_scratch", early_stopping="last")
OF_WORDS = Mode("model_init", "from_scratch", of_words=True)
SELF_TRAINING = Mode("model_init", "from_scratch", self_training=0.4)
COMMITTEE = Mode("model_init", "from_scratch", committee=2)
PROBE = Mode("model_init", "from_scratch", probe=10.0)
PROBE_CONTINUE = Mode("model_init", "continue", probe=1.0)
WORDS_PROBE = Mode("model_init", "from_scratch", of_words=True, probe=1.0)
HEAD = Mode("model_init", "from_scratch", head=2)
WORDS_HEAD = Mode("model_init", "from_scratch", of_words=True, head=2)
WORDS_CONTINUE = Mode("model", "continue", of_words=True)
STOPPING = Mode("model_init", "continue", stop="uncertainty(1.0, rounds=2) and kappa(-1, rounds=1)")
ASK_AGAIN = Mode("model_init", "from_scratch", head=2, ask_again=True)
HEAD_CONTINUE = Mode("model_init", "continue", head=2, self_training=0.4)

# In the order in which a run reaches them; each process but the last dies at one of them.
ANNOTATING = [
    Kill("sql CREATE TABLE answers*"),  # the tables are half made
    Kill(f"sql COMMIT of PRAGMA user_version = {SCHEMA_VERSION}"),  # all of them, and not committed
    Kill("rename labels.sqlite.part"),  # all of them, under the name of half a file
    Kill("sql INSERT INTO queried (*) VALUES (1, 3, *"),  # the holdout's query is half written
    Kill("question holdout 0", 3),  # between two answers
    Kill("answer holdout 0"),  # asked, the answer is on its way
    Kill("sql INSERT INTO answers *", 2),  # in the answer's transaction, before it has written
    Kill("sql COMMIT of INSERT INTO answers *"),  # in the answer's transaction, after it has written
    Kill("acknowledgement seed 0", 3),  # the answer is committed, and the annotator does not know it yet
    Kill("sql UPDATE queries SET closed*"),  # all answered, the query still open
    Kill("sql COMMIT of INSERT INTO rounds *"),
]
TRAINING = [
    Kill("step 6 of round 001"),  # two steps after a checkpoint
    Kill("open rounds/001/checkpoint-6/tokenizer_config.json"),  # a checkpoint with weights and nothing else
    Kill("open rounds/001/checkpoint-6/trainer_state.json"),  # a checkpoint that lacks its last file
    Kill("open rounds/001/checkpoint-6/trainer_state.json", tear=True),  # a checkpoint with half of its last file
    Kill("end of training of round 001"),  # the checkpoint is of the last step: nothing is left to train
    Kill("step 3 of round 002"),  # before the round's first checkpoint
    Kill("step 10 of round 002"),
]
SCORING = [
    Kill("scoring", 4),
    Kill("sql INSERT INTO queried (*) VALUES (3, 2, *"),  # the round's query is half written
    Kill("sql COMMIT of INSERT INTO queried *"),
    Kill("evaluation of round 001"),  # model and query are on the disk, the round is not over
    Kill("acknowledgement round 1", 2),
    Kill("evaluation of round 002"),
]
SAVING = [
    Kill("open rounds/001/model.part/config.json"),
    Kill("open rounds/001/model.part/tokenizer_config.json"),  # half of the final model is saved
    Kill("rename rounds/001/model.part"),  # all of it, under the name of half a model
    Kill("sql COMMIT of UPDATE rounds SET metrics *"),  # all of it, but the round is not finished
    Kill("remove optimizer.pt"),  # half of the finished round's last checkpoint is removed
    Kill("rmtree rounds/001/model"),  # the old round's
    Kill("rename rounds/003/model.part"),
]
# Where it matters which weights a round begins with, and goes on with.
WEIGHTS = [
    Kill("rename initial_model.part"),
    Kill("step 5 of round 001"),
    Kill("evaluation of round 001"),
    Kill("step 2 of round 002"),
    Kill("scoring", 3),
    Kill("step 7 of round 003"),
]
# Where a head begins with the labels of its round.
PROBES = [
    Kill("step 6 of round 001"),  # behind a checkpoint
    Kill("evaluation of round 001"),
    Kill("acknowledgement round 1", 2),
    Kill("step 2 of round 002"),  # before one
    Kill("scoring", 3),
]
# Where a head queries as soon as answers are in, and again before the round begins.
HEADS = [
    Kill("open sentence_embeddings/*.part"),  # the encoder is about to run over the pool
    Kill("sql INSERT INTO queried (*) VALUES (3, 2, *"),  # the head's first query is half written
    Kill("acknowledgement head 0", 2),
    Kill("sql UPDATE queries SET closed*"),  # all is answered: the round is to begin
    Kill("step 6 of round 001"),  # behind a checkpoint
    Kill("sql UPDATE queries SET closed*"),  # between two queries of a head for one round
    Kill("sql INSERT INTO queried (*) VALUES (5, 2, *"),  # the second one is half written
    Kill("step 3 of round 002"),
]
MORE_HEADS = [
    Kill("rename sentence_embeddings/*.part"),  # the encoder has run, and its file has the name of half a file
    Kill("acknowledgement seed 0", 3),
    Kill("scoring"),
    Kill("sql COMMIT of INSERT INTO queried *"),
    Kill("step 2 of round 001"),
    Kill("evaluation of round 001"),
    Kill("answer head 1", 2),
    Kill("acknowledgement head 1", 3),
    Kill("rename rounds/002/model.part"),
]
# Where the weights of two rounds take turns in one model.
COMMITTEES = [
    Kill("scoring", 2),
    Kill("step 3 of round 002"),
    Kill("scoring", 3),  # in round 2, with the model of round 1 beside it
    Kill("sql COMMIT of INSERT INTO queried *"),
    Kill("evaluation of round 002"),
    Kill("rename rounds/003/model.part"),
]
# What says whether to stop after round 2, which it does.
STOP_SETS = [
    Kill("sql INSERT OR REPLACE INTO meta (*) VALUES ('stop_set'*"),
    Kill("sql COMMIT of UPDATE stability SET predictions*"),  # drawn, and nothing is said of it yet
    Kill("sql INSERT OR REPLACE INTO stability *"),
    Kill("sql COMMIT of INSERT OR REPLACE INTO stability *"),
    Kill("evaluation of round 001"),
    Kill("step 2 of round 002"),
    Kill("sql COMMIT of INSERT OR REPLACE INTO stability *"),  # of round 2, with what round 1 had said from the disk
    Kill("evaluation of round 002"),
    Kill("sql INSERT OR REPLACE INTO meta (*) VALUES ('ended', '{*"),  # it knows that it is to stop
]
# Where predictions of one round become training data of the next.
PREDICTIONS = [
    Kill("rename rounds/001/predictions.parquet.part"),  # all of them are written, under the name of half a file
    Kill("sql COMMIT of INSERT INTO queried *"),  # they are there, and the query is not
    Kill("rename rounds/002/pseudo_labels.parquet.part"),
    Kill("step 10 of round 002"),  # behind a checkpoint
    Kill("step 3 of round 003"),
]
# Where early stopping counts its evaluations, and ends what a resumed training would carry on.
EARLY = [
    Kill("step 5 of round 001"),
    Kill("step 7 of round 001"),
    Kill("end of training of round 001"),
    Kill("scoring", 2),
    Kill("step 7 of round 002"),
    Kill("end of training of round 002"),
    Kill("step 7 of round 003"),  # with a patience of 3 no round stops before its step 8
    Kill("end of training of round 003"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 tokenized reviews, as many sentences with tags, and an encoder, as a user has them on the disk."""
    forkserver.ensure_running()  # it imports meanwhile
    path = tmp_path_factory.mktemp("crash")
    load_reviews(120).save_to_disk(str(path / "reviews"))
    load_sentences(120).save_to_disk(str(path / "sentences"))
    save_tiny_encoder(path / "encoder", "mean", normalize=True)
    return path


@pytest.fixture(scope="module")
def uninterrupted(data: Path, tmp_path_factory: pytest.TempPathFactory):
    """A function that gives the outcome of a run that nobody kills."""
    outcomes: dict[Mode, dict[str, Any]] = {}

    def get(mode: Mode) -> dict[str, Any]:
        if mode not in outcomes:
            places = make_places(data, tmp_path_factory.mktemp("uninterrupted"))
            finish(places, mode, head=0)
            outcomes[mode] = outcome(places.run_dir)
            assert all(outcomes[mode]["finished"])
            assert all("eval_loss" in metrics for metrics in outcomes[mode]["metrics"])
            sizes = [len(query["examples"]) for query in outcomes[mode]["queries"]]
            if not mode.of_words:
                expected = [5, 8, 6] if mode.target else [5, 8, 6, 6]
                assert sizes == ([5, 8, *[6] * 5] if mode.head else expected)
            else:
                assert len(sizes) == (7 if mode.head else 4)
                assert min(sizes) > 2
            if mode.stop:
                assert "kappa" in outcomes[mode]["stability"][1][0]
                assert len(outcomes[mode]["rounds"]) == 2
            check_answers(places, kills=0)
        return outcomes[mode]

    return get


@pytest.fixture
def places(data: Path, tmp_path: Path) -> Places:
    return make_places(data, tmp_path)


def finish(places: Places, mode: Mode, head: int) -> None:
    """Start the run, and let it go on to its end."""
    process = start(crash_run.run, places, mode, head, daemon=mode.workers == 0)
    process.join()
    assert process.exitcode == 0, places.output.read_text()[-3000:]


@pytest.mark.parametrize(
    ("mode", "kills"),
    [
        pytest.param(FROM_INIT, ANNOTATING, id="annotating"),
        pytest.param(FROM_INIT, TRAINING, id="training"),
        pytest.param(FROM_INIT, SCORING, id="scoring"),
        pytest.param(FROM_INIT, SAVING, id="saving"),
        pytest.param(FROM_MODEL, WEIGHTS, id="model-from_scratch"),
        pytest.param(CONTINUE_MODEL, WEIGHTS, id="model-continue", marks=pytest.mark.slow),
        pytest.param(EARLY_BEST, EARLY, id="early-stopping-best", marks=pytest.mark.slow),
        pytest.param(EARLY_LAST, EARLY, id="early-stopping-last", marks=pytest.mark.slow),
        pytest.param(COMMITTEE, COMMITTEES, id="committee", marks=pytest.mark.slow),
        pytest.param(PROBE, PROBES, id="probe-from_scratch", marks=pytest.mark.slow),
        pytest.param(PROBE_CONTINUE, PROBES, id="probe-continue", marks=pytest.mark.slow),
        pytest.param(WORDS_PROBE, PROBES, id="words-probe", marks=pytest.mark.slow),
        pytest.param(HEAD, HEADS, id="head", marks=pytest.mark.slow),
        pytest.param(HEAD, MORE_HEADS, id="head-more", marks=pytest.mark.slow),
        pytest.param(HEAD_CONTINUE, HEADS, id="head-continue", marks=pytest.mark.slow),
        pytest.param(ASK_AGAIN, MORE_HEADS, id="ask-again", marks=pytest.mark.slow),
        pytest.param(WORDS_HEAD, MORE_HEADS, id="words-head", marks=pytest.mark.slow),
        pytest.param(STOPPING, STOP_SETS, id="stopping", marks=pytest.mark.slow),
        pytest.param(SELF_TRAINING, PREDICTIONS, id="self-training", marks=pytest.mark.slow),
        pytest.param(OF_WORDS, ANNOTATING + SCORING, id="words-annotating-scoring", marks=pytest.mark.slow),
        pytest.param(WORDS_CONTINUE, WEIGHTS, id="words-continue", marks=pytest.mark.slow),
    ],
)
def test_killed_and_restarted_run_ends_like_an_uninterrupted_one(places, uninterrupted, mode, kills):
    expected = uninterrupted(mode)

    for number, kill in enumerate(kills):
        process = start(crash_run.run, places, mode, head_of(places, number), kill)
        process.join()
        # 0 would mean that this instant was never reached, and the test shows less than it says.
        assert process.exitcode == -signal.SIGKILL, f"{kill}: {places.output.read_text()[-3000:]}"
        print(
            number,
            kill.pattern,
            "->",
            places.instant.read_text()[:100].replace("\n", " "),
            len(places.log.read_text().splitlines()) if places.log.exists() else 0,
        )
        check_answers(places, kills=number + 1)
    finish(places, mode, head_of(places, len(kills)))

    check_same(outcome(places.run_dir), expected)
    repeated = check_answers(places, kills=len(kills))
    in_flight = [kill for kill in kills if kill.pattern.startswith(("answer", "sql INSERT INTO answers"))]
    in_flight += [kill for kill in kills if kill.pattern.startswith("sql COMMIT of INSERT INTO answers")]
    assert repeated == len(in_flight)


def test_round_goes_on_from_its_last_complete_checkpoint(places, uninterrupted):
    process = start(crash_run.run, places, FROM_INIT, 0, Kill("step 10 of round 002"))
    process.join()
    assert process.exitcode == -signal.SIGKILL, places.output.read_text()[-3000:]

    # It would die if it trained again what checkpoint-8 has.
    process = start(crash_run.run, places, FROM_INIT, 0, Kill("step [1-8] of round 002"))
    process.join()

    assert process.exitcode == 0, places.output.read_text()[-3000:]
    check_same(outcome(places.run_dir), uninterrupted(FROM_INIT))


def test_query_that_would_never_be_asked_is_not_asked_after_a_kill_either(places, uninterrupted):
    # Round 1 reaches the target, which is known only when its query is recorded already.
    mode = Mode("model_init", "from_scratch", target=10.0)
    expected = uninterrupted(mode)
    assert len(expected["queries"]) == 3
    assert len(expected["answers"]) == crash_run.HOLDOUT + crash_run.SEED_SIZE

    process = start(crash_run.run, places, mode, 0, Kill("evaluation of round 001"))
    process.join()
    assert process.exitcode == -signal.SIGKILL, places.output.read_text()[-3000:]
    finish(places, mode, head=0)

    check_same(outcome(places.run_dir), expected)


def test_finished_run_started_again_asks_and_trains_nothing(places, uninterrupted):
    finish(places, CONTINUE_MODEL, head=0)
    before = places.log.read_text()

    finish(places, CONTINUE_MODEL, head=1)

    assert places.log.read_text() == before + "start -\n"
    check_same(outcome(places.run_dir), uninterrupted(CONTINUE_MODEL))


def test_store_can_be_read_after_a_kill_in_the_middle_of_a_large_transaction(places):
    process = start(crash_run.import_labels, places, Kill("sql COMMIT of INSERT INTO answers *", 2))
    process.join()
    assert process.exitcode == -signal.SIGKILL
    # Part of the transaction is in the file already; the journal beside it says how to take it back.
    assert places.run_dir.joinpath("labels.sqlite-journal").stat().st_size > 0

    store = Store(places.run_dir, read_only=True)  # as `hfal status` does, before the run is started again

    assert [answer.example_id for answer in store.answers()] == ["first"]
    store.close()


def test_run_directory_of_a_living_process_is_busy_and_of_a_killed_one_is_free(places, make_trainer):
    first = start(crash_run.run, places, FROM_INIT, 0, Kill("question seed 0", 3, signal=signal.SIGSTOP))
    try:
        wait_for(places, "question seed 0")
        pool = crash_run.open_pool(places, FROM_INIT)
        active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=6, seed_size=8, holdout=5)
        trainer = make_trainer([active])
        answers = len(pool.labels())

        with pytest.raises(RunDirectoryBusyError, match=rf"in use by another process \(pid {first.pid} on "):
            active.run(trainer, rounds=1)
        with pytest.raises(RunDirectoryBusyError):
            active.annotate()

        assert len(pool.labels()) == answers
        reader = Store(places.run_dir, read_only=True)
        assert [query.purpose for query in reader.queries()] == ["holdout", "seed"]
        reader.close()
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.join()

    with FileLock(places.run_dir / "run.lock", timeout=0):
        pass
    active.run(trainer, rounds=1)
    assert len(pool.labels()) == 5 + 8


def wait_for(places: Places, instant: str) -> None:
    while not (places.instant.exists() and places.instant.read_text().startswith(instant)):
        time.sleep(0.01)


@pytest.mark.slow
def test_run_goes_on_at_once_though_workers_of_the_killed_process_live_on(places, uninterrupted):
    mode = Mode("model_init", "from_scratch", workers=2)
    process = start(crash_run.run, places, mode, 0, Kill("step 4 of round 001"), daemon=False)
    process.join()
    assert process.exitcode == -signal.SIGKILL, places.output.read_text()[-3000:]

    finish(places, mode, head=0)

    check_same(outcome(places.run_dir), uninterrupted(FROM_INIT))
