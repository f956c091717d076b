"""What comes in every round is said once: warnings, and reports of the model that the Trainer makes anew."""

import logging
import warnings
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForSequenceClassification, BertModel

from hfal import SimulatedAnnotator
from hfal.training.repetitions import without_repetitions
from support.models import tiny_config


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A folder with a model that has no head."""
    BertModel(tiny_config(2)).save_pretrained(tmp_path / "encoder")
    return tmp_path / "encoder"


@pytest.fixture
def reports(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that returns the load reports so far."""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    return lambda: [r for r in caplog.records if "LOAD REPORT" in r.getMessage()]


def test_the_rounds_report_the_trainers_own_model_no_more(make_active, make_trainer, encoder, reports, eval_reviews):
    made = []

    def model_init() -> Any:
        made.append(AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2))
        return made[-1]

    active = make_active()
    trainer = make_trainer([active], model_init=model_init, eval_dataset=eval_reviews)
    assert len(reports()) == len(made) == 1
    records = active.run(trainer, rounds=2)
    assert len(made) == 3
    assert len(reports()) == 1
    assert records == active.history == active.pool.store.rounds()
    model_init()
    assert len(reports()) == 2  # nothing stays behind
    assert isinstance(active.annotator, SimulatedAnnotator)


def test_another_model_is_reported_once(make_trainer, encoder, reports):
    trainer = make_trainer()
    with without_repetitions(trainer):
        for _ in range(2):
            AutoModelForSequenceClassification.from_pretrained(encoder, num_labels=2)
    assert len(reports()) == 1


def test_each_warning_is_shown_once_and_raised_where_it_is_an_error(make_trainer):
    def warn(text: str) -> None:
        with warnings.catch_warnings():  # by which Python forgets what it has shown
            warnings.simplefilter("always")
            warnings.warn(text, UserWarning, stacklevel=1)

    before = warnings.showwarning
    trainer = make_trainer()
    with warnings.catch_warnings(record=True) as found, without_repetitions(trainer):
        for text in ("one", "one", "two", "one", "two"):
            warn(text)
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="one"):
            warnings.warn("one", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in found] == ["one", "two"]
    assert warnings.showwarning is before
