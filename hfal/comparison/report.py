"""The report of a comparison: `report.md`, `report.html`, its pictures, and `summary.json`."""

import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import yaml

from hfal.comparison.document import Block, Bullets, Code, Heading, Paragraph, Picture, Table, to_html, to_markdown
from hfal.comparison.plots import draw_bands, draw_curves, draw_differences
from hfal.comparison.results import Results, read_results
from hfal.comparison.statistics import Interval, PairedTest, standard_error_of_share
from hfal.comparison.stopping_table import StoppingRow, stopping_table, usual_criteria
from hfal.comparison.summary import Arm, Cost, Reach, ScoreTarget, Summary, summarize
from hfal.stopping.expressions import parse_stop


_LOOKING_BACK = 3  # rounds, as `plateau`, `kappa` and the like without arguments

NO_PICTURES = "There are no pictures: they need matplotlib (pip install 'hfal[plots]')."


def write_report(out: str | os.PathLike[str]) -> list[Path]:
    """Write the report of a comparison, be it finished or not, into its result directory.

    Args:
        out: The result directory.

    Returns:
        What was written: the report in Markdown and HTML, the numbers, and the pictures, which are left out where
        matplotlib is not installed.

    Raises:
        RunDirectoryError: There is no comparison in `out`.
    """
    out = Path(out)
    results = read_results(out)
    summary = summarize(results)
    pictures: list[Picture] | None
    try:
        pictures = _pictures(out, summary)
    except ImportError:
        pictures = None
    title = f"Which strategy saves labels: {out.resolve().name}"
    arm = _arm_to_stop(summary)
    rows = [] if arm is None else _stopping_rows(out, results, summary, arm)
    blocks = report_blocks(results, summary, pictures, [] if arm is None else _stopping(summary, arm, rows))
    stopping = {"arm": arm and arm.name, "rows": [asdict(row) for row in rows]}
    paths = [out / "report.md", out / "report.html", out / "summary.json"]
    contents = [
        to_markdown(title, blocks),
        to_html(title, blocks),
        json.dumps({**summary.to_json(), "stopping": stopping}, indent=1, ensure_ascii=False) + "\n",
    ]
    for path, content in zip(paths, contents, strict=True):
        path.write_text(content, "utf-8")
    return [*paths, *(picture.path for picture in pictures or [])]


def report_blocks(
    results: Results, summary: Summary, pictures: Sequence[Picture] | None, stopping: Sequence[Block]
) -> list[Block]:
    """Return the blocks of the report.

    Args:
        results: What was read.
        summary: Its numbers.
        pictures: Of these numbers; `None` where they cannot be drawn.
        stopping: Where each stopping criterion would have stopped.
    """
    if not summary.arms:
        text = "No run of the comparison is finished yet" if results.runs else "The comparison has no runs"
        if any(results.of(*pair) for pair in results.options.pairs):
            text = (
                f"The learning curves have no stretch of {summary.unit} in common on which they could be compared "
                "(more rounds have)"
            )
        return [Paragraph(f"{text}, so there are no numbers."), *_setup(results, summary), *_unfinished(summary)]
    blocks: list[Block] = [Paragraph(text) for text in _findings(results, summary)]
    if pictures is None:
        blocks.append(Paragraph(NO_PICTURES))
    else:
        blocks += [Heading("Learning curves"), *pictures]
    blocks += _areas(summary)
    blocks += _needed(summary)
    blocks += _costs(results, summary)
    blocks += stopping
    blocks += _limits(results, summary)
    blocks += _setup(results, summary)
    return [*blocks, *_unfinished(summary)]


def _pictures(out: Path, summary: Summary) -> list[Picture]:
    if not summary.arms:
        return []
    unit, metric, base = summary.unit, _words(summary.metric), summary.baseline
    gray = f"; gray is {base}" if summary.arm(base) else ""
    full = "; the dashed line is the score of training on all data" if summary.full else ""
    drawn: list[tuple[Callable, str, str]] = [
        (draw_curves, "learning_curves", f"Mean {metric} over the seeds against {unit} bought{gray}{full}.")
    ]
    if any(arm.name != base for arm in summary.arms):
        band = ", with the 95% band of its mean over the seeds" if _has_intervals(summary) else ""
        drawn.append((draw_bands, "bands", f"Each arm by itself{band}{gray}."))
    if any(arm.difference for arm in summary.arms):
        interval = " with the 95% interval" if _has_intervals(summary) else ""
        text = f"Difference in AULC from {base}: its mean over the seeds{interval}; each tick is a seed."
        drawn.append((draw_differences, "differences", text))
    pictures = []
    for draw, name, text in drawn:
        draw(summary, out / f"{name}.svg")
        pictures.append(Picture(out / f"{name}.svg", name.replace("_", " ").capitalize(), text))
    return pictures


