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
from typing import Any, Protocol

from headrace.engine.outcome import END, Ended, Failed, Outcome, Stopped, Value, capture

__all__ = ["GeneratorThread", "Mailbox", "Server", "ThreadPool"]

Open = Callable[[Callable[[Iterator[Any]], Iterator[Any]]], Iterator[Any]]


class Mailbox(Protocol):
    """How a thread reaches the run's own thread."""

    def post(self, message: Callable[[], None]) -> None:
        """Have `message` called in the run's own thread."""

    def expect(self, messages: int) -> None:
        """So many more messages (or fewer, if negative) will come without anything else happening first."""


class Server(Protocol):
    """Does one job after the other in the run's own thread; a job may wait."""

    def do(self, job: Callable[[], None]) -> None:
        """Do `job` when it is its turn."""

    def kill(self) -> None:
        """Stop the job that waits, and do no more."""


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
        self.running = 0

    def submit(self, call: Callable[[], Any], done: Callable[[Value | Failed], None]) -> None:
        """Have a thread run `call`; return when it has begun. `done` is called in the run's own thread."""
        self.running += 1
        if self.running > len(self.threads):
            self._start_thread()
        self.mailbox.expect(1)
        self.jobs.put((contextvars.copy_context(), call, done))
        self.begun.get()

    def close(self) -> None:
        """Wait for the calls that are running, and end the threads."""
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
            context, call, done = job
            self.begun.put(None)
            outcome = capture(context.run, call)
            self.mailbox.post(partial(self._ended, done, outcome))
            del job, context, call, done, outcome  # an idle thread keeps nothing alive

    def _ended(self, done: Callable[[Value | Failed], None], outcome: Value | Failed) -> None:
        self.running -= 1
        self.mailbox.expect(-1)
        done(outcome)


class GeneratorThread:
    """A thread that runs one generator, and resumes it once for each `ask`.

    The generator's own inputs are pulled in the run's thread, by `server`: the generator asks for an item and waits.
    """

    def __init__(
        self,
        mailbox: Mailbox,
        open: Open,
        done: Callable[[Outcome], None],
        heard: Callable[[], None],
        failed: Callable[[BaseException], None],
        server: Server,
        label: str,
    ) -> None:
        self.mailbox = mailbox
        self.open = open
        self.done = done
        self.heard = heard
        self.failed = failed
        self.server = server
        self.asks: SimpleQueue[bool] = SimpleQueue()
        self.replies: SimpleQueue[Outcome] = SimpleQueue()
        self.pending = 0  # asks that are not answered
        self.waiting = False  # for a reply
        self.stopping = False
        self.over = False
        self.expected = False
        context = contextvars.copy_context()
        self.thread = threading.Thread(target=context.run, args=(self._work,), name=f"headrace {label}", daemon=True)

    def ask(self) -> None:
        """Have the thread resume the generator once more."""
        if self.thread.ident is None:
            self.thread.start()
        self.pending += 1
        self._expect()
        self.asks.put(True)

    def stop(self) -> None:
        """Have the thread close the generator, and do not wait for it."""
        if not self.stopping:
            self.stopping = True
            self.server.kill()
            self.waiting = False
            self._expect()
            self.asks.put(False)
            self.replies.put(Failed(Stopped()))

    def close(self) -> None:
        """Have the thread close the generator, and wait for that."""
        self.stop()
        if self.thread.ident is not None:
            self.thread.join()

    def _expect(self) -> None:
        """Keep the mailbox right about whether this thread will say something by itself."""
        begun = self.thread.ident is not None and not self.over
        expected = begun and not self.waiting and (self.pending > 0 or self.stopping)
        self.mailbox.expect(expected - self.expected)
        self.expected = expected

    # -- in the thread -----------------------------------------------------------------------------------------

    def _work(self) -> None:
        iterator: Iterator[Any] = iter(())
        if self.asks.get():  # the first one opens it too
            opened = capture(self.open, self._remote)
            iterator = opened.value if isinstance(opened, Value) else _raising(opened.error)
            self._answer(iterator)
            while self.asks.get() and not self.stopping:
                self._answer(iterator)
        close = getattr(iterator, "close", None)
        closed = capture(close) if close else None
        self.mailbox.post(partial(self._ended, closed))

    def _answer(self, iterator: Iterator[Any]) -> None:
        self.mailbox.post(partial(self._answered, self._resumed(iterator)))

    def _resumed(self, iterator: Iterator[Any]) -> Outcome:
        try:
            return Value(next(iterator))
        except StopIteration:
            return END
        except BaseException as error:
            return Failed(error)

    def _remote(self, items: Iterator[Any]) -> Iterator[Any]:
        """`items`, pulled in the run's own thread."""
        while not self.stopping:
            self.mailbox.post(partial(self._requested, items))
            reply = self.replies.get()
            if isinstance(reply, Ended):
                return
            yield reply.unwrap()

    # -- in the run's own thread -------------------------------------------------------------------------------

    def _answered(self, outcome: Outcome) -> None:
        self.pending -= 1
        self._expect()
        self.heard()
        self.done(outcome)

    def _requested(self, items: Iterator[Any]) -> None:
        if self.stopping:
            return  # it has its reply
        self.waiting = True
        self._expect()
        self.heard()
        self.server.do(partial(self._reply, items))

    def _reply(self, items: Iterator[Any]) -> None:
        outcome = self._resumed(items)
        self.waiting = False
        self._expect()
        self.replies.put(outcome)
        if isinstance(outcome, Failed) and isinstance(outcome.error, Stopped):
            raise outcome.error

    def _ended(self, closed: Outcome | None) -> None:
        self.over = True
        self._expect()
        if isinstance(closed, Failed):
            self.failed(closed.error)


def _raising(error: BaseException) -> Iterator[Any]:
    raise error
    yield
