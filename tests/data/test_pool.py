"""The pool: views, identity, labels of every form, and data that does not fit."""

import datasets
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Value

from hfal import Answer, Pool
from hfal.errors import AnnotationError, RunDirectoryError
from hfal.store.records import Queried, Query


NAMES = ["negative", "positive"]


def a_pool(run_dir, texts=("good", "bad", "fine", "awful"), labels=None, **options) -> Pool:
    columns = {"text": list(texts)}
    if labels is not None:
        columns["label"] = labels
        options.setdefault("label_column", "label")
    return Pool(Dataset.from_dict(columns), run_dir, "text", label_names=options.pop("label_names", NAMES), **options)


def query(pool: Pool, *ids: str, purpose: str = "round") -> None:
    examples = tuple(
        Queried(i, pool.content(p), pool.texts([p])[0]) for i, p in zip(ids, pool.positions(ids), strict=True)
    )
    pool.store.add_query(Query(1, purpose, "random", 0, examples))


def ids_of(pool: Pool) -> list[str]:
    return pool.ids.to_pylist()


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


# -- identity ------------------------------------------------------------------------------------------------------


def test_ids_do_not_depend_on_the_row(tmp_path):
    texts = ["good", "bad", "fine", "awful"]
    first, second = a_pool(tmp_path / "1", texts), a_pool(tmp_path / "2", texts[::-1])
    assert ids_of(first) == ids_of(second)[::-1]
    assert [ids_of(first)[p] for p in first.unlabeled_positions()] == sorted(ids_of(first))


def test_equal_texts_get_an_occurrence_number(tmp_path):
    ids = ids_of(a_pool(tmp_path, ["same", "other", "same", "same"]))
    assert len(set(ids)) == 4
    assert ids[2] == ids[0] + "-2"
    assert ids[3] == ids[0] + "-3"


def test_columns_of_a_pair_are_not_run_together(tmp_path):
    data = Dataset.from_dict({"a": ["x", "xy"], "b": ["yz", "z"]})
    pool = Pool(data, tmp_path, ["a", "b"], label_names=NAMES)
    assert len(set(ids_of(pool))) == 2
    assert pool.texts([1]) == [{"a": "xy", "b": "z"}]


def test_ids_never_look_like_numbers(tmp_path):
    assert all(i.startswith("x") for i in ids_of(a_pool(tmp_path, [f"text {i}" for i in range(100)])))


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
    a_pool(tmp_path)
    with pytest.raises(RunDirectoryError, match="began with negative, positive"):
        a_pool(tmp_path, label_names=["positive", "negative"])


def test_an_id_column_of_numbers_or_strings(tmp_path):
    data = Dataset.from_dict({"text": ["a", "b"], "key": [17, 4]})
    pool = Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")
    assert ids_of(pool) == ["17", "4"]
    assert pool.position("4") == 1
    with pytest.raises(KeyError, match="'5'"):
        pool.position("5")
    with pytest.raises(KeyError, match="'5'"):
        pool.positions(["17", "5"])


def test_a_duplicated_id_is_named(tmp_path):
    data = Dataset.from_dict({"text": ["a", "b", "c"], "key": ["1", "2", "1"]})
    with pytest.raises(ValueError, match="'1': ids must be unique"):
        Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")
    data = Dataset.from_dict({"text": ["a", "b"], "key": ["1", None]})
    with pytest.raises(ValueError, match="1 rows without an id"):
        Pool(data, tmp_path, "text", label_names=NAMES, id_column="key")


# -- labels that come with the data --------------------------------------------------------------------------------


def test_a_fully_labeled_dataset_hides_its_labels(tmp_path):
    pool = a_pool(tmp_path, labels=[1, 0, 1, 0])
    assert len(pool.labeled) == 0
    assert pool.hidden_label(ids_of(pool)[0]) == "positive"
    assert pool.given_labels().tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize("labels", [[1, -1, -1, 0], [1, None, None, 0]])
def test_a_partly_labeled_dataset_is_labeled_in_part(tmp_path, labels):
    pool = a_pool(tmp_path, labels=labels)
    assert sorted(pool.labeled["text"][:]) == ["awful", "good"]
    assert sorted(pool.unlabeled["text"][:]) == ["bad", "fine"]
    assert len(a_pool(tmp_path, labels=labels).store.answers()) == 2  # not recorded again


