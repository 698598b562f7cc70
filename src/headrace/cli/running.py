"""`headrace run` and `headrace resume`."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from headrace.cli.ending import Refusal, Terminated
from headrace.cli.flags import parse_flags
from headrace.cli.looking import entries
from headrace.cli.output import results, standard_output_alone
from headrace.cli.params import known_parameters
from headrace.cli.setting import settings
from headrace.cli.target import AnyFlow, find, refusing_what_is_wrong
from headrace.drivers import aio, runner
from headrace.dsl.checkpoint import Checkpoint, opened
from headrace.dsl.flow import AsyncItems, Items
from headrace.dsl.pipeline import Pipeline, pipeline_of_step
from headrace.dsl.step import Step
from headrace.engine.events import Event, Observer, RunEnded
from headrace.engine.report import Report
from headrace.engine.stopwatch import Detail
from headrace.errors import CheckpointError
from headrace.graph.dag import Program
from headrace.observe.watching import Watching
from headrace.stores import Command, SqliteStore

if TYPE_CHECKING:
    from headrace.engine.checkpoint import Checkpoints

__all__ = ["resume", "run"]

Write = Callable[[object], None]
SWITCHES = ("progress", "raw")  # flags without a value


def run(target: Path, /, *flags: str) -> None:
    """Run a pipeline and print what it gives as lines of JSON, a stream item by item.

    Args:
        target: FILE:PIPELINE or MODULE:PIPELINE; without :PIPELINE, the only pipeline there is.
        flags: The pipeline's own parameters; headrace run TARGET --help lists them.
    """
    _run(str(target), flags)


def resume(store: Path, /, *flags: str) -> None:
    """Run again what headrace run has last run with a checkpoint file, with the same flags.

    Args:
        store: The file that was given as --checkpoint. What is kept in it is read back.
        flags: More flags, which go before those, such as --progress, --no-progress, or --report FILE.
    """
    commands = [entry.command for entry in entries(store) if entry.command is not None]
    if not commands:
        raise Refusal(
            f"{store}: has no run that headrace run has started, so nobody knows how; run the program again that "
            "made it, and it goes on"
        )
    command = commands[-1]
    if not Path(command.folder).is_dir():
        raise Refusal(f"{store}: its run was started in {command.folder}, which is gone; use headrace run")
    store = store.absolute()
    print("headrace: resuming", shlex.join([command.target, *command.flags]), file=sys.stderr)
    with chdir(command.folder):
        _run(command.target, (*_others(command.flags, flags), *flags), store)


def _others(flags: Sequence[str], given: Sequence[str]) -> Iterator[str]:
    """Those of the flags that are not given anew, with their values."""
    anew = {_name(flag) for flag in given if flag.startswith("--")}
    dropped = False
    for flag in flags:
        if flag.startswith("--"):
            dropped = _name(flag) in anew
            if dropped and (_name(flag) in SWITCHES or "=" in flag):
                dropped = False
                continue
        if not dropped:
            yield flag
        elif not flag.startswith("--"):
            dropped = False


def _name(flag: str) -> str:
    return flag.partition("=")[0].removeprefix("--").removeprefix("no-")


class Job(NamedTuple):
    """One run: what it runs, what with, who hears of it, and where its results go."""

    program: Program
    arguments: Mapping[str, Any]
    checkpoints: Checkpoints | None
    observers: Sequence[Observer]
    detail: Detail
    write: Write

    @property
    def streams(self) -> bool:
        """Whether it gives its results one by one."""
        return self.program.dag.returns == "stream"

    def write_value(self, value: object) -> None:
        """Write a result that is no stream; nothing if it is None."""
        if value is not None:
            self.write(value)


def _run(target: str, flags: Sequence[str], store: Path | None = None) -> None:
    with standard_output_alone():
        flow = find(target)
    given = parse_flags(flow, flags, target, known_parameters(flow, flags, target))
    if given is None:
        return
    running = given.running
    if running.runner == "ray":
        _check_for_ray()
    with standard_output_alone():
        flow = _set(flow, running.set or ())
        arguments = flow._bind(given.arguments.args, given.arguments.kwargs)
    with ExitStack() as stack:
        command = Command(os.getcwd(), target, tuple(flags))
        checkpoints = stack.enter_context(_keeping(flow, store or running.checkpoint, command))
        with refusing_what_is_wrong(target):
            watching = Watching.of(running.progress, running.report, target)
        write = stack.enter_context(results(raw=running.raw, progress=running.progress))
        observers = [stack.enter_context(_report_so_far()), *watching.observers()]
        RUNNERS[running.runner](Job(flow._program, arguments, checkpoints, observers, watching.detail, write))


def _set(flow: AnyFlow, given: Sequence[str]) -> AnyFlow:
    """The pipeline, its steps with other options."""
    if not given:
        return flow
    changed = pipeline_of_step(flow) if isinstance(flow, Step) else cast("Pipeline[Any, Any]", flow)
    with refusing_what_is_wrong("--set"):
        return changed._with_settings(settings(given))


def _run_sync(job: Job) -> None:
    program, arguments, checkpoints, observers, detail, write = job
    if not job.streams:
        job.write_value(runner.observed(program, arguments, observers, None, checkpoints, detail)[0])
        return
    items_of = runner.iterate(program, arguments, None, checkpoints, observers, detail)
    with Items(items_of) as items:
        for item in items:
            write(item)


async def _run_async(job: Job) -> None:
    program, arguments, checkpoints, observers, detail, write = job
    if not job.streams:
        job.write_value((await aio.observed(program, arguments, observers, None, checkpoints, detail))[0])
        return
    items_of = aio.iterate(program, arguments, None, checkpoints, observers, detail)
    async with AsyncItems(items_of) as items:
        async for item in items:
            write(item)


def _run_on_ray(job: Job) -> None:
    from headrace.drivers.places.ray import Cluster

    program, arguments, checkpoints, observers, detail, write = job
    with (
        closing(Cluster(os.environ.get("RAY_ADDRESS", "local"), None, {})) as cluster,
        cluster.run(program, arguments, observers, checkpoints, detail) as run,
    ):
        if not job.streams:
            job.write_value(run.observed()[0])
            return
        with Items(run.observed_items()) as items:
            for item in items:
                write(item)


def _check_for_ray() -> None:
    """Raises: Refusal: it is not there."""
    if find_spec("ray") is None:
        raise Refusal("--runner ray: needs 'ray', which is not installed; pip install 'headrace[ray]'")


RUNNERS: Mapping[str, Callable[[Job], None]] = {
    "sync": _run_sync,
    "async": lambda job: asyncio.run(_run_async(job)),
    "ray": _run_on_ray,
}


class Kept:
    """An observer that keeps the report of a run, also of one that fails."""

    hears: tuple[type[RunEnded], ...] = (RunEnded,)

    def __init__(self) -> None:
        self.report: Report | None = None

    def __call__(self, event: Event) -> None:
        """The run is over."""
        self.report = event.report if isinstance(event, RunEnded) else None


@contextmanager
def _report_so_far() -> Iterator[Kept]:
    """If the run within it is interrupted, what it had counted goes to standard error."""
    kept = Kept()
    try:
        yield kept
    except (KeyboardInterrupt, Terminated):
        if kept.report is not None:
            print("headrace: interrupted; so far:", kept.report, sep="\n", file=sys.stderr)
        raise


@contextmanager
def _keeping(flow: AnyFlow, store: Path | None, command: Command) -> Iterator[Checkpoints | None]:
    """What is kept in the file `store`, if one is given."""
    checkpoint = None if store is None else Checkpoint(SqliteStore(store, command))
    with ExitStack() as stack:
        try:
            checkpoints = stack.enter_context(opened(checkpoint, flow._program))
        except CheckpointError as error:
            raise Refusal(str(error)) from error
        yield checkpoints
