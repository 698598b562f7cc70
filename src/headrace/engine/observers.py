"""The observers of one run: who hears what, and what becomes of one that fails.

Must not live here: when something happens. Whoever knows says so, and asks first whether anybody hears it only where
that saves work.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal, TypeAlias

from headrace.engine.events import (
    ALWAYS,
    CallStarted,
    DeadlockFound,
    Event,
    ItemFailed,
    ItemRetried,
    Observer,
    RunStarted,
    StepEnded,
    StepStarted,
)
from headrace.engine.log import log
from headrace.engine.report import NodeReport
from headrace.engine.scope import Wanted
from headrace.errors import DeadlockError
from headrace.graph.dag import Node

__all__ = ["NOBODY", "Observers", "Outcome"]

Outcome: TypeAlias = Literal["skipped", "caught", "raised"]
_runs = itertools.count()  # 0 is that of NOBODY


class Observers:
    """Tells the observers of one run, one event at a time. One that raises is logged and not told again."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.run: int = next(_runs)
        self.told: dict[type, list[Observer]] = {}
        for observer in observers:
            for kind in dict.fromkeys(getattr(observer, "hears", ALWAYS)):
                self.told.setdefault(kind, []).append(observer)
        # Reentrant: an event may come up while an observer is told of another.
        self.lock: AbstractContextManager[object] = threading.RLock()
        self.at_work: dict[str, Node] = {}  # steps that have begun and are not over
        self.wanted: dict[str, list[Wanted]] = {}  # around the code of each step

    def hear(self, *kinds: type) -> bool:
        """Whether anybody is told of events of one of these kinds."""
        return bool(self.told) and any(self.told.get(kind) for kind in kinds)

    def want(self, kind: type) -> bool:
        """Whether somebody may want something around what begins with an event of that kind."""
        return any(hasattr(observer, "around") for observer in self.told.get(kind, ()))

    def tell(self, event: Event) -> None:
        """Tell everyone who hears events of its kind."""
        with self.lock:
            for observer in tuple(self.told.get(type(event), ())):
                self._tried(observer, observer, event)

    def begun(self, event: RunStarted | StepStarted | CallStarted) -> list[Wanted]:
        """Tell them of something that begins; gives what they want around it."""
        self.tell(event)
        with self.lock:
            wanted = [self._wanted(observer, event) for observer in tuple(self.told.get(type(event), ()))]
        return [each for each in wanted if each is not None]

    def step_started(self, node: Node) -> None:
        """The code of that step may be called from now on."""
        if node.id not in self.at_work and self.hear(StepStarted, StepEnded):
            self.at_work[node.id] = node
            self.wanted[node.id] = self.begun(StepStarted(run=self.run, node=node))

    def step_ended(self, id: str, report: Callable[[], NodeReport]) -> None:
        """That step is over, if it had begun."""
        node = self.at_work.pop(id, None)
        if node is not None and self.hear(StepEnded):
            self.tell(StepEnded(run=self.run, node=node, report=report()))

    def failed(
        self,
        node: Node,
        outcome: Outcome,
        exception: Exception,
        number: int | None,
        item: Any = None,
        attempts: int = 1,
    ) -> None:
        """The step failed at an item."""
        if self.hear(ItemFailed):
            event = ItemFailed(
                run=self.run,
                node=node,
                outcome=outcome,
                exception=exception,
                number=number,
                item=item,
                attempts=attempts,
            )
            self.tell(event)

    def retried(self, node: Node, item: Any, attempt: int, seconds: float, exception: BaseException | None) -> None:
        """A call of the step is made again."""
        if self.hear(ItemRetried):
            event = ItemRetried(
                run=self.run, node=node, item=item, attempt=attempt, seconds=seconds, exception=exception
            )
            self.tell(event)

    def deadlock(self, error: DeadlockError) -> None:
        """The run is locked up."""
        if self.hear(DeadlockFound):
            self.tell(DeadlockFound(run=self.run, error=error))

    def _tried(self, observer: Observer, function: Callable[..., Any], event: Event) -> Any:
        try:
            return function(event)
        except Exception:
            log().exception("headrace: observer %r failed and is told nothing more", observer)
            self._forget(observer)
        return None

    def _wanted(self, observer: Observer, event: Event) -> Wanted | None:
        around = getattr(observer, "around", None)
        make = None if around is None else self._tried(observer, around, event)
        return None if make is None else Wanted(make, partial(self._forget, observer))

    def _forget(self, observer: Observer) -> None:
        for told in self.told.values():
            told[:] = [other for other in told if other is not observer]


NOBODY: Observers = Observers()  # of runs that nobody observes
