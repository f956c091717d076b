"""How far people agree, as lines for a terminal and as a page that needs nothing beside it.

Names and texts are others': they are shown as they are, and neither a terminal nor a browser obeys them.
"""

import math
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from hfal.export.agreement import PAUSE, Agreement, Person
from hfal.store.disagreements import Disagreement
from hfal.tasks.kinds import Label
from hfal.tasks.opinions import Confusion, spoken
from hfal.tasks.words import plain_text
from hfal.utils.output import shown_line
from hfal.utils.spelling import counted, percent
from hfal.utils.visible_text import cell_width, clip


Table = list[list[str]]
"""Rows of cells, the first of which names the columns; the first cell of a row says what it is about."""

_TEMPLATE = "agreement.html"
_TEMPLATES = Path(__file__).with_name("templates")
_MOST_CLASSES, _MOST_CLASSES_OF_PAGE = 8, 30  # of a table that has a row and a column for each
_MOST_PAIRS = 20  # of people, or of labels, in a list
_LONGEST_NAME, _LONGEST_TEXT = 24, 500  # cells in a terminal; characters on a page


def agreement_lines(agreement: Agreement, run_dir: str, most: int, columns: int) -> list[str]:
    """Return what `hfal agreement` prints.

    Args:
        agreement: What was measured.
        run_dir: The run directory as the user writes it.
        most: How many disagreements to list.
        columns: How wide the terminal is.
    """
    lines = [headline(agreement)]
    if not agreement.texts:
        lines += [what_to_do(agreement, run_dir)]
        return lines + (["", *_drawn(people_table(agreement))] if agreement.people else [])
    lines += _drawn_alpha(agreement)
    lines += ["", *_drawn(people_table(agreement)), *about_people(agreement)]
    if agreement.pairs:
        lines += ["", *_drawn(pairs_table(agreement)), *_more(len(agreement.pairs), "pair")]
    for title, table in confusion_tables(agreement, _MOST_CLASSES):
        lines += ["", f"{title}:", *_drawn(table)]
    lines += ["", disagreements_headline(agreement, most)]
    for number, one in enumerate(agreement.disagreements[:most], start=1):
        start = f"{number:>3}  "
        said = ", ".join(f"{name}: {label}" for name, label in said_labels(agreement, one))
        lines += [
            clip(f"{start}{text_of(one)}", columns),
            clip(f"{' ' * len(start)}holds: {holds(agreement, one)} | {said}", columns),
        ]
    if agreement.to_settle:
        command = f"hfal agreement {shlex.quote(run_dir)} --settle"
        lines += ["", f"Next: {command} (in a browser: {command} --web)"]
    return lines


def agreement_page(agreement: Agreement, run_dir: str, most: int) -> str:
    """Return the report as one HTML file, with no script, and nothing that a browser would have to fetch.

    Args:
        agreement: What was measured.
        run_dir: The run directory as the user writes it.
        most: How many disagreements to list.
    """
    confusions = [
        {"title": title, "table": table, "shades": _shades(table)}
        for title, table in confusion_tables(agreement, _MOST_CLASSES_OF_PAGE)
    ]
    return str(
        _template().render(
            agreement=agreement,
            headline=headline(agreement),
            what_to_do="" if agreement.texts else what_to_do(agreement, run_dir),
            alpha=number(agreement.alpha),
            alphas=alphas_table(agreement) if agreement.alpha_of else [],
            measure=_of_what(agreement),
            people=people_table(agreement),
            about_people=about_people(agreement),
            pairs=pairs_table(agreement),
            more_pairs=_more(len(agreement.pairs), "pair"),
            confusions=confusions,
            disagreements_headline=disagreements_headline(agreement, most),
            disagreements=[
                {
                    "text": text_of(one, _LONGEST_TEXT),
                    "holds": holds(agreement, one),
                    "said": said_labels(agreement, one),
                    "is_settled": one.settled_by is not None,
                }
                for one in agreement.disagreements[:most]
            ],
            command=f"hfal agreement {shlex.quote(run_dir)} --settle" if agreement.to_settle else "",
        )
    )


# -- the parts, as text --------------------------------------------------------------------------------------------


