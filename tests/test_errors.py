"""The two ways in which a run ends before it is finished: in a script, in IPython, and through a pickle."""

import pickle
import subprocess
import sys

import pytest

from hfal import AnswersPending, RunInterrupted
from hfal.errors import HfalError, RunStopped
from support.notebook import in_ipython


@pytest.mark.parametrize(("kind", "code"), [(AnswersPending, 75), (RunInterrupted, 143)])
def test_a_script_that_does_not_catch_it_exits_without_a_word(kind: type[RunStopped], code: int) -> None:
    script = f"from hfal import {kind.__name__} as End\nraise End('two\\nlines')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize("kind", [AnswersPending, RunInterrupted])
def test_it_is_caught_by_its_own_name_and_survives_a_pickle(kind: type[RunStopped]) -> None:
    error = kind("why")
    for one in (error, pickle.loads(pickle.dumps(error))):
        with pytest.raises(kind) as stop:
            raise one
        assert (str(stop.value), stop.value.code, type(stop.value).__name__) == ("why", kind.exit_code, kind.__name__)
        assert isinstance(one, SystemExit)
        assert not isinstance(one, Exception | HfalError)


def test_ipython_shows_the_message_once_and_no_advice_on_how_to_leave() -> None:
    raising = "from hfal import AnswersPending as End\nraise End('two\\nlines')"
    catching = raising.replace("raise", "try:\n    raise")
    catching += "\nexcept End as stop:\n    kept = stop\n    print(repr(stop), stop.code)"
    first, second, third = in_ipython(
        raising, catching, "import pickle; print(type(pickle.loads(pickle.dumps(kept))))"
    )
    assert first.splitlines() == ["AnswersPending: two", "lines"]
    assert second == "AnswersPending('two\\nlines') 75\n"
    assert third == "<class 'hfal.errors.AnswersPending'>\n"
