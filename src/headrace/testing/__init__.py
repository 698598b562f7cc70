"""For tests of pipelines: run one under every runner, compare what came of it, and see that its bounds held.

pytest finds the fixtures `headrace_runner` and `headrace_snapshot` by itself (`pip install 'headrace[testing]'`); the
rest needs no pytest. Someone who writes a runner of their own has the guarantees as a kit, for which pytest is needed:

    from headrace.testing import check_guarantees

    def test_guarantees():
        assert check_guarantees({"mine": my_run}) == 0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.testing.clock import ScriptedClock
from headrace.testing.meter import Meter, Meters
from headrace.testing.order import CompletionOrder, OrderError
from headrace.testing.outcome import Outcome
from headrace.testing.parity import EveryRunner, assert_bound, run_everywhere
from headrace.testing.runners import RUNNERS, Runner

__all__ = [
    "RUNNERS",
    "CompletionOrder",
    "EveryRunner",
    "Meter",
    "Meters",
    "OrderError",
    "Outcome",
    "Runner",
    "ScriptedClock",
    "assert_bound",
    "check_guarantees",
    "run_everywhere",
]


def check_guarantees(runners: Mapping[str, Callable[..., Any]], *options: str) -> int:
    """Run a test for every numbered guarantee under each of `runners`; gives pytest's exit code: 0 if all hold.

    Args:
        runners: By name, functions that are called with a pipeline and its arguments: `run(pipeline, *arguments)`.
            They give the result (a list, if the pipeline gives a stream) or raise what the run raises. One that is a
            `Runner` is also checked with observers and with checkpoints.
        options: For pytest, such as `"-k", "1_1"`.

    Raises: ModuleNotFoundError: pytest is not installed.

    >>> from headrace.testing import check_guarantees
    >>> check_guarantees({"sync": lambda pipeline, *arguments: pipeline.run(*arguments)}, "-k", "lockstep", "-qqq")
    ... # doctest: +SKIP
    0
    """
    import pytest

    folder = Path(__file__).parent / "guarantees"
    plugin = _Chosen(runners)
    quiet = ("-p", "no:cacheprovider", "-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
    return int(pytest.main([str(folder), *quiet, *options], plugins=[plugin]))


class _Chosen:
    """A pytest plugin that says which runners the guarantees are checked with."""

    def __init__(self, runners: Mapping[str, Callable[..., Any]]) -> None:
        self.runners = dict(runners)

    def pytest_configure(self, config: Any) -> None:
        config.headrace_runners = self.runners
