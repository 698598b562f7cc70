"""`RayRunner`: the same pipeline on a Ray cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, overload

from headrace.dsl.checkpoint import Checkpoint, as_checkpoint, opened
from headrace.dsl.flow import AsyncItems, Flow, Items
from headrace.dsl.handle import called_at
from headrace.dsl.runner import Run, Where, _all_observers, _compiled, _heard, _watching
from headrace.errors import OptionError
from headrace.graph.dag import Program
from headrace.graph.values import is_count, shown

if TYPE_CHECKING:
    from headrace.drivers.places.far import FarRun
    from headrace.drivers.places.ray import Cluster
    from headrace.dsl.autowire import WiredPipeline
    from headrace.dsl.stream import Stream
    from headrace.engine.events import Observer
    from headrace.observe.watching import Watching

__all__ = ["RayRunner"]

REPLAYS = 3

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Q = TypeVar("Q")


class RayRunner:
    """Runs pipelines on a Ray cluster, with the same results, order and bounds (`pip install 'headrace[ray]'`).

    Steps that hand over without a channel stay together in one actor. Actors need no CPU unless `options` say so. As a
    context manager a runner keeps its actors for the next run, and ends them, and a Ray that it started, when it is
    left. docs/cluster.md tells how to get from one machine to two.

    Args:
        address: Of the cluster, as `ray.init` takes it; "local" starts one on this machine. If the program is
            connected to Ray already, that is used.
        observers: What hears of each event, as for `SyncRunner`.
        progress: Whether to show on standard error how the run gets on, as for `SyncRunner`.
        report: A file to which a page about the run is written, as for `SyncRunner`.
        checkpoint: A file, as a path or a `Checkpoint`, in which the results of steps with `checkpoint=True` are kept,
            as for `SyncRunner`. This program alone uses it: actors send what they finish, and ask what is known.
        context: Context variables whose values the steps are to see, as they are where the run begins. The values must
            be picklable. Other variables stay behind.
        replay: Run a pipeline again from its sources, in new actors, when an actor has died: so many times at most, or
            three times with `True`. What was given already is left out, and what is in `checkpoint` is read back. Only
            for pipelines that give the same items in the same order each time, of steps that may be called again.
        options: By the name or id of a step: the options of its actor, as Ray has them (`num_cpus`, `num_gpus`,
            `resources`, `memory`, `runtime_env`, ...). Such a step has an actor apart from steps with other options.
            Those of a step with `executor="process"` are for its workers, which have `num_cpus=1` without.
        runtime_env: What the actors need of files and packages, as `ray.init` takes it.

    Raises: OptionError: an option is not what it should be.

    >>> from headrace import RayRunner, step
    >>> @step(max_in_flight=8)
    ... def numbers(count: int):
    ...     yield from range(count)
    >>> with RayRunner() as runner:  # doctest: +SKIP
    ...     print(runner.execute(numbers | str, 3).result)
    ['0', '1', '2']
    """

    def __init__(
        self,
        address: str | None = "local",
        *,
        observers: Iterable[Observer] = (),
        progress: bool = False,
        report: str | PathLike[str] | None = None,
        checkpoint: Where = None,
        context: Iterable[ContextVar[Any]] = (),
        replay: bool | int = False,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        runtime_env: Mapping[str, Any] | None = None,
    ) -> None:
        self.address: str | None = _text(address)
        self.observers: tuple[Observer, ...] = _heard(observers, "RayRunner")
        self.watching: Watching | None = _watching(progress, report, "RayRunner")
        self.checkpoint: Checkpoint | None = as_checkpoint(checkpoint)
        self.context: tuple[ContextVar[Any], ...] = _variables(context)
        self.replay: int = _times(replay)
        self.options: dict[str, dict[str, Any]] = _options(options or {})
        self.runtime_env = runtime_env
        self._cluster: Cluster | None = None
        self._keeps = False

    @overload
    def execute(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Run[list[T]]: ...
    @overload
    def execute(self, pipeline: Flow[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]: ...
    @overload
    def execute(self, pipeline: WiredPipeline[..., Q], params: Q, /) -> Run[Any]: ...
    def execute(self, pipeline: Flow[Any, Any], /, *args: Any, **kwargs: Any) -> Run[Any]:
        """Run to the end, as `pipeline.run(...)` does, and report.

        Raises: what `pipeline.run(...)` raises; WorkerError: an actor died, or the cluster has no place for one;
        UnpicklableError: something cannot go from one actor to another; OptionError: the pipeline has something that
        Ray cannot run; ModuleNotFoundError: Ray is not installed.
        """
        from headrace.engine.replay import Replays, replayed

        program, arguments = _compiled("RayRunner", pipeline, args, kwargs)
        begin = partial(self._attempt, program, arguments)
        return Run(*replayed(begin, lambda run: run.observed(), Replays(program.dag, self.replay)))

    def iter(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> Items[T]:
        """The items of the stream that the pipeline gives, as they are asked for. Leaving early ends the run.

        Raises: what `execute` raises; WiringError: the pipeline gives a value, not a stream.
        """
        pipeline._check_stream(".iter", ".execute")
        return Items(self._items(pipeline._program, pipeline._bind(args, kwargs)))

    def aiter(self, pipeline: Flow[P, Stream[T]], /, *args: P.args, **kwargs: P.kwargs) -> AsyncItems[T]:
        """The same with `async for`; the event loop goes on while an item is waited for.

        Raises: what `iter` raises.
        """
        pipeline._check_stream(".aiter", ".execute")
        return AsyncItems(_in_thread(self._items(pipeline._program, pipeline._bind(args, kwargs))))

    def close(self) -> None:
        """End the actors that are kept, and Ray if this runner started it."""
        self._keeps = False
        cluster, self._cluster = self._cluster, None
        if cluster is not None:
            cluster.close()

    def __enter__(self) -> RayRunner:
        self._keeps = True
        if self._cluster is not None:
            self._cluster.keeps = True
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _items(self, program: Program, arguments: dict[str, Any]) -> Iterator[Any]:
        from headrace.engine.replay import Replays, replayed_items

        begin = partial(self._attempt, program, arguments, counting=bool(self.observers or self.watching))
        yield from replayed_items(begin, lambda run: run.observed_items(), Replays(program.dag, self.replay))

    @contextmanager
    def _attempt(self, program: Program, arguments: dict[str, Any], *, counting: bool = True) -> Iterator[FarRun]:
        """One run."""
        from headrace.engine.stopwatch import Detail

        observers, detail = _all_observers(self.observers, self.watching)
        if not counting:
            detail = Detail.NOTHING
        with opened(self.checkpoint, program) as checkpoints:
            cluster = self._connected()
            with cluster.run(program, arguments, observers, checkpoints, detail, self.context) as run:
                yield run

    def _connected(self) -> Cluster:
        if self._cluster is None:
            from headrace.drivers.places.ray import Cluster

            self._cluster = Cluster(self.address, self.runtime_env, self.options)
        self._cluster.keeps = self._keeps
        return self._cluster


async def _in_thread(items: Iterator[T]) -> AsyncIterator[T]:
    """`items`, waited for in a thread of their own, with the context variables that are there now."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop, end, context = asyncio.get_running_loop(), object(), copy_context()
    with ThreadPoolExecutor(1, "headrace items") as thread:
        try:
            while True:
                item: Any = await loop.run_in_executor(thread, lambda: context.run(next, items, end))
                if item is end:
                    return
                yield item
        finally:
            close = getattr(items, "close")  # noqa: B009  # it is a generator
            await asyncio.shield(loop.run_in_executor(thread, lambda: context.run(close)))


