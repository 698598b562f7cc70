"""Opens stages: composes the steps of each natively and joins the stages through ports.

Lives here: which iterator a step reads, in what order things are opened and closed, and what is counted where. Must
not live here: room (channel.py), the loops (fuse.py, ports.py), the order in which values are computed (run.py).
"""

from __future__ import annotations

import itertools
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from types import GeneratorType
from typing import Any

from headrace.engine.blame import Blame
from headrace.engine.channel import Branch, Channel, express
from headrace.engine.deadlock import Link
from headrace.engine.fuse import MAX_NESTED, fuse
from headrace.engine.outcome import Failed, Outcome, Value
from headrace.engine.ports import (
    Driver,
    LateTap,
    Port,
    Puller,
    call_in_threads,
    fill,
    receive,
    resume_in_thread,
    tap,
)
from headrace.engine.window import Slot, Window
from headrace.errors import LengthError
from headrace.graph.dag import Constant, Edge, Node, Program, Stage
from headrace.graph.stages import PER_ITEM

__all__ = ["CALLER", "Lines"]

CALLER = "items"  # the parameter name of whoever called the run


class Lines:
    """The open stages of one run.

    `values` is shared with the run: what is not in it yet is waited for. With `counting`, items are also counted
    between generators, where nothing of headrace stands otherwise.
    """

    def __init__(
        self,
        program: Program,
        values: dict[str, Any],
        driver: Driver,
        blame: Blame,
        failed: Callable[[BaseException], None],
        counting: bool,
    ) -> None:
        self.program = program
        self.values = values
        self.driver = driver
        self.blame = blame
        self.failed = failed
        self.counting = counting
        dag = program.dag
        self.nodes = blame.nodes
        self.stages: dict[str, Stage] = {stage.nodes[-1]: stage for stage in dag.stages}
        self.ends = {id: stage.nodes[-1] for stage in dag.stages for id in stage.nodes}
        self.channels: dict[str, Channel] = {}
        self.branches: dict[Link, Branch] = {}
        self._make_channels()
        self.ports: dict[str, Port] = {}
        self.natives: dict[str, Iterator[Any]] = {}  # open stages that nobody reads yet
        self.opened: set[str] = set()
        self.closers: dict[str, Iterator[Any]] = {}  # the generators to close
        self.counters: dict[Link, itertools.count[int]] = {}
        self.tallies: dict[str, tuple[int, int]] = {}  # items in and out of fused steps
        self.value_waiting: list[Callable[[], object]] = []

    def _make_channels(self) -> None:
        dag = self.program.dag
        consumers = dag.consumers()
        if dag.returns == "stream":
            consumers[dag.outputs[0]].append(("", _to_caller(dag.outputs[0])))
        self.only_consumer = {id: edges[0][0] for id, edges in consumers.items() if len(edges) == 1}
        for id in self.stages:
            if self.stages[id].handoff == "channel":
                links: list[Link] = [(id, target, edge.parameter) for target, edge in consumers[id]]
                node = self.nodes[id]
                channel = Channel(node.max_in_flight, [f"{id} -> {target or 'the caller'}" for _, target, _ in links])
                self.channels[id] = channel
                self.branches.update(zip(links, channel.branches, strict=True))

    # -- opening -----------------------------------------------------------------------------------------------

    def items(self) -> Iterator[Any]:
        """What the caller of the run reads."""
        output = self.program.dag.outputs[0]
        self._open_above([output])
        return self._read("", _to_caller(output))

    def result(self, node: Node) -> Any:
        """Run the stage that ends in the value `node`, here and now."""
        stage = self.stages[node.id]
        self._open_above([edge.source for edge in self.nodes[stage.nodes[0]].stream_edges])
        items = self._compose(stage.nodes[:-1])
        if node.kind == "collect":
            return list(self._stream(node, items))
        if node.kind == "drain":
            return deque(self._stream(node, items), maxlen=0) and None
        positional, keywords = self._arguments(node, items)
        del items  # the function alone decides how long its streams live
        return self.program.functions[node.id](*positional, **keywords)

    def _open_above(self, sources: Iterable[str]) -> None:
        """Open every stage that the nodes `sources` need, producers first."""
        needed: set[str] = set()
        stack = [self.ends[source] for source in sources]
        while stack:
            end = stack.pop()
            if end not in needed and end not in self.opened:
                needed.add(end)
                stack += [self.ends[edge.source] for edge in self.nodes[self.stages[end].nodes[0]].stream_edges]
        for end, stage in self.stages.items():
            if end in needed:
                self.opened.add(end)
                self._open(end, stage)

    def _open(self, end: str, stage: Stage) -> None:
        node = self.nodes[end]
        if stage.handoff == "direct":
            self.natives[end] = self._native(stage)
            return
        self.ports[end] = self._port(node, stage)

    def _port(self, node: Node, stage: Stage) -> Port:
        channel = self.channels[node.id]
        label = str(node) if stage.fiber else None
        if node.executor == "inline":
            source = self._native(stage)
            pump = partial(fill, channel, source, self._blamed_on(node))
            return Port(channel, pump, self.driver, label, None if label else source)
        if node.kind in PER_ITEM:
            return Port(channel, self._in_threads(node, channel), self.driver, label)
        puller = self._puller(node, channel)
        port = Port(channel, partial(self._resume, node, channel, puller), self.driver)
        port.stop = puller.stop
        return port

    def _native(self, stage: Stage) -> Iterator[Any]:
        missing = [edge for id in stage.nodes for edge in self.nodes[id].value_edges if edge.source not in self.values]
        return self._deferred(stage, missing) if missing else self._compose(stage.nodes)

    def _deferred(self, stage: Stage, missing: Sequence[Edge]) -> Iterator[Any]:
        self._await_values(missing)
        yield from self._compose(stage.nodes)

    def _await_values(self, edges: Iterable[Edge]) -> None:
        for edge in edges:
            while edge.source not in self.values:
                self.driver.wait(self.value_waiting, edge)

    def _in_threads(self, node: Node, channel: Channel) -> Callable[[], None]:
        """The pump of a per-item step whose calls run in threads."""
        window = Window(channel, node.concurrency, node.ordered)
        source = self._read(node.id, node.stream_edges[0])
        pool = self.driver.pool(node.name)
        begun = itertools.count(1)
        calls: list[Callable[[Any], Any]] = []
        keep = node.kind == "filter"

        def settle(slot: Slot, item: Any, number: int, outcome: Outcome) -> None:
            if isinstance(outcome, Failed):
                self.blame.step(outcome.error, node, number)
            elif keep and isinstance(outcome, Value):
                window.settle(slot, Value(item) if outcome.value else None)
                return
            window.settle(slot, outcome)  # type: ignore[arg-type]  # a call never ends a stream

        def settle_next(slot: Slot, item: Any) -> Callable[[Outcome], None]:
            return partial(settle, slot, item, next(begun))

        def pump() -> None:
            if not calls:
                self._await_values(node.value_edges)
                calls.append(self._per_item(node))
            call_in_threads(window, source, pool, calls[0], settle_next, self._blamed_on(node))

        return pump

    def _puller(self, node: Node, channel: Channel) -> Puller:
        """The thread of a generator step that runs in a thread of its own."""
        inputs: dict[str, Iterator[Any]] = {}
        late: list[LateTap] = []
        for edge in node.stream_edges:
            branch = self.branches.get((edge.source, node.id, edge.parameter))
            if branch is None:
                inputs[edge.parameter] = self._read(node.id, edge)
            else:
                inputs[edge.parameter] = one = LateTap(branch, self.ports[edge.source].ask, self.driver)
                late.append(one)

        def open(remote: Callable[[Iterator[Any]], Iterator[Any]]) -> Iterator[Any]:
            return self._iterator(node, None, {name: remote(items) for name, items in inputs.items()})

        def heard() -> None:
            for one in late:
                one.received()

        def done(outcome: Outcome) -> None:
            receive(channel, self._blamed_on(node), outcome)
            if channel.ended is not None:
                self.close_inputs(node)

        def failed(error: BaseException) -> None:
            self.blame.step(error, node)
            self.failed(error)

        return self.driver.puller(open, done, heard, failed, node.name)

    def _resume(self, node: Node, channel: Channel, puller: Puller) -> None:
        self._await_values(node.value_edges)
        resume_in_thread(channel, puller)

    # -- composing ---------------------------------------------------------------------------------------------

    def _compose(self, ids: Sequence[str]) -> Iterator[Any] | None:
        """One iterator through all of the nodes; None if there are no nodes."""
        nodes = [self.nodes[id] for id in ids]
        items: Iterator[Any] | None = None
        while nodes:
            group = _per_item_run(nodes)
            if group:
                items = self._fused(group, items if items is not None else self._read(nodes[0].id, group[0].stream_edges[0]))
            else:
                items = self._iterator(nodes[0], items)
            del nodes[: len(group) or 1]
        return items

    def _fused(self, group: list[Node], items: Iterator[Any]) -> Iterator[Any]:
        tally = _Tally(self, group)
        functions = [self._per_item(node) for node in group]
        loop = fuse(items, [node.kind for node in group], functions, tally)
        for node in group:
            self._closes(node, loop)
        return loop

    def _per_item(self, node: Node) -> Callable[[Any], Any]:
        """The step's function as a function of one item."""
        function = self.program.functions[node.id]
        positional, keywords = self._arguments(node, None)
        if node.stream_edges[0].delivery == "unpacked":
            return lambda item: function(*item, *positional, **keywords)
        if positional or keywords:
            return lambda item: function(item, *positional, **keywords)
        return function

    def _iterator(
        self, node: Node, items: Iterator[Any] | None, streams: dict[str, Iterator[Any]] | None = None
    ) -> Iterator[Any]:
        """What a node that is not called per item gives: a fresh iterator."""
        positional, keywords = self._arguments(node, items, streams)
        if node.kind == "iterate":
            return self._relayed(node, iter(positional[0]))
        if node.kind == "batch":
            return _batches(*positional)
        if node.kind == "zip":
            return _zipped(positional, [self.nodes[edge.source] for edge in node.stream_edges], node)
        made = iter(self.program.functions[node.id](*positional, **keywords))
        if not isinstance(made, GeneratorType):
            made = self._relayed(node, made)
        else:
            self.blame.codes[node.id] = made.gi_code
            if node.executor == "inline":  # a thread closes what it runs itself
                self._closes(node, made)
        return itertools.chain(made, self._at_end(node)) if self._early_end_matters(node) else made

    def _relayed(self, node: Node, items: Iterator[Any]) -> Iterator[Any]:
        """`items` of an iterator that has no frame of its own to be found in a traceback."""
        try:
            yield from items
        except BaseException as error:
            self.blame.line(error, node)
            raise

    def _early_end_matters(self, node: Node) -> bool:
        """Whether somebody may be held back by what this generator leaves unread when it returns."""
        if node.executor == "thread":
            return False
        stack = list(node.stream_edges)
        while stack:
            source = stack.pop().source
            if source in self.channels:
                return True
            stack += self.nodes[source].stream_edges
        return False

    def _at_end(self, node: Node) -> Iterator[Any]:
        self.close_inputs(node)
        return
        yield  # an empty generator

    def _arguments(
        self, node: Node, items: Iterator[Any] | None, streams: dict[str, Iterator[Any]] | None = None
    ) -> tuple[list[Any], dict[str, Any]]:
        """The arguments of the node's function, but for the item of a per-item call."""
        positional: list[Any] = []
        keywords: dict[str, Any] = {}
        for index, entry in enumerate(node.inputs):
            if isinstance(entry, Constant):
                value = self.program.constants[node.id, index]
            elif entry.delivery == "value":
                value = self.values[entry.source]
            elif entry.delivery == "stream":
                value = streams[entry.parameter] if streams else self._stream(node, items, entry)
            else:
                continue
            if entry.keyword:
                keywords[entry.parameter] = value
            else:
                positional.append(value)
        return positional, keywords

    def _stream(self, node: Node, items: Iterator[Any] | None, edge: Edge | None = None) -> Iterator[Any]:
        edge = edge or node.stream_edges[0]
        return self._read(node.id, edge) if items is None else self._counted(items, node.id, edge)

    def _read(self, target: str, edge: Edge) -> Iterator[Any]:
        """The iterator through which `target` reads `edge` from another stage."""
        branch = self.branches.get((edge.source, target, edge.parameter))
        if branch is None:
            return self._counted(self.natives.pop(edge.source), target, edge)
        port = self.ports[edge.source]
        if port.source is None or not self._waits_here_only(target):
            return tap(branch, port.ask, self.driver)
        waiter = partial(self.driver.waiter, branch.channel.waiting, branch)
        return express(branch, port.source, self._blamed_on(self.nodes[edge.source]), waiter)

    def _waits_here_only(self, id: str) -> bool:
        """Whether the fiber in which this node runs can wait for nothing but what the node itself reads."""
        while id:
            node = self.nodes[id]
            if len(node.stream_edges) > 1 or node.executor == "thread":
                return False
            if node.gives == "value":
                return True
            if self.ends[id] == id and self.stages[id].handoff == "channel":
                return False
            id = self.only_consumer[id]
        return True

    def _counted(self, items: Iterator[Any], target: str, edge: Edge) -> Iterator[Any]:
        if not self.counting or self.nodes[edge.source].kind in PER_ITEM:
            return items
        if target and self.nodes[target].kind in PER_ITEM and self.nodes[target].executor == "inline":
            return items
        counter = self.counters[edge.source, target, edge.parameter] = itertools.count(1)
        return itertools.compress(items, counter)  # counts at the speed of C

    def _blamed_on(self, node: Node) -> Callable[[BaseException], None]:
        return lambda error: self.blame.line(error, node)

    def waits(self) -> list[object]:
        """What is waited for: branches for an item, edges for a value."""
        lists = [self.value_waiting, *(channel.waiting for channel in self.channels.values())]
        return [getattr(call, "reason", None) for calls in lists for call in calls]

    def wake_for_value(self) -> None:
        """A value is there: let everyone who waits for one look."""
        for call in self.value_waiting:
            call()
        self.value_waiting.clear()

    # -- closing -----------------------------------------------------------------------------------------------

    def _closes(self, node: Node, items: Iterator[Any]) -> None:
        self.closers[node.id] = items

    def close_inputs(self, node: Node) -> None:
        """Close what only `node` reads: its own branches, and the generators behind them, consumers first."""
        stack = [(node.id, edge) for edge in reversed(node.stream_edges)]
        while stack:
            target, edge = stack.pop()
            branch = self.branches.get((edge.source, target, edge.parameter))
            if branch is not None:
                branch.close()
                if branch.channel.stores:
                    continue
                self._stop_port(edge.source)
            self._close(edge.source)
            stack += [(edge.source, above) for above in reversed(self.nodes[edge.source].stream_edges)]

    def close(self) -> None:
        """Close everything, consumers first."""
        for branch in self.branches.values():
            branch.close()
        for node in reversed(self.program.dag.nodes):
            self._stop_port(node.id)
            self._close(node.id)
        self.natives.clear()

    def _stop_port(self, id: str) -> None:
        port = self.ports.get(id)
        if port is not None and port.stop is not None:
            port.stop()

    def _close(self, id: str) -> None:
        close = getattr(self.closers.pop(id, None), "close", None)
        if close is not None:
            try:
                close()
            except BaseException as error:
                self.blame.step(error, self.nodes[id])
                self.failed(error)


