"""The record of a query: its examples, strategy, model and versions."""

from pathlib import Path

from transformers import BertForSequenceClassification

from hfal.export.card import dataset_card
from hfal.export.labels import export_labels
from hfal.store.store import reading
from support.models import NAMES
from support.queries import propose


def test_each_query_carries_where_it_comes_from(make_active, make_trainer):
    active = make_active(seed=7)
    active.run(make_trainer([active]), rounds=2)
    seed_set, query = active.pool.store.queries()
    assert (query.round, query.strategy, query.seed) == (1, "margin", 7)
    assert "BertForSequenceClassification" in query.model
    assert {"hfal", "torch", "transformers"} <= query.versions.keys()
    assert all(e.suggestion in NAMES and 0.5 <= e.confidence <= 1 and 0 <= e.score <= 1 for e in query.examples)
    assert all(e.suggestion is None and e.score is None for e in seed_set.examples)


def test_folders_that_read_like_names_on_the_hub_stay_private(
    make_partly_labeled, model, tokenizer, tmp_path, monkeypatch
):
    """What was relative to the folder that the run was started in is a path in every other folder too."""
    for name in ("here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    model.save_pretrained("acme/client-bert")
    tokenizer.save_pretrained("acme/client-bert")
    query = propose(
        make_partly_labeled(strategy="margin", embeddings="acme/client-bert"),
        BertForSequenceClassification.from_pretrained("acme/client-bert"),
        tokenizer,
        tmp_path,
    )
    folder = str(tmp_path / "here" / "acme" / "client-bert")
    assert (query.model, query.settings["embeddings"]) == (f"BertForSequenceClassification from {folder}", folder)
    monkeypatch.chdir(tmp_path / "elsewhere")
    export_labels(tmp_path / "run", "out", answers=True)
    with reading(tmp_path / "run") as store:
        published = Path("out", "hfal.json").read_text() + dataset_card(store, "out", "me/reviews")
    assert "BertForSequenceClassification" in published
    assert "client-bert" not in published
