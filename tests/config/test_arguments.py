"""The options of `hfal run`, and what is left to the data."""

import inspect
import logging
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hfal import ActiveLearningCallback, Pool
from hfal.config.arguments import ActiveLearningArguments
from hfal.errors import ArgumentError
from support.models import NAMES
from support.options import NEEDED


def test_every_option_of_the_callback_can_be_set(parse: Any) -> None:
    al, _ = parse(NEEDED + "query_size: 7\nbudget: 70\n")
    options = al.callback_options()
    made = {"pool", "annotator", "strategy"}  # of several options
    wanted = set(inspect.signature(ActiveLearningCallback).parameters) - {*made, "seed"}  # TrainingArguments has it
    assert set(options) == wanted
    assert (options["query_size"], options["budget"]) == (7, 70)


def test_a_head_is_on_the_encoder_of_the_model_unless_another_one_is_named(parse: Any) -> None:
    needed = NEEDED.replace("some-model", "me/model")
    headed = needed + "select_with: head\nqueries_per_round: 3\n"
    options = parse(headed)[0].callback_options()
    assert (options["embeddings"], options["select_with"], options["queries_per_round"]) == ("me/model", "head", 3)
    assert parse(headed + "embeddings: me/encoder\n")[0].callback_options()["embeddings"] == "me/encoder"
    assert parse(needed)[0].callback_options()["embeddings"] == "model"
    with pytest.raises(ArgumentError, match="--select_with head picks for a model that is fine-tuned, but with"):
        parse(headed + "freeze_encoder: true\n")


def test_who_no_longer_asks_beside_a_training_need_not_take_back_after_how_many_labels_it_began(parse: Any) -> None:
    asked = NEEDED + "select_with: head\ntrain_after: 8\n"
    assert parse(asked + "when_idle: ask\n")[0].callback_options()["train_after"] == 8
    assert parse(asked + "when_idle: wait\n")[0].callback_options()["train_after"] is None
    assert parse(asked)[0].callback_options()["train_after"] == 8  # which is refused


def settled(pool: Pool, evaluated: bool = False, **options: Any) -> tuple[str | None, int | None]:
    al = ActiveLearningArguments(data="reviews.csv", **options)
    al.settle(pool, evaluated)
    return al.annotator, al.holdout


def test_who_labels_and_what_is_held_out_follow_from_the_data(tmp_path: Path, pool: Pool) -> None:
    assert settled(pool) == ("terminal", 8)  # a fifth of 40
    assert settled(pool, evaluated=True) == ("terminal", 0)
    assert settled(pool, annotator="csv", holdout=3) == ("csv", 3)
    assert settled(pool, holdout=0) == ("terminal", 0)
    assert settled(pool, budget=20) == ("terminal", 4)

    texts = {"text": [f"text {n}" for n in range(400)]}
    assert settled(Pool(Dataset.from_dict(texts), tmp_path / "large", "text", label_names=NAMES)) == ("terminal", 50)
    labels = [NAMES[n % 2] for n in range(400)]
    labeled = Pool(Dataset.from_dict({**texts, "label": labels}), tmp_path / "labeled", "text", "label")
    assert settled(labeled) == ("simulated", 0)
    assert settled(labeled, annotator="terminal") == ("terminal", 50)
    some = Dataset.from_dict({**texts, "label": [None, *labels[1:200], *[None] * 200]})
    assert settled(Pool(some, tmp_path / "some", "text", "label", NAMES)) == ("terminal", 40)  # of the 201 without one


def test_the_holdout_of_a_run_stays_though_its_pool_grows(tmp_path: Path, pool: Pool) -> None:
    data = Dataset.from_dict({"text": [f"text {n}" for n in range(300)], "input_ids": [[1]] * 300})
    grown = Pool(data, pool.run_dir, "text", label_names=NAMES)
    active = ActiveLearningCallback(grown, holdout=8)
    active.acquisition.first.propose_holdout(8)
    assert settled(grown) == ("terminal", 8)
    assert settled(grown, budget=20) == ("terminal", 8)
    without = Pool(data, tmp_path / "without", "text", label_names=NAMES)
    ActiveLearningCallback(without, query_size=5).acquisition.first.propose_seed_set()
    assert settled(without) == ("terminal", 0)


def test_what_is_said_of_the_holdout_is_what_the_run_has_recorded(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hfal")
    active = ActiveLearningCallback(pool, holdout=6)
    active.acquisition.first.propose_holdout(6)
    assert settled(pool, holdout=6) == ("terminal", 6)
    assert "that stays" not in caplog.text
    al = ActiveLearningArguments(data="reviews.csv", holdout=10)
    al.given = {"holdout": 10}
    al.settle(pool, evaluated=False)
    assert (al.holdout, al.given) == (6, {"holdout": 6})  # which `keep_options` writes, and cards show
    assert "--holdout is 10, but 6 examples were held out when the run began: that stays" in caplog.text
    assert "6 texts held out" in caplog.text
    assert "10 texts held out" not in caplog.text
    caplog.clear()
    assert settled(pool, holdout=0) == ("terminal", 0)  # evaluated on other data from now on
    assert "6 texts held out" in caplog.text
    active.acquisition.first.propose_holdout(10)
    assert "holdout=10, but 6 examples were held out when the run began: that stays" in caplog.text
    assert len(pool.store.holdout_ids()) == 6


def test_a_holdout_in_words_is_filled_up_to_a_sentence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    words = {"tokens": [[f"w{n}", "a", "b", "c"] for n in range(20)], "input_ids": [[1] * 4] * 20}
    pool = Pool(Dataset.from_dict(words), tmp_path / "words", "tokens", label_names=["PER"])
    active = ActiveLearningCallback(pool, holdout=6, unit="words")
    active.acquisition.first.propose_holdout(6)
    assert settled(pool, annotator="conll", unit="words", holdout=6) == ("conll", 6)
    assert settled(pool, annotator="conll", unit="words", holdout=8) == ("conll", 8)
    assert "that stays" not in caplog.text
    assert settled(pool, annotator="conll", unit="words", holdout=9) == ("conll", 8)
    assert "--holdout is 9, but 8 words were held out when the run began: that stays" in caplog.text
