"""Functions that run when a module has been imported, in processes of their own."""

import subprocess
import sys
from pathlib import Path


CODE = """
import sys
from hfal.utils.imports import after_import
finders = len(sys.meta_path)
after_import("some_library.part", lambda: print("called", sys.modules["some_library.part"].number))
import some_library
print("library")
from some_library import part
print("part", part.number)
import importlib
importlib.reload(part)
assert len(sys.meta_path) == finders
after_import("some_library.part", lambda: print("at once"))
"""


def test_the_function_runs_once_when_the_module_is_there(tmp_path: Path) -> None:
    (tmp_path / "some_library").mkdir()
    (tmp_path / "some_library" / "__init__.py").write_text("")
    (tmp_path / "some_library" / "part.py").write_text("number = 7")
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    done = subprocess.run([sys.executable, "-c", path + CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["library", "called 7", "part 7", "at once", ""]
