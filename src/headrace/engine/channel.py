"""The bound. Every rule of how far a producer may run ahead of its consumers is in this file.

A channel joins one producer to one or more branches. For every branch, at every instant, the items that the producer
was asked for and that the branch has not taken number at most `capacity`: those that are being produced (`asking`)
and those that wait in the branch.

A channel that is split stores what a step caught in some of its branches, and all else in the others. While an item is
being produced it may become either, so it counts for all of them.

Lives here: reserve, put, release, end, take, close. Must not live here: waiting, threads, event loops, clocks.
A channel never waits: whoever must wait leaves a wake-up call in `waiting` and sees to it elsewhere.

The order of things, for a producer:  reserve() -> ask for one item -> put(item) | release()
and for a branch:                     items? -> take()   |   ended? -> stop   |   else wait.

`express` is the same rules with nothing in between, for a producer and a consumer that only ever wait for this very
channel. What it may leave out, and why, is said there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from operator import length_hint
from types import GeneratorType
from typing import Any

from headrace.engine.outcome import END, Ended, Failed
from headrace.engine.policy import Caught

__all__ = ["Branch", "Channel", "Split", "express", "has_express", "put_all"]

Wait = Callable[[bool], None]  # told whether whoever waits for the same channel is to go on first


class Channel:
    """Room, reserve, put, take, end and close for one producer and its branches.

    >>> channel = Channel(capacity=2, branches=2)
    >>> left, right = channel.branches
    >>> channel.reserve(), channel.reserve(), channel.reserve()
    (True, True, False)
    >>> channel.put("a")
    >>> left.take(), channel.reserve(), right.take(), channel.reserve()
    ('a', False, 'a', True)
    """

    __slots__ = ("asking", "branches", "capacity", "ended", "produced", "stores", "waiting")

    def __init__(self, capacity: int, branches: int) -> None:
        self.capacity: int = capacity
        self.asking: int = 0
        self.produced: int = 0
        self.branches: tuple[Branch, ...] = tuple(Branch(self) for _ in range(branches))
        self.stores: list[deque[Any]] = [branch.items for branch in self.branches]  # of the open branches
        self.ended: Ended | Failed | None = None
        self.waiting: list[Callable[[], object]] = []

    def leave(self, branch: Branch) -> None:
        """That branch does not hold the producer back any more."""
        self.stores = [store for store in self.stores if store is not branch.items]

    def room(self) -> bool:
        """Whether every open branch has space for one more item."""
        if self.ended is not None:
            return False
        space = self.capacity - self.asking
        for store in self.stores:  # noqa: SIM110  # a generator expression costs more than the loop
            if len(store) >= space:
                return False
        return True

    def reserve(self) -> bool:
        """Take the space for one item, if there is room. Only then may the producer be asked."""
        if self.room():
            self.asking += 1
            return True
        return False

    def put(self, item: Any) -> None:
        """Store an item that was asked for, in every open branch."""
        self.asking -= 1
        self.produced += 1
        for store in self.stores:
            store.append(item)
        if self.waiting:
            self.wake()

    def release(self) -> None:
        """Give back the space of an item that was asked for and does not come."""
        self.asking -= 1

    def end(self, why: Ended | Failed = END) -> None:
        """No more items come: nobody is asked again, and branches stop behind what they have."""
        if self.ended is None:
            self.ended = why
        self.wake()

    def raise_failure(self) -> None:
        """Raise what the stream ended with, if it was a failure."""
        if isinstance(self.ended, Failed):
            raise self.ended.error

    def wake(self) -> None:
        """Call everyone who waits for a change of this channel."""
        for call in self.waiting:
            call()
        self.waiting.clear()

    @property
    def full(self) -> list[Branch]:
        """The open branches that have no room: the reason why the producer is not asked."""
        space = self.capacity - self.asking
        return [branch for branch in self.branches if not branch.closed and len(branch.items) >= space]


class Split(Channel):
    """A channel of a step whose failures are caught: each branch gets either these, or the results.

    >>> channel = Split(capacity=1, failures=[False, True])
    >>> results, failures = channel.branches
    >>> channel.reserve(), channel.put(Caught("a failure")), len(results.items), failures.take()
    (True, None, 0, 'a failure')
    """

    __slots__ = ("caught", "driven", "failures", "results")
    asking: int
    produced: int

    def __init__(self, capacity: int, failures: Sequence[bool]) -> None:
        super().__init__(capacity, 0)
        self.branches: tuple[FailureBranch | Branch, ...] = tuple(
            FailureBranch(self) if each else Branch(self) for each in failures
        )
        self.stores: list[deque[Any]] = [branch.items for branch in self.branches]
        self.results: list[deque[Any]] = [
            branch.items for branch in self.branches if not isinstance(branch, FailureBranch)
        ]
        self.failures: list[deque[Any]] = [
            branch.items for branch in self.branches if isinstance(branch, FailureBranch)
        ]
        self.caught: int = 0
        self.driven: bool = False  # an express asks until there is no room

    def put(self, item: Any) -> None:
        """Store an item that was asked for, in every open branch for its kind."""
        self.asking -= 1
        if type(item) is Caught:
            self.catch(item)
            return
        self.produced += 1
        for store in self.results:
            store.append(item)
        if self.waiting:
            self.wake()

    def catch(self, caught: Caught) -> None:
        """Store what was caught, in every open branch for it."""
        self.caught += 1
        for store in self.failures:
            store.append(caught.failure)
        if self.waiting:
            self.wake()

    def full_of_failures(self) -> bool:
        """Whether somebody who reads the failures holds the producer back."""
        for store in self.failures:  # noqa: SIM110  # a generator expression costs more than the loop
            if len(store) >= self.capacity:
                return True
        return False

    def leave(self, branch: Branch) -> None:
        """That branch does not hold the producer back any more."""
        super().leave(branch)
        self.results = [store for store in self.results if store is not branch.items]
        self.failures = [store for store in self.failures if store is not branch.items]


class Branch:
    """One consumer's end of a channel. `peak` is the most that was in flight on it, in items."""

    __slots__ = ("channel", "closed", "dropped", "in_hand", "items", "peak", "produced", "reader")

    def __init__(self, channel: Channel) -> None:
        self.channel: Channel = channel
        self.items: deque[Any] = deque()
        self.peak: int = 0
        self.closed: bool = False
        self.produced: int = 0  # what the channel had produced when the branch closed
        self.dropped: int = 0  # what it had not taken then
        self.reader: Generator[Any, None, None] | None = None  # an express that may have items in hand
        self.in_hand: Callable[[], int] | None = None  # and how many, for those who watch

    @property
    def in_flight(self) -> int:
        """The items that were asked for and that this branch has not taken."""
        return self.channel.asking + len(self.items)

    def take(self) -> Any:
        """The next item. It is out of the bound's count from here on.

        Raises: IndexError: there is none.
        """
        self.mark()
        item = self.items.popleft()
        if self.channel.waiting:
            self.channel.wake()
        return item

    def mark(self) -> None:
        """Remember the most that was in flight. It grows only until the branch takes: look before each take."""
        in_flight = self.channel.asking + len(self.items)
        if in_flight > self.peak:
            self.peak = in_flight

    def close(self) -> None:
        """The consumer has stopped: its items are dropped and it does not hold the producer back any more."""
        reader, self.reader = self.reader, None
        if isinstance(reader, GeneratorType) and not reader.gi_running:
            reader.close()  # it puts back what it has in hand, and closes this branch
        if self.closed:
            return
        channel = self.channel
        self.mark()
        self.closed = True
        self.produced, self.dropped = self.offered, len(self.items)
        channel.leave(self)
        self.items.clear()
        if channel.stores:
            channel.wake()
        else:
            channel.end()

    @property
    def offered(self) -> int:
        """How many items the channel has stored for branches like this one."""
        return self.channel.produced

    @property
    def taken(self) -> int:
        """How many items the branch has taken."""
        if self.closed:
            return self.produced - self.dropped
        return self.offered - len(self.items)

    @property
    def highest(self) -> int:
        """The most items that were in flight at once; an ask that found the stream's end was not an item."""
        return min(self.peak, self.offered)


