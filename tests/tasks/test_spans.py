"""Character spans and the tags of words: each made from the other, in real sentences of many scripts."""

import random
from itertools import islice, pairwise

import pytest

from hfal.data.references import resolve_path
from hfal.errors import ArgumentError
from hfal.tasks.conll import read_file
from hfal.tasks.spans import entities_from_spans, spans_from_tags, spans_in, tags_from_spans
from hfal.tasks.tags import Entity
from hfal.tasks.words import word_offsets, words_of


CONLL = "package:neuroner/data/conll2003/en/train.txt"
OTHERS = [
    "नई दिल्ली में प्रधानमंत्री श्री नरेन्द्र मोदी ने कहा कि यह ऐतिहासिक है।",
    "中国国家主席习近平昨天在北京会见了法国总统马克龙。",
    "قال الرئيسُ محمود عباس في القاهرة، إنّ المفاوضات مستمرّة؟",
    "東京タワーは1958年に建てられました。",
    "นายกรัฐมนตรีเดินทางไปกรุงเทพฯ",
    "👩‍👩‍👧‍👦 flew to São Paulo 🇧🇷 on 3.5.2024… 😀!",
    "Zu\u0308rich\u00a0— don't,\twon't\r\nЮля (U.N.) co-operate\u200b d_1",
]


