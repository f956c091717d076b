"""From the options to the data of a run: the examples of the pool, and those to evaluate on.

What a person gets wrong in a file is found here, before a model is loaded; nothing that is imported here loads torch.
"""

import copy
import difflib
import logging
import os
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hfal.config.arguments import ActiveLearningArguments
from hfal.data.references import has_no_splits, load_split
from hfal.errors import ArgumentError, RowError
from hfal.store import Store
from hfal.store.run_directory import check_no_comparison, has_run
from hfal.store.run_info import Draw
from hfal.tasks.conll import SUFFIXES as CONLL_SUFFIXES
from hfal.tasks.label_column import label_values
from hfal.tasks.label_set import split_label_set
from hfal.tasks.label_set_column import label_set_names_of, read_label_sets
from hfal.tasks.spans import plain_text
from hfal.tasks.tag_column import count_words, infer_task, is_spans, read_tags, tag_names_of
from hfal.utils.arrow import tables_of


logger = logging.getLogger(__name__)

_MANY_LABELS = 50
_ONLY_FOR = {
    "aggregate": {"token_classification": "entities", "multi_label_classification": "sets of labels"},
    "top_words": {"token_classification": "entities"},
    "sure_outside": {"token_classification": "entities"},
    "thresholds": {"multi_label_classification": "sets of labels"},
}
"""Options that other tasks do not have."""


@dataclass(frozen=True)
class LoadedData:
    """The data of a run, and what was found out about it where the options left that to the data.

    Attributes:
        pool: The rows of the pool.
        evaluation: The rows to evaluate on; `None` if there are none.
        task: The name of the task.
        labels: The names of the labels; for token classification those of all tags.
        text: The columns with text.
    """

    pool: datasets.Dataset
    evaluation: datasets.Dataset | None
    task: str
    labels: list[str]
    text: list[str]


def load_data(al: ActiveLearningArguments, run_dir: str | os.PathLike[str], seed: int) -> LoadedData:
    """Read the data of the pool, and that to evaluate on, if there is any.

    For text classification the label column of both is a `ClassLabel`, for multi-label classification it has lists;
    tags and spans stay as they are.

    Which rows `pool_size` and `eval_size` draw is settled when the first query is made, and kept in the run directory:
    rows that are appended to the file later join the pool (the part of them that `pool_size` lets in), and those that
    are evaluated on stay the same.

    Args:
        al: The options, which stay as they are.
        run_dir: The run directory.
        seed: Seeds the draw.

    Raises:
        ArgumentError: The data does not fit the options; the message names the row, and says what to do.
        FileNotFoundError: There is no such file.
    """
    al = copy.copy(al)  # to fill in what the data says
    _check_options(al)
    check_no_comparison(Path(run_dir))
    data, rows, is_labeled = _load(al, al.split)
    if al.eval_split and has_no_splits(al.data) and al.eval_split.partition("[")[0] != al.split.partition("[")[0]:
        raise ArgumentError(
            f"--eval_split is {al.eval_split!r}, but {al.data} has no splits, and all of it would be evaluated on and "
            "trained on: hold some of it out with --eval_size 500, or cut it with --split 'train[:80%]' --eval_split "
            "'train[80%:]'"
        )
    for name, tasks in _ONLY_FOR.items():
        if name in al.given and al.task not in tasks:
            raise ArgumentError(
                f"--{name} is for {' and '.join(tasks.values())}, but {al.data} is for {al.task}: leave it out"
            )
    if is_labeled is not None:
        evaluation = _load(al, al.eval_split)[0] if al.eval_split else None
        return _drawn(al, data, is_labeled, evaluation, run_dir, seed)
    if al.label is not None and al.labels is None:
        al.labels = _label_names(al, data)
        if not isinstance(data.features[al.label], datasets.ClassLabel) and _label_texts(al, data).null_count:
            logger.warning("the labels are those that column %r has so far: name more with --labels", al.label)
    if al.labels is None:
        raise ArgumentError("--labels is missing: name the labels (negative,positive), or their column with --label")
    if len(al.labels) < 2 or len(set(al.labels)) < len(al.labels):
        raise ArgumentError(
            f"--labels is {','.join(al.labels)}, expected two or more different names (the column that has labels is "
            "named with --label)"
        )
    data = _with_names(al, data, rows)
    evaluation = _with_names(al, *_load(al, al.eval_split)[:2]) if al.eval_split else None
    return _drawn(al, data, None, evaluation, run_dir, seed)


