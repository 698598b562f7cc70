"""Section 13 of the guarantees. Rates in scripted time, to the moment, are in tests/test_limit.py."""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace import DeadlockError, Limit, Stream, pipeline, step, stream
from headrace.graph.limit import Gate, Permit

Run = Callable[..., Any]

MODES: dict[str, dict[str, Any]] = {
    "inline": {},
    "ahead": {"max_in_flight": 3},
    "thread": {"executor": "thread"},
    "threads": {"executor": "thread", "max_in_flight": 4},
    "async": {"async": True},
    "tasks": {"async": True, "max_in_flight": 4},
}
each_mode: pytest.MarkDecorator = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
overlapping: pytest.MarkDecorator = pytest.mark.parametrize(
    "mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"]
)
PATIENCE = 30  # seconds, for what should happen at once


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


def as_step(function: Callable[..., Any], mode: dict[str, Any], **options: Any) -> Any:
    """A step of `function`, or of an async function that does the same."""
    given = {key: value for key, value in mode.items() if key != "async"} | options

    async def as_async(number: int) -> Any:
        await asyncio.sleep(0)
        return function(number)

    return step(function.__name__, fn=as_async if "async" in mode else function, **given)


def is_free(limit: Limit, calls: int) -> bool:
    """Whether so many calls may begin."""
    gate = limit.gate(None)
    return all(gate.admit(time.monotonic(), Permit(), since=0.0, cost=1) is None for _ in range(calls))


