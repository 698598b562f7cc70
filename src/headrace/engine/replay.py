"""A run that is made again because a place died in which a part of it ran.

Lives here: when that is done, and what the caller is given then. Must not live here: how one notices that a place has
died, and how new ones are made (drivers).

The rules:

1. Only the death of a place has a run made again, never what a step raises, whatever that is.
2. All of it runs again, from its sources, in new places. What the caller has been given already is left out: that many
   items, and the user has said that they are the same ones each time.
3. That happens so many times at most, for the run as a whole, and each time is logged.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from typing import Any, Protocol, TypeVar

from headrace.engine.log import log
from headrace.errors import RunError, WorkerError
from headrace.graph.dag import Dag

__all__ = ["Attempt", "Replays", "replayed", "replayed_items"]


class Attempt(Protocol):
    """One run of several that are made of a pipeline until one of them ends."""

    @property
    def lost(self) -> bool:
        """Whether it has failed because a place died."""
        ...


A = TypeVar("A", bound=Attempt)
R = TypeVar("R")
Begin = Callable[[], AbstractContextManager[A]]


class Replays:
    """How often a run of `dag` may be made again, and how many items its caller has."""

    def __init__(self, dag: Dag, most: int) -> None:
        self.dag = dag
        self.most = most
        self.made: int = 0
        self.given: int = 0

    def again(self, attempt: Attempt | None, error: WorkerError) -> bool:
        """Whether the run is made again after this attempt; None of it means that it could not begin."""
        if attempt is None or not attempt.lost or self.made == self.most:
            return False
        self.made += 1
        log().warning(
            "headrace: pipeline '%s' runs again (%d of %d), without the %d items that were given: %s",
            self.dag.name,
            self.made,
            self.most,
            self.given,
            error,
        )
        return True

    def unseen(self, items: Generator[Any, None, None]) -> Generator[Any, None, None]:
        """Those of the items of one attempt that the caller does not have."""
        number = 0
        with closing(items):
            for item in items:
                number += 1
                if number > self.given:
                    self.given = number
                    yield item
        if number < self.given:
            raise RunError(
                f"pipeline '{self.dag.name}': must give the same items when it runs again, got {number} where "
                f"{self.given} had been given; make its steps give the same each time, or leave out replay="
            )


def replayed(begin: Begin[A], finish: Callable[[A], R], replays: Replays) -> R:
    """What `finish` makes of an attempt that is not lost."""
    while True:
        attempt: A | None = None
        try:
            with begin() as attempt:
                return finish(attempt)
        except WorkerError as error:
            if not replays.again(attempt, error):
                raise


def replayed_items(
    begin: Begin[A], items: Callable[[A], Generator[Any, None, None]], replays: Replays
) -> Generator[Any, None, None]:
    """The items of all attempts until one is not lost, each once."""
    while True:
        attempt: A | None = None
        try:
            with begin() as attempt:
                yield from replays.unseen(items(attempt))
                return
        except WorkerError as error:
            if not replays.again(attempt, error):
                raise
