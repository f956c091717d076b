"""Cards: what a data set or a model on the Hub says about how it was made.

The texts are templates, `templates/*.md`; what goes into them is read from the run and from the files that the
card lies beside. Texts that somebody typed, such as names of labels, cannot become Markdown or YAML.
"""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hfal import __version__
from hfal.data.references import hub_name_problem, without_paths
from hfal.errors import ArgumentError, RunDirectoryError
from hfal.export.added import about_added
from hfal.export.curves import plot_learning_curve, rounds_table
from hfal.export.files import ANSWERS, SPLITS, dataset_configs
from hfal.export.history import OWN_NAMES, published_model, run_id
from hfal.export.team import about_team, opinions_in_words
from hfal.store.answer_log import makes_no_sense
from hfal.store.learning_curve import about_estimates, is_estimate, metric_names
from hfal.store.records import AHEAD, DATASET, HEAD, STREAM, SYNTHESIS, Query, RoundRecord
from hfal.store.run_info import RunPlan
from hfal.store.shown_columns import names_in_files
from hfal.store.store import Store
from hfal.tasks.kinds import Kind
from hfal.utils.markdown import code, fenced, plain, table
from hfal.utils.spelling import counted


PICTURE = "learning_curve.png"
"""The learning curve's name beside the card."""

TAG = "hfal"
"""Among a card's tags, it says that the card was made here and may be made anew."""

_RUN = "<!-- hfal run {} -->"
_TEMPLATES = Path(__file__).with_name("templates")
_HEADLINES = ("eval_accuracy", "eval_f1", "eval_f1_micro")  # of those that several may be, the one for the picture

_COLUMNS = {
    "id": "What the example is known by: the column of ids, or a hash of the text",
    "label": "What holds: a label, a list of them, or a tag for each word",
    "tokens": "The words of the text, which the label has a tag for each of",
    "spans": "The entities, in characters of the text",
    "al_split": "`test` for what was held out, `unlabeled` for what has no label, else `train`",
    "al_query": "The number of the query that asked for the label; empty where it came with the data, or is none",
    "al_round": "The round whose model made that query; 0 where none was trained yet",
    "al_rank": "The place in the query; 0 was to be asked first",
    "al_score": "The acquisition score; the higher, the sooner it was asked",
    "al_strategy": "The query strategy",
    "al_suggestion": "What the model would have answered then",
    "al_confidence": "How sure the model was of that: its probability, or the geometric mean over labels or words",
    "al_annotator": f"Who gave the label; `{DATASET}` where it came with the data",
    "al_comment": "What the annotator had to say about it",
    "al_labeled_at": "Since when the label holds (UTC)",
    "al_opinions": "How many people have given it a label",
    "al_probability": "The probability of the label, where it is made of the labels of several people",
    "al_settled": "Whether somebody has settled which label holds",
    "al_origin": f"`{STREAM}` for what came from a stream, `{SYNTHESIS}` for what a program made; empty for the data",
    "al_parent": "The example that it was made from, if any",
    "al_method": "How it was made",
}
_SHOWN = "No text to be labeled: a column of the data that was shown beside it, as text"
_ANSWER_COLUMNS = {
    "answer": "Its number, in the order in which the answers were given",
    "id": "The example",
    "annotator": f"Who gave it; `{DATASET}` where it came with the data",
    "action": "`label`, `correct` (another label than the annotator had given), `settle` (the label that holds, "
    "whatever others have said), `skip` (it cannot be labeled), `unsure` (the annotator cannot tell), `nonsense` (a "
    "synthesized text makes no sense) or `undo` (the annotator takes the last answer back)",
    "label": "The label, a list of them, or a tag for each word; empty but for `label`, `correct` and `settle`, and "
    "for `settle` where it holds that a synthesized text makes no sense",
    "comment": "What the annotator had to say about it",
    "time": "When it was given (UTC)",
    "query": "The number of the query that had asked; empty where none had",
    "probability": "The annotator's probability for the label, of one that gives it",
}


