"""The code of a step within what observers want around it, and the calls that they are told of.

Lives here: how code is run in that, in whatever way it runs, so that nothing of it is seen by other code in between.
Must not live here: what is around it (scope.py, and the observers). It stands in the place of a node's stopwatch, with
that inside, and only where somebody asks for it.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Any

from headrace.engine.events import CallEnded, CallStarted
from headrace.engine.observers import Observers
from headrace.engine.outcome import Failed, Value
from headrace.engine.ports import Pool
from headrace.engine.scope import Carrying, Scope, Wanted, Within
from headrace.engine.stopwatch import Stopwatch
from headrace.graph.dag import Node

__all__ = ["Around", "around", "resumed", "resumed_in_task", "telling"]

Call = Callable[[Any], Any]
Done = Callable[[Value | Failed], None]


def around(
    node: Node, watch: Stopwatch | None, observers: Observers, now: Callable[[], float]
) -> Stopwatch | Around | None:
    """What the code of `node` is watched through: only a stopwatch, or none, where observers want nothing around it."""
    wanted = observers.wanted.get(node.id, ())
    if not wanted and not observers.hear(CallStarted, CallEnded):
        return watch
    return Around(node, wanted, watch or Stopwatch(now), observers)


class Around:
    """What is around the code of one node."""

    def __init__(self, node: Node, wanted: Sequence[Wanted], watch: Stopwatch, observers: Observers) -> None:
        self.node = node
        self.wanted = wanted
        self.watch = watch
        self.observers = observers
        self.told: bool = observers.hear(CallStarted, CallEnded)
        self.numbers: itertools.count[int] = itertools.count(1)
        self.scope: Scope = Scope(wanted)  # of code that reads streams

    # -- in the place of a stopwatch -----------------------------------------------------------------------------

    def of_item(self, function: Call, node: Node) -> Call:
        """The function that a per-item node calls."""
        return self.watch.of_item(self._of_item(function), node)

    def call(self, function: Call) -> Call:
        """The function of a node that is called once, and may read streams."""
        return self.watch.call(self._call(function))

    def call_in_task(self, function: Call) -> Call:
        """The same, awaited."""
        return self.watch.call_in_task(self._call_in_task(function))

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function that makes an iterator."""

        def open(*args: Any, **kwargs: Any) -> Any:
            with self.scope:
                return function(*args, **kwargs)

        return open

    def items(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items that the node makes."""
        return self.watch.items(resumed(self.scope, lambda: items))

    def items_in_task(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same, in a task."""
        return self.watch.items_in_task(resumed_in_task(self.scope, items))

    def not_its_own(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items that the node reads: what makes them is not within."""
        return self.watch.not_its_own(self._outside(items))

    def not_its_own_in_task(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The same, in a task, which shares its context variables with nobody who could see them."""
        return self.watch.not_its_own_in_task(items)

    # -- within --------------------------------------------------------------------------------------------------

    def _of_item(self, function: Call) -> Call:
        if self.node.executor == "process":  # of these calls, the pool tells
            return Carrying(function, self.wanted) if self.told else Within(function, self.wanted)
        if self.node.kind == "flat_map":
            return self._spread_in_task(function) if self.node.executor == "async" else self._spread(function)
        return self._call_in_task(function) if self.node.executor == "async" else self._call(function)

    def _call(self, function: Call) -> Call:
        def within(item: Any) -> Any:
            with self._begun(item):
                return function(item)

        return within

    def _call_in_task(self, function: Call) -> Call:
        async def within(item: Any) -> Any:
            with self._begun(item):
                return await function(item)

        return within

    def _spread(self, function: Call) -> Call:
        return lambda item: resumed(self._begun(item), lambda: function(item))

    def _spread_in_task(self, function: Call) -> Call:
        def within(item: Any) -> Any:
            made, scope = function(item), self._begun(item)
            return resumed_in_task(scope, made) if hasattr(made, "__aiter__") else _awaited(scope, made)

        return within

    def _begun(self, item: Any) -> Scope:
        """The scope of one call."""
        if self.node.kind == "value":
            self.scope = self._call_of(item)
            return self.scope
        return self._call_of(item)

    def _call_of(self, item: Any) -> Scope:
        if not self.told:
            return Scope(self.wanted)
        return ToldCall(self.wanted, self.node, item, next(self.numbers), self.observers, self.watch.now)

    def _outside(self, items: Iterator[Any]) -> Iterator[Any]:
        while True:
            with self.scope.outside():
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


class ToldCall(Scope):
    """The scope of a call that observers are told of, when it begins and when it ends."""

    __slots__ = ("begun", "item", "node", "now", "number", "observers")

    def __init__(
        self,
        wanted: Sequence[Wanted],
        node: Node,
        item: Any,
        number: int,
        observers: Observers,
        now: Callable[[], float],
    ) -> None:
        super().__init__(wanted)
        self.node: Node = node
        self.item: Any = item
        self.number: int = number
        self.observers: Observers = observers
        self.now: Callable[[], float] = now
        self.begun: float = 0.0

    def begin(self) -> Sequence[Wanted]:
        """Tell that it begins; gives what observers want around this call."""
        self.begun = self.now()
        event = CallStarted(run=self.observers.run, node=self.node, call=self.number, item=self.item)
        return self.observers.begun(event)

    def end(self, error: BaseException | None) -> None:
        """Tell that it has ended."""
        event = CallEnded(
            run=self.observers.run,
            node=self.node,
            call=self.number,
            item=self.item,
            seconds=self.now() - self.begun,
            exception=None if isinstance(error, GeneratorExit) else error,
        )
        self.observers.tell(event)

    def __enter__(self) -> Scope:
        self.add(self.begin())
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()
        self.end(error)


def resumed(scope: Scope, make: Callable[[], Any]) -> Iterator[Any]:
    """The items of what `make` gives: whenever its code runs, it is within the scope."""
    with scope:
        items = make()
        try:
            for item in items:
                with scope.outside():
                    yield item
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()


async def resumed_in_task(scope: Scope, items: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    """The same of an async iterator."""
    with scope:
        try:
            async for item in items:
                with scope.outside():
                    yield item
        finally:
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()


async def _awaited(scope: Scope, made: Awaitable[Any]) -> Any:
    with scope:
        return await made


def telling(pool: Pool, node: Node, observers: Observers, now: Callable[[], float]) -> Pool:
    """`pool`, or where observers hear of calls in worker processes, one that tells them."""
    if node.executor != "process" or not observers.hear(CallStarted, CallEnded):
        return pool
    return TellingPool(pool, node, observers, now)


class TellingPool:
    """A pool that tells of its calls: when one is given to the workers, and when its result is there.

    With the item goes what observers want around that call.
    """

    def __init__(self, pool: Pool, node: Node, observers: Observers, now: Callable[[], float]) -> None:
        self.inner = pool
        self.node = node
        self.observers = observers
        self.now = now
        self.elsewhere: float = 0.0  # the pool within tells
        self.numbers: itertools.count[int] = itertools.count(1)

    def submit(self, call: Call, item: Any, done: Done) -> None:
        """Have `call(item)` run in a worker."""
        told = ToldCall((), self.node, item, next(self.numbers), self.observers, self.now)
        self.inner.submit(call, (told.begin(), item), partial(self._over, told, done))

    def stop(self) -> None:
        """Cancel the calls that can be cancelled, and do not wait for them."""
        self.inner.stop()

    def _over(self, told: ToldCall, done: Done, outcome: Value | Failed) -> None:
        told.end(outcome.error if isinstance(outcome, Failed) else None)
        done(outcome)