def _drawn(
    al: ActiveLearningArguments,
    data: datasets.Dataset,
    is_labeled: np.ndarray | None,
    evaluation: datasets.Dataset | None,
    run_dir: str | os.PathLike[str],
    seed: int,
) -> LoadedData:
    pool, drawn = _draw(al, data, is_labeled, run_dir, seed)
    assert al.task is not None
    return LoadedData(pool, evaluation if drawn is None else drawn, al.task, al.labels or [], al.text)


def _check_options(al: ActiveLearningArguments) -> None:
    for name in ("pool_size", "eval_size", "max_length", "query_size", "seed_size", "rounds", "budget"):
        if (value := getattr(al, name)) is not None and value < 1:
            raise ArgumentError(f"--{name} is {value}, expected at least 1")
    for name in ("eval_size", "eval_split"):
        if getattr(al, name) and al.label is None:
            raise ArgumentError(
                f"--{name} needs labels: name their column with --label (of a CoNLL file, ner_tags), or have some "
                "texts labeled with --holdout (not in a comparison)"
            )
    if al.eval_size and al.eval_split:
        raise ArgumentError("--eval_size and --eval_split are two ways to the same end: leave one of them out")
    if al.data_filter and "=" not in al.data_filter:
        raise ArgumentError(f"--data_filter is {al.data_filter!r}, expected COLUMN=VALUE")


def _load(al: ActiveLearningArguments, split: str) -> tuple[datasets.Dataset, Sequence[int], np.ndarray | None]:
    """The rows of a split that pass the filter, where in the split they are, and which of them have tags or a set.

    The latter is `None` for text classification, where labels are read later.
    """
    column, _, value = (al.data_filter or "").partition("=")
    of_words = al.task in (None, "token_classification") and al.label != "entity_types"
    if al.text == ["text"] and of_words and Path(al.data).suffix.lower() in CONLL_SUFFIXES:
        al.text = ["tokens"]
    data = load_split(al.data, split, al.data_config, [*al.text, *filter(None, [al.label, al.id, column])])
    rows: Sequence[int] = range(len(data))
    if column:
        rows = [row for row, cell in enumerate(data[column][:]) if str(cell) == value]
        if not rows:
            raise ArgumentError(f"--data_filter is {al.data_filter!r}, but no row of {al.data} is like this")
        data = data.select(rows)
    spans = [name for name, feature in data.features.items() if is_spans(feature)]
    if al.task is None and al.label is None and spans:
        raise ArgumentError(
            f"{al.data} has spans in column {spans[0]!r}: name it with --label {spans[0]} to find entities like "
            "these, or say --task text_classification to label whole texts"
        )
    al.task = al.task or infer_task(data, al.text, al.label)
    unfit, instead = ("csv", "jsonl or conll") if al.task == "token_classification" else ("conll", "csv or jsonl")
    if al.annotator == unfit:
        raise ArgumentError(f"--annotator is {al.annotator}, which does not fit {al.task}: take {instead}")
    if al.task == "token_classification":
        return data, rows, _check_sentences(al, data, rows)
    _check_texts(al, data, rows)
    if al.task == "multi_label_classification":
        data = _with_lists(al, data)
        return data, rows, _check_label_sets(al, data, rows)
    return data, rows, None


def _place(reference: str, row: int) -> str:
    """A row as a person counts it; in a spreadsheet the names of the columns are row 1."""
    if Path(reference).suffix.lower() in CONLL_SUFFIXES:
        return f"sentence {row + 1}"
    if Path(reference).suffix.lower() in (".csv", ".tsv"):
        return f"row {row + 2} (row 1 names the columns)"
    return f"row {row + 1}"


