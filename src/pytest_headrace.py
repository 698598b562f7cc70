"""headrace's fixtures for pytest, which finds them by itself where headrace is installed.

This is not part of the package `headrace`, which it imports only for tests that use it: every run of pytest imports
this file.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from syrupy.assertion import SnapshotAssertion

    from headrace.testing import Runner

__all__ = ["headrace_runner", "headrace_snapshot"]


@pytest.fixture(params=["sync", "async", "sync in a loop"])
def headrace_runner(request: pytest.FixtureRequest) -> Runner:
    """Each way to run a pipeline in turn: `headrace_runner(pipeline, *args, **kwargs)` gives the result."""
    from headrace.testing import RUNNERS

    return next(runner for runner in RUNNERS if runner.name == request.param)


if find_spec("syrupy"):

    @pytest.fixture
    def headrace_snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
        """What a run came to, as a JSON file: `assert run_everywhere(pipeline, ...) == headrace_snapshot`."""
        from headrace.testing.snapshot import JSONSnapshot

        return snapshot.use_extension(JSONSnapshot)

else:

    @pytest.fixture
    def headrace_snapshot() -> SnapshotAssertion:
        """What a run came to, as a JSON file; needs syrupy."""
        raise pytest.UsageError("the fixture headrace_snapshot needs syrupy: pip install 'headrace[testing]'")
