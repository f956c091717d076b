"""The pictures of a comparison, as SVG files with the same bytes for the same numbers.

The colors are those of Okabe and Ito (2008), which people with any color vision can tell apart, without black and the
yellow that is hard to see on white; lines that share a color differ in their dashes. The baseline is gray. Lines are
named at their ends.
"""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from hfal.comparison.summary import Arm, Summary
from hfal.errors import ArgumentError


COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_BASELINE = "#767676"
_DASHES = ("-", (0, (4, 1.5)), (0, (1, 1.2)))
_INK, _PALE, _GRID = "#222222", "#555555", "#e3e3e3"
_LETTER = 0.088  # inches that a letter of a name takes, at most
_ROOM = 0.4  # inches beside a panel, before and after the names
_LINE = 0.17  # inches from one name to the next

_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],  # the first comes with matplotlib
    "font.size": 9,
    "axes.edgecolor": _PALE,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "text.color": _INK,
    "xtick.color": _PALE,
    "ytick.color": _PALE,
    "svg.fonttype": "none",  # text that can be searched and read aloud
    "svg.hashsalt": "hfal",
}


def draw_curves(summary: Summary, path: str | os.PathLike[str]) -> None:
    """The mean learning curve of every strategy, a panel for each start, with the baseline in each of them.

    Args:
        summary: The numbers, with at least one arm.
        path: Where to write the SVG file.

    Raises:
        ImportError: matplotlib is not installed (the extra `plots`).
    """
    with _matplotlib_style():
        base = summary.arm(summary.baseline)
        starts = _by_start(summary, summary.arms)
        names = 2 + max(map(len, starts.values()))  # with those of the baseline and the full-data score
        height = max(3.5 if len(starts) == 1 else 3.3, names * _LINE)
        size = (5.4 if len(starts) == 1 else 4.1, height)
        right = _ROOM + _LETTER * max(len(arm.name) if arm is base else len(arm.strategy) for arm in summary.arms)
        places = [divmod(i, 2) for i in range(len(starts))]
        figure, axes = _panels(places, size, right=right, top=0.35 if len(starts) > 1 else 0.15)
        limits = _limits(summary, of_bands=False)
        for (start, arms), panel in zip(starts.items(), axes, strict=True):
            drawn = [*([base] if base else []), *(arm for arm in arms if arm is not base)]
            for arm in drawn:
                _line(panel, summary, arm)
            if len(starts) > 1:
                panel.set_title(f"after a {start} start", parse_math=False)
            _set_axes(panel, summary, limits)
            _name_ends(panel, summary, drawn, [arm.strategy if arm.start == start else arm.name for arm in drawn])
        _save(figure, path)


