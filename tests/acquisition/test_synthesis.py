"""Texts that are made near a boundary that is known: the share of words that are good."""

from itertools import pairwise

import numpy as np

from hfal.acquisition import synthesis
from hfal.acquisition.synthesis import Labeled, MadeText, synthesize, without_copies


GOOD, BAD = ["fine", "great", "lovely", "superb"], ["dull", "awful", "dreary", "poor"]
POSITIVE = [
    f"This is a {x} film, and the {y} cast is {z}. I liked its {y} end." for x in GOOD for y, z in pairwise(GOOD)
]
NEGATIVE = [
    f"Here a {x} plot, and the {z} jokes wear off. I left in a {y} mood." for x in BAD for y, z in pairwise(BAD)
]


def score(texts):
    """One minus the distance of the shares of good and bad words."""
    counts = [[sum(word in text for word in words) for words in (GOOD, BAD)] for text in texts]
    return np.array([1 - abs(good - bad) / max(good + bad, 1) for good, bad in counts])


def labeled():
    return [*(Labeled(text, "p", "p") for text in POSITIVE), *(Labeled(text, "n", "n") for text in NEGATIVE)]


def neighbors(word, before, after):
    """The words of the other side, but behind "the"."""
    return [] if before == "the" else BAD if word in GOOD else GOOD if word in BAD else []


def test_texts_are_joined_where_both_have_the_same_and_nearest_to_the_boundary():
    texts = labeled()
    made = synthesize(texts, score, 10, np.random.default_rng(0))
    assert made == synthesize(texts, score, 10, np.random.default_rng(0))
    assert [one.score for one in made] == sorted((score([one.text])[0] for one in made), reverse=True)
    assert len(made) == 20
    for one in made:
        begin, end = texts[one.parent], texts[one.other]
        assert one.method == "recombined"
        assert {begin.label, end.label} == {"p", "n"}
        cuts = [
            n for n in range(len(one.text)) if begin.text.startswith(one.text[:n]) and end.text.endswith(one.text[n:])
        ]
        joint = next(n for n in cuts if one.text[:n].split()[-1] == end.text[: -len(one.text[n:])].split()[-1])
        assert one.text[:joint].split()[-1] in ("a", ",", ".", "the", "and the", "I")
        assert min(len(one.text[:joint].split()), len(one.text[joint:].split())) >= 2
    of_pair = {(one.parent, one.other): one.score for one in made}
    parts = [tuple(synthesis._tokens(one.text)) for one in texts]
    for (begin, end), best in of_pair.items():
        joints = synthesis._joints(parts[begin], parts[end])
        every = score([texts[begin].text[:a] + texts[end].text[b:] for a, b, _ in joints])
        assert best <= every.max()
        if len(joints) <= 6:
            assert best == every.max()


def test_words_are_replaced_greedily_by_what_scores_best_and_only_where_it_helps():
    texts = labeled()
    made = [one for one in synthesize(texts, score, 10, np.random.default_rng(0), neighbors) if one.other is None]
    assert len(made) > 10
    for one in made:
        assert one.method == "words replaced"
        parent = texts[one.parent].text
        changed = [(a, b) for a, b in zip(parent.split(), one.text.split(), strict=True) if a != b]
        assert 1 <= len(changed) <= 2
        assert one.score > score([parent])[0]
        words = [word for pair in changed for word in (pair[0].strip(",."), pair[1].strip(",."))]
        assert all(word in GOOD + BAD for word in words)


def test_pairs_are_such_that_the_model_tells_apart_and_rare_labels_are_drawn_as_often():
    texts = [Labeled(one.text, one.label, "p" if number < 20 else "n") for number, one in enumerate(labeled())]
    texts += [Labeled(text.replace("film", f"film {n}"), "p", "p") for n in range(20) for text in POSITIVE]
    made = synthesize(texts, score, 30, np.random.default_rng(0))
    assert len(made) > 40
    assert np.mean([texts[one.parent].predicted != texts[one.other].predicted for one in made]) > 0.9
    assert 0.3 < np.mean([texts[one.parent].label == "p" for one in made]) < 0.7


