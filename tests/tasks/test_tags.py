"""Tags and the entities that they mean, against conlleval's own rules written down once more."""

import random
from itertools import pairwise

import pytest

from hfal.errors import ArgumentError
from hfal.tasks.tags import Entity, check_tags, entities, entity_types, scheme_of, split_tag, tag_names, write_tags


SCHEMES = ["IOB1", "IOB2", "BIOES", "BILOU", "IO", "plain"]


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", []),
        ("O O", []),
        ("B-PER I-PER O B-LOC", [(0, 2, "PER"), (3, 4, "LOC")]),
        ("B-PER I-PER", [(0, 2, "PER")]),
        ("B-PER B-PER", [(0, 1, "PER"), (1, 2, "PER")]),  # adjacent ones of one type
        ("I-PER I-PER O I-PER", [(0, 2, "PER"), (3, 4, "PER")]),  # I behind O begins one, as in IOB1
        ("I-PER B-PER I-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("B-PER I-LOC I-LOC", [(0, 1, "PER"), (1, 3, "LOC")]),  # another type is another entity
        ("I-PER I-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("B-PER O I-PER", [(0, 1, "PER"), (2, 3, "PER")]),
        ("B-PER I-PER E-PER", [(0, 3, "PER")]),
        ("B-PER E-PER B-PER E-PER", [(0, 2, "PER"), (2, 4, "PER")]),
        ("S-PER S-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("S-PER I-PER E-PER", [(0, 1, "PER"), (1, 3, "PER")]),
        ("E-PER E-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("E-PER I-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("B-PER S-PER I-PER", [(0, 1, "PER"), (1, 2, "PER"), (2, 3, "PER")]),
        ("O E-PER O", [(1, 2, "PER")]),
        ("B-PER E-LOC", [(0, 1, "PER"), (1, 2, "LOC")]),
        ("B-PER I-PER L-PER U-PER", [(0, 3, "PER"), (3, 4, "PER")]),  # BILOU
        ("U-PER L-PER", [(0, 1, "PER"), (1, 2, "PER")]),
        ("PER PER O LOC PER", [(0, 2, "PER"), (3, 4, "LOC"), (4, 5, "PER")]),  # no prefixes
        ("B-date-of-birth I-date-of-birth", [(0, 2, "date-of-birth")]),
        ("X-PER X-PER", [(0, 2, "X-PER")]),  # X is no prefix
        ("B- O", [(0, 1, "B-")]),  # nor is this one: it has no type
    ],
)
def test_entities_of_tags(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert entities(tags.split()) == expected


def _of_conlleval(tags: list[str]) -> list[tuple[int, int, str]]:
    """The entities by the tables of conlleval, which say of each pair of neighbors what ends and begins there."""
    parts = [(tag[0].translate(str.maketrans("LU", "ES")), tag[2:]) for tag in tags]  # all have a prefix, or are O
    begins, ends = [], []
    for place, ((one, its_type), (other, other_type)) in enumerate(pairwise([("O", ""), *parts, ("O", "")])):
        if (
            other in "BS"
            or one + other in ("EE", "EI", "SE", "SI", "OE", "OI")
            or (other != "O" and its_type != other_type)
        ):
            begins.append(place)
        if (
            one in "ES"
            or one + other in ("BB", "BS", "BO", "IB", "IS", "IO")
            or (one != "O" and its_type != other_type)
        ):
            ends.append(place)
    return [(start, end, parts[start][1]) for start, end in zip(begins, ends, strict=True)]


@pytest.mark.parametrize("prefixes", ["BI", "BIES", "BILU", "BIESLU"])
def test_entities_of_any_sequence_are_those_of_conlleval(prefixes: str) -> None:
    random.seed(prefixes)
    names = tag_names(["PER", "LOC"], "IOB2")[:1] + [f"{p}-{t}" for p in prefixes for t in ("PER", "LOC")]
    for _ in range(3000):
        tags = random.choices(names, k=random.randrange(12))
        assert entities(tags) == _of_conlleval(tags), tags


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("O", ("O", "")),
        ("B-PER", ("B", "PER")),
        ("L-PER", ("E", "PER")),
        ("U-PER", ("S", "PER")),
        ("PER", ("I", "PER")),
        ("o", ("I", "o")),
        ("B-two\nlines", ("B", "two\nlines")),
    ],
)
def test_prefix_and_type_of_a_tag(tag: str, expected: tuple[str, str]) -> None:
    assert split_tag(tag) == expected


# -- writing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("IOB2", "B-PER I-PER I-PER B-PER O B-LOC I-LOC B-PER"),
        ("IOB1", "I-PER I-PER I-PER B-PER O I-LOC I-LOC I-PER"),
        ("BIOES", "B-PER I-PER E-PER S-PER O B-LOC E-LOC S-PER"),
        ("BILOU", "B-PER I-PER L-PER U-PER O B-LOC L-LOC U-PER"),
        ("IO", "I-PER I-PER I-PER I-PER O I-LOC I-LOC I-PER"),
        ("plain", "PER PER PER PER O LOC LOC PER"),
    ],
)
def test_entities_in_each_scheme(scheme: str, expected: str) -> None:
    found = [Entity(3, 4, "PER"), Entity(0, 3, "PER"), Entity(7, 8, "PER"), Entity(5, 7, "LOC")]  # in any order
    assert write_tags(found, 8, scheme) == expected.split()
    assert set(expected.split()) <= set(tag_names(["PER", "LOC"], scheme))


