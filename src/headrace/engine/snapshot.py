"""How far a run has come, as data."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

__all__ = ["Live", "NodeSnapshot", "Snapshot", "State"]

State = Literal[
    "running",  # its code may run, or calls of it are under way
    "waiting",  # for an item, or a value, of another node
    "held back",  # it is not asked for more until a consumer has taken something
    "done",
]


class NodeSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How far one node has come.

    Args:
        id: The node's id in the DAG.
        items_in: Items that it took so far.
        items_out: Items that it gave so far (a value counts as one).
        skipped: Items that it left out because they failed.
        failed: Its failures.
        retried: How many calls were made again.
        in_flight: Items that it was asked for and that a consumer has not taken, on the fullest of its edges.
        max_in_flight: The bound for that.
        seconds: How long its code has been busy, in seconds, where that is measured. Calls that run at the same time
            add up.
        state: "running", "waiting" (for an item or a value), "held back" (by a consumer), or "done".
        on: The id of the node that it waits for, or that holds it back; "" is the caller of the run.
        total: The items that it will have given at the end, where that is known.

    >>> now = NodeSnapshot(id="crawl/fetch", items_in=8, items_out=5, in_flight=3, max_in_flight=30, total=100)
    >>> f"{now.items_out / now.total:.0%} of {now.id}, {now.state}"
    '5% of crawl/fetch, running'
    """

    id: str
    items_in: int
    items_out: int
    skipped: int = 0
    failed: int = 0
    retried: int = 0
    in_flight: int = 0
    max_in_flight: int = 1
    seconds: float = 0.0
    state: State = "running"
    on: str | None = None
    total: int | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run has come: its nodes in the order of the DAG, without parameters.

    `seconds` is how long it has been running; `over` says whether it has ended.

    >>> from headrace import RunStarted, SyncRunner, step
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(step("length", fn=len), "four").result
    4
    >>> snapshot = events[0].live.snapshot()
    >>> [(node.id, node.items_out, node.state) for node in snapshot.nodes], snapshot.over
    ([('length/length', 1, 'done')], True)
    """

    seconds: float
    over: bool
    nodes: tuple[NodeSnapshot, ...]

    def node(self, id: str) -> NodeSnapshot:
        """How far that node has come.

        Raises: KeyError: there is no such node.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)


class Live:
    """A run that can be looked at, from any thread and at any time. `RunStarted` comes with it.

    >>> from headrace import RunStarted, SyncRunner, step
    >>> watched = []
    >>> def watch(event):
    ...     if isinstance(event, RunStarted):
    ...         watched.append(event.live)
    >>> @step
    ... def numbers(count: int):
    ...     for number in range(count):
    ...         if number == 3:
    ...             now = watched[0].snapshot().node("numbers/numbers")
    ...             print(now.items_out, now.state)
    ...         yield number
    >>> SyncRunner(observers=[watch]).execute(numbers, 5).result
    3 running
    [0, 1, 2, 3, 4]
    >>> watched[0].snapshot().over
    True
    """

    def __init__(self, look: Callable[[], Iterable[NodeSnapshot]], now: Callable[[], float]) -> None:
        self._look: Callable[[], Iterable[NodeSnapshot]] | None = look
        self._now = now
        self._begun = now()
        self._last: Snapshot | None = None

    def snapshot(self) -> Snapshot:
        """What it looks like now; once it is over, what it was at its end."""
        look = self._look  # first: it is there until there is a last one
        return self._last or self._taken(look, over=False)

    def end(self) -> None:
        """The run is over: nothing of it is kept alive but its counts."""
        self._last = self._taken(self._look, over=True)
        self._look = None

    def _taken(self, look: Callable[[], Iterable[NodeSnapshot]] | None, *, over: bool) -> Snapshot:
        assert look is not None
        return Snapshot(seconds=self._now() - self._begun, over=over, nodes=tuple(look()))
