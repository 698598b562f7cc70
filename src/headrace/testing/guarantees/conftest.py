"""Every guarantee is checked under every way to run a pipeline: those of `headrace.testing.RUNNERS`, twice each.

Other runners are checked with `headrace.testing.check_guarantees`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from headrace.testing.runners import RUNNERS

WAYS: dict[str, Callable[..., Any]] = {
    **{runner.name: runner for runner in RUNNERS},
    **{f"{runner.name}, counted": partial(runner.counted, {}) for runner in RUNNERS},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "run_pipeline" in metafunc.fixturenames:
        runners = getattr(metafunc.config, "headrace_runners", WAYS)
        metafunc.parametrize("run_pipeline", list(runners.values()), ids=list(runners))