# -- texts ---------------------------------------------------------------------------------------------------------


def _check_texts(al: ActiveLearningArguments, data: datasets.Dataset, rows: Sequence[int]) -> None:
    """Find columns that are none of texts, and rows without a text."""
    are_texts = {c: getattr(f, "dtype", None) in ("string", "large_string") for c, f in data.features.items()}
    for column in al.text:
        if not are_texts[column]:
            texts = ", ".join(name for name, is_text in are_texts.items() if is_text)
            raise ArgumentError(
                f"column {column!r} of {al.data} holds {getattr(data.features[column], 'dtype', 'lists')}, not text; "
                f"the columns of text are: {texts or 'none'}"
            )
    empty: list[tuple[int, str]] = []
    only_numbers = True
    start = 0
    for table in tables_of(data, *al.text):
        missing = {column: pc.is_null(table[column]).to_numpy() for column in al.text}
        blank = [pc.equal(pc.utf8_trim_whitespace(table[column]), "") for column in al.text]
        missing[al.text[0]] |= np.all([pc.fill_null(cells, True).to_numpy() for cells in blank], axis=0)
        empty += [(start + int(row), column) for column in al.text for row in np.flatnonzero(missing[column])]
        for column in al.text:
            numbers = pc.match_substring_regex(table[column], r"^\s*[-+]?[0-9][0-9.,]*\s*$")
            only_numbers &= bool(pc.all(pc.fill_null(numbers, True)).as_py())
        start += len(table)
    if empty:
        row, column = min(empty)
        more = f"; so it is in {len(empty) - 1} more" if len(empty) > 1 else ""
        raise ArgumentError(
            f"{al.data} has no text in column {column!r} of {_place(al.data, rows[row])}{more}: fill it in, or delete "
            "the row"
        )
    if only_numbers:
        raise ArgumentError(
            f"column {al.text[0]!r} of {al.data} holds nothing but numbers: name the column of the text with --text"
        )


def _check_sentences(al: ActiveLearningArguments, data: datasets.Dataset, rows: Sequence[int]) -> np.ndarray:
    """Find sentences without words, tags that do not fit their words, and spans that do not fit their text.

    Returns:
        Which sentences have tags, bool[N].
    """
    if len(al.text) != 1:
        raise ArgumentError(f"--text is {','.join(al.text)}: to tag words it takes one column with sentences")
    if al.label is None and al.labels is None:
        hint = " (--label ner_tags)" if "ner_tags" in data.column_names else ""
        raise ArgumentError(
            f"--labels is missing: name the types of entities (PER,ORG,LOC), or the column with tags or spans by "
            f"--label{hint}"
        )
    try:
        names = tag_names_of(data, al.label, al.labels)
        tags = read_tags(data, al.text[0], al.label, names, count_words(data, al.text[0]))
    except RowError as error:
        raise ArgumentError(f"{al.data}, {_place(al.data, rows[error.row])}: {error.problem}") from None
    if len(names) < 2:
        raise ArgumentError(f"{al.data} has no entities: name their types, --labels PER,ORG,LOC")
    al.labels = list(names)
    return tags.given


# -- sets of labels ------------------------------------------------------------------------------------------------


def _with_lists(al: ActiveLearningArguments, data: datasets.Dataset) -> datasets.Dataset:
    """The data with lists in its label column, where that has cells such as `LOC | PER`; an empty one is no answer."""
    if al.label is None or "string" not in getattr(data.features[al.label], "dtype", ""):
        return data
    if al.labels is None:
        raise ArgumentError(
            f"--labels is missing: column {al.label!r} of {al.data} has text, in which they are found by their names"
        )
    names = al.labels
    sets = [split_label_set(cell, names) if (cell or "").strip() else None for cell in data[al.label]]
    lists = datasets.List(datasets.Value("string"))
    return data.remove_columns(al.label).add_column(al.label, sets, feature=lists)


