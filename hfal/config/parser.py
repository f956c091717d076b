"""Parse options: fill dataclasses from a YAML file and the command line.

Importing this module loads neither torch nor transformers.
"""

import argparse
import dataclasses
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from hfal.config.training_fields import hf_argument_parser
from hfal.data.references import DATA_SUFFIXES, address_problem
from hfal.errors import ArgumentError, UsageError
from hfal.store.run_directory import CONFIG_NAME, has_comparison
from hfal.utils.command_line import check_words, unknown_names
from hfal.utils.output import get_logger
from hfal.utils.secrets import has_credentials
from hfal.utils.spelling import did_you_mean, message_of, shown
from hfal.utils.text_files import check_is_file, read_text


logger = get_logger(__name__)


_FOLDERS = {"output_dir", "embeddings_dir", "export"}
_REFERENCES = {"data", "model", "embeddings", *_FOLDERS}
_MISNOMERS = {"run_dir": "output_dir"}  # as it is called everywhere else
_MOST_BYTES = 1_000_000  # of a configuration: reading megabytes of YAML takes minutes
_MOST_CHARACTERS = 10_000  # of one value
_NO_IS_A_WORD = ("save_strategy", "eval_strategy", "logging_strategy")  # `no` is one of their values
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
            metavar = "{" + ",".join(choices) + "}" if choices else _METAVARS.get(_type(option), "WORD")
            metavar = option.metadata.get("metavar", metavar)
            group.add_argument(f"--{name}", metavar=metavar, help=_help_of(option))
    return parser.format_help()


def _help_of(option: dataclasses.Field) -> str:
    default = default_of(option)
    if default in (None, False, dataclasses.MISSING):
        return str(option.metadata["help"])
    shown = ",".join(default) if isinstance(default, list) else f"{default:g}" if _type(option) == "float" else default
    return f"{option.metadata['help']} Default: {shown}."


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
    check_words(rest, parser._actions, _MISNOMERS)
    given = fixed if path is None else {**read_yaml(path, options, strict), **fixed}
    # What is there already gets no default, so that what is replaced is what the command line has given.
    nothing = object()
    namespace, unknown = parser.parse_known_args(rest, argparse.Namespace(**dict.fromkeys(options, nothing)))
    if unknown:
        _refuse_words(unknown, rest)
    for name, value in vars(namespace).items():
        if value is not nothing:
            is_list = _type(options[name]) == "list[str]"
            given[name] = [item for word in value for item in _split(name, word)] if is_list else value
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


def options_of(dataclass_types: Sequence[Any]) -> dict[str, dataclasses.Field]:
    """Return the options by name."""
    return {f.name: f for cls in dataclass_types for f in dataclasses.fields(cls) if f.init}


def default_of(option: dataclasses.Field) -> Any:
    """Return the default of an option, a new list where it is one; `MISSING` if it has none."""
    if option.default_factory is not dataclasses.MISSING:
        return option.default_factory()
    return option.default


def _type(option: dataclasses.Field) -> str:
    """Return the name of an option's type without `| None`; HfArgumentParser replaces annotations by types."""
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


def read_yaml(path: Path, options: Mapping[str, dataclasses.Field], strict: bool = True) -> dict[str, Any]:
    """Read the options that a YAML file sets.

    Args:
        path: The file.
        options: What `options_of` returned.
        strict: Whether a key that is no option is an error; else it is left out.

    Raises:
        ArgumentError: It is no mapping of options to values that they can have.
    """
    values = load_yaml(path, as_written=True)
    if not isinstance(values, dict):
        kind = "is empty" if values is None else f"is {'a list' if isinstance(values, list) else 'one value'}"
        raise ArgumentError(f"{path} {kind}, expected options and their values, such as data: reviews.csv")
    unknown = [key for key in values if key not in options]
    if unknown and strict:
        raise ArgumentError(unknown_names(f"{path} has the unknown key", [*map(str, unknown)], options, _MISNOMERS))
    return {key: _checked(path, key, values[key], options[key]) for key in values if key not in unknown}