# -- the parts -----------------------------------------------------------------------------------------------------


def _findings(results: Results, summary: Summary) -> list[str]:
    """Return the main findings, for a reader in a hurry."""
    base, named = summary.arm(summary.baseline), summary.arm(summary.comparison)
    texts = []
    if base is None:
        texts.append(f"The baseline {summary.baseline} has no finished run, so there is nothing to compare with.")
    elif named is not None:
        texts.append(_saving(summary, named, base))
    if summary.comparison is None:
        best = max(summary.arms, key=lambda arm: arm.area.mean)
        text = "No comparison was named before the runs began, so nothing is tested here."
        if len(summary.arms) > 1:
            text += (
                f" Of {len(summary.arms)} arms {best.name} had the highest AULC; the best of several is in part the "
                "luckiest, so expect less of it elsewhere."
            )
        texts.append(text)
        if base is not None and best is not base:
            texts.append(_saving(summary, best, base))
    elif summary.test is not None:
        test = summary.test
        texts.append(
            f"The comparison that was named in advance: the AULC of {summary.comparison} minus that of "
            f"{summary.baseline} is {_signed(test.difference)}; Student's paired test over {test.pairs} seeds, "
            f"two-sided: p {_p(test.p)}.{_undecided(test)}"
        )
        at_first = results.facts.get("seeds", results.options.seeds)
        if at_first < results.options.seeds:
            texts.append(
                f"There were {at_first} seeds at first, and more were added when runs were finished. Whoever adds "
                "seeds until p is small finds what is not there, so this p is no proof."
            )
    elif base is not None:
        texts.append(
            f"The comparison that was named in advance, {summary.comparison} against {summary.baseline}, has less "
            "than two seeds in which both are finished, so there is no test of it."
        )
    if summary.unfinished:
        count = len(summary.unfinished)
        are = "1 run is not finished and does" if count == 1 else f"{count} runs are not finished and do"
        texts.append(f"{are} not count; see the end.")
    return texts


def _undecided(test: PairedTest) -> str:
    if not test.difference.low <= 0 <= test.difference.high:
        return ""
    return f" The interval has 0 in it: {test.pairs} seeds do not say which of the two is better."


def _saving(summary: Summary, arm: Arm, base: Arm) -> str:
    reach, of_base = arm.reached[-1], base.reached[-1]
    last = f"the last score of {base.name} ({_score(reach.target.score)} {_words(summary.metric)})"
    itself = f"{base.name} itself with {_reached(of_base)}"
    if not math.isfinite(reach.cost):
        all_of_it = f"{_count(summary.points[-1])} {summary.unit}"
        return f"{arm.name} did not reach {last} with {all_of_it}; {itself}."
    return f"{arm.name} reached {last} with {_reached(reach)} {summary.unit}, {itself}{_saved_in_words(reach)}."


def _saved_in_words(reach: Reach) -> str:
    if math.isnan(reach.saved) or reach.saved == 0:
        return ""
    if reach.saved < 0:
        return f": {-reach.saved:.0%} more than the baseline"
    return f": {reach.saved:.0%}{' or more' if reach.saved_at_least else ''} saved"


def _areas(summary: Summary) -> list[Block]:
    header = ["arm", "seeds", "AULC", f"AULC minus that of {summary.baseline}", "last score"]
    rows = []
    for arm in _ordered(summary):
        difference = "baseline" if arm.name == summary.baseline else ""
        difference = difference if arm.difference is None else _signed(arm.difference)
        if arm.difference is not None and arm.paired < len(arm.seeds):
            difference += f", {arm.paired} pairs"
        if arm.name == summary.comparison and summary.test is not None:
            difference += ", no p-value" if math.isnan(summary.test.p) else f", p {_p(summary.test.p)}"
        rows.append([arm.name, str(len(arm.seeds)), _interval(arm.area), difference, _interval(arm.last)])
    first, last = _count(summary.points[0]), _count(summary.points[-1])
    text = (
        f"AULC is the area under the learning curve from {first} to {last} {summary.unit}, divided by its width: "
        f"the mean {_words(summary.metric)} on the way. "
    )
    text += (
        "In brackets are 95% intervals of means over the seeds; differences are taken within each seed."
        if _has_intervals(summary)
        else "One seed has no interval."
    )
    return [Heading("Area under the learning curve"), Paragraph(text), Table(header, rows)]


