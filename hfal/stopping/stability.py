"""Compare a model's predictions for the stop set with those of the round before.

They are of the stop set: some examples of the pool, drawn at random once in a run, whatever their labels (Bloodgood &
Vijay-Shanker, CoNLL 2009). Predictions are integers, one for each decision: the class of a text, int[N]; for each
label of a text whether it has it, 0 or 1, int[N, L]; the tag of each word, int[N, W], negative where there is no word.
"""

import io
import zlib
from collections.abc import Callable

import numpy as np

from hfal.utils.agreement import cohen_kappa


KAPPA, CHANGED, F_CHANGE, UNCERTAINTY = "kappa", "changed", "f_change", "uncertainty"
"""The figures by name."""


def compare_predictions(
    before: np.ndarray, now: np.ndarray, f_measure: Callable[[np.ndarray, np.ndarray], float]
) -> dict[str, float]:
    """Compute the figures of two rounds' predictions.

    Where both models decide everything in one and the same way, as one does that has seen hardly any label of a rare
    class, there are none: kappa is not defined, and that nothing changes does not mean that nothing is left to learn.

    Args:
        before: Predictions of the round before.
        now: Predictions of this round.
        f_measure: The F measure of the first, were the second right.

    Returns:
        `kappa`, `changed` (the share of the examples that are predicted otherwise) and `f_change` (one minus the F
        measure); nothing if the predictions cannot be compared.
    """
    if before.shape != now.shape or ((before < 0) != (now < 0)).any() or not now.size:
        return {}
    decided = now >= 0
    if len(np.unique([before[decided], now[decided]])) < 2:
        return {}
    changed = (before != now).reshape(len(now), -1).any(axis=1)
    return {
        KAPPA: cohen_kappa(before[decided], now[decided]),
        CHANGED: float(changed.mean()),
        F_CHANGE: 1 - f_measure(before, now),
    }


def pack(predictions: np.ndarray) -> bytes:
    """Compress predictions for the store."""
    file = io.BytesIO()
    np.save(file, predictions.astype(np.int16), allow_pickle=False)
    return zlib.compress(file.getvalue())


def unpack(data: bytes) -> np.ndarray:
    """Return what `pack` was given, int16."""
    predictions: np.ndarray = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    return predictions
