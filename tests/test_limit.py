"""Limits, in scripted time: when each call begins, to the moment."""

from __future__ import annotations

import asyncio
import pickle
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import AsyncRunner, Dag, Limit, NodeLimit, Retry, Stream, UnpicklableError, pipeline, step, stream
from headrace.graph.limit import Gate, Permit
from headrace.testing import RUNNERS, ScriptedClock

MODES: dict[str, dict[str, Any]] = {
    "inline": {},
    "ahead": {"max_in_flight": 3},
    "thread": {"executor": "thread"},
    "threads": {"executor": "thread", "max_in_flight": 4},
    "async": {"async": True},
    "tasks": {"async": True, "max_in_flight": 4},
}
each_mode = pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
each_overlapping = pytest.mark.parametrize("mode", [MODES["threads"], MODES["tasks"]], ids=["threads", "tasks"])
each_runner = pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


class Log:
    """Steps that log when their calls begin."""

    def __init__(self, mode: dict[str, Any], limit: Limit) -> None:
        self.clock = ScriptedClock()
        self.mode = mode
        self.limit = limit
        self.begun: list[tuple[float, str, int]] = []

    def step(self, name: str, then: Callable[[int], object] = lambda _: None) -> Any:
        def call(number: int) -> int:
            self.begun.append((self.clock.now(), name, number))
            then(number)
            return number

        async def async_call(number: int) -> int:
            return call(number)

        options = {key: value for key, value in self.mode.items() if key != "async"}
        return step(name, fn=async_call if "async" in self.mode else call, limit=self.limit, **options)

    def run(self, runner: Any, pipeline: Any, *arguments: Any) -> Any:
        return runner.execute({"clock": self.clock}, pipeline, *arguments)

    @property
    def times(self) -> list[float]:
        return [when for when, *_ in sorted(self.begun)]


@each_mode
@each_runner
def test_calls_of_two_steps_begin_at_the_times_of_one_rate(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="120/min"))
    one, two = log.step("one"), log.step("two")

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(one).collect(), given.map(two).collect()

    assert log.run(runner, both, 5) == (list(range(5)), list(range(5)))
    assert log.times == [place / 2 for place in range(10)]


@each_mode
@each_runner
def test_times_that_are_no_round_numbers_are_kept(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="7/min"))
    assert log.run(runner, numbers | log.step("one"), 50) == list(range(50))
    assert log.times == pytest.approx([place * 60 / 7 for place in range(50)], rel=1e-12)


class Server:
    """Refuses each twentieth request, and says when to come again."""

    class Refused(Exception):
        retry_after = "1"

    def __init__(self, log: Log) -> None:
        self.log = log
        self.refused = 0

    def answer(self, number: int) -> None:
        if len(self.log.begun) % 20 == 0:
            self.refused += 1
            raise self.Refused


@each_overlapping
@each_runner
@pytest.mark.parametrize("pauses", [False, True])
def test_calls_that_a_server_refuses_are_made_again_at_the_same_rate(
    runner: Any, mode: dict[str, Any], pauses: bool
) -> None:
    api = Limit(rate="100/s", concurrency=20)
    log = Log(mode | {"max_in_flight": 300}, api)
    server = Server(log)

    def wait(error: Server.Refused) -> str:
        if pauses:
            api.pause(float(error.retry_after))
        return error.retry_after

    called = log.step("called", server.answer).options(retry=Retry(on=Server.Refused, retry_after=wait))
    assert log.run(runner, numbers | called, 1000) == list(range(1000))
    assert (len(log.times), server.refused) == (1052, 52)
    if pauses:
        assert log.times == pytest.approx([place / 100 + place // 20 * 0.99 for place in range(1052)])
    else:
        assert log.times[:1000] == pytest.approx([place / 100 for place in range(1000)])


@each_mode
@each_runner
def test_a_second_run_goes_on_where_the_first_one_was(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="1/s"))
    line = numbers | log.step("one")
    log.run(runner, line, 2)
    log.run(runner, line, 2)
    assert log.times == [0, 1, 2, 3]


@each_mode
@each_runner
def test_a_call_delays_the_next_by_its_cost(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="10/s", cost=lambda tokens: tokens))
    log.run(runner, numbers | log.step("one"), 5)
    assert log.times == pytest.approx([0, 0, 0.1, 0.3, 0.6])


