"""The limits of one run, each of which may be shared with other runs.

Lives here: what is done when a call may begin and when it is over. Must not live here: which one begins next
(limit_line.py), when that is (graph/limit.py), and who is asked (kept.py, if it is somebody elsewhere).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from headrace.engine.kept import line_of
from headrace.engine.limit_line import Line, Waiting, permits
from headrace.engine.outcome import Failed, Value
from headrace.engine.ports import Driver, Pool
from headrace.graph.dag import Node
from headrace.graph.limit import Limit, Permit

__all__ = ["LimitedPool", "Limits"]

Call = Callable[[Any], Any]
Done = Callable[[Value | Failed], None]


class Limits:
    """The limits of one run, by the id of the nodes that have them."""

    def __init__(self, limits: Mapping[str, Limit], driver: Driver) -> None:
        self.driver = driver
        lines = {limit: line_of(limit, driver) for limit in limits.values()}
        self.lines: dict[str, Line] = {id: lines[limit] for id, limit in limits.items()}
        self.pools: list[LimitedPool] = []

    def here(self, node: Node, call: Call) -> Call:
        """`call` of an item, for a call in the run's own thread that waits until it may begin."""
        line = self.lines[node.id]

        def limited(item: Any) -> Any:
            permit = line.wait(node, line.cost(node, item))
            token = line.begun(permit)
            try:
                return call(item)
            finally:
                permits.reset(token)
                line.leave(permit)

        return limited

    def pool(self, node: Node, pool: Pool) -> Pool:
        """`pool`, for calls that are submitted to it when they may begin."""
        limited = LimitedPool(self.lines[node.id], node, pool, self.driver)
        self.pools.append(limited)
        return limited

    def stop(self) -> None:
        """No more calls begin."""
        for line in self.lines.values():
            line.clear()

    def close(self) -> None:
        """No calls run any more."""
        for pool in self.pools:
            pool.close()


class LimitedPool:
    """A pool whose calls wait until their limit lets them begin."""

    def __init__(self, line: Line, node: Node, pool: Pool, driver: Driver) -> None:
        self.line = line
        self.node = node
        self.inner = pool
        self.driver = driver
        self.elsewhere: float = 0.0  # the pool within tells
        self.ends_here: bool = node.executor == "process"  # there, nothing of this run could tell that a call is over
        self.running: set[Permit] = set()  # of those that end here
        self.call: Call | None = None  # the same each time
        self.limited: Call | None = None  # given a permit too; tells when it is over

    def submit(self, call: Call, item: Any, done: Done, *, again: bool = False) -> None:
        """Have `call(item)` run elsewhere as soon as it may begin."""
        fail = partial(self._fail, done)
        try:
            cost = self.line.cost(self.node, item)
        except Exception as error:
            fail(error)
        else:
            begin = partial(self._begin, call, item, done)
            self.line.enter(Waiting(self.node, cost, self.driver.shared_now(), begin, fail, self, again=again))

    def stop(self) -> None:
        """Cancel the calls that can be cancelled, and do not wait for them."""
        self.line.drop(self)
        self.inner.stop()

    def close(self) -> None:
        """No calls run any more: those that were ended with their worker are over, too."""
        while self.running:
            self.line.leave(self.running.pop())

    def _begin(self, call: Call, item: Any, done: Done, permit: Permit) -> None:
        if self.ends_here:
            self.running.add(permit)
            self.inner.submit(call, item, partial(self._over, done, permit))
            return
        if self.limited is None or self.call is not call:
            self.call = call
            self.limited = self._in_task(call) if self.node.executor == "async" else self._in_thread(call)
        self.inner.submit(self.limited, (permit, item), done)

    def _over(self, done: Done, permit: Permit, outcome: Value | Failed) -> None:
        self.running.remove(permit)
        self.line.leave(permit)
        done(outcome)

    def _fail(self, done: Done, error: Exception) -> None:
        """A call has failed before it began, of which `done` is told later."""
        self.driver.expect(1)
        self.driver.post(partial(self._failed, done, Failed(error)))

    def _failed(self, done: Done, outcome: Failed) -> None:
        self.driver.expect(-1)
        done(outcome)

    def _in_thread(self, call: Call) -> Call:
        begun, leave = self.line.begun, self.line.leave

        def limited(permit_and_item: tuple[Permit, Any]) -> Any:
            permit, item = permit_and_item
            begun(permit)
            try:
                return call(item)
            finally:
                leave(permit)

        return limited

    def _in_task(self, call: Call) -> Call:
        begun, leave = self.line.begun, self.line.leave

        async def limited(permit_and_item: tuple[Permit, Any]) -> Any:
            permit, item = permit_and_item
            begun(permit)
            try:
                return await call(item)
            finally:
                leave(permit)

        return limited
