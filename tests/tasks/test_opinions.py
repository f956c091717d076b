"""One label from several people's: of labels, sets and tags, against crowd-kit and by hand."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene, MajorityVote, OneCoinDawidSkene

from hfal.tasks import opinions
from hfal.tasks.kinds import kind_of
from hfal.tasks.opinions import combine, opinion_tables
from hfal.tasks.tags import tag_names


LABELS, SETS, TAGS = map(kind_of, ("text_classification", "multi_label_classification", "token_classification"))
STEPS = 20  # of both: when there are enough of them is judged in another way
ORACLES = {
    "majority": MajorityVote,
    "one_coin": lambda: OneCoinDawidSkene(n_iter=STEPS, tol=-np.inf),
    "dawid_skene": lambda: DawidSkene(n_iter=STEPS, tol=-np.inf),
}
of_all_methods = pytest.mark.parametrize("method", ORACLES)
PEOPLE = ["anna", "ben", "carl", "dora", "emil"]
NAMES = ["ham", "spam", "news"]


@pytest.fixture
def _as_many_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = partial(opinions.dawid_skene, iterations=STEPS, tolerance=-np.inf)
    monkeypatch.setattr(opinions, "dawid_skene", steps)


def noisy(rng: np.random.Generator, examples: int, classes: int, rates: list[float], share: float) -> list[dict]:
    """What people who err at these rates say of examples, each of which a share of them has; never of none."""
    truth = rng.integers(classes, size=examples)
    said = []
    for right in truth:
        of = {}
        for name, rate in zip(PEOPLE, rates, strict=True):
            wrong = (right + 1 + rng.integers(classes - 1)) % classes
            if rng.random() < share:
                of[name] = int(wrong if rng.random() < rate else right)
        said.append(of or {"anna": int(right)})
    return said


def by_crowd_kit(method: str, rows: list[tuple[int, str, int]]) -> pd.DataFrame:
    """The probability of each class, by task."""
    oracle = ORACLES[method]().fit(pd.DataFrame(rows, columns=["task", "worker", "label"]))
    return oracle.probas_.sort_index(axis=0).sort_index(axis=1)


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")  # pandas, of crowd-kit
@of_all_methods
@pytest.mark.usefixtures("_as_many_steps")
def test_labels_are_those_of_crowd_kit(method: str) -> None:
    said = noisy(np.random.default_rng(1), 150, 3, [0.1, 0.3, 0.2, 0.4, 0.7], share=0.6)
    found = combine(LABELS, NAMES, [{name: NAMES[one] for name, one in of.items()} for of in said], method)
    wanted = by_crowd_kit(method, [(task, *pair) for task, of in enumerate(said) for pair in of.items()])
    tied = overruled = 0
    for of, (label, probability), row in zip(said, found, wanted.to_numpy(), strict=True):
        assert probability == pytest.approx(row[NAMES.index(str(label))], abs=1e-6)
        likeliest = {NAMES[place] for place in np.flatnonzero(row > row.max() - 1e-6)}
        agreed = {NAMES[one] for one in of.values()}
        if len(agreed) == 1:  # which stays, though crowd-kit may say something else
            overruled += not agreed <= likeliest
            likeliest = agreed
        assert label in likeliest
        tied += len(likeliest) > 1
    assert (tied > 5) == (method == "majority")
    assert (overruled > 0) == (method != "majority")


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")
@of_all_methods
@pytest.mark.usefixtures("_as_many_steps")
def test_of_sets_every_label_is_judged_for_itself(method: str) -> None:
    rng = np.random.default_rng(2)
    each = [noisy(rng, 80, 2, [0.1, 0.2, 0.1, 0.3, 0.4], share=1) for _ in NAMES]
    said = [
        {who: [name for name, of in zip(NAMES, ofs, strict=True) if of[who]] for who in PEOPLE}
        for ofs in zip(*each, strict=True)
    ]
    found = combine(SETS, NAMES, said, method)
    tables = [
        by_crowd_kit(method, [(task, *pair) for task, of in enumerate(one) for pair in of.items()]) for one in each
    ]
    for place, (label, probability) in enumerate(found):
        rows = [table.to_numpy()[place] for table in tables]
        assert label == [name for name, row in zip(NAMES, rows, strict=True) if row[1] > row[0]]
        assert probability == pytest.approx(np.prod([row.max() for row in rows]) ** (1 / 3), abs=1e-6)


def test_a_set_by_hand() -> None:
    said = [{"anna": ["ham"], "ben": ["ham", "news"], "carl": []}, {"anna": ["spam"]}, {"anna": [], "ben": []}]
    (first, sure), one, empty = combine(SETS, NAMES, said, "majority")
    assert first == ["ham"]
    assert sure == pytest.approx((2 / 3 * 1 * 2 / 3) ** (1 / 3))  # ham 2 of 3, spam 0 of 3, news 1 of 3
    assert (one, empty) == ((["spam"], 1), ([], 1))


def test_tags_are_judged_word_by_word_and_whole_entities_come_out() -> None:
    names = tag_names(["PER", "LOC"])
    said = [
        {
            "anna": ["B-PER", "I-PER", "O"],
            "ben": ["O", "B-PER", "O"],
            "carl": ["O", "I-PER", "O"],  # an entity may begin so where people have written tags
        },
        {"anna": ["O", "O"], "ben": ["B-LOC", "I-LOC"], "carl": ["B-LOC", "I-LOC"]},
        {"anna": ["I-PER"]},  # as it was said
    ]
    (first, sure), second, third = combine(TAGS, names, said, "majority")
    assert first == ["O", "B-PER", "O"]  # the second word is I-PER, 2 of 3, with nothing before it
    assert sure == pytest.approx((2 / 3 * 2 / 3 * 1) ** (1 / 3))
    assert second == (["B-LOC", "I-LOC"], pytest.approx(2 / 3))
    assert third == (["I-PER"], 1)


@of_all_methods
def test_one_opinion_stays_and_none_is_none(method: str) -> None:
    said = [{"anna": "ham", "ben": "ham", "carl": "ham"}] * 40 + [{"anna": "news"}, {}]
    *_, one, none = combine(LABELS, NAMES, said, method)
    assert one is not None
    assert (one[0], none) == ("news", None)  # though almost everything is ham


def test_tables_have_a_row_for_each_text_or_word_or_a_table_for_each_label() -> None:
    (table,) = opinion_tables(LABELS, NAMES, [{"ben": "spam"}, {}, {"anna": "ham", "ben": "news"}])
    assert (table.name, table.classes) == (None, 3)
    assert (table.opinions.tolist(), table.example.tolist()) == ([[-1, 1], [0, 2]], [0, 2])
    ham, spam, news = opinion_tables(SETS, NAMES, [{"anna": ["news", "ham"]}, {"ben": []}], ["ben", "anna"])
    assert [table.name for table in (ham, spam, news)] == NAMES
    assert [table.opinions.tolist() for table in (ham, spam)] == [[[-1, 1], [0, -1]], [[-1, 0], [0, -1]]]
    assert {table.classes for table in (ham, spam, news)} == {2}
    (words,) = opinion_tables(TAGS, ["O", "B-X"], [{"anna": ["O"], "ben": ["B-X", "O"]}, {"anna": []}])
    assert words.opinions.tolist() == [[-1, 1], [-1, 0]]  # of a sentence that has changed the last opinion counts
    assert words.example.tolist() == [0, 0]


@of_all_methods
def test_a_sentence_without_words_has_no_tags(method: str) -> None:
    assert combine(TAGS, ["O", "B-X"], [{"anna": [], "ben": []}], method) == [([], 1.0)]


def test_probabilities_by_one_coin_by_hand() -> None:
    """Two people who agree on all: both are taken for perfect, and the prior is what is left."""
    said = [{"anna": "ham", "ben": "ham"}] * 3 + [{"anna": "spam", "ben": "spam"}]
    for label, probability in combine(LABELS, ["ham", "spam"], said, "one_coin"):
        assert label in ("ham", "spam")
        assert probability == pytest.approx(1, abs=1e-6)
    # All disagree with the third, who is right by nobody: the geometric mean of one label is itself.
    (one,) = combine(LABELS, ["ham", "spam"], [{"anna": "ham", "ben": "ham", "carl": "spam"}], "majority")
    assert one == ("ham", pytest.approx(2 / 3))
