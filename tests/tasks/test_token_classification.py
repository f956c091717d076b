"""Pools of words: what the Trainer gets, how queries are counted; what is refused."""

from typing import Any

import numpy as np
import pytest
from datasets import Dataset, List, Value
from transformers import (
    BertForSequenceClassification,
    BertForTokenClassification,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
)

from hfal import ActiveLearningCallback, FileAnnotator, Hybrid, Pool, SimulatedAnnotator, TokenScore
from hfal.errors import AnnotationError, ArgumentError
from hfal.export.curves import rounds_table
from hfal.store.records import Answer
from hfal.tasks.metrics import entity_metrics
from support.models import TAGS, tiny_config
from support.tag_tables import IOB2, TYPES, WORDS, table, tokenized


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_the_labeled_view_has_tags_at_the_first_tokens_of_words(tmp_path, tokenizer):
    words = [["Ann", "Leemington", "met", "\u200b", "IBM"], ["Rain"]]
    tags = [["B-PER", "I-PER", "O", "O", "B-ORG"], ["O"]]
    pool = Pool(tokenized(table(tags, words)), tmp_path / "run", "tokens", "ner_tags", TYPES)
    pool.record(Answer(str(pool.ids[0]), tags[0], annotator="me"))
    (row,) = pool.labeled
    pieces = tokenizer.convert_ids_to_tokens(row["input_ids"])
    assert pieces == ["[CLS]", "ann", "lee", "##ming", "##ton", "met", "ibm", "[SEP]"]
    assert row["labels"] == [-100, 5, 6, -100, -100, 0, 3, -100]
    assert pool.labeled.features["labels"] == List(Value("int64"))
    assert "ner_tags" not in pool.labeled.column_names
    assert "ner_tags" not in pool.unlabeled.column_names
    evaluation = pool.with_labels(tokenized(table(tags, words)))
    assert evaluation[0]["labels"] == row["labels"]
    with pytest.raises(ArgumentError, match="row 1 has no tags"):
        pool.with_labels(tokenized(table([tags[0], None], words)))
    other = tokenized(table([["O"]], [["Ann"]])).remove_columns("word_ids").add_column("word_ids", [[None, 0, 1]])
    with pytest.raises(ArgumentError, match="tokens of word 2, but only 1 word"):
        pool.with_labels(other)


def test_numbers_of_other_data_do_not_count_tags_that_are_only_sorted(tmp_path):
    words, numbers = [["Ann", "met"], ["IBM"]], [[1, 0], [2]]
    named = tokenized(table([["B-PER", "O"], ["B-ORG"]], words))
    pool = Pool(named, tmp_path / "run", "tokens", "ner_tags")
    with pytest.raises(ArgumentError, match="has numbers here, and nothing says which of the tags O, B-ORG, I-ORG,"):
        pool.with_labels(tokenized(table(numbers, words)))
    pool = Pool(named, tmp_path / "other", "tokens", "ner_tags", ["O", "B-PER", "B-ORG"])
    assert pool.with_labels(tokenized(table(numbers, words)))["labels"] == pool.with_labels(named)["labels"]


def test_answers_that_do_not_fit_are_refused(tmp_path):
    pool = Pool(tokenized(Dataset.from_dict({"tokens": WORDS})), tmp_path / "run", "tokens", label_names=TYPES)
    first = str(pool.ids[0])
    for label, message in (
        (["O"] * 3, "3 tags for 4 words: 'Ann Lee met IBM'"),
        (["O", "O", "O", "B-CITY"], r"'B-CITY', the tag of word 4 \('IBM'\), is unknown"),
        ("O", "is no list of tags"),
    ):
        with pytest.raises(AnnotationError, match=message):
            pool.record(Answer(first, label, annotator="me"))
    assert pool.record(Answer(first, ["O", "I-PER", "O", "O"], annotator="me"))  # an I- that follows nothing
    assert pool.labels() == {first: ["O", "I-PER", "O", "O"]}
    assert pool.words_bought() == 4


def test_labels_that_some_sentences_came_with(tmp_path):
    data = tokenized(table([IOB2[0], None, None]))
    pool = Pool(data, tmp_path / "run", "tokens", "ner_tags", TYPES)
    assert list(pool.labels().values()) == [IOB2[0]]
    assert pool.labels_bought() == pool.words_bought() == 0


