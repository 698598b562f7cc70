"""Time, as a driver keeps it: how late it is, and what is to be done when.

Lives here: the protocol of clocks, the real clock, and the timers of one run. Must not live here: waiting, which is the
hub's (sync.py). A clock with scripted time, for tests, is in headrace.testing.
"""

from __future__ import annotations

import time
from bisect import insort
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

__all__ = ["Clock", "RealClock", "Timer", "Timers"]


class Clock(Protocol):
    """What a run takes the time from."""

    def now(self) -> float:
        """The time in seconds, since a moment that does not change."""
        ...

    def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float | None:
        """How long the run may wait for messages before it is `when`, in real seconds; None is as long as it takes.

        `idle` tells that nothing is under way from which a message could come. `look_again` may be called later, from
        any thread, if time has moved in another way.
        """
        ...

    @property
    def new_loop(self) -> Callable[[], AbstractEventLoop] | None:
        """What makes an event loop with this clock's time, for runs that need a loop; None if any loop will do."""
        ...


class RealClock:
    """Real time, as `now` tells it: that of the operating system, or of an event loop."""

    new_loop = None

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now

    def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float:
        """The seconds until `when`."""
        return max(0.0, when - self.now())


class Timer:
    """Something to be done at a time."""

    __slots__ = ("call", "others", "when")

    def __init__(self, when: float, call: Callable[[], object], others: list[Timer]) -> None:
        self.when: float = when
        self.call: Callable[[], object] = call
        self.others: list[Timer] = others

    def cancel(self) -> None:
        """It is not to be done any more. Nothing happens if it is done."""
        if self in self.others:
            self.others.remove(self)


class Timers:
    """What is still to be done, in the order of time; of several for one time, the first that was added is first.

    >>> timers = Timers()
    >>> late, early = timers.add(2.0, lambda: "late"), timers.add(1.0, lambda: "early")
    >>> timers.due(0.5), timers.due(1.0)(), timers.next
    (None, 'early', 2.0)
    >>> late.cancel()
    >>> timers.next
    """

    __slots__ = ("waiting",)

    def __init__(self) -> None:
        self.waiting: list[Timer] = []

    def add(self, when: float, call: Callable[[], object]) -> Timer:
        """`call` is to be done at `when`."""
        timer = Timer(when, call, self.waiting)
        insort(self.waiting, timer, key=lambda timer: timer.when)
        return timer

    @property
    def next(self) -> float | None:
        """When the next one is to be done, if there is one."""
        return self.waiting[0].when if self.waiting else None

    def due(self, now: float) -> Callable[[], object] | None:
        """The next one, if it is to be done by now. It is not here any more then."""
        if self.waiting and self.waiting[0].when <= now:
            return self.waiting.pop(0).call
        return None
