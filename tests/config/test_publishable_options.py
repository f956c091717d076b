"""Which options others may see: nothing that says where something is, or who did it."""

from pathlib import Path

import pytest

from hfal.config.publishable_options import publishable_options


def test_what_is_private_is_left_out_and_named_if_it_takes_it_to_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    options = {
        "data": "me/reviews",
        "model": "mine",
        "embeddings": "model",
        "data_filter": "client=secret",
        "annotator_name": "Anna",
        "output_dir": "runs/x",
        "embeddings_dir": "/somewhere",
        "export": "hub:me/x",
        "hub_token": "hf_secret",
        "labels": ["yes", "yes/no"],
        "seed_strategy": "/home/anna/x",
        "query_size": 7,
    }
    found = publishable_options(options, ["weight_decay"])
    assert {name: found.shown[name] for name in ("data", "embeddings", "labels", "query_size")} == {
        name: options[name] for name in ("data", "embeddings", "labels", "query_size")
    }
    assert list(found.shown) == ["data", "embeddings", "labels", "seed_strategy", "query_size"]
    assert "anna" not in found.shown["seed_strategy"]
    assert found.left_out == ["model", "data_filter", "weight_decay"]
