"""Kinds of answers: a label, a set of labels, a tag for each word. Code that depends on the kind asks it here.

A kind is one object for all runs of its task. Nothing here loads torch, transformers or `datasets`, so that stores,
annotators and exports can ask it.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from hfal.errors import ArgumentError
from hfal.tasks.label_names import look_alike_hint
from hfal.tasks.label_set import check_label_set, join_label_set, separators, split_label_set, word_for_none
from hfal.tasks.spans import spans_in, tags_from_spans
from hfal.tasks.tags import check_tags, entities, entity_types, scheme_of, write_tags
from hfal.tasks.words import Texts, words_of
from hfal.utils.spelling import joined_names, meant, shown


if TYPE_CHECKING:
    from hfal.tasks.source import Source, SourceWithLabels

Label = str | list[str]

ESTIMATED = "estimated_"
"""The beginning of a metric's name that was estimated from the training examples, and not measured on others."""


class Kind(ABC):
    """The kind of answers that a task has: how they are checked, written, counted and exported.

    Attributes:
        task: The name of the task, and of its recipe in `hfal.recipes`.
        family: What the scores of its strategies read; see `hfal.strategies.registry`.
        things: What one calls several examples: `"texts"` or `"sentences"`.
        answers: What one calls several answers.
        needs_names: Whether the answers are made of a finite list of names, `label_names`.
        least_names: How many names there have to be for a choice.
        lists: Whether an answer is a list of names, and not one string.
        of_words: Whether an answer is about the words of one text, and may be paid for by the word.
        one_class: Whether one name is right, and all others are wrong, for each text or word.
        is_table_for_each_name: Whether opinions are compared for each name by itself; see `hfal.tasks.opinions`.
        self_training: Whether predictions can stand for labels in training.
        has_thresholds: Whether names are suggested from a probability on.
        options: The options of the command line that are for this kind, and not for all.
        seed_strategy: How the first query is picked by default.
        usual_metric: The metric of its recipe to look at where no other is named.
        losses: The metrics of its recipe of which less is better.
        estimated: The metrics of its recipe that can be estimated without held-out examples; none if none can.
        screen: Which screen of the terminal annotator takes its answers; `None` if none does.
        formats: The formats of files in which they can be filled in; the usual one first.
        export_formats: The formats of files that have a place for them; the usual one first.
        unfit: What the other formats have no place for, or are for.
        counted: What `count` counts, for the head of a table; `None` if there is nothing to count.
        hub_task: The task category on the Hub.
        hub_task_ids: The task ids on the Hub, if there are any.
    """

    task: ClassVar[str]
    family: ClassVar[str]
    things: ClassVar[str] = "texts"
    answers: ClassVar[str]
    needs_names: ClassVar[bool] = True
    least_names: ClassVar[int] = 2
    lists: ClassVar[bool] = False
    of_words: ClassVar[bool] = False
    one_class: ClassVar[bool] = False
    is_table_for_each_name: ClassVar[bool] = False
    self_training: ClassVar[bool] = False
    has_thresholds: ClassVar[bool] = False
    options: ClassVar[tuple[str, ...]] = ()
    seed_strategy: ClassVar[str] = "random"
    usual_metric: ClassVar[str]
    losses: ClassVar[tuple[str, ...]] = ("loss",)
    estimated: ClassVar[tuple[str, ...]] = ()
    screen: ClassVar[str | None] = None
    formats: ClassVar[tuple[str, ...]] = ("csv", "jsonl")
    export_formats: ClassVar[tuple[str, ...]] = ("parquet", "jsonl", "csv")
    unfit: ClassVar[Mapping[str, str]] = {"conll": "tags of words, but here whole texts have labels"}
    counted: ClassVar[str | None] = "label"
    hub_task: ClassVar[str]
    hub_task_ids: ClassVar[list[str] | None] = None

    @property
    def export_ending(self) -> str:
        """The ending of the file that a user is told to export to: a table for spreadsheets, if that can be."""
        return "csv" if "csv" in self.export_formats else "jsonl"

    @property
    def estimates(self) -> list[str]:
        """The names of the metrics that can be estimated, as a round records them."""
        return [f"{ESTIMATED}{name}" for name in self.estimated]

    # -- answers ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def check(self, label: Any, texts: Texts, names: Sequence[str]) -> Label:
        """Return an answer as it is recorded.

        Args:
            label: What somebody, or a program, has said.
            texts: The texts of the example, by column.
            names: The names of the labels.

        Raises:
            ArgumentError: It is no answer; the message says why.
        """

    def words(self, label: Any) -> int:
        """Return how many words an answer is about; 0 where they are not counted."""
        return 0

    def made_up(self, place: int, words: int, names: Sequence[str]) -> Label:
        """Make an answer to try a training with; as many answers as there are names contain each of them.

        Args:
            place: The number of the example, from 0 on.
            words: How many words it has.
            names: The names of the labels.
        """
        return names[place % len(names)] if names else "made up"

    # -- several opinions ------------------------------------------------------------------------------------------

    def to_classes(self, label: Any, names: Sequence[str]) -> list[int]:
        """Return an answer as whole numbers, each of which somebody else may agree with or not.

        Args:
            label: The answer.
            names: The names of the labels; what is not among them is none of the numbers.
        """
        return [names.index(label)]

    def from_classes(self, classes: Sequence[int], names: Sequence[str]) -> Label:
        """Return the answer that these numbers stand for."""
        return names[classes[0]]

    # -- files that people fill in ---------------------------------------------------------------------------------

    @abstractmethod
    def from_cell(self, found: Any, texts: Texts, names: Sequence[str], scheme: str) -> Label:
        """Return the answer that a person means who has filled in a file.

        A name may differ from that of a label in capitals and blanks, as long as only one can be meant.

        Args:
            found: A cell, which is not empty; where answers are lists, also a list, as JSON has it.
            texts: The texts of the example, by column.
            names: The names of the labels.
            scheme: Of tags; see `hfal.tasks.tags`.

        Raises:
            ArgumentError: It means nothing.
        """

    def to_cell(self, label: Any, names: Sequence[str]) -> Any:
        """Return an answer as it stands in one cell of a table."""
        return label

    def check_cells(self, names: Sequence[str]) -> None:
        """Check that every answer can be written in one cell.

        Raises:
            ArgumentError: The names of the labels stand against it.
        """
        return

    @abstractmethod
    def how_to_fill_in(self, names: Sequence[str], instead: Sequence[str], is_cell: bool, is_raw: bool) -> str:
        """Say what is to be filled in: the rest of "Fill in the column 'label' with ...".

        Args:
            names: The names of the labels.
            instead: The words that may stand instead of a label.
            is_cell: Whether it is a cell of a table, and not JSON.
            is_raw: Whether texts are strings, and not lists of words.
        """

    # -- exports ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def feature(self, names: Sequence[str]) -> dict[str, Any]:
        """Return the type of a column of answers, as `datasets` writes it in JSON."""

    @abstractmethod
    def from_feature(self, value: Any, names: Sequence[str]) -> Any:
        """Return the answer that a column of this type has; `None` for a row without one."""

    def count(self, labels: Iterable[Any], names: Sequence[str]) -> Counter:
        """Count how often each name is in some answers; under `None`, where it may be, answers without any name."""
        return Counter()

    def choices(self, names: Sequence[str]) -> list[str]:
        """Return what a person chooses from: the labels, or for tags the types of entities."""
        return list(names)

    # -- metrics ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def metrics(self, names: Sequence[str]) -> list[str]:
        """Return the metrics of the recipe of which more is better."""

    # -- data ------------------------------------------------------------------------------------------------------

    def blank_rows(self, source: "Source") -> dict[int, str]:
        """Return the rows that have nothing to be labeled, each with a column that lacks it.

        Raises:
            ArgumentError: A column holds no texts.
        """
        from hfal.tasks.source import blank_texts, check_text_columns  # which loads `datasets`

        check_text_columns(source)
        return blank_texts(source)

    @abstractmethod
    def read(self, source: "Source") -> "SourceWithLabels":
        """Check the texts and read the labels of rows that a user names on the command line.

        Raises:
            ArgumentError: They do not fit; the message names the row, and says what to do.
        """


