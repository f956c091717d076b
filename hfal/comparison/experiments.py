"""Runs a comparison: checks the options, makes the grid's runs, and has the report written.

What is on the disk says what is left to do. A comparison that was killed and is started again therefore makes the runs
that one that was never killed would have made; each run goes on where it stood, as `hfal run` does.
"""

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import datasets
from filelock import FileLock, Timeout

from hfal import __version__
from hfal.acquisition.options import QUERY_SIZES
from hfal.comparison.command_line import read_ahead
from hfal.comparison.facts import keep_facts
from hfal.comparison.options import CompareOptions
from hfal.comparison.plan import (
    DATA_DIR,
    FULL,
    Cell,
    check_metric,
    check_options,
    failures,
    grid,
    is_finished,
    planned_costs,
    run_options,
)
from hfal.comparison.progress import ProgressLine
from hfal.comparison.results import read_options
from hfal.comparison.shared_data import SharedData, changed_since, read_shared_data
from hfal.comparison.worker_processes import make_runs
from hfal.config.arguments import ActiveLearningArguments, TrainingOptions, references_in
from hfal.config.kept_config import parse_arguments, portable_options, write_options
from hfal.config.option_fields import default_of, options_of
from hfal.config.yaml_file import load_yaml, read_yaml
from hfal.errors import ArgumentError, RunDirectoryBusyError, RunDirectoryError
from hfal.store.run_directory import COMPARE_NAME, has_comparison, has_run, output_file
from hfal.tasks.kinds import kind_of
from hfal.utils.output import say
from hfal.utils.spelling import counted


_KEPT = "# What is compared; `hfal compare OUT` goes on with it."
_MAY_GROW = ("strategies", "starts", "arms", "seeds", "full_runs")
_MAY_CHANGE = ("workers", "seconds_per_label", "seconds_per_word", "hourly_rate", "output_dir", "stop")
_WHY_NOT = {
    **dict.fromkeys(_MAY_GROW, "the grid can grow, but not shrink"),
    **dict.fromkeys(("comparison", "baseline", "metric"), "what is tested has to be named before there are results"),
}


def compare(argv: Sequence[str]) -> int:
    """Do what `hfal compare` is asked for.

    Args:
        argv: The command line behind `hfal compare`.

    Returns:
        The exit code: 1 if a run has failed, 130 after Ctrl-C.

    Raises:
        HfalError: The options or the data do not fit; nothing was run.
        FileNotFoundError: There is no such configuration, result directory or data.
    """
    progress = ProgressLine()
    options, al, training = read_ahead(argv)
    given, out, seed = al.given, Path(str(training.output_dir)), training.seed
    if has_run(out):
        raise RunDirectoryError(f"{out} is the directory of a run: name another --output_dir for the comparison")
    if "comparison" not in given:
        begun = has_comparison(out)
        options.comparison = read_options(out)[0].comparison if begun else options.usual_comparison
    _check_changes(out, options_of((CompareOptions, ActiveLearningArguments, TrainingOptions)), given)
    check_options(options, al, given)
    source = str(out / DATA_DIR) if (out / DATA_DIR).exists() else al.data
    progress.say(f"hfal {__version__}: reading {source}; loading torch and transformers ...")
    if changed_since(out, al.data):
        progress.say(
            f"{al.data} was changed after this comparison had begun, which goes on with the data that it began with, "
            f"in {source}: for the new data begin another, with another --output_dir"
        )
    datasets.disable_progress_bars()
    data = read_shared_data(al, out, seed)
    given = _check_with_torch(argv, options, al, out)
    costs = _costs_of_rounds(al, data.cost)
    cells = grid(options, seed)
    with _owned(out):
        left = [cell for cell in cells if not is_finished(cell.run_dir(out))]
        now = {**asdict(options), **portable_options(given)}
        before = load_yaml(out / COMPARE_NAME) if (out / COMPARE_NAME).exists() else None
        write_options(out / COMPARE_NAME, now, _KEPT)
        has_results = len(left) < len(cells)
        keep_facts(out, ["compare", *argv], options.seeds, changes=before != now, has_results=has_results)
        data.save(out)
        progress.say(
            f"{counted(len(cells), 'run')} on {counted(len(data.parts['train']), 'text')}, evaluated on "
            f"{counted(len(data.parts['test']), 'other')}; {len(cells) - len(left)} are finished; all is kept in {out}"
        )
        try:
            if left:
                _make_runs(out, cells, left, options, al, given, data, costs, progress)
        except KeyboardInterrupt:
            progress.say(f"Interrupted; nothing is lost. Go on with: hfal compare {shlex.quote(str(out))}")
            return 130
        from hfal.comparison.report import write_report  # which loads what draws

        for path in write_report(out):
            say(path)
    failed = failures(out, cells)
    for cell, problem in failed.items():
        say(f"{cell} has failed: {problem}; see {output_file(cell.run_dir(out))}", file=sys.stderr)
    if failed:
        of_runs = counted(len(cells), "run has", "runs have")
        say(f"{len(failed)} of {of_runs} failed; started again, they are tried again", file=sys.stderr)
    return 1 if failed else 0


