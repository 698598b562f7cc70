"""Takes items as they arrive: merges, and batches that wait only so long.

Every other node asks one input at a time and waits until that has an item. These look whether one is there. So that no
look has to wait, an input that may have to is filled by a fiber of its own (graph/stages.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from headrace.engine.channel import Branch
from headrace.engine.ports import Clock, Driver

__all__ = ["Arriving", "AtHand", "Input", "batches_in_time", "merged"]

OVER: Any = object()  # in place of an item: there are no more


class AtHand:
    """An input that never has to wait: asked for an item, it has one or is over."""

    __slots__ = ("held", "items")

    def __init__(self, items: Iterator[Any]) -> None:
        self.items: Iterator[Any] = items
        self.held: list[Any] = []  # an item that was looked at and not taken

    @property
    def waits(self) -> bool:
        """Whether it has to wait for its next item."""
        return False

    def ask(self) -> None:
        """It is asked when its item is taken."""

    def take(self) -> Any:
        """The next item, or OVER."""
        return self.held.pop() if self.held else next(self.items, OVER)

    def comes(self, until: float | None = None) -> bool:
        """Whether there is one more item."""
        if not self.held:
            self.held.extend(islice(self.items, 1))
        return bool(self.held)


class Arriving:
    """An input whose items arrive in a branch."""

    __slots__ = ("ask", "branch", "driver")

    def __init__(self, branch: Branch, ask: Callable[[], None], driver: Driver) -> None:
        self.branch: Branch = branch
        self.ask: Callable[[], None] = ask
        self.driver: Driver = driver

    @property
    def waits(self) -> bool:
        """Whether it has to wait for its next item."""
        return not self.branch.items and self.branch.channel.ended is None

    @property
    def place(self) -> tuple[list[Callable[[], object]], Branch]:
        """Where it is known that an item has come, and what the item is from."""
        return self.branch.channel.waiting, self.branch

    def take(self) -> Any:
        """The next item, or OVER, of an input that does not have to wait."""
        if self.branch.items:
            return self.branch.take()
        self.branch.channel.raise_failure()
        return OVER

    def comes(self, until: float | None = None) -> bool:
        """Whether there is one more item; waits for that, but only `until` a time on the clock."""
        branch, channel, driver = self.branch, self.branch.channel, self.driver
        self.ask()
        while not branch.items:
            if channel.ended is not None:
                channel.raise_failure()
                return False
            if until is None:
                driver.wait(channel.waiting, branch)
            elif driver.clock.now() < until:
                driver.wait_any([self.place], until)
            else:
                return False
            self.ask()
        return True


Input = AtHand | Arriving


def merged(inputs: Sequence[Input], driver: Driver) -> Iterator[Any]:
    """The items of all inputs: of those that have one, the input that has not been taken from for the longest time."""
    at_hand = [each.items for each in inputs if isinstance(each, AtHand)]
    return _in_turns(at_hand) if len(at_hand) == len(inputs) else _as_they_come(inputs, driver)


def _in_turns(streams: Iterable[Iterator[Any]]) -> Iterator[Any]:
    turns = deque(streams)
    while turns:
        try:
            while True:
                yield next(turns[0])
                turns.rotate(-1)
        except StopIteration:
            turns.popleft()


def _as_they_come(inputs: Sequence[Input], driver: Driver) -> Iterator[Any]:
    turns = list(inputs)
    while turns:
        chosen = _chosen(turns, driver)
        if chosen is None:
            driver.wait_any([each.place for each in turns if isinstance(each, Arriving)])
            continue
        turns.remove(chosen)
        item = chosen.take()
        if item is not OVER:
            turns.append(chosen)
            yield item


def _chosen(turns: Sequence[Input], driver: Driver) -> Input | None:
    """The first in turn that does not have to wait, if there is one; but those before it may get on first."""
    for each in turns:  # all of them, so that they are at work at the same time
        each.ask()
    ready = _first_ready(turns)
    if ready is None or ready is turns[0] or not driver.give_way():
        return ready
    return _first_ready(turns)


def _first_ready(turns: Sequence[Input]) -> Input | None:
    for each in turns:
        if not each.waits:
            return each
    return None


def batches_in_time(items: Input, size: int, seconds: float, clock: Clock) -> Iterator[tuple[Any, ...]]:
    """Tuples of `size` items, or of those that were received within `seconds` of the first one."""
    while items.comes():
        batch = [items.take()]
        until = clock.now() + seconds
        while len(batch) < size and items.comes(until) and clock.now() < until:
            batch.append(items.take())
        yield tuple(batch)
