"""Labels as people number and name them, which public reports say other libraries take for others."""

from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Value, load_dataset

from hfal import ActiveLearningCallback, Pool, SimulatedAnnotator
from hfal.errors import ArgumentError
from support.pools import ids_of


def a_pool(run_dir: Path, labels: list[Any], **options: Any) -> Pool:
    texts = [f"text {number}" for number in range(len(labels))]
    return Pool(Dataset.from_dict({"text": texts, "label": labels}), run_dir, "text", "label", **options)


@pytest.mark.parametrize(
    ("labels", "missing"),
    [([2, 4, 9], None), ([2, 4, 9], -1), (["b", "a", "c"], None), (["b", "a", "c"], ""), ([-5, 300, 7], -1)],
)
def test_any_numbers_or_texts_are_labels_beside_missing_ones(tmp_path: Path, labels: list[Any], missing: Any) -> None:
    """https://github.com/scikit-activeml/scikit-activeml/issues/91, https://github.com/ayrna/skordinal/pull/55"""
    pool = a_pool(tmp_path / "run", [*labels, missing])
    assert set(pool.label_names) == set(map(str, labels))
    assert [pool.hidden_label(i) for i in ids_of(pool)] == [*map(str, labels), None]
    assert sorted(pool.labeled["label"]) == sorted(pool.label_names.index(str(label)) for label in labels)


def test_labels_that_begin_with_1_make_no_class_0(tmp_path: Path) -> None:
    """https://github.com/tensorflow/models/issues/15"""
    pool = a_pool(tmp_path / "run", [1, 2, 3, 1])
    assert pool.label_names == ("1", "2", "3")
    assert pool.with_labels(pool.dataset)["label"][:] == [0, 1, 2, 0]


def test_sets_of_labels_that_begin_with_1(tmp_path: Path) -> None:
    """https://github.com/cleanlab/cleanlab/issues/23"""
    pool = a_pool(tmp_path / "run", [[2, 4], [1, 2, 5], [], [3]])
    assert pool.label_names == ("1", "2", "3", "4", "5")
    assert pool.hidden_label(ids_of(pool)[1]) == ["1", "2", "5"]
    assert pool.with_labels(pool.dataset)["label"][3] == [0, 0, 1, 0, 0]


@pytest.mark.parametrize("kind", [int, str])
def test_numbers_are_in_the_order_of_their_values(tmp_path: Path, kind: type) -> None:
    """https://github.com/mljar/mljar-supervised/issues/245"""
    pool = a_pool(tmp_path / "run", [kind(number) for number in range(29, -1, -1)])
    assert pool.label_names == tuple(map(str, range(30)))


def test_true_and_false_of_a_csv_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://github.com/deepset-ai/FARM/issues/66"""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "a.csv").write_text("text,label\na,True\nb,False\nc,True\n")
    rows = load_dataset("csv", data_files=str(tmp_path / "a.csv"), split="train")
    assert rows.features["label"] == Value("bool")
    pool = Pool(rows, tmp_path / "run", "text", "label")
    assert [pool.hidden_label(i) for i in ids_of(pool)] == ["true", "false", "true"]
    pool = Pool(rows, tmp_path / "named", "text", "label", ["irrelevant", "relevant"])
    assert [pool.hidden_label(i) for i in ids_of(pool)] == ["relevant", "irrelevant", "relevant"]


def test_minus_1_is_a_label_only_where_one_is_called_so(tmp_path: Path) -> None:
    """https://github.com/EricFillion/happy-transformer/issues/248, https://github.com/ayrna/skordinal/pull/55"""
    with pytest.raises(ArgumentError, match=r"-1 stands for no label; where it is a label, name it too: label_names="):
        a_pool(tmp_path / "run", [-1, 1, -1, 1])
    pool = a_pool(tmp_path / "run", [-1, 1, -1, 1], label_names=["-1", "1"])
    assert pool.given_labels().tolist() == [0, 1, 0, 1]


def test_an_evaluation_set_with_its_classes_in_another_order(make_trainer, reviews, eval_reviews, tmp_path) -> None:
    """https://github.com/huggingface/datasets/pull/2457"""
    names = eval_reviews.features["label"].names
    swapped = eval_reviews.remove_columns("label").add_column(
        "label", [1 - label for label in eval_reviews["label"]], feature=ClassLabel(names=names[::-1])
    )
    pool = Pool(reviews, tmp_path / "run", "text", "label")
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool))
    with pytest.raises(ArgumentError, match=r"eval_dataset=pool.with_labels\(eval_dataset\)"):
        active.run(make_trainer([active], eval_dataset=swapped), rounds=1)
    assert pool.with_labels(swapped)["label"][:] == eval_reviews["label"][:]


def test_names_in_no_order_are_refused(tmp_path: Path) -> None:
    """https://github.com/agemagician/ProtTrans/issues/37"""
    with pytest.raises(ArgumentError, match=r"expected a list of names, in their order: \['a', 'b', 'c'\]"):
        a_pool(tmp_path / "run", ["a", "b", "c"], label_names=set("cab"))


def test_names_keep_the_order_that_they_are_given_in(tmp_path: Path) -> None:
    """https://github.com/huggingface/datasets/issues/3762"""
    pool = a_pool(tmp_path / "run", ["plum", "fig", "pear"], label_names=["pear", "plum", "fig"])
    assert pool.given_labels().tolist() == [1, 2, 0]
    with pytest.raises(ArgumentError, match="outside label_names"):
        a_pool(tmp_path / "other", ["plum", "fig", "pear"], label_names=["pear", "plum"])


@pytest.mark.parametrize("missing", [None, float("nan"), -1])
def test_labels_that_are_all_missing_need_names(tmp_path: Path, missing: Any) -> None:
    """https://github.com/deepchecks/deepchecks/pull/2653"""
    with pytest.raises(ArgumentError, match="label_names is missing: no example has a label in column 'label'"):
        a_pool(tmp_path / "run", [missing] * 3)
    assert a_pool(tmp_path / "run", [missing] * 3, label_names=["no", "yes"]).given_labels().tolist() == [-1] * 3
