"""The ways to run a pipeline, each with everything that must hold when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from headrace import AsyncRunner, DeadlockError, LengthError, SyncRunner
from tests.properties.meter import Meter
from tests.properties.scripts import Boom

__all__ = ["BREAKING", "WAYS", "Came", "came_of", "leaving_no_task"]

SECONDS = 20  # after which a run is taken to hang


@dataclass(frozen=True)
class Came:
    """What came of one run."""

    value: Any = None
    failure: BaseException | None = None
    report: Any = None

    @property
    def counts(self) -> Any:
        """The report, as far as it is the same for the same run."""
        return self.report and self.report.counts()


def run(pipeline: Any, count: int, events: list[Any]) -> Any:
    return pipeline.run(count)


def execute(pipeline: Any, count: int, events: list[Any]) -> Any:
    return SyncRunner(observers=[events.append]).execute(pipeline, count).result


def arun(pipeline: Any, count: int, events: list[Any]) -> Any:
    return asyncio.run(leaving_no_task(pipeline.arun(count)))


def aexecute(pipeline: Any, count: int, events: list[Any]) -> Any:
    return asyncio.run(leaving_no_task(AsyncRunner(observers=[events.append]).execute(pipeline, count))).result


def run_within_loop(pipeline: Any, count: int, events: list[Any]) -> Any:
    async def main() -> Any:
        return pipeline.run(count)

    return asyncio.run(leaving_no_task(main()))


def iterated(pipeline: Any, count: int, items: int | None = None) -> list[Any]:
    with contextlib.closing(pipeline.iter(count)) as iterator:
        return list(islice(iterator, items))


def iterated_async(pipeline: Any, count: int, items: int | None = None) -> list[Any]:
    async def main() -> list[Any]:
        async with contextlib.aclosing(pipeline.aiter(count)) as iterator:
            got: list[Any] = []
            while (items is None or len(got) < items) and (item := await anext(iterator, END)) is not END:
                got.append(item)
            return got

    return asyncio.run(leaving_no_task(main()))


END: Any = object()
WAYS: dict[str, Callable[..., Any]] = {
    "run": run,
    "execute": execute,
    "arun": arun,
    "aexecute": aexecute,
    "run within a loop": run_within_loop,
}
BREAKING: dict[str, Callable[..., Any]] = {"iter": iterated, "aiter": iterated_async}


class LeftBehind(AssertionError):
    """A run is over, and something of it is not."""


def came_of(way: Callable[..., Any], meter: Meter, pipeline: Any, *arguments: Any) -> Came:
    """Run, and check that the bounds held and that nothing is left.

    Raises: AssertionError: something is wrong.
    """
    meter.reset()
    threads = threading.active_count()
    events: list[Any] = []
    with _complaining(), _in_time():
        try:
            came = Came(value=way(pipeline, *arguments, *([events] if way in WAYS.values() else [])))
        except (Boom, LengthError, DeadlockError) as error:
            came = Came(failure=error)
        assert not meter.complaints, meter.complaints
        assert not meter.left_open, f"left open: {meter.left_open}"
        assert threading.active_count() == threads, f"threads left: {threading.enumerate()}"
    return Came(came.value, came.failure, events[-1].report if events else None)


async def leaving_no_task(run: Any) -> Any:
    try:
        return await run
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        if left:
            raise LeftBehind(f"tasks left: {left}")


@contextlib.contextmanager
def _complaining() -> Iterator[None]:
    """Whatever would only be printed is an error: exceptions in destructors, coroutines that nobody awaits."""
    heard: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, heard.append
    try:
        yield
        gc.collect(1)
        assert not heard, [(each.err_msg, each.exc_value, each.object) for each in heard]
    finally:
        sys.unraisablehook = before


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """A run that hangs is an error, where the platform can tell (its main thread)."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def hangs(*_: Any) -> None:
        raise LeftBehind(f"the run hangs after {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, SECONDS, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
