"""The plan of a comparison: the grid of strategies, starts and seeds, and the options of each run.

Nothing here loads torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hfal.annotators.registry import ANNOTATORS, SIMULATION
from hfal.comparison.options import CompareOptions
from hfal.config.arguments import ActiveLearningArguments
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.store.records import RoundRecord
from hfal.store.run_directory import error_file
from hfal.store.store import Store


FULL = "full"
"""The folder of the runs that are trained on the whole pool."""
DATA_DIR = "data"
"""The folder with the pool and the held-out data of all runs."""

_INSTEAD = {
    "strategy": "name what is compared with --strategies",
    "seed_strategy": "name what is compared with --starts",
    "holdout": "all runs are evaluated on the same examples: --eval_size, or --eval_split",
    "target_metric": "runs that end at a target cannot be compared; the report says how many labels a score takes",
    "target": "runs that end at a target cannot be compared; the report says how many labels a score takes",
    "export": "a comparison makes no labels",
}
_SAY_NOTHING_ABOUT_A_RUN = (
    "annotator",
    "annotator_name",
    "hide_suggestions",
    "show",
    "output_dir",
    "embeddings_dir",
    "stop",
    "record_stability",
)
_OF_QUERIES = ("budget", "query_size", "candidates", "committee", "passes", "aggregate", "top_words", "sure_outside")
_OF_THE_DRAW = ("pool_size", "eval_size", "data_config", "data_filter")


@dataclass(frozen=True)
class Cell:
    """One run of the grid.

    Attributes:
        strategy: The query strategy; `FULL` for a run that is trained on the whole pool.
        start: How the seed set is picked; `None` for such a run.
        seed: Seeds everything that is random in it.
    """

    strategy: str
    start: str | None
    seed: int

    def __str__(self) -> str:
        return "/".join(filter(None, [self.strategy, self.start, f"seed {self.seed}"]))

    def run_dir(self, out: Path) -> Path:
        """The run's directory in the result directory."""
        return Path(out, "runs", *filter(None, [self.strategy, self.start]), f"seed-{self.seed}")


def grid(options: CompareOptions, first_seed: int) -> list[Cell]:
    """All runs in the order in which they are made: a seed at a time, so that those that are done can be compared."""
    cells = []
    for number in range(options.seeds):
        seed = first_seed + number
        cells += [Cell(strategy, start, seed) for strategy, start in options.pairs]
        if number < options.full_runs:
            cells.append(Cell(FULL, None, seed))
    return cells


