"""Rounds of made-up runs."""

from collections.abc import Sequence

from hfal.store.records import RoundRecord


def rounds(
    accuracy: Sequence[float | None] = (), each: int = 10, words: int | None = None, **figures: Sequence[float | None]
) -> list[RoundRecord]:
    """Finished rounds with these accuracies and figures of the stop set; `None` where a round has none."""
    count = max(map(len, [accuracy, *figures.values()]))
    records = []
    for place in range(count):
        value = accuracy[place] if place < len(accuracy) else None
        stability = {name: values[place] for name, values in figures.items() if values[place] is not None}
        records.append(
            RoundRecord(
                number=place + 1,
                seed=1,
                answers_seen=each * (place + 1),
                labels=each * (place + 1),
                train_size=each * (place + 1),
                started="",
                trained="",
                metrics={} if value is None else {"eval_accuracy": value},
                finished="",
                words=None if words is None else words * (place + 1),
                stability=stability if figures else None,
            )
        )
    return records
