"""`headrace run --runner ray`, as a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

APP = """
from headrace import step

@step
def numbers(count: int):
    yield from range(count)

@step(max_in_flight=2)
def inverse(number: int) -> float:
    return 6 / (3 - number)

inverses = numbers | inverse
"""


@pytest.mark.parametrize(("count", "out", "code"), [("3", "2.0\n3.0\n6.0\n", 0), ("4", "2.0\n3.0\n6.0\n", 1)])
def test_results_of_a_run_on_ray_are_lines_of_json(count: str, out: str, code: int, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    command = [sys.executable, "-m", "headrace", "run", "app.py:inverses", count, "--runner", "ray"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == (out, code), done.stderr
    assert ("ZeroDivisionError" in done.stderr) == bool(code)