class FailureBranch(Branch):
    """A branch for what was caught."""

    __slots__ = ()

    @property
    def offered(self) -> int:
        """How many failures there were."""
        assert isinstance(self.channel, Split)
        return self.channel.caught


def express(
    branch: Branch, source: Iterator[Any], failed: Callable[[BaseException], None], waiter: Callable[[], Wait]
) -> Iterator[Any]:
    """The items of `branch`, with nothing checked twice.

    For a consumer that waits for nothing but this branch, and a `source` that never waits. Then no other code of the
    run comes in between two items, except in a wait, so what is known after a wait stays true until the next one.
    Who is asked when is the same as without it.
    """
    if isinstance(branch.channel, Split):
        branch.reader = _results(branch, branch.channel, source, failed, waiter)
    elif branch.channel.capacity == 1:
        branch.reader = _in_step(branch, source, failed, waiter)
    else:
        branch.reader = _in_runs(branch, source, failed, waiter)
        return chain.from_iterable(branch.reader)
    return branch.reader


def has_express(branch: Branch) -> bool:
    """Whether there is an `express` for that branch: of what is split, for the results, if nobody else reads them."""
    channel = branch.channel
    return not isinstance(channel, Split) or (len(channel.results) == 1 and channel.results[0] is branch.items)


def _results(
    branch: Branch,
    channel: Split,
    source: Iterator[Any],
    failed: Callable[[BaseException], None],
    waiter: Callable[[], Wait],
) -> Generator[Any, None, None]:
    """The results of a step whose failures somebody else reads: ask as long as there is room for one more failure."""
    items, capacity = branch.items, channel.capacity
    keep, take = items.append, items.popleft
    wait: Wait | None = None
    channel.driven = True
    try:
        while True:
            full = channel.full_of_failures()
            if items and (full or channel.ended is not None or len(items) >= capacity):
                branch.mark()
                yield take()
                continue
            if channel.ended is not None:
                break
            if full:
                wait = wait or waiter()
                wait(False)
                continue
            before, produced = len(items), 0
            try:
                for item in source:
                    if type(item) is Caught:
                        channel.catch(item)
                        break
                    produced += 1
                    if capacity > 1:
                        keep(item)
                        if len(items) < capacity:
                            continue
                        item = take()
                    yield item
                else:
                    channel.end()
            except Exception as error:
                failed(error)
                channel.end(Failed(error))
            finally:
                channel.produced += produced
                highest = before + produced
                if highest > branch.peak < capacity:
                    branch.peak = min(highest, capacity)
    finally:
        channel.driven = False
        branch.close()
    channel.raise_failure()


