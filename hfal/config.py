"""The options of the recipes, and how a YAML file and the command line set them."""

import dataclasses
import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml
from transformers import HfArgumentParser

from hfal.errors import ArgumentError


@dataclass
class ActiveLearningArguments:
    """What a recipe needs to know beside `TrainingArguments`, whose `output_dir` is the run directory here."""

    model: str = field(metadata={"help": "Hub name, local folder, or package:NAME/path."})
    data: str = field(metadata={"help": "Hub name, local file or folder (CSV, JSONL, Parquet), or package:NAME/path."})
    data_config: str | None = field(default=None, metadata={"help": "Configuration of a data set on the Hub."})
    data_filter: str | None = field(default=None, metadata={"help": "Keep only rows like this: COLUMN=VALUE."})
    split: str = field(default="train", metadata={"help": "The split that is the pool."})
    pool_size: int | None = field(default=None, metadata={"help": "Use only so many examples, drawn at random."})
    eval_split: str | None = field(default=None, metadata={"help": "The split to evaluate on."})
    eval_size: int | None = field(
        default=None,
        metadata={"help": "Without eval_split: so many labeled examples, drawn at random, to evaluate on."},
    )
    text_column: list[str] = field(
        default_factory=lambda: ["text"], metadata={"help": "Column with the text; two for text pairs."}
    )
    label_column: str | None = field(default=None, metadata={"help": "Column with labels, if the data has any."})
    labels: list[str] | None = field(default=None, metadata={"help": "Names of the labels, in order."})
    id_column: str | None = field(default=None, metadata={"help": "Column of unique ids; made from the text without."})
    max_length: int = field(default=128, metadata={"help": "Tokens after which a text is cut."})
    annotator: str = field(
        default="simulated",
        metadata={"help": "Who labels.", "choices": ["simulated", "jsonl", "csv"]},
    )
    strategy: str = field(default="margin+kmeans", metadata={"help": "Query strategy."})
    rounds: int | None = field(default=None, metadata={"help": "Rounds in all."})
    query_size: int = field(default=50, metadata={"help": "Examples that a round asks for."})
    seed_size: int | None = field(default=None, metadata={"help": "Examples of the seed set; query_size by default."})
    seed_strategy: str = field(
        default="random",
        metadata={"help": "How the seed set is picked.", "choices": ["random", "stratified", "kmeans"]},
    )
    holdout: int = field(default=0, metadata={"help": "Have so many labeled first, to evaluate on."})
    budget: int | None = field(default=None, metadata={"help": "Labels to buy in all."})
    target_metric: str | None = field(default=None, metadata={"help": "Stop when this metric reaches target."})
    target: float | None = field(default=None, metadata={"help": "Value of target_metric to stop at."})
    retrain: str = field(
        default="from_scratch",
        metadata={"help": "How a round begins.", "choices": ["from_scratch", "continue"]},
    )
    embeddings: str = field(
        default="model", metadata={"help": "'model', or a sentence-transformers model (Hub name, path, package:...)."}
    )
    token_budget: int | None = field(default=None, metadata={"help": "Tokens of a scoring batch."})
    bf16_scoring: bool = field(default=False, metadata={"help": "Score under bfloat16 autocast."})
    keep_models: int | None = field(default=1, metadata={"help": "Of how many last rounds to keep the model."})

    def callback_options(self) -> dict[str, Any]:
        """Those of the options that `ActiveLearningCallback` takes by the same name."""
        return {name: getattr(self, name) for name in _CALLBACK_OPTIONS}


_CALLBACK_OPTIONS = (
    "strategy",
    "query_size",
    "seed_size",
    "seed_strategy",
    "holdout",
    "budget",
    "target_metric",
    "target",
    "retrain",
    "embeddings",
    "token_budget",
    "bf16_scoring",
    "keep_models",
)


def parse_arguments(dataclass_types: Sequence[Any], argv: Sequence[str]) -> tuple[Any, ...]:
    """Fill dataclasses from a YAML file and the command line, which overrides it.

    Args:
        dataclass_types: The dataclasses, each field an option.
        argv: The command line: the path of a YAML file first, or after `--config`, if there is one; then options.

    Returns:
        One object for each of the dataclasses.

    Raises:
        ArgumentError: An option is unknown (the nearest one is offered) or has a value that it cannot have, or the
            YAML file cannot be read.
        FileNotFoundError: There is no such YAML file.
    """
    options = _options(dataclass_types)
    parser = _Parser(dataclass_types, prog="hfal run")
    rest = list(argv)
    path = None
    if rest and not rest[0].startswith("-"):
        path = rest.pop(0)
    elif "--config" in rest[:-1]:
        place = rest.index("--config")
        path = rest[place + 1]
        del rest[place : place + 2]
    if path is not None:
        values = _read_yaml(Path(path), options)
        for action in parser._actions:
            if action.dest in values:
                action.required = False
        parser.set_defaults(**values)
    try:
        *objects, unknown = parser.parse_args_into_dataclasses(rest, return_remaining_strings=True)
    except ValueError as error:
        raise ArgumentError(f"{path or 'the command line'}: {error}") from error
    if unknown:
        raise ArgumentError(f"unknown option {unknown[0]!r}.{_nearest(unknown[0].lstrip('-'), options)}")
    return tuple(objects)


class _Parser(HfArgumentParser):
    """Raises instead of printing the usage of 150 options."""

    def error(self, message: str) -> NoReturn:
        raise ArgumentError(f"{message} (hfal run --help lists the options)")


def _options(dataclass_types: Sequence[Any]) -> dict[str, dataclasses.Field]:
    return {f.name: f for cls in dataclass_types for f in dataclasses.fields(cls) if f.init}


def _nearest(name: str, options: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.partition("=")[0].replace("-", "_"), options, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _read_yaml(path: Path, options: dict[str, dataclasses.Field]) -> dict[str, Any]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no configuration {path.absolute()}")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"{path} is no valid YAML in UTF-8: {error}") from None
    if not isinstance(values, dict):
        raise ArgumentError(f"{path} is no mapping of options to values")
    for key, value in values.items():
        if key not in options:
            raise ArgumentError(f"{path} has the unknown key {str(key)!r}.{_nearest(str(key), options)}")
        option = options[key]
        if value is None and option.default is dataclasses.MISSING and option.default_factory is dataclasses.MISSING:
            raise ArgumentError(f"{path}: {key} is empty, but needs a value")
        if "list[str]" in str(option.type) and value is not None:
            values[key] = [_text(path, key, item) for item in (value if isinstance(value, list) else [value])]
    return values


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        raise ArgumentError(f"{path}: {key} has {value}, which is what YAML makes of yes, no, on and off: quote it")
    return str(value)
