"""The report of a comparison, in Markdown and in HTML."""

import json
import re
import shutil
import sys
from pathlib import Path

import datasets
import pytest

from hfal.comparison.facts import keep_facts
from hfal.comparison.report import NO_PICTURES, write_report
from support.html_page import Page
from support.made_grid import MARGIN, OPTIONS, RANDOM, make_grid, make_run, write_options


FILES = ["report.md", "report.html", "summary.json", "learning_curves.svg", "bands.svg", "differences.svg"]


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = make_grid(tmp_path_factory.mktemp("grid") / "compared")
    texts = datasets.Dataset.from_dict({"text": ["a", "b", "c", "d"] * 100})
    datasets.DatasetDict(train=texts, test=texts).save_to_disk(str(out / "data"))
    keep_facts(out, ["compare", "my config.yaml"], 3, changes=True, has_results=False)
    write_report(out)
    return out


def rows(markdown: str, name: str) -> list[list[str]]:
    """The cells of every row of a report's tables that begins so."""
    found = [line.strip("| ").split(" | ") for line in markdown.splitlines() if line.startswith(f"| {name} ")]
    return [[cell.strip() for cell in row[1:]] for row in found]


def test_the_report_has_the_numbers(grid: Path) -> None:
    report = (grid / "report.md").read_text("utf-8")
    areas, needed, by_seed, cost, cost_to_last = rows(report, "margin/random")
    # As worked out in test_summary.py.
    assert areas == ["3", "0.740 (0.696 to 0.784)", "+0.090 (+0.057 to +0.123), p = 0.0072", "0.860 (0.810 to 0.910)"]
    assert needed == ["20 (saves 50%)", "30 (saves 25% or more)", "40", "30 (saves 25%)"]
    assert by_seed == ["30", "30", "30", "3 of 3"]
    assert cost == ["40", "120", "4.0", "2.00", "40.0", "6.0"]
    assert cost_to_last == ["30", "90", "3.0", "1.50", "30.0", "4.0"]
    assert rows(report, "random/random")[1] == ["40", "not reached", "not reached", "40"]
    assert rows(report, "random/random")[2] == ["40", "40", "not reached", "2 of 3"]
    assert rows(report, "all data, one training") == [["500", "1,500", "50.0", "25.00", "60.0", "0.0"]]


def test_the_report_begins_with_what_was_found(grid: Path) -> None:
    title, finding, test = (grid / "report.md").read_text("utf-8").split("\n\n")[:3]
    assert title == "# Which strategy saves labels: compared"
    last = "the last score of random/random (0.800 accuracy)"
    assert finding == f"margin/random reached {last} with 30 labels, random/random itself with 40: 25% saved."
    assert "paired test over 3 seeds, two-sided: p = 0.0072." in test


def test_the_report_says_how_far_it_goes_and_what_was_run(grid: Path) -> None:
    report = (grid / "report.md").read_text("utf-8")
    assert "An interval without a p-value is no test." in report
    # sqrt(0.86 * 0.14 / 400)
    assert "same 400 examples. A share near 0.860 that was counted on so many has a standard error of about 0.017" in (
        report
    )
    assert "\n```sh\nhfal compare 'my config.yaml'\n```\n" in report
    assert "; the seeds 7 to 9, of which all strategies share" in report
    assert "from 2026-01-02 03:04 to 2026-01-02 03:20 UTC" in report
    assert re.search(r"Code: hfal 0\.1\.0, commit [0-9a-f]{40}", report)
    assert "```yaml\ncomparison: margin/random\n" in report
    assert "Runs that do not count" not in report


def test_the_page_needs_nothing_beside_it(grid: Path) -> None:
    html = (grid / "report.html").read_text("utf-8")
    page = Page(html)
    links = [attrs[name] for _, attrs in page.tags for name in ("src", "href", "srcset", "data") if name in attrs]
    assert len(links) == 3
    assert all((link or "").startswith("data:image/svg+xml;base64,") for link in links)
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "url(" not in html
    assert "@import" not in html
    assert all(attrs["alt"] for tag, attrs in page.tags if tag == "img")
    assert {"margin/random", "20 (saves 50%)", "Labels needed"} <= set(page.texts)


def test_both_say_the_same(grid: Path) -> None:
    page = Page((grid / "report.html").read_text("utf-8"))
    report = (grid / "report.md").read_text("utf-8").replace("\\", "")
    for text in page.texts:
        assert text in report


def test_written_again_it_is_the_same(grid: Path, tmp_path: Path) -> None:
    again = Path(shutil.copytree(grid, tmp_path / "compared"))
    paths = write_report(again)
    assert [path.name for path in paths] == FILES
    for path in paths:
        assert path.read_bytes() == (grid / path.name).read_bytes()


def test_where_each_criterion_would_have_stopped(grid: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(grid, tmp_path / "compared"))
    write_options(out, {**OPTIONS, "stop": "plateau(accuracy, 0.1, rounds=1) or budget(1000)"})
    write_report(out)
    report = (out / "report.md").read_text("utf-8")
    assert "Of the runs of margin/random, all of which went on to their end" in report
    assert rows(report, "plateau(accuracy, 0.01, rounds=3)") == [["0 of 3", "40", "0%", "0.860", "+0.000", "+0.000"]]
    stopping = json.loads((out / "summary.json").read_text("utf-8"))["stopping"]
    assert stopping["arm"] == "margin/random"
    (of_own,) = [row for row in stopping["rows"] if row["criterion"].endswith("or budget(1000)")]
    assert (of_own["runs"], of_own["stopped"], round(of_own["labels"], 2)) == (3, 3, 33.33)
    # With seeds 7 and 8 at 30 labels (0.80, later 0.86 and 0.84), with seed 9 in the last round (0.88).
    own = rows(report, "plateau(accuracy, 0.1, rounds=1) or budget(1000)")
    assert own == [["3 of 3", "33", "17%", "0.827", "-0.033", "-0.033"]]
    assert rows(report, "plateau(accuracy, 0.1, rounds=1)") == own * 2  # the whole, and what it is joined of
    assert rows(report, "budget(1000)") == [["0 of 3", "40", "0%", "0.860", "+0.000", "+0.000"]]
    assert "kappa" not in report  # nothing was recorded of a stop set


