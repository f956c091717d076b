"""Make `labels.sqlite` of this folder, with the hfal of the commit that README.md names: make.py FOLDER."""

import sys

from hfal.store import Answer, Queried, Query, Store


def examples(*ids: str) -> tuple[Queried, ...]:
    return tuple(Queried(i, f"content of {i}", {"text": f"text of {i}"}, 0.5, "positive", 0.75) for i in ids)


store = Store(sys.argv[1])
with store.own():
    store.set_meta("task", "text_classification")
    store.set_meta("scheme", None)
    store.set_meta("label_names", ["negative", "positive"])
    store.set_meta("labels_are_hidden", False)
    store.record_given([(Answer("given", "positive", annotator="dataset"), "content of given", {"text": "given"})])
    store.add_query(Query(0, "holdout", "random", 42, examples("a")))
    store.add_query(Query(0, "seed", "random", 42, examples("b", "c", "d")))
    store.record(Answer("a", "positive", annotator="ann", query=1))
    store.close_query(1)
    store.record(Answer("b", "positive", annotator="ann", query=2))
    store.record(Answer("b", "negative", annotator="ann", query=2, comment="it is irony"))
    store.record(Answer("c", action="skip", annotator="ann", query=2))
    store.record(Answer("d", action="unsure", annotator="bob", query=2))
    store.record(Answer("d", action="undo", annotator="bob", query=2))
    store.record(Answer("d", "negative", annotator="bob", query=2))
    store.close_query(2)
    store.start_round(1, 42, 3, 3)
    store.finish_training(1)
    store.finish_round(1, {"eval_accuracy": 0.5})
    store.add_query(Query(1, "round", "margin", 42, examples("e", "f"), "BertModel", {"k": 1}, {"hfal": "0.1.0"}))
    store.record(Answer("e", "negative", annotator="ann", query=3))
store.close()
