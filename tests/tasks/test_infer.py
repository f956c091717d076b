"""The task that a data set is made for."""

import pytest
from datasets import Dataset

from hfal.tasks.infer import infer_task


@pytest.mark.parametrize(
    ("text", "label", "task"),
    [
        ("text", "class", "text_classification"),
        ("text", None, "text_classification"),
        ("text", "classes", "multi_label_classification"),
        ("text", "spans", "token_classification"),
        ("words", "classes", "token_classification"),
        ("words", None, "token_classification"),
        ("text", "triples", "token_classification"),
        ("text", "tags", "token_classification"),
        ("text", "paths", "multi_label_classification"),
    ],
)
def test_the_task_is_told_by_the_types_of_columns(text: str, label: str | None, task: str) -> None:
    spans = [[{"start": 0, "end": 3, "label": "PER"}]]
    row = {"text": ["Ann slept"], "words": [["Ann", "slept"]], "class": [1], "classes": [["a", "b"]], "spans": spans}
    row |= {"triples": [[["0", "3", "PER"]]], "tags": [["B-PER", "O"]], "paths": [[["a", "b", "c"]]]}
    assert infer_task(Dataset.from_dict(row), [text], label) == task
