"""Leases by a clock that stands until it is set."""

from pathlib import Path

import pytest

from hfal.annotators.web.leases import LEASES_NAME, Leases, read_leases, write_leases


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_lease_runs_out_unless_it_is_renewed(clock: Clock) -> None:
    leases = Leases(60, clock)
    leases.give("anna", "a")
    leases.give("ben", "b")
    clock.now += 59
    assert leases.expire() == []
    leases.renew("anna")
    clock.now += 1
    assert leases.expire() == [("ben", "b")]
    assert leases.expire() == []
    assert leases.pairs() == [("anna", "a")]
    clock.now += 59
    assert leases.expire() == [("anna", "a")]
    assert leases.pairs() == []


def test_a_lease_counts_until_it_is_said_to_be_over(clock: Clock) -> None:
    leases = Leases(60, clock)
    leases.give("anna", "a")
    clock.now += 1000
    assert (leases.of("anna"), leases.holders("a")) == (["a"], ["anna"])
    leases.renew("anna")
    assert leases.expire() == []


def test_several_people_have_several_texts(clock: Clock) -> None:
    leases = Leases(60, clock)
    for person, example in (("anna", "a"), ("ben", "a"), ("anna", "b"), ("carl", "c"), ("anna", "a")):
        leases.give(person, example)
    assert leases.holders() == ["anna", "ben", "carl"]
    assert leases.holders("a") == ["anna", "ben"]
    assert leases.of("anna") == ["a", "b"]
    leases.end("anna", "a")
    leases.end("anna", "c")  # which she does not have
    assert leases.holders("a") == ["ben"]
    leases.end("ben")
    leases.end("nobody")
    assert leases.pairs() == [("anna", "b"), ("carl", "c")]


def test_a_command_that_is_started_again_reads_them(clock: Clock, tmp_path: Path) -> None:
    assert read_leases(tmp_path) == []
    pairs = [("anna", "a"), ('b"en\u2028', "b")]
    write_leases(tmp_path, pairs)
    assert read_leases(tmp_path) == pairs
    for broken in (b"", b"[", b"[1]", b'{"a": 1}', b"\xff", b"[[1, 2, 3]]", b"5"):
        (tmp_path / LEASES_NAME).write_bytes(broken)
        assert read_leases(tmp_path) == []
    write_leases(tmp_path, [])
    write_leases(tmp_path, [])
    assert list(tmp_path.iterdir()) == []
    write_leases(tmp_path / "nowhere", pairs)  # a disk that cannot be written
