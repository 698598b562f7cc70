"""Counts what is in flight, from the user's side of the library: before `yield` and after receipt."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any


class Meter:
    """In flight on one edge: `asked` is called in the producer, `taken` in the consumer."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.count = 0
        self.highest = 0

    def asked(self, item: Any = None) -> Any:
        with self.lock:
            self.count += 1
            self.highest = max(self.highest, self.count)
        return item

    def taken(self, item: Any = None) -> Any:
        with self.lock:
            self.count -= 1
        return item

    def producing(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.asked()
            yield item

    def taking(self, items: Iterator[Any]) -> Iterator[Any]:
        for item in items:
            self.taken()
            yield item


class Meters:
    """One producer with several branches: what was made for all is taken by each."""

    def __init__(self, *names: str) -> None:
        self.of = {name: Meter() for name in names}

    def asked(self, item: Any = None) -> Any:
        for meter in self.of.values():
            meter.asked()
        return item

    def producing(self, items: Iterable[Any]) -> Iterator[Any]:
        for item in items:
            self.asked()
            yield item

    @property
    def highest(self) -> dict[str, int]:
        return {name: meter.highest for name, meter in self.of.items()}
