"""Settle what people disagree about: one person says which label holds, whatever others have said."""

from dataclasses import replace

from hfal.annotators.asking import check_annotator, open_query, served
from hfal.annotators.base import Annotator, OpenQuery, Question
from hfal.store.answer_log import SETTLE, makes_no_sense
from hfal.store.disagreements import Disagreement, disagreements
from hfal.store.records import SYNTHESIS, Answer, Origin, Query
from hfal.store.store import Store
from hfal.tasks.opinions import spoken


def settling_query(store: Store) -> OpenQuery | None:
    """Return the disagreements that nobody has settled as a query, the least certain first; `None` without any.

    The label that holds so far is the suggestion, and beside the text stands what each person has said. Only what was
    settled counts as an answer, so that people who have labeled a text themselves can settle it, too.

    Args:
        store: The run's store.
    """
    differing, opinions, origins = disagreements(store), store.opinions(), store.origins()
    made_no_sense = {
        one.example_id: [name for name, said in opinions[one.example_id].items() if makes_no_sense(said)]
        for one in differing
    }
    people = list(dict.fromkeys(name for one in differing for name in (*one.labels, *made_no_sense[one.example_id])))
    title_of = {column: f"{column} (column)" if column in people else column for column in store.shown_columns}

    def question(one: Disagreement) -> Question:
        beside = {name: spoken(store.kind, label, one.texts) for name, label in one.labels.items()}
        beside |= dict.fromkeys(made_no_sense[one.example_id], "makes no sense")
        beside |= {title_of[column]: value for column, value in store.shown(one.example_id).items()}
        is_made_up = origins.get(one.example_id, Origin()).origin == SYNTHESIS
        return Question(one.example_id, one.texts, one.held, one.confidence, beside, synthesized=is_made_up)

    known = {one.example_id: question(one) for one in differing}
    left = tuple(known[one.example_id] for one in differing if one.settled_by is None)
    if not left:
        return None
    return replace(
        open_query(store, Query(0, SETTLE, "", 0, ())),
        size=len(left),
        questions=left,
        answers=lambda: _settled(store),
        shown_columns=(*people, *title_of.values()),
        shown_of=lambda example_id: known[example_id].shown if example_id in known else {},
        question_of=known.get,
        annotators=(),  # who settles answers alone
    )


def settle(store: Store, annotator: Annotator) -> tuple[int, int]:
    """Ask about the disagreements that nobody has settled, and record what is said.

    Each answer is one more entry of the log, on the disk before the next text is shown. It can be taken back.

    Args:
        store: The run's store, which this process owns.
        annotator: The person who settles, at a terminal or a page.

    Returns:
        How many disagreements were asked about, and how many are left.

    Raises:
        ArgumentError: The annotator has a name that cannot be recorded.
        AnnotationError: The annotator cannot take such answers.
    """
    check_annotator(annotator)
    query = settling_query(store)
    if query is None:
        return 0, 0
    asked = {one.example_id: of.number for of in store.queries() for one in of.examples}
    with served(annotator, store):
        for answer in annotator.annotate(query):
            origin = answer.query or asked.get(answer.example_id)
            store.record(replace(answer, annotator=answer.annotator or annotator.name, query=origin))
    return len(query.questions), sum(one.settled_by is None for one in disagreements(store))


def _settled(store: Store) -> list[Answer]:
    """Return what was settled, in the order of the log."""
    settled = [answer for answer in store.answers_by_annotator().values() if answer.action == SETTLE]
    return sorted(settled, key=lambda answer: answer.number or 0)
