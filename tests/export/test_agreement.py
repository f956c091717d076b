"""How far the people of a run agree: against krippendorff, scikit-learn and what is counted by hand."""

import json
from datetime import datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import krippendorff
import numpy as np
import pytest
from crowdkit.aggregation import OneCoinDawidSkene
from pandas import DataFrame
from sklearn.metrics import cohen_kappa_score

from hfal.export.agreement import Agreement, measure_agreement
from hfal.store import store as store_module
from hfal.store.records import Answer
from hfal.store.store import Store, reading
from support.team_runs import NAMES, PEOPLE, SETS, TAGS, TASKS, TEXT, drawn_opinions, make_team_run


def measured(store: Store) -> Agreement:
    store.close()
    with reading(store.run_dir) as copied:
        return measure_agreement(copied)


def rows_of(task: str, opinions: list[dict[str, Any]]) -> list[np.ndarray]:
    """Whole numbers by text or word and by person, as somebody writes them down who has not read hfal: a table for
    each label of a set."""
    names, compared = NAMES[task], [of for of in opinions if len(of) >= 2]

    def table(number: Any, words: int = 1) -> np.ndarray:
        cells = [[number(of[p], w) if p in of else -1 for p in PEOPLE] for of in compared for w in range(words)]
        return np.array(cells)

    if task == TEXT:
        return [table(lambda label, _: names.index(label))]
    if task == SETS:
        return [table(lambda label, _, name=name: int(name in label)) for name in names]
    return [table(lambda tags, word: names.index(tags[word]), words=5)]


def alpha_of(table: np.ndarray) -> float:
    return krippendorff.alpha(np.where(table >= 0, table, np.nan).T, level_of_measurement="nominal")


@pytest.mark.parametrize("task", TASKS)
def test_figures_are_those_of_other_packages(task: str, tmp_path: Path) -> None:
    opinions = drawn_opinions(task, seed=1)
    found = measured(make_team_run(tmp_path / "run", task, opinions))
    compared = [of for of in opinions if len(of) >= 2]
    tables = rows_of(task, opinions)
    assert (found.texts, found.opinions) == (len(compared), sum(map(len, compared)))
    assert found.alone == sum(len(of) == 1 for of in opinions) > 0
    alphas = [alpha_of(table) for table in tables]
    assert found.alpha == pytest.approx(np.mean(alphas), abs=1e-12)
    assert found.alpha_of == (pytest.approx(dict(zip(NAMES[SETS], alphas, strict=True))) if task == SETS else {})

    assert {(one.one, one.other) for one in found.pairs} == {*combinations(PEOPLE, 2)}
    for pair in found.pairs:
        a, b = PEOPLE.index(pair.one), PEOPLE.index(pair.other)
        both = [(t[:, a] >= 0) & (t[:, b] >= 0) for t in tables]
        kappas = [cohen_kappa_score(t[of, a], t[of, b]) for t, of in zip(tables, both, strict=True)]
        assert pair.kappa == pytest.approx(np.mean(kappas), abs=1e-12)
        assert pair.texts == sum(pair.one in of and pair.other in of for of in opinions)
    assert [pair.kappa for pair in found.pairs] == sorted(pair.kappa for pair in found.pairs)

    for place, person in enumerate(found.people):
        same = others = 0
        for row in np.concatenate(tables):
            for b in range(len(PEOPLE)):
                if b != place and row[place] >= 0 and row[b] >= 0:
                    same, others = same + (row[place] == row[b]), others + 1
        assert person.agreement == pytest.approx(same / others)
        assert person.shared == sum(person.name in of for of in compared)
        assert person.labels == sum(person.name in of for of in opinions)


def test_accuracy_is_that_of_crowd_kit(tmp_path: Path) -> None:
    opinions = drawn_opinions(TEXT, seed=3, texts=80)
    found = measured(make_team_run(tmp_path / "run", TEXT, opinions))
    rows = [(n, name, said) for n, of in enumerate(opinions) if len(of) >= 2 for name, said in of.items()]
    model = OneCoinDawidSkene(n_iter=200, tol=1e-9).fit(DataFrame(rows, columns=["task", "worker", "label"]))
    assert [one.accuracy for one in found.people] == pytest.approx([model.skills_[name] for name in PEOPLE], abs=1e-3)


