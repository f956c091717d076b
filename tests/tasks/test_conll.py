"""Sentences in columns: those of others as they are, and what hfal writes without loss."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hfal.data.references import resolve_path
from hfal.errors import ArgumentError
from hfal.tasks.conll import Sentence, read_file, read_sentences, write_sentence
from support.hostile import HOSTILE


CONLL = "package:neuroner/data/conll2003/en/train.txt"


def sentences(content: str) -> list[Sentence]:
    return list(read_sentences(content, "a file"))


def tokens(content: str) -> list[list[str]]:
    return [sentence.words for sentence in sentences(content)]


# -- files of others -----------------------------------------------------------------------------------------------


def test_conll_2003() -> None:
    rows = list(read_file(resolve_path(CONLL)))
    assert len(rows) == 14041  # as published (Tjong Kim Sang & De Meulder, 2003)
    assert sum(len(row["tokens"]) for row in rows) == 203621
    assert rows[0]["tokens"] == ["EU", "rejects", "German", "call", "to", "boycott", "British", "lamb", "."]
    assert rows[0]["ner_tags"] == ["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]
    assert sum(tag.startswith("B-") for row in rows for tag in row["ner_tags"]) == 23499  # entities, as published
    assert not any(word.startswith("-DOCSTART-") for row in rows for word in row["tokens"])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("", []),
        ("\n\n \n", []),
        ("a O\nb O\n", [["a", "b"]]),
        ("a O\nb O", [["a", "b"]]),  # no line break at the end
        ("\n\na O\n\n\nb O\n\n", [["a"], ["b"]]),
        ("a O\r\n\r\nb O\r\n", [["a"], ["b"]]),
        ("a O\n \t\nb O\n", [["a"], ["b"]]),
        ("a\nb\n\nc\n", [["a", "b"], ["c"]]),  # no tags
        ("two words\tO\nb\tO\n", [["two words", "b"]]),
        ("a   O\n  b O\n", [["a", "b"]]),
        ("-DOCSTART- -X- O O\n\na NN B O\n", [["a"]]),
        ("1\\/2\tO\nC:\\u0020\\e\tO\n\\e\tO\n", [["1\\/2", "C:\\u0020\\e", "\\e"]]),  # a backslash is a backslash
        ("a\u2028b\tO\nc\x85d\tO\n", [["a\u2028b", "c\x85d"]]),
        ("#\tO\nb\tO\n", [["#", "b"]]),
        ("b\tO\n# id = 5\tO\n", [["b", "# id = 5"]]),  # within a sentence there are no comments
        ("#x=5\tO\n#y=\tO\n", [["#x=5", "#y="]]),
        ("#x=5 O\nb O\n", [["#x=5", "b"]]),
        ("#\tX\t=5\n", [["#"]]),
    ],
)
def test_words_of_a_file(content: str, expected: list[list[str]]) -> None:
    assert tokens(content) == expected


def test_lines_columns_and_comments() -> None:
    content = "# global.columns = FORM TAG\n\n# sent_id = 1\n#id = x = y \na\tNN\tO\nb\tVB\tB-X\n\n# text =\nc\tX\tO\n"
    assert sentences(content) == [
        Sentence(
            5,
            ["a", "b"],
            [["NN", "O"], ["VB", "B-X"]],
            {"global.columns": "FORM TAG", "sent_id": "1", "id": "x = y"},
        ),
        Sentence(9, ["c"], [["X", "O"]], {"text": ""}),
    ]


def test_comments_are_of_the_sentence_below_them_only() -> None:
    content = "# id = 1\n\n# id = 2\na O\n\nb O\n"
    assert [(s.words, s.comments) for s in sentences(content)] == [
        ([], {"id": "1"}),
        (["a"], {"id": "2"}),
        (["b"], {}),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", r"a file, line 2: 1 column, but 2 in the first line of the file; every line is a word and its"),
        ("a O\n\n\nb X O\n", r"line 4: 3 columns, but 2"),
        ("a\tO\nb O\n", r"line 2: 1 column, but 2"),
        ("a\tO\n\tO\n", r"line 2: 2 columns"),
    ],
)
def test_line_with_other_columns(content: str, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        sentences(content)


def test_problems_are_collected_if_wanted() -> None:
    problems: list[str] = []
    content = "a\tO\n\nb\nc\tO\td\n\ne\tO\n"
    found = read_sentences(content, "a file", problems)
    assert [(s.line, s.words) for s in found] == [(1, ["a"]), (6, ["e"])]
    assert [problem.partition(",")[0] for problem in problems] == ["line 3: 1 column", "line 4: 3 columns"]


def test_rows_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.conll"
    path.write_bytes("\ufeff# id = 0\n\nÉva NN B-PER\nsees VB O\n\n# id = 1\nit PR O\n".encode())
    assert list(read_file(path)) == [
        {"tokens": ["Éva", "sees"], "ner_tags": ["B-PER", "O"]},
        {"tokens": ["it"], "ner_tags": ["O"]},
    ]
    path.write_text("one\ntwo\n")
    assert list(read_file(path)) == [{"tokens": ["one", "two"]}]
    path.write_bytes("a O\nÉva O\n".encode("latin-1"))
    with pytest.raises(ArgumentError, match=r"a\.conll is not UTF-8 \(byte 0xc9 in line 2\): save it again as UTF-8"):
        list(read_file(path))


@pytest.mark.parametrize(
    "content",
    ["a O\nb O\n", "a\tx\nb\tx\n", "a NN\nb VB\n", "a\nb\n\nc\n", "a B-PER\nb x\n", "-DOCSTART- -X-\n\na O\n", ""],
)
def test_columns_in_a_text_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    list(read_file(tmp_path / "a.txt"))


@pytest.mark.parametrize("content", ["good one\nbad one\n", "good\nbad\n", "a longer text\r\n\r\nand another\r\n"])
def test_a_text_file_with_a_text_in_each_line_is_not_taken_for_columns(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_bytes(content.encode())
    with pytest.raises(ArgumentError, match=r"a\.txt has no tags .*'text' as its first line, and call it \.tsv$"):
        list(read_file(tmp_path / "a.txt"))


# -- there and back ------------------------------------------------------------------------------------------------

ODD = [
    *HOSTILE.values(),
    "-DOCSTART-",
    "-DOCSTART-x",
    "#",
    "#a=b",
    "# id = 5",
    "# escaped = yes",
    "\\e",
    "\\u0020",
    "\\",
]
ODD += ["_", "=", "\ufeff", "a\\u005cb", "\\\\", "two words", "no\u00a0break", "O"]


def test_every_word_tag_and_comment_comes_back(tmp_path: Path) -> None:
    odd = [text for text in ODD if len(text) < 1000]
    written = [Sentence(0, [word, "x", word], [[word], ["O"], [word]], {"id": word}) for word in ODD if word in odd]
    written += [Sentence(0, [word], [["O"]], {"id": "long"}) for word in ODD if word not in odd]
    content = "".join(write_sentence(s.words, s.columns, s.comments) for s in written)
    assert [s._replace(line=0) for s in sentences(content)] == written
    (tmp_path / "odd.conll").write_bytes(content.encode())
    rows = list(read_file(tmp_path / "odd.conll"))
    assert [row["tokens"] for row in rows] == [s.words for s in written]
    assert [row["ner_tags"] for row in rows] == [[tag for (tag,) in s.columns] for s in written]


def test_other_programs_find_the_same_lines_and_columns() -> None:
    """Whatever ends a line for them, and also if they cut at blanks."""
    for word in ODD:
        content = write_sentence([word, "x"], [["O"], ["O"]], {})
        comment, lines = content.startswith("# escaped = yes\n"), content.splitlines()
        assert len(lines) == comment + 3
        assert [len(line.split()) for line in lines[comment:]] == [2, 2, 0]


@pytest.mark.parametrize("words", [["a"], ["1\\/2", "C:\\temp", "\\u0020"], ["#a=b", "_", "Éva", "北京", "😀"]])
def test_ordinary_words_are_written_as_they_are(words: Sequence[str]) -> None:
    expected = "# id = a b\n# comment =\n" + "".join(f"{word}\t_\tO\n" for word in words) + "\n"
    assert write_sentence(words, [["_", "O"]] * len(words), {"id": "a b", "comment": ""}) == expected


def test_how_odd_words_are_written() -> None:
    content = write_sentence(["two words", "", "a\\b", "-DOCSTART-"], [["O"]] * 4, {"id": "1\n2"})
    assert content.split("\n") == [
        "# id = 1\\u000a2",
        "# escaped = yes",
        "two\\u0020words\tO",
        "\\e\tO",
        "a\\u005cb\tO",
        "\\u002dDOCSTART-\tO",
        "",
        "",
    ]


def test_sentence_without_words_comes_back_if_it_has_an_id(tmp_path: Path) -> None:
    content = write_sentence([], [], {"id": "1"}) + write_sentence(["a"], [["O"]], {"id": "2"})
    assert [(s.words, s.comments["id"]) for s in sentences(content)] == [([], "1"), (["a"], "2")]


def test_one_list_of_columns_is_needed_for_each_word() -> None:
    with pytest.raises(ValueError, match="zip"):
        write_sentence(["a", "b"], [["O"]], {})


def test_documents_end_sentences_and_other_columns_are_comments() -> None:
    content = "# newdoc\n# a comment line\nEU\tB-ORG\n-DOCSTART-\tO\n# id 12\tdomain=en\tx\nRome\tB-LOC\n#\tO\n"
    assert [s.words for s in read_sentences(content, "x")] == [["EU"], ["Rome", "#"]]
    blanks = "# sent 0\nEU B-ORG\n# said O\n\n# one two three\n# O\n"
    with pytest.raises(ArgumentError, match="line 3: 3 columns, but 2"):
        list(read_sentences(blanks, "x"))
    assert [s.words for s in read_sentences(blanks.replace("# said", "said"), "x")] == [["EU", "said"], ["#"]]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_lines_may_end_in_any_usual_way(tmp_path: Path, end: str, separator: str) -> None:
    lines = ["-DOCSTART- O", "", "EU B-ORG", "rejects O", "", "Ann B-PER", ""]
    (tmp_path / "a.conll").write_bytes(end.join(lines).replace(" ", separator).encode())
    rows = list(read_file(tmp_path / "a.conll"))
    assert rows == [
        {"tokens": ["EU", "rejects"], "ner_tags": ["B-ORG", "O"]},
        {"tokens": ["Ann"], "ner_tags": ["B-PER"]},
    ]
