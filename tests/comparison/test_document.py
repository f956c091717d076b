"""Documents in Markdown and HTML."""

import re

import pytest

from hfal.comparison.document import Bullets, Code, Heading, Paragraph, Table, to_html, to_markdown
from support.hostile import HOSTILE
from support.html_page import Page


@pytest.mark.parametrize("text", [text for text in HOSTILE.values() if 0 < len(text) < 10_000])
def test_what_somebody_typed_stays_text(text: str) -> None:
    hostile = f"<script>alert(1)</script>{text}`</td>|[x](javascript:y)"
    blocks = [Heading(hostile), Paragraph(hostile), Bullets([hostile]), Table([hostile], [[hostile]])]
    page = Page(to_html(hostile, [*blocks, Code(hostile, "yaml")]))
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert tags.count("td") == tags.count("th") == tags.count("li") == 1
    assert len(set(page.texts)) == 1  # the same everywhere, whatever it is
    assert page.texts[0].startswith("<script>alert(1)</script>")
    markdown = to_markdown(hostile, blocks)
    lines = markdown.rstrip("\n").split("\n")
    assert [line[:2] for line in lines if line] == ["# ", "##", "\\<", "- ", "| ", "| ", "| "]
    assert "](" not in markdown.replace("\\](", "")
    assert not re.search(r"(?<!\\)<", markdown)
