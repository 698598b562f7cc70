"""Every guarantee is checked under every way to run a pipeline: those of `headrace.testing.RUNNERS`, twice each.

Other runners are checked with `headrace.testing.check_guarantees`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from headrace.testing.clock import ScriptedClock
from headrace.testing.runners import RUNNERS, Runner

WAYS: dict[str, Callable[..., Any]] = {
    **{runner.name: runner for runner in RUNNERS},
    **{f"{runner.name}, counted": partial(runner.counted, {}) for runner in RUNNERS},
}


def kept(runner: Runner, checkpoint: Any, pipeline: Any, *arguments: Any) -> Any:
    return runner.execute({"checkpoint": checkpoint}, pipeline, *arguments)


def observed(runner: Runner, observers: list[Any], pipeline: Any, *arguments: Any) -> Any:
    return runner.execute({"observers": observers}, pipeline, *arguments)


def with_clock(runner: Runner, clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return runner.execute({"clock": clock}, pipeline, *arguments)


def in_loop_of(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(pipeline.arun(*arguments))


KEPT: dict[str, Callable[..., Any]] = {runner.name: partial(kept, runner) for runner in RUNNERS}
OBSERVED: dict[str, Callable[..., Any]] = {runner.name: partial(observed, runner) for runner in RUNNERS}
IN_TIME: dict[str, Callable[..., Any]] = {
    **{runner.name: partial(with_clock, runner) for runner in RUNNERS},
    "async, in the clock's loop": in_loop_of,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run_kept" in metafunc.fixturenames:
        kept = {} if hasattr(metafunc.config, "headrace_runners") else KEPT  # others say nothing about checkpoints
        metafunc.parametrize("run_kept", list(kept.values()), ids=list(kept))
    if "run_observed" in metafunc.fixturenames:
        watched = {} if hasattr(metafunc.config, "headrace_runners") else OBSERVED  # others tell nobody
        metafunc.parametrize("run_observed", list(watched.values()), ids=list(watched))
    if "run_pipeline" in metafunc.fixturenames:
        runners = getattr(metafunc.config, "headrace_runners", WAYS)
        metafunc.parametrize("run_pipeline", list(runners.values()), ids=list(runners))
    if "run_in_time" in metafunc.fixturenames:  # other runners have no scripted clock
        in_time = {} if hasattr(metafunc.config, "headrace_runners") else IN_TIME
        metafunc.parametrize("run_in_time", list(in_time.values()), ids=list(in_time))
