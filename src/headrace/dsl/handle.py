"""Handles: what a pipeline body has in place of data. Whatever would need the data is refused, with the line.

Lives here: the handle of a value and what both kinds of handle refuse. The handle of a stream, with what can be
done with it, is the language's `Stream` (stream.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NoReturn

from headrace.errors import HandleError
from headrace.graph.place import called_at

if TYPE_CHECKING:
    from headrace.dsl.trace import Trace

__all__ = ["Handle", "Value", "called_at", "has_handle"]

OWN = ("_trace", "_id", "_hint")  # the attributes of a handle itself


class Handle:
    """What a pipeline body has in place of data: the node that will give it, and its type (or its items')."""

    def __init__(self, trace: Trace, id: str, hint: Any) -> None:
        self._trace = trace
        self._id = id
        self._hint = hint

    def __repr__(self) -> str:
        return f"<{self._what()}>"

    def _what(self) -> str:
        return f"the value of '{self._id}'"

    def _misused(self, doing: str, fix: str) -> NoReturn:
        raise HandleError(
            f"pipeline '{self._trace.name}' ({called_at()}): {doing} {self._what()}, which is not there "
            f"yet while the body is recorded; {fix}"
        )

    def __bool__(self) -> bool:
        self._misused("branches on", "decide inside a step")

    def __eq__(self, other: object) -> bool:
        self._misused("compares", "compare inside a step")

    def __hash__(self) -> int:
        return object.__hash__(self)

    def __format__(self, _: str) -> str:
        self._misused("formats", "build the text inside a step")

    if not TYPE_CHECKING:  # to type checkers a handle has the attributes of its data, and no others

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__") or name in OWN:
                raise AttributeError(name)
            self._misused(f"reads .{name} of", self._attribute_fix(name))

        def __setattr__(self, name: str, value: object) -> None:
            if name not in OWN:
                self._misused(f"sets .{name} of", "set it inside a step")
            object.__setattr__(self, name, value)

    def _attribute_fix(self, name: str) -> str:
        return "read it inside a step"


def _refuse(symbol: str) -> Callable[..., Any]:
    def refused(self: Handle, *_: object) -> NoReturn:
        self._misused(f"uses {symbol} on", "do that inside a step")

    return refused


OPERATORS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
    "matmul": "@",
    "and": "&",
    "or": "|",
    "xor": "^",
    "lshift": "<<",
    "rshift": ">>",
}
SYMBOLS = {
    **{f"__{name}__": symbol for name, symbol in OPERATORS.items()},
    **{f"__r{name}__": symbol for name, symbol in OPERATORS.items()},
    **{f"__{name}__": symbol for name, symbol in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "ne": "!="}.items()},
    **{f"__{name}__": symbol for name, symbol in {"neg": "-", "pos": "+", "invert": "~", "abs": "abs()"}.items()},
    **{f"__{name}__": f"{name}()" for name in ("len", "int", "float", "index", "complex", "round")},
    "__getitem__": "[...]",
    "__setitem__": "[...] =",
    "__delitem__": "del [...]",
    "__contains__": "in",
    "__call__": "a call",
    "__enter__": "with",
    "__exit__": "with",
    "__divmod__": "divmod()",
}
for _name, _symbol in SYMBOLS.items():
    setattr(Handle, _name, _refuse(_symbol))


class Value(Handle):
    """The handle of a value that a step will give, or of a pipeline's parameter."""

    def __iter__(self) -> Iterator[Any]:
        self._misused("iterates", "use stream(...) on it, or iterate inside a step")

    def _attribute_fix(self, name: str) -> str:
        more = f", or write stream(...).{name} to make a stream of it" if name in STREAM_METHODS else ""
        return f"read it inside a step{more}"


STREAM_METHODS = ("map", "flat_map", "starmap", "filter", "batched", "take", "enumerate", "collect")


def has_handle(data: object) -> bool:
    """Whether there is a handle in a list, tuple, set or dict, however deep."""
    if isinstance(data, (list, tuple, set, frozenset)):
        return any(isinstance(each, Handle) or has_handle(each) for each in data)
    return isinstance(data, dict) and has_handle([*data.keys(), *data.values()])
