"""Parse the options of `hfal run` and the recipes, and keep them in the run directory.

Importing this module loads neither torch nor transformers: `hfal run --help` need not wait for them.
"""

import contextlib
import dataclasses
import os
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from hfal.acquisition.options import check_strategy_name
from hfal.config.arguments import GROUPS, ActiveLearningArguments, TrainingOptions, references_in
from hfal.config.option_fields import default_of, options_of
from hfal.config.parser import option_help, option_parser, parse_values
from hfal.config.publishable_options import publishable_options
from hfal.config.training_fields import round_training_options
from hfal.config.yaml_file import load_yaml, read_yaml
from hfal.data.references import absolute_reference
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.store.run_directory import CONFIG_NAME, config_file
from hfal.store.run_info import PublishedOptions
from hfal.utils.files import atomic_write
from hfal.utils.output import get_logger, say
from hfal.utils.text_files import read_text


if TYPE_CHECKING:
    from hfal.data.pool import Pool
    from hfal.store.store import Store

logger = get_logger(__name__)

_OF_SEED_SET = ("seed_size", "seed_strategy")
_KEPT = "# What the run was started with; `hfal run RUN_DIR` goes on with it."

IMPORTED = f"{_KEPT}\n# Not started yet: `hfal import` has made it."

_USAGE = """hfal run --data FILE --text COLUMN --labels NAME,NAME [--OPTION VALUE ...]
       hfal run CONFIG.yaml [--OPTION VALUE ...]
       hfal run RUN_DIR [--OPTION VALUE ...]"""

_DESCRIPTION = """Have texts labeled, train on them, pick the texts worth labeling next, and so on.
The same command started again goes on where the run stands; so does `hfal run RUN_DIR`.

examples:
  hfal run --data reviews.csv --text review --labels negative,positive
      asks in the terminal; the run is kept in runs/reviews
  hfal run --data reviews.csv --text review --labels negative,positive --annotator web
      asks on a page in the browser
  hfal run --data pairs.jsonl --text premise,hypothesis --labels yes,maybe,no --annotator csv
      writes files to fill in with a spreadsheet
  hfal run --data labeled.csv --text review --label sentiment --eval_size 200 --rounds 5
      an experiment: the labels that are there are revealed one query at a time
  hfal run --data news.jsonl --task multi_label_classification --labels sports,money,law
      any number of labels for each text, or none
  hfal run --data sentences.jsonl --task token_classification --labels PER,ORG,LOC
      named entities: marks their words in the terminal
  hfal run config.yaml --strategy entropy
      options from a YAML file, with the names below; the command line overrides it
  hfal run runs/reviews --rounds 8
      goes on with the options that the run was started with, and this one"""

_EPILOG = """Every option of transformers.TrainingArguments works too (--weight_decay 0.01);
hfal run --help-all lists them. Hyphens do as well as underscores (--query-size)."""


def help_text() -> str:
    """Return what `hfal run --help` prints."""
    options = options_of((ActiveLearningArguments, TrainingOptions))
    return option_help("hfal run", _USAGE, _DESCRIPTION, _EPILOG, GROUPS, options)


def parse_arguments(
    dataclass_types: Sequence[Any], argv: Sequence[str], config_name: str = CONFIG_NAME
) -> tuple[Any, ...]:
    """Fill dataclasses from a YAML file and the command line, which overrides it.

    Args:
        dataclass_types: The dataclasses, each field an option.
        argv: The command line: the path of a YAML file or of a run directory first, or after `--config`, if there is
            one; then options.
        config_name: The YAML file in such a directory.

    Returns:
        One object for each of the dataclasses.

    Raises:
        ArgumentError: An option is unknown (the nearest one is offered) or has a value that it cannot have, or the
            YAML file cannot be read.
        FileNotFoundError: There is no such YAML file or run directory.
    """
    if {"-h", "--help"} & set(argv):
        say(*help_text().split("\n"))
        raise SystemExit(0)
    if "--help-all" in argv:
        say(*option_parser(dataclass_types).format_help().split("\n"))
        raise SystemExit(0)
    values, given = parse_values(dataclass_types, argv, config_name=config_name)
    objects = []
    for cls in dataclass_types:
        names = [f.name for f in dataclasses.fields(cls) if f.init]
        try:
            objects.append(cls(**{name: values[name] for name in names}))
        except ArgumentError:
            raise
        except ValueError as error:
            raise ArgumentError(f"an option has a value that it cannot have: {error}") from error
        if cls is ActiveLearningArguments:
            objects[-1].given = given
    return tuple(objects)


def read_ahead(argv: Sequence[str], strict: bool = True) -> tuple[ActiveLearningArguments, TrainingOptions]:
    """Return the options that `parse_arguments` would find, without those of `TrainingArguments`, slow to import.

    Args:
        argv: The command line, as `parse_arguments` takes it.
        strict: Whether a key of the YAML file that is no option is an error.

    Raises:
        ArgumentError: As `parse_arguments` does, except for values that `TrainingArguments` alone can judge; or the
            strategy or the stopping criterion is unknown.
        FileNotFoundError: There is no such YAML file or run directory.
    """
    values, given = parse_values((ActiveLearningArguments, round_training_options()), argv, strict)
    al = ActiveLearningArguments(**{name: values[name] for name in options_of((ActiveLearningArguments,))})
    al.given = given
    check_strategy_name(al.strategy, "--strategy is")
    al.criterion("accuracy")
    return al, TrainingOptions(**{name: values[name] for name in options_of((TrainingOptions,))})


