"""Generated batches with time-outs: what is in which batch, and when it is given, is known beforehand."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from headrace import AsyncRunner, Stream, SyncRunner, merge, pipeline, step
from headrace.testing import ScriptedClock

EXAMPLES = int(os.environ.get("HEADRACE_EXAMPLES", "300"))
Given = list[tuple[int, tuple[int, ...]]]  # batches, each with the second at which it is given
some = settings(max_examples=max(1, EXAMPLES // 4), deadline=None, suppress_health_check=list(HealthCheck))
gaps = st.lists(st.integers(0, 12), max_size=12)


def batches(arrivals: list[int], size: int, timeout: int, work: int) -> Given:
    """What is given when, if whoever receives a batch is back for the next one after `work` seconds."""
    found: Given = []
    numbers, now, end = list(range(len(arrivals))), 0, max(arrivals, default=0)
    while numbers:
        now = max(now, arrivals[numbers[0]])
        until = now + timeout
        batch = [number for number in numbers[:size] if arrivals[number] < until]
        if len(batch) == size:
            now = max(now, arrivals[batch[-1]])
        else:
            now = max(now, min(until, end)) if len(batch) == len(numbers) else until
        found.append((now, tuple(batch)))
        numbers = numbers[len(batch) :]
        now += work
    return found


@step(max_in_flight=100)
async def arriving(gaps: list[int]) -> AsyncIterator[int]:
    for number, gap in enumerate(gaps):
        await asyncio.sleep(gap)
        yield number


def received(clock: ScriptedClock, work: int) -> Any:
    """A step that notes when it has each batch."""

    @step
    async def noted(batch: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
        now = int(clock.now())
        await asyncio.sleep(work)
        return now, batch

    return noted


def sync(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return SyncRunner(clock=clock).execute(pipeline, *arguments).result


def sync_in_loop(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    async def cell() -> Any:
        return sync(clock, pipeline, *arguments)

    return asyncio.run(cell())


def in_loop(clock: ScriptedClock, pipeline: Any, *arguments: Any) -> Any:
    return clock.run(AsyncRunner(clock=clock).execute(pipeline, *arguments)).result


WAYS: list[Callable[..., Any]] = [sync, sync_in_loop, in_loop]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(gaps, st.integers(1, 5), st.integers(1, 20), st.sampled_from([0, 0, 1, 7, 30]))
@some
def test_batches_are_given_when_they_must_be(
    way: Callable[..., Any], gaps: list[int], size: int, timeout: int, work: int
) -> None:
    clock = ScriptedClock()

    @pipeline
    def batched(gaps: list[int]) -> Stream[tuple[int, tuple[int, ...]]]:
        return arriving(gaps).batched(size, timeout=timeout).map(received(clock, work))

    assert way(clock, batched, gaps) == batches(list(accumulate(gaps)), size, timeout, work)


@given(gaps, gaps, st.integers(0, 3))
@some
def test_merged_items_come_at_their_time(left: list[int], right: list[int], work: int) -> None:
    """Each at once when it is there and its consumer is: the order is that of time, and the same in every way."""
    clocks = [ScriptedClock() for _ in WAYS]

    def merged(clock: ScriptedClock) -> Any:
        @step
        def numbered(items: Iterator[int], name: str) -> Iterator[tuple[str, int]]:
            for item in items:
                yield name, item

        @step
        async def noted(item: tuple[str, int]) -> tuple[int, tuple[str, int]]:
            now = int(clock.now())
            await asyncio.sleep(work)
            return now, item

        @pipeline
        def both(left: list[int], right: list[int]) -> Stream[tuple[int, tuple[str, int]]]:
            return merge(numbered(arriving(left), "left"), numbered(arriving(right), "right")).map(noted)

        return both

    results = [way(clock, merged(clock), left, right) for way, clock in zip(WAYS, clocks, strict=True)]
    arrivals = {
        (name, number): time
        for name, gaps in (("left", left), ("right", right))
        for number, time in enumerate(accumulate(gaps))
    }
    assert results[1:] == results[:1] * 2
    now = 0
    waiting = set(arrivals)
    for time, item in results[0]:
        now = max(now, min(arrivals[each] for each in waiting))
        assert time == now
        assert arrivals[item] <= now
        assert item == min(each for each in waiting if each[0] == item[0])
        waiting.remove(item)
        now += work
    assert not waiting
