"""streamable: a lazy chain of operations, which becomes nested iterators when it is read."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from streamable import stream

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
    plus_one,
    take_three,
    uneven_async_call,
    uneven_call,
)

__all__ = ["CONTENDERS"]

ONE_READER = (
    "a stream that is read twice runs its source twice; itertools.tee() keeps, without a bound, what one of them has "
    "not read"
)


def four_functions(count: int) -> list[int]:
    return list(stream(numbers(count)).map(plus_one).map(doubled).map(minus_three).map(negated))


def four_generators(count: int) -> list[int]:
    line: Any = stream(numbers(count))
    for function in (add_one, double, take_three, negate):
        line = stream(line.pipe(function))
    return list(line)


def in_threads(function: Callable[[int], int], concurrency: int, count: int) -> list[int]:
    return list(stream(numbers(count)).map(function, concurrency=concurrency))


def in_processes(count: int) -> list[int]:
    with ProcessPoolExecutor() as pool:
        return list(stream(numbers(count)).map(compute, concurrency=pool))


def in_tasks(function: Callable[[int], Any], concurrency: int, count: int) -> list[int]:
    async def results() -> list[int]:
        return [item async for item in stream(numbers(count)).map(function, concurrency=concurrency)]

    return asyncio.run(results())


def three_async_functions(count: int) -> list[int]:
    async def results() -> list[int]:
        line = stream(numbers(count)).map(async_plus_one).map(async_doubled).map(async_minus_three)
        return [item async for item in line]

    return asyncio.run(results())


THREE_STEPS = """
from streamable import stream

def numbers(count):
    yield from range(count)

line = stream(numbers(10)).map(lambda number: number + 1).map(str)
assert list(line) == [str(number) for number in range(1, 11)]
"""


class Numbers:
    """The same numbers, however often they are read."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[int]:
        return numbers(self.count)


@functools.cache
def kept_line(count: int) -> Any:
    return line_of_200(count)


def line_of_200(count: int) -> Any:
    line: Any = stream(Numbers(count))
    for _ in range(199):
        line = line.map(plus_one)
    return line


def build_line(count: int) -> None:
    line_of_200(count)


def run_line(count: int) -> list[int]:
    return list(kept_line(count))


CONTENDERS = {
    "4 functions": [Contender("", four_functions)],
    "4 generators": [Contender("", four_generators)],
    "fan-out": ONE_READER,
    "per-item sinks": ONE_READER,
    "diamond": ONE_READER,
    "blocking calls": [Contender("concurrency=30", functools.partial(in_threads, call, 30))],
    "uneven calls": [
        Contender("concurrency=30", functools.partial(in_threads, uneven_call, 30)),
        Contender("concurrency=120", functools.partial(in_threads, uneven_call, 120)),
    ],
    "calls of 10 ms": [Contender("", in_processes)],
    "async calls": [Contender("concurrency=100", functools.partial(in_tasks, async_call, 100))],
    "uneven async calls": [Contender("concurrency=30", functools.partial(in_tasks, uneven_async_call, 30))],
    "3 async functions": [Contender("", three_async_functions)],
    "import": [Contender("", IMPORTING.format("streamable"))],
    "whole process": [Contender("", THREE_STEPS)],
    "build 200 steps": [Contender("", build_line)],
    "run 200 steps": [Contender("", run_line)],
}
