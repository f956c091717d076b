"""JSON Lines and JSON: rows, their types, and the cache. What people reported is in tests/field/test_json_lines.py."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hfal.data.json_lines import json_paths, load_json
from hfal.errors import ArgumentError


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def read(*contents: str) -> list[dict[str, Any]]:
        paths = [tmp_path / f"{number}.jsonl" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content, "utf-8")
        return load_json(paths).to_list()

    return read


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def test_rows_of_one_type_come_back(read: Callable[..., Any]) -> None:
    draw = random.Random(0)
    kinds: list[Callable[[], Any]] = [
        lambda: draw.choice([None, "", "text", "null", "1", "日本\u2028"]),
        lambda: draw.choice([None, 0, -1, 2**63 - 1, -(2**63)]),
        lambda: draw.choice([None, 0.5, -1e300, 3.0]),
        lambda: draw.choice([None, True, False]),
        lambda: draw.choice([None, [], ["a"], ["a", None, "b"]]),
        lambda: draw.choice([None, [[1], []], [[2, None]]]),
        lambda: draw.choice([None, {"a": 1, "b": ["x"]}, {"a": None, "b": None}]),
        lambda: draw.choice([None, [], [{"start": 0, "label": "PER"}]]),
    ]
    rows = [{f"c{number}": kind() for number, kind in enumerate(kinds)} for _ in range(12_000)]
    assert read(lines(rows)) == rows


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2.5, None], [1.0, 2.5, None]),
        ([1, True, "x", 2.50], ["1", "true", "x", "2.5"]),
        ([True, None, 7], ["true", None, "7"]),
        ([2**63, 1], [str(2**63), "1"]),
        ([[1, "a"], [], None], [["1", "a"], [], None]),
        ([[], [[0, 1, "A"]]], [[], [["0", "1", "A"]]]),
        ([{}, {"a": 1}, {"b": "x"}], [None, {"a": 1, "b": None}, {"a": None, "b": "x"}]),
        ([{"a": 1}, [1]], ['{"a": 1}', "[1]"]),
        (["é", [1]], ['"é"', "[1]"]),
        ([[1], "x", None], ["[1]", '"x"', None]),
        ([{str(n): n for n in range(500)}], [json.dumps({str(n): n for n in range(500)})]),
        ([None, None], [None, None]),
        ([{}, {}], [None, None]),
    ],
)
def test_the_type_of_a_column_suits_all_of_its_values(
    read: Callable[..., Any], values: list[Any], expected: list[Any]
) -> None:
    assert [row["x"] for row in read(lines([{"x": value, "text": "a"} for value in values]))] == expected


def test_files_are_one_table(read: Callable[..., Any]) -> None:
    rows = read(lines([{"text": "a", "n": 1}]), lines([{"text": "b", "n": "x"}, {"more": True}]))
    assert rows == [
        {"text": "a", "n": "1", "more": None},
        {"text": "b", "n": "x", "more": None},
        {"text": None, "n": None, "more": True},
    ]


def test_blank_lines_and_other_line_ends(read: Callable[..., Any]) -> None:
    assert read('\n\n{"a": "x\u2028y"}\r\n\r\n  \t\n{"a": "z"}') == [{"a": "x\u2028y"}, {"a": "z"}]


def test_a_deep_value_is_json_text_below_some_level(read: Callable[..., Any]) -> None:
    (row,) = read('{"text": "a", "x": ' + "[" * 300 + "]" * 300 + "}")
    value, levels = row["x"], 0
    while isinstance(value, list):
        (value,) = value
        levels += 1
    assert levels > 5
    assert value == "[" * (300 - levels) + "]" * (300 - levels)


def test_a_file_that_changes_is_read_again(read: Callable[..., Any], tmp_path: Path) -> None:
    assert read(lines([{"a": "x"}])) == [{"a": "x"}]
    first = list(tmp_path.rglob("rows.arrow"))
    assert read(lines([{"a": "xy"}])) == [{"a": "xy"}]
    assert len(list(tmp_path.rglob("rows.arrow"))) == len(first) + 1
    assert read(lines([{"a": "xy"}]) + "\n") == [{"a": "xy"}]


def test_a_broken_file_leaves_nothing_in_the_cache(read: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=r"0\.jsonl, line 2 is no JSON"):
        read('{"a": 1}\n{"a": \n{"a": 2}\n')
    assert not list(tmp_path.rglob("*.arrow"))
    assert not list(tmp_path.rglob("*.part"))


def test_only_files_of_json_are_taken() -> None:
    assert json_paths(["a.json", "b.JSONL"]) == [Path("a.json"), Path("b.JSONL")]
    assert json_paths(["a.json", "b.csv"]) == []


@pytest.mark.parametrize("value", [["x"], {"a": 1}, {"a": [1]}, "x", 1.5, True])
def test_nan_and_empty_objects_are_missing_beside_any_values(read: Callable[..., Any], value: Any) -> None:
    rows = read(lines([{"c": value}, {"c": {}}]) + '{"c": NaN}\n')
    assert [row["c"] for row in rows] == [value, None, None]


def test_missing_values_stay_missing_beside_mixed_ones(read: Callable[..., Any]) -> None:
    rows = read(lines([{"c": [1]}, {"c": {"a": 1}}, {"c": {}}]) + '{"c": NaN}\n')
    assert [row["c"] for row in rows] == ["[1]", '{"a": 1}', None, None]
