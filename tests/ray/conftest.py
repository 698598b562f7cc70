"""One Ray for all tests, in a folder of its own, which is gone when they are over. Without Ray there are no tests."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from headrace import RayRunner

collect_ignore_glob = [] if find_spec("ray") else ["*.py"]


@pytest.fixture(scope="session", autouse=True)
def ray_home() -> Iterator[str]:
    """Where Ray writes: a short path, since sockets are there."""
    home = tempfile.mkdtemp(prefix="hr", dir="/tmp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", home)
        patch.setenv("RAY_TMPDIR", home)
        patch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.delenv("RAY_ADDRESS", raising=False)
        yield home
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def runner(ray_home: str) -> Iterator[RayRunner]:
    """A runner that keeps its actors for the next test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with RayRunner("local") as runner:
            runner._connected().connect()
            yield runner


@pytest.fixture
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file to which steps append lines, in whatever process they are."""
    return os.fspath(tmp_path_factory.mktemp("log") / "log")
