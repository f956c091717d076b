"""Check the words of a command line against the options that there are, before a parser reads them."""

from argparse import Action
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from hfal.errors import UsageError
from hfal.utils.spelling import did_you_mean


def check_words(words: Sequence[str], actions: Iterable[Action], misnomers: Mapping[str, str] | None = None) -> None:
    """Refuse options that there are not, and lists that are given twice.

    All that are misspelt are named, and before anything else that is wrong: `--lables a,b` is why `--labels` is
    missing. Values are not repeated, for one may be a password.

    Of another option that is given twice the last value holds: so a script's options are overridden. A second
    `--labels` looks as if it added to the first, and would replace it.

    Args:
        words: The words behind the command.
        actions: The options that the parser has.
        misnomers: Options by what they are called elsewhere.

    Raises:
        UsageError: An option is unknown, a list is given twice, or a value is `--`.
    """
    options = {spelling: action for action in actions for spelling in action.option_strings}
    given = list(_given(words))
    unknown = [word for word in given if word not in options]
    if unknown:
        names = [action.dest for action in options.values()]
        raise UsageError(unknown_names("unknown option", unknown, names, misnomers))
    if empty := [word for word in words if word.startswith("--") and word.endswith("=--")]:
        raise UsageError(f"{empty[0].removesuffix('=--')} has the value '--', which no option takes")  # nor argparse
    lists = Counter(options[word].dest for word in given if options[word].nargs == "+")
    for name, times in lists.items():
        if times > 1:
            raise UsageError(f"--{name} is given {times} times: name all of its values once, --{name} A,B")


def unknown_names(
    what: str, unknown: Sequence[str], known: Iterable[str], misnomers: Mapping[str, str] | None = None
) -> str:
    """Return the message for names that are unknown, each with what it may have meant.

    Args:
        what: What they are, in the singular: `"unknown option"`.
        unknown: The names as they were written, dashes included.
        known: The names that there are.
        misnomers: Some of these by what they are called elsewhere.
    """
    known = list(known)
    bare = {name: name.lstrip("-").replace("-", "_") for name in unknown}
    meant = {name: did_you_mean((misnomers or {}).get(one, one), known) for name, one in bare.items()}
    if len(meant) == 1:
        return "".join(f"{what} {name!r}.{question}" for name, question in meant.items())
    return f"{what}s " + ", ".join(f"{name!r}{f' ({q.strip()})' if q else ''}" for name, q in meant.items())


def _given(words: Sequence[str]) -> Iterator[str]:
    """Yield the options among the words, without their values, as `argparse` tells the two apart."""
    for word in words:
        if word == "--":
            return
        name = word.partition("=")[0]
        if name.startswith("-") and name != "-" and " " not in name and not _is_number(word):
            yield name


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
