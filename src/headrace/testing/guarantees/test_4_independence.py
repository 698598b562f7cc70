"""Section 4 of the guarantees."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import operator
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from headrace import Stream, pipeline, step, stream, zip_streams

Run = Callable[..., Any]
REQUEST: contextvars.ContextVar[str] = contextvars.ContextVar("REQUEST")


@step
def numbers(count: int) -> Iterator[int]:
    yield from range(count)


@step
def total(items: Iterator[int]) -> int:
    return sum(items)


@pipeline
def two_totals(count: int) -> tuple[int, int]:
    items = numbers(count)
    return total(items), total(items.map(abs))


@pytest.mark.parametrize("executor", ["inline", "thread"])
@pytest.mark.parametrize("branches", [1, 2])
def test_4_1_nested_run_does_not_starve(run_pipeline: Run, executor: Any, branches: int) -> None:
    @step(executor=executor, max_in_flight=3)
    def inner(count: int) -> int:
        return sum(two_totals.run(count))

    @step
    def inner_items(items: Iterator[int]) -> Iterator[int]:
        for count in items:
            yield sum(two_totals.run(count)) + sum(numbers.iter(count))

    def assert_equal(left: Iterator[int], right: Iterator[int]) -> None:
        for number, (one, other) in enumerate(zip(left, right, strict=True)):
            assert one == sum(range(number)) * 2
            assert other == sum(range(number)) * 3

    @pipeline
    def outer(count: int) -> None:
        items = numbers(count)
        for _ in range(branches):
            step("check", fn=assert_equal)(items.map(inner), inner_items(items))

    run_pipeline(outer, 12)


def test_4_2_two_runs_in_two_threads_are_independent(run_pipeline: Run) -> None:
    """Each run waits in the middle for the other one to get there too."""
    barrier = threading.Barrier(2)

    @step
    def meeting(items: Iterator[int]) -> Iterator[int]:
        for item in items:
            if item == 3:
                barrier.wait(timeout=20)
            yield item

    @pipeline
    def meets(count: int) -> tuple[int, int]:
        items = meeting(numbers(count))
        return total(items), total(items.map(abs))

    results: list[Any] = []
    threads = [threading.Thread(target=lambda: results.append(run_pipeline(meets, 9))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(36, 36), (36, 36)]


def test_4_2_one_pipeline_can_be_iterated_twice_at_once() -> None:
    first, second = numbers.iter(3), numbers.iter(3)
    assert [next(first), next(second), next(first), next(second)] == [0, 0, 1, 1]
    first.close()
    second.close()


def test_4_3_context_variables_of_the_caller_are_seen(run_pipeline: Run) -> None:
    def seen(item: Any) -> str:
        return REQUEST.get()

    def seen_by(items: Iterator[Any]) -> Iterator[str]:
        for _ in items:
            yield REQUEST.get()

    @pipeline
    def everywhere(count: int) -> tuple[Any, ...]:
        items = numbers(count)
        return (
            items.map(step("inline", fn=seen)).collect(),
            items.map(step("threads", fn=seen, executor="thread", max_in_flight=2)).collect(),
            step("generator", fn=seen_by)(items).collect(),
            step("own_thread", fn=seen_by, executor="thread", max_in_flight=2)(items).collect(),
        )

    token = REQUEST.set("42")
    try:
        assert run_pipeline(everywhere, 3) == (["42"] * 3,) * 4
    finally:
        REQUEST.reset(token)


def test_4_3_context_variable_set_inline_is_kept_as_in_a_plain_loop() -> None:
    @step
    def sets(items: Iterator[int]) -> None:
        for item in items:
            REQUEST.set(str(item))

    @pipeline
    def fan_out(count: int) -> None:
        items = numbers(count)
        sets(items)
        total(items)

    async def check_async() -> None:
        await fan_out.arun(3)
        assert REQUEST.get() == "2"

    def check() -> None:
        fan_out.run(3)
        assert REQUEST.get() == "2"

    contextvars.copy_context().run(check)
    asyncio.run(check_async())


def increment(number: int) -> int:
    return number + 1


def incrementing(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield item + 1


def one_more(number: int) -> Iterator[int]:
    yield number + 1


CHAINS: dict[str, Any] = {
    "called per item": step(increment),
    "called per item, ahead": step("increment", fn=increment, max_in_flight=2),
    "called per item, flattened": step(one_more),
    "generators": step(incrementing),
    "generators, ahead": step("incrementing", fn=incrementing, max_in_flight=2),
}


@pytest.mark.parametrize("one", CHAINS.values(), ids=CHAINS.keys())
def test_4_4_a_thousand_steps_run(run_pipeline: Run, one: Any) -> None:
    chain = functools.reduce(operator.or_, [one] * 1000, numbers)
    assert run_pipeline(chain, 5) == [1000 + number for number in range(5)]


def test_4_4_a_thousand_values_and_branches_run(run_pipeline: Run) -> None:
    @pipeline
    def wide(count: int) -> int:
        items = numbers(count)
        result = total(items)
        for _ in range(1000):
            result = step("add", fn=operator.add)(result, total(items.filter(bool)))
        return result

    assert run_pipeline(wide, 4) == 6 * 1001


def test_4_4_a_hundred_zips_deep(run_pipeline: Run) -> None:
    @pipeline
    def deep(count: int) -> Stream[Any]:
        items: Stream[Any] = numbers(count)
        for _ in range(300):
            items = zip_streams(items, stream(range(4))).map(lambda pair: pair[0])
        return items

    assert run_pipeline(deep, 4) == [0, 1, 2, 3]
