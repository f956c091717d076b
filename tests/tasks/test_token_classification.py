"""Pools of words: what their columns may hold, what the Trainer gets, how queries are counted; what is refused."""

from typing import Any

import numpy as np
import pytest
import tokenizers
from datasets import ClassLabel, Dataset, Features, List, Value
from transformers import (
    BertForSequenceClassification,
    BertForTokenClassification,
    BertTokenizerFast,
    DataCollatorForTokenClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)

from hfal import ActiveLearningCallback, FileAnnotator, Hybrid, Pool, SimulatedAnnotator, TokenScore, tokenize_words
from hfal.errors import AnnotationError, ArgumentError, RunDirectoryError
from hfal.export.curves import rounds_table
from hfal.store.records import Answer
from hfal.tasks.metrics import entity_metrics
from hfal.tasks.tag_column import count_words, read_tags, tag_names_of
from support.models import TAGS, tiny_config
from support.texts import load_tokenizer


WORDS = [["Ann", "Lee", "met", "IBM"], ["Rain"], ["in", "Rome"]]
IOB2 = [["B-PER", "I-PER", "O", "B-ORG"], ["O"], ["O", "B-LOC"]]
TYPES = ["O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER"]


def table(tags: list, words: list = WORDS, feature: Any = None, text: str = "tokens") -> Dataset:
    data = Dataset.from_dict({text: words, "ner_tags": tags})
    return data if feature is None else data.cast(Features({**data.features, "ner_tags": feature}))


def tokenized(data: Dataset, column: str = "tokens") -> Dataset:
    options = {"tokenizer": load_tokenizer(), "text_column": column}
    return data.map(tokenize_words, batched=True, fn_kwargs=options)


def read(data: Dataset, names: list[str] | None = None, text: str = "tokens"):
    names = tag_names_of(data, "ner_tags", names)
    return read_tags(data, text, "ner_tags", names, count_words(data, text))


# -- columns ---------------------------------------------------------------------------------------------------------


def test_strings_class_labels_and_integers_are_the_same_tags():
    numbers = [[TYPES.index(tag) for tag in tags] for tags in IOB2]
    for column in (
        read(table(IOB2)),
        read(table(numbers, feature=List(ClassLabel(names=TYPES)))),
        read(table(numbers), TYPES),
        read(table(IOB2), ["LOC", "ORG", "PER"]),
    ):
        assert list(column.names) == TYPES
        assert [column.of(row) for row in range(3)] == IOB2
        assert column.given.all()
        assert column.scheme == "IOB2"


def test_spans_of_a_raw_text_are_tags_of_its_words(tmp_path):
    texts = ["Ann Lee met IBM.", "Rain", "in Rome"]
    spans = [[(0, 7, "PER"), (12, 15, "ORG")], [], [(3, 7, "LOC")]]
    rows = [[{"start": s, "end": e, "label": t} for s, e, t in row] for row in spans]
    data = Dataset.from_dict({"text": texts, "ner_tags": rows})
    column = read(data, text="text")
    assert list(column.names) == TYPES
    assert [column.of(row) for row in range(3)] == [[*IOB2[0], "O"], *IOB2[1:]]
    pool = Pool(tokenized(data, "text"), tmp_path / "run", "text", "ner_tags")
    assert pool.task.name == "token_classification"
    assert pool.hidden_label(str(pool.ids[2])) == ["O", "B-LOC"]
    assert pool.lengths.tolist() == [7, 3, 4]


@pytest.mark.parametrize(
    ("tags", "scheme", "names"),
    [
        ([["I-A", "I-A", "B-A"], ["O"]], "IOB1", ["O", "B-A", "I-A"]),
        ([["I-A", "I-A", "I-B"], ["I-A"]], "IO", ["O", "I-A", "I-B"]),
        ([["B-A", "I-A", "B-A"], ["O"]], "IOB2", ["O", "B-A", "I-A"]),
        ([["O", "I-A", "B-B"], ["B-A"]], "IOB2", ["O", "B-A", "I-A", "B-B", "I-B"]),  # an I- that follows nothing
        ([["B-A", "E-A", "S-A"], ["O"]], "BIOES", ["O", "B-A", "I-A", "E-A", "S-A"]),
        ([["B-A", "L-A", "U-A"], ["O"]], "BILOU", ["O", "B-A", "I-A", "L-A", "U-A"]),
        ([["A", "A", "O"], ["B"]], "plain", ["O", "A", "B"]),
        ([["DET", "NOUN", "VERB"], ["NOUN"]], "plain", ["DET", "NOUN", "VERB"]),
    ],
)
def test_schemes(tags, scheme, names):
    column = read(table(tags, [["a", "b", "c"], ["d"]]))
    assert column.scheme == scheme
    assert list(column.names) == names
    assert [column.of(0), column.of(1)] == tags


