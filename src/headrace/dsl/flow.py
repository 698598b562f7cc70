"""What steps and pipelines have in common: both are run, joined with `|`, and called in a pipeline body."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from headrace.dsl.binding import unbound
from headrace.dsl.handle import Handle, called_at
from headrace.errors import ArgumentError, WiringError
from headrace.graph.callee import Callee, runnable
from headrace.graph.dag import Dag, Program

if TYPE_CHECKING:
    from headrace.dsl.pipeline import Pipeline
    from headrace.dsl.stream import Stream

__all__ = ["AsyncItems", "Flow", "Items"]

P = ParamSpec("P")
R = TypeVar("R", covariant=True)
A = TypeVar("A")
B = TypeVar("B")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Items(Iterator[T_co]):
    """The items of a run, as they are asked for. Leaving it early, also as a context manager, stops the run.

    >>> from headrace import step
    >>> @step
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> with numbers.iter(1_000_000) as items:
    ...     print(next(items), next(items))
    0 1
    """

    def __init__(self, items: Iterator[T_co]) -> None:
        self._items = items

    def __iter__(self) -> Iterator[T_co]:
        return self._items  # a `for` loop pays for no wrapper

    def __next__(self) -> T_co:
        return next(self._items)

    def __enter__(self) -> Items[T_co]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the run: everything in flight is cancelled and waited for, everything open is closed."""
        close: Callable[[], None] = getattr(self._items, "close")  # noqa: B009  # it is a generator
        close()