def _in_step(
    branch: Branch, source: Iterator[Any], failed: Callable[[BaseException], None], waiter: Callable[[], Wait]
) -> Generator[Any, None, None]:
    """One item in flight: whoever finds all branches empty asks, stores the item in the others, and has it at once.

    The others are woken when it comes back for more, for nobody goes on before that.
    """
    channel, items = branch.channel, branch.items
    take, keep, pair = items.popleft, items.append, False
    stores, others, full = [items], list[deque[Any]](), items
    wait: Wait | None = None
    try:
        while True:
            if items:
                branch.peak = 1
                yield take()
            if channel.ended is not None:
                break
            if channel.stores is not stores:
                stores = channel.stores
                others = [store for store in stores if store is not items]
                full = others[0] if others else items  # the one of the others that is looked at first
                pair = len(others) == 1
                keep = full.append if pair else partial(_keep, others)
            if not full:
                full = next(filter(None, others), full)
            if full:
                wait = wait or waiter()
                wait(False)
                continue
            branch.peak = 1
            try:
                for item in source:
                    channel.produced += 1
                    keep(item)
                    yield item
                    if others:
                        wait = wait or waiter()
                        wait(True)
                        if not items or not pair:
                            break
                        yield take()
                        if full or channel.stores is not stores or channel.ended is not None:
                            break
                else:
                    channel.end()
            except Exception as error:
                failed(error)
                channel.end(Failed(error))
    finally:
        branch.close()
    channel.raise_failure()


