"""How a node calls its function: with which arguments, and what iterator comes of it.

Lives here: one node (or one run of per-item nodes) at a time, given the streams that it reads. Must not live here:
where those streams come from and when they are closed (lines.py).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from types import AsyncGeneratorType, GeneratorType
from typing import TYPE_CHECKING, Any

from headrace.engine.around import Around, around
from headrace.engine.arrivals import batches_in_time, merged
from headrace.engine.blame import Blame
from headrace.engine.ending import ending, ending_in_task
from headrace.engine.entered import Recipe, per_call
from headrace.engine.fuse import MAX_NESTED, fuse
from headrace.engine.limits import Limits
from headrace.engine.observers import Observers
from headrace.engine.outcome import travelling
from headrace.engine.policy import Policy
from headrace.engine.ports import Driver
from headrace.engine.stopwatch import TIMED, Stopwatch
from headrace.engine.weave import SOURCE, Thread, weave
from headrace.errors import LengthError, OptionError
from headrace.graph.dag import RESOURCES, Constant, Edge, Node, Program
from headrace.graph.stages import PER_ITEM, as_they_come, calls_are_pooled, may_pause
from headrace.graph.values import is_count, is_duration, shown

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints, Kept
    from headrace.engine.retry import Retries

__all__ = ["Calls", "per_item_run"]

Streams = Mapping[str, Any]  # by parameter: iterators, or the inputs of a node that takes items as they come
AsyncStreams = Mapping[str, AsyncIterator[Any]]


class Calls:
    """The calls of one run. `values` is shared with the run, and has what a node needs when it is called.

    `policies` and `watches` have for some nodes what becomes of failures, and what takes the time of their calls;
    `limits` has what lets their calls begin, `retries` what makes them again. `observers` hear of what is watched.
    """

    def __init__(
        self,
        program: Program,
        values: Mapping[str, Any],
        blame: Blame,
        policies: Mapping[str, Policy],
        watches: Mapping[str, Stopwatch],
        limits: Limits,
        retries: Mapping[str, Retries],
        observers: Observers,
        driver: Driver,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.program = program
        self.values = values
        self.blame = blame
        self.policies = policies
        self.watches = watches
        self.limits = limits
        self.retries = retries
        self.observers = observers
        self.driver = driver
        self.checkpoints = checkpoints
        self.watching: dict[str, Stopwatch | Around | None] = {}
        self.watched = False  # whether somebody may look at the counts while they change
        self.tallies: dict[str, tuple[int, int]] = {}  # items into and out of steps in loops that are over
        self.counting: dict[str, Callable[[], tuple[int, int]]] = {}  # the same, in those that are not

    def value(self, node: Node, streams: Streams) -> Any:
        """What a value node gives."""
        watch = self.watch(node)
        if watch is not None:
            streams = {name: watch.not_its_own(items) for name, items in streams.items()}
        positional, keywords = self._arguments(node, streams)
        if node.kind == "collect":
            return self.collector(node)(positional[0])
        if node.kind == "drain":
            for _ in positional[0]:
                pass
            return None
        kept = self.kept(node)
        if kept is not None or calls_are_pooled(node):
            once = self._again(node, self.once(node))
            return (once if kept is None else kept.calling(once))(None)
        function = self._function(node)
        if watch is None and len(positional) == 1 and not keywords:
            return function(positional[0])  # a call in C less on the stack of a fiber, which is copied at each switch
        call = partial(function, *positional, **keywords)
        return call() if watch is None else watch.call(lambda _: call())(None)

    def made(self, node: Node) -> Any:
        """What the factory of a resource makes."""
        positional, keywords = self._arguments(node, {})
        return self.program.functions[node.id](*positional, **keywords)

    def watch(self, node: Node) -> Stopwatch | Around | None:
        """What the code of a node, which may be called from now on, is watched through, if it is."""
        if node.kind not in TIMED:
            return None
        if not self.observers.told:  # in most runs nobody asks, and there may be many steps
            return self.watches.get(node.id)
        if node.id not in self.watching:
            self.observers.step_started(node)
            self.watching[node.id] = around(node, self.watches.get(node.id), self.observers, self.driver.clock.now)
        return self.watching[node.id]

    def recipe(self, node: Node) -> Recipe:
        """How a resource is made that is entered for each call."""
        return Recipe(node, self.program.functions[node.id], *self._arguments(node, {}))

    def collector(self, node: Node) -> Callable[[Any], Any]:
        """What makes the value of a collect node of its items."""
        return self.program.functions.get(node.id, list)

    def iterator(self, node: Node, streams: Streams, enough: Callable[[], None]) -> Iterator[Any]:
        """What a node gives that is not called per item: a fresh iterator. `enough` ends its inputs early."""
        positional, keywords = self._arguments(node, streams)
        if node.kind == "failures":
            items: Iterator[Any] = positional[0]
            return items
        if node.kind == "batch":
            size = _count(node, positional[1], 1)
            if as_they_come(node):
                return batches_in_time(positional[0], size, _seconds(node, positional[2]), self.driver.clock)
            return _batches(positional[0], size)
        if node.kind == "merge":
            return merged(positional, self.driver)
        if node.kind == "take":
            return _taken(positional[0], _count(node, positional[1], 0), enough)
        if node.kind == "enumerate":
            return enumerate(*positional)
        if node.kind == "zip":
            producers = [self.blame.nodes[edge.source] for edge in node.stream_edges]
            return _zipped(positional, producers, node, **keywords)
        if node.kind == "iterate":
            return self._relayed(node, iter(positional[0]))
        if node.id in self.policies:
            return ending(partial(self._made, node), streams, self.policies[node.id].lost)
        return self._made(node, streams)

    def blamed(self, error: BaseException, node: Node, number: int | None) -> BaseException:
        """`error` of that node at its `number`-th item, with a note on it, as it can travel."""
        travelled = travelling(error)
        policy, retries = self.policies.get(node.id), self.retries.get(node.id)
        attempts = retries.attempts_of(error) if retries else 1
        more = f"; after {attempts} attempts" if attempts > 1 else ""
        self.blame.step(travelled, node, number, more + (policy.verdict if policy else ""), attempts)
        return travelled

    def _made(self, node: Node, streams: Streams) -> Iterator[Any]:
        """The iterator that the node's function gives."""
        watch = self.watch(node)
        if watch is not None:
            streams = {name: watch.not_its_own(items) for name, items in streams.items()}
        positional, keywords = self._arguments(node, streams)
        function = self._function(node) if watch is None else watch.opening(self._function(node))
        made = function(*positional, **keywords)
        if isinstance(made, GeneratorType):
            self.blame.opened(node, made)
        else:
            made = self._relayed(node, iter(made), getattr(made, "close", None))
        return made if watch is None else watch.items(made)

    def loop(self, nodes: Sequence[Node], items: Any, *, collect: bool = False, in_task: bool = False) -> Any:
        """One generator for a run of per-item nodes; with `collect`, a list of all that comes out."""
        functions = [self.of_item(node) for node in nodes]
        policies = {index: self.policies[node.id] for index, node in enumerate(nodes) if node.id in self.policies}
        tally, kinds = _Tally(self, nodes), [*map(_kind, nodes)]
        watched = self.watched
        return fuse(items, kinds, functions, tally, policies, collect=collect, in_task=in_task, watched=watched)

    def numbers(self, id: str) -> tuple[int, int] | None:
        """Items into and out of a step in a loop, so far. May be asked from any thread."""
        read = self.counting.get(id)  # looked at first: it is there until the tally is
        return self.tallies.get(id) or (read() if read is not None else None)

    def forget(self) -> None:
        """The run is over: nothing of it is kept alive."""
        for policy in self.policies.values():
            policy.forget()
        for retries in self.retries.values():
            retries.forget()

    def woven(self, nodes: Sequence[Node], items: Any, kept: Sequence[list[Any]] = ()) -> Any:
        """One generator for nodes that all see each of `items`; or, with lists for what they collect, all of it now."""
        places = {node.id: place for place, node in enumerate(nodes)}
        threads = [
            Thread(node.kind, tuple(places.get(edge.source, SOURCE) for edge in node.stream_edges)) for node in nodes
        ]
        functions = [self.of_item(node) if node.kind == "map" else None for node in nodes]
        return weave(items, threads, functions, _WovenTally(self, nodes), kept)

    def woven_values(self, nodes: Sequence[Node], items: Iterator[Any]) -> dict[str, Any]:
        """What nodes collect that all see each of `items`."""
        kept: dict[str, list[Any]] = {node.id: [] for node in nodes if node.kind == "collect"}
        self.woven(nodes, items, list(kept.values()))
        values = {node.id: self._collected(node, kept[node.id]) for node in nodes if node.kind == "collect"}
        return values | {node.id: None for node in nodes if node.kind == "drain"}

    def _collected(self, node: Node, items: list[Any]) -> Any:
        if node.function is None:
            return items
        try:
            return self.collector(node)(items)
        except BaseException as error:
            self.blame.step(error, node)
            raise

    async def value_in_task(self, node: Node, streams: AsyncStreams) -> Any:
        """What a value node gives whose stage runs in a task."""
        watch = self.watch(node)
        positional, keywords = self._arguments(node, streams)
        if node.kind == "collect":
            return self.collector(node)([item async for item in positional[0]])
        if node.kind == "drain":
            async for _ in positional[0]:
                pass
            return None
        kept = self.kept(node)
        if kept is not None:
            return await kept.calling(self.once(node))(None)
        function = partial(self._function(node), *positional, **keywords)
        return await (function() if watch is None else watch.call_in_task(lambda _: function())(None))

    def iterator_in_task(self, node: Node, streams: AsyncStreams) -> AsyncIterator[Any]:
        """What an async generator step gives."""
        if node.id in self.policies:
            return ending_in_task(partial(self._made_in_task, node), streams, self.policies[node.id].lost)
        return self._made_in_task(node, streams)

    def _made_in_task(self, node: Node, streams: AsyncStreams) -> AsyncIterator[Any]:
        watch = self.watch(node)
        positional, keywords = self._arguments(node, streams)
        function = self._function(node) if watch is None else watch.opening(self._function(node))
        made = function(*positional, **keywords)
        if isinstance(made, AsyncGeneratorType):
            self.blame.opened(node, made)
        else:
            made = self._relayed_in_task(node, made)
        return made if watch is None else watch.items_in_task(made)

    async def _relayed_in_task(self, node: Node, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        try:
            async for item in items:
                yield item
        except BaseException as error:
            self.blame.line(error, node)
            raise

    def of_item(self, node: Node) -> Callable[[Any], Any]:
        """The step's function as a function of one item; where results are kept, it is called for new items only."""
        kept, function = self.kept(node), self._again(node, self.plain_of_item(node))
        return function if kept is None else kept.calling(function)

    def plain_of_item(self, node: Node) -> Callable[[Any], Any]:
        """The step's function as a function of one item, which is called whatever is kept."""
        watch = self.watch(node)
        function = self._of_item(node)
        return self._limited(node, function if watch is None else watch.of_item(function, node))

    def _of_item(self, node: Node) -> Callable[[Any], Any]:
        function = self._inner(node) if node.inner else self._function(node)
        positional, keywords = self._arguments(node, {})
        edge = node.stream_edges[0]
        if edge.delivery == "trigger":
            return lambda _: function(*positional, **keywords)
        if edge.delivery == "unpacked":
            if not edge.keyword:
                return lambda item: function(*item, *positional, **keywords)
            names = edge.parameter.split(", ")
            return lambda item: function(**dict(zip(names, item, strict=True)), **keywords)
        if edge.keyword:
            return lambda item: function(*positional, **{edge.parameter: item}, **keywords)
        if not positional and not keywords:
            return function
        place = [entry for entry in node.inputs if not entry.keyword].index(edge)
        before, after = positional[:place], positional[place:]
        if before:
            return lambda item: function(*before, item, *after, **keywords)
        return lambda item: function(item, *after, **keywords)

    def kept(self, node: Node) -> Kept | None:
        """The results of the node's calls, if they are kept."""
        if self.checkpoints is None or not node.checkpoint:
            return None
        keyed = {
            entry.parameter: value
            for entry, value in self._given(node, {})
            if entry.parameter not in node.unkeyed and not self._is_resource(entry)
        }
        try:
            return self.checkpoints.of(node, self.program, keyed)
        except Exception as error:
            self.blame.step(error, node)
            raise

    def _is_resource(self, entry: Edge | Constant) -> bool:
        if not isinstance(entry, Edge) or entry.delivery != "value":
            return False
        outer = self.checkpoints.resources if self.checkpoints else ()
        return entry.source in outer or self.blame.nodes[entry.source].kind in RESOURCES

    def once(self, node: Node) -> Callable[[None], Any]:
        """The function of a value node that reads no stream, with all of its arguments."""
        function = self._function(node)
        positional, keywords = self._arguments(node, {})
        watch = self.watch(node)
        called = lambda _: function(*positional, **keywords)  # noqa: E731
        return self._limited(node, called if watch is None else watch.of_item(called, node))

    def _limited(self, node: Node, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`call`, which waits until it may begin, if it is made in the run's own thread and has a limit."""
        return self.limits.here(node, call) if node.limit is not None and may_pause(node) else call

    def _again(self, node: Node, call: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """`call`, which is made again where it has failed, if it is made in the run's own thread."""
        return self.retries[node.id].calling(call) if node.id in self.retries and may_pause(node) else call

    def _inner(self, node: Node) -> Callable[..., Any]:
        """The inner DAG of a node as a function of its parameters."""
        program = self.program.inner[node.id]
        parameters = [inner.id for inner in program.dag.nodes if inner.kind == "parameter"]
        in_task = node.executor == "async"
        checkpoints = None
        if self.checkpoints is not None:  # what is given beside the item comes last
            pairs = zip(reversed(parameters), reversed(node.inputs), strict=False)
            checkpoints = self.checkpoints.inner({id for id, entry in pairs if self._is_resource(entry)})
        run = self.driver.inner
        return lambda *values: run(program, dict(zip(parameters, values, strict=True)), in_task, checkpoints)

    def _function(self, node: Node) -> Callable[..., Any]:
        """The step's function; or one that also ends its calls in time, and enters resources for each."""
        function = self.program.functions[node.id]
        if node.timeout is not None and node.executor == "async":  # the workers see to it in processes
            function = self.driver.in_time(function, str(node), node.timeout)
        if all(self.blame.nodes[edge.source].kind != "item_resource" for edge in node.value_edges):
            return function
        many = node.kind in ("source", "transform", "flat_map")
        return per_call(function, many=many, in_task=node.executor == "async")

    def _arguments(self, node: Node, streams: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the node's function, but for the item of a per-item call."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for entry, value in self._given(node, streams):
            if entry.keyword:
                keywords[entry.parameter] = value
            else:
                positional.append(value)
        return positional, keywords

    def _given(self, node: Node, streams: Mapping[str, Any]) -> Iterator[tuple[Edge | Constant, Any]]:
        """What the node's function is given, input by input, but for the item of a per-item call."""
        for index, entry in enumerate(node.inputs):
            if isinstance(entry, Constant):
                yield entry, self.program.constants[node.id, index]
            elif entry.delivery == "value":
                yield entry, self.values[entry.source]
            elif entry.delivery in ("stream", "failures"):
                yield entry, streams[entry.parameter]

    def _relayed(self, node: Node, items: Iterator[Any], close: Callable[[], object] | None = None) -> Iterator[Any]:
        """`items` of an iterator that has no frame of its own to be found in a traceback, and no end of its own."""
        try:
            yield from items
        except BaseException as error:
            self.blame.line(error, node)
            raise
        finally:
            if close is not None:
                close()


def _pair(numbers: Callable[[], Sequence[int]], index: int) -> tuple[int, int]:
    into, out = numbers()[index : index + 2]
    return into, out


class _Tally:
    """Hears from one fused loop."""

    def __init__(self, calls: Calls, nodes: Sequence[Node]) -> None:
        self.calls = calls
        self.nodes = nodes

    def begins(self, numbers: Callable[[], Sequence[int]]) -> None:
        for index, node in enumerate(self.nodes):
            self.calls.counting[node.id] = partial(_pair, numbers, index)

    def counted(self, numbers: Sequence[int]) -> None:
        for index, node in enumerate(self.nodes):
            self.calls.tallies[node.id] = (numbers[index], numbers[index + 1])
            self.calls.counting.pop(node.id, None)

    def ended(self, numbers: Sequence[int]) -> None:
        for index, node in enumerate(self.nodes):
            policy = self.calls.policies.get(node.id)
            last = policy and policy.over(numbers[index])
            if last:
                raise self.calls.blamed(last.error, node, last.number)

    def failed(self, error: BaseException, index: int, numbers: Sequence[int]) -> BaseException:
        return self.calls.blamed(error, self.nodes[index], numbers[index])


def _kind(node: Node) -> str:
    """The kind of a step in a fused loop."""
    policy = "" if node.on_error == "raise" else f"{node.on_error} "
    return f"{policy}{'await ' if node.executor == 'async' else ''}{node.kind}"


class _WovenTally:
    """Hears from one woven loop."""

    def __init__(self, calls: Calls, nodes: Sequence[Node]) -> None:
        self.calls = calls
        self.nodes = nodes

    def begins(self, count: Callable[[], int]) -> None:
        for node in self.nodes if self.calls.watched else ():
            self.calls.counting[node.id] = lambda: (count(), count())

    def counted(self, count: int, failed_at: int | None) -> None:
        last = len(self.nodes) if failed_at is None else failed_at
        for place, node in enumerate(self.nodes):
            self.calls.tallies[node.id] = (count - (place > last), count - (place >= last))
            self.calls.counting.pop(node.id, None)

    def blamed(self, error: BaseException, place: int, count: int) -> BaseException:
        error = travelling(error)
        self.calls.blame.step(error, self.nodes[place], count)
        return error


def per_item_run(nodes: Sequence[Node]) -> list[Node]:
    """The per-item nodes at the front that one loop can hold."""
    run: list[Node] = []
    nested = 0
    for node in itertools.takewhile(lambda node: node.kind in PER_ITEM, nodes):
        nested += node.kind == "flat_map"
        if nested > MAX_NESTED:
            break
        run.append(node)
    return run


def _count(node: Node, value: object, least: int) -> Any:
    """A number that is known only now."""
    if not is_count(value, least):
        raise OptionError(f"{node}: must get a whole number of {least} or more, got {shown(value)}")
    return value


def _seconds(node: Node, value: object) -> Any:
    """A time-out that is known only now."""
    if not is_duration(value):
        raise OptionError(f"{node}: must get a timeout of seconds, more than 0, got {shown(value)}")
    return value


def _batches(items: Iterator[Any], size: int) -> Iterator[tuple[Any, ...]]:
    while batch := tuple(itertools.islice(items, size)):
        yield batch


def _taken(items: Iterator[Any], count: int, enough: Callable[[], None]) -> Iterator[Any]:
    """The first items; with the last one in hand, nobody is held back any more."""
    yield from itertools.islice(items, max(count - 1, 0))
    last = list(itertools.islice(items, min(count, 1)))
    enough()
    yield from last


def _zipped(
    streams: Sequence[Iterator[Any]], producers: Sequence[Node], node: Node, **ends: Any
) -> Iterator[tuple[Any, ...]]:
    if ends:
        return (
            itertools.zip_longest(*streams, fillvalue=ends["fill"]) if "fill" in ends else zip(*streams, strict=False)
        )
    return _zipped_strictly(streams, producers, node)


def _zipped_strictly(
    streams: Sequence[Iterator[Any]], producers: Sequence[Node], node: Node
) -> Iterator[tuple[Any, ...]]:
    try:
        yield from zip(*streams, strict=True)
    except ValueError as error:
        found = re.fullmatch(r"zip\(\) argument (\d+) is (shorter|longer) than arguments? .*", str(error))
        if found is None or error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise  # somebody else's
        first, other = str(producers[0]), str(producers[int(found[1]) - 1])
        if first == other:  # two uses of one step, or two parameters, in one line
            first, other = f"stream 1, of {first}", f"stream {found[1]}, of {other},"
        raise LengthError(
            f"{node}: the streams differ in length: {other} is {found[2]} than {first}; zip streams that have as many "
            "items, or use strict=False or fill="
        ) from None
