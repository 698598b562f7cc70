"""What a function takes and gives, read from its signature before it is called.

Lives here: signatures, the place of a definition, and string annotations. A hint that cannot be resolved
counts as `Any`: it proves nothing.
"""

from __future__ import annotations

import builtins
import collections.abc as abc
import contextlib
import functools
import inspect
import keyword
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, TypeGuard

import msgspec

from headrace.graph.hints import ITERATORS, REQUIRED, is_union, item_of, union
from headrace.graph.place import file_name

__all__ = ["BUILT_IN", "LAZY_NAMES", "Callee", "Parameter", "name_of", "place_of", "read", "runnable", "unwrapped"]

BUILT_IN = "built-in"
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)

# Names that decide whether a function takes or gives a stream. They count even where they are imported for
# type checkers only; the language adds its own `Stream`.
LAZY_NAMES: dict[str, Any] = {kind.__name__: kind for kind in ITERATORS}


class Parameter(msgspec.Struct, frozen=True):
    """One parameter: its name, kind (as in `inspect`), resolved hint, and whether it has no default."""

    name: str
    kind: Any
    hint: Any
    required: bool

    @property
    def variadic(self) -> bool:
        """Whether it takes any number of arguments: `*args` or `**kwargs`."""
        return self.kind in VARIADIC

    @property
    def positional(self) -> bool:
        """Whether one argument by position may go to it."""
        return self.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Callee(msgspec.Struct, frozen=True):
    """What is known about a function before it is called.

    `signature` is None where Python cannot tell (some built-ins). `returns` is the return hint as it is
    written; `result` is the same, but the item type if `streams`.
    """

    name: str
    where: str
    signature: inspect.Signature | None
    parameters: Mapping[str, Parameter]
    returns: Any
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
    plain = unwrapped(function)
    signature = _signature(function)
    names = _names_in_scope(plain)
    where = place_of(function)
    parameters = {
        each.name: _parameter(each, _hint(each.annotation, names))
        for each in (signature.parameters.values() if signature else ())
    }
    if where == BUILT_IN and "iterable" in parameters:  # what `sum` and `sorted` say in place of a hint
        parameters["iterable"] = msgspec.structs.replace(parameters["iterable"], hint=abc.Iterable)
    if isinstance(function, type):
        returns: Any = function
    else:
        returns = _hint(signature.return_annotation if signature else REQUIRED, names)
    streams = _gives_stream(plain, returns)
    return Callee(
        name=name or name_of(function),
        where=where,
        signature=signature,
        parameters=parameters,
        returns=returns,
        result=item_of(returns) if streams else _awaited(returns),
        streams=streams,
        is_async=_is_async(function, returns),
    )


def runnable(callee: Callee) -> Callee:
    """The same, with one parameter if Python cannot tell the parameters, as for `int` and `max`.

    >>> list(runnable(read(max)).parameters)
    ['argument']
    """
    if callee.signature is not None:
        return callee
    only = inspect.Parameter("argument", inspect.Parameter.POSITIONAL_ONLY)
    parameters = {only.name: Parameter(only.name, only.kind, Any, True)}
    return msgspec.structs.replace(callee, signature=inspect.Signature([only]), parameters=parameters)


def name_of(function: Callable[..., Any]) -> str:
    """A short name for messages and node ids.

    >>> name_of(str.upper), name_of(lambda: 0), name_of(functools.partial(int, base=2))
    ('upper', 'lambda', 'int')
    """
    while _is_partial(function):
        function = function.func
    if not inspect.isroutine(function) and not hasattr(function, "__name__"):
        return type(function).__name__
    name = getattr(unwrapped(function), "__name__", None) or type(function).__name__
    return "lambda" if name == "<lambda>" else str(name)


def place_of(function: Callable[..., Any]) -> str:
    """File name and line of a function's definition; "built-in" where there is none.

    >>> place_of(len)
    'built-in'
    """
    code = getattr(unwrapped(function), "__code__", None)
    return f"{file_name(code.co_filename)}:{code.co_firstlineno}" if code else BUILT_IN


def _is_partial(function: Any) -> TypeGuard[functools.partial[Any]]:
    return isinstance(function, functools.partial)


def unwrapped(function: Any) -> Any:
    """The function that was written, behind decorators and fixed arguments."""
    if type(function) is types.FunctionType and "__wrapped__" not in function.__dict__:  # as most are
        return function
    *_, plain = _layers(function)
    return plain


def _layers(function: Any) -> Iterator[Any]:
    """A function, what it wraps, what that wraps, and so on."""
    while True:
        yield function
        if _is_partial(function):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif not inspect.isroutine(function) and not isinstance(function, type) and callable(function):
            function = type(function).__call__
        else:
            yield getattr(function, "__func__", function)
            return


def _key(kind: Any, name: str, hint: Any) -> inspect.Parameter:
    default = REQUIRED if name in kind.__required_keys__ else None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _parameter(given: inspect.Parameter, hint: Any) -> Parameter:
    required = given.default is REQUIRED and typing.get_origin(hint) is not typing.NotRequired
    return Parameter(given.name, given.kind, hint, required)


def _signature(function: Any) -> inspect.Signature | None:
    if typing.is_typeddict(function):  # it takes its keys as keywords
        return inspect.Signature([_key(function, name, hint) for name, hint in function.__annotations__.items()])
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some built-ins have none
        return None


