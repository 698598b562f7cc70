"""Running a program with options, and what comes of it."""

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

__all__ = ["Observer", "iterate", "observed", "run"]

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
    current = _new_run(program, arguments, counting=True)
    listening = list(observers)
    _tell(listening, RunStarted(program.dag))
    try:
        result = current.result()
    finally:
        counts = report(program.dag, current.values, current.lines)
        _tell(listening, RunEnded(program.dag, counts, current.failure))
    return result, counts


def _new_run(program: Program, arguments: Mapping[str, Any], counting: bool) -> Execution:
    hub = Hub()
    hub.run = Execution(program, arguments, hub, counting)
    return hub.run


def _tell(listening: list[Observer], event: Event) -> None:
    """Tell every observer; one that raises is logged and not told again."""
    for observer in list(listening):
        try:
            observer(event)
        except Exception:
            log.exception("headrace: observer %r failed and is told nothing more", observer)
            listening.remove(observer)
