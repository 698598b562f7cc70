"""The time line of a run, in bounded memory: the longer it runs, the further apart are the moments that are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from headrace.engine.snapshot import NodeSnapshot, Snapshot

__all__ = ["Moment", "Recording"]

MOST = 480  # moments that are kept; then every second one is


class Moment(NamedTuple):
    """One node at a moment: `in_flight` is the most since the moment before."""

    seconds: float
    items_out: int
    in_flight: int
    busy: float  # seconds so far


class Recording:
    """The moments of every node of a run.

    >>> recording = Recording()
    >>> for second in range(3):
    ...     node = NodeSnapshot(id="crawl/fetch", items_in=0, items_out=10 * second, in_flight=second, max_in_flight=4)
    ...     recording.add(Snapshot(seconds=second, over=False, nodes=(node,)))
    >>> list(recording.rates("crawl/fetch"))
    [(1, 10.0), (2, 10.0)]
    >>> recording.occupancy("crawl/fetch")
    [(0, 0), (1, 1), (2, 2)]
    """

    def __init__(self) -> None:
        self.moments: dict[str, list[Moment]] = {}
        self.apart: float = 0.0  # seconds, at least

    def add(self, snapshot: Snapshot) -> None:
        """One more moment, later than those before."""
        for node in snapshot.nodes:
            self._add(self.moments.setdefault(node.id, []), Moment(*_of(node, snapshot.seconds)), last=snapshot.over)
        if any(len(moments) > MOST for moments in self.moments.values()):
            self.apart = 2 * max(self.apart, snapshot.seconds / MOST)
            self.moments = {id: _thinned(moments) for id, moments in self.moments.items()}

    def _add(self, moments: list[Moment], moment: Moment, *, last: bool) -> None:
        if not last and len(moments) > 1 and moment.seconds - moments[-2].seconds < self.apart:
            moment = moment._replace(in_flight=max(moment.in_flight, moments[-1].in_flight))
            moments[-1] = moment
        else:
            moments.append(moment)

    def of(self, id: str) -> Sequence[Moment]:
        """The moments of one node."""
        return self.moments.get(id, ())

    def occupancy(self, id: str) -> list[tuple[float, float]]:
        """Seconds, and items in flight then."""
        return [(moment.seconds, moment.in_flight) for moment in self.of(id)]

    def busy(self, id: str) -> list[tuple[float, float]]:
        """Seconds, and how many calls were under way on average since the moment before."""
        return [(after.seconds, (after.busy - before.busy) / gap) for before, after, gap in self._gaps(id)]

    def rates(self, id: str) -> Iterator[tuple[float, float]]:
        """Seconds, and items a second since the moment before."""
        for before, after, gap in self._gaps(id):
            yield after.seconds, (after.items_out - before.items_out) / gap

    def _gaps(self, id: str) -> Iterator[tuple[Moment, Moment, float]]:
        for before, after in pairwise(self.of(id)):
            if after.seconds > before.seconds:
                yield before, after, after.seconds - before.seconds


def _of(node: NodeSnapshot, seconds: float) -> tuple[float, int, int, float]:
    return seconds, node.items_out, node.in_flight, node.seconds


def _thinned(moments: list[Moment]) -> list[Moment]:
    """Every second moment, with the most that was in flight at it or at the one before."""
    first, *others = moments
    pairs = zip(others[::2], others[1::2], strict=False)
    kept = [after._replace(in_flight=max(before.in_flight, after.in_flight)) for before, after in pairs]
    return [first, *kept, *(others[-1:] if len(others) % 2 else [])]
