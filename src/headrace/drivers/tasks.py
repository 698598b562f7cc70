"""asyncio tasks that work for a run: one for each call of a step, one for each async stage.

As with threads, a call is known to have begun before the next item is asked for. The tasks run in an event loop, which
is that of the caller (`arun`), or one in a thread of its own (`run`, which may itself be called within a running loop).
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any, Protocol

from headrace.drivers.pulled import Mailbox, Pulled
from headrace.engine.outcome import END, Ended, Failed, Outcome, Stopped, Value, late

__all__ = ["GeneratorTask", "Loop", "LoopThread", "TaskPool", "in_time"]

Remote = Callable[[Iterator[Any]], AsyncIterator[Any]]
Open = Callable[[Remote], AsyncIterator[Any]]


class Loop(Protocol):
    """An event loop, from the run's own thread."""

    near: bool  # whether it runs in the run's own thread

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task; return when it has begun."""
        ...

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop's thread."""
        ...


class LoopThread:
    """An event loop in a thread of its own, for runs that are not themselves async. It starts when first needed."""

    near = False

    def __init__(self) -> None:
        self.thread: threading.Thread | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.end: asyncio.Event | None = None

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task; return when it has begun."""
        if self.thread is None:
            self._start()
        begun: SimpleQueue[None] = SimpleQueue()
        context = contextvars.copy_context()

        async def beginning() -> None:
            begun.put(None)
            await work

        assert self.loop is not None
        self.loop.call_soon_threadsafe(lambda: _keep(asyncio.create_task(beginning(), context=context)))
        begun.get()

    def call(self, function: Callable[..., object], *arguments: Any) -> None:
        """Call a function in the loop's thread."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(function, *arguments)

    def close(self) -> None:
        """End the loop and its thread."""
        if self.thread is not None and self.end is not None:
            self.call(self.end.set)
            self.thread.join()
            self.loop = None  # who is stopped later is over already

    def _start(self) -> None:
        ready: SimpleQueue[None] = SimpleQueue()

        async def run() -> None:
            self.loop, self.end = asyncio.get_running_loop(), asyncio.Event()
            ready.put(None)
            await self.end.wait()

        self.thread = threading.Thread(target=asyncio.run, args=(run(),), name="headrace loop", daemon=True)
        self.thread.start()
        ready.get()


_tasks: set[asyncio.Task[None]] = set()


def _keep(task: asyncio.Task[None]) -> None:
    """A loop keeps only weak references to its tasks."""
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


def in_time(function: Callable[..., Any], step: str, seconds: float) -> Callable[..., Coroutine[Any, Any, Any]]:
    """An async function that ends a call of `function` that takes longer."""

    async def call(*args: Any, **kwargs: Any) -> Any:
        scope = asyncio.timeout(seconds)
        try:
            async with scope:
                return await function(*args, **kwargs)
        except TimeoutError as error:
            if scope.expired():
                raise late(step, seconds) from error
            raise

    return call


class TaskPool:
    """A task for each call of one step."""

    def __init__(self, mailbox: Mailbox, loop: Loop) -> None:
        self.mailbox = mailbox
        self.loop = loop
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.running: int = 0
        self.elsewhere: float = 0.0

    def submit(self, call: Callable[[Any], Any], item: Any, done: Callable[[Value | Failed], None]) -> None:
        """Await what `call(item)` gives in a task; return when that has begun.

        `done` is called in the run's own thread.
        """
        self.running += 1
        self.mailbox.expect(1)
        self.loop.begin(self._work(call, item, done))

    def stop(self) -> None:
        """Cancel the calls that are running, and do not wait for them."""
        self.loop.call(self._cancel)

    @property
    def live(self) -> bool:
        """Whether calls are running."""
        return self.running > 0

    async def _work(self, call: Callable[[Any], Any], item: Any, done: Callable[[Value | Failed], None]) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks[task] = None
        try:
            outcome: Value | Failed = Value(await call(item))
        except BaseException as error:
            outcome = Failed(error)
        del self.tasks[task]
        self.mailbox.post(partial(self._ended, done, outcome))

    def _ended(self, done: Callable[[Value | Failed], None], outcome: Value | Failed) -> None:
        self.running -= 1
        self.mailbox.expect(-1)
        done(outcome)

    def _cancel(self) -> None:
        for task in self.tasks:
            task.cancel()


class GeneratorTask:
    """A task that runs one async stage, and resumes it once for each ask."""

    def __init__(self, pulled: Pulled, open: Open, loop: Loop) -> None:
        self.pulled = pulled
        self.post: Callable[[Callable[[], None]], None] = pulled.mailbox.post
        self.open = open
        self.loop = loop
        self.asks: asyncio.Queue[bool] = asyncio.Queue()
        self.replies: asyncio.Queue[Outcome] = asyncio.Queue()
        self.task: asyncio.Task[Any] | None = None
        self.resumed: bool = False  # the stage's own code is running, and may be cancelled

    def begin(self) -> None:
        """Begin to answer asks."""
        self.loop.begin(self._work())

    def ask(self) -> None:
        """Resume the stage once more."""
        self.loop.call(self.asks.put_nowait, True)

    def reply(self, outcome: Outcome) -> None:
        """The item that was requested."""
        self.loop.call(self.replies.put_nowait, outcome)

    def stop(self) -> None:
        """Close the stage."""
        self.loop.call(self._stop)

    def _stop(self) -> None:
        self.asks.put_nowait(False)
        self.replies.put_nowait(Failed(Stopped()))
        if self.resumed and self.task is not None:
            self.task.cancel()

    async def _work(self) -> None:
        self.task = asyncio.current_task()
        stage: AsyncIterator[Any] | None = None
        try:
            while await self.asks.get() and not self.pulled.stopping:
                self.resumed = True
                try:
                    stage = stage or self.open(self._remote)
                    outcome: Outcome = Value(await anext(stage))
                except StopAsyncIteration:
                    outcome = END
                except BaseException as error:
                    outcome = Failed(error)
                self.resumed = False
                self.post(partial(self.pulled.answered, outcome))
                if isinstance(outcome, Failed) and isinstance(outcome.error, asyncio.CancelledError):
                    break
        finally:  # also if the loop is shut down, which cancels its tasks
            self.post(partial(self.pulled.ended, await _closed(stage)))

    async def _remote(self, items: Iterator[Any]) -> AsyncIterator[Any]:
        """`items`, pulled in the run's own thread."""
        while not self.pulled.stopping:
            self.post(partial(self.pulled.requested, items))
            reply = await self.replies.get()
            if isinstance(reply, Ended):
                return
            yield reply.unwrap()


async def _closed(stage: Any) -> BaseException | None:
    """What closing the stage raised."""
    try:
        if stage is not None and hasattr(stage, "aclose"):
            await stage.aclose()
    except BaseException as error:
        return error
    return None