def _keep(stores: Sequence[deque[Any]], item: Any) -> None:
    for store in stores:
        store.append(item)


def _in_runs(
    branch: Branch, source: Iterator[Any], failed: Callable[[BaseException], None], waiter: Callable[[], Wait]
) -> Generator[Iterable[Any], None, None]:
    """Many items in a row, as long as it is known that nothing changes: gives the rows.

    While another branch is the fullest, all that wait here can be handed over before anyone has to be asked. While
    this one is, it is known how many times one item is asked for and one handed over before another is as full. What
    is asked for in such a run goes into the other branches at its end: nobody looks before.
    """
    channel, items, capacity = branch.channel, branch.items, branch.channel.capacity
    in_hand: Iterator[Any] = iter(())
    branch.in_hand = lambda: length_hint(in_hand)
    wait: Wait | None = None
    try:
        while True:
            own, fullest = len(items), _fullest(channel, items)
            if own < capacity > fullest and channel.ended is None:
                _ask(channel, source, capacity - max(own, fullest), failed)
                own, fullest = len(items), _fullest(channel, items)
            if own > branch.peak:
                branch.peak = own
            if not own:
                if channel.ended is not None:
                    break
                wait = wait or waiter()
                wait(False)
                continue
            row = list(items)
            in_hand = iter(row)
            items.clear()
            alone = len(channel.stores) == 1
            times = 0
            if own == capacity and channel.ended is None:
                times = own - 1 if alone else capacity - fullest
            try:
                if times:
                    yield _asking(row, in_hand, source, times, channel, failed)
                if not (times and alone):
                    yield in_hand
            finally:
                items.extend(in_hand)
                if times:
                    put_all(channel, row[own:], [store for store in channel.stores if store is not items])
    finally:
        branch.in_hand = None
        branch.close()
    channel.raise_failure()


def _asking(
    row: list[Any],
    in_hand: Iterator[Any],
    source: Iterator[Any],
    times: int,
    channel: Channel,
    failed: Callable[[BaseException], None],
) -> Generator[Any, None, None]:
    """The oldest item of the row; then, so many times: ask for one to go to its end, and hand over the then oldest."""
    keep, most = row.append, len(row) + times
    try:
        yield next(in_hand)
        for item, oldest in zip(islice(source, times), in_hand, strict=False):
            keep(item)
            yield oldest
        if len(row) < most:
            channel.end()
    except Exception as error:
        failed(error)
        channel.end(Failed(error))


def _fullest(channel: Channel, own: deque[Any]) -> int:
    """How many items wait in the fullest of the other branches."""
    most, capacity = 0, channel.capacity
    for store in channel.stores:
        waiting = len(store)
        if waiting > most and store is not own:
            if waiting >= capacity:
                return waiting
            most = waiting
    return most


def _ask(channel: Channel, source: Iterator[Any], count: int, failed: Callable[[BaseException], None]) -> None:
    """Ask for `count` items, for which there is room in every branch."""
    asked: list[Any] = []
    try:
        for item in islice(source, count):
            asked.append(item)  # noqa: PERF402  # what came before a failure counts
    except Exception as error:
        failed(error)
        channel.end(Failed(error))
    else:
        if len(asked) < count:
            channel.end()
    put_all(channel, asked)


def put_all(channel: Channel, items: list[Any], stores: Sequence[deque[Any]] | None = None) -> None:
    """Store items that were asked for, in every open branch, or in some where the others have them."""
    channel.produced += len(items)
    for store in channel.stores if stores is None else stores:
        store.extend(items)
    if channel.waiting:
        channel.wake()
