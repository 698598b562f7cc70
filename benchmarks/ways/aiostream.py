"""aiostream: operators on async iterators, as itertools has them for iterators."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from aiostream import pipable_operator, pipe, stream, streamcontext

from benchmarks.case import Contender
from benchmarks.tasks import (
    IMPORTING,
    async_call,
    async_doubled,
    async_minus_three,
    async_plus_one,
    call,
    compute,
    doubled,
    minus_three,
    negated,
    numbers,
    plus_one,
    uneven_async_call,
    uneven_call,
)

__all__ = ["CONTENDERS"]

ONE_READER = "two readers of a stream each run it anew, its source too"


def listed(line: Any) -> list[int]:
    async def results() -> list[int]:
        done: list[int] = await stream.list(line)
        return done

    return asyncio.run(results())


def four_functions(count: int) -> list[int]:
    line = stream.iterate(numbers(count)) | pipe.map(plus_one) | pipe.map(doubled)
    return listed(line | pipe.map(minus_three) | pipe.map(negated))


@pipable_operator
async def add_one(source: Any) -> AsyncIterator[int]:
    async with streamcontext(source) as items:
        async for item in items:
            yield item + 1


@pipable_operator
async def double(source: Any) -> AsyncIterator[int]:
    async with streamcontext(source) as items:
        async for item in items:
            yield item * 2


@pipable_operator
async def take_three(source: Any) -> AsyncIterator[int]:
    async with streamcontext(source) as items:
        async for item in items:
            yield item - 3


@pipable_operator
async def negate(source: Any) -> AsyncIterator[int]:
    async with streamcontext(source) as items:
        async for item in items:
            yield -item


def four_generators(count: int) -> list[int]:
    line = stream.iterate(numbers(count)) | add_one.pipe() | double.pipe()
    return listed(line | take_three.pipe() | negate.pipe())


def in_pool(function: Callable[[int], int], make_pool: Callable[[], Executor], limit: int, count: int) -> list[int]:
    async def results() -> list[int]:
        loop = asyncio.get_running_loop()
        with make_pool() as pool:

            async def called(number: int) -> int:
                return await loop.run_in_executor(pool, function, number)

            line = stream.iterate(numbers(count)) | pipe.map(called, task_limit=limit)
            done: list[int] = await stream.list(line)
            return done

    return asyncio.run(results())


def in_tasks(function: Callable[[int], Any], limit: int, count: int) -> list[int]:
    return listed(stream.iterate(numbers(count)) | pipe.map(function, task_limit=limit))


def three_async_functions(count: int) -> list[int]:
    line = stream.iterate(numbers(count)) | pipe.map(async_plus_one, task_limit=1)
    return listed(line | pipe.map(async_doubled, task_limit=1) | pipe.map(async_minus_three, task_limit=1))


THREE_STEPS = """
import asyncio
from aiostream import pipe, stream

def numbers(count):
    yield from range(count)

async def main():
    return await stream.list(stream.iterate(numbers(10)) | pipe.map(lambda number: number + 1) | pipe.map(str))

assert asyncio.run(main()) == [str(number) for number in range(1, 11)]
"""


class Numbers:
    """The same numbers, however often they are read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Any:
        return numbers(self.count)


def line_of_200(count: int) -> Any:
    line = stream.iterate(Numbers(count))
    for _ in range(199):
        line |= pipe.map(plus_one)
    return line


def build_line(count: int) -> None:
    line_of_200(count)


kept_line = functools.cache(line_of_200)


def run_line(count: int) -> list[int]:
    return listed(kept_line(count))


def thirty_threads() -> Executor:
    return ThreadPoolExecutor(30)


CONTENDERS = {
    "4 functions": [Contender("", four_functions)],
    "4 generators": [Contender("async ones", four_generators)],
    "fan-out": ONE_READER,
    "per-item sinks": ONE_READER,
    "diamond": ONE_READER,
    "blocking calls": [Contender("in an executor", functools.partial(in_pool, call, thirty_threads, 30))],
    "uneven calls": [Contender("in an executor", functools.partial(in_pool, uneven_call, thirty_threads, 120))],
    "calls of 10 ms": [Contender("in an executor", functools.partial(in_pool, compute, ProcessPoolExecutor, 8))],
    "async calls": [Contender("task_limit=100", functools.partial(in_tasks, async_call, 100))],
    "uneven async calls": [Contender("task_limit=30", functools.partial(in_tasks, uneven_async_call, 30))],
    "3 async functions": [Contender("", three_async_functions)],
    "import": [Contender("", IMPORTING.format("aiostream"))],
    "whole process": [Contender("", THREE_STEPS)],
    "build 200 steps": [Contender("", build_line)],
    "run 200 steps": [Contender("", run_line)],
}
