"""`hfal synthesize`: texts are made up between two rounds of a run of `hfal run`."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from hfal.store.records import Answer
from hfal.store.store import Store
from support.command import SMALL, Result, answer, error_line
from support.models import NAMES


RUN = ["run", "--data", "reviews.csv", "--text", "review", "--annotator", "csv", *SMALL, "--seed_size", "16"]


def answer_all(run_dir: Path, labels: list = NAMES) -> None:
    """Give the texts of the open queries labels in turn."""
    with closing(Store(run_dir)) as store:
        asked = [(e.example_id, query.number) for query in store.open_queries() for e in query.examples]
    given = [Answer(i, labels[n % len(labels)], annotator="ann", query=q) for n, (i, q) in enumerate(asked)]
    answer(run_dir, *given)


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (["--labels", "negative,positive"], NAMES),
        pytest.param(
            ["--labels", "a,b,c", "--task", "multi_label_classification"],
            [["a"], ["b", "c"], []],
            marks=pytest.mark.slow,
        ),
        (["--labels", "negative,positive", "--freeze_encoder", "true"], NAMES),
        pytest.param(["--labels", "negative,positive", "--start_from_probe", "true"], NAMES, marks=pytest.mark.slow),
        pytest.param(
            ["--labels", "negative,positive", "--select_with", "head", "--embeddings", "./model"],
            NAMES,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["label", "sets", "frozen", "probe", "head"],
)
def test_texts_are_made_up_asked_and_trained_on(
    hfal: Callable[..., Result], folder: Path, options: list[str], labels: list
) -> None:
    run, run_dir = [*RUN, *options], folder / "runs" / "reviews"
    assert hfal(*run, "--rounds", "1").code == 75
    early = error_line(hfal("synthesize", "runs/reviews"))
    assert early.startswith(
        "hfal: error: texts are made up with a round's model, but no round is finished. Next: fill in"
    )
    answer_all(run_dir, labels)
    assert hfal("run", "runs/reviews").code == 0
    done = hfal("synthesize", "runs/reviews", "--size", "4", "--strategy", "entropy", "--seed", "5")
    assert done.code == 0, done.stderr
    assert done.stdout == (
        "Query 3 asks about 4 texts that the program made up.\n"
        "Next: hfal label runs/reviews (in a browser: hfal label runs/reviews --web)\n"
    )
    with closing(Store(run_dir)) as store:
        query = store.queries()[-1]
        assert (query.purpose, query.round, query.strategy, query.seed) == ("synthesis", 1, query.strategy, 5)
        assert query.strategy.startswith("entropy")
        assert [e.origin for e in query.examples] == ["synthesis"] * 4
    waiting = hfal("run", "runs/reviews", "--rounds", "2")
    assert waiting.code == 75
    assert "Query 3 (texts made up by a program)" in waiting.stderr
    while hfal("run", "runs/reviews").code == 75:  # a head picks when all has been answered
        answer_all(run_dir, labels)
    with closing(Store(run_dir)) as store:
        purposes = [(query.purpose, query.round) for query in store.queries()]
        own = "head" if "head" in options else "round"
        assert purposes == [("holdout", 0), ("seed", 0), ("synthesis", 1), (own, 1)]
        assert store.holdout_ids().isdisjoint(e.parent for e in store.queries()[2].examples)
        assert store.round(2).train_size == 16 + 4 + 6


def test_what_cannot_be_is_refused_in_one_line(hfal: Callable[..., Result], folder: Path, run_dir: Path) -> None:
    assert "no round is finished. Next: hfal label runs/small" in error_line(hfal("synthesize", "runs/small"))
    with closing(Store(run_dir)) as store:
        store.record(Answer("a", "positive", annotator="ann", query=1))
        store.start_round(1, 0)
        store.finish_round(1, {})
    (run_dir / "config.yaml").unlink()
    assert "own script: call Synthesizer(pool, trainer).propose() there" in error_line(
        hfal("synthesize", "runs/small")
    )
    assert "--strategy is 'margins': unknown strategy" in error_line(
        hfal("synthesize", "runs/small", "--strategy", "margins")
    )
    simulated = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", *SMALL, "--rounds", "1"]
    assert hfal(*simulated).code == 0
    assert "is a simulation, which reveals labels" in error_line(hfal("synthesize", "runs/labeled"))
    assert "runs/nowhere" in error_line(hfal("synthesize", "runs/nowhere"))


def test_a_model_that_is_gone_or_damaged_is_named(hfal: Callable[..., Result], folder: Path) -> None:
    assert hfal(*RUN, "--labels", "negative,positive", "--rounds", "1").code == 75
    answer_all(folder / "runs" / "reviews")
    assert hfal("run", "runs/reviews").code == 0
    shutil.rmtree(folder / "runs" / "reviews" / "rounds" / "001" / "model")
    line = error_line(hfal("synthesize", "runs/reviews"))
    assert "the model of round 1" in line
    assert "cannot be loaded (it is not there): put a copy in its place, or train another round" in line
