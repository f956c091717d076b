"""Near copies among texts, by the pairs of neighboring words that they share."""

import re
from collections import Counter, defaultdict
from itertools import pairwise

from hfal.errors import ArgumentError


_WORDS = re.compile(r"\w+")


class PairIndex:
    """Finds the texts, of those added to it, that share many pairs of neighboring words with another one.

    Capitals, punctuation and white space make no difference. How much two texts share is the Jaccard index of their
    sets of pairs: Broder, "On the Resemblance and Containment of Documents" (1997), with shingles of two words.
    """

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._having: dict[tuple[str, ...], list[int]] = defaultdict(list)

    def add(self, text: str) -> None:
        """Add a text, whose number is that of the texts added before."""
        pairs = _pairs(text)
        for pair in pairs:
            self._having[pair].append(len(self._sizes))
        self._sizes.append(len(pairs))

    def similar(self, text: str, least: float) -> list[int]:
        """Return the numbers of the added texts that share at least so much with a text.

        Args:
            text: The text.
            least: The least Jaccard index, above 0 and up to 1.

        Raises:
            ArgumentError: `least` is something else.
        """
        if not 0 < least <= 1:
            raise ArgumentError(f"least={least}, expected a share above 0 and up to 1")
        pairs = _pairs(text)
        shared = Counter(number for pair in pairs for number in self._having.get(pair, ()))
        return [n for n, both in shared.items() if both >= least * (self._sizes[n] + len(pairs) - both)]


def _pairs(text: str) -> set[tuple[str, ...]]:
    """Return the pairs of neighboring words of a text; of a text without any its words, or its signs."""
    words = _WORDS.findall(text.casefold())
    return set(pairwise(words)) or {tuple(words or text.split())}
