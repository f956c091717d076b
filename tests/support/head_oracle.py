"""scikit-learn in the place of the frozen head: what it says of texts, by vectors that an encoder gave."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Vectors as the head takes them: all of one length, the root of their dimensions."""
    vectors = vectors.astype(float)
    return vectors * np.sqrt(vectors.shape[1]) / np.linalg.norm(vectors, axis=1, keepdims=True)


def probabilities_by(inputs: np.ndarray, labels: Any, new: np.ndarray) -> np.ndarray:
    """scikit-learn's, of classes that all have examples, on vectors that are centered and divided by one number."""
    mean, scale = inputs.mean(0), np.sqrt(inputs.var(axis=0).mean())
    regression = LogisticRegression(max_iter=1000).fit((inputs - mean) / scale, labels)
    return regression.predict_proba((new - mean) / scale)


def margin_scores(probabilities: np.ndarray) -> np.ndarray:
    """1 - the difference of the two highest probabilities of each row."""
    second, first = np.sort(probabilities, axis=1)[:, -2:].T
    return 1 - first + second


def best(scores: np.ndarray, among: Sequence[str], count: int) -> list[str]:
    """The ids of the highest scores; none of them are equal here."""
    return [among[row] for row in np.argsort(-scores)[:count]]


class Scaled(TransformerMixin, BaseEstimator):
    """Centers vectors, and divides all their numbers by the same one."""

    def fit(self, x: np.ndarray, y: Any = None) -> "Scaled":
        self.mean_, self.scale_ = x.mean(axis=0), np.sqrt(x.var(axis=0).mean())
        return self

    def transform(self, x: np.ndarray) -> np.ndarray:
        return (x - self.mean_) / self.scale_


def reference(x: np.ndarray, labels: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """What scikit-learn's own cross-validation predicts, float[n, classes]."""
    model = make_pipeline(Scaled(), LogisticRegression(max_iter=1000))
    return cross_val_predict(model, x, labels, cv=PredefinedSplit(folds), method="predict_proba")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def vectors(labels: np.ndarray, size: int = 12, seed: int = 0) -> np.ndarray:
    """Vectors that say something of the labels, and not all."""
    return rng(seed).normal(size=(len(labels), size)) + np.eye(size)[labels] * 1.5
