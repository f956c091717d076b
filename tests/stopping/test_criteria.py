"""When a run stops: criteria on made-up rounds."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from hfal.comparison.stopping_table import stopping_rows, usual_criteria
from hfal.stopping.criteria import (
    Budget,
    Change,
    Criterion,
    FChange,
    Kappa,
    Plateau,
    Target,
    Uncertainty,
    is_loss,
    replay,
)
from hfal.store.records import RoundRecord
from support.rounds import rounds


def ends(criterion: Criterion, history: Sequence[RoundRecord]) -> int | None:
    return replay([criterion], history)[0]


KAPPAS = [None, 0.9, 0.995, 0.98, 0.99, 0.992, 0.991]


@pytest.mark.parametrize(
    ("criterion", "history", "end"),
    [
        (Kappa(), rounds(kappa=KAPPAS), 7),
        (Kappa(0.99, rounds=1), rounds(kappa=KAPPAS), 3),
        (Kappa(0.98, rounds=2), rounds(kappa=KAPPAS), 4),
        (Kappa(0.999), rounds(kappa=KAPPAS), None),
        (Kappa(rounds=8), rounds(kappa=[1.0] * 7), None),  # more rounds than there are
        (Kappa(), rounds(kappa=[1.0, 1.0, None, 1.0, 1.0, 1.0]), 6),  # one is not known, and begins the count anew
        (Kappa(), rounds(kappa=[1.0, 1.0, math.nan, 1.0, 1.0]), None),
        (Kappa(), rounds([0.9] * 5), None),  # nothing was recorded
        (Uncertainty(0.2), rounds(uncertainty=[0.9, 0.21, 0.2]), 3),
        (Uncertainty(0.2, rounds=2), rounds(uncertainty=[0.1, 0.3, 0.2, 0.1]), 4),
        (Uncertainty(), rounds(uncertainty=[0.01]), 1),
        (Change(), rounds(changed=[None, 0.02, 0.01, 0.0, 0.01]), 5),
        (Change(0, rounds=1), rounds(changed=[None, 0.001, 0.0]), 3),
        (FChange(0.02, rounds=2), rounds(f_change=[None, 0.02, 0.03, 0.01, 0.02]), 5),
        (Plateau("accuracy", 0.01, 3), rounds([0.5, 0.7, 0.8, 0.805, 0.79, 0.81]), 6),
        (Plateau("accuracy", 0.01, 3), rounds([0.5, 0.7, 0.8, 0.805, 0.79, 0.8101]), None),
        (Plateau("eval_accuracy", 0.0, 1), rounds([0.5, 0.6, 0.6]), 3),
        (Plateau("accuracy", 0.01, 3), rounds([0.8, 0.7, 0.7]), None),  # three rounds need one before them
        (Plateau("accuracy", 0.01, 3), rounds([0.8, 0.7, 0.7, 0.7]), 4),  # worse is no gain
        (Plateau("accuracy"), rounds([math.nan] * 9), None),
        (Plateau("accuracy", 0.01, 2), rounds([0.8, math.nan, 0.8, 0.8, math.nan]), 4),
        (Plateau("accuracy", 0.01, 2), rounds([0.8, 0.9, 0.9, math.nan, None, 0.9]), 6),
        (Plateau("f1"), rounds([0.9] * 9), None),
        (Target("accuracy", 0.8), rounds([0.7, math.nan, 0.8, 0.9]), 3),
        (Target("accuracy", 0.95), rounds([0.7, 0.8]), None),
        (Budget(25), rounds([0.5] * 4), 3),
        (Budget(100), rounds([0.5] * 4), None),
        (Budget(250, "words"), rounds([0.5] * 4, words=120), 3),
        (Budget(10, "words"), rounds([0.5] * 4), None),  # labels are not of words
        (Kappa(0.99, 1) | Plateau("accuracy", 0.01, 1), rounds([0.5, 0.6, 0.6], kappa=[None, 0.9, 0.9]), 3),
        (Kappa(0.99, 1) | Plateau("accuracy", 0.01, 1), rounds([0.5, 0.6, 0.6], kappa=[None, 1.0, 0.9]), 2),
        (Kappa(0.99, 1) & Plateau("accuracy", 0.01, 1), rounds([0.5, 0.6, 0.6], kappa=[None, 1.0, 0.9]), None),
        (Kappa(0.99, 1) & Plateau("accuracy", 0.01, 1), rounds([0.5, 0.6, 0.6], kappa=[None, 1.0, 1.0]), 3),
        (
            Budget(40) | (Kappa(0.9, 1) & Uncertainty(0.1)),
            rounds([0.5] * 5, kappa=[1.0, 0.0, 1.0, 0.0, 1.0], uncertainty=[0.2, 0.1, 0.2, 0.1, 0.1]),
            4,
        ),
    ],
)
def test_a_criterion_ends_a_run_where_it_should(criterion, history, end):
    assert ends(criterion, history) == end


def test_no_criterion_stops_before_the_first_round():
    criteria = [Budget(1), Target("accuracy", 0.0), *usual_criteria("accuracy")]
    assert [criterion.reason([]) for criterion in criteria] == [None] * len(criteria)
    assert replay(criteria, []) == [None] * len(criteria)


def test_of_a_loss_less_is_better():
    history = rounds(range(5))
    for record, loss in zip(history, [0.9, 0.5, 0.45, 0.46, 0.47], strict=True):
        record.metrics["eval_loss"] = loss
    assert ends(Target("loss", 0.5), history) == 2
    assert ends(Plateau("loss", 0.06, 2), history) == 4
    assert ends(Plateau("loss", 0.01, 2), history) == 5


@pytest.mark.parametrize("metric", ["f1_data_loss", "eval_f1_data_loss", "f1_weight loss", "eval_f1_loss"])
def test_the_f1_of_a_label_whose_name_ends_in_loss_is_no_loss(metric):
    history = rounds(range(5))
    name = f"eval_{metric.removeprefix('eval_')}"
    for record, f1 in zip(history, [0.3, 0.5, 0.6, 0.7, 0.8], strict=True):
        record.metrics[name] = f1
    assert replay([Target(metric, 0.75), Plateau(metric, 0.01, 1)], history) == [5, None]
    (row,) = stopping_rows([history], metric, [Target(metric, 0.55)])
    assert (row.metric, row.from_best) == (0.6, pytest.approx(-0.2))
    assert [is_loss(n) for n in ("loss", "eval_loss", "eval_hamming_loss", "gloss", metric)] == [True] * 3 + [
        False
    ] * 2


def test_a_criterion_of_ones_own_may_be_an_ordinary_dataclass():
    @dataclass
    class Mine(Criterion):
        labels: int

        def reason(self, history):
            return "enough" if history and history[-1].labels >= self.labels else None

    table = stopping_rows([rounds([0.3, 0.5, 0.6])], "accuracy", [Mine(20), Mine(20) & Budget(30)])
    assert [(row.stopped, row.labels) for row in table] == [(1, 20.0), (1, 30.0)]


def test_the_reason_says_what_was_seen_and_what_was_wanted():
    history = rounds(
        [0.8, 0.9, 0.9043],
        words=30,
        kappa=[None, 0.9944, 0.9921],
        uncertainty=[0.3, 0.2, 0.0431],
        changed=[None, 0.003, 0.002],
        f_change=[None, 0.005, 0.0061],
    )
    said = {
        Kappa(0.99, 2): "kappa between rounds 2 and 3 is 0.992, at least 0.99 for 2 rounds",
        Uncertainty(0.05): "the mean uncertainty after round 3 is 0.043, at most 0.05",
        Change(0.01, 2): "the share of predictions that changed in round 3 is 0.0020, at most 0.01 for 2 rounds",
        FChange(0.01, 1): "the predicted change of F between rounds 2 and 3 is 0.0061, at most 0.01",
        Plateau("accuracy", 0.01, 1): "accuracy has gained 0.0043 in the last round, at most 0.01",
        Plateau("accuracy", 0.2, 2): "accuracy has gained 0.1043 in the last 2 rounds, at most 0.2",
        Target("accuracy", 0.9): "accuracy is 0.9043, the target was 0.9",
        Budget(30): "30 labels were bought, at least 30",
        Budget(80, "words"): "90 words were bought, at least 80",
    }
    for criterion, reason in said.items():
        assert criterion.reason(history) == reason
    assert (Budget(30) & Target("accuracy", 0.9)).reason(history).count(";") == 1
    assert (Budget(99) | Target("accuracy", 0.9)).reason(history) == said[Target("accuracy", 0.9)]
    assert (
        Plateau("accuracy", 0, 1).reason(rounds([0.9, 0.8])).startswith("accuracy has gained nothing in the last ro")
    )


def test_criteria_say_what_they_read():
    criterion = Budget(3) | (Kappa() & Plateau("f1")) | Target("accuracy", 1.0) | Plateau("f1", 0.5)
    assert criterion.metrics == ["f1", "accuracy"]
    assert criterion.needs_stability
    assert not (Budget(3) & Plateau("f1")).needs_stability
    with pytest.raises(TypeError, match="joined with a str"):
        Kappa() | "plateau"
