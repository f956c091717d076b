"""Label columns of every form, and those that do not fit."""

import logging
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset

from hfal import Pool
from hfal.config.arguments import ActiveLearningArguments
from hfal.config.load_data import load_data
from hfal.errors import ArgumentError
from support.models import NAMES
from support.pools import a_pool, ids_of


def test_label_names_come_from_the_feature_the_strings_or_the_integers(tmp_path):
    classes = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).cast_column("label", ClassLabel(names=NAMES))
    strings = Dataset.from_dict({"text": ["a", "b"], "label": ["spam", "ham"]})
    integers = Dataset.from_dict({"text": ["a", "b", "c"], "label": [2, 0, 1]})
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


TEXTS = ["a", "b", "c", "d"]


def of_arrow(labels: Any) -> Dataset:
    return Dataset(pa.table({"text": TEXTS, "label": labels}))


def of_pandas(values: list, kind: Any) -> Dataset:
    return Dataset.from_pandas(pd.DataFrame({"text": TEXTS, "label": pd.array(values, dtype=kind)}))


WORDS, ONE_TWO = ["x", "y", None, "x"], [1, 2, None, 1]
FORMS = {
    "booleans": (of_arrow([True, False, None, True]), ["false", "true"], [1, 0, -1, 1]),
    "nullable booleans": (of_pandas([True, False, None, True], "boolean"), ["false", "true"], [1, 0, -1, 1]),
    "integers that count from 1": (of_arrow(ONE_TWO), ["1", "2"], [0, 1, -1, 0]),
    "nullable integers": (of_pandas(ONE_TWO, "Int64"), ["1", "2"], [0, 1, -1, 0]),
    "integers with gaps as floats": (of_arrow([4.0, 0.0, float("nan"), 4.0]), ["0", "4"], [1, 0, -1, 1]),
    "nullable floats": (of_pandas(ONE_TWO, "Float64"), ["1", "2"], [0, 1, -1, 0]),
    "unsigned bytes": (of_arrow(pa.array([7, 12, None, 7], pa.uint8())), ["7", "12"], [0, 1, -1, 0]),
    "views": (of_arrow(pa.array(WORDS, pa.string_view())), ["x", "y"], [0, 1, -1, 0]),
    "large strings": (of_arrow(pa.array(WORDS, pa.large_string())), ["x", "y"], [0, 1, -1, 0]),
    "dictionaries": (of_arrow(pa.array(WORDS).dictionary_encode()), ["x", "y"], [0, 1, -1, 0]),
    "categories": (of_pandas(WORDS, "category"), ["x", "y"], [0, 1, -1, 0]),
    "strings of pandas": (of_pandas(WORDS, "string[pyarrow]"), ["x", "y"], [0, 1, -1, 0]),
    "views of pandas": (of_pandas(WORDS, pd.ArrowDtype(pa.string_view())), ["x", "y"], [0, 1, -1, 0]),
    "numbers as texts": (of_arrow(["10", "9", "", "1"]), ["1", "9", "10"], [2, 1, -1, 0]),
    "half stars as texts": (of_arrow(["10.0", "9.5", " ", "0.5"]), ["0.5", "9.5", "10.0"], [2, 1, -1, 0]),
    "integers with -1": (of_arrow([0, 1, -1, 0]), ["0", "1"], [0, 1, -1, 0]),
}


@pytest.mark.parametrize(("data", "names", "indices"), FORMS.values(), ids=FORMS.keys())
def test_every_form_of_labels_is_numbered_alike_everywhere(tmp_path, data, names, indices):
    for number, form in enumerate([data, data.with_format("numpy"), data.select([3, 2, 1, 0]).select([3, 2, 1, 0])]):
        pool = Pool(form, tmp_path / str(number), "text", "label")
        assert list(pool.label_names) == names
        assert pool.given_labels().tolist() == indices
        assert [pool.hidden_label(i) for i in ids_of(pool)] == [None if i < 0 else names[i] for i in indices]
        assert pool.labeled.with_format(None)["label"][:] == [i for i in indices if i >= 0]
        labeled = pool.with_labels(form.select([0, 1, 3])).with_format(None)
        assert labeled["label"][:] == [i for i in indices if i >= 0]
        assert labeled.features["label"].names == names
    assert Pool(data, tmp_path / "named", "text", "label", names).given_labels().tolist() == indices


