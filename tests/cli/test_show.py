"""`hfal run --show`: other columns beside the text, from the data to the exports, and on from these."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from hfal.store.store import Store
from support import forks
from support.command import SMALL, Result, environment, error_line, read_csv, write_csv
from support.models import NAMES
from support.person import Person


RUN = ["run", "--data", "dated.csv", "--text", "review", "--labels", ",".join(NAMES), *SMALL]


@pytest.fixture
def dated(folder: Path) -> dict[str, str]:
    """`dated.csv`, in which some reviews have a date and all a source; the dates by text."""
    rows = read_csv(folder / "reviews.csv")
    dates = {row["review"]: f"2024-05-{n % 30 + 1:02d}" if n % 3 else "" for n, row in enumerate(rows)}
    table = [(row["number"], row["review"], dates[row["review"]], f"page\n{n}") for n, row in enumerate(rows)]
    write_csv(folder / "dated.csv", ["number", "review", "date", "comment"], table)
    return dates


def test_they_go_through_files_for_annotators_and_exports_and_on_from_these(
    hfal: Callable[..., Result], folder: Path, dated: dict[str, str]
) -> None:
    without = hfal(*RUN, "--annotator", "csv", "--holdout", "4", "--rounds", "2")
    assert without.code == 75, without.stderr
    run_dir = folder / "runs" / "dated"
    assert list(read_csv(run_dir / "query-001.csv")[0])[:3] == ["id", "review", "suggestion"]
    asked = [read_csv(run_dir / f"query-00{n}.csv") for n in (1, 2)]
    for n, rows in enumerate(asked, start=1):
        table = [{**row, "label": NAMES[i % 2]} for i, row in enumerate(rows)]
        write_csv(run_dir / f"query-00{n}.csv", list(table[0]), (row.values() for row in table))

    later = hfal("run", "runs/dated", "--show", "date,comment")  # the run was begun without
    assert later.code == 75, later.stderr
    rows = read_csv(run_dir / "query-003.csv")
    assert list(rows[0])[:5] == ["id", "review", "date", "shown_comment", "suggestion"]
    assert [row["date"] for row in rows] == [dated[row["review"]] for row in rows]
    assert all(row["shown_comment"].startswith("page\n") for row in rows)
    assert yaml.safe_load((run_dir / "config.yaml").read_text())["show"] == ["date", "comment"]
    assert "show is ['date', 'comment'], was []" in later.stderr

    assert hfal("export", "runs/dated", "--to", "all", "--unlabeled", "--answers").code == 0
    assert hfal("export", "runs/dated", "--to", "labels.csv").code == 0
    exported = {row["review"]: row["date"] for row in read_csv(folder / "labels.csv")}
    assert exported == {text: dated[text] for text in exported}
    assert len(exported) == 10
    assert json.loads((folder / "all" / "hfal.json").read_text())["shown_columns"] == ["date", "shown_comment"]
    assert hfal("import", "all", "--to", "runs/imported").code == 0
    assert yaml.safe_load((folder / "runs" / "imported" / "config.yaml").read_text())["show"] == [
        "date",
        "shown_comment",
    ]
    went_on = hfal("run", "runs/imported", *SMALL, "--annotator", "csv", "--rounds", "2")
    assert went_on.code == 75, went_on.stderr
    again = read_csv(folder / "runs" / "imported" / "query-003.csv")
    assert [row["date"] for row in again] == [row["date"] for row in rows]

    (folder / "dated.csv").unlink()  # what was asked is shown without the data
    person = Person(forks.hfal, "label", "runs/dated", cwd=folder, **environment(folder))
    try:
        person.sees("0/6 answered", "comment: page<U+000A>")
    finally:
        person.stands_up()


@pytest.mark.parametrize(
    ("show", "message"),
    [
        ("dates", "dated.csv has no column 'dates'. Did you mean 'date'?"),
        ("review", "--show has 'review', which is a text and shown anyway"),
        ("date,date", "--show names the column 'date' twice"),
    ],
)
def test_what_cannot_be_shown_is_said_before_a_model_is_loaded(hfal, folder, dated, show, message) -> None:
    assert message in error_line(hfal(*RUN, "--show", show))
    assert not (folder / "runs").exists()


def test_the_label_is_not_shown(hfal: Callable[..., Result], folder: Path) -> None:
    run = ["run", "--data", "labeled.csv", "--text", "review", "--label", "sentiment", *SMALL]
    assert "the column with the labels, which it would give away" in error_line(hfal(*run, "--show", "sentiment"))


def test_held_out_texts_are_asked_before_the_pool_is_embedded(folder: Path, dated: dict[str, str]) -> None:
    run = [*RUN, "--show", "date", "--holdout", "2", "--seed_size", "2", "--rounds", "1"]
    person = Person(forks.hfal, *run, cwd=folder, **environment(folder))
    try:
        person.sees("Held-out examples", "0/2 answered", patience=90)
        store = Store(folder / "runs" / "dated", read_only=True)
        assert [query.purpose for query in store.queries()] == ["holdout"]
        person.press("1", "2")
        person.sees("2/2 answered")
        person.look(0.2)
        person.press("\r")
        person.sees("Seed set", "0/2 answered", patience=90)
        assert [query.purpose for query in store.queries()] == ["holdout", "seed"]
        person.press("q")
        assert person.leaves() == 75
    finally:
        person.stands_up()
