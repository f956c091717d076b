"""Tables in HTML, for notebooks. Text of others, such as names of labels, is shown as it is and never obeyed."""

from collections.abc import Sequence
from html import escape

from hfal.utils.output import shown_line


def html_table(rows: Sequence[Sequence[object]], has_head: bool = True) -> str:
    """Return a table.

    Args:
        rows: Rows of cells.
        has_head: Whether the first row names the columns; without it the first cell names each row.
    """
    lines = []
    for number, row in enumerate(rows):
        is_head = has_head and number == 0
        cells = [
            f"<{tag}>{escape(shown_line(cell))}</{tag}>"
            for place, cell in enumerate(row)
            for tag in ["th" if is_head or (not has_head and place == 0) else "td"]
        ]
        lines.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table>{''.join(lines)}</table>"
