"""Ids of examples: of a column, or made from their texts."""

import re

import pyarrow as pa
import pytest
from datasets import Dataset

from hfal import Answer, Pool
from support.models import NAMES
from support.pools import a_pool, ids_of


def test_ids_do_not_depend_on_the_row(tmp_path):
    texts = ["good", "bad", "fine", "awful"]
    first, second = a_pool(tmp_path / "1", texts), a_pool(tmp_path / "2", texts[::-1])
    assert ids_of(first) == ids_of(second)[::-1]
    assert [ids_of(first)[p] for p in first.unlabeled_positions()] == sorted(ids_of(first))


def test_equal_texts_get_an_occurrence_number(tmp_path):
    ids = ids_of(a_pool(tmp_path, ["same", "other", "same", "same"]))
    assert len(set(ids)) == 4
    assert ids[2] == ids[0] + "-2"
    assert ids[3] == ids[0] + "-3"


def test_columns_of_a_pair_are_not_run_together(tmp_path):
    data = Dataset.from_dict({"a": ["x", "xy"], "b": ["yz", "z"]})
    pool = Pool(data, tmp_path, ["a", "b"], label_names=NAMES)
    assert len(set(ids_of(pool))) == 2
    assert pool.texts([1]) == [{"a": "xy", "b": "z"}]


def test_ids_never_look_like_numbers(tmp_path):
    assert all(i.startswith("x") for i in ids_of(a_pool(tmp_path, [f"text {i}" for i in range(100)])))


def test_an_id_column_of_numbers_or_strings(tmp_path):
    data = Dataset.from_dict({"text": ["a", "b"], "key": [17, 4]})
    pool = Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")
    assert ids_of(pool) == ["17", "4"]
    assert pool.position("4") == 1
    with pytest.raises(KeyError, match="'5'"):
        pool.position("5")
    with pytest.raises(KeyError, match="'5'"):
        pool.positions(["17", "5"])


def test_a_duplicated_id_is_named(tmp_path):
    data = Dataset.from_dict({"text": ["a", "b", "c"], "key": ["1", "2", "1"]})
    with pytest.raises(ValueError, match="'1': ids must be unique"):
        Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")
    data = Dataset.from_dict({"text": ["a", "b"], "key": ["1", None]})
    with pytest.raises(
        ValueError, match=r"has no id in row 1: .*dataset\.filter\(lambda row: row\['key'\] is not None\)"
    ):
        Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")
    data = Dataset.from_dict({"text": ["a", "b"], "key": [[1], [2]]})
    with pytest.raises(ValueError, match=r"id_column='key' holds List\(.*expected strings or whole numbers"):
        Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_and_ids_of_every_type_of_strings_are_the_same(tmp_path, kind):
    texts, keys = ["good", "a text of more than twelve bytes", "\u00e9"], ["k1", "k2", "k3"]
    data = Dataset(pa.table({"text": pa.array(texts, kind), "key": pa.array(keys, kind)}))
    expected = ids_of(a_pool(tmp_path / "plain", texts))
    for number, rows in enumerate([data, data.with_format("numpy"), data.select([2, 0, 1]).select([1, 2, 0])]):
        pool = Pool(rows, tmp_path / str(number), "text", label_names=NAMES)
        assert ids_of(pool) == expected
        assert pool.texts([2, 1]) == [{"text": texts[2]}, {"text": texts[1]}]
        assert [text["text"] for _, text in pool.examples()] == texts
        named = Pool(rows, tmp_path / f"{number}-named", "text", label_names=NAMES, id_column="key")
        assert ids_of(named) == keys
        named.record(Answer("k2", "positive", annotator="ann"))
        assert named.labeled.with_format(None)["labels"][:] == [1]


def test_rows_without_a_text_are_all_named(tmp_path):
    some = Dataset.from_dict({"text": ["a", None, "b", None]})
    with pytest.raises(ValueError, match=r"'text' has no text in rows 1, 3: .*keep_default_na=False\)$") as error:
        Pool(some, tmp_path, "text", label_names=NAMES)
    line = re.search(r"rows: (dataset = .*?);", str(error.value)).group(1)
    scope = {"dataset": some}
    exec(line, scope)
    assert len(Pool(scope["dataset"], tmp_path, "text", label_names=NAMES)) == 2
    for none in (Dataset.from_dict({"text": [None] * 30}), some.select([1, 3] * 15)):
        with pytest.raises(ValueError, match=r"rows 0, 1, 2, .*, 19 and 10 more: "):
            Pool(none, tmp_path, "text", label_names=NAMES)