def dataset_card(
    store: Store,
    folder: str | os.PathLike[str],
    repo_id: str,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
    model_repo_id: str | None = None,
) -> str:
    """The card of an export: how it was sampled and labeled, what is in it, and what it takes to do it again.

    The Parquet files in the folder are what is described. Nothing that may be private is in it: no path, no name of an
    annotator, no text of the data.

    Args:
        store: What the run knew when `folder` was written: see `hfal.store.store.reading`.
        folder: Where `write_labels` has written `train.parquet`, `test.parquet`, `unlabeled.parquet` (splits) and
            `answers.parquet` (another configuration), any of them; and where the learning curve may be.
        repo_id: The data set's name on the Hub.
        license: Its license, as the Hub writes it: `"cc-by-4.0"`.
        language: Its language or languages, in ISO 639-1: `"en"`.
        model_repo_id: The name of the trained model on the Hub.

    Raises:
        ArgumentError: The folder has no export.
    """
    from huggingface_hub import DatasetCard, DatasetCardData

    folder = Path(folder)
    splits = {split: folder / f"{split}.parquet" for split in SPLITS if (folder / f"{split}.parquet").is_file()}
    if not splits:
        raise ArgumentError(f"folder={os.fspath(folder)!r} has no Parquet files of an export")
    answers = folder / f"{ANSWERS}.parquet"
    values = _of_run(store)
    rows = {file.name: _row_count(file) for file in [*splits.values(), *([answers] if answers.is_file() else [])]}
    labeled = sum(rows[file.name] for split, file in splits.items() if split != "unlabeled")
    data = DatasetCardData(
        language=_languages(language),
        license=license,
        size_categories=[_size_category(sum(rows[file.name] for file in splits.values()))],
        task_categories=[store.kind.hub_task],
        task_ids=store.kind.hub_task_ids,
        pretty_name=repo_id.rpartition("/")[2],
        tags=["active-learning", TAG],
        configs=dataset_configs(rows),
    )
    columns = _features(next(iter(splits.values())))
    return str(
        DatasetCard.from_template(
            data,
            str(_TEMPLATES / "dataset_card.md"),
            **{**values, "holdout": values["holdout"] if "test" in splits else ""},
            title=plain(repo_id.rpartition("/")[2]),
            repo_id=repo_id,
            model=model_repo_id,
            rows=f"{labeled:,}",
            files=_file_table(splits, answers if answers.is_file() else None, rows),
            answers=answers.is_file(),
            labels=_label_table(store, splits),
            columns=_column_table(columns, _COLUMNS | dict.fromkeys(_shown_columns(store), _SHOWN)),
            answer_columns=_column_table(_features(answers), _ANSWER_COLUMNS) if answers.is_file() else "",
            provenance="al_query" in columns,
            has_origins="al_origin" in columns,
            **about_added(store, splits),
            picture=PICTURE if (folder / PICTURE).is_file() else None,
        )
    )


def model_card(
    store: Store,
    round_number: int,
    repo_id: str,
    dataset_repo_id: str,
    language: str | Sequence[str] | None = None,
) -> str:
    """The card of the model that a round has trained, with a link to the data set that it was trained on.

    Args:
        store: What the run knows.
        round_number: The round.
        repo_id: The model's name on the Hub.
        dataset_repo_id: The data set's.
        language: As in `dataset_card`.

    Raises:
        RunDirectoryError: There is no such round.
    """
    from huggingface_hub import ModelCard, ModelCardData

    record = store.round(round_number)
    if record is None:
        raise RunDirectoryError(f"there is no round {round_number} in {store.run_dir}")
    base = _base_model(store)
    data = ModelCardData(
        language=_languages(language),
        library_name="transformers",
        pipeline_tag=store.kind.hub_task,
        datasets=[dataset_repo_id],
        base_model=base,
        tags=["active-learning", TAG],
    )
    metrics = [(code(name.removeprefix("eval_")), f"{value:.4f}") for name, value in (record.metrics or {}).items()]
    return str(
        ModelCard.from_template(
            data,
            str(_TEMPLATES / "model_card.md"),
            title=plain(repo_id.rpartition("/")[2]),
            round=round_number,
            train_size=f"{record.train_size:,}",
            things=store.kind.things,
            dataset=dataset_repo_id,
            base_model=base,
            labels=", ".join(map(code, store.info.label_names)),
            metrics=table(["metric", "value"], metrics) if metrics else "",
            estimates=about_estimates([record]),
            versions=_versions(store.queries()),
            version=__version__,
            run=_RUN.format(run_id(store.answers())),
        )
    )


def run_of_card(text: str) -> str | None:
    """Return the `run_id` of the run whose export a card describes; `None` if the card does not say."""
    found = re.search(_RUN.format(r"(\w+)"), text)
    return found[1] if found else None


def draw_learning_curve(store: Store, folder: str | os.PathLike[str]) -> bool:
    """Draw the run's learning curve beside the card, if there is one and matplotlib is installed; whether it was."""
    records, plan = store.rounds(), store.plan or RunPlan()
    metric = _headline(records, plan)
    if metric is None:
        return False
    try:
        plot_learning_curve(records, Path(folder, PICTURE), metric, plan.strategy)
    except ImportError:
        return False
    return True