class _Tally:
    """Hears from one fused loop."""

    def __init__(self, lines: Lines, group: list[Node]) -> None:
        self.lines = lines
        self.group = group

    def counted(self, numbers: Sequence[int]) -> None:
        for index, node in enumerate(self.group):
            self.lines.tallies[node.id] = (numbers[index], numbers[index + 1])

    def failed(self, error: BaseException, index: int, numbers: Sequence[int]) -> BaseException:
        if isinstance(error, StopIteration):  # Python would take it for the end of the loop
            step_stopped = RuntimeError("a step raised StopIteration")
            step_stopped.__cause__ = error
            error = step_stopped
        self.lines.blame.step(error, self.group[index], numbers[index])
        return error


def _to_caller(output: str) -> Edge:
    return Edge(parameter=CALLER, source=output, delivery="stream")


def _per_item_run(nodes: Sequence[Node]) -> list[Node]:
    """The per-item nodes at the front that one loop can hold."""
    run: list[Node] = []
    nested = 0
    for node in itertools.takewhile(lambda node: node.kind in PER_ITEM, nodes):
        nested += node.kind == "flat_map"
        if nested > MAX_NESTED:
            break
        run.append(node)
    return run


def _batches(items: Iterator[Any], size: int) -> Iterator[tuple[Any, ...]]:
    while batch := tuple(itertools.islice(items, size)):
        yield batch


def _zipped(streams: Sequence[Iterator[Any]], producers: Sequence[Node], node: Node) -> Iterator[tuple[Any, ...]]:
    try:
        yield from zip(*streams, strict=True)
    except ValueError as error:
        found = re.fullmatch(r"zip\(\) argument (\d+) is (shorter|longer) than arguments? .*", str(error))
        if found is None or error.__traceback__ is None or error.__traceback__.tb_next is not None:
            raise
        other = producers[int(found[1]) - 1]
        raise LengthError(
            f"{node}: the streams differ in length: {other} is {found[2]} than {producers[0]}; "
            "zip streams that have as many items"
        ) from None