def _flags(function: Any) -> int | None:
    """What the code of a function says of its kind; None where that may not be all."""
    return function.__code__.co_flags if type(function) is types.FunctionType and not function.__dict__ else None


def _is_generator(function: Any) -> bool:
    flags = _flags(function)
    if flags is not None:
        return bool(flags & (inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR))
    return inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)


def _is_coroutine(function: Any) -> bool:
    flags = _flags(function)
    return inspect.iscoroutinefunction(function) if flags is None else bool(flags & inspect.CO_COROUTINE)


def _gives_stream(function: Any, returns: Any) -> bool:
    if _is_generator(function):
        return True
    if _is_coroutine(function):  # whatever it gives is there when it has been awaited
        return False
    kind = typing.get_origin(returns) or returns
    return kind in ITERATORS or (isinstance(kind, type) and issubclass(kind, (abc.Iterator, typing.IO)))


def _is_async(function: Any, returns: Any) -> bool:
    for each in _layers(function):  # an AsyncMock says that it is, and its __call__ does not
        if _is_coroutine(each) or inspect.isasyncgenfunction(each):
            return True
    kinds = (abc.AsyncIterator, abc.AsyncIterable, abc.AsyncGenerator, *AWAITABLE)
    return (typing.get_origin(returns) or returns) in kinds


AWAITABLE = (abc.Coroutine, abc.Awaitable)


def _awaited(returns: Any) -> Any:
    """What comes of awaiting a result that is hinted as awaitable."""
    arguments = typing.get_args(returns)
    return (arguments[-1] if arguments else Any) if typing.get_origin(returns) in AWAITABLE else returns


# -- annotations ---------------------------------------------------------------------------------------------


class _UnknownName(type):
    """A name that cannot be found: whatever is asked of it is unknown too, except for what makes a stream."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return LAZY_NAMES.get(name, cls)

    def __getitem__(cls, _: object) -> Any:
        return cls


class _Unknown(metaclass=_UnknownName):
    """Stands for a name that is imported for type checkers only, until the hint is resolved to `Any`."""


class _Names(dict[str, Any]):
    """The names that an annotation may use, from the inside out."""

    def __init__(self, *scopes: Mapping[str, Any]) -> None:
        super().__init__()
        self.scopes = scopes

    def __missing__(self, name: str) -> Any:
        for scope in self.scopes:
            if name in scope:
                return scope[name]
        return LAZY_NAMES.get(name, _Unknown)


def _names_in_scope(function: Any) -> Callable[[], _Names]:
    """The scopes of a function, looked up only if an annotation is a string."""
    found: list[_Names] = []

    def names() -> _Names:
        if not found:
            found.append(_Names(*_scopes(function)))
        return found[0]

    return names


def _scopes(function: Any) -> Iterator[Mapping[str, Any]]:
    closure = {}
    if getattr(function, "__closure__", None):
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
            with contextlib.suppress(ValueError):  # a cell that is still empty
                closure[name] = cell.cell_contents
    yield closure
    yield from _enclosing_frames(function)
    outer = getattr(function, "__globals__", None)
    yield vars(sys.modules.get(getattr(function, "__module__", None) or "", builtins)) if outer is None else outer
    yield vars(builtins)


def _enclosing_frames(function: Any) -> Iterator[Mapping[str, Any]]:
    """The local names of the functions around a nested function, while they are still running."""
    path = getattr(function, "__qualname__", "")
    frame: types.FrameType | None = sys._getframe(1)
    while "<locals>" in path and frame is not None:
        if path.startswith(f"{frame.f_code.co_qualname}.<locals>."):
            yield dict(frame.f_locals)
        frame = frame.f_back


def _hint(annotation: Any, names: Callable[[], _Names]) -> Any:
    hint = _resolve(annotation, names)
    return hint if isinstance(hint, abc.Hashable) else Any  # such as `[int]`, which is no type


def _resolve(annotation: Any, names: Callable[[], _Names]) -> Any:
    """The annotation with every string in it looked up."""
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            # What typing.get_type_hints does too, but for a plain name that is looked up without compiling it.
            annotation = names()[annotation] if _is_name(annotation) else eval(annotation, {}, names())
        except Exception:  # an annotation that cannot be evaluated proves nothing
            return Any
        return Any if isinstance(annotation, str) else _resolve(annotation, names)
    if annotation is REQUIRED or annotation is _Unknown:
        return Any
    if type(annotation) is type:
        return annotation
    if annotation is None:
        return type(None)
    if isinstance(annotation, list):  # the parameters of a Callable
        return [_resolve(each, names) for each in annotation]
    return _resolve_arguments(annotation, names)


def _is_name(text: str) -> bool:
    return text.isidentifier() and not keyword.iskeyword(text)


def _resolve_arguments(hint: Any, names: Callable[[], _Names]) -> Any:
    arguments, origin = typing.get_args(hint), typing.get_origin(hint)
    if not arguments or origin is typing.Literal:
        return hint
    if origin is Annotated:
        return _resolve(arguments[0], names)
    resolved = tuple(each if each is Ellipsis else _resolve(each, names) for each in arguments)
    if resolved == arguments:
        return hint
    try:
        return union(resolved) if is_union(hint) else origin[resolved]
    except TypeError:
        return Any
