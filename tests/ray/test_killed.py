"""What happens to a run when something of it is killed, and what is left of it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace import OptionError, RayRunner, Stream, WorkerError, pipeline, step

HERE = Path(__file__).parent


def processes(word: str) -> dict[int, str]:
    """The command lines of the processes in whose environment is `word`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if word.encode() in (folder / "environ").read_bytes():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if "State:\tZ" not in (folder / "status").read_text() and command:
                    found[int(folder.name)] = command
        except OSError:  # it has ended
            pass
    return found


def actors(word: str) -> list[int]:
    """Those of them that are actors of headrace."""
    return [process for process, command in processes(word).items() if "ray::Actor" in command]


def until(true: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


@step(max_in_flight=4)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def kill_myself(number: int, log: str) -> int:
    if number == 50 and not os.path.exists(log):
        Path(log).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("idempotent", [True, False])
def test_killed_worker_takes_one_call_with_it(runner: RayRunner, log: str, idempotent: bool) -> None:
    work = step("work", fn=kill_myself, max_in_flight=8, executor="process", idempotent=idempotent)
    line = _line(work)
    if idempotent:
        assert runner.execute(line, 100, log).result == list(range(100))
    else:
        with pytest.raises(WorkerError, match=r"step 'work' .*: must give a result, got a worker process that died \("):
            runner.execute(line, 100, log)


def _line(work: Any) -> Any:
    @pipeline
    def line(count: int, log: str) -> Stream[int]:
        return numbers(count).map(work, log)

    return line


def test_killed_stage_fails_the_run_and_the_next_one_goes_well(runner: RayRunner, log: str) -> None:
    line = _line(step("fragile", fn=kill_myself, max_in_flight=3))
    with pytest.raises(WorkerError) as caught:
        runner.execute(line, 100, log)
    text = str(caught.value)
    assert text.startswith("step 'fragile' (test_killed.py:")
    assert "must run to its end, got an actor that died" in text
    assert not getattr(caught.value, "__notes__", [])
    assert runner.execute(line, 100, log).result == list(range(100))


@pytest.mark.parametrize("one_by_one", [True, False])
def test_run_with_replay_goes_on_in_new_actors(
    runner: RayRunner, log: str, one_by_one: bool, caplog: pytest.LogCaptureFixture
) -> None:
    line = _line(step("fragile", fn=kill_myself, max_in_flight=3))
    with caplog.at_level(logging.WARNING, "headrace"), RayRunner(replay=True) as replaying:
        if one_by_one:
            assert [*replaying.iter(line, 100, log)] == list(range(100))
        else:
            assert replaying.execute(line, 100, log).result == list(range(100))
    [message] = [message for message in caplog.messages if message.startswith("headrace: ")]
    assert message.startswith("headrace: pipeline 'line' runs again (1 of 3), without the ")
    assert ("without the 0 items" in message) == (not one_by_one)
    assert "step 'fragile' (test_killed.py:" in message


def test_exception_of_a_step_is_no_reason_for_a_replay(runner: RayRunner, log: str) -> None:
    def failing(number: int, log: str) -> int:
        with open(log, "a") as file:
            file.write("called\n")
        raise WorkerError("of a step")

    with pytest.raises(WorkerError, match="of a step"):
        RayRunner(replay=5).execute(_line(step("failing", fn=failing, max_in_flight=3)), 100, log)
    assert Path(log).read_text() == "called\n"
    with pytest.raises(OptionError, match=r"replay must be True, False, or how often a run may be made again, got -1"):
        RayRunner(replay=-1)


def test_actors_end_with_the_program_that_started_them(ray_home: str, tmp_path: Path) -> None:
    marker = f"headrace-{os.getpid()}-driver"
    home = Path(ray_home) / "d"
    home.mkdir()
    environment = {**os.environ, "HEADRACE_MARKER": marker, "RAY_TMPDIR": str(home)}
    started = tmp_path / "started"
    driver = subprocess.Popen([sys.executable, str(HERE / "endless.py"), str(started)], env=environment)
    until(started.exists, 60)
    assert actors(marker)
    driver.kill()
    driver.wait()
    until(lambda: not actors(marker))
    for process in processes(marker):  # agents of the Ray that was killed with it, which would end in a minute
        os.kill(process, signal.SIGKILL)


def test_nothing_is_left_of_a_runner_that_is_closed(ray_home: str) -> None:
    marker = f"headrace-{os.getpid()}-closed"
    home = Path(ray_home) / "c"
    home.mkdir()
    environment = {**os.environ, "HEADRACE_MARKER": marker, "RAY_TMPDIR": str(home)}
    subprocess.run([sys.executable, str(HERE / "short.py")], env=environment, check=True, timeout=120)
    until(lambda: not processes(marker))
