"""The common part of the tasks that label whole texts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import datasets
import numpy as np


class WholeTexts:
    """The common part of the tasks that label whole texts; see `hfal.tasks.base.Task`."""

    words: np.ndarray | None = None
    outside = 0
    scheme: str | None = None
    thresholds: Mapping[str, float] | None = None
    label_columns = ("labels", "label", "label_ids")
    head = "sequence classification head (AutoModelForSequenceClassification)"
    wrong_model = "ForTokenClassification"
    collator_hint = "let it do without labels"
    suggestion_signals = frozenset({"probabilities"})
    prediction_signals = frozenset({"probabilities"})
    prediction_score = None

    def __init__(self, dataset: datasets.Dataset, text_columns: Sequence[str], label_column: str | None):
        self.dataset = dataset
        self.label_column = label_column
        columns = ", ".join(f"batch[{name!r}]" for name in text_columns)
        self.how_to_tokenize = (
            f"    dataset = dataset.map(lambda batch: tokenizer({columns}, truncation=True), batched=True)"
        )

    def check_tokens(self, lengths: np.ndarray) -> None:
        """Check nothing beside what the pool checks by itself."""

    def check_evaluation(self, dataset: datasets.Dataset, column: str) -> None:
        """Check nothing: a trial of the evaluation finds labels of another form."""

    def columns_to_score(self, columns: Sequence[str]) -> list[str]:
        """Return the columns that the model takes."""
        return list(columns)

    def collator(self, collate_fn: Callable[[list[Any]], Any], columns: Sequence[str]) -> Callable[[list[Any]], Any]:
        """Return the Trainer's own collator."""
        return collate_fn

    def check_batch(self, batch: Mapping[str, Any], rows: Sequence[int]) -> None:
        """Check nothing: all that is needed is what the model takes."""
