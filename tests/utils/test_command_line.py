"""Words of a command line that are no option, and lists that are given twice."""

from argparse import ArgumentParser

import pytest

from hfal.errors import ArgumentError
from hfal.utils.command_line import check_words


PARSER = ArgumentParser()
PARSER.add_argument("--query_size", "--query-size")
PARSER.add_argument("--labels", nargs="+")
PARSER.add_argument("--learning_rate")
PARSER.add_argument("--hub_token")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--query_sze", "5"], "unknown option '--query_sze'. Did you mean 'query_size'?"),
        (["--query-sze=5"], "unknown option '--query-sze'. Did you mean 'query_size'?"),
        (["-query_size", "5"], "unknown option '-query_size'. Did you mean 'query_size'?"),
        (["--query", "5"], "unknown option '--query'. Did you mean 'query_size'?"),  # an abbreviation is not one
        (["--hub_tokn=hf_secret"], "unknown option '--hub_tokn'. Did you mean 'hub_token'?"),
        (["--hub_tokn", "hf_secret"], "unknown option '--hub_tokn'. Did you mean 'hub_token'?"),
        (["--zzz"], "unknown option '--zzz'."),
        (
            ["--lables", "a,b", "--query_size", "5", "--zzz", "--learnig_rate", "1"],
            "unknown options '--lables' (Did you mean 'labels'?), '--zzz', "
            "'--learnig_rate' (Did you mean 'learning_rate'?)",
        ),
        (["--hub_token=--"], "--hub_token has the value '--', which no option takes"),  # argparse makes a list of it
        (["--labels", "a", "--labels", "b"], "--labels is given 2 times: name all of its values once"),
    ],
)
def test_it_is_named_without_its_value_and_with_the_nearest(words: list[str], message: str) -> None:
    with pytest.raises(ArgumentError) as raised:
        check_words(words, PARSER._actions)
    assert str(raised.value).startswith(message)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "words",
    [
        ["--query-size", "-5", "--labels", "a", "-", "-1e-5"],
        ["--query_size", "5", "--query-size=6"],  # the last holds
        ["--labels", "- a -", "--", "--zzz"],
    ],
)
def test_what_is_no_option_for_the_parser_is_none_here(words: list[str]) -> None:
    check_words(words, PARSER._actions)


def test_what_an_option_is_called_elsewhere() -> None:
    with pytest.raises(ArgumentError, match="Did you mean 'labels'"):
        check_words(["--classes", "a"], PARSER._actions, {"classes": "labels"})
