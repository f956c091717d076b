"""The words of a sentence: those it came in, or those that a rule cuts a raw text into, from the text alone."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import regex


Texts = Mapping[str, str | Sequence[str]]
"""The texts of an example by column; one that came in words is a list of them."""

# A word is a run of letters, digits and what stands on them; a character of a script that puts no spaces between
# words; or any other character that is seen.
_CHARACTER = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*"
_LETTER = r"(?![\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])[\p{L}\p{N}_][\p{M}\u200c\u200d]*"
_WORD = regex.compile(rf"{_CHARACTER}|(?:{_LETTER})+|[^\s\p{{Z}}\p{{C}}]\p{{M}}*")


def word_offsets(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text begin and end: runs of letters and digits, and each punctuation mark by itself.

    In scripts that put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) each character is one.
    """
    return [match.span() for match in _WORD.finditer(text)]


@lru_cache(maxsize=1024)
def _words_of_text(text: str) -> tuple[str, ...]:
    return tuple(text[start:end] for start, end in word_offsets(text))


def words_of(text: str | Sequence[str]) -> list[str]:
    """Return the words of a sentence: as it came if it came in words, else those of `word_offsets`."""
    return list(_words_of_text(text)) if isinstance(text, str) else list(text)


def plain_text(text: str | Sequence[str]) -> str:
    """Return a text as one string; the words of a sentence joined by blanks."""
    return text if isinstance(text, str) else " ".join(text)
