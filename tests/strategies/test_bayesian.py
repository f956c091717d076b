"""Information by brute force: entropies by SciPy, joint labels one by one."""

import tracemalloc
from itertools import combinations, product

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from hfal.strategies import Signals, bayesian
from hfal.strategies.bayesian import bald, batchbald, epig
from support.chance import rng


def random_draws(n: int, draws: int, classes: int, seed: int = 0, concentration: float = 0.3) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.full(classes, concentration), size=(n, draws)).astype(np.float32)


def joint_information(draws: np.ndarray) -> float:
    """Of the labels of a few examples and the draw, from the table of all joint labels and draws."""
    n, t, c = draws.shape
    table = np.array(
        [
            [np.prod([draws[i, j, labels[i]] for i in range(n)], dtype=np.float64) for j in range(t)]
            for labels in product(range(c), repeat=n)
        ]
    )
    return float(scipy_entropy(table.mean(axis=1)) - np.mean([scipy_entropy(column) for column in table.T]))


def greedy(draws: np.ndarray, k: int) -> list[int]:
    picked: list[int] = []
    for _ in range(k):
        others = [row for row in range(len(draws)) if row not in picked]
        picked.append(max(others, key=lambda row: joint_information(draws[[*picked, row]])))
    return picked


def test_bald_equals_scipys_entropies():
    draws = random_draws(200, 10, 5)
    expected = scipy_entropy(draws.mean(axis=1), axis=1) - scipy_entropy(draws, axis=2).mean(axis=1)
    np.testing.assert_allclose(bald(torch.from_numpy(draws)), expected, atol=2e-6)


def test_bald_wants_what_the_draws_disagree_on_not_what_they_all_find_hard():
    hard = [[0.5, 0.5]] * 4
    disputed = [[0.9, 0.1], [0.1, 0.9]] * 2
    scores = bald(torch.tensor([hard, disputed]))
    # ln 2 less the entropy of (0.9, 0.1)
    assert scores[0] == 0
    assert scores[1].item() == pytest.approx(np.log(2) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1), abs=1e-6)


def brute_force_epig(draws: np.ndarray, row: int, target: int) -> float:
    """The Kullback-Leibler divergence of the paper's equation for EPIG."""
    joint = np.mean([np.outer(a, b) for a, b in zip(draws[row], draws[target], strict=True)], axis=0, dtype=np.float64)
    independent = np.outer(draws[row].mean(axis=0, dtype=np.float64), draws[target].mean(axis=0, dtype=np.float64))
    return float(scipy_entropy(joint.ravel(), independent.ravel()))


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_epig_is_the_mean_divergence_from_independence_over_all_other_candidates(classes):
    draws = random_draws(15, 6, classes)
    expected = [np.mean([brute_force_epig(draws, i, j) for j in range(15) if j != i]) for i in range(15)]
    scores = epig(Signals(15, draws=draws), rng())
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_epig_of_a_sample_of_targets_is_the_mean_over_them(monkeypatch):
    monkeypatch.setattr(bayesian, "TARGETS", 4)
    monkeypatch.setattr(bayesian, "BLOCK_NUMBERS", 1)  # a block for each row
    draws = random_draws(12, 5, 3)
    all_targets = np.array([[brute_force_epig(draws, i, j) for j in range(12)] for i in range(12)])
    possible = []
    for targets in combinations(range(12), 4):
        possible.append([np.mean([all_targets[i, j] for j in targets if j != i]) for i in range(12)])
    seen = []
    for seed in range(40):
        scores = epig(Signals(12, draws=draws), rng(seed))
        nearest = np.abs(np.array(possible) - scores).max(axis=1)
        assert nearest.min() < 1e-6
        seen.append(int(nearest.argmin()))
    assert len(set(seen)) > 30