@pytest.mark.parametrize("name", ["label", "labels", "label_ids", "ner_tags"])
def test_labels_of_tokens_are_where_models_take_them(tmp_path, name):
    data = tokenized(table(IOB2).rename_columns({"ner_tags": name} if name != "ner_tags" else {}))
    pool = Pool(data, tmp_path / "run", "tokens", name)
    pool.record(Answer(pool.ids[0].as_py(), IOB2[0], annotator="ann"))
    for view in (pool.labeled, pool.with_labels(data)):
        assert {"label", "labels", "label_ids", name} & set(view.column_names) == {"labels"}
        assert max(view[0]["labels"]) > 0


# -- rounds ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pool(sentences, tmp_path) -> Pool:
    return Pool(sentences.select(range(200)), tmp_path / "run", "tokens", "ner_tags", TAGS)


@pytest.mark.parametrize(
    ("strategy", "embeddings"),
    [
        ("mnlp", "model"),
        ("random", "model"),
        (TokenScore("margin", "sum"), "model"),
        (Hybrid(TokenScore("entropy", "top"), "kmeans"), "entities"),
        ("kmeans", "model"),
    ],
)
def test_queries_are_filled_with_words_and_the_budget_is_kept(pool, make_trainer, sentences, strategy, embeddings):
    active = ActiveLearningCallback(
        pool,
        strategy=strategy,
        embeddings=embeddings,
        annotator=SimulatedAnnotator(pool),
        query_size=200,
        holdout=100,
        budget=590,
        unit="words",
    )
    trainer = make_trainer(
        [active],
        of_words=True,
        compute_metrics=entity_metrics(pool.label_names),
        preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1),
    )
    records = active.run(trainer)
    words = [[len(e.texts["tokens"]) for e in query.examples] for query in pool.store.queries()]
    sizes = [sum(query) for query in words]
    assert sum(sizes) == pool.words_bought() <= 590
    assert sum(sizes) > 590 - np.mean(pool.task.words) - max(words[-1])
    for query, wanted in zip(words[:-1], [100, 200, 200], strict=False):  # up to the sentence that reaches it
        assert sum(query[:-1]) < wanted <= sum(query)
    asked = [e.example_id for query in pool.store.queries() for e in query.examples]
    assert len(set(asked)) == len(asked)
    assert pool.labels() == {i: pool.hidden_label(i) for i in asked}
    assert [record.words for record in records] == list(np.cumsum(sizes)[1 : len(records) + 1])
    first, *rows = rounds_table(records).splitlines()
    assert first.split()[:6] == ["round", "sentences", "words", "trained", "on", "loss"]
    assert rows[0].split()[:3] == ["1", str(records[0].labels), str(records[0].words)]
    assert {"eval_f1", "eval_f1_PER"} <= records[-1].metrics.keys()
    rounds = [query for query in pool.store.queries() if query.purpose == "round"]
    for query in rounds:
        assert query.settings["unit"] == "words"
        assert all(len(e.suggestion) == len(e.texts["tokens"]) for e in query.examples)
        assert all(0 < e.confidence <= 1 for e in query.examples)
        if strategy not in ("random", "kmeans"):
            assert [e.score for e in query.examples] == sorted((e.score for e in query.examples), reverse=True)


def test_a_sentence_that_is_longer_than_the_query_is_asked_alone(pool, make_trainer):
    longest = TokenScore(lambda probabilities: probabilities.sum(-1), "sum")
    active = ActiveLearningCallback(
        pool, strategy=longest, annotator=SimulatedAnnotator(pool), query_size=10, seed_size=60, unit="words"
    )
    active.run(make_trainer([active], of_words=True), rounds=2)
    _, query = pool.store.queries()
    assert [len(e.texts["tokens"]) for e in query.examples] == [int(pool.task.words.max())]
    assert len(query.examples[0].texts["tokens"]) > 30


