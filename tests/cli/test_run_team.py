"""`hfal run` with several people: files for each, simulated ones who err, and what cannot be."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from hfal.store.store import Store
from support.command import SMALL, Result, error_line, read_csv, write_csv
from support.models import NAMES


ASKED = ["run", "--data", "reviews.csv", "--text", "review", "--labels", ",".join(NAMES), *SMALL, "--holdout", "0"]
KNOWN = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", *SMALL, "--holdout", "0"]


def test_two_people_label_in_files(hfal: Callable[..., Result], folder: Path) -> None:
    """From the first command to the second round's files; the labels are made of both people's."""
    team = ["--annotator", "csv", "--annotators", "anna,ben", "--overlap", "2", "--overlap_share", "0.5"]
    first = hfal(*ASKED, *team, "--rounds", "1", "--seed_size", "12", "--budget", "40")
    assert first.code == 75
    paths = {name: folder / "runs" / "reviews" / f"query-001.{name}.csv" for name in ("anna", "ben")}
    rows = {name: read_csv(path) for name, path in paths.items()}
    people = Counter(row["id"] for of in rows.values() for row in of)
    assert (len(people), set(people.values())) == (12, {1, 2})
    assert abs(len(rows["anna"]) - len(rows["ben"])) <= 1
    for name, path in paths.items():
        assert f"{path} ({name}): {len(rows[name])} of {len(rows[name])} left\n" in first.stderr
    status = hfal("status", "runs/reviews").stdout
    assert f"Labels by anna 0, ben 0; {people.total()} opinions are missing\n" in status
    fill_in = [f"runs/reviews/query-001.{name}.csv" for name in ("anna", "ben")]
    assert f"Next: fill in {' and '.join(fill_in)}, then hfal run runs/reviews\n" in status

    for name, path in paths.items():  # who disagree about everything
        write_csv(path, ["id", "label"], [(row["id"], NAMES[name == "anna"]) for row in rows[name]])
    second = hfal("run", "runs/reviews")
    assert second.code == 0, second.stderr
    assert "How far people agree: hfal agreement runs/reviews\n" in second.stdout
    store = Store(folder / "runs" / "reviews", read_only=True)
    opinions = store.opinions()
    assert {i: len(of) for i, of in opinions.items()} == dict(people)
    assert {a.label for of in opinions.values() for name, a in of.items() if name == "anna"} == {NAMES[1]}
    assert store.rounds()[0].labels == people.total()
    plan = store.plan
    assert plan is not None
    assert (plan.annotators, plan.aggregate_labels) == (["anna", "ben"], "majority")
    store.close()


def test_simulated_people_err_as_often_as_asked(hfal: Callable[..., Result], folder: Path) -> None:
    team = ["--annotators", "anna,ben,carl", "--overlap", "3", "--error_rate", "0.5"]
    run = hfal(*KNOWN, *team, "--rounds", "1", "--seed_size", "25", "--seed", "3")
    assert run.code == 0, run.stderr
    known = {row["number"]: row["sentiment"] for row in read_csv(folder / "labeled.csv")}
    texts = {row["review"]: known[row["number"]] for row in read_csv(folder / "labeled.csv")}
    store = Store(folder / "runs" / "labeled", read_only=True)
    said = [
        (name, a.label == texts[store.texts(i)["review"]])
        for i, of in store.opinions().items()
        for name, a in of.items()
    ]
    assert Counter(name for name, _ in said) == dict.fromkeys(["anna", "ben", "carl"], 25)
    assert 20 <= sum(right for _, right in said) <= 55  # of 75, half of them: 5 deviations
    assert store.labels_bought() == 75
    store.close()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--overlap", "0"], "overlap=0, expected at least 1"),
        (["--overlap", "2"], "--overlap is 2, but there is one annotator: name as many with --annotators A,B, or"),
        (["--overlap", "3", "--annotators", "anna,ben"], "--overlap is 3, but --annotators has 2 names: name more"),
        (["--overlap_share", "2"], "overlap_share=2.0, expected a share above 0 and up to 1"),
        (["--annotators", "anna,Anna"], "--annotators has 'anna' twice, or in other capitals"),
        (["--annotators", "anna,dataset"], "--annotators is 'dataset'"),
        (["--annotators", "anybody", "--annotator", "csv"], "annotators is 'anybody', but in files everybody has one"),
        (["--annotators", "anna,ben", "--annotator", "terminal", "--annotator_name", "an"], "Did you mean 'anna'?"),
        (["--error_rate", "0.1", "--annotator", "csv"], "--error_rate is 0.1, which is for --annotator simulated"),
        (["--aggregate_labels", "one-coin"], "--aggregate_labels"),
    ],
)
def test_options_of_a_team_that_cannot_be(
    hfal: Callable[..., Result], folder: Path, options: list[str], complaint: str
) -> None:
    line = error_line(hfal(*ASKED, *options))
    assert complaint in line
    assert (
        not (folder / "runs" / "reviews" / "labels.sqlite").exists()
        or not Store(folder / "runs" / "reviews", read_only=True).queries()
    )
