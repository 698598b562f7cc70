"""What user code sees of a run: what is in flight on each edge, which calls run, and what is still open."""

from __future__ import annotations

import itertools
import sys
import threading
from collections import Counter
from collections.abc import Callable

from tests.properties.cases import PER_ITEM, VALUES, Case

__all__ = ["Meter"]

Edge = tuple[int, int, int]  # producer, consumer, input


class Meter:
    """Counted up in a producer when it is asked (resumed, or called), and down in a consumer that has the item.

    Some edges are left out: from lists that are flattened and to batches, zips, merges and collected lists, since no
    user code is there, to calls that overlap or wait, which have begun before what is counted runs, and to calls that
    are left out.
    """

    def __init__(
        self, case: Case, at_moment: Callable[[int], object] = lambda _: None, *, reads_back: bool = False
    ) -> None:
        self.case = case
        self.reads_back = reads_back  # calls may be left out
        self.at_moment = at_moment  # called with a number whenever a step is about to do something
        self.lock = threading.Lock()
        self.edges: dict[int, list[Edge]] = {
            index: [(index, reader, slot) for reader, slot in readers if self._sees(index, reader)]
            for index, readers in case.readers.items()
        }
        self.reset()

    def _sees(self, index: int, reader: int) -> bool:
        op = self.case.ops[reader]
        unseen = ("batch", "zip", "merge", "collect", "failures", *(PER_ITEM if self.reads_back else ()))
        return not (self.case.ops[index].listed or op.overlaps or op.waits or op.kind in unseen)

    def reset(self) -> None:
        """Before each run."""
        self.count: Counter[Edge] = Counter()
        self.highest: Counter[Edge] = Counter()
        self.stopped: set[int] = set()
        self.failed: Counter[int] = Counter()
        self.open: Counter[int] = Counter()  # generators and calls that are not over
        self.calls: Counter[int] = Counter()  # per item
        self.complaints: list[str] = []
        self.moments = itertools.count()

    def begun(self, index: int) -> None:
        """A call begins, or a generator is started."""
        op = self.case.ops[index]
        with self.lock:
            self.open[index] += 1
            self.calls[index] += op.kind in PER_ITEM
            if op.kind in PER_ITEM and self.open[index] > (op.at_once if op.overlaps else 1):
                self.complaints.append(f"{self.case.name(index)}: {self.open[index]} calls at once")

    def over(self, index: int) -> None:
        """A call or a generator is over. Called per item, a step stops only with a failure that it does not skip."""
        op, failed = self.case.ops[index], isinstance(sys.exception(), Exception)
        with self.lock:
            self.open[index] -= 1
            self.failed[index] += failed
            stops = op.on_error == "raise" or (isinstance(op.limit, int) and self.failed[index] > op.limit)
            if op.kind not in PER_ITEM or (failed and stops):
                self.stopped.add(index)
            elif failed:
                for edge in self.edges[index]:  # it has no item
                    self.count[edge] -= 1

    def asked(self, index: int) -> None:
        """A producer is asked for one more item."""
        self.at_moment(next(self.moments))
        with self.lock:
            for edge in self.edges[index]:
                self.count[edge] += 1
                if self.count[edge] > self.case.ops[index].bound and self._wants(edge[1]):
                    self.complaints.append(f"{self.count[edge]} in flight from {self.case.name(index)} to {edge[1:]}")

    def gives(self, index: int) -> None:
        """It has one."""
        with self.lock:
            for edge in self.edges[index]:
                if self._wants(edge[1]):
                    self.highest[edge] = max(self.highest[edge], self.count[edge])

    def gives_none(self, index: int) -> None:
        """It has none."""
        with self.lock:
            for edge in self.edges[index]:
                self.count[edge] -= 1

    def taken(self, index: int, slot: int) -> None:
        """A consumer has an item."""
        with self.lock:
            self.count[self.case.ops[index].inputs[slot], index, slot] -= 1
        self.at_moment(next(self.moments))

    def _wants(self, index: int) -> bool:
        """Whether a consumer has not stopped, nor everyone who reads it."""
        if index in self.stopped:
            return False
        readers = self.case.readers[index]
        op = self.case.ops[index]
        return op.kind in VALUES or not readers or any(self._wants(reader) for reader, _ in readers)

    @property
    def left_open(self) -> list[str]:
        return [self.case.name(index) for index, count in self.open.items() if count]
