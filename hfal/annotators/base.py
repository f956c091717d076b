"""The protocol of an annotator, and the queries that it is asked. Annotators know neither models nor strategies."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from hfal.store.answer_log import SETTLE
from hfal.store.records import Answer
from hfal.tasks.kinds import Kind, SingleLabel, kind_of
from hfal.tasks.words import Texts


if TYPE_CHECKING:
    from hfal.annotators.file.file_log import FileLog


@dataclass(frozen=True)
class Question:
    """One example to label: its texts by column, and what the model would say, if there was a model.

    Where a text may have several labels the suggestion is a list of them. Where words are tagged there is one text, as
    a string or in words (`hfal.tasks.words.words_of` has the words of either), and the suggestion is a list with a tag
    for each. Beside the texts there may be values of other columns, `shown`, by column and as text: what the run's
    user asked to be shown, and the example has. So many more people are to answer it, `opinions`, each of them once.
    `synthesized` says that a program has made the texts up: they may be answered by `"nonsense"`.
    """

    example_id: str
    texts: Texts
    suggestion: str | Sequence[str] | None = None
    confidence: float | None = None
    shown: Mapping[str, str] = field(default_factory=dict)
    opinions: int = 1
    synthesized: bool = False


def _nothing_shown(example_id: str) -> dict[str, str]:
    """Return no values: the run shows no other columns."""
    return {}


def _no_question(example_id: str) -> Question | None:
    """Return no question: of a query that was made by hand only the open ones are known."""
    return None


@dataclass(frozen=True)
class OpenQuery:
    """A query as annotators see it: the questions that nobody has answered yet, or not as many as are to answer.

    Attributes:
        number: The query's number in its run.
        purpose: One of `hfal.store.records.PURPOSES`, or `hfal.store.answer_log.SETTLE`: see `settles`.
        round: The round whose model made it; 0 for the holdout and the seed set. Of a frozen head the round that had
            ended before, 0 if there was none.
        size: How many examples the query has, answered or not.
        questions: Those without an answer, or with fewer than are asked for, in the order in which to ask.
        label_names: What may be answered; where words are tagged, the names of all tags.
        run_dir: The run's folder.
        texts_of: The texts of any example that was ever asked about, by its id; a `KeyError` for another one.
        answers: Calls the store for what annotators have said so far and still holds, in the order in which they
            said it; labels that came with the data are not among them.
        labels_bought: How many labels the run has bought so far, when the query was opened.
        budget: How many it may buy in all, if that is limited.
        rounds: How many rounds it is to have, if that is known.
        task: The name of the task. With `"text_classification"` an answer is a name, with
            `"multi_label_classification"` a list of names, which may be empty, with `"token_classification"` a list
            of names with a tag for each word.
        scheme: Of the tags, as `hfal.tasks.tags.write_tags` takes it.
        unit: What the budget counts: `"examples"` or `"words"`.
        words_bought: How many words the sentences have that were tagged so far.
        may_wait: Whether there is time to wait for a person. Where other processes wait for the answers there is none:
            give the answers that are there, and leave the rest to `waiting_for`.
        file_log: What was read of the files of queries so far, if that is kept.
        shown_columns: The columns whose values are shown beside the texts, in this order.
        shown_of: The values of these of any example that was ever asked about, by its id; those that it has.
        question_of: The question of an example that was ever asked about, by its id, as the last query that has it
            asks it; `None` for another one. It is there for answered examples too.
        sequence: Which query it is of those of a frozen head, or ahead, since that round, counted from 1; 0 of other
            queries.
        annotators: Who labels, where that is more than one person; see `hfal.store.run_info.RunPlan`.
    """

    number: int
    purpose: str
    round: int
    size: int
    questions: tuple[Question, ...]
    label_names: tuple[str, ...]
    run_dir: Path
    texts_of: Callable[[str], Texts]
    answers: Callable[[], Sequence[Answer]]
    labels_bought: int = 0
    budget: int | None = None
    rounds: int | None = None
    task: str = SingleLabel.task
    scheme: str = "IOB2"
    unit: str = "examples"
    words_bought: int = 0
    may_wait: bool = True
    file_log: "FileLog | None" = None
    shown_columns: tuple[str, ...] = ()
    shown_of: Callable[[str], Mapping[str, str]] = _nothing_shown
    question_of: Callable[[str], Question | None] = _no_question
    sequence: int = 0
    annotators: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """The kind of answers that the task has."""
        return kind_of(self.task)

    @property
    def settles(self) -> bool:
        """Whether each answer settles what people disagree about; see `hfal.annotators.settling`."""
        return self.purpose == SETTLE

    def is_synthesized(self, example_id: str) -> bool:
        """Return whether a program has made up the texts of an example that was ever asked about."""
        question = self.question_of(example_id)
        return question is not None and question.synthesized


class Steps(NamedTuple):
    """How far a training is.

    Attributes:
        done: Its steps so far.
        total: All its steps.
        seconds_left: How long the others take, if that can be told.
    """

    done: int
    total: int
    seconds_left: float | None = None


class Annotator(Protocol):
    """Answer queries.

    An annotator may have an attribute `answers_now`, which is true while a person is present and would have to wait.
    Then held-out examples, which need no embeddings, are asked before a seed set is picked by embeddings. It may have
    an attribute `has_left`, which is true when the person wanted to leave while they were asked: then no other query
    is asked, and the run ends, though all may be answered.

    An annotator that several people are has an attribute `annotators`, the list of their names; `("anybody",)` where
    they are not known beforehand. Each of them is asked about a text at most once.

    An annotator may have a method `serve(store)`, a context manager in which the whole loop runs, or whatever else
    asks; and `note(message, steps)`, which is told in one sentence what happens while nothing is asked, and as `Steps`
    how far a training is. It may have a method `release(stopped)`, which another thread calls to have `annotate` end
    soon: as if the person had left, or else with a `waiting_for` of `None`. Only such a one is asked while a round
    trains. If it has a method `beside_training(store)`, a context manager, the thread that trains is in it then.
    """

    name: str
    """Recorded with every answer that does not name its annotator itself."""

    def annotate(self, query: OpenQuery) -> Iterator[Answer]:
        """Answer as many questions as possible now.

        Each answer is on the disk before the iterator is asked for the next one, so resuming after a `yield` is the
        acknowledgement (or, where the annotator has an attribute `at_once` that is true, all are when the iterator
        ends). Questions left out stay unanswered; answers to examples of earlier queries are welcome, and
        a query without questions asks only for these.
        """
        ...

    def waiting_for(self, query: OpenQuery) -> str | None:
        """What has to happen before the questions that are still open can be answered.

        Called when `annotate` ended and left some. The text ends the run, which goes on when it is started again;
        `None` goes on without these answers: their examples return to the unlabeled ones, unless they are held out.
        """
        ...
