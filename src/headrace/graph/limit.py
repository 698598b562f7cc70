"""Limits that steps share: how many calls may run at once, and how often one may begin.

Lives here: what a limit says, and the arithmetic of when the next call may begin. Must not live here: waiting, and
whose call it is (engine/limits.py). Like a channel it is arithmetic only; unlike one it is shared by runs in several
threads, so it has a lock, which is held for that arithmetic and for posting wake-ups.

The rate is a schedule (the generic cell rate algorithm of ATM, ITU-T I.371): each call that begins moves the moment at
which the next one is due by its cost. A call that waits for its moment begins a little late, as timers do; the next
moment is counted from when it should have begun, so the rate does not sink below what was asked for.
"""

from __future__ import annotations

import math
import os
import re
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol
from weakref import WeakKeyDictionary

from headrace.errors import OptionError
from headrace.graph.place import called_at, called_in
from headrace.graph.values import is_count, shown

__all__ = ["Gate", "Keeper", "Limit", "Permit", "Stuck", "kept_by"]

LATE = 0.1  # seconds that a call may be late and still be counted from when it should have begun
UNITS = {"s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
UNITS |= {"d": 86400.0, "day": 86400.0}
NEVER = -math.inf


class Time(Protocol):
    """A clock."""

    def now(self) -> float:
        """The time in seconds."""
        ...


class Limit:
    """A limit for the calls of all steps that are given it with `limit=`, in all pipelines and all their runs.

    A call begins only when the limit lets it: while it waits, its item counts as in flight. Within one run, calls begin
    in the order in which they come, but for those that `retry` makes again, which come first; runs at the same time in
    several threads or loops share the limit, in no promised order. What waits takes no thread and blocks no event loop.

    Args:
        concurrency: How many calls may run at once.
        rate: How many calls may begin in a time, as "100/min": a number and s, min, hour or day. They are spread
            evenly: with "100/min", one begins every 0.6 seconds.
        cost: With a rate, what a call counts for, given its item; then "90000/min" is 90,000 of what `cost` gives.
            Default: 1 each.
        burst: How many calls may begin together after a time in which none did, if the rate as a whole is kept; default
            1. With `cost`, in units of it.
        name: What it is called in messages and in the DAG; default: what it says.

    Raises: OptionError: a value that it cannot have, or neither `concurrency` nor `rate`.

    >>> from headrace import Limit, Stream, pipeline, step, stream
    >>> api = Limit(concurrency=10, rate="6000/min")
    >>> @step(limit=api, executor="thread", max_in_flight=20)
    ... def price(article: str) -> int:
    ...     return len(article)
    >>> @step(limit=api, executor="thread", max_in_flight=20)
    ... def stock(article: str) -> int:
    ...     return article.count("e")
    >>> @pipeline
    ... def offers(articles: list[str]) -> tuple[list[int], list[int]]:
    ...     return stream(articles).map(price).collect(), stream(articles).map(stock).collect()
    >>> offers.run(["eraser", "pen"])
    ([6, 3], [2, 1])
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        rate: str | None = None,
        cost: Callable[[Any], float] | None = None,
        burst: int = 1,
        name: str | None = None,
    ) -> None:
        owner = f"limit{'' if name is None else f' {name!r}'} ({called_at()})"
        _check(owner, concurrency, rate, cost, burst, name)
        self.concurrency = concurrency
        self.rate = rate
        self.cost = cost
        self.burst = burst
        self.units: float | None = None
        self.seconds: float | None = None
        if rate is not None:
            self.units, self.seconds = _parsed(owner, rate)
        self.name: str = name or self._text()
        self.key: str = os.urandom(8).hex()  # the same for all that stand for it in other processes
        self.module: str = called_in()
        self._lock = threading.Lock()
        self._gate = Gate(self)  # in real time
        self._gates: WeakKeyDictionary[Time, Gate] = WeakKeyDictionary()  # in scripted times

    def __repr__(self) -> str:
        return f"<limit '{self.name}'>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"{self!r} is shared within one process; pause it in a step that runs there")

    def pause(self, seconds: float) -> None:
        """Let no call begin for so many seconds, of any step in any run. A shorter pause does not end a longer one.

        Calls that run go on. Safe to use from steps and from any thread.

        Raises: OptionError: not a number of 0 or more.

        >>> api = Limit(rate="100/s")
        >>> api.pause(0.01)
        """
        if not _is_amount(seconds):
            raise OptionError(
                f"{self!r} ({called_at()}): pause must get a number of seconds of 0 or more, got {shown(seconds)}; "
                "give it what the server asks for"
            )
        keeper = kept_by.get()
        if keeper is not None and keeper.keeps(self):
            keeper.pause(self, seconds)
            return
        with self._lock:
            gates = [(clock.now(), gate) for clock, gate in self._gates.items()]
        for now, gate in [(time.monotonic(), self._gate), *gates]:
            gate.pause_until(now + seconds)

    def gate(self, clock: Time | None) -> Gate:
        """What its calls pass in real time (None), or in the time of a scripted clock: each time has its own."""
        if clock is None:
            return self._gate
        with self._lock:
            return self._gates.setdefault(clock, Gate(self))

    def _text(self) -> str:
        parts = [f"{self.concurrency} at once" if self.concurrency else "", self.rate or ""]
        return ", ".join(part for part in parts if part)


class Keeper(Protocol):
    """Who keeps limits for code that runs in another place than they are in."""

    def keeps(self, limit: Limit) -> bool:
        """Whether it is one of those."""
        ...

    def pause(self, limit: Limit, seconds: float) -> None:
        """Let no call begin for so many seconds."""
        ...


kept_by: ContextVar[Keeper | None] = ContextVar("headrace keeper", default=None)


class Stuck(Exception):
    """All calls that run wait for others, which wait for them."""


class Permit:
    """One call that runs. `thread` is the one in which it runs, as soon as it does."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        self.thread: int | None = None


class Waiter(Protocol):
    """Whoever waits until a call is over."""

    def wake(self) -> None:
        """Look again. Called from any thread."""
        ...

    def holds_up(self, permit: Permit) -> bool:
        """Whether that call cannot be over before this wait is."""
        ...


class Gate:
    """What the calls of one limit pass. Times are in seconds; all methods are safe to use from threads.

    >>> class Line:
    ...     def wake(self):
    ...         print("look again")
    ...
    ...     def holds_up(self, permit):
    ...         return False
    >>> gate, one, two, three = Gate(Limit(concurrency=2, rate="1/s")), Permit(), Permit(), Permit()
    >>> gate.admit(10.0, one, since=10.0, cost=1) is None, gate.admit(10.0, two, since=10.0, cost=1)
    (True, 11.0)
    >>> gate.admit(11.05, two, since=10.0, cost=1) is None  # late, but the next one is not
    True
    >>> gate.admit(11.5, three, since=11.5, cost=1, waiter=Line())
    inf
    >>> gate.leave(11.75, one)
    look again
    >>> gate.admit(11.75, three, since=11.5, cost=1)
    12.0
    """

    __slots__ = (
        "_burst",
        "_concurrency",
        "_due",
        "_interval",
        "_late",
        "_lock",
        "_opened",
        "_paused",
        "_running",
        "_waiting",
    )

    def __init__(self, limit: Limit) -> None:
        self._concurrency = math.inf if limit.concurrency is None else limit.concurrency
        self._interval = 0.0 if limit.units is None or limit.seconds is None else limit.seconds / limit.units
        self._burst = (limit.burst - 1) * self._interval
        self._lock = threading.Lock()
        self._running: set[Permit] = set()
        self._due = NEVER  # when the next call would begin without a burst
        self._late = 0.0  # how late the last call began: what came of it came as late
        self._opened = NEVER  # when last one more could run
        self._paused = NEVER  # until when no call begins
        self._waiting: dict[Waiter, None] = {}

    def admit(
        self, now: float, permit: Permit, *, since: float, cost: float, waiter: Waiter | None = None
    ) -> float | None:
        """None: a call that waits `since` then has begun. Else when to ask again: `inf` is when `waiter` is woken.

        Raises: Stuck: it never would be.
        """
        with self._lock:
            if len(self._running) >= self._concurrency:
                if waiter is not None:
                    self._wait(waiter)
                return math.inf
            begins = max(self._due - self._burst, self._paused)
            if begins > now:
                return begins
            self._running.add(permit)
            if self._interval:
                came = max(since, self._opened)
                scheduled = max(begins if came - self._late <= begins else came, now - LATE)
                self._late = now - scheduled
                self._due = max(self._due, scheduled) + cost * self._interval
            return None

    def _wait(self, waiter: Waiter) -> None:
        self._waiting[waiter] = None
        if all(any(waiter.holds_up(permit) for waiter in self._waiting) for permit in self._running):
            del self._waiting[waiter]
            raise Stuck

    def leave(self, now: float, permit: Permit) -> None:
        """A call is over."""
        with self._lock:
            if len(self._running) >= self._concurrency:
                self._opened = now
            self._running.remove(permit)
            for waiter in self._waiting:
                waiter.wake()
            self._waiting.clear()

    def forget(self, waiter: Waiter) -> bool:
        """Nobody there waits any more. False if it has been woken."""
        with self._lock:
            return self._waiting.pop(waiter, self) is None

    def pause_until(self, when: float) -> None:
        """No call begins before."""
        with self._lock:
            self._paused = max(self._paused, when)


def _check(owner: str, concurrency: object, rate: object, cost: object, burst: object, name: object) -> None:
    if concurrency is None and rate is None:
        raise OptionError(
            f"{owner}: must say how many calls may run at once, or how often one may begin, got neither; give it "
            "concurrency=10, or rate='100/min', or both"
        )
    if concurrency is not None and not is_count(concurrency, 1):
        raise OptionError(
            f"{owner}: concurrency must be a whole number of 1 or more, got {shown(concurrency)}; to let calls begin "
            "freely, leave it out"
        )
    if not is_count(burst, 1):
        raise OptionError(
            f"{owner}: burst must be a whole number of 1 or more, got {shown(burst)}; for calls that are spread "
            "evenly, leave it out"
        )
    if cost is not None and not callable(cost):
        raise OptionError(
            f"{owner}: cost must be a function that is given the item, got {shown(cost)}; if each call counts for 1, "
            "leave it out"
        )
    without_rate = "cost" if cost is not None else "burst" if burst != 1 else None
    if rate is None and without_rate:
        raise OptionError(f"{owner}: {without_rate} is that of a rate, got no rate; add rate=, or leave it out")
    if name is not None and (not isinstance(name, str) or not name.strip()):
        raise OptionError(f"{owner}: name must be text, got {shown(name)}; give it one, or leave it out")


def _parsed(owner: str, rate: object) -> tuple[float, float]:
    """How many, in how many seconds."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*/\s*([a-z]+)\s*", rate) if isinstance(rate, str) else None
    units = float(found[1]) if found is not None else 0.0
    seconds = UNITS.get(found[2]) if found is not None else None
    if not units or seconds is None:
        raise OptionError(
            f"{owner}: rate must be a number above 0 in a time, like '100/min', with s, min, hour or day, got "
            f"{shown(rate)}; correct it, or leave it out for no rate"
        )
    return units, seconds


def _is_amount(value: object) -> bool:
    """Whether it is a number of 0 or more."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < math.inf
