"""Membership query synthesis: texts that are made near a model's decision boundary, without a language model.

Parts of two labeled texts that the model tells apart are joined, and words are replaced by neighbors, where that makes
the model less sure. After Schumann & Rehbein, "Active Learning via Membership Query Synthesis for
Semi-Supervised Sentence Classification" (CoNLL 2019), who search between two texts on both sides of the boundary, and
Zarecki & Markovitch, "Textual Membership Queries" (IJCAI 2020), who search by replacing words.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from hfal.utils.near_copies import near_copies, ngram_counts


RECOMBINED = "recombined"
"""The method of a text that begins like one labeled text and ends like another."""

WORDS_REPLACED = "words replaced"
"""The method of a labeled text of which words were replaced."""

REWRITTEN = "rewritten"
"""The method of a text that a language model has made of a labeled one."""

Score = Callable[[Sequence[str]], np.ndarray]
"""Gives how near texts are to the decision boundary, float[n], the nearest highest."""

Neighbors = Callable[[str, str, str], Sequence[str]]
"""Gives words that may stand in the place of a word, which is between two others, or signs; empty at both ends."""

Rewrite = Callable[[Sequence[str], Sequence[Hashable], Sequence[Hashable]], Sequence[str]]
"""Rewrites labeled texts, given their labels, so that they might get other labels, which are given too; gives an empty
string for a text that it cannot rewrite. A language model can do this; hfal has none yet."""

_STARTS = 4  # for each text that is asked for, of which the best are chosen
_TRIES = 6  # changes of a text that are scored before one is taken
_STEPS = 2  # words that are replaced in a text
_DRAWS = 20  # pairs of texts that are drawn before one is given up
_SHORTEST_PART = 0.25  # of a text that is in a recombined one
_FEWEST_WORDS = 2  # in such a part
_COPY = 0.95  # the cosine from which on a text is a near copy of one that is there
_ALIKE = 0.7  # the same, from which on two new texts are alike
_TEXTS_AT_A_TIME = 1000  # of those that are there

TOKENS = re.compile(r"\w+(?:[^\w\s]+\w+)*|[^\w\s]")
"""Words and signs; `"don't"`, `"half-baked"` and addresses are one word."""

_SENTENCE_ENDS, _CLAUSE_ENDS = set(".?!"), set(",;:")
_LEADING_ON = """a an the this that these those my your his her its our their some any no of in on at by for from with
about into through between without over under after before during like than as to and or but nor because if when while
where although though since until whether"""
_BRACKETS = ("()", "[]", "{}", "“”", "«»")


@dataclass(frozen=True)
class Labeled:
    """A labeled text.

    Attributes:
        text: The text.
        label: Its label, or its set of labels.
        predicted: What the model says of it.
    """

    text: str
    label: Hashable
    predicted: Hashable


@dataclass(frozen=True)
class MadeText:
    """A text that was made from labeled ones.

    Attributes:
        text: The text.
        parent: The number of the labeled text that it was made from; of a recombined one, that it begins like.
        other: The number of the one that it ends like, if it is recombined.
        method: How it was made.
        score: How near it is to the boundary.
    """

    text: str
    parent: int
    other: int | None
    method: str
    score: float = 0.0


def synthesize(
    labeled: Sequence[Labeled],
    score: Score,
    size: int,
    rng: np.random.Generator,
    neighbors: Neighbors | None = None,
    rewrite: Rewrite | None = None,
) -> list[MadeText]:
    """Make texts near the decision boundary, more than are asked for, so that a strategy may choose among them.

    About 70 texts are scored for each that is asked for.

    Args:
        labeled: The labeled texts.
        score: Scores texts.
        size: How many texts are asked for.
        rng: The source of chance.
        neighbors: Gives words to replace others with; without it texts are recombined only.
        rewrite: Makes more texts of labeled ones.

    Returns:
        Texts, best first: up to four times `size`, with `rewrite` up to six times, and fewer where the labeled texts
        give no more.
    """
    tokens = [_tokens(one.text) for one in labeled]
    pairs = _draw_pairs(labeled, tokens, size * _STARTS // 2, rng)
    made = _recombine(labeled, tokens, pairs, score, rng)
    if neighbors is not None:
        rows = _draw_balanced(_groups(labeled), size * _STARTS - len(made), rng)
        made += _scored([MadeText(labeled[row].text, row, None, "") for row in rows], score)
        made = _replace_words(made, score, neighbors, rng)
    if rewrite is not None:
        sources, targets = [labeled[one] for one, _ in pairs], [labeled[other].label for _, other in pairs]
        texts = rewrite([one.text for one in sources], [one.label for one in sources], targets)
        made += _scored(
            [MadeText(t, one, None, REWRITTEN) for t, (one, _) in zip(texts, pairs, strict=True) if t], score
        )
    return sorted((one for one in made if one.method), key=lambda one: (-one.score, one.text))


def without_copies(made: Sequence[MadeText], labeled: Sequence[Labeled], known: Iterable[str]) -> list[MadeText]:
    """Return the texts that are worth asking about, in their order.

    That leaves out copies and near copies of known texts, all but the first of texts that are alike, and those that
    are shorter or longer than any labeled text.

    Args:
        made: The texts.
        labeled: The labeled texts.
        known: The texts that are there already, such as all of a pool; read once, and none is kept.
    """
    lengths = [len(_tokens(one.text)) for one in labeled]
    made = [one for one in made if min(lengths) <= len(_tokens(one.text)) <= max(lengths)]
    counts, known = ngram_counts([one.text for one in made]), iter(known)
    is_left_out = np.zeros(len(made), bool)
    while texts := list(islice(known, _TEXTS_AT_A_TIME)):
        is_left_out |= near_copies(counts, ngram_counts(texts), _COPY).getnnz(axis=1) > 0
    alike = near_copies(counts, counts, _ALIKE)
    kept = []
    for number, one in enumerate(made):
        if not is_left_out[number]:
            kept.append(one)
            is_left_out[alike[number].indices] = True
    return kept


# -- which labeled texts -------------------------------------------------------------------------------------------


def _draw_pairs(
    labeled: Sequence[Labeled], tokens: Sequence[Sequence["_Token"]], count: int, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Return pairs of texts with different labels that can be joined, of which the model tells most apart."""
    pairs: dict[tuple[int, int], None] = {}
    groups = _groups(labeled)
    if len(groups) < 2:
        return []
    for _ in range(count):
        found = None
        for _ in range(_DRAWS):
            one, other = _draw_balanced(groups, 2, rng)
            is_new = labeled[one].label != labeled[other].label and (one, other) not in pairs
            if not is_new or not _joints(tokens[one], tokens[other]):
                continue
            found = (one, other)
            if labeled[one].predicted != labeled[other].predicted:
                break
        if found is not None:
            pairs[found] = None
    return list(pairs)


