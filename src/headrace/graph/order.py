"""The order of what depends on each other."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

__all__ = ["CycleError", "cycle_of", "in_order"]


def in_order(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The names, each after those that it needs, and otherwise in the order that they have.

    Raises: CycleError: some need each other.

    >>> in_order({"page": ["url"], "title": [], "url": []})
    ['title', 'url', 'page']
    """
    sorter = TopologicalSorter(needs)
    sorter.prepare()
    position = {name: index for index, name in enumerate(needs)}
    ready: list[tuple[int, str]] = []
    ordered: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (position[name], name))
        _, name = heapq.heappop(ready)
        ordered.append(name)
        sorter.done(name)
    return ordered


def cycle_of(error: CycleError) -> list[str]:
    """The names that need each other, the first of them again at the end: each needs the one behind it.

    >>> try:
    ...     in_order({"a": ["c"], "b": ["a"], "c": ["b"]})
    ... except CycleError as error:
    ...     cycle_of(error)
    ['a', 'c', 'b', 'a']
    """
    names: list[str] = error.args[1]
    return names[::-1]
