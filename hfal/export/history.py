"""The history of a run's labels for others to read: all answers as a table, queries and rounds as JSON."""

import hashlib
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from hfal.data.references import is_local, without_paths
from hfal.export.files import HISTORY_VERSION
from hfal.store.annotator_names import ANYBODY, SIMULATED
from hfal.store.records import DATASET, HEAD, STREAM, Answer, Origin, Queried, Query, RoundRecord
from hfal.store.run_info import RunPlan, from_json
from hfal.store.store import Store
from hfal.tasks.kinds import kind_of
from hfal.tasks.words import Texts


OWN_NAMES = (DATASET, SIMULATED)
"""Annotators that are no people."""

ANSWER_COLUMNS = {
    "answer": "int64",
    "id": "string",
    "annotator": "string",
    "action": "string",
    "label": "",  # as in the other tables
    "comment": "string",
    "time": "timestamp[us, tz=UTC]",
    "query": "int32",
    "probability": "float64",
}
"""Of the table of all answers, with their types."""

_OF_QUERIES = ("number", "round", "purpose", "strategy", "seed", "model", "settings", "versions", "time", "closed")
_OF_ROUNDS = tuple(one.name for one in fields(RoundRecord))
_OF_PLANS = (
    "strategy",
    "query_size",
    "unit",
    "budget",
    "pool_size",
    "queries_per_round",
    "aggregate_labels",
    "annotators",
)
_OF_EXAMPLES = ("score", "suggestion", "confidence")


@dataclass(frozen=True)
class History:
    """The history of a run's labels.

    Attributes:
        task: The run's task.
        scheme: How tags say where an entity begins; `None` but for token classification.
        label_names: The labels' names.
        text_columns: The columns that are texts, as they are called in the export.
        contents: Example id to the hash of its texts, of all that was asked about or answered.
        queries: All queries, whose examples have no texts.
        rounds: All rounds.
        answers: The log.
        pool_size: How many examples the pool has; `None` if the export does not have all of them.
        shown_columns: The columns that are shown beside the texts, as they are called in the export.
        plan: What is to be known of the run's plan where several people label; else `None`.
        origins: Where the examples come from that are none of the user's data, by id, asked about or not.
    """

    task: str
    scheme: str | None
    label_names: list[str]
    text_columns: list[str]
    contents: dict[str, str]
    queries: list[Query]
    rounds: list[RoundRecord]
    answers: list[Answer]
    pool_size: int | None
    shown_columns: Sequence[str] = ()
    plan: RunPlan | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)

    @property
    def aggregate_labels(self) -> str:
        """How one label is made of several people's, one of `hfal.store.run_info.AGGREGATIONS`."""
        return (self.plan or RunPlan()).aggregate_labels


def pseudonyms(answers: Iterable[Answer], team: Iterable[str] = ()) -> dict[str, str]:
    """Return the annotators' pseudonyms: `annotator-1` is who answered first.

    Args:
        answers: The log.
        team: Who is to label, whether they have answered yet or not; those who have not come last.
    """
    names: dict[str, str] = {name: name for name in OWN_NAMES}
    for name in (*(str(answer.annotator) for answer in answers), *(name for name in team if name != ANYBODY)):
        names.setdefault(name, f"annotator-{len(names) - len(OWN_NAMES) + 1}")
    return names


def run_id(answers: Sequence[Answer]) -> str:
    """Return a run's id, which a run that goes on from its export has too: a hash of its first answer.

    Answers are only ever added, so it stays the same; and no two runs have an answer of the same microsecond.
    """
    about = [(a.example_id, a.action, a.time) for a in answers[:1]]
    return hashlib.blake2b(repr(about).encode(), digest_size=8).hexdigest()


def answer_rows(answers: Iterable[Answer]) -> list[dict[str, Any]]:
    """Return the table of all answers."""
    return [
        {
            "answer": a.number,
            "id": a.example_id,
            "annotator": a.annotator,
            "action": a.action,
            "label": a.label,
            "comment": a.comment,
            "time": a.time,
            "query": a.query,
            "probability": a.probability,
        }
        for a in answers
    ]