def keep_options(al: ActiveLearningArguments, pool: "Pool") -> None:
    """Write what was given to `RUN_DIR/config.yaml`, with which `hfal run RUN_DIR` goes on, and log what changed.

    Paths are written in full, so that it does not matter where the run is started again. No token is written. The
    options that others may see go into the run's store too, for the cards on the Hub.

    Args:
        al: What `parse_arguments` returned.
        pool: The run's pool.

    Raises:
        RunDirectoryBusyError: Another process owns the run directory.
    """
    from hfal.utils.distributed import on_main  # which loads torch

    on_main(lambda: _keep_options(al, pool))


def _keep_options(al: ActiveLearningArguments, pool: "Pool") -> None:
    given = portable_options(al.given)
    path = config_file(pool.run_dir)
    with pool.store.own():
        if _has_seed_set(pool):
            given = _with_settled(path, given)
        # Somebody's own configuration stays as it is, and is what `hfal run RUN_DIR` goes on with.
        if not path.exists() or read_text(path).startswith(_KEPT):
            was_started = path.exists() and not read_text(path).startswith(IMPORTED)
            changed = _changes(path, given) if was_started else []
            if changed:
                logger.info("changed since the last start: %s", "; ".join(changed))
            write_options(path, given, _KEPT)
        keep_published_options(pool.store)


def _has_seed_set(pool: "Pool") -> bool:
    """Whether the first query was made, so that options of it have no effect any more."""
    queries = pool.store.queries()
    return any(q.purpose == "seed" and not q.closed for q in queries) or (bool(queries) and bool(pool.labels()))


def _with_settled(path: Path, given: dict[str, Any]) -> dict[str, Any]:
    """Return options with those of the seed set as they were when it was made, and warn of others."""
    before = _options_before(path)
    if before is None:
        return given
    kept = {name: value for name, value in given.items() if name not in _OF_SEED_SET}
    kept |= {name: before[name] for name in _OF_SEED_SET if name in before}
    for name in _OF_SEED_SET:
        if given.get(name, before.get(name)) != before.get(name):
            logger.warning("--%s is %s, but the seed set has been made: that stays as it is", name, given[name])
    return kept


def keep_published_options(store: "Store") -> None:
    """Write into a run's store which options of its `config.yaml` others may see, and what the rest are called."""
    try:
        store.set_published_options(publishable_options(kept_options(store.run_dir), _other_options(store.run_dir)))
    except (ArgumentError, AttributeError, TypeError, ValueError):  # somebody's own file, with a date or the like
        store.set_published_options(PublishedOptions())


def keep_options_of_older_run(run_dir: str | os.PathLike[str]) -> None:
    """Do what `keep_published_options` does where an older hfal has made the run, which did not do it.

    Where nothing can be written, or another process works in the run directory, the cards say less.
    """
    from hfal.store.store import Store

    with contextlib.suppress(RunDirectoryError):
        with contextlib.closing(Store(run_dir, read_only=True)) as store:
            if store.published_options != PublishedOptions() or not config_file(run_dir).is_file():
                return
        with contextlib.closing(Store(run_dir)) as store, store.own():
            keep_published_options(store)


def portable_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be kept: paths in full, no token, and not the run directory, where it is kept."""
    kept = {
        name: _plain(value) for name, value in given.items() if not name.endswith("token") and name != "output_dir"
    }
    for name, reference in references_in(kept).items():
        kept[name] = absolute_reference(reference)
    for name in ("embeddings_dir", "guidelines"):
        if kept.get(name):
            kept[name] = os.path.abspath(kept[name])
    export = kept.get("export")
    if export and not export.startswith("hub:"):
        kept["export"] = os.path.join(os.path.abspath(export), "") if export.endswith("/") else os.path.abspath(export)
    return kept


def _plain(value: Any) -> Any:
    """Return a value as it is written in YAML: of members of an enumeration, such as those of `--debug`, the words."""
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value


def write_options(path: Path, given: Mapping[str, Any], comment: str = _KEPT) -> None:
    """Write options to a YAML file, below a comment; half of it is never there."""
    text = yaml.safe_dump(dict(given), sort_keys=False, allow_unicode=True)
    with atomic_write(path) as part:
        part.write_text(f"{comment}\n{text}", "utf-8")


def kept_options(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """Read what `keep_options` has written; empty for a run of one's own script."""
    path = config_file(run_dir)
    if not path.is_file():
        return {}
    return read_yaml(path, options_of((ActiveLearningArguments, TrainingOptions)), strict=False)


def _other_options(run_dir: str | os.PathLike[str]) -> list[str]:
    """Return the names of what `kept_options` leaves out: options of `TrainingArguments`."""
    path = config_file(run_dir)
    kept = load_yaml(path) if path.is_file() else None
    known = options_of((ActiveLearningArguments, TrainingOptions))
    return [name for name in kept if name not in known] if isinstance(kept, dict) else []


def _options_before(path: Path) -> dict[str, Any] | None:
    """Return the options of the last start; `None` at the first one, or if somebody has written something else."""
    try:
        return read_yaml(path, options_of((ActiveLearningArguments, TrainingOptions)), strict=False)
    except (ArgumentError, FileNotFoundError):
        return None


def _changes(path: Path, given: Mapping[str, Any]) -> list[str]:
    before = _options_before(path)
    if before is None:
        return []
    options = options_of((ActiveLearningArguments, TrainingOptions))
    defaults = {name: default_of(option) for name, option in options.items()}
    then, now = {**defaults, **before}, {**defaults, **given}
    # Not shown are the defaults of training, of which --freeze_encoder has others, and None.
    own = {name for name in options_of((ActiveLearningArguments,)) if defaults[name] is not None}

    def shown(values: Mapping[str, Any], name: str) -> str:
        return repr(values.get(name, defaults[name])) if name in own or name in values else "not given"

    return [
        f"{name} is {shown(given, name)}, was {shown(before, name)}" for name in options if now[name] != then[name]
    ]