def test_rows_appended_without_labels_do_not_reveal_what_was_hidden(tmp_path):
    a_pool(tmp_path, labels=[1, 0, 1, 0])
    again = a_pool(tmp_path, ["good", "bad", "fine", "awful", "new"], labels=[1, 0, 1, 0, -1])
    assert len(again.labeled) == 0


def test_label_names_come_from_the_feature_the_strings_or_the_integers(tmp_path):
    classes = Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}).cast_column("label", ClassLabel(names=NAMES))
    strings = Dataset.from_dict({"text": ["a", "b"], "label": ["spam", "ham"]})
    integers = Dataset.from_dict({"text": ["a", "b"], "label": [0, 2]})
    assert Pool(classes, tmp_path / "1", "text", "label").label_names == ("negative", "positive")
    pool = Pool(strings, tmp_path / "2", "text", "label")
    assert pool.label_names == ("ham", "spam")
    assert pool.hidden_label(ids_of(pool)[0]) == "spam"
    assert Pool(integers, tmp_path / "3", "text", "label").label_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("labels", "options", "complaint"),
    [
        ([0, 1, 2, 0], {}, "the value 2, which is outside label_names"),
        (["good", "bad", "good", "bad"], {}, "which is outside label_names"),
        ([0.5, 1.0, 0.0, 0.0], {}, "expected ClassLabel, integers or strings"),
        ([0, 1, 0, 1], {"label_names": ["a", "a"]}, "none twice"),
        ([0, 1, 0, 1], {"label_column": "lable"}, "label_column='lable' is no column"),
    ],
)
def test_labels_that_do_not_fit(tmp_path, labels, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        a_pool(tmp_path, labels=labels, **options)


def test_a_pool_must_know_its_labels(tmp_path):
    with pytest.raises(ValueError, match="label_names is missing"):
        a_pool(tmp_path, label_names=None)


def test_whole_numbers_that_a_csv_file_with_gaps_made_floats_of(tmp_path):
    pool = a_pool(tmp_path, labels=[1.0, None, 0.0, float("nan")])
    assert pool.given_labels().tolist() == [1, -1, 0, -1]
    assert pool.labeled[:] == {"text": ["good", "fine"], "label": [1, 0]}
    assert pool.hidden_label(ids_of(pool)[0]) == "positive"


def test_a_label_of_the_dataset_that_was_taken_back_stays_so(tmp_path):
    pool = a_pool(tmp_path, labels=[1, -1, -1, 0])
    pool.record(Answer(ids_of(pool)[0], action="undo", annotator="dataset"))
    assert a_pool(tmp_path, labels=[1, -1, -1, 0]).labeled["text"][:] == ["awful"]


def test_labels_of_another_dataset_are_numbered_like_the_pools(tmp_path):
    pool = a_pool(tmp_path, labels=["positive", "negative", "positive", "negative"])
    swapped = Dataset.from_dict({"text": ["x", "y"], "label": [0, 1]}).cast_column(
        "label", ClassLabel(names=NAMES[::-1])
    )
    strings = Dataset.from_dict({"text": ["x", "y"], "label": ["positive", "negative"]})
    for data in (swapped, strings):
        assert pool.with_labels(data)["label"][:] == [1, 0]
        assert pool.with_labels(data).features["label"].names == NAMES
    # A collator would take a column `label` for the labels, also where another one has them.
    both = Dataset.from_dict({"text": ["x", "y"], "label": [7, 8], "sentiment": ["positive", "negative"]})
    other = Pool(both, tmp_path / "other", "text", "sentiment", NAMES).with_labels(both)
    assert (other.column_names, other["labels"][:]) == (["text", "labels"], [1, 0])
    for labels in (["positive", "good"], ["positive", None]):
        with pytest.raises(ValueError, match=r"row 1 has the label .*, expected one of negative, positive"):
            pool.with_labels(Dataset.from_dict({"label": labels}))


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


def test_a_label_that_the_file_gives_later_replaces_no_answer(tmp_path, caplog):
    pool = a_pool(tmp_path, labels=[0, None, None, None])
    good, bad, fine, _ = ids_of(pool)
    pool.record(Answer(bad, "negative", annotator="ann"))
    pool.record(Answer(fine, "positive", annotator="ann"))
    again = a_pool(tmp_path, labels=[1, 1, 1, 0])  # one label is new, two contradict what is known
    assert again.labels() == {good: "negative", bad: "negative", fine: "positive", ids_of(pool)[3]: "negative"}
    assert again.labels_bought() == 2
    assert "2 examples have another label in column 'label' than the run has recorded" in caplog.text
