"""Running a program in the calling thread, and telling observers."""

from __future__ import annotations

import contextvars
import time
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.drivers.clock import Clock
from headrace.drivers.sync import Hub
from headrace.engine.around import resumed
from headrace.engine.counts import report
from headrace.engine.events import Observer, RunEnded, RunStarted
from headrace.engine.live import Look
from headrace.engine.observers import Observers
from headrace.engine.report import Report
from headrace.engine.run import Execution
from headrace.engine.scope import Scope
from headrace.engine.snapshot import Live, NodeSnapshot
from headrace.engine.stopwatch import Detail
from headrace.graph.dag import Dag, Program

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from headrace.engine.checkpoint import Checkpoints

    NewLoop = Callable[[], AbstractEventLoop]

__all__ = ["Told", "iterate", "iterate_told", "observed", "run", "told_result"]


def run(
    program: Program,
    arguments: Mapping[str, Any],
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
) -> Any:
    """The result of one run, as fast as it goes."""
    in_loop = _own_loop(program, clock)
    if in_loop is None:
        return _new_run(program, arguments, clock, checkpoints).result()
    from headrace.drivers import aio

    return in_loop(aio.run(program, arguments, clock, checkpoints))


def iterate(
    program: Program,
    arguments: Mapping[str, Any],
    clock: Clock | None = None,
    checkpoints: Checkpoints | None = None,
    observers: Sequence[Observer] = (),
    detail: Detail = Detail.SECONDS,
) -> Iterator[Any]:
    """The items of one run, as they are asked for. It is counted if there are observers to hear of it."""
    if not observers:
        return _new_run(program, arguments, clock, checkpoints).items()
    execution = _new_run(program, arguments, clock, checkpoints, detail, Observers(observers))
    return iterate_told(lambda: Told.of(execution))


def iterate_told(begin: Callable[[], Told]) -> Generator[Any, None, None]:
    """The items of one run, of whose begin and end observers are told."""
    told = begin()
    run = told.execution
    try:
        yield from resumed(told.around, run.items) if told.around.wanted else run.items()
    finally:
        told.ended()


def observed(
    program: Program,
    arguments: Mapping[str, Any],
    observers: Sequence[Observer],
    clock: Clock | None,
    checkpoints: Checkpoints | None = None,
    detail: Detail = Detail.SECONDS,
) -> tuple[Any, Report]:
    """The result of one run, and its counts; observers hear of both."""
    in_loop = _own_loop(program, clock)
    if in_loop is not None:
        from headrace.drivers import aio

        watched = aio.observed(program, arguments, observers, clock, checkpoints, detail)
        observed_run: tuple[Any, Report] = in_loop(watched)
        return observed_run
    execution = _new_run(program, arguments, clock, checkpoints, detail, Observers(observers))
    return told_result(Told.of(execution))


def told_result(told: Told) -> tuple[Any, Report]:
    """The result of one run, and its counts; observers are told of its end."""
    try:
        with told.around:
            result = told.execution.result()
    finally:
        counts = told.ended()
    return result, counts


def _own_loop(program: Program, clock: Clock | None) -> Callable[[Coroutine[Any, Any, Any]], Any] | None:
    """What runs a coroutine, if the run has an event loop of its own: with async steps, where no loop runs yet.

    Where one does run, the async steps run in the loop of another thread. Scripted time is kept by a single loop, so
    then all of the run is in that thread.
    """
    if all(stage.executor != "async" for stage in program.dag.stages):
        return None
    import asyncio

    new_loop = None if clock is None else clock.new_loop
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return partial(_in_loop, new_loop)
    return None if new_loop is None else partial(_in_thread, new_loop)


def _in_loop(new_loop: NewLoop | None, work: Coroutine[Any, Any, Any]) -> Any:
    import asyncio

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(work)


def _in_thread(new_loop: NewLoop, work: Coroutine[Any, Any, Any]) -> Any:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "headrace run") as thread:
        return thread.submit(contextvars.copy_context().run, _in_loop, new_loop, work).result()


def _new_run(
    program: Program,
    arguments: Mapping[str, Any],
    clock: Clock | None,
    checkpoints: Checkpoints | None,
    detail: Detail = Detail.NOTHING,
    observers: Observers | None = None,
) -> Execution:
    hub = Hub(clock)
    hub.run = execution = Execution(program, arguments, hub, detail, checkpoints, observers)
    return execution


class Told:
    """Tells the observers of a run of `dag` of its begin and its end.

    `look` gives how far its nodes have come, from any thread, and `counts` what they did when it is over.
    """

    def __init__(
        self,
        execution: Execution,
        dag: Dag,
        look: Callable[[], Iterable[NodeSnapshot]],
        counts: Callable[[], Report],
    ) -> None:
        self.execution = execution
        self.dag = dag
        self.counts = counts
        self.observers: Observers = execution.observers
        self.begun: float = execution.driver.clock.now()
        self.live: Live = Live(look, time.monotonic)
        started = RunStarted(run=self.observers.run, dag=dag, live=self.live)
        self.around: Scope = Scope(self.observers.begun(started))

    @classmethod
    def of(cls, execution: Execution) -> Told:
        """Of a run in one place."""
        dag, lines = execution.dag, execution.lines
        return cls(execution, dag, Look(dag, lines).nodes, lambda: report(dag, execution.values, lines))

    def ended(self) -> Report:
        """The run is over; gives its counts."""
        execution = self.execution
        counts = self.counts()
        self.live.end()
        event = RunEnded(
            run=self.observers.run,
            dag=self.dag,
            report=counts,
            failure=execution.failure,
            seconds=execution.driver.clock.now() - self.begun,
        )
        self.observers.tell(event)
        return counts
