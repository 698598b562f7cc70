"""Worker processes on a Ray cluster: actors that make calls, each one at a time.

Lives here: how many of them a section has, how one is placed, spoken to and ended. Must not live here: who makes which
call, and what becomes of it if its worker dies (processes.py): that is as on one machine, and so Ray restarts nothing.

The actor of a section makes its workers itself, when it needs them. So they belong to it, and end with it, however that
ends; and it speaks to them without anybody in between. They end with the run and are not kept for the next one, as each
takes a CPU that others in the cluster may want.

A worker is told of a call when the result of the one before it is here, also of those that are ordered together: what
Ray has of a result when a worker dies in the next call may be lost with it, and it must be known which call that was.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray  # pyright: ignore[reportMissingImports]  # an extra, which the checks do not install
from ray.exceptions import GetTimeoutError, RayActorError  # pyright: ignore[reportMissingImports]

from headrace.drivers.places.messages import Crew
from headrace.drivers.worker import Order, function_of, reply_of
from headrace.errors import WorkerError
from headrace.graph.dag import Node
from headrace.graph.sections import Section

__all__ = ["RayProcess", "crews", "reason"]

PATIENCE = 5.0  # seconds: see `RayProcess.start`

Amounts = dict[str, float]  # by the names of resources


class WorkerActor:
    """What is made an actor: it makes calls of functions that it is sent."""

    def __init__(self) -> None:
        self.functions: dict[int, tuple[str, Callable[[Any], Any]]] = {}

    def ready(self) -> None:
        """It is."""

    def load(self, number: int, step: str, function: bytes) -> None:
        """The function of a step with that number."""
        self.functions[number] = step, function_of(step, function)

    def call(self, number: int, item: bytes) -> bytes:
        """What a call of that function with an item comes to."""
        return reply_of(*self.functions[number], item)


class RayProcess:
    """A worker process that is an actor with these options of Ray's."""

    def __init__(self, options: Mapping[str, Any], name: str) -> None:
        self.options = options
        self.name = name
        self.lock: threading.Lock = threading.Lock()
        self.handle: Any = None
        self.killed: bool = False
        self.number: int = 0  # of the step
        self.items: deque[bytes] = deque()  # of calls to be made
        self.under_way: Any = None
        self.lost: str = ""  # why it died

    def start(self, others: Callable[[], bool]) -> None:
        """Return when it is ready for orders.

        The first one that finds no CPU free for long, as with several runs at once, does without: else one run could
        wait for another for ever.
        """
        ready = self._place(self.options)
        may_do_without = "num_cpus" not in self.options
        if may_do_without and not ray.wait([ready], timeout=PATIENCE)[0] and not others() and not _is_free_cpu():
            ray.kill(self.handle)
            ready = self._place({**self.options, "num_cpus": 0})
        self._got(ready, None)

    def _place(self, options: Mapping[str, Any]) -> Any:
        made: Any = ray.remote(WorkerActor)
        with self.lock:
            if self.killed:
                raise WorkerError(f"{self.name}: nobody wants it any more")
            self.handle = made.options(**{"num_cpus": 1, **options}, max_restarts=0, max_task_retries=0).remote()
        return self.handle.ready.remote()

    def send(self, order: Order) -> None:
        """Have it make these calls."""
        self.number = order.number
        self.items.extend(order.items)
        if order.function is not None:
            self.under_way = self.handle.load.remote(order.number, order.step, order.function)

    def loaded(self) -> None:
        """Return when it has the function that it was sent."""
        self._got(self.under_way, None)
        self.under_way = None

    def reply(self, seconds: float | None) -> bytes | None:
        """What the next call came to; None if it takes longer."""
        if self.under_way is None:
            self.under_way = self.handle.call.remote(self.number, self.items.popleft())
        try:
            reply: bytes = self._got(self.under_way, seconds)
        except GetTimeoutError:
            return None
        self.under_way = None
        return reply

    def kill(self) -> None:
        """End it at once, also before it has started. Safe to use from other threads."""
        with self.lock:
            self.killed = True
            if self.handle is not None:
                ray.kill(self.handle)

    def end(self) -> str:
        """End it, and wait until it has ended; says how it did, if it has started."""
        self.items.clear()
        if self.handle is None:
            return ""
        ray.kill(self.handle)
        try:
            ray.get(self.handle.ready.remote(), timeout=PATIENCE)
        except (RayActorError, GetTimeoutError):
            pass
        return self.lost

    def _got(self, result: Any, seconds: float | None) -> Any:
        try:
            return ray.get(result, timeout=seconds)
        except RayActorError as error:
            self.lost = f"died ({reason(error)})"
            raise


def _is_free_cpu() -> bool:
    there: float = ray.available_resources().get("CPU", 0.0)
    return there >= 1


def reason(error: Exception) -> str:
    """The line in which Ray says why an actor died."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].partition(" Some common causes")[0] if lines else type(error).__name__


# -- how many ----------------------------------------------------------------------------------------------------


def crews(
    parts: Sequence[Section], options: Mapping[str, Mapping[str, Any]], left: Mapping[str, float]
) -> dict[int, Crew]:
    """The workers of the sections that have any, by number, where so much is `left` of the cluster's resources.

    Each section has one at least, which goes without a CPU if there is none, and then they get one more in turn, as
    long as there is something left and calls could go on at once.

    Raises: WorkerError: there is not enough for one worker of each.
    """
    there = dict(left)
    found: dict[int, Crew] = {}
    growing: list[tuple[int, int, Amounts]] = []
    for part in parts:
        wanted = sum(node.concurrency for node in calling(part))
        if wanted:
            own = options.get(part.place or "", {})
            needs = needed({"num_cpus": 1, **own})
            if _take(there, needs):
                growing.append((part.number, wanted, needs))
            else:
                own = {"num_cpus": 0, **own}
                _take_at_least(there, needed(own), next(calling(part)))
            found[part.number] = Crew(1, own)
    while growing:
        growing = [each for each in growing if found[each[0]].most < each[1] and _take(there, each[2])]
        for number, _, _ in growing:
            found[number] = found[number]._replace(most=found[number].most + 1)
    return found


def calling(part: Section) -> Iterator[Node]:
    """The steps whose calls are made by workers."""
    return (node for node in part.dag.nodes if node.id in part.own and node.executor == "process")


def needed(options: Mapping[str, Any]) -> Amounts:
    """What an actor with these options takes of a cluster."""
    amounts = {**options.get("resources", {}), "CPU": options.get("num_cpus", 0), "GPU": options.get("num_gpus", 0)}
    return {name: amount for name, amount in amounts.items() if amount}


def _take(there: Amounts, needs: Amounts) -> bool:
    """Take that away, if it is there."""
    if any(there.get(name, 0.0) < amount for name, amount in needs.items()):
        return False
    for name, amount in needs.items():
        there[name] -= amount
    return True


def _take_at_least(there: Amounts, needs: Amounts, step: Node) -> None:
    """Take that away. Raises WorkerError: it is not there."""
    if not _take(there, needs):
        name = next(name for name, amount in needs.items() if there.get(name, 0.0) < amount)
        raise WorkerError(
            f"{step}: needs {needs[name]:g} {name} for a worker, got a cluster of which the other steps leave "
            f"{there.get(name, 0.0):g}; start a node with it, or correct the options"
        )
