"""For tests: meters of what is in flight, and the guarantees as a kit that any runner can be checked with.

The kit needs pytest. Someone who writes a runner of their own runs it in a test:

    from headrace.testing import check_guarantees

    def test_guarantees():
        assert check_guarantees({"mine": my_run}) == 0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from headrace.testing.meter import Meter, Meters

__all__ = ["Meter", "Meters", "check_guarantees"]

Runner = Callable[..., Any]  # called with a pipeline (or step) and its arguments; gives the result, or raises


def check_guarantees(runners: Mapping[str, Runner], *options: str) -> int:
    """Run a test for every numbered guarantee under each of `runners`; gives pytest's exit code: 0 if all hold.

    Args:
        runners: By name, functions that are called with a pipeline and its arguments: `run(pipeline, *arguments)`.
            They give the result (a list, if the pipeline gives a stream) or raise what the run raises.
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
    return int(pytest.main([str(folder), "-p", "no:cacheprovider", *options], plugins=[plugin]))


class _Chosen:
    """A pytest plugin that says which runners the guarantees are checked with."""

    def __init__(self, runners: Mapping[str, Runner]) -> None:
        self.runners = dict(runners)

    def pytest_configure(self, config: Any) -> None:
        config.headrace_runners = self.runners