def test_formats_and_collators_of_ones_own(sentences, make_trainer, tmp_path, tokenizer):
    stock = DataCollatorForTokenClassification(tokenizer)

    def collate(rows: list[dict[str, Any]]) -> Any:
        assert all(len(row["word_ids"]) == len(row["input_ids"]) for row in rows)  # as in the training batches
        return stock([{c: row[c] for c in ("input_ids", "attention_mask", "labels") if c in row} for row in rows])

    queries = []
    for number, (data, options) in enumerate(
        [
            (sentences, {}),
            (sentences.with_format("torch", columns=["input_ids", "attention_mask"]), {}),
            (sentences, {"remove_unused_columns": False, "data_collator": collate, "dataloader_num_workers": 2}),
        ]
    ):
        pool = Pool(data, tmp_path / str(number), "tokens", "ner_tags", TAGS)
        active = ActiveLearningCallback(pool, strategy="mnlp", annotator=SimulatedAnnotator(pool), query_size=8)
        active.run(make_trainer([active], of_words=True, **options), rounds=2)
        queries.append([[(e.example_id, e.score) for e in q.examples] for q in pool.store.queries()])
    assert queries[0] == queries[1] == queries[2]
    assert len(queries[0]) == 2


def test_what_does_not_fit_is_refused_before_anything_is_asked(pool, make_trainer, reviews, tmp_path, tokenizer):
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=10)
    for options, message in (
        ({"data_collator": DataCollatorWithPadding(tokenizer)}, "pass data_collator=DataCollatorForTokenClassificat"),
        (
            {"model_init": lambda: BertForTokenClassification(tiny_config(2))},
            "the model has 2 classes, but the pool has 9 label names",
        ),
    ):
        with pytest.raises(ArgumentError, match=message):
            active.run(make_trainer([active], of_words=True, **options), rounds=1)
    assert not pool.store.queries()
    texts = Pool(reviews, tmp_path / "texts", "text", "label")
    for options, message in (
        ({"unit": "words"}, "unit='words' is for token classification"),
        ({"unit": "tokens"}, "expected one of examples, words"),
        ({"embeddings": "entities"}, "is for token classification"),
        ({"strategy": "mnlp"}, "'mnlp' is for token_classification, and this is text_classification"),
    ):
        with pytest.raises(ArgumentError, match=message):
            ActiveLearningCallback(texts, **options)
    with pytest.raises(ArgumentError, match="is for text classification"):
        ActiveLearningCallback(pool, seed_strategy="stratified")


def test_a_classifier_of_whole_texts_is_refused(pool, make_trainer):
    active = ActiveLearningCallback(pool, annotator=SimulatedAnnotator(pool), query_size=10)
    trainer = make_trainer([active], of_words=True, model=BertForSequenceClassification(tiny_config(len(TAGS))))
    with pytest.raises(ArgumentError, match=r"BertForSequenceClassification.*AutoModelForTokenClassification"):
        active.run(trainer, rounds=2)
    assert not pool.store.queries()


def test_files_are_asked_and_read(sentences, make_trainer, tmp_path):
    data = sentences.select(range(60)).remove_columns("ner_tags")
    hidden = {tuple(row["tokens"]): row["ner_tags"] for row in sentences}
    pool = Pool(data, tmp_path / "run", "tokens", label_names=["LOC", "MISC", "ORG", "PER"])
    assert list(pool.label_names) == TAGS
    active = ActiveLearningCallback(pool, annotator=FileAnnotator("conll"), query_size=8)
    for _ in range(2):
        with pytest.raises(SystemExit):
            active.run(make_trainer([active], of_words=True), rounds=2)
        (query,) = pool.store.open_queries()
        path = pool.run_dir / f"query-{query.number:03d}.conll"
        lines, tags = (
            [],
            {i: hidden[tuple(pool.store.texts(i)["tokens"])] for i in (e.example_id for e in query.examples)},
        )
        for line in path.read_text("utf-8").splitlines():
            if line.startswith("# id"):
                left = iter(tags[line.partition("= ")[2]])
            columns = line.split("\t")
            lines.append("\t".join([*columns[:2], next(left)]) if len(columns) == 3 else line)
        path.write_text("\n".join(lines) + "\n", "utf-8")
    active.run(make_trainer([active], of_words=True), rounds=2)
    assert len(pool.labels()) == 16
    assert all(label == hidden[tuple(pool.store.texts(i)["tokens"])] for i, label in pool.labels().items())
