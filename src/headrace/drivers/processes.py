"""Worker processes for the steps of one run that ask for them.

All steps of a run share its workers: as many as there are cores, started when first needed. Each worker makes one
call at a time, and the run knows which. So a worker that dies takes one call with it and no other, and a call whose
result nobody wants is ended by ending its worker. (Written here because the pools of `concurrent.futures` and `loky`
cannot tell: one lost process breaks such a pool, and everything that is under way in it.)

Short calls travel together: of the calls that have to wait for a worker anyway, one that is free gets as many in one
message as it makes in `TOGETHER` seconds. Nothing waits for more calls to come.

What may wait (to start a process, to write to it, to read what it says) is done in a thread for each worker; everything
else in the run's own thread.
"""

from __future__ import annotations

import pickle
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, Literal

from headrace.drivers.pickling import packed, rebuilt
from headrace.drivers.pulled import Mailbox
from headrace.drivers.starting import cores, ending, start, start_method
from headrace.drivers.worker import GOODBYE, Order, Reply, work
from headrace.engine.outcome import Failed, Value
from headrace.errors import UnpicklableError, WorkerError
from headrace.graph.dag import Node

__all__ = ["ProcessPool", "Workers"]

TOGETHER = 0.002  # seconds of calls that travel in one message
ATTEMPTS = 3  # of a call whose worker is lost, if it may be made again
PATIENCE = 1.0  # seconds that an idle worker has to end by itself

Done = Callable[[Value | Failed], None]


class Job:
    """One call to be made, or under way."""

    __slots__ = ("attempts", "done", "item", "pool")

    def __init__(self, pool: ProcessPool, item: bytes, done: Done) -> None:
        self.pool = pool
        self.item = item
        self.done = done
        self.attempts = 0


class ProcessPool:
    """The calls of one step, made by the workers of its run."""

    def __init__(self, workers: Workers, node: Node) -> None:
        self.workers = workers
        self.mailbox = workers.mailbox
        self.step = str(node)
        self.number = len(workers.pools)
        self.calls_at_once = node.concurrency
        self.idempotent = node.idempotent
        self.waiting: deque[Job] = deque()
        self.function: bytes | None = None
        self.busy = 0  # workers with calls of this step
        self.elsewhere = 0.0  # seconds that its calls took, all in all
        self.seconds = 0.0  # that a call takes, on average; the latest ones count most

    def submit(self, call: Callable[[Any], Any], item: Any, done: Done) -> None:
        """Have a worker call `call(item)` as soon as one is free. `done` is called in the run's own thread."""
        self.mailbox.expect(1)
        try:
            if self.function is None:
                self.function = self._packed("its function, or a value that it is called with,", call)
            job = Job(self, self._packed(f"its item, {type(item).__qualname__},", item), done)
        except UnpicklableError as error:
            self.mailbox.post(partial(self.over, done, Failed(error)))
        else:
            self.waiting.append(job)
            self.workers.dispatch()

    def stop(self) -> None:
        """End the calls that are running, and drop the others."""
        self.mailbox.expect(-len(self.waiting))
        self.waiting.clear()
        for worker in self.workers.of(self):
            worker.drop()

    def over(self, done: Done, outcome: Value | Failed) -> None:
        """One call is over."""
        self.mailbox.expect(-1)
        done(outcome)

    def took(self, seconds: float) -> None:
        """A call took so many seconds."""
        self.elsewhere += seconds
        self.seconds += (seconds - self.seconds) / 4 if self.seconds else seconds

    def next_jobs(self, workers: int) -> list[Job]:
        """What a free worker is given: a fair share of what waits, unless that takes too long."""
        share = len(self.waiting) // workers
        count = max(1, min(share, int(TOGETHER / self.seconds) if self.seconds else 1))
        return [self.waiting.popleft() for _ in range(count)]

    def lost(self, job: Job, how: str) -> None:
        """The worker that made this call has died."""
        job.attempts += 1
        if not self.idempotent:
            what, fix = f"a worker process that {how}", "if it may be called again for an item, add idempotent=True"
        elif job.attempts == ATTEMPTS:
            what, fix = f"{ATTEMPTS} worker processes that died, the last one {how}", "look for what this item does"
        else:
            self.waiting.appendleft(job)
            return
        self.over(job.done, Failed(WorkerError(f"{self.step}: must give a result, got {what}; {fix}")))

    def _packed(self, what: str, thing: Any) -> bytes:
        try:
            return packed(thing)
        except Exception as error:
            raise UnpicklableError(
                f"{self.step}: {what} cannot be pickled to go to a worker process ({error}); give it what can, or use "
                "executor='thread'"
            ) from error


