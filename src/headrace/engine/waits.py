"""Tells observers who waits for whom: a driver that does so, in place of the driver, where anybody hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from headrace.engine.channel import Branch
from headrace.engine.deadlock import Link
from headrace.engine.events import Blocked, Unblocked
from headrace.engine.observers import Observers
from headrace.engine.ports import Driver
from headrace.graph.dag import Edge, Node

__all__ = ["telling"]

Waiting = list[Callable[[], object]]


def telling(driver: Driver, observers: Observers, nodes: Mapping[str, Node], links: Mapping[Branch, Link]) -> Driver:
    """`driver`, or if observers hear of waits, one that tells them. `links` says where each branch leads."""
    if not observers.hear(Blocked, Unblocked):
        return driver
    return cast(Driver, _Telling(driver, observers, nodes, links))  # whatever it has not itself, the driver has


class _Telling:
    """A driver whose waits are told of."""

    def __init__(
        self, driver: Driver, observers: Observers, nodes: Mapping[str, Node], links: Mapping[Branch, Link]
    ) -> None:
        self.driver = driver
        self.observers = observers
        self.nodes = nodes
        self.links = links

    def __getattr__(self, name: str) -> Any:
        return getattr(self.driver, name)

    def wait(self, waiting: Waiting, reason: object) -> None:
        """Wait as the driver does."""
        self._told(lambda: self.driver.wait(waiting, reason), [reason])

    def waiter(self, waiting: Waiting, reason: object) -> Callable[[bool], None]:
        """Wait as the driver does."""
        wait = self.driver.waiter(waiting, reason)
        return lambda others_first: self._told(lambda: wait(others_first), [reason])

    def wait_any(self, places: Iterable[tuple[Waiting, object]], until: float | None = None) -> None:
        """Wait as the driver does."""
        places = list(places)
        self._told(lambda: self.driver.wait_any(places, until), [reason for _, reason in places])

    def _told(self, wait: Callable[[], None], reasons: Iterable[object]) -> None:
        ends = [ends for reason in reasons if (ends := self._ends(reason)) is not None]
        run, tell = self.observers.run, self.observers.tell
        for node, source in ends:
            tell(Blocked(run=run, node=node, source=source))
        try:
            wait()
        finally:
            for node, source in ends:
                tell(Unblocked(run=run, node=node, source=source))

    def _ends(self, reason: object) -> tuple[Node | None, Node] | None:
        """Who waits, and for whom; None if that is no other step."""
        if isinstance(reason, Branch):
            source, target, _ = self.links[reason]
            return self.nodes.get(target), self.nodes[source]
        if isinstance(reason, Edge):
            waiting = (node for node in self.nodes.values() if any(edge is reason for edge in node.edges))
            return next(waiting, None), self.nodes[reason.source]
        return None
