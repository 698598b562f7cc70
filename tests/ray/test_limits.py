"""Limits that actors share with each other, and with runs of this process."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, pairwise
from pathlib import Path

import pytest

from headrace import DeadlockError, Limit, RayRunner, Stream, WorkerError, pipeline, step, stream

PATIENCE = 30  # seconds, for what should happen at once
api = Limit(concurrency=2, rate="2000/s", name="of the module")


@step(max_in_flight=4)
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def write(log: str, text: str) -> None:
    with open(log, "ab", buffering=0) as file:  # the system keeps the order in which all processes do
        file.write(f"{text}\n".encode())


def call(number: int, log: str) -> int:
    """Notes that it has begun, and that it is over."""
    write(log, f"+ {time.monotonic()}")
    threading.Event().wait(0.005)  # as long as a call takes: others could run meanwhile
    write(log, "-")
    return number


def is_free(limit: Limit) -> bool:
    """Whether no call has it, or waits for it."""
    gate = limit.gate(None)
    return not gate._running and not gate._waiting


@pytest.mark.parametrize("executor", ["inline", "thread", "process"])
def test_two_actors_share_a_limit(runner: RayRunner, log: str, executor: str) -> None:
    limited = step("limited", fn=call, limit=api, max_in_flight=4, executor=executor)

    @pipeline
    def both(count: int, log: str) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(limited, log).collect(), given.map(limited, log).collect()

    assert runner.execute(both, 20, log).result == (list(range(20)), list(range(20)))
    lines = Path(log).read_text().splitlines()
    assert max(accumulate((line[0] == "+") - (line[0] == "-") for line in lines)) <= 2
    begun = [float(line[2:]) for line in lines if line[0] == "+"]
    assert max(begun) - min(begun) >= 38 / 2000
    assert is_free(api)


@step
def one_more(number: int) -> Iterator[int]:
    yield from (number, 1)


def test_pipelines_that_run_per_item_share_it_too(runner: RayRunner, log: str) -> None:
    limited = step("limited", fn=call, limit=api, executor="thread", max_in_flight=3)

    @pipeline
    def few(number: int, log: str) -> int:
        return one_more(number).map(limited, log).collect(sum)

    @pipeline
    def both(count: int, log: str) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(few, log).collect(), given.map(limited, log).collect()

    assert runner.execute(both, 8, log).result == ([number + 1 for number in range(8)], list(range(8)))
    signs = [line[0] for line in Path(log).read_text().splitlines()]
    assert max(accumulate((sign == "+") - (sign == "-") for sign in signs)) <= 2
    assert is_free(api)


def pausing(number: int, log: str) -> int:
    if number == 5:
        api.pause(0.1)
    return call(number, log)


def test_step_in_an_actor_pauses_the_limit_of_its_module_for_all(runner: RayRunner, log: str) -> None:
    one, other = (step(name, fn=pausing, limit=api) for name in ("one", "other"))

    @pipeline
    def line(count: int, log: str) -> list[int]:
        return numbers(count).map(one, log).map(other.options(max_in_flight=2), log).collect()

    assert runner.execute(line, 10, log).result == list(range(10))
    begun = sorted(float(text[2:]) for text in Path(log).read_text().splitlines() if text[0] == "+")
    assert max(later - earlier for earlier, later in pairwise(begun)) >= 0.05


def test_run_of_this_process_shares_the_limit_too(runner: RayRunner, log: str) -> None:
    own = Limit(concurrency=1)
    held, ended = threading.Event(), threading.Event()

    @step(limit=own)
    def hold(number: int) -> int:
        held.set()
        assert ended.wait(PATIENCE)
        return number

    @pipeline
    def line(log: str) -> Stream[int]:
        return stream(range(3)).map(step("limited", fn=call, limit=own), log)

    with ThreadPoolExecutor(2) as threads:
        holding = threads.submit(hold.run, 1)
        assert held.wait(PATIENCE)
        running = threads.submit(runner.execute, line, log)
        while not own.gate(None)._waiting:
            assert not running.done()
            time.sleep(0.01)
        assert not os.path.exists(log)
        ended.set()
        assert holding.result() == 1
        assert running.result().result == [0, 1, 2]
    assert is_free(own)


def test_run_within_a_call_that_has_the_limit_is_no_hang(runner: RayRunner) -> None:
    own = Limit(concurrency=1)
    inner = numbers | step("within", fn=str, limit=own)

    @step(limit=own)
    def outer(count: int) -> list[str]:
        return inner.run(count)

    with pytest.raises(DeadlockError, match=r"^step 'within' .*: waits for <limit '1 at once'>, whose calls wait"):
        runner.execute(numbers | outer, 3)
    assert is_free(own)


def dies(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_actor_that_dies_gives_back_what_it_held(runner: RayRunner) -> None:
    own = Limit(concurrency=1)
    with pytest.raises(WorkerError):
        runner.execute(numbers | step("dies", fn=dies, limit=own), 3)
    assert is_free(own)
