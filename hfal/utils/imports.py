"""Run code as soon as another library's module is imported, without importing it now."""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType


def after_import(name: str, call: Callable[[], object]) -> None:
    """Call a function when a module has been imported: now, if it is there already.

    Args:
        name: The module, `"package.module"`.
        call: The function. It must not import what waits for this module.
    """
    if name in sys.modules:
        call()
    else:
        sys.meta_path.insert(0, _Finder(name, call))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module as Python does, and calls a function once it has run."""

    def __init__(self, name: str, call: Callable[[], object]):
        self.name = name
        self.call = call

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return spec
        run = spec.loader.exec_module

        def run_and_call(module: ModuleType) -> None:
            run(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                self.call()

        spec.loader.exec_module = run_and_call  # type: ignore[method-assign]
        return spec
