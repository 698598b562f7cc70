"""Type hints: read from functions, and compared.

Lives here: what a function takes and gives according to its signature, and whether one hint fits another. Whether
a hint is a sub-hint of another is beartype's decision; what is added here is gradual typing (`Any` fits
everything, also inside `list[Any]`), PEP 484's `int` for `float`, and type variables.
"""

from __future__ import annotations

import builtins
import collections.abc as abc
import contextlib
import functools
import inspect
import os
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, Union

__all__ = [
    "Callee",
    "Parameter",
    "bind_variables",
    "describe",
    "fits",
    "holds",
    "is_stream",
    "item_of",
    "iterates",
    "name_of",
    "place_of",
    "read",
    "substitute",
    "takes_stream",
]

ITERATORS = (abc.Iterator, abc.Iterable, abc.Generator, abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator)
LAZY = (abc.Iterator, abc.Iterable, abc.AsyncIterator, abc.AsyncIterable)
REQUIRED = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function: its name, kind (as in `inspect`), resolved hint, and whether it has a default."""

    name: str
    kind: Any
    hint: Any
    required: bool


@dataclass(frozen=True, slots=True)
class Callee:
    """What is known about a function before it is called.

    `signature` is None where Python cannot tell (some built-ins). `result` is the item type if `streams`.
    """

    name: str
    where: str
    signature: inspect.Signature | None
    parameters: Mapping[str, Parameter]
    result: Any
    streams: bool
    is_async: bool

    def __str__(self) -> str:
        return f"step '{self.name}' ({self.where})"


def read(function: Callable[..., Any], name: str | None = None) -> Callee:
    """What `function` takes and gives. Unresolvable hints count as `Any`.

    >>> def lines(path: str) -> Iterator[bytes]: ...
    >>> callee = read(lines)
    >>> callee.result, callee.streams, callee.parameters["path"].hint
    (<class 'bytes'>, True, <class 'str'>)
    """
    plain = _unwrapped(function)
    signature = _signature(function)
    names = _names_in_scope(plain)
    parameters = {
        parameter.name: Parameter(
            parameter.name, parameter.kind, _resolve(parameter.annotation, names), parameter.default is REQUIRED
        )
        for parameter in (signature.parameters.values() if signature else ())
    }
    if isinstance(function, type):
        result: Any = function
    else:
        result = _resolve(signature.return_annotation if signature else REQUIRED, names)
    is_async = inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)
    streams = _gives_stream(plain, result)
    if streams:
        result = item_of(result)
    return Callee(
        name or name_of(function), place_of(function), signature, parameters, result, streams, is_async or _is_async(result)
    )


def name_of(function: Callable[..., Any]) -> str:
    """A short name for messages and node ids.

    >>> name_of(str.upper), name_of(lambda: 0), name_of(functools.partial(int, base=2))
    ('upper', 'lambda', 'int')
    """
    name = getattr(_unwrapped(function), "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else name


def place_of(function: Callable[..., Any]) -> str:
    """File name and line of a function's definition; "built-in" where there is none.

    >>> place_of(len)
    'built-in'
    """
    code = getattr(_unwrapped(function), "__code__", None)
    return f"{os.path.basename(code.co_filename)}:{code.co_firstlineno}" if code else "built-in"


def takes_stream(hint: Any, item: Any) -> bool:
    """Whether a parameter of that hint takes a lazy stream of `item`.

    >>> takes_stream(Iterator[str], int), takes_stream(list[str], str), takes_stream(Any, int)
    (True, False, True)
    """
    if hint is Any or hint is object or isinstance(hint, TypeVar):
        return True
    hint = _bare(hint)
    if _is_union(hint):
        return any(takes_stream(part, item) for part in typing.get_args(hint))
    return is_lazy(hint)


def is_lazy(hint: Any) -> bool:
    """Whether the hint names an iterator or iterable as such, rather than a container.

    >>> is_lazy(abc.Iterable[int]), is_lazy(list[int])
    (True, False)
    """
    origin = typing.get_origin(hint) or hint
    return origin in LAZY or is_stream(origin)


def is_stream(hint: Any) -> bool:
    """Whether it is the language's `Stream`, known here only by what it is: both kinds of iterator."""
    origin = typing.get_origin(hint) or hint
    return isinstance(origin, type) and issubclass(origin, abc.Iterator) and issubclass(origin, abc.AsyncIterator)


def item_of(hint: Any) -> Any:
    """The type of the items of an iterable hint; `Any` where it is not said.

    >>> item_of(list[int]), item_of(dict[str, int]), item_of(str), item_of(tuple[int, ...])
    (<class 'int'>, <class 'str'>, <class 'str'>, <class 'int'>)
    """
    hint = _bare(hint)
    if hint is str:
        return str
    if hint is bytes:
        return int
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if not arguments or _is_union(hint) or origin is typing.Literal:
        return Any
    if origin is tuple:
        return arguments[0] if len(arguments) == 2 and arguments[1] is Ellipsis else _union(arguments)
    return arguments[0]


