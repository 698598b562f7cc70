"""Watches a run from within the user's own functions: what is in flight on each edge, and how many calls run.

A function is wrapped for each node, so nothing is asked of the engine that is being watched. An item counts from the
moment when its producer is called or resumed for it, until the consumer's code has it.

Not every edge can be seen so: not those into what headrace does itself (zips, batches, lists, the caller), those into
calls that overlap, which have begun a moment before their first line runs, those of steps in other processes, and those
within a pipeline that is mapped over a stream.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial, update_wrapper
from typing import Any

import msgspec

from headrace.dsl.flow import Flow
from headrace.graph.callee import Callee
from headrace.graph.dag import Dag, Edge, Node, Program
from headrace.graph.stages import PER_ITEM, calls_overlap

__all__ = ["Watch", "Watched"]

Function = Callable[..., Any]
Link = tuple[str, str, str]  # source id, target id, parameter

ENDS_IN_SIGHT = ("transform", "value")  # a function that reads streams: when it is over, it wants no more
WANTS_ALL = ("collect", "drain")
PASSES_ON = (*PER_ITEM, "batch", "enumerate", "merge")  # wants more for as long as somebody behind it does


class Watched(Flow[Any, Any]):
    """A pipeline whose functions tell a watch what they do."""

    def __init__(self, pipeline: Flow[Any, Any], watch: Watch) -> None:
        self.name: str = pipeline.name
        self.callee: Callee = pipeline.callee
        self.pipeline = pipeline
        self.watch = watch

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """As the pipeline itself."""
        return self.pipeline(*args, **kwargs)

    def _bind(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        return self.pipeline._bind(args, kwargs)

    def _compiled(self) -> Program:
        program, nodes = self.pipeline._program, self.watch.nodes
        functions = {id: self.watch.wrapped(nodes[id], function) for id, function in program.functions.items()}
        return msgspec.structs.replace(program, functions=functions)


class Watch:
    """Counts one run: what is in flight on each edge, and the calls that run in each node."""

    def __init__(self, dag: Dag) -> None:
        self.nodes: dict[str, Node] = {node.id: node for node in dag.nodes}
        self.consumers: dict[str, list[tuple[str, Edge]]] = dag.consumers()
        self.edges: dict[str, list[Link]] = {
            id: [(id, target, edge.parameter) for target, edge in consumers if self._sees(target)]
            for id, consumers in self.consumers.items()
        }
        self.lock: threading.Lock = threading.Lock()
        self.in_flight: Counter[Link] = Counter()
        self.calls: Counter[str] = Counter()
        self.stopped: set[str] = set()
        self.over: dict[Link | str, int] = {}  # edges and nodes: the most that was over their bound

    def wrapped(self, node: Node, function: Function) -> Function:
        """`function`, as it is called for `node`, telling this watch."""
        if node.executor == "process":  # there is nothing to be seen from here
            return function
        wrapper = WRAPPERS.get((node.kind, node.executor == "async"))
        return update_wrapper(partial(wrapper, node, function, self), function) if wrapper else function

    def _sees(self, target: str) -> bool:
        """Whether a node's own code shows when it has an item, and when it wants no more."""
        node = self.nodes[target]
        return (node.kind, node.executor == "async") in WRAPPERS and not calls_overlap(node) and self._tells(target)

    def _tells(self, id: str) -> bool:
        kind = self.nodes[id].kind
        if kind in ENDS_IN_SIGHT or kind in WANTS_ALL:
            return True
        return kind in PASSES_ON and all(self._tells(target) for target, _ in self.consumers[id])

    def _wants(self, id: str) -> bool:
        if id in self.stopped:
            return False
        consumers = self.consumers.get(id)
        return not consumers or any(self._wants(target) for target, _ in consumers)

    @property
    def complaints(self) -> list[str]:
        """What was over a bound, in words."""
        return [self._complaint(place, count) for place, count in self.over.items()]

    def _complaint(self, place: Link | str, count: int) -> str:
        if isinstance(place, str):
            node = self.nodes[place]
            return f"{node}: at most {node.concurrency} of its calls may run at once, got {count}"
        source, target = self.nodes[place[0]], self.nodes[place[1]]
        return f"{source}: at most max_in_flight={source.max_in_flight} items may be in flight to {target}, got {count}"

    # -- what the functions tell -------------------------------------------------------------------------------

    def asked(self, node: Node) -> None:
        """The node is asked for one more item."""
        with self.lock:
            for link in self.edges[node.id]:
                self.in_flight[link] += 1
                if self.in_flight[link] > node.max_in_flight and self._wants(link[1]):
                    self.over[link] = max(self.in_flight[link], self.over.get(link, 0))

    def gives_none(self, node: Node) -> None:
        """The node was asked for an item that does not come."""
        with self.lock:
            for link in self.edges[node.id]:
                self.in_flight[link] -= 1

    def taken(self, node: Node, edge: Edge, item: Any = None) -> Any:
        """The node has an item; gives it."""
        with self.lock:
            self.in_flight[edge.source, node.id, edge.parameter] -= 1
        return item

    def stops(self, node: Node) -> None:
        """The node wants no more items."""
        with self.lock:
            self.stopped.add(node.id)

    def fails(self, node: Node) -> None:
        """A call of the node failed. If that ends the run, others may read on until it has."""
        if node.on_error == "raise":
            self.stops(node)

    @contextmanager
    def asking(self, node: Node) -> Iterator[list[Any]]:
        """The node is asked for one more item; to the list goes what it gives."""
        given: list[Any] = []
        self.asked(node)
        try:
            yield given
        except BaseException:
            self.fails(node)
            raise
        finally:
            if not given or given[0] is END or (node.kind == "filter" and not given[0]):
                self.gives_none(node)

    @contextmanager
    def call(self, node: Node) -> Iterator[list[Any]]:
        """A call for one item, from its begin to its end."""
        self.taken(node, node.stream_edges[0])
        with self.lock:
            self.calls[node.id] += 1
            if self.calls[node.id] > node.concurrency:
                self.over[node.id] = max(self.calls[node.id], self.over.get(node.id, 0))
        try:
            with self.asking(node) as given:
                yield given
        finally:
            with self.lock:
                self.calls[node.id] -= 1


