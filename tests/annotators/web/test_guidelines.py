"""Guidelines in Markdown, also such as somebody has written who wants more than to guide."""

import re
from pathlib import Path

import pytest

from hfal.annotators.web.guidelines import guidelines_html, read_guidelines
from hfal.errors import ArgumentError


def test_markdown_becomes_html() -> None:
    html = guidelines_html("# Labels\n\n- **positive**: *good*\n- `negative`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")
    for part in ("<h1>Labels</h1>", "<strong>positive</strong>", "<code>negative</code>", "<td>2</td>"):
        assert part in html
    link = guidelines_html("[more](https://example.org/a?b=c&d)")
    assert '<a href="https://example.org/a?b=c&amp;d" target="_blank" rel="noopener noreferrer">more</a>' in link


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\nscript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "![x](https://evil.example/seen.png)",
        "<a href='javascript:alert(1)'>x</a>",
        "<style>*{display:none}</style>",
        "<iframe src=https://evil.example></iframe>",
        "<form action=https://evil.example><input name=a></form>",
        "<svg/onload=alert(1)>",
        '[x](https://a.org "a\\" onmouseover=alert(1) \\"")',
        "<p style='background:url(https://evil.example)'>x</p>",
        "<base href=https://evil.example>",
        '```js" onload=alert(1)\nx\n```',
        "<javascript:alert(1)>",
    ],
)
def test_nothing_in_it_is_obeyed(hostile: str) -> None:
    html = guidelines_html(f"before\n\n{hostile}\n\nafter")
    assert "before" in html
    assert "after" in html
    tags = re.findall(r"<(/?\w+)([^>]*)>", html)
    assert {name.strip("/") for name, _ in tags} <= {"p", "a", "pre", "code"}
    for name, attributes in tags:
        rest = re.sub(r' (?:title|rel|target)="[^"]*"', "", attributes)
        assert rest == "" or (name == "a" and re.fullmatch(r' href="https://[^"]*"', rest)), html


def test_a_file_is_read_or_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "rules.md"
    path.write_text("Label *tone*.", "utf-8")
    assert read_guidelines(path) == "<p>Label <em>tone</em>.</p>\n"
    with pytest.raises(ArgumentError, match=r"cannot be read \(No such file or directory\): name a file in Markdown"):
        read_guidelines(tmp_path / "none.md")
    with pytest.raises(ArgumentError, match="is a folder, expected a file"):
        read_guidelines(tmp_path)