def _base_model(store: Store) -> str | None:
    """The name on the Hub of the model that the run was started with, if it has one."""
    base: str | None = store.published_options.shown.get("model")
    return None if base is None or hub_name_problem(base) else base


# -- what a run says -----------------------------------------------------------------------------------------------


def _of_run(store: Store) -> dict[str, Any]:
    queries, records, plan = store.queries(), store.rounds(), store.plan
    current = store.current_answers()
    holdouts = {query.strategy for query in queries if query.purpose == "holdout"}
    metric = _headline(records, plan or RunPlan())
    given = sum(answer.annotator == DATASET and answer.label is not None for answer in current.values())
    options = store.published_options
    return {
        "version": __version__,
        "run": _RUN.format(run_id(store.answers())),
        "things": store.kind.things,
        "simulated": plan is not None and plan.simulated,
        "given": given,
        "by_strategy": any(q.strategy != "random" for q in queries if q.purpose != "holdout"),
        "holdout": "random" if holdouts == {"random"} else "otherwise" if holdouts else "",
        "answered": _answered(store, given),
        "team": about_team(store),
        "queries": _query_table(queries, set(current)),
        "settings": _grouped("Settings of", queries, [_shared_settings(query) for query in queries]),
        "versions": _versions(queries),
        "rounds": fenced(rounds_table(records), "text") if records else "",
        "metric": plain((metric or "").removeprefix("eval_")),
        "evaluated": not all(map(is_estimate, metric_names(records))),
        "estimates": about_estimates(records),
        "options": _as_yaml(options.shown) if options.shown else "",
        "left_out": ", ".join(map(code, options.left_out)),
        "plan": _planned(plan),
    }


def _shared_settings(query: Query) -> dict[str, Any]:
    """Return the settings of a query without what numbers it among others."""
    settings = {k: v for k, v in without_paths(query.settings).items() if k not in ("sequence", "answers_seen")}
    return settings | ({"opinions": opinions_in_words(settings["opinions"])} if "opinions" in settings else {})


def _as_yaml(options: Mapping[str, Any]) -> str:
    return fenced(yaml.safe_dump(dict(options), sort_keys=False, allow_unicode=True), "yaml")


def _headline(records: Sequence[RoundRecord], plan: RunPlan) -> str | None:
    """The metric for the picture: the run's target, else the most usual one that there is."""
    names = metric_names(records)
    target = plan.target_metric or ""
    wanted = (target, f"eval_{target}", *_HEADLINES)
    others = sorted(names, key=lambda name: (is_estimate(name), name.endswith("loss")))
    return next((name for name in (*wanted, *others) if name in names), None)


def _answered(store: Store, given: int) -> str:
    current = store.current_answers().values()
    people = {answer.annotator for answer in store.answers()}.difference(OWN_NAMES)
    bought = store.labels_bought()
    skipped, things = sum(a.action == "skip" for a in current), store.kind.things
    nonsense = sum(map(makes_no_sense, current))
    counts = [
        counted(bought, "label was bought", "labels were bought"),
        *([f"{given:,} came with the data"] if given else []),
        counted(skipped, f"{things.removesuffix('s')} was skipped", f"{things} were skipped"),
        f"{sum(a.action == 'unsure' for a in current):,} left open by annotators who were not sure",
        *[counted(nonsense, "made-up text makes no sense", "made-up texts make no sense")] * bool(nonsense),
    ]
    return f"{', '.join(counts)}.{f' Annotators: {len(people)}.' if people else ''}"


def _query_table(queries: Sequence[Query], answered: set[str]) -> str:
    purposes = {"holdout": "held out", "seed": "first", "round": "round", HEAD: "frozen head", AHEAD: "ahead"}
    purposes |= {STREAM: "stream", SYNTHESIS: "synthesis"}
    header = ["query", "round", "purpose", "strategy", "asked", "answered", "seed", "model", "day"]
    return table(
        header,
        [
            (
                str(query.number),
                str(query.round),
                purposes[query.purpose],
                code(query.strategy),
                str(len(query.examples)),
                str(sum(e.example_id in answered for e in query.examples)),
                str(query.seed),
                code(published_model(query) or ""),
                query.time[:10],
            )
            for query in queries
        ],
    )


def _versions(queries: Sequence[Query]) -> str:
    return _grouped("Versions, in", queries, [query.versions for query in queries])


