"""Names at the door of a page for several people."""

import pytest

from hfal.annotators.web.door import Door
from hfal.errors import ArgumentError


def test_those_who_are_named_come_in() -> None:
    door = Door(["anna", "ben"], run="reviews")
    assert door.content == {"run": "reviews", "names": ["anna", "ben"], "longest": 60}
    assert door.check("ben") == "ben"
    for name in ("", "Ben", "ben ", "carl", "anybody", "b" * 10_000):
        with pytest.raises(ArgumentError) as error:
            door.check(name)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "does not say who asks"),
        (" ", "is no name"),
        (" anna", "is no name"),
        ("an\u202ena", "is no name"),
        ("an\nna", "is no name"),
        ("Ame\u0301lie", "is no name"),  # which looks like another one
        ("Anybody", "is no name"),
        ("a" * 61, "has 61 characters, expected at most 60"),
        ("simulated", "means that no person labels"),
        ("model:gpt", "kept for language models"),
        ("dataset", "kept for labels that came with the data"),
        ("BEN", "there is 'ben' already"),
    ],
)
def test_not_every_name_comes_in(name: str, problem: str) -> None:
    door = Door(["anybody"], known=["ben"])
    with pytest.raises(ArgumentError, match=problem):
        door.check(name)


def test_whoever_gives_a_name_comes_in_and_nobody_under_one_that_looks_like_it() -> None:
    door = Door(["anybody"], known=["ben"])
    assert door.content["names"] == []
    for name in ("anna", "ben", "Am\u00e9lie", "李雷", "<b>x</b>", "anna"):
        assert door.check(name) == name
    with pytest.raises(ArgumentError, match="there is 'anna' already: take that name if it is you"):
        door.check("Anna")


def test_it_is_full_at_some_time() -> None:
    door = Door(["anybody"])
    for number in range(200):
        door.check(f"visitor {number}")
    with pytest.raises(ArgumentError, match="200 people have come to this page"):
        door.check("one more")
    assert door.check("visitor 7") == "visitor 7"
