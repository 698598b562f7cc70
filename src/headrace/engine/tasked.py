"""An async stage, as it is composed in its task."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.engine.calls import per_item_run
from headrace.graph.dag import Edge, Node
from headrace.graph.stages import PER_ITEM

if TYPE_CHECKING:
    from headrace.engine.lines import Lines

__all__ = ["Tasked"]


class Tasked:
    """An async stage, composed natively in its task: async generators around each other, one loop for per-item steps.

    Inputs that can never wait are read as they are; for the others the run's own thread is asked.
    """

    def __init__(
        self,
        lines: Lines,
        nodes: list[Node],
        inputs: Mapping[str, Iterator[Any]],
        remote: Callable[[Iterator[Any]], AsyncIterator[Any]],
        ends_in: Node | None = None,
    ) -> None:
        self.lines = lines
        self.remote = remote
        self.inputs = inputs
        self.ends_in = ends_in
        self.opened: list[Any] = []
        listed = ends_in is None or (ends_in.kind == "collect" and ends_in.function is None)
        self.collecting: list[Node] = per_item_run(nodes[::-1])[::-1] if listed else []
        self.before: list[Node] = nodes[: len(nodes) - len(self.collecting)]
        self.nodes = nodes

    @property
    def items(self) -> Any:
        """All that the stage gives, one by one."""
        return self._composed(self.nodes)

    async def result(self) -> Any:
        """The value that the stage ends in, or all of its items in a list."""
        calls, node = self.lines.calls, self.ends_in
        items = self._composed(self.before) if self.before else None
        if self.collecting:
            [stream] = self._streams(self.collecting[0], items).values()
            return await calls.loop(self.collecting, stream, collect=True, in_task=True)
        if node is None:
            assert items is not None
            return [item async for item in self._counted_by_caller(items)]
        return await calls.value_in_task(node, self._all_async(node, self._streams(node, items)))

    async def close(self) -> None:
        """Close what is open, consumers first."""
        failure: BaseException | None = None
        for items in reversed(self.opened):
            try:
                await items.aclose()
            except BaseException as error:
                failure = failure or error
        if failure is not None:
            raise failure

    def _composed(self, nodes: Sequence[Node]) -> Any:
        items: Any = None
        while nodes:
            run = per_item_run(nodes) or nodes[:1]
            streams = self._streams(run[0], items)
            if run[0].kind in PER_ITEM:
                [stream] = streams.values()
                items = self._opened(self.lines.calls.loop(run, stream, in_task=True))
            else:
                items = self._opened(self.lines.calls.iterator_in_task(run[0], self._all_async(run[0], streams)))
            if self.lines.early_end_matters(run[0]):
                items = self._opened(self._closing_inputs(run[0], items, len(self.opened) - 1))
            nodes = nodes[len(run) :]
        return items

    def _streams(self, node: Node, items: Any) -> dict[str, Any]:
        """What the node reads, by parameter: iterators of either kind."""
        if items is not None:
            edge = node.stream_edges[0]
            return {edge.parameter: self._counted(items, node, edge)}
        return {edge.parameter: self._input(edge) for edge in node.stream_edges}

    def _input(self, edge: Edge) -> Any:
        items = self.inputs[edge.parameter]
        never_waits = self.lines.driver.near and not self.lines.may_wait(edge)
        return items if never_waits else self._opened(self.remote(items))

    def _opened(self, items: Any) -> Any:
        """`items`, to be closed at the end."""
        self.opened.append(items)
        return items

    def _counted(self, items: Any, node: Node, edge: Edge) -> Any:
        lines = self.lines
        if not lines.counting or lines.nodes[edge.source].kind in PER_ITEM or node.kind in PER_ITEM:
            return items
        counter = lines.counters[edge.source, node.id, edge.parameter] = itertools.count(1)
        return self._opened(_counting(items, counter))

    def _counted_by_caller(self, items: Any) -> Any:
        if not self.lines.counting:
            return items
        counter = self.lines.counters[self.lines.link_to_caller] = itertools.count(1)
        return self._opened(_counting(items, counter))

    def _all_async(self, node: Node, streams: Mapping[str, Any]) -> dict[str, AsyncIterator[Any]]:
        """What the function of `node` reads, as async iterators."""
        watch = self.lines.calls.watch(node)
        reading = {}
        for name, items in streams.items():
            each = items if hasattr(items, "__aiter__") else self._opened(_as_async(items))
            reading[name] = each if watch is None else self._opened(watch.not_its_own_in_task(each))
        return reading

    async def _closing_inputs(self, node: Node, items: Any, position: int) -> AsyncIterator[Any]:
        """`items`, and behind the last one everything that only they read is closed."""
        async for item in items:
            yield item
        for opened in reversed(self.opened[:position]):
            await opened.aclose()
        self.lines.driver.post(partial(self.lines.close_inputs, node))


async def _counting(items: AsyncIterator[Any], counter: itertools.count[int]) -> AsyncIterator[Any]:
    async for item in items:
        next(counter)
        yield item


async def _as_async(items: Iterator[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item
