"""The rounds of a run as a list, as a table, and in pandas."""

from dataclasses import replace

import pandas as pd

from hfal.store.records import RoundRecord
from hfal.store.round_records import RoundRecords


TIME = "2026-11-30T18:38:19.490065+00:00"
FIRST = RoundRecord(1, 0, 50, 50, 45, TIME, TIME, {"eval_loss": 0.5, "eval_f1_<b>": 0.25}, TIME, None, {"kappa": 0.75})
SECOND = replace(FIRST, number=2, labels=60, metrics=None, finished=None, stability=None)


def test_they_are_a_list_that_is_shown_as_a_table() -> None:
    records = RoundRecords([FIRST, SECOND])
    assert records == [FIRST, SECOND]
    assert str(records).split("\n") == [
        "round  labels      trained on    loss  f1_<b>   kappa",
        "    1      50              45  0.5000  0.2500  0.7500",
        "    2      60  (not finished)",
    ]
    html = records._repr_html_()
    assert html.startswith(
        "<table><tr><th>round</th><th>labels</th><th>trained on</th><th>loss</th><th>f1_&lt;b&gt;</th>"
    )
    assert html.count("<tr>") == 3
    assert RoundRecords()._repr_html_() == "<table><tr><th>round</th><th>labels</th><th>trained on</th></tr></table>"


def test_they_are_rows_in_pandas() -> None:
    frame = RoundRecords([FIRST, SECOND]).to_pandas()
    assert list(frame) == ["round", "labels", "train_size", "loss", "f1_<b>", "kappa", "started", "finished"]
    assert frame["labels"].tolist() == [50, 60]
    assert frame["loss"].tolist()[0] == 0.5
    assert frame["loss"].isna().tolist() == frame["finished"].isna().tolist() == [False, True]
    assert frame["started"][0] == pd.Timestamp(TIME)
    of_words = RoundRecords([replace(FIRST, words=812)]).to_pandas()
    assert list(of_words)[:4] == ["round", "labels", "words", "train_size"]
    assert len(RoundRecords().to_pandas()) == 0