def test_sentences_without_tags():
    data = table([IOB2[0], None, []])
    column = read(data)
    assert column.given.tolist() == [True, False, False]
    assert [column.of(1), column.of(2)] == [None, None]
    numbers = table([[5, 6, 0, 3], [-1], [-1, -1]], feature=List(ClassLabel(names=TYPES)))
    assert read(numbers).given.tolist() == [True, False, False]


def test_blocks_of_rows_are_read_alike():
    many = 10_007
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 5, many)
    tags = [[TYPES[i] for i in rng.integers(0, len(TYPES), n)] for n in lengths]
    for row in range(0, many, 7):
        tags[row] = None
    column = read(table(tags, [["w"] * n for n in lengths]))
    assert [column.of(row) for row in range(many)] == tags


@pytest.mark.parametrize(
    ("tags", "words", "message"),
    [
        ([IOB2[0], ["O", "O"], ["O", "O"]], WORDS, "row 1: 2 tags in column 'ner_tags' for 1 words: 'Rain'"),
        ([IOB2[0], ["O"], ["O"]], WORDS, "row 2: 1 tags in column 'ner_tags' for 2 words: 'in Rome'"),
        ([IOB2[0], ["O"], ["O", "B-CITY"]], WORDS, "row 2: word 2 of 'in Rome' has the tag 'B-CITY'"),
        ([IOB2[0], ["O"], ["O", None]], WORDS, "row 2: word 2 of 'in Rome' has the tag None"),
        ([IOB2[0], [], ["O", "O"]], [WORDS[0], [], WORDS[2]], "row 1: the sentence in column 'tokens' has no words"),
        ([IOB2[0], ["O"], ["O", "O"]], [*WORDS[:2], ["in", None]], "row 2: a word in column 'tokens' is missing"),
        ([IOB2[0], ["O"], ["O", "O"]], [*WORDS[:2], None], "row 2: no sentence in column 'tokens'"),
    ],
)
def test_rows_that_do_not_fit_are_named(tags, words, message, tmp_path):
    with pytest.raises(ArgumentError) as error:
        Pool(table(tags, words), tmp_path / "run", "tokens", "ner_tags", TYPES)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("span", "message"),
    [
        ((0, 90, "PER"), "row 1: the span 0 to 90 \\(PER\\) is outside the text of 12 characters"),
        ((-1, 3, "PER"), "row 1: the span -1 to 3"),
        ((0, 2, "PER"), "row 1: the span 0 to 2 \\(PER, 'An'\\) does not begin and end with a word"),
        ((4, 12, "PER"), "row 1: the spans 0 to 7 .* and 4 to 12 .* overlap"),
        ((8, 12, "CITY"), "row 1: the span 8 to 12 has the label 'CITY', expected one of LOC, PER"),
    ],
)
def test_spans_that_do_not_fit_are_named(span, message, tmp_path):
    spans = [[(0, 7, "PER"), span]]
    rows = [[], *([{"start": s, "end": e, "label": t} for s, e, t in row] for row in spans)]
    data = Dataset.from_dict({"text": ["Rain fell.", "Ann Lee fell"], "ner_tags": rows})
    with pytest.raises(ArgumentError, match=message):
        Pool(data, tmp_path / "run", "text", "ner_tags", ["PER", "LOC"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text_column": ["tokens", "other"]}, "takes one column with sentences"),
        ({"label_column": "number"}, "expected a list with a tag for each word"),
        ({"label_column": "numbers"}, "label_names is missing: column 'numbers' numbers its tags"),
        ({"label_column": None}, "label_names is missing"),
        ({"label_column": None, "label_names": ["A", "A"]}, "none twice"),
        ({"label_column": "classes", "label_names": ["O", "B-X"]}, "differ from the names of column 'classes'"),
        ({"task": "ner"}, "expected one of text_classification, multi_label_classification, token_classification"),
        ({"task": "text_classification", "label_column": None, "label_names": ["a"]}, "expected strings"),
        (
            {"text_column": "text", "task": "text_classification"},
            "holds lists, .* task='token_classification' if these are tags of words",
        ),
    ],
)
def test_arguments_that_do_not_fit(arguments, message, tmp_path):
    columns = {
        "text": ["a", "b"],
        "tokens": [["a"], ["b"]],
        "other": [["a"], ["b"]],
        "number": [1, 2],
        "numbers": [[1], [0]],
    }
    data = Dataset.from_dict({**columns, "classes": [[0], [1]]})
    data = data.cast_column("classes", List(ClassLabel(names=["O", "B-PER"])))
    with pytest.raises(ArgumentError, match=message):
        Pool(data, tmp_path / "run", **{"text_column": "tokens", "label_column": "classes", **arguments})