class SingleLabel(Kind):
    """One label for each text, or pair of texts."""

    task = "text_classification"
    family = "classes"
    answers = "labels"
    one_class = True
    self_training = True
    seed_strategy = "kmeans"
    usual_metric = "accuracy"
    estimated = ("accuracy", "f1_macro")
    screen = "label"
    hub_task = "text-classification"

    def check(self, label: Any, texts: Texts, names: Sequence[str]) -> str:
        """Return the name, without blanks around it."""
        name = label.strip() if isinstance(label, str) and label not in names else label
        if name not in names:
            hint = look_alike_hint(label, names)
            raise ArgumentError(f"{label!r} is no label; the labels are: {joined_names(names)}{hint}")
        return str(name)

    def from_cell(self, found: Any, texts: Texts, names: Sequence[str], scheme: str) -> str:
        """Return the name that a cell means."""
        label = meant(found, names)
        if label is None:
            raise ArgumentError(f"{shown(found)} is no label; the labels are: {joined_names(names)}")
        return label

    def how_to_fill_in(self, names: Sequence[str], instead: Sequence[str], is_cell: bool, is_raw: bool) -> str:
        """Say which names there are."""
        return f"one of: {joined_names(names)}{f' (or {_either(instead)})' if instead else ''}"

    def feature(self, names: Sequence[str]) -> dict[str, Any]:
        """Return a `ClassLabel`."""
        return {"names": list(names), "_type": "ClassLabel"}

    def from_feature(self, value: Any, names: Sequence[str]) -> str | None:
        """Return the name of a class."""
        return None if value is None else names[value]

    def count(self, labels: Iterable[Any], names: Sequence[str]) -> Counter:
        """Count the answers of each name, 0 included."""
        counts: Counter = Counter(dict.fromkeys(names, 0))
        counts.update(labels)
        return counts

    def metrics(self, names: Sequence[str]) -> list[str]:
        """Return the names of `hfal.tasks.metrics.classification_metrics`."""
        return ["accuracy", "f1_macro", "f1_micro"]

    def read(self, source: "Source") -> "SourceWithLabels":
        """Read the label column as a `ClassLabel`."""
        from hfal.tasks.label_column import read_labels  # which loads `datasets`

        return read_labels(source)


