"""The decisions on the texts of a stream are kept, or none of what one call decides is."""

import pytest

from hfal.errors import RunDirectoryError
from hfal.store.store import Store
from hfal.store.stream_log import ASKED, LET_GO, StreamDecision, StreamState


STATE = StreamState(2, {ASKED: 1, LET_GO: 1}, 0.05, "margin", "quantile", {"scores": [0.25, 0.5]}, {"/log": 70})
DECISIONS = [StreamDecision(1, 3, LET_GO, 0.25, 0.5), StreamDecision(2, 3, ASKED, 0.5, 0.5, "added-1")]


def test_what_was_decided_is_there_again(tmp_path):
    store = Store(tmp_path)
    assert store.stream is None
    assert store.stream_decisions() == []
    store.record_stream(STATE, [-(2**63), 2**63 - 1], DECISIONS)
    store.close()
    again = Store(tmp_path, read_only=True)
    assert again.stream == STATE
    assert again.decided([5, 2**63 - 1, -(2**63)]) == {-(2**63), 2**63 - 1}
    found = again.stream_decisions()
    assert [(d.seen, d.round, d.outcome, d.score, d.threshold, d.example_id) for d in found] == [
        (1, 3, LET_GO, 0.25, 0.5, None),
        (2, 3, ASKED, 0.5, 0.5, "added-1"),
    ]
    assert all(d.time for d in found)


def test_of_one_call_all_is_recorded_or_nothing(tmp_path):
    store = Store(tmp_path)
    store.record_stream(STATE, [1], DECISIONS)
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: stream_decisions\.seen"):
        store.record_stream(StreamState(3), [7], DECISIONS[1:])
    assert store.stream == STATE
    assert store.decided([1, 7]) == {1}


def test_a_state_that_no_hfal_has_written_is_damage(tmp_path):
    store = Store(tmp_path)
    store.set_meta("stream", {"seen": "many"})
    with pytest.raises(RunDirectoryError, match=r"is damaged .*seen of StreamState is 'many'"):
        store.stream  # noqa: B018
