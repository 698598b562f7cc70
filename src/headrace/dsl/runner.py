"""Running with options: a runner watches a run and reports on it."""

from __future__ import annotations

from collections.abc import Collection, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, overload

from headrace.dsl.checkpoint import Checkpoint, as_checkpoint, opened
from headrace.dsl.flow import Flow
from headrace.dsl.handle import called_at
from headrace.engine.events import EVENTS, Observer
from headrace.errors import ArgumentError, OptionError
from headrace.graph.values import shown

if TYPE_CHECKING:
    from headrace.drivers.clock import Clock
    from headrace.dsl.autowire import WiredPipeline
    from headrace.dsl.stream import Stream
    from headrace.engine.report import Report
    from headrace.engine.stopwatch import Detail
    from headrace.graph.dag import Program
    from headrace.observe.watching import Watching

__all__ = ["AsyncRunner", "Run", "SyncRunner"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Q = TypeVar("Q")
Where = str | PathLike[str] | Checkpoint | None


@dataclass(frozen=True, slots=True)
class Run(Generic[R]):
    """A run that went well: its `result`, and its `report` in numbers of items.

    >>> from headrace import SyncRunner, step
    >>> @step
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> run = SyncRunner().execute(numbers, 3)
    >>> run.result, run.report.node("numbers/numbers").items_out
    ([0, 1, 2], 3)
    """

    result: R
    report: Report


class SyncRunner:
    """Runs pipelines in the calling thread, counts, and tells observers.

    Args:
        observers: What hears of each event, from `RunStarted` to `RunEnded`: functions that take an event, and objects
            like `headrace.observe.LoggingObserver()`. One that raises is logged and not called again; the run goes on.
        progress: Whether to show on standard error how the run gets on: as a table on a terminal or in a notebook, as a
            line every few seconds elsewhere. Needs `pip install 'headrace[progress]'`.
        report: A file to which a page about the run is written, as HTML, also if it fails or is interrupted. Needs
            `pip install 'headrace[pictures]'`.
        checkpoint: A file, as a path or a `Checkpoint`, in which the results of steps with `checkpoint=True` are kept.
            What is in it already is read back, and not called again: that is how a run is resumed.
        clock: What time-outs are measured with; by default real time. For tests: `headrace.testing.ScriptedClock`.

    Raises: OptionError: an option is not what it must be, or what it needs is not installed.

    >>> from headrace import SyncRunner, step
    >>> events = []
    >>> SyncRunner(observers=[events.append]).execute(step("length", fn=len), "four").result
    4
    >>> [type(event).__name__ for event in events]
    ['RunStarted', 'StepStarted', 'StepEnded', 'RunEnded']
    """

    def __init__(
        self,
        *,
        observers: Iterable[Observer] = (),
        progress: bool = False,
        report: str | PathLike[str] | None = None,
        checkpoint: Where = None,
        clock: Clock | None = None,
    ) -> None:
        self.observers: tuple[Observer, ...] = _heard(observers, "SyncRunner")
        self.checkpoint: Checkpoint | None = as_checkpoint(checkpoint)
        self.watching: Watching | None = _watching(progress, report, "SyncRunner")
        self.clock: Clock | None = _checked(clock, "SyncRunner")

    @overload
    def execute(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Run[list[T]]: ...
    @overload
    def execute(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]: ...
    @overload
    def execute(self, pipeline: WiredPipeline[..., Q], params: Q, /) -> Run[Any]: ...
    def execute(self, pipeline: Flow[Any, Any], /, *args: Any, **kwargs: Any) -> Run[Any]:
        """Run to the end, as `pipeline.run(...)` does, and report.

        Raises: what `pipeline.run(...)` raises; CheckpointError: what is to be kept cannot be.
        """
        from headrace.drivers.runner import observed

        program, arguments = _compiled("SyncRunner", pipeline, args, kwargs)
        with opened(self.checkpoint, program) as checkpoints:
            observers, detail = _all_observers(self.observers, self.watching)
            result, report = observed(program, arguments, observers, self.clock, checkpoints, detail)
        return Run(result, report)


class AsyncRunner:
    """Runs pipelines in the running event loop, counts, and tells observers. Its options are those of `SyncRunner`.

    >>> import asyncio
    >>> from headrace import AsyncRunner, step
    >>> @step
    ... async def greet(name: str) -> str:
    ...     return f"hello, {name}"
    >>> asyncio.run(AsyncRunner().execute(greet, "you")).result
    'hello, you'
    """

    def __init__(
        self,
        *,
        observers: Iterable[Observer] = (),
        progress: bool = False,
        report: str | PathLike[str] | None = None,
        checkpoint: Where = None,
        clock: Clock | None = None,
    ) -> None:
        self.observers: tuple[Observer, ...] = _heard(observers, "AsyncRunner")
        self.checkpoint: Checkpoint | None = as_checkpoint(checkpoint)
        self.watching: Watching | None = _watching(progress, report, "AsyncRunner")
        self.clock: Clock | None = _checked(clock, "AsyncRunner")

    @overload
    def execute(
        self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Run[list[T]]]: ...
    @overload
    def execute(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Run[R]]: ...
    @overload
    def execute(self, pipeline: WiredPipeline[..., Q], params: Q, /) -> Coroutine[Any, Any, Run[Any]]: ...
    def execute(self, pipeline: Flow[Any, Any], /, *args: Any, **kwargs: Any) -> Coroutine[Any, Any, Run[Any]]:
        """Run to the end, as `pipeline.arun(...)` does, and report.

        Raises: what `pipeline.arun(...)` raises; CheckpointError: what is to be kept cannot be.
        """
        return self._executed(*_compiled("AsyncRunner", pipeline, args, kwargs))

    async def _executed(self, program: Program, arguments: dict[str, Any]) -> Run[Any]:
        from headrace.drivers.aio import observed

        with opened(self.checkpoint, program) as checkpoints:
            observers, detail = _all_observers(self.observers, self.watching)
            result, report = await observed(program, arguments, observers, self.clock, checkpoints, detail)
        return Run(result, report)


def _watching(progress: bool, report: object, runner: str) -> Watching | None:
    if progress is False and report is None:
        return None
    from headrace.observe.watching import Watching

    return Watching.of(progress, report, f"{runner} ({called_at()})")


def _all_observers(observers: Sequence[Observer], watching: Watching | None) -> tuple[list[Observer], Detail]:
    """The observers of one run, and how much of it they look at."""
    from headrace.engine.stopwatch import Detail

    if watching is None:
        return list(observers), Detail.SECONDS
    return [*observers, *watching.observers()], watching.detail


def _compiled(
    runner: str, pipeline: Flow[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Program, dict[str, Any]]:
    """The compiled pipeline, and the values of its parameters."""
    if not isinstance(pipeline, Flow):
        raise ArgumentError(
            f"{runner}.execute ({called_at()}): needs a pipeline or a step, and then its arguments, got "
            f"{shown(pipeline)}; decorate the function"
        )
    return pipeline._program, pipeline._bind(args, kwargs)


def _checked(clock: Clock | None, runner: str) -> Clock | None:
    if clock is None or (hasattr(clock, "until") and not isinstance(clock, type)):
        return clock
    raise OptionError(
        f"{runner} ({called_at()}): clock must be a clock, such as headrace.testing.ScriptedClock(), got {shown(clock)}"
    )


def _heard(observers: Iterable[Observer], runner: str) -> tuple[Observer, ...]:
    if not isinstance(observers, Iterable):
        got = f"{shown(observers)}; put it in a list" if callable(observers) else shown(observers)
        raise OptionError(f"{runner} ({called_at()}): observers must be a list of observers, got {got}")
    observers = tuple(observers)
    for observer in observers:
        if not callable(observer) or isinstance(observer, type):
            raise OptionError(
                f"{runner} ({called_at()}): an observer must be a function of an event, or an object that is called "
                f"with one, got {shown(observer)}"
            )
        hears = getattr(observer, "hears", ())
        if not isinstance(hears, Collection) or not EVENTS.issuperset(hears):
            raise OptionError(
                f"{runner} ({called_at()}): an observer's hears must be classes of events, such as "
                f"(headrace.ItemFailed,), got {shown(hears)}"
            )
    return observers