def _needed(summary: Summary) -> list[Block]:
    if not summary.targets:
        return []
    blocks: list[Block] = [Heading(f"{summary.unit.capitalize()} needed")]
    place = "point" if summary.interpolated else "purchase"
    text = f"How many {summary.unit} the mean curve took to reach a score and to hold it at the next {place}."
    if summary.arm(summary.baseline):
        text += " In brackets: the share of the baseline's that is saved by that."
    if summary.full:
        score = _score(sum(summary.full) / len(summary.full))
        runs = f"{len(summary.full)} run{'' if len(summary.full) == 1 else 's'}"
        text += f" All data means training on the whole pool once: {score} {_words(summary.metric)}, {runs}."
    blocks.append(Paragraph(text))
    header = ["arm", *(_target_name(summary, target) for target in summary.targets)]
    rows = [[arm.name, *(_reach_cell(reach) for reach in arm.reached)] for arm in _ordered(summary)]
    blocks.append(Table(header, rows))
    if summary.targets[-1].share is None:
        name = _target_name(summary, summary.targets[-1])
        by_seed = [["arm", "median of the seeds", "least", "most", "seeds that reached it"]]
        for arm in _ordered(summary):
            costs = arm.reached[-1].by_seed
            there = sum(map(math.isfinite, costs))
            by_seed.append(
                [
                    arm.name,
                    *map(_cost_or_not, (arm.reached[-1].median, min(costs), max(costs))),
                    f"{there} of {len(costs)}",
                ]
            )
        blocks += [Paragraph(f"Each seed's own curve and {name}:"), Table(by_seed[0], by_seed[1:])]
    return blocks


def _costs(results: Results, summary: Summary) -> list[Block]:
    options = results.options
    header = ["arm", "labels", "words in them"]
    rates = [
        f"{value:g} seconds a {name}"
        for value, name in ((options.seconds_per_label, "label"), (options.seconds_per_word, "word"))
        if value is not None
    ]
    text = (
        "Means over the seeds; seconds of training and of scoring as the clock measured them, medians over the seeds."
    )
    header += ["annotator's minutes"] if rates else []
    header += [f"at {options.hourly_rate:g} an hour"] if rates and options.hourly_rate is not None else []
    header += ["training, s", "scoring, s"]
    text += f" An annotator takes {' and '.join(rates)}." if rates else " No annotator's rate was given."

    def row(name: str, cost: Cost | None) -> list[str]:
        if cost is None:
            return [name, "not reached", *[""] * (len(header) - 2)]
        money = [] if cost.money is None else [f"{cost.money:,.2f}"]
        minutes = [] if cost.minutes is None else [_seconds(cost.minutes)]
        return [
            name,
            _count(cost.labels),
            _count(cost.words),
            *minutes,
            *money,
            *map(_seconds, (cost.training, cost.scoring)),
        ]

    whole = [row(arm.name, arm.cost) for arm in _ordered(summary)]
    if summary.full_cost:
        whole.append(row("all data, one training", summary.full_cost))
    blocks: list[Block] = [Heading("What it costs"), Paragraph(text), Table(header, whole)]
    if summary.targets and summary.targets[-1].share is None:
        rows = [row(arm.name, arm.cost_to_last) for arm in _ordered(summary)]
        blocks += [Paragraph(f"To reach {_target_name(summary, summary.targets[-1])}:"), Table(header, rows)]
    return blocks


def _arm_to_stop(summary: Summary) -> Arm | None:
    """The arm that matters: the one that is tested, or else the one with the highest AULC."""
    return summary.arm(summary.comparison) or max(summary.arms, key=lambda arm: arm.area.mean, default=None)


