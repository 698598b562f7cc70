"""What is entered for one use, and left after it, the last one first, whatever has happened.

Lives here: how a resource is entered and left, and what a function is called through that takes some for each call.
Must not live here: when a use begins and ends (calls.py, resources.py).

Plain code and async code enter and leave by the same text: coroutines, which wait only if what they enter does.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from headrace.engine.blame import note
from headrace.engine.outcome import Failures
from headrace.errors import RunError
from headrace.graph.dag import Node

__all__ = ["Entered", "Recipe", "needs_task", "per_call", "plainly"]

T = TypeVar("T")
Noted = Callable[[BaseException, Node], object]
PLAIN, ASYNC = ("__enter__", "__exit__"), ("__aenter__", "__aexit__")
REAL = (Exception, KeyboardInterrupt, SystemExit)  # others only say that nobody wants the result any more


class Recipe:
    """How to make a resource that is entered for each call. Only the engine makes one: it is never an item."""

    def __init__(
        self, node: Node, function: Callable[..., Any], positional: Iterable[Any], keywords: Mapping[str, Any]
    ) -> None:
        self.node = node
        self.function = function
        self.positional = positional
        self.keywords = keywords


class Entered:
    """What is entered for one use, and is left after it."""

    def __init__(self, noted: Noted = note, *, in_task: bool = False) -> None:
        self.noted = noted
        self.in_task = in_task
        self.exits: list[tuple[Node, Callable[..., Any], bool]] = []
        self.values: dict[Recipe, Any] = {}

    async def arguments(
        self, positional: Iterable[Any], keywords: Mapping[str, Any]
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of a call, with what entering gives in the place of each recipe."""
        return (
            [await self._argument(each) for each in positional],
            {name: await self._argument(each) for name, each in keywords.items()},
        )

    async def _argument(self, argument: Any) -> Any:
        if not isinstance(argument, Recipe):
            return argument
        if argument not in self.values:  # two parameters, or another resource, may take it
            positional, keywords = await self.arguments(argument.positional, argument.keywords)
            make = partial(argument.function, *positional, **keywords)
            self.values[argument] = await self.enter(argument.node, make)
        return self.values[argument]

    async def enter(self, node: Node, make: Callable[[], Any]) -> Any:
        """What entering gives that `make`, the factory of `node`, makes; a plain value is given as it is.

        What can be entered in both ways is entered in that of the code that uses it.
        """
        try:
            made = make()
            if not self.in_task and needs_task(made):
                raise _wrong_way(node, made)
            if self.in_task and inspect.isawaitable(made) and not _has(made, ASYNC):
                made = await made
            for enter, leave in (ASYNC, PLAIN) if self.in_task else (PLAIN,):
                if _has(made, (enter, leave)):
                    in_task = enter == "__aenter__"
                    value = getattr(type(made), enter)(made)
                    value = await value if in_task else value
                    self.exits.append((node, partial(getattr(type(made), leave), made), in_task))
                    return value
        except Exception as error:
            self.noted(error, node)
            raise
        return made

    async def leave(self, failure: BaseException | None) -> None:
        """Leave all of them, the last one first, and tell them of `failure`, which none of them can undo.

        Raises what went wrong in it, or notes that on `failure`.
        """
        failures = Failures(failure if isinstance(failure, REAL) else None)
        while self.exits:
            node, leave, in_task = self.exits.pop()
            told = failures.first or failure
            try:
                left = leave(*_raised(told))
                if in_task:
                    await left
            except BaseException as error:
                if error is not told:
                    self.noted(error, node)
                    failures.add(error)
        if failures.first is not None and failures.first is not failure:
            raise failures.first

    async def __aenter__(self) -> Entered:
        return self

    async def __aexit__(self, kind: object, failure: BaseException | None, traceback: object) -> None:
        await self.leave(failure)

    def __enter__(self) -> Entered:
        return self

    def __exit__(self, kind: object, failure: BaseException | None, traceback: object) -> None:
        plainly(self.leave(failure))


def per_call(function: Callable[..., Any], *, many: bool, in_task: bool) -> Callable[..., Any]:
    """`function`, called with what entering the recipes among its arguments gives.

    They are left after the call, or if it gives `many`: after all that it gives.
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        with Entered() as entered:
            positional, keywords = plainly(entered.arguments(args, kwargs))
            return function(*positional, **keywords)

    def call_for_many(*args: Any, **kwargs: Any) -> Iterator[Any]:
        with Entered() as entered:
            positional, keywords = plainly(entered.arguments(args, kwargs))
            made = function(*positional, **keywords)
            try:
                yield from made
            finally:
                if hasattr(made, "close"):
                    made.close()

    async def call_in_task(*args: Any, **kwargs: Any) -> Any:
        async with Entered(in_task=True) as entered:
            positional, keywords = await entered.arguments(args, kwargs)
            return await function(*positional, **keywords)

    async def call_for_many_in_task(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        async with Entered(in_task=True) as entered:
            positional, keywords = await entered.arguments(args, kwargs)
            made = function(*positional, **keywords)
            try:
                if hasattr(made, "__aiter__"):
                    async for item in made:
                        yield item
                else:
                    for item in await made:
                        yield item
            finally:
                if hasattr(made, "aclose"):
                    await made.aclose()

    if many:
        return call_for_many_in_task if in_task else call_for_many
    return call_in_task if in_task else call


def needs_task(made: Any) -> bool:
    """Whether what a factory has made can only be entered in a task."""
    return (_has(made, ASYNC) or inspect.isawaitable(made)) and not _has(made, PLAIN)


def plainly(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: so one text does for plain code and for async code.

    >>> async def three():
    ...     return 3
    >>> plainly(three())
    3
    """
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it never waits")


def _raised(error: BaseException | None) -> tuple[Any, ...]:
    """What `with` tells a context manager."""
    return (None, None, None) if error is None else (type(error), error, error.__traceback__)


def _has(made: Any, methods: tuple[str, str]) -> bool:
    return all(hasattr(type(made), method) for method in methods)


def _wrong_way(node: Node, made: Any) -> RunError:
    if inspect.iscoroutine(made):
        made.close()  # else Python complains that nobody awaited it
    return RunError(
        f"{node}: must be one that a plain step can enter for each call, got {type(made).__name__}, which takes 'async "
        "with'; make the step async, or leave out scope='item'"
    )