class Meter:
    """Counts calls that run at once."""

    def __init__(self) -> None:
        self.lock: threading.Lock = threading.Lock()
        self.running: int = 0
        self.peak: int = 0

    def __enter__(self) -> None:
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.running -= 1


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a call has to wait for another one to end."""
    event = threading.Event()
    admit = Gate.admit

    def admit_and_tell(gate: Gate, *arguments: Any, **keywords: Any) -> float | None:
        when = admit(gate, *arguments, **keywords)
        if when == math.inf:
            event.set()
        return when

    monkeypatch.setattr(Gate, "admit", admit_and_tell)
    return event


# -- concurrency ---------------------------------------------------------------------------------------------


def test_13_1_two_steps_in_threads_share_their_calls_at_once(run_pipeline: Run, refused: threading.Event) -> None:
    api, meter = Limit(concurrency=2), Meter()
    two = threading.Barrier(2, timeout=PATIENCE)

    def call(number: int) -> int:
        with meter:
            assert refused.wait(PATIENCE)
            two.wait()
            return number

    calls = as_step(call, MODES["threads"], limit=api)

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(calls).collect(), given.map(calls).collect()

    assert run_pipeline(both, 10) == (list(range(10)), list(range(10)))
    assert meter.peak == 2
    assert is_free(api, 2)


def test_13_1_two_async_steps_share_their_calls_at_once(run_pipeline: Run) -> None:
    api, meter = Limit(concurrency=2), Meter()

    @step(max_in_flight=4, limit=api)
    async def call(number: int) -> int:
        with meter:
            for _ in range(20):
                await asyncio.sleep(0)
            return number

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(call).collect(), given.map(call).collect()

    assert run_pipeline(both, 10) == (list(range(10)), list(range(10)))
    assert meter.peak == 2
    assert is_free(api, 2)


@each_mode
def test_13_1_runs_in_two_threads_share_a_limit(
    run_pipeline: Run, refused: threading.Event, mode: dict[str, Any]
) -> None:
    api, meter = Limit(concurrency=1), Meter()

    def call(number: int) -> int:
        with meter:
            assert refused.wait(PATIENCE)
            return number

    line = numbers | as_step(call, mode, limit=api)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_pipeline, line, 3) for _ in range(2)]
        assert [run.result() for run in runs] == [[0, 1, 2]] * 2
    assert meter.peak == 1
    assert is_free(api, 1)


@each_mode
def test_13_1_a_step_that_is_called_once_waits_too(
    run_pipeline: Run, refused: threading.Event, mode: dict[str, Any]
) -> None:
    api, meter = Limit(concurrency=1), Meter()

    def call(number: int) -> int:
        with meter:
            assert refused.wait(PATIENCE)
            return number + 1

    once = as_step(call, mode, limit=api)
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_pipeline, once, 1) for _ in range(2)]
        assert [run.result() for run in runs] == [2, 2]
    assert meter.peak == 1
    assert is_free(api, 1)


# -- rate ----------------------------------------------------------------------------------------------------


@each_mode
def test_13_2_no_call_begins_before_its_time(run_pipeline: Run, mode: dict[str, Any]) -> None:
    begun: list[float] = []

    def call(number: int) -> int:
        begun.append(time.monotonic())
        return number

    begin = time.monotonic()
    assert run_pipeline(numbers | as_step(call, mode, limit=Limit(rate="200/s")), 6) == list(range(6))
    assert all(when >= begin + place / 200 for place, when in enumerate(sorted(begun)))


def cost_of(number: int) -> float:
    if number == 3:
        raise LookupError("no cost")
    return 1


@each_mode
def test_13_3_a_cost_that_fails_is_a_failure_of_its_call(run_pipeline: Run, mode: dict[str, Any]) -> None:
    api = Limit(rate="10000/s", cost=cost_of)

    def call(number: int) -> int:
        return number

    line = numbers | as_step(call, mode, limit=api, on_error="skip")
    assert run_pipeline(line, 6) == [0, 1, 2, 4, 5]
    with pytest.raises(LookupError, match="no cost") as caught:
        run_pipeline(numbers | as_step(call, mode, limit=api), 6)
    assert "step 'call'" in caught.value.__notes__[0]


@each_mode
def test_13_4_after_a_pause_no_call_begins_until_it_is_over(run_pipeline: Run, mode: dict[str, Any]) -> None:
    api = Limit(concurrency=4)
    begun: list[float] = []

    def call(number: int) -> int:
        begun.append(time.monotonic())
        if number == 0:
            api.pause(0.02)
        return number

    begin = time.monotonic()
    api.pause(0.02)
    api.pause(0.001)
    run_pipeline(numbers | as_step(call, mode, limit=api), 1)
    assert run_pipeline(numbers | as_step(call, mode, limit=api), 3) == [0, 1, 2]
    assert min(begun) >= begin + 0.02
    assert min(begun[1:]) >= begin + 0.04


# -- order, bound, ends --------------------------------------------------------------------------------------


@each_mode
def test_13_5_order_and_results_are_as_without_a_limit(run_pipeline: Run, mode: dict[str, Any]) -> None:
    api = Limit(concurrency=2, rate="100000/s")

    def call(number: int) -> int:
        return number * 2

    def odd(number: int) -> bool:
        return number % 4 > 0

    mapped, chosen = as_step(call, mode, limit=api), as_step(odd, mode, limit=api)

    @pipeline
    def line(count: int) -> Stream[tuple[int, int]]:
        given = numbers(count)
        return stream(given.map(mapped).filter(chosen).enumerate())

    assert run_pipeline(line, 40) == list(enumerate(range(2, 80, 4)))
    assert is_free(api, 2)


@overlapping
def test_13_5_calls_that_wait_are_in_flight(run_pipeline: Run, refused: threading.Event, mode: dict[str, Any]) -> None:
    asked: list[int] = []
    taken: list[int] = []
    most: list[int] = []

    @step
    def source(count: int) -> Iterator[int]:
        for number in range(count):
            asked.append(number)
            most.append(len(asked) - len(taken))
            yield number

    def call(number: int) -> int:
        return number

    @step
    def sink(items: Iterator[int]) -> int:
        for item in items:
            taken.append(item)
        return len(taken)

    line = source | as_step(call, mode, limit=Limit(concurrency=1)) | sink
    assert run_pipeline(line, 30) == 30
    assert max(most) <= mode["max_in_flight"] + 1  # those of the step, and the one that the source is asked for


@each_mode
def test_13_6_a_call_that_fails_is_over(run_pipeline: Run, mode: dict[str, Any]) -> None:
    api = Limit(concurrency=1)

    def call(number: int) -> int:
        if number % 3 == 0:
            raise ValueError(number)
        return number

    assert run_pipeline(numbers | as_step(call, mode, limit=api, on_error="skip"), 7) == [1, 2, 4, 5]
    with pytest.raises(ValueError, match="0"):
        run_pipeline(numbers | as_step(call, mode, limit=api), 7)
    assert is_free(api, 1)


@each_mode
def test_13_6_a_run_that_ends_while_calls_wait_leaves_nothing(
    run_pipeline: Run, refused: threading.Event, mode: dict[str, Any]
) -> None:
    api = Limit(concurrency=1)
    held, ended = threading.Event(), threading.Event()

    def call(number: int) -> int:
        return number

    @step(executor="thread")
    def fails(number: int) -> int:
        assert refused.wait(PATIENCE)
        raise LookupError("enough")

    @step(limit=api)
    def hold(number: int) -> int:
        held.set()
        assert ended.wait(PATIENCE)
        return number

    waits = as_step(call, mode, limit=api)

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        return numbers(count).map(waits).collect(), numbers(count).map(fails).collect()

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(hold.run, 1)
        assert held.wait(PATIENCE)
        with pytest.raises(LookupError, match="enough"):
            run_pipeline(both, 3)
        assert not api.gate(None)._waiting
        ended.set()
        assert holding.result() == 1
    assert is_free(api, 1)


@each_mode
def test_13_7_what_waits_holds_up_no_other_step(run_pipeline: Run, mode: dict[str, Any]) -> None:
    api = Limit(concurrency=1)
    held, ended = threading.Event(), threading.Event()

    def call(number: int) -> int:
        return number

    @step(max_in_flight=2)
    async def other(number: int) -> int:
        await asyncio.sleep(0)
        if number == 9:
            ended.set()
        return number

    @step(limit=api)
    def hold(number: int) -> int:
        held.set()
        assert ended.wait(PATIENCE)
        return number

    waits = as_step(call, mode, limit=api)

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        return numbers(count).map(waits).collect(), numbers(count).map(other).collect()

    with ThreadPoolExecutor(1) as thread:
        holding = thread.submit(hold.run, 1)
        assert held.wait(PATIENCE)
        assert run_pipeline(both, 10) == (list(range(10)), list(range(10)))
        assert holding.result() == 1


# -- deadlocks -----------------------------------------------------------------------------------------------

STUCK = "waits for <limit '1 at once'>, whose calls wait for this one: "


@each_mode
@pytest.mark.parametrize("inner_mode", MODES.values(), ids=MODES)
def test_13_8_run_that_needs_the_limit_of_the_call_that_started_it_fails(
    run_pipeline: Run, mode: dict[str, Any], inner_mode: dict[str, Any]
) -> None:
    api = Limit(concurrency=1)

    def number(number: int) -> int:
        return number

    inner = numbers | as_step(number, inner_mode, limit=api)

    def outer(count: int) -> Any:
        return inner.run(count)

    with pytest.raises(DeadlockError, match=f"^step 'number' .*: {STUCK}") as caught:
        run_pipeline(numbers | as_step(outer, mode, limit=api) | str, 3)
    assert " failed at item 2; path " in "".join(caught.value.__notes__)  # the first one calls nothing
    assert is_free(api, 1)


def test_13_8_run_that_an_async_call_awaits_fails_as_well(run_pipeline: Run) -> None:
    api = Limit(concurrency=1)
    inner = numbers | as_step(str, MODES["tasks"], limit=api)

    @step(limit=api, max_in_flight=3)
    async def outer(count: int) -> Any:
        return await inner.arun(count)

    with pytest.raises(DeadlockError, match=STUCK):
        run_pipeline(numbers | outer, 3)
    assert is_free(api, 1)


def test_13_8_calls_fail_only_where_all_that_have_the_limit_wait(run_pipeline: Run) -> None:
    """Two calls start runs that need a third; one of these fails, and so the other one goes on."""
    api, both = Limit(concurrency=2), threading.Barrier(2, timeout=PATIENCE)
    inner = numbers | as_step(str, {}, limit=api)

    @step(limit=api, executor="thread", max_in_flight=2, on_error="skip")
    def outer(count: int) -> Any:
        both.wait()
        return inner.run(1)

    assert run_pipeline(numbers | outer, 2) == [["0"]]
    assert is_free(api, 2)


@pytest.mark.parametrize("in_loop", [False, True])
def test_13_8_run_that_holds_up_the_loop_of_a_call_with_the_limit_fails(in_loop: bool) -> None:
    api = Limit(concurrency=1)
    inner = numbers | as_step(str, {}, limit=api)

    over = asyncio.Event()

    @step(limit=api, max_in_flight=2)
    async def later(number: int) -> int:
        await over.wait()
        return number

    @step(on_error="skip")
    def holds_up(number: int) -> Any:
        try:
            return inner.run(number)
        finally:
            if number:
                over.set()

    @pipeline
    def beside(count: int) -> tuple[list[int], list[Any]]:
        given = numbers(count)
        return given.map(later).collect(), given.map(holds_up).collect()

    assert (asyncio.run(beside.arun(2)) if in_loop else beside.run(2)) == ([0, 1], [[]])
    assert is_free(api, 1)
