"""Parse options: fill dataclasses from a YAML file and the command line.

Importing this module loads neither torch nor transformers.
"""

import argparse
import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from hfal.config.option_fields import MISNOMERS, default_of, options_of, split_words, type_name
from hfal.config.training_fields import hf_argument_parser
from hfal.config.yaml_file import read_yaml
from hfal.data.references import DATA_SUFFIXES, address_problem
from hfal.errors import ArgumentError, UsageError
from hfal.store.run_directory import CONFIG_NAME, has_comparison
from hfal.utils.command_line import check_words
from hfal.utils.output import get_logger
from hfal.utils.secrets import has_credentials
from hfal.utils.spelling import did_you_mean, shown
from hfal.utils.text_files import check_is_file


logger = get_logger(__name__)


_FOLDERS = {"output_dir", "embeddings_dir", "export"}
_REFERENCES = {"data", "model", "embeddings", *_FOLDERS}
_MOST_CHARACTERS = 10_000  # of one value
_METAVARS = {"int": "N", "float": "X", "bool": "", "list[str]": "A,B"}


def option_help(
    prog: str,
    usage: str,
    description: str,
    epilog: str,
    groups: Mapping[str, str],
    options: Mapping[str, dataclasses.Field],
) -> str:
    """Return what `--help` prints.

    Args:
        prog: The command.
        usage: How to call it.
        description: What it does.
        epilog: What stands at the end.
        groups: Titles, and the names of the options below them.
        options: What `options_of` returned.
    """
    parser = argparse.ArgumentParser(
        prog=prog,
        usage=usage,
        description=description,
        epilog=epilog,
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for title, names in groups.items():
        group = parser.add_argument_group(title)
        for name in names.split():
            option = options[name]
            choices = option.metadata.get("choices")
            metavar = "{" + ",".join(choices) + "}" if choices else _METAVARS.get(type_name(option), "WORD")
            metavar = option.metadata.get("metavar", metavar)
            group.add_argument(f"--{name}", metavar=metavar, help=_help_of(option))
    return parser.format_help()


def _help_of(option: dataclasses.Field) -> str:
    default = default_of(option)
    if default in (None, False, [], dataclasses.MISSING):
        return str(option.metadata["help"])
    if isinstance(default, list):
        default = ",".join(default)
    elif type_name(option) == "float":
        default = f"{default:g}"
    return f"{option.metadata['help']} Default: {default}."


def parse_values(
    dataclass_types: Sequence[Any], argv: Sequence[str], strict: bool = True, config_name: str = CONFIG_NAME
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the value of every option, and those that were given.

    What is misspelt is told before what is missing or has a wrong value. A token is no value to be kept: it goes into
    the environment, see `_use_token`.

    Args:
        dataclass_types: The dataclasses, each field an option.
        argv: The command line, which may begin with a YAML file or a folder.
        strict: Whether a key of the YAML file that is no option is an error.
        config_name: The YAML file in a folder.

    Raises:
        UsageError: The command line cannot be read; of an unknown option the nearest known one is offered.
        ArgumentError: An option has a value that it cannot have, or the YAML file cannot be read.
        FileNotFoundError: There is no such YAML file or folder.
    """
    options = options_of(dataclass_types)
    path, fixed, rest = _configuration(argv, config_name)
    parser = option_parser(dataclass_types)
    check_words(rest, parser._actions, MISNOMERS)
    given = fixed if path is None else {**read_yaml(path, options, strict), **fixed}
    # What is there already gets no default, so that what is replaced is what the command line has given.
    nothing = object()
    namespace, unknown = parser.parse_known_args(rest, argparse.Namespace(**dict.fromkeys(options, nothing)))
    if unknown:
        _refuse_words(unknown, rest)
    for name, value in vars(namespace).items():
        if value is not nothing:
            is_list = type_name(options[name]) == "list[str]"
            given[name] = split_words(name, *value) if is_list else value
    parser.set_defaults(**given)
    values = vars(parser.parse_args([]))  # which converts what YAML has as strings: 5e-5
    for name, option in options.items():
        if values[name] is dataclasses.MISSING:
            raise ArgumentError(f"--{name} is missing: {option.metadata['help']} (--help shows examples)")
        choices = option.metadata.get("choices")
        if choices and values[name] not in (*choices, option.default):
            near = did_you_mean(str(values[name]), choices)
            raise ArgumentError(f"--{name} is {values[name]!r}, expected one of {', '.join(choices)}.{near}")
    _refuse_addresses(values)
    _use_token(values, given)
    if "output_dir" in values and values["output_dir"] is None:
        values["output_dir"] = str(Path("runs", _name_of_data(values["data"], values["data_config"])))
    for name in values.keys() & _FOLDERS:
        if values[name] is not None:
            values[name] = os.path.expanduser(str(values[name]))  # which no shell has done in a YAML file
    return values, {name: values[name] for name in given}


def _refuse_words(unknown: Sequence[str], words: Sequence[str]) -> NoReturn:
    """Refuse words that belong to no option; they are not shown beside a token, of which they may be a part."""
    with_token = any("token" in word.partition("=")[0] for word in words if word.startswith("-"))
    word = "a word" if with_token else repr(unknown[0])
    raise UsageError(f"{word} belongs to no option; a value with spaces needs quotes (--help shows examples)")


def _refuse_addresses(values: Mapping[str, Any]) -> None:
    """Refuse addresses where a path belongs, and passwords in them anywhere: options are kept and shown."""
    for name, value in values.items():
        for item in value if isinstance(value, list) else [value]:
            problem = address_problem(item) if name in _REFERENCES and isinstance(item, str) else None
            if problem:
                raise ArgumentError(f"--{name} is {problem}")
            if isinstance(item, str) and len(item) > _MOST_CHARACTERS:
                raise ArgumentError(f"--{name} is {shown(item)}, of {len(item):,} characters: none of its values")
            if item == "" and name in _REFERENCES:  # which is this folder, as a path
                raise ArgumentError(f"--{name} is empty: expected a path or a name")
            if isinstance(item, str) and has_credentials(item):
                raise ArgumentError(f"--{name} has an address with a password or the like in it: leave that out")


def _use_token(values: dict[str, Any], given: dict[str, Any]) -> None:
    """Put the value of `--hub_token` where the Hub's client looks for it, and take it out of the options.

    Otherwise it would be in `training_args.bin` of each round, and in the configuration of the run.
    """
    given.pop("hub_token", None)
    if values.get("hub_token"):
        os.environ["HF_TOKEN"], values["hub_token"] = str(values["hub_token"]), None
        logger.info("--hub_token is used like HF_TOKEN, and kept nowhere: to go on, pass it again, or log in")


def _kind_of(folder: Path) -> str:
    """Say what a folder is that has no configuration, for an error message."""
    from hfal.store.store import has_begun

    if has_comparison(folder):
        return "is a comparison: go on with hfal compare"
    if not has_begun(folder):
        return "is neither a run nor a comparison"
    return (
        "is a run: go on with hfal run"
        if (folder / CONFIG_NAME).is_file()
        else "was started by a script: start that again"
    )


def _configuration(argv: Sequence[str], config_name: str) -> tuple[Path | None, dict[str, Any], list[str]]:
    """Return the YAML file, if one is named; options that override it; the rest of the command line."""
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
        if not (path / config_name).is_file():
            raise FileNotFoundError(f"{path.absolute()} {_kind_of(path)} (there is no {config_name} in it)")
        return path / config_name, {"output_dir": str(path)}, rest
    if not path.exists():
        raise FileNotFoundError(f"there is no configuration or run directory {path.absolute()}")
    check_is_file(path)
    if path.suffix.lower() in DATA_SUFFIXES:
        raise ArgumentError(f"{path} is no configuration: to label what is in it, write --data {path}")
    return path, {}, rest


def option_parser(dataclass_types: Sequence[Any]) -> argparse.ArgumentParser:
    """Make a parser that raises `UsageError`, and leaves an option without default `MISSING`."""
    parser = hf_argument_parser()(dataclass_types, prog="hfal run", allow_abbrev=False, add_help=False)
    for action in parser._actions:
        if action.required:
            action.required, action.default = False, dataclasses.MISSING

    def refuse(message: str) -> NoReturn:
        raise UsageError(f"{message} (hfal run --help-all lists all options)")

    parser.error = refuse  # type: ignore[method-assign]  # instead of printing the usage of 150 options
    return parser


def _name_of_data(reference: str, config_name: str | None) -> str:
    path = Path(reference.removeprefix("package:")).absolute()
    name = path.stem if path.suffix.lower() in DATA_SUFFIXES else path.name
    return f"{name}-{config_name}" if config_name else name
