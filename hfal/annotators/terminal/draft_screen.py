"""The terminal annotator's screen where an answer is put together: what Enter would save, and what r brings back."""

from abc import abstractmethod

from hfal.annotators.session.draft import DraftSession
from hfal.annotators.terminal.layout import Fragments
from hfal.annotators.terminal.screen import Screen
from hfal.annotators.terminal.widgets import Chip, flow
from hfal.store.records import Answer
from hfal.utils.spelling import percent


class DraftScreen(Screen):
    """Draws a session with drafts."""

    session: DraftSession

    @abstractmethod
    def _drafted(self) -> str:
        """The draft in a few words."""

    @abstractmethod
    def _restoring(self) -> str:
        """What happens to the suggestion when it is taken over."""

    def _bind_choices(self) -> None:
        self._on("r", self._labeling, self._restore)

    def _accept(self) -> Answer | None:
        return self.session.accept()

    def _restore(self) -> None:
        if self.session.shown is not None:
            self.session.restore()

    def _suggestion(self, columns: int, most_rows: int) -> list[Fragments]:
        session = self.session
        if session.shown is None:
            return []
        what = self._drafted()
        chips = []
        if self._mode != "label":
            chips.append(Chip(what))
        elif not session.is_said:
            chips.append(Chip(f"saves {what}" if session.answer is None else f"changes it to {what}", "Enter"))
        if session.suggested is not None:
            confidence = session.suggested.confidence
            sure = "" if confidence is None else f" ({percent(confidence)})"
            if not session.suggestions_shown:
                chips.append(Chip(f"shows what {session.suggester}", "h"))
            elif session.draft == session.suggestion:
                chips.append(Chip(f"as {'it ' * session.query.settles}{session.suggester}{sure}"))
            else:
                chips.append(Chip(f"{self._restoring()} what {session.suggester}{sure}", "r"))
        return flow(chips, columns, most_rows)
