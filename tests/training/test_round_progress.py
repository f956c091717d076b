"""How far a training is: told at its first step, now and then, and at its last."""

from hfal.annotators.base import Steps
from hfal.annotators.simulated import SimulatedAnnotator
from hfal.training.round_progress import RoundProgress


def test_steps_are_told_at_first_and_at_last_and_between_only_now_and_then():
    told: list[Steps] = []
    progress = RoundProgress(told.append)
    for done in range(41, 100):
        progress.step(done, 100)
    assert told == [Steps(41, 100)]
    progress.step(100, 100)
    assert told == [Steps(41, 100), Steps(100, 100, 0)]


def test_the_time_that_is_left_is_that_of_the_steps_of_this_process(monkeypatch):
    seconds = iter([50.0, 51.0, 54.0, 55.0])
    monkeypatch.setattr("time.monotonic", lambda: next(seconds))
    told: list[Steps] = []
    progress = RoundProgress(told.append)
    for done in (60, 61, 64, 65):
        progress.step(done, 100)
    assert told == [Steps(60, 100), Steps(64, 100, 36 * 4 / 4)]


def test_an_annotator_is_told_of_each_round(make_active, make_trainer):
    noted: list[tuple[str, Steps | None]] = []

    class Noting(SimulatedAnnotator):
        def note(self, message: str, steps: Steps | None = None) -> None:
            noted.append((message, steps))

    active = make_active(seed_size=10)
    active.annotator = Noting(active.pool)
    trainer = make_trainer([active])
    active.run(trainer, rounds=2)
    whole = Steps(trainer.state.max_steps, trainer.state.max_steps, 0)
    assert [message for message, steps in noted if steps is None] == [
        "The first texts to train on are being picked",
        "Round 1 trains on 10 labeled texts",
        "Round 1 is trained, and picks the next texts",
        "Round 2 trains on 20 labeled texts",
        "Round 2 is trained, and is evaluated",
    ]
    assert noted[-2] == ("Round 2 trains on 20 labeled texts", whole)
