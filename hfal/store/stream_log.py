"""The decisions on the texts of a stream: which were decided on, where the stream stands, and a part of the decisions.

Of each text that was decided on there are eight bytes of a hash of its id; or, where texts come from a file, how far
the file was read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

from hfal.store.records import utc_now
from hfal.store.rows import insert_decisions, insert_meta, read_decisions
from hfal.store.store_file import StoreFile


ASKED, RANDOM, LET_GO, COPY = "asked", "random", "let go", "copy"
"""The outcomes of a decision: asked for its score, drawn for the random share, let go, let go as a near-copy."""

SAMPLE = 50
"""The decision is kept on one of so many of the texts that are not asked."""


@dataclass(frozen=True)
class StreamDecision:
    """The decision on one text of a stream.

    Attributes:
        seen: Which text of the stream it is, counted from 1.
        round: The round whose model scored it; of a frozen head the last one that had ended.
        outcome: `ASKED`, `RANDOM`, `LET_GO` or `COPY`.
        score: Its acquisition score.
        threshold: The score from which on it was asked; `None` where its score did not matter, or any was too low.
        example_id: Its id in the pool, if it was asked.
        time: UTC time in ISO 8601, set when it is recorded.
    """

    seen: int
    round: int
    outcome: str
    score: float | None = None
    threshold: float | None = None
    example_id: str | None = None
    time: str = ""


@dataclass(frozen=True)
class StreamState:
    """Where a stream stands.

    Attributes:
        seen: How many texts were decided on.
        outcomes: How many of them had each outcome.
        budget: The share of texts that may be asked.
        strategy: The name of the score.
        manager: The name of the budget manager.
        manager_state: What it keeps.
        offsets: How many bytes of each file were decided on, by path.
    """

    seen: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)
    budget: float = 0.0
    strategy: str = ""
    manager: str = ""
    manager_state: Mapping[str, Any] = field(default_factory=dict)
    offsets: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class StreamPlan:
    """What `hfal stream` was started with, by which it goes on.

    Attributes:
        data: The full path of the file or folder; `"-"` for standard input.
        follow: Whether it goes on as files grow.
        budget: The share of texts that may be asked.
        strategy: The name of the score.
        manager: The name of the budget manager.
        threshold: In its place, a fixed score from which on texts are asked.
        random_share: The part of the budget that is spent on random texts.
        train_after: After how many texts that were asked a round is trained.
    """

    data: str
    follow: bool = False
    budget: float = 0.05
    strategy: str = "margin"
    manager: str = "quantile"
    threshold: float | None = None
    random_share: float = 0.1
    train_after: int = 50


class StreamLog(StoreFile):
    """The part of `hfal.store.store.Store` that keeps them."""

    @property
    def stream_plan(self) -> StreamPlan | None:
        """What `hfal stream` was started with; `None` where it was not."""
        return self._record(StreamPlan, "stream_plan")

    def set_stream_plan(self, plan: StreamPlan) -> None:
        """Record what `hfal stream` was started with."""
        self.set_meta("stream_plan", asdict(plan))

    @property
    def stream(self) -> StreamState | None:
        """Where the stream of the run stands; `None` if there is none."""
        return self._record(StreamState, "stream")

    def decided(self, keys: Sequence[int]) -> set[int]:
        """Return those keys of texts that were decided on.

        Args:
            keys: Eight bytes of a hash of each text's id, as a signed number.
        """
        rows = self._db.read(
            "SELECT id FROM stream_ids WHERE id IN (SELECT value FROM json_each(?))", json.dumps(keys)
        )
        return {row["id"] for row in rows}

    def record_stream(self, state: StreamState, keys: Sequence[int], decisions: Sequence[StreamDecision]) -> None:
        """Record what was decided: all of it or nothing.

        Args:
            state: Where the stream stands afterwards.
            keys: Those of the texts that were decided on, as `decided` takes them.
            decisions: On the texts that were asked, and on some of the others.
        """
        now = utc_now()
        with self.at_once():
            self._db.write_many("INSERT INTO stream_ids (id) VALUES (?)", [(key,) for key in keys])
            insert_decisions(self._db, [astuple(replace(decision, time=now)) for decision in decisions])
            insert_meta(self._db, "stream", asdict(state))

    def stream_decisions(self) -> list[StreamDecision]:
        """Return the decisions that were kept, in the order of the stream."""
        return [StreamDecision(**values) for values in read_decisions(self._db)]
