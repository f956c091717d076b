"""The options of `hfal run` and of the recipes, and how a YAML file and the command line set them.

Importing this module loads neither torch nor transformers: `hfal run --help` need not wait for them.
"""

import argparse
import dataclasses
import difflib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from hfal.errors import ArgumentError
from hfal.references import DATA_SUFFIXES, resolve_path


if TYPE_CHECKING:
    from hfal.pool import Pool

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.yaml"
"""In the run directory: what the run was started with."""

_KEPT = "# What the run was started with; `hfal run RUN_DIR` goes on with it."
_HOLDOUT = {"examples": 50, "words": 1000}


@dataclass
class ActiveLearningArguments:
    """What a recipe needs to know beside the `TrainingArguments`, whose `output_dir` is the run directory here.

    A list is written `--labels negative,positive` or `--labels negative positive` on the command line, and as either
    of these or as a list in YAML; an item that has a comma itself needs the list in YAML.
    """

    data: str = field(
        metadata={
            "help": "CSV, TSV, JSON Lines, Parquet or CoNLL file, a folder of them, package:NAME/path, or a Hub name.",
            "metavar": "FILE",
        }
    )
    task: str | None = field(
        default=None,
        metadata={
            "help": "What is labeled: whole texts with one label or with several, or entities in them. Default: "
            "entities if the data has words, or spans; several labels if it has other lists of them; else one.",
            "choices": ["text_classification", "multi_label_classification", "token_classification"],
        },
    )
    text: list[str] = field(
        default_factory=lambda: ["text"],
        metadata={"help": "Column with the text, or its words; two for text pairs: a,b.", "metavar": "COLUMN"},
    )
    label: str | None = field(
        default=None,
        metadata={"help": "Column with labels, tags or spans, where the data has any.", "metavar": "COLUMN"},
    )
    labels: list[str] | None = field(
        default=None,
        metadata={
            "help": "Names of the labels, or of the entity types; needed where the data does not say them.",
            "metavar": "NAME,NAME",
        },
    )
    thresholds: list[str] | None = field(
        default=None,
        metadata={
            "help": "For several labels: from which probability on one is suggested, and counted by the metrics: one "
            "number for all, or LABEL=NUMBER,LABEL=NUMBER. Default: 0.5.",
            "metavar": "X",
        },
    )
    id: str | None = field(
        default=None, metadata={"help": "Column of unique ids; made from the text without it.", "metavar": "COLUMN"}
    )
    split: str = field(default="train", metadata={"help": "The split that is the pool.", "metavar": "NAME"})
    pool_size: int | None = field(
        default=None, metadata={"help": "Use only so many examples, drawn at random. Default: all."}
    )
    eval_split: str | None = field(
        default=None, metadata={"help": "A labeled split to evaluate on.", "metavar": "NAME"}
    )
    eval_size: int | None = field(
        default=None,
        metadata={"help": "Without eval_split: evaluate on so many labeled examples, drawn at random."},
    )
    data_config: str | None = field(
        default=None, metadata={"help": "Configuration of a data set on the Hub.", "metavar": "NAME"}
    )
    data_filter: str | None = field(
        default=None, metadata={"help": "Keep only the rows like this.", "metavar": "COLUMN=VALUE"}
    )
    model: str = field(
        default="sentence-transformers/all-MiniLM-L6-v2",
        metadata={"help": "What is fine-tuned: Hub name, local folder, or package:NAME/path.", "metavar": "NAME"},
    )
    max_length: int = field(default=128, metadata={"help": "Tokens after which a text is cut."})
    embeddings: str = field(
        default="model",
        metadata={
            "help": "Where strategies get embeddings: 'model' is the one being trained, 'entities' the same over the "
            "entities it finds; else a sentence-transformers model (Hub name, path, package:...).",
            "metavar": "NAME",
        },
    )
    token_budget: int | None = field(default=None, metadata={"help": "Tokens of a scoring batch."})
    bf16_scoring: bool = field(default=False, metadata={"help": "Score under bfloat16 autocast."})
    annotator: str | None = field(
        default=None,
        metadata={
            "help": "Who labels: you, here or in files (csv for whole texts, conll for entities, jsonl for all), or "
            "the labels that the data has ('simulated', an experiment). "
            "Default: simulated if every example has a label, else terminal.",
            "choices": ["terminal", "jsonl", "csv", "conll", "simulated"],
        },
    )
    annotator_name: str | None = field(
        default=None, metadata={"help": "Recorded with each answer: the name of who labels.", "metavar": "NAME"}
    )
    hide_suggestions: bool = field(
        default=False, metadata={"help": "Do not show in the terminal what the model would answer."}
    )
    strategy: str = field(
        default="margin+kmeans",
        metadata={
            "help": "What to ask about: a strategy of README's table, or a score and what selects by it, "
            "entropy+kmeans.",
            "metavar": "NAME",
        },
    )
    candidates: int | None = field(
        default=None,
        metadata={"help": "Score only so many unlabeled texts, drawn anew at random in each round. Default: all."},
    )
    passes: int = field(
        default=10, metadata={"help": "Passes of Monte-Carlo dropout, for strategies that take draws, such as bald."}
    )
    committee: int | None = field(
        default=None, metadata={"help": "Take these draws from the models of so many last rounds instead."}
    )
    aggregate: str = field(
        default="mean",
        metadata={
            "help": "For entities: how the scores of words become one of their sentence: mean, max, sum, or top, the "
            "mean of the top_words most uncertain ones. For several labels, how theirs become one of the text: mean, "
            "max, or rank, the mean of the ranks in the pool.",
            "choices": ["mean", "max", "sum", "top", "rank"],
        },
    )
    top_words: int = field(default=3, metadata={"help": "Of --aggregate top."})
    sure_outside: float | None = field(
        default=None,
        metadata={"help": "For entities: leave out words that are outside any with at least this probability."},
    )
    unit: str = field(
        default="examples",
        metadata={
            "help": "What query_size, seed_size, holdout and budget count: texts, or, for entities, their words.",
            "choices": ["examples", "words"],
        },
    )
    query_size: int | None = field(
        default=None, metadata={"help": "Texts that a round asks for, or words. Default: 50 texts, or 500 words."}
    )
    seed_size: int | None = field(
        default=None, metadata={"help": "Texts of the first query, or words. Default: query_size."}
    )
    seed_strategy: str = field(
        default="random",
        metadata={
            "help": "How the first query is picked.",
            "choices": ["random", "stratified", "kmeans", "kcenter", "typiclust", "probcover"],
        },
    )
    holdout: int | None = field(
        default=None,
        metadata={
            "help": "Have so many texts labeled first, to evaluate on. "
            f"Default: {_HOLDOUT['examples']} (or {_HOLDOUT['words']} words), or a fifth of a small pool; 0 with a "
            "simulated annotator or data to evaluate on."
        },
    )
    rounds: int | None = field(
        default=None,
        metadata={
            "help": "Rounds in all. Default: until the budget is spent, the target or stop met, or all is labeled."
        },
    )
    budget: int | None = field(default=None, metadata={"help": "Labels to buy in all, or words."})
    target_metric: str | None = field(
        default=None, metadata={"help": "Stop when this metric reaches target.", "metavar": "NAME"}
    )
    target: float | None = field(default=None, metadata={"help": "Value of target_metric to stop at."})
    stop: str | None = field(
        default=None,
        metadata={
            "help": "When to stop beside that: kappa, change, f_change, uncertainty, plateau, budget, target, with "
            "arguments if need be, joined by and/or: 'kappa(0.98) or plateau(accuracy, 0.01)'. 'none' goes on with a "
            "run that this had ended.",
            "metavar": "CRITERIA",
        },
    )
    record_stability: bool = field(
        default=False,
        metadata={"help": "Record how predictions change from round to round also where stop does not need it."},
    )
    retrain: str = field(
        default="from_scratch",
        metadata={
            "help": "How a round begins: with fresh weights or the last round's.",
            "choices": ["from_scratch", "continue"],
        },
    )
    keep_models: int | None = field(default=1, metadata={"help": "Of how many last rounds to keep the model."})
    export: str | None = field(
        default=None,
        metadata={
            "help": "Where the labels go when the run ends: hub:OWNER/NAME, a file or a folder.",
            "metavar": "PATH",
        },
    )
    given: dict[str, Any] = field(init=False, repr=False, default_factory=dict)
    """The options of both dataclasses that the YAML file or the command line has set."""

    def settle(self, pool: "Pool", evaluated: bool) -> None:
        """Decide what was left to the data: who labels, and how many examples are held out.

        Args:
            pool: The run's pool.
            evaluated: Whether there is data to evaluate on.
        """
        from hfal.processes import on_main  # which loads torch

        self.annotator, self.holdout = on_main(lambda: self._settled(pool, evaluated))

    def _settled(self, pool: "Pool", evaluated: bool) -> tuple[str, int]:
        annotator = self.annotator or ("simulated" if pool.store.meta("labels_are_hidden") else "terminal")
        holdout = self.holdout
        if holdout is None and pool.store.queries():
            holdout = int(pool.costs(self.unit)[pool.positions(sorted(pool.store.holdout_ids()))].sum())
        elif holdout is None and (evaluated or annotator == "simulated"):
            holdout = 0
        elif holdout is None:
            sizes = [int(pool.costs(self.unit)[pool.unlabeled_positions()].sum())]
            sizes += [] if self.budget is None else [self.budget]
            holdout = min(_HOLDOUT[self.unit], *(size // 5 for size in sizes))
        logger.info(
            "%d texts in the pool, labels %s, annotator %s, %d %s held out; all is kept in %s",
            len(pool),
            ", ".join(pool.label_names),
            annotator,
            holdout,
            "words" if self.unit == "words" else "texts",
            pool.run_dir,
        )
        return annotator, holdout

    def callback_options(self) -> dict[str, Any]:
        """Those of the options that `ActiveLearningCallback` takes by the same name."""
        return {name: getattr(self, name) for name in _CALLBACK_OPTIONS}


_CALLBACK_OPTIONS = (
    "query_size",
    "seed_size",
    "seed_strategy",
    "holdout",
    "budget",
    "unit",
    "target_metric",
    "target",
    "record_stability",
    "retrain",
    "embeddings",
    "passes",
    "committee",
    "token_budget",
    "bf16_scoring",
    "keep_models",
)


@dataclass
class TrainingOptions:
    """The training options that people change, and those whose default is not that of `TrainingArguments`.

    `hfal.training.RoundTrainingArguments` is made of these and of `TrainingArguments`.
    """

    output_dir: str | None = field(
        default=None,
        metadata={"help": "The run directory. Default: runs/ and the name of the data.", "metavar": "RUN_DIR"},
    )
    num_train_epochs: float = field(default=10.0, metadata={"help": "Epochs of each round."})
    learning_rate: float = field(default=1e-4, metadata={"help": "The highest learning rate, after the warm-up."})
    warmup_steps: float = field(
        default=0.1, metadata={"help": "Steps of warm-up; below 1, the part of all steps that it takes."}
    )
    per_device_train_batch_size: int = field(default=16, metadata={"help": "Examples of a training batch."})
    per_device_eval_batch_size: int = field(default=32, metadata={"help": "Examples of an evaluation batch."})
    bf16: bool = field(default=False, metadata={"help": "Train in bfloat16, on hardware made for it."})
    use_cpu: bool = field(default=False, metadata={"help": "Train on the CPU though there is a GPU."})
    seed: int = field(default=42, metadata={"help": "Seeds everything that is random."})
    save_strategy: str = field(
        default="no", metadata={"help": "When a round saves checkpoints: no, epoch, steps, best."}
    )
    logging_strategy: str = field(default="no", metadata={"help": "When the training loss is logged."})
    report_to: list[str] = field(
        default_factory=lambda: ["none"], metadata={"help": "Trackers: none, tensorboard, trackio, all, ..."}
    )
    log_level: str = field(default="error", metadata={"help": "What transformers says: error, warning, info, ..."})
    log_level_replica: str = field(
        default="error", metadata={"help": "The same for the processes of several that are not the main one."}
    )
    dataloader_pin_memory: bool = field(default=False, metadata={"help": "Whether to pin memory for a GPU."})


GROUPS = {
    "data": "data task text label labels thresholds id split pool_size eval_split eval_size data_config data_filter",
    "model": "model max_length embeddings token_budget bf16_scoring",
    "labeling": "annotator annotator_name hide_suggestions strategy candidates passes committee aggregate top_words "
    "sure_outside query_size seed_size seed_strategy holdout",
    "rounds": "rounds budget unit target_metric target stop record_stability retrain keep_models export",
    "training": "output_dir num_train_epochs learning_rate warmup_steps per_device_train_batch_size "
    "per_device_eval_batch_size bf16 use_cpu seed save_strategy report_to",
}
"""The options that `hfal run --help` shows, in its order."""

_USAGE = """hfal run --data FILE --text COLUMN --labels NAME,NAME [--OPTION VALUE ...]
       hfal run CONFIG.yaml [--OPTION VALUE ...]
       hfal run RUN_DIR [--OPTION VALUE ...]"""

_DESCRIPTION = """Have texts labeled, train on them, pick the texts worth labeling next, and so on.
The same command started again goes on where the run stands; so does `hfal run RUN_DIR`.

examples:
  hfal run --data reviews.csv --text review --labels negative,positive
      asks in the terminal; the run is kept in runs/reviews
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
    """What `hfal run --help` prints."""
    parser = argparse.ArgumentParser(
        prog="hfal run",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=_EPILOG,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options = _options((ActiveLearningArguments, TrainingOptions))
    for title, names in GROUPS.items():
        group = parser.add_argument_group(title)
        for name in names.split():
            option = options[name]
            choices = option.metadata.get("choices")
            metavar = "{" + ",".join(choices) + "}" if choices else _METAVARS.get(_type(option), "WORD")
            metavar = option.metadata.get("metavar", metavar)
            group.add_argument(f"--{name}", metavar=metavar, help=_help_of(option))
    return parser.format_help()


_METAVARS = {"int": "N", "float": "X", "bool": "", "list[str]": "A,B"}


def _help_of(option: dataclasses.Field) -> str:
    default = _default(option)
    if default in (None, False, dataclasses.MISSING):
        return str(option.metadata["help"])
    shown = ",".join(default) if isinstance(default, list) else f"{default:g}" if _type(option) == "float" else default
    return f"{option.metadata['help']} Default: {shown}."


def parse_arguments(dataclass_types: Sequence[Any], argv: Sequence[str]) -> tuple[Any, ...]:
    """Fill dataclasses from a YAML file and the command line, which overrides it.

    Args:
        dataclass_types: The dataclasses, each field an option.
        argv: The command line: the path of a YAML file or of a run directory first, or after `--config`, if there is
            one; then options.

    Returns:
        One object for each of the dataclasses.

    Raises:
        ArgumentError: An option is unknown (the nearest one is offered) or has a value that it cannot have, or the
            YAML file cannot be read.
        FileNotFoundError: There is no such YAML file or run directory.
    """
    if {"-h", "--help"} & set(argv):
        print(help_text())
        raise SystemExit(0)
    if "--help-all" in argv:
        print(_parser(dataclass_types).format_help())
        raise SystemExit(0)
    values, given, unknown = _values(dataclass_types, argv)
    if unknown:
        raise ArgumentError(_unknown_option(unknown[0], _options(dataclass_types)))
    objects = []
    for cls in dataclass_types:
        names = [f.name for f in dataclasses.fields(cls) if f.init]
        try:
            objects.append(cls(**{name: values[name] for name in names}))
        except ValueError as error:
            raise ArgumentError(f"an option has a value that it cannot have: {error}") from error
        if cls is ActiveLearningArguments:
            objects[-1].given = given
    return tuple(objects)


def read_ahead(argv: Sequence[str]) -> tuple[ActiveLearningArguments, TrainingOptions]:
    """The options that `parse_arguments` would find, without those of `TrainingArguments`, whose import takes long.

    Raises:
        ArgumentError: As `parse_arguments` does; options that may be those of `TrainingArguments` are passed over.
        FileNotFoundError: There is no such YAML file or run directory.
    """
    values, _, _ = _values((ActiveLearningArguments, TrainingOptions), argv, strict=False)
    return tuple(  # type: ignore[return-value]
        cls(**{f.name: values[f.name] for f in dataclasses.fields(cls) if f.init})
        for cls in (ActiveLearningArguments, TrainingOptions)
    )


def keep_options(al: ActiveLearningArguments, pool: "Pool") -> None:
    """Write what was given to `RUN_DIR/config.yaml`, with which `hfal run RUN_DIR` goes on, and log what changed.

    Paths are written in full, so that it does not matter where the run is started again. No token is written.

    Args:
        al: What `parse_arguments` returned.
        pool: The run's pool.

    Raises:
        RunDirectoryBusyError: Another process owns the run directory.
    """
    from hfal.processes import on_main  # which loads torch

    on_main(lambda: _keep_options(al, pool))


def _keep_options(al: ActiveLearningArguments, pool: "Pool") -> None:
    given = {name: value for name, value in al.given.items() if not name.endswith("token")}
    for name in ("data", "model", "embeddings"):
        if name in given and not given[name].startswith("package:") and (path := resolve_path(given[name])):
            given[name] = str(path.absolute())
    given.pop("output_dir", None)  # it is where the file is
    path = pool.run_dir / CONFIG_NAME
    if path.exists() and not path.read_text("utf-8").startswith(_KEPT):
        return  # somebody's own configuration is there, and is what `hfal run RUN_DIR` goes on with
    part = path.with_name(path.name + ".part")
    with pool.store.own():
        changed = _changes(path, given)
        if changed:
            logger.info("changed since the last start: %s", "; ".join(changed))
        text = yaml.safe_dump(given, sort_keys=False, allow_unicode=True)
        part.write_text(f"{_KEPT}\n{text}", "utf-8")
        os.replace(part, path)


def kept_options(run_dir: str | os.PathLike[str]) -> dict[str, Any]:
    """What `keep_options` has written; empty for a run of one's own script."""
    path = Path(run_dir, CONFIG_NAME)
    if not path.is_file():
        return {}
    return _read_yaml(path, _options((ActiveLearningArguments, TrainingOptions)), strict=False)


def _changes(path: Path, given: Mapping[str, Any]) -> list[str]:
    options = _options((ActiveLearningArguments, TrainingOptions))
    try:
        before = _read_yaml(path, options, strict=False)
    except (ArgumentError, FileNotFoundError):
        return []  # the first start, or somebody has written something else there
    defaults = {name: _default(option) for name, option in options.items()}
    then, now = {**defaults, **before}, {**defaults, **given}
    return [f"{name} is {now[name]!r}, was {then[name]!r}" for name in options if now[name] != then[name]]


# -- parsing -------------------------------------------------------------------------------------------------------


def _values(
    dataclass_types: Sequence[Any], argv: Sequence[str], strict: bool = True
) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    """The value of every option, those that were given, and the words that belong to no option."""
    options = _options(dataclass_types)
    path, fixed, rest = _configuration(argv)
    parser = _parser(dataclass_types)
    given = fixed if path is None else {**_read_yaml(path, options, strict), **fixed}
    # What is there already gets no default, so that what is replaced is what the command line has given.
    nothing = object()
    namespace, unknown = parser.parse_known_args(rest, argparse.Namespace(**dict.fromkeys(options, nothing)))
    for name, value in vars(namespace).items():
        if value is not nothing:
            is_list = _type(options[name]) == "list[str]"
            given[name] = [item for word in value for item in _split(name, word)] if is_list else value
    parser.set_defaults(**given)
    values = vars(parser.parse_args([]))  # which converts what YAML has as strings: 5e-5
    for name, option in options.items():
        if values[name] is dataclasses.MISSING:
            raise ArgumentError(f"--{name} is missing: {option.metadata['help']} (hfal run --help shows examples)")
        choices = option.metadata.get("choices")
        if choices and values[name] not in (*choices, option.default):
            raise ArgumentError(f"--{name} is {values[name]!r}, expected one of {', '.join(choices)}")
    if "output_dir" in values and values["output_dir"] is None:
        values["output_dir"] = str(Path("runs", _name_of_data(values["data"], values["data_config"])))
    return values, {name: values[name] for name in given}, unknown


def _configuration(argv: Sequence[str]) -> tuple[Path | None, dict[str, Any], list[str]]:
    """The YAML file, if there is one; what goes before what it says; the rest of the command line."""
    rest = list(argv)
    path = None
    if rest and not rest[0].startswith("-"):
        path = Path(rest.pop(0))
    else:
        for place, word in enumerate(rest):
            if word.startswith("--config="):
                path = Path(rest.pop(place).partition("=")[2])
                break
            if word == "--config" and place + 1 < len(rest):
                path = Path(rest[place + 1])
                del rest[place : place + 2]
                break
    if path is None:
        return None, {}, rest
    if path.is_dir():
        if not (path / CONFIG_NAME).is_file():
            kind = "was started by a script: start that again" if (path / "labels.sqlite").exists() else "is no run"
            raise FileNotFoundError(f"{path.absolute()} {kind} (there is no {CONFIG_NAME} in it)")
        return path / CONFIG_NAME, {"output_dir": str(path)}, rest
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration or run directory {path.absolute()}")
    if path.suffix.lower() in DATA_SUFFIXES:
        raise ArgumentError(f"{path} is no configuration: to label what is in it, write --data {path}")
    return path, {}, rest


def _parser(dataclass_types: Sequence[Any]) -> Any:
    from transformers import HfArgumentParser  # takes a second; torch is not imported with it

    parser = HfArgumentParser(dataclass_types, prog="hfal run", allow_abbrev=False, add_help=False)
    for action in parser._actions:
        if action.required:
            action.required, action.default = False, dataclasses.MISSING

    def refuse(message: str) -> NoReturn:
        raise ArgumentError(f"{message} (hfal run --help lists the options)")

    parser.error = refuse  # instead of printing the usage of 150 options
    return parser


def _options(dataclass_types: Sequence[Any]) -> dict[str, dataclasses.Field]:
    return {f.name: f for cls in dataclass_types for f in dataclasses.fields(cls) if f.init}


def _default(option: dataclasses.Field) -> Any:
    if option.default_factory is not dataclasses.MISSING:
        return option.default_factory()
    return option.default


def _type(option: dataclasses.Field) -> str:
    """The option's type in words, without `| None`; HfArgumentParser puts types in the place of what stands there."""
    kind = option.type
    return (kind.__name__ if isinstance(kind, type) and kind.__name__ != "list" else str(kind)).removesuffix(" | None")


def _split(name: str, text: str) -> list[str]:
    items = [item.strip() for item in text.strip().strip(",").split(",")]
    if "" in items:
        raise ArgumentError(f"--{name} has an empty item: {text!r}")
    return items


def _name_of_data(reference: str, config_name: str | None) -> str:
    path = Path(reference.removeprefix("package:")).absolute()
    name = path.stem if path.suffix.lower() in DATA_SUFFIXES else path.name
    return f"{name}-{config_name}" if config_name else name


def _unknown_option(word: str, options: Iterable[str]) -> str:
    if not word.startswith("-"):
        return f"{word!r} belongs to no option; a value with spaces needs quotes (hfal run --help shows examples)"
    return f"unknown option {word!r}.{_nearest(word.lstrip('-'), options)}"


def _nearest(name: str, options: Iterable[str]) -> str:
    name = name.partition("=")[0].replace("-", "_")
    if name == "run_dir":  # as it is called everywhere else
        name = "output_dir"
    options = list(options)
    near = (
        difflib.get_close_matches(name, options, n=1, cutoff=0.8)
        or [option for option in options if name.startswith(f"{option}_")]  # text_column, as Pool has it
        or difflib.get_close_matches(name, options, n=1, cutoff=0.55)
    )
    return f" Did you mean {near[0]!r}?" if near else ""


def _read_yaml(path: Path, options: Mapping[str, dataclasses.Field], strict: bool = True) -> dict[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no valid YAML in UTF-8: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ArgumentError(f"{path} is no mapping of options to values")
    unknown = [key for key in values if key not in options]
    if unknown and strict:
        raise ArgumentError(f"{path} has the unknown key {str(unknown[0])!r}.{_nearest(str(unknown[0]), options)}")
    return {key: _checked(path, key, values[key], options[key]) for key in values if key not in unknown}


def _checked(path: Path, key: str, value: Any, option: dataclasses.Field) -> Any:
    kind = _type(option)
    if value is None:
        if _default(option) is not None:
            raise ArgumentError(f"{path}: {key} is empty, but needs a value")
        return None
    if kind == "list[str]":
        return (
            [_text(path, key, item) for item in value]
            if isinstance(value, list)
            else _split(key, _text(path, key, value))
        )
    if kind in ("str", "int", "float", "bool") and isinstance(value, list | dict):
        raise ArgumentError(f"{path}: {key} has {value!r}, expected one value")
    if kind == "int" and isinstance(value, float | bool):
        raise ArgumentError(f"{path}: {key} has {value!r}, expected a whole number")
    return str(value) if kind == "str" and isinstance(value, int | float) and not isinstance(value, bool) else value


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        raise ArgumentError(f"{path}: {key} has {value}, which is what YAML makes of yes, no, on and off: quote it")
    return str(value)