def _variables(context: Any) -> tuple[ContextVar[Any], ...]:
    variables: tuple[Any, ...] = tuple(context) if isinstance(context, Iterable) else (context,)
    if all(isinstance(each, ContextVar) for each in variables):
        return variables
    raise OptionError(
        f"RayRunner ({called_at()}): context must be a list of context variables (contextvars.ContextVar), got "
        f"{shown(context)}"
    )


def _times(replay: Any) -> int:
    """How often a run may be made again."""
    if isinstance(replay, bool):
        return REPLAYS if replay else 0
    if is_count(replay, 0):
        return int(replay)
    raise OptionError(
        f"RayRunner ({called_at()}): replay must be True, False, or how often a run may be made again, got "
        f"{shown(replay)}"
    )


def _text(address: Any) -> str | None:
    if address is None or isinstance(address, str):
        return address
    raise OptionError(
        f"RayRunner ({called_at()}): address must be a text, such as 'local' or 'auto', got {shown(address)}"
    )


def _options(options: Any) -> dict[str, dict[str, Any]]:
    if not isinstance(options, Mapping) or not all(isinstance(each, Mapping) for each in options.values()):
        raise OptionError(
            f"RayRunner ({called_at()}): options must be a dict of a dict for each step, such as "
            f"{{'fetch': {{'num_cpus': 1}}}}, got {shown(options)}"
        )
    own = {"max_concurrency", "max_restarts", "max_task_retries", "concurrency_groups", "lifetime", "name"}
    for step, each in options.items():
        for name in sorted(own & set(each)):
            raise OptionError(
                f"RayRunner ({called_at()}): options of step '{step}' must be those of its place, got {name}, "
                "which headrace sets itself; leave it out"
            )
    return {step: dict(each) for step, each in options.items()}
