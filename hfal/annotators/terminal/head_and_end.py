"""The first line of a screen, and what it says when nothing is left to answer."""

from hfal.annotators.base import OpenQuery
from hfal.annotators.session.session import Session
from hfal.annotators.terminal.layout import Fragments
from hfal.utils.spelling import counted
from hfal.utils.visible_text import clip


def head(session: Session, columns: int) -> Fragments:
    """Return the first line: what the query is for, how far it is, and what was bought.

    Args:
        session: What is asked, and what was said.
        columns: How wide the terminal is.
    """
    query = session.query
    done, bought = f"{session.answered}/{query.size}", session.bought
    unit = "word" if query.unit == "words" else "label"
    spent = counted(bought, unit) if query.budget is None else f"{bought:,} of {counted(query.budget, unit)}"
    line = f"{session.title} | {done} answered | {spent} bought"
    if len(line) > columns:
        budget = "" if query.budget is None else f"/{query.budget}"
        line = f"{session.title}  {done}  {unit}s {bought}{budget}".replace(" of ", "/")
    return [("bold", clip(line, columns))]


def ending(query: OpenQuery) -> tuple[str, str]:
    """Return what stands in the place of a text when all are answered, and what Enter does then, for its key.

    Args:
        query: The query.
    """
    if query.annotators:
        return "You have answered all that this query has for you.\n\n[Enter] goes on. [q] quits.", "go on"
    if query.settles:
        return f"{counted(query.size, 'text is', 'texts are')} settled.\n\n[Enter] or [q] ends.", "end"
    done = (
        "The only text of this query is" if query.size == 1 else f"All {counted(query.size, 'text')} of this query are"
    )
    return f"{done} answered.\n\n[Enter] closes the query, and the run goes on. [q] quits the run.", "close the query"
