"""Turn an error of the Trainer's, or of a library's, into one line that names the option behind it."""

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any

from hfal.errors import ArgumentError, HfalError
from hfal.utils.spelling import message_of


_LONGEST = 300


@contextlib.contextmanager
def refusing(args: Any, instead: str, names: Iterable[str] | None = None) -> Iterator[None]:
    """Raise every error of a `with` block as an `ArgumentError` of one line that names an option.

    Args:
        args: The `TrainingArguments`, or another dataclass of options.
        instead: What the line begins with where the error does not say which option it is about.
        names: The options that may be behind it; by default all that differ from their defaults.

    Raises:
        ArgumentError: The block has failed. Errors of hfal's own stay what they are, and so do those of the disk.
    """
    try:
        yield
    except ConnectionError as error:  # of the Hub's client, which asks for the repository to push to
        if not getattr(args, "push_to_hub", False):
            raise
        raise ArgumentError(f"push_to_hub=True: {kind_and_message(error)}") from error
    except (HfalError, OSError):
        raise
    except Exception as error:
        name = option_in(str(error), args, names)
        option = instead if name is None else f"{name}={plain(getattr(args, name))!r}"
        raise ArgumentError(f"{option}: {kind_and_message(error)}") from error


def kind_and_message(error: BaseException) -> str:
    """Return an error's kind and its shortened message on one line; of a `ValueError` the message alone."""
    text = message_of(error)
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."
    return text if text and type(error) is ValueError else f"{type(error).__name__}: {text}".removesuffix(": ")


def plain(value: Any) -> Any:
    """Return the value of a member of an enumeration, as the user writes it, and any other value unchanged."""
    return value.value if isinstance(value, Enum) else value


def called(function: Any) -> str:
    """Return the name of a function, or the class of another callable."""
    return str(getattr(function, "__qualname__", type(function).__name__))


def option_in(message: str, args: Any, names: Iterable[str] | None = None) -> str | None:
    """Return the option that a message is about: it has the option's name in it, or the value.

    Args:
        message: The message.
        args: The options, a dataclass. Tokens are not looked for, since the line would show them.
        names: The options to look for; by default all that differ from their defaults.
    """
    found = {name: plain(getattr(args, name)) for name in (_changed(args) if names is None else names)}
    found = {name: value for name, value in found.items() if not name.endswith("token")}
    for name in sorted(found, key=len, reverse=True):
        if _is_word(name, message):
            return name
    for name, value in found.items():
        if any(_is_word(part, message) for part in _parts(value)):
            return name
    return None


def _changed(args: Any) -> list[str]:
    options = [option for option in dataclasses.fields(args) if option.init and hasattr(args, option.name)]
    return [option.name for option in options if getattr(args, option.name) not in (option.default, None, [])]


def _parts(value: Any) -> list[str]:
    """Return the words of a value by which a message may show it."""
    parts = list(value) if isinstance(value, list | tuple | dict) else [value]
    return [str(part) for part in parts if not isinstance(part, bool)]


def _is_word(word: str, message: str) -> bool:
    """Return whether a message has a word in it, in capitals or not; of one letter or digit it says nothing."""
    return len(word) > 1 and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", message, re.IGNORECASE) is not None