def _groups(labeled: Sequence[Labeled]) -> list[list[int]]:
    """Return the numbers of the texts with each label."""
    rows: dict[Hashable, list[int]] = defaultdict(list)
    for row, one in enumerate(labeled):
        rows[one.label].append(row)
    return list(rows.values())


def _draw_balanced(groups: Sequence[Sequence[int]], count: int, rng: np.random.Generator) -> list[int]:
    """Draw numbers of texts from groups of them, from each as often as from the others."""
    drawn = rng.random((count, 2))
    return [(group := groups[int(x * len(groups))])[int(y * len(group))] for x, y in drawn]


# -- two texts are joined --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Token:
    """A word or a sign in a text, and where it ends."""

    word: str
    end: int


def _tokens(text: str) -> list[_Token]:
    return [_Token(found.group(), found.end()) for found in TOKENS.finditer(text)]


def _recombine(
    labeled: Sequence[Labeled],
    tokens: Sequence[Sequence[_Token]],
    pairs: Sequence[tuple[int, int]],
    score: Score,
    rng: np.random.Generator,
) -> list[MadeText]:
    """Return the beginning of one text of each pair and the end of the other, joined where it scores best."""
    tries = []
    for one, other in pairs:
        first, second = labeled[one].text, labeled[other].text
        joints = _joints(tokens[one], tokens[other])
        joints = [joints[place] for place in rng.permutation(len(joints))]
        joints.sort(key=lambda joint: -joint[2])
        texts = {first[:end] + second[begin:]: None for end, begin, _ in joints}
        balanced = [text for text in texts if _is_balanced(text) or not _is_balanced(first + second)]
        tries.append([MadeText(text, one, other, RECOMBINED) for text in balanced[:_TRIES]])
    return [one for one in _best_of(tries, score) if one is not None]


