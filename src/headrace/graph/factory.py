"""What a function makes that makes a resource: read from its hints, as a `with` statement would give it."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Self, TypeVar

import msgspec

from headrace.errors import WiringError
from headrace.graph.callee import Callee, read, unwrapped
from headrace.graph.hints import is_union, substitute, union

__all__ = ["Factory", "read_factory"]


class Factory(Callee, frozen=True):
    """What is known about a function that makes a resource: `result` is what entering it gives.

    `is_async` is true if it can only be entered with `async with`, or has to be awaited.
    """

    def __str__(self) -> str:
        return f"resource '{self.name}' ({self.where})"


def read_factory(function: Callable[..., Any], name: str | None = None) -> Factory:
    """What `function` takes, and what a step gets of what it makes.

    Raises: WiringError: it is a generator function, which is no context manager yet.

    >>> def make(path: str) -> AbstractContextManager[int]: ...
    >>> read_factory(make).result
    <class 'int'>
    """
    factory = Factory(**msgspec.structs.asdict(read(function, name)))
    generator = _generator(function)
    if generator is None:
        result, is_async = entered(_given_whole(factory))
        is_async |= factory.is_async and not factory.streams
    elif _is_decorated(function):  # made a context manager by a decorator
        result, is_async = factory.result, inspect.isasyncgenfunction(generator)
    else:
        decorator = "asynccontextmanager" if inspect.isasyncgenfunction(generator) else "contextmanager"
        raise WiringError(
            f"{factory}: must give a value or a context manager, got a generator; decorate it with "
            f"@contextlib.{decorator}"
        )
    return msgspec.structs.replace(factory, result=result, is_async=is_async, streams=False)


def entered(hint: Any) -> tuple[Any, bool]:
    """What entering a value of that hint gives, and whether only `async with` can; a plain value gives itself.

    >>> entered(AbstractAsyncContextManager[str]), entered(int)
    ((<class 'str'>, True), (<class 'int'>, False))
    """
    if is_union(hint):
        parts = [entered(part) for part in typing.get_args(hint)]
        return union(tuple(part for part, _ in parts)), any(is_async for _, is_async in parts)
    kind = typing.get_origin(hint) or hint
    if not isinstance(kind, type):
        return hint, False
    methods = [method for method in ("__enter__", "__aenter__") if hasattr(kind, method)]
    results = [_given_by(getattr(kind, method), kind, hint) for method in methods] or [hint]
    return results[0] if results[0] == results[-1] else Any, methods == ["__aenter__"]


def _given_by(enter: Callable[..., Any], kind: type, hint: Any) -> Any:
    """What that method of `hint` gives."""
    arguments = typing.get_args(hint)
    if kind in (AbstractContextManager, AbstractAsyncContextManager):
        return arguments[0] if arguments else Any
    callee = read(enter)
    given, own = _given_whole(callee), next(iter(callee.parameters.values()), None)
    if given is Self or (isinstance(given, TypeVar) and own is not None and own.hint is given):
        return hint
    return substitute(given, dict(zip(getattr(kind, "__parameters__", ()), arguments, strict=False)))


def _given_whole(callee: Callee) -> Any:
    """What a call gives, awaited: an iterator is one value here."""
    return callee.returns if callee.streams else callee.result


def _generator(function: Any) -> Any:
    """The generator function that is behind it, of either kind, if there is one."""
    plain = unwrapped(function)
    return plain if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain) else None


def _is_decorated(function: Any) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return hasattr(function, "__wrapped__")
