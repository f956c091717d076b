"""What `hfal label --web` does, with answers that go to the disk at their leisure."""

import random
import sys
import time
from typing import Any

from hfal.annotators.asking import ask
from hfal.annotators.web.annotator import WebAnnotator
from hfal.store.store import Store


def serve_slowly(run_dir: str, port: str, seed: str) -> int:
    """Serve the page, and wait now and then before an answer is on the disk, and before that is acknowledged."""
    chance = random.Random(int(seed))
    record = Store.record

    def record_slowly(self: Store, *arguments: Any, **options: Any) -> Any:
        time.sleep(chance.choice([0, 0, 0.02]))
        recorded = record(self, *arguments, **options)
        time.sleep(chance.choice([0, 0, 0.02]))
        return recorded

    Store.record = record_slowly  # type: ignore[method-assign]
    store = Store(run_dir)
    with store.own():
        ask(store, WebAnnotator("ann", port=int(port), open_browser=False))
    sys.stdout.flush()
    return 0