def _make_runs(
    out: Path,
    cells: Sequence[Cell],
    left: Sequence[Cell],
    options: CompareOptions,
    al: ActiveLearningArguments,
    given: Mapping[str, Any],
    data: SharedData,
    costs: list[int],
    progress: ProgressLine,
) -> None:
    _embed(al, data, progress)
    plans = {cell: [data.cost] if cell.strategy == FULL else costs for cell in cells}
    kept = portable_options(given)
    make_runs(
        out,
        left,
        options_of=lambda cell: run_options(kept, cell, data.options, data.cost),
        plans=plans,
        of_words=al.unit == "words",
        workers=options.workers,
        progress=progress,
    )


def _embed(al: ActiveLearningArguments, data: SharedData, progress: ProgressLine) -> None:
    """Compute the sentence embeddings that the runs share, with all cores."""
    from hfal.acquisition.embeddings import embeddings_file

    of_texts = al.freeze_encoder and not kind_of(al.task).of_words
    wanted = [(al.model, data.parts.values())] if of_texts else []
    if al.embeddings not in ("model", "entities"):
        wanted.append((al.embeddings, [data.parts["train"]]))
    for model, parts in wanted:
        progress.say(f"Embedding the texts with {model}, if that was not done before ...")
        for part in parts:
            embeddings_file(part, al.text, model, data.options["embeddings_dir"], progress=sys.stderr.isatty())


@contextlib.contextmanager
def _owned(out: Path) -> Iterator[None]:
    out.mkdir(parents=True, exist_ok=True)
    lock = FileLock(out / "compare.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunDirectoryBusyError(f"another process compares in {out}: wait for it or stop it") from None
    try:
        yield
    finally:
        lock.release()


# -- checks --------------------------------------------------------------------------------------------------------


def _check_changes(out: Path, options: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Refuse what would make the new runs others than those that are there; the grid may grow."""
    if not has_comparison(out):
        return
    before, now = read_yaml(out / COMPARE_NAME, options, strict=False), portable_options(given)
    for name, option in options.items():
        if name in _MAY_CHANGE or (name == "comparison" and name not in given):
            continue
        was, becomes = before.get(name, default_of(option)), now.get(name, default_of(option))
        if name in _MAY_GROW and not _shrinks(was, becomes):
            continue
        if was != becomes:
            why_not = _WHY_NOT.get(name, "all of its runs have to be alike")
            if isinstance(was, list) and name in _MAY_GROW:
                why_not += f" ({', '.join(item for item in was if item not in becomes)} is missing)"
            raise ArgumentError(
                f"--{name} is {becomes!r}, but the comparison in {out} began with {was!r}, and {why_not}: leave it as "
                "it was, or begin another comparison with another --output_dir"
            )


def _costs_of_rounds(al: ActiveLearningArguments, pool_cost: int) -> list[int]:
    """What a run has bought when each of its rounds begins; refuses more rounds than the pool has queries for."""
    query_size = al.query_size or QUERY_SIZES[al.unit]
    costs = planned_costs(al, pool_cost, query_size)
    if len(costs) < (al.rounds or 0) and not al.budget:
        raise ArgumentError(
            f"--rounds is {al.rounds}, but with {query_size} {al.unit} a query the pool of {pool_cost} {al.unit} is "
            f"used up in round {len(costs)}: lower rounds, query_size or eval_size, or take more data"
        )
    return costs


def _shrinks(was: Any, becomes: Any) -> bool:
    """Whether an option of the grid leaves out what was in it: a number, or a list, where none stands for all."""
    if isinstance(was, int):
        return bool(becomes < was)
    return becomes is not None and (was is None or not set(was) <= set(becomes))


def _check_with_torch(
    argv: Sequence[str], options: CompareOptions, al: ActiveLearningArguments, out: Path
) -> dict[str, Any]:
    """Find what else cannot be; returns all options that were given, those of `TrainingArguments` too."""
    import transformers

    from hfal.config.setup import check_stop, make_strategy
    from hfal.config.training_arguments import RoundTrainingArguments
    from hfal.data.checkpoints import check_encoder

    transformers.utils.logging.disable_progress_bar()  # of loading weights
    types = (CompareOptions, ActiveLearningArguments, RoundTrainingArguments)
    given: dict[str, Any] = parse_arguments(types, argv, COMPARE_NAME)[1].given
    _check_changes(out, options_of(types), given)
    kind = kind_of(al.task)
    metrics = kind.metrics(al.labels or [])
    check_metric(options.metric, metrics)
    check_stop(al, [*kind.losses, *metrics], usual=options.metric or kind.usual_metric)
    for strategy in options.strategies:
        try:
            make_strategy(replace(al, strategy=strategy), kind.task)
        except ArgumentError as error:
            raise ArgumentError(f"--strategies has {strategy!r}: {error}") from None
    for name, reference in references_in({"model": al.model, "embeddings": al.embeddings}).items():
        check_encoder(reference, f"--{name}")
    return given
