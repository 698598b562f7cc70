"""The ways to run a pipeline, by name. A runner is one entry in `RUNNERS`."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, overload

from headrace import AsyncRunner, Stream, SyncRunner
from headrace.dsl.flow import Flow

if TYPE_CHECKING:
    from os import PathLike

    from headrace.drivers.clock import Clock
    from headrace.dsl.runner import Where
    from headrace.engine.events import Observer

__all__ = ["RUNNERS", "AnyFlow", "Runner", "RunnerOptions"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

AnyFlow = Flow[Any, Any]


class RunnerOptions(TypedDict, total=False):
    """What `SyncRunner` and `AsyncRunner` take."""

    observers: Iterable[Observer]
    progress: bool
    report: str | PathLike[str] | None
    checkpoint: Where
    clock: Clock | None


@dataclass(frozen=True, repr=False)
class Runner:
    """One way to run a pipeline: called with a pipeline and its arguments, it gives the result, or raises.

    Args:
        name: What messages and test ids call it.
        plain: Runs as fast as it goes: `plain(pipeline, *args, **kwargs)` gives the result.
        counted: The same, with a dict of the options of `SyncRunner` before the pipeline.

    >>> from headrace import step
    >>> from headrace.testing import RUNNERS
    >>> [runner(step("length", fn=len), "four") for runner in RUNNERS]
    [4, 4, 4]
    """

    name: str
    plain: Callable[..., Any]
    counted: Callable[..., Any]

    def __repr__(self) -> str:
        return f"<runner '{self.name}'>"

    @overload
    def __call__(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> list[T]: ...
    @overload
    def __call__(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def __call__(self, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
        """The result: a list, if the pipeline gives a stream."""
        return _apart(self.plain, pipeline, *args, **kwargs)

    def execute(self, options: RunnerOptions, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
        """The result of a run with options."""
        return _apart(self.counted, options, pipeline, *args, **kwargs)


def _apart(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call `function` where no event loop runs: here, or else in a thread, as in an async test."""
    if not _loop_runs():
        return function(*args, **kwargs)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(contextvars.copy_context().run, function, *args, **kwargs).result()


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _sync(pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
    return pipeline.run(*args, **kwargs)


def _sync_counted(options: RunnerOptions, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
    return SyncRunner(**options).execute(pipeline, *args, **kwargs).result


def _async(pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
    return asyncio.run(pipeline.arun(*args, **kwargs))


def _async_counted(options: RunnerOptions, pipeline: AnyFlow, /, *args: Any, **kwargs: Any) -> Any:
    clock = options.get("clock")
    with asyncio.Runner(loop_factory=clock.new_loop if clock else None) as runner:
        return runner.run(AsyncRunner(**options).execute(pipeline, *args, **kwargs)).result


def _in_loop(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Call `function` where a loop runs already, as in a notebook: async steps then run in another thread's loop."""

    async def cell() -> Any:
        return function(*args, **kwargs)

    return asyncio.run(cell())


def _sync_in_loop(*args: Any, **kwargs: Any) -> Any:
    return _in_loop(_sync, *args, **kwargs)


def _sync_in_loop_counted(*args: Any, **kwargs: Any) -> Any:
    return _in_loop(_sync_counted, *args, **kwargs)


RUNNERS = (
    Runner("sync", _sync, _sync_counted),
    Runner("async", _async, _async_counted),
    Runner("sync in a loop", _sync_in_loop, _sync_in_loop_counted),
)
