"""Pictures of a comparison: what is drawn is what was measured, and every line has its name beside it."""

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from hfal.comparison.plots import COLORS, draw_bands, draw_curves, draw_differences, spread
from hfal.comparison.results import read_results
from hfal.comparison.summary import Summary, summarize
from hfal.errors import ArgumentError
from support.made_grid import OPTIONS, make_grid, make_run, write_options


SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    return summarize(read_results(make_grid(tmp_path_factory.mktemp("grid"))))


def summary_of_many(out: Path, others: int) -> Summary:
    """Random and so many other strategies after two starts, whose curves are all the same."""
    strategies = ["random", *(f"strategy{i}" for i in range(others))]
    write_options(out, {**OPTIONS, "strategies": strategies, "seeds": 1, "starts": ["random", "kmeans"]})
    for strategy in strategies:
        for start in ("random", "kmeans"):
            make_run(out / "runs" / strategy / start / "seed-7", [0.5, 0.9, 0.9, 0.9])
    return summarize(read_results(out))


def texts(path: Path) -> list[tuple[str, float, float]]:
    """The texts of a picture, with where they are anchored."""
    found = []
    for element in ET.parse(path).iter(f"{SVG}text"):
        turned = re.search(r"translate\(([-\d.]+) ([-\d.]+)\)", element.get("transform", ""))
        x, y = turned.groups() if turned else (element.get("x") or "", element.get("y") or "")
        found.append(("".join(element.itertext()), float(x), float(y)))
    return found


def words(path: Path) -> set[str]:
    """The texts of a picture."""
    return {text for text, *_ in texts(path)}


def lines(path: Path) -> list[tuple[str, np.ndarray]]:
    """The lines of a picture, as color and points."""
    found = []
    for element in ET.parse(path).iter(f"{SVG}path"):
        color = re.search(r"stroke: (#[0-9a-f]{6})", element.get("style", ""))
        if color and "fill: none" in element.get("style", ""):
            points = np.array(re.findall(r"[ML] ([-\d.]+) ([-\d.]+)", element.get("d", "")), float)
            found.append((color.group(1), points))
    return found


def test_lines_are_the_mean_curves(summary: Summary, tmp_path: Path) -> None:
    draw_curves(summary, tmp_path / "curves.svg")
    curves = {color: points for color, points in lines(tmp_path / "curves.svg") if len(points) == 4}
    assert list(curves) == ["#767676", COLORS[0].lower()]
    random, margin = curves.values()
    # Both are drawn in the same axes, so that the heights of all of their points are the scores, but for a scale.
    scores = np.concatenate([arm.curve.mean for arm in summary.arms])
    heights = np.concatenate([random[:, 1], margin[:, 1]])
    scale, offset = np.polyfit(scores, heights, 1)
    assert scale < 0  # upwards
    np.testing.assert_allclose(scale * scores + offset, heights, atol=0.01)
    np.testing.assert_allclose(np.diff(random[:, 0]), np.diff(random[:, 0])[0])


def test_lines_are_named_at_their_ends(summary: Summary, tmp_path: Path) -> None:
    draw_curves(summary, tmp_path / "curves.svg")
    named = {text: place for text, *place in texts(tmp_path / "curves.svg")}
    assert {"margin", "random", "all data", "labels bought", "accuracy"} <= set(named)
    ends = {"random": 0, "margin": 1}
    curves = [points for _, points in lines(tmp_path / "curves.svg") if len(points) == 4]
    for name, place in ends.items():
        x, y = curves[place][-1]
        assert 0 < named[name][0] - x < 40
        assert abs(named[name][1] - y) < 9  # points; the text is 9 high


def test_names_of_lines_that_end_together_do_not_lie_over_each_other(tmp_path: Path) -> None:
    many = summary_of_many(tmp_path, 8)
    draw_curves(many, tmp_path / "curves.svg")
    named = texts(tmp_path / "curves.svg")
    places = [(x, y) for text, x, y in named if text.startswith(("strategy", "random"))]
    assert len(places) == 2 * 9 + 1  # the baseline in both panels, and random after the other start
    root = ET.parse(tmp_path / "curves.svg").getroot()
    height = float((root.get("height") or "").removesuffix("pt"))
    for one, other in combinations(places, 2):
        assert abs(one[0] - other[0]) > 1 or abs(one[1] - other[1]) > 10
    assert all(8 < y < height for _, y in places)


