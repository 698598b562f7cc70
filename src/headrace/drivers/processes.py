"""Worker processes for the steps of one run that ask for them.

Lives here: who makes which call, and what becomes of it. Must not live here: where the processes are, and how they are
started, spoken to and ended (starting.py, and places/ray_workers.py on Ray).

All steps of a run share its workers: as many as there are cores, started when first needed. Each worker makes one
call at a time, and the run knows which. So a worker that dies takes one call with it and no other, and a call whose
result nobody wants is ended by ending its worker. (Written here because the pools of `concurrent.futures` and `loky`
cannot tell: one lost process breaks such a pool, and everything that is under way in it.)

Short calls travel together: of the calls that have to wait for a worker anyway, one that is free gets as many in one
message as it makes in `TOGETHER` seconds. Nothing waits for more calls to come.

A thread for each worker starts it, writes to it and reads what it says: none of that may hold up the run's own thread.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from headrace.drivers.pickling import packed, rebuilt
from headrace.drivers.pulled import Mailbox
from headrace.drivers.starting import LocalProcess, cores, start_method
from headrace.drivers.worker import Order, Reply
from headrace.engine.outcome import Failed, Value, late
from headrace.errors import UnpicklableError, WorkerError
from headrace.graph.dag import Node

__all__ = ["Process", "ProcessPool", "Workers"]

TOGETHER = 0.002  # seconds of calls that travel in one message
ATTEMPTS = 3  # of a call whose worker is lost, if it may be made again
FIX = "give it what can"  # be pickled

Done = Callable[[Value | Failed], None]


class Process(Protocol):
    """A worker process, wherever it is. Of one that has ended, all but `end` raise an exception."""

    def start(self, others: Callable[[], bool]) -> None:
        """Return when it is ready for orders; `others` tells whether another one is."""
        ...

    def send(self, order: Order) -> None:
        """Have it make these calls."""
        ...

    def loaded(self) -> None:
        """Return when it has the function that it was sent."""
        ...

    def reply(self, seconds: float | None) -> bytes | None:
        """What the next call came to; None if it takes longer."""
        ...

    def kill(self) -> None:
        """End it at once, also before it has started. Safe to use from other threads."""
        ...

    def end(self) -> str:
        """Let it end, and wait until it has; says how it did, if it has started."""
        ...


class Job:
    """One call to be made, or under way."""

    __slots__ = ("attempts", "done", "item", "pool")

    def __init__(self, pool: ProcessPool, item: bytes, done: Done) -> None:
        self.pool: ProcessPool = pool
        self.item: bytes = item
        self.done: Done = done
        self.attempts: int = 0

    def over(self, outcome: Value | Failed) -> None:
        """Have the run told of its outcome."""
        self.pool.mailbox.post(partial(self.pool.over, self.done, outcome))

    def late(self) -> bool:
        """It took too long, and its worker was ended. Like `lost`."""
        assert self.pool.timeout is not None
        self.over(Failed(late(self.pool.step, self.pool.timeout)))
        return False

    def lost(self, how: str) -> bool:
        """The worker that made this call has died. Gives whether it may be made again; if not, it has failed."""
        self.attempts += 1
        if not self.pool.idempotent:
            what, fix = f"a worker process that {how}", "if it may be called again for an item, add idempotent=True"
        elif self.attempts == ATTEMPTS:
            what, fix = f"{ATTEMPTS} worker processes that died, the last one {how}", "look for what this item does"
        else:
            return True
        self.over(Failed(WorkerError(f"{self.pool.step}: must give a result, got {what}; {fix}")))
        return False


class ProcessPool:
    """The calls of one step, made by the workers of its run.

    What the workers' threads see and change is guarded by the lock of `Workers`: `waiting` and what follows it.
    """

    def __init__(self, workers: Workers, node: Node) -> None:
        self.workers = workers
        self.mailbox: Mailbox = workers.mailbox
        self.step: str = str(node)
        self.calls_at_once: int = node.concurrency
        self.idempotent: bool = node.idempotent
        self.timeout: float | None = node.timeout
        self.function: bytes | None = None
        self.running: int = 0  # calls of which the run has not heard
        self.stopped: bool = False
        self.waiting: deque[Job] = deque()
        self.busy = 0  # workers with calls of this step
        self.elsewhere: float = 0.0  # seconds that its calls took, all in all
        self.seconds: float = 0.0  # that a call takes, on average; the latest ones count most

    def submit(self, call: Callable[[Any], Any], item: Any, done: Done) -> None:
        """Have a worker call `call(item)` as soon as one is free. `done` is called in the run's own thread."""
        self.running += 1
        self.mailbox.expect(1)
        try:
            if self.function is None:
                what = "its function, or a value that it is called with,"
                self.function = self._packed(what, call, f"{FIX} (resource(..., scope='item') is made there)")
            job = Job(self, self._packed(f"its item, {type(item).__qualname__},", item, FIX), done)
        except UnpicklableError as error:
            self.mailbox.post(partial(self.over, done, Failed(error)))
        else:
            self.workers.add(job)

    def stop(self) -> None:
        """End the calls that are running, and drop the others: nobody hears of them any more."""
        self.stopped = True
        self.mailbox.expect(-self.running)
        self.running = 0
        self.workers.drop(self)

    def over(self, done: Done, outcome: Value | Failed) -> None:
        """One call is over. In the run's own thread."""
        if not self.stopped:
            self.running -= 1
            self.mailbox.expect(-1)
            done(outcome)

    @property
    def wanted(self) -> int:
        """How many more workers it could have now."""
        return min(len(self.waiting), self.calls_at_once - self.busy)

    def take(self, workers: int) -> list[Job]:
        """What a free worker is given: a fair share of what waits, unless that takes too long."""
        share = len(self.waiting) // workers
        count = max(1, min(share, int(TOGETHER / self.seconds) if self.seconds else 1))
        return [self.waiting.popleft() for _ in range(count)]

    def took(self, seconds: float) -> None:
        """A call took so many seconds."""
        self.elsewhere += seconds
        self.seconds += (seconds - self.seconds) / 4 if self.seconds else seconds

    def _packed(self, what: str, thing: Any, fix: str) -> bytes:
        try:
            return packed(thing)
        except Exception as error:
            raise UnpicklableError(
                f"{self.step}: {what} cannot be pickled to go to a worker process ({error}); {fix}, or use "
                "executor='thread'"
            ) from error


