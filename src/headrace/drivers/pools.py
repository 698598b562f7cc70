"""Threads that work for a run: a pool for the calls of one step, and a thread for one generator.

Both talk to the run's own thread through its mailbox only, and both are told when to go on, so that no call begins
and no generator is resumed without a space that was reserved for it.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from functools import partial
from queue import SimpleQueue
from typing import Any

from headrace.drivers.pulled import Mailbox, Pulled, next_outcome
from headrace.engine.outcome import Ended, Failed, Outcome, Stopped, Value, capture

__all__ = ["GeneratorThread", "ThreadPool"]

Open = Callable[[Callable[[Iterator[Any]], Iterator[Any]]], Iterator[Any]]


class ThreadPool:
    """Threads for the calls of one step; as many as there are calls at once, started when first needed.

    Written here because a call must be known to have begun: `concurrent.futures` queues calls without telling.
    """

    def __init__(self, mailbox: Mailbox, label: str) -> None:
        self.mailbox = mailbox
        self.label = label
        self.jobs: SimpleQueue[Any] = SimpleQueue()
        self.begun: SimpleQueue[None] = SimpleQueue()
        self.threads: list[threading.Thread] = []
        self.running: int = 0
        self.elsewhere: float = 0.0

    def submit(self, call: Callable[[Any], Any], item: Any, done: Callable[[Value | Failed], None]) -> None:
        """Have a thread run `call(item)`; return when it has begun. `done` is called in the run's own thread."""
        self.running += 1
        if self.running > len(self.threads):
            self._start_thread()
        self.mailbox.expect(1)
        self.jobs.put((contextvars.copy_context(), call, item, done))
        self.begun.get()

    def stop(self) -> None:
        """Calls in threads cannot be stopped; `close` waits for them."""

    @property
    def live(self) -> bool:
        """Whether calls are running."""
        return self.running > 0

    def close(self) -> None:
        """End the threads, which have nothing to do any more."""
        for _ in self.threads:
            self.jobs.put(None)
        for thread in self.threads:
            thread.join()

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._work, name=f"headrace {self.label} {len(self.threads)}", daemon=True)
        self.threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            context, call, item, done = job
            self.begun.put(None)
            outcome = capture(context.run, call, item)
            self.mailbox.post(partial(self._ended, done, outcome))
            del job, context, call, item, done, outcome  # an idle thread keeps nothing alive

    def _ended(self, done: Callable[[Value | Failed], None], outcome: Value | Failed) -> None:
        self.running -= 1
        self.mailbox.expect(-1)
        done(outcome)


class GeneratorThread:
    """A thread that runs one generator, and resumes it once for each ask."""

    def __init__(self, pulled: Pulled, open: Open, label: str) -> None:
        self.pulled = pulled
        self.post: Callable[[Callable[[], None]], None] = pulled.mailbox.post
        self.open = open
        self.asks: SimpleQueue[bool] = SimpleQueue()
        self.replies: SimpleQueue[Outcome] = SimpleQueue()
        context = contextvars.copy_context()
        self.thread: threading.Thread = threading.Thread(
            target=context.run, args=(self._work,), name=f"headrace {label}", daemon=True
        )

    def begin(self) -> None:
        """Begin to answer asks."""
        self.thread.start()

    def ask(self) -> None:
        """Resume the generator once more."""
        self.asks.put(True)

    def reply(self, outcome: Outcome) -> None:
        """The item that was requested."""
        self.replies.put(outcome)

    def stop(self) -> None:
        """Close the generator."""
        self.asks.put(False)
        self.replies.put(Failed(Stopped()))

    def close(self) -> None:
        """Wait for the thread to end."""
        if self.pulled.begun:
            self.thread.join()

    def _work(self) -> None:
        iterator: Iterator[Any] = iter(())
        if self.asks.get():  # the first one opens it too
            opened = capture(self.open, self._remote)
            iterator = opened.value if isinstance(opened, Value) else _raising(opened.error)
            self.post(partial(self.pulled.answered, next_outcome(iterator)))
            while self.asks.get() and not self.pulled.stopping:
                self.post(partial(self.pulled.answered, next_outcome(iterator)))
        close = getattr(iterator, "close", None)
        closed = capture(close) if close else None
        self.post(partial(self.pulled.ended, closed.error if isinstance(closed, Failed) else None))

    def _remote(self, items: Iterator[Any]) -> Iterator[Any]:
        """`items`, pulled in the run's own thread."""
        while not self.pulled.stopping:
            self.post(partial(self.pulled.requested, items))
            reply = self.replies.get()
            if isinstance(reply, Ended):
                return
            yield reply.unwrap()


def _raising(error: BaseException) -> Iterator[Any]:
    raise error
    yield