def _stopping_rows(out: Path, results: Results, summary: Summary, arm: Arm) -> list[StoppingRow]:
    """Where each criterion would have ended the runs of an arm, and at what price."""
    strategy, _, start = arm.name.rpartition("/")
    criteria = usual_criteria(summary.metric)
    if own := results.settings.get("stop"):
        budget, unit = results.settings.get("budget"), results.settings.get("unit", "examples")
        named = parse_stop(own, metric=summary.metric, budget=budget, unit=unit)
        for criterion in () if named is None else (*named.parts(), named):
            if str(criterion) not in map(str, criteria):
                criteria.append(criterion)
    run_dirs = [run.cell.run_dir(out) for run in results.of(strategy, start)]
    return stopping_table(run_dirs, summary.metric, criteria)


def _stopping(summary: Summary, arm: Arm, of_criteria: Sequence[StoppingRow]) -> list[Block]:
    rows = [
        [
            row.criterion,
            f"{row.stopped} of {row.runs}",
            _count(row.labels),
            f"{row.saved:.0%}",
            _score(row.metric),
            f"{row.from_last:+.3f}",
            f"{row.from_best:+.3f}",
        ]
        for row in of_criteria
    ]
    header = [
        "criterion",
        "runs that it ends",
        summary.unit,
        "saved",
        _words(summary.metric),
        "to the last",
        "to the best",
    ]
    text = (
        f"Of the runs of {arm.name}, all of which went on to their end: means over the seeds of what had been bought "
        "where the criterion holds for the first time, of the share of all purchases that this saves, of the score "
        "there, and of its difference to the score of the last round and to the best of all rounds. A run that a "
        "criterion does not end counts with its last round."
    )
    if len(summary.points) <= _LOOKING_BACK + 1:
        text += (
            f" What looks back on {_LOOKING_BACK} rounds can hold after round {_LOOKING_BACK + 1} at the earliest: "
            f"with {len(summary.points)} rounds this says little of it."
        )
    return [Heading("Where each stopping criterion would have stopped"), Paragraph(text), Table(header, rows)]


def _has_intervals(summary: Summary) -> bool:
    return any(len(arm.seeds) > 1 for arm in summary.arms)


def _limits(results: Results, summary: Summary) -> list[Block]:
    seeds = [len(arm.seeds) for arm in summary.arms]
    of_seeds = f"{min(seeds)}" if min(seeds) == max(seeds) else f"{min(seeds)} to {max(seeds)}"
    items = [
        "An interval without a p-value is no test. There are many intervals here, and one in twenty is expected to "
        "miss what it is to hold; only what was named in advance is tested.",
        f"The intervals come from {of_seeds} seeds and say what to expect of other seeds: another seed set, other "
        "initial weights. The pool and the held-out examples were the same in all runs; with other data even the "
        "order may be another.",
        "Bands hold at each point by itself, not for all of a curve at once.",
    ]
    if not _has_intervals(summary):
        planned = results.options.seeds
        how_many = "There is one seed" if planned == 1 else f"One seed of {planned} is finished so far"
        then = "Take more --seeds" if planned == 1 else "Wait for the others"
        items = [
            f"{how_many}: with another seed set and other initial weights any order of the arms may be another. "
            f"{then} before you believe it.",
        ]
    elif any(interval.low < 0 or interval.high > 1 for arm in summary.arms for interval in (arm.area, arm.last)):
        items.append(
            "The intervals are Student's, which know no bounds: with few seeds they may reach below 0 or above 1, "
            "where no score can be."
        )
    if results.held_out_size:
        best = max(arm.last.mean for arm in summary.arms)
        near = min(max(best, 0.0), 1.0)
        error = standard_error_of_share(near, results.held_out_size)
        text = (
            f"All runs were evaluated on the same {results.held_out_size:,} examples. A share near {_score(near)} "
            f"that was counted on so many has a standard error of about {error:.3f}, which the intervals do not have "
            "in them. The examples are the same for all runs, so differences between arms suffer less than scores do."
        )
        if "accuracy" not in summary.metric:
            text += f" For {_words(summary.metric)} this is a rough guide only."
        items.append(text)
    return [Heading("How far these numbers go"), Bullets(items)]


