"""One matrix over all strategies: what each has to do on arrays, whatever these are like."""

import numpy as np
import pytest
import torch

from hfal.strategies import SCORES, SELECTIONS, TokenScore, resolve_strategy
from hfal.strategies.scores import call_score, reads
from hfal.strategies.selection import Signals
from hfal.strategies.token_scores import WORD_SCORES


TEXTS = "classes"
NAMES = [
    *SCORES[TEXTS],
    *(name if "scores" not in select.needs else f"entropy+{name}" for name, select in SELECTIONS[TEXTS].items()),
    "margin+kmeans",
    "bald+power",
    "cal+typiclust",
]

C, D, H, T = 4, 8, 6, 5


def probabilities_like(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if kind == "one class":
        return np.ones((*shape, 1))
    if kind == "certain":
        return np.eye(C)[rng.integers(C, size=shape)]
    if kind in ("identical", "zero"):
        return np.full((*shape, C), 1 / C)
    return rng.dirichlet(np.full(C, 0.5), shape)


def vectors_like(kind: str, n: int, dimensions: int, rng: np.random.Generator) -> np.ndarray:
    if kind in ("identical", "zero"):
        return np.full((n, dimensions), float(kind == "identical"))
    return rng.normal(size=(n, dimensions))


KINDS = ["ordinary", "identical", "zero", "certain", "one class", "half precision", "read only", "nothing labeled"]


def arrays_like(kind: str, n: int) -> dict[str, np.ndarray]:
    """Every signal that a strategy may ask for, and `p`, `d`: what a score is called on."""
    rng = np.random.default_rng(n)
    m = 0 if kind == "nothing labeled" else 7
    dtype = np.float16 if kind == "half precision" else np.float32
    classes = 1 if kind == "one class" else C
    arrays = {
        "probabilities": probabilities_like(kind, (n,), rng),
        "embeddings": vectors_like(kind, n, D, rng),
        "draws": probabilities_like(kind, (n, T), rng),
        "features": vectors_like(kind, n, H, rng),
        "labeled_embeddings": vectors_like(kind, m, D, rng),
        "labeled_probabilities": probabilities_like(kind, (m,), rng),
    }
    arrays = {name: array.astype(dtype) for name, array in arrays.items()}
    arrays["labels"] = rng.integers(classes, size=m)
    for array in arrays.values():
        array.setflags(write=kind != "read only")
    return arrays


def pick(name: str, arrays: dict[str, np.ndarray], n: int, k: int, seed: int = 3) -> tuple[np.ndarray, Signals]:
    """A query as `Acquisition` makes it: with exactly the signals that the strategy declares."""
    strategy = resolve_strategy(name)
    found = {signal: arrays[signal] for signal in strategy.needs - {"scores"}}
    if strategy.score is not None:
        p, d = (torch.tensor(arrays[signal]) for signal in ("probabilities", "draws"))
        found["scores"] = call_score(strategy.score, p, d).numpy()
    rng = np.random.default_rng([seed, 1])
    known = strategy.scored(Signals(n, **found), rng)
    return strategy.pick(known, k, np.random.default_rng(seed)), known


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_k_different_rows_finite_scores_and_inputs_left_alone(name, kind):
    for n, k in ((1, 1), (2, 1), (30, 30), (120, 9)):
        arrays = arrays_like(kind, n)
        before = {signal: array.copy() for signal, array in arrays.items()}
        picked, known = pick(name, arrays, n, k)  # `Strategy.pick` refuses what is no query
        assert len(set(picked.tolist())) == k
        assert known.scores is None or (known.scores.shape == (n,) and np.isfinite(known.scores).all())
        assert all(np.array_equal(arrays[signal], before[signal]) for signal in arrays)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_picks_the_same(name):
    arrays = arrays_like("ordinary", 150)
    first, again = (pick(name, arrays, 150, 12)[0].tolist() for _ in range(2))
    assert first == again


@pytest.mark.parametrize("name", sorted({*NAMES} - {"random"}))
def test_it_does_not_pick_just_anything(name):
    """Of a pool of which half cannot interest it, a strategy that looks at all takes more from the other half."""
    n, k = 200, 20
    arrays = arrays_like("ordinary", n)
    dull = np.arange(n) % 2 == 0
    rng = np.random.default_rng(0)
    # Certain, all alike, what the draws agree on, and what is labeled already.
    arrays["probabilities"][dull] = [0.97, 0.01, 0.01, 0.01]
    arrays["draws"][dull] = [0.97, 0.01, 0.01, 0.01]
    arrays["embeddings"][dull] = np.eye(D)[0] + 0.001 * rng.normal(size=(100, D))
    arrays["features"][dull] = 0.1
    arrays["labeled_embeddings"][:] = np.eye(D)[0]
    arrays["labeled_probabilities"][:] = [0.97, 0.01, 0.01, 0.01]
    arrays["labels"][:] = 0
    taken = np.mean([np.sum(~dull[pick(name, arrays, n, k, seed)[0]]) for seed in range(10)])
    if name in ("neighbors",):  # which asks for what is near the labeled
        assert taken <= 2
    elif name in ("entropy+density", "entropy+softmax"):  # which pull into another direction too, or only gently
        assert taken >= 0.6 * k
    else:
        assert taken >= 0.75 * k


@pytest.mark.parametrize("name", [*WORD_SCORES])
def test_words_that_are_surely_outside_may_be_left_out_of_every_score(name):
    strategy = resolve_strategy(TokenScore(name, sure_outside=0.9), "words")
    assert "probabilities" in reads(strategy.score)
    p = torch.tensor([[[0.95, 0.05], [0.6, 0.4]]])
    d = torch.tensor([[[[0.9, 0.1], [0.1, 0.9]], [[0.2, 0.8], [0.7, 0.3]]]])
    mask = torch.tensor([[True, True]])
    alone = call_score(TokenScore(name), p[:, 1:], d[:, 1:], mask[:, 1:])
    assert torch.equal(call_score(strategy.score, p, d, mask), alone)


@pytest.mark.parametrize("name", SCORES["words"])
def test_scores_of_words_leave_padding_out_and_are_finite(name):
    score = SCORES["words"][name]
    rng = np.random.default_rng(0)
    p = torch.tensor(rng.dirichlet(np.ones(C), (6, 9)).astype(np.float32))
    d = torch.tensor(rng.dirichlet(np.ones(C), (6, 9, T)).astype(np.float32))
    mask = torch.arange(9) < torch.tensor([[9], [7], [4], [2], [1], [0]])
    whole = call_score(score, p, d, mask)
    assert whole.shape == (6,)
    assert whole.isfinite().all()
    for row, length in enumerate((9, 7, 4, 2, 1)):
        alone = call_score(score, p[row : row + 1, :length], d[row : row + 1, :length], mask[row : row + 1, :length])
        assert alone.item() == pytest.approx(whole[row].item(), abs=1e-6)
    assert whole[5] == 0
