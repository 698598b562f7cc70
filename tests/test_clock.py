"""Scripted time; and the hub's timers and waits for several things, which need no pipeline."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import AsyncRunner, SyncRunner, step
from headrace.drivers.clock import RealClock, Timers
from headrace.drivers.sync import Hub, ThreadMail, nothing
from headrace.testing import ScriptedClock

DAY = 24 * 3600.0


def run(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner(clock=clock).execute(pipeline, *arguments).result


def run_within_loop(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    async def main() -> Any:
        return run(clock, pipeline, *arguments)

    return asyncio.run(main())


def arun(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(pipeline.arun(*arguments))


def execute_async(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(AsyncRunner(clock=clock).execute(pipeline, *arguments)).result


each_runner = pytest.mark.parametrize("run_in", [run, run_within_loop, arun, execute_async])


class Watched(ScriptedClock):
    """Tells when a run would have liked to wait for a time, and time was held."""

    def __init__(self) -> None:
        super().__init__()
        self.held = threading.Event()

    def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float | None:
        seconds = super().until(when, idle=idle, look_again=look_again)
        if seconds is None:
            self.held.set()
        return seconds


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


# -- scripted time -------------------------------------------------------------------------------------------


@each_runner
def test_time_stands_still_while_an_async_step_awaits_a_thread(run_in: Any) -> None:
    clock = Watched()

    @step
    async def work(number: int) -> int:
        async with asyncio.timeout(1):
            assert await asyncio.to_thread(clock.held.wait, 10)
        return number

    assert run_in(clock, numbers | work, 1) == [0]
    assert clock.now() == 0


def test_time_that_is_moved_from_a_thread_wakes_a_loop_that_waits_for_it() -> None:
    clock = Watched()

    async def main() -> float:
        asyncio.get_running_loop().hold(1)
        mover = threading.Thread(target=lambda: clock.held.wait(10) and clock.advance(60))
        mover.start()
        await asyncio.sleep(60)
        mover.join()
        return clock.now()

    assert clock.run(main()) == 60


def test_time_does_not_move_backwards() -> None:
    with pytest.raises(ValueError, match=r"time moves forwards only, got advance\(-1\)"):
        ScriptedClock().advance(-1)


def test_plain_steps_have_the_context_of_the_caller_where_a_scripted_run_has_its_own_thread() -> None:
    variable = contextvars.ContextVar("variable", default="nobody's")
    variable.set("the caller's")

    @step
    async def seen(number: int) -> str:
        return variable.get()

    @step
    def looked(seen: str) -> tuple[str, str]:
        return seen, variable.get()

    assert run_within_loop(ScriptedClock(), numbers | seen | looked, 1) == [("the caller's", "the caller's")]


# -- timers --------------------------------------------------------------------------------------------------


def test_timers_are_due_in_the_order_of_time_and_then_of_their_setting() -> None:
    timers, done = Timers(), []
    for name, when in (("b", 2.0), ("c", 2.0), ("a", 1.0), ("d", 3.0)):
        timers.add(when, lambda name=name: done.append(name))
    while call := timers.due(2.0):
        call()
    assert done == ["a", "b", "c"]
    assert timers.next == 3.0


def test_timer_that_is_cancelled_is_gone_at_once_and_may_be_cancelled_again() -> None:
    timers = Timers()
    first, second = timers.add(1.0, list), timers.add(1.0, list)
    first.cancel()
    first.cancel()
    assert timers.waiting == [second]
    second.cancel()
    assert timers.next is None


@pytest.mark.parametrize("clock", [RealClock(), ScriptedClock()], ids=["real", "scripted"])
def test_wait_ends_when_it_is_time(clock: Any) -> None:
    hub = Hub(clock)
    until = clock.now() + 0.001
    hub.wait_any([], until)
    assert clock.now() >= until


def test_message_comes_before_its_time() -> None:
    """Real time: the thread answers long before the hour is over."""
    hub, waiting = Hub(), []
    hub.expect(1)
    hub.begin()
    answer = threading.Thread(target=hub.post, args=(lambda: [call() for call in waiting],))
    answer.start()
    hub.wait_any([(waiting, "an answer")], RealClock().now() + 3600)
    answer.join()
    assert waiting == []
    assert hub.timers.next is None


def test_scripted_time_moves_only_when_nothing_is_under_way() -> None:
    clock = Watched()
    hub, waiting = Hub(clock), []
    hub.expect(1)

    def answer() -> None:
        assert clock.held.wait(10)
        hub.post(lambda: [call() for call in waiting])

    thread = threading.Thread(target=answer)
    thread.start()
    hub.wait_any([(waiting, "an answer")], 60.0)
    thread.join()
    assert clock.now() == 0


def test_time_that_is_moved_from_a_thread_wakes_a_run_that_waits_for_it() -> None:
    clock = Watched()
    hub = Hub(clock)
    hub.expect(1)  # from a thread that says nothing before it is time
    mover = threading.Thread(target=lambda: clock.held.wait(10) and clock.advance(60))
    mover.start()
    hub.wait_any([], 60.0)
    mover.join()
    assert clock.now() == 60


# -- waits for several things --------------------------------------------------------------------------------


class Lists:
    """A hub whose root waits in two lists, which other fibers wake."""

    def __init__(self) -> None:
        self.hub = Hub(ScriptedClock())
        self.left: list[Callable[[], object]] = []
        self.right: list[Callable[[], object]] = []

    def wait(self, until: float | None = None) -> None:
        self.hub.wait_any([(self.left, "left"), (self.right, "right")], until)

    def wake(self, waiting: list[Callable[[], object]]) -> None:
        for call in waiting:
            call()
        waiting.clear()


def test_fiber_that_waits_for_several_things_is_woken_once_and_leaves_nothing() -> None:
    lists = Lists()

    def wake_both() -> None:
        assert [call.reason for call in (*lists.left, *lists.right)] == ["left", "right"]
        lists.wake(lists.left)
        lists.wake(lists.right)

    lists.hub.start(wake_both)
    lists.wait(until=60.0)
    assert (lists.left, lists.right, list(lists.hub.ready)) == ([], [], [])
    assert (lists.hub.clock.now(), lists.hub.timers.next) == (0, None)


def test_fiber_is_not_woken_by_what_it_waited_for_before() -> None:
    lists, log = Lists(), []

    def waits() -> None:
        lists.wait()
        log.append("woken")
        lists.hub.sleep()
        log.append("woken again")

    def wakes() -> None:
        lists.wake(lists.left)
        lists.hub.give_way()
        lists.wake(lists.right)
        lists.hub.give_way()

    lists.hub.start(waits)
    lists.hub.start(wakes)
    lists.hub.run_until(lambda: not lists.hub.ready)
    assert log == ["woken"]
    lists.hub.close()


def test_fiber_that_is_stopped_while_it_waits_leaves_nothing() -> None:
    lists = Lists()
    lists.hub.start(lambda: lists.wait(until=60.0))
    lists.hub.start(lambda: lists.hub.stop())
    lists.hub.run_until(lambda: lists.hub.closing)
    assert (lists.left, lists.right, lists.hub.timers.next) == ([], [], None)


def test_who_gives_way_goes_on_after_all_who_can() -> None:
    hub, log = Hub(), []
    hub.start(lambda: log.append("fiber"))
    hub.post(lambda: log.append("message"))
    assert hub.give_way()
    assert log == ["message", "fiber"]
    assert not hub.give_way()


def test_who_gives_way_does_what_is_due() -> None:
    clock, log = ScriptedClock(), []
    hub = Hub(clock)
    hub.timer(1.0, lambda: log.append("due"))
    hub.timer(2.0, lambda: log.append("not due"))
    assert not hub.give_way()
    clock.advance(1)
    assert hub.give_way()
    assert log == ["due"]


def test_waiting_for_a_moment_ends() -> None:
    """A queue of CPython 3.11 and 3.12 alone fails this: on a busy machine, or after some thousand times."""

    def wait() -> None:
        for _ in range(5_000):
            assert ThreadMail().within(1e-6) is nothing

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    waiting.join(timeout=30)
    assert not waiting.is_alive()