def conll_texts(count: int) -> list[str]:
    return [" ".join(row["tokens"]) for row in islice(read_file(resolve_path(CONLL)), count)]


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n\u200b\u00a0", []),
        ("U.N. official Ekeus", ["U", ".", "N", ".", "official", "Ekeus"]),
        ("don't co-operate", ["don", "'", "t", "co", "-", "operate"]),
        ("snake_case x2 3,5", ["snake_case", "x2", "3", ",", "5"]),
        ("Zu\u0308rich", ["Zu\u0308rich"]),  # what stands on a letter belongs to it
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("北京 2024年", ["北", "京", "2024", "年"]),
        ("IBM株式会社", ["IBM", "株", "式", "会", "社"]),
        ("東京タワーは", ["東", "京", "タ", "ワ", "ー", "は"]),  # the long vowel mark is of both kana
        ("กรุง", ["ก", "รุ", "ง"]),
        ("محمود، عباس", ["محمود", "،", "عباس"]),
        ("نیم\u200cفصل", ["نیم\u200cفصل"]),  # the joiner is within a Persian word
        ("a\u200bb", ["a", "b"]),
        ("x\x00y", ["x", "y"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words
    assert [text[start:end] for start, end in word_offsets(text)] == words


def test_words_that_came_as_words_stay() -> None:
    assert words_of(["U.N.", "", "two words"]) == ["U.N.", "", "two words"]


def test_words_may_be_changed_by_who_asked_for_them() -> None:
    words_of("one two").append("three")
    assert words_of("one two") == ["one", "two"]


@pytest.mark.parametrize("text", [*OTHERS, *conll_texts(20)])
def test_nothing_that_is_seen_is_outside_the_words(text: str) -> None:
    offsets = word_offsets(text)
    assert all(start < end for start, end in offsets)
    between = [text[end:start] for (_, end), (start, _) in pairwise([(0, 0), *offsets, (len(text), len(text))])]
    assert not [c for c in "".join(between) if c.isprintable() and not c.isspace()]


# -- there and back ------------------------------------------------------------------------------------------------


def random_spans(text: str) -> list[dict[str, object]]:
    """Spans that begin and end with words and do not overlap, some of them adjacent."""
    offsets = word_offsets(text)
    cuts = sorted(random.sample(range(len(offsets) + 1), random.randrange(len(offsets) + 2)))
    return [
        {"start": offsets[one][0], "end": offsets[other - 1][1], "label": random.choice(["PER", "LOC"])}
        for one, other in pairwise(cuts)
        if random.random() < 0.7
    ]


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BILOU"])
def test_spans_come_back_from_their_tags(scheme: str) -> None:
    random.seed(0)
    adjacent = 0
    for text in [*OTHERS * 20, *conll_texts(300)]:
        spans = random_spans(text)
        shuffled = random.sample(spans, len(spans))
        tags = tags_from_spans(text, shuffled, scheme)
        assert len(tags) == len(words_of(text))
        assert spans_from_tags(text, tags) == spans
        found = entities_from_spans(text, shuffled)
        adjacent += any(one.end == other.start and one.type == other.type for one, other in pairwise(found))
    assert adjacent > 20


def test_tags_of_known_spans() -> None:
    text = "नरेन्द्र मोदी met 习近平 in São Paulo."
    people = [text.index("नरेन्द्र"), text.index(" met")], [text.index("习"), text.index(" in")]
    spans = [{"start": start, "end": end, "label": "PER"} for start, end in people]
    spans.append({"start": text.index("São"), "end": len(text) - 1, "label": "LOC"})
    assert entities_from_spans(text, spans) == [Entity(0, 2, "PER"), Entity(3, 6, "PER"), Entity(7, 9, "LOC")]
    assert tags_from_spans(text, spans) == [
        "B-PER",
        "I-PER",
        "O",
        "B-PER",
        "I-PER",
        "I-PER",
        "O",
        "B-LOC",
        "I-LOC",
        "O",
    ]


def test_no_spans_are_no_entity() -> None:
    assert tags_from_spans("one two", []) == ["O", "O"]
    assert tags_from_spans("", []) == []
    assert spans_from_tags("one two", ["O", "O"]) == []


def test_more_than_the_span_is_no_matter() -> None:
    assert tags_from_spans("Ann", [{"start": 0, "end": 3, "label": "PER", "text": "Ann", "score": 0.5}]) == ["B-PER"]


# -- errors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([(0, 5, "PER"), (4, 9, "LOC")], r"0 to 5 \(PER, 'Ann B'\) does not begin and end with a word; .* 0 to 9"),
        ([(0, 9, "PER"), (4, 9, "LOC")], r"0 to 9 \(PER, 'Ann Baker'\) and 4 to 9 \(LOC, 'Baker'\) overlap"),
        ([(4, 9, "LOC"), (0, 9, "PER")], r"0 to 9 \(PER, 'Ann Baker'\) and 4 to 9 \(LOC, 'Baker'\) overlap"),
        ([(0, 3, "PER"), (0, 3, "PER")], r"overlap: a word can be in one entity only"),
        ([(1, 3, "PER")], r"the span 1 to 3 \(PER, 'nn'\) does not begin .*; the words there are 0 to 3"),
        ([(0, 4, "PER")], r"the span 0 to 4 \(PER, 'Ann '\) does not begin .*; the words there are 0 to 3"),
        ([(3, 4, "PER")], r"the span 3 to 4 \(PER, ' '\) does not begin and end with a word$"),
        ([(4, 11, "PER")], r"the span 4 to 11 \(PER\) is outside the text of 10 characters"),
        ([(-1, 3, "PER")], r"the span -1 to 3 \(PER\) is outside"),
        ([(4, 4, "PER")], r"the span 4 to 4 \(PER\) is empty"),
        ([(9, 4, "PER")], r"the span 9 to 4 \(PER\) is the wrong way round"),
        ([(0.0, 3, "PER")], r"{'start': 0.0, .*} needs whole numbers 'start' and 'end', and a 'label'"),
        ([(True, 3, "PER")], r"needs whole numbers"),
        ([(None, 3, "PER")], r"needs whole numbers"),
        ([(0, 3, "")], r"and a 'label'"),
        ([(0, 3, None)], r"and a 'label'"),
    ],
)
def test_spans_that_are_no_entities(spans: list[tuple[int, int, str]], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        tags_from_spans("Ann Baker.", [dict(zip(("start", "end", "label"), span, strict=True)) for span in spans])


def test_span_without_one_of_its_keys() -> None:
    with pytest.raises(ArgumentError, match=r"the span \{'start': 0, 'end': 3\} needs"):
        tags_from_spans("Ann", [{"start": 0, "end": 3}])


def test_span_that_cuts_a_letter_from_what_stands_on_it() -> None:
    with pytest.raises(ArgumentError, match=r"the words there are 0 to 7"):
        tags_from_spans("Zu\u0308rich", [{"start": 0, "end": 2, "label": "LOC"}])


def test_messages_do_not_repeat_long_texts() -> None:
    text = "word " * 10_000
    whole = {"start": 0, "end": len(text) - 1, "label": "PER"}
    for spans in ([whole, whole], [{**whole, "end": len(text)}], [{**whole, "start": "x" * 10_000}]):
        with pytest.raises(ArgumentError) as caught:
            tags_from_spans(text, spans)
        assert len(str(caught.value)) < 500


def test_tags_that_are_not_one_for_each_word() -> None:
    with pytest.raises(ArgumentError, match=r"1 tag for the 2 words of 'one two'"):
        spans_from_tags("one two", ["O"])


# -- as tools write them -------------------------------------------------------------------------------------------

SPANS = [{"start": 0, "end": 3, "label": "PER"}, {"start": 4, "end": 9, "label": "LOC"}]


@pytest.mark.parametrize(
    "cell",
    [
        SPANS,
        [[0, 3, "PER"], (4, 9, "LOC")],
        [["0", "3", "PER"], ["4", "9", '["LOC"]']],
        [{"start_offset": 0, "end_offset": 3, "label": "PER", "id": 1}, [4, 9, ["LOC"]]],
        [
            {"start_char": 0.0, "end_char": 3.0, "type": "PER"},
            {"start": 4, "end": 9, "entity_group": "LOC", "score": 1},
        ],
        {"start": [0, 4], "end": [3, 9], "labels": [["PER"], ["LOC"]], "text": ["Ann", "Baker"]},
        {"entities": [[0, 3, "PER"], [4, 9, "LOC"]], "links": None},
        {"spans": SPANS},
    ],
)
def test_spans_in_the_forms_of_tools(cell: object) -> None:
    assert spans_in(cell) == SPANS


@pytest.mark.parametrize(
    "cell",
    [None, "PER", 3, ["O", "B-PER"], [[0, 3]], [["Ann"]], [{"start": 0}], {"start": 0, "end": 3, "label": "A"}, {}],
)
def test_cells_that_hold_no_spans(cell: object) -> None:
    assert spans_in(cell) is None


def test_what_is_no_number_or_name_is_kept_for_the_message() -> None:
    assert spans_in([[0.5, "x", ["A", "B"]]]) == [{"start": 0.5, "end": "x", "label": ["A", "B"]}]
    assert spans_in([[0, 3, "[A"]]) == [{"start": 0, "end": 3, "label": "[A"}]


def test_a_span_that_says_what_it_marks_has_to_mark_that() -> None:
    text = "😀😀 I am Ann Lee\nof IBM"
    ann = {"start": 8, "end": 15, "label": "PER", "text": "Ann Lee"}
    assert entities_from_spans(text, spans_in([ann]) or []) == [Entity(4, 6, "PER")]
    assert spans_in([{**ann, "text": None}]) == [{"start": 8, "end": 15, "label": "PER"}]
    lines = {"start": 12, "end": 18, "label": "X", "text": "Lee\\nof"}  # as Label Studio writes it
    assert entities_from_spans(text, spans_in([lines]) or []) == [Entity(5, 7, "X")]
    # In JavaScript the two emojis are four, and the word that these numbers mark here is another one.
    moved = {"start": 5, "end": 7, "label": "X", "labels": ["X"], "text": "I"}
    with pytest.raises(ArgumentError, match=r"the span 5 to 7 \(X\) is of 'I', but 'am' is there: count characters"):
        entities_from_spans(text, spans_in([moved]) or [])
