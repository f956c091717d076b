"""Columns that are shown beside the texts: which may be, their values as text, and where a run keeps them."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

import datasets
import numpy as np
import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from hfal import Answer, FileAnnotator, Pool
from hfal.annotators.asking import ask
from hfal.data.identity import Examples
from hfal.data.shown_columns import plain_value, shown_values
from hfal.errors import AnswersPending, ArgumentError
from support.models import NAMES
from support.pools import query


TEXTS = ["good", "bad", "fine", "awful"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        (" as it\nis ", " as it\nis "),
        (0, "0"),
        (True, "true"),
        (False, "false"),
        (2.5, "2.5"),
        (3.0, "3.0"),
        (float("nan"), None),
        (Decimal("1.50"), "1.50"),
        (date(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, 12, 30), "2024-05-01 12:30:00"),
        (datetime(2024, 5, 1, 12, 30, tzinfo=UTC), "2024-05-01 12:30:00+00:00"),
        (datetime(2024, 5, 1), "2024-05-01"),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01 00:00:00+00:00"),
        (time(12, 30), "12:30:00"),
        (["a", None, 2, date(2024, 5, 1)], "a, 2, 2024-05-01"),
        ([], None),
        ([None], None),
        ([["a"], ["b", 1]], '[["a"], ["b", 1]]'),
        ({"name": "Änne", "born": date(1990, 1, 2)}, '{"name": "Änne", "born": "1990-01-02"}'),
    ],
)
def test_any_value_is_a_text_that_people_read(value, text):
    assert plain_value(value) == text


def test_types_of_arrow_are_read_as_they_were_meant():
    features = Features(
        {
            "text": Value("string"),
            "small": Value("float32"),
            "class": ClassLabel(names=["spam", "ham"]),
            "classes": List(ClassLabel(names=["spam", "ham"])),
            "day": Value("date32"),
            "at": Value("timestamp[ns]"),
            "yes": Value("bool"),
            "big": Value("large_string"),
        }
    )
    at = datetime(2024, 5, 1, 12)
    rows = {
        "text": ["a", "b"],
        "small": [0.1, None],
        "class": [1, -1],
        "classes": [[0, 1], []],
        "day": [date(2024, 5, 1), None],
        "at": [at, None],
        "yes": [True, None],
        "big": ["x", None],
    }
    data = Dataset.from_dict(rows, features=features).with_format("numpy")
    columns = [name for name in rows if name != "text"]
    first, second = shown_values(data, columns, np.array([0, 1]))
    assert first == {
        "small": "0.1",
        "class": "ham",
        "classes": "spam, ham",
        "day": "2024-05-01",
        "at": "2024-05-01 12:00:00",
        "yes": "true",
        "big": "x",
    }
    assert second == {}
    examples = Examples(data.with_format(None).select([1, 0]), ["text"], None, False, columns)
    assert list(examples.all_shown()) == [second, first] == examples.shown([0, 1])


def a_pool(run_dir, show=("date",), texts=TEXTS, **columns) -> Pool:
    columns = columns or {"date": [f"2024-05-0{n}" for n in range(1, len(texts) + 1)]}
    data = Dataset.from_dict({"text": list(texts), **columns})
    return Pool(data, run_dir, "text", label_names=NAMES, show_columns=show)


@pytest.mark.parametrize(
    ("show", "message"),
    [
        (
            ["dato"],
            "show_columns has 'dato', which is no column of the dataset; it has: text, label, date",
        ),
        (["label"], "show_columns has 'label', the column with the labels, which it would give away"),
        (["text"], "show_columns has 'text', which is a text and shown anyway: leave it out"),
        (["date", "date"], "show_columns names the column 'date' twice"),
        (["picture"], "show_columns has 'picture', which holds .*: expected texts, numbers, dates, or lists of these"),
        (["raw"], "show_columns has 'raw', which holds binary: expected"),
        ("date", "show_columns='date' is a string, expected a list:"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_made(tmp_path, show, message):
    features = Features(
        {
            "text": Value("string"),
            "label": ClassLabel(names=NAMES),
            "date": Value("string"),
            "picture": datasets.Image(),
            "raw": Value("binary"),
        }
    )
    rows = {"text": ["a"], "label": [0], "date": ["x"], "picture": [None], "raw": [b"x"]}
    with pytest.raises(ArgumentError, match=message):
        Pool(Dataset.from_dict(rows, features=features), tmp_path / "run", "text", "label", show_columns=show)
    assert not (tmp_path / "run").exists()


def test_they_are_no_texts(tmp_path):
    plain = a_pool(tmp_path / "plain", show=None)
    shown = a_pool(tmp_path / "shown")
    assert shown.ids == plain.ids
    assert shown.fingerprint == plain.fingerprint
    assert shown.texts([0]) == plain.texts([0]) == [{"text": "good"}]
    assert (shown.shown([1]), plain.shown([1])) == ([{"date": "2024-05-02"}], [{}])
    shown.record(Answer(shown.ids[0].as_py(), "positive", annotator="ann"))
    assert shown.store.texts(shown.ids[0].as_py()) == {"text": "good"}
    assert shown.store.shown(shown.ids[0].as_py()) == {"date": "2024-05-01"}
    a_pool(tmp_path / "shown", date=["another"] * 4)  # nobody's label is in doubt
    assert shown.store.shown(shown.ids[0].as_py()) == {"date": "another"}


def test_a_run_that_was_begun_without_them_has_them_everywhere_when_it_goes_on_with_them(tmp_path):
    pool = a_pool(tmp_path, show=None)
    first, second, third, _ = pool.ids.to_pylist()
    query(pool, first)
    pool.record(Answer(second, "positive", annotator="ann"))
    assert pool.store.shown_values() == {}
    pool.store.close()
    later = a_pool(tmp_path)
    assert later.store.shown_values() == {first: {"date": "2024-05-01"}, second: {"date": "2024-05-02"}}
    with pytest.raises(AnswersPending):
        ask(later.store, FileAnnotator("csv"))
    assert '"2024-05-01"' in (tmp_path / "query-001.csv").read_text("utf-8")
    assert third not in later.store.shown_values()


def test_a_start_that_says_nothing_of_them_leaves_them_and_an_empty_list_ends_them(tmp_path):
    pool = a_pool(tmp_path)
    query(pool, pool.ids[0].as_py())
    pool.store.close()
    silent = a_pool(tmp_path, show=None)
    assert silent.show_columns == silent.store.shown_columns == ["date"]
    silent.store.close()
    without = Pool(Dataset.from_dict({"text": TEXTS}), tmp_path, "text", label_names=NAMES)  # the data has lost it
    assert without.show_columns == []
    assert without.store.shown(pool.ids[0].as_py()) == {"date": "2024-05-01"}
    without.store.close()
    assert a_pool(tmp_path, show=[]).store.shown_columns == []


def test_labels_that_come_with_the_data_have_them_too(tmp_path):
    data = Dataset.from_dict({"text": TEXTS, "label": ["positive", None, None, None], "n": [1, 2, 3, 4]})
    pool = Pool(data, tmp_path, "text", "label", NAMES, show_columns=["n"])
    assert pool.store.shown_values() == {pool.ids[0].as_py(): {"n": "1"}}