def headline(agreement: Agreement) -> str:
    """Return how much there is to compare."""
    if not agreement.texts:
        alone = counted(agreement.alone, "text has", "texts have")
        return f"There is nothing to compare: no text has labels of two people ({alone} the label of one)."
    there_are = counted(agreement.texts, "text has", "texts have")
    alone = counted(agreement.alone, "more text has", "more texts have")
    of_one = f"; {alone} the label of one person" if agreement.alone else ""
    return f"{there_are} labels of at least two people, {counted(agreement.opinions, 'label')} in all{of_one}."


def what_to_do(agreement: Agreement, run_dir: str) -> str:
    """Return how to come by labels that can be compared."""
    if agreement.missing:
        missing = counted(agreement.missing, "opinion is", "opinions are")
        return f"{missing} missing of texts that several people label; who is next: hfal status {shlex.quote(run_dir)}"
    return (
        f"To have each text labeled by two people: hfal run {shlex.quote(run_dir)} --annotators anna,ben --overlap 2 "
        "(--overlap_share 0.2: a fifth of the texts)"
    )


def _of_what(agreement: Agreement) -> str:
    kind = agreement.kind
    if kind.is_table_for_each_name:
        return "of whether a label is given, the mean over labels"
    return "of the tags of words" if kind.of_words else "of the labels"


def _drawn_alpha(agreement: Agreement) -> list[str]:
    lines = [f"Krippendorff's alpha, {_of_what(agreement)}: {number(agreement.alpha)} (1 is perfect, 0 is chance)"]
    if agreement.alpha_of:
        lines += ["", *_drawn(alphas_table(agreement))]
    return lines


def alphas_table(agreement: Agreement) -> Table:
    """Return a table with the alpha of each label, where a text may have several."""
    return [["label", "alpha"], *([_name(name), number(alpha)] for name, alpha in agreement.alpha_of.items())]


def people_table(agreement: Agreement) -> Table:
    """Return a table with a row for each person."""
    header = ["person", "labels", "shared", "agreement", "accuracy", "pace", "skips", "unsure"]
    settled, nonsense = (any(getattr(one, of) for one in agreement.people) for of in ("settled", "nonsense"))
    rows = [[*header, *["nonsense"] * nonsense, *["settled"] * settled]]
    for person in agreement.people:
        figures = [number(person.agreement), number(person.accuracy), _seconds(person)]
        others = [person.skips, person.unsure, *[person.nonsense] * nonsense, *[person.settled] * settled]
        counts = [_count(person.labels), _count(person.shared)]
        rows.append([_name(person.name), *counts, *figures, *map(_count, others)])
    return rows


def about_people(agreement: Agreement) -> list[str]:
    """Return what the columns of `people_table` are."""
    what = "words" if agreement.kind.of_words else "labels by label" if agreement.alpha_of else "labels"
    return [
        "shared: labels on texts that others have labeled, too.",
        f"agreement: how often another one agrees on these, in pairs of opinions ({what}).",
        "accuracy: the share that is right, as estimated from all opinions (one coin).",
        f"pace: median seconds from answer to answer; pauses above {PAUSE // 60} minutes are left out.",
        *["settled: disagreements settled, which are no labels of their own."]
        * any(person.settled for person in agreement.people),
    ]


def pairs_table(agreement: Agreement) -> Table:
    """Return a table with a row for each pair of people who share texts, those who agree least first."""
    pairs = agreement.pairs[:_MOST_PAIRS]
    rows = [[f"{_name(one.one)}, {_name(one.other)}", _count(one.texts), number(one.kappa)] for one in pairs]
    return [["pair", "texts shared", "Cohen's kappa"], *rows]


