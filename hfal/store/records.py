"""Answers, queries and rounds as the store takes and returns them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from hfal.errors import ArgumentError
from hfal.tasks.words import Texts


HEAD = "head"
"""The purpose of a query that a frozen head has made, after a round or before the first one."""

AHEAD = "ahead"
"""The purpose of a query that goes on with the ranking of a round's model while the next round trains."""

STREAM = "stream"
"""The purpose of a query of texts from a stream, and the origin of these texts."""

SYNTHESIS = "synthesis"
"""The purpose of a query of synthesized texts, and the origin of these texts."""

PURPOSES = ("holdout", "seed", "round", HEAD, AHEAD, STREAM, SYNTHESIS)
"""The purposes of queries."""

ORIGINS = (STREAM, SYNTHESIS)
"""The origins of examples that are not in the user's data."""

DATASET = "dataset"
"""The annotator of labels that came with the data."""


@dataclass(frozen=True)
class Answer:
    """An annotator's answer to one example.

    Args:
        example_id: The example's id in the pool.
        label: The label's name; of multi-label classification a list of names, of token classification a list with
            the name of a tag for each word. `None` for `"skip"`, `"unsure"`, `"nonsense"` and `"undo"`,
            and for `"settle"` where it holds that a synthesized text makes no sense.
        action: `"label"`, `"skip"` (it cannot be labeled, do not ask again), `"unsure"` (the annotator cannot tell; it
            is not trained on, nor asked again by itself), `"nonsense"` (a synthesized text makes no sense; neither
            trained on nor asked again), `"correct"` (another label than this annotator gave before), `"settle"` (the
            label that holds, whatever others have said; it is no opinion of its own) or `"undo"` (take this
            annotator's last answer to this example back).
        annotator: Who says it; the annotator object's `name` where this is `None`.
        query: The number of the query it answers, if any.
        time: UTC time in ISO 8601, set when it is recorded.
        number: Its place in the log, set when it is recorded.
        comment: What the annotator has to say about it.
        probability: The annotator's probability for its label, from 0 to 1; `None` where it gives none.
    """

    example_id: str
    label: Any = None
    action: str = "label"
    annotator: str | None = None
    query: int | None = None
    time: str | None = None
    number: int | None = None
    comment: str | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Queried:
    """One example of a query, with what was known when it was picked.

    Attributes:
        example_id: The example's id in the pool.
        content: Hash of its texts.
        texts: Its texts by column.
        score: Its acquisition score.
        suggestion: The label that the model would give, or its set of labels, or its tags, one for each word.
        confidence: The model's probability for it; of a set the geometric mean over the labels, of tags over the
            words.
        origin: One of `ORIGINS`, where it is none of the user's examples.
        parent: The id of the example that it was made from, if any.
        shown: Values of other columns by name, as text, which annotators see beside the texts.
        method: How it was made from its parent, if it was.
    """

    example_id: str
    content: str
    texts: Texts
    score: float | None = None
    suggestion: Any = None
    confidence: float | None = None
    origin: str | None = None
    parent: str | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    method: str | None = None


class Origin(NamedTuple):
    """Where an example comes from.

    Attributes:
        origin: One of `ORIGINS`; `None` for one of the user's data.
        parent: The id of the example that it was made from, if any.
        method: How it was made from its parent, if it was.
    """

    origin: str | None = None
    parent: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class AddedExample:
    """An example of the pool that is not in the user's data.

    Attributes:
        example_id: Its id in the pool.
        content: Hash of its texts.
        columns: Its texts, and values of other columns of the data as far as it has any, by column.
        origin: One of `ORIGINS`.
        parent: The id of the example that it was made from, if any.
        method: How it was made, if it was.
    """

    example_id: str
    content: str
    columns: Mapping[str, Any]
    origin: str
    parent: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Query:
    """A batch of examples to be labeled, in the order in which to ask, with its provenance.

    Attributes:
        round: The round whose model made it; 0 for the holdout and the seed set. Of a frozen head the round that had
            ended before, 0 if there was none.
        purpose: One of `PURPOSES`.
        strategy: Name of the query strategy.
        seed: What seeded the random choices in it.
        examples: What to ask about, best first.
        model: Which model scored.
        settings: How the strategy was set up.
        versions: The packages that made it.
        number: Its number in the run, set when it is recorded.
        time: UTC time in ISO 8601, set when it is recorded.
        closed: Whether it is no longer asked, though some of its examples may have no answer.
    """

    round: int
    purpose: str
    strategy: str
    seed: int
    examples: tuple[Queried, ...]
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    number: int = 0
    time: str = ""
    closed: bool = False

    @property
    def sequence(self) -> int:
        """Which query it is of those of a head, or ahead, with the same round, counted from 1; 0 of other queries."""
        return int(self.settings.get("sequence", 0)) if self.purpose in (HEAD, AHEAD) else 0

    def opinions_on(self, example_id: str) -> int:
        """Return how many people are to label an example in all, with those who had before this query."""
        wanted = self.settings.get("opinions", 1)
        return int(wanted.get(example_id, 1) if isinstance(wanted, Mapping) else wanted)


@dataclass(frozen=True)
class RoundRecord:
    """The record of a round.

    Attributes:
        number: 1 for the round that trains on the seed set.
        seed: What seeded its training.
        answers_seen: Number of the last answer that it was trained on.
        labels: Labels bought by then, those of the holdout included.
        train_size: Examples that it was trained on.
        started: UTC time in ISO 8601.
        trained: When its final model was saved; `None` before.
        metrics: What its final model reached; `None` before.
        finished: When the round ended; `None` before.
        words: The words of the sentences with these labels; `None` where labels are not of words.
        stability: What its final model said of the stop set: the figures of `hfal.stopping.stability` by name;
            `None` where that is not recorded.
    """

    number: int
    seed: int
    answers_seen: int
    labels: int
    train_size: int
    started: str
    trained: str | None
    metrics: dict[str, float] | None
    finished: str | None
    words: int | None = None
    stability: dict[str, float] | None = None


def check_query(query: Query) -> None:
    """Check that a query has a known purpose.

    Raises:
        ArgumentError: It has another one.
    """
    if query.purpose not in PURPOSES:
        raise ArgumentError(f"purpose={query.purpose!r} of a query, expected one of {', '.join(PURPOSES)}")


def check_added(example: AddedExample) -> None:
    """Check that an example has a known origin.

    Raises:
        ArgumentError: It has another one.
    """
    if example.origin not in ORIGINS:
        raise ArgumentError(f"origin={example.origin!r} of an added example, expected one of {', '.join(ORIGINS)}")


def seconds_between(begin: str, end: str) -> float:
    """Return the seconds from one time to another, both in ISO 8601 as in records."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def utc_now() -> str:
    """Return the current time in UTC, in ISO 8601 with microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")
