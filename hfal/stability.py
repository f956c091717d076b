"""How much a model's predictions differ from those of the round before: figures that say when to stop.

They are of the stop set: some examples of the pool, drawn at random once in a run, whatever their labels (Bloodgood &
Vijay-Shanker, CoNLL 2009). Predictions are integers, one for each decision: the class of a text, int[N]; for each
label of a text whether it has it, 0 or 1, int[N, L]; the tag of each word, int[N, W], negative where there is no word.
"""

import io
import zlib
from collections.abc import Callable, Sequence

import numpy as np

from hfal.tags import entities


KAPPA, CHANGED, F_CHANGE, UNCERTAINTY = "kappa", "changed", "f_change", "uncertainty"
"""The figures by name."""


def compare(
    before: np.ndarray, now: np.ndarray, f_measure: Callable[[np.ndarray, np.ndarray], float]
) -> dict[str, float]:
    """The figures of two rounds' predictions.

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


def cohen_kappa(one: np.ndarray, other: np.ndarray) -> float:
    """The agreement of two raters beyond chance, Cohen (1960): from -1 to 1; NaN if both give all the same class.

    Args:
        one: int[n], from 0.
        other: The same.
    """
    classes = int(max(one.max(), other.max())) + 1
    shares = np.stack([np.bincount(rater, minlength=classes) for rater in (one, other)]) / len(one)
    by_chance = float(shares.prod(axis=0).sum())
    agreement = float((one == other).mean())
    return (agreement - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def f_of_classes(found: np.ndarray, right: np.ndarray) -> float:
    """Macro F1: the mean over the classes that occur in either. Of two classes none is the positive one.

    Args:
        found: int[N].
        right: int[N].
    """
    return float(np.mean([_f1(found == c, right == c) for c in np.union1d(found, right)]))


def f_of_sets(found: np.ndarray, right: np.ndarray) -> float:
    """Micro F1 over all texts and labels; of two of which neither has any label it is 1.

    Args:
        found: int[N, L], 0 or 1.
        right: The same.
    """
    return _f1(found == 1, right == 1)


def f_of_entities(names: Sequence[str]) -> Callable[[np.ndarray, np.ndarray], float]:
    """F1 of whole entities by the rules of conlleval, for tags int[N, W] that are negative where there is no word.

    Args:
        names: The names of the tags.
    """

    def f_measure(found: np.ndarray, right: np.ndarray) -> float:
        pairs = []
        for tags in (found, right):
            rows = [[names[tag] for tag in row if tag >= 0] for row in tags.tolist()]
            pairs.append({(number, *entity) for number, row in enumerate(rows) for entity in entities(row)})
        total = len(pairs[0]) + len(pairs[1])
        return 2 * len(pairs[0] & pairs[1]) / total if total else 1.0

    return f_measure


def _f1(found: np.ndarray, right: np.ndarray) -> float:
    total = int(found.sum()) + int(right.sum())
    return 2 * int((found & right).sum()) / total if total else 1.0


def mean_entropy(probabilities: np.ndarray) -> float:
    """The mean entropy of distributions float[..., C], divided by the largest that there can be, ln C: from 0 to 1."""
    classes = probabilities.shape[-1]
    if classes < 2:
        return 0.0
    p = probabilities.astype(np.float64)
    entropies = -(p * np.log(np.where(p > 0, p, 1))).sum(axis=-1)
    return min(float(entropies.mean() / np.log(classes)), 1.0)  # rounding may say a little more


def pack(predictions: np.ndarray) -> bytes:
    """Predictions as they are stored, in few bytes."""
    file = io.BytesIO()
    np.save(file, predictions.astype(np.int16), allow_pickle=False)
    return zlib.compress(file.getvalue())


def unpack(data: bytes) -> np.ndarray:
    """What `pack` was given, int16."""
    predictions: np.ndarray = np.load(io.BytesIO(zlib.decompress(data)), allow_pickle=False)
    return predictions