class Workers:
    """The worker processes of one run: `most` at once, each of which `new_process` makes. Default: here, on all cores.

    Their threads take what waits when they are free, also while the run's own thread is busy: `change` guards what both
    see, and tells of it.
    """

    def __init__(
        self, mailbox: Mailbox, most: int | None = None, new_process: Callable[[str], Process] | None = None
    ) -> None:
        self.mailbox = mailbox
        self.most: int = most or cores()
        self.new_process: Callable[[str], Process] = new_process or partial(LocalProcess, start_method())
        self.pools: list[ProcessPool] = []
        self.all: list[Worker] = []
        self.threads: list[threading.Thread] = []
        self.stopping: bool = False
        self.change: threading.Condition = threading.Condition()

    # -- in the run's own thread -------------------------------------------------------------------------------

    def pool(self, node: Node) -> ProcessPool:
        """A pool for the calls of one more step."""
        pool = ProcessPool(self, node)
        with self.change:
            self.pools.append(pool)
        return pool

    def add(self, job: Job) -> None:
        """One more call to be made."""
        with self.change:
            job.pool.waiting.append(job)
            self._call_up()

    def drop(self, pool: ProcessPool) -> None:
        """Make no more calls of that step, and end the workers that make some."""
        with self.change:
            pool.waiting.clear()
            for worker in self.all:
                if worker.pool is pool:
                    worker.end()

    def stop(self) -> None:
        """End all workers, and do not wait for it."""
        for pool in self.pools:
            pool.stop()
        with self.change:
            self.stopping = True
            for worker in self.all:
                if not worker.started:
                    worker.end()
            self.change.notify_all()

    @property
    def live(self) -> bool:
        """Whether a worker has not ended."""
        return bool(self.all)

    def close(self) -> None:
        """The workers have ended; their threads too, or almost."""
        for thread in self.threads:
            thread.join()

    # -- in any thread -----------------------------------------------------------------------------------------

    def _call_up(self) -> None:
        """Tell free workers that something waits, and start more if there are not enough. With the lock."""
        self.change.notify_all()
        if len(self.all) < self.most and not self.stopping:
            wanted = sum(pool.wanted for pool in self.pools) - sum(worker.pool is None for worker in self.all)
            for _ in range(min(wanted, self.most - len(self.all))):
                worker = Worker(self, len(self.threads))
                self.all.append(worker)
                self.threads.append(worker.thread)
                worker.thread.start()

    # -- in the thread of a worker -----------------------------------------------------------------------------

    def next(self, worker: Worker) -> Order | None:
        """What that worker is to do, as soon as there is something; None if it is to end."""
        with self.change:
            worker.free()
            while not (self.stopping or worker.unwanted):
                for pool in self.pools:
                    if pool.wanted > 0:
                        return worker.take(pool, pool.take(min(self.most, pool.calls_at_once)))
                self.change.wait()
            return None

    def any_started(self) -> bool:
        """Whether a worker is ready for orders."""
        with self.change:
            return any(worker.started for worker in self.all)

    def answered(self, worker: Worker, seconds: float, outcome: Value | Failed) -> None:
        """The first of the calls that it was given is over."""
        with self.change:
            job = worker.given.popleft()
            job.pool.took(seconds)
        job.over(outcome)

    def ended(self, worker: Worker, how: str, begun: bool) -> None:
        """That worker has ended, perhaps in the middle of a call: the first of those that it was given."""
        with self.change:
            self.all.remove(worker)
            worker.free()
            if not worker.unwanted and not self.stopping:
                self._given_back(worker, how, begun)
            self._call_up()  # what waits may need another worker in its place
        self.mailbox.post(_nothing)  # whoever waits for the last one looks again

    def _given_back(self, worker: Worker, how: str, begun: bool) -> None:
        if not worker.started:
            pool = next((pool for pool in self.pools if pool.waiting), None)
            if pool is not None:
                text = f"{pool.step}: needs a worker process, got one that {how} before it was ready"
                pool.waiting.popleft().over(Failed(WorkerError(f"{text}; see what it wrote to standard error")))
        jobs = list(worker.given)
        if jobs and begun and not (jobs[0].late() if worker.late else jobs[0].lost(how)):
            del jobs[0]
        if jobs:
            jobs[0].pool.waiting.extendleft(reversed(jobs))


