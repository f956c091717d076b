"""The pool: views, labels that come with the data, recording, and data that does not fit."""

import datasets
import pyarrow as pa
import pytest
from datasets import Dataset, Value

from hfal import Answer, Pool
from hfal.errors import AnnotationError
from support.models import NAMES
from support.pools import a_pool, ids_of, query


# -- views ---------------------------------------------------------------------------------------------------------


def test_views_follow_the_answers(tmp_path):
    pool = a_pool(tmp_path)
    good, bad, fine, awful = ids_of(pool)
    assert len(pool.labeled) == 0
    pool.record(Answer(awful, "negative", annotator="ann"))
    pool.record(Answer(good, "positive", annotator="ann"))
    pool.record(Answer(bad, action="skip", annotator="ann"))
    assert pool.labeled[:] == {"text": ["awful", "good"], "labels": [0, 1]}
    assert pool.labeled.features["labels"].names == NAMES
    assert pool.unlabeled["text"][:] == ["fine"]
    assert pool.labels() == {awful: "negative", good: "positive"}
    assert fine in {ids_of(pool)[p] for p in pool.unlabeled_positions()}


def test_held_out_examples_are_never_trained_on_nor_asked_again(tmp_path):
    pool = a_pool(tmp_path)
    good, bad, _, _ = ids_of(pool)
    query(pool, good, bad, purpose="holdout")
    pool.record(Answer(good, "positive", annotator="ann"))
    assert pool.holdout["text"][:] == ["good"]
    assert len(pool.labeled) == 0
    pool.store.close_query(1)
    assert sorted(pool.unlabeled["text"][:]) == ["awful", "fine"]


def test_examples_of_an_open_query_are_not_asked_twice_and_return_when_it_closes(tmp_path):
    pool = a_pool(tmp_path)
    query(pool, ids_of(pool)[0])
    assert "good" not in pool.unlabeled["text"][:]
    pool.store.close_query(1)
    assert "good" in pool.unlabeled["text"][:]


def test_the_labeled_view_grows_at_its_end_and_keeps_its_past(tmp_path):
    pool = a_pool(tmp_path)
    for number, example_id in enumerate(ids_of(pool), start=1):
        pool.record(Answer(example_id, "positive", annotator="ann"))
        assert pool.labeled["text"][:] == ["good", "bad", "fine", "awful"][:number]
    assert pool.labeled_until(2)["text"][:] == ["good", "bad"]


def test_unlabeled_gives_no_label_away(tmp_path):
    data = Dataset.from_dict({"text": ["a", "b"], "sentiment": [0, 1], "labels": [0, 1]})
    pool = Pool(data, tmp_path, "text", "sentiment", NAMES)
    assert pool.unlabeled.column_names == ["text"]
    pool.record(Answer(ids_of(pool)[0], "positive", annotator="ann"))
    assert pool.labeled[:] == {"text": ["a"], "labels": [1]}  # what was answered, not what was hidden


def test_positions_in_a_filtered_and_shuffled_dataset_are_its_own(tmp_path):
    data = Dataset.from_dict({"text": [f"text {i}" for i in range(50)], "label": [i % 2 for i in range(50)]})
    view = data.shuffle(seed=1).select(range(10, 30))
    pool = Pool(view, tmp_path, "text", "label", NAMES)
    for position in (0, 7, 19):
        example_id = ids_of(pool)[position]
        assert pool.position(example_id) == position
        assert pool.hidden_label(example_id) == NAMES[view[position]["label"]]
        assert pool.texts([position]) == [{"text": view[position]["text"]}]


def test_the_dataset_stays_memory_mapped(tmp_path):
    path = tmp_path / "data.parquet"
    Dataset.from_dict({"text": [f"text {i}" for i in range(1000)]}).to_parquet(path)
    data = datasets.load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(tmp_path / "cache"))
    before = pa.total_allocated_bytes()
    pool = Pool(data, tmp_path / "run", "text", label_names=NAMES)
    assert pool.dataset is data
    assert pool.unlabeled.cache_files == data.cache_files
    assert pa.total_allocated_bytes() - before < 100_000  # ids of 21 bytes each, not the texts


# -- labels that come with the data --------------------------------------------------------------------------------


def test_a_fully_labeled_dataset_hides_its_labels(tmp_path):
    pool = a_pool(tmp_path, labels=[1, 0, 1, 0])
    assert len(pool.labeled) == 0
    assert pool.hidden_label(ids_of(pool)[0]) == "positive"
    assert pool.given_labels().tolist() == [1, 0, 1, 0]


# -- recording -----------------------------------------------------------------------------------------------------


