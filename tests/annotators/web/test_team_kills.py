"""Four people label at once over HTTP while the server is killed at random instants, and started again."""

import http.client
import json
import random
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from hfal.annotators.web.leases import read_leases
from support.web_page import free_port
from support.web_team import TeamClient
from support.web_team_kills import NAMES, label_of, serve_with_kills


class NothingMoreError(Exception):
    """There is no server any more."""


class Person(threading.Thread):
    """Gives so many answers at their own pace, sends each until there is a response, and leaves.

    Args:
        client: Sends the requests.
        answers: How many answers, unless the query ends before.
        is_over: Set when no server is started any more.
    """

    def __init__(self, client: TeamClient, answers: int, is_over: threading.Event):
        super().__init__(daemon=True)
        self.client, self.answers, self.is_over = client, answers, is_over
        self.chance = random.Random(client.name)
        self.problem: BaseException | None = None
        self.without_response = self.refused = self.given_away = 0
        self.seen: set[str] = set()

    def run(self) -> None:
        try:
            state = self._until_there(self.client.state)
            while state["phase"] != "ended":
                if state["phase"] == "asking" and state["turn"] == self.answers:
                    self._until_there(partial(self.client.post, "leave"))
                    return
                if state["shown"] is None:
                    state = self._until_there(partial(self.client.state, state["version"]))
                else:
                    state = self._answer(state)
        except NothingMoreError:
            pass
        except BaseException as error:
            self.problem = error

    def _answer(self, state: dict[str, Any]) -> dict[str, Any]:
        example, text = state["shown"]["example"], state["shown"]["texts"][0]["text"]
        assert state["annotator"] == self.client.name
        assert state["shown"]["answer"] is None
        self.seen.add(example)
        time.sleep(self.chance.choice([0, 0.01, 0.1]))
        label = label_of(self.client.name, text)
        body = {"turn": state["turn"], "example": example, "action": "label", "label": label}
        status, found = self._until_there(partial(self.client.post, "answer", body))
        assert status in (200, 409), found
        self.refused += status == 409
        self.given_away += bool(found.get("is_lost"))
        return found if status == 200 else found["state"]

    def _until_there(self, ask: Any) -> Any:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if self.is_over.is_set():
                raise NothingMoreError
            try:
                return ask()
            except (OSError, http.client.HTTPException, json.JSONDecodeError):  # no server, or half of a response
                self.without_response += 1
                time.sleep(0.01)
        raise TimeoutError


@pytest.mark.parametrize(
    ("answers", "kills", "overlap"),
    [
        (6, 1, 1),
        pytest.param(60, 10, 1, marks=pytest.mark.slow),
        pytest.param(60, 10, 2, marks=pytest.mark.slow),
        pytest.param(60, 10, 4, marks=pytest.mark.slow),
    ],
)
def test_four_people_lose_double_and_swap_nothing_when_the_server_is_killed(
    answers: int, kills: int, overlap: int, tmp_path: Path
) -> None:
    port, is_over = free_port(), threading.Event()
    each = answers if overlap == 1 else -1  # whoever leaves early may be missed where several label a text
    people = [Person(TeamClient(port, name), each, is_over) for name in NAMES]
    for person in people:
        person.start()
    texts = len(NAMES) * answers // overlap
    found, asked = serve_with_kills(
        tmp_path / "run", port, texts=texts, overlap=overlap, kills=kills, names=NAMES, people=people
    )
    is_over.set()
    for person in people:
        person.join(30)
        if person.problem is not None:
            raise person.problem
    assert sum(person.without_response for person in people) > 0
    said = [(example, annotator) for example, annotator, _, _ in found]
    assert max(Counter(said).values()) == 1  # nothing doubled
    assert Counter(example for example, _ in said) == dict.fromkeys(asked, overlap)  # nothing lost
    for example, annotator, action, label in found:  # nothing swapped
        assert (action, label) == ("label", label_of(annotator, asked[example]))
    assert sorted(said) == sorted((one, p.client.name) for p in people for one in p.seen)  # none given to others, too
    assert sum(person.given_away for person in people) == 0
    counts = Counter(annotator for _, annotator in said)
    assert sum(counts.values()) == len(NAMES) * answers
    if overlap != 2:
        assert counts == dict.fromkeys(NAMES, answers)
    assert read_leases(tmp_path / "run") == []
    print(f"{dict(counts)}, {[person.without_response for person in people]} requests without a response")
    print(f"{[person.refused for person in people]} that the server had recorded already, or was not open for yet")
