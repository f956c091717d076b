"""Examples that are added to a pool: they are there again, with all that the data has of its own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, Value

from hfal import Answer, Pool, export_labels
from hfal.errors import ArgumentError, RunDirectoryError
from support.pools import ids_of, query


NAMES = ["negative", "positive"]
TEXTS = ["good", "really bad", "fine", "awful"]


def tokenized(rows: Dataset) -> Dataset:
    """One token for each letter; and of which word it is."""

    def columns(batch: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
        texts = [text if isinstance(text, list) else text.split() for text in batch["text"]]
        words = [[number for number, word in enumerate(of) for _ in word] for of in texts]
        return {"input_ids": [[ord(letter) for word in of for letter in word] for of in texts], "word_ids": words}

    return rows.map(columns, batched=True)


def a_pool(run_dir: Path, prepare: Any = tokenized, texts: list[str] = TEXTS, **options: Any) -> Pool:
    data = Dataset.from_dict({"text": texts, "day": list(range(len(texts)))})
    return Pool(data, run_dir, "text", label_names=NAMES, prepare=prepare, **options)


def test_a_raw_data_set_is_prepared(tmp_path):
    pool = a_pool(tmp_path)
    assert pool.lengths.tolist() == [4, 9, 4, 5]
    assert pool.unlabeled["input_ids"][0] == [ord(letter) for letter in "good"]


def test_added_examples_are_examples_like_others_and_there_again(tmp_path):
    pool = a_pool(tmp_path, show_columns=["day"])
    first = pool.add([{"text": "so so", "day": 7}, {"text": "great"}], "stream")
    second = pool.add([{"text": "so bad"}], "synthesis", parents=[ids_of(pool)[1]], methods=["word replaced"])
    pool.record(Answer(first[0], "negative", annotator="ann"))
    query(pool, second[0])
    fingerprint = pool.fingerprint

    def check(opened: Pool) -> None:
        assert len(opened) == 7
        rows = opened.positions([*first, *second])
        assert [texts["text"] for texts in opened.texts(rows)] == ["so so", "great", "so bad"]
        assert opened.lengths[rows].tolist() == [4, 5, 5]
        assert opened.shown(rows) == [{"day": "7"}, {}, {}]
        assert opened.labeled[:] == {
            "text": ["so so"],
            "day": [7],
            "input_ids": [[ord(letter) for letter in "soso"]],
            "word_ids": [[0, 0, 1, 1]],
            "labels": [0],
        }
        assert first[1] in opened.ids.take(opened.unlabeled_positions()).to_pylist()
        assert opened.store.origins()[first[1]] == ("stream", None, None)
        assert opened.store.origins()[second[0]] == ("synthesis", opened.ids[1].as_py(), "word replaced")
        assert opened.fingerprint == fingerprint

    check(pool)
    pool.store.close()
    again = a_pool(tmp_path)
    check(again)
    assert again.dataset.features == pool.dataset.features


def test_examples_of_the_data_may_be_reordered_and_appended_in_front_of_added_ones(tmp_path):
    pool = a_pool(tmp_path)
    (added,) = pool.add([{"text": "so so"}], "stream")
    query(pool, added)
    before = ids_of(pool)
    pool.store.close()
    again = a_pool(tmp_path, texts=["new", *reversed(TEXTS)])
    assert ids_of(again)[1:] == [*reversed(before[:-1]), added]
    assert again.texts([again.position(added)]) == [{"text": "so so"}]


def test_the_data_still_has_to_have_what_was_asked_of_it(tmp_path):
    pool = a_pool(tmp_path)
    (added,) = pool.add([{"text": "so so"}], "stream")
    query(pool, *ids_of(pool)[:2], added)
    pool.store.close()
    with pytest.raises(RunDirectoryError, match="1 is gone from the dataset"):
        a_pool(tmp_path, texts=TEXTS[1:])


def test_an_added_text_may_be_there_already_and_has_an_id_of_its_own(tmp_path):
    pool = a_pool(tmp_path)
    ids = [*pool.add([{"text": "good"}, {"text": "good"}], "stream"), *pool.add([{"text": "good"}], "stream")]
    assert len({*ids_of(pool), *ids}) == len(pool) == 7
    assert {pool.content(position) for position in pool.positions(ids)} == {pool.content(0)}


def test_a_hidden_label_is_kept_only_where_all_labels_are_hidden(tmp_path):
    features = Features({"text": Value("string"), "label": ClassLabel(names=NAMES)})
    for folder, last in (("all", 1), ("some", None)):
        data = Dataset.from_dict({"text": ["a", "b"], "label": [0, last]}, features=features)
        pool = Pool(data, tmp_path / folder, "text", "label", prepare=tokenized)
        (added,) = pool.add([{"text": "c", "label": 1}], "stream")
        assert pool.hidden_label(added) == ("positive" if folder == "all" else None)
        assert added not in pool.labels()


@pytest.mark.parametrize(
    ("data", "row", "label", "names"),
    [
        ({"text": ["a", "b"], "label": [3, 10]}, {"text": "c", "label": 10}, "10", None),
        ({"text": ["a", "b"], "label": [True, False]}, {"text": "c", "label": True}, "true", None),
        ({"text": ["a", "b"], "label": ["x", "y"]}, {"text": "c", "label": "y"}, "y", None),
        ({"text": ["a", "b"], "label": [["u"], ["v"]]}, {"text": "c", "label": []}, [], None),
        (
            {"text": [["a", "b"], ["c"]], "label": [["O", "B-PER"], ["O"]]},
            {"text": ["d", "e"], "label": ["B-PER", "I-PER"]},
            ["B-PER", "I-PER"],
            ["PER"],
        ),
        (
            {"text": ["a b", "c"], "label": [[{"start": 0, "end": 1, "label": "PER"}], []]},
            {"text": "d e", "label": [{"start": 2, "end": 3, "label": "PER"}]},
            ["O", "B-PER"],
            ["PER"],
        ),
    ],
)
def test_labels_of_every_form_go_on_into_added_rows(tmp_path, data, row, label, names):
    pool = Pool(Dataset.from_dict(data), tmp_path, "text", "label", names, prepare=tokenized)
    before = pool.label_names, pool.task.scheme, pool.task.kind
    (added,) = pool.add([row], "stream")
    assert pool.hidden_label(added) == label
    assert (pool.task.label_names, pool.task.scheme, pool.task.kind) == before
    assert len(pool.costs("examples")) == len(pool.lengths) == 3


def test_rows_that_do_not_fit_are_refused_and_leave_nothing(tmp_path):
    pool = a_pool(tmp_path, show_columns=["day"])
    with pytest.raises(ArgumentError, match="has no text in row 1"):
        pool.add([{"text": "c"}, {"day": 3}], "stream")
    with pytest.raises(ArgumentError, match="do not fit the columns of the pool's data"):
        pool.add([{"text": "c", "day": "Tuesday"}], "stream")
    with pytest.raises(ArgumentError, match="origin='friends' of an added example, expected one of stream, synthesis"):
        pool.add([{"text": "c"}], "friends")
    assert len(pool) == 4
    assert pool.store.added_examples() == []
    assert pool.add([], "stream") == []


def test_without_prepare_nothing_is_added_and_no_run_with_added_examples_is_opened(tmp_path):
    pool = a_pool(tmp_path)
    pool.add([{"text": "so so"}], "stream")
    pool.store.close()
    with pytest.raises(ArgumentError, match=r"the pool cannot tokenize 1 text that its data lacks: pass .* prepare="):
        a_pool(tmp_path, prepare=None)
    with pytest.raises(ArgumentError, match=r"prepare=lambda rows: rows\.map"):
        a_pool(tmp_path / "new", prepare=None).add([{"text": "c"}], "stream")


@pytest.mark.parametrize(
    ("prepare", "expected"),
    [
        (lambda rows: rows.select([0]), "it got 4, and returned 1"),
        (lambda rows: rows.remove_columns("day"), "keep the columns that the pool reads: it lost 'day'"),
        (lambda rows: list(rows), "prepare has to return a datasets.Dataset"),
    ],
)
def test_what_prepare_returns_is_checked(tmp_path, prepare, expected):
    with pytest.raises(ArgumentError, match=expected):
        a_pool(tmp_path, prepare=prepare, show_columns=["day"])


def test_the_format_and_a_selection_of_the_data_stay(tmp_path):
    data = tokenized(Dataset.from_dict({"text": ["x", *TEXTS]})).select(range(1, 5))
    data = data.with_format("numpy", columns=["input_ids"], output_all_columns=True)
    pool = Pool(data, tmp_path, "text", label_names=NAMES, prepare=tokenized)
    (added,) = pool.add([{"text": "so so"}], "stream")
    assert pool.dataset.format["type"] == "numpy"
    row = pool.dataset[pool.position(added)]
    assert isinstance(row["input_ids"], np.ndarray)
    assert pool.texts([0, 4]) == [{"text": "good"}, {"text": "so so"}]


def test_an_export_has_added_examples_and_an_import_goes_on_with_them(tmp_path):
    pool = a_pool(tmp_path / "run")
    (added,) = pool.add([{"text": "so so"}], "stream")
    query(pool, added, purpose="stream")
    pool.record(Answer(added, "negative", annotator="ann", query=1))
    export_labels(pool.run_dir, tmp_path / "export", unlabeled=pool, answers=True)
    again = Pool.from_export(tmp_path / "export", tmp_path / "again", prepare=tokenized)
    assert again.labels() == {added: "negative"}
    assert sorted(ids_of(again)) == sorted(ids_of(pool))
    more = again.add([{"text": "so so"}], "stream")
    assert more != [added]
    assert isinstance(again.dataset, datasets.Dataset)