def iterates(hint: Any) -> bool:
    """Whether a value of that hint may be iterated, as far as the hint tells.

    >>> iterates(list[int]), iterates(int), iterates(Any)
    (True, False, True)
    """
    hint = _bare(hint)
    if hint is Any:
        return True
    if _is_union(hint):
        return any(iterates(part) for part in typing.get_args(hint))
    origin = typing.get_origin(hint) or hint
    return not isinstance(origin, type) or hasattr(origin, "__iter__") or hasattr(origin, "__aiter__") or origin is object


def fits(given: Any, wanted: Any) -> bool:
    """Whether something of hint `given` may be passed where `wanted` is asked for.

    >>> fits(int, float), fits(list[int], list[float]), fits(str, int), fits(list[Any], list[int])
    (True, True, False, True)
    """
    given, wanted = _bare(given), _bare(wanted)
    if wanted is Any or given is Any or wanted is object or wanted is REQUIRED or given == wanted:
        return True
    if isinstance(given, TypeVar) or isinstance(wanted, TypeVar):
        return True
    if isinstance(given, type) and isinstance(wanted, type) and not _is_generic(given) and not _is_generic(wanted):
        return _is_subclass(given, wanted)
    if _is_union(given):
        return all(fits(part, wanted) for part in typing.get_args(given))
    if _has_any(given) or (not typing.get_args(given) and typing.get_args(wanted) and not _is_union(wanted)):
        given, wanted = typing.get_origin(given) or given, _erased(wanted)
    return _is_subhint(given, _widened(wanted))


def holds(value: object, wanted: Any) -> bool:
    """Whether a plain value may be passed where `wanted` is asked for.

    >>> holds(3, float), holds("3", int), holds([1], list[int])
    (True, False, True)
    """
    wanted = _bare(wanted)
    if wanted is Any or wanted is object or wanted is REQUIRED or isinstance(wanted, TypeVar):
        return True
    if isinstance(wanted, type) and not _is_generic(wanted):
        return _is_subclass(type(value), wanted) or _is_protocol(wanted)
    from beartype.door import is_bearable

    try:
        return is_bearable(value, _widened(wanted))
    except Exception:  # a hint that beartype does not know proves nothing
        return True


def bind_variables(wanted: Any, given: Any, bindings: dict[Any, Any]) -> None:
    """Note what the type variables of `wanted` stand for when it is given `given`.

    >>> bindings = {}
    >>> bind_variables(dict[str, T], dict[str, int], bindings)
    >>> bindings[T]
    <class 'int'>
    """
    if isinstance(wanted, TypeVar):
        bindings.setdefault(wanted, given)
        return
    for inner, outer in zip(typing.get_args(wanted), typing.get_args(given), strict=False):
        bind_variables(inner, outer, bindings)


def substitute(hint: Any, bindings: Mapping[Any, Any]) -> Any:
    """`hint` with its type variables replaced; those that are not bound become `Any`.

    >>> substitute(list[T], {T: int}), substitute(list[T], {})
    (list[int], list[typing.Any])
    """
    if isinstance(hint, TypeVar):
        return bindings.get(hint, Any)
    if getattr(hint, "__parameters__", ()):
        try:
            return hint[tuple(bindings.get(variable, Any) for variable in hint.__parameters__)]
        except TypeError:  # variadic generics
            return typing.get_origin(hint) or Any
    return hint


def describe(hint: Any) -> str:
    """A hint as a user would write it.

    >>> describe(list[int]), describe(int), describe(abc.Iterator[str]), describe(None), describe(int | None)
    ('list[int]', 'int', 'Iterator[str]', 'None', 'int | None')
    """
    if hint is REQUIRED or hint is Any:
        return "Any"
    if hint is None or hint is type(None):
        return "None"
    if hint is Ellipsis:
        return "..."
    if _is_union(hint):
        return " | ".join(describe(part) for part in typing.get_args(hint))
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal:
        return f"Literal[{', '.join(map(repr, arguments))}]"
    origin = typing.get_origin(hint) or hint
    name = getattr(origin, "__qualname__", None) or getattr(origin, "__name__", None) or str(origin)
    name = name.rsplit("<locals>.", 1)[-1]
    if not arguments:
        return name
    return f"{name}[{', '.join(map(_described_argument, arguments))}]"


def _described_argument(argument: Any) -> str:
    return f"[{', '.join(map(describe, argument))}]" if isinstance(argument, list) else describe(argument)


