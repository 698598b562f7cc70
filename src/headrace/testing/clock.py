"""A clock for tests: its time moves only when a run has nothing to do but wait, or when the test moves it."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["ScriptedClock", "ScriptedLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ScriptedClock:
    """Scripted time, in seconds from 0. A run that only waits for a time is there at once, however far it is.

    Give it to a runner. What waits for a time-out then takes no real time, and neither does `await asyncio.sleep(...)`
    in async steps, as long as the event loop is the run's own or that of `clock.run`; whatever happens, happens in the
    same order in every run. While a call in a thread is under way, time stands still.

    >>> import asyncio
    >>> from headrace import SyncRunner, step
    >>> from headrace.testing import ScriptedClock
    >>> @step(max_in_flight=3, ordered=False)
    ... async def after(hours: int) -> str:
    ...     await asyncio.sleep(hours * 3600)
    ...     return f"{hours} h"
    >>> @step
    ... def waits():
    ...     yield from [3, 1, 2]
    >>> clock = ScriptedClock()
    >>> SyncRunner(clock=clock).execute(waits | after).result
    ['1 h', '2 h', '3 h']
    >>> clock.now()
    10800.0
    """

    def __init__(self) -> None:
        self._time = 0.0
        self._lock = threading.Lock()
        self._asleep: set[Callable[[], object]] = set()

    def now(self) -> float:
        """The time in seconds."""
        return self._time

    def advance(self, seconds: float) -> None:
        """Move time on by so many seconds: what that makes due is done next. Safe to use from threads.

        Raises: ValueError: a negative number.

        >>> clock = ScriptedClock()
        >>> clock.advance(1.5)
        >>> clock.now()
        1.5
        """
        if seconds < 0:
            raise ValueError(f"time moves forwards only, got advance({seconds})")
        self._move_to(self._time + seconds)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Like `asyncio.run`, in an event loop with this clock's time.

        >>> import asyncio
        >>> clock = ScriptedClock()
        >>> clock.run(asyncio.sleep(60, "a minute later")), clock.now()
        ('a minute later', 60.0)
        """
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(work)

    def new_loop(self) -> ScriptedLoop:
        """An event loop with this clock's time, such as `asyncio.Runner(loop_factory=...)` wants."""
        return ScriptedLoop(self)

    def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float | None:
        """For how many real seconds a run may wait before it is `when`: none, once time was moved there."""
        with self._lock:
            if not idle and when > self._time:
                self._asleep.add(look_again)
                return None
        self._move_to(when)
        return 0.0

    def _move_to(self, when: float) -> None:
        with self._lock:
            self._time = max(self._time, when)
            asleep, self._asleep = self._asleep, set()
        for look_again in asleep:
            look_again()


class ScriptedLoop(asyncio.SelectorEventLoop):
    """An event loop with a clock's time: when nothing can go on, it is at once the time of what comes next.

    What works outside of the loop holds time: a call in an executor, and whatever says so with `hold`. Sockets do not.
    """

    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.held: int = 0
        self.latest: float = clock.now()
        super().__init__(_Selector(self))

    def time(self) -> float:
        """The clock's time."""
        self.latest = self.clock.now()
        return self.latest

    def hold(self, calls: int) -> None:
        """So many more calls (or fewer, if negative) are under way outside of the loop."""
        self.held += calls

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """A call in a thread holds time until it is over."""
        future = super().run_in_executor(executor, func, *args)
        self.hold(1)
        future.add_done_callback(lambda _: self.hold(-1))
        return future

    async def shutdown_default_executor(self, *arguments: Any) -> None:
        """Waiting for its threads to end holds time."""
        self.hold(1)
        try:
            await super().shutdown_default_executor(*arguments)
        finally:
            self.hold(-1)

    def look_again(self) -> None:
        """Time has moved. Safe to use from threads."""
        if not self.is_closed():
            self.call_soon_threadsafe(lambda: None)


class _Selector(selectors.DefaultSelector):
    """Asked to wait for some seconds, it moves the clock."""

    def __init__(self, loop: ScriptedLoop) -> None:
        super().__init__()
        self.loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(0)
        if events:
            return events
        loop = self.loop
        when = loop.latest + timeout  # a thread may have moved time since the loop looked
        return super().select(loop.clock.until(when, idle=not loop.held, look_again=loop.look_again))
