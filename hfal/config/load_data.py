"""Load the data that the options name: the examples of the pool, and those to evaluate on.

What a person gets wrong in a file is found here, before a model is loaded; nothing that is imported here loads torch.
"""

import contextlib
import dataclasses
import os
import shlex
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import datasets
import numpy as np

from hfal.annotators.registry import SIMULATION
from hfal.config.arguments import ActiveLearningArguments
from hfal.data.references import check_columns, has_no_splits, load_split
from hfal.data.shown_columns import check_shown_columns
from hfal.errors import ArgumentError, NoRunError
from hfal.export.hub import hub_name
from hfal.export.labels import check_export_target
from hfal.store.annotator_names import ANYBODY, check_person_name, check_team_names
from hfal.store.run_directory import check_no_comparison
from hfal.store.run_info import PoolDraw
from hfal.store.store import Store
from hfal.tasks.conll import SUFFIXES as CONLL_SUFFIXES
from hfal.tasks.infer import infer_task
from hfal.tasks.kinds import KINDS, Kind, kind_of
from hfal.tasks.label_names import check_label_names
from hfal.tasks.source import Source, SourceWithLabels
from hfal.tasks.tag_column import has_spans
from hfal.tasks.unused_labels import unused_labels
from hfal.tasks.words import plain_text
from hfal.utils.output import get_logger
from hfal.utils.spelling import cell_text, counted


logger = get_logger(__name__)


@dataclass(frozen=True)
class LoadedData:
    """The data of a run, and what was found out about it where the options left that to the data.

    Attributes:
        pool: The rows of the pool.
        evaluation: The rows to evaluate on; `None` if there are none.
        task: The name of the task.
        labels: The names of the labels; for token classification those of all tags; empty where an answer may be
            any string.
        text: The columns with text.
        show: The other columns that are shown beside it.
    """

    pool: datasets.Dataset
    evaluation: datasets.Dataset | None
    task: str
    labels: list[str]
    text: list[str]
    show: list[str]


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
    _check_options(al)
    if Path(run_dir).exists() and not Path(run_dir).is_dir():
        raise ArgumentError(f"--output_dir is {os.fspath(run_dir)!r}, which is no folder: name a folder, or a new one")
    check_no_comparison(Path(run_dir))
    text = _text_columns(al)
    source = _read_split(al, al.split, text, al.labels, al.show)
    show = columns_named(al.show, source.data.column_names)
    check_columns(al.data, source.data, show)
    check_shown_columns(source.data, show, source.text, al.label, "--show")
    kind = kind_of(al.task or _inferred_task(al, source))
    _check_options_of_kind(al, kind, run_dir)
    if al.labels is not None:
        check_label_names(al.labels, argument="--labels")
    source = _without_blank(al, kind, source)
    read = kind.read(source)
    _check_ids(al, source)
    if al.annotator == SIMULATION and al.label is not None:
        _check_simulation(al, source, read.given)
    if kind.needs_names:
        check_label_names(read.names, argument="--labels" if al.labels else f"--label: column {al.label!r}")
    read = replace(read, data=_without_unused_labels(al, source, show, read))
    evaluation = None
    if al.eval_split:
        other = _without_blank(al, kind, _read_split(al, al.eval_split, text, read.names))
        evaluation = kind.read(replace(other, may_be_counted=_are_in_order(al, source))).data
    columns = list(source.text)
    pool, drawn = _draw(al, columns, read, run_dir, seed)
    _check_no_id_twice(al, pool)
    return LoadedData(pool, evaluation if drawn is None else drawn, kind.task, read.names, columns, show)


def _check_options(al: ActiveLearningArguments) -> None:
    for name in ("pool_size", "eval_size", "max_length", "query_size", "seed_size", "rounds", "budget"):
        if (value := getattr(al, name)) is not None and not 1 <= value < 2**63:
            raise ArgumentError(f"--{name} is {value}, expected {'at least 1' if value < 1 else 'less than 2**63'}")
    if al.annotator_name is not None:
        check_person_name(al.annotator_name, "--annotator_name")
    people = check_team_names(al.annotators, "--annotators")
    if al.overlap > max(len(people), 1) and people != [ANYBODY]:
        names = f"--annotators has {counted(len(people), 'name')}: name more" if people else "there is one annotator"
        raise ArgumentError(
            f"--overlap is {al.overlap}, but {names}{'' if people else ': name as many with --annotators A,B'}, or "
            "lower it"
        )
    empty = [option.name for option in dataclasses.fields(al) if getattr(al, option.name) == ""]
    if empty:
        raise ArgumentError(f"--{empty[0]} is empty: give it a value, or leave it out")
    for name in ("eval_size", "eval_split"):
        if getattr(al, name) and al.label is None:
            raise ArgumentError(
                f"--{name} needs labels: name their column with --label (of a CoNLL file, ner_tags), or have some "
                "texts labeled with --holdout (not in a comparison)"
            )
    if al.eval_size and al.eval_split:
        raise ArgumentError("--eval_size and --eval_split are two ways to the same end: leave one of them out")
    for column in al.text:
        if al.text.count(column) > 1 or column == al.label:
            other = "twice" if al.text.count(column) > 1 else "as --label does"
            raise ArgumentError(f"--text is {','.join(al.text)}, which names the column {column!r} {other}")
    if al.data_filter and not all(al.data_filter.partition("=")[:2]):
        raise ArgumentError(f"--data_filter is {al.data_filter!r}, expected COLUMN=VALUE (COLUMN= for empty cells)")


