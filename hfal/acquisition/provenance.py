"""The record of a query: its examples, strategy, seed, model and versions."""

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import torch

from hfal.data.pool import Pool
from hfal.data.references import absolute_reference
from hfal.store.records import Origin, Queried, Query


_PACKAGES = (
    "hfal",
    "torch",
    "transformers",
    "datasets",
    "accelerate",
    "numpy",
    "scikit-learn",
    "sentence-transformers",
)


class Made(NamedTuple):
    """How a query was made.

    Attributes:
        purpose: One of `hfal.store.records.PURPOSES`.
        round: The round whose model made it, or that had ended before; 0 if there was none.
        strategy: The strategy's name.
        model: What `model_name` says of the model, if there was one.
        settings: Of the strategy and of the pass.
        seed: The seed of the run.
    """

    purpose: str
    round: int
    strategy: str
    model: str | None
    settings: Mapping[str, Any]
    seed: int


def record_query(
    pool: Pool,
    made: Made,
    chosen: np.ndarray,
    opinions: np.ndarray,
    scores: np.ndarray | None = None,
    suggested: Sequence[tuple[Any, float]] | None = None,
) -> Query:
    """Record a query with its provenance. Called by the main process.

    Args:
        pool: The pool, to whose store it goes.
        made: How it was made.
        chosen: The positions in the pool, int64[k], in the order in which they are asked.
        opinions: How many people are to label each, int[k].
        scores: The acquisition scores, float[k]; NaN for an example without one.
        suggested: What the model says of each, and how sure it is.
    """
    ids = [str(pool.ids[int(position)]) for position in chosen]
    origins = pool.store.origins(ids)
    examples = tuple(
        Queried(
            example_id=ids[rank],
            content=pool.content(int(position)),
            texts=texts,
            score=None if scores is None or np.isnan(scores[rank]) else float(scores[rank]),
            suggestion=None if suggested is None else suggested[rank][0],
            confidence=None if suggested is None else suggested[rank][1],
            shown=shown,
            **origins.get(ids[rank], Origin())._asdict(),
        )
        for rank, (position, texts, shown) in enumerate(
            zip(chosen, pool.texts(chosen), pool.shown(chosen), strict=True)
        )
    )
    settings = dict(made.settings)
    if (opinions > 1).any():
        each = {example.example_id: int(number) for example, number in zip(examples, opinions, strict=True)}
        settings["opinions"] = int(opinions[0]) if (opinions == opinions[0]).all() else each
    query = Query(
        round=made.round,
        purpose=made.purpose,
        strategy=made.strategy,
        seed=made.seed,
        examples=examples,
        model=made.model,
        settings=settings,
        versions=_versions(),
    )
    return pool.store.add_query(query)


def model_name(model: torch.nn.Module) -> str:
    """Return the model's class, and where its weights were first loaded from."""
    name = getattr(getattr(model, "config", None), "name_or_path", "")
    return f"{type(model).__name__} from {absolute_reference(name)}" if name else type(model).__name__


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in _PACKAGES}
