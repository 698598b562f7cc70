"""Steps that do not run in the run's own thread: in threads, in worker processes, or in asyncio tasks.

Lives here: what is run there, what is read for it, and what is done with what comes back. Must not live here: threads,
processes and tasks themselves, which the driver brings.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.engine.around import telling
from headrace.engine.channel import Channel
from headrace.engine.held import Held, script_of
from headrace.engine.outcome import Ended, Failed, GivenUp, Outcome, Value
from headrace.engine.policy import LEFT_OUT, Fault
from headrace.engine.ports import (
    Answer,
    Calling,
    LateTap,
    Pool,
    Port,
    Puller,
    call_elsewhere,
    receive,
    resume_elsewhere,
)
from headrace.engine.tasked import Tasked
from headrace.engine.window import Slot, Window
from headrace.graph.dag import Node, Stage
from headrace.graph.stages import calls_overlap

if TYPE_CHECKING:
    from headrace.engine.lines import Lines

__all__ = ["Elsewhere"]

Begins = Callable[[Slot, Any], Callable[[Value | Failed], None]]  # a call; gives what is called with its outcome


class Elsewhere:
    """What the lines of a run have running elsewhere."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.pools: dict[str, Pool] = {}  # by node id

    def port(self, nodes: list[Node], stage: Stage, channel: Channel) -> Port:
        """The port of a stage that runs elsewhere."""
        driver, end, in_task = self.lines.driver, nodes[-1], stage.executor == "async"
        if calls_overlap(end):
            pool = self._pool(end)
            return Port(channel, self._calling(end, channel, pool), driver, in_fiber=stage.fiber, works=pool)
        puller = self._pulling_task(nodes, channel) if in_task else self._pulling_thread(end, channel)
        late = any(edge.source not in self.lines.values for node in nodes for edge in node.value_edges)
        return Port(channel, partial(self._resume, nodes, channel, puller), driver, in_fiber=late, works=puller)

    def _pool(self, node: Node) -> Pool:
        driver = self.lines.driver
        pool = self.pools[node.id] = driver.pool(node)
        pool = telling(pool, node, self.lines.calls.observers, driver.clock.now)
        if node.limit is not None:
            pool = self.lines.limits.pool(node, pool)
        if node.id in self.lines.retries:
            pool = self.lines.retries[node.id].pool(pool)
        return pool

    def _calling(self, node: Node, channel: Channel, pool: Pool) -> Callable[[], None]:
        """The pump of a per-item step whose calls overlap."""
        in_process = node.executor == "process"  # then calls wait in the pool, to go together
        numbers = itertools.count(1)
        window = Window(
            channel,
            node.max_in_flight if in_process else node.concurrency,
            node.ordered,
            judge=partial(self._judged, node),
            ends=lambda why: self._ended(node, why, next(numbers) - 1),
        )
        if node.id in self.lines.retries:
            self.lines.retries[node.id].placed_in(window)
        [source] = self.lines.streams(node, None).values()
        calls: list[tuple[Calling, Callable[[Any], Any]]] = []

        def settle(slot: Slot, item: Any, number: int, outcome: Value | Failed) -> None:
            if isinstance(outcome, Failed):
                attempts = outcome.attempts if isinstance(outcome, GivenUp) else 1
                window.settle(slot, Fault(outcome.error, item, number, attempts))
            elif node.kind == "filter":
                window.settle(slot, Value(item) if outcome.value else None)
            else:
                window.settle(slot, outcome)

        begins = self._scripted(node, lambda slot, item: partial(settle, slot, item, next(numbers)))

        def pump() -> None:
            if not calls:
                self.lines.await_values(node.value_edges)
                calls.append((self._keeping(node, pool), self.lines.calls.plain_of_item(node)))
            call_elsewhere(window, source, *calls[0], begins, self.lines.blamed_on(node))

        return pump

    def _keeping(self, node: Node, pool: Pool) -> Calling:
        """`pool`, or where results of the node are kept, one that makes only the calls that have none."""
        kept = self.lines.calls.kept(node)
        return pool if kept is None else kept.pool(pool, self.lines.driver)

    def _scripted(self, node: Node, begins: Begins) -> Begins:
        """`begins`, or where a test says in which order the calls are over, what holds them back until then."""
        script = script_of(self.lines.calls.program.functions.get(node.id))
        if script is None:
            return begins
        held = self.lines.held = self.lines.held or Held()
        return lambda slot, item: held.begins(script, node, item, begins(slot, item))

    def _judged(self, node: Node, fault: Fault) -> Value | Failed | None:
        """What becomes of a call that failed: a value, nothing, or the failure of the stream."""
        if node.id in self.lines.retries:
            self.lines.retries[node.id].last = GivenUp(fault.error, fault.attempts)
        policy = self.lines.calls.policies.get(node.id)
        if policy is not None and isinstance(fault.error, Exception):
            lost = policy.lost(fault.error, fault.item, fault.number)
            if lost is not None:
                return None if lost is LEFT_OUT else Value(lost)
        return self._failed(node, fault)

    def _ended(self, node: Node, why: Ended | Failed, items: int) -> Ended | Failed:
        """What a stream ends with whose source has ended, and whose calls are over."""
        policy = self.lines.calls.policies.get(node.id)
        self.lines.ended(node.id)
        last = policy.over(items) if policy is not None and isinstance(why, Ended) else None
        return self._failed(node, last) if last is not None else why

    def _failed(self, node: Node, fault: Fault) -> Failed:
        self.lines.let_go(node)
        return Failed(self.lines.calls.blamed(fault.error, node, fault.number))

    def _pulling_thread(self, node: Node, channel: Channel) -> Puller:
        """A generator step that runs in a thread of its own."""
        inputs = self.read_late(node)

        def open(remote: Callable[[Iterator[Any]], Iterator[Any]]) -> Iterator[Any]:
            streams = {name: remote(items) for name, items in inputs.items()}
            return self.lines.calls.iterator(node, streams, lambda: None)

        return self._puller(node, open, self._receiving([node], channel), inputs, in_task=False)

    def _pulling_task(self, nodes: list[Node], channel: Channel) -> Puller:
        """An async stage, which runs in a task of its own."""
        inputs = self.read_late(nodes[0])

        async def open(remote: Callable[[Iterator[Any]], AsyncIterator[Any]]) -> AsyncIterator[Any]:
            stage = Tasked(self.lines, nodes, inputs, remote)
            try:
                async for item in stage.items:
                    yield item
            finally:
                await stage.close()

        return self._puller(nodes[-1], open, self._receiving(nodes, channel), inputs, in_task=True)

    def result_in_task(self, nodes: list[Node], value: Node | None) -> Any:
        """What an async stage gives that ends in `value`, or all of its items in a list."""
        head = nodes[0] if nodes else value
        assert head is not None
        inputs = self.read_late(head)
        answer = Answer(self.lines.driver)

        async def once(remote: Callable[[Iterator[Any]], AsyncIterator[Any]]) -> AsyncIterator[Any]:
            stage = Tasked(self.lines, nodes, inputs, remote, ends_in=value)
            try:
                yield await stage.result()
            finally:
                await stage.close()

        puller = self._puller(value or nodes[-1], once, answer.done, inputs, in_task=True)
        try:
            puller.ask()
            return answer.unwrap()
        finally:
            puller.stop()

    def result_of_call(self, node: Node) -> Any:
        """What a step gives that is called once, in a thread or a worker process."""
        answer = Answer(self.lines.driver)
        self._keeping(node, self._pool(node)).submit(self.lines.calls.once(node), None, answer.done)
        return answer.unwrap()

    def _puller(
        self,
        node: Node,
        open: Callable[..., Any],
        done: Callable[[Outcome], None],
        inputs: Mapping[str, Iterator[Any]],
        *,
        in_task: bool,
    ) -> Puller:
        def heard() -> None:
            for items in inputs.values():
                if isinstance(items, LateTap):
                    items.received()

        def failed(error: BaseException) -> None:
            self.lines.blame.step(error, node)
            self.lines.failed(error)

        return self.lines.driver.puller(open, done, heard, failed, node.name, in_task=in_task)

    def _receiving(self, nodes: Sequence[Node], channel: Channel) -> Callable[[Outcome], None]:
        def done(outcome: Outcome) -> None:
            receive(channel, self.lines.blamed_on(nodes[-1]), outcome)
            if channel.ended is not None:
                why = channel.ended.error if isinstance(channel.ended, Failed) else None
                self.lines.close_inputs(nodes[0], why)
            if not isinstance(outcome, Value):
                for node in nodes:
                    self.lines.ended(node.id)

        return done

    def read_late(self, node: Node) -> dict[str, Iterator[Any]]:
        """What a node reads that runs elsewhere."""
        inputs: dict[str, Iterator[Any]] = {}
        for edge in node.stream_edges:
            branch = self.lines.branches.get((edge.source, node.id, edge.parameter))
            if branch is None:
                inputs[edge.parameter] = self.lines.read(node.id, edge)
            else:
                inputs[edge.parameter] = LateTap(branch, self.lines.ports[edge.source].ask, self.lines.driver)
        return inputs

    def _resume(self, nodes: Sequence[Node], channel: Channel, puller: Puller) -> None:
        for node in nodes:
            self.lines.await_values(node.value_edges)
        resume_elsewhere(channel, puller)
