"""The bound. Every rule of how far a producer may run ahead of its consumers is in this file.

A channel joins one producer to one or more branches. For every branch, at every instant, the items that the
producer was asked for and that the branch has not taken number at most `capacity`. That is arithmetic on two
numbers: how many items were asked for (`asked`), and how many the slowest open branch has taken (`limit` is that
plus the capacity).

Lives here: reserve, put, release, end, take, close. Must not live here: waiting, threads, event loops, clocks.
A channel never waits: whoever must wait leaves a wake-up call in `waiting` and sees to it elsewhere.

The order of things, for a producer:  reserve() -> ask for one item -> put(item) | end(...)
and for a branch:                     items? -> take()   |   ended? -> stop   |   else wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from headrace.engine.outcome import END, Ended, Failed

__all__ = ["Branch", "Channel"]


class Channel:
    """Room, reserve, put, take, end and close for one producer and its branches.

    >>> channel = Channel(capacity=2, names=["left", "right"])
    >>> left, right = channel.branches
    >>> channel.reserve(), channel.reserve(), channel.reserve()
    (True, True, False)
    >>> channel.put("a")
    >>> left.take(), channel.reserve(), right.take(), channel.reserve()
    ('a', False, 'a', True)
    """

    __slots__ = ("asked", "at_slowest", "branches", "capacity", "ended", "limit", "open", "produced", "stores", "waiting")

    def __init__(self, capacity: int, names: Sequence[str]) -> None:
        self.capacity = capacity
        self.asked = 0
        self.produced = 0
        self.limit = capacity
        self.branches = tuple(Branch(self, name) for name in names)
        self.open = list(self.branches)
        self.at_slowest = len(self.open)
        self.stores = [branch.items for branch in self.branches]
        self.ended: Ended | Failed | None = None
        self.waiting: list[Callable[[], object]] = []

    # -- the producer's end ------------------------------------------------------------------------------------

    def reserve(self) -> bool:
        """Take a space for one item, if every open branch has one. Only then may the producer be asked."""
        if self.asked < self.limit:
            self.asked += 1
            return True
        return False

    def put(self, item: Any) -> None:
        """Store an item that was asked for, in every open branch."""
        self.produced += 1
        for store in self.stores:
            store.append(item)
        if self.waiting:
            self.wake()

    def release(self) -> None:
        """Give back the space of an item that was asked for and does not come."""
        self.asked -= 1

    def end(self, why: Ended | Failed = END) -> None:
        """No more items come: nobody is asked again, and branches stop behind what they have."""
        if self.ended is None:
            self.ended = why
            self.limit = -1
        self.wake()

    def wake(self) -> None:
        """Call everyone who waits for a change of this channel."""
        waiting, self.waiting = self.waiting, []
        for call in waiting:
            call()

    # -- what the branches change ------------------------------------------------------------------------------

    def advance(self) -> None:
        """The last of the slowest branches has taken one more: there is room for one more item."""
        slowest = self.limit - self.capacity + 1
        at_slowest = 0
        for branch in self.open:
            if branch.taken == slowest:
                at_slowest += 1
        self.at_slowest = at_slowest
        self.limit += 1
        if self.waiting:
            self.wake()

    def leave(self, branch: Branch) -> None:
        """A branch has closed: it does not hold the producer back any more."""
        self.open = [other for other in self.open if other is not branch]
        self.stores = [other.items for other in self.open]
        if not self.open:
            self.end()
        elif self.ended is None:
            slowest = min(other.taken for other in self.open)
            self.at_slowest = sum(other.taken == slowest for other in self.open)
            self.limit = slowest + self.capacity
            self.wake()

    @property
    def full(self) -> list[Branch]:
        """The open branches that have no room: the reason why the producer is not asked."""
        return [branch for branch in self.open if self.asked - branch.taken >= self.capacity]


class Branch:
    """One consumer's end of a channel. `peak` is the most that was in flight on it, in items."""

    __slots__ = ("channel", "closed", "items", "name", "peak", "taken")

    def __init__(self, channel: Channel, name: str) -> None:
        self.channel = channel
        self.name = name
        self.items: deque[Any] = deque()
        self.taken = 0
        self.peak = 0
        self.closed = False

    def take(self) -> Any:
        """The next item. It is out of the bound's count from here on.

        Raises: IndexError: there is none.
        """
        channel = self.channel
        item = self.items.popleft()
        taken = self.taken
        if channel.asked - taken > self.peak:
            self.peak = channel.asked - taken
        self.taken = taken + 1
        if taken + channel.capacity == channel.limit:
            channel.at_slowest -= 1
            if not channel.at_slowest:
                channel.advance()
        return item

    def close(self) -> None:
        """The consumer has stopped: its items are dropped and it does not hold the producer back any more."""
        if self.closed:
            return
        self.peak = max(self.peak, self.channel.asked - self.taken)
        self.closed = True
        self.items.clear()
        self.channel.leave(self)

    @property
    def highest(self) -> int:
        """The most items that were in flight at once; an ask that found the stream's end was not an item."""
        return min(max(self.peak, self.channel.asked - self.taken if not self.closed else 0), self.channel.produced)
