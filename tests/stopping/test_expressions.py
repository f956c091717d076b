"""Stopping criteria as people write them."""

import random

import pytest

from hfal.stopping.criteria import CRITERIA, Budget, Change, Criterion, FChange, Kappa, Plateau, Target, Uncertainty
from hfal.stopping.expressions import parse_stop


@pytest.mark.parametrize(
    ("text", "criterion"),
    [
        ("kappa", Kappa()),
        ("  kappa()  ", Kappa()),
        ("kappa(0.98)", Kappa(0.98)),
        ("kappa(0.98, rounds=2)", Kappa(0.98, 2)),
        ("kappa(rounds=2, least=0.98)", Kappa(0.98, 2)),
        ("plateau", Plateau("f1")),
        ("plateau(gain=0.02)", Plateau("f1", 0.02)),
        ("plateau(accuracy, 0.02, 4)", Plateau("accuracy", 0.02, 4)),
        ("plateau('f1_B-PER')", Plateau("f1_B-PER")),
        ("budget", Budget(500, "words")),
        ("budget(30)", Budget(30)),
        ("budget(30, words)", Budget(30, "words")),
        ("target", Target("accuracy", 0.9)),
        ("target(mcc, -0.5)", Target("mcc", -0.5)),
        ("kappa or plateau", Kappa() | Plateau("f1")),
        ("budget or (kappa and plateau)", Budget(500, "words") | (Kappa() & Plateau("f1"))),
        ("budget or kappa and plateau", Budget(500, "words") | (Kappa() & Plateau("f1"))),  # and binds closer
        ("(budget or kappa) and plateau", (Budget(500, "words") | Kappa()) & Plateau("f1")),
        ("change and f_change and uncertainty", Change() & FChange() & Uncertainty()),
        ("(change and f_change) and uncertainty", Change() & (FChange() & Uncertainty())),
        ("none", None),
    ],
)
def test_expressions_say_the_same_as_objects(text, criterion):
    found = parse_stop(text, metric="f1", budget=500, unit="words", target=("accuracy", 0.9))
    assert found == criterion
    assert found is None or parse_stop(str(found)) == found  # as it is recorded


def test_any_combination_can_be_written_and_read_again():
    chance = random.Random(0)
    leaves = [Kappa(0.5, 2), Change(), Plateau("f1 of B", 0.25), Target("loss", 0.125), Budget(3, "words")]

    def grow(depth: int) -> Criterion:
        if depth == 0 or chance.random() < 0.3:
            return chance.choice(leaves)
        parts = grow(depth - 1), grow(depth - 1)
        return parts[0] | parts[1] if chance.random() < 0.5 else parts[0] & parts[1]

    for _ in range(200):
        criterion = grow(4)
        assert parse_stop(str(criterion)) == criterion


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("kapa", f"there is no criterion 'kapa' .did you mean 'kappa'.*There are {', '.join(CRITERIA)}; and 'none'"),
        ("kappa or", "'kappa or': it is no expression; expected criteria joined by and/or, such as"),
        ("", "it is no expression"),
        ("kappa, plateau", "is no criterion"),
        ("not kappa", "'not kappa' is no criterion"),
        ("kappa > 0.9", "'kappa > 0.9' is no criterion"),
        ("__import__('os').system('echo')", "is no criterion"),
        ("kappa or none", "there is no criterion 'none'"),
        ("plateau", r"plateau needs metric: plateau\(metric, gain=0.01, rounds=3\)"),
        ("budget", r"budget needs labels \(or the option budget\): budget\(labels, unit=examples\)"),
        ("target(f1)", r"target needs value \(or the options target_metric and target\)"),
        ("kappa(0.9, 2, 3)", r"kappa: 3 arguments; expected kappa\(least=0.99, rounds=3\)"),
        ("kappa(at_least=1)", "kappa: 'at_least' is no argument of it"),
        ("kappa(0.9, least=0.9)", "'least' is no argument of it, or given twice"),
        ("kappa(1.5)", r"stop='kappa\(1.5\)': kappa: least is 1.5, expected a number from -1 to 1"),
        ("kappa(accuracy)", "kappa: least is 'accuracy', expected a number"),
        ("kappa(True)", "'True' is neither a number nor a name"),
        ("kappa(rounds=0)", "rounds is 0, expected a whole number, at least 1"),
        ("kappa(rounds=1.5)", "rounds is 1.5, expected a whole number"),
        ("uncertainty(-0.1)", "uncertainty: most is -0.1, expected a number from 0 to 1"),
        ("plateau(0.02)", "plateau: metric is 0.02, expected the name of a metric"),
        ("plateau(f1_B-PER)", "'f1_B - PER' is neither a number nor a name .quote"),
        ("plateau(f1, -1)", "plateau: gain is -1, expected a number 0 or more"),
        ("budget(0)", "budget: labels is 0, expected a whole number"),
        ("budget(3, sentences)", "unit is 'sentences', expected examples or words"),
        ("target(f1, high)", "target: value is 'high', expected a number"),
        ("kappa(*x)", "neither a number nor a name"),
        ("kappa(**x)", "is no argument of it"),
        ("(" * 500 + "kappa" + ")" * 500, "it is no expression"),
    ],
)
def test_expressions_that_cannot_be(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_stop(text)
