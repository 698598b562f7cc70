"""Every guarantee is checked under every way to run a pipeline. A new runner joins by one more entry in RUNNERS.

Other runners are checked with `headrace.testing.check_guarantees`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from headrace import AsyncRunner, SyncRunner


def run(pipeline: Any, *arguments: Any) -> Any:
    return pipeline.run(*arguments)


def run_counted(pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner().execute(pipeline, *arguments).result


def run_async(pipeline: Any, *arguments: Any) -> Any:
    return asyncio.run(pipeline.arun(*arguments))


def run_async_counted(pipeline: Any, *arguments: Any) -> Any:
    return asyncio.run(AsyncRunner().execute(pipeline, *arguments)).result


def run_within_loop(pipeline: Any, *arguments: Any) -> Any:
    async def main() -> Any:
        return pipeline.run(*arguments)

    return asyncio.run(main())


RUNNERS: dict[str, Callable[..., Any]] = {
    "sync": run,
    "sync, counted": run_counted,
    "async": run_async,
    "async, counted": run_async_counted,
    "sync, within a running loop": run_within_loop,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run_pipeline" in metafunc.fixturenames:
        runners = getattr(metafunc.config, "headrace_runners", RUNNERS)
        metafunc.parametrize("run_pipeline", list(runners.values()), ids=list(runners))
