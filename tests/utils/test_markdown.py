"""Markdown, against what is written by hand."""

import pytest

from hfal.utils.markdown import code, fenced, plain, table


def test_a_text_shows_as_it_is() -> None:
    assert plain("a|b *c* [d](e) `f` <g> #h $i!") == r"a\|b \*c\* \[d\](e) \`f\` \<g\> \#h \$i\!"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("margin", "`margin`"),
        ("a`b", "``a`b``"),
        ("``", "``` `` ```"),
        (" a", "`  a `"),
        ("a|b", r"`a\|b`"),
        ("*a*", "`*a*`"),
    ],
)
def test_inline_code(text: str, expected: str) -> None:
    assert code(text) == expected


def test_a_block_of_code_is_longer_than_any_fence_in_it() -> None:
    assert fenced("a: 1\nb: 2\n", "yaml") == "```yaml\na: 1\nb: 2\n```"
    assert fenced("```\na\n````", "sh") == "`````sh\n```\na\n````\n`````"


def test_a_table_has_a_line_below_its_header() -> None:
    assert table(["a", "b"], [["1", "2"], ["3", "4"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |"