def test_epig_ignores_a_dispute_that_no_other_label_depends_on():
    # Draws 0 and 1 against 2 and 3 decide the labels of rows 0 to 3; row 4 alone depends on the parity of the draw.
    common = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    alone = [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    draws = np.array([common] * 4 + [alone], np.float32)
    assert bald(torch.from_numpy(draws)).argmax() == 4
    scores = epig(Signals(5, draws=draws), rng())
    assert scores[4] == pytest.approx(0, abs=1e-7)
    # two labels, each right with probability 0.9 about one fair coin, agree with probability 0.82
    mutual = np.log(2) - scipy_entropy([0.82, 0.18])
    np.testing.assert_allclose(scores[:4], mutual * 3 / 4, atol=1e-6)


@pytest.mark.parametrize(("draws", "classes", "k"), [(4, 2, 6), (5, 3, 5), (10, 4, 4)])
@pytest.mark.parametrize(("seed", "block"), [(0, 1), (1, 200), (2, 1_000_000)])
def test_batchbald_is_greedy_in_the_joint_information_of_all_labels(draws, classes, k, seed, block, monkeypatch):
    monkeypatch.setattr(bayesian, "BLOCK_NUMBERS", block)  # with blocks of a row, few gains are computed again
    # uncertain enough that nothing saturates
    pool = random_draws(9, draws, classes, seed, concentration=4.0)
    assert batchbald(Signals(9, draws=pool), k, rng()).tolist() == greedy(pool, k)


def test_batchbald_prefers_another_doubt_to_a_copy_of_the_greatest():
    # Which of four draws it is are two bits. Rows 0 to 2 tell the first, the others the second, a little less.
    first = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    second = [[0.85, 0.15], [0.15, 0.85]] * 2
    draws = np.array([first] * 3 + [second] * 3, np.float32)
    assert np.argsort(-bald(torch.from_numpy(draws)).numpy(), kind="stable")[:2].tolist() == [0, 1]
    assert batchbald(Signals(6, draws=draws), 2, rng()).tolist() == [0, 3]


def test_the_information_of_two_copies_and_of_two_independent_examples_in_closed_form():
    error = scipy_entropy([0.9, 0.1])
    alone = np.log(2) - error
    copies = np.log(2) + scipy_entropy([0.82, 0.18]) - 2 * error
    first = [[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]]
    second = [[0.9, 0.1], [0.1, 0.9]] * 2
    draws = np.array([first, first, second], np.float32)
    expected = bayesian._entropy(draws)
    prior = np.ones(1), np.full((1, 4), 0.25)
    np.testing.assert_allclose(bayesian._gains(draws, expected, *prior), alone, atol=1e-6)
    gains = bayesian._gains(draws, expected, *bayesian._label(*prior, draws[0], rng()))
    np.testing.assert_allclose(gains, [copies - alone, copies - alone, alone], atol=1e-6)
    assert copies < 2 * alone


def test_gains_from_drawn_joint_labels_are_those_from_all_on_average(monkeypatch):
    draws = random_draws(9, 5, 3, concentration=2.0)
    expected = bayesian._entropy(draws)

    def gains(generator: np.random.Generator) -> np.ndarray:
        state = np.ones(1), np.full((1, 5), 0.2)
        for labeled in draws[:5]:
            state = bayesian._label(*state, labeled, generator)
        assert len(state[0]) <= bayesian.CONFIGURATIONS
        return bayesian._gains(draws, expected, *state)

    monkeypatch.setattr(bayesian, "CONFIGURATIONS", 3**5)
    exact = gains(rng())
    monkeypatch.setattr(bayesian, "CONFIGURATIONS", 20)
    generator = rng()
    drawn = np.array([gains(generator) for _ in range(900)])
    errors = drawn.std(axis=0) / 30
    assert (np.abs(drawn.mean(axis=0) - exact) < 4.5 * errors).all()
    assert (errors * 30 < 0.4 * exact).all()  # of one estimate


def test_batchbald_with_drawn_joint_labels_is_almost_as_good_as_with_all(monkeypatch):
    draws = random_draws(200, 10, 3, concentration=3.0)
    information = []
    for configurations in (64, 3**7):
        monkeypatch.setattr(bayesian, "CONFIGURATIONS", configurations)
        information.append(joint_information(draws[batchbald(Signals(200, draws=draws), 7, rng())]))
    drawn, exact = information
    assert drawn > 0.98 * exact


def test_batchbald_begins_anew_when_nothing_is_left_to_tell():
    # Two draws: one label of rows 5 to 9 tells which it is, and then no other label tells anything.
    unclear = [[0.6, 0.4], [0.4, 0.6]]
    clear = [[1.0, 0.0], [0.0, 1.0]]
    draws = np.array([unclear] * 5 + [clear] * 5, np.float32)
    assert batchbald(Signals(10, draws=draws), 5, rng()).tolist() == [5, 6, 7, 8, 9]


def test_batchbald_after_saturation_is_spread_over_what_the_draws_disagree_on():
    # Two bits, and many copies of two examples that tell one each all but surely: three labels tell everything. The
    # order of BALD would take copies of the first example only.
    first = [[0.999, 0.001], [0.999, 0.001], [0.001, 0.999], [0.001, 0.999]]
    second = [[0.998, 0.002], [0.002, 0.998]] * 2
    nothing = [[0.5, 0.5]] * 4
    draws = np.array([nothing] * 20 + [first] * 20 + [second] * 20, np.float32)
    assert (np.argsort(-bald(torch.from_numpy(draws)).numpy())[:12] < 40).all()
    picked = batchbald(Signals(60, draws=draws), 12, rng())
    assert (picked >= 20).all()
    assert 4 <= (picked >= 40).sum() <= 8


@pytest.mark.parametrize("case", ["certain", "identical", "one class", "one draw", "agreed", "one hot at random"])
@pytest.mark.parametrize("k", [1, 9, 30])
def test_degenerate_draws_give_finite_scores_and_no_row_twice(case, k):
    draws = {
        "certain": np.broadcast_to(np.eye(3, dtype=np.float32)[0], (30, 6, 3)),
        "identical": np.broadcast_to(random_draws(1, 6, 3), (30, 6, 3)),
        "one class": np.ones((30, 6, 1), np.float32),
        "one draw": random_draws(30, 1, 3),
        "agreed": np.broadcast_to(random_draws(30, 1, 3), (30, 6, 3)),
        "one hot at random": np.eye(3, dtype=np.float32)[rng().integers(3, size=(30, 6))],
    }[case]
    signals = Signals(30, draws=draws)
    with np.errstate(all="raise", under="ignore"):
        picked = batchbald(signals, k, rng())
        scores = epig(signals, rng())
    assert picked.dtype == np.int64
    assert len(set(picked.tolist())) == k
    assert np.isfinite(scores).all()
    assert (scores >= 0).all()
    if case in ("certain", "one class", "one draw", "agreed"):
        assert scores.max() < 1e-6


def test_one_candidate_and_all_candidates():
    draws = random_draws(40, 5, 3)
    assert epig(Signals(1, draws=draws[:1]), rng()).tolist() == [0]
    assert batchbald(Signals(1, draws=draws[:1]), 1, rng()).tolist() == [0]
    assert sorted(batchbald(Signals(40, draws=draws), 40, rng())) == list(range(40))
    assert epig.needs == batchbald.needs == {"draws"}


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_as_good(dtype):
    draws = random_draws(40, 5, 3).astype(dtype)
    same = draws.astype(np.float32)
    np.testing.assert_allclose(epig(Signals(40, draws=draws), rng()), epig(Signals(40, draws=same), rng()), atol=1e-6)
    picks = [batchbald(Signals(40, draws=d), 10, rng()).tolist() for d in (draws, same)]
    assert picks[0] == picks[1]


def test_memory_mapped_draws_are_read_and_left_as_they_are(tmp_path):
    draws = random_draws(300, 10, 4)
    np.save(tmp_path / "draws.npy", draws)
    before = draws.copy()
    mapped = Signals(300, draws=np.load(tmp_path / "draws.npy", mmap_mode="r"))
    here = Signals(300, draws=draws)
    assert batchbald(here, 30, rng()).tolist() == batchbald(mapped, 30, rng()).tolist()
    assert epig(here, rng()).tolist() == epig(mapped, rng()).tolist()
    assert (draws == before).all()


def test_memory_is_that_of_blocks(monkeypatch):
    monkeypatch.setattr(bayesian, "BLOCK_NUMBERS", 20_000)
    signals = Signals(4000, draws=random_draws(4000, 4, 4))  # with 256 joint labels 16 MB at once
    tracemalloc.start()
    epig(signals, rng())
    batchbald(signals, 8, rng())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2e6