def _random_entities(words: int) -> list[Entity]:
    cuts = sorted(random.sample(range(words + 1), random.randrange(words + 2)))
    types = ["PER", "LOC", "B-odd", "O"]
    return [Entity(start, end, random.choice(types[:3])) for start, end in pairwise(cuts) if random.random() < 0.7]


def _merged(found: list[Entity]) -> list[Entity]:
    """The entities without the borders between adjacent ones of one type."""
    merged: list[Entity] = []
    for entity in found:
        if merged and merged[-1][1:] == (entity.start, entity.type):
            entity = Entity(merged.pop().start, entity.end, entity.type)
        merged.append(entity)
    return merged


@pytest.mark.parametrize("scheme", SCHEMES)
def test_what_is_written_is_read_again(scheme: str) -> None:
    random.seed(scheme)
    borders_lost = 0
    for _ in range(1000):
        words = random.randrange(15)
        found = _random_entities(words)
        if scheme == "plain":  # where a type that looks like a tag cannot be told from one
            found = [entity for entity in found if entity.type != "B-odd"]
        tags = write_tags(found, words, scheme)
        assert len(tags) == words
        assert entities(tags) == (_merged(found) if scheme in ("IO", "plain") else found)
        borders_lost += _merged(found) != found
    assert borders_lost > 50


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ([(0, 2, "PER"), (1, 3, "LOC")], r"Entity\(start=0, end=2, type='PER'\) and .*'LOC'\) overlap"),
        ([(0, 3, "PER"), (1, 2, "PER")], "overlap: a word can be in one entity only"),
        ([(1, 1, "PER")], "an entity from word 1 to 1 does not fit a sentence of 3 words"),
        ([(2, 1, "PER")], "an entity from word 2 to 1 does not fit"),
        ([(2, 4, "PER")], "an entity from word 2 to 4 does not fit"),
        ([(-1, 1, "PER")], "an entity from word -1 to 1 does not fit"),
    ],
)
def test_entities_that_no_tags_can_say(found: list[tuple[int, int, str]], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        write_tags([Entity(*entity) for entity in found], 3, "IOB2")


# -- names ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_names_say_their_scheme_and_types(scheme: str) -> None:
    names = tag_names(["PER", "LOC"], scheme)
    assert names[0] == "O"
    assert entity_types(names) == ["PER", "LOC"]
    assert scheme_of(names) == {"IOB1": "IOB2"}.get(scheme, scheme)  # whose names are the same


def test_names_are_in_the_order_of_the_types() -> None:
    assert tag_names(["PER", "LOC"]) == ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]


# -- checking ------------------------------------------------------------------------------------------------------


def test_good_tags_are_a_list_as_they_are() -> None:
    assert check_tags(("O", "B-PER"), ["by", "Ann"], ["O", "B-PER"]) == ["O", "B-PER"]
    assert check_tags([], [], ["O"]) == []


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["O"], r"1 tag for 2 words: 'by Ann'; every word needs one tag"),
        (["O", "O", "O"], r"3 tags for 2 words"),
        ([], r"0 tags for 2 words"),
        (["O", "B-LOC"], r"'B-LOC', the tag of word 2 \('Ann'\), is unknown; the tags are: O, B-PER"),
        (["O", None], r"is no list of tags: expected one for each of 2 words"),
        (["O", ["O"]], r"is no list of tags"),
        ("OO", r"'OO' is no list of tags"),
        (None, r"'None' is no list of tags"),
        ({"O": 1, "B-PER": 2}, r"is no list of tags"),
    ],
)
def test_bad_tags(tags: object, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        check_tags(tags, ["by", "Ann"], ["O", "B-PER"])


def test_message_about_a_long_sentence_or_tag_is_short() -> None:
    for tags in (["O"], ["x" * 10_000] * 5000):
        with pytest.raises(ArgumentError) as caught:
            check_tags(tags, ["\x1b[2J"] * 5000, ["O"])
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()