def test_types_may_look_like_tags(tmp_path):
    spans = [[{"start": 0, "end": 3, "label": "E-mail"}], []]
    data = Dataset.from_dict({"text": ["Ann", "Rain"], "ner_tags": spans})
    assert read(data, text="text").of(0) == ["B-E-mail"]
    assert tag_names_of(data, None, ["E-mail", "PER"]) == ("O", "B-E-mail", "I-E-mail", "B-PER", "I-PER")
    with pytest.raises(ArgumentError, match="mix tags and types"):
        tag_names_of(data, None, ["B-PER", "I-PER", "ORG"])
    nameless = [[{"start": 0, "end": 3, "label": None}], []]
    with pytest.raises(ArgumentError, match="row 0: a span in column 'ner_tags' has no label"):
        read(Dataset.from_dict({"text": ["Ann", "Rain"], "ner_tags": nameless}), text="text")


def test_names_without_a_column_are_entity_types_or_tags(tmp_path):
    data = Dataset.from_dict({"tokens": WORDS})
    assert Pool(data, tmp_path / "a", "tokens", label_names=["LOC", "PER"]).label_names == (
        *("O", "B-LOC", "I-LOC"),
        *("B-PER", "I-PER"),
    )
    assert Pool(data, tmp_path / "b", "tokens", label_names=["O", "S-X", "B-X"]).task.scheme == "BIOES"
    raw = Dataset.from_dict({"text": ["Ann Lee met IBM."]})
    assert Pool(raw, tmp_path / "c", "text", label_names=["PER"], task="token_classification").task.words.tolist() == [
        5
    ]


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_a_slow_tokenizer_is_refused(tokenizer: PreTrainedTokenizerBase):
    class Slow(BertTokenizerFast):
        is_fast = False

    slow = Slow(vocab=tokenizer.get_vocab())
    with pytest.raises(ArgumentError, match=r"the tokenizer Slow is a slow one.*use_fast=True"):
        tokenize_words({"tokens": WORDS}, slow)


def test_a_tokenizer_that_loses_blanks_is_refused():
    def byte_level(add_prefix_space: bool) -> PreTrainedTokenizerFast:
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="?"))
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space)
        trainer = tokenizers.trainers.BpeTrainer(special_tokens=["?"], vocab_size=400, show_progress=False)
        tokenizer.train_from_iterator(["to be or not to be", "Ann Lee met IBM"] * 20, trainer)
        return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")

    with pytest.raises(ArgumentError, match="add_prefix_space=True"):
        tokenize_words({"tokens": WORDS}, byte_level(False))
    assert tokenize_words({"tokens": WORDS}, byte_level(True))["word_ids"][1][0] == 0


def test_tokens_without_words_and_of_other_words_are_refused(tmp_path):
    plain = Dataset.from_dict({"tokens": WORDS})
    pool = Pool(plain, tmp_path / "a", "tokens", label_names=["PER"])
    with pytest.raises(ArgumentError, match=r"no column 'input_ids'(.|\n)*dataset.map\(tokenize_words"):
        _ = pool.lengths
    data = tokenized(plain)
    with pytest.raises(ArgumentError, match="no column 'word_ids'"):
        _ = Pool(data.remove_columns("word_ids"), tmp_path / "a", "tokens", label_names=["PER"]).lengths
    longer = data.remove_columns("tokens").add_column("tokens", [w[:1] for w in WORDS])
    with pytest.raises(ArgumentError, match="row 0 has tokens of word 4, but only 1 words in 'tokens'"):
        _ = Pool(longer, tmp_path / "b", "tokens", label_names=["PER"]).lengths
    shorter = data.map(lambda row: {"word_ids": row["word_ids"][:-1]})
    with pytest.raises(ArgumentError, match="row 0 has 5 word_ids for 6 tokens"):
        _ = Pool(shorter, tmp_path / "a", "tokens", label_names=["PER"]).lengths
    nothing = tokenized(Dataset.from_dict({"tokens": [["a"], ["\u200b", "\u200b"]]}))
    with pytest.raises(ArgumentError, match=r"of 1 sentences the tokenizer keeps no word at all \(rows 1"):
        _ = Pool(nothing, tmp_path / "c", "tokens", label_names=["PER"]).lengths


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
    with pytest.raises(ArgumentError, match="tokens of word 2, but only 1 words"):
        pool.with_labels(other)


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
    with pytest.raises(RunDirectoryError, match="is one of token_classification, the pool of text_classification"):
        Pool(Dataset.from_dict({"text": ["a"]}), tmp_path / "run", "text", label_names=["a"], id_column="text")


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
