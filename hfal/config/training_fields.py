"""Read the options of `transformers.TrainingArguments` from its source: importing it takes seconds, and torch."""

import ast
import builtins
import dataclasses
import importlib.util
import typing
from argparse import ArgumentParser
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from hfal.config.arguments import TrainingOptions


@cache
def round_training_options() -> type:
    """Return a dataclass with the names and types of the options of `RoundTrainingArguments`.

    It tells misspelt options, and words in the place of numbers, from others. Defaults and checks are those of the
    class itself; of a type that transformers defines any word will do here.
    """
    ours = {option.name for option in dataclasses.fields(TrainingOptions)}
    fields = [field for field in _fields("training_args.py", "TrainingArguments") if field[0] not in ours]
    return dataclasses.make_dataclass("RoundTrainingOptions", fields, bases=(TrainingOptions,))


@cache
def hf_argument_parser() -> Callable[..., ArgumentParser]:
    """Return `transformers.HfArgumentParser` without importing the package around it, which takes a second."""
    spec = importlib.util.spec_from_file_location("hfal._hf_argparser", _source("hf_argparser.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)  # it imports nothing but the standard library and PyYAML
    parser: Callable[..., ArgumentParser] = module.HfArgumentParser
    return parser


def _source(name: str) -> Path:
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0], name)


def _fields(file: str, class_name: str) -> list[tuple[str, Any, Any]]:
    tree = ast.parse(_source(file).read_text("utf-8"))
    (found,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    return [
        (node.target.id, eval(ast.unparse(node.annotation), {}, _Types()), _field(node.value))
        for node in found.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    ]


class _Types(dict):
    """The types of annotations by name; strings in the place of those that transformers and accelerate define."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, getattr(typing, name, str))


def _field(value: ast.expr | None) -> Any:
    """Return a field with what decides how the option is written: whether it may stand alone, or turns off."""
    keywords = {word.arg: word.value for word in value.keywords} if isinstance(value, ast.Call) else {"default": value}
    metadata = keywords.get("metadata")
    pairs = zip(metadata.keys, metadata.values, strict=True) if isinstance(metadata, ast.Dict) else []
    of_parser = {_literal(key): _literal(inner) for key, inner in pairs if _literal(key) in ("nargs", "const")}
    default = _literal(keywords.get("default"))
    return dataclasses.field(default=None if isinstance(default, list | dict) else default, metadata=of_parser)


def _literal(value: ast.expr | None) -> Any:
    try:
        return None if value is None else ast.literal_eval(value)
    except ValueError:
        return None
