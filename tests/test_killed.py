"""Runs that are killed at random moments, and go on: `HEADRACE_KILLS=50` for more of them."""

from __future__ import annotations

import os
import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.stores import AT_MOST, runs_in

KILLS = int(os.environ.get("HEADRACE_KILLS", "2"))
ITEMS = 5000
SCRIPT = """
import os, sys
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path

from headrace import SyncRunner, step

form, items = sys.argv[1], int(sys.argv[2])
log = os.open("log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)


@step
def numbers(count: int) -> Iterator[int]:
    print("begun", flush=True)
    yield from (number // 2 for number in range(count))  # every item twice


def hashed(number: int) -> str:
    os.write(log, b".")  # a call
    digest = str(number)
    for _ in range(100):
        digest = blake2b(digest.encode()).hexdigest()
    return digest


async def hashed_later(number: int) -> str:
    return hashed(number)


def each(number: int) -> Iterator[str]:
    yield f"first {number}"
    yield hashed(number)


def seconds(texts: Iterator[str]) -> Iterator[str]:  # as `each` gives them
    for _ in texts:
        yield next(texts)


STEPS = {
    "inline": step("hashed", fn=hashed, checkpoint=True),
    "async": step("hashed", fn=hashed_later, checkpoint=True, max_in_flight=8),
    "threads": step("hashed", fn=hashed, checkpoint=True, max_in_flight=4, executor="thread"),
    "generator": step("each", fn=each, checkpoint=True),
}
pipeline = numbers | STEPS[form] | seconds if form == "generator" else numbers | STEPS[form]
result = SyncRunner(checkpoint="kept.db").execute(pipeline, items).result
Path("result").write_text("\\n".join(result))
"""
IN_FLIGHT = {"inline": 1, "async": 8, "threads": 4, "generator": 1}


class Killed:
    """A script, its store, and how often a step of it was called."""

    def __init__(self, folder: Path, form: str) -> None:
        self.folder = folder
        self.form = form
        (folder / "script.py").write_text(SCRIPT)

    @property
    def calls(self) -> int:
        log = self.folder / "log"
        return len(log.read_bytes()) if log.exists() else 0

    @property
    def kept(self) -> int:
        with sqlite3.connect(self.folder / "kept.db") as file:
            [number] = file.execute(
                "SELECT count(*) FROM results JOIN steps USING (step) WHERE name LIKE '%/%'"
            ).fetchone()
        file.close()
        return int(number)

    def run(self, seconds: float | None = None) -> float | None:
        """How long it took, or None if it was killed, that many seconds after it had begun."""
        command = [sys.executable, "script.py", self.form, str(ITEMS)]
        with subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            begin = time.monotonic()
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return None
        assert process.returncode == 0
        return time.monotonic() - begin

    def result(self) -> str:
        return (self.folder / "result").read_text()

    def forget(self) -> None:
        for path in self.folder.glob("kept.db*"):
            path.unlink()
        for name in ("log", "result"):
            (self.folder / name).unlink()


@pytest.mark.parametrize("form", IN_FLIGHT)
def test_run_that_is_killed_at_random_moments_goes_on_and_comes_to_the_same(tmp_path: Path, form: str) -> None:
    script = Killed(tmp_path, form)
    duration = script.run()
    assert duration is not None
    expected = script.result()
    assert script.calls == ITEMS
    script.forget()
    kills = 0
    while kills < KILLS:
        calls, kept = script.calls, script.kept if (tmp_path / "kept.db").exists() else 0
        if script.run(random.uniform(0.0, duration)) is None:
            kills += 1
            lost = (script.calls - calls) - (script.kept - kept)
            assert 0 <= lost <= AT_MOST + IN_FLIGHT[form]
            assert runs_in(tmp_path / "kept.db")[-1].state in ("interrupted", "finished")
        else:
            assert script.calls - calls == ITEMS - kept
            assert script.result() == expected
            script.forget()
    calls, kept = script.calls, script.kept
    script.run()
    assert script.calls - calls == ITEMS - kept
    assert script.result() == expected
