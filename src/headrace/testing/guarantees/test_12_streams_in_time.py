"""Section 12 of the guarantees."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from headrace import DeadlockError, Failure, OptionError, Step, Stream, merge, pipeline, step, stream, zip_streams
from headrace.testing import Meter, ScriptedClock

Run = Callable[..., Any]
RunInTime = Callable[..., Any]  # called with a clock, and then as Run


@step
def numbers(count: int, first: int = 0) -> Iterator[int]:
    yield from range(first, first + count)


@step
async def numbers_async(count: int, first: int = 0) -> AsyncIterator[int]:
    for number in range(first, first + count):
        await asyncio.sleep(0)
        yield number


numbers_in_thread: Step[..., Stream[int]] = numbers.options(executor="thread", name="numbers_in_thread")


@step
def total(items: Iterator[int]) -> int:
    return sum(items)


# -- merge: the order ----------------------------------------------------------------------------------------


def test_12_1_streams_take_turns_where_nobody_has_to_wait(run_pipeline: Run) -> None:
    @pipeline
    def merged(ahead: int) -> Stream[str]:
        same = step("same", fn=str, max_in_flight=3)
        return merge(stream("abc"), stream([1]).map(str), stream("").map(str), stream("xy").map(same))

    assert run_pipeline(merged, 3) == ["a", "1", "x", "b", "y", "c"]


def test_12_1_order_is_the_same_under_every_runner_where_all_is_plain(run_pipeline: Run) -> None:
    @pipeline
    def merged(count: int) -> Stream[int]:
        found = numbers(count)
        tens = found.filter(lambda number: number % 3 == 0).map(lambda number: 10 * number)
        return merge(tens, found, found.flat_map(lambda number: [-number] * (number % 2)))

    assert run_pipeline(merged, 7) == [0, 0, -1, 1, 2, 30, -3, 3, 4, -5, 5, 60, 6]


@pytest.mark.parametrize("right", [numbers, numbers_async, numbers_in_thread], ids=str)
@pytest.mark.parametrize("left", [numbers, numbers_async, numbers_in_thread], ids=str)
def test_12_1_every_item_comes_once_and_the_order_of_each_stream_is_kept(
    run_pipeline: Run, left: Any, right: Any
) -> None:
    @pipeline
    def merged(count: int) -> Stream[int]:
        return merge(left(count, 0), right(count, 1000))

    items = run_pipeline(merged, 50)
    assert [item for item in items if item < 1000] == list(range(50))
    assert [item for item in items if item >= 1000] == list(range(1000, 1050))


def test_12_1_same_stream_twice_is_two_streams(run_pipeline: Run) -> None:
    @pipeline
    def merged() -> Stream[int]:
        items = stream([1, 2])
        return merge(items, items)

    assert run_pipeline(merged) == [1, 1, 2, 2]


def test_12_1_any_object_is_merged(run_pipeline: Run) -> None:
    strange = [None, ValueError("an item"), StopIteration(3), (), ...]

    @pipeline
    def merged() -> Stream[Any]:
        items = stream(strange)
        return merge(items, items.map(lambda item: item))

    assert run_pipeline(merged) == [each for item in strange for each in (item, item)]


@pytest.mark.parametrize("bound", [1, 3])
@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_12_1_results_and_failures_of_a_step_are_merged(run_pipeline: Run, executor: Any, bound: int) -> None:
    """Also where another reader drives the step."""

    def odd(number: int) -> int:
        if number % 2 == 0:
            raise ValueError(number)
        return number

    odd_only = step("odd_only", fn=odd, executor=executor, max_in_flight=bound)

    @step
    def failed_at(failure: Failure[int]) -> int:
        return failure.item

    @pipeline
    def merged(count: int) -> tuple[list[int], int, list[int]]:
        found, failed = numbers(count).map(odd_only).catch()
        more, others = numbers(count).map(odd_only).catch()
        items = merge(found, failed.map(failed_at)).collect()
        return items, total(more), merge(others.map(failed_at), numbers(3)).collect()

    items, total_of_odd, even = run_pipeline(merged, 9)
    assert sorted(items) == list(range(9))
    assert total_of_odd == 1 + 3 + 5 + 7
    assert sorted(even) == [0, 0, 1, 2, 2, 4, 6, 8]


# -- merge: nobody waits for anybody else --------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["inline", "thread"])
def test_12_2_merge_does_not_wait_for_one_stream_while_another_has_an_item(run_pipeline: Run, executor: Any) -> None:
    seen = threading.Event()

    async def late() -> AsyncIterator[int]:
        assert await asyncio.to_thread(seen.wait, 10)
        yield -1

    def late_in_thread() -> Iterator[int]:
        assert seen.wait(10)
        yield -1

    in_thread = step("late", fn=late_in_thread, executor="thread")
    last = step("late", fn=late) if executor == "inline" else in_thread

    @step
    def watched(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 4:
                seen.set()
            yield item

    @pipeline
    def merged() -> Stream[int]:
        return watched(merge(last(), numbers(5)))

    assert run_pipeline(merged) == [0, 1, 2, 3, 4, -1]


def test_12_2_streams_of_a_merge_are_at_work_at_the_same_time(run_pipeline: Run) -> None:
    """Each can go on only when all have begun."""
    meeting = threading.Barrier(3)

    def in_thread(number: int) -> int:
        meeting.wait(10)
        return number

    async def in_task(number: int) -> int:
        return await asyncio.to_thread(in_thread, number)

    @pipeline
    def merged() -> Stream[int]:
        return merge(
            stream([1]).map(step("thread", fn=in_thread, executor="thread")),
            stream([2]).map(step("task", fn=in_task)),
            stream([3]).map(step("tasks", fn=in_task, max_in_flight=2)),
        )

    assert sorted(run_pipeline(merged)) == [1, 2, 3]


@pytest.mark.parametrize("kind", ["async", "thread"])
def test_12_2_stream_that_always_has_an_item_does_not_keep_out_one_that_waits(run_pipeline: Run, kind: str) -> None:
    begun = threading.Event()

    def once_in_thread() -> Iterator[int]:
        begun.set()
        yield -1

    async def once() -> AsyncIterator[int]:
        for _ in range(3):
            await asyncio.sleep(0)
        yield -1

    in_thread = step("once", fn=once_in_thread, executor="thread")
    other = step("once", fn=once) if kind == "async" else in_thread

    @step
    def forever() -> Iterator[int]:
        yield 0
        assert kind == "async" or begun.wait(10)
        yield from range(1, 1_000_000)
        raise AssertionError("the other stream never got its turn")

    @step
    def until_once(items: Iterator[int]) -> int:
        return sum(1 for _ in itertools.takewhile(lambda item: item != -1, items))

    @pipeline
    def merged() -> int:
        return until_once(merge(forever(), other()))

    assert run_pipeline(merged) >= 1


def test_12_2_stream_that_always_has_an_item_does_not_keep_out_other_readers(run_pipeline: Run) -> None:
    """What is merged with it comes from a stream that another reader has to go on with."""

    @step
    def forever() -> Iterator[int]:
        yield from itertools.repeat(-1, 1_000_000)
        raise AssertionError("the other reader never got its turn")

    @step
    def until_last(items: Iterator[int]) -> list[int]:
        found: list[int] = []
        while len(found) < 5:
            found += [item for item in [next(items)] if item != -1]
        return found

    @pipeline
    def merged() -> tuple[list[int], int]:
        found = numbers(5)
        return until_last(merge(forever(), found)), total(found)

    assert run_pipeline(merged) == ([0, 1, 2, 3, 4], 10)


def test_12_2_stream_that_waits_for_a_value_keeps_nobody_waiting(run_pipeline: Run) -> None:
    """In each stage that waits for it: native, with overlapping calls, in a thread and in a task."""
    log: list[int] = []

    @step
    def known_last(items: Iterator[int]) -> int:
        for item in items:
            log.append(item)
        return 10

    @pipeline
    def merged(count: int) -> Stream[int]:
        found = numbers(count)
        value = known_last(found)
        add = step("add", fn=lambda number, more: number + more)
        return merge(
            found,
            numbers(1, value),
            numbers_in_thread(1, value),
            numbers_async(1, value),
            stream([1]).map(add, value),
            stream([1]).map(add.options(name="add_in_threads", executor="thread", max_in_flight=2), value),
        )

    items = run_pipeline(merged, 4)
    assert items[:4] == log == [0, 1, 2, 3]
    assert sorted(items[4:]) == [10, 10, 10, 11, 11]


# -- merge: the bound ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("executor", ["inline", "thread"])
@pytest.mark.parametrize("bounds", [(1, 1), (1, 3), (4, 2)], ids=str)
def test_12_3_every_stream_of_a_merge_has_its_own_bound(run_pipeline: Run, bounds: Any, executor: Any) -> None:
    meters = [Meter(), Meter()]

    @step
    def counted(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            meters[item % 2].taken()
            yield item

    def asked(number: int) -> int:
        return meters[number % 2].asked(number)

    def source(first: int) -> Stream[int]:
        bound = bounds[first]
        return stream(range(first, 40, 2)).map(step(f"s{first}", fn=asked, max_in_flight=bound, executor=executor))

    @pipeline
    def merged() -> Stream[int]:
        return counted(merge(source(0), source(1)))

    assert sorted(run_pipeline(merged)) == list(range(40))
    assert tuple(meter.highest for meter in meters) == bounds


def test_12_3_streams_are_topped_up_before_an_item_is_handed_over(run_pipeline: Run) -> None:
    log: list[str] = []

    def noted(name: str) -> Any:
        def note(number: int) -> str:
            log.append(f"{name}{number}")
            return f"{name}{number}"

        return step(name, fn=note, max_in_flight=2)

    @step
    def first(items: Iterator[str]) -> str:
        return next(items)

    @pipeline
    def merged() -> str:
        return first(merge(stream(range(9)).map(noted("a")), stream(range(9)).map(noted("b"))))

    assert run_pipeline(merged) == "a0"
    assert log == ["a0", "a1", "b0", "b1"]


def test_12_3_nobody_is_asked_before_the_first_item_is_wanted() -> None:
    log: list[str] = []

    @step
    def noted(name: str) -> Iterator[str]:
        log.append(name)
        yield name

    @pipeline
    def merged() -> Stream[str]:
        return merge(noted("a"), noted.options(max_in_flight=2, name="b")("b"))

    with merged.iter() as items:
        assert log == []
        assert next(items) == "a"
        assert log == ["b", "a"]  # one runs ahead, the other does not


# -- merge: ends ---------------------------------------------------------------------------------------------


def test_12_4_merge_ends_when_all_streams_have_ended(run_pipeline: Run) -> None:
    @pipeline
    def merged() -> Stream[int]:
        return merge(numbers(0), numbers_async(0), numbers_in_thread(0), stream([]), numbers_async(1))

    assert run_pipeline(merged) == [0]


@pytest.mark.parametrize("bound", [1, 3])
@pytest.mark.parametrize("fails", ["plain", "async", "thread"])
def test_12_4_failure_of_a_stream_fails_the_merge_behind_its_own_items(
    run_pipeline: Run, fails: str, bound: int
) -> None:
    received: list[int] = []
    closed: list[str] = []

    def two_and_fail() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("three")

    async def two_and_fail_async() -> AsyncIterator[int]:
        for item in (1, 2):
            yield item
        raise ValueError("three")

    function: Any = two_and_fail_async if fails == "async" else two_and_fail
    failing = step("failing", fn=function, max_in_flight=bound, executor="thread" if fails == "thread" else "inline")

    @step(max_in_flight=bound)
    def forever() -> Iterator[int]:
        try:
            yield from itertools.repeat(0)
        finally:
            closed.append("forever")

    @step
    def kept(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            received.append(item)
            yield item

    @pipeline
    def merged() -> Stream[int]:
        return kept(merge(failing(), forever()))

    with pytest.raises(ValueError, match="three") as caught:
        run_pipeline(merged)
    assert [item for item in received if item] == [1, 2]
    assert closed == ["forever"]
    assert "step 'failing'" in caught.value.__notes__[0]


def test_12_4_failure_in_the_merge_stage_is_blamed_on_its_step(run_pipeline: Run) -> None:
    @step
    def inverse(number: int) -> float:
        return 1 / number

    @pipeline
    def merged() -> Stream[float]:
        return merge(stream([1, 2]).map(inverse), stream([1, 0]).map(inverse.options(name="other")))

    with pytest.raises(ZeroDivisionError) as caught:
        run_pipeline(merged)
    assert "step 'other'" in caught.value.__notes__[0]
    assert "at item 2" in caught.value.__notes__[0]


def test_12_4_early_end_of_the_consumer_closes_all_streams(run_pipeline: Run) -> None:
    closed: list[str] = []

    @step
    def forever(name: str) -> Iterator[str]:
        try:
            yield from itertools.repeat(name)
        finally:
            closed.append(name)

    @step
    async def forever_async(name: str) -> AsyncIterator[str]:
        try:
            while True:
                yield name
        finally:
            closed.append(name)

    @step
    def until_all_are_there(items: Iterator[str]) -> list[str]:
        seen: set[str] = set()
        while len(seen) < 5:
            seen.add(next(items))
        return sorted(seen)

    in_thread = forever.options(executor="thread", name="in_thread")

    @pipeline
    def merged() -> list[str]:
        shared = forever("shared")
        streams = [forever("plain"), in_thread("thread"), forever_async("async"), shared, shared.map(str.upper)]
        return until_all_are_there(merge(*streams))

    assert run_pipeline(merged) == ["SHARED", "async", "plain", "shared", "thread"]
    assert sorted(closed) == ["async", "plain", "shared", "thread"]


def test_12_4_cancelled_merge_closes_all_streams_also_while_one_always_has_an_item() -> None:
    closed: list[str] = []

    @step
    def forever() -> Iterator[int]:
        try:
            yield from itertools.repeat(0)
        finally:
            closed.append("forever")

    async def main() -> None:
        begun = asyncio.Event()

        @step
        async def never() -> AsyncIterator[int]:
            begun.set()
            try:
                await asyncio.Event().wait()
                yield 1
            finally:
                closed.append("never")

        @pipeline
        def merged() -> int:
            return total(merge(forever(), never()))

        running = asyncio.create_task(merged.arun())
        await begun.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert sorted(closed) == ["forever", "never"]


# -- merge: joins --------------------------------------------------------------------------------------------


def test_12_5_branches_of_one_stream_are_merged_whatever_their_pace(run_pipeline: Run) -> None:
    """With one item in flight, and branches that drop, multiply, gather and batch."""

    @step
    def last(items: Iterator[int]) -> Iterator[int]:
        yield list(items)[-1]

    @pipeline
    def merged(count: int) -> tuple[list[Any], int]:
        found = numbers(count)
        three = merge(found.filter(lambda number: False), found.flat_map(lambda number: [number] * 3), last(found))
        return merge(three, found.batched(4), stream(found.collect())).collect(), total(found)

    items, sum_of_all = run_pipeline(merged, 10)
    assert sum_of_all == 45
    assert [item for item in items if isinstance(item, tuple)] == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9)]
    assert sorted(item for item in items if isinstance(item, int)) == sorted([*range(10)] * 4 + [9])


def test_12_5_merge_may_read_a_list_and_the_stream_it_is_made_of(run_pipeline: Run) -> None:
    @pipeline
    def merged(count: int) -> Stream[int]:
        found = numbers(count)
        return merge(stream(found.collect()), found)

    assert run_pipeline(merged, 3) == [0, 1, 2, 0, 1, 2]


def test_12_5_merge_may_be_zipped_with_what_it_has_lazily_and_in_a_list(run_pipeline: Run) -> None:
    @pipeline
    def zipped(count: int) -> Stream[tuple[int, int]]:
        found = numbers(count)
        return zip_streams(merge(stream(found.collect()), found), found, strict=False)

    assert run_pipeline(zipped, 3) == [(0, 0), (1, 1), (2, 2)]


def test_12_5_merge_is_zipped_with_what_it_merges(run_pipeline: Run) -> None:
    @pipeline
    def zipped(count: int) -> Stream[tuple[int, int]]:
        found = numbers(count)
        return zip_streams(merge(found, found.filter(lambda number: number > 9)), found)

    assert run_pipeline(zipped, 3) == [(0, 0), (1, 1), (2, 2)]


def test_12_5_deadlock_names_the_merge_and_what_it_waits_for(run_pipeline: Run) -> None:
    @pipeline
    def locked(count: int) -> Stream[Any]:
        found = numbers(count)
        return zip_streams(merge(found.batched(2), found.batched(3)), found)

    with pytest.raises(DeadlockError) as caught:
        run_pipeline(locked, 9)
    text = str(caught.value)
    assert "step 'locked/merge' (" in text
    assert "waits for an item from step 'locked/batched' (" in text
    assert "waits for an item from step 'locked/batched#2' (" in text
    assert text.endswith(
        f"To get past this point: max_in_flight=2 on step 'locked/numbers' ({numbers.callee.where}); or read the "
        "branches at the same pace, or collect the stream and give both the list"
    )


def test_12_5_merges_of_a_thousand_streams_work(run_pipeline: Run) -> None:
    @pipeline
    def merged(count: int) -> Stream[int]:
        found = numbers(count)
        return merge(*(found.map(int.__add__, add) for add in range(1000)))

    assert run_pipeline(merged, 2) == [*range(1000), *range(1, 1001)]


# -- batches in time -----------------------------------------------------------------------------------------


@step(max_in_flight=100)
async def at(times: list[int]) -> AsyncIterator[int]:
    """Each number at that time, in seconds from the start."""
    now = 0
    for time in times:
        await asyncio.sleep(time - now)
        now = time
        yield time


@pytest.mark.parametrize(
    ("times", "batches"),
    [
        ([], []),
        ([1], [(1,)]),
        ([0, 0, 0, 0, 0], [(0, 0, 0), (0, 0)]),
        ([1, 2, 3, 4, 5, 6], [(1, 2, 3), (4, 5, 6)]),  # full in time
        ([1, 2, 20, 21], [(1, 2), (20, 21)]),  # out of time
        ([1, 5, 10, 11, 12], [(1, 5, 10), (11, 12)]),
        ([1, 10, 11, 12], [(1, 10), (11, 12)]),  # at the very end of the time it is too late
        ([30, 60, 90], [(30,), (60,), (90,)]),
        ([7, 8, 9, 18, 19, 20], [(7, 8, 9), (18, 19, 20)]),  # the time begins with the first item
    ],
    ids=str,
)
def test_12_6_batch_is_given_when_it_is_full_or_out_of_time(
    run_in_time: RunInTime, times: list[int], batches: list[tuple[int, ...]]
) -> None:
    @pipeline
    def batched(times: list[int]) -> Stream[tuple[int, ...]]:
        return at(times).batched(3, timeout=10)

    assert run_in_time(ScriptedClock(), batched, times) == batches


def test_12_6_batch_is_given_at_its_time_and_the_rest_at_the_end(run_in_time: RunInTime) -> None:
    clock, given = ScriptedClock(), []

    @step
    def noted(batches: Iterator[tuple[int, ...]]) -> list[tuple[float, tuple[int, ...]]]:
        for batch in batches:
            given.append((clock.now(), batch))
        return given

    @pipeline
    def batched(times: list[int]) -> list[tuple[float, tuple[int, ...]]]:
        return noted(at(times).batched(3, timeout=10))

    expected = [(11, (1, 2)), (23, (21, 22, 23)), (41, (40, 41))]
    assert run_in_time(clock, batched, [1, 2, 21, 22, 23, 40, 41]) == expected
    assert clock.now() == 41


def test_12_6_time_begins_when_an_item_is_received_and_not_when_it_is_made(run_in_time: RunInTime) -> None:
    @step
    async def slowly(batch: tuple[int, ...]) -> tuple[int, ...]:
        await asyncio.sleep(100)
        return batch

    @pipeline
    def batched(times: list[int]) -> Stream[tuple[int, ...]]:
        return at(times).batched(3, timeout=10).map(slowly)

    assert run_in_time(ScriptedClock(), batched, [1, 20, 40, 60, 80]) == [(1,), (20, 40, 60), (80,)]


def test_12_6_plain_step_that_takes_long_holds_the_time_and_its_item_comes_next(run_in_time: RunInTime) -> None:
    clock = ScriptedClock()

    @step
    def made(times: list[int]) -> Iterator[int]:
        for time in times:
            clock.advance(time - clock.now())
            yield time

    @pipeline
    def batched(times: list[int]) -> Stream[tuple[int, ...]]:
        return made(times).batched(3, timeout=10)

    assert run_in_time(clock, batched, [1, 2, 30, 39, 40, 41, 42]) == [(1, 2), (30, 39), (40, 41, 42)]


def test_12_6_batch_is_given_while_a_thread_is_at_work(run_in_time: RunInTime) -> None:
    """The thread moves time, and goes on only when the batch has been received."""
    clock, received = ScriptedClock(), threading.Event()

    @step(executor="thread")
    def made() -> Iterator[int]:
        yield 1
        clock.advance(10)
        assert received.wait(10)
        yield 2

    @step
    def noted(batches: Iterator[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
        for batch in batches:
            received.set()
            yield batch

    @pipeline
    def batched() -> Stream[tuple[int, ...]]:
        return noted(made().batched(3, timeout=10))

    assert run_in_time(clock, batched) == [(1,), (2,)]


def test_12_6_with_time_enough_batches_are_those_without_a_timeout(run_pipeline: Run) -> None:
    """In real time, and wherever the items come from."""

    @pipeline
    def batched(count: int) -> tuple[Any, ...]:
        found = numbers(count)
        sources = [
            found,
            found.map(lambda number: number),
            numbers(count),
            numbers_async(count),
            numbers_in_thread(count),
        ]
        return tuple(source.batched(3, timeout=3600).collect() for source in sources)

    assert run_pipeline(batched, 7) == ([(0, 1, 2), (3, 4, 5), (6,)],) * 5


def test_12_6_failure_comes_behind_the_batches_that_were_given(run_in_time: RunInTime) -> None:
    received: list[Any] = []

    @step
    async def fails(times: list[int]) -> AsyncIterator[int]:
        for time in times:
            await asyncio.sleep(20)
            yield time
        raise ValueError("no more")

    @step
    def kept(batches: Iterator[tuple[int, ...]]) -> None:
        received.extend(iter(batches))

    @pipeline
    def batched(times: list[int]) -> None:
        kept(fails(times).batched(3, timeout=10))

    with pytest.raises(ValueError, match="no more"):
        run_in_time(ScriptedClock(), batched, [1, 2])
    assert received == [(1,)]  # the second one was not given yet


def test_12_6_bound_in_front_of_a_batch_is_exact(run_in_time: RunInTime) -> None:
    """What waits in an unfinished batch has been taken; what waits for it has not."""
    meter = Meter()

    @step(max_in_flight=2)
    async def made(times: list[int]) -> AsyncIterator[int]:
        now = 0
        for time in times:
            meter.asked()
            await asyncio.sleep(time - now)
            now = time
            yield time

    @step
    def opened(batches: Iterator[tuple[int, ...]]) -> Iterator[int]:
        for batch in batches:
            for item in batch:
                yield meter.taken(item)

    @pipeline
    def batched(times: list[int]) -> Stream[int]:
        return opened(made(times).batched(3, timeout=10))

    times = [1, 2, 3, 4, 30, 31, 60, 61, 62]
    assert run_in_time(ScriptedClock(), batched, times) == times
    assert meter.highest == 2 + 2  # those in the unfinished batch have been taken


def test_12_6_timeout_may_be_known_only_when_it_runs(run_in_time: RunInTime) -> None:
    @step
    def longest(items: list[int]) -> float:
        return max(items) / 4

    @pipeline
    def batched(times: list[int], timeout: float) -> tuple[Any, Any]:
        found = at(times)
        return found.batched(3, timeout=timeout).collect(), at(times).batched(
            3, timeout=longest(at(times).collect())
        ).collect()

    batches = [(1, 2), (20, 21), (40,)]
    assert run_in_time(ScriptedClock(), batched, [1, 2, 20, 21, 40], 10) == (batches, batches)
    with pytest.raises(OptionError, match=r"step 'batched' \(.*\): must get a timeout of seconds, .*, got -1"):
        run_in_time(ScriptedClock(), batched, [1], -1)


def test_12_6_batches_in_a_sub_pipeline_that_runs_per_item_keep_the_time_too(run_in_time: RunInTime) -> None:
    @step
    async def soon(item: int) -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(item)
            yield number

    @pipeline
    def of_one(item: int) -> list[tuple[int, ...]]:
        return soon(item).batched(2, timeout=10).collect()

    @pipeline
    def of_all(items: list[int]) -> Stream[list[tuple[int, ...]]]:
        return stream(items).map(of_one)

    @step
    def late(item: int) -> Iterator[int]:
        for number in range(3):
            clock.advance(item)
            yield number

    @pipeline
    def of_all_that_is_plain(items: list[int]) -> Stream[list[tuple[int, ...]]]:
        return stream(items).map(pipeline(lambda item: late(item).batched(2, timeout=10).collect()))

    clock = ScriptedClock()
    assert run_in_time(clock, of_all_that_is_plain, [1, 20]) == [[(0, 1), (2,)], [(0,), (1,), (2,)]]
    assert clock.now() == 63
    clock = ScriptedClock()
    assert run_in_time(clock, of_all, [1, 20]) == [[(0, 1), (2,)], [(0,), (1,), (2,)]]
    assert clock.now() == 63


# -- time ----------------------------------------------------------------------------------------------------


def test_12_7_time_that_is_waited_for_is_no_deadlock_and_helps_out_of_one(run_in_time: RunInTime) -> None:
    @pipeline
    def unlocked(count: int) -> Stream[Any]:
        found = numbers(count)
        return zip_streams(found.batched(2, timeout=10), found.map(abs).batched(2, timeout=10), found)

    clock = ScriptedClock()
    assert run_in_time(clock, unlocked, 3) == [((0,), (0,), 0), ((1,), (1,), 1), ((2,), (2,), 2)]
    assert clock.now() == 60


def test_12_7_deadlock_is_found_at_once_when_no_time_is_waited_for_any_more(run_pipeline: Run) -> None:
    """In real time: the hour of a batch that is full does not count."""

    @step
    def left_then_right(left: Iterator[Any], right: Iterator[Any]) -> list[Any]:
        return [*left, *right]

    @pipeline
    def locked(count: int) -> list[Any]:
        found = numbers(count)
        return left_then_right(merge(found, numbers_async(1)).batched(2, timeout=3600), found)

    with pytest.raises(DeadlockError):
        run_pipeline(locked, 3)


def test_12_7_waiting_for_a_time_is_one_wait(run_in_time: RunInTime) -> None:
    """The clock is asked for each time once, however far away that is: nobody looks whether it is time yet."""

    class Counting(ScriptedClock):
        asked = 0

        def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float | None:
            self.asked += 1
            return super().until(when, idle=idle, look_again=look_again)

    @pipeline
    def batched() -> Stream[tuple[int, ...]]:
        return at([1, 100_000]).batched(3, timeout=50_000)

    clock = Counting()
    assert run_in_time(clock, batched) == [(1,), (100_000,)]
    assert clock.asked <= 5


class Held(ScriptedClock):
    """Tells when a run would have liked to wait for a time, and time was held."""

    def __init__(self) -> None:
        super().__init__()
        self.held: threading.Event = threading.Event()

    def until(self, when: float, *, idle: bool, look_again: Callable[[], None]) -> float | None:
        seconds = super().until(when, idle=idle, look_again=look_again)
        if seconds is None:
            self.held.set()
        return seconds


def test_12_8_sleeping_takes_no_real_time_and_ends_in_the_order_of_time(run_in_time: RunInTime) -> None:
    @step(max_in_flight=3, ordered=False)
    async def sleep(number: int) -> int:
        await asyncio.sleep((3 - number) * 24 * 3600)
        return number

    clock = ScriptedClock()
    assert run_in_time(clock, numbers | sleep, 3) == [2, 1, 0]
    assert clock.now() == 3 * 24 * 3600


def test_12_8_what_is_at_the_same_time_happens_in_the_same_order_in_every_run(run_in_time: RunInTime) -> None:
    def once() -> list[int]:
        log = []

        @step(max_in_flight=4)
        async def call(number: int) -> int:
            for _ in range(3):
                await asyncio.sleep(number % 2 + 1)
                log.append(number)
            return number

        run_in_time(ScriptedClock(), numbers | call, 9)
        return log

    assert once() == once()


def test_12_8_time_stands_still_while_a_step_works_in_a_thread(run_in_time: RunInTime) -> None:
    clock, times = Held(), []

    @step(executor="thread")
    def work(number: int) -> int:
        assert clock.held.wait(10)
        times.append(clock.now())
        return number

    @step
    async def sleep(number: int) -> int:
        await asyncio.sleep(60)
        return number

    @pipeline
    def both(count: int) -> tuple[list[int], list[int]]:
        return numbers(count).map(work).collect(), numbers(count).map(sleep).collect()

    assert run_in_time(clock, both, 1) == ([0], [0])
    assert times == [0]
    assert clock.now() == 60
