"""Whose turn it is: the calls of one run that wait for one limit.

Lives here: which call begins next. Must not live here: when that is (graph/limit.py), what is done with it (limits.py),
and waiting, which the driver does.

A line has its calls in the order in which they come; but one that is made again, whose item came earlier, goes before
those that are not. Only the first of them asks. If it is told a time, a timer of the driver asks again; if a call has
to end first, whoever ends it, in whatever run, posts a message.
"""

from __future__ import annotations

import itertools
import math
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from typing import Any

from headrace.engine.ports import Driver, Timer
from headrace.errors import DeadlockError, OptionError
from headrace.graph.dag import Node
from headrace.graph.limit import Gate, Limit, Permit, Stuck
from headrace.graph.values import shown

__all__ = ["Line", "NearLine", "Waiting", "permits"]

permits: ContextVar[tuple[Permit, ...]] = ContextVar("headrace permits", default=())  # of the calls that we are in


class Waiting:
    """A call of a node that waits to begin, since a time: `begin` is given its permit, or `fail` what came up.

    `owner` is the pool that it is for, `again` that it is made again.
    """

    __slots__ = ("again", "begin", "cost", "fail", "node", "owner", "permit", "since")

    def __init__(
        self,
        node: Node | str,
        cost: float,
        since: float,
        begin: Callable[[Permit], object],
        fail: Callable[[Exception], object],
        owner: object = None,
        *,
        again: bool = False,
    ) -> None:
        self.node: Node | str = node  # what messages call it
        self.cost: float = cost
        self.since: float = since
        self.begin: Callable[[Permit], object] = begin
        self.fail: Callable[[Exception], object] = fail
        self.owner: object = owner
        self.again: bool = again
        self.permit: Permit | None = None  # once it has begun


class Line(ABC):
    """The calls of one run that wait for one limit. All of it is called in the run's own thread, but for `leave`."""

    def __init__(self, limit: Limit, driver: Driver) -> None:
        self.driver = driver
        self.limit = limit
        self.cost_of: Callable[[Any], float] | None = limit.cost
        self.above: tuple[Permit, ...] = permits.get()
        self.thread: int | None = None if driver.near else threading.get_ident()  # which waits here do not let go on

    @abstractmethod
    def enter(self, call: Waiting) -> None:
        """One more call, which is begun when it is its turn: now, if that may be."""

    @abstractmethod
    def leave(self, permit: Permit) -> None:
        """A call is over. Safe to use from threads."""

    @abstractmethod
    def give_up(self, call: Waiting) -> None:
        """That call is not to begin; if it may have begun already, it is over."""

    @abstractmethod
    def drop(self, owner: object) -> None:
        """No call of that pool is to begin."""

    @abstractmethod
    def clear(self) -> None:
        """No call is to begin."""

    def begins_now(self, cost: float) -> Permit | None:
        """The permit of a call that may begin at once, and so has."""
        return None

    def holds_up(self, permit: Permit) -> bool:
        """Whether that call cannot be over before those that wait here."""
        return permit in self.above or (permit.thread is not None and permit.thread == self.thread)

    def cost(self, node: Node, item: Any) -> float:
        """What the call for an item counts for."""
        if self.cost_of is None:
            return 1.0
        cost = self.cost_of(item)
        if not isinstance(cost, (int, float)) or not 0 <= cost < math.inf:
            raise OptionError(
                f"{node}: the cost of its limit must give a number of 0 or more, got {shown(cost)} for item "
                f"{shown(item)}; correct that function"
            )
        return cost

    def wait(self, node: Node, cost: float) -> Permit:
        """Return when a call may begin, with its permit."""
        permit = self.begins_now(cost)
        if permit is not None:
            return permit
        waiting: list[Callable[[], object]] = []
        came: list[Permit | Exception] = []

        def wake(what: Permit | Exception) -> None:
            came.append(what)
            for each in waiting:
                each()

        call = Waiting(node, cost, self.driver.shared_now(), wake, wake)
        self.enter(call)
        try:
            while not came:
                self.driver.wait(waiting, None)
        except BaseException:
            self.give_up(call)
            raise
        if isinstance(came[0], Exception):
            raise came[0]
        return came[0]

    def begun(self, permit: Permit) -> Token[tuple[Permit, ...]]:
        """A call begins, here and now."""
        permit.thread = threading.get_ident()
        return permits.set((*permits.get(), permit))


