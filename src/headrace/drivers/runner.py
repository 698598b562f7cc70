"""Running a program in the calling thread, and telling observers."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
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
    if _wants_loop(program):
        from headrace.drivers import aio

        return _in_loop(aio.run(program, arguments))
    return _new_run(program, arguments, counting=False).result()


def iterate(program: Program, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """The items of one run, as they are asked for."""
    return _new_run(program, arguments, counting=False).items()


def observed(program: Program, arguments: Mapping[str, Any], observers: Sequence[Observer]) -> tuple[Any, Report]:
    """The result of one run, and its counts; observers hear of both."""
    if _wants_loop(program):
        from headrace.drivers import aio

        observed_run: tuple[Any, Report] = _in_loop(aio.observed(program, arguments, observers))
        return observed_run
    execution = _new_run(program, arguments, counting=True)
    told = Told(execution, observers)
    try:
        result = execution.result()
    finally:
        counts = told.ended()
    return result, counts


def _wants_loop(program: Program) -> bool:
    """Whether there are async steps, and no loop runs in this thread: then the run has one of its own here.

    Where a loop does run, the async steps run in the loop of another thread.
    """
    if all(stage.executor != "async" for stage in program.dag.stages):
        return False
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return True
    return False


def _in_loop(work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    return asyncio.run(work)


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
