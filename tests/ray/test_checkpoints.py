"""Checkpoints of runs on Ray: the store is at home, and what actors have finished outlives them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace import RayRunner, Stream, SyncRunner, WorkerError, pipeline, step
from headrace.stores import runs_in


@step(max_in_flight=4)
def numbers(count: int) -> Iterator[int]:
    yield from (number // 2 for number in range(count))  # every item twice


def square(number: int, log: str, killed: str) -> int:
    if number == 25 and not os.path.exists(killed):
        Path(killed).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with open(log, "a") as file:
        file.write(f"{number}\n")
    return number * number


@pytest.mark.parametrize("bound", [1, 5])
def test_what_a_killed_actor_had_finished_is_not_called_again(
    runner: RayRunner, log: str, tmp_path: Path, bound: int
) -> None:
    kept = step("kept", fn=square, checkpoint=True, unkeyed=("log", "killed"), max_in_flight=bound)

    @pipeline
    def line(count: int, log: str, killed: str) -> Stream[int]:
        return numbers(count).map(kept, log, killed)

    store, killed = tmp_path / "kept.db", str(tmp_path / "killed")
    keeping = RayRunner(checkpoint=store)
    with pytest.raises(WorkerError, match="step 'kept'"):
        keeping.execute(line, 100, log, killed)
    finished = len(Path(log).read_text().split())
    assert finished == 50
    expected = [(number // 2) ** 2 for number in range(100)]
    assert keeping.execute(line, 100, log, killed).result == expected
    assert [*keeping.iter(line, 100, log, killed)] == expected
    assert SyncRunner(checkpoint=store).execute(line, 100, log, killed).result == expected
    assert sorted(map(int, Path(log).read_text().split())) == [number // 2 for number in range(100)]
    runs = runs_in(store)
    assert [(run.state, run.steps[0].read) for run in runs] == [
        ("failed", 0),
        ("finished", finished),
        ("finished", 100),
        ("finished", 100),
    ]
