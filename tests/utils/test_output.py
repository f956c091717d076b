"""What is printed and logged: no escape codes, no lines of others, no secrets; and nothing else in hfal prints."""

import ast
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from hfal.cli.main import main
from hfal.errors import AnnotationError, ArgumentError
from hfal.utils.output import get_logger, say, say_error


ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "aBcD" * 8
HOSTILE = f"\x1b]0;title\x07a\nb\r\x9b31m\u202e{TOKEN}"
SHOWN = "<U+001B>]0;title<U+0007>a<U+000A>b<U+000D><U+009B>31m<U+202E>(hidden)"


def test_a_line_stays_a_line() -> None:
    stream = io.StringIO()
    say(HOSTILE, "", "next\tone", 5, file=stream)
    assert stream.getvalue() == f"{SHOWN}\n\nnext<U+0009>one\n5\n"


def test_a_process_without_a_stdout_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)  # as Python starts after `hfal status run >&-`
    say("a line")
    assert main(["status", "nowhere"]) == 1


def test_log_messages_are_made_visible_before_any_handler_has_them() -> None:
    stream = io.StringIO()
    logger, handler = get_logger("hfal.of_this_test"), logging.StreamHandler(stream)  # a script's own
    logger.addHandler(handler)
    try:
        logger.warning("%s has %d%%", HOSTILE, 5)
    finally:
        logger.removeHandler(handler)
    assert stream.getvalue() == f"{SHOWN} has 5%\n"
    assert len(get_logger("hfal.of_this_test").filters) == 1


def test_errors_are_one_line_or_a_traceback_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    say_error(ArgumentError(f"label {HOSTILE}"))
    shown = SHOWN.replace("<U+000A>", " ").replace("<U+000D>", " ")  # a line end is a blank where one is expected
    assert capsys.readouterr().err == f"hfal: error: label {shown}\n"
    say_error(ArgumentError("'a  b' and 'a b'\n  look alike"))
    assert capsys.readouterr().err == "hfal: error: 'a  b' and 'a b' look alike\n"
    say_error(AnnotationError("query-001.csv has 2 errors:\n    line 2\n    line 3"))
    assert capsys.readouterr().err.count("\n") == 3
    try:
        raise RuntimeError(f"unexpected \x1b[2J {TOKEN}") from ConnectionError("https://me:pass@host/x?y=z")
    except RuntimeError as error:
        say_error(error)
    said = capsys.readouterr().err
    assert "Traceback (most recent call last):\n" in said
    assert said.endswith("RuntimeError: unexpected <U+001B>[2J (hidden)\n")
    assert "ConnectionError: https://(hidden)@host/x?(hidden)\n" in said


def test_a_full_disk_is_said_with_the_file_if_it_is_known_and_that_labels_are_safe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    end = "cannot be written (No space left on device): make room on the disk, and start again; the labels recorded so"
    try:
        with open("/dev/full", "w") as file:
            file.write("x")
    except OSError as error:  # a write knows no name
        say_error(error)
        say_error(OSError(error.errno, error.strerror, "run/embeddings.npy"))
    assert capsys.readouterr().err == (
        f"hfal: error: a file, maybe of a cache, {end} far are safe\n"
        f"hfal: error: 'run/embeddings.npy' {end} far are safe\n"
    )


def test_a_scripts_errors_are_said_like_those_of_the_command() -> None:
    code = "from hfal.utils.output import show_errors; from hfal.errors import *; show_errors(); raise {}"
    known, unknown = (
        subprocess.run([sys.executable, "-c", code.format(error)], capture_output=True, text=True, check=False)
        for error in ("ArgumentError('no\\x1b')", f"ValueError('{TOKEN}')")
    )
    assert (known.returncode, known.stderr) == (1, "hfal: error: no<U+001B>\n")
    assert unknown.returncode == 1
    assert unknown.stderr.endswith("ValueError: (hidden)\n")


SOURCES = sorted([*ROOT.glob("hfal/**/*.py"), *ROOT.glob("recipes/*.py")])
TERMINALS = {"hfal/utils/output.py", "hfal/comparison/progress.py"}  # the second rewrites a line of its own


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_else_prints_or_logs(path: Path) -> None:
    if str(path.relative_to(ROOT)) in TERMINALS:
        return
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    called = {ast.unparse(function) for function in calls}
    printing = {"print", "logging.getLogger", "sys.stdout.write", "sys.stderr.write", "traceback.print_exc"}
    assert not called & printing, "call hfal.utils.output.say there, or a logger of get_logger"