def history_of(
    store: Store,
    text_columns: Iterable[str],
    shown_columns: Iterable[str],
    pool_size: int | None,
    names: Mapping[str, str],
    exported: Collection[str],
) -> dict[str, Any]:
    """Return everything about a run but its answers, as JSON has it.

    Texts are left out, since they are in the tables, and so are paths.

    Args:
        store: The run's store.
        text_columns: How the export calls the columns with texts.
        shown_columns: How it calls those that are shown beside them.
        pool_size: How many examples the export has, if it has all of the pool.
        names: The annotators' names in the export, by their own; whoever is not in it keeps its own.
        exported: The ids of the examples in the export, and of those that were asked about or answered.
    """
    queries = []
    for query in store.queries():
        about = {name: getattr(query, name) for name in _OF_QUERIES}
        about["model"] = published_model(query)
        about["settings"] = without_paths(query.settings)
        examples = [{"id": e.example_id, **{name: getattr(e, name) for name in _OF_EXAMPLES}} for e in query.examples]
        queries.append({**about, "versions": dict(query.versions), "examples": examples})
    return {
        "hfal": HISTORY_VERSION,
        "task": store.kind.task,
        "scheme": store.info.scheme,
        "label_names": list(store.info.label_names),
        "text_columns": list(text_columns),
        "shown_columns": list(shown_columns),
        "pool_size": pool_size,
        "queries": queries,
        "rounds": [asdict(record) for record in store.rounds()],
        "contents": store.contents(),
        **_team_plan(store.plan, names),
        **_origins(store, exported),
    }


def _origins(store: Store, exported: Collection[str]) -> dict[str, Any]:
    """Return where examples come from that are none of the user's data; nothing where there are none."""
    origins = {
        example_id: about._replace(parent=about.parent if about.parent in exported else None)._asdict()
        for example_id, about in store.origins().items()
        if example_id in exported
    }
    return {"origins": origins} if origins else {}


def _team_plan(plan: RunPlan | None, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what is to be known of a plan by which several people label; nothing of another one."""
    if plan is None or (not plan.annotators and plan.aggregate_labels == RunPlan().aggregate_labels):
        return {}
    about = {name: getattr(plan, name) for name in _OF_PLANS}
    return {"plan": about | {"annotators": [names.get(name, name) for name in plan.annotators]}}


def published_model(query: Query) -> str | None:
    """Return the model that scored, without the path that it came from."""
    kind, _, name = (query.model or "").partition(" from ")
    return kind if is_local(name) else query.model


def read_history(written: Mapping[str, Any], answers: Iterable[Mapping[str, Any]]) -> History:
    """Read what `history_of` and `answer_rows` have written.

    Args:
        written: The JSON, which `hfal.export.schema` has checked.
        answers: The table, in which labels are as `hfal.tasks.kinds.Kind.feature` has them; checked, too.
    """
    names, kind = written["label_names"], kind_of(written["task"])
    contents = written["contents"]
    origins = {
        i: Origin(**{name: of[name] for name in Origin._fields}) for i, of in written.get("origins", {}).items()
    }
    queries = [
        Query(
            **{name: query[name] for name in _OF_QUERIES},
            examples=tuple(
                Queried(
                    e["id"],
                    contents[e["id"]],
                    {},
                    *(e[name] for name in _OF_EXAMPLES),
                    **origins.get(e["id"], Origin())._asdict(),
                )
                for e in query["examples"]
            ),
        )
        for query in written["queries"]
    ]
    log = [
        Answer(
            example_id=a["id"],
            label=kind.from_feature(a["label"], names),
            action=a["action"],
            annotator=a["annotator"],
            query=a["query"],
            time=_iso(a["time"]),
            number=a["answer"],
            comment=a["comment"],
            probability=a.get("probability"),  # which an older hfal did not write
        )
        for a in answers
    ]
    about = {name: written[name] for name in ("task", "scheme", "label_names", "text_columns", "pool_size")}
    about["shown_columns"] = written.get("shown_columns", [])  # which an older hfal did not write
    about["plan"] = from_json(RunPlan, written.get("plan"))  # which is there where several people label
    rounds = [
        RoundRecord(
            **{name: record[name] for name in _OF_ROUNDS if name in record}
            | {name: _numbers(record.get(name)) for name in ("metrics", "stability")}
        )
        for record in written["rounds"]
    ]
    return History(**about, contents=contents, queries=queries, rounds=rounds, answers=log, origins=origins)


def history_without_models(history: History, texts_of: Callable[[str], Texts]) -> History:
    """Return the history for a run that has no models, with texts.

    The last round is trained again if it has yet to make its query, or was cut off; from the same answers and the same
    seed it comes to the same model.
    """
    made = {query.round for query in history.queries if query.purpose in ("round", HEAD, STREAM)}
    rounds = [
        record
        if record.finished and (record.number in made or record is not history.rounds[-1])
        else replace(record, trained=None, metrics=None, finished=None, stability=None)
        for record in history.rounds
    ]
    queries = [
        replace(query, examples=tuple(replace(e, texts=texts_of(e.example_id)) for e in query.examples))
        for query in history.queries
    ]
    return replace(history, rounds=rounds, queries=queries)


def _numbers(metrics: Mapping[str, float | None] | None) -> dict[str, float] | None:
    """Read metrics from JSON, which has no NaN."""
    if metrics is None:
        return None
    return {name: math.nan if number is None else number for name, number in metrics.items()}


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="microseconds")