def _check_options_of_kind(al: ActiveLearningArguments, kind: Kind, run_dir: str | os.PathLike[str]) -> None:
    """Find options that are for other kinds of answers, and data that would be trained on and evaluated on."""
    if al.export is not None and hub_name(al.export) is None:
        try:
            check_export_target(al.export, kind)
        except ArgumentError as error:
            raise ArgumentError(f"--export: {error}") from None
        if os.path.realpath(al.export) == os.path.realpath(run_dir):
            raise ArgumentError(f"--export is {al.export!r}, the run directory itself: name another folder, or a file")
    if al.annotator in kind.unfit:
        raise ArgumentError(
            f"--annotator is {al.annotator}, which does not fit {kind.task}: take {' or '.join(kind.formats)}"
        )
    if al.eval_split and has_no_splits(al.data) and al.eval_split.partition("[")[0] != al.split.partition("[")[0]:
        raise ArgumentError(
            f"--eval_split is {al.eval_split!r}, but {al.data} has no splits, and all of it would be evaluated on and "
            "trained on: hold some of it out with --eval_size 500, or cut it with --split 'train[:80%]' --eval_split "
            "'train[80%:]'"
        )
    kinds = [*reversed(KINDS.values())]  # in a message what is for entities comes first
    for name in dict.fromkeys(name for one in kinds for name in one.options):
        if name in al.given and name not in kind.options:
            answers = " and ".join(one.answers for one in kinds if name in one.options)
            raise ArgumentError(f"--{name} is for {answers}, but {al.data} is for {kind.task}: leave it out")


def _check_simulation(al: ActiveLearningArguments, source: Source, given: np.ndarray) -> None:
    """Refuse to simulate with rows that have no label: the others would be trained on without being asked for."""
    without = np.flatnonzero(~given)
    if len(without):
        raise ArgumentError(
            f"--annotator is simulated, but {len(without)} of {len(given)} rows of {al.data} have no label in column "
            f"{al.label!r}, such as {source.place(int(without[0]))}: label or drop them, or leave --annotator out to "
            "label them yourself"
        )


# -- reading -------------------------------------------------------------------------------------------------------


def _text_columns(al: ActiveLearningArguments) -> list[str]:
    """Return the columns with text; of a CoNLL file by default its words."""
    of_words = (al.task is None or kind_of(al.task).of_words) and al.label != "entity_types"
    is_conll = Path(al.data).suffix.lower() in CONLL_SUFFIXES
    return ["tokens"] if al.text == ["text"] and of_words and is_conll else al.text


def _read_split(
    al: ActiveLearningArguments, split: str, text: list[str], names: Sequence[str] | None, shown: Sequence[str] = ()
) -> Source:
    """Return the rows of a split that pass the filter."""
    column, _, value = (al.data_filter or "").partition("=")
    others = [name for name in (al.label, al.id, column) if name]
    data = load_split(al.data, split, al.data_config, [*text, *others, *shown])
    text = columns_named(text, data.column_names)
    check_columns(al.data, data, [*text, *others])
    rows: Sequence[int] = range(len(data))
    if column:
        rows = [row for row, cell in enumerate(data[column][:]) if cell_text(cell) == value.strip()]
        if not rows:
            raise ArgumentError(f"--data_filter is {al.data_filter!r}, but no row of {al.data} is like this")
        data = data.select(rows)
    return Source(al.data, data, rows, text, al.label, names)


def _are_in_order(al: ActiveLearningArguments, source: Source) -> bool:
    """Whether anybody has put the labels in their order, so that numbers in other data may count them."""
    feature = source.data.features.get(al.label)
    kind = getattr(feature, "feature", feature)
    return al.labels is not None or isinstance(kind, datasets.ClassLabel) or getattr(kind, "dtype", "") == "bool"


def columns_named(names: Sequence[str], available: Sequence[str]) -> list[str]:
    """Return the columns that an option names; a name with commas, which was split, is put together again.

    Args:
        names: What `--text "Notes, misc",title` was cut into, or a list of YAML.
        available: The columns that there are.
    """
    with_commas = {tuple(part.strip() for part in name.split(",")): name for name in available if "," in name}
    columns, place = list[str](), 0
    while place < len(names):
        words = [part for part in with_commas if tuple(names[place : place + len(part)]) == part]
        longest: tuple[str, ...] = max(words, key=len, default=())
        if not longest or all(name in available for name in longest):
            columns.append(names[place])
            place += 1
        else:
            columns.append(with_commas[longest])
            place += len(longest)
    return columns