class Workers:
    """The worker processes of one run. Everything but its threads runs in the run's own thread."""

    def __init__(self, mailbox: Mailbox) -> None:
        self.mailbox = mailbox
        self.pools: list[ProcessPool] = []
        self.all: list[Worker] = []
        self.threads: list[threading.Thread] = []
        self.cores = cores()
        self.start_method = start_method()
        self.stopping = False

    def pool(self, node: Node) -> ProcessPool:
        """A pool for the calls of one more step."""
        pool = ProcessPool(self, node)
        self.pools.append(pool)
        return pool

    def of(self, pool: ProcessPool) -> list[Worker]:
        """The workers that make calls of that step."""
        return [worker for worker in self.all if worker.given and worker.given[0].pool is pool]

    def dispatch(self) -> None:
        """Give free workers what waits, and start more if there are not enough."""
        for worker in self.all:
            if worker.state != "free":
                continue
            pool = self._next_pool()
            if pool is None:
                break
            worker.give(pool, pool.next_jobs(min(self.cores, pool.calls_at_once)))
        if len(self.all) < self.cores:
            self._start_more()

    def stop(self) -> None:
        """End all workers, and do not wait for it."""
        self.stopping = True
        for pool in self.pools:
            pool.stop()
        for worker in self.all:
            worker.end()

    @property
    def live(self) -> bool:
        """Whether a worker has not ended."""
        return bool(self.all)

    def close(self) -> None:
        """The workers have ended; their threads too, or almost."""
        for thread in self.threads:
            thread.join()

    def _next_pool(self) -> ProcessPool | None:
        """A step that may have one more worker, and needs it."""
        for pool in self.pools:
            if pool.waiting and pool.busy < pool.calls_at_once:
                return pool
        return None

    def _start_more(self) -> None:
        wanted = sum(min(len(pool.waiting), pool.calls_at_once - pool.busy) for pool in self.pools)
        wanted -= sum(worker.state == "starting" for worker in self.all)
        for _ in range(min(wanted, self.cores - len(self.all))):
            worker = Worker(self, len(self.threads))
            self.all.append(worker)
            self.threads.append(worker.thread)
            worker.thread.start()

    # -- what the threads say ----------------------------------------------------------------------------------

    def ready(self, worker: Worker) -> None:
        """That worker has started."""
        if worker.state == "starting":
            worker.state = "free"
            self.dispatch()

    def answered(self, worker: Worker, seconds: float, outcome: Value | Failed) -> None:
        """One call of that worker has come to an end."""
        if not worker.given:
            return  # nobody wants it
        job = worker.given.popleft()
        job.pool.took(seconds)
        if not worker.given:
            worker.state = "free"
            job.pool.busy -= 1
            self.dispatch()
        job.pool.over(job.done, outcome)

    def ended(self, worker: Worker, how: str, begun: bool) -> None:
        """That worker has ended, perhaps in the middle of a call: the first of those that it was given."""
        self.all.remove(worker)
        if self.stopping:
            return
        if worker.state == "starting":
            self._not_started(how)
        if worker.given:
            pool, jobs = worker.given[0].pool, list(worker.given)
            pool.busy -= 1
            pool.waiting.extendleft(reversed(jobs[begun:]))
            if begun:
                pool.lost(jobs[0], how)
        self.dispatch()

    def _not_started(self, how: str) -> None:
        pool = next((pool for pool in self.pools if pool.waiting), None)
        if pool is not None:
            error = WorkerError(
                f"{pool.step}: needs a worker process, got one that {how} before it was ready; see what it wrote to "
                "standard error"
            )
            pool.over(pool.waiting.popleft().done, Failed(error))


class Worker:
    """One worker process, and the thread that talks to it."""

    def __init__(self, workers: Workers, number: int) -> None:
        self.workers = workers
        self.state: Literal["starting", "free", "busy", "ending"] = "starting"
        self.given: deque[Job] = deque()  # not answered yet
        self.known: set[int] = set()  # the pools whose function it has
        self.orders: SimpleQueue[Order | None] = SimpleQueue()
        self.process: Any = None
        self.unwanted = False
        self.name = f"headrace worker {number}"
        self.thread = threading.Thread(target=self._talk, name=self.name, daemon=True)

    def give(self, pool: ProcessPool, jobs: Sequence[Job]) -> None:
        """Have it make these calls."""
        self.state = "busy"
        self.given.extend(jobs)
        pool.busy += 1
        function = None if pool.number in self.known else pool.function
        self.known.add(pool.number)
        self.orders.put(Order(pool.number, pool.step, function, [job.item for job in jobs]))

    def drop(self) -> None:
        """Nobody wants what it was given: end it."""
        pool = self.given[0].pool
        pool.busy -= 1
        pool.mailbox.expect(-len(self.given))
        self.given.clear()
        self.end()

    def end(self) -> None:
        """End it: an idle one by itself, any other at once."""
        idle, self.state = self.state == "free", "ending"
        self.orders.put(None)
        if not idle:
            self.unwanted = True
            if self.process is not None:
                self.process.kill()

    # -- in its thread -----------------------------------------------------------------------------------------

    def _talk(self) -> None:
        post, begun, failure = self.workers.mailbox.post, False, ""
        try:
            with self._started() as connection:
                connection.recv_bytes()
                post(partial(self.workers.ready, self))
                while (order := self.orders.get()) is not None:
                    begun = False
                    connection.send_bytes(pickle.dumps(order))
                    begun = True
                    for _ in order.items:
                        reply = connection.recv_bytes()
                        post(partial(self.workers.answered, self, *_outcome(order.step, reply)))
                connection.send_bytes(GOODBYE)
        except BaseException as error:  # most often EOFError: it is gone
            failure = f"failed with {error!r}"
        post(partial(self.workers.ended, self, self._joined() or failure, begun))

    def _started(self) -> Connection:
        """Start the process; gives the connection to it."""
        self.process, connection = start(work, self.workers.start_method, self.name)
        if self.unwanted:
            self.process.kill()
        return connection

    def _joined(self) -> str:
        """Wait until the process has ended; says how it did."""
        if self.process is None:
            return ""
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()
        return ending(self.process)


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