def _setup(results: Results, summary: Summary) -> list[Block]:
    options, facts, versions = results.options, results.facts, results.versions
    size = "" if results.pool_size is None else f", a pool of {results.pool_size:,}"
    grid = f"Strategies: {', '.join(options.strategies)}; starts: {', '.join(options.starts)}"
    if options.arms is not None:
        grid = f"Arms: {', '.join('/'.join(pair) for pair in options.pairs)}"
    numbers = results.seeds
    seeds = f"the seed {numbers[0]}" if len(numbers) == 1 else f"the seeds {numbers[0]} to {numbers[-1]}"
    held_out = "" if results.held_out_size is None else f", evaluated on {results.held_out_size:,} others"
    items = [
        f"Data: {results.settings.get('data', 'not recorded')}{size}{held_out}; labels were revealed query by query.",
        f"{grid}; {seeds}, of which all strategies share the seed set of each start; {options.full_runs} on all data.",
    ]
    if summary.points:
        points = f"{', '.join(map(_count, summary.points))} {summary.unit}"
        items.append(
            f"Points: {points}; runs did not buy quite the same, and are read off here between their purchases."
            if summary.interpolated
            else f"Purchases: {points}."
        )
        items.append(f"Metric: {summary.metric}.")
    commands = [facts["command"], *facts.get("later_commands", [])] if facts.get("command") else []
    code = [f"{name} {version}" for name, version in versions.items()]
    code += [f"commit {facts['commit']}"] if facts.get("commit") else []
    code += [f"later commit {commit}" for commit in facts.get("later_commits", []) if commit]
    if code:
        items.append(f"Code: {', '.join(code)}.")
    if facts.get("machine"):
        items.append(f"Machine: {facts['machine']}; {options.workers} run{'s' * (options.workers > 1)} at a time.")
    if results.began and results.ended:
        items.append(f"Time: from {_minute(results.began)} to {_minute(results.ended)} UTC.")
    settings = yaml.safe_dump(results.settings, sort_keys=False, allow_unicode=True)
    code_of = [Code("\n".join(commands), "sh")] if commands else []
    return [Heading("What was run"), Bullets(items), *code_of, Code(settings, "yaml")]


def _unfinished(summary: Summary) -> list[Block]:
    if not summary.unfinished:
        return []
    rows = [list(row) for row in summary.unfinished]
    return [Heading("Runs that do not count"), Table(["run", "state", ""], rows)]


# -- numbers as text -----------------------------------------------------------------------------------------------


def _ordered(summary: Summary) -> list[Arm]:
    """The baseline, then the others by AULC, best first."""
    return sorted(summary.arms, key=lambda arm: (arm.name != summary.baseline, -arm.area.mean))


def _words(metric: str) -> str:
    return metric.replace("_", " ")


def _score(value: float) -> str:
    return f"{value:.3f}"


def _interval(interval: Interval) -> str:
    mean = _score(interval.mean)
    return mean if math.isnan(interval.low) else f"{mean} ({_score(interval.low)} to {_score(interval.high)})"


def _signed(interval: Interval) -> str:
    mean = f"{interval.mean:+.3f}"
    return mean if math.isnan(interval.low) else f"{mean} ({interval.low:+.3f} to {interval.high:+.3f})"


def _p(p: float) -> str:
    if math.isnan(p):
        return "not known, since the differences do not vary"
    return "< 0.0001" if p < 0.0001 else f"= {p:.2g}" if p < 0.1 else f"= {p:.2f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _seconds(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _cost_or_not(cost: float) -> str:
    return _count(cost) if math.isfinite(cost) else "not reached"


def _reached(reach: Reach) -> str:
    return f"{_count(reach.cost)}{' or fewer' if reach.at_first else ''}"


def _reach_cell(reach: Reach) -> str:
    if not math.isfinite(reach.cost):
        return "not reached"
    cost = f"≤ {_count(reach.cost)}" if reach.at_first else _count(reach.cost)
    if math.isnan(reach.saved) or reach.saved == 0:
        return cost
    if reach.saved < 0:
        return f"{cost} ({-reach.saved:.0%} more)"
    return f"{cost} (saves {reach.saved:.0%}{' or more' if reach.saved_at_least else ''})"


def _target_name(summary: Summary, target: ScoreTarget) -> str:
    if target.share is None:
        return f"the last score of {summary.baseline} ({_score(target.score)})"
    return f"{target.share:.0%} of all data ({_score(target.score)})"
