"""Somebody who settles disagreements on the page, with the server in a thread of this process."""

from hfal.annotators.settling import settle
from hfal.store.store import Store
from support.web_page import Labeling


class Settling(Labeling):
    """`settle` with a `WebAnnotator` in a thread, and a client.

    Attributes:
        counts: How many disagreements were asked about, and how many are left, when it has ended.
    """

    counts: tuple[int, int] | None = None

    def _run(self, store: Store) -> None:
        try:
            with store.own():
                self.counts = settle(store, self.annotator)
        except BaseException as error:
            self.ended = error