def test_bands_and_differences(summary: Summary, tmp_path: Path) -> None:
    draw_bands(summary, tmp_path / "bands.svg")
    assert {"margin/random", "gray: random/random"} <= words(tmp_path / "bands.svg")
    draw_differences(summary, tmp_path / "differences.svg")
    (interval,) = [p for color, p in lines(tmp_path / "differences.svg") if color == COLORS[0].lower() and len(p) == 2]
    named = texts(tmp_path / "differences.svg")
    ticks = {float(t.replace("\u2212", "-")): x for t, x, _ in named if re.fullmatch("[\u2212\\d.]+", t)}
    scale, _ = np.polyfit(list(ticks), list(ticks.values()), 1)
    margin = summary.arms[1]
    assert margin.difference is not None
    # Texts begin to the left of their ticks, all of them by the same.
    assert interval[1, 0] - interval[0, 0] == pytest.approx(
        scale * (margin.difference.high - margin.difference.low), rel=1e-3
    )


def test_each_start_has_its_axis_named_below_each_of_its_columns(tmp_path: Path) -> None:
    many = summary_of_many(tmp_path, 4)
    draw_bands(many, tmp_path / "bands.svg")
    columns: dict[str, list[float]] = {}
    for text, _, y in texts(tmp_path / "bands.svg"):
        columns.setdefault(text, []).append(y)
    assert len(columns["labels bought"]) == 3 + 3  # four panels after the random start, five after the other one
    lowest = max(y for text, (y, *_) in columns.items() if text.endswith("/random"))
    assert sum(y > lowest for y in columns["labels bought"]) > 3


def test_the_same_numbers_give_the_same_picture(summary: Summary, tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw_bands(summary, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert b"<dc:date>" not in (tmp_path / "one.svg").read_bytes()
    with pytest.raises(ArgumentError, match=r"bands\.png"):
        draw_bands(summary, tmp_path / "bands.png")


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    name = "$a_b <i> & $c"
    write_options(tmp_path, {**OPTIONS, "strategies": ["random", name], "comparison": None, "seeds": 1})
    for strategy in ("random", name):
        make_run(tmp_path / "runs" / strategy / "random" / "seed-7", [0.5, 0.9])
    summary = summarize(read_results(tmp_path))
    draw_curves(summary, tmp_path / "curves.svg")
    draw_bands(summary, tmp_path / "bands.svg")
    draw_differences(summary, tmp_path / "differences.svg")
    assert name in words(tmp_path / "curves.svg")
    assert f"{name}/random" in words(tmp_path / "bands.svg")
    assert f"{name}/random" in words(tmp_path / "differences.svg")


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ([0.2, 0.6], [0.2, 0.6]),  # far enough apart
        ([0.5, 0.5], [0.45, 0.55]),
        ([0.6, 0.5, 0.55], [0.65, 0.45, 0.55]),
        ([0.0, 0.0, 0.9], [0.0, 0.1, 0.9]),  # not below the lowest place
        ([1.0, 0.98], [1.0, 0.9]),  # nor above the highest
        ([], []),
    ],
)
def test_places_move_apart_as_little_as_can_be(places: list[float], expected: list[float]) -> None:
    assert spread(places, 0.1, 0, 1) == pytest.approx(expected)


def test_places_are_apart_and_in_order_whatever_they_were() -> None:
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 9):
        for _ in range(50):
            places = rng.beta(4, 1, count).tolist()
            moved = spread(places, 0.1, 0, 1)
            order = np.argsort(places, kind="stable")
            assert all(b - a > 0.1 - 1e-9 for a, b in pairwise(np.array(moved)[order]))
            assert min(moved) > -1e-9
            assert max(moved) < 1 + 1e-9