# -- wrapping --------------------------------------------------------------------------------------------------


def _called(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Any:
    with watch.call(node) as given:
        given.append(function(*args, **kwargs))
        return given[0]


async def _called_in_task(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Any:
    with watch.call(node) as given:
        given.append(await function(*args, **kwargs))
        return given[0]


def _flat(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
    watch.taken(node, node.stream_edges[0])
    try:
        made = function(*args, **kwargs)
    except BaseException:
        watch.fails(node)
        raise
    return _giving(node, made, watch)


def _flat_in_task(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
    watch.taken(node, node.stream_edges[0])
    return _giving_in_task(node, function(*args, **kwargs), watch)


def _opened(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Iterator[Any]:
    try:
        yield from _giving(node, _on_streams(node, function, watch, args, kwargs), watch)
    finally:
        watch.stops(node)


async def _opened_in_task(
    node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any
) -> AsyncIterator[Any]:
    items = _giving_in_task(node, _on_streams(node, function, watch, args, kwargs), watch)
    try:
        async for item in items:
            yield item
    finally:
        watch.stops(node)
        await items.aclose()


def _valued(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return _on_streams(node, function, watch, args, kwargs)
    finally:
        watch.stops(node)


async def _valued_in_task(node: Node, function: Function, watch: Watch, /, *args: Any, **kwargs: Any) -> Any:
    try:
        return await _on_streams(node, function, watch, args, kwargs)
    finally:
        watch.stops(node)


WRAPPERS: dict[tuple[str, bool], Function] = {  # by kind of node, and whether it is async
    ("map", False): _called,
    ("map", True): _called_in_task,
    ("filter", False): _called,
    ("filter", True): _called_in_task,
    ("flat_map", False): _flat,
    ("flat_map", True): _flat_in_task,
    ("source", False): _opened,
    ("source", True): _opened_in_task,
    ("transform", False): _opened,
    ("transform", True): _opened_in_task,
    ("value", False): _valued,
    ("value", True): _valued_in_task,
}


def _on_streams(node: Node, function: Function, watch: Watch, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `function` with the streams among its arguments watched."""
    positional, keywords = list(args), dict(kwargs)
    places = iter(range(len(args)))
    for entry in node.inputs:
        held: Any = keywords if entry.keyword else positional
        place: Any = entry.parameter if entry.keyword else next(places)
        if isinstance(entry, Edge) and entry.delivery == "stream":
            held[place] = _taking(partial(watch.taken, node, entry), held[place])
    return function(*positional, **keywords)


def _taking(taken: Callable[[Any], Any], items: Any) -> Any:
    """`items`, each of which the node has when it comes out."""
    return _AsyncTaking(taken, items) if hasattr(items, "__aiter__") else map(taken, items)


class _AsyncTaking:
    def __init__(self, taken: Callable[[Any], Any], items: AsyncIterator[Any]) -> None:
        self.taken = taken
        self.items = items

    def __aiter__(self) -> _AsyncTaking:
        return self

    async def __anext__(self) -> Any:
        return self.taken(await anext(self.items))


def _giving(node: Node, made: Any, watch: Watch) -> Iterator[Any]:
    """What the node gives, item by item."""
    items = iter(made)
    try:
        while True:
            with watch.asking(node) as given:
                given.append(next(items, END))
            if given[0] is END:
                return
            yield given[0]
    finally:
        if hasattr(made, "close"):
            made.close()


async def _giving_in_task(node: Node, made: Any, watch: Watch) -> AsyncGenerator[Any, None]:
    made = made if hasattr(made, "__aiter__") else _of_list(made)
    items = aiter(made)
    try:
        while True:
            with watch.asking(node) as given:
                given.append(await anext(items, END))
            if given[0] is END:
                return
            yield given[0]
    finally:
        if hasattr(made, "aclose"):
            await made.aclose()


async def _of_list(made: Any) -> AsyncIterator[Any]:
    for item in await made:
        yield item


END: Any = object()