def load_yaml(path: Path, as_written: bool = False) -> Any:
    """Return what a YAML file says; a date is the string that stands there.

    Args:
        path: The file.
        as_written: Whether `str` gives a number with a point as it stands there: `1.10`.

    Raises:
        ArgumentError: It is no YAML, has a key twice, or is far too big to be options.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ArgumentError(f"{path} has {size:,} bytes, expected options, which take less than {_MOST_BYTES:,}")
    try:
        return yaml.load(read_text(path), _NumberLoader if as_written else _Loader)
    except ArgumentError:
        raise
    except yaml.MarkedYAMLError as error:  # its text repeats the line, in which there may be a token
        line = f" (line {error.problem_mark.line + 1})" if error.problem_mark else ""
        told = str(error.problem or error.context)
        hint = " (indent with spaces, and put one behind the colon)" if "'\\t'" in told else ""
        raise ArgumentError(f"{path} is no valid YAML{line}: {told[:300]}{hint}") from None
    except RecursionError:
        raise ArgumentError(f"{path} has hundreds of brackets in each other, expected options and values") from None
    except (yaml.YAMLError, ValueError) as error:
        raise ArgumentError(f"{path} is no valid YAML: {message_of(error)[:300]}") from None


class _Number(float):
    """A number that knows how it was written: a label `1.10` is another one than `1.1`."""

    written: str

    def __str__(self) -> str:
        return self.written


class _Loader(yaml.SafeLoader):
    """Reads YAML as `yaml.safe_load` does, which takes the last of two keys of the same name without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping, or refuse one that has a key twice."""
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        for key in (key for key, times in Counter(keys).items() if times > 1):
            raise yaml.constructor.ConstructorError(None, None, f"{shown(key)} stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)

    def construct_plain_int(self, node: yaml.ScalarNode) -> int:
        """Return a number in decimal digits; YAML 1.1 takes 010 for eight, and 1:30 for ninety."""
        text = self.construct_scalar(node)
        if len(text) > 100:
            told = f"a number of {len(text):,} digits is no value of an option"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
        if re.fullmatch("-?(0|[1-9][0-9]*)", text) is None:
            told = f"{text!r} is {self.construct_yaml_int(node)} in YAML: write that, or put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, told, node.start_mark)
        return int(text)


class _NumberLoader(_Loader):
    """Reads numbers with a point together with how they are written."""

    def construct_number(self, node: yaml.ScalarNode) -> _Number:
        """Return a number with how it was written."""
        number = _Number(self.construct_yaml_float(node))
        number.written = str(self.construct_scalar(node))
        return number


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_plain_int)
_NumberLoader.add_constructor("tag:yaml.org,2002:float", _NumberLoader.construct_number)
_Loader.yaml_implicit_resolvers = (
    _NumberLoader.yaml_implicit_resolvers
) = {  # a date is a name here: of a folder, or a label
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _checked(path: Path, key: str, value: Any, option: dataclasses.Field) -> Any:
    kind = _type(option)
    if value is None:
        if default_of(option) is not None:
            raise ArgumentError(f"{path}: {key} is empty, but needs a value")
        return None
    if kind == "list[str]":
        return (
            [_item(path, key, item) for item in value] if isinstance(value, list) else _split_scalar(path, key, value)
        )
    if kind != "str" and isinstance(value, _Number):
        value = float(value)
    if kind in ("str", "int", "float", "bool") and not isinstance(value, str | int | float):
        raise ArgumentError(f"{path}: {key} has {shown(value)}, expected one value; quote what is no number")
    if value is False and key in _NO_IS_A_WORD:
        return "no"
    if isinstance(value, bool) and (kind == "str" or key in _NO_IS_A_WORD):
        return _text(path, key, value)  # which says what to do
    if kind == "int" and isinstance(value, float | bool):
        raise ArgumentError(f"{path}: {key} has {value!r}, expected a whole number")
    return str(value) if kind == "str" and isinstance(value, int | float) else value


def _item(path: Path, key: str, item: Any) -> str:
    if not isinstance(item, str | int | float):
        found = "an empty item" if item is None else f"the item {shown(item)}"
        raise ArgumentError(
            f"{path}: {key} has {found}, expected a list of words, such as [a, b]; quote what is no word"
        )
    return _text(path, key, item)


def _split_scalar(path: Path, key: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        words = [item if isinstance(item, str) else shown(item) for item in [*value.values()][:20]]
        items = shown(words).replace("'", "")
        raise ArgumentError(f"{path}: {key} has {shown(value)}, expected a list, without numbers or names: {items}")
    if not isinstance(value, str | int | float):
        raise ArgumentError(f"{path}: {key} has {shown(value)}, expected a list of words, such as [a, b]")
    return _split(key, _text(path, key, value))


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        raise ArgumentError(f"{path}: {key} has {value}, which is what YAML makes of yes, no, on and off: quote it")
    return str(value)