def _unwrapped(function: Callable[..., Any]) -> Any:
    while True:
        if isinstance(function, functools.partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and not isinstance(function, type) and hasattr(function, "__call__"):
            function = type(function).__call__
        else:
            return getattr(function, "__func__", function)


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some built-ins have none
        return None


class _Names(dict[str, Any]):
    """The names that an annotation may use, from the inside out; what is unknown is `Any`."""

    def __init__(self, *scopes: Mapping[str, Any]) -> None:
        super().__init__()
        self.scopes = scopes

    def __missing__(self, name: str) -> Any:
        for scope in self.scopes:
            if name in scope:
                return scope[name]
        return Any


def _names_in_scope(function: Any) -> Callable[[], _Names]:
    """The scopes of a function, looked up only if an annotation is a string."""

    @functools.cache
    def names() -> _Names:
        closure = {}
        if getattr(function, "__closure__", None):
            for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
                with contextlib.suppress(ValueError):  # a cell that is still empty
                    closure[name] = cell.cell_contents
        return _Names(closure, *_enclosing_frames(function), getattr(function, "__globals__", {}), vars(builtins))

    return names


def _enclosing_frames(function: Any) -> Iterator[Mapping[str, Any]]:
    """The local names of the functions around a nested function, while they are still running."""
    path = getattr(function, "__qualname__", "")
    frame = sys._getframe(1)
    while "<locals>" in path and frame is not None:
        if path.startswith(f"{frame.f_code.co_qualname}.<locals>."):
            yield dict(frame.f_locals)
        frame = frame.f_back  # type: ignore[assignment]


def _resolve(annotation: Any, names: Callable[[], _Names]) -> Any:
    if annotation is REQUIRED:
        return Any
    if isinstance(annotation, str):
        try:
            annotation = eval(annotation, {}, names())  # noqa: S307  # what typing.get_type_hints does too
        except Exception:  # an annotation that cannot be evaluated proves nothing
            return Any
    if isinstance(annotation, typing.ForwardRef):
        return _resolve(annotation.__forward_arg__, names)
    if annotation is None:
        return type(None)
    return annotation


def _gives_stream(function: Any, result: Any) -> bool:
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return True
    origin = typing.get_origin(result) or result
    return origin in ITERATORS or is_stream(origin)


def _is_async(result: Any) -> bool:
    return (typing.get_origin(result) or result) in (abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator)


def _is_union(hint: Any) -> bool:
    return typing.get_origin(hint) in (Union, types.UnionType)


def _union(parts: tuple[Any, ...]) -> Any:
    return Union[parts]  # noqa: UP007  # the parts are known only now


def _is_generic(hint: Any) -> bool:
    return bool(typing.get_args(hint))


def _is_protocol(kind: type) -> bool:
    return getattr(kind, "_is_protocol", False)


def _bare(hint: Any) -> Any:
    """The hint without `Annotated`, `NewType` and the quotes around it."""
    while True:
        if typing.get_origin(hint) is Annotated:
            hint = typing.get_args(hint)[0]
        elif hint is None:
            return type(None)
        else:
            return hint


TOWER = {float: (int,), complex: (int, float)}


def _is_subclass(given: type, wanted: type) -> bool:
    if _is_protocol(wanted):
        return True if given is not type(None) else False
    try:
        return issubclass(given, (wanted, *TOWER.get(wanted, ())))
    except TypeError:  # a class that refuses the question, such as a TypedDict
        return True


def _widened(hint: Any) -> Any:
    """The hint with `float` read as `float | int`, and so on, wherever it stands."""
    if isinstance(hint, type) and hint in TOWER:
        return _union((hint, *TOWER[hint]))
    arguments = typing.get_args(hint)
    if not arguments or typing.get_origin(hint) in (abc.Callable, typing.Literal, Annotated):
        return hint
    wider = tuple(argument if argument is Ellipsis else _widened(argument) for argument in arguments)
    if wider == arguments:
        return hint
    return _union(wider) if _is_union(hint) else typing.get_origin(hint)[wider]


def _has_any(hint: Any) -> bool:
    return any(
        argument is Any or isinstance(argument, TypeVar) or _has_any(argument) for argument in typing.get_args(hint)
    )


def _erased(hint: Any) -> Any:
    if _is_union(hint):
        return _union(tuple(_erased(part) for part in typing.get_args(hint)))
    return typing.get_origin(hint) or hint


def _is_subhint(given: Any, wanted: Any) -> bool:
    from beartype.door import is_subhint

    try:
        return is_subhint(given, wanted)
    except Exception:  # a hint that beartype does not know proves nothing
        return True


T = TypeVar("T")  # for the examples above
