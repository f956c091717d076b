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


def test_a_json_list_is_taken_as_it_is() -> None:
    assert split_words("labels", '["Yes, of course", "No"]') == ["Yes, of course", "No"]
    assert split_words("labels", ' ["a,b", 0, "[c"] ', "d,e") == ["a,b", "0", "[c", "d", "e"]
    assert split_words("labels", "[LOC],[PER]", "a[0]", '6",7"') == ["[LOC]", "[PER]", "a[0]", '6"', '7"']
    assert split_words("show", "[]") == []
    with pytest.raises(ArgumentError, match="--labels has an empty item"):
        split_words("labels", '["a", " "]')


@pytest.mark.parametrize(
    "words",
    [
        ["[Yes, of course, No]"],  # of which a shell has taken the quotes
        ["[Yes,", "No]"],
        ["['Yes', 'No']"],
        ['["Yes", "No"'],
        ['"Yes, of course",No'],
        ["[true, false]"],
        ["[1.10, 2]"],
        ['["a", ["b", "c"]]'],
        ["[" * 100_000 + ",a"],
    ],
)
def test_a_list_that_would_be_cut_is_refused(words: list[str]) -> None:
    with pytest.raises(ArgumentError, match=r"--labels is .* a JSON list of strings, --labels '") as caught:
        split_words("labels", *words)
    assert len(str(caught.value)) < 500
