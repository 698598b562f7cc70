"""Calls that run at the same time: which may begin, and which result is handed over next.

A window stands between a channel and the calls that fill it. The channel says how many items may be in flight; the
window keeps their results in order. Like the channel it is arithmetic only: it neither calls nor waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from headrace.engine.channel import Channel
from headrace.engine.outcome import Ended, Failed, Value
from headrace.engine.policy import Fault

__all__ = ["Slot", "Window"]


class Slot:
    """The place of one call, from before its item is asked for until its outcome is handed over."""

    __slots__ = ("outcome",)

    def __init__(self) -> None:
        self.outcome: Value | Fault | None = None


def _fails(fault: Fault) -> Value | Failed | None:
    return Failed(fault.error)


def _ends(why: Ended | Failed) -> Ended | Failed:
    return why


class Window:
    """Up to `concurrency` calls at once, whose outcomes go to `channel` in order or as they complete.

    `judge` says what becomes of a fault when it is its turn, and `ends` what the stream ends with when all is settled.

    >>> channel = Channel(capacity=3, branches=1)
    >>> window = Window(channel, concurrency=2, ordered=True)
    >>> first, second = window.begin(), window.begin()
    >>> window.begin() is None
    True
    >>> window.settle(second, Value("b"))
    >>> list(channel.branches[0].items)
    []
    >>> window.settle(first, Value("a"))
    >>> list(channel.branches[0].items)
    ['a', 'b']
    """

    __slots__ = (
        "asking",
        "channel",
        "concurrency",
        "due",
        "ends",
        "judge",
        "ordered",
        "paused",
        "pending",
        "running",
        "source_end",
    )

    def __init__(
        self,
        channel: Channel,
        concurrency: int,
        ordered: bool,
        judge: Callable[[Fault], Value | Failed | None] = _fails,
        ends: Callable[[Ended | Failed], Ended | Failed] = _ends,
    ) -> None:
        self.channel: Channel = channel
        self.concurrency: int = concurrency
        self.ordered: bool = ordered
        self.judge: Callable[[Fault], Value | Failed | None] = judge
        self.ends: Callable[[Ended | Failed], Ended | Failed] = ends
        self.running: int = 0
        self.paused: int = 0
        self.asking: bool = False  # one of the places is for an item that has not come yet: others need not wait for it
        self.due: deque[Callable[[], None]] = deque()  # calls that have waited, and find no place
        self.pending: deque[Slot] = deque()
        self.source_end: Ended | Failed | None = None

    def begin(self) -> Slot | None:
        """A place for one more call, or None: too many are running, or the channel has no room."""
        if self.running >= self.concurrency or self.source_end or not self.channel.reserve():
            return None
        self.running += 1
        slot = Slot()
        if self.ordered:
            self.pending.append(slot)
        return slot

    def pause(self) -> None:
        """A call waits to be made again: it keeps its place in the order and in flight, but another may run."""
        self.running -= 1
        self.paused += 1
        self._begin_due()
        self.channel.wake()

    def again(self, begin: Callable[[], None]) -> None:
        """One has waited: `begin` is called now, or as soon as there is a place for it."""
        self.due.append(begin)
        self._begin_due()

    def _begin_due(self) -> None:
        while self.due and self.running - self.asking < self.concurrency:
            self.running += 1
            self.paused -= 1
            self.due.popleft()()

    def settle(self, slot: Slot, outcome: Value | Fault | None) -> None:
        """A call is over. None as outcome: it gave no item."""
        self.running -= 1
        slot.outcome = Value(_NOTHING) if outcome is None else outcome
        if self.ordered:
            while self.pending and self.pending[0].outcome is not None:
                self._hand_over(self.pending.popleft().outcome)
        else:
            self._hand_over(slot.outcome)
        self._end_if_done()
        if self.due:
            self._begin_due()
        self.channel.wake()  # there may be room for one more call

    def exhausted(self, slot: Slot, why: Ended | Failed) -> None:
        """The source had no item for `slot`; what is running still counts."""
        self.running -= 1
        self.channel.release()
        if self.ordered:
            self.pending.remove(slot)
        self.source_end = why
        self.asking = False
        self._end_if_done()

    def _hand_over(self, outcome: Value | Fault | None) -> None:
        if self.channel.ended:
            self.channel.release()
            return
        judged = self.judge(outcome) if isinstance(outcome, Fault) else outcome
        if isinstance(judged, Failed):
            self.channel.end(judged)
        elif judged is None or judged.value is _NOTHING:
            self.channel.release()
        else:
            self.channel.put(judged.value)

    def _end_if_done(self) -> None:
        under_way = self.running or self.paused or self.pending
        if self.source_end and not under_way and not self.channel.ended:
            self.channel.end(self.ends(self.source_end))


_NOTHING: Any = object()
