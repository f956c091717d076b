"""What a screen says when nothing is left to answer: how it went, and what Enter does."""

from hfal.annotators.base import OpenQuery
from hfal.utils.spelling import counted


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
