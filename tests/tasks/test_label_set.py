"""Sets of labels by themselves: checked, and written into one cell."""

import pytest

from hfal.errors import ArgumentError
from hfal.tasks.label_set import check_label_set, join_label_set, split_label_set


NAMES = ["PER", "LOC", "ORG"]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [([], []), (["ORG", "PER"], ["PER", "ORG"]), ((" LOC ",), ["LOC"]), (["PER", "LOC", "ORG"], NAMES)],
)
def test_a_set_is_in_the_order_of_the_names(labels, expected):
    assert check_label_set(labels, NAMES) == expected


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("PER", "'PER' is no list of labels: expected a list with any of PER, LOC, ORG"),
        (None, "'None' is no list of labels"),
        ([1], r"'\[1\]' is no list of labels"),
        (["PER", "CITY"], "'CITY' is no label; the labels are: PER, LOC, ORG"),
        (["PER", "LOC", "PER"], "the label 'PER' is there twice"),
        (["PER", " PER"], "the label 'PER' is there twice"),
        (["x" * 10_000], "'x{80}' is no label"),
    ],
)
def test_what_is_no_set(labels, message):
    with pytest.raises(ArgumentError, match=message):
        check_label_set(labels, NAMES)


@pytest.mark.parametrize(
    ("names", "labels", "cell"),
    [
        (NAMES, ["PER", "ORG"], "PER | ORG"),
        (NAMES, ["LOC"], "LOC"),
        (NAMES, [], "none"),
        (["None", "some"], [], "[]"),
        (["None", "some"], ["None"], "None"),
        (["either|or", "x"], ["either|or", "x"], "either|or; x"),
        (["a|b", "c;d"], ["a|b", "c;d"], "a|b, c;d"),
        (["wages, prices", "x"], ["wages, prices", "x"], "wages, prices | x"),
    ],
)
def test_a_set_comes_back_from_its_cell(names, labels, cell):
    assert join_label_set(labels, names) == cell
    assert split_label_set(f" {cell} ", names) == labels


@pytest.mark.parametrize("cell", ["PER|ORG", "PER; ORG", "PER,ORG", " PER ,, ORG;", "|PER|ORG|"])
def test_cells_as_people_write_them(cell):
    assert split_label_set(cell, NAMES) == ["PER", "ORG"]


@pytest.mark.parametrize("cell", ["none", "None", "NONE", "[]"])
def test_cells_for_none_of_them(cell):
    assert split_label_set(cell, NAMES) == []


def test_a_name_that_is_the_whole_cell_is_not_cut():
    assert split_label_set("a|b, c;d", ["a|b, c;d"]) == ["a|b, c;d"]


def test_names_with_every_separator_have_no_cell():
    with pytest.raises(ArgumentError, match="take a format with lists"):
        join_label_set(["a|b"], ["a|b", "c;d", "e,f"])
