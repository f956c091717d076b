"""The options for the cards, as the store keeps them."""

from pathlib import Path

from hfal.store.published_options import PublishedOptions, read_published_options, write_published_options
from hfal.store.store import Store


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    assert read_published_options(store) == PublishedOptions()  # as in the run of a script, or of an older hfal
    for options in ({"labels": ["a"], "query_size": 7}, {"learning_rate": 5e-5, "holdout": None}):
        write_published_options(store, PublishedOptions(options, ["data"]))
        assert read_published_options(store) == PublishedOptions(options, ["data"])
    assert list(read_published_options(store).shown) == ["learning_rate", "holdout"]
    store.close()
