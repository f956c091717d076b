"""Answers and rounds in a store."""

from hfal.store.records import Answer, RoundRecord, utc_now
from hfal.store.rows import insert_round
from hfal.store.store import Store


def say(store: Store, example_id: str, label: str | None, action: str = "label", annotator: str = "ann") -> None:
    store.set_meta("label_names", ["negative", "positive"])
    store.record(Answer(example_id, label, action, annotator), "content", {"text": f"text of {example_id}"})


def begin_round(store: Store, number: int, labels: int = 0, train_size: int = 0, seed: int = 1) -> None:
    """Record that a round begins on so many labels, whatever was answered."""
    with store.at_once():
        insert_round(
            store._db, RoundRecord(number, seed, store.last_answer(), labels, train_size, utc_now(), None, None, None)
        )
