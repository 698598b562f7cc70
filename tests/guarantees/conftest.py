"""Every guarantee runs under every way to run a pipeline. A new runner joins by one more entry in RUNNERS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from headrace import SyncRunner


def run(pipeline: Any, *arguments: Any) -> Any:
    return pipeline.run(*arguments)


def run_counted(pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner().execute(pipeline, *arguments).result


RUNNERS: dict[str, Callable[..., Any]] = {"sync": run, "sync, counted": run_counted}


@pytest.fixture(params=RUNNERS.values(), ids=RUNNERS.keys())
def run_pipeline(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param
