"""One label from several opinions, against crowd-kit, and annotators whose confusion is known."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation import DawidSkene, MajorityVote, OneCoinDawidSkene

from hfal.tasks.aggregation import dawid_skene, majority_vote


METHODS = {
    "majority": majority_vote,
    "full": dawid_skene,
    "one coin": lambda opinions, classes: dawid_skene(opinions, classes, one_coin=True),
}
of_all_methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


def simulated(
    confusion: np.ndarray, examples: int, share: float, seed: int, priors: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """True classes int[N], and opinions int[N, A] by float[A, C, C], each given with this probability."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(confusion.shape[1], examples, p=priors)
    draws = rng.random((examples, len(confusion), 1))
    opinions = (
        (draws > confusion[:, truth].swapaxes(0, 1).cumsum(axis=-1)).sum(axis=-1).clip(max=len(confusion[0]) - 1)
    )
    opinions[rng.random(opinions.shape) >= share] = -1
    return truth, opinions


def of_accuracy(*accuracies: float, classes: int = 3) -> np.ndarray:
    """Confusion float[A, C, C] of annotators whose errors are spread evenly."""
    return np.stack([np.where(np.eye(classes) > 0, a, (1 - a) / (classes - 1)) for a in accuracies])


def as_list(opinions: np.ndarray) -> pd.DataFrame:
    """The table that crowd-kit reads."""
    task, worker = np.nonzero(opinions >= 0)
    return pd.DataFrame({"task": task, "worker": worker, "label": opinions[task, worker]})


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")  # pandas, of crowd-kit
@pytest.mark.parametrize("iterations", [1, 2, 12])
@pytest.mark.parametrize(("oracle", "one_coin"), [(DawidSkene, False), (OneCoinDawidSkene, True)])
def test_every_step_is_that_of_crowd_kit(oracle, one_coin, iterations):
    confusion = np.random.default_rng(0).dirichlet(np.ones(4), (6, 4)) / 2 + np.eye(4) / 2
    _, opinions = simulated(confusion, 120, share=0.5, seed=0)
    opinions[3] = -1
    wanted = oracle(n_iter=iterations, tol=-np.inf).fit(as_list(opinions))
    found = dawid_skene(opinions, 4, one_coin, iterations, tolerance=-np.inf)

    posterior = wanted.probas_.sort_index(axis=0).sort_index(axis=1)
    assert found.posterior[posterior.index] == pytest.approx(posterior.to_numpy(), abs=1e-9)
    assert found.priors == pytest.approx(wanted.priors_.sort_index().to_numpy(), abs=1e-9)
    everything = pd.MultiIndex.from_product([range(6), range(4)])
    errors = wanted.errors_.reindex(everything, fill_value=0).sort_index(axis=1).to_numpy().reshape(6, 4, 4)
    assert found.confusion.swapaxes(1, 2) == pytest.approx(errors, abs=1e-9)
    if one_coin:
        assert found.accuracy == pytest.approx(wanted.skills_.sort_index().to_numpy(), abs=1e-9)


@pytest.mark.parametrize("one_coin", [False, True])
def test_it_ends_where_posterior_and_parameters_agree(one_coin):
    """Bayes' rule, example by example, with the priors and confusion that were found."""
    _, opinions = simulated(of_accuracy(0.9, 0.8, 0.7, 0.6), 150, share=0.9, seed=4)
    found = dawid_skene(opinions, 3, one_coin, iterations=2000, tolerance=1e-12)
    for row, posterior in zip(opinions, found.posterior, strict=True):
        joint = found.priors.copy()
        for annotator in np.nonzero(row >= 0)[0]:
            joint *= found.confusion[annotator, :, row[annotator]]
        assert posterior == pytest.approx(joint / joint.sum(), abs=1e-4)


def test_it_stops_at_a_step_that_gains_less_than_the_tolerance():
    _, opinions = simulated(of_accuracy(0.9, 0.8, 0.7, 0.6), 150, share=0.9, seed=4)
    early = dawid_skene(opinions, 3, tolerance=10)
    assert (early.posterior == dawid_skene(opinions, 3, iterations=2, tolerance=-np.inf).posterior).all()
    assert (early.posterior != dawid_skene(opinions, 3).posterior).any()


@pytest.mark.filterwarnings("ignore:The (inplace|copy) keyword")
def test_shares_of_votes_are_those_of_crowd_kit():
    _, opinions = simulated(of_accuracy(0.8, 0.6, 0.5), 80, share=0.7, seed=0)
    wanted = MajorityVote().fit_predict_proba(as_list(opinions)).sort_index(axis=0).sort_index(axis=1)
    assert majority_vote(opinions, 3).posterior[wanted.index] == pytest.approx(wanted.to_numpy(), abs=1e-12)


def test_ties_are_drawn_by_seed_and_row():
    tied = np.tile([0, 2, -1], (3000, 1))
    labels = majority_vote(tied, 3).labels
    assert set(labels) == {0, 2}
    assert (labels == 0).mean() == pytest.approx(0.5, abs=0.05)
    assert (majority_vote(tied, 3).labels == labels).all()
    assert (majority_vote(tied[:1000], 3).labels == labels[:1000]).all()
    assert (majority_vote(tied, 3, seed=1).labels != labels).any()
    assert (
        dawid_skene(tied, 3, one_coin=True).labels.tolist() == labels.tolist()
    )  # two who never agree are tied there too


@pytest.mark.parametrize("one_coin", [False, True])
def test_rounding_breaks_no_ties(one_coin):
    """Four equal annotators who split two to two in each way equally often: neither class is preferred."""
    halves = [row for row in product([0, 1], repeat=4) if sum(row) in (0, 2, 4)]
    opinions = np.repeat(halves, 300, axis=0)
    labels = dawid_skene(opinions, 2, one_coin).labels.reshape(len(halves), 300)
    for row, of_split in zip(halves, labels, strict=True):
        if sum(row) == 2:
            assert of_split.mean() == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("one_coin", [False, True])
