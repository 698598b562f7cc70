"""The async driver: the same hub, inside the caller's task.

The run's fibers are greenlets within the task that awaits the run. When none of them can go on, the hub steps outside:
back to the task's coroutine, which awaits the next message on its behalf and steps in again. So plain steps run on the
loop's thread, `asyncio.current_task()`, time-outs and context variables are those of the caller, and cancelling the
task stops the run.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from greenlet import getcurrent, greenlet

from headrace.drivers.clock import Clock, RealClock
from headrace.drivers.pulled import Mailbox
from headrace.drivers.runner import Told
from headrace.drivers.sync import Hub, Mail, nothing
from headrace.engine.around import resumed_in_task
from headrace.engine.log import log
from headrace.engine.observers import Observers
from headrace.engine.outcome import Failed, Stopped, Value, capture, is_close
from headrace.engine.run import Execution
from headrace.engine.stopwatch import Detail
from headrace.graph.dag import Program

if TYPE_CHECKING:
    from headrace.drivers.tasks import Loop
    from headrace.engine.checkpoint import Checkpoints
    from headrace.engine.events import Observer
    from headrace.engine.report import Report

__all__ = ["iterate", "observed", "run"]

END: Any = object()
LONG = 0.1  # seconds for which a step may hold the loop without a warning


async def run(
    program: Program,
    arguments: Mapping[str, Any],
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
) -> Any:
    """The result of one run."""
    inside = Inside(program, arguments, clock, checkpoints)
    try:
        return await inside.do(inside.execution.result)
    finally:
        inside.leave()


def iterate(
    program: Program,
    arguments: Mapping[str, Any],
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
    observers: Sequence[Observer] = (),
    detail: Detail = Detail.SECONDS,
) -> AsyncIterator[Any]:
    """The items of one run, as they are asked for. It is counted if there are observers to hear of it."""
    if not observers:
        return _items(lambda: Inside(program, arguments, clock, checkpoints), native=True)
    heard = Observers(observers)
    return _told_of(lambda: Inside(program, arguments, clock, checkpoints, detail, heard))


async def _told_of(begin: Callable[[], Inside]) -> AsyncIterator[Any]:
    inside = begin()
    told = Told.of(inside.execution)
    items = _items(lambda: inside, native=False)  # an async stage counts nothing
    if told.around.wanted:
        items = resumed_in_task(told.around, items)
    try:
        async for item in items:
            yield item
    finally:
        await items.aclose()
        told.ended()


async def _items(begin: Callable[[], Inside], *, native: bool) -> AsyncGenerator[Any, None]:
    """The items; with `native`, an async stage is read in the caller's own task, where it can be."""
    inside = begin()
    execution = inside.execution
    try:
        stage = await inside.do(execution.native_stage) if native else None
        if stage is None:
            items = execution.items()
            try:
                while (item := await inside.do(partial(next, items, END))) is not END:
                    yield item
            finally:
                await inside.do(items.close)
        else:
            try:
                async for item in stage.items:
                    yield item
            except BaseException as error:
                if not is_close(error):
                    execution.failed_in_output(error)
            try:
                await stage.close()
            except BaseException as error:
                execution.fail(error)
            await inside.do(execution.close)
    finally:
        inside.leave()


async def observed(
    program: Program,
    arguments: Mapping[str, Any],
    observers: Sequence[Observer],
    clock: Clock | None,
    checkpoints: Checkpoints | None = None,
    detail: Detail = Detail.SECONDS,
) -> tuple[Any, Report]:
    """The result of one run, and its counts; observers hear of both."""
    inside = Inside(program, arguments, clock, checkpoints, detail, Observers(observers))
    told = Told.of(inside.execution)
    try:
        with told.around:
            result = await inside.do(inside.execution.result)
    finally:
        inside.leave()
        report = told.ended()
    return result, report


