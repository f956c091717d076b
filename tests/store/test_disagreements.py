"""What people disagree about, and what holds of it."""

from pathlib import Path

import pytest

from hfal.store.disagreements import disagreements
from hfal.store.records import Answer
from support.team_runs import NAMES, SETS, TAGS, TEXT, make_team_run


A, B = NAMES[TEXT]
OPINIONS = [
    {"anna": A, "ben": A},
    {"anna": A, "ben": A, "carl": A, "dora": B},
    {"anna": A, "ben": B, "carl": A},
    {"anna": A, "ben": "skip"},
    {"anna": A, "ben": "unsure", "carl": B},
]


@pytest.mark.parametrize("method", ["majority", "one_coin", "dawid_skene"])
def test_disagreements_come_the_least_certain_first(method: str, tmp_path: Path) -> None:
    store = make_team_run(tmp_path / "run", TEXT, OPINIONS, method=method)
    found = disagreements(store)
    assert {one.example_id for one in found} == {"t1", "t2", "t4"}
    held = store.current_answers()
    for one in found:
        assert (one.held, one.confidence) == (held[one.example_id].label, held[one.example_id].probability)
    assert [one.confidence for one in found] == sorted(one.confidence for one in found)
    if method == "majority":
        assert [(one.example_id, one.confidence) for one in found] == [
            ("t4", 0.5),
            ("t2", pytest.approx(2 / 3)),
            ("t1", 0.75),
        ]
    store.close()


def test_where_the_latest_answer_holds_nothing_is_known_of_its_confidence(tmp_path: Path) -> None:
    store = make_team_run(tmp_path / "run", TEXT, OPINIONS, method="latest")
    assert [(one.example_id, one.held, one.confidence) for one in disagreements(store)] == [
        ("t4", B, None),
        ("t2", A, None),
        ("t1", B, None),
    ]
    store.record(Answer("t1", None, "skip", "carl"))
    assert {one.example_id: one.held for one in disagreements(store)}["t1"] is None
    store.close()


def test_what_is_settled_stands_last(tmp_path: Path) -> None:
    store = make_team_run(tmp_path / "run", TEXT, OPINIONS)
    store.record(Answer("t4", B, "settle", "dora"))
    *others, last = disagreements(store)
    assert (last.example_id, last.held, last.confidence, last.settled_by) == ("t4", B, None, "dora")
    assert last.labels == {"anna": A, "carl": B}
    assert [one.settled_by for one in others] == [None, None]
    store.close()


def test_sets_and_entities(tmp_path: Path) -> None:
    sets = [{"anna": [], "ben": ["law"]}, {"anna": ["law", "money"], "ben": ["money", "law"]}]
    with_sets = make_team_run(tmp_path / "sets", SETS, sets)
    assert [one.example_id for one in disagreements(with_sets)] == ["t0"]
    tags = [{"anna": ["B-PER", "I-PER"], "ben": ["O", "B-PER"]}, {"anna": ["O", "O"], "ben": ["O", "O"]}]
    with_tags = make_team_run(tmp_path / "tags", TAGS, tags, texts=[["Ann", "Lee"], ["It", "rains"]])
    assert [one.example_id for one in disagreements(with_tags)] == ["t0"]
    for store in (with_sets, with_tags):
        store.close()
