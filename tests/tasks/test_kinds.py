"""Kinds of answers, each against values made by hand."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, Features, Value, concatenate_datasets

from hfal import ActiveLearningCallback, Answer, Pool, SimulatedAnnotator, export_labels
from hfal.cli.import_run import import_run
from hfal.config.arguments import ActiveLearningArguments
from hfal.errors import ArgumentError
from hfal.strategies import SCORES, SELECTIONS
from hfal.tasks.kinds import KINDS, TASK_OF_FAMILY, Kind, LabelSet, SingleLabel, Tags, kind_of
from hfal.tasks.registry import TASKS
from hfal.tasks.whole_text_task import WholeTexts
from support.models import tiny_model


NAMES = ["law", "sport", "unsure"]
TAGS = ["O", "B-PER", "I-PER"]
TEXT = {"text": "Ada Lovelace wrote."}
WORDS = {"tokens": ["Ada", "Lovelace", "wrote"]}
LABEL, SETS, OF_TAGS = SingleLabel(), LabelSet(), Tags()


def test_every_task_has_one_kind_and_every_family_strategies():
    assert list(KINDS) == list(TASKS) == ["text_classification", "multi_label_classification", "token_classification"]
    assert [type(kind) for kind in KINDS.values()] == [SingleLabel, LabelSet, Tags]
    assert dict(zip(SCORES, KINDS, strict=True)) == TASK_OF_FAMILY
    assert SCORES.keys() == SELECTIONS.keys()
    for name, make in TASKS.items():
        assert make.kind is KINDS[name]
        assert make.name == name
    assert kind_of(None) is kind_of("text_classification")
    with pytest.raises(ArgumentError, match="task='ranking', expected one of text_classification, multi_label"):
        kind_of("ranking")


def test_kinds_load_neither_torch_nor_datasets():
    script = "import sys, hfal.tasks.kinds; print(*{'torch', 'transformers', 'datasets', 'numpy'} & {*sys.modules})"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "\n"


# -- checks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "label", "texts", "names", "checked"),
    [
        (LABEL, "law", TEXT, NAMES, "law"),
        (LABEL, " law\n", TEXT, NAMES, "law"),
        (LABEL, " law ", TEXT, ["law", " law "], " law "),
        (SETS, ["sport", "law"], TEXT, NAMES, ["law", "sport"]),
        (SETS, (), TEXT, NAMES, []),
        (OF_TAGS, ["B-PER", "I-PER", "O"], WORDS, TAGS, ["B-PER", "I-PER", "O"]),
        (OF_TAGS, ["B-PER", "I-PER", "O", "O"], TEXT, TAGS, ["B-PER", "I-PER", "O", "O"]),  # the period is a word
    ],
)
def test_answers_as_they_are_recorded(kind: Kind, label, texts, names, checked):
    assert kind.check(label, texts, names) == checked


@pytest.mark.parametrize(
    ("kind", "label", "texts", "names", "message"),
    [
        (LABEL, "Law", TEXT, NAMES, "'Law' is no label; the labels are: law, sport, unsure"),
        (LABEL, None, TEXT, NAMES, "None is no label"),
        (LABEL, ["law"], TEXT, NAMES, r"\['law'\] is no label"),
        (SETS, "law", TEXT, NAMES, "'law' is no list of labels"),
        (SETS, ["law", "law"], TEXT, NAMES, "'law' is there twice"),
        (OF_TAGS, ["O", "O"], WORDS, TAGS, "2 tags for 3 words"),
        (OF_TAGS, ["O", "O", "X"], WORDS, TAGS, "'X', the tag of word 3 .* is unknown"),
        (OF_TAGS, "O", WORDS, TAGS, "is no list of tags"),
    ],
)
def test_answers_that_are_none(kind: Kind, label, texts, names, message):
    with pytest.raises(ArgumentError, match=message):
        kind.check(label, texts, names)


def test_words_of_answers():
    assert OF_TAGS.words(["O", "O", "B-PER"]) == 3
    assert OF_TAGS.words(None) == 0
    assert (LABEL.words("law"), SETS.words(["law"])) == (0, 0)
    assert [kind.of_words for kind in (LABEL, SETS, OF_TAGS)] == [False, False, True]


# -- files that people fill in -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "found", "texts", "names", "label"),
    [
        (LABEL, "LAW", TEXT, NAMES, "law"),
        (LABEL, "s p o r t", TEXT, NAMES, "sport"),
        (SETS, "Sport | law", TEXT, NAMES, ["law", "sport"]),
        (SETS, "sport; law", TEXT, NAMES, ["law", "sport"]),
        (SETS, "none", TEXT, NAMES, []),
        (SETS, ["LAW"], TEXT, NAMES, ["law"]),
        (SETS, [], TEXT, NAMES, []),
        (OF_TAGS, ["b-per", "I-PER", "o"], WORDS, TAGS, ["B-PER", "I-PER", "O"]),
        (OF_TAGS, [{"start": 0, "end": 12, "label": "per"}], TEXT, TAGS, ["B-PER", "I-PER", "O", "O"]),
        (OF_TAGS, [], TEXT, TAGS, ["O"] * 4),
    ],
)
def test_what_a_person_means(kind: Kind, found, texts, names, label):
    assert kind.from_cell(found, texts, names, "IOB2") == label


@pytest.mark.parametrize(
    ("kind", "found", "texts", "names", "message"),
    [
        (LABEL, "lawn", TEXT, NAMES, "'lawn' is no label; the labels are: law, sport, unsure"),
        (LABEL, "LAW", TEXT, ["law", "Law"], "'LAW' is no label"),  # which of them?
        (SETS, "law | sports", TEXT, NAMES, "'sports' is no label"),
        (OF_TAGS, "B-PER", WORDS, TAGS, "'B-PER' is no list of tags, and neither 'skip' nor 'unsure'"),
        (OF_TAGS, [{"start": 0, "end": 3, "label": "LOC"}], TEXT, TAGS, "is no entity type; the types are: PER"),
        (OF_TAGS, [], WORDS, TAGS, "0 tags for 3 words"),  # spans are for raw texts
    ],
)
def test_what_means_nothing(kind: Kind, found, texts, names, message):
    with pytest.raises(ArgumentError, match=message):
        kind.from_cell(found, texts, names, "IOB2")


def test_cells_of_a_table_come_back():
    assert LABEL.to_cell("law", NAMES) == "law"
    for label, cell in ((["law", "sport"], "law | sport"), ([], "none")):
        assert SETS.to_cell(label, NAMES) == cell
        assert SETS.from_cell(cell, TEXT, NAMES, "IOB2") == label
    for kind in (LABEL, SETS):
        kind.check_cells(NAMES)
    with pytest.raises(ArgumentError, match="nothing is left to separate them"):
        SETS.check_cells(["a|b", "c;d", "e,f"])
    LABEL.check_cells(["a|b", "c;d", "e,f"])


def test_what_is_to_be_filled_in():
    said = ["skip", "unsure"]
    names = ["law", "sport"]
    assert LABEL.how_to_fill_in(names, said, True, True) == "one of: law, sport (or 'skip' or 'unsure')"
    assert LABEL.how_to_fill_in(names, [], True, True) == "one of: law, sport"
    assert SETS.how_to_fill_in(names, said, False, True) == (
        "a list of any of: law, sport; [] is none of them ('skip' or 'unsure')"
    )
    assert SETS.how_to_fill_in(names, [], True, True) == (
        "any of: law, sport; '|' stands between two, 'none' is none of them"
    )
    in_words = "a list that has a tag for each word: O, B-PER, I-PER (or 'skip' or 'unsure')"
    assert OF_TAGS.how_to_fill_in(TAGS, said, False, False) == in_words
    assert OF_TAGS.how_to_fill_in(TAGS, said, False, True).startswith(f"{in_words}; or a list of spans: ")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.task)
def test_every_format_fits_or_has_a_reason(kind: Kind):
    assert {*kind.formats, *kind.unfit} == {"csv", "jsonl", "conll"}
    assert {*kind.export_formats, *kind.unfit} == {"parquet", "csv", "jsonl", "conll"}
    assert not {*kind.formats, *kind.export_formats} & kind.unfit.keys()
    assert kind.export_ending == ("jsonl" if kind is KINDS["token_classification"] else "csv")


# -- exports and metrics -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "names", "value", "label"),
    [
        (LABEL, NAMES, 1, "sport"),
        (SETS, NAMES, [0, 2], ["law", "unsure"]),
        (SETS, NAMES, [], []),
        (OF_TAGS, TAGS, [0, 1, 2], ["O", "B-PER", "I-PER"]),
    ],
)
def test_features_say_what_numbers_mean(kind: Kind, names, value, label):
    assert kind.from_feature(value, names) == label
    assert kind.from_feature(None, names) is None
    features = Features.from_dict({"label": kind.feature(names)})
    assert features.encode_example({"label": label}) == {"label": value}
    assert kind.lists is isinstance(value, list)


def test_counts():
    assert LABEL.count(["law", "law"], NAMES) == Counter(law=2)
    assert list(LABEL.count(["sport"], NAMES)) == NAMES  # in their order, with those that do not occur
    counts = SETS.count([["sport", "law"], [], ["law"]], NAMES)
    assert dict(counts) == {"law": 2, "sport": 1, "unsure": 0, None: 1}
    tags = [["B-PER", "I-PER", "O", "B-LOC"], ["O"], ["B-PER", "B-PER"]]
    assert dict(OF_TAGS.count(tags, [*TAGS, "B-LOC"])) == {"PER": 3, "LOC": 1}


def test_metrics_begin_with_the_usual_one_and_name_no_loss():
    assert LABEL.metrics(NAMES) == ["accuracy", "f1_macro", "f1_micro"]
    assert SETS.metrics(["a", "b"]) == ["f1_micro", "f1_macro", "subset_accuracy", "f1_a", "f1_b"]
    assert OF_TAGS.metrics([*TAGS, "B-LOC"]) == ["f1", "precision", "recall", "f1_PER", "f1_LOC"]
    for kind in KINDS.values():
        assert kind.metrics(NAMES)[0] == kind.usual_metric
        assert not {*kind.metrics(NAMES)} & {*kind.losses}


# -- a kind without names ------------------------------------------------------------------------------------------


class FreeText(Kind):
    """Answers that may be any string."""

    task = "text_to_text"
    family = "classes"
    answers = "texts"
    needs_names = False
    usual_metric = "exact_match"
    counted = None
    hub_task = "text2text-generation"

    def check(self, label, texts, names):
        if not isinstance(label, str) or not label.strip():
            raise ArgumentError(f"{label!r} is no text")
        return label

    def from_cell(self, found, texts, names, scheme):
        return found

    def how_to_fill_in(self, names, instead, is_cell, is_raw):
        return "a text"

    def feature(self, names):
        return {"dtype": "string", "_type": "Value"}

    def from_feature(self, value, names):
        return value

    def metrics(self, names):
        return ["exact_match"]

    def read(self, source):
        raise AssertionError("no data on a disk is read for this kind")


def test_a_kind_without_names_goes_through_store_files_and_export(tmp_path, monkeypatch):
    from datasets import load_dataset

    from hfal import FileAnnotator, export_labels
    from hfal.annotators.asking import open_query
    from hfal.annotators.terminal.annotator import TerminalAnnotator
    from hfal.cli.describe import describe_run
    from hfal.errors import AnnotationError
    from hfal.export.card import dataset_card
    from hfal.store.records import Answer, Queried, Query
    from hfal.store.store import Store

    monkeypatch.setitem(KINDS, FreeText.task, FreeText())
    store = Store(tmp_path / "run")
    store.set_meta("task", FreeText.task)
    store.set_meta("label_names", [])
    asked = tuple(Queried(name, name, {"text": f"text {name}"}) for name in "abc")
    query = store.add_query(Query(1, "round", "random", 0, asked))
    store.record(Answer("a", "an answer", annotator="me", query=query.number))
    with pytest.raises(AnnotationError, match="' ' is no text"):
        store.record(Answer("b", " ", annotator="me", query=query.number))

    seen = open_query(store, query)
    for format in ("jsonl", "csv"):
        annotator = FileAnnotator(format)
        assert [*annotator.annotate(seen)] == []
        assert "Fill in the column 'label' with a text;" in annotator.waiting_for(seen)
    file = FileAnnotator("csv").path(seen)
    file.write_text("id,text,label\nb,text b,another one\nc,text c,Skip\n")
    said = [(answer.example_id, answer.action, answer.label) for answer in FileAnnotator("csv").annotate(seen)]
    assert said == [("b", "label", "another one"), ("c", "skip", None)]
    with pytest.raises(ArgumentError, match="format='conll' is for tags of words"):
        next(FileAnnotator("conll").annotate(seen))
    with pytest.raises(AnnotationError, match=r"texts cannot be given in the terminal: .*FileAnnotator\(\"csv\"\)"):
        next(TerminalAnnotator("me").annotate(seen))

    export_labels(tmp_path / "run", tmp_path / "export", answers=True)
    rows = load_dataset(str(tmp_path / "export"), split="train", cache_dir=str(tmp_path / "cache"))
    assert rows["label"][:] == ["an answer"]
    export_labels(tmp_path / "run", tmp_path / "labels.csv")
    assert "an answer" in (tmp_path / "labels.csv").read_text("utf-8-sig")
    card = dataset_card(store, tmp_path / "export", "me/answers")
    assert "text2text-generation" in card
    assert "## Labels" not in card
    assert "Labels:" not in describe_run(tmp_path / "run")
    store.close()


class FreeTexts(WholeTexts):
    """The least of a task without names: what a pool asks of it."""

    name = FreeText.task
    kind = FreeText()
    label_names = ()
    prediction_signals = frozenset()

    def __init__(self, dataset, text_columns, label_column, label_names):
        super().__init__(dataset, text_columns, label_column)
        self.answers = dataset[label_column][:]

    def given(self):
        return np.array([answer is not None for answer in self.answers])

    def label_bytes(self):
        return repr(self.answers).encode()

    def label_at(self, row):
        return self.answers[row]

    def training_labels(self, rows, labels):
        return pa.array(labels, pa.string()), Value("string")


def test_a_pool_without_names(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(KINDS, FreeText.task, FreeTexts.kind)
    monkeypatch.setitem(TASKS, FreeText.task, FreeTexts)
    rows = {"text": [f"text {n}" for n in range(8)], "input_ids": [[n + 1] for n in range(8)]}
    dataset = Dataset.from_dict({**rows, "answer": [f"answer {n}" for n in range(8)]})

    def open_pool(dataset):
        return Pool(dataset, tmp_path / "run", "text", "answer", task=FreeText.task)

    first = open_pool(dataset)
    assert "0 labeled, run_dir=" in repr(first)
    with first.store.own():
        ActiveLearningCallback(
            first, strategy="random", annotator=SimulatedAnnotator(first), seed_size=2
        ).acquisition.first.propose_seed_set()
    grown = concatenate_datasets(
        [dataset, Dataset.from_dict({"text": ["more"], "input_ids": [[1]], "answer": [None]})]
    )
    pool = open_pool(grown)
    assert pool.store.info.labels_are_hidden  # as when the run began
    assert pool.labels() == {}

    annotator = SimulatedAnnotator(pool)
    ActiveLearningCallback(pool, strategy="random", annotator=annotator, committee=[tiny_model()])
    ActiveLearningCallback(pool, strategy="random", annotator=annotator, record_stability=True)
    assert "record_stability= is not used: text_to_text has no predictions to compare" in caplog.text
    with pytest.raises(ArgumentError, match=r"stop='kappa.*' compares predictions, but text_to_text has none"):
        ActiveLearningCallback(pool, strategy="random", annotator=annotator, stop="kappa")

    al = ActiveLearningArguments(data="answers.jsonl", holdout=0)
    al.settle(open_pool(dataset), evaluated=False)
    assert al.annotator == "simulated"
    unlabeled = Dataset.from_dict({**rows, "answer": [None] * 8})
    other = Pool(unlabeled, tmp_path / "other", "text", "answer", task=FreeText.task)
    al = ActiveLearningArguments(data="answers.jsonl", holdout=0)
    al.settle(other, evaluated=False)
    assert al.annotator == "csv"

    other.record(Answer(other.ids[0].as_py(), "an answer", annotator="me"))
    export_labels(other.run_dir, tmp_path / "export", unlabeled=other, answers=True)
    assert import_run(tmp_path / "export", tmp_path / "again") == (8, 1)
    assert "labels" not in (tmp_path / "again" / "config.yaml").read_text()
