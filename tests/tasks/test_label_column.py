"""Label columns of every form, and those that do not fit."""

import pytest
from datasets import ClassLabel, Dataset

from hfal import Pool
from support.models import NAMES
from support.pools import a_pool, ids_of


def test_label_names_come_from_the_feature_the_strings_or_the_integers(tmp_path):
    classes = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).cast_column("label", ClassLabel(names=NAMES))
    strings = Dataset.from_dict({"text": ["a", "b"], "label": ["spam", "ham"]})
    integers = Dataset.from_dict({"text": ["a", "b"], "label": [0, 2]})
    assert Pool(classes, tmp_path / "1", "text", "label").label_names == ("negative", "positive")
    pool = Pool(strings, tmp_path / "2", "text", "label")
    assert pool.label_names == ("ham", "spam")
    assert pool.hidden_label(ids_of(pool)[0]) == "spam"
    assert Pool(integers, tmp_path / "3", "text", "label").label_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "options", "complaint"),
    [
        ([0, 1, 2, 0], {}, "the value 2, which is outside label_names"),
        (["good", "bad", "good", "bad"], {}, "which is outside label_names"),
        ([0.5, 1.0, 0.0, 0.0], {}, "expected ClassLabel, integers or strings"),
        ([0, 1, 0, 1], {"label_names": ["a", "a"]}, "none twice"),
        ([0, 1, 0, 1], {"label_column": "lable"}, "label_column='lable' is no column"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        a_pool(tmp_path, labels=labels, **options)


def test_a_pool_must_know_its_labels(tmp_path):
    with pytest.raises(ValueError, match="label_names is missing"):
        a_pool(tmp_path, label_names=None)


def test_whole_numbers_that_a_csv_file_with_gaps_made_floats_of(tmp_path):
    pool = a_pool(tmp_path, labels=[1.0, None, 0.0, float("nan")])
    assert pool.given_labels().tolist() == [1, -1, 0, -1]
    assert pool.labeled[:] == {"text": ["good", "fine"], "label": [1, 0]}
    assert pool.hidden_label(ids_of(pool)[0]) == "positive"


def test_labels_of_another_dataset_are_numbered_like_the_pools(tmp_path):
    pool = a_pool(tmp_path, labels=["positive", "negative", "positive", "negative"])
    swapped = Dataset.from_dict({"text": ["x", "y"], "label": [0, 1]}).cast_column(
        "label", ClassLabel(names=NAMES[::-1])
    )
    strings = Dataset.from_dict({"text": ["x", "y"], "label": ["positive", "negative"]})
    for data in (swapped, strings):
        assert pool.with_labels(data)["label"][:] == [1, 0]
        assert pool.with_labels(data).features["label"].names == NAMES
    # A collator would take a column `label` for the labels, also where another one has them.
    both = Dataset.from_dict({"text": ["x", "y"], "label": [7, 8], "sentiment": ["positive", "negative"]})
    other = Pool(both, tmp_path / "other", "text", "sentiment", NAMES).with_labels(both)
    assert (other.column_names, other["labels"][:]) == (["text", "labels"], [1, 0])
    for labels in (["positive", "good"], ["positive", None]):
        with pytest.raises(ValueError, match=r"row 1 has the label .*, expected one of negative, positive"):
            pool.with_labels(Dataset.from_dict({"label": labels}))
