"""The sync driver: everything on the caller's thread, in greenlets where something has to wait.

A fiber that must wait switches straight to the next one that can go on. When none can, the driver looks into its
mailbox: if a thread is at work for the run, it blocks until that thread has something to say; if a timer is set, until
then at most; if there is neither, every stage waits for another, and that is a deadlock, known at once.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol

from greenlet import getcurrent, greenlet

from headrace.drivers.clock import Clock, RealClock, Timer, Timers
from headrace.drivers.pools import GeneratorThread, ThreadPool
from headrace.drivers.pulled import Pulled
from headrace.engine.outcome import Outcome, Stopped
from headrace.errors import WorkerError

if TYPE_CHECKING:
    from headrace.drivers.processes import ProcessPool, Workers
    from headrace.drivers.pulled import Mailbox
    from headrace.drivers.tasks import Loop, LoopThread, TaskPool
    from headrace.engine.checkpoint import Checkpoints
    from headrace.engine.ports import Open
    from headrace.engine.run import Execution
    from headrace.graph.dag import Node, Program

__all__ = ["Hub"]

_context_is_there: contextvars.ContextVar[None] = contextvars.ContextVar("headrace")


class Fiber(greenlet):
    """Code of a run that can wait by itself. It shares the context variables of whoever started the run."""

    def __init__(self, hub: Hub, function: Callable[[], None]) -> None:
        super().__init__(self._main, hub.root)
        self.gr_context = hub.context
        self.hub = hub
        self.function = function
        self.switch()

    def _main(self, *_: object) -> None:
        try:
            self.hub.nursery.switch()  # it has begun
            self.function()
        except Stopped:
            pass
        except BaseException as error:
            self.hub.fail(error)
        finally:
            self.hub.forget(self)

    def resume(self) -> None:
        """Let it run now, and go on when it waits or is over."""
        self.hub.ready.appendleft(getcurrent())
        self.switch()

    def kill(self) -> None:
        """Raise Stopped where it waits, and return when it is over."""
        if self.dead or self is getcurrent():
            return
        self.hub.forget(self)
        self.parent = getcurrent()
        self.throw(Stopped)


class Server:
    """A fiber that does one job after the other, so that a job may wait."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self.jobs: deque[Callable[[], None]] = deque()
        self.fiber: Fiber | None = None

    def do(self, job: Callable[[], None]) -> None:
        """Do `job` when it is its turn."""
        if self.fiber is None:
            self.fiber = self.hub.spawn(self._serve)
        self.jobs.append(job)
        self.hub.ready.append(self.fiber)

    def kill(self) -> None:
        """Stop the job that waits, and do no more."""
        if self.fiber is not None:
            self.fiber.kill()

    def _serve(self) -> None:
        while True:
            while self.jobs:
                self.jobs.popleft()()
            self.hub.sleep()


class Mail(Protocol):
    """Where messages to the run's own thread wait."""

    def put(self, message: Callable[[], None], /) -> None:
        """One more message, from any thread."""
        ...

    def get(self) -> Callable[[], None]:
        """The next message; waits for it."""
        ...

    def within(self, seconds: float) -> Callable[[], None]:
        """The next message; or, after so many seconds, one that says nothing."""
        ...

    def empty(self) -> bool:
        """Whether there is none."""
        ...


class ThreadMail(SimpleQueue[Callable[[], None]]):
    """Mail from threads."""

    def within(self, seconds: float) -> Callable[[], None]:
        """The next message; or, after so many seconds, one that says nothing."""
        try:
            return self.timed(min(seconds, threading.TIMEOUT_MAX))
        except Empty:
            return nothing

    def timed(self, seconds: float) -> Callable[[], None]:
        """The next message, if it comes within so many seconds. Raises: Empty: it does not.

        CPython before 3.13 waits for ever if the time is up before it has tried its lock twice, as happens on a busy
        machine. It tries once only where it has the lock already, which it keeps when it finds nothing.
        """
        with suppress(Empty):
            return super().get(block=False)
        return super().get(timeout=seconds)


def nothing() -> None:
    """A message that says nothing."""


class Wake(partial[None]):
    """A wake-up call, and what the fiber waits for."""

    reason: object
    go_on: Callable[[], object]  # without the detour through `ready`


