"""Where finished runs would have stopped by each criterion, and what that cost."""

import pytest

from hfal.comparison.stopping_table import stopping_rows, stopping_table, usual_criteria
from hfal.stopping.criteria import Kappa, Target
from hfal.store.records import RoundRecord
from hfal.store.store import Store
from support.rounds import rounds
from support.stores import begin_round


def test_the_table_says_where_each_would_have_stopped_and_what_that_cost():
    histories = [
        rounds([0.5, 0.8, 0.9, 0.88], kappa=[None, 0.9, 1.0, 1.0]),
        rounds([0.6, 0.7, 0.6, 0.8], kappa=[None, 0.9, 0.9, 0.9]),
    ]
    unfinished = rounds([0.5, 0.6])[1]
    histories[1].append(RoundRecord(**{**vars(unfinished), "number": 5, "finished": None}))
    criteria = [Kappa(0.99, 1), Target("accuracy", 0.8), Target("accuracy", 0.99)]
    kappa, reached, never = stopping_rows([*histories, []], "accuracy", criteria)  # the last run has no round yet
    assert (kappa.criterion, kappa.runs, kappa.stopped) == ("kappa(0.99, rounds=1)", 2, 1)
    assert kappa.labels == (30 + 40) / 2
    assert kappa.metric == pytest.approx((0.9 + 0.8) / 2)
    assert kappa.from_last == pytest.approx((0.9 - 0.88) / 2)
    assert kappa.from_best == 0
    assert kappa.saved == pytest.approx((10 / 40 + 0) / 2)
    assert (reached.stopped, reached.labels) == (2, (20 + 40) / 2)
    assert reached.from_last == pytest.approx((0.8 - 0.88) / 2)
    assert reached.from_best == pytest.approx((0.8 - 0.9) / 2)
    assert (never.stopped, never.labels, never.from_last, never.saved) == (0, 40, 0, 0)
    assert never.from_best == pytest.approx((0.88 - 0.9) / 2)


def test_the_table_reads_run_directories_and_leaves_out_what_was_not_recorded(tmp_path):
    store = Store(tmp_path)
    for number, accuracy in enumerate([0.6, 0.8, 0.8, 0.8, 0.8], start=1):
        begin_round(store, number, labels=10 * number)
        store.finish_round(number, {"eval_accuracy": accuracy})
    (row,) = stopping_table([tmp_path], "accuracy")
    assert (row.criterion, row.stopped, row.labels) == ("plateau(accuracy, 0.01, rounds=3)", 1, 50)
    store.record_stability(5, {"uncertainty": 0.5}, b"")
    assert len(stopping_table([tmp_path], "eval_accuracy")) == len(usual_criteria("accuracy"))
    assert stopping_table([], "accuracy") == []
    with pytest.raises(ValueError, match="metric='f1' is no metric of the Trainer; it gave: eval_accuracy"):
        stopping_table([tmp_path], "f1")