def test_without_two_labels_or_anything_in_common_texts_are_not_joined():
    one_label = [Labeled(text, "p", "p") for text in POSITIVE]
    assert synthesize(one_label, score, 5, np.random.default_rng(0)) == []
    made = synthesize(one_label, score, 5, np.random.default_rng(0), neighbors)
    assert {one.method for one in made} == {"words replaced"}
    strange = [Labeled("uno due tre quattro", "p", "p"), Labeled("eins zwei drei vier", "n", "n")]
    assert synthesize(strange, score, 5, np.random.default_rng(0), neighbors) == []


def test_what_is_joined_where():
    def joined(first, second):
        joints = synthesis._joints(synthesis._tokens(first), synthesis._tokens(second))
        return {(first[:a] + second[b:], fit) for a, b, fit in joints}

    assert joined("It was fun. We left.", "Oh my dear. They came.") == {("It was fun. They came.", 3)}
    assert joined("It was fun, and we left.", "Oh my dear, they came.") == {("It was fun, they came.", 2)}
    assert joined("a quiet, moody film about war", "In time, it is one of them") == set()
    assert joined("a film of quiet power", "the film of the sad man") == {("a film of the sad man", 2)}
    assert joined("i like this film so far", "you see this film is bad") == {
        ("i like this film is bad", 1),
        ("i like this film is bad", 2),
    }
    assert joined("we saw a half-baked thing there", "they told some half-truth about it") == set()
    assert joined("well well ... you came here", "oh oh ... they left now") == {("well well ... they left now", 3)}
    assert joined("go to www.a.uk/b now then", "he of www.c.uk/d says so") == set()


def test_a_rewriter_gets_a_label_to_aim_at_and_its_texts_stay_as_they_are():
    calls = []

    def rewrite(texts, labels, targets):
        calls.append((texts, labels, targets))
        return [f"{text[:-1]} today." if number else "" for number, text in enumerate(texts)]

    made = synthesize(labeled(), score, 3, np.random.default_rng(0), neighbors, rewrite)
    (texts, labels, targets), rewritten = calls[0], [one for one in made if one.method == "rewritten"]
    assert len(texts) == 6
    assert all({label, target} == {"p", "n"} for label, target in zip(labels, targets, strict=True))
    assert sorted(one.text for one in rewritten) == sorted(f"{text[:-1]} today." for text in texts[1:])
    assert all(labeled()[one.parent].text[:-1] in one.text for one in rewritten)


def test_copies_and_what_is_too_short_or_too_long_are_left_out():
    texts = [Labeled("one two three four", "p", "p"), Labeled(" ".join(["word"] * 50), "n", "n")]
    long = "The plot of this long and winding film about two old friends who meet again in Rome is told in flashbacks"
    known = (text for text in [*(f"number {n} of many" for n in range(1500)), "Five six, seven eight!", long])
    made = [
        MadeText(text, 0, None, "words replaced", 0.9)
        for text in [
            "five six,  seven EIGHT!",  # a copy
            long.replace("meet", "met"),
            long.replace("friends", "rivals").replace("winding", "boring"),
            long.replace("friends", "rivals").replace("winding", "twisted"),  # alike
            long[:48] + "a man and his dog, who live in the woods, and it left me as cold as the snow there.",
            "too short",
            "word " * 51,
        ]
    ]
    assert without_copies(made, texts, known) == [made[2], made[4]]
    assert without_copies([], texts, known) == []


def test_the_texts_that_are_scored_grow_with_what_is_asked_for():
    counts = []
    for size in (5, 10):
        scored = []
        many = labeled() + [Labeled(f"{text} {n}", "p", "p") for n in range(100) for text in POSITIVE]
        synthesize(
            many, lambda texts, of=scored: of.extend(texts) or score(texts), size, np.random.default_rng(0), neighbors
        )
        counts.append(len(scored))
    assert counts[0] <= 75 * 5
    assert counts[1] <= 2.2 * counts[0]
