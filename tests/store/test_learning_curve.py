"""The points of a learning curve."""

from hfal.store.learning_curve import bought, metric_names
from hfal.store.records import RoundRecord


def record(number: int, metrics: dict[str, float] | None, words: int | None = None) -> RoundRecord:
    return RoundRecord(number, 1, 5, 10 * number, 10 * number, "2026-01-01", None, metrics, None, words)


def test_metrics_are_named_in_the_order_in_which_they_came() -> None:
    rounds = [record(1, None), record(2, {"eval_loss": 0.5, "eval_f1": 0.1}), record(3, {"eval_b": 1, "eval_f1": 0})]
    assert metric_names(rounds) == ["eval_loss", "eval_f1", "eval_b"]
    assert metric_names([]) == []


def test_words_are_bought_where_words_are_tagged() -> None:
    assert bought(record(3, None)) == 30
    assert bought(record(3, None, words=412)) == 412
    assert bought(record(3, None, words=0)) == 0