@pytest.mark.parametrize(
    ("labels", "names", "indices"),
    [
        ([0, 1, 0, 1], ["no", "yes"], [0, 1, 0, 1]),
        ([True, False, None, True], ["no", "yes"], [1, 0, -1, 1]),
        ([True, False, None, True], ["True", "False"], [0, 1, -1, 0]),
        (["0", "1", "", "1"], ["no", "yes"], [0, 1, -1, 1]),
        ([0, 1, 2, 4], ["1", "2", "3", "4", "5"], [0, 1, 2, 4]),
        ([1, 2, 3, 5], ["1", "2", "3", "4", "5"], [0, 1, 2, 4]),
        ([-1, 0, 1, -1], ["-1", "0", "1"], [0, 1, 2, 0]),
        ([2, 1, None, 2], [2, np.int64(1)], [0, 1, -1, 0]),
    ],
)
def test_numbers_are_names_that_are_given_or_count_them(tmp_path, labels, names, indices):
    pool = a_pool(tmp_path, labels=labels, label_names=names)
    assert pool.given_labels().tolist() == indices


def test_numbers_that_could_count_the_names_as_well_are_said_to_be_names(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    pool = a_pool(tmp_path, labels=[1, 2, 1, 2], label_names=["1", "2", "3"])
    assert pool.given_labels().tolist() == [0, 1, 0, 1]
    assert "label_column='label' has 1, 2, which are read as names of labels" in caplog.text


def test_labels_that_are_not_all_there_yet_are_mentioned(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    a_pool(tmp_path / "all", labels=["x", "y", "x", "y"], label_names=None)
    a_pool(tmp_path / "named", labels=["x", "y", None, "y"], label_names=["x", "y"])
    assert not caplog.text
    a_pool(tmp_path / "some", labels=[0, 1, -1, 1], label_names=None)
    assert "the labels are those that column 'label' has so far, 0, 1: name all with label_names (-1 st" in caplog.text


@pytest.mark.parametrize(
    ("labels", "complaint"),
    [
        ([0.5, 1.0, 2.0, 0.5], r"cast_column\('label', datasets.Value\('string'\)\)$"),
        (
            [date(2020, 1, day) for day in (1, 2, 3, 4)],
            r"holds Value\('date32'\), expected ClassLabel, integers or str",
        ),
        (
            [-1, 1, -1, 1],
            r"is \['1'\], expected at least 2 names .* \(-1 stands for no label; where it is a label, name",
        ),
        ([None, "", " ", None], "label_names is missing: no example has a label"),
    ],
)
def test_labels_that_say_too_little_say_what_to_do(tmp_path, labels, complaint):
    with pytest.raises(ArgumentError, match=complaint):
        a_pool(tmp_path, labels=labels, label_names=None)


EVALUATIONS = {
    "numbers as the pool has them": ([1, 2, 1, 2], None, [2, 2, 2, 2], [1, 1, 1, 1]),
    "texts for numbers": ([1, 2, 1, 2], None, ["2", "1", "2", "1"], [1, 0, 1, 0]),
    "numbers for texts": (["1", "2", "1", "2"], None, [2, 1, 2, 1], [1, 0, 1, 0]),
    "numbers that count given names": (["b", "a", "b", "a"], ["b", "a"], [0, 1, 1, 1], [0, 1, 1, 1]),
    "numbers where the pool's count too": ([0, 1, 4, 1], ["1", "2", "3", "4", "5"], [1, 2, 1, 2], [1, 2, 1, 2]),
    "names for numbers": ([0, 1, 0, 1], ["no", "yes"], ["yes", "no", "yes", "yes"], [1, 0, 1, 1]),
    "booleans for numbers": ([0, 1, 0, 1], None, [True, False, True, True], [1, 0, 1, 1]),
    "numbers for booleans": ([True, False, True, True], None, [0, 1, 1, 1], [0, 1, 1, 1]),
}


@pytest.mark.parametrize(("labels", "names", "other", "indices"), EVALUATIONS.values(), ids=EVALUATIONS.keys())
def test_labels_of_other_data_are_read_by_what_the_pool_has(tmp_path, labels, names, other, indices):
    pool = a_pool(tmp_path, labels=labels, label_names=names)
    assert pool.with_labels(Dataset.from_dict({"text": TEXTS[: len(other)], "label": other}))["label"][:] == indices


@pytest.mark.parametrize(
    ("labels", "names", "other", "complaint"),
    [
        (
            ["b", "a", "b", "a"],
            None,
            [0, 1, 0, 1],
            "has numbers here, 0, 1, and nothing says which of the pool's labels",
        ),
        (
            ["b", "a", "b", "a"],
            None,
            [True] * 4,
            "has numbers here, true, and nothing says which of the pool's labels",
        ),
        ([0, 1, 4, 1], ["1", "2", "3", "4", "5"], [1, 5], "row 1 has the label 5, expected one of 1, 2, 3, 4, 5"),
        ([1, 2, 1, 2], None, [0, 1], "row 0 has the label 0, expected one of 1, 2"),
        ([1, 2, 1, 2], None, [[1], [2]], "holds lists, but text classification has one label"),
        ([1, 2, 1, 2], None, [0.5, 1.0], r"holds Value\('float64'\), expected ClassLabel"),
        ([1, 2, 1, 2], None, [1, None], "row 1 has the label None, expected one of 1, 2"),
    ],
)
def test_labels_of_other_data_that_could_be_others_are_refused(tmp_path, labels, names, other, complaint):
    pool = a_pool(tmp_path, labels=labels, label_names=names)
    for data in (
        Dataset.from_dict({"text": TEXTS[: len(other)], "label": other}),
        Dataset.from_dict({"text": TEXTS[: len(other)], "label": other}).with_format("numpy"),
    ):
        with pytest.raises(ArgumentError, match=complaint):
            pool.with_labels(data)


def test_numbers_of_other_data_that_are_names_and_numbers_of_classes_are_refused(tmp_path):
    stars = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).cast_column("label", ClassLabel(names=["1", "2"]))
    pool = Pool(stars, tmp_path / "run", "text", "label")
    with pytest.raises(ArgumentError, match="nothing says which of the pool's labels, 1, 2, each of them is"):
        pool.with_labels(Dataset.from_dict({"text": ["a", "b"], "label": [1, 1]}))
    assert pool.with_labels(Dataset.from_dict({"text": ["a", "b"], "label": [2, 1]}))["label"][:] == [
        1,
        0,
    ]  # no class has the number 2


def test_other_data_without_rows_and_with_a_transform(tmp_path):
    pool = a_pool(tmp_path, labels=["x", "y", "x", "y"], label_names=None)
    none = Dataset.from_dict({"text": ["a"], "label": ["x"]}).select([])
    assert len(pool.with_labels(none)) == 0
    changed = Dataset.from_dict({"text": ["a"], "label": ["z"]}).with_transform(lambda batch: {"text": batch["text"]})
    with pytest.raises(ArgumentError, match="row 0 has the label 'z', expected one of x, y"):
        pool.with_labels(changed)


@pytest.mark.parametrize(
    ("labels", "names", "said"),
    [
        (
            [-1, 0, 1],
            ["bad", "so", "good"],
            "has -1, which is read as no label, and 0, 1, which count the labels from 0",
        ),
        (
            [-1, 1, 1],
            ["bad", "good"],
            "and 1, which count the labels from 0, so that none is bad: where -1 is a label",
        ),
        ([-1, 0, 1], ["bad", "good"], None),
        ([-1, 0, 1], ["-1", "0", "1"], None),
        ([-1, -1, -1], ["bad", "good"], None),
    ],
)
def test_minus_1_that_may_be_a_label_is_said(tmp_path, caplog, monkeypatch, labels, names, said):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    rows = Dataset.from_dict({"text": ["a", "b", "c"], "label": labels})
    Pool(rows, tmp_path / "run", "text", "label", names)
    of_pool, _ = caplog.text, caplog.clear()
    rows.to_json(tmp_path / "rows.jsonl")
    load_data(
        ActiveLearningArguments(data=str(tmp_path / "rows.jsonl"), label="label", labels=names), tmp_path / "x", 0
    )
    for found, how in ((of_pool, "label_names=['-1', '0', ...]"), (caplog.text, "--labels=-1,0,...")):
        assert (said or "has -1") in found or said is None
        assert ("has -1" in found) == (said is not None)
        assert (how in found) == (said is not None)
