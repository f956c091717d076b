"""The rounds of a run as a list that notebooks show as a table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hfal.store.learning_curve import metric_names
from hfal.store.records import RoundRecord
from hfal.utils.html import html_table
from hfal.utils.visible_text import cell_width, one_line


if TYPE_CHECKING:
    import pandas as pd


class RoundRecords(list[RoundRecord]):
    """A list of `RoundRecord`, first to last; `print` and notebooks show it as a table."""

    def __str__(self) -> str:
        return aligned(table_rows(self))

    def _repr_html_(self) -> str:
        return html_table(table_rows(self))

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Write the table, as IPython asks it of an object."""
        printer.text(str(self))

    def to_pandas(self) -> "pd.DataFrame":
        """Return a table with a row for each round: number, labels, words, train_size, metrics, figures and times.

        Metrics have no `eval_` before them; figures are those of `RoundRecord.stability`. `words` is only there where
        labels are of words.
        """
        import pandas as pd

        rows = [
            {
                "round": record.number,
                "labels": record.labels,
                **({} if record.words is None else {"words": record.words}),
                "train_size": record.train_size,
                **{name.removeprefix("eval_"): value for name, value in (record.metrics or {}).items()},
                **(record.stability or {}),
                "started": pd.to_datetime(record.started),
                "finished": pd.to_datetime(record.finished),
            }
            for record in self
        ]
        names = list({name: None for row in rows for name in row})
        last = ["started", "finished"]
        return pd.DataFrame(rows, columns=[*(name for name in names if name not in last), *last] if rows else None)


def table_rows(records: Sequence[RoundRecord]) -> list[list[str]]:
    """Return the cells of the table of rounds, the head first.

    Where words are tagged, the labels bought are in sentences and in words. Where it is recorded how predictions
    change, the last column has the kappa between each round and the one before.
    """
    names = metric_names(records)
    with_kappa = any(record.stability for record in records)
    of_words = any(record.words is not None for record in records)
    bought = ["sentences", "words"] if of_words else ["labels"]
    columns = [*(one_line(name.removeprefix("eval_")) for name in names), *(["kappa"] if with_kappa else [])]
    rows = [["round", *bought, "trained on", *columns]]
    for record in records:
        values = [(record.metrics or {}).get(name) for name in names]
        values += [(record.stability or {}).get("kappa")] if with_kappa else []
        row = [str(record.number), str(record.labels), *([str(record.words)] if of_words else [])]
        if record.finished is None:
            rows.append([*row, "(not finished)", *("" for _ in columns)])
        else:
            shown = ["" if value is None else f"{value:.4f}" for value in values]
            rows.append([*row, str(record.train_size), *shown])
    return rows


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of cells as lines of text, each column aligned on the right."""
    widths = [max(cell_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(" " * (w - cell_width(cell)) + cell for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
