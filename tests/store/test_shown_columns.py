"""What is shown beside the texts: kept in the store, and the names of its columns in files."""

import sqlite3

import pytest

from hfal.errors import RunDirectoryError
from hfal.store.records import Answer, Queried, Query
from hfal.store.shown_columns import names_in_files
from hfal.store.store import Store


def asked(store: Store, **shown: dict[str, str]) -> Query:
    examples = tuple(Queried(i, f"hash {i}", {"text": i}, shown=of) for i, of in shown.items())
    return store.add_query(Query(0, "seed", "random", 1, examples))


def test_values_come_back_with_their_query_and_by_example(tmp_path):
    store = Store(tmp_path)
    store.set_shown(["date", "author"], {})
    query = asked(store, a={"author": "Ann", "date": "2024"}, b={}, c={"other": "kept, and not shown"})
    again = Store(tmp_path, read_only=True)
    assert again.queries() == [query]
    assert again.shown_columns == ["date", "author"]
    assert again.shown_values() == {"a": {"date": "2024", "author": "Ann"}}
    assert list(again.shown("a")) == ["date", "author"]  # in this order
    assert again.shown("b") == again.shown("c") == again.shown("nobody") == {}
    assert again.columns_ever_shown() == ["date", "author", "other"]
    assert again.texts("a") == {"text": "a"}


def test_values_are_replaced_and_those_of_other_columns_kept(tmp_path):
    store = Store(tmp_path)
    store.set_shown(["date", "author"], {})
    asked(store, a={"date": "2024", "author": "Ann"}, b={"date": "2023"})
    store.set_shown(["date"], {"a": {"date": "2025"}, "b": {}})
    assert store.shown_values() == {"a": {"date": "2025"}}
    store.set_shown([], {})
    assert store.shown_values() == {}
    store.set_shown(["author", "date"], {})
    assert store.shown_values() == {"a": {"author": "Ann", "date": "2025"}}


def test_an_answer_to_any_example_brings_its_values_and_none_takes_them_away(tmp_path):
    store = Store(tmp_path)
    store.set_shown(["date"], {})
    store.set_meta("label_names", ["x", "y"])
    store.record(Answer("a", "x", annotator="ann"), "hash", {"text": "a"}, {"date": "2024"})
    store.record(Answer("a", "y", annotator="ann"), "hash", {"text": "a"})
    store.record_given([(Answer("a", "y", annotator="dataset"), "hash", {"text": "a"})])
    assert store.shown("a") == {"date": "2024"}


@pytest.mark.parametrize("content", ["no JSON", "[1]", '{"date": 3}'])
def test_damage_is_found_when_the_run_is_opened(tmp_path, content):
    store = Store(tmp_path)
    asked(store, a={"date": "2024"})
    store.close()
    db = sqlite3.connect(tmp_path / "labels.sqlite", isolation_level=None)
    db.execute("UPDATE texts SET shown = ?", (content,))
    db.close()
    with pytest.raises(RunDirectoryError, match="is damaged \\(what is shown beside a text is no text\\)"):
        Store(tmp_path, read_only=True)


@pytest.mark.parametrize(
    ("columns", "texts", "names"),
    [
        (["date", "author"], ["text"], ["date", "author"]),
        (["comment", "annotator", "time"], ["text"], ["shown_comment", "annotator", "time"]),
        (["ID", " Label", "al_rank"], ["text"], ["shown_ID", "shown_ Label", "shown_al_rank"]),  # nearly ours
        (["title"], ["Title"], ["shown_title"]),
        (["shown_id", "id"], ["text"], ["shown_id", "shown_shown_id"]),
        (["a", "A"], ["text"], ["a", "shown_A"]),
    ],
)
def test_no_column_is_called_as_another(columns, texts, names):
    assert names_in_files(columns, texts) == dict(zip(columns, names, strict=True))


def test_comments_of_conll_files_have_names_without_blanks():
    names = names_in_files(["created at", "created_at", "größe", "id", "a=b"], [], as_comments=True)
    assert list(names.values()) == ["created_at", "shown_created_at", "größe", "shown_id", "a_b"]