class Inside:
    """The run's own greenlet in the caller's task: does one job after the other, and is awaited from outside."""

    def __init__(
        self,
        program: Program,
        arguments: Mapping[str, Any],
        clock: Clock | None,
        checkpoints: Checkpoints | None,
        detail: Detail = Detail.NOTHING,
        observers: Observers | None = None,
    ) -> None:
        self.mail: LoopMail = LoopMail()
        self.hub: AsyncHub = AsyncHub(self.mail, clock)
        self.execution: Execution = Execution(program, arguments, self.hub, detail, checkpoints, observers)
        self.hub.run = self.execution
        self.job: Callable[[], Any] = lambda: None
        self.outcome: Value | Failed | None = None
        self.warned: bool = False
        self.greenlet: greenlet = greenlet(self._work)

    async def do(self, job: Callable[[], Any]) -> Any:
        """What `job` gives, or raises. While it waits, the loop goes on."""
        self.job, self.outcome = job, None
        self.greenlet.gr_context = getcurrent().gr_context
        self.mail.outside = getcurrent()
        self.mail.idler = self.greenlet
        now = self.mail.loop.time
        while self.outcome is None:
            begun = now()
            self.mail.idler.switch()
            if not self.warned and now() - begun > LONG:
                self._warn(now() - begun)
            if self.outcome is None:
                try:
                    await self.mail.arrival()
                except BaseException as error:  # the caller's task is cancelled
                    self.hub.interrupt(error)
        return self.outcome.unwrap()

    def _warn(self, seconds: float) -> None:
        """The loop was held: say so, once, and what helps."""
        self.warned = True
        plain = [node for node in self.execution.dag.nodes if node.function and node.executor == "inline"]
        if plain:
            log().warning(
                "headrace: pipeline '%s': its plain steps (%s) held the event loop for %.2f s; give what blocks "
                "executor='thread'",
                self.execution.dag.name,
                ", ".join(map(str, plain)),
                seconds,
            )

    def leave(self) -> None:
        """End the greenlet."""
        if self.greenlet:
            self.greenlet.parent = getcurrent()
            self.greenlet.throw(Stopped)

    def _work(self) -> None:
        try:
            while True:
                self.outcome = capture(self.job)
                self.mail.outside.switch()
        except Stopped:
            pass


class LoopMail:
    """Messages to the run, for which the loop is left running."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.thread: int = threading.get_ident()
        self.messages: deque[Callable[[], None]] = deque()
        self.arrived: asyncio.Future[None] | None = None
        self.outside: greenlet = getcurrent()
        self.idler: greenlet = self.outside
        self.turning: bool = False

    def put(self, message: Callable[[], None]) -> None:
        """One more message, from any thread."""
        if threading.get_ident() == self.thread:
            self._put(message)
        else:
            self.loop.call_soon_threadsafe(self._put, message)

    def get(self) -> Callable[[], None]:
        """The next message; waits for it."""
        while not self.messages:
            self._step_outside()
        return self.messages.popleft()

    def within(self, seconds: float) -> Callable[[], None]:
        """The next message; or, after so many seconds, one that says nothing."""
        alarm = self.loop.call_later(seconds, self._put, nothing)
        try:
            return self.get()
        finally:
            alarm.cancel()

    def empty(self) -> bool:
        """Whether there is none."""
        return not self.messages

    def turn(self) -> None:
        """Let the loop begin what it was given."""
        self.turning = True
        self._step_outside()

    async def arrival(self) -> None:
        """Until there is a message, or the loop has taken its turn."""
        if self.turning:
            self.turning = False
            await asyncio.sleep(0)
        elif not self.messages:
            self.arrived = self.loop.create_future()
            await self.arrived

    def _put(self, message: Callable[[], None]) -> None:
        self.messages.append(message)
        if self.arrived is not None and not self.arrived.done():
            self.arrived.set_result(None)

    def _step_outside(self) -> None:
        self.idler = getcurrent()
        self.outside.switch()


class NearLoop:
    """The caller's own event loop."""

    near = True

    def __init__(self, mail: LoopMail) -> None:
        self.mail = mail
        self.tasks: set[asyncio.Task[None]] = set()

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task; return when it has begun."""
        task = self.mail.loop.create_task(work, context=contextvars.copy_context())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        self.mail.turn()

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop's thread."""
        function(*arguments)


class Holding:
    """A mailbox for what works outside of a loop whose time is scripted: meanwhile, that time stands still."""

    def __init__(self, hub: Hub, hold: Callable[[int], None]) -> None:
        self.hub = hub
        self.post: Callable[[Callable[[], None]], None] = hub.post
        self.hold = hold

    def expect(self, messages: int) -> None:
        """So many more messages will come."""
        self.hub.expect(messages)
        self.hold(messages)


class AsyncHub(Hub):
    """A hub whose mail comes through the caller's event loop. Its time is the loop's, if it has no clock of its own."""

    near = True

    def __init__(self, mail: LoopMail, clock: Clock | None) -> None:
        super().__init__(clock)
        loop_clock: Clock | None = getattr(mail.loop, "clock", None)
        if clock is None or clock is loop_clock:
            self.given_clock: Clock | None = loop_clock
            self.clock: Clock | RealClock = RealClock(mail.loop.time)
        self.mail: Mail = mail
        self.near_loop: NearLoop = NearLoop(mail)
        hold = getattr(mail.loop, "hold", None)
        if hold is not None:
            self.far: Mailbox = Holding(self, hold)

    def give_way(self) -> bool:
        """Let everyone else go on who can, in the loop too, and come back without waiting."""
        if self.expected:
            self.turn()
        return super().give_way()

    def turn(self) -> None:
        """Let the loop go on for a moment; whoever calls goes on next in the run."""
        self.near_loop.mail.turn()

    def interrupt(self, error: BaseException) -> None:
        """The caller wants no more: stop the run, from the root."""
        if self.run is not None:
            self.run.fail(error)
        self.ready.appendleft(self.root)
        self.mail.put(nothing)

    def _loop(self) -> Loop:
        return self.near_loop