def confusion_tables(agreement: Agreement, most: int) -> list[tuple[str, Table]]:
    """Return titles and tables that say which labels are given to the same text, or word.

    Args:
        agreement: What was measured.
        most: Of more labels only the pairs that are confused are listed, and not all with all.
    """
    found = agreement.confusions
    if agreement.kind.is_table_for_each_name:
        rows = [[_name(str(one.name)), *map(_count, _of_one_label(one))] for one in found]
        return [("Pairs of people on one text", [["label", "both give it", "one does", "neither does"], *rows])]
    tables = []
    for one in found:
        what = "word" if agreement.kind.of_words else "text"
        if len(one.classes) <= most:
            names = [_name(name) for name in one.classes]
            rows = [[name, *map(_count, counts)] for name, counts in zip(names, one.counts.tolist(), strict=True)]
            tables.append((f"Pairs of labels on one {what}", [["", *names], *rows]))
            continue
        confused = np.argwhere(np.triu(one.counts, 1)).tolist()
        confused.sort(key=lambda pair: -one.counts[pair[0], pair[1]])
        rows = [
            [f"{_name(one.classes[a])} / {_name(one.classes[b])}", _count(int(one.counts[a, b]))]
            for a, b in confused[:_MOST_PAIRS]
        ]
        agreed = int(np.trace(one.counts))
        title = f"Labels that are confused on one {what}, in pairs of opinions ({agreed:,} pairs agree)"
        tables.append((title, [["labels", "pairs"], *rows]))
    return tables


def _of_one_label(one: Confusion) -> tuple[int, int, int]:
    (neither, different), (_, both) = one.counts.tolist()
    return both, different, neither


def disagreements_headline(agreement: Agreement, most: int) -> str:
    """Return how many disagreements there are."""
    found, to_settle = len(agreement.disagreements), agreement.to_settle
    if not found:
        return "No text has different labels."
    head = f"{counted(found, 'text has', 'texts have')} different labels"
    if to_settle < found:
        head += f", {found - to_settle} of them settled"
    order = "the least certain first" if to_settle > 1 else ""
    shown = f"{most} are shown" if found > most else ""
    more = ", ".join(filter(None, [order, shown]))
    return f"{head} ({more}):" if more else f"{head}:"


def text_of(one: Disagreement, longest: int | None = None) -> str:
    """Return the text of a disagreement on one line; several texts stand between bars."""
    text = shown_line(" | ".join(" ".join(plain_text(text).split()) for text in one.texts.values()))
    return text if longest is None or len(text) <= longest else f"{text[:longest]}..."


def said_labels(agreement: Agreement, one: Disagreement) -> list[tuple[str, str]]:
    """Return who says what, on one line each."""
    return [(shown_line(name), _said(agreement, one, label)) for name, label in one.labels.items()]


def _said(agreement: Agreement, one: Disagreement, label: Label) -> str:
    return shown_line(spoken(agreement.kind, label, one.texts))


def holds(agreement: Agreement, one: Disagreement) -> str:
    """Return the label that holds, with its confidence, or who has settled it."""
    label = "-" if one.held is None else _said(agreement, one, one.held)
    if one.settled_by is not None:
        label = "makes no sense" if one.held is None else label
        return f"{label} (settled by {shown_line(one.settled_by)})"
    return f"{label} ({'-' if one.confidence is None else percent(one.confidence)})"


def number(value: float) -> str:
    """Return a number from -1 to 1 as it is shown; `-` where it is undefined."""
    return "-" if math.isnan(value) else f"{round(value, 3) + 0.0:.3f}"


def _seconds(person: Person) -> str:
    return "-" if math.isnan(person.seconds) else f"{person.seconds:.1f} s"


def _count(value: int) -> str:
    return f"{value:,}"


def _name(name: str) -> str:
    return clip(shown_line(name), _LONGEST_NAME)


def _more(pairs: int, what: str) -> list[str]:
    left = pairs - _MOST_PAIRS
    return [f"and {counted(left, f'more {what}')}, who agree no less"] if left > 0 else []


# -- drawing -------------------------------------------------------------------------------------------------------


def _drawn(table: Table) -> list[str]:
    """Return the lines of a table, whose first column stands left and whose others stand right."""
    widths = [max(map(cell_width, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        blanks = [" " * (width - cell_width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [f"{row[0]}{blanks[0]}", *(f"{blank}{cell}" for blank, cell in zip(blanks[1:], row[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return lines


def _shades(table: Table) -> list[list[int]]:
    """Return how dark each number stands, from 0 to 9, by its share of the largest in its row.

    That is for a table that has a row and a column for each label; of another one none is.
    """
    if table[0][0]:
        return []
    rows = [[int(cell.replace(",", "")) for cell in row[1:]] for row in table[1:]]
    return [[math.ceil(9 * cell / max(*row, 1)) for cell in row] for row in rows]


@cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["shown"] = shown_line
    return environment.get_template(_TEMPLATE)
