"""Options as the fields of dataclasses."""

from dataclasses import MISSING

import pytest

from hfal.config.arguments import ActiveLearningArguments
from hfal.config.option_fields import default_of, options_of, split_words, type_name
from hfal.errors import ArgumentError


def test_types_and_defaults():
    options = options_of([ActiveLearningArguments])
    found = {name: type_name(options[name]) for name in ("data", "labels", "text", "rounds", "skip_blank")}
    assert found == {"data": "str", "labels": "list[str]", "text": "list[str]", "rounds": "int", "skip_blank": "bool"}
    assert default_of(options["data"]) is MISSING
    assert default_of(options["text"]) == ["text"]
    assert default_of(options["text"]) is not default_of(options["text"])


def test_lists_are_split_at_commas():
    assert split_words("labels", " a, b c ,d,") == ["a", "b c", "d"]
    with pytest.raises(ArgumentError, match="--labels has an empty item: 'a,,b'"):
        split_words("labels", "a,,b")
