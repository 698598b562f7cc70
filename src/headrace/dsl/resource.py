"""`resource`: what steps share, such as a client or a connection, and who opens and closes it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Literal, ParamSpec, TypeVar, overload

from headrace.dsl.flow import Flow
from headrace.dsl.handle import Handle, called_at
from headrace.dsl.trace import current_trace
from headrace.errors import HandleError, OptionError, WiringError
from headrace.graph.dag import Kind
from headrace.graph.values import shown

__all__ = ["resource"]

P = ParamSpec("P")
T = TypeVar("T")
Scope = Literal["run", "item"]
KINDS: dict[Scope, Kind] = {"run": "resource", "item": "item_resource"}


# With a scope, type checkers cannot compare the arguments with the factory's parameters: nothing may stand between
# `P.args` and `P.kwargs`. They are compared when the pipeline is built.
@overload
def resource(
    factory: Callable[..., AbstractAsyncContextManager[T]], /, *args: Any, scope: Scope, **kwargs: Any
) -> T: ...
@overload
def resource(factory: Callable[..., AbstractContextManager[T]], /, *args: Any, scope: Scope, **kwargs: Any) -> T: ...
@overload
def resource(factory: Callable[..., Coroutine[Any, Any, T]], /, *args: Any, scope: Scope, **kwargs: Any) -> T: ...
@overload
def resource(factory: Callable[..., T], /, *args: Any, scope: Scope, **kwargs: Any) -> T: ...
@overload
def resource(factory: Callable[P, AbstractAsyncContextManager[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
def resource(factory: Callable[P, AbstractContextManager[T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
def resource(factory: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
@overload
def resource(factory: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
def resource(factory: Any, /, *args: Any, scope: Any = "run", **kwargs: Any) -> Any:
    """What `factory(*args, **kwargs)` makes, for steps to use: a client, a connection, a file, a lock.

    If it makes a context manager, of either kind, that is entered, and steps get what entering gives. The arguments
    may be parameters, values of steps, other resources, or plain data.

    Args:
        factory: A function or class that makes the resource; what an async one gives is awaited.
        args: Its arguments by position.
        scope: "run": entered when the run starts, before any step is called (if an argument is the value of a step: as
            soon as that is there), and left when the run has ended and all that may use it is closed, the last one
            first. It is told of the run's failure, if there is one, as `with` would tell it. "item": entered for each
            call of a step that takes it, and left after the call.
        kwargs: Its arguments by keyword. If the factory has a parameter named `scope`, fix it with `functools.partial`.

    Raises:
        HandleError: it is used outside of a pipeline body, or an argument is a stream.
        OptionError: the scope is neither "run" nor "item".
        WiringError: what was given is not a function, is a generator function, or does not take the arguments.

    >>> from collections.abc import Iterator
    >>> from contextlib import contextmanager
    >>> from headrace import Stream, pipeline, resource, stream
    >>> @contextmanager
    ... def notebook(title: str) -> Iterator[list[str]]:
    ...     lines = [title]
    ...     yield lines
    ...     print(*lines)
    >>> def note(word: str, lines: list[str]) -> int:
    ...     lines.append(word)
    ...     return len(lines)
    >>> @pipeline
    ... def numbered(words: list[str], title: str) -> Stream[int]:
    ...     return stream(words).map(note, resource(notebook, title))
    >>> numbered.run(["to", "be"], "Hamlet:")
    Hamlet: to be
    [2, 3]
    """
    trace = current_trace()
    if trace is None:
        raise HandleError(
            f"resource(...) ({called_at()}): makes a resource in a pipeline body only, got a call outside of one; "
            "decorate the function with @pipeline"
        )
    if not callable(factory) or isinstance(factory, (Flow, Handle)):
        raise WiringError(
            f"pipeline '{trace.name}' ({called_at()}): resource needs a function that makes the resource, got "
            f"{shown(factory)}; pass the function itself, and its arguments after it"
        )
    if scope not in tuple(KINDS):  # it may be anything
        raise OptionError(
            f"pipeline '{trace.name}' ({called_at()}): the scope of a resource must be 'run' or 'item', got "
            f"{shown(scope)}"
        )
    return trace.resource(KINDS[scope], factory, args, kwargs)