def draw_bands(summary: Summary, path: str | os.PathLike[str]) -> None:
    """Each arm's mean learning curve with its confidence band, in a panel of its own beside the baseline's.

    Args:
        summary: The numbers, with at least one arm beside the baseline.
        path: Where to write the SVG file.

    Raises:
        ImportError: matplotlib is not installed (the extra `plots`).
    """
    with _matplotlib_style():
        base = summary.arm(summary.baseline)
        starts = _by_start(summary, [arm for arm in summary.arms if arm is not base])
        most = max(map(len, starts.values()))
        columns = math.ceil(most / math.ceil(most / 4))  # at most four, and rows of about the same length
        places: dict[str, tuple[int, int]] = {}
        for arms in starts.values():  # each start begins a row
            row = 1 + max((row for row, _ in places.values()), default=-1)
            places.update({arm.name: (row + i // columns, i % columns) for i, arm in enumerate(arms)})
        figure, axes = _panels(list(places.values()), (2.35, 1.9) if columns > 2 else (3.3, 2.4))
        limits = _limits(summary, of_bands=True)
        for arm, panel in zip((arm for arms in starts.values() for arm in arms), axes, strict=True):
            for one in [*([base] if base else []), arm]:
                color = _color(summary, one)
                panel.fill_between(summary.points, one.curve.low, one.curve.high, color=color, alpha=0.2, linewidth=0)
                _line(panel, summary, one)
            panel.set_title(arm.name, parse_math=False, fontsize=9)
            _set_axes(panel, summary, limits)
        if base:
            _name_in_panel(axes[0], base)
        _only_outer_labels(axes, list(places.values()), [arm.start for arms in starts.values() for arm in arms])
        _save(figure, path)


def draw_differences(summary: Summary, path: str | os.PathLike[str]) -> None:
    """How far the AULC of each arm is from the baseline's: the mean with its interval, and every seed as a tick.

    Args:
        summary: The numbers, with at least one arm that has a difference.
        path: Where to write the SVG file.

    Raises:
        ImportError: matplotlib is not installed (the extra `plots`).
    """
    with _matplotlib_style():
        of_arms = sorted(((a.difference, a) for a in summary.arms if a.difference), key=lambda pair: pair[0].mean)
        left = 0.3 + _LETTER * max(len(arm.name) for _, arm in of_arms)
        figure, (panel,) = _panels([(0, 0)], (4.6, 0.3 * len(of_arms) + 0.3), left=left, right=0.3, top=0.1)
        panel.axvline(0, color=_BASELINE, linewidth=1.2)
        for row, ((mean, low, high), arm) in enumerate(of_arms):
            color = _color(summary, arm)
            panel.plot(arm.differences, [row] * arm.paired, "|", color=color, alpha=0.55, markersize=7)
            if math.isfinite(low):
                panel.plot([low, high], [row, row], color=color, linewidth=2, solid_capstyle="butt")
            panel.plot(mean, row, "o", color=color, markersize=6)
        panel.set_yticks(range(len(of_arms)), [arm.name for _, arm in of_arms], parse_math=False, color=_INK)
        for label, (_, arm) in zip(panel.get_yticklabels(), of_arms, strict=True):
            label.set_weight("bold" if arm.name == summary.comparison else "normal")
        panel.tick_params(axis="y", length=0)
        panel.spines["left"].set_visible(False)
        panel.set_ylim(-0.7, len(of_arms) - 0.3)
        panel.grid(axis="x", color=_GRID, linewidth=0.8)
        panel.set_axisbelow(True)
        panel.set_xlabel(f"AULC minus that of {summary.baseline} with the same seed", parse_math=False)
        _save(figure, path)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move places apart until each is at least `gap` from the next, as little as can be (least squares).

    Args:
        places: Where they would like to be, in any order.
        gap: The least distance.
        low: The least place.
        high: The greatest place; from `low` to it there is room for all.

    Returns:
        Where they are, in the order of `places`; those of equal places in the order in which they came.
    """
    order = sorted(range(len(places)), key=lambda i: places[i])
    # Without the gaps they only have to be in order: isotonic regression by pooling neighbors that are not.
    pools: list[list[float]] = []
    for rank, i in enumerate(order):
        pools.append([places[i] - rank * gap])
        while len(pools) > 1 and sum(pools[-2]) / len(pools[-2]) > sum(pools[-1]) / len(pools[-1]):
            last = pools.pop()
            pools[-1].extend(last)
    level = [sum(pool) / len(pool) for pool in pools for _ in pool]
    highest = high - (len(places) - 1) * gap
    moved = [0.0] * len(places)
    for rank, i in enumerate(order):
        moved[i] = min(max(level[rank], low), highest) + rank * gap
    return moved


# -- what the pictures share ---------------------------------------------------------------------------------------


def _matplotlib_style() -> Any:
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'hfal[plots]'") from error
    return mpl.rc_context(_STYLE)


def _by_start(summary: Summary, arms: Sequence[Arm]) -> dict[str, list[Arm]]:
    """The arms of each start that has any."""
    starts = dict.fromkeys(arm.start for arm in summary.arms)
    of_starts = {start: [arm for arm in arms if arm.start == start] for start in starts}
    return {start: of_start for start, of_start in of_starts.items() if of_start}


def _panels(
    places: Sequence[tuple[int, int]],
    size: tuple[float, float],
    left: float = 0.75,
    right: float = 0.15,
    top: float = 0.35,
) -> tuple[Any, list[Any]]:
    """A figure with panels of one size at places (row, column); all lengths in inches, `right` beside every panel."""
    from matplotlib.figure import Figure  # no pyplot: no global state, no window

    width, height = size
    rows, columns = 1 + max(row for row, _ in places), 1 + max(column for _, column in places)
    bottom = 0.55
    step_x = width + right + (0.75 if right > 0.5 else 0.1)
    step_y = height + (0.95 if right > 0.5 else 0.7)
    wide = left + (columns - 1) * step_x + width + right
    high = bottom + (rows - 1) * step_y + height + top
    figure = Figure(figsize=(wide, high))
    corners = [(left + column * step_x, bottom + (rows - 1 - row) * step_y) for row, column in places]
    return figure, [figure.add_axes((x / wide, y / high, width / wide, height / high)) for x, y in corners]


def _color(summary: Summary, arm: Arm) -> str:
    if arm.strategy == summary.baseline.rpartition("/")[0]:
        return _BASELINE if arm.name == summary.baseline else "#000000"
    return COLORS[_number(summary, arm) % len(COLORS)]


def _number(summary: Summary, arm: Arm) -> int:
    """The place of its strategy among those that are not the baseline's."""
    base = summary.baseline.rpartition("/")[0]
    strategies = dict.fromkeys(a.strategy for a in summary.arms if a.strategy != base)
    return 0 if arm.strategy == base else list(strategies).index(arm.strategy)


def _line(panel: Any, summary: Summary, arm: Arm) -> None:
    is_base = arm.name == summary.baseline
    panel.plot(
        summary.points,
        arm.curve.mean,
        color=_color(summary, arm),
        linestyle="-" if is_base else _DASHES[_number(summary, arm) // len(COLORS) % len(_DASHES)],
        linewidth=2.4 if is_base else 1.8,
        marker="o" if len(summary.points) == 1 else None,
        solid_capstyle="round",
    )


def _limits(summary: Summary, of_bands: bool) -> tuple[float, float]:
    curves = [arm.curve for arm in summary.arms]
    shown = [bound for c in curves for bound in (c if of_bands else c[:1])]
    values = np.concatenate([*shown, summary.full if summary.full and not of_bands else ()])
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low or 0.1)
    means = np.concatenate([curve.mean for curve in curves])
    # A band may go on where no score can be.
    best, worst = (1.0 if means.max() <= 1 else math.inf), (0.0 if means.min() >= 0 else -math.inf)
    return max(low - margin, worst), min(high + margin, best + (0.01 if best == 1 else 0))


def _set_axes(panel: Any, summary: Summary, limits: tuple[float, float]) -> None:
    panel.set_ylim(*limits)
    panel.margins(x=0.02)
    panel.grid(axis="y", color=_GRID, linewidth=0.8)
    panel.set_axisbelow(True)
    if all(point == round(point) for point in summary.points):
        room = max(2, int(panel.get_position().width * panel.figure.get_figwidth() / 0.42))
        panel.set_xticks([int(point) for point in summary.points][:: math.ceil(len(summary.points) / room)])
    panel.set_xlabel(f"{summary.unit} bought")
    panel.set_ylabel(summary.metric.replace("_", " "), parse_math=False)


def _name_ends(panel: Any, summary: Summary, arms: Sequence[Arm], names: Sequence[str]) -> None:
    """Write each line's name beside its end, that of the full-data score too; a thin line leads there."""
    low, high = panel.get_ylim()
    figure = panel.figure
    width = panel.get_position().width * figure.get_figwidth()
    height = panel.get_position().height * figure.get_figheight()
    end_of_lines = panel.transLimits.transform((summary.points[-1], 0))[0]
    rows = [
        (float(arm.curve.mean[-1]), name, _color(summary, arm), arm.name == summary.comparison, end_of_lines)
        for arm, name in zip(arms, names, strict=True)
    ]
    if summary.full:
        score = float(np.mean(summary.full))
        panel.axhline(score, color=_PALE, linewidth=0.9, linestyle=(0, (2, 2)), zorder=1)
        rows.append((score, "all data", _PALE, False, 1.0))
    ends = [(value - low) / (high - low) for value, *_ in rows]
    text = 1 + 0.26 / width
    places = spread(ends, _LINE / height, 0.0, 1.0)
    for (_, name, color, is_bold, begin), end, place in zip(rows, ends, places, strict=True):
        x, y = [begin + 0.04 / width, 1 + 0.12 / width, 1 + 0.22 / width], [end, place, place]
        panel.plot(x, y, color=color, linewidth=0.9, transform=panel.transAxes, clip_on=False)
        panel.text(
            text,
            place,
            name,
            va="center",
            weight="bold" if is_bold else "normal",
            color=color if color in (_BASELINE, _PALE) else _INK,
            transform=panel.transAxes,
            parse_math=False,
        )


def _name_in_panel(panel: Any, base: Arm) -> None:
    """The baseline's name, in the lower right corner, where learning curves are not."""
    panel.text(
        0.98,
        0.04,
        f"gray: {base.name}",
        ha="right",
        va="bottom",
        color=_BASELINE,
        fontsize=8,
        transform=panel.transAxes,
        parse_math=False,
    )


def _only_outer_labels(axes: Sequence[Any], places: Sequence[tuple[int, int]], starts: Sequence[str]) -> None:
    """Name the axes only where no panel is to the left, or none of the same start below."""
    start_at = dict(zip(places, starts, strict=True))
    for panel, (row, column) in zip(axes, places, strict=True):
        if column:
            panel.set_ylabel("")
            panel.tick_params(labelleft=False)
        if start_at.get((row + 1, column)) == start_at[row, column]:
            panel.set_xlabel("")
            panel.tick_params(labelbottom=False)


def _save(figure: Any, path: str | os.PathLike[str]) -> None:
    if not os.fspath(path).endswith(".svg"):
        raise ArgumentError(f"path={os.fspath(path)!r}: expected the name of an .svg file")
    figure.savefig(path, metadata={"Date": None})
