"""How a YAML file and the command line set the options of `hfal run` and of the recipes, and how a run keeps them.

Importing this module loads neither torch nor transformers: `hfal run --help` need not wait for them.
"""

import argparse
import dataclasses
import difflib
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import yaml

from hfal.errors import ArgumentError
from hfal.options import GROUPS, ActiveLearningArguments, TrainingOptions, references_in
from hfal.references import DATA_SUFFIXES, resolve_path


if TYPE_CHECKING:
    from hfal.pool import Pool

logger = logging.getLogger(__name__)

CONFIG_NAME = "config.yaml"
"""In the run directory: what the run was started with."""

_KEPT = "# What the run was started with; `hfal run RUN_DIR` goes on with it."

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
    for name, reference in references_in(given).items():
        if not reference.startswith("package:") and (place := resolve_path(reference)):
            given[name] = str(place.absolute())
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