def _check_label_sets(al: ActiveLearningArguments, data: datasets.Dataset, rows: Sequence[int]) -> np.ndarray:
    """Find unknown labels, and those that are twice in a list; returns which texts have a set of labels, bool[N]."""
    if al.label is None and al.labels is None:
        raise ArgumentError("--labels is missing: name the labels (news,sports), or their column with --label")
    try:
        names = label_set_names_of(data, al.label, al.labels)
        sets = read_label_sets(data, al.label, names)
    except RowError as error:
        raise ArgumentError(f"{al.data}, {_place(al.data, rows[error.row])}: {error.problem}") from None
    is_fixed = al.label is None or isinstance(data.features[al.label].feature, datasets.ClassLabel)
    if al.labels is None and not is_fixed and not sets.given.all():
        logger.warning("the labels are those that column %r has so far: name more with --labels", al.label)
    al.labels = list(names)
    return sets.given


# -- labels --------------------------------------------------------------------------------------------------------


def _label_names(al: ActiveLearningArguments, data: datasets.Dataset) -> list[str]:
    """The names that the label column has; numbers in their order."""
    assert al.label is not None
    feature = data.features[al.label]
    if isinstance(feature, datasets.ClassLabel):
        return list(feature.names)
    names = [name for name in pc.unique(_label_texts(al, data)).to_pylist() if name is not None]
    if len(names) < 2:
        found = f"only the label {names[0]!r}" if names else "no label"
        raise ArgumentError(
            f"column {al.label!r} of {al.data} has {found}: name all there are to be, --labels negative,positive"
        )
    if len(names) > max(_MANY_LABELS, len(data) // 10):
        raise ArgumentError(
            f"column {al.label!r} of {al.data} has {len(names)} different labels, {names[0]!r} for one: if it is the "
            "column with the labels, name them with --labels"
        )
    are_numbers = all(name.removeprefix("-").isdecimal() for name in names)
    return sorted(names, key=int if are_numbers else None)


def _with_names(al: ActiveLearningArguments, data: datasets.Dataset, rows: Sequence[int]) -> datasets.Dataset:
    """The data with its label column, if it has one, as a `ClassLabel`.

    What the column holds are the names of the labels, or else numbers that count these from 0.
    """
    names = al.labels or []
    if al.label is None or data.features[al.label] == datasets.ClassLabel(names=names):
        return data
    labels = _label_texts(al, data)
    found = {label for label in pc.unique(labels).to_pylist() if label is not None}
    counted = [str(i) for i in range(len(names))]
    written = counted if found & set(counted) and not found & set(names) else names
    strange = sorted(found - set(written))
    if strange:
        near = difflib.get_close_matches(strange[0], names, n=1)
        raise ArgumentError(
            f"{al.data} has the label {strange[0]!r} in column {al.label!r} of "
            f"{_place(al.data, rows[pc.index(labels, strange[0]).as_py()])}, which is none of --labels "
            f"{','.join(names)}.{f' Did you mean {near[0]!r}?' if near else ''}"
            f"{f' (and so are {len(strange) - 1} others)' if len(strange) > 1 else ''}"
            f" Without --labels they are {','.join(sorted(found)[:20])}{',...' if len(found) > 20 else ''}."
        )
    unused = [name for name, label in zip(names, written, strict=True) if label not in found]
    if found and unused:
        logger.info("no row of %s has the label %s", al.data, ", ".join(unused))
    indices = pc.index_in(labels, value_set=pa.array(written, pa.string())).to_pylist()
    return data.remove_columns(al.label).add_column(al.label, indices, feature=datasets.ClassLabel(names=names))


def _label_texts(al: ActiveLearningArguments, data: datasets.Dataset) -> pa.ChunkedArray:
    """The label column as strings; null where a label is missing: an empty cell, or -1 among numbers."""
    assert al.label is not None
    feature = data.features[al.label]
    parts = []
    for table in tables_of(data, al.label):
        labels = label_values(table[al.label])
        if isinstance(feature, datasets.ClassLabel):
            labels = pc.take(pa.array(feature.names, pa.string()), pc.if_else(pc.less(labels, 0), None, labels))
        is_number = pa.types.is_integer(labels.type)
        if not (is_number or pa.types.is_string(labels.type) or pa.types.is_boolean(labels.type)):
            raise ArgumentError(
                f"column {al.label!r} of {al.data} holds {getattr(feature, 'dtype', 'lists')}, expected the names of "
                "labels, or whole numbers; of lists say --task multi_label_classification, or token_classification "
                "if they are tags of words"
            )
        texts = pc.utf8_trim_whitespace(labels.cast(pa.string()))
        no_label = ["", "-1"] if is_number and "-1" not in (al.labels or []) else [""]
        parts.append(pc.if_else(pc.is_in(texts, pa.array(no_label)), None, texts))
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


# -- the draw ------------------------------------------------------------------------------------------------------


def _draw(
    al: ActiveLearningArguments,
    data: datasets.Dataset,
    is_labeled: np.ndarray | None,
    run_dir: str | os.PathLike[str],
    seed: int,
) -> tuple[datasets.Dataset, datasets.Dataset | None]:
    """Draw the rows of the pool, and those to evaluate on, by a hash of their texts: the same text, the same place."""
    settled = _settled_draw(run_dir)
    if settled is not None:
        sizes = {"pool_size": (al.pool_size, settled.pool_size), "eval_size": (al.eval_size, settled.eval_size)}
        for name, (size, before) in sizes.items():
            if size != before:
                raise ArgumentError(
                    f"--{name} is {size}, but the run in {run_dir} began with {before}, and which rows these are is "
                    "settled: leave it as it was, or begin another run with another --output_dir"
                )
    if not al.pool_size and not al.eval_size:
        return data, None
    seed = seed if settled is None else settled.seed
    texts = zip(*(data[column][:] for column in al.text), strict=True)
    flat = (" ".join(map(plain_text, pair)) for pair in texts)
    hashes = np.array([zlib.crc32(f"{seed} {text}".encode()) for text in flat], np.int64)
    if is_labeled is None:
        labels = [None] * len(data) if al.label is None else data[al.label][:]
        is_labeled = np.array([label not in (None, -1) for label in labels])
    if settled is None:
        evaluated, last = [], int(hashes.max())
        if al.eval_size:
            evaluated = [int(h) for h in np.sort(hashes[is_labeled])[: al.eval_size]]
            if len(evaluated) < al.eval_size:
                raise ArgumentError(
                    f"--eval_size is {al.eval_size}, but of the {len(data)} rows only {is_labeled.sum()} have a label"
                )
        rest = np.sort(hashes[~np.isin(hashes, evaluated)])
        if not len(rest):
            raise ArgumentError(f"--eval_size is {al.eval_size} of {len(data)} rows, which leaves none to ask about")
        if al.pool_size:
            last = int(rest[: al.pool_size][-1])
        settled = Draw(al.pool_size, al.eval_size, seed, evaluated, last)
        _settle_draw(run_dir, settled)
    is_evaluated = np.isin(hashes, settled.evaluated)
    in_pool = ~is_evaluated & ((hashes <= settled.last) | (al.pool_size is None))
    pool = data.select(np.flatnonzero(in_pool))
    return pool, data.select(np.flatnonzero(is_evaluated & is_labeled)) if al.eval_size else None


def _settled_draw(run_dir: str | os.PathLike[str]) -> Draw | None:
    """The draw of a run that has begun to ask."""
    if not has_run(Path(run_dir)):
        return None
    store = Store(run_dir, read_only=True, wait=60)
    try:
        return (store.draw or Draw()) if store.queries() else None
    finally:
        store.close()


def _settle_draw(run_dir: str | os.PathLike[str], draw: Draw) -> None:
    if int(os.environ.get("RANK", 0)):  # of several processes, which all draw the same rows, one writes
        return
    store = Store(run_dir)
    try:
        with store.own():
            store.set_draw(draw)
    finally:
        store.close()
