"""Runs of simulated people: the budget counts opinions, and a run that was killed asks the same."""

from typing import Any

import pytest

from hfal import SimulatedAnnotator
from hfal.acquisition.label_budget import opinions_wanted
from hfal.store.store import Store


TEAM = ["anna", "ben", "carl"]
OPTIONS = {"query_size": 8, "seed_size": 12, "holdout": 6, "overlap": 3, "overlap_share": 0.5, "budget": 60, "seed": 5}


class KilledError(Exception):
    """Stands for a process that was killed."""


def team_run(make_active: Any, make_trainer: Any, run_dir: Any, reviews: Any, kill_at: int | None = None) -> Any:
    active = make_active(run_dir, reviews, **OPTIONS)
    active.annotator = SimulatedAnnotator(active.pool, annotators=TEAM, error_rate=0.3, seed=5)
    if kill_at is not None:
        record, count = active.pool.store.record, 0

        def record_until(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > kill_at:
                raise KilledError
            return record(*arguments, **options)

        active.pool.store.record = record_until
    try:
        active.run(make_trainer(callbacks=[active]), rounds=9)
    finally:
        active.pool.store.close()
    return active


def what_was_asked(run_dir: Any) -> tuple[list[Any], list[Any]]:
    store = Store(run_dir, read_only=True)
    queries = [(q.purpose, [e.example_id for e in q.examples], q.settings.get("opinions")) for q in store.queries()]
    answers = [(a.example_id, a.annotator, a.label, a.query) for a in store.answers()]
    store.close()
    return queries, answers


def test_a_run_that_was_killed_asks_the_same_of_the_same_people(make_active, make_trainer, tmp_path, reviews):
    active = team_run(make_active, make_trainer, tmp_path / "whole", reviews)
    whole = what_was_asked(tmp_path / "whole")
    for kill_at in (5, 20, 33):  # in the holdout, the seed set, and a round
        with pytest.raises(KilledError):
            team_run(make_active, make_trainer, tmp_path / f"{kill_at}", reviews, kill_at)
        team_run(make_active, make_trainer, tmp_path / f"{kill_at}", reviews)
        assert what_was_asked(tmp_path / f"{kill_at}") == whole

    queries, answers = whole
    assert [purpose for purpose, _, _ in queries][:3] == ["holdout", "seed", "round"]
    wanted = dict(
        zip(active.pool.ids.to_pylist(), opinions_wanted(active.pool, active.acquisition.options), strict=True)
    )
    assert {1, 3} == {*wanted.values()}
    people = {i: [name for example_id, name, _, _ in answers if example_id == i] for _, ids, _ in queries for i in ids}
    for example_id, names in people.items():
        assert len(names) == len({*names}) == wanted[example_id]
    assert 55 < len(answers) <= 60  # the budget counts opinions, and is spent
    store = Store(tmp_path / "whole", read_only=True)
    assert store.labels_bought() == len(answers)
    assert store.rounds()[0].train_size == len(queries[1][1])  # the label of a text is one, whoever gave it
    assert "budget" in (store.why_ended() or "")
    store.close()