def _without_blank(al: ActiveLearningArguments, kind: Kind, source: Source) -> Source:
    """Leave out rows without a text if `skip_blank` says so; otherwise reading refuses them."""
    blank = kind.blank_rows(source) if al.skip_blank else {}
    if not blank:
        return source
    if len(blank) == len(source.data):
        raise ArgumentError(f"{al.data} has no text in column {' or '.join(map(repr, source.text))} of any row")
    logger.warning(
        "--skip_blank leaves out %s of %s without a text: %s",
        counted(len(blank), "row"),
        al.data,
        source.places([*blank]),
    )
    return source.without([*blank])


def _without_unused_labels(
    al: ActiveLearningArguments, source: Source, show: Sequence[str], read: SourceWithLabels
) -> datasets.Dataset:
    """Warn of a column with labels that no option names, and leave it out, so that the pool does not warn again."""
    used = [*source.text, *show, *([al.id] if al.id else [])]
    unused = unused_labels(read.data, read.names, used) if al.label is None else None
    if unused is None:
        return read.data
    column, label = unused
    logger.warning(
        "column %r of %s has labels, such as %r, but is not used, and all texts are asked about: to have its labels "
        "read, add --label %s",
        column,
        al.data,
        label,
        shlex.quote(column),
    )
    return read.data.remove_columns(column)


def _check_ids(al: ActiveLearningArguments, source: Source) -> None:
    """Refuse rows whose id is missing or empty."""
    if al.id is None:
        return
    missing = [row for row, cell in enumerate(source.data[al.id][:]) if not cell_text(cell)]
    if missing:
        raise ArgumentError(
            f"{al.data} has no id in column {al.id!r} of {source.places(missing)}: fill it in, or leave --id out to "
            "have ids made from the text"
        )


def _check_no_id_twice(al: ActiveLearningArguments, pool: datasets.Dataset) -> None:
    """Refuse ids that several rows of the pool have."""
    counts = Counter(map(cell_text, pool[al.id][:])) if al.id else Counter[str]()
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise ArgumentError(
            f"{al.data} has {counted(len(twice), 'id')} more than once in column {al.id!r}, for one {twice[0]!r}: "
            "ids must be unique; leave --id out to have them made from the text"
        )


def _inferred_task(al: ActiveLearningArguments, source: Source) -> str:
    spans = [] if al.label else [name for name in source.data.column_names if has_spans(source.data, name)]
    if spans:
        raise ArgumentError(
            f"{al.data} has spans in column {spans[0]!r}: name it with --label {spans[0]} to find entities like "
            "these, or say --task text_classification to label whole texts"
        )
    return infer_task(source.data, source.text, al.label)


# -- the draw ------------------------------------------------------------------------------------------------------


def _draw(
    al: ActiveLearningArguments,
    text: Sequence[str],
    read: SourceWithLabels,
    run_dir: str | os.PathLike[str],
    seed: int,
) -> tuple[datasets.Dataset, datasets.Dataset | None]:
    """Draw the rows of the pool, and those to evaluate on, by a hash of their texts: the same text, the same place."""
    data, is_labeled = read.data, read.given
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
    texts = zip(*(data[column][:] for column in text), strict=True)
    flat = (" ".join(map(plain_text, pair)) for pair in texts)
    hashes = np.array([zlib.crc32(f"{seed} {one}".encode()) for one in flat], np.int64)
    if settled is None:
        evaluated, last = [], int(hashes.max())
        if al.eval_size:
            evaluated = [int(h) for h in np.sort(hashes[is_labeled])[: al.eval_size]]
            if len(evaluated) < al.eval_size:
                raise ArgumentError(
                    f"--eval_size is {al.eval_size}, but of {counted(len(data), 'row')} only {is_labeled.sum()} have "
                    "a label"
                )
        rest = np.sort(hashes[~np.isin(hashes, evaluated)])
        if not len(rest):
            raise ArgumentError(
                f"--eval_size is {al.eval_size} of {counted(len(data), 'row')}, which leaves none to ask about"
            )
        if al.pool_size:
            last = int(rest[: al.pool_size][-1])
        settled = PoolDraw(al.pool_size, al.eval_size, seed, evaluated, last)
        _settle_draw(run_dir, settled)
    is_evaluated = np.isin(hashes, settled.evaluated)
    in_pool = ~is_evaluated & ((hashes <= settled.last) | (al.pool_size is None))
    pool = data.select(np.flatnonzero(in_pool))
    return pool, data.select(np.flatnonzero(is_evaluated & is_labeled)) if al.eval_size else None


def _settled_draw(run_dir: str | os.PathLike[str]) -> PoolDraw | None:
    """The draw of a run that has begun to ask."""
    try:
        store = Store(run_dir, read_only=True)
    except NoRunError:
        return None
    with contextlib.closing(store):
        return store.draw or PoolDraw() if store.has_begun else None


def _settle_draw(run_dir: str | os.PathLike[str], draw: PoolDraw) -> None:
    if int(os.environ.get("RANK", 0)):  # of several processes, which all draw the same rows, one writes
        return
    store = Store(run_dir)
    try:
        with store.own():
            store.set_draw(draw)
    finally:
        store.close()
