"""The table of rounds, and the learning curve as a picture."""

import os
from collections.abc import Sequence

from hfal.errors import ArgumentError
from hfal.store.learning_curve import bought, is_estimate, metric_names
from hfal.store.records import RoundRecord
from hfal.store.round_records import aligned, table_rows


def rounds_table(records: Sequence[RoundRecord]) -> str:
    """The rounds as a plain-text table: number, labels bought, size of the training set, metrics.

    Where words are tagged, the labels bought are shown in sentences and in words. Where it is recorded how predictions
    change, the last column has the kappa between each round and the one before.
    """
    return aligned(table_rows(records))


def plot_learning_curve(records: Sequence[RoundRecord], path: str | os.PathLike[str], metric: str, title: str) -> None:
    """Draw a metric against the labels bought (the words, where words are tagged), and save it as a picture.

    Args:
        records: Rounds; those without the metric are left out.
        path: Where to write it; the ending gives the format.
        metric: The metric's name, `"eval_accuracy"`; that of an estimate is drawn as a dashed line, and called one.
        title: What stands above the curve.

    Raises:
        ImportError: matplotlib is not installed (the extra `plots`).
        ArgumentError: No round has the metric.
    """
    try:
        from matplotlib.figure import Figure  # no pyplot: no global state, no window
    except ImportError as error:
        raise ImportError("plot_learning_curve needs matplotlib: pip install 'hfal[plots]'") from error
    points = [(bought(r), r.metrics[metric]) for r in records if r.metrics and metric in r.metrics]
    if not points:
        raise ArgumentError(
            f"metric={metric!r}: no round has it; there are: {', '.join(metric_names(records)) or 'none'}"
        )
    labels, values = zip(*points, strict=True)
    figure = Figure(figsize=(6.4, 4.0), dpi=150, layout="constrained")
    axes = figure.subplots()
    line, fill = ("--", "white") if is_estimate(metric) else ("-", None)
    axes.plot(labels, values, line, marker="o", markerfacecolor=fill, color="#0072B2", linewidth=2)
    first, second, last_but_one, last = points[0], points[:2][-1], points[-2:][0], points[-1]
    for (x, y), (_, next_to_it) in ((first, second), (last, last_but_one)):
        offset, side = (9, "bottom") if y >= next_to_it else (-9, "top")  # where the line does not go
        axes.annotate(f"{y:.3f}", (x, y), textcoords="offset points", xytext=(0, offset), ha="center", va=side)
    axes.set_xlabel("labels bought" if records[0].words is None else "words bought")
    not_measured = " (cross-validated, not measured)" if is_estimate(metric) else ""
    axes.set_ylabel(metric.removeprefix("eval_").replace("_", " ") + not_measured)
    axes.set_title(title, loc="left")
    axes.margins(y=0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    figure.savefig(path)
