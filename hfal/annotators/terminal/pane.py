"""The pane of the terminal annotator's screen in which a text scrolls."""

from collections.abc import Callable, Mapping, Sequence

from hfal.annotators.session.session import ShownSentence
from hfal.annotators.terminal.layout import Fragments, Page
from hfal.tasks.tags import Entity
from hfal.utils.visible_text import clip


class Pane:
    """A window on the texts that are shown, which stays at its place in them when it, or what is marked, changes.

    Args:
        shown: What is shown now, and which entities are marked in it.
        texts: Its texts.
    """

    def __init__(
        self,
        shown: Callable[[], tuple[str, Sequence[Entity]]],
        texts: Callable[[], Mapping[str, str | ShownSentence]],
    ):
        self.columns = self.height = 1
        self._shown = shown
        self._texts = texts
        self._page = Page({}, 1)
        self._page_of: tuple[str, Sequence[Entity]] = ("", ())
        self._top = (0, 0)

    def scroll(self, rows: int) -> None:
        """Move so many rows down, or up."""
        self._turn_page()
        self._top = self._page.move(self._top, rows, self.height)

    def scroll_pages(self, pages: int) -> None:
        """Move so many pages down, or up, which have a row in common."""
        self.scroll(pages * (self.height - 1))

    def to_start(self) -> None:
        """Move to the first row."""
        self._top = (0, 0)

    def to_end(self) -> None:
        """Move to where the last row is seen."""
        self._turn_page()
        self._top = self._page.last(self.height)

    def rows(self) -> list[Fragments]:
        """The rows of the text, and a rule below them, which says whether there are more."""
        self._turn_page()
        height = self.height
        rows = self._page.rows(self._top, height + 1)
        if len(rows) < height and self._top > (0, 0):
            self._top = self._page.last(height)
            rows = self._page.rows(self._top, height + 1)
        hint = ""
        if len(rows) > height:
            end = self._page.start_of(self._page.move(self._top, height, 0))
            hint = f"-- {100 * end // max(self._page.length, 1)}% seen, [Space] goes on "
        elif self._top > (0, 0):
            hint = "-- end of the text, [PageUp] goes back "
        blank: list[Fragments] = [[("", " ")]] * (height - len(rows))
        return [*rows[:height], *blank, [("", clip(hint, self.columns).ljust(self.columns, "-"))]]

    def _turn_page(self) -> None:
        """Have the page of what is shown now; of the same text at the same place, though its rows may be others."""
        shown = self._shown()
        if (shown, self.columns) != (self._page_of, self._page.width):
            start = self._page.start_of(self._top) if shown[0] == self._page_of[0] else 0
            self._page, self._page_of = Page(self._texts(), self.columns), shown
            self._top = self._page.place_of(start)
