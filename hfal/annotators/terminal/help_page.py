"""The help page of the terminal annotator's screens."""

from collections.abc import Mapping, Sequence

from hfal.annotators.base import OpenQuery
from hfal.utils.visible_text import one_line


_NOT_SURE = "  n      not sure: you cannot tell\n"
_NONSENSE = "  -      makes no sense: for texts that a program has made up\n"
_WHERE_SETTLED = {
    "skip: it cannot be labeled; never ask again": "skip: leave it for later",
    "not sure: you cannot tell": "not sure: leave it for later, too",
    "what the model suggests": "what holds so far",
    "accept the suggestion, while it is shown": "accept what holds so far, while it is shown",
}
"""What keys mean where disagreements are settled, in the place of what they mean elsewhere."""


def help_page(text: str, query: OpenQuery, choices: Sequence[str], keys: Mapping[str, str], noun: str) -> str:
    """Return the help page of a screen.

    Args:
        text: What its keys do, but for those of the choices.
        query: What is asked.
        choices: What a person chooses from.
        keys: The keys of the choices that have one.
        noun: What the choices are, in the plural.
    """
    if any(question.synthesized for question in query.questions):
        text = text.replace(_NOT_SURE, _NOT_SURE + _NONSENSE)
    if query.settles:
        for usual, settling in _WHERE_SETTLED.items():
            text = text.replace(usual, settling)
    with_key = [f"  {key}  {one_line(name)}" for name, key in keys.items()]
    others = [f"     {one_line(name)}" for name in choices if name not in keys]
    by_name = f"{noun.capitalize()} without a key: type [/] and a part of the name"
    return "\n".join([text, *with_key, *([by_name, *others] * bool(others))])
