"""A clock that is put forward and back by an hour while people label: order comes from the log, never from times."""

import time
from collections.abc import Callable

import pytest

from hfal.store.store import Store
from support.label_queries import add_query, labels, log
from support.web_page import Labeling
from support.web_server import HOUR, JumpingClock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> JumpingClock:
    clock = JumpingClock()
    monkeypatch.setattr(time, "time_ns", clock.time_ns)
    monkeypatch.setattr("hfal.store.store.utc_now", clock.utc_now)
    return clock


def test_a_clock_that_jumps_loses_doubles_and_swaps_nothing(
    clock: JumpingClock, store: Store, label_on_page: Callable[..., Labeling]
) -> None:
    add_query(store, [f"text {number}" for number in range(6)])
    page = label_on_page()
    state = page.waits_for("asking")
    versions = [state["version"]]
    for clock.ahead, label in ((0, "positive"), (-HOUR, "negative"), (HOUR, "positive"), (-HOUR, "negative")):
        state = page.answers(state, label)
        versions.append(state["version"])
    assert versions == sorted(set(versions))
    state = page.does("undo", state)  # the last in the log, which is not the last by the clock
    assert state["shown"]["example"] == "d"
    state = page.post("show", {"step": -1})[1]
    assert (state["shown"]["example"], state["shown"]["answer"]["label"]) == ("c", "positive")
    state = page.answers(state, "negative")  # corrected two hours before it was given
    assert page.post("leave")[0] == 200
    page.ends()

    clock.ahead = -2 * HOUR  # so that versions begin below those that an open page knows
    again = label_on_page()
    again.waits_for("asking")
    state = again.state(after=versions[-1])  # at once
    assert state["version"] < versions[0]
    assert (state["shown"]["example"], state["turn"]) == ("d", 6)
    for label in ("positive", "negative", "positive"):
        state = again.answers(state, label)
    again.does("close", state)
    assert again.ends() is None
    assert log(store) == [
        ("a", "label", "positive"),
        ("b", "label", "negative"),
        ("c", "label", "positive"),
        ("d", "label", "negative"),
        ("d", "undo", None),
        ("c", "correct", "negative"),
        ("d", "label", "positive"),
        ("e", "label", "negative"),
        ("f", "label", "positive"),
    ]
    assert "".join(str(label)[0] for label in labels(store).values()) == "pnnpnp"
    times = [str(answer.time) for answer in store.answers()]
    assert times != sorted(times)  # the clock has jumped
