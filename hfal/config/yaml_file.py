"""Read YAML files of options: each value as the option wants it, and words as they are written."""

import dataclasses
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hfal.config.option_fields import MISNOMERS, default_of, split_words, type_name
from hfal.errors import ArgumentError
from hfal.utils.command_line import unknown_names
from hfal.utils.spelling import message_of, shown
from hfal.utils.text_files import read_text


_MOST_BYTES = 1_000_000  # of a configuration: reading megabytes of YAML takes minutes
_NO_IS_A_WORD = ("save_strategy", "eval_strategy", "logging_strategy")  # `no` is one of their values


class _Loader(yaml.SafeLoader):
    """Load YAML as `yaml.safe_load` does, but refuse a key that is there twice, of which that takes the last."""

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


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_plain_int)
_Loader.yaml_implicit_resolvers = {  # a date is a name here: of a folder, or a label
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Number(float):
    """A number with the text that it was written as: the label `1.10` is not the label `1.1`."""

    written: str

    def __str__(self) -> str:
        return self.written


class _WrittenLoader(_Loader):
    """Keep how numbers are written, for where words belong, as in a list of labels."""

    def construct_number(self, node: yaml.ScalarNode) -> _Number:
        """Return a number and the text that it was written as."""
        number = _Number(self.construct_yaml_float(node))
        number.written = str(self.construct_scalar(node))
        return number


_WrittenLoader.add_constructor("tag:yaml.org,2002:float", _WrittenLoader.construct_number)


def read_yaml(path: Path, options: Mapping[str, dataclasses.Field], strict: bool = True) -> dict[str, Any]:
    """Read the options that a YAML file sets.

    Args:
        path: The file.
        options: What `options_of` returned.
        strict: Whether a key that is no option is an error; else it is left out.

    Raises:
        ArgumentError: It is no mapping of options to values that they can have.
    """
    values = load_yaml(path, _WrittenLoader)
    if not isinstance(values, dict):
        kind = "is empty" if values is None else f"is {'a list' if isinstance(values, list) else 'one value'}"
        raise ArgumentError(f"{path} {kind}, expected options and their values, such as data: reviews.csv")
    unknown = [key for key in values if key not in options]
    if unknown and strict:
        raise ArgumentError(unknown_names(f"{path} has the unknown key", [*map(str, unknown)], options, MISNOMERS))
    return {key: _checked(path, key, values[key], options[key]) for key in values if key not in unknown}


def load_yaml(path: Path, loader: type[yaml.SafeLoader] = _Loader) -> Any:
    """Return what a YAML file says; dates are the words that are written there.

    Args:
        path: The file.
        loader: What makes values of it.

    Raises:
        ArgumentError: It is no YAML, has a key twice, or is far too big to be options.
    """
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise ArgumentError(f"{path} has {size:,} bytes, expected options, which take less than {_MOST_BYTES:,}")
    try:
        return yaml.load(read_text(path), loader)
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


def _checked(path: Path, key: str, value: Any, option: dataclasses.Field) -> Any:
    kind = type_name(option)
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
    return split_words(key, _text(path, key, value))


def _text(path: Path, key: str, value: Any) -> str:
    if isinstance(value, bool):
        raise ArgumentError(f"{path}: {key} has {value}, which is what YAML makes of yes, no, on and off: quote it")
    return str(value)