class AsyncItems(AsyncIterator[T_co]):
    """The items of a run, as they are asked for with `async for`. Leave it early as an async context manager.

    >>> import asyncio
    >>> from headrace import step
    >>> @step
    ... async def numbers(count: int):
    ...     for number in range(count):
    ...         yield number
    >>> async def two() -> tuple[int, int]:
    ...     async with numbers.aiter(1_000_000) as items:
    ...         return await anext(items), await anext(items)
    >>> asyncio.run(two())
    (0, 1)
    """

    def __init__(self, items: AsyncIterator[T_co]) -> None:
        self._items = items

    def __aiter__(self) -> AsyncIterator[T_co]:
        return self._items  # an `async for` loop pays for no wrapper

    async def __anext__(self) -> T_co:
        return await anext(self._items)

    async def __aenter__(self) -> AsyncItems[T_co]:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Stop the run: everything in flight is cancelled and awaited, everything open is closed."""
        close: Callable[[], Coroutine[Any, Any, None]] = getattr(self._items, "aclose")  # noqa: B009  # a generator
        await close()


class Flow(ABC, Generic[P, R]):
    """Something that takes parameters and gives a value or a stream: a step or a pipeline."""

    name: str
    callee: Callee

    @abstractmethod
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Record a use in the pipeline body that is running."""

    @abstractmethod
    def _compiled(self) -> Program:
        """What `_program` keeps."""

    @functools.cached_property
    def _program(self) -> Program:
        return self._compiled()

    @property
    def _parameters(self) -> inspect.Signature:
        """The parameters of `run`."""
        return runnable(self.callee).signature or inspect.Signature()

    @property
    def _where(self) -> str:
        """How a message begins: `step 'fetch' (app.py:12)`."""
        kind = repr(self)[1:].split()[0]
        return f"{kind} '{self.name}' ({self.callee.where})"

    @property
    def dag(self) -> Dag:
        """The compiled graph: everything that was decided at build, as data.

        >>> from headrace import step
        >>> step("double", fn=lambda number: number * 2).dag.node("double/double").kind
        'value'
        """
        return self._program.dag

    @property
    def program(self) -> Program:
        """What a runner of your own needs: the compiled graph, with the functions and constants that its nodes name.

        >>> from headrace import step
        >>> step("length", fn=len).program.functions
        {'length/length': <built-in function len>}
        """
        return self._program

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """What a runner of your own starts with: by the ids of the parameters' nodes, their values, defaults included.

        Raises: ArgumentError: the arguments are not those of the pipeline.

        >>> from headrace import step
        >>> step("length", fn=len).bind("four")
        {'length(obj)': 'four'}
        """
        return self._bind(args, kwargs)

    @overload
    def run(self: Flow[P, Stream[T]], *args: P.args, **kwargs: P.kwargs) -> list[T]: ...
    @overload
    def run(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run to the end in the calling thread; gives the result: the value, or a list of a stream's items.

        Raises:
            ArgumentError: the arguments are not those of the pipeline.
            DeadlockError: every stage waits for another.
            Exception: whatever a step raises, as it is, with a note that says which step and item.

        >>> from headrace import step
        >>> @step
        ... def squares(count: int):
        ...     for number in range(count):
        ...         yield number * number
        >>> squares.run(4)
        [0, 1, 4, 9]
        """
        from headrace.drivers.runner import run

        return run(self._program, self._bind(args, kwargs))

    def iter(self: Flow[P, Stream[T]], *args: P.args, **kwargs: P.kwargs) -> Items[T]:
        """The items of the stream that the pipeline gives, as they are asked for.

        Nothing runs before the first item is asked for. Leaving early stops and closes everything.

        Raises:
            ArgumentError: the arguments are not those of the pipeline.
            WiringError: the pipeline gives a value, not a stream.

        >>> from headrace import step
        >>> @step
        ... def forever():
        ...     number = 0
        ...     while True:
        ...         yield (number := number + 1)
        >>> for number in forever.iter():
        ...     if number == 3:
        ...         break
        >>> number
        3
        """
        from headrace.drivers.runner import iterate

        self._check_stream(".iter", ".run")
        return Items(iterate(self._program, self._bind(args, kwargs)))

    @overload
    def arun(self: Flow[P, Stream[T]], *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, list[T]]: ...
    @overload
    def arun(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]: ...
    def arun(self, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Run to the end in the running event loop; gives the same result as `run`.

        Nothing runs before it is awaited. Plain steps run on the loop's thread. Cancelling the task stops the run:
        everything in flight is cancelled and awaited, everything open is closed.

        Raises: what `run` raises; an `ArgumentError` at once, the rest when it is awaited.

        >>> import asyncio
        >>> from headrace import step
        >>> @step
        ... async def greet(name: str) -> str:
        ...     await asyncio.sleep(0)
        ...     return f"hello, {name}"
        >>> asyncio.run(greet.arun("you"))
        'hello, you'
        """
        from headrace.drivers.aio import run

        return run(self._program, self._bind(args, kwargs))

    def aiter(self: Flow[P, Stream[T]], *args: P.args, **kwargs: P.kwargs) -> AsyncItems[T]:
        """The items of the stream that the pipeline gives, as they are asked for with `async for`.

        Raises: what `iter` raises.

        >>> import asyncio
        >>> from headrace import step
        >>> @step
        ... async def forever():
        ...     number = 0
        ...     while True:
        ...         yield (number := number + 1)
        >>> async def first() -> int:
        ...     async with forever.aiter() as numbers:
        ...         async for number in numbers:
        ...             return number
        >>> asyncio.run(first())
        1
        """
        from headrace.drivers.aio import iterate

        self._check_stream(".aiter", ".arun")
        return AsyncItems(iterate(self._program, self._bind(args, kwargs)))

    def _check_stream(self, method: str, instead: str) -> None:
        if self._program.dag.returns != "stream":
            raise WiringError(
                f"{self._where}: {method} needs a stream, got {_given(self._program.dag)}; use {instead} (called "
                f"at {called_at()})"
            )

    # What takes any object is called per item, so it must not match as a function of the whole stream.
    @overload
    def __or__(
        self: Flow[P, Stream[A]], other: Callable[[object], Iterator[B] | AsyncIterator[B]], /
    ) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(
        self: Flow[P, Stream[A]], other: Callable[[object], Coroutine[Any, Any, B]], /
    ) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(self: Flow[P, Stream[A]], other: Callable[[object], B], /) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(
        self: Flow[P, Stream[A]], other: Callable[[Stream[A]], Iterator[B] | AsyncIterator[B]], /
    ) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(  # type: ignore[overload-overlap]  # what takes a stream is given the stream
        self: Flow[P, Stream[A]], other: Callable[[Stream[A]], Coroutine[Any, Any, B]], /
    ) -> Pipeline[P, B]: ...
    @overload
    def __or__(self: Flow[P, Stream[A]], other: Callable[[Stream[A]], B], /) -> Pipeline[P, B]: ...
    @overload
    def __or__(
        self: Flow[P, Stream[A]], other: Callable[[A], Iterator[B] | AsyncIterator[B]], /
    ) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(self: Flow[P, Stream[A]], other: Callable[[A], Coroutine[Any, Any, B]], /) -> Pipeline[P, Stream[B]]: ...
    @overload
    def __or__(self: Flow[P, Stream[A]], other: Callable[[A], B], /) -> Pipeline[P, Stream[B]]: ...
    def __or__(self, other: Any, /) -> Any:
        """This stream into `other`: whole if its parameter is hinted as an iterator, else item by item.

        Raises: BuildError: what this gives does not fit what `other` takes.

        >>> from headrace import step
        >>> @step
        ... def numbers(count: int):
        ...     yield from range(count)
        >>> (numbers | str | sum_of_lengths).run(11)
        12
        """
        from headrace.dsl.pipeline import join

        return join(self, other)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The values of the parameter nodes."""
        bound = self._bound(args, kwargs)
        bound.apply_defaults()
        return {f"{self.name}({name})": value for name, value in bound.arguments.items()}

    def _bound(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> inspect.BoundArguments:
        """The arguments of a run, by parameter."""
        try:
            bound = self._parameters.bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentError(
                f"{self._where}: {unbound(error, self._parameters, args, kwargs)} (called at {called_at()})"
            ) from None
        for value in bound.arguments.values():
            if isinstance(value, Handle):
                value._misused(f"runs {self!r} with", "call it, and it is put in its place here")
        return bound


def _given(dag: Dag) -> str:
    return {"value": "a value", "tuple": "a tuple of values", "nothing": "nothing"}[dag.returns]


def sum_of_lengths(texts: Iterator[str]) -> int:  # for the example above
    return sum(map(len, texts))
