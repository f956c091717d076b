"""What `hfal label --web` does, with answers that go to the disk at their leisure, and a clock that jumps."""

import random
import sys
import time
from datetime import datetime, timedelta
from typing import Any

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store import store as store_module
from hfal.store.store import Store


HOUR = 3600


class JumpingClock:
    """The time of day, which somebody puts forward and back.

    Attributes:
        ahead: Seconds by which it is wrong.
    """

    def __init__(self) -> None:
        self.ahead = 0

    def time_ns(self) -> int:
        return _TIME_NS() + self.ahead * 10**9

    def utc_now(self) -> str:
        now = datetime.fromisoformat(_UTC_NOW()) + timedelta(seconds=self.ahead)
        return now.isoformat(timespec="microseconds")


_TIME_NS, _UTC_NOW = time.time_ns, store_module.utc_now


def serve_slowly(run_dir: str, port: str, seed: str, *annotators: str) -> int:
    """Serve the page, and wait now and then before an answer is on the disk, and before that is acknowledged.

    The clock of each start is another one, and jumps between answers.
    """
    chance = random.Random(int(seed))
    clock = JumpingClock()
    clock.ahead = chance.choice([-HOUR, 0, HOUR])
    time.time_ns, store_module.utc_now = clock.time_ns, clock.utc_now
    record = Store.record

    def record_slowly(self: Store, *arguments: Any, **options: Any) -> Any:
        clock.ahead = chance.choice([-HOUR, 0, HOUR])
        time.sleep(chance.choice([0, 0, 0.02]))
        recorded = record(self, *arguments, **options)
        time.sleep(chance.choice([0, 0, 0.02]))
        return recorded

    Store.record = record_slowly  # type: ignore[method-assign]
    store = Store(run_dir)
    with store.own():
        ask(store, WebAnnotator("ann", annotators=annotators, port=int(port), open_browser=False))
    sys.stdout.flush()
    return 0