def test_known_annotators_are_recovered(one_coin):
    confusion = of_accuracy(0.95, 0.85, 0.75, 0.65, 0.9)
    if not one_coin:
        confusion[1] = [[0.5, 0.4, 0.1], [0.05, 0.9, 0.05], [0.0, 0.2, 0.8]]
    priors = np.array([0.5, 0.3, 0.2])
    truth, opinions = simulated(confusion, 20_000, share=0.8, seed=0, priors=priors)
    found = dawid_skene(opinions, 3, one_coin)
    assert found.confusion == pytest.approx(confusion, abs=0.03)
    assert found.priors == pytest.approx(priors, abs=0.02)
    shares = [(opinions[:, a] == truth)[opinions[:, a] >= 0].mean() for a in range(5)]
    assert found.accuracy == pytest.approx(shares, abs=0.02)
    assert (found.labels == truth).mean() > (majority_vote(opinions, 3).labels == truth).mean()
    sure = found.posterior.max(axis=1)
    assert (found.labels == truth).mean() == pytest.approx(sure.mean(), abs=0.01)  # as sure as it should be


@pytest.mark.parametrize("one_coin", [False, True])
def test_spammers_are_outvoted_by_one_who_knows(one_coin):
    """Two good annotators and three who answer at random: the majority is often the spammers'."""
    truth, opinions = simulated(of_accuracy(0.95, 0.9, 1 / 3, 1 / 3, 1 / 3), 2000, share=1, seed=0)
    found = dawid_skene(opinions, 3, one_coin)
    assert found.accuracy[:2].min() > 0.85
    assert found.accuracy[2:].max() < 0.4
    assert (found.labels == truth).mean() > 0.9
    assert (majority_vote(opinions, 3).labels == truth).mean() < 0.85


@of_all_methods
def test_permuting_permutes(method):
    _, opinions = simulated(of_accuracy(0.9, 0.7, 0.6, 0.5), 100, share=0.8, seed=2)
    rng = np.random.default_rng(2)
    rows, people, names = rng.permutation(100), rng.permutation(4), rng.permutation(3)
    found, other = method(opinions, 3), method(np.append(names, -1)[opinions][rows][:, people], 3)
    assert other.posterior[:, names] == pytest.approx(found.posterior[rows], abs=1e-6)
    assert other.priors[names] == pytest.approx(found.priors, abs=1e-6)
    assert other.accuracy == pytest.approx(found.accuracy[people], abs=1e-6)
    assert other.confusion[:, names][:, :, names] == pytest.approx(found.confusion[people], abs=1e-6)


@of_all_methods
def test_the_parts_fit_together(method):
    _, opinions = simulated(of_accuracy(0.8, 0.7, 0.6, 0.9), 60, share=0.6, seed=3)
    opinions[10], opinions[:, 3] = -1, -1  # nobody's example, and somebody who has said nothing
    found = method(opinions, 3)
    answered = (opinions >= 0).any(axis=1)
    assert found.posterior.dtype == np.float64
    assert found.posterior.sum(axis=1) == pytest.approx(1)
    assert found.priors == pytest.approx(found.posterior[answered].mean(axis=0))
    assert (found.posterior[~answered] == found.priors).all()
    assert ((found.labels == -1) == ~answered).all()
    best = found.posterior[answered].max(axis=1)
    assert np.take_along_axis(found.posterior[answered], found.labels[answered, None], 1)[:, 0] == pytest.approx(best)
    assert found.confusion[:3].sum(axis=2) == pytest.approx(1)
    assert np.isnan(found.accuracy[3])
    assert np.isnan(found.confusion[3]).all()


@of_all_methods
def test_the_unanimous_are_right(method):
    truth = np.tile([0, 1, 2], 10)
    found = method(np.stack([truth] * 3, axis=1), 3)
    assert (found.labels == truth).all()
    assert found.posterior.max(axis=1) == pytest.approx(1)
    assert found.accuracy == pytest.approx(1)
    assert found.confusion == pytest.approx(np.stack([np.eye(3)] * 3), abs=1e-6)


@of_all_methods
def test_one_annotator_is_believed(method):
    opinions = np.array([[0], [1], [1], [-1], [2]])
    found = method(opinions, 3)
    assert found.labels.tolist() == [0, 1, 1, -1, 2]
    assert found.accuracy == pytest.approx(1)


@of_all_methods
def test_a_single_class_is_certain(method):
    found = method(np.array([[0, 0], [0, -1], [-1, -1]]), 1)
    assert found.posterior.tolist() == [[1], [1], [1]]
    assert found.labels.tolist() == [0, 0, -1]
    assert found.accuracy == pytest.approx(1)


@of_all_methods
def test_a_class_that_never_occurs_stays_away(method):
    found = method(np.array([[0, 0, 1], [1, 1, 1], [0, 0, 0], [1, 0, 1]]), 4)
    assert found.posterior[:, 2:] == pytest.approx(0, abs=1e-6)
    assert np.isfinite(found.confusion).all()


@of_all_methods
@pytest.mark.parametrize("shape", [(0, 3), (4, 0), (4, 3)])
def test_nothing_is_known_without_opinions(method, shape):
    found = method(np.full(shape, -1), 2)
    assert found.labels.tolist() == [-1] * shape[0]
    assert found.posterior.tolist() == [[0.5, 0.5]] * shape[0]
    assert found.priors.tolist() == [0.5, 0.5]
    assert np.isnan(found.accuracy).all()
