"""The exchange between the server's thread and the loop's, without a server."""

import asyncio
import threading
import time

from hfal.annotators.web.exchange import RELEASE, Exchange, Request


def make_exchange() -> Exchange:
    exchange = Exchange()
    exchange.publish({"phase": "asking", "message": "", "turn": 0})
    return exchange


def test_a_request_waits_for_its_response() -> None:
    exchange = make_exchange()
    exchange.open()
    first, second = Request("answer", {"turn": 0}), Request("undo", {"turn": 0})
    assert not exchange.submit(first).done()
    exchange.submit(second)
    assert exchange.take(5) is first
    exchange.publish({"phase": "asking", "message": "", "turn": 1})
    exchange.respond(first)
    assert first.response.result(0) == (200, exchange.state())
    assert exchange.take(5) is second
    exchange.refuse(second, "turn is 0, but it is 1 now")
    assert second.response.result(0) == (409, {"error": "turn is 0, but it is 1 now", "state": exchange.state()})
    assert exchange.take(0) is None
    begin = time.monotonic()
    assert exchange.take(0.05) is None
    assert time.monotonic() - begin >= 0.05


def test_what_nobody_has_looked_at_is_refused_when_it_closes() -> None:
    exchange = make_exchange()
    early = Request("answer", {})
    assert exchange.submit(early).result(0)[0] == 409  # it was not open yet
    exchange.open()
    waiting, given_up = Request("answer", {}), Request("answer", {})
    exchange.submit(waiting)
    exchange.submit(given_up).cancel()
    assert not exchange.close()
    exchange.open()
    exchange.stop()
    assert exchange.close()  # Ctrl-C in the last instant
    late = Request("answer", {})
    assert exchange.submit(late).result(0)[0] == waiting.response.result(0)[0] == 409
    assert given_up.response.cancelled()


def test_versions_grow_with_changes_alone() -> None:
    exchange = make_exchange()
    before = exchange.state()
    exchange.publish({**before, "turn": 0})
    assert exchange.state() == before
    exchange.publish({**before, "turn": 1})
    assert exchange.state() == {**before, "turn": 1, "version": before["version"] + 1}
    other = make_exchange().state()
    assert other["server"] != before["server"]


def test_what_happens_beside_a_query_changes_nothing_else() -> None:
    exchange = make_exchange()
    exchange.publish({"phase": "waiting", "turn": 3}, unless_open=True)
    assert exchange.state()["phase"] == "waiting"
    exchange.publish({"phase": "asking", "turn": 4})
    exchange.open()
    before = exchange.state()
    exchange.publish({"phase": "waiting", "turn": 3}, unless_open=True)
    assert exchange.state() == before
    exchange.amend(noted="Round 2 trains")
    assert exchange.state() == {**before, "noted": "Round 2 trains", "version": before["version"] + 1}
    exchange.amend(noted="Round 2 trains")
    assert exchange.state()["version"] == before["version"] + 1
    exchange.release()
    request = exchange.take(5)
    assert request is not None
    assert request.action == RELEASE


def test_who_waits_is_woken_by_a_change_in_another_thread() -> None:
    exchange = make_exchange()
    version = exchange.state()["version"]

    async def several() -> list[dict]:
        return await asyncio.gather(*(exchange.newer(version, 20) for _ in range(20)))

    threading.Timer(0.1, exchange.publish, [{"phase": "ended", "message": "over"}]).start()
    begin = time.monotonic()
    assert {state["phase"] for state in asyncio.run(several())} == {"ended"}
    assert time.monotonic() - begin < 10
    assert asyncio.run(exchange.newer(None, 20))["phase"] == "ended"
    begin = time.monotonic()
    assert asyncio.run(exchange.newer(version + 1, 0.1))["phase"] == "ended"
    assert time.monotonic() - begin >= 0.1