class NearLine(Line):
    """A line that asks the limit itself: first come, first served."""

    def __init__(self, limit: Limit, driver: Driver) -> None:
        super().__init__(limit, driver)
        self.gate: Gate = limit.gate(driver.given_clock)
        self.calls: deque[Waiting] = deque()
        self.timer: Timer | None = None
        self.told: bool = False  # that a message comes when the first call may ask again

    def enter(self, call: Waiting) -> None:
        """One more call, which is begun when it is its turn: now, if that may be."""
        if call.again:
            self.calls.insert(sum(1 for _ in itertools.takewhile(lambda call: call.again, self.calls)), call)
        else:
            self.calls.append(call)
        if len(self.calls) == 1 and not self.told:
            self._ask()

    def leave(self, permit: Permit) -> None:
        """A call is over. Safe to use from threads."""
        self.gate.leave(self.driver.shared_now(), permit)

    def give_up(self, call: Waiting) -> None:
        """That call is not to begin; if it may have begun already, it is over."""
        if call.permit is not None:
            self.leave(call.permit)
        elif call in self.calls:
            self.calls.remove(call)
            self._rest()

    def drop(self, owner: object) -> None:
        """No call of that pool is to begin."""
        self.calls = deque(call for call in self.calls if call.owner is not owner)
        self._rest()

    def clear(self) -> None:
        """No call is to begin."""
        self.calls.clear()
        self._rest()

    def begins_now(self, cost: float) -> Permit | None:
        """The permit of a call that may begin at once, and so has."""
        if self.calls or self.told:
            return None
        permit, now = Permit(), self.driver.shared_now()
        return permit if self.gate.admit(now, permit, since=now, cost=cost) is None else None

    def _ask(self) -> None:
        """Begin the calls that may, and see to it that the first of the others asks again."""
        self.timer = None
        while self.calls:
            call, permit, now = self.calls[0], Permit(), self.driver.shared_now()
            try:
                when = self.gate.admit(now, permit, since=call.since, cost=call.cost, waiter=self)
            except Stuck:
                self._fail_all()
                return
            if when is not None:
                self._ask_again(when)
                return
            self.calls.popleft()
            call.permit = permit
            call.begin(permit)

    def _fail_all(self) -> None:
        calls, self.calls = self.calls, deque()
        for call in calls:
            call.fail(
                DeadlockError(
                    f"{call.node}: waits for {self.limit!r}, whose calls wait for this one: they have started its run, "
                    "or it holds up the event loop that they are in; give it another limit or none, or await arun there"
                )
            )

    def _ask_again(self, when: float) -> None:
        if when == math.inf:
            self.told = True
            self.driver.expect(1)
        else:
            self.timer = self.driver.timer(self._on_clock(when), self._ask)

    def _on_clock(self, when: float) -> float:
        """`when` on the run's own clock, which in real time may count from another moment."""
        if self.driver.given_clock is not None:
            return when
        return self.driver.clock.now() + when - self.driver.shared_now()

    def wake(self) -> None:
        """The first call may ask again. Called from any thread."""
        with suppress(RuntimeError):  # of a run that was left suspended when its event loop was closed
            self.driver.post(self._heard)

    def _heard(self) -> None:
        """A call is over, somewhere."""
        self.told = False
        self.driver.expect(-1)
        self._ask()

    def _rest(self) -> None:
        """If no call waits, nothing needs to be heard."""
        if self.calls:
            return
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.told and self.gate.forget(self):
            self.told = False
            self.driver.expect(-1)
