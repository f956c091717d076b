"""Columns with several labels for each text: what they may hold, how they are read, which of them are refused."""

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, LargeList, List, Value

from hfal import Pool
from hfal.errors import ArgumentError
from support.label_set_tables import ORDERED, SETS, TEXTS, TYPES, read, table


def test_strings_class_labels_and_integers_are_the_same_sets():
    numbers = [labels and [TYPES.index(label) for label in labels] for labels in SETS]
    for column in (
        read(table(SETS), TYPES),
        read(table(numbers, List(ClassLabel(names=TYPES)))),
        read(table(numbers), TYPES),
        *(read(table(SETS, List(Value(kind))), TYPES) for kind in ("large_string", "string_view")),
        *(read(table(SETS, LargeList(Value(kind))), TYPES) for kind in ("string", "large_string", "string_view")),
        read(table(numbers, LargeList(ClassLabel(names=TYPES)))),
    ):
        assert list(column.names) == TYPES
        assert [column.of(row) for row in range(4)] == ORDERED
        assert column.given.tolist() == [True, True, True, False]
    assert list(read(table(SETS)).names) == ["LOC", "ORG", "PER"]
    assert list(read(table([[2, 0], [1]])).names) == ["0", "1", "2"]
    assert read(table([[], None]), TYPES).of(0) == []


def test_numbers_are_names_where_none_are_given_and_sorted_by_value(tmp_path):
    numbers = table([[10, 2], [1], [], None])
    texts = table([["10", "2"], ["1"], [], None])
    views = Dataset(pa.table({"text": TEXTS, "types": pa.array(texts["types"][:], pa.list_(pa.string_view()))}))
    for data in (numbers, texts, views):
        column = read(data)
        assert list(column.names) == ["1", "2", "10"]
        assert [column.of(row) for row in range(4)] == [["2", "10"], ["1"], [], None]
    assert read(table([[1, 2], [2], []]), ["1", "2"]).of(0) == ["1", "2"]
    assert read(table([[0, 1], [1], []]), ["1", "2"]).of(1) == ["2"]
    pool = Pool(table([["b"], ["a"]]), tmp_path / "run", "text", "types")
    with pytest.raises(
        ArgumentError, match="has numbers here, 0, 1, and nothing says which of the pool's labels, a, b"
    ):
        pool.with_labels(table([[0], [1]]))
    pool = Pool(table([[1], [2]]), tmp_path / "numbers", "text", "types")
    assert pool.with_labels(table([[2], [1], []]))["labels"][:] == [[0, 1], [1, 0], [0, 0]]


def test_blocks_of_rows_are_read_alike():
    rng = np.random.default_rng(0)
    sets = [[TYPES[i] for i in rng.permutation(4)[: rng.integers(0, 5)]] for _ in range(10_007)]
    for row in range(0, len(sets), 7):
        sets[row] = None
    column = read(Dataset.from_dict({"types": sets}), TYPES)
    expected = [None if labels is None else [t for t in TYPES if t in labels] for labels in sets]
    assert [column.of(row) for row in range(len(sets))] == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([["PER"], ["CITY"]], "row 1: the label 'CITY' in column 'types' is none of label_names: LOC, MISC, ORG, PER"),
        ([["PER"], [], ["LOC", "LOC"]], "row 2: the label 'LOC' is twice .*task='token_classification'"),
        ([["PER"], ["LOC", None]], "row 1: a label in the list in column 'types' is missing"),
        ([[0], [0, 7]], "row 1: the label 7 in column 'types'"),
        ([[0], [-1]], "row 1: the label -1 in column 'types'"),
        ([[1, 0, 0, 1]], "row 0: the label 'LOC' is twice .*a 1 for each label .* write dataset = dataset.map"),
        ([[1.0, 0.0]], "holds lists of float64: expected a list of labels .* write dataset = dataset.map"),
        ([[{"x": 1}]], "expected a list of labels for each text"),
        ([[["PER"]]], "expected a list of labels for each text"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, message, tmp_path):
    with pytest.raises(ArgumentError, match=message):
        Pool(table(labels), tmp_path / "run", "text", "types", TYPES)


def test_a_0_or_1_for_each_of_two_labels_is_not_taken_for_both_of_them(tmp_path):
    with pytest.raises(ArgumentError, match=r"names both labels .* write dataset = dataset.map"):
        Pool(table([[0, 1], [1, 0]]), tmp_path / "run", "text", "types", ["PER", "LOC"])
    pool = Pool(table([[0, 1], [1], []]), tmp_path / "run", "text", "types", ["PER", "LOC"])
    assert pool.hidden_label(pool.ids[0].as_py()) == ["PER", "LOC"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_names": ["A", "A"]}, "none twice"),
        ({"label_column": None}, "label_names is missing"),
        ({"label_column": "empty"}, "label_names is missing: no text has a label in column 'empty'"),
        ({"label_column": "classes", "label_names": ["b", "a"]}, "differ from the names of column 'classes'"),
        ({"label_column": "text"}, r"holds Value\('string'\), expected a list of labels"),
        ({"thresholds": {"PER": 0.4}}, "thresholds has 'PER', which is no label"),
        ({"task": "text_classification"}, "has one label for each text: pass task='multi_label_classification'"),
        (
            {"task": "text_classification", "label_column": None, "label_names": ["a"], "thresholds": 0.4},
            "thresholds=0.4 is for multi-label classification",
        ),
        ({"task": "multi_label"}, "expected one of text_classification, multi_label_classification, token_class"),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, tmp_path):
    data = Dataset.from_dict({"text": ["x", "y"], "sets": [["a"], ["b"]], "empty": [[], []], "classes": [[0], [1]]})
    data = data.cast_column("classes", List(ClassLabel(names=["a", "b"])))
    options = {"label_column": "sets", "task": "multi_label_classification", **arguments}
    with pytest.raises(ArgumentError, match=message):
        Pool(data, tmp_path / "run", "text", **options)