class Worker:
    """One worker process, and the thread that talks to it."""

    def __init__(self, workers: Workers, number: int) -> None:
        self.workers = workers
        name = f"headrace worker {number}"
        self.process: Process = workers.new_process(name)
        self.thread: threading.Thread = threading.Thread(target=self._talk, name=name, daemon=True)
        self.started: bool = False
        self.unwanted: bool = False
        self.late: bool = False  # it was ended because a call took too long
        self.pool: ProcessPool | None = None  # whose calls it makes
        self.given: deque[Job] = deque()  # those of them that are not over
        self.known: set[ProcessPool] = set()  # whose function it has

    # -- with the lock of the workers --------------------------------------------------------------------------

    def take(self, pool: ProcessPool, jobs: Sequence[Job]) -> Order:
        """What it is to do to make these calls."""
        self.pool = pool
        self.pool.busy += 1
        self.given.extend(jobs)
        function = None if pool in self.known else pool.function
        self.known.add(pool)
        return Order(id(pool), pool.step, function, [job.item for job in jobs])

    def free(self) -> None:
        """It makes no calls."""
        if self.pool is not None:
            self.pool.busy -= 1
            self.pool = None

    def end(self) -> None:
        """End it at once."""
        self.unwanted = True
        self.process.kill()

    # -- in its thread -----------------------------------------------------------------------------------------

    def _talk(self) -> None:
        begun, failure = False, ""
        try:
            self.process.start(self.workers.any_started)
            self.started = True
            while (order := self.workers.next(self)) is not None:
                begun = False
                self.process.send(order)
                begun = True
                if order.function is not None:
                    self.process.loaded()
                for job in tuple(self.given):
                    self.workers.answered(self, *_outcome(order.step, self._reply(job.pool.timeout)))
        except BaseException as error:  # most often it is gone
            failure = f"failed with {error!r}"
        self.workers.ended(self, self.process.end() or failure, begun)

    def _reply(self, timeout: float | None) -> bytes:
        """What the next call came to; the process is ended if that takes too long."""
        reply = self.process.reply(timeout)
        if reply is None:
            self.late = True
            self.process.kill()
            reply = self.process.reply(None)
            assert reply is not None
        return reply


def _nothing() -> None:
    """A message that says nothing."""


def _outcome(step: str, reply: bytes) -> tuple[float, Value | Failed]:
    try:
        seconds, value, raised = Reply(*pickle.loads(reply))
        return seconds, Value(value) if raised is None else Failed(rebuilt(raised))
    except Exception as error:
        failure = UnpicklableError(
            f"{step}: what came back from a worker process cannot be unpickled ({error!r}); give back what can, or use "
            "executor='thread'"
        )
        failure.__cause__ = error
        return 0.0, Failed(failure)
