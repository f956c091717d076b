"""Pools in the run directory that they began in: data that grew, was edited, or is other data."""

import ast
import re
import sqlite3

import pytest
from datasets import Dataset

from hfal import Answer, Pool
from hfal.data import run_checks
from hfal.data.run_checks import wait_for_store
from hfal.errors import NoRunError, RunDirectoryError
from support.models import NAMES
from support.pools import a_pool, ids_of, query


def test_reordered_and_appended_rows_keep_their_labels(tmp_path):
    pool = a_pool(tmp_path)
    pool.record(Answer(ids_of(pool)[1], "negative", annotator="ann"))
    again = a_pool(tmp_path, ["new", "awful", "bad", "good", "fine", "newer"])
    assert again.labeled[:] == {"text": ["bad"], "labels": [0]}
    assert len(again.unlabeled) == 5


def test_an_edited_labeled_text_is_noticed(tmp_path):
    for id_column, ids in ((None, None), ("id", ["1", "2"])):
        run_dir = tmp_path / str(id_column)
        columns = {"text": ["good", "bad"], **({"id": ids} if ids else {})}
        pool = Pool(Dataset.from_dict(columns), run_dir, "text", label_names=NAMES, id_column=id_column)
        for example_id in ids_of(pool):
            pool.record(Answer(example_id, "positive", annotator="ann"))
        columns["text"] = ["good", "bad, but edited"]
        with pytest.raises(RunDirectoryError, match=r"another text than then|are gone"):
            Pool(Dataset.from_dict(columns), run_dir, "text", label_names=NAMES, id_column=id_column)
        columns["text"] = ["good", "bad"]
        assert (
            len(Pool(Dataset.from_dict(columns), run_dir, "text", label_names=NAMES, id_column=id_column).labels())
            == 2
        )


def test_an_edited_unlabeled_text_is_no_matter(tmp_path):
    pool = a_pool(tmp_path)
    pool.record(Answer(ids_of(pool)[0], "positive", annotator="ann"))
    assert len(a_pool(tmp_path, ["good", "bad!", "fine", "awful"]).labels()) == 1


def test_a_run_directory_of_another_pool_is_refused(tmp_path):
    pool = a_pool(tmp_path)
    query(pool, *ids_of(pool))
    with pytest.raises(RunDirectoryError, match="belongs to another pool"):
        a_pool(tmp_path, ["quite", "other", "texts"])


def test_other_label_names_are_refused(tmp_path):
    pool = a_pool(tmp_path)
    pool.record(Answer(ids_of(pool)[0], "negative", annotator="ann"))
    with pytest.raises(RunDirectoryError, match=r"began with negative, positive: .*label_names=\[.*--labels"):
        a_pool(tmp_path, label_names=["positive", "negative"])


@pytest.mark.parametrize(
    ("labels", "older"),
    [([1, 2, -1, 1], ["0", "1", "2"]), (["10", "9", "2", None], ["10", "2", "9"])],
)
def test_a_run_whose_numbers_hfal_counted_or_sorted_otherwise_opens_with_its_names(tmp_path, labels, older):
    before = a_pool(tmp_path, labels=labels, label_names=older)  # as hfal 0.1 has named them
    query(before, *ids_of(before)[:2])
    recorded = before.labels()
    with pytest.raises(RunDirectoryError, match=r"pass label_names=\[.*\], or .* \(older versions of hfal") as error:
        a_pool(tmp_path, labels=labels, label_names=None)
    names = ast.literal_eval(re.search(r"label_names=(\[.*?\])", str(error.value)).group(1))
    again = a_pool(tmp_path, labels=labels, label_names=names)
    assert again.label_names == before.label_names == tuple(older)
    assert again.labels() == recorded
    assert again.labeled["label"][:] == before.labeled["label"][:]
    assert again.fingerprint == before.fingerprint


