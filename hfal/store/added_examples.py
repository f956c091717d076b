"""The examples of a run that are not in the user's data: from a stream, or synthesized."""

from collections.abc import Sequence

from hfal.store.records import AddedExample, Origin, utc_now
from hfal.store.rows import insert_added, read_added, read_origins
from hfal.store.store_file import StoreFile


class AddedExamples(StoreFile):
    """The part of `hfal.store.store.Store` that keeps them."""

    def add_examples(self, examples: Sequence[AddedExample]) -> None:
        """Record examples that are not in the user's data: all of them or none.

        Raises:
            ArgumentError: One has another origin than those of `hfal.store.records.ORIGINS`.
        """
        now = utc_now()
        with self.at_once():
            for example in examples:
                insert_added(self._db, example, now)

    def added_examples(self) -> list[AddedExample]:
        """Return the examples that are not in the user's data, in the order in which they were added."""
        return read_added(self._db)

    def origins(self, example_ids: Sequence[str] | None = None) -> dict[str, Origin]:
        """Return origin, parent and method of the examples that have another origin than the user's data, by id.

        Those that a run has from an export are among them, though they are rows of its data and not added again.

        Args:
            example_ids: Only of these; of all by default.
        """
        with self._db.decoding():
            restored = {example_id: Origin(*of) for example_id, of in dict(self.meta("origins") or {}).items()}
        if example_ids is not None:
            restored = {example_id: restored[example_id] for example_id in example_ids if example_id in restored}
        return restored | read_origins(self._db, example_ids)