def _grouped(what: str, queries: Sequence[Query], values: Sequence[Mapping[str, Any]]) -> str:
    """List the settings of queries, once for all queries that share them."""
    numbers: dict[str, list[str]] = {}
    for query, value in zip(queries, values, strict=True):
        if value:
            text = ", ".join(f"{k} {v if isinstance(v, str) else json.dumps(v)}" for k, v in value.items())
            numbers.setdefault(text, []).append(str(query.number))
    return "\n".join(
        f"- {what} quer{'y' if len(of) == 1 else 'ies'} {', '.join(of)}: {code(text)}" for text, of in numbers.items()
    )


def _planned(plan: RunPlan | None) -> str:
    if plan is None:
        return ""
    budget = "" if plan.budget is None else f", a budget of {plan.budget} {plan.unit}"
    size = f"queries of {plan.query_size} {plan.unit} from a pool of {plan.pool_size} examples"
    return f"strategy {code(plan.strategy)}, {size}{budget}"


def _languages(language: str | Sequence[str] | None) -> list[str] | None:
    return [language] if isinstance(language, str) else list(language) if language else None


# -- what the files have -------------------------------------------------------------------------------------------


def _features(file: Path) -> dict[str, Any]:
    """The types of a Parquet file's columns, as `datasets` reads them from it."""
    import pyarrow.parquet as pq

    features: dict[str, Any] = json.loads(pq.read_schema(file).metadata[b"huggingface"])["info"]["features"]
    return features


def _shown_columns(store: Store) -> list[str]:
    """How an export calls the columns that are shown beside the texts."""
    some_id = next(iter(store.contents()), None)
    texts = [] if some_id is None else store.texts(some_id)
    return list(names_in_files(store.shown_columns, texts).values())


def _row_count(file: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(file).num_rows)


def _size_category(rows: int) -> str:
    bounds = ["1K", "10K", "100K", "1M", "10M"]
    sizes = [1_000, 10_000, 100_000, 1_000_000, 10_000_000]
    place = sum(rows >= size for size in sizes)
    return "n<1K" if place == 0 else f"{bounds[place - 1]}<n<{[*bounds, '100M'][place]}"


def _file_table(splits: Mapping[str, Path], answers: Path | None, rows: Mapping[str, int]) -> str:
    about = {"train": "labeled", "test": "labeled, held out", "unlabeled": "without a label"}
    lines = [(f"`{s}`", f"{rows[file.name]:,}", about[s]) for s, file in splits.items()]
    if answers is not None:
        lines.append((f"configuration `{ANSWERS}`", f"{rows[answers.name]:,}", "every answer that was ever given"))
    return table(["split", "rows", ""], lines)


def _label_table(store: Store, splits: Mapping[str, Path]) -> str:
    """How often each label is in each split."""
    kind, names = store.kind, list(store.info.label_names)
    if kind.counted is None:
        return ""
    labeled = {split: file for split, file in splits.items() if split != "unlabeled"}
    counts = {split: kind.count(_labels_in(file, kind, names), names) for split, file in labeled.items()}
    there_are = dict.fromkeys(name for of_split in counts.values() for name in of_split)
    counted = _distribution(kind.counted, [name for name in there_are if name is not None], counts)
    if None not in there_are:
        return counted
    empty = ", ".join(f"{counts[split][None]:,} in `{split}`" for split in labeled)
    return f"{counted}\n\nA text may have several of them. Texts with none: {empty}."


def _distribution(title: str, names: Sequence[str], counts: Mapping[str, Counter]) -> str:
    totals = {split: sum(n for name, n in of_split.items() if name is not None) for split, of_split in counts.items()}

    def cell(split: str, name: str) -> str:
        count = counts[split][name]
        return f"{count:,} ({count / totals[split]:.1%})" if totals[split] else "0"

    return table([title, *counts], [(code(name), *(cell(split, name) for split in counts)) for name in names])


def _labels_in(file: Path, kind: Kind, names: Sequence[str]) -> list[Any]:
    """The labels of a file's examples that have one."""
    import pyarrow.parquet as pq

    values = pq.read_table(file, columns=["label"])["label"].to_pylist()
    return [kind.from_feature(value, names) for value in values if value is not None]


def _column_table(features: Mapping[str, Any], about: Mapping[str, str]) -> str:
    rows = [
        (code(column), code(_type_name(feature)), about.get(column, "A text, as it came"))
        for column, feature in features.items()
    ]
    return table(["column", "type", ""], rows)


def _type_name(feature: Any) -> str:
    match feature:
        case {"_type": "List" | "Sequence", "feature": inner}:
            return f"list of {_type_name(inner)}"
        case {"_type": "ClassLabel", "names": names}:
            return f"ClassLabel of {len(names)}"
        case {"_type": "Value", "dtype": dtype}:
            return str(dtype)
    return "{" + ", ".join(f"{name}: {_type_name(inner)}" for name, inner in feature.items()) + "}"