@pytest.mark.parametrize("labels", [[1, -1, -1, 0], [1, None, None, 0]])
def test_a_partly_labeled_dataset_is_labeled_in_part(tmp_path, labels):
    pool = a_pool(tmp_path, labels=labels)
    assert sorted(pool.labeled["text"][:]) == ["awful", "good"]
    assert sorted(pool.unlabeled["text"][:]) == ["bad", "fine"]
    assert len(a_pool(tmp_path, labels=labels).store.answers()) == 2  # not recorded again


def test_rows_appended_without_labels_do_not_reveal_what_was_hidden(tmp_path):
    pool = a_pool(tmp_path, labels=[1, 0, 1, 0])
    pool.record(Answer(ids_of(pool)[0], action="skip", annotator="ann"))
    again = a_pool(tmp_path, ["good", "bad", "fine", "awful", "new"], labels=[1, 0, 1, 0, -1])
    assert len(again.labeled) == 0


@pytest.mark.parametrize("labels", [[1, -1, -1, 0], [1, 0, 1, 0], [-1, -1, 1, 1]])
def test_where_nothing_was_asked_another_pool_begins_anew(tmp_path, labels):
    a_pool(tmp_path, labels=[1, 1, -1, 0]).store.close()  # of a start that was refused afterwards
    pool = a_pool(tmp_path, ["good", "bad", "new", "awful"], labels=labels, label_names=["no", "yes"])
    given = {i: ["no", "yes"][label] for i, label in zip(ids_of(pool), labels, strict=True) if label >= 0}
    assert pool.labels() == ({} if len(given) == 4 else given)
    assert pool.store.info.label_names == ("no", "yes")
    assert [answer.number for answer in pool.store.answers()] == list(range(1, 1 + len(pool.labels())))
    pool.record(Answer(ids_of(pool)[2], "no", annotator="ann"))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        pool.store._db.execute("DELETE FROM answers")


def test_another_task_begins_anew_where_nothing_was_asked(tmp_path):
    a_pool(tmp_path)
    data = Dataset.from_dict({"tokens": [["a", "b"], ["c"]], "ner_tags": [["O", "B-X"], ["O"]]})
    assert Pool(data, tmp_path, "tokens", "ner_tags").store.info.task == "token_classification"


def test_a_label_of_the_dataset_that_was_taken_back_stays_so(tmp_path):
    pool = a_pool(tmp_path, labels=[1, -1, -1, 0])
    pool.record(Answer(ids_of(pool)[0], action="undo", annotator="dataset"))
    assert a_pool(tmp_path, labels=[1, -1, -1, 0]).labeled["text"][:] == ["awful"]


def test_a_label_that_the_file_gives_later_replaces_no_answer(tmp_path, caplog):
    pool = a_pool(tmp_path, labels=[0, None, None, None])
    good, bad, fine, _ = ids_of(pool)
    pool.record(Answer(bad, "negative", annotator="ann"))
    pool.record(Answer(fine, "positive", annotator="ann"))
    again = a_pool(tmp_path, labels=[1, 1, 1, 0])  # one label is new, two contradict what is known
    assert again.labels() == {good: "negative", bad: "negative", fine: "positive", ids_of(pool)[3]: "negative"}
    assert again.labels_bought() == 2
    assert "2 examples have another label in column 'label' than the run has recorded" in caplog.text


def test_another_process_waits_for_the_pool_of_the_main_one(tmp_path, monkeypatch):
    monkeypatch.setattr(run_checks, "_PATIENCE", 0.2)
    with pytest.raises(NoRunError):
        wait_for_store(tmp_path / "run", "a pool")
    pool = a_pool(tmp_path)
    with pool.store.own():
        pool.store.set_pool_fingerprint(pool.fingerprint)
    assert wait_for_store(pool.run_dir, pool.fingerprint).pool_fingerprint == pool.fingerprint
    with pytest.raises(RunDirectoryError, match=r"has not opened this pool in .* within 0\.2 s: every process has to"):
        wait_for_store(pool.run_dir, a_pool(tmp_path / "other", ["other", "texts"]).fingerprint)
