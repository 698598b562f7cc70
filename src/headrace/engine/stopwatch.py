"""How long the code of a step takes: only for runs that report."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from enum import IntEnum
from threading import Lock
from typing import Any

from headrace.engine.report import Slow
from headrace.graph.dag import Node
from headrace.graph.stages import PER_ITEM
from headrace.graph.values import shown

__all__ = ["TIMED", "Detail", "Slowest", "Stopwatch"]

TIMED = PER_ITEM | {"value", "source", "transform"}  # the nodes that call code of the user's
SLOWEST = 5  # calls of each step that are kept


class Detail(IntEnum):
    """How much of a run is looked at."""

    NOTHING = 0
    ITEMS = 1  # how many go into and out of every step
    SECONDS = 2  # and how long the steps' own code is busy
    SLOWEST = 3  # and for which items it took longest


class Stopwatch:
    """The `seconds` that one step has been busy: in its calls, waits in them included, but not in what it reads.

    Calls that run at the same time add up.
    """

    __slots__ = ("lock", "now", "seconds")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now: Callable[[], float] = now
        self.seconds: float = 0.0
        self.lock: Lock = Lock()  # for calls in several threads

    def of_item(self, function: Callable[[Any], Any], node: Node) -> Callable[[Any], Any]:
        """The function that a per-item node calls, timed."""
        if node.kind == "flat_map":
            return self.flat_map_in_task(function) if node.executor == "async" else self.flat_map(function)
        if node.executor == "process":
            return function  # only its pool can tell
        ways = {"async": self.call_in_task, "thread": self.call_in_threads}
        return ways.get(node.executor, self.call)(function)

    def call(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of an item, timed."""
        now = self.now

        def timed(item: Any) -> Any:
            begin = now()
            try:
                return function(item)
            finally:
                self.seconds += now() - begin

        return timed

    def call_in_threads(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of an item, timed in any number of threads."""
        now = self.now

        def timed(item: Any) -> Any:
            begin = now()
            try:
                return function(item)
            finally:
                seconds = now() - begin
                with self.lock:
                    self.seconds += seconds

        return timed

    def call_in_task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of an item, timed until what it gives has been awaited."""
        now = self.now

        async def timed(item: Any) -> Any:
            begin = now()
            try:
                return await function(item)
            finally:
                self.seconds += now() - begin

        return timed

    def opening(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` that makes an iterator, as it is: what it takes is not timed."""
        return function

    def flat_map(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of an item, timed until all that it gives has been read."""
        timed = self.call(function)
        return lambda item: self.items(iter(timed(item)))

    def flat_map_in_task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function` of an item, timed until what it gives has been awaited, or read."""

        def timed(item: Any) -> Any:
            made = function(item)
            return self.items_in_task(made) if hasattr(made, "__aiter__") else self.call_in_task(lambda _: made)(item)

        return timed

    def items(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items that the step makes, timed."""
        try:
            yield from self._each(items, 1)
        finally:
            close = getattr(items, "close", None)
            if close is not None:
                close()

    def not_its_own(self, items: Iterator[Any]) -> Iterator[Any]:
        """The items that the step reads: the time that they take is not its own."""
        return self._each(items, -1)

    def _each(self, items: Iterator[Any], sign: int) -> Iterator[Any]:
        now = self.now
        while True:
            begin = now()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                self.seconds += sign * (now() - begin)
            yield item

    async def items_in_task(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The items that an async step makes, timed."""
        each = self._each_in_task(items, 1)
        try:
            async for item in each:
                yield item
        finally:
            await each.aclose()
            close = getattr(items, "aclose", None)
            if close is not None:
                await close()

    def not_its_own_in_task(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """The items that an async step reads: the time that they take is not its own."""
        return self._each_in_task(items, -1)

    async def _each_in_task(self, items: AsyncIterator[Any], sign: int) -> AsyncGenerator[Any, None]:
        now = self.now
        while True:
            begin = now()
            try:
                item = await anext(items)
            except StopAsyncIteration:
                return
            finally:
                self.seconds += sign * (now() - begin)
            yield item


class Slowest(Stopwatch):
    """A stopwatch that also keeps the calls that took longest, of a step that is called per item."""

    __slots__ = ("found", "least", "number")

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now)
        self.found: list[tuple[float, int, str]] = []
        self.least: float = 0.0  # seconds: what takes longer is kept
        self.number: int = 0

    def of_item(self, function: Callable[[Any], Any], node: Node) -> Callable[[Any], Any]:
        """The function that a per-item node calls, timed, and looked at call by call."""
        if node.kind == "flat_map" or node.executor == "process":
            return super().of_item(function, node)
        return super().of_item(
            self._noted_in_task(function) if node.executor == "async" else self._noted(function), node
        )

    @property
    def slowest(self) -> tuple[Slow, ...]:
        """What was kept, the slowest first."""
        return tuple(Slow(seconds=seconds, item=item) for seconds, _, item in sorted(self.found, reverse=True))

    def _noted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        now = self.now

        def noted(item: Any) -> Any:
            begin = now()
            try:
                return function(item)
            finally:
                if now() - begin > self.least:
                    self._keep(item, now() - begin)

        return noted

    def _noted_in_task(self, function: Callable[..., Any]) -> Callable[..., Any]:
        now = self.now

        async def noted(item: Any) -> Any:
            begin = now()
            try:
                return await function(item)
            finally:
                if now() - begin > self.least:
                    self._keep(item, now() - begin)

        return noted

    def _keep(self, item: Any, seconds: float) -> None:
        text = shown(item)
        with self.lock:
            self.number += 1  # so that texts are never compared
            heapq.heappush(self.found, (seconds, -self.number, text))
            if len(self.found) > SLOWEST:
                heapq.heappop(self.found)
                self.least = self.found[0][0]
