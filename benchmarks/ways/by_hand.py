"""The plain way to write it well: no slower than it has to be."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from benchmarks.case import Contender
from benchmarks.tasks import (
    IMPORTING,
    add_one,
    async_call,
    async_doubled,
    async_minus_three,
    async_plus_one,
    call,
    compute,
    double,
    doubled,
    minus_three,
    negate,
    negated,
    numbers,
    numbers_async,
    plus_one,
    take_three,
    uneven_async_call,
    uneven_call,
)

__all__ = ["CONTENDERS"]


# -- functions and generators ------------------------------------------------------------------------------


def each_plus_one(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield plus_one(item)


def each_doubled(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield doubled(item)


def each_minus_three(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield minus_three(item)


def each_negated(items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield negated(item)


def each(function: Callable[[int], int], items: Iterator[int]) -> Iterator[int]:
    for item in items:
        yield function(item)


def nested_generators(count: int) -> list[int]:
    return list(each_negated(each_minus_three(each_doubled(each_plus_one(numbers(count))))))


def nested_each(count: int) -> list[int]:
    return list(each(negated, each(minus_three, each(doubled, each(plus_one, numbers(count))))))


def nested_map(count: int) -> list[int]:
    return list(map(negated, map(minus_three, map(doubled, map(plus_one, numbers(count))))))


def nested_calls(count: int) -> list[int]:
    return [negated(minus_three(doubled(plus_one(number)))) for number in numbers(count)]


def four_generators(count: int) -> list[int]:
    return list(negate(take_three(double(add_one(numbers(count))))))


# -- two consumers -----------------------------------------------------------------------------------------


def one_loop(count: int) -> tuple[int, int]:
    sum_of_all = top = 0
    for number in numbers(count):
        sum_of_all += number
        if number > top:
            top = number
    return sum_of_all, top


def pairs_in_one_loop(count: int) -> list[tuple[int, int]]:
    return [(plus_one(number), doubled(number)) for number in numbers(count)]


def lists_in_one_loop(count: int) -> tuple[list[int], list[int]]:
    left: list[int] = []
    right: list[int] = []
    for number in numbers(count):
        left.append(plus_one(number))
        right.append(doubled(number))
    return left, right


# -- calls elsewhere ---------------------------------------------------------------------------------------


def window(function: Callable[[int], int], in_flight: int, count: int) -> list[int]:
    """The results of `function` in 30 threads, in order, with at most `in_flight` out at once."""
    results: list[int] = []
    waiting: deque[Future[int]] = deque()
    with ThreadPoolExecutor(30) as pool:
        for number in numbers(count):
            if len(waiting) == in_flight:
                results.append(waiting.popleft().result())
            waiting.append(pool.submit(function, number))
        results += (future.result() for future in waiting)
    return results


def computed(count: int) -> list[int]:
    return [compute(number) for number in numbers(count)]


def mapped_in_pool(count: int) -> list[int]:
    with ProcessPoolExecutor() as pool:
        return list(pool.map(compute, numbers(count)))


def task_window(function: Callable[[int], Coroutine[Any, Any, int]], in_flight: int, count: int) -> list[int]:
    """The results of `function` in tasks, in order, with at most `in_flight` out at once."""

    async def results() -> list[int]:
        done: list[int] = []
        waiting: deque[asyncio.Task[int]] = deque()
        for number in numbers(count):
            if len(waiting) == in_flight:
                done.append(await waiting.popleft())
            waiting.append(asyncio.create_task(function(number)))
        return done + [await task for task in waiting]

    return asyncio.run(results())


# -- trivial async functions -------------------------------------------------------------------------------


async def async_each_plus_one(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_plus_one(item)


async def async_each_doubled(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_doubled(item)


async def async_each_minus_three(items: AsyncIterator[int]) -> AsyncIterator[int]:
    async for item in items:
        yield await async_minus_three(item)


def async_generators(count: int) -> list[int]:
    async def results() -> list[int]:
        line = async_each_minus_three(async_each_doubled(async_each_plus_one(numbers_async(count))))
        return [item async for item in line]

    return asyncio.run(results())


def one_async_loop(count: int) -> list[int]:
    async def results() -> list[int]:
        return [await async_minus_three(await async_doubled(await async_plus_one(number))) for number in numbers(count)]

    return asyncio.run(results())


NESTED = "nested generators"
CONTENDERS = {
    "4 functions": [
        Contender(NESTED, nested_generators),
        Contender("one generator function for all", nested_each),
        Contender("nested map()", nested_map),
        Contender("nested calls in one loop", nested_calls),
    ],
    "4 generators": [Contender(NESTED, four_generators)],
    "fan-out": [Contender("one loop", one_loop)],
    "per-item sinks": [Contender("one loop", lists_in_one_loop)],
    "diamond": [Contender("one loop", pairs_in_one_loop)],
    "blocking calls": [Contender("window of futures", functools.partial(window, call, 30))],
    "uneven calls": [
        Contender("window of 30 futures", functools.partial(window, uneven_call, 30)),
        Contender("window of 120, 30 threads", functools.partial(window, uneven_call, 120)),
    ],
    "calls of 10 ms": [
        Contender("one core", computed),
        Contender("ProcessPoolExecutor.map", mapped_in_pool),
    ],
    "async calls": [Contender("window of tasks", functools.partial(task_window, async_call, 100))],
    "uneven async calls": [Contender("window of 30 tasks", functools.partial(task_window, uneven_async_call, 30))],
    "3 async functions": [
        Contender("async generators", async_generators),
        Contender("one loop", one_async_loop),
    ],
    "import": [Contender("import asyncio", IMPORTING.format("asyncio"))],
    "whole process": [
        Contender("python -c pass", "pass"),
        Contender("import asyncio", "import asyncio"),
    ],
}
