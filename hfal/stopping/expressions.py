"""Stopping criteria as an expression: `"kappa or (budget(300) and plateau(accuracy, 0.01))"`.

It is read as Python reads it, and never evaluated.
"""

import ast
import difflib
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from functools import reduce
from typing import Any

from hfal.errors import ArgumentError
from hfal.stopping.criteria import CRITERIA, Budget, Criterion, Named, Plateau, Target


NEVER = "none"
"""The expression of no criterion, with which a run goes on that one had ended."""


def parse_stop(
    text: str,
    *,
    metric: str | None = None,
    budget: int | None = None,
    unit: str = "examples",
    target: tuple[str, float] | None = None,
) -> Criterion | None:
    """Parse a stopping criterion: `"kappa or (budget(300) and plateau(accuracy, 0.01))"`.

    Args:
        text: Names of `CRITERIA`, with or without arguments, joined by `and`, `or` and parentheses; or `"none"`.
        metric: What `plateau` looks at where it does not say.
        budget: What `budget` stands for without arguments.
        unit: In what that is counted.
        target: Metric and value that `target` stands for without arguments.

    Returns:
        The criterion; `None` for `"none"`.

    Raises:
        ArgumentError: It is no such expression; the message says what is wrong, and names what there is.
    """
    if text.strip() == NEVER:
        return None
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise _unreadable(text, "it is no expression") from None
    usual: dict[str, Callable[[], Criterion]] = {}
    if metric is not None:
        usual["plateau"] = lambda: Plateau(metric)
    if budget is not None:
        usual["budget"] = lambda: Budget(budget, unit)
    if target is not None:
        usual["target"] = lambda: Target(*target)
    return _criterion(tree, text, usual, metric)


def _criterion(
    node: ast.expr, text: str, usual: Mapping[str, Callable[[], Criterion]], metric: str | None
) -> Criterion:
    if isinstance(node, ast.BoolOp):
        criteria = [_criterion(value, text, usual, metric) for value in node.values]
        return reduce(operator.or_ if isinstance(node.op, ast.Or) else operator.and_, criteria)
    if isinstance(node, ast.Name) and node.id in usual:
        return usual[node.id]()
    call = ast.Call(node, [], []) if isinstance(node, ast.Name) else node
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise _unreadable(text, f"{ast.unparse(node)!r} is no criterion")
    name = call.func.id
    if name not in CRITERIA:
        near = difflib.get_close_matches(name, CRITERIA, n=1)
        raise _unreadable(text, f"there is no criterion {name!r}{f' (did you mean {near[0]!r}?)' if near else ''}")
    try:
        given = [_value(argument) for argument in call.args]
        named = {str(argument.arg): _value(argument.value) for argument in call.keywords}
        if name == Plateau.name and not given and metric is not None:
            named = {"metric": metric, **named}
        return _called(CRITERIA[name], given, named)
    except ArgumentError as error:
        raise ArgumentError(f"stop={text!r}: {error}") from None


def _called(cls: type[Named], given: Sequence[Any], named: Mapping[str, Any]) -> Criterion:
    options = fields(cls)  # type: ignore[arg-type]
    shown = ", ".join(o.name if o.default is MISSING else f"{o.name}={o.default}" for o in options)
    free = [option.name for option in options[len(given) :]]
    wrong = [name for name in named if name not in free]
    if len(given) > len(options) or wrong:
        what = f"{wrong[0]!r} is no argument of it, or given twice" if wrong else f"{len(given)} arguments"
        raise ArgumentError(f"{cls.name}: {what}; expected {cls.name}({shown})")
    missing = [o.name for o in options[len(given) :] if o.default is MISSING and o.name not in named]
    if missing:
        instead = {"budget": " (or the option budget)", "target": " (or the options target_metric and target)"}
        what = f"{' and '.join(missing)}{instead.get(cls.name, '')}"
        raise ArgumentError(f"{cls.name} needs {what}: {cls.name}({shown})")
    return cls(*given, **named)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):  # the name of a metric, or a unit
        return node.id
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    if isinstance(inner, ast.Constant) and type(inner.value) in ((int, float) if negative else (int, float, str)):
        return -inner.value if negative else inner.value  # type: ignore[operator]
    raise ArgumentError(
        f"{ast.unparse(node)!r} is neither a number nor a name (quote a name that has other characters than letters, "
        "digits and _)"
    )


def _unreadable(text: str, problem: str) -> ArgumentError:
    return ArgumentError(
        f"stop={text!r}: {problem}; expected criteria joined by and/or, such as 'kappa or (budget(300) and "
        f"plateau(accuracy, 0.01))'. There are {', '.join(CRITERIA)}; and {NEVER!r}"
    )
