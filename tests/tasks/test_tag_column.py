"""Columns with words, tags and spans: what they may hold, how they are read, which of their rows are refused."""

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, List

from hfal import Pool
from hfal.errors import ArgumentError
from hfal.tasks.tag_column import tag_names_of
from support.tag_tables import IOB2, TYPES, WORDS, read, table, tokenized


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
        ([IOB2[0], ["O", "O"], ["O", "O"]], WORDS, "row 1: 2 tags in column 'ner_tags' for 1 word: 'Rain'"),
        ([IOB2[0], ["O"], ["O"]], WORDS, "row 2: 1 tag in column 'ner_tags' for 2 words: 'in Rome'"),
        ([IOB2[0], ["O"], ["O", "B-CITY"]], WORDS, "row 2: word 2 of 'in Rome' has the tag 'B-CITY'"),
        ([IOB2[0], ["O"], ["O", None]], WORDS, "row 2: word 2 of 'in Rome' has the tag None"),
        ([IOB2[0], [], ["O", "O"]], [WORDS[0], [], WORDS[2]], "row 1: no words in column 'tokens': drop such rows"),
        ([IOB2[0], ["O"], ["O", "O"]], [*WORDS[:2], ["in", None]], "row 2: a word in column 'tokens' is missing"),
        ([IOB2[0], ["O"], ["O", "O"]], [*WORDS[:2], None], "row 2: no words in column 'tokens'"),
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
        ({"task": "text_classification", "label_column": None, "label_names": ["a", "b"]}, "expected strings"),
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
