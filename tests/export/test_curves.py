"""The table of the rounds and the learning curve."""

from pathlib import Path

import pytest
from matplotlib.image import imread

from hfal.errors import ArgumentError
from hfal.export.curves import plot_learning_curve, rounds_table
from hfal.store.records import RoundRecord
from hfal.store.store import Store
from support.stores import begin_round


def record(number: int, metrics: dict[str, float] | None, finished: str | None = "2026-01-02") -> RoundRecord:
    return RoundRecord(
        number, 42, 50 * number, 50 * number, 50 * number - 5, "2026-01-01", finished, metrics, finished
    )


ROUNDS = [
    record(1, {"eval_loss": 0.7, "eval_accuracy": 0.51234}),
    record(2, {"eval_loss": 0.6, "eval_accuracy": 0.75, "eval_f1_macro": 1}),
]


def test_table_has_rounds_labels_and_metrics() -> None:
    assert rounds_table(ROUNDS).split("\n") == [
        "round  labels  trained on    loss  accuracy  f1_macro",
        "    1      50          45  0.7000    0.5123",
        "    2     100          95  0.6000    0.7500    1.0000",
    ]


def test_table_of_a_run_without_evaluation_and_of_no_rounds() -> None:
    assert rounds_table([record(1, {})]).split("\n") == ["round  labels  trained on", "    1      50          45"]
    assert rounds_table([]) == "round  labels  trained on"


def test_table_of_a_store_with_a_round_in_progress(tmp_path: Path) -> None:
    store = Store(tmp_path)
    begin_round(store, 1, labels=10, train_size=9)
    store.finish_round(1, {"eval_accuracy": 0.5})
    begin_round(store, 2, labels=20, train_size=18)
    lines = rounds_table(store.rounds()).split("\n")
    assert [line.split() for line in lines] == [
        ["round", "labels", "trained", "on", "accuracy"],
        ["1", "10", "9", "0.5000"],
        ["2", "20", "(not", "finished)"],
    ]
    assert lines[1].endswith("0.5000")
    assert len(lines[0]) == len(lines[1])  # aligned


def test_learning_curve_is_a_picture_of_its_rounds(tmp_path: Path) -> None:
    path = tmp_path / "curve.png"
    plot_learning_curve([*ROUNDS, record(3, None, finished=None)], path, "eval_accuracy", title="margin")
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = imread(path)
    assert picture.shape == (600, 960, 4)
    blue = (abs(picture[..., :3] - [0, 0x72 / 255, 0xB2 / 255]) < 0.02).all(axis=2)
    assert blue.sum() > 1000  # the curve is there
    rows = [blue[:, columns].nonzero()[0].mean() for columns in (slice(0, 300), slice(-300, None))]
    assert rows[0] > rows[1]  # and it rises: row 0 is on top

    other = tmp_path / "other.png"
    plot_learning_curve(ROUNDS[::-1], other, "eval_loss", title="margin")
    assert other.read_bytes() != path.read_bytes()


def test_learning_curve_of_a_single_round_and_as_svg(tmp_path: Path) -> None:
    plot_learning_curve(ROUNDS[:1], tmp_path / "curve.svg", "eval_accuracy", title="one < two & three")
    assert "<svg" in (tmp_path / "curve.svg").read_text()


def test_learning_curve_names_the_metrics_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"'eval_f1'.*eval_loss, eval_accuracy, eval_f1_macro"):
        plot_learning_curve(ROUNDS, tmp_path / "curve.png", "eval_f1", title="")
    with pytest.raises(ArgumentError, match="there are: none"):
        plot_learning_curve([], tmp_path / "curve.png", "eval_f1", title="")
    assert not list(tmp_path.iterdir())


def test_the_curve_of_an_estimate_is_dashed_and_says_that_nothing_was_measured(tmp_path: Path) -> None:
    rounds = [record(n, {"eval_accuracy": n / 9, "estimated_accuracy": n / 9}) for n in (1, 2, 3)]
    for metric in ("eval_accuracy", "estimated_accuracy"):
        plot_learning_curve(rounds, tmp_path / f"{metric}.svg", metric, title="margin")
    measured, estimated = ((tmp_path / f"{name}_accuracy.svg").read_text() for name in ("eval", "estimated"))
    assert "stroke-dasharray" in estimated.replace("stroke-dasharray: none", "")
    assert "<!-- estimated accuracy (cross-validated, not measured) -->" in estimated
    assert "<!-- accuracy -->" in measured
    assert "estimated" not in measured