class Hub:
    """The fibers and threads of one run, and who goes on next."""

    near = False  # tasks run in the thread of a loop of their own

    def __init__(self, clock: Clock | None = None) -> None:
        self.given_clock = clock
        self.clock: Clock | RealClock = clock or RealClock()
        self.timers: Timers = Timers()
        self.root: greenlet = getcurrent()
        self.nursery: greenlet = self.root
        self.context: contextvars.Context | None = None
        self.ready: deque[greenlet] = deque()
        self.fibers: dict[Fiber, None] = {}
        self.mail: Mail = ThreadMail()
        self.far: Mailbox = self  # for what works outside of the run's thread and its loop
        self.expected: int = 0
        self.threads: list[ThreadPool | GeneratorThread | Workers] = []
        self.pools: list[ThreadPool | TaskPool | Workers] = []
        self.workers: Workers | None = None
        self.pulled: list[Pulled] = []
        self.lasting: list[Pulled] = []
        self.loop: LoopThread | None = None
        self.reader: Fiber | None = None  # of the mail
        self.letter: Callable[[], object] | None = None
        self.closing: bool = False
        self.run: Execution | None = None

    def begin(self) -> None:
        """The run begins, here and now."""
        self.root = getcurrent()
        self.nursery = self.root

    def shared_now(self) -> float:
        """The time in seconds, since a moment that is the same for all runs. Safe to use from threads."""
        return time.monotonic() if self.given_clock is None else self.given_clock.now()

    def utc(self) -> datetime:
        """The date and time, in UTC. A clock that was given for the run begins in 1970."""
        return datetime.now(UTC) if self.given_clock is None else datetime.fromtimestamp(self.clock.now(), UTC)

    # -- fibers ------------------------------------------------------------------------------------------------

    def spawn(self, function: Callable[[], None]) -> Fiber:
        """A fiber that runs `function` when it is first resumed."""
        if self.nursery is self.root:
            self._open_nursery()
        fiber: Fiber = self.nursery.switch(function, getcurrent())
        self.fibers[fiber] = None
        return fiber

    def _open_nursery(self) -> None:
        _context_is_there.set(None)  # without any variable there is no context that fibers could share
        self.context = self.root.gr_context
        self.nursery = greenlet(self._nurse, self.root)
        self.nursery.switch()

    def _nurse(self, *_: object) -> None:
        """Begins fibers. A new fiber counts its recursion from that of whoever began it, and this one is shallow."""
        fiber, asker = None, self.root
        try:
            while True:
                function, asker = asker.switch(fiber)
                fiber = Fiber(self, function)
        except Stopped:
            pass

    def start(self, function: Callable[[], None]) -> Fiber:
        """A fiber that runs `function` as soon as it is its turn."""
        fiber = self.spawn(function)
        self.ready.append(fiber)
        return fiber

    def forget(self, fiber: Fiber) -> None:
        """The fiber is over, or about to be."""
        self.fibers.pop(fiber, None)

    def sleep(self) -> None:
        """Wait to be resumed."""
        self._switch()

    def wait(self, waiting: list[Callable[[], object]], reason: object) -> None:
        """Leave a wake-up call in `waiting` and wait for it. May return early."""
        self.waiter(waiting, reason)(False)

    def waiter(self, waiting: list[Callable[[], object]], reason: object) -> Callable[[bool], None]:
        """For the fiber that calls this: a function that does that same wait, again and again.

        It takes whether those who are in `waiting` go on first. If there is one, it is switched to directly.
        """
        me = self._me()
        ready, run = self.ready, self.run if me is self.root else None
        wake = Wake(ready.append, me)
        wake.reason = reason
        wake.go_on = me.switch

        def wait(others_first: bool) -> None:
            if others_first and waiting:
                if len(waiting) == 1 and not ready and not self.closing:
                    other, waiting[0] = waiting[0], wake
                    other.go_on()  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
                    if run is not None and run.failure is not None:
                        raise Stopped
                    return
                for call in waiting:
                    call()
                waiting.clear()
            waiting.append(wake)
            if ready and not self.closing:
                ready.popleft().switch()
            else:
                self._idle()
            if run is not None and run.failure is not None:
                raise Stopped

        return wait

    def wait_any(self, places: Iterable[tuple[list[Callable[[], object]], object]], until: float | None = None) -> None:
        """Leave a wake-up call, with a reason, in each of these lists, and wait for the first; at most `until`."""
        me = self._me()
        left = []
        for waiting, reason in places:
            wake = Wake(self.ready.append, me)
            wake.reason = reason
            wake.go_on = me.switch
            waiting.append(wake)
            left.append((waiting, wake))
        timer = None if until is None else self.timer(until, partial(self.ready.append, me))
        try:
            self._switch()
        finally:
            for waiting, wake in left:
                if wake in waiting:  # it must not wake this fiber out of what it waits for next
                    waiting.remove(wake)
            if timer is not None:
                timer.cancel()
        self._back(me)

    def give_way(self) -> bool:
        """Let everyone else go on who can, and come back without waiting. Tells whether there was anyone."""
        me, letter = self._me(), self._letter_at_hand()
        if letter is None and not self.ready:
            return False
        while letter is not None:
            self._read(letter)
            letter = self._letter_at_hand()
        self.ready.append(me)
        self._switch()
        self._back(me)
        return True

    def turn(self) -> None:
        """If the run is in an event loop, let that go on for a moment; whoever calls goes on next in the run."""

    def timer(self, when: float, call: Callable[[], object]) -> Timer:
        """Have `call` called in the run's own thread when it is `when` on the clock, unless it is cancelled before."""
        return self.timers.add(when, call)

    def _me(self) -> greenlet:
        """The fiber that is about to wait."""
        me = getcurrent()
        if me not in self.fibers and me is not self.root:  # killed, and waiting again in a `finally`
            raise Stopped
        return me

    def _back(self, me: greenlet) -> None:
        """The fiber goes on, unless it is the run's caller and the run has failed."""
        while me in self.ready:  # woken by several, or the root, which is switched to when any fiber ends
            self.ready.remove(me)
        if me is self.root and self.run is not None and self.run.failure is not None:
            raise Stopped

    def run_until(self, done: Callable[[], bool]) -> None:
        """Let fibers take turns until `done`."""
        while not done():
            self._switch()

    def fail(self, error: BaseException) -> None:
        """A fiber broke."""
        if self.run is not None:
            self.run.fail(error)

    def _switch(self) -> None:
        """Let the next fiber go on that can. Returns when this one is switched to again, which may be early."""
        if self.ready and not self.closing:
            self.ready.popleft().switch()
        else:
            self._idle()

    def _idle(self) -> None:
        """No fiber can go on until a thread has something to say, or it is time for something."""
        while not self.ready and not self.closing:
            letter = self.mail.get() if self.expected and not self.timers.waiting else self._next_letter()
            if letter is None:
                self._locked()
                return
            self._read(letter)
        if self.closing:
            raise Stopped
        self.ready.popleft().switch()

    def _next_letter(self) -> Callable[[], object] | None:
        """What is to be done next, with nothing under way or with timers set; None if there is nothing to come."""
        letter = self._letter_at_hand()
        if letter is None and not self.expected:
            letter = self._held_back()
        if letter is None and self.timers.waiting:
            letter = self._letter_in_time(self.timers.waiting[0].when)
        return letter

    def _letter_at_hand(self) -> Callable[[], object] | None:
        """What is to be done by now, or a message that has come."""
        due = self.timers.due(self.clock.now()) if self.timers.waiting else None
        return due if due is not None or self.mail.empty() else self.mail.get()

    def _letter_in_time(self, when: float) -> Callable[[], object]:
        """The next message, or nothing if it is `when` before."""
        seconds = self.clock.until(when, idle=not self.expected, look_again=self._look_again)
        return self.mail.get() if seconds is None else self.mail.within(seconds)

    def _look_again(self) -> None:
        self.mail.put(nothing)

    def _held_back(self) -> Callable[[], None] | None:
        """In a test: what was put off until nothing else can go on."""
        return self.run.held_back() if self.run is not None else None

    def _read(self, letter: Callable[[], object]) -> None:
        """Do what a message says, in a fiber for that: it may close what the fiber that idles is in the middle of."""
        if self.reader is None or self.reader.dead:
            self.reader = self.spawn(self._read_on)
        if getcurrent() is self.reader:
            letter()
        else:
            self.letter = letter
            self.reader.resume()

    def _read_on(self) -> None:
        while True:
            letter, self.letter = self.letter, None
            if letter is not None:
                letter()
            self.sleep()

    def _locked(self) -> None:
        """Nobody can go on and nothing is under way."""
        if self.run is not None:
            self.fail(self.run.stuck())
        if getcurrent() is not self.root:
            self.root.switch()

    # -- elsewhere ---------------------------------------------------------------------------------------------

    def post(self, message: Callable[[], None]) -> None:
        """Have `message` called in the run's own thread."""
        self.mail.put(message)

    def in_time(self, function: Callable[..., Any], step: str, seconds: float) -> Callable[..., Any]:
        """An async function that ends a call of `function` that takes longer."""
        from headrace.drivers.tasks import in_time

        return in_time(function, step, seconds)

    def inner(
        self, program: Program, arguments: Mapping[str, Any], in_task: bool, checkpoints: Checkpoints | None
    ) -> Any:
        """What a run of its own gives, for one item of this one."""
        from headrace.drivers import aio, runner

        runs = aio if in_task else runner
        run: Callable[..., Any] = runs.iterate if program.dag.returns == "stream" else runs.run
        return run(program, arguments, self.given_clock, checkpoints)

    def expect(self, messages: int) -> None:
        """So many more messages will come without anything else happening first."""
        self.expected += messages

    def pool(self, node: Node) -> ThreadPool | ProcessPool | TaskPool:
        """Threads, worker processes, or tasks, as the node says, for its calls."""
        if node.executor == "async":
            from headrace.drivers.tasks import TaskPool

            tasks = TaskPool(self, self._loop())
            self.pools.append(tasks)
            return tasks
        if node.executor == "process":
            return self._workers(node).pool(node)
        pool = ThreadPool(self.far, node.name)
        self.pools.append(pool)
        self.threads.append(pool)
        return pool

    def puller(
        self,
        open: Open,
        done: Callable[[Outcome], None],
        heard: Callable[[], None],
        failed: Callable[[BaseException], None],
        label: str,
        *,
        in_task: bool,
        lasting: bool = False,
    ) -> Pulled:
        """A thread for one generator, or a task for one async stage. What is `lasting` outlives the others."""
        pulled = Pulled(self if in_task else self.far, Server(self), done, heard, failed)
        (self.lasting if lasting else self.pulled).append(pulled)
        if in_task:
            from headrace.drivers.tasks import GeneratorTask

            pulled.elsewhere = GeneratorTask(pulled, open, self._loop())
        else:
            pulled.elsewhere = thread = GeneratorThread(pulled, open, label)
            self.threads.append(thread)
        return pulled

    def _workers(self, node: Node) -> Workers:
        """The worker processes of the run, which `node` is the first to need."""
        if self.workers is None:
            try:
                self.workers = workers = self._new_workers()
            except ModuleNotFoundError as error:
                raise WorkerError(
                    f"{node}: executor='process' needs '{error.name}', which is not installed; "
                    "pip install 'headrace[process]'"
                ) from None
            self.pools.append(workers)
            self.threads.append(workers)
        return self.workers

    def _new_workers(self) -> Workers:
        from headrace.drivers.processes import Workers

        return Workers(self.far)

    def _loop(self) -> Loop:
        """The event loop for tasks."""
        if self.loop is None:
            from headrace.drivers.tasks import LoopThread

            self.loop = LoopThread()
        return self.loop

    # -- the end -----------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop every fiber and everything elsewhere but what is lasting, and wait for them."""
        self.closing = True
        for fiber in reversed(list(self.fibers)):
            fiber.kill()
        for pulled in self.pulled:
            pulled.stop()
        for pool in self.pools:
            pool.stop()
        self.read_until(lambda: not any(each.live for each in (*self.pools, *self.pulled)))

    def read_until(self, done: Callable[[], bool]) -> None:
        """When all but what is lasting is stopped: do what messages say until `done`."""
        while not done():
            self.mail.get()()

    def close(self) -> None:
        """End the threads, unless the wait for what they do was interrupted."""
        if not any(each.live for each in (*self.pools, *self.pulled, *self.lasting)):
            for thread in self.threads:
                thread.close()
            if self.loop is not None:
                self.loop.close()
        while not self.mail.empty():
            self.mail.get()()
        self.ready.clear()
        if self.nursery is not self.root:
            self.nursery.throw(Stopped)
        self.run = None
