"""Texts and words that would confuse or hijack a terminal."""

from support.person import BIDI, ZERO_WIDTH


MEGABYTE = 2**20

HOSTILE: dict[str, tuple[str, list[str]]] = {
    "colors": ("plain \x1b[31mred\x1b[0m \x1b[38;5;9mred", ["plain <U+001B>[31mred<U+001B>[0m <U+001B>[38;5;9mred"]),
    "cursor": (
        "\x1b[4444A\x1b[1;1Hup \x1b7\x1b[s\x1bM",
        ["<U+001B>[4444A<U+001B>[1;1Hup <U+001B>7<U+001B>[s<U+001B>M"],
    ),
    "clear": ("\x1b[2J\x1b[3J\x1bc gone", ["<U+001B>[2J<U+001B>[3J<U+001B>c gone"]),
    "alternate screen": ("\x1b[?1049l\x1b[?2004l x", ["<U+001B>[?1049l<U+001B>[?2004l x"]),
    "title": ("\x1b]0;pwned\x07\x1b]2;pwned\x1b\\ x", ["<U+001B>]0;pwned<U+0007><U+001B>]2;pwned<U+001B>\\ x"]),
    "clipboard": ("\x1b]52;c;cm0gLXJm\x07 x", ["<U+001B>]52;c;cm0gLXJm<U+0007> x"]),
    "link": ("\x1b]8;;http://evil\x1b\\good\x1b]8;;\x1b\\", ["<U+001B>]8;;http://evil<U+001B>\\good"]),
    "device control": ('\x1bP$q"p\x1b\\ \x1b_apc\x1b\\ \x1b^pm\x1b\\', ['<U+001B>P$q"p<U+001B>\\ <U+001B>_apc']),
    "questions": ("\x1b[c\x1b[6n\x1b[>q\x05 x", ["<U+001B>[c<U+001B>[6n<U+001B>[>q<U+0005> x"]),
    "C1": ("\x9b31mred \x9d0;pwned\x9c \x90q\x9c \x85", ["<U+009B>31mred <U+009D>0;pwned<U+009C> <U+0090>q<U+009C>"]),
    "NUL": ("a\x00b\x7fc", ["a<U+0000>b<U+007F>c"]),
    "bell": ("ding\x07", ["ding<U+0007>"]),
    "backspaces": ("bad\x08\x08\x08good", ["bad<U+0008><U+0008><U+0008>good"]),
    "carriage returns": ("bad\rgood\r\nnext", ["bad<U+000D>good", "next"]),
    "shifts": ("\x0e\x0f\x0b\x0c", ["<U+000E><U+000F><U+000B><U+000C>"]),
    "bidi controls": (BIDI, [f"<U+{ord(c):04X}>" for c in BIDI]),
    "zero width": (ZERO_WIDTH, [f"<U+{ord(c):04X}>" for c in ZERO_WIDTH]),
    "separators": ("one\u2028two\u2029three", ["one<U+2028>two<U+2029>three"]),
    "layout": ("\tindented\n\n  a\tb\n[1] nonsense\n", ["    indented", "  a b", "[1] nonsense"]),
    "marks": ("Z" + "\u0301" * 40 + "x \u0301y", ["<U+0301>" * 8, "x \u25cc\u0301y"]),
    "a megabyte in one word": ("x" * MEGABYTE, ["x" * 80, "0% seen"]),
    "a megabyte of words": ("word " * (MEGABYTE // 5), ["word word word", "0% seen"]),
    "a megabyte of NULs": ("\0" * MEGABYTE, ["<U+0000>" * 10, "0% seen"]),
    "a megabyte of marks": ("\u0301" * MEGABYTE, ["<U+0301>" * 9, "0% seen"]),
    "10,000 lines": ("\n".join(f"line {i}" for i in range(10_000)), ["line 0", "line 9", "0% seen"]),
    "nothing": ("", []),
    "blanks": (" " * 500 + "\t" * 500 + "end", ["end"]),
    "Chinese, Japanese, Korean": (
        "\u4f60\u597d\uff0c\u4e16\u754c " * 20 + "\ud55c\uad6d\uc5b4",
        ["\u4f60\u597d\uff0c", "\ud55c\uad6d\uc5b4"],
    ),
    "emoji": (
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \u2764\ufe0f\u200d\U0001f525 "
        "\U0001f44d\U0001f3fd 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea",
        ["\U0001f468", "family", "\u2764", "\U0001f44d"],
    ),
    "Arabic and Hebrew": (
        "\u0645\u0631\u062d\u0628\u0627 (123) abc \u05e9\u05dc\u05d5\u05dd",
        ["\u0645\u0631\u062d\u0628\u0627 (123) abc \u05e9\u05dc\u05d5\u05dd"],
    ),
    "Persian and Hindi joiners": (
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 \u0915\u094d\u200d\u0937 a\u200db",
        ["a<U+200D>b"],
    ),
}

HOSTILE_WORDS = [
    "\x1b[31mred\x1b]0;pwned\x07",
    "",
    "\u202egnorw",
    "a\u200bb",
    "x" * 10_000,
    "two\nlines\tand a tab",
    "a  99 b",
    "\u0301mark",
    "\u65e5\u672c",
    "\U0001f468\u200d",
    "\x00" * 300,
]
