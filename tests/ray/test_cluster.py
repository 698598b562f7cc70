"""Runs in clusters of their own: two nodes, and code that has to be sent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def printed(home: str, program: str, *arguments: str) -> list[str]:
    folder = Path(home) / program[:2]
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "RAY_TMPDIR": str(folder), "PYTHONWARNINGS": "ignore", "RAY_LOG_TO_STDERR": "0"}
    done = subprocess.run(
        [sys.executable, str(HERE / program), *arguments], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if not line.startswith("\x1b")]


def test_edges_cross_from_one_node_to_another_workers_use_both_and_a_lost_node_fails_the_run(ray_home: str) -> None:
    lines = printed(ray_home, "two_nodes.py")  # Ray's own among them, about the node that it lost
    crossed, spread, lost = (line for line in lines if line.startswith(("crossed", "spread", "step '")))
    assert (crossed, spread) == ("crossed", "spread")
    assert lost.startswith("step 'moved' (two_nodes.py:")
    assert "must run to its end, got an actor that died" in lost


def test_modules_are_sent_with_runtime_env(ray_home: str) -> None:
    assert printed(ray_home, "shipped.py", "sent") == ["[0, 2, 4]"]


def test_module_that_actors_cannot_import_is_named(ray_home: str) -> None:
    [error] = printed(ray_home, "shipped.py", "hidden")
    assert error.startswith("step 'numbers' (__init__.py:")
    assert "No module named 'hidden_steps'" in error
    assert error.endswith("see that all nodes can import their modules, with runtime_env=")
