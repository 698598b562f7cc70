"""What a run did, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headrace.engine.failure import Failure

__all__ = ["EdgeReport", "NodeReport", "Report", "Slow"]


class Slow(msgspec.Struct, frozen=True, kw_only=True):
    """A call that took long: its item as text, and its seconds."""

    item: str
    seconds: float


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one node did, in numbers of items.

    Args:
        id: The node's id in the DAG.
        items_in: Items that it took from its streams.
        items_out: Items that it gave (a value counts as one).
        skipped: Items that it left out because they failed.
        failed: Its failures: those that were skipped or caught, and one that stopped the run.
        retried: How many calls were made again.
        seconds: How long its code was busy, in seconds: in its calls, waits in them included, but not in what it reads.
            Calls that run at the same time add up.
        highest_in_flight: The most items that were asked for and not yet taken at any instant, on any of its edges.
        failures: The first hundred that were skipped, without their tracebacks.
        tracebacks: Of the first failure of each kind that was skipped or caught, as text.
        slowest: The calls that took longest, the slowest first, where a page of the run is written.
    """

    id: str
    items_in: int
    items_out: int
    skipped: int = 0
    failed: int = 0
    retried: int = 0
    seconds: float = 0.0
    highest_in_flight: int = 0
    failures: tuple[Failure[Any], ...] = ()
    tracebacks: tuple[str, ...] = ()
    slowest: tuple[Slow, ...] = ()


class EdgeReport(msgspec.Struct, frozen=True, kw_only=True):
    """How many items a consumer took, and the most that were asked for and not yet taken at any instant."""

    source: str
    target: str
    parameter: str
    taken: int
    highest_in_flight: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one run, by node and by edge, in the order of the DAG. As text it is a table.

    >>> from headrace import SyncRunner, step, stream, pipeline
    >>> @pipeline
    ... def numbers(texts: list[str]):
    ...     return stream(texts).map(step("number", fn=int, on_error="skip"))
    >>> print(SyncRunner().execute(numbers, ["1", "two", "3"]).report)
    step                 in      out  skipped   failed  retried  seconds  in flight
    numbers/stream        0        3        0        0        0    0.000          1
    numbers/number        3        2        1        1        0    0.000          1
    """

    nodes: tuple[NodeReport, ...]
    edges: tuple[EdgeReport, ...]

    def node(self, id: str) -> NodeReport:
        """The counts of one node.

        Raises: KeyError: there is no such node.
        """
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)

    def counts(self) -> Report:
        """The same in numbers of items only, without times and kept failures: what can be compared between two runs.

        >>> from headrace import SyncRunner, step
        >>> length, runner = step("length", fn=len), SyncRunner()
        >>> runner.execute(length, "four").report.counts() == runner.execute(length, "five").report.counts()
        True
        """
        nodes = (
            msgspec.structs.replace(node, seconds=0.0, failures=(), tracebacks=(), slowest=()) for node in self.nodes
        )
        return msgspec.structs.replace(self, nodes=tuple(nodes))

    def to_json(self) -> bytes:
        """All of it as JSON; an item that JSON cannot hold is there as text, and so is every exception.

        >>> from headrace import SyncRunner, step
        >>> SyncRunner().execute(step("length", fn=len), "four").report.to_json()[:38]
        b'{"nodes":[{"id":"length/length","items'
        """
        nodes = [
            {**msgspec.structs.asdict(node), "failures": [failure.as_dict() for failure in node.failures]}
            for node in self.nodes
        ]
        return msgspec.json.encode({"nodes": nodes, "edges": self.edges})

    def __str__(self) -> str:
        return "\n".join(_aligned([HEADER, *map(_row, self.nodes)]))


HEADER = ("step", "in", "out", "skipped", "failed", "retried", "seconds", "in flight")


def _row(node: NodeReport) -> tuple[str, ...]:
    numbers = (node.items_in, node.items_out, node.skipped, node.failed, node.retried)
    counts = (f"{number:,}" for number in numbers)
    return (node.id, *counts, f"{node.seconds:,.3f}", f"{node.highest_in_flight:,}")


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with columns of one width each; all but the first are of numbers."""
    widths = [max(7, *(len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        numbers = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *numbers])
