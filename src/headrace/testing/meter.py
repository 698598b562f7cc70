"""Counts what is in flight from the user's side of the library: before an item is yielded, and after its receipt."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

__all__ = ["Meter", "Meters"]

T = TypeVar("T")


class Meter:
    """What is in flight on one edge, in items: `count` now, and the `highest` so far. Safe to use from threads.

    >>> from headrace import step
    >>> from headrace.testing import Meter
    >>> meter = Meter()
    >>> produced = step("produced", fn=meter.asked, max_in_flight=3)
    >>> @step
    ... def numbers():
    ...     yield from range(10)
    >>> (numbers | produced | meter.taken).run() == list(range(10)), meter.highest
    (True, 3)
    """

    def __init__(self) -> None:
        self.lock: threading.Lock = threading.Lock()
        self.count: int = 0
        self.highest: int = 0

    def asked(self, item: T = None) -> T:  # type: ignore[assignment]  # without an item it gives None
        """The producer has been asked for `item`; gives it."""
        with self.lock:
            self.count += 1
            self.highest = max(self.highest, self.count)
        return item

    def taken(self, item: T = None) -> T:  # type: ignore[assignment]
        """The consumer has received `item`; gives it."""
        with self.lock:
            self.count -= 1
        return item

    def producing(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted before it is yielded."""
        for item in items:
            self.asked()
            yield item

    def taking(self, items: Iterator[T]) -> Iterator[T]:
        """The items, each counted when it was received."""
        for item in items:
            self.taken()
            yield item


class Meters:
    """One producer with several consumers: a meter for each, by name; what is produced is in flight to all of them.

    >>> from headrace.testing import Meters
    >>> meters = Meters("left", "right")
    >>> for number in meters.producing([1, 2]):
    ...     _ = meters.of["left"].taken(number)
    >>> meters.highest
    {'left': 1, 'right': 2}
    """

    def __init__(self, *names: str) -> None:
        self.of: dict[str, Meter] = {name: Meter() for name in names}

    def asked(self, item: T = None) -> T:  # type: ignore[assignment]
        """The producer has been asked for `item`; gives it."""
        for meter in self.of.values():
            meter.asked()
        return item

    def producing(self, items: Iterable[T]) -> Iterator[T]:
        """The items, each counted before it is yielded."""
        for item in items:
            self.asked()
            yield item

    @property
    def highest(self) -> dict[str, int]:
        """The most that was in flight to each consumer."""
        return {name: meter.highest for name, meter in self.of.items()}