class _ListOfNames(Kind):
    """What answers that are lists of names have in common."""

    lists = True

    def feature(self, names: Sequence[str]) -> dict[str, Any]:
        """Return a list of `ClassLabel`."""
        return {"feature": {"names": list(names), "_type": "ClassLabel"}, "_type": "List"}

    def from_feature(self, value: Any, names: Sequence[str]) -> list[str] | None:
        """Return the names of a list of classes."""
        return None if value is None else [names[one] for one in value]


class LabelSet(_ListOfNames):
    """A set of labels for each text, or pair of texts, which may be empty."""

    task = "multi_label_classification"
    family = "labels"
    answers = "sets of labels"
    least_names = 1
    is_table_for_each_name = True
    has_thresholds = True
    options = ("aggregate", "thresholds")
    usual_metric = "f1_micro"
    losses = ("loss", "hamming_loss")
    estimated = ("f1_micro", "f1_macro")
    screen = "label_set"
    hub_task = "text-classification"
    hub_task_ids: ClassVar[list[str] | None] = ["multi-label-classification"]

    def check(self, label: Any, texts: Texts, names: Sequence[str]) -> list[str]:
        """Return the labels in the order of their names."""
        return check_label_set(label, names)

    def made_up(self, place: int, words: int, names: Sequence[str]) -> list[str]:
        """Return a set of one label."""
        return [names[place % len(names)]]

    def to_classes(self, label: Any, names: Sequence[str]) -> list[int]:
        """Return 1 for each label that is in the set, and 0 for the others."""
        return [int(name in label) for name in names]

    def from_classes(self, classes: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return the set."""
        return [name for name, is_in in zip(names, classes, strict=True) if is_in]

    def from_cell(self, found: Any, texts: Texts, names: Sequence[str], scheme: str) -> list[str]:
        """Return the set that a list means, or a cell as `hfal.tasks.label_set` has it."""
        said = found if isinstance(found, list) else split_label_set(found, names)
        return check_label_set([(meant(one, names) or one) if isinstance(one, str) else one for one in said], names)

    def to_cell(self, label: Any, names: Sequence[str]) -> str:
        """Return the set as `LOC | PER`, or `none`."""
        return join_label_set(label, names)

    def check_cells(self, names: Sequence[str]) -> None:
        """Check that something is left to separate the names."""
        join_label_set(names, names)

    def how_to_fill_in(self, names: Sequence[str], instead: Sequence[str], is_cell: bool, is_raw: bool) -> str:
        """Say which names there are, and how several of them are written, or none."""
        if is_cell:
            none = word_for_none(names)
            how = (
                f"any of: {joined_names(names)}; {separators(names)[0]!r} stands between two, {none!r} is none of them"
            )
        else:
            how = f"a list of any of: {joined_names(names)}; [] is none of them"
        return f"{how} ({_either(instead)})" if instead else how

    def count(self, labels: Iterable[Any], names: Sequence[str]) -> Counter:
        """Count the answers that have each name, 0 included, and under `None` the empty ones."""
        labels = list(labels)
        counts: Counter = Counter(dict.fromkeys(names, 0))
        counts.update(name for label in labels for name in label)
        counts[None] = sum(not label for label in labels)
        return counts

    def metrics(self, names: Sequence[str]) -> list[str]:
        """Return the names of `hfal.tasks.metrics.label_set_metrics`."""
        return ["f1_micro", "f1_macro", "subset_accuracy", *(f"f1_{name}" for name in names)]

    def read(self, source: "Source") -> "SourceWithLabels":
        """Read the label column as lists."""
        from hfal.tasks.label_set_column import read_sets  # which loads `datasets`

        return read_sets(source)


class Tags(_ListOfNames):
    """A tag for each word of a sentence, by which entities are marked."""

    task = "token_classification"
    family = "words"
    things = "sentences"
    answers = "entities"
    of_words = True
    one_class = True
    options = ("aggregate", "top_words", "sure_outside")
    usual_metric = "f1"
    estimated = ("f1",)
    screen = "entities"
    formats = ("jsonl", "conll")
    export_formats = ("jsonl", "parquet", "conll")
    unfit: ClassVar[Mapping[str, str]] = {"csv": "a tag of each word"}
    counted = "entity type"
    hub_task = "token-classification"

    def check(self, label: Any, texts: Texts, names: Sequence[str]) -> list[str]:
        """Return the tags, if there is one for each word of the one text."""
        (text,) = texts.values()
        return check_tags(label, words_of(text), names)

    def made_up(self, place: int, words: int, names: Sequence[str]) -> list[str]:
        """Return a tag for each word, one after the other."""
        return [names[(place + word) % len(names)] for word in range(words)]

    def to_classes(self, label: Any, names: Sequence[str]) -> list[int]:
        """Return the number of each word's tag."""
        return [names.index(tag) for tag in label]

    def from_classes(self, classes: Sequence[int], names: Sequence[str]) -> list[str]:
        """Return the tags; an entity of which people disagree where it begins begins with its first word."""
        tags = [names[one] for one in classes]
        whole = write_tags(entities(tags), len(tags), scheme_of(names))
        return whole if {*whole} <= {*names} else tags

    def words(self, label: Any) -> int:
        """Return how many tags there are."""
        return len(label) if isinstance(label, list) else 0

    def from_cell(self, found: Any, texts: Texts, names: Sequence[str], scheme: str) -> list[str]:
        """Return the tags that a list means, which for a raw text may be one of spans; an empty one has no entity."""
        if not isinstance(found, list):
            raise ArgumentError(f"{shown(found)} is no list of tags, and neither 'skip' nor 'unsure'")
        (text,) = texts.values()
        if isinstance(text, str) and all(isinstance(span, dict | list) for span in found):
            spans = spans_in(found)
            tags = tags_from_spans(text, _named_spans(found if spans is None else spans, entity_types(names)), scheme)
        else:
            tags = [(meant(tag, names) or tag) if isinstance(tag, str) else tag for tag in found]
        return check_tags(tags, words_of(text), names)

    def how_to_fill_in(self, names: Sequence[str], instead: Sequence[str], is_cell: bool, is_raw: bool) -> str:
        """Say which tags there are, and what spans look like."""
        how = f"a list that has a tag for each word: {joined_names(names)} (or {_either(instead)})"
        if is_raw:
            how += '; or a list of spans: [{"start": 0, "end": 5, "label": ...}], where [] is no entity'
        return how

    def count(self, labels: Iterable[Any], names: Sequence[str]) -> Counter:
        """Count the entities of each type that there are."""
        return Counter(entity.type for tags in labels for entity in entities(tags))

    def choices(self, names: Sequence[str]) -> list[str]:
        """Return the types of entities."""
        return entity_types(names)

    def metrics(self, names: Sequence[str]) -> list[str]:
        """Return the names of `hfal.tasks.metrics.entity_metrics`."""
        return ["f1", "precision", "recall", *(f"f1_{entity_type}" for entity_type in entity_types(names))]

    def blank_rows(self, source: "Source") -> dict[int, str]:
        """Return the rows without a word."""
        from hfal.tasks.tag_column import blank_sentences  # which loads `datasets`

        return blank_sentences(source)

    def read(self, source: "Source") -> "SourceWithLabels":
        """Check tags or spans, which stay as they are."""
        from hfal.tasks.tag_column import read_sentence_column  # which loads `datasets`

        return read_sentence_column(source)


def _either(words: Sequence[str]) -> str:
    return " or ".join(map(repr, words))


def _named_spans(found: Sequence[Any], types: Sequence[str]) -> list[dict[str, Any]]:
    """The spans with the entity types that are meant."""
    spans = []
    for span in found:
        said = span.get("label") if isinstance(span, dict) else None
        entity_type = meant(said, types) if isinstance(said, str) else None
        if entity_type is None:
            raise ArgumentError(
                f"the 'label' of the span {shown(span)} is no entity type; the types are: {joined_names(types)}"
            )
        spans.append({**span, "label": entity_type})
    return spans


KINDS: dict[str, Kind] = {kind.task: kind for kind in (SingleLabel(), LabelSet(), Tags())}
"""The kind of each task, by its name."""

TASK_OF_FAMILY = {
    kind.family: " and ".join(one.task for one in KINDS.values() if one.family == kind.family)
    for kind in KINDS.values()
}
"""What a message of the strategies calls a family."""


def kind_of(task: str | None) -> Kind:
    """Return the kind of a task.

    Args:
        task: Its name; `None` for that of a run which does not say, and has one label for each text.

    Raises:
        ArgumentError: There is no such task.
    """
    name = SingleLabel.task if task is None else task
    if name not in KINDS:
        raise ArgumentError(f"task={task!r}, expected one of {', '.join(KINDS)}")
    return KINDS[name]
