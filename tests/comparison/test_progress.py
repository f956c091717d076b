"""How far a comparison is, and how long the rest takes."""

import io
from dataclasses import replace

import pytest

from hfal.comparison.plan import Cell
from hfal.comparison.progress import Forecast, ProgressLine, about, seconds_of_rounds
from hfal.store.records import RoundRecord


A, B, C = (Cell("margin", "random", seed) for seed in (1, 2, 3))


@pytest.mark.parametrize(
    ("measured", "costs", "seconds"),
    [
        ([], [10], None),
        ([(25, 4.0)], [25, 50], 8.0),  # of one size nothing is known about others
        ([(10, 2.0), (20, 3.0)], [30, 50], 4.0 + 6.0),
        ([(10, 2.0), (10, 4.0), (20, 6.0)], [30], 9.0),  # least squares: 3 at 10, 6 at 20
        ([(10, 3.0), (20, 1.0)], [30, 100], 4.0),  # no more labels make a round shorter
        ([(10, 1.0), (20, 3.0)], [1], 0.0),
        ([(10, 1.0)], [], 0.0),
    ],
)
def test_rounds_take_what_a_straight_line_says(measured: list, costs: list, seconds: float | None) -> None:
    assert seconds_of_rounds(measured, costs) == (None if seconds is None else pytest.approx(seconds))


def record(number: int, labels: int, seconds: float | None, day: int = 1) -> RoundRecord:
    """A round that began in the year 3000, after the forecast, unless `day` is 0."""
    year = 3000 if day else 2000
    finished = None if seconds is None else f"{year}-01-01T00:00:{seconds:09.6f}+00:00"
    return RoundRecord(number, 1, labels, labels, labels, f"{year}-01-01T00:00:00.000000+00:00", None, {}, finished)


def test_the_forecast_counts_what_is_left_of_all_runs() -> None:
    forecast = Forecast({cell: [10, 20, 30] for cell in (A, B, C)}, of_words=False)
    assert forecast.seconds_left({A: []}, [B, C], 1) is None  # nothing is measured yet
    under_way = {A: [record(1, 10, 2.0), record(2, 20, None)]}
    assert forecast.seconds_left(under_way, [B, C], 1) == pytest.approx((2 + 3 + 3) * 2.0)
    forecast.learn([record(1, 10, 2.0), record(2, 20, 3.0), record(3, 30, 4.0)], seconds=10.0)
    # A line through 2, 3 and 4 seconds, and one second between the rounds of a run, of which half is left of B's.
    assert forecast.seconds_left({B: [record(1, 10, 2.0)]}, [C], 1) == pytest.approx((3 + 4) + (2 + 3 + 4) + 1.5)
    assert forecast.seconds_left({B: [record(1, 10, 2.0)]}, [C], 2) == pytest.approx((7 + 9 + 1.5) / 2)
    assert forecast.seconds_left({B: [record(1, 10, 2.0)]}, [C], 8) == pytest.approx(
        (7 + 9 + 1.5) / 2
    )  # two runs left


def test_rounds_of_earlier_sessions_are_no_measure() -> None:
    forecast = Forecast({A: [10, 20], B: [10, 20]}, of_words=False)
    forecast.learn([record(1, 10, 50.0, day=0), record(2, 20, 3.0)], seconds=4.0)
    assert forecast.seconds_left({}, [B], 1) == pytest.approx(6.0)


def test_words_are_counted_where_they_are_the_unit() -> None:
    forecast = Forecast({A: [100, 300]}, of_words=True)
    rounds = [record(1, 5, 2.0), record(2, 6, 4.0)]
    rounds = [replace(r, words=words) for r, words in zip(rounds, (100, 200), strict=True)]
    assert forecast.seconds_left({A: rounds[:2]}, [], 1) == pytest.approx(0.0)
    forecast.learn(rounds, seconds=6.0)
    assert forecast.seconds_left({}, [A], 1) == pytest.approx(2.0 + 6.0)


def test_durations_in_words() -> None:
    assert about(None) == "time left not known yet"
    assert about(5) == "less than a minute left"
    assert about(61) == "about 2 min left"
    assert about(14 * 60) == "about 14 min left"
    assert about(3 * 3600) == "about 3.0 h left"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_written_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    terminal = Terminal()
    line = ProgressLine(terminal)
    line.show("1 of 140 runs, and so on")
    line.show("2 of 140 runs")
    line.say("a run has failed")
    assert terminal.getvalue() == "\r\x1b[K1 of 140 runs, and \r\x1b[K2 of 140 runs\r\x1b[Ka run has failed\n"


def test_a_file_gets_a_line_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    file = io.StringIO()
    line = ProgressLine(file)
    for second in (0, 1, 59, 60, 61, 119, 121):
        now = 100.0 + second
        line.show(f"second {second}")
    line.say("a run has failed")
    assert file.getvalue() == "second 0\nsecond 60\nsecond 121\na run has failed\n"
