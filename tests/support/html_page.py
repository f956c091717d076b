"""Read an HTML page."""

from html.parser import HTMLParser


TEXTS = ("h1", "h2", "p", "li", "td", "th", "figcaption")


class Page(HTMLParser):
    """The elements of a page, and the texts of its headings, paragraphs, points and cells."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self._open.append(tag)
        if tag in TEXTS:
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] in TEXTS:
            self.texts[-1] += data
