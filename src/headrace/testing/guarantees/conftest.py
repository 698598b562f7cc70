"""Every guarantee is checked under every way to run a pipeline: those of `headrace.testing.RUNNERS`, twice each.

Other runners are checked with `headrace.testing.check_guarantees`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from headrace import AsyncRunner, SyncRunner
from headrace.testing.clock import ScriptedClock
from headrace.testing.runners import RUNNERS

WAYS: dict[str, Callable[..., Any]] = {
    **{runner.name: runner for runner in RUNNERS},
    **{f"{runner.name}, counted": partial(runner.counted, {}) for runner in RUNNERS},
}


def kept_sync(checkpoint: Any, pipeline: Any, *args: Any) -> Any:
    return SyncRunner(checkpoint=checkpoint).execute(pipeline, *args).result


def kept_async(checkpoint: Any, pipeline: Any, *args: Any) -> Any:
    return asyncio.run(AsyncRunner(checkpoint=checkpoint).execute(pipeline, *args)).result


def kept_in_loop(checkpoint: Any, pipeline: Any, *args: Any) -> Any:
    async def cell() -> Any:
        return kept_sync(checkpoint, pipeline, *args)

    return asyncio.run(cell())


def in_loop_of(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(pipeline.arun(*arguments))


def with_clock(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner(clock=clock).execute(pipeline, *arguments).result


def with_clock_async(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(AsyncRunner(clock=clock).execute(pipeline, *arguments)).result


def with_clock_in_loop(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    async def cell() -> Any:
        return with_clock(clock, pipeline, *arguments)

    return asyncio.run(cell())


KEPT: dict[str, Callable[..., Any]] = {"sync": kept_sync, "async": kept_async, "sync in a loop": kept_in_loop}
IN_TIME = {
    "sync": with_clock,
    "async": with_clock_async,
    "async, in the clock's loop": in_loop_of,
    "sync in a loop": with_clock_in_loop,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run_kept" in metafunc.fixturenames:
        kept = {} if hasattr(metafunc.config, "headrace_runners") else KEPT  # others say nothing about checkpoints
        metafunc.parametrize("run_kept", list(kept.values()), ids=list(kept))
    if "run_pipeline" in metafunc.fixturenames:
        runners = getattr(metafunc.config, "headrace_runners", WAYS)
        metafunc.parametrize("run_pipeline", list(runners.values()), ids=list(runners))
    if "run_in_time" in metafunc.fixturenames:  # other runners have no scripted clock
        in_time = {} if hasattr(metafunc.config, "headrace_runners") else IN_TIME
        metafunc.parametrize("run_in_time", list(in_time.values()), ids=list(in_time))
