"""Section 5 of the guarantees: sync and async steps in one pipeline. And the bound, for async steps."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from headrace import DeadlockError, Stream, pipeline, step, stream, zip_streams
from headrace.testing import Meter, Meters

Run = Callable[..., Any]
BOUNDS = [1, 3, 30]
ITEMS = 100
REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST")


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
async def numbers_async(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0)
        yield number


@step
async def double(number: int) -> int:
    await asyncio.sleep(0)
    return number * 2


@step
async def offspring(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in items:
        yield number
        await asyncio.sleep(0)
        yield -number


@step
def total(items: Iterator[int]) -> int:
    return sum(items)


@step
async def total_async(items: AsyncIterator[int]) -> int:
    result = 0
    async for number in items:
        result += number
    return result


# -- the bound ---------------------------------------------------------------------------------------------


def metered(meter: Meter | Meters, **options: Any) -> Any:
    async def source(count: int) -> AsyncIterator[int]:
        for number in meter.producing(range(count)):
            await asyncio.sleep(0)
            yield number

    return step("source", fn=source, **options)


def reading(meter: Meter, name: str = "reader") -> Any:
    async def reader(items: AsyncIterator[Any]) -> int:
        count = 0
        async for _ in items:
            meter.taken()
            count += 1
        return count

    return step(name, fn=reader)


def reading_sync(meter: Meter, name: str = "reader") -> Any:
    return step(name, fn=lambda items: sum(1 for _ in meter.taking(items)))


@pytest.mark.parametrize("reader", [reading, reading_sync], ids=["async", "sync"])
@pytest.mark.parametrize("bound", BOUNDS)
def test_1_1_bound_exact_for_async_generators(run_pipeline: Run, bound: int, reader: Any) -> None:
    meter = Meter()

    @pipeline
    def line(count: int) -> Any:
        return reader(meter)(metered(meter, max_in_flight=bound)(count))

    assert run_pipeline(line, ITEMS) == ITEMS
    assert meter.highest <= bound
    assert meter.count == 0


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("bound", BOUNDS)
def test_1_7_async_calls_overlap_up_to_the_bound(run_pipeline: Run, bound: int, ordered: bool) -> None:
    running, in_flight = Meter(), Meter()
    all_here = asyncio.Event()

    async def work(number: int) -> int:
        running.asked()
        in_flight.asked()
        if running.count == bound:
            all_here.set()
        await all_here.wait()  # every call waits until as many are running as may be
        running.taken()
        return number

    called = step("work", fn=work, max_in_flight=bound, ordered=ordered)

    @pipeline
    def line(count: int) -> Stream[int]:
        return step("received", fn=in_flight.taking)(numbers(count).map(called))

    results = run_pipeline(line, ITEMS)
    assert sorted(results) == list(range(ITEMS))
    assert results == list(range(ITEMS)) or not ordered
    assert (running.highest, in_flight.highest) == (bound, bound)


def test_1_7_concurrency_caps_async_calls_and_not_the_items(run_pipeline: Run) -> None:
    """Results queue behind a slow head while others keep running."""
    running, finished = Meter(), []
    head_may_end = asyncio.Event()

    async def work(number: int) -> int:
        running.asked()
        if number == 0:
            await head_may_end.wait()
        running.taken()
        finished.append(number)
        if len(finished) == 11:
            head_may_end.set()
        return number

    called = step("work", fn=work, max_in_flight=12, concurrency=3)
    assert run_pipeline(numbers | called, 12) == list(range(12))
    assert running.highest <= 3
    assert finished[-1] == 0


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("calls", [1, 8])
def test_1_7_item_is_taken_when_the_async_call_begins(run_pipeline: Run, bound: int, calls: int) -> None:
    meter = Meter()

    async def work(number: int) -> int:
        meter.taken()
        await asyncio.sleep(0)
        return number

    def source(count: int) -> Iterator[int]:
        yield from meter.producing(range(count))

    line = step("source", fn=source, max_in_flight=bound) | step("work", fn=work, max_in_flight=calls)
    assert len(run_pipeline(line, ITEMS)) == ITEMS
    assert meter.highest == bound


@pytest.mark.parametrize("bound", BOUNDS)
def test_1_4_bound_exact_per_branch_of_an_async_producer(run_pipeline: Run, bound: int) -> None:
    meters = Meters("sync", "async")

    @pipeline
    def fan_out(count: int) -> None:
        items = metered(meters, max_in_flight=bound)(count)
        reading_sync(meters.of["sync"], "sync")(items)
        reading(meters.of["async"], "async")(items)

    run_pipeline(fan_out, ITEMS)
    assert all(highest <= bound for highest in meters.highest.values())
    assert all(meter.count == 0 for meter in meters.of.values())


def test_1_5_async_generator_that_returns_early_closes_its_branch(run_pipeline: Run) -> None:
    @step
    async def two(items: AsyncIterator[int]) -> AsyncIterator[int]:
        yield await anext(items)
        yield await anext(items)

    @pipeline
    def fan_out(count: int) -> tuple[list[int], int]:
        items = numbers(count)
        return two(items).map(double).collect(), total(items)

    assert run_pipeline(fan_out, ITEMS) == ([0, 2], sum(range(ITEMS)))


# -- sync and async together -------------------------------------------------------------------------------


def test_5_1_async_step_feeds_sync_step(run_pipeline: Run) -> None:
    assert run_pipeline(numbers_async | total, 10) == 45
    assert run_pipeline(numbers_async | double | str | total_of_lengths, 6) == 7


def total_of_lengths(items: Iterator[str]) -> int:
    return sum(map(len, items))


def test_5_1_sync_step_feeds_async_step(run_pipeline: Run) -> None:
    assert run_pipeline(numbers | total_async, 10) == 45
    assert run_pipeline(numbers | abs | double | offspring, 3) == [0, 0, 2, -2, 4, -4]


def test_5_1_everything_at_once(run_pipeline: Run) -> None:
    @step
    async def offset(count: int) -> int:
        await asyncio.sleep(0)
        return count * 100

    @step
    async def add(number: int, offset: int) -> int:
        await asyncio.sleep(0)
        return number + offset

    @step
    async def listed(number: int) -> list[int]:
        return [number] * 2

    async def is_even(number: int) -> bool:
        return number % 2 == 0

    async def max_of(left: int, right: int) -> int:
        return max(left, right)

    async def offspring_of(number: int) -> AsyncIterator[int]:
        yield number
        yield number + 1

    @pipeline
    def mixed(count: int) -> tuple[Any, ...]:
        items = numbers(count)
        added = items.map(add.options(max_in_flight=3), offset(count))
        return (
            total(added),
            total_async(offspring(numbers_async(count))),
            items.flat_map(offspring_of).filter(is_even).collect(),
            items.flat_map(listed).batched(3).collect(),
            zip_streams(items.map(double), numbers_async(count)).starmap(max_of).collect(),
        )

    result = run_pipeline(mixed, 4)
    assert result == (sum(range(4)) + 4 * 400, 0, [0, 2, 2, 4], [(0, 0, 1), (1, 2, 2), (3, 3)], [0, 2, 4, 6])


def test_5_2_plain_steps_run_on_the_callers_thread(run_pipeline: Run) -> None:
    """But for those called per item right behind an async step: they run where that runs."""
    threads: set[int] = set()

    @step
    def noting(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            threads.add(threading.get_ident())
            yield item

    @step
    def noting_each(number: int) -> int:
        threads.add(threading.get_ident())
        return number

    @pipeline
    def line(count: int) -> int:
        doubled = noting(numbers(count).map(noting_each)).map(double)
        return total(noting(doubled).map(noting_each.options(max_in_flight=2)))

    run_pipeline(line, 5)
    assert threads == {threading.get_ident()}


def test_5_3_linear_run_of_async_steps_needs_no_task_for_each_item(run_pipeline: Run) -> None:
    tasks: set[int] = set()

    @step
    async def noting(number: int) -> int:
        tasks.add(id(asyncio.current_task()))
        return number

    run_pipeline(numbers_async | noting | double | noting | offspring, 20)
    assert len(tasks) == 1


def test_5_4_plain_steps_are_in_the_callers_task() -> None:
    @step
    def current(items: Iterator[int]) -> Iterator[Any]:
        for _ in items:
            yield asyncio.current_task()

    @pipeline
    def fan_out(count: int) -> tuple[Any, Any]:
        items = numbers_async(count)
        return current(items).collect(), current(items.map(double.options(max_in_flight=2))).collect()

    async def main() -> None:
        assert await fan_out.arun(2) == ([asyncio.current_task()] * 2,) * 2

    asyncio.run(main())


def test_5_5_context_variables_are_seen_in_async_steps(run_pipeline: Run) -> None:
    @step
    async def seen(number: int) -> str:
        return REQUEST.get()

    token = REQUEST.set("42")
    try:
        assert run_pipeline(numbers | seen, 2) == ["42", "42"]
        assert run_pipeline(numbers | seen.options(max_in_flight=2), 2) == ["42", "42"]
    finally:
        REQUEST.reset(token)


def test_5_6_deadlock_is_found_among_async_steps(run_pipeline: Run) -> None:
    @step
    async def one_after_the_other(left: AsyncIterator[int], right: AsyncIterator[int]) -> int:
        return sum([item async for item in left]) + sum([item async for item in right])

    @pipeline
    def join(count: int) -> int:
        items = numbers_async(count)
        return one_after_the_other(items, items.map(double))

    with pytest.raises(DeadlockError):
        run_pipeline(join, 9)


# -- ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1, 4])
def test_3_1_failure_of_an_async_step_has_a_note(run_pipeline: Run, bound: int) -> None:
    async def checked(number: int) -> int:
        await asyncio.sleep(0)
        if number == 3:
            raise ValueError("three")
        return number

    line = numbers | step("checked", fn=checked, max_in_flight=bound) | double
    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(line, 9)
    where = line.dag.node("numbers_to_double/checked").where
    assert caught.value.__notes__ == [
        f"headrace: step 'checked' ({where}) failed at item 4; path numbers_to_double/checked"
    ]


@step
async def failing(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for number in items:
        if number == 3:
            raise ValueError("three")
        yield number


@pytest.mark.parametrize("line", [numbers_async | failing | double, numbers | failing | total], ids=["native", "far"])
def test_3_1_failure_of_an_async_generator_has_a_note(run_pipeline: Run, line: Any) -> None:
    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(line, 9)
    assert [note.partition(" (")[0] for note in caught.value.__notes__] == ["headrace: step 'failing'"]


class Log:
    def __init__(self) -> None:
        self.closed: list[str] = []

    async def source(self) -> AsyncIterator[int]:
        number = 0
        try:
            while True:
                yield number
                await asyncio.sleep(0)
                number += 1
        finally:
            await asyncio.sleep(0)
            self.closed.append("source")

    async def through(self, items: AsyncIterator[int]) -> AsyncIterator[int]:
        try:
            async for item in items:
                yield item
        finally:
            await asyncio.sleep(0)
            self.closed.append("through")

    async def hang(self, number: int) -> int:
        try:
            if number > 3:
                await asyncio.Event().wait()
            return number
        finally:
            await asyncio.sleep(0)
            self.closed.append("call")

    def line(self, bound: int) -> Any:
        hang = step("hang", fn=self.hang, max_in_flight=bound)
        return step("source", fn=self.source) | step("through", fn=self.through) | hang


@pytest.mark.parametrize("bound", [1, 3])
def test_3_3_cancelled_run_leaves_no_task(bound: int) -> None:
    log = Log()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await log.line(bound).arun()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert {"through", "source"} <= set(log.closed)
        assert log.closed.count("call") == 4 + bound

    asyncio.run(main())


@pytest.mark.parametrize("bound", [1, 3])
def test_3_3_early_break_of_aiter_cancels_in_flight(bound: int) -> None:
    log = Log()

    async def main() -> None:
        async with log.line(bound).aiter() as items:
            async for item in items:
                if item == 2:
                    break
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert {"through", "source"} <= set(log.closed)

    asyncio.run(main())


@pytest.mark.parametrize("bound", [1, 3])
def test_3_3_early_break_of_iter_cancels_in_flight(bound: int) -> None:
    log, threads = Log(), threading.active_count()
    with log.line(bound).iter() as items:
        for item in items:
            if item == 2:
                break
    assert {"through", "source"} <= set(log.closed)
    assert threading.active_count() == threads


@pytest.mark.parametrize("bound", [1, 3])
@pytest.mark.parametrize("kept", [True, False])
def test_3_3_aiter_that_is_left_behind_ends_with_its_loop(kept: bool, bound: int) -> None:
    log = Log()

    @pipeline
    def fan_out() -> Stream[int]:
        items = step("source", fn=log.source, max_in_flight=bound)()
        items.map(abs)
        return step("through", fn=log.through, max_in_flight=bound)(items.map(abs))

    async def main() -> Any:
        items = aiter(fan_out.aiter())
        assert await anext(items) == 0
        return items if kept else None

    asyncio.run(main())
    assert sorted(log.closed) == ["source", "through"]


@pytest.mark.parametrize("bound", [1, 3])
@pytest.mark.parametrize("how", ["run", "arun"])
def test_3_3_interrupt_stops_a_run_and_closes_everything(bound: int, how: str) -> None:
    log = Log()
    previous = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(KeyboardInterrupt):
            log.line(bound).run() if how == "run" else asyncio.run(log.line(bound).arun())
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert {"through", "source"} <= set(log.closed)
    assert log.closed.count("call") == 4 + bound


def test_3_2_failure_of_an_async_step_comes_behind_what_was_made_before() -> None:
    async def main() -> list[int]:
        received = []
        with pytest.raises(ValueError, match="three"):
            async for item in (numbers_async | failing.options(max_in_flight=3)).aiter(9):
                received.append(item)
        return received

    assert asyncio.run(main()) == [0, 1, 2]


def test_4_1_async_runs_in_one_loop_do_not_wait_for_each_other() -> None:
    """Each of them can go on only when the other has begun."""

    async def main() -> tuple[list[int], list[int]]:
        here = [asyncio.Event(), asyncio.Event()]

        @step
        async def meet(number: int, mine: int) -> int:
            here[mine].set()
            await here[1 - mine].wait()
            return number

        @pipeline
        def meeting(count: int, mine: int) -> Stream[int]:
            return stream(numbers(count)).map(meet, mine)

        left, right = await asyncio.gather(meeting.arun(3, 0), meeting.arun(3, 1))
        return left, right

    assert asyncio.run(main()) == ([0, 1, 2], [0, 1, 2])


def test_5_7_step_that_holds_the_loop_is_named_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The loop's clock is the test's: every look at it is 60 ms later."""

    async def main() -> list[int]:
        clock = itertools.count(0, 60)
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: next(clock) / 1000)
        monkeypatch.setattr("headrace.drivers.aio.LONG", 0.05)
        return await (numbers | abs | double.options(max_in_flight=2)).arun(3)

    assert asyncio.run(main()) == [0, 2, 4]
    [record] = [record for record in caplog.records if record.name == "headrace"]
    assert record.levelname == "WARNING"
    assert "its plain steps (step 'numbers' (" in record.getMessage()
    assert "give what blocks executor='thread'" in record.getMessage()