def test_recording_again_is_idle_and_recording_otherwise_is_a_correction(tmp_path):
    pool = a_pool(tmp_path)
    good = ids_of(pool)[0]
    assert pool.record(Answer(good, "positive", annotator="ann")).action == "label"
    assert pool.record(Answer(good, "positive", annotator="ann")) is None
    assert pool.record(Answer(good, " negative ", annotator="ann")).action == "correct"
    assert pool.record(Answer(good, "positive", annotator="bob")).action == "label"
    assert pool.record(Answer(good, action="undo", annotator="bob")).action == "undo"
    assert pool.labels() == {good: "negative"}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer("x1", "positive", annotator="ann"), "no example of the pool has the id 'x1'"),
        (Answer("GOOD", "postive", annotator="ann"), "'postive' is no label; the labels are: negative, positive"),
        (Answer("GOOD", None, annotator="ann"), "None is no label"),
        (Answer("GOOD", 1, annotator="ann"), "1 is no label"),
        (Answer("GOOD", "positive", "lable", annotator="ann"), "'lable' is no action"),
        (Answer("GOOD", "positive"), "does not say who"),
        (Answer("GOOD", action="undo", annotator="ann"), "no answer of 'ann'"),
    ],
)
def test_answers_that_cannot_be_recorded(tmp_path, answer, complaint):
    pool = a_pool(tmp_path)
    if answer.example_id == "GOOD":
        answer = Answer(ids_of(pool)[0], answer.label, answer.action, answer.annotator)
    with pytest.raises(AnnotationError, match=complaint):
        pool.record(answer)
    assert pool.store.answers() == []


# -- data that does not fit ----------------------------------------------------------------------------------------


def test_an_empty_pool_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dataset is empty"):
        Pool(Dataset.from_dict({"text": []}), tmp_path, "text", label_names=NAMES)


def test_what_is_no_dataset_is_refused(tmp_path):
    data = Dataset.from_dict({"text": ["a"]})
    for wrong in (datasets.DatasetDict(train=data), data.to_iterable_dataset(), [{"text": "a"}]):
        with pytest.raises(TypeError, match=r"expected one datasets\.Dataset"):
            Pool(wrong, tmp_path, "text", label_names=NAMES)


def test_text_columns_have_to_hold_texts(tmp_path):
    with pytest.raises(ValueError, match="'txt' is no column of the dataset; it has: text"):
        Pool(Dataset.from_dict({"text": ["a"]}), tmp_path, "txt", label_names=NAMES)
    with pytest.raises(ValueError, match="has no text in row 1"):
        Pool(Dataset.from_dict({"text": ["a", None]}), tmp_path, "text", label_names=NAMES)
    with pytest.raises(ValueError, match="holds int64, expected strings"):
        Pool(Dataset.from_dict({"text": [1, 2]}), tmp_path, "text", label_names=NAMES)


def test_a_missing_input_ids_column_comes_with_the_line_to_write(tmp_path, tokenizer):
    pool = a_pool(tmp_path)
    with pytest.raises(ValueError, match=r"dataset\.map\(lambda batch: tokenizer\(batch\['text'\], truncation=True\)"):
        _ = pool.lengths
    dataset = pool.dataset
    batched = dataset.map(lambda batch: tokenizer(batch["text"], truncation=True), batched=True)  # the line itself
    assert Pool(batched, tmp_path, "text", label_names=NAMES).lengths.tolist() == [3, 3, 3, 3]


def test_lengths_count_tokens_in_the_order_of_rows(tmp_path, reviews):
    view = reviews.shuffle(seed=3).select(range(40))
    pool = Pool(view, tmp_path, "text", "label")
    assert pool.lengths.tolist() == [len(row) for row in view["input_ids"][:]]


def test_an_example_without_any_token_is_named(tmp_path):
    data = Dataset.from_dict({"text": ["a", ""], "input_ids": [[5], []]})
    pool = Pool(data.cast_column("text", Value("string")), tmp_path, "text", label_names=NAMES)
    with pytest.raises(ValueError, match=f"ids {ids_of(pool)[1]}"):
        _ = pool.lengths


def test_empty_texts_and_control_characters_are_texts_like_others(tmp_path, tokenizer):
    texts = ["", "\x00\x1b[31mred\x1b[0m", "a\u202eb\u2028c", "word " * 10_000]
    data = Dataset.from_dict({"text": texts}).map(lambda b: tokenizer(b["text"], truncation=True), batched=True)
    pool = Pool(data, tmp_path, "text", label_names=NAMES)
    assert [t["text"] for t in pool.texts(range(4))] == texts
    assert pool.lengths.tolist()[0] == 2
    assert pool.lengths.tolist()[3] == 512


def test_a_notebook_shows_how_many_texts_have_which_label(tmp_path):
    pool = a_pool(tmp_path / "<b>", labels=["a", "a", "<i>", None], label_names=None)
    pool.record(Answer(ids_of(pool)[3], "a", annotator="ann"))
    assert pool._repr_html_() == (
        "<table><tr><th>examples</th><td>4</td></tr><tr><th>labeled</th><td>4</td></tr>"
        "<tr><th>of these held out</th><td>0</td></tr><tr><th>&lt;i&gt;</th><td>1</td></tr>"
        "<tr><th>a</th><td>3</td></tr>"
        f"<tr><th>run_dir</th><td>{tmp_path}/&lt;b&gt;</td></tr></table>"
    )
