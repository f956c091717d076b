"""Guidelines for annotators: Markdown made into HTML that a page may show, whoever has written it."""

import os

import nh3
from markdown_it import MarkdownIt

from hfal.errors import ArgumentError
from hfal.utils.text_files import read_text


_TAGS = {
    *("a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre"),
    *("s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"),
}


def guidelines_html(markdown: str) -> str:
    """Return Markdown as HTML without scripts, styles, pictures, forms, or links to anything but the web and mail.

    HTML in the Markdown is shown as it is written.
    """
    html = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).render(markdown)
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href", "title"}, "ol": {"start"}},
        url_schemes={"http", "https", "mailto"},
        set_tag_attribute_values={"a": {"target": "_blank"}},
        link_rel="noopener noreferrer",
    )


def read_guidelines(path: str | os.PathLike[str]) -> str:
    """Return the HTML of a file in Markdown.

    Raises:
        ArgumentError: The file cannot be read.
    """
    try:
        return guidelines_html(read_text(path))
    except OSError as error:
        raise ArgumentError(
            f"guidelines={os.fspath(path)!r} cannot be read ({error.strerror}): name a file in Markdown"
        ) from error