@pytest.mark.parametrize("bound", BOUNDS)
def test_5_1_several_readers_of_a_stream_that_waits_for_an_async_value(run_pipeline: Run, bound: int) -> None:
    @pipeline
    def fan_out(count: int) -> tuple[int, int]:
        items = numbers.options(max_in_flight=bound)(double(count))
        return total(items), total(items.map(abs))

    assert run_pipeline(fan_out, 3) == (15, 15)


def test_1_5_early_stop_of_a_thread_does_not_break_what_is_being_read_for_it(run_pipeline: Run) -> None:
    @step(executor="thread")
    def source(count: int) -> Iterator[int]:
        yield from range(count)

    @step(max_in_flight=2)
    def same(number: int) -> int:
        return number

    @step(executor="thread")
    def one(items: Iterator[int]) -> Iterator[int]:
        yield next(items)

    for _ in range(60):
        assert run_pipeline(source | same | one, 5) == [0]


@pytest.mark.parametrize("bound", [1, 3])
def test_5_8_async_call_that_takes_too_long_is_cancelled(run_pipeline: Run, bound: int) -> None:
    cancelled: list[int] = []

    @step(max_in_flight=bound, timeout=0.01, on_error="skip")
    async def work(number: int) -> int:
        try:
            if number in (2, 3):
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    assert run_pipeline(numbers_async | work, 6) == [0, 1, 4, 5]
    assert cancelled == [2, 3]
    with pytest.raises(
        TimeoutError, match=r"^step 'work' .* within timeout=0.01 seconds, got none; the call was ended"
    ):
        run_pipeline(numbers_async | work.options(on_error="raise"), 6)


def test_5_8_async_call_that_is_made_once_is_cancelled_too(run_pipeline: Run) -> None:
    @step(timeout=0.01)
    async def once(number: int) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError, match=r"within timeout=0\.01 seconds"):
        run_pipeline(once, 1)


def test_5_8_other_time_outs_stay_as_they_are(run_pipeline: Run) -> None:
    @step(timeout=60.0)
    async def fails(number: int) -> None:
        async with asyncio.timeout(0.0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        run_pipeline(numbers_async | fails, 1)
    assert str(caught.value) == ""
