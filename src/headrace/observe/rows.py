"""What is shown of a run while it goes on: a row for each step, with rates, and how long it will take."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from headrace.engine.snapshot import NodeSnapshot, Snapshot
from headrace.graph.dag import RESOURCES, Dag, Node

__all__ = ["Overall", "Row", "Rows", "clock", "is_shown", "most_telling", "rate", "short_name"]

WINDOW = 5.0  # seconds that rates are of
HIDDEN = RESOURCES | {"parameter", "drain", "failures"}  # kinds of nodes that hand on nothing of their own


class Row(NamedTuple):
    """What is shown of one step. `rate` is in items a second, as is `busy` in seconds a second."""

    name: str
    now: NodeSnapshot
    rate: float
    busy: float
    status: str

    @property
    def lost(self) -> int:
        """Its failures."""
        return self.now.failed


class Overall(NamedTuple):
    """What is shown of the whole run: `part` of it is done, and `left` seconds are to come, where that is known."""

    seconds: float
    part: float | None
    left: float | None
    failed: int
    over: bool


class Rows:
    """The rows of a run, snapshot by snapshot.

    >>> from headrace import NodeSnapshot, Snapshot, step
    >>> rows = Rows(step("length", fn=len).dag)
    >>> node = NodeSnapshot(id="length/length", items_in=0, items_out=1, state="done")
    >>> rows.add(Snapshot(seconds=2.0, over=True, nodes=(node,)))
    >>> [(row.name, row.rate, row.status) for row in rows.rows()]
    [('length', 0.5, 'done')]
    """

    def __init__(self, dag: Dag) -> None:
        self.dag = dag
        self.nodes: dict[str, Node] = {node.id: node for node in dag.nodes}
        self.names: dict[str, str] = {node.id: short_name(dag, node) for node in dag.nodes}
        self.window: deque[Snapshot] = deque()

    def add(self, snapshot: Snapshot) -> None:
        """One more snapshot, later than those before."""
        self.window.append(snapshot)
        while len(self.window) > 2 and snapshot.seconds - self.window[1].seconds >= WINDOW:
            self.window.popleft()

    def rows(self) -> list[Row]:
        """A row for each step, in the order of the DAG."""
        now = self.window[-1]
        before = {node.id: node for node in self.window[0].nodes} if len(self.window) > 1 and not now.over else {}
        since = self.window[0].seconds if before else 0.0
        return [self._row(node, before.get(node.id), now.seconds - since) for node in now.nodes if self._is_shown(node)]

    def overall(self) -> Overall:
        """The run as a whole, as far as lists and ranges say how many items there will be."""
        now = self.window[-1]
        known = [row for row in self.rows() if row.now.total]
        parts = [row.now.items_out / row.now.total for row in known if row.now.total]
        rates = [(row.now.total - row.now.items_out, row.rate) for row in known if row.now.total is not None]
        left = [count / rate if count else 0.0 for count, rate in rates if rate or not count]
        failed = sum(node.failed for node in now.nodes)
        whole = len(left) == len(rates) and left and not now.over
        return Overall(now.seconds, min(parts, default=None), max(left) if whole else None, failed, now.over)

    def _is_shown(self, now: NodeSnapshot) -> bool:
        return is_shown(self.nodes[now.id])

    def _row(self, now: NodeSnapshot, before: NodeSnapshot | None, seconds: float) -> Row:
        out, busy = (before.items_out, before.seconds) if before else (0, 0.0)
        seconds = max(seconds, 1e-9)
        row = Row(self.names[now.id], now, max(now.items_out - out, 0) / seconds, (now.seconds - busy) / seconds, "")
        return row._replace(status=self._status(row))

    def _status(self, row: Row) -> str:
        """What the step is doing, in words."""
        now = row.now
        if now.state == "waiting":
            return f"waiting for {self._maker_of(now.on)}"
        if now.state == "held back":
            return f"held back by {self.names.get(now.on or '', 'the caller')}"
        if now.state == "running" and self.nodes[now.id].executor == "inline" and row.busy > 0:
            return f"busy {min(row.busy, 1):.0%}"
        return now.state

    def _maker_of(self, id: str | None) -> str:
        """The name of the step that makes what the node `id` hands on."""
        node = self.nodes.get(id or "")
        while node is not None and not is_shown(node) and node.stream_edges:
            node = self.nodes[node.stream_edges[0].source]
        return self.names[node.id] if node is not None else "a value"


def is_shown(node: Node) -> bool:
    """Whether a node is a step to those who watch: what only hands items on is not."""
    return node.kind not in HIDDEN and not (node.kind == "collect" and node.function is None)


def short_name(dag: Dag, node: Node) -> str:
    """The node's path within its pipeline.

    >>> from headrace import step
    >>> dag = step("length", fn=len).dag
    >>> [short_name(dag, node) for node in dag.nodes]
    ['length(obj)', 'length']
    """
    return node.id.removeprefix(f"{dag.name}/")


def clock(seconds: float) -> str:
    """Seconds as they stand on a clock.

    >>> clock(5.7), clock(75), clock(3675)
    ('0:05', '1:15', '1:01:15')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rate(number: float) -> str:
    """A number of items a second, in few digits.

    >>> rate(0.123), rate(12.34), rate(1234.5)
    ('0.12', '12.3', '1,234')
    """
    return f"{number:.2f}" if number < 10 else f"{number:.1f}" if number < 100 else f"{number:,.0f}"


def most_telling(rows: Sequence[Row], most: int) -> tuple[list[Row], int]:
    """At most so many rows, those of most interest, in their order; and how many are left out."""
    if len(rows) <= most:
        return list(rows), 0
    by_interest = sorted(range(len(rows)), key=lambda place: _interest(rows[place]), reverse=True)
    return [rows[place] for place in sorted(by_interest[:most])], len(rows) - most


def _interest(row: Row) -> tuple[bool, bool, float]:
    return row.lost > 0, row.now.max_in_flight > 1, row.busy
