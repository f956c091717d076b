"""Answers in a store."""

from hfal.store.records import Answer
from hfal.store.store import Store


def say(store: Store, example_id: str, label: str | None, action: str = "label", annotator: str = "ann") -> None:
    store.set_meta("label_names", ["negative", "positive"])
    store.record(Answer(example_id, label, action, annotator), "content", {"text": f"text of {example_id}"})
