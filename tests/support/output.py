"""What a terminal would obey in what a command has written."""

import re


# Everything but line ends: control characters (C0, DEL, C1), line and paragraph separators, bidirectional controls.
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def obeyed(text: str) -> list[str]:
    """The lines with something that a terminal would obey."""
    return [repr(line) for line in text.split("\n") if OBEYED.search(line)]
