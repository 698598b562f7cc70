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


IN_TIME: dict[str, Callable[..., Any]] = {
    **{runner.name: partial(with_clock, runner) for runner in RUNNERS},
    "async, in the clock's loop": in_loop_of,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    chosen = getattr(metafunc.config, "headrace_runners", None)
    with_options = RUNNERS if chosen is None else [each for each in chosen.values() if isinstance(each, Runner)]
    names = [runner.name for runner in with_options]
    if "run_kept" in metafunc.fixturenames:
        metafunc.parametrize("run_kept", [partial(kept, runner) for runner in with_options], ids=names)
    if "run_observed" in metafunc.fixturenames:
        metafunc.parametrize("run_observed", [partial(observed, runner) for runner in with_options], ids=names)
    if "run_pipeline" in metafunc.fixturenames:
        runners = WAYS if chosen is None else chosen
        metafunc.parametrize("run_pipeline", list(runners.values()), ids=list(runners))
    if "run_in_time" in metafunc.fixturenames:  # other runners have no scripted clock
        in_time = {} if hasattr(metafunc.config, "headrace_runners") else IN_TIME
        metafunc.parametrize("run_in_time", list(in_time.values()), ids=list(in_time))
