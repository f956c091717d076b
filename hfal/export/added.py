"""What the card of a run says of examples that are none of the user's data: from a stream, or synthesized."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hfal.store.records import ORIGINS, STREAM, SYNTHESIS
from hfal.store.store import Store
from hfal.utils.spelling import counted


_HOW = {
    STREAM: ("came from a stream", "came from a stream"),
    SYNTHESIS: ("was synthesized", "were synthesized"),
}


def about_added(store: Store, splits: Mapping[str, Path]) -> dict[str, Any]:
    """Describe how many examples in some files are from where, for the template of a card.

    Args:
        store: What the run knows.
        splits: The Parquet file of each split.

    Returns:
        `added`, a paragraph, which is empty where the run has no such example; and `synthesized`, how many there are
        in each split, `{"train": 3}`.
    """
    origins = store.origins()
    if not origins:
        return {"added": "", "synthesized": {}}
    ids = {split: _ids_in(file) for split, file in splits.items()}
    counts = {split: Counter(origins[i].origin for i in of if i in origins) for split, of in ids.items()}
    labeled = {i for i, answer in store.current_answers().items() if answer.label is not None}
    here = {i for of in ids.values() for i in of}
    left_out = Counter(about.origin for i, about in origins.items() if i in labeled - here)
    thing = store.kind.things.removesuffix("s")
    said = [f"In `{split}` {_listed(count, thing)}." for split, count in counts.items() if count]
    said += [f"Left out: {_listed(left_out, f'{thing} with a label', f'{thing}s with a label')}."] if left_out else []
    if any(counts.values()):
        said.append("All others are of the data that the run began with.")
    return {
        "added": " ".join(said),
        "synthesized": {split: count[SYNTHESIS] for split, count in counts.items() if count[SYNTHESIS]},
    }


def _listed(counts: Mapping[str | None, int], thing: str, things: str | None = None) -> str:
    return " and ".join(
        f"{counted(counts[origin], thing, things)} {_HOW[origin][counts[origin] > 1]}"
        for origin in ORIGINS
        if counts[origin]
    )


def _ids_in(file: Path) -> list[str]:
    import pyarrow.parquet as pq

    ids: list[str] = pq.read_table(file, columns=["id"])["id"].to_pylist()
    return ids
