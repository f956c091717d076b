"""Columns of labels that nothing reads: which are found, and which are something else."""

import logging
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hfal import Pool
from hfal.tasks.unused_labels import unused_labels
from support.models import NAMES


def found(values: list[Any], names: list[str], column: str = "label", feature: Any = None) -> tuple[str, str] | None:
    features = None if feature is None else Features({column: feature})
    return unused_labels(Dataset.from_dict({column: values}, features), names, ("text", None))


@pytest.mark.parametrize(
    ("values", "label"),
    [
        (["No", None, ""], "No"),
        ([" yes ", None, "other"], "yes"),  # with other capitals and blanks
        ([0, 1, None], "0"),  # counts the names
        ([1.0, float("nan")], "1"),
        ([False, None], "false"),
        ([["Yes", "No"], []], "No"),
        (["Yes | No", None], "No"),
        ([[{"start": 0, "end": 1, "label": "Yes"}], []], "Yes"),
    ],
)
def test_labels_are_found_in_whatever_form_they_are_written(values, label):
    assert found(values, ["No", "Yes"]) == ("label", label)


def test_names_of_a_class_label_are_found():
    assert found([1, -1], ["No", "Yes"], feature=ClassLabel(names=["No", "Yes"])) == ("label", "Yes")
    assert found([[1]], ["No", "Yes"], feature=List(ClassLabel(names=["No", "Yes"]))) == ("label", "Yes")
    assert found([-1], ["No", "Yes"], feature=ClassLabel(names=["No", "Yes"])) is None


def test_names_of_columns_may_have_capitals_and_tags_are_found_in_words():
    assert found(["No"], ["No", "Yes"], column="Labels") == ("Labels", "No")
    assert found([["O", "B-PER"]], ["O", "B-PER", "I-PER"], column="ner_tags") == ("ner_tags", "B-PER")
    assert found(["No"], ["No", "Yes"], column="answer") is None


@pytest.mark.parametrize("values", [["Sony", "Nokia"], [7, 8], [-1, None], [None, None], [[101, 7, 102]], [""]])
def test_other_values_and_no_values_are_no_labels(values):
    assert found(values, ["No", "Yes"], feature=None if values != [None, None] else Value("null")) is None


def test_a_column_that_has_another_use_is_left_alone():
    data = Dataset.from_dict({"text": ["a"], "label": ["No"]})
    assert unused_labels(data, ["No", "Yes"], ("label",)) is None


def test_a_pool_without_a_label_column_warns_of_labels(tmp_path, caplog):
    data = Dataset.from_dict({"text": ["a", "b"], "label": ["positive", None]})
    Pool(data, tmp_path / "one", "text", label_names=NAMES)
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "'label'" in warning
    assert "label_column='label'" in warning
    caplog.clear()
    Pool(data, tmp_path / "two", "text", "label", NAMES)
    Pool(data, tmp_path / "three", "text", label_names=NAMES, show_columns=["label"])
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
