"""What notebooks show of a run that ends before it is finished, and of rounds, as public reports say it goes wrong."""

import logging
import warnings
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, BertModel

from support.models import tiny_config
from support.notebook import in_ipython


PENDING = """
from hfal import FileAnnotator, Pool
from hfal.annotators.asking import ask
from datasets import Dataset
from hfal.store.records import Queried, Query
pool = Pool(Dataset.from_dict({'text': ['good', 'bad']}), 'run', 'text', label_names=['no', 'yes'])
ids = pool.ids.to_pylist()
asked = tuple(Queried(i, pool.content(p), pool.texts([p])[0]) for p, i in enumerate(ids))
pool.store.add_query(Query(1, 'seed', 'random', 0, asked))
"""
WAITS = [
    "AnswersPending: Query 1 (seed set): 2 texts wait in {}",
    "    Fill in the column 'label' with one of: no, yes ",
]


def test_waiting_for_answers_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    """https://github.com/ipython/ipython/issues/12845, https://github.com/wiseodd/generative-models/issues/67"""
    ask = "ask(pool.store, FileAnnotator('csv'))"
    _, first, again, after = in_ipython(PENDING, ask, ask, "print(len(pool))", cwd=tmp_path)
    assert first == again
    lines = first.splitlines()
    assert len(lines) == 3
    assert lines[0] == WAITS[0].format(tmp_path / "run" / "query-001.csv")
    assert lines[1].startswith(WAITS[1])
    assert "exit" not in first
    assert after == "2\n"


def test_waiting_while_another_error_is_handled(tmp_path: Path) -> None:
    """https://github.com/ipython/ipython/issues/13796 and https://github.com/ipython/ipython/issues/12104"""
    cell = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    ask(pool.store, FileAnnotator('csv'))"
    _, said = in_ipython(PENDING, cell, cwd=tmp_path)
    assert len(said.splitlines()) == 3
    assert said.startswith("AnswersPending: ")


def test_cells_below_are_not_run_by_those_who_run_all(tmp_path: Path) -> None:
    """https://github.com/nteract/papermill/issues/536"""
    checks = "result = get_ipython().run_cell(\"ask(pool.store, FileAnnotator('csv'))\")\nprint(result.success)"
    _, said = in_ipython(PENDING, checks, cwd=tmp_path)
    assert said.splitlines()[-1] == "False"


def test_the_report_of_weights_that_are_new_comes_once(make_active, make_trainer, tmp_path, caplog, monkeypatch):
    """https://github.com/huggingface/trl/pull/5058"""
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    BertModel(tiny_config(2)).save_pretrained(tmp_path / "encoder")
    active = make_active()

    def model_init():
        return AutoModelForSequenceClassification.from_pretrained(tmp_path / "encoder", num_labels=2)

    active.run(make_trainer([active], model_init=model_init), rounds=2)
    # Of a logger that begins to propagate, pytest may catch one record in two places.
    assert len({id(record) for record in caplog.records if "LOAD REPORT" in record.getMessage()}) == 1


def test_a_warning_of_every_round_comes_once(make_active, make_trainer, eval_reviews):
    """https://github.com/deepmodeling/deepmd-kit/pull/4874"""
    active = make_active()
    trainer = make_trainer([active], eval_dataset=eval_reviews, dataloader_pin_memory=True, use_cpu=False)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        active.run(trainer, rounds=2)
    pinned = [warning for warning in found if "'pin_memory' argument" in str(warning.message)]
    assert len(pinned) == (0 if torch.accelerator.is_available() else 1)