@each_runner
def test_a_burst_begins_at_once_and_the_rate_is_kept(runner: Any) -> None:
    log = Log(MODES["tasks"], Limit(rate="1/s", burst=3))
    log.run(runner, numbers | log.step("one"), 6)
    assert log.times == [0, 0, 0, 1, 2, 3]


@each_mode
@each_runner
def test_a_pause_from_within_a_step_holds_every_holder(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="1/s"))
    one = log.step("one", lambda number: log.limit.pause(30) if number == 1 else None)
    two = log.step("two")

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(one).collect(), given.map(two).collect()

    log.run(runner, both, 4)
    paused = next(when for when, name, number in log.begun if (name, number) == ("one", 1))
    later = [when for when in log.times if when > paused]
    assert later == [paused + 30 + place for place in range(len(later))]


def test_a_shorter_pause_does_not_end_a_longer_one() -> None:
    gate = Gate(Limit(concurrency=1))
    gate.pause_until(30.0)
    gate.pause_until(10.0)
    assert gate.admit(0.0, Permit(), since=0.0, cost=1) == 30.0


def test_a_pause_before_the_run_and_from_another_thread_holds_it() -> None:
    log = Log({}, Limit(concurrency=1))
    log.run(RUNNERS[0], numbers | log.step("one"), 1)
    thread = threading.Thread(target=log.limit.pause, args=(5,))
    thread.start()
    thread.join()
    log.run(RUNNERS[0], numbers | log.step("one"), 1)
    assert log.times == [0, 5]


@each_runner
def test_calls_at_once_are_never_more_and_never_fewer(runner: Any) -> None:
    api, clock = Limit(concurrency=3), ScriptedClock()

    @step(max_in_flight=4, limit=api)
    async def second(number: int) -> int:
        await asyncio.sleep(1)
        return number

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        given = numbers(count)
        return given.map(second).collect(), given.map(second).collect()

    runner.execute({"clock": clock}, both, 6)
    assert clock.now() == 4.0


@each_runner
def test_what_waits_holds_up_no_other_step(runner: Any) -> None:
    log = Log({}, Limit(rate="1/hour"))
    slow = log.step("slow")

    @step(max_in_flight=2)
    async def quick(number: int) -> int:
        await asyncio.sleep(1)
        log.begun.append((log.clock.now(), "quick", number))
        return number

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        return numbers(count).map(slow).collect(), numbers(count).map(quick).collect()

    log.run(runner, both, 4)
    assert [when for when, name, _ in log.begun if name == "quick"] == [1, 1, 2, 2]
    assert [when for when, name, _ in log.begun if name == "slow"] == [0, 3600, 7200, 10800]


def test_a_late_call_does_not_lower_the_rate() -> None:
    gate, begun = Gate(Limit(rate="1000/s")), [0.0]
    now = 0.0
    for _ in range(1000):
        came = now
        while gate.admit(now, Permit(), since=came, cost=1) is not None:
            now += 0.0004
        begun.append(now)
        now += 0.0005  # the call itself
    assert begun[-1] == pytest.approx(0.999, abs=0.001)


def test_after_an_idle_time_calls_do_not_catch_up() -> None:
    gate = Gate(Limit(rate="1/s"))
    assert gate.admit(0.0, Permit(), since=0.0, cost=1) is None
    assert gate.admit(100.0, Permit(), since=100.0, cost=1) is None
    assert gate.admit(100.0, Permit(), since=100.0, cost=1) == 101.0