def check_options(options: CompareOptions, al: ActiveLearningArguments, given: Mapping[str, Any]) -> None:
    """Find what cannot be, as far as the options alone say it.

    Args:
        options: What is compared.
        al: The options of each run.
        given: All options that were given, by name.

    Raises:
        ArgumentError: The message names the option.
    """
    for name, instead in _INSTEAD.items():
        if given.get(name) not in (None, False):
            raise ArgumentError(f"--{name} is {given[name]!r}, but this is a comparison: leave it out; {instead}")
    al.criterion(options.metric or "accuracy")
    if al.annotator is not None and not ANNOTATORS[al.annotator].is_simulation:
        raise ArgumentError(f"--annotator is {al.annotator!r}, but the labels that the data has answer: leave it out")
    for name, least in {"seeds": 1, "workers": 1, "full_runs": 0}.items():
        if getattr(options, name) < least:
            raise ArgumentError(f"--{name} is {getattr(options, name)}, expected at least {least}")
    for name in ("seconds_per_label", "seconds_per_word", "hourly_rate"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            raise ArgumentError(f"--{name} is {value}, expected a positive number, or nothing")
    if options.hourly_rate is not None and options.seconds_per_label is None and options.seconds_per_word is None:
        raise ArgumentError(
            f"--hourly_rate is {options.hourly_rate:g}, but nothing says how long a label takes: add "
            "--seconds_per_label or --seconds_per_word"
        )
    if options.full_runs > options.seeds:
        raise ArgumentError(f"--full_runs is {options.full_runs}, but there are {options.seeds} --seeds: lower it")
    for name in ("strategies", "starts", "arms"):
        items = getattr(options, name) or []
        twice = [item for item in items if items.count(item) > 1]
        if twice:
            raise ArgumentError(f"--{name} has {twice[0]!r} twice: leave one out")
    choices = ActiveLearningArguments.__dataclass_fields__["seed_strategy"].metadata["choices"]
    for start in options.starts:
        if start not in choices:
            raise ArgumentError(f"--starts has {start!r}, expected some of {', '.join(choices)}")
    in_grid = ["/".join(pair) for pair in replace(options, arms=None).pairs]
    for arm in options.arms or []:
        if arm not in in_grid:
            raise ArgumentError(
                f"--arms has {arm!r}, which is no STRATEGY/START in the grid of strategies and starts: name some of "
                f"{', '.join(in_grid)}, or add to --strategies and --starts"
            )
    if options.arms == []:
        raise ArgumentError("--arms is empty, expected some of the strategies and starts, or nothing for all of them")
    names = ["/".join(pair) for pair in options.pairs]
    for name in ("comparison", "baseline"):
        value = getattr(options, name)
        if value is not None and value not in names:
            more = "--strategies and --starts" if options.arms is None else "--arms"
            raise ArgumentError(
                f"--{name} is {value!r}, which is not among the strategies and starts that are compared: name one of "
                f"{', '.join(names)}, or add to {more}"
            )
    strategies, starts = zip(*options.pairs, strict=True)
    for name, used in {"strategies": strategies, "starts": starts}.items():
        unused = [item for item in getattr(options, name) if item not in used]
        if unused:
            raise ArgumentError(
                f"--{name} has {unused[0]!r}, which is in none of --arms: add such an arm, or leave it out"
            )
    if options.comparison == options.baseline:
        raise ArgumentError(f"--comparison is {options.comparison!r}, which is the baseline itself: name another one")
    if not al.eval_size and not al.eval_split:
        raise ArgumentError(
            "--eval_size is missing: how many examples to hold out, on which every run is evaluated; or name a split "
            "of the data with --eval_split"
        )
    if not al.rounds and not al.budget:
        raise ArgumentError("--rounds is missing: how many rounds each run has (or say --budget, how many labels)")


def check_metric(metric: str | None, names: Sequence[str]) -> None:
    """Find out now that there is no such metric among those of `hfal.tasks.kinds.Kind.metrics`.

    Raises:
        ArgumentError: Names those that there are.
    """
    if metric is not None and metric.removeprefix("eval_") not in names:
        raise ArgumentError(f"--metric is {metric!r}, expected one of {', '.join(names)}")


def planned_costs(al: ActiveLearningArguments, pool_cost: int, query_size: int) -> list[int]:
    """What a run has bought when each of its rounds begins, in the unit of its sizes.

    Args:
        al: The options of each run.
        pool_cost: What the whole pool costs.
        query_size: What a round asks for.
    """
    last = min(al.budget or pool_cost, pool_cost)
    costs = [min(al.seed_size or query_size, last)]
    while costs[-1] < last and (al.rounds is None or len(costs) < al.rounds):
        costs.append(min(costs[-1] + query_size, last))
    return costs


def run_options(given: Mapping[str, Any], cell: Cell, data: Mapping[str, Any], pool_cost: int) -> dict[str, Any]:
    """The options of one run, as `hfal run` takes them in a YAML file.

    Args:
        given: All options that the comparison was given, by name.
        cell: The run.
        data: The options that say where the data of all runs is, and what is in it.
        pool_cost: What the whole pool costs, in the unit of the sizes.
    """
    of_compare = CompareOptions.__dataclass_fields__
    left_out = {*of_compare, *_SAY_NOTHING_ABOUT_A_RUN, *_OF_THE_DRAW}
    options = {name: value for name, value in given.items() if name not in left_out}
    options = {**options, **data, "annotator": SIMULATION, "seed": cell.seed, "disable_tqdm": True}
    if cell.strategy != FULL:
        # What the report needs to say where a criterion would have ended the run.
        return {**options, "strategy": cell.strategy, "seed_strategy": str(cell.start), "record_stability": True}
    options = {name: value for name, value in options.items() if name not in _OF_QUERIES}
    return {**options, "strategy": "random", "seed_strategy": "random", "seed_size": pool_cost, "rounds": 1}


def is_finished(run_dir: Path) -> bool:
    """Whether a run has ended as it should."""
    store = _open(run_dir)
    if store is None:
        return False
    try:
        return store.ended is not None
    finally:
        store.close()


def rounds_of(run_dir: Path) -> list[RoundRecord]:
    """The rounds that a run has so far."""
    store = _open(run_dir)
    if store is None:
        return []
    try:
        return store.rounds()
    finally:
        store.close()


def _open(run_dir: Path) -> Store | None:
    try:
        return Store(run_dir, read_only=True)
    except RunDirectoryError:  # there is none yet, or what is there is none, which the run itself will say
        return None


def failures(out: Path, cells: Sequence[Cell]) -> dict[Cell, str]:
    """The runs that have failed, with what was said. What failed when a run had ended is no failure of the run."""
    paths = {cell: error_file(cell.run_dir(out)) for cell in cells}
    said = {cell: path.read_text("utf-8").strip() for cell, path in paths.items() if path.is_file()}
    return {cell: problem for cell, problem in said.items() if not is_finished(cell.run_dir(out))}