def test_labels_that_are_confused_are_counted_in_pairs(tmp_path: Path) -> None:
    a, b = NAMES[TEXT]
    opinions = [{"anna": a, "ben": a, "carl": b}, {"anna": b, "ben": b}, {"anna": a}]
    (of_text,) = measured(make_team_run(tmp_path / "text", TEXT, opinions)).confusions
    assert (of_text.name, list(of_text.classes), of_text.counts.tolist()) == (None, [a, b], [[1, 2], [2, 1]])

    of_sets = measured(make_team_run(tmp_path / "sets", SETS, [{"anna": ["law"], "ben": ["law", "money"]}])).confusions
    counts = {one.name: one.counts.tolist() for one in of_sets}
    assert counts == {"sports": [[1, 0], [0, 0]], "law": [[0, 0], [0, 1]], "money": [[0, 1], [1, 0]]}

    # of words by the type of their entity: that it begins elsewhere is no other type
    tags = {"anna": ["B-PER", "I-PER", "O", "B-LOC", "O"], "ben": ["O", "B-PER", "O", "B-PER", "O"]}
    (of_words,) = measured(make_team_run(tmp_path / "tags", TAGS, [tags])).confusions
    assert list(of_words.classes) == ["O", "PER", "LOC"]
    assert of_words.counts.tolist() == [[2, 1, 0], [1, 1, 1], [0, 1, 0]]


def test_what_each_has_done_is_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = NAMES[TEXT]
    store = make_team_run(tmp_path / "run", TEXT, [{}, {}, {}, {}, {}, {}])
    now = [datetime.fromisoformat("2026-01-01T00:00:00+00:00")]
    monkeypatch.setattr(store_module, "utc_now", lambda: now[0].isoformat(timespec="microseconds"))

    def say(text: int, label: str | None, action: str, after: float, name: str = "anna") -> None:
        now[0] += timedelta(seconds=after)
        store.record(Answer(f"t{text}", label, action, name))

    say(0, a, "label", after=0)
    say(0, a, "label", after=1, name="ben")
    say(1, a, "label", after=3)  # 4 seconds after her last answer
    say(1, b, "correct", after=6)
    say(2, None, "skip", after=300)
    say(3, None, "unsure", after=301)  # a pause
    say(4, a, "label", after=0.01)  # a program
    say(4, None, "undo", after=50)
    say(4, a, "label", after=10)
    say(5, b, "settle", after=100)
    found = measured(store)
    anna, ben = found.people
    counts = (anna.labels, anna.skips, anna.unsure, anna.settled, anna.shared)
    assert counts == (3, 1, 1, 1, 1)
    assert anna.seconds == np.median([4, 6, 300, 0.01, 10])
    assert (ben.labels, ben.shared, ben.agreement, str(ben.seconds)) == (1, 1, 1.0, "nan")


def test_whose_answers_come_at_once_has_no_pace(tmp_path: Path) -> None:
    found = measured(make_team_run(tmp_path / "run", TEXT, [{"anna": NAMES[TEXT][0]}] * 5))
    assert np.isnan(found.people[0].seconds)


def test_nothing_to_compare(tmp_path: Path) -> None:
    a, _ = NAMES[TEXT]
    found = measured(make_team_run(tmp_path / "run", TEXT, [{"anna": a}, {"ben": a}, {"anna": a, "ben": "skip"}]))
    assert (found.texts, found.opinions, found.alone) == (0, 0, 3)
    assert np.isnan(found.alpha)
    assert (found.pairs, found.disagreements) == ([], [])
    assert np.isnan([one.accuracy for one in found.people]).all()
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert (read["alpha"], read["task"], read["people"][0]["accuracy"]) == (None, TEXT, None)
    assert measured(make_team_run(tmp_path / "empty", TEXT, [{}])).people == []


@pytest.mark.parametrize("task", TASKS)
def test_all_of_it_is_json(task: str, tmp_path: Path) -> None:
    found = measured(make_team_run(tmp_path / "run", task, drawn_opinions(task, seed=5, texts=10)))
    read = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert read["alpha"] == found.alpha
    first = read["disagreements"][0]
    assert first["labels"] == dict(found.disagreements[0].labels)
    assert len(read["confusions"][0]["counts"]) == len(read["confusions"][0]["classes"])