@each_mode
def test_a_cancelled_run_waits_no_more(mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="1/hour"))

    async def main() -> None:
        run = asyncio.create_task((numbers | log.step("one")).arun(5))
        while not log.begun:
            await asyncio.sleep(0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert len(log.begun) == 1
    assert not log.limit.gate(None)._running


def test_a_stream_that_is_left_early_leaves_no_call_waiting() -> None:
    api = Limit(concurrency=1, rate="100000/s")
    calls = step("call", fn=lambda number: number, limit=api, executor="thread", max_in_flight=4)
    with (numbers | calls).iter(1000) as items:
        assert next(items) == 0
    gate = api.gate(None)
    assert not gate._running
    assert not gate._waiting


def test_in_worker_processes_calls_are_limited_too() -> None:
    api = Limit(concurrency=1, rate="1000/s")
    calls = step("call", fn=lambda number: number + 1, limit=api, executor="process", max_in_flight=4)
    for runner in RUNNERS:
        assert runner(numbers | calls, 5) == [1, 2, 3, 4, 5]
    assert not api.gate(None)._running


def test_a_limit_stays_in_its_process() -> None:
    api = Limit(rate="1/s")
    with pytest.raises(TypeError, match="is shared within one process"):
        pickle.dumps(api)
    pausing = step("pausing", fn=lambda number: api.pause(number), executor="process")
    with pytest.raises(UnpicklableError, match="<limit '1/s'> is shared within one process"):
        (numbers | pausing).run(1)


def test_under_arun_the_loop_goes_on_while_a_plain_step_waits() -> None:
    clock = ScriptedClock()
    log: list[float] = []

    async def other() -> None:
        for _ in range(3):
            await asyncio.sleep(1)
            log.append(clock.now())

    async def main() -> None:
        wait = step("wait", fn=lambda number: log.append(-clock.now()), limit=Limit(rate="1/min"))
        await asyncio.gather(other(), AsyncRunner(clock=clock).execute(numbers | wait, 2))

    clock.run(main())
    assert log == [0, 1, 2, 3, -60]


def test_the_dag_says_which_limit_a_node_has() -> None:
    tokens = Limit(rate="90000/min", cost=len, name="tokens")
    call = step("call", fn=str.upper, limit=tokens)
    other = step("other", fn=str.upper, limit=Limit(concurrency=2, name="tokens"))

    @pipeline
    def line(words: list[str]) -> Stream[str]:
        return stream(words).map(call).map(call).map(other)

    limits = [node.limit for node in line.dag.nodes if node.limit]
    said = NodeLimit(name="tokens", units=90000.0, seconds=60.0, cost="builtins:len")
    assert limits == [said, said, NodeLimit(name="tokens#2", concurrency=2)]
    assert list(line.program.limits.values()) == [tokens, tokens, other.settings.limit]
    assert Dag.from_json(line.dag.to_json()) == line.dag
    assert b'"limit":{"name":"tokens","units":90000.0,"seconds":60.0,"cost":"builtins:len"}' in line.dag.to_json()


@step
def total(items: Iterator[int]) -> int:
    return sum(items)


@step
def highest(items: Iterator[int]) -> int:
    return max(items)


@each_mode
@each_runner
def test_two_consumers_of_what_waits_both_get_it(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="1/s"))

    @pipeline
    def both(count: int) -> tuple[int, int]:
        limited = numbers(count).map(log.step("one"))
        return total(limited), highest(limited)

    assert log.run(runner, both, 5) == (10, 4)
    assert log.times == list(range(5))


@each_mode
@each_runner
def test_failures_that_are_caught_are_limited_calls_too(runner: Any, mode: dict[str, Any]) -> None:
    log = Log(mode, Limit(rate="1/s"))

    def fail(number: int) -> None:
        if number % 2:
            raise ValueError(number)

    one = log.step("one", fail)

    @pipeline
    def both(count: int) -> tuple[list[int], list[Any]]:
        results, failures = numbers(count).map(one).catch()
        return results.collect(), failures.map(lambda failure: failure.item).collect()

    assert log.run(runner, both, 6) == ([0, 2, 4], [1, 3, 5])
    assert log.times == list(range(6))
