"""Running a program in the calling thread, and telling observers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from headrace.drivers.sync import Hub
from headrace.engine.counts import report
from headrace.engine.events import Event, RunEnded, RunStarted
from headrace.engine.report import Report
from headrace.engine.run import Execution
from headrace.graph.dag import Program

__all__ = ["Observer", "Told", "iterate", "observed", "run"]

Observer = Callable[[Event], object]
log = logging.getLogger("headrace")


def run(program: Program, arguments: Mapping[str, Any]) -> Any:
    """The result of one run, as fast as it goes."""
    return _new_run(program, arguments, counting=False).result()


def iterate(program: Program, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """The items of one run, as they are asked for."""
    return _new_run(program, arguments, counting=False).items()


def observed(program: Program, arguments: Mapping[str, Any], observers: Sequence[Observer]) -> tuple[Any, Report]:
    """The result of one run, and its counts; observers hear of both."""
    execution = _new_run(program, arguments, counting=True)
    told = Told(execution, observers)
    try:
        result = execution.result()
    finally:
        counts = told.ended()
    return result, counts


def _new_run(program: Program, arguments: Mapping[str, Any], counting: bool) -> Execution:
    hub = Hub()
    hub.run = execution = Execution(program, arguments, hub, counting)
    return execution


class Told:
    """The observers of one run. One that raises is logged and not told again."""

    def __init__(self, execution: Execution, observers: Sequence[Observer]) -> None:
        self.execution = execution
        self.observers = list(observers)
        self._tell(RunStarted(execution.dag))

    def ended(self) -> Report:
        """The run is over; gives its counts."""
        execution = self.execution
        counts = report(execution.dag, execution.values, execution.lines)
        self._tell(RunEnded(execution.dag, counts, execution.failure))
        return counts

    def _tell(self, event: Event) -> None:
        for observer in list(self.observers):
            try:
                observer(event)
            except Exception:
                log.exception("headrace: observer %r failed and is told nothing more", observer)
                self.observers.remove(observer)
