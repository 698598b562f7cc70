"""Which calls in a function are known to block: they hold up whatever else runs in the same event loop.

Lives here: a list of well-known functions, and how calls of them are found in the source of a function and of the
functions of its file that it calls. What is called through something that only a run knows is not found. Opening and
reading a file is not on the list: it mostly takes less time than handing it to a thread.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from headrace.dsl.step import Step
from headrace.graph.callee import read, unwrapped

__all__ = ["Call", "blocking_call"]

VERBS = ("delete", "get", "head", "options", "patch", "post", "put", "request", "send", "stream")
BLOCKING = frozenset(  # the package that a function is of, and its name there
    [
        *("time.sleep", "builtins.input", "posix.system", "nt.system", "posix.waitpid"),
        *(f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "getoutput")),
        *(f"subprocess.Popen.{name}" for name in ("wait", "communicate")),
        *("urllib.urlopen", "urllib.urlretrieve", "socket.create_connection", "socket.getaddrinfo"),
        *(f"http.HTTPConnection.{name}" for name in ("request", "getresponse", "connect")),
        *(f"requests.{prefix}{verb}" for prefix in ("", "Session.") for verb in VERBS),
        *(f"httpx.{prefix}{verb}" for prefix in ("", "Client.") for verb in VERBS),
        *("urllib3.request", "urllib3.PoolManager.request", "urllib3.RequestMethods.request"),
        *("concurrent.Future.result", "threading.Event.wait", "threading.Thread.join", "queue.Queue.get"),
    ]
)


class Call(NamedTuple):
    """A call that blocks: of what, and where it stands."""

    name: str
    where: str


def blocking_call(function: Callable[..., Any]) -> Call | None:
    """The first call in a function that is known to block, also one in a function of its file that it calls.

    >>> import time
    >>> def nap(seconds: float) -> None:
    ...     time.sleep(seconds)
    >>> blocking_call(nap).name
    'time.sleep'
    """
    return next(_calls(function, set()), None)


def _calls(function: Any, seen: set[Any]) -> Iterator[Call]:
    plain = unwrapped(function)
    if not isinstance(plain, FunctionType) or plain in seen:
        return
    seen.add(plain)
    source = _Source(plain)
    for node in source.calls():
        called = source.object_of(node.func)
        name = _full_name(called)
        if name in BLOCKING:
            yield Call(ast.unparse(node.func), source.place_of(node))
        elif isinstance(called, Step) or getattr(called, "__code__", None) is not None:
            inner = unwrapped(called.function if isinstance(called, Step) else called)
            if isinstance(inner, FunctionType) and inner.__code__.co_filename == plain.__code__.co_filename:
                yield from _calls(inner, seen)


def _full_name(called: Any) -> str:
    module, name = getattr(called, "__module__", None) or "", getattr(called, "__qualname__", "")
    return f"{module.partition('.')[0]}.{name}" if isinstance(module, str) else ""


class _Source:
    """The source of a function, and what the names in it mean, as far as that is known without running it."""

    def __init__(self, function: FunctionType) -> None:
        self.function = function
        self.tree = _tree(function)
        closure = inspect.getclosurevars(function)
        self.names: Mapping[str, Any] = {**vars(builtins), **function.__globals__, **closure.nonlocals}
        self.classes = {name: parameter.hint for name, parameter in read(function).parameters.items()}
        for target, value in self._bound():
            made = self.object_of(value.func) if isinstance(value, ast.Call) else None
            if isinstance(made, type):
                self.classes[target] = made

    def calls(self) -> Iterator[ast.Call]:
        """Every call in it, in the order of its lines."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]
        yield from sorted(found, key=lambda node: (node.lineno, node.col_offset))

    def _bound(self) -> Iterator[tuple[str, ast.expr]]:
        """What is given a name within it."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                yield node.targets[0].id, node.value
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                yield node.optional_vars.id, node.context_expr

    def object_of(self, expression: ast.expr) -> Any:
        """What a name, or an attribute of one, means; None if that is not known."""
        if isinstance(expression, ast.Name):
            return None if expression.id in self.classes else self.names.get(expression.id)
        if not isinstance(expression, ast.Attribute):
            return None
        if isinstance(expression.value, ast.Name) and expression.value.id in self.classes:
            owner = self.classes[expression.value.id]
        else:
            owner = self.object_of(expression.value)
        if owner is not None and not isinstance(owner, (ModuleType, type)):
            owner = type(owner)  # of an object only the methods are looked at
        try:
            return getattr(owner, expression.attr, None)
        except Exception:  # of a module that imports something only when it is asked for
            return None

    def place_of(self, node: ast.Call) -> str:
        """File name and line of a call."""
        code = self.function.__code__
        return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno + node.lineno - 1}"


def _tree(function: FunctionType) -> ast.AST:
    """The syntax tree of a function; empty where there is no source to be read."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError, TypeError):
        return ast.Module([], [])
    if function.__name__ != "<lambda>":
        return tree
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda)]
    return ast.Module([ast.Expr(node.body) for node in found], [])
