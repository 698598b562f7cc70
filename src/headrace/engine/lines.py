"""Opens stages: composes the steps of each natively and joins the stages through ports.

Lives here: which iterator a step reads, in what order things are opened and closed, and what is counted where. Must
not live here: room (channel.py), the loops (fuse.py, ports.py), calls (calls.py), the order of values (run.py).
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.engine.arrivals import Arriving, AtHand, Input
from headrace.engine.blame import Blame
from headrace.engine.calls import Calls, per_item_run
from headrace.engine.channel import Branch, Channel, Split, express, has_express
from headrace.engine.deadlock import Link
from headrace.engine.elsewhere import Elsewhere
from headrace.engine.held import Held
from headrace.engine.limits import Limits
from headrace.engine.observers import Observers
from headrace.engine.policy import Policy
from headrace.engine.ports import Asked, Driver, Port, fill, tap
from headrace.engine.stopwatch import TIMED, Detail, Slowest, Stopwatch
from headrace.engine.tasked import Tasked
from headrace.engine.waits import telling
from headrace.graph.dag import Dag, Edge, Node, Program, Stage
from headrace.graph.stages import PER_ITEM, as_they_come, calls_are_pooled, calls_overlap, may_pause

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints
    from headrace.engine.retry import Retries

__all__ = ["CALLER", "Lines"]

CALLER = "items"  # the parameter name of whoever called the run


class Lines:
    """The open stages of one run.

    `values` is shared with the run: what is not in it yet is waited for. `detail` says how much of the run is looked
    at: items are then also counted between generators, where nothing of headrace stands otherwise, and the time that
    steps take is measured. `checkpoints` keep what some steps give; `ended` is called with each node that is over,
    perhaps several times.
    """

    def __init__(
        self,
        program: Program,
        values: dict[str, Any],
        driver: Driver,
        blame: Blame,
        failed: Callable[..., None],
        ended: Callable[[str], None],
        observers: Observers,
        detail: Detail,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.dag: Dag = program.dag
        self.nodes: Mapping[str, Node] = blame.nodes
        self.values = values
        self.links: dict[Branch, Link] = {}
        driver = telling(driver, observers, self.nodes, self.links)
        self.driver: Driver = driver
        self.blame = blame
        self.failed = failed
        self.ended = ended
        self.counting: bool = detail >= Detail.ITEMS
        counting = self.counting
        self.policies: dict[str, Policy] = {
            node.id: Policy(node, driver.utc, observers, keep=counting)
            for node in self.dag.nodes
            if node.on_error != "raise"
        }
        timed = [node.id for node in self.dag.nodes if node.kind in TIMED] if detail >= Detail.SECONDS else []
        watch = Slowest if detail == Detail.SLOWEST else Stopwatch
        self.watches: dict[str, Stopwatch] = {id: watch(driver.clock.now) for id in timed}
        self.limits: Limits = Limits(program.limits, driver)
        self.retries: Mapping[str, Retries] = (
            _retries(program, self.policies, driver, observers) if program.retries else {}
        )
        self.calls: Calls = Calls(
            program,
            values,
            blame,
            self.policies,
            self.watches,
            self.limits,
            self.retries,
            observers,
            driver,
            checkpoints,
        )
        self.calls.watched = counting
        self.stages: dict[str, Stage] = {stage.nodes[-1]: stage for stage in self.dag.stages}
        self.places: dict[str, int] = {end: place for place, end in enumerate(self.stages)}
        self.woven: dict[str, list[Node]] = {
            group[0]: [self.nodes[id] for id in group] for stage in self.dag.stages for group in stage.woven
        }
        self.ends: dict[str, str] = {id: stage.nodes[-1] for stage in self.dag.stages for id in stage.nodes}
        self.consumers: dict[str, list[tuple[str, Edge]]] = self.dag.consumers()
        if self.dag.returns == "stream":
            self.consumers[self.dag.outputs[0]].append(("", _to_caller(self.dag.outputs[0])))
        self.channels: dict[str, Channel] = {}
        self.branches: dict[Link, Branch] = {}
        for id, stage in self.stages.items():
            if stage.handoff == "channel":
                self._make_channel(self.nodes[id])
        self.opened: set[str] = set()
        self.deferred: set[str] = set()  # nodes that wait for a value when they are first read
        self.natives: dict[str, Iterator[Any]] = {}  # open stages that nobody reads yet
        self.ports: dict[str, Asked] = {}
        self.generators: dict[str, Iterator[Any]] = {}  # to be closed
        self.closed: set[Link] = set()  # edges that nobody reads any more
        self.closed_for: BaseException | None = None  # the failure for which inputs are being closed
        self.counters: dict[Link, itertools.count[int]] = {}
        self.value_waiting: list[Callable[[], object]] = []
        self.elsewhere: Elsewhere = Elsewhere(self)
        self.held: Held | None = None  # in tests: calls that wait to be over

    def _make_channel(self, node: Node) -> None:
        consumers = self.consumers[node.id]
        links = [(node.id, target, edge.parameter) for target, edge in consumers]
        if node.on_error == "catch":
            channel: Channel = Split(node.max_in_flight, [edge.delivery == "failures" for _, edge in consumers])
        else:
            channel = Channel(node.max_in_flight, len(links))
        self.channels[node.id] = channel
        self.branches.update(zip(links, channel.branches, strict=True))
        self.links.update(zip(channel.branches, links, strict=True))

    # -- what the run asks for ---------------------------------------------------------------------------------

    def items(self) -> Iterator[Any]:
        """What the caller of the run reads."""
        output = self.dag.outputs[0]
        if self.stages[output].handoff == "direct" and self.stages[output].executor == "async":
            self._make_channel(self.nodes[output])
        self._open_above([output])
        return self.read("", _to_caller(output))

    def gives_natively(self) -> bool:
        """Whether the caller's items come out of an async stage that nothing else reads and that reads no channel."""
        if self.dag.returns != "stream" or not self.driver.near:
            return False
        stage = self.stages[self.dag.outputs[0]]
        head = self.nodes[stage.nodes[0]]
        native = stage.handoff == "direct" and stage.executor == "async"
        return native and not any(map(self.may_wait, head.stream_edges))

    def native_stage(self) -> Tasked:
        """That stage, for the caller's own task."""
        nodes = [self.nodes[id] for id in self.stages[self.dag.outputs[0]].nodes]
        self._open_above([edge.source for edge in nodes[0].stream_edges])
        return Tasked(self, nodes, self.elsewhere.read_late(nodes[0]), _unreachable)

    @property
    def link_to_caller(self) -> Link:
        """The edge to the caller of the run."""
        return self.dag.outputs[0], "", CALLER

    def listed(self) -> list[Any]:
        """All that the caller of the run reads."""
        output = self.dag.outputs[0]
        stage = self.stages[output]
        if stage.handoff != "direct":
            return list(self.items())
        nodes = [self.nodes[id] for id in stage.nodes]
        self._open_above([edge.source for edge in nodes[0].stream_edges])
        if stage.executor == "async":
            items: list[Any] = self.elsewhere.result_in_task(nodes, None)
            return items
        return self._collected(nodes, "", _to_caller(output))

    def results(self, node: Node) -> dict[str, Any]:
        """Run the stage that ends in the value `node`, here and now; gives all of its values."""
        stage = self.stages[node.id]
        nodes = [self.nodes[id] for id in stage.nodes]
        self._open_above([edge.source for edge in nodes[0].stream_edges])
        if stage.woven and stage.woven[-1][-1] == node.id:
            group = self.woven[stage.woven[-1][0]]
            return self.calls.woven_values(group, self._composed(nodes[: -len(group)]))
        return {node.id: self._result(node, stage, nodes)}

    def _result(self, node: Node, stage: Stage, nodes: list[Node]) -> Any:
        if calls_are_pooled(node):
            return self._result_of_call(node)
        if stage.executor == "async":
            return self.elsewhere.result_in_task(nodes[:-1], node)
        if stage.executor != "inline":
            return self.elsewhere.result_of_call(node)
        if node.kind == "collect" and node.function is None and len(nodes) > 1:
            return self._collected(nodes[:-1], node.id, node.stream_edges[0])
        items = self._composed(nodes[:-1]) if len(nodes) > 1 else None
        return self.calls.value(node, self.streams(node, items))

    def _result_of_call(self, node: Node) -> Any:
        """What a step gives that is called once, as soon as it may be, and again if need be."""
        try:
            return self.calls.value(node, {}) if node.executor == "inline" else self.elsewhere.result_of_call(node)
        except Exception as error:
            raise self.calls.blamed(error, node, None)  # noqa: B904  # mostly the same

    def _collected(self, nodes: list[Node], target: str, edge: Edge) -> list[Any]:
        """All that a line of nodes gives; if it ends in per-item steps, straight from their loop."""
        woven = self.stages[self.ends[nodes[0].id]].woven
        tail = nodes[nodes.index(self.nodes[woven[-1][-1]]) + 1 :] if woven else nodes
        run = per_item_run(tail[::-1])[::-1]
        if not run:
            return list(self._counted(self._composed(nodes), target, edge))
        before = nodes[: -len(run)]
        streams = self.streams(run[0], self._composed(before) if before else None)
        collected: list[Any] = self.calls.loop(run, streams[run[0].stream_edges[0].parameter], collect=True)
        return collected

    def waits(self) -> list[object]:
        """What is waited for: branches for an item, edges for a value."""
        lists = [self.value_waiting, *(channel.waiting for channel in self.channels.values())]
        return [getattr(call, "reason", None) for calls in lists for call in calls]

    def wake_for_value(self) -> None:
        """A value is there: let everyone who waits for one look."""
        for call in self.value_waiting:
            call()
        self.value_waiting.clear()

    # -- opening -----------------------------------------------------------------------------------------------

    def _open_above(self, sources: Iterable[str]) -> None:
        """Open every stage that the nodes `sources` need, producers first."""
        needed: set[str] = set()
        stack = [self.ends.get(source, source) for source in sources]  # what is far away is open
        while stack:
            end = stack.pop()
            if end not in needed and end not in self.opened:
                needed.add(end)
                head = self.nodes[self.stages[end].nodes[0]]
                stack += [self.ends.get(edge.source, edge.source) for edge in head.stream_edges]
        self.opened |= needed
        for end in sorted(needed, key=self.places.__getitem__):
            stage = self.stages[end]
            if end in self.channels:
                self.ports[end] = self._port(self.nodes[end], stage)
            else:
                self.natives[end] = self._native(stage)

    def _port(self, node: Node, stage: Stage) -> Port:
        channel = self.channels[node.id]
        if stage.executor == "inline":
            source = self._native(stage)
            pump = partial(fill, channel, source, self.broken_at(node))
            return Port(channel, pump, self.driver, in_fiber=stage.fiber, source=None if stage.fiber else source)
        return self.elsewhere.port([self.nodes[id] for id in stage.nodes], stage, channel)

    def _native(self, stage: Stage) -> Iterator[Any]:
        nodes = [self.nodes[id] for id in stage.nodes]
        missing = [edge for node in nodes for edge in node.value_edges if edge.source not in self.values]
        if missing:
            self.deferred |= set(stage.nodes)
        return self._deferred(nodes, missing) if missing else self._composed(nodes)

    def _deferred(self, nodes: Sequence[Node], missing: Sequence[Edge]) -> Iterator[Any]:
        self.await_values(missing)
        yield from self._composed(nodes)

    def await_values(self, edges: Iterable[Edge]) -> None:
        """Wait until the values are there that arrive by `edges`."""
        for edge in edges:
            while edge.source not in self.values:
                self.driver.wait(self.value_waiting, edge)

    def _composed(self, nodes: Sequence[Node]) -> Iterator[Any]:
        """One iterator through all of the nodes."""
        items: Iterator[Any] | None = None
        while nodes:
            run = self.woven.get(nodes[0].id) or per_item_run(self._plain(nodes)) or nodes[:1]
            made = self._made(run, items)
            self.generators.update(dict.fromkeys((node.id for node in run), made))
            items = self._closing_inputs(run[0], made) if self.early_end_matters(run[0]) else made
            nodes = nodes[len(run) :]
        assert items is not None
        return items

    def _made(self, run: Sequence[Node], items: Iterator[Any] | None) -> Iterator[Any]:
        """The iterator of a woven group, a run of per-item nodes, or one other node behind `items`."""
        if run[0].id in self.woven:
            woven: Iterator[Any] = self.calls.woven(run, items)
            return woven
        streams = self.streams(run[0], items)
        if run[0].kind in PER_ITEM:
            loop: Iterator[Any] = self.calls.loop(run, streams[run[0].stream_edges[0].parameter])
            return loop
        return self.calls.iterator(run[0], streams, partial(self.close_inputs, run[0]))

    def _plain(self, nodes: Iterable[Node]) -> list[Node]:
        """Those at the front that are not woven."""
        return list(itertools.takewhile(lambda node: node.id not in self.woven, nodes))

    def streams(self, node: Node, items: Iterator[Any] | None) -> dict[str, Any]:
        """What the node reads: `items` of the node before it in its stage, or else other stages."""
        if as_they_come(node):
            return {edge.parameter: self._input(node, edge, items) for edge in node.stream_edges}
        if items is not None:
            edge = node.stream_edges[0]
            return {edge.parameter: self._counted(items, node.id, edge)}
        return {edge.parameter: self.read(node.id, edge) for edge in node.stream_edges}

    def read(self, target: str, edge: Edge) -> Iterator[Any]:
        """The iterator through which `target` reads `edge` from another stage."""
        branch = self.branches.get((edge.source, target, edge.parameter))
        if branch is None:
            return self._counted(self.natives.pop(edge.source), target, edge)
        port = self.ports[edge.source]
        if port.source is None or not has_express(branch) or not self._waits_here_only(target):
            return tap(branch, _asking(branch.channel, port), self.driver)
        waiter = partial(self.driver.waiter, branch.channel.waiting, branch)
        return express(branch, port.source, self.broken_at(self.nodes[edge.source]), waiter)

    def _input(self, node: Node, edge: Edge, items: Iterator[Any] | None) -> Input:
        """What a node that takes items as they come has in place of an iterator."""
        branch = self.branches.get((edge.source, node.id, edge.parameter))
        if branch is not None:
            return Arriving(branch, _asking(branch.channel, self.ports[edge.source]), self.driver)
        if items is None:
            items = self.natives.pop(edge.source)
        return AtHand(self._counted(items, node.id, edge))

    def _waits_here_only(self, id: str) -> bool:
        """Whether the fiber in which this node runs can wait for nothing but what the node itself reads."""
        while id:
            stage = self.stages[self.ends[id]]
            if len(self.nodes[stage.nodes[0]].stream_edges) > 1 or stage.executor != "inline":
                return False
            if any(may_pause(self.nodes[node]) for node in stage.nodes):
                return False
            if stage.handoff == "value":
                return True
            if stage.handoff == "channel":
                return False
            [(id, _)] = self.consumers[stage.nodes[-1]]
        return True

    def early_end_matters(self, node: Node) -> bool:
        """Whether somebody may be held back by what this generator leaves unread when it returns."""
        return node.kind in ("transform", "zip") and any(map(self.may_wait, node.stream_edges))

    def may_wait(self, edge: Edge) -> bool:
        """Whether reading `edge` may have to wait for something that other code must do first."""
        stack, seen = [edge.source], {edge.source}
        while stack:
            source = stack.pop()
            if source in self.channels or source in self.deferred or may_pause(self.nodes[source]):
                return True
            above = {edge.source for edge in self.nodes[source].stream_edges} - seen
            stack += above
            seen |= above
        return False

    def _closing_inputs(self, node: Node, items: Iterator[Any]) -> Iterator[Any]:
        """`items`, and behind the last one the node's inputs are closed. Costs nothing per item but C's `chain`."""

        def at_end() -> Iterator[Any]:
            self.close_inputs(node)
            return
            yield  # makes it a generator

        return itertools.chain(items, at_end())

    def _counted(self, items: Iterator[Any], target: str, edge: Edge) -> Iterator[Any]:
        """`items`, counted where neither end is a loop that counts."""
        if not self.counting or self.nodes[edge.source].kind in PER_ITEM:
            return items
        if target and self.nodes[target].kind in PER_ITEM and not calls_overlap(self.nodes[target]):
            return items
        counter = self.counters[edge.source, target, edge.parameter] = itertools.count(1)
        return itertools.compress(items, counter)  # every number from 1 is true: it counts at the speed of C

    def broken_at(self, node: Node) -> Callable[[BaseException], None]:
        """What to call with a failure of the line that ends in `node` and fills a channel: nobody reads its inputs."""

        def broken(error: BaseException) -> None:
            self.blame.line(error, node)
            self.close_inputs(node, error)

        return broken

    def blamed_on(self, node: Node) -> Callable[[BaseException], None]:
        """What to call with a failure that came out of the line that ends in `node`."""
        return lambda error: self.blame.line(error, node)

    # -- closing -----------------------------------------------------------------------------------------------

    def close_inputs(self, node: Node, why: BaseException | None = None) -> None:
        """Close what only `node` reads: its own branches, and the generators behind them, consumers first.

        If that is because of the failure `why`, what fails in them is noted on it: it has come later.
        """
        before, self.closed_for = self.closed_for, why
        failed = partial(self.failed, why=why)
        stack = [(node.id, edge) for edge in reversed(node.stream_edges)]
        while stack:
            target, edge = stack.pop()
            link = edge.source, target, edge.parameter
            if link in self.closed:
                continue
            self.closed.add(link)
            branch = self.branches.get(link)
            if branch is not None:
                branch.close()
                if branch.channel.stores:
                    continue
            self._close(edge.source, failed)
            stack += [(edge.source, above) for above in reversed(self.nodes[edge.source].stream_edges)]
        self.closed_for = before

    def let_go(self, node: Node) -> None:
        """What only `node` reads does not hold anyone back any more. It may be being read: it is closed at the end."""
        stack = [(node.id, edge) for edge in node.stream_edges]
        while stack:
            target, edge = stack.pop()
            branch = self.branches.get((edge.source, target, edge.parameter))
            if branch is not None:
                branch.close()
            else:
                stack += [(edge.source, above) for above in self.nodes[edge.source].stream_edges]

    def stop(self) -> None:
        """No more calls begin, and none is made again."""
        self.limits.stop()
        for retries in self.retries.values():
            retries.stop()

    def close(self) -> None:
        """Close everything, consumers first."""
        for branch in self.branches.values():
            branch.close()
        for node in reversed(self.dag.nodes):
            self._close(node.id, self.failed)
        self.natives.clear()
        self.ports.clear()

    def _close(self, id: str, failed: Callable[..., None]) -> None:
        """Close the iterator of one node, and what pumps it."""
        port = self.ports.get(id)
        if port is not None:
            port.stop()
        close = getattr(self.generators.pop(id, None), "close", None)
        if close is not None:
            try:
                close()
            except BaseException as error:
                self.blame.step(error, self.nodes[id])
                failed(error)
        end = self.ends.get(id)
        if end is not None and self.stages[end].executor == "inline":  # what is elsewhere may still go on
            self.ended(id)


def _retries(
    program: Program, policies: Mapping[str, Policy], driver: Driver, observers: Observers
) -> Mapping[str, Retries]:
    """What makes calls again, by the id of the nodes that say so."""
    from headrace.engine.retry import Retries

    found = {}
    for node in program.dag.nodes:
        if node.retry is not None:
            function = program.functions.get(node.id)
            found[node.id] = retries = Retries(node, program.retries[node.id], function, driver, observers)
            if node.id in policies:
                policies[node.id].attempts_of = retries.attempts_of
    return found


def _asking(channel: Channel, port: Asked) -> Callable[[], None]:
    """What a tap does to have more: it asks the producer, unless someone who reads the results does so anyway."""
    if not isinstance(channel, Split):
        return port.ask
    return lambda: None if channel.driven else port.ask()


def _unreachable(items: Iterator[Any]) -> AsyncIterator[Any]:
    raise AssertionError("what never waits is read as it is")


def _to_caller(output: str) -> Edge:
    return Edge(parameter=CALLER, source=output, delivery="stream")
