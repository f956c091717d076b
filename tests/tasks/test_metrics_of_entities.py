"""The metric against span sets that are computed here in another way, and against cases of conlleval made by hand."""

import random
from itertools import pairwise

import numpy as np
import pytest
from transformers import EvalPrediction

from hfal.errors import ArgumentError
from hfal.tasks.metrics import EntityF1, entity_metrics


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """Entities by looking at each pair of words: does the second one belong to the entity of the first?"""
    parts = [("O", "") if tag == "O" else tuple(tag.split("-", 1)) for tag in tags]
    joined = [a[0] in ("B", "I") and b[0] in ("I", "E") and a[1] == b[1] for a, b in pairwise(parts)]
    found, start = set(), 0
    for word, (prefix, kind) in enumerate(parts):
        if word == 0 or not joined[word - 1]:
            start = word
        if prefix != "O" and not (word < len(joined) and joined[word]):
            found.add((start, word, kind))
    return found


@pytest.mark.parametrize("prefixes", ["BI", "BIES"])
@pytest.mark.parametrize("seed", range(5))
def test_random_valid_and_invalid_tags(prefixes, seed):
    chance = random.Random(seed)
    tags = ["O", "O", *(f"{p}-{t}" for p in prefixes for t in ("PER", "LOC", "A-B"))]
    references = [[chance.choice(tags) for _ in range(chance.randrange(0, 15))] for _ in range(60)]
    predictions = [[tag if chance.random() < 0.7 else chance.choice(tags) for tag in row] for row in references]
    found = EntityF1().compute(predictions=predictions, references=references)

    of = {"PER", "LOC", "A-B"}
    for types, f1 in [(of, found["f1"]), *(({t}, found[f"f1_{t}"]) for t in of)]:
        wanted = {(i, *s) for i, row in enumerate(references) for s in spans(row) if s[2] in types}
        got = {(i, *s) for i, row in enumerate(predictions) for s in spans(row) if s[2] in types}
        precision, recall = len(wanted & got) / len(got), len(wanted & got) / len(wanted)
        assert f1 == pytest.approx(2 * precision * recall / (precision + recall))
        if types == of:
            assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))
            assert 0.2 < f1 < 0.95


@pytest.mark.parametrize(
    ("reference", "prediction", "precision", "recall"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", 1, 1),
        ("B-PER I-PER O", "B-PER O O", 0, 0),  # wrong boundary
        ("B-PER I-PER O", "B-LOC I-LOC O", 0, 0),  # wrong type
        ("B-PER I-PER O B-LOC", "B-PER I-LOC O B-LOC", 1 / 3, 1 / 2),  # the type changes: two entities
        ("B-PER I-PER O", "I-PER I-PER O", 1, 1),  # an I- after nothing begins an entity
        ("O B-PER O", "O I-PER O", 1, 1),
        ("B-PER B-PER O", "B-PER I-PER O", 0, 0),  # adjacent entities of one type are two
        ("B-PER B-PER O", "B-PER B-PER O", 1, 1),
        ("B-PER B-PER O", "I-PER B-PER O", 1, 1),  # as IOB1 writes it
        ("B-PER B-PER O", "S-PER S-PER O", 1, 1),  # as BIOES writes it
        ("B-PER I-PER I-PER", "B-PER I-PER E-PER", 1, 1),
        ("O O O", "O B-PER O", 0, 0),
        ("O O O", "O O O", 0, 0),  # nothing to find: 0, as in conlleval
        ("O B-PER O", "O O O", 0, 0),
    ],
)
def test_cases_of_conlleval(reference, prediction, precision, recall):
    found = EntityF1().compute(predictions=[prediction.split()], references=[reference.split()])
    assert (found["precision"], found["recall"]) == pytest.approx((precision, recall))


def test_types_that_only_one_side_has():
    found = EntityF1().compute(predictions=[["B-X", "O"]], references=[["O", "B-Y"]])
    assert found == {"precision": 0, "recall": 0, "f1": 0, "f1_X": 0, "f1_Y": 0}
    with pytest.raises(ArgumentError, match=r"predictions\[0\] has 1 tags, references\[0\] 2"):
        EntityF1().compute(predictions=[["O"]], references=[["O", "O"]])


def test_of_a_trainers_logits_and_of_their_argmax():
    names = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]  # of which one type does not occur
    labels = np.array([[-100, 1, 2, -100, 0], [-100, 0, -100, 1, -100]])
    tags = np.array([[2, 1, 2, 0, 1], [0, 0, 1, 1, 2]])  # one too many: word 3 of the first sentence
    logits = np.eye(5)[tags] * 5
    for predictions in (tags, logits, (logits, "hidden states")):
        found = entity_metrics(names)(EvalPrediction(predictions, labels))
        assert found == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "f1_LOC": 0, "f1_PER": 0.8})