def _joints(first: Sequence[_Token], second: Sequence[_Token]) -> list[tuple[int, int, int]]:
    """Return where the beginning of one text may be joined to the end of another.

    That is behind what both have there: the end of a sentence; two words; the end of a clause, or one word of English
    behind which much may stand, if a stop word follows in both or in neither. So each two neighboring words of the new
    text are neighbors in one of the old ones.

    Returns:
        Where the first one ends, where the second one goes on, and how well the two parts are likely to fit: 3 behind
        the end of a sentence, 2 behind that of a clause or two words, else 1.
    """
    leading_on, places = _LEADING_ON.split(), defaultdict(list)
    for place in range(_part(second) - 1, len(second) - _part(second)):
        places[second[place].word].append(place)
    joints = []
    for place in range(_part(first) - 1, len(first) - 1):
        word = first[place].word
        for other in places.get(word, ()):
            follow = first[place + 1].word, second[other + 1].word
            if not all(map(_is_word, follow)):
                continue  # within "..."
            if word in _SENTENCE_ENDS:
                fit = 3
            elif _is_word(word) and first[place - 1].word == second[other - 1].word:
                fit = 2
            elif _is_stop_word(follow[0]) != _is_stop_word(follow[1]):
                continue  # "a quiet , moody film" and "in the end , it is one of those movies"
            elif word in _CLAUSE_ENDS:
                fit = 2
            elif word.lower() in leading_on:
                fit = 1
            else:
                continue
            joints.append((first[place].end, second[other].end, fit))
    return joints


def _is_word(token: str) -> bool:
    return token[0].isalnum()


def _is_stop_word(token: str) -> bool:
    return re.split(r"[^\w\s]", token.lower())[0] in ENGLISH_STOP_WORDS  # "it'll" like "it"


def _part(tokens: Sequence[_Token]) -> int:
    return max(_FEWEST_WORDS, round(_SHORTEST_PART * len(tokens)))


def _is_balanced(text: str) -> bool:
    pairs = all(text.count(pair[0]) == text.count(pair[1]) for pair in _BRACKETS)
    return pairs and text.count('"') % 2 == 0


# -- words are replaced ----------------------------------------------------------------------------------------------


def _replace_words(
    made: Sequence[MadeText], score: Score, neighbors: Neighbors, rng: np.random.Generator
) -> list[MadeText]:
    """Replace a word of each text by a neighbor, the one that scores best of some, and another one, while it helps."""
    found, new = list(made), [set[str]() for _ in made]
    for _ in range(_STEPS):
        tries = []
        for one, words in zip(found, new, strict=True):
            edits = _edits(one.text, words, neighbors)
            drawn = [edits[place] for place in rng.permutation(len(edits))[:_TRIES]]
            method = ", ".join(dict.fromkeys(filter(None, [one.method, WORDS_REPLACED])))
            tries.append([(word, MadeText(text, one.parent, one.other, method)) for text, word in drawn])
        best = _best_of([[one for _, one in of] for of in tries], score)
        for place, better in enumerate(best):
            if better is not None and better.score > found[place].score:
                found[place] = better
                new[place].update(word for word, other in tries[place] if other.text == better.text)
    return found


def _edits(text: str, new: set[str], neighbors: Neighbors) -> list[tuple[str, str]]:
    """Return a text with one word replaced, in all ways, each with the new word; words that are new stay."""
    found = list(TOKENS.finditer(text))
    words = ["", *(one.group() for one in found), ""]
    return [
        (text[: one.start()] + neighbor + text[one.end() :], neighbor)
        for one, before, word, after in zip(found, words, words[1:], words[2:], strict=False)
        if word not in new
        for neighbor in neighbors(word, before, after)
    ]


# -- scores ----------------------------------------------------------------------------------------------------------


def _scored(made: Sequence[MadeText], score: Score) -> list[MadeText]:
    if not made:
        return []
    scores = score([one.text for one in made])
    return [replace(one, score=float(value)) for one, value in zip(made, scores, strict=True)]


def _best_of(tries: Sequence[Sequence[MadeText]], score: Score) -> list[MadeText | None]:
    """Return the best of each group, scored; `None` of an empty one."""
    scored = iter(_scored([one for group in tries for one in group], score))
    return [max((next(scored) for _ in group), key=lambda one: one.score, default=None) for group in tries]