def test_seeds_that_were_added_when_there_were_results_are_said(grid: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(grid, tmp_path / "compared"))
    facts = json.loads((out / "facts.json").read_text("utf-8"))
    (out / "facts.json").write_text(json.dumps({**facts, "seeds": 2, "later_commands": ["hfal compare . --seeds 3"]}))
    write_report(out)
    report = (out / "report.md").read_text("utf-8")
    assert "There were 2 seeds at first, and more were added when runs were finished." in report
    assert "\nhfal compare . --seeds 3\n```\n" in report
    assert "at first" not in (grid / "report.md").read_text("utf-8")


def test_curves_without_a_stretch_in_common_are_not_taken_for_unfinished_runs(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 1, "full_runs": 0, "comparison": None})
    make_run(tmp_path / "runs" / "margin" / "random" / "seed-7", [0.5], costs=[11])
    make_run(tmp_path / "runs" / "random" / "random" / "seed-7", [0.5], costs=[10])
    write_report(tmp_path)
    report = (tmp_path / "report.md").read_text("utf-8")
    assert "The learning curves have no stretch of labels in common" in report
    assert "is finished yet" not in report


def test_one_seed_has_no_intervals_and_the_report_speaks_of_none(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 1, "full_runs": 0, "comparison": None})
    make_run(tmp_path / "runs" / "margin" / "random" / "seed-7", MARGIN[7])
    make_run(tmp_path / "runs" / "random" / "random" / "seed-7", RANDOM[7])
    write_report(tmp_path)
    report = (tmp_path / "report.md").read_text("utf-8")
    assert "One seed has no interval." in report
    assert "There is one seed: " in report
    assert "95%" not in report
    assert " 95 %" not in report
    write_options(tmp_path, {**OPTIONS, "seeds": 5, "full_runs": 0, "comparison": None})
    write_report(tmp_path)
    assert "- One seed of 5 is finished so far: " in (tmp_path / "report.md").read_text("utf-8")


def test_a_grid_that_is_not_finished_says_what_is_missing(grid: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(grid, tmp_path / "compared"))
    for seed in (7, 8):
        shutil.rmtree(out / "runs" / "margin" / "random" / f"seed-{seed}")
    write_report(out)
    report = (out / "report.md").read_text("utf-8")
    assert "2 runs are not finished and do not count" in report
    assert "has less than two seeds in which both are finished, so there is no test of it" in report
    assert "| margin/random/seed 7 | not started |" in report
    assert rows(report, "margin/random")[0] == ["1", "0.760", "+0.103", "0.880"]  # no interval of one seed
    shutil.rmtree(out / "runs")
    paths = write_report(out)
    assert [path.name for path in paths] == FILES[:3]
    assert "No run of the comparison is finished yet" in (out / "report.md").read_text("utf-8")
    assert len(json.loads((out / "summary.json").read_text("utf-8"))["unfinished"]) == 7


def test_without_a_comparison_nothing_is_tested(grid: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(grid, tmp_path / "compared"))
    write_options(out, {**OPTIONS, "comparison": None})
    write_report(out)
    report = (out / "report.md").read_text("utf-8")
    assert "No comparison was named before the runs began, so nothing is tested here." in report
    assert "two-sided" not in report
    assert ", p =" not in report


def test_without_matplotlib_it_comes_without_pictures(
    grid: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "compared"
    shutil.copytree(grid, out, ignore=shutil.ignore_patterns("*.svg"))
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # as where it is not installed
    assert [path.name for path in write_report(out)] == FILES[:3]
    assert NO_PICTURES in Page((out / "report.html").read_text("utf-8")).texts
    assert not list(out.glob("*.svg"))


def test_without_the_baseline_there_is_nothing_to_compare_with(grid: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(grid, tmp_path / "compared"))
    shutil.rmtree(out / "runs" / "random")
    write_report(out)
    report = (out / "report.md").read_text("utf-8")
    assert "The baseline random/random has no finished run, so there is nothing to compare with." in report
    assert "saves" not in report.partition("## Area")[2].partition("## Where each")[0]
    assert "p =" not in report
    assert "differences.svg" not in report


def test_more_labels_than_the_baseline_is_no_saving(tmp_path: Path) -> None:
    write_options(tmp_path, {**OPTIONS, "seeds": 2, "full_runs": 0, "baseline": "margin/random", "comparison": None})
    for seed in (7, 8):
        make_run(tmp_path / "runs" / "margin" / "random" / f"seed-{seed}", [0.5, 0.8, 0.8, 0.8])
        make_run(tmp_path / "runs" / "random" / "random" / f"seed-{seed}", [0.5, 0.6, 0.8, 0.9])
    write_report(tmp_path)
    report = (tmp_path / "report.md").read_text("utf-8")
    assert rows(report, "random/random")[1] == ["30 (50% more)"]
